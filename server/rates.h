// Rates: what is going on per second right now, for INFO's instantaneous_* fields.
//
// The maintenance thread hands in the totals about ten times a second, or `hz` times if that is
// less; a rate is the mean over the last 16 of these. Any thread.
#pragma once

#include <array>
#include <cstdint>
#include <mutex>

#include "server/stats.h"

namespace respcask::server {

class Rates {
 public:
  void sample(const Totals& totals, uint64_t now_ns);

  struct PerSecond {
    uint64_t commands = 0;
    uint64_t bytes_in = 0;
    uint64_t bytes_out = 0;
  };
  PerSecond per_second() const;

 private:
  struct Sample {
    uint64_t ns = 0, commands = 0, bytes_in = 0, bytes_out = 0;
  };
  static constexpr size_t kSamples = 16;

  mutable std::mutex mutex_;
  std::array<Sample, kSamples> samples_;
  size_t taken_ = 0;
};

}  // namespace respcask::server

#include "server/rates.h"

#include <algorithm>

namespace respcask::server {

void Rates::sample(const Totals& totals, uint64_t now_ns) {
  std::lock_guard guard(mutex_);
  const Sample latest{now_ns, totals.commands, totals.bytes_in, totals.bytes_out};
  // CONFIG RESETSTAT: the counters begin anew, and so do the rates.
  if (taken_ > 0 && latest.commands < samples_[(taken_ - 1) % kSamples].commands) taken_ = 0;
  samples_[taken_ % kSamples] = latest;
  ++taken_;
}

Rates::PerSecond Rates::per_second() const {
  std::lock_guard guard(mutex_);
  if (taken_ < 2) return {};
  const Sample& last = samples_[(taken_ - 1) % kSamples];
  const Sample& first = samples_[taken_ <= kSamples ? 0 : taken_ % kSamples];
  const double seconds = static_cast<double>(last.ns - first.ns) / 1e9;
  if (seconds <= 0) return {};
  const auto rate = [&](uint64_t from, uint64_t to) {
    return to < from ? 0 : static_cast<uint64_t>(static_cast<double>(to - from) / seconds);
  };
  return {rate(first.commands, last.commands), rate(first.bytes_in, last.bytes_in),
          rate(first.bytes_out, last.bytes_out)};
}

}  // namespace respcask::server

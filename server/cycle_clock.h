// CycleClock: the monotonic time, as it is read after each command.
//
// Where the kernel keeps its own time by the processor's time-stamp counter, so does this, which
// takes less than half of what clock_gettime takes; elsewhere it is clock_gettime. The counter's
// rate is measured against the system's clock again and again, and each anchor() starts from that
// clock afresh: an error cannot grow beyond what one turn of a loop adds.
// Invariant: no answer is before the one before it, but for a clock that was set back by more than
// a millisecond, which is believed. One thread.
#pragma once

#include <cstdint>

namespace respcask::server {

class CycleClock {
 public:
  CycleClock();

  // CLOCK_MONOTONIC in ns, which now() counts on from.
  uint64_t anchor();
  // The same as told by the counter since the last anchor().
  uint64_t now();

  // CLOCK_MONOTONIC in ns. Any thread.
  static uint64_t system_ns();

 private:
  const bool by_cycles_;
  double ns_per_cycle_ = 0;  // 0: not measured yet
  uint64_t base_ns_ = 0;
  uint64_t base_cycles_ = 0;
  uint64_t window_ns_ = 0;  // where the measurement of the rate began
  uint64_t window_cycles_ = 0;
  uint64_t last_ns_ = 0;
};

}  // namespace respcask::server

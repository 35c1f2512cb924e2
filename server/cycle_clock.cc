#include "server/cycle_clock.h"

#include <algorithm>
#include <ctime>
#include <fstream>
#include <string>

#ifdef __x86_64__
#include <x86intrin.h>
#endif

namespace respcask::server {
namespace {

constexpr uint64_t kWindowNs = 100'000'000;
constexpr uint64_t kDriftNs = 1'000'000;

uint64_t cycles() {
#ifdef __x86_64__
  return __rdtsc();
#else
  return 0;
#endif
}

// The kernel watches the counter: one that stops, changes its rate or differs between processors is
// not its clock, or no longer.
bool kernel_trusts_cycles() {
#ifdef __x86_64__
  static const bool trusts = [] {
    std::ifstream file("/sys/devices/system/clocksource/clocksource0/current_clocksource");
    std::string name;
    return file >> name && name == "tsc";
  }();
  return trusts;
#else
  return false;
#endif
}

}  // namespace

CycleClock::CycleClock() : by_cycles_(kernel_trusts_cycles()) {}

uint64_t CycleClock::system_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

uint64_t CycleClock::anchor() {
  uint64_t ns = system_ns();
  if (by_cycles_) {
    base_cycles_ = cycles();
    if (window_ns_ == 0 || ns - window_ns_ >= kWindowNs) {
      if (window_ns_ != 0 && base_cycles_ > window_cycles_) {
        ns_per_cycle_ = static_cast<double>(ns - window_ns_) /
                        static_cast<double>(base_cycles_ - window_cycles_);
      }
      window_ns_ = ns;
      window_cycles_ = base_cycles_;
    }
  }
  if (last_ns_ > ns && last_ns_ - ns < kDriftNs) ns = last_ns_;
  base_ns_ = ns;
  return last_ns_ = ns;
}

uint64_t CycleClock::now() {
  uint64_t ns = 0;
  if (ns_per_cycle_ == 0) {
    ns = system_ns();
  } else if (const uint64_t count = cycles(); count > base_cycles_) {
    ns =
        base_ns_ + static_cast<uint64_t>(static_cast<double>(count - base_cycles_) * ns_per_cycle_);
  }
  return last_ns_ = std::max(ns, last_ns_);
}

}  // namespace respcask::server

// take_off: a count that several threads lower, never below 0. Any thread.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>

namespace respcask::server {

inline void take_off(std::atomic<uint64_t>& from, uint64_t bytes) {
  uint64_t now = from.load(std::memory_order_relaxed);
  while (!from.compare_exchange_weak(now, now - std::min(now, bytes), std::memory_order_relaxed)) {
  }
}

}  // namespace respcask::server

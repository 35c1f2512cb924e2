// Random: the one source of chance of the differential test. The same seed gives the same numbers
// with every compiler and library, so a run can be repeated from the seed that it printed.
//
// A value type; one thread at a time. (The step is Steele, Lea and Flood's SplitMix64.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace respcask::differential {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t next() {
    state_ += 0x9e3779b97f4a7c15;
    uint64_t z = state_;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  // 0 .. n-1; n is at least 1. The bias for small n does not matter here.
  size_t below(size_t n) { return static_cast<size_t>(next() % n); }
  int64_t between(int64_t low, int64_t high) {
    return low + static_cast<int64_t>(below(static_cast<size_t>(high - low + 1)));
  }
  bool percent(unsigned n) { return below(100) < n; }
  template <typename T, size_t N>
  const T& pick(const T (&list)[N]) {
    return list[below(N)];
  }

 private:
  uint64_t state_;
};

}  // namespace respcask::differential

// Random numbers from a word of state: Steele, Lea and Flood, "Fast splittable pseudorandom number
// generators", OOPSLA 2014 (SplitMix64). Not for secrets. A pure function of the caller's state.
#pragma once

#include <cstdint>

namespace respcask::engine {

// The next of the sequence that `state` stands in. Any state will do to begin with.
inline uint64_t next_random(uint64_t& state) {
  uint64_t z = (state += 0x9e3779b97f4a7c15);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

}  // namespace respcask::engine

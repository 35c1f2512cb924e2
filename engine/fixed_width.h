// Fixed width: integers in files, little endian as the processors that we run on, at any address.
//
// Plain functions over caller-owned bytes, of which there are sizeof(T); any thread.
#pragma once

#include <bit>
#include <cstring>

namespace respcask::engine {

static_assert(std::endian::native == std::endian::little,
              "the format is written as it lies in memory");

template <class T>
void store(char* out, T value) {
  std::memcpy(out, &value, sizeof value);
}

template <class T>
T load(const char* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

}  // namespace respcask::engine

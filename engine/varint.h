// Varint: unsigned LEB128, seven bits a byte, low bits first, at most ten bytes.
//
// Plain functions over caller-owned bytes; any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace respcask::engine {

inline constexpr size_t kMaxVarintSize = 10;

constexpr size_t varint_size(uint64_t value) {
  return value == 0 ? 1 : (static_cast<size_t>(std::bit_width(value)) + 6) / 7;
}

// Writes `value` at `out` (room for kMaxVarintSize) and returns the end of it.
inline char* encode_varint(uint64_t value, char* out) {
  while (value >= 0x80) {
    *out++ = static_cast<char>(value | 0x80);
    value >>= 7;
  }
  *out++ = static_cast<char>(value);
  return out;
}

// Reads a varint from [at, end) into `value` and returns where it ends; null if it is cut short or
// does not fit 64 bits.
inline const char* decode_varint(const char* at, const char* end, uint64_t& value) {
  uint64_t result = 0;
  for (int shift = 0; at < end && shift < 70; shift += 7) {
    auto byte = static_cast<uint8_t>(*at++);
    if (shift == 63 && byte > 1) return nullptr;
    result |= uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) {
      value = result;
      return at;
    }
  }
  return nullptr;
}

}  // namespace respcask::engine

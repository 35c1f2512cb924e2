// LocationList: many locations in a row, at a byte or two for each.
//
// Written once from the front to the back and then read once in the same order. Each is kept as
// what it lies behind the one before: little, where they come in the order in which segments hold
// them. Owns its memory; one thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

#include "engine/location.h"
#include "engine/varint.h"

namespace respcask::engine {

class LocationList {
 public:
  void add(Location where) {
    std::array<char, kMaxVarintSize> bytes;
    char* const end = encode_varint(where.packed - last_, bytes.data());
    bytes_.append(bytes.data(), end);
    last_ = where.packed;
  }

  // The next one, from the front; nothing behind the last.
  std::optional<Location> next() {
    uint64_t step = 0;
    const char* const begin = bytes_.data() + at_;
    const char* const end = decode_varint(begin, bytes_.data() + bytes_.size(), step);
    if (end == nullptr) return std::nullopt;
    at_ += static_cast<size_t>(end - begin);
    read_ += step;
    return Location{read_};
  }

  // Heap bytes held.
  size_t memory_bytes() const { return bytes_.capacity(); }

 private:
  std::string bytes_;
  uint64_t last_ = 0;  // as added
  size_t at_ = 0;      // in bytes_, of what next() reads
  uint64_t read_ = 0;  // as it gave out
};

}  // namespace respcask::engine

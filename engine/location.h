// Location: where a value lies in its shard, in eight bytes.
//
// A location names a segment by its slot (the shard's table of open segments, not the segment's id)
// and the byte offset of the value's checksum in that segment. Plain data; any thread.
#pragma once

#include <cassert>
#include <cstdint>

namespace respcask::engine {

struct Location {
  static constexpr int kOffsetBits = 40;  // a segment is at most 1 TiB
  static constexpr uint64_t kMaxOffset = (uint64_t{1} << kOffsetBits) - 1;
  static constexpr uint32_t kMaxSlot = (uint32_t{1} << 24) - 1;

  uint64_t packed = 0;  // 0 is no location: offset 0 of any segment is its header

  static Location at(uint32_t slot, uint64_t offset) {
    assert(slot <= kMaxSlot && offset <= kMaxOffset);
    return Location{(uint64_t{slot} << kOffsetBits) | offset};
  }
  uint32_t slot() const { return static_cast<uint32_t>(packed >> kOffsetBits); }
  uint64_t offset() const { return packed & kMaxOffset; }

  friend bool operator==(Location, Location) = default;
};

}  // namespace respcask::engine

// Where a key belongs: its slot, as Redis Cluster has it, and the shard that holds the slot.
//
// The slot is the CRC16 of the key modulo 16384; of a key with a tag, "user:{42}:name", only the
// tag counts, so that keys with one tag are always together. Shards hold contiguous ranges of
// slots. Both are part of the file format: a store's keys lie in the shards that these functions
// name.
//
// Pure functions: they keep nothing and may be called from any thread.
#pragma once

#include <cassert>
#include <cstdint>
#include <string_view>

namespace respcask::engine {

inline constexpr std::uint32_t kSlots = 16384;

// CRC16 as in XMODEM: polynomial 0x1021, initial value 0, most significant bit first.
std::uint16_t crc16(std::string_view bytes);

// The slot of a key, below kSlots. The tag is what stands between the first "{" and the first "}"
// after it, if that is not empty.
std::uint16_t key_slot(std::string_view key);

// The shard, below `shards`, that holds `slot`. `slot` < kSlots, 1 <= `shards` <= kSlots.
inline std::uint32_t shard_of_slot(std::uint16_t slot, std::uint32_t shards) {
  assert(slot < kSlots && shards >= 1 && shards <= kSlots);
  return slot * shards / kSlots;
}

}  // namespace respcask::engine

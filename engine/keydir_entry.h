// KeydirEntry: what the keydir knows of a key, decoded. Plain data; any thread.
#pragma once

#include <cstdint>

#include "engine/location.h"

namespace respcask::engine {

struct KeydirEntry {
  static constexpr uint8_t kMaxType = 127;
  static constexpr uint32_t kMaxAccess = (uint32_t{1} << 24) - 1;

  Location where;           // of the value's checksum
  uint32_t value_size = 0;  // bytes
  uint8_t type = 0;         // opaque to the engine, at most kMaxType
  uint64_t collection = 0;  // id of the collection that a split root heads; 0: packed
  int64_t expiry_ms = 0;    // Unix time; 0: never
  uint32_t access = 0;      // at most kMaxAccess; opaque: the server's LRU clock or LFU counter

  friend bool operator==(const KeydirEntry&, const KeydirEntry&) = default;
};

}  // namespace respcask::engine

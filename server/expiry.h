// When a key's time has come, by Redis's rule: it goes when the time is past, not when it has come.
//
// Pure functions; any thread.
#pragma once

#include <cstdint>

#include "engine/keydir_entry.h"

namespace respcask::server {

inline bool is_due(const engine::KeydirEntry& entry, int64_t now_ms) {
  return entry.expiry_ms != 0 && entry.expiry_ms < now_ms;
}

}  // namespace respcask::server

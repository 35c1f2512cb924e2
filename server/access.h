// The access word that the keydir keeps with each key: when it was last used, or how often.
//
// Under an LRU policy (and none) it is the Unix time in seconds, modulo 2^24: right for 194 days.
// Under an LFU policy it holds, as in Redis, the time of the last decay in minutes in its upper 16
// bits and a logarithmic counter in its lower 8. Changing the policy makes old words meaningless,
// as it does in Redis. Pure functions; any thread.
#pragma once

#include <cstdint>

#include "server/config/config.h"

namespace respcask::server {

bool counts_frequency(const Config& config);

// For a key that is new or overwritten.
uint32_t new_access(const Config& config, int64_t now_ms);
// The word of a key that may have been recovered at the start, and has 0 then until it is used: it
// counts as new as of the start.
uint32_t access_since(int64_t started_ms, uint32_t access, const Config& config);
// For a key that is used, from its former word.
uint32_t touched_access(uint32_t access, const Config& config, int64_t now_ms);

// For a key that was last used `idle_s` seconds ago, at most 194 days, and for one whose counter is
// `frequency` (RESTORE).
uint32_t access_of_idle(int64_t idle_s, int64_t now_ms);
uint32_t access_of_frequency(uint8_t frequency, int64_t now_ms);

int64_t idle_ms(uint32_t access, int64_t now_ms);
// The counter after the decay that is due.
uint32_t frequency(uint32_t access, const Config& config, int64_t now_ms);

}  // namespace respcask::server

// CRC-64 with the Jones polynomial, as it closes a DUMP payload: polynomial 0xad93d23594c935a9,
// bits reflected in and out, start value 0, no final inversion. Eight bytes a step by eight tables
// ("slicing": Kounavis and Berry, "A Systematic Approach to Building High Performance
// Software-Based CRC Generators", 2005). Stateless; any thread may call it.
#pragma once

#include <cstdint>
#include <string_view>

namespace respcask::server::rdb {

// The checksum of `bytes`, or of what `crc` is the checksum of followed by `bytes`.
uint64_t crc64(std::string_view bytes, uint64_t crc = 0);

}  // namespace respcask::server::rdb

// CRC-32C (Castagnoli), the checksum of everything that the engine stores: the one with an
// instruction of its own on x86-64 and arm64. Reflected polynomial 0x82F63B78, initial value and
// final xor all ones, as in iSCSI (RFC 3720, section 12.1).
//
// Pure functions: they keep nothing and may be called from any thread.
#pragma once

#include <cstdint>
#include <string_view>

namespace respcask::engine {

// The checksum of `bytes`, or of what `seed` is the checksum of followed by `bytes`:
// crc32c(a + b) == crc32c(b, crc32c(a)).
std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed = 0);

// The same without the processor's instruction, which is what crc32c is on other processors.
std::uint32_t crc32c_by_tables(std::string_view bytes, std::uint32_t seed = 0);

}  // namespace respcask::engine

// SHA-1 (FIPS 180-4). Redis names scripts and digests data sets by it; it protects nothing.
// Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace respcask::server {

using Sha1Digest = std::array<uint8_t, 20>;

Sha1Digest sha1(std::string_view bytes);

// 40 lower-case hexadecimal digits.
std::string hex(const Sha1Digest& digest);

}  // namespace respcask::server

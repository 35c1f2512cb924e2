// SHA-256 (FIPS 180-4). Passwords of users are kept and compared as their digests.
// Pure; any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace respcask::server {

using Sha256Digest = std::array<uint8_t, 32>;

Sha256Digest sha256(std::string_view bytes);

// 64 lower-case hexadecimal digits.
std::string hex(const Sha256Digest& digest);

}  // namespace respcask::server

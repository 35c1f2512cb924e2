// The keydir's hash: SipHash-1-3 under a random 128-bit seed.
//
// Clients choose the keys, so the hash must be one whose collisions cannot be computed without the
// seed. SipHash is J.-P. Aumasson and D. J. Bernstein, "SipHash: a fast short-input PRF", INDOCRYPT
// 2012; 1-3 (one compression round, three final ones) is the variant that hash tables settled on.
// Pure functions of their arguments; any thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace respcask::engine {

struct HashSeed {
  uint64_t k0 = 0;
  uint64_t k1 = 0;

  // A fresh seed from getrandom(2). Aborts if the kernel has no randomness to give: a predictable
  // seed would let any client degrade the keydir to a list.
  static HashSeed random();
};

inline uint64_t siphash13(const HashSeed& seed, std::string_view bytes) {
  static_assert(std::endian::native == std::endian::little);
  uint64_t v0 = seed.k0 ^ 0x736f6d6570736575;
  uint64_t v1 = seed.k1 ^ 0x646f72616e646f6d;
  uint64_t v2 = seed.k0 ^ 0x6c7967656e657261;
  uint64_t v3 = seed.k1 ^ 0x7465646279746573;
  const auto round = [&] {
    v0 += v1, v1 = std::rotl(v1, 13), v1 ^= v0, v0 = std::rotl(v0, 32);
    v2 += v3, v3 = std::rotl(v3, 16), v3 ^= v2;
    v0 += v3, v3 = std::rotl(v3, 21), v3 ^= v0;
    v2 += v1, v1 = std::rotl(v1, 17), v1 ^= v2, v2 = std::rotl(v2, 32);
  };
  const auto absorb = [&](uint64_t word) {
    v3 ^= word;
    round();
    v0 ^= word;
  };

  const char* p = bytes.data();
  size_t left = bytes.size();
  for (; left >= 8; p += 8, left -= 8) {
    uint64_t word;
    std::memcpy(&word, p, 8);
    absorb(word);
  }
  uint64_t last = uint64_t{bytes.size()} << 56;
  for (size_t i = 0; i < left; ++i) last |= uint64_t{static_cast<unsigned char>(p[i])} << (8 * i);
  absorb(last);

  v2 ^= 0xff;
  round();
  round();
  round();
  return v0 ^ v1 ^ v2 ^ v3;
}

}  // namespace respcask::engine

// What SHA-1 and SHA-256 share (FIPS 180-4): a message is padded and taken in blocks of 64 bytes,
// and the digest is the state's words, most significant byte first.
//
// Pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace respcask::server {

inline constexpr size_t kShaBlock = 64;  // bytes

// The digest of `bytes`, from the function's initial state and how it takes up a block:
// add_block(state, const uint8_t*).
template <size_t kWords, class AddBlock>
std::array<uint8_t, 4 * kWords> sha_digest(std::array<uint32_t, kWords> state, AddBlock add_block,
                                           std::string_view bytes) {
  const auto* at = reinterpret_cast<const uint8_t*>(bytes.data());
  size_t left = bytes.size();
  for (; left >= kShaBlock; left -= kShaBlock, at += kShaBlock) add_block(state, at);
  // The rest, a one bit, zeros, and the length in bits.
  std::array<uint8_t, 2 * kShaBlock> tail{};
  if (left > 0) std::memcpy(tail.data(), at, left);
  tail[left] = 0x80;
  const size_t tail_size = left + 9 <= kShaBlock ? kShaBlock : 2 * kShaBlock;
  const uint64_t bits = uint64_t{bytes.size()} * 8;
  for (size_t i = 0; i < 8; ++i) {
    tail[tail_size - 1 - i] = static_cast<uint8_t>(bits >> (8 * i));
  }
  for (size_t i = 0; i < tail_size; i += kShaBlock) add_block(state, tail.data() + i);
  std::array<uint8_t, 4 * kWords> digest;
  for (size_t i = 0; i < digest.size(); ++i) {
    digest[i] = static_cast<uint8_t>(state[i / 4] >> (24 - 8 * (i % 4)));
  }
  return digest;
}

// In lower case.
template <size_t kBytes>
std::string sha_hex(const std::array<uint8_t, kBytes>& digest) {
  std::string text;
  for (const uint8_t byte : digest) {
    text += "0123456789abcdef"[byte >> 4];
    text += "0123456789abcdef"[byte & 15];
  }
  return text;
}

}  // namespace respcask::server

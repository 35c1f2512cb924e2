#include "engine/slot.h"

#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

namespace respcask::engine {
namespace {

TEST_CASE("CRC16 gives the check value of XMODEM") {
  CHECK(crc16("123456789") == 0x31C3);
}

TEST_CASE("CRC16 is right at every length") {
  std::mt19937_64 random(3);
  std::string bytes;
  for (int length = 0; length < 200; ++length) {
    std::uint32_t expected = 0;
    for (const char byte : bytes) {
      expected ^= std::uint32_t{static_cast<unsigned char>(byte)} << 8;
      for (int bit = 0; bit < 8; ++bit)
        expected = (expected << 1) ^ ((expected & 0x8000) != 0 ? 0x1021u : 0u);
      expected &= 0xFFFF;
    }
    CAPTURE(length);
    REQUIRE(crc16(bytes) == expected);
    bytes += static_cast<char>(random());
  }
}

// As Redis 7.0.15 answers CLUSTER KEYSLOT.
TEST_CASE("a key's slot is Redis Cluster's") {
  struct Sample {
    std::string_view key;
    std::uint16_t slot;
  };
  constexpr Sample kSamples[] = {
      {"", 0},
      {"a", 15495},
      {"foo", 12182},
      {"bar", 5061},
      {"123456789", 12739},
      {"{user1000}.following", 3443},
      {"foo{}{bar}", 8363},
      {"foo{{bar}}zap", 4015},
      {"foo{bar}{zap}", 5061},
      {"{", 4092},
      {"}", 12090},
      {"{}", 15257},
      {"}{", 12793},
      {"x}{tag}", 8338},
      {"{tag", 15608},
      {"tag}", 6488},
      {"user:{42}:name", 8000},
      {"42", 8000},
      {"key:000000000042", 7803},
      {"0123456789abcdef0123456789abcdef!", 14568},
      {"\xff\xfe\x80 \x01", 2597},
      {"a{b", 13340},
      {"a}b{c}d", 7365},
      {"{ }", 9314},
      {"somekey", 11058},
      {"foo{hash_tag}", 2515},
      {"bar{hash_tag}", 2515},
      {"{a}", 15495},
  };
  for (const Sample& sample : kSamples) {
    CAPTURE(sample.key);
    CHECK(key_slot(sample.key) == sample.slot);
  }
}

TEST_CASE("shards hold contiguous ranges of slots, as even as can be") {
  for (const std::uint32_t shards : {1u, 2u, 3u, 8u, 100u, 16383u, 16384u}) {
    CAPTURE(shards);
    std::vector<std::uint32_t> held(shards);
    std::uint32_t previous = 0;
    for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
      const std::uint32_t shard = shard_of_slot(static_cast<std::uint16_t>(slot), shards);
      REQUIRE(shard < shards);
      REQUIRE(shard >= previous);
      previous = shard;
      ++held[shard];
    }
    for (const std::uint32_t count : held) {
      REQUIRE(count >= kSlots / shards);
      REQUIRE(count <= kSlots / shards + 1);
    }
  }
  CHECK(shard_of_slot(2047, 8) == 0);
  CHECK(shard_of_slot(2048, 8) == 1);
}

}  // namespace
}  // namespace respcask::engine

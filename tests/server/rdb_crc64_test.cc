#include <doctest/doctest.h>

#include <cstdint>
#include <random>
#include <string>

#include "server/rdb/crc64.h"

namespace respcask::server::rdb {
namespace {

uint64_t bit_by_bit(std::string_view bytes) {
  uint64_t crc = 0;
  for (const char byte : bytes) {
    crc ^= static_cast<uint8_t>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) * 0x95ac9329ac4bc9b5);
  }
  return crc;
}

TEST_CASE("crc64 gives the published check value") {
  CHECK(crc64("123456789") == 0xe9c6d914c4b8d9ca);
  CHECK(crc64("") == 0);
}

TEST_CASE("crc64 agrees with the definition at every length and goes on from any split") {
  std::mt19937_64 random(1);
  std::string bytes(70, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  for (size_t size = 0; size <= bytes.size(); ++size) {
    const std::string_view whole = std::string_view(bytes).substr(0, size);
    const uint64_t expected = bit_by_bit(whole);
    CHECK(crc64(whole) == expected);
    for (size_t cut = 0; cut <= size; ++cut) {
      CHECK(crc64(whole.substr(cut), crc64(whole.substr(0, cut))) == expected);
    }
  }
}

}  // namespace
}  // namespace respcask::server::rdb

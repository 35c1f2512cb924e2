#include "engine/crc32c.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>

namespace respcask::engine {
namespace {

// Bit by bit from the definition: slow, and too short to be wrong.
std::uint32_t crc32c_by_definition(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78u : 0u);
  }
  return ~crc;
}

std::string random_bytes(std::mt19937_64& random, std::size_t size) {
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

TEST_CASE("CRC-32C gives the values of RFC 3720, appendix B.4") {
  std::string ascending;
  for (int i = 0; i < 32; ++i) ascending += static_cast<char>(i);
  const std::string descending(ascending.rbegin(), ascending.rend());
  std::string read_command(48, '\0');  // an iSCSI SCSI Read (10) command PDU
  read_command[0] = 0x01;
  read_command[1] = '\xc0';
  read_command[16] = 0x14;
  read_command[22] = 0x04;
  read_command[27] = 0x14;
  read_command[31] = 0x18;
  read_command[32] = 0x28;
  read_command[40] = 0x02;

  for (const auto crc : {crc32c, crc32c_by_tables}) {
    CHECK(crc(std::string(32, '\0'), 0) == 0x8A9136AA);
    CHECK(crc(std::string(32, '\xff'), 0) == 0x62A8AB43);
    CHECK(crc(ascending, 0) == 0x46DD794E);
    CHECK(crc(descending, 0) == 0x113FDB5C);
    CHECK(crc(read_command, 0) == 0xD9963A56);
    CHECK(crc("123456789", 0) == 0xE3069283);
    CHECK(crc("", 0) == 0);
  }
}

TEST_CASE("CRC-32C is right at every length and alignment, with and without the instruction") {
  std::mt19937_64 random(7);
  const std::string bytes = random_bytes(random, 40000);
  for (std::size_t length = 0; length < 1700; ++length) {
    const std::string_view part = std::string_view(bytes).substr(length % 13, length);
    const std::uint32_t expected = crc32c_by_definition(part);
    CAPTURE(length);
    REQUIRE(crc32c(part) == expected);
    REQUIRE(crc32c_by_tables(part) == expected);
  }
  for (const std::size_t length : {12287, 12288, 12289, 13056, 24576, 39000}) {
    const std::string_view part = std::string_view(bytes).substr(5, length);
    const std::uint32_t expected = crc32c_by_definition(part);
    CAPTURE(length);
    CHECK(crc32c(part) == expected);
    CHECK(crc32c_by_tables(part) == expected);
  }
}

TEST_CASE("CRC-32C of a whole is that of its parts, one seeding the next") {
  std::mt19937_64 random(11);
  const std::string bytes = random_bytes(random, 30000);
  const std::uint32_t whole = crc32c(bytes);
  for (int round = 0; round < 200; ++round) {
    std::uint32_t crc = 0;
    std::uint32_t crc_by_tables = 0;
    for (std::string_view rest = bytes; !rest.empty();) {
      const std::size_t length = std::min<std::size_t>(rest.size(), 1 + random() % 15000);
      crc = crc32c(rest.substr(0, length), crc);
      crc_by_tables = crc32c_by_tables(rest.substr(0, length), crc_by_tables);
      rest.remove_prefix(length);
    }
    REQUIRE(crc == whole);
    REQUIRE(crc_by_tables == whole);
  }
}

TEST_CASE("CRC-32C notices every flipped bit") {
  std::mt19937_64 random(13);
  std::string bytes = random_bytes(random, 900);
  const std::uint32_t before = crc32c(bytes);
  for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
    REQUIRE(crc32c(bytes) != before);
    bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << bit % 8));
  }
}

}  // namespace
}  // namespace respcask::engine

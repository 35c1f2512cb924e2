#include <doctest/doctest.h>

#include <bit>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/harness.h"
#include "tests/server/peak_memory.h"

namespace respcask::server {
namespace {

using testing::Client;
using testing::Harness;

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string integer(int64_t value) {
  return ":" + std::to_string(value) + "\r\n";
}

constexpr std::string_view kNull = "$-1\r\n";

bool bit_at(std::string_view bytes, size_t bit) {
  return bit / 8 < bytes.size() &&
         (static_cast<unsigned char>(bytes[bit / 8]) >> (7 - bit % 8) & 1) != 0;
}

TEST_CASE("SETBIT sets the bit, answers the old one and makes room") {
  Harness h;
  CHECK(h.run("SETBIT k 7 1") == integer(0));
  CHECK(h.run("GET k") == bulk("\x01"));
  CHECK(h.run("SETBIT k 7 0") == integer(1));
  CHECK(h.run("SETBIT k 16 0") == integer(0));
  CHECK(h.run("GET k") == bulk({"\0\0\0", 3}));
  CHECK(h.run("GETBIT k 7") == integer(0));
  CHECK(h.run("GETBIT k 1000") == integer(0));
  CHECK(h.run("GETBIT none 0") == integer(0));
  h.run("SET k 1");
  CHECK(h.run("GETBIT k 2") == integer(1));
  const std::string_view bad_offset = "-ERR bit offset is not an integer or out of range\r\n";
  CHECK(h.run("SETBIT k -1 1") == bad_offset);
  CHECK(h.run("SETBIT k 4294967296 1") == bad_offset);
  CHECK(h.run("SETBIT k #1 1") == bad_offset);
  CHECK(h.run("GETBIT k 9223372036854775808") == bad_offset);
  CHECK(h.run("SETBIT k 0 2") == "-ERR bit is not an integer or out of range\r\n");
}

TEST_CASE("the last bit of the largest bitmap") {
  Harness h;
  CHECK(h.run("SETBIT k 4294967295 1") == integer(0));
  for (int pass = 0; pass < 2; ++pass) {
    CHECK(h.run("STRLEN k") == integer(536870912));
    CHECK(h.run("GETBIT k 4294967295") == integer(1));
    CHECK(h.run("GETBIT k 4294967294") == integer(0));
    CHECK(h.run("BITCOUNT k") == integer(1));
    CHECK(h.run("BITPOS k 1") == integer(4294967295));
    h.restart();
  }
}

TEST_CASE("BITCOUNT counts bytes and bits of a range") {
  Harness h;
  h.run("SET k foobar");
  CHECK(h.run("BITCOUNT k") == integer(26));
  CHECK(h.run("BITCOUNT k 0 0") == integer(4));
  CHECK(h.run("BITCOUNT k 1 1") == integer(6));
  CHECK(h.run("BITCOUNT k -2 -1 BYTE") == integer(7));
  CHECK(h.run("BITCOUNT k 5 30 bit") == integer(17));
  CHECK(h.run("BITCOUNT k 3 3 BIT") == integer(0));
  CHECK(h.run("BITCOUNT k 2 2 BIT") == integer(1));
  CHECK(h.run("BITCOUNT k 10 5") == integer(0));
  CHECK(h.run("BITCOUNT k 1") == "-ERR syntax error\r\n");
  CHECK(h.run("BITCOUNT k 0 1 x") == "-ERR syntax error\r\n");
  CHECK(h.run("BITCOUNT k x 1") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("BITCOUNT none 1") == integer(0));
}

TEST_CASE("BITPOS finds the first bit of a range") {
  Harness h;
  h.run({"SET", "k", {"\xff\xf0\x00", 3}});
  CHECK(h.run("BITPOS k 0") == integer(12));
  CHECK(h.run("BITPOS k 1") == integer(0));
  CHECK(h.run("BITPOS k 1 2") == integer(-1));
  CHECK(h.run("BITPOS k 0 0 0") == integer(-1));
  CHECK(h.run("BITPOS k 1 5 -1 BIT") == integer(5));
  CHECK(h.run("BITPOS k 0 5 11 BIT") == integer(-1));
  h.run("SET k \"\\xff\\xff\"");
  CHECK(h.run("BITPOS k 0") == integer(16));
  CHECK(h.run("BITPOS k 0 1") == integer(16));
  CHECK(h.run("BITPOS k 0 0 -1") == integer(-1));
  CHECK(h.run("BITPOS none 0") == integer(0));
  CHECK(h.run("BITPOS none 1") == integer(-1));
  CHECK(h.run("BITPOS k 2") == "-ERR The bit argument must be 1 or 0.\r\n");
  CHECK(h.run({"SET", "k", ""}) == "+OK\r\n");
  CHECK(h.run("BITPOS k 0") == integer(-1));
}

TEST_CASE("BITCOUNT and BITPOS agree with counting by hand, packed and in chunks") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (const size_t size : {size_t{40}, size_t{5000}, size_t{70'000}}) {
    Harness h;
    std::string value(size, random() % 2 == 0 ? '\0' : '\xff');
    for (int n = 0; n < 40; ++n) value[random() % size] = static_cast<char>(random());
    h.run({"SET", "k", value});
    for (int n = 0; n < 200; ++n) {
      size_t first = random() % (size * 8), last = random() % (size * 8);
      if (first > last) std::swap(first, last);
      int64_t count = 0, position[2] = {-1, -1};
      for (size_t bit = first; bit <= last; ++bit) {
        const bool set = bit_at(value, bit);
        count += set;
        if (position[set] == -1) position[set] = static_cast<int64_t>(bit);
      }
      const std::string range = std::to_string(first) + " " + std::to_string(last) + " BIT";
      CAPTURE(range);
      CHECK(h.run("BITCOUNT k " + range) == integer(count));
      CHECK(h.run("BITPOS k 0 " + range) == integer(position[0]));
      CHECK(h.run("BITPOS k 1 " + range) == integer(position[1]));
    }
  }
}

TEST_CASE("BITOP combines strings of any lengths") {
  Harness h;
  h.run({"MSET", "a", "abc", "b", "ab\xff", "{x}", "abcdef"});
  CHECK(h.run("BITOP AND d a b") == integer(3));
  CHECK(h.run("GET d") == bulk("abc"));
  CHECK(h.run("BITOP or d a {x}") == integer(6));
  CHECK(h.run("GET d") == bulk("abcdef"));
  CHECK(h.run("BITOP XOR d a {x}") == integer(6));
  CHECK(h.run("GET d") == bulk({"\0\0\0def", 6}));
  CHECK(h.run("BITOP AND d {x} a") == integer(6));
  CHECK(h.run("GET d") == bulk({"abc\0\0\0", 6}));
  CHECK(h.run("BITOP AND d a none") == integer(3));
  CHECK(h.run("GET d") == bulk({"\0\0\0", 3}));
  CHECK(h.run("BITOP AND d none a") == integer(3));
  CHECK(h.run("GET d") == bulk({"\0\0\0", 3}));
  CHECK(h.run("BITOP NOT a a") == integer(3));
  CHECK(h.run("GET a") == bulk("\x9e\x9d\x9c"));
  CHECK(h.run("BITOP OR d none1 none2") == integer(0));
  CHECK(h.run("GET d") == kNull);
  CHECK(h.run("BITOP NOT d a b") == "-ERR BITOP NOT must be called with a single source key.\r\n");
  CHECK(h.run("BITOP NAND d a b") == "-ERR syntax error\r\n");
}

TEST_CASE("BITOP over long strings, with gaps") {
  Harness h;
  h.run("SETRANGE a 100000 \"\\x0f\\x0f\"");
  h.run("SETRANGE b 90000 \"\\xff\"");
  h.run("SETRANGE b 100001 \"\\xf1\"");
  CHECK(h.run("BITOP AND and a b") == integer(100002));
  CHECK(h.run("GETRANGE and 99999 -1") == bulk({"\0\0\x01", 3}));
  CHECK(h.run("BITCOUNT and") == integer(1));
  CHECK(h.run("BITOP OR or a b") == integer(100002));
  CHECK(h.run("BITCOUNT or") == integer(8 + 4 + 8));
  CHECK(h.run("BITOP NOT not a") == integer(100002));
  h.restart();
  CHECK(h.run("BITCOUNT not") == integer(100002 * 8 - 8));
  CHECK(h.run("BITCOUNT or") == integer(8 + 4 + 8));
}

TEST_CASE("BITFIELD gets, sets and adds, wrapping, saturating or failing") {
  Harness h;
  CHECK(h.run("BITFIELD k INCRBY i5 100 1 GET u4 0") == "*2\r\n:1\r\n:0\r\n");
  CHECK(h.run("BITFIELD k SET u8 0 255 INCRBY u8 0 1") == "*2\r\n:0\r\n:0\r\n");
  CHECK(h.run("BITFIELD k SET u8 0 255 OVERFLOW SAT INCRBY u8 0 1") == "*2\r\n:0\r\n:255\r\n");
  CHECK(h.run("BITFIELD k OVERFLOW FAIL INCRBY u8 0 1 GET u8 0") == "*2\r\n$-1\r\n:255\r\n");
  CHECK(h.run("BITFIELD k SET i8 #1 -128 OVERFLOW SAT INCRBY i8 #1 -1 OVERFLOW WRAP INCRBY i8 #1 "
              "-1") == "*3\r\n:0\r\n:-128\r\n:127\r\n");
  CHECK(h.run("BITFIELD k SET i64 3 9223372036854775807 INCRBY i64 3 1 GET i64 3") ==
        "*3\r\n:-290482175965396992\r\n:-9223372036854775808\r\n:-9223372036854775808\r\n");
  CHECK(h.run("BITFIELD k SET u63 1 -1") == "*1\r\n:8070450532247928832\r\n");
  CHECK(h.run("BITFIELD k GET u63 1") == "*1\r\n:9223372036854775807\r\n");
  CHECK(h.run("BITFIELD_RO k GET u2 0 GET i3 1") == "*2\r\n:3\r\n:-1\r\n");
  CHECK(h.run("BITFIELD none GET u8 0") == "*1\r\n:0\r\n");
  CHECK(h.run("GET none") == kNull);
  CHECK(h.run("BITFIELD k") == "*0\r\n");
}

TEST_CASE("a BITFIELD that saturates far below takes the upper end, as in Redis") {
  Harness h;
  CHECK(h.run("BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775808 GET i8 0") ==
        "*2\r\n:0\r\n:127\r\n");
  CHECK(h.run("BITFIELD k OVERFLOW SAT SET i8 0 -9223372036854775680 GET i8 0") ==
        "*2\r\n:127\r\n:-128\r\n");
}

TEST_CASE("BITFIELD makes room to its last field even if that fails") {
  Harness h;
  CHECK(h.run("BITFIELD k OVERFLOW FAIL SET u8 80 256") == "*1\r\n$-1\r\n");
  CHECK(h.run("STRLEN k") == integer(11));
  CHECK(h.run("BITFIELD k GET u8 800") == "*1\r\n:0\r\n");
  CHECK(h.run("STRLEN k") == integer(11));
  CHECK(h.run("BITFIELD k SET u8 88 0 GET u32 88") == "*2\r\n:0\r\n:0\r\n");
  CHECK(h.run("STRLEN k") == integer(12));
}

TEST_CASE("BITFIELD that fails and yet makes room tells those who watch nothing") {
  Harness h;
  Client watcher(h);
  watcher.run("WATCH k");
  CHECK(h.run("BITFIELD k OVERFLOW FAIL SET u1 80 5") == "*1\r\n$-1\r\n");
  CHECK(h.run("STRLEN k") == integer(11));
  watcher.run("MULTI");
  CHECK(watcher.run("EXEC") == "*0\r\n");
}

TEST_CASE("BITFIELD over chunks") {
  Harness h;
  CHECK(h.run("BITFIELD k SET u32 32760 4294967295 SET u16 4000000 7 INCRBY u16 4000000 1") ==
        "*3\r\n:0\r\n:0\r\n:8\r\n");
  h.restart();
  CHECK(h.run("BITFIELD k GET u32 32760 GET u40 32756 GET u16 4000000") ==
        "*3\r\n:4294967295\r\n:68719476720\r\n:8\r\n");
  CHECK(h.run("STRLEN k") == integer(500002));
  CHECK(h.run("BITCOUNT k") == integer(33));
}

TEST_CASE("many fields of a chunk take the room of one chunk") {
  for (const size_t length : {size_t{8000}, size_t{100'000}}) {
    CAPTURE(length);
    Harness h;
    std::string expected(length, 'a');
    h.run({"SET", "k", expected});
    h.server->memory.set_bound(1);  // a few MiB are had in any case
    std::vector<std::string> command{"BITFIELD", "k"};
    for (size_t i = 1; i < 8000; i += 2) {
      command.insert(command.end(), {"SET", "u8", "#" + std::to_string(i), "98"});
      expected[i] = 'b';
    }
    CHECK(h.client().run(command).starts_with("*4000\r\n:97\r\n"));
    const bool same = h.run("GET k").find(expected) != std::string::npos;
    CHECK(same);
  }
}

TEST_CASE("BITOP whose result memory has no room for is refused before it is made") {
  Harness h;
  const std::string too_much = "-" + std::string(kTooMuch) + "\r\n";
  h.run("SETRANGE k 200000000 x");
  h.run("SET short abc");
  h.server->memory.set_bound(1);  // a few MiB are had in any case
  for (const std::string_view command :
       {"BITOP OR d k", "BITOP AND d short k", "BITOP XOR d k k", "BITOP NOT d k"}) {
    CAPTURE(command);
    std::string reply;
    const uint64_t peak = testing::peak_bytes_of([&] { reply = h.run(command); });
    CHECK(reply == too_much);
    CHECK(peak < 100'000'000);
  }
  CHECK(h.run("EXISTS d") == integer(0));
  CHECK(h.run("BITOP NOT d short") == integer(3));
}

TEST_CASE("BITFIELD refuses what makes no sense") {
  Harness h;
  const std::string_view bad_type =
      "-ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
      "i64 is.\r\n";
  for (const char* type : {"u64", "i65", "u0", "i", "8", "I8", "u08"}) {
    CHECK(h.run({"BITFIELD", "k", "GET", type, "0"}) == bad_type);
  }
  const std::string_view bad_offset = "-ERR bit offset is not an integer or out of range\r\n";
  CHECK(h.run("BITFIELD k GET u8 -1") == bad_offset);
  CHECK(h.run("BITFIELD k GET u8 #9223372036854775807") == bad_offset);
  CHECK(h.run("BITFIELD k SET u8 4294967296 1") == bad_offset);
  CHECK(h.run("BITFIELD k OVERFLOW x") == "-ERR Invalid OVERFLOW type specified\r\n");
  CHECK(h.run("BITFIELD k SET u8 0") == "-ERR syntax error\r\n");
  CHECK(h.run("BITFIELD k SET u8 0 x") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("BITFIELD_RO k SET u8 0 1") ==
        "-ERR BITFIELD_RO only supports the GET subcommand\r\n");
  CHECK(h.run("GET k") == kNull);
}

}  // namespace
}  // namespace respcask::server

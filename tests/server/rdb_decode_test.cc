#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <variant>

#include "server/rdb/decode.h"
#include "tests/server/rdb_golden.h"

namespace respcask::server::rdb {
namespace {

using namespace std::string_literals;

std::optional<Value> decode_hex(std::string_view hex) {
  const Decoded decoded = decode(golden::bytes(hex));
  const Value* value = std::get_if<Value>(&decoded);
  return value != nullptr ? std::optional(*value) : std::nullopt;
}

bool decodes_to(std::string_view hex, const Value& expected) {
  const std::optional<Value> value = decode_hex(hex);
  return value && *value == expected;
}

// Whether the body, under a right footer, is refused for its format.
bool refused(const std::string& body, DecodeError why = DecodeError::kFormat) {
  const Decoded decoded = decode(golden::close(body));
  const DecodeError* error = std::get_if<DecodeError>(&decoded);
  return error != nullptr && *error == why;
}

bool refused_as_empty(const std::string& body) {
  return refused(body, DecodeError::kEmpty);
}

TEST_CASE("strings are decoded from every form") {
  CHECK(decodes_to(golden::kPlainString, String{"hello"}));
  CHECK(decodes_to(golden::kEmptyString, String{""}));
  CHECK(decodes_to(golden::kInt8String, String{"-128"}));
  CHECK(decodes_to(golden::kInt16String, String{"32767"}));
  CHECK(decodes_to(golden::kInt32String, String{"-2147483648"}));
  CHECK(decodes_to(golden::kInt64String, String{"9223372036854775807"}));
  std::string repeated;
  for (int i = 0; i < 20; ++i) repeated += "abcabcabc";
  CHECK(decodes_to(golden::kCompressedString, String{repeated}));
  CHECK(decodes_to(golden::kIncompressibleString, String{"abcdefghijklmnopqrstuvwxyz0123456789"}));
}

TEST_CASE("lists are decoded from every encoding") {
  CHECK(decodes_to(golden::kList, List{{"a", "7", "", "bee"}}));
  CHECK(decodes_to(
      golden::kListZiplist,
      List{{"a", "0", "12", "13", "-128", "-129", "32767", "-32769", "8388607", "-8388609",
            "2147483648", "-9223372036854775808", "", std::string(260, 'x'), "after"}}));
  CHECK(decodes_to(golden::kListQuicklist, List{{"a", "1", "b", "-70000"}}));
  CHECK(decodes_to(golden::kListQuicklist2,
                   List{{"a", "1", "-4097", "", "bee", "9223372036854775807"}}));
  CHECK(decodes_to(golden::kListPlainNodes, List{{"a", "xxxxx0123456789abcdefgh", "b"}}));
}

TEST_CASE("sets are decoded from every encoding") {
  CHECK(decodes_to(golden::kSet, Set{{"b", "a", "256"}}));
  CHECK(decodes_to(golden::kSetIntset16, Set{{"-2", "1", "300"}}));
  CHECK(decodes_to(golden::kSetIntset32, Set{{"-2", "1", "70000"}}));
  CHECK(decodes_to(golden::kSetIntset64, Set{{"-2", "1", "1099511627776"}}));
}

TEST_CASE("hashes are decoded from every encoding") {
  CHECK(decodes_to(golden::kHash, Hash{{{"f", "v"}, {"n", "-100000"}}}));
  CHECK(decodes_to(golden::kHashZipmap, Hash{{{"f", "v"}, {"key", ""}, {"", "value"}}}));
  CHECK(decodes_to(golden::kHashZiplist, Hash{{{"f", "v"}, {"1", "2"}, {"e", ""}}}));
  CHECK(decodes_to(golden::kHashListpack,
                   Hash{{{"f", "v"}, {"1", "2"}, {"empty", ""}, {"long", std::string(64, 'l')}}}));
  CHECK(decodes_to(golden::kHashTable, Hash{{{"f", std::string(65, 'l')}}}));
}

TEST_CASE("sorted sets are decoded from every encoding, in their order") {
  const double infinity = std::numeric_limits<double>::infinity();
  CHECK(decodes_to(
      golden::kZsetText,
      SortedSet{{{"c", -infinity}, {"d", -3}, {"e", 0.1}, {"a", 1.5}, {"b", infinity}}}));
  CHECK(decodes_to(golden::kZsetTable, SortedSet{{{"2", -2}, {std::string(65, 'm'), 1.5}}}));
  CHECK(decodes_to(golden::kZsetZiplist,
                   SortedSet{{{"m", -1}, {"d", 0.1}, {"7", 3}, {"hi", infinity}}}));
  CHECK(decodes_to(golden::kZsetListpack, SortedSet{{{"lo", -infinity},
                                                     {"m", -1},
                                                     {"d", 0.1},
                                                     {"a", 3},
                                                     {"b", 3},
                                                     {"big", 1e300},
                                                     {"hi", infinity}}}));
}

TEST_CASE("the footer is checked before anything else") {
  const std::string good = golden::bytes(golden::kPlainString);
  CHECK(has_valid_footer(good));
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CHECK(!has_valid_footer(bad));
    CHECK(std::get<DecodeError>(decode(bad)) == DecodeError::kFooter);
  }
  for (size_t size = 0; size < good.size(); ++size) {
    CHECK(std::get<DecodeError>(decode(good.substr(0, size))) == DecodeError::kFooter);
  }
  // Like Redis: a checksum of zero stands for none in a file, not in a payload.
  CHECK(!has_valid_footer(good.substr(0, good.size() - 8) + std::string(8, '\0')));
  std::string newer = golden::body(golden::kPlainString);
  append_little(newer, 11, 2);
  append_little(newer, crc64(newer), 8);
  CHECK(!has_valid_footer(newer));
}

TEST_CASE("types that hold no value are refused") {
  CHECK(std::get<DecodeError>(decode(golden::close(""))) == DecodeError::kFormat);
  for (int type = 0; type < 256; ++type) {
    const bool stream = type == 15;
    const bool known = type <= 5 || (type >= 9 && type <= 18 && !stream);
    if (!known)
      CHECK(refused(std::string(1, static_cast<char>(type)) + "\x01"s
                                                              "a"s));
  }
}

TEST_CASE("empty collections are refused as such") {
  for (const int type : {1, 2, 3, 4, 5, 14, 18}) {
    CHECK(refused_as_empty(std::string(1, static_cast<char>(type)) + '\0'));
  }
  const std::string ziplist = "\x0b\x0b\0\0\0\x0a\0\0\0\0\0\xff"s;
  const std::string listpack = "\x07\x07\0\0\0\0\0\xff"s;
  CHECK(refused_as_empty("\x0a"s + ziplist));
  CHECK(refused_as_empty("\x0c"s + ziplist));
  CHECK(refused_as_empty("\x0d"s + ziplist));
  CHECK(refused_as_empty("\x0e\x01"s + ziplist));
  CHECK(refused_as_empty("\x10"s + listpack));
  CHECK(refused_as_empty("\x11"s + listpack));
  CHECK(refused_as_empty("\x12\x01\x02"s + listpack));
}

TEST_CASE("names that come twice are refused, whatever their form") {
  CHECK(
      refused("\x02\x02\x01"s
              "a\x01"s
              "a"s));
  CHECK(
      refused("\x02\x02\x01"s
              "1\xc0\x01"s));
  CHECK(
      refused("\x04\x02\x01"s
              "a\x01x\x01"s
              "a\x01y"s));
  CHECK(
      refused("\x05\x02\x01"s
              "a"s +
              std::string(8, '\0') +
              "\x01"s
              "a"s +
              std::string(8, '\0')));
  // Twice in a listpack, once as an integer and once as text that no Redis would write.
  CHECK(
      refused("\x10\x12\x12\0\0\0\x04\0\x01\x01\x02\x01\x81"s
              "1\x02\x02\x01\xff"s));
}

TEST_CASE("scores that are no numbers are refused") {
  CHECK(
      refused("\x05\x01\x01"s
              "a\0\0\0\0\0\0\xf8\x7f"s));
  CHECK(
      refused("\x03\x01\x01"s
              "a\xfd"s));
  CHECK(
      refused("\x03\x01\x01"s
              "a\x03nan"s));
  CHECK(
      refused("\x03\x01\x01"s
              "a\x04"s
              "1abc"s));
  CHECK(
      refused("\x03\x01\x01"s
              "a\0"s));
}

TEST_CASE("a packed collection of pairs with a half pair is refused") {
  CHECK(
      refused("\x10\x0a\x0a\0\0\0\x01\0\x81"s
              "a\x02\xff"s));
  CHECK(
      refused("\x11\x0a\x0a\0\0\0\x01\0\x81"s
              "a\x02\xff"s));
}

TEST_CASE("bytes after the value are refused") {
  for (const golden::Named& payload : golden::kAll) {
    CAPTURE(payload.name);
    CHECK(refused(golden::body(payload.hex) + '\0'));
  }
}

TEST_CASE("a claimed length allocates nothing") {
  const std::string huge = "\x81\x7f\xff\xff\xff\xff\xff\xff\xff"s;
  for (const int type : {0, 1, 2, 3, 4, 5, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19}) {
    CHECK(refused(std::string(1, static_cast<char>(type)) + huge));
  }
  CHECK(refused("\0\xc3\x02"s + huge + "\0a"s));
}

// Neither may misbehave (the sanitizers watch); most are refused.
TEST_CASE("every truncation of every payload is refused or a value") {
  for (const golden::Named& payload : golden::kAll) {
    const std::string body = golden::body(payload.hex);
    for (size_t size = 0; size < body.size(); ++size) {
      CAPTURE(payload.name);
      CHECK(refused(body.substr(0, size)));
    }
  }
}

TEST_CASE("every changed byte of every payload gives a value or an error") {
  size_t values = 0;
  size_t errors = 0;
  for (const golden::Named& payload : golden::kAll) {
    const std::string body = golden::body(payload.hex);
    for (size_t at = 0; at < body.size(); ++at) {
      for (int difference = 1; difference < 256; ++difference) {
        std::string changed = body;
        changed[at] = static_cast<char>(changed[at] ^ difference);
        const Decoded decoded = decode(golden::close(changed));
        ++(std::holds_alternative<Value>(decoded) ? values : errors);
      }
    }
  }
  CHECK(values > 0);
  CHECK(errors > 0);
}

}  // namespace
}  // namespace respcask::server::rdb

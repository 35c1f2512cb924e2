#include <doctest/doctest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "server/rdb/decode.h"
#include "server/rdb/encode.h"
#include "server/rdb/format.h"
#include "tests/server/rdb_golden.h"

namespace respcask::server::rdb {
namespace {

Value value_of(const std::string& payload) {
  const Decoded decoded = decode(payload);
  REQUIRE(std::holds_alternative<Value>(decoded));
  return std::get<Value>(decoded);
}

Type type_of(const Value& value, const EncodeLimits& limits) {
  return static_cast<Type>(encode(value, limits).front());
}

TEST_CASE("what Redis wrote is written again byte for byte") {
  for (const std::string_view hex :
       {golden::kPlainString, golden::kEmptyString, golden::kInt8String, golden::kInt16String,
        golden::kInt32String, golden::kInt64String, golden::kCompressedString,
        golden::kIncompressibleString, golden::kListQuicklist2, golden::kSetIntset16,
        golden::kSetIntset32, golden::kSetIntset64, golden::kSetStrings, golden::kHashListpack,
        golden::kHashTable, golden::kZsetListpack, golden::kZsetTable}) {
    CAPTURE(hex);
    const std::string payload = golden::bytes(hex);
    CHECK(encode(value_of(payload), {}) == payload);
  }
}

TEST_CASE("every other encoding comes back as the same value") {
  for (const golden::Named& payload : golden::kAll) {
    CAPTURE(payload.name);
    Value value = value_of(golden::bytes(payload.hex));
    const Value again = value_of(encode(value, {}));
    CHECK((again == value));
  }
}

TEST_CASE("collections change their encoding at the limits") {
  EncodeLimits limits;
  limits.hash_max_listpack_entries = 2;
  limits.hash_max_listpack_value = 3;
  CHECK(type_of(Hash{{{"aaa", "bbb"}, {"b", ""}}}, limits) == Type::kHashListpack);
  CHECK(type_of(Hash{{{"a", "b"}, {"b", "b"}, {"c", "b"}}}, limits) == Type::kHash);
  CHECK(type_of(Hash{{{"aaaa", "b"}}}, limits) == Type::kHash);
  CHECK(type_of(Hash{{{"a", "bbbb"}}}, limits) == Type::kHash);
  limits.set_max_intset_entries = 2;
  CHECK(type_of(Set{{"2", "1"}}, limits) == Type::kSetIntset);
  CHECK(type_of(Set{{"2", "1", "3"}}, limits) == Type::kSet);
  CHECK(type_of(Set{{"2", "01"}}, limits) == Type::kSet);
  limits.zset_max_listpack_entries = 2;
  limits.zset_max_listpack_value = 3;
  CHECK(type_of(SortedSet{{{"aaa", 1}, {"b", 2}}}, limits) == Type::kZsetListpack);
  CHECK(type_of(SortedSet{{{"a", 1}, {"b", 2}, {"c", 3}}}, limits) == Type::kZset2);
  CHECK(type_of(SortedSet{{{"aaaa", 1}}}, limits) == Type::kZset2);
}

TEST_CASE("list nodes are cut where Redis cuts them") {
  const List list{std::vector<std::string>(10, std::string(1000, 'x'))};
  const auto nodes = [&list](int64_t max_listpack_size) {
    EncodeLimits limits;
    limits.list_max_listpack_size = max_listpack_size;
    return static_cast<int>(encode(list, limits)[1]);
  };
  CHECK(nodes(0) == 10);
  CHECK(nodes(1) == 10);
  CHECK(nodes(3) == 4);
  CHECK(nodes(128) == 2);  // 8 KiB at most, whatever the count
  CHECK(nodes(-1) == 3);
  CHECK(nodes(-2) == 2);
  CHECK(nodes(-3) == 1);
  CHECK(nodes(-100) == 1);
}

TEST_CASE("nodes away from a list's ends are compressed by depth alone") {
  const List list{std::vector<std::string>(5, std::string(1000, 'x'))};
  EncodeLimits limits;
  limits.list_max_listpack_size = 1;
  limits.rdb_compression = false;
  const size_t plain = encode(list, limits).size();
  CHECK(plain > 5000);
  limits.list_compress_depth = 2;
  CHECK(encode(list, limits).size() < plain - 900);
  CHECK(encode(list, limits).size() > plain - 1000);
  limits.list_compress_depth = 1;
  CHECK(encode(list, limits).size() < plain - 2700);
  CHECK((value_of(encode(list, limits)) == Value(list)));
}

// Random values, each through encode and decode under random limits.
class RandomValues {
 public:
  explicit RandomValues(uint64_t seed) : random_(seed) {}

  size_t below(size_t end) { return random_() % end; }

  std::string text() {
    switch (below(5)) {
      case 0:
        return std::to_string(static_cast<int64_t>(random_()) >> below(64));
      case 1:
        return std::string(below(200), 'x');
      case 2:
        return {};
      default: {
        std::string bytes(below(100), '\0');
        for (char& byte : bytes) byte = static_cast<char>(random_());
        return bytes;
      }
    }
  }

  std::vector<std::string> names() {
    std::set<std::string> names;
    for (size_t n = 1 + below(300); n > 0; --n) names.insert(text());
    return {names.begin(), names.end()};
  }

  Value value() {
    switch (below(5)) {
      case 0:
        return String{text()};
      case 1: {
        List list;
        for (size_t n = 1 + below(500); n > 0; --n) list.elements.push_back(text());
        return list;
      }
      case 2:
        return Set{names()};
      case 3: {
        Hash hash;
        for (const std::string& name : names()) hash.fields.emplace_back(name, text());
        return hash;
      }
      default:
        return sorted_set();
    }
  }

  EncodeLimits limits() {
    return {.hash_max_listpack_entries = below(600),
            .hash_max_listpack_value = below(300),
            .set_max_intset_entries = below(600),
            .zset_max_listpack_entries = below(600),
            .zset_max_listpack_value = below(300),
            .list_max_listpack_size = static_cast<int64_t>(below(200)) - 6,
            .list_compress_depth = below(3),
            .rdb_compression = below(2) == 0};
  }

 private:
  SortedSet sorted_set() {
    SortedSet set;
    for (const std::string& name : names()) {
      const double whole = static_cast<double>(static_cast<int64_t>(random_()) >> below(64));
      set.members.emplace_back(name, below(2) == 0 ? whole : whole / 7);
    }
    std::sort(set.members.begin(), set.members.end(), [](const auto& a, const auto& b) {
      return a.second != b.second ? a.second < b.second : a.first < b.first;
    });
    return set;
  }

  std::mt19937_64 random_;
};

// An intset is sorted by number.
Value normalized(Value value) {
  if (Set* set = std::get_if<Set>(&value)) std::sort(set->members.begin(), set->members.end());
  return value;
}

TEST_CASE("random values of every type survive encoding and decoding") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  RandomValues random(seed);
  for (int round = 0; round < 500; ++round) {
    const Value value = random.value();
    CAPTURE(round);
    CHECK((normalized(value_of(encode(value, random.limits()))) == normalized(value)));
  }
}

}  // namespace
}  // namespace respcask::server::rdb

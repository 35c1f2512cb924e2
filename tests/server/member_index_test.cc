#include "server/types/member_index.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace respcask::server {
namespace {

using engine::ElementLocation;
using engine::Location;

std::string name_of(uint64_t number) {
  return "member:" + std::to_string(number);
}

MemberIndex::Member at(uint64_t offset, uint32_t size = 3, uint32_t ordinal = 0) {
  return {Location::at(1, offset), size, ordinal};
}

TEST_CASE("member index: a name is the ordinal and the member") {
  CHECK(MemberIndex::Name(0, "field").view() == std::string_view("\0field", 6));
  CHECK(MemberIndex::Name(300, "").view() == "\xac\x02");

  MemberIndex index;
  CHECK_FALSE(index.recover_put(MemberIndex::Name(300, "f").view(), Location::at(1, 100), 7));
  const auto found = index.find("f");
  REQUIRE(found);
  CHECK(found->where == Location::at(1, 100));
  CHECK(found->value_size == 7);
  CHECK(found->ordinal == 300);
  CHECK(index.next_ordinal() == 301);
}

TEST_CASE("member index: the member alone identifies the element") {
  MemberIndex index;
  index.recover_put(MemberIndex::Name(300, "f").view(), Location::at(1, 100), 7);
  const std::string other(MemberIndex::Name(0, "f").view());
  CHECK(index.contains(other));
  CHECK(index.is_live(other, Location::at(1, 100)));
  CHECK_FALSE(index.is_live(other, Location::at(1, 101)));
  CHECK_FALSE(index.relocate(other, Location::at(1, 101), Location::at(2, 5)));
  CHECK(index.relocate(other, Location::at(1, 100), Location::at(2, 5)));
  CHECK(index.find("f")->where == Location::at(2, 5));
  CHECK(index.find("f")->ordinal == 300);

  // What is replaced is told with the size of its own name.
  const auto old = index.recover_put(other, Location::at(3, 9), 2);
  REQUIRE(old);
  CHECK(old->where == Location::at(2, 5));
  CHECK(old->value_size == 7);
  CHECK(old->name_size == 3);
  const auto gone = index.recover_remove(MemberIndex::Name(5, "f").view());
  REQUIRE(gone);
  CHECK(gone->name_size == 2);
  CHECK(index.size() == 0);
  CHECK_FALSE(index.recover_remove(other));
}

TEST_CASE("member index: bytes that are no name are nobody's") {
  MemberIndex index;
  for (const std::string_view bytes : {std::string_view(""), std::string_view("\xff\xff\xff\xff\x7f"
                                                                              "f")}) {
    CHECK_FALSE(index.recover_put(bytes, Location::at(1, 100), 1));
    CHECK_FALSE(index.contains(bytes));
    CHECK_FALSE(index.is_live(bytes, Location::at(1, 100)));
    CHECK_FALSE(index.relocate(bytes, Location::at(1, 100), Location::at(1, 101)));
    CHECK_FALSE(index.recover_remove(bytes));
  }
  CHECK(index.size() == 0);
}

TEST_CASE("member index: agrees with a map under random changes") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  MemberIndex index;
  std::map<std::string, uint64_t> model;
  for (uint64_t step = 1; step < 30000; ++step) {
    // Grows for a while, then shrinks.
    const std::string name = name_of(random() % 5000);
    const uint64_t hash = index.hash(MemberIndex::Name(7, name).view());
    REQUIRE(hash == index.hash_member(name));
    for (int load = 0; load < MemberIndex::kLoadSteps; ++load) index.prefetch(hash, load);
    if (random() % 10 < (step / 5000 % 2 == 0 ? 8u : 2u)) {
      const auto old = index.put(name, at(step));
      const auto known = model.find(name);
      REQUIRE(old.has_value() == (known != model.end()));
      if (old) REQUIRE(old->where.offset() == known->second);
      model[name] = step;
    } else {
      const auto old = index.remove(name);
      REQUIRE(old.has_value() == (model.erase(name) == 1));
    }
    REQUIRE(index.size() == model.size());
  }
  std::map<std::string, uint64_t> visited;
  index.for_each_member([&](std::string_view name, const MemberIndex::Member& member) {
    CHECK(visited.emplace(name, member.where.offset()).second);
  });
  CHECK(visited == model);
  size_t elements = 0;
  index.for_each([&](const ElementLocation& element) { elements += element.value_size / 3; });
  CHECK(elements == model.size());
}

TEST_CASE("member index: a scan meets all that stay while others come and go") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  MemberIndex index;
  for (uint64_t i = 0; i < 1000; ++i) index.put(name_of(i), at(i + 1));
  std::set<std::string> met;
  uint64_t cursor = 0;
  uint64_t others = 1000;
  do {
    cursor = index.scan(
        cursor, [&](std::string_view name, const MemberIndex::Member&) { met.emplace(name); });
    const bool grow = random() % 2 == 0;
    for (int i = 0; i < 200; ++i) {
      if (grow) {
        index.put(name_of(others), at(others + 1));
        ++others;
      } else if (others > 1000) {
        index.remove(name_of(--others));
      }
    }
  } while (cursor != 0);
  for (uint64_t i = 0; i < 1000; ++i) CHECK(met.contains(name_of(i)));
}

TEST_CASE("member index: every member is drawn") {
  MemberIndex index;
  for (uint64_t i = 0; i < 100; ++i) index.put(name_of(i), at(i + 1));
  std::mt19937_64 random(7);
  std::set<std::string> drawn;
  for (int i = 0; i < 3000; ++i) drawn.emplace(index.random(random()).first);
  CHECK(drawn.size() == 100);
}

TEST_CASE("member index: memory is a few words each, and little for a small one") {
  MemberIndex index;
  CHECK(index.memory_bytes() < 300);
  for (uint64_t i = 0; i < 100; ++i) index.put(name_of(i), at(i + 1));
  CHECK(index.memory_bytes() < 100 * 28 + 600);
  for (uint64_t i = 0; i < 100000; ++i) index.put(name_of(i), at(i + 1));
  CHECK(index.memory_bytes() < 100000 * (12 + 20));
  for (uint64_t i = 0; i < 100000; ++i) index.remove(name_of(i));
  CHECK(index.memory_bytes() < 2000);
}

}  // namespace
}  // namespace respcask::server

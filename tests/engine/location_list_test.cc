#include "engine/location_list.h"

#include <doctest/doctest.h>

#include <random>
#include <vector>

using namespace respcask::engine;

TEST_CASE("a list of locations gives them out in order, wherever they lie, and then nothing") {
  LocationList list;
  CHECK_FALSE(list.next());
  std::vector<Location> added{Location::at(7, 80), Location::at(7, 80),
                              Location::at(0, Location::kMaxOffset),
                              Location::at(Location::kMaxSlot, 0), Location::at(0, 1)};
  std::mt19937_64 random(1);
  for (int i = 0; i < 1000; ++i) {
    added.push_back(
        Location::at(static_cast<uint32_t>(random() % 3), random() % Location::kMaxOffset));
  }
  for (const Location where : added) list.add(where);
  for (const Location where : added) CHECK(list.next() == where);
  CHECK_FALSE(list.next());
}

TEST_CASE("a list of neighbours' locations takes a byte or two for each") {
  LocationList list;
  constexpr uint64_t kCount = 100000;
  for (uint64_t i = 0; i < kCount; ++i) list.add(Location::at(3, 80 + i * 150));
  CHECK(list.memory_bytes() < 4 * kCount);  // two each, and room to grow
}

#include "engine/expiry_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <vector>

namespace respcask::engine {

TEST_CASE("an expiry index without pages finds nothing and holds no memory") {
  ExpiryIndex index;
  CHECK_FALSE(index.find_due(ExpiryIndex::kNever - 1, 0));
  CHECK(index.memory_bytes() == 0);
  index.add_page();
  CHECK_FALSE(index.find_due(ExpiryIndex::kNever - 1, 0));
  index.remove_page();
  CHECK(index.memory_bytes() == 0);
}

TEST_CASE("a page is due from its very millisecond on") {
  ExpiryIndex index;
  for (int i = 0; i < 1000; ++i) index.add_page();
  index.set(777, 5000);
  CHECK_FALSE(index.find_due(4999, 0));
  CHECK(index.find_due(5000, 0) == 777);
  index.lower(777, 6000);
  CHECK(index.due(777) == 5000);
  index.lower(777, -3);
  CHECK(index.find_due(-3, 0) == 777);
  CHECK_FALSE(index.find_due(-4, 0));
}

TEST_CASE("the search for a due page goes around") {
  ExpiryIndex index;
  for (int i = 0; i < 5000; ++i) index.add_page();
  index.set(10, 1);
  index.set(4000, 1);
  CHECK(index.find_due(1, 0) == 10);
  CHECK(index.find_due(1, 10) == 10);
  CHECK(index.find_due(1, 11) == 4000);
  CHECK(index.find_due(1, 4001) == 10);
  CHECK(index.find_due(1, 1000000) == 10);
}

TEST_CASE("an expiry index agrees with a plain array under random changes") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937 random(seed);
  const auto below = [&](size_t n) {
    return std::uniform_int_distribution<size_t>(0, n - 1)(random);
  };

  ExpiryIndex index;
  std::vector<int64_t> model;
  for (int step = 0; step < 40000; ++step) {
    const bool growing = (step / 10000) % 2 == 0;
    const size_t what = below(10);
    if (model.empty() || what < (growing ? 4u : 1u)) {
      index.add_page();
      model.push_back(ExpiryIndex::kNever);
    } else if (what < 5) {
      index.remove_page();
      model.pop_back();
    } else if (what < 7) {
      const size_t page = below(model.size());
      model[page] = below(3) == 0 ? ExpiryIndex::kNever : static_cast<int64_t>(below(1000));
      index.set(page, model[page]);
    } else if (what < 9) {
      const size_t page = below(model.size());
      const auto due = static_cast<int64_t>(below(1000));
      model[page] = std::min(model[page], due);
      index.lower(page, due);
    }
    REQUIRE(index.pages() == model.size());
    const auto now = static_cast<int64_t>(below(below(2) == 0 ? 20 : 1000));
    const size_t from = below(model.size() + 2);
    std::optional<size_t> expected;
    for (size_t i = 0; i < model.size() && !expected; ++i) {
      const size_t page = (std::min(from, model.size()) + i) % model.size();
      if (model[page] <= now) expected = page;
    }
    REQUIRE(index.find_due(now, from) == expected);
  }
}

}  // namespace respcask::engine

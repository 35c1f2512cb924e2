#include "server/types/list_index.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace respcask::server {
namespace {

using Position = ListIndex::Position;

engine::Location place(uint64_t number) {
  return engine::Location::at(static_cast<uint32_t>(number >> 32), 80 + (number & 0xffffffff));
}

std::string name_of(Position position) {
  return std::string(ListName(position).view());
}

// The index beside the plain vector that it stands for.
struct Model {
  struct Element {
    Position position;
    uint64_t number;
  };
  ListIndex index;
  std::vector<Element> elements;
  uint64_t next = 1;

  void push_head() {
    const Position position = index.before_head();
    index.push_head(position, place(next), static_cast<uint32_t>(next));
    elements.insert(elements.begin(), {position, next++});
  }
  void push_tail() {
    const Position position = index.after_tail();
    index.push_tail(position, place(next), static_cast<uint32_t>(next));
    elements.push_back({position, next++});
  }
  // False: there is no position left.
  bool insert(uint64_t rank) {
    const auto position = index.between(rank);
    if (!position) return false;
    CHECK(!index.put(*position, place(next), static_cast<uint32_t>(next)));
    elements.insert(elements.begin() + static_cast<ptrdiff_t>(rank), {*position, next++});
    return true;
  }
  void replace(uint64_t rank) {
    Element& element = elements[rank];
    const auto old = index.put(element.position, place(next), static_cast<uint32_t>(next));
    REQUIRE(old);
    CHECK(old->where == place(element.number));
    CHECK(old->value_size == static_cast<uint32_t>(element.number));
    CHECK(old->name_size == name_of(element.position).size());
    element.number = next++;
  }
  void erase(uint64_t rank, uint64_t count) {
    const auto begin = elements.begin() + static_cast<ptrdiff_t>(rank);
    auto expected = begin;
    index.erase(rank, count, [&](const engine::ElementLocation& removed) {
      CHECK(removed.where == place(expected->number));
      ++expected;
    });
    CHECK(expected == begin + static_cast<ptrdiff_t>(count));
    elements.erase(begin, expected);
  }
  void erase_by_name(uint64_t rank, uint64_t count) {
    const auto begin = elements.begin() + static_cast<ptrdiff_t>(rank);
    const ListName name(begin->position, begin[static_cast<ptrdiff_t>(count) - 1].position);
    uint64_t removed = 0;
    index.recover_remove_all(name.view(), [&](const engine::ElementLocation&) { ++removed; });
    CHECK(removed == count);
    elements.erase(begin, begin + static_cast<ptrdiff_t>(count));
  }

  void check() const {
    REQUIRE(index.size() == elements.size());
    size_t seen = 0;
    index.for_each([&](const engine::ElementLocation& element) {
      if (element.where != place(elements[seen].number)) FAIL("another element at " << seen);
      ++seen;
    });
    CHECK(seen == elements.size());
    if (elements.empty()) return;
    ListIndex::Cursor forward = index.at(0);
    ListIndex::Cursor backward = index.at(elements.size() - 1);
    for (size_t i = 0; i < elements.size(); ++i) {
      const Element& element = elements[i];
      if (forward.element().where != place(element.number) ||
          forward.position() != element.position ||
          index.at(i).element().where != place(element.number) ||
          !index.is_live(name_of(element.position), place(element.number)) ||
          backward.element().where != place(elements[elements.size() - 1 - i].number)) {
        FAIL("another element at rank " << i);
      }
      CHECK(forward.next() == (i + 1 < elements.size()));
      CHECK(backward.previous() == (i + 1 < elements.size()));
    }
  }
};

TEST_CASE("list index: any changes, against a plain vector") {
  for (uint64_t seed = 1; seed <= 6; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](uint64_t n) { return random() % n; };
    Model model;
    // Some grow long, some stay short.
    const uint64_t grow = 40 + 5 * seed;
    for (int step = 0; step < 6000; ++step) {
      const uint64_t size = model.elements.size();
      if (size < 2 || below(100) < grow) {
        const uint64_t kind = below(10);
        if (kind < 3 || size < 2) {
          for (uint64_t i = below(seed % 2 == 0 ? 100 : 3); i > 0; --i) model.push_head();
        } else if (kind < 6) {
          for (uint64_t i = below(3); i > 0; --i) model.push_tail();
        } else {
          model.insert(1 + below(size - 1));
        }
      } else if (below(3) == 0) {
        model.replace(below(size));
      } else {
        const uint64_t rank = below(4) == 0 ? 0 : below(size);
        const uint64_t most = below(20) == 0 ? size - rank : std::min<uint64_t>(size - rank, 3);
        const uint64_t count = 1 + below(most);
        if (below(2) == 0) {
          model.erase(rank, count);
        } else {
          model.erase_by_name(rank, count);
        }
      }
      if (step % 500 == 0) model.check();
    }
    model.check();
  }
}

TEST_CASE("list index: the order comes from the names, however they are replayed") {
  std::mt19937_64 random(7);
  Model model;
  for (int i = 0; i < 2000; ++i) {
    model.push_tail();
    model.push_head();
  }
  for (int i = 0; i < 1000; ++i) model.insert(1 + random() % (model.elements.size() - 1));
  auto shuffled = model.elements;
  std::shuffle(shuffled.begin(), shuffled.end(), random);
  Model replayed;
  for (const Model::Element& element : shuffled) {
    replayed.index.recover_put(name_of(element.position), place(element.number),
                               static_cast<uint32_t>(element.number));
  }
  replayed.elements = model.elements;
  replayed.check();
  const Model::Element& some = model.elements[1234];
  const auto removed = replayed.index.recover_remove(name_of(some.position));
  REQUIRE(removed);
  CHECK(removed->where == place(some.number));
  CHECK(!replayed.index.recover_remove(name_of(some.position)));
  CHECK(!replayed.index.contains(name_of(some.position)));
}

TEST_CASE("list index: what was pushed takes 12 bytes an element, and gives them back") {
  ListIndex index;
  constexpr uint64_t kCount = 100'000;
  for (uint64_t i = 0; i < kCount; ++i) index.push_tail(index.after_tail(), place(i + 1), 3);
  CHECK(index.memory_bytes() < kCount * 14);
  const auto ignore = [](const engine::ElementLocation&) {};
  for (uint64_t i = 0; i + 10 < kCount; ++i) index.erase(0, 1, ignore);
  CHECK(index.memory_bytes() < 1000);
  for (uint64_t i = 0; i < kCount; ++i) index.push_head(index.before_head(), place(i + 1), 3);
  index.erase(10, kCount, ignore);
  CHECK(index.size() == 10);
  CHECK(index.memory_bytes() < 1000);
}

TEST_CASE("list index: every other element gone, memory follows") {
  ListIndex index;
  constexpr uint64_t kCount = 20'000;
  for (uint64_t i = 0; i < kCount; ++i) index.push_tail(index.after_tail(), place(i + 1), 3);
  const auto ignore = [](const engine::ElementLocation&) {};
  for (uint64_t i = 0; i < kCount / 2; ++i) index.erase(i, 1, ignore);
  CHECK(index.memory_bytes() < kCount / 2 * 40);
  for (uint64_t i = 0; i < kCount / 2; ++i)
    CHECK(index.at(i).position() == kListStep * Position(2 * i + 1));
}

TEST_CASE("list index: a spot where positions have run out gets new ones") {
  Model model;
  for (int i = 0; i < 20; ++i) model.push_tail();
  uint64_t spreads = 0;
  uint64_t rewritten = 0;
  for (int i = 0; i < 3000; ++i) {
    // Always in front of the same element: each new gap is half of the last one.
    const uint64_t rank = model.elements.size() - 10;
    if (model.insert(rank)) continue;
    const ListIndex::Spread spread = model.index.spread(rank);
    REQUIRE(spread.first <= rank);
    REQUIRE(rank <= spread.first + spread.count);
    ++spreads;
    rewritten += spread.count;
    auto moved = std::vector<Model::Element>(
        model.elements.begin() + static_cast<ptrdiff_t>(spread.first),
        model.elements.begin() + static_cast<ptrdiff_t>(spread.first + spread.count));
    model.erase(spread.first, spread.count);
    moved.insert(moved.begin() + static_cast<ptrdiff_t>(rank - spread.first), {0, model.next++});
    Position position = spread.start;
    for (Model::Element& element : moved) {
      element.position = position;
      CHECK(
          !model.index.put(position, place(element.number), static_cast<uint32_t>(element.number)));
      position += spread.step;
    }
    model.elements.insert(model.elements.begin() + static_cast<ptrdiff_t>(spread.first),
                          moved.begin(), moved.end());
  }
  CHECK(std::is_sorted(model.elements.begin(), model.elements.end(),
                       [](const auto& a, const auto& b) { return a.position < b.position; }));
  model.check();
  CHECK(spreads > 0);
  CHECK(rewritten < 3 * 3000);
}

TEST_CASE("list index: names that are none change nothing") {
  ListIndex index;
  index.push_tail(0, place(1), 3);
  const std::string good = name_of(0);
  const std::string cut = std::string("\x01", 1);  // a fraction should follow
  // Behind it there would be no number for another element.
  const std::string last = name_of(((ListIndex::Position{1} << 61) - 1) * kListStep);
  for (const std::string& name : {std::string(), cut, good + cut, std::string(12, '\xff'), last}) {
    CHECK(!index.recover_put(name, place(2), 3));
    CHECK(!index.recover_remove(name));
    CHECK(!index.contains(name));
    CHECK(!index.is_live(name, place(1)));
    CHECK(!index.relocate(name, place(1), place(2)));
  }
  CHECK(index.size() == 1);
  CHECK(!index.relocate(good, place(5), place(2)));
  CHECK(index.relocate(good, place(1), place(2)));
  CHECK(index.at(0).element().where == place(2));
}

}  // namespace
}  // namespace respcask::server

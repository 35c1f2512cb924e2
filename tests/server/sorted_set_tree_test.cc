#include "server/types/sorted_set_tree.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "engine/element_index.h"

namespace respcask::server {
namespace {

using engine::Location;

// The same by the plainest means: a sorted vector.
class Model {
 public:
  struct Element {
    double score;
    std::string member;
    Location where;
    bool operator<(const Element& other) const {
      return score != other.score ? score < other.score : member < other.member;
    }
  };
  void put(const std::string& member, double score, Location where) {
    erase(member);
    const Element element{score, member, where};
    all.insert(std::lower_bound(all.begin(), all.end(), element), element);
  }
  void erase(const std::string& member) {
    std::erase_if(all, [&](const Element& e) { return e.member == member; });
  }
  std::vector<Element> all;
};

void put(SortedSetTree& tree, std::string_view member, double score, Location where) {
  if (const auto place = tree.find(member); place.valid()) {
    tree.update(place, member, score, where);
  } else {
    tree.insert(member, score, where);
  }
}

void check_same(const SortedSetTree& tree, const Model& model) {
  REQUIRE(tree.size() == model.all.size());
  if (model.all.empty()) return;
  auto forth = tree.at_rank(0);
  auto back = tree.at_rank(tree.size() - 1);
  bool same = true;
  for (size_t i = 0; i < model.all.size(); ++i) {
    REQUIRE(forth.valid());
    REQUIRE(back.valid());
    const Model::Element& expected = model.all[i];
    const auto element = tree.element(forth);
    same = same && element.member == expected.member && element.score == expected.score &&
           element.where == expected.where;
    same = same && tree.element(back).member == model.all[model.all.size() - 1 - i].member;
    const auto found = tree.find(expected.member);
    REQUIRE(found.valid());
    same = same && tree.rank(found) == i && tree.rank(forth) == i;
    const auto at = tree.at_rank(i);
    same = same && at.leaf == forth.leaf && at.index == forth.index;
    forth = tree.next(forth);
    back = tree.previous(back);
  }
  CHECK(same);
  CHECK_FALSE(forth.valid());
  CHECK_FALSE(back.valid());
}

void check_counts(const SortedSetTree& tree, const Model& model, double score) {
  uint64_t less = 0;
  uint64_t less_or_equal = 0;
  for (const auto& element : model.all) {
    less += element.score < score;
    less_or_equal += element.score <= score;
  }
  CHECK(tree.count_below(score, false) == less);
  CHECK(tree.count_below(score, true) == less_or_equal);
}

TEST_CASE("a sorted set's tree is a sorted vector under random changes") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  struct Mix {
    size_t members;
    int scores;  // how many different ones
    size_t longest;
    int erase_percent;
  };
  for (const Mix& mix : {Mix{300, 5, 20, 30}, Mix{3000, 100000, 12, 20}, Mix{2500, 1, 30, 45},
                         Mix{400, 50, 600, 30}}) {
    SortedSetTree tree;
    Model model;
    const size_t empty = tree.memory_bytes();
    std::vector<std::string> names;
    for (size_t i = 0; i < mix.members; ++i) {
      names.push_back(std::to_string(i) + std::string(random() % mix.longest, 'x'));
    }
    for (int step = 1; step <= 9000; ++step) {
      const std::string& name = names[random() % names.size()];
      const uint64_t hash = SortedSetTree::hash_member(name);
      for (int load = 0; load < engine::ElementIndex::kLoadSteps; ++load) tree.prefetch(hash, load);
      // In waves, so that the tree shrinks to little and grows again.
      const bool wave = step / 3000 % 2 == 1;
      if (random() % 100 < static_cast<uint64_t>(wave ? 80 : mix.erase_percent)) {
        if (const auto place = tree.find(name); place.valid()) tree.erase(place);
        model.erase(name);
      } else {
        const double score = static_cast<double>(random() % static_cast<unsigned>(mix.scores)) / 4;
        const Location where = Location::at(1, 100 + static_cast<uint64_t>(step));
        put(tree, name, score, where);
        model.put(name, score, where);
      }
      if (step % 500 == 0) {
        check_same(tree, model);
        check_counts(tree, model, static_cast<double>(random() % 200) / 8);
      }
    }
    while (!model.all.empty()) {
      const std::string name = model.all[random() % model.all.size()].member;
      tree.erase(tree.find(name));
      model.erase(name);
      if (model.all.size() % 100 == 0) check_same(tree, model);
    }
    CHECK(tree.size() == 0);
    CHECK_FALSE(tree.find(names[0]).valid());
    CHECK(tree.memory_bytes() < empty + 10'000);
    tree.insert("again", 1, Location::at(1, 1));
    CHECK(tree.size() == 1);
  }
}

TEST_CASE("a sorted set's tree counts by the member's bytes where all scores are the same") {
  SortedSetTree tree;
  std::vector<std::string> names;
  for (int i = 0; i < 2000; ++i) names.push_back(std::to_string(i * 7919 % 2000));
  for (const auto& name : names) tree.insert(name, 0, Location::at(1, 1));
  std::sort(names.begin(), names.end());
  for (const std::string bound : {"", "0", "1", "1999", "5", "500", "5000", "999", "9999", "x"}) {
    const auto less = std::lower_bound(names.begin(), names.end(), bound) - names.begin();
    const auto equal = std::upper_bound(names.begin(), names.end(), bound) - names.begin();
    CHECK(tree.count_below(bound, false) == static_cast<uint64_t>(less));
    CHECK(tree.count_below(bound, true) == static_cast<uint64_t>(equal));
  }
}

TEST_CASE("infinite scores stand at the ends, and -0 beside 0") {
  SortedSetTree tree;
  constexpr double kInf = std::numeric_limits<double>::infinity();
  tree.insert("top", kInf, Location::at(1, 1));
  tree.insert("zero", 0.0, Location::at(1, 1));
  tree.insert("bottom", -kInf, Location::at(1, 1));
  tree.insert("minus", -0.0, Location::at(1, 1));
  std::vector<std::string> order;
  for (auto at = tree.at_rank(0); at.valid(); at = tree.next(at)) {
    order.emplace_back(tree.element(at).member);
  }
  CHECK(order == std::vector<std::string>{"bottom", "minus", "zero", "top"});
  CHECK(std::signbit(tree.element(tree.find("minus")).score));
  CHECK(tree.count_below(-kInf, true) == 1);
  CHECK(tree.count_below(kInf, false) == 3);
}

TEST_CASE("a scan of a sorted set's tree meets every member that stays") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  SortedSetTree tree;
  std::set<std::string> stay;
  std::vector<std::string> come_and_go;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "m" + std::to_string(i);
    tree.insert(name, static_cast<double>(random() % 100), Location::at(1, 1));
    if (i % 3 == 0) {
      stay.insert(name);
    } else {
      come_and_go.push_back(name);
    }
  }
  std::set<std::string> met;
  uint64_t position = 0;
  int calls = 0;
  do {
    position = tree.scan(position, [&](const auto& e) { met.insert(std::string(e.member)); });
    REQUIRE(++calls < 100'000);
    // The set shrinks to its third and grows again, several times.
    const bool shrink = calls / 20 % 2 == 0;
    for (int i = 0; i < 200; ++i) {
      const std::string& name = come_and_go[random() % come_and_go.size()];
      if (const auto place = tree.find(name); shrink && place.valid()) {
        tree.erase(place);
      } else if (!shrink && !place.valid()) {
        tree.insert(name, 7, Location::at(1, 1));
      }
    }
  } while (position != 0);
  for (const auto& name : stay) CHECK(met.contains(name));
  CHECK(tree.scan(uint64_t{1} << 60, [](const auto&) {}) == 0);
}

TEST_CASE("a scan without changes meets every member once") {
  SortedSetTree tree;
  for (int i = 0; i < 5000; ++i) tree.insert(std::to_string(i), i, Location::at(1, 1));
  std::map<std::string, int> met;
  uint64_t position = 0;
  do {
    position = tree.scan(position, [&](const auto& e) { ++met[std::string(e.member)]; });
  } while (position != 0);
  CHECK(met.size() == 5000);
  for (const auto& [name, times] : met) CHECK(times == 1);
}

TEST_CASE("a member of 16 bytes costs less than 60 bytes, in whatever order they come") {
  for (const bool in_order : {true, false}) {
    SortedSetTree tree;
    std::mt19937_64 random(7);
    constexpr size_t kCount = 100'000;
    for (size_t i = 0; i < kCount; ++i) {
      const std::string digits = std::to_string(i);
      const double score =
          in_order ? static_cast<double>(i) : static_cast<double>(random() % kCount);
      tree.insert("member" + std::string(10 - digits.size(), '0') + digits, score,
                  Location::at(1, 1));
    }
    MESSAGE("bytes a member: ", static_cast<double>(tree.memory_bytes()) / kCount);
    CHECK(tree.memory_bytes() < kCount * 60);
  }
}

}  // namespace
}  // namespace respcask::server

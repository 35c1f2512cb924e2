// Sorted sets made of very many others.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "tests/server/harness.h"
#include "tests/server/peak_memory.h"
#include "tests/server/said.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("a union takes memory for the members that differ, however many sorted sets have them") {
  Harness h;
  constexpr int kMembers = 10'000;
  std::vector<std::string> zadd = {"ZADD", "z"};
  for (int i = 0; i < kMembers; ++i) {
    zadd.insert(zadd.end(), {std::to_string(i), "m" + std::to_string(i)});
  }
  h.client().run(zadd);
  std::vector<std::string> command = {"ZUNIONSTORE", "to", "200"};
  command.resize(203, "z");
  std::string reply;
  CHECK(peak_bytes_of([&] { reply = h.client().run(command); }) < 24 << 20);
  CHECK(reply == ":10000\r\n");
  CHECK(said(h, "ZRANGE to 0 2 WITHSCORES") == "m0 0 m1 200 m2 400");
}

TEST_CASE("a union of many sorted sets takes their scores in, smallest set first") {
  Harness h;
  // Sums that depend on their order, in the last digits and beyond the largest number.
  std::vector<std::string> command = {"ZUNION", "40"};
  std::vector<std::map<std::string, double>> sets(40);
  std::mt19937 random(7);
  const std::vector<double> odd = {HUGE_VAL, -HUGE_VAL, 1e308, -1e308};
  for (size_t i = 0; i < sets.size(); ++i) {
    const std::string key = "z" + std::to_string(i);
    const size_t size = 1 + random() % 30;
    for (size_t m = 0; m < size; ++m) {
      const double score =
          random() % 8 == 0 ? odd[random() % odd.size()] : 0.1 * static_cast<int>(random() % 1000);
      const std::string member = "m" + std::to_string(random() % 60);
      std::ostringstream text;
      text.precision(17);
      text << score;
      h.run({"ZADD", key, text.str(), member});
      sets[i][member] = score;
    }
    command.push_back(key);
  }
  std::stable_sort(sets.begin(), sets.end(),
                   [](const auto& a, const auto& b) { return a.size() < b.size(); });
  std::map<std::string, double> sums;
  for (const auto& set : sets) {
    for (const auto& [member, score] : set) {
      const auto [at, is_new] = sums.try_emplace(member, score);
      if (is_new) continue;
      at->second += score;
      if (std::isnan(at->second)) at->second = 0;
    }
  }
  command[0] = "ZUNIONSTORE";
  command.insert(command.begin() + 1, "to");
  CHECK(h.client().run(command) == ":" + std::to_string(sums.size()) + "\r\n");
  for (const auto& [member, sum] : sums) {
    CHECK(std::strtod(said(h, "ZSCORE to " + member).c_str(), nullptr) == sum);
  }
}

TEST_CASE("the difference from many small sorted sets is no more work than there are members") {
  for (const int count : {20, 60'000}) {
    CAPTURE(count);
    Harness h;
    for (int begin = 0; begin < count; begin += 1000) {
      std::vector<std::string> zadd = {"ZADD", "z"};
      for (int i = begin; i < std::min(count, begin + 1000); ++i) {
        zadd.insert(zadd.end(), {std::to_string(i), "m" + std::to_string(i)});
      }
      h.client().run(zadd);
    }
    constexpr int kOthers = 1000;
    std::vector<std::string> zdiff = {"ZDIFFSTORE", "target", std::to_string(kOthers + 2), "z"};
    for (int i = 0; i < kOthers; ++i) {
      zdiff.push_back("small" + std::to_string(i));
      const std::string member = "m" + std::to_string(3 * i);
      if (i % 2 == 0) h.run({"ZADD", zdiff.back(), "1", member, "1", "x" + std::to_string(i)});
      if (i % 2 == 1) h.run({"SADD", zdiff.back(), member, "x" + std::to_string(i)});
    }
    zdiff.push_back("none");
    const int gone = std::min(kOthers, (count + 2) / 3);
    // To ask each of the others for every member of the first takes hundreds of times as long as
    // what there is to copy.
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 3; ++i) h.run("ZUNIONSTORE target 1 z");
    const auto middle = std::chrono::steady_clock::now();
    CHECK(h.client().run(zdiff) == ":" + std::to_string(count - gone) + "\r\n");
    const auto end = std::chrono::steady_clock::now();
    CHECK(end - middle < 4 * (middle - begin) + std::chrono::milliseconds(200));
    CHECK(said(h, "ZRANGE target 0 1 WITHSCORES") == "m1 1 m2 2");
    zdiff[2] = std::to_string(kOthers + 3);
    zdiff.push_back("z");
    CHECK(h.client().run(zdiff) == ":0\r\n");
  }
}

TEST_CASE("a source that is named again takes no memory again, and counts again") {
  Harness h;
  std::vector<std::string> sadd = {"SADD", "s"};
  for (int i = 0; i < 400; ++i) sadd.push_back("m" + std::to_string(i));
  h.client().run(sadd);
  h.run("ZADD z 2 m1 3 m2 4 other");
  std::vector<std::string> command = {"ZINTERSTORE", "to", "5001", "z"};
  command.resize(5004, "s");
  std::string reply;
  CHECK(peak_bytes_of([&] { reply = h.client().run(command); }) < 24 << 20);
  CHECK(reply == ":2\r\n");
  CHECK(said(h, "ZRANGE to 0 -1 WITHSCORES") == "m1 5002 m2 5003");
  CHECK(said(h, "ZUNION 12 z s z s z s z s z s z z WITHSCORES WEIGHTS 1 0 1 0 1 0 1 0 1 0 1 0.5")
            .ends_with(" m1 13 m2 19.5 other 26"));
  CHECK(said(h, "ZDIFF 12 z none s s s s s s s s s s WITHSCORES") == "other 4");
  CHECK(h.run("ZDIFF 12 z none s s s s s s s s s z") == "*0\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/harness.h"
#include "tests/server/peak_memory.h"

namespace respcask::server::testing {
namespace {

std::string array(const std::vector<std::string>& elements) {
  std::string reply = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) {
    reply += "$" + std::to_string(element.size()) + "\r\n" + element + "\r\n";
  }
  return reply;
}

TEST_CASE("sort: by number, by text, both ways, limited") {
  Harness h;
  h.run("rpush l 10 9 2 33 1");
  CHECK(h.run("sort l") == array({"1", "2", "9", "10", "33"}));
  CHECK(h.run("sort l desc") == array({"33", "10", "9", "2", "1"}));
  CHECK(h.run("sort l alpha") == array({"1", "10", "2", "33", "9"}));
  CHECK(h.run("sort l limit 1 2") == array({"2", "9"}));
  CHECK(h.run("sort l limit -5 1") == array({"1"}));
  CHECK(h.run("sort l limit 3 -1") == array({"10", "33"}));
  CHECK(h.run("sort l limit 5 1") == "*0\r\n");
  CHECK(h.run("sort l limit 9223372036854775807 9223372036854775807") == "*0\r\n");
  CHECK(h.run("sort_ro l desc limit 0 1") == array({"33"}));
  CHECK(h.run("sort nothing") == "*0\r\n");
  h.run("rpush texts a 1 b");
  CHECK(h.run("sort texts") == "-ERR One or more scores can't be converted into double\r\n");
  CHECK(h.run("sort texts desc alpha") == array({"b", "a", "1"}));
}

TEST_CASE("sort: a few of many numbers are the same as of all in order; texts part equal numbers") {
  Harness h;
  h.run("rpush l 1e1 10.0 10 010 -0 0 0x3 9007199254740993 9007199254740992 -7 -07");
  for (int i = 0; i < 80; ++i) h.run("rpush l " + std::to_string(i * 7919 % 101 - 50));
  for (const std::string way : {"", " desc"}) {
    const std::string all = h.run("sort l" + way);
    CHECK(all.starts_with("*91\r\n"));
    std::string together = "*91\r\n";
    for (int begin = 0; begin < 91; begin += 3) {
      const std::string part = h.run("sort l" + way + " limit " + std::to_string(begin) + " 3");
      together += part.substr(part.find('\n') + 1);
    }
    CHECK(together == all);
  }
  CHECK(h.run("sort l limit 0 3") == array({"-50", "-49", "-48"}));
  CHECK(h.run("sort l desc limit 0 3") == array({"9007199254740993", "9007199254740992", "50"}));
  const std::string all = h.run("sort l");
  CHECK(all.find("$3\r\n010\r\n$2\r\n10\r\n$4\r\n10.0\r\n$3\r\n1e1\r\n") != all.npos);
}

TEST_CASE("sort: by and with the values of other keys") {
  Harness h;
  h.run("rpush l a b c");
  h.run("mset w_a 3 w_b 1 w_c 2 v_a A v_c C");
  CHECK(h.run("sort l by w_*") == array({"b", "c", "a"}));
  CHECK(h.run("sort l by w_* desc limit 0 2") == array({"a", "c"}));
  CHECK(
      h.run("sort l by w_* get v_* get # get none") ==
      "*9\r\n$-1\r\n$1\r\nb\r\n$-1\r\n$1\r\nC\r\n$1\r\nc\r\n$-1\r\n$1\r\nA\r\n$1\r\na\r\n$-1\r\n");
  CHECK(h.run("sort l by nothing desc") == array({"c", "b", "a"}));
  CHECK(h.run("sort l by nothing desc limit 1 1") == array({"b"}));
  CHECK(h.run("sort l by absent_* alpha") == array({"a", "b", "c"}));
  CHECK(h.run("sort l by v_* alpha") == array({"b", "a", "c"}));
  h.run("set w_b x");
  CHECK(h.run("sort l by w_*") == "-ERR One or more scores can't be converted into double\r\n");
}

TEST_CASE("sort: LIMIT leaves the same of what is not sorted, packed and split") {
  Harness h;
  for (const int count : {1, 7, 500}) {
    std::vector<std::string> in_order;
    h.run("del l z d");
    for (int i = 0; i < count; ++i) {
      in_order.push_back("element:" + std::to_string(1000 + i));
      h.run("rpush l " + in_order.back());
      h.run("zadd z " + std::to_string(i) + " " + in_order.back());
    }
    std::vector<std::string> reversed(in_order.rbegin(), in_order.rend());
    for (const int start : {-3, 0, 1, count - 1, count, count + 2}) {
      for (const int size : {-1, 0, 1, 3, count - 1, count, count + 5}) {
        for (const std::string key : {"l", "z"}) {
          for (const bool descending : {false, true}) {
            const int begin = std::clamp(start, 0, count);
            const int end = size < 0 ? count : std::min(count, begin + size);
            const auto& all = descending ? reversed : in_order;
            const std::vector<std::string> left(all.begin() + begin, all.begin() + end);
            const std::string command = "sort " + key + " by nosort limit " +
                                        std::to_string(start) + " " + std::to_string(size) +
                                        (descending ? " desc" : "");
            CAPTURE(command);
            CHECK(h.run(command) == array(left));
            CHECK(h.run(command + " store d") == ":" + std::to_string(left.size()) + "\r\n");
            CHECK(h.run("lrange d 0 -1") == array(left));
          }
        }
      }
    }
  }
  h.restart();
  CHECK(h.run("sort l by nosort limit 1 2 desc get #") == array({"element:1498", "element:1497"}));
}

TEST_CASE("sort: of what is not sorted no more is read than LIMIT leaves") {
  Harness h;
  constexpr int kElements = 50'000;
  for (int begin = 0; begin < kElements; begin += 1000) {
    std::vector<std::string> rpush = {"rpush", "l"};
    std::vector<std::string> zadd = {"zadd", "z"};
    for (int i = begin; i < begin + 1000; ++i) {
      rpush.push_back(std::to_string(i));
      zadd.insert(zadd.end(), {std::to_string(i), std::to_string(i)});
    }
    h.client().run(rpush);
    h.client().run(zadd);
  }
  // All of them four thousand times take ten seconds.
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 1000; ++i) {
    for (const std::string key : {"l", "z"}) {
      REQUIRE(h.run("sort " + key + " by nosort limit 40000 1") == array({"40000"}));
      REQUIRE(h.run("sort " + key + " by nosort limit 40000 1 desc") == array({"9999"}));
    }
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
}

TEST_CASE("sort: ties under LIMIT are as Redis's quicksort leaves them") {
  Harness h;
  h.run("rpush l a b c d e f g h i j k");
  h.run("mset w_c 1 w_f 0 w_g 1");
  CHECK(h.run("sort l by w_* alpha desc limit 0 3") == array({"g", "c", "f"}));
  CHECK(h.run("sort l by w_* alpha desc limit 3 4") == array({"e", "h", "i", "j"}));
  CHECK(h.run("sort l by w_* alpha desc limit 8 3") == array({"k", "b", "d"}));
  CHECK(h.run("sort l by w_* alpha limit 0 4") == array({"a", "b", "i", "j"}));
}

TEST_CASE("sort: the result is stored as a list, or the target goes") {
  Harness h;
  h.run("rpush l 3 1 2");
  h.run("set v_1 one");
  h.run("set target x ex 100");
  CHECK(h.run("sort l get v_* get # store target") == ":6\r\n");
  CHECK(h.run("lrange target 0 -1") == array({"one", "1", "", "2", "", "3"}));
  CHECK(h.run("ttl target") == ":-1\r\n");
  CHECK(h.run("sort nothing store target") == ":0\r\n");
  CHECK(h.run("exists target") == ":0\r\n");
  CHECK(h.run("sort l store l") == ":3\r\n");
  CHECK(h.run("lrange l 0 -1") == array({"1", "2", "3"}));
}

TEST_CASE("sort: a sorted set is a skip list once it was sorted") {
  Harness h;
  for (const int size : {3, 120}) {
    for (const std::string_view options :
         {"by nosort", "", "alpha limit 0 0", "by w_* get # alpha", "alpha store list"}) {
      CAPTURE(size);
      CAPTURE(options);
      h.run("del z");
      for (int i = 0; i < size; ++i) {
        h.run(
            {"zadd", "z", std::to_string(i), "member:" + std::string(20, 'm') + std::to_string(i)});
      }
      h.run("expire z 1000");
      h.run("watch z");
      h.run("sort_ro z alpha");
      CHECK(h.run("object encoding z") == "$8\r\nlistpack\r\n");
      h.run("sort z " + std::string(options));
      CHECK(h.run("object encoding z") == "$8\r\nskiplist\r\n");
      h.run("multi");
      CHECK(h.run("exec") == "*0\r\n");  // to those who watch it has not changed
      h.restart();
      CHECK(h.run("object encoding z") == "$8\r\nskiplist\r\n");
      CHECK(h.run("zcard z") == ":" + std::to_string(size) + "\r\n");
      CHECK(h.run("ttl z") != ":-1\r\n");
      h.run("zadd z -0 b");
      CHECK(h.run("zscore z b") == "$2\r\n-0\r\n");
    }
  }
}

TEST_CASE("sort: what makes no sense is refused") {
  Harness h;
  h.run("rpush l 1");
  h.run("set s x");
  const std::string syntax = "-ERR syntax error\r\n";
  for (const char* command : {"sort l foo", "sort l by", "sort l get", "sort l limit 1",
                              "sort l store", "sort_ro l store d"}) {
    CAPTURE(command);
    CHECK(h.run(command) == syntax);
  }
  CHECK(h.run("sort l limit a 1") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("sort s") ==
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  CHECK(h.run("command getkeys sort l by w_* get x_* store d") == array({"l", "d"}));
}

TEST_CASE("sort: values that are not in memory are fetched") {
  Harness h;
  h.run("rpush l a b");
  h.run("mset w_a 2 w_b 1 v_a A v_b B");
  h.restart();
  CHECK(h.run("sort l by w_* get v_*") == array({"B", "A"}));
  h.restart();
  CHECK(h.run("sort l by w_* get v_* store d") == ":2\r\n");
  CHECK(h.run("lrange d 0 -1") == array({"B", "A"}));
}

TEST_CASE("sort: what many elements lead to is held once") {
  Harness h;
  constexpr size_t kLength = 10'000'000;
  h.run({"set", "w_same", std::string(kLength, 'w')});
  h.run("set w_other a");
  std::vector<std::string> push = {"rpush", "l"};
  push.resize(32, "same");
  push.push_back("other");
  h.client().run(push);
  std::vector<std::string> sorted(31, "same");
  sorted[0] = "other";
  std::string reply;
  const uint64_t peak = peak_bytes_of([&] { reply = h.run("sort l by w_* alpha"); });
  CHECK(reply == array(sorted));
  CHECK(peak < 100'000'000);
}

TEST_CASE("sort: what does not fit into memory is refused") {
  Harness h;
  const std::string too_much = "-" + std::string(kTooMuch) + "\r\n";
  h.run({"set", "w_same", std::string(3'000'000, 'w')});
  h.run("setrange w_gap 200000000 x");
  h.run("rpush l same same");
  h.run("rpush gap gap");
  for (int i = 0; i < 20; ++i) {
    std::vector<std::string> add = {"zadd", "z"};
    for (int k = 0; k < 1000; ++k) {
      add.insert(add.end(), {std::to_string(k), std::to_string(1000 * i + k)});
    }
    h.client().run(add);
  }
  const uint64_t bound = h.server->memory.bound();
  h.server->memory.set_bound(1);  // a few MiB are had in any case
  const std::string_view commands[] = {"sort z",
                                       "sort z desc alpha",
                                       "sort z store to",
                                       "sort l by nosort get w_*",
                                       "sort l by nosort get w_* store to",
                                       "sort gap by w_* alpha"};
  for (const std::string_view command : commands) {
    CAPTURE(command);
    const bool refused = h.run(command) == too_much;
    CHECK(refused);
  }
  CHECK(h.run("exists to") == ":0\r\n");
  CHECK(h.run("sort l by w_* alpha") == array({"same", "same"}));
  h.server->memory.set_bound(bound);
  CHECK(h.run("sort z store to") == ":20000\r\n");
}

TEST_CASE("sort: what was looked up stays as it is while a sorted set is made a skiplist") {
  Harness h;
  h.run("zadd {z}z 1 a 2 b");
  h.run({"set", "{z}a", std::string(1000, 'a')});
  h.run({"set", "{z}b", std::string(100'000, 'b')});
  h.run({"hset", "{z}h:a", "f", "field"});
  REQUIRE(encoding(h, "{z}z") == "listpack");
  CHECK(h.run("sort {z}z by nosort get {z}* get {z}h:*->f get #") ==
        "*6\r\n" +
            array({std::string(1000, 'a'), "field", "a", std::string(100'000, 'b')}).substr(4) +
            "$-1\r\n$1\r\nb\r\n");
  CHECK(encoding(h, "{z}z") == "skiplist");
}

}  // namespace
}  // namespace respcask::server::testing

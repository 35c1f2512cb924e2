#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/types/members.h"
#include "tests/server/harness.h"
#include "tests/server/keyspace_events.h"
#include "tests/server/peak_memory.h"

namespace respcask::server {
namespace {

using testing::Client;
using testing::Harness;
using testing::KeyspaceEvents;

using Strings = std::vector<std::string>;

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string integer(int64_t value) {
  return ":" + std::to_string(value) + "\r\n";
}
std::string array(const Strings& elements, char type = '*') {
  std::string reply = type + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) reply += bulk(element);
  return reply;
}
constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kNull = "$-1\r\n";
constexpr std::string_view kEmpty = "*0\r\n";
constexpr std::string_view kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

// The bulks of a reply, in order.
Strings bulks(std::string_view reply) {
  Strings found;
  for (size_t at = 0; (at = reply.find('$', at)) != std::string_view::npos;) {
    const size_t line_end = reply.find("\r\n", at);
    const size_t size = std::stoul(std::string(reply.substr(at + 1, line_end - at - 1)));
    found.emplace_back(reply.substr(line_end + 2, size));
    at = line_end + 2 + size + 2;
  }
  return found;
}
std::set<std::string> members(std::string_view reply) {
  const Strings found = bulks(reply);
  std::set<std::string> distinct(found.begin(), found.end());
  CHECK(distinct.size() == found.size());
  return distinct;
}

std::string member(int number) {
  return "member:" + std::to_string(number);
}

// SADD of members [begin, end).
void fill(Harness& h, std::string_view key, int begin, int end, bool integers = false) {
  for (int i = begin; i < end; ++i) {
    h.run({"SADD", key, integers ? std::to_string(i) : member(i)});
  }
}

TEST_CASE("set: members are added, asked for and removed") {
  Harness h;
  CHECK(h.run("SADD s a b a c") == integer(3));
  CHECK(h.run("SADD s b d") == integer(1));
  CHECK(h.run("SADD s a") == integer(0));
  CHECK(h.run("SCARD s") == integer(4));
  CHECK(h.run("SISMEMBER s a") == integer(1));
  CHECK(h.run("SISMEMBER s x") == integer(0));
  CHECK(h.run("SMISMEMBER s a x d") == "*3\r\n:1\r\n:0\r\n:1\r\n");
  CHECK(members(h.run("SMEMBERS s")) == std::set<std::string>{"a", "b", "c", "d"});
  CHECK(h.run("SREM s a x a d") == integer(2));
  CHECK(h.run("SREM s b c") == integer(2));
  CHECK(h.run("EXISTS s") == integer(0));
  const std::string_view bytes("\r\n\0\xff", 4);
  CHECK(h.run({"SADD", "b", bytes, ""}) == integer(2));
  CHECK(h.run({"SISMEMBER", "b", bytes}) == integer(1));
  CHECK(h.run({"SISMEMBER", "b", ""}) == integer(1));
  CHECK(h.run({"SREM", "b", ""}) == integer(1));
  CHECK(h.run("SMEMBERS b") == array({std::string(bytes)}));
}

TEST_CASE("set: wrong types, arguments and absent keys") {
  Harness h;
  h.run("SET str x");
  h.run("SADD s a");
  for (const char* line :
       {"SADD str a", "SREM str a", "SCARD str", "SISMEMBER str a", "SMISMEMBER str a",
        "SMEMBERS str", "SPOP str", "SPOP str 2", "SRANDMEMBER str", "SRANDMEMBER str 2",
        "SSCAN str 0", "SMOVE str s a", "SMOVE s str a", "SINTER none str", "SUNION s str",
        "SDIFF none str", "SINTERSTORE d s str", "SINTERCARD 2 none str"}) {
    CHECK_MESSAGE(h.run(line) == kWrongType, line);
  }
  CHECK(h.run("SMOVE none str a") == integer(0));
  for (const char* line : {"SMEMBERS none", "SPOP none 3", "SRANDMEMBER none 3", "SINTER s none",
                           "SUNION none", "SDIFF none s", "SPOP s 0", "SRANDMEMBER s 0"}) {
    CHECK_MESSAGE(h.run(line) == kEmpty, line);
  }
  CHECK(h.run("SPOP none") == kNull);
  CHECK(h.run("SRANDMEMBER none") == kNull);
  CHECK(h.run("SMISMEMBER none a b") == "*2\r\n:0\r\n:0\r\n");
  CHECK(h.run("SSCAN none 0") == "*2\r\n$1\r\n0\r\n*0\r\n");
  const std::string_view positive = "-ERR value is out of range, must be positive\r\n";
  CHECK(h.run("SPOP s -1") == positive);
  CHECK(h.run("SPOP s x") == positive);
  CHECK(h.run("SPOP s 9223372036854775808") == positive);
  CHECK(h.run("SPOP s 1 2") == "-ERR syntax error\r\n");
  CHECK(h.run("SRANDMEMBER s 1 2") == "-ERR syntax error\r\n");
  CHECK(h.run("SRANDMEMBER s -9223372036854775808") ==
        "-ERR value is out of range, value must between -9223372036854775807 and "
        "9223372036854775807\r\n");
  CHECK(h.run("SINTERCARD 0 s") == "-ERR numkeys should be greater than 0\r\n");
  CHECK(h.run("SINTERCARD x s") == "-ERR numkeys should be greater than 0\r\n");
  CHECK(h.run("SINTERCARD 2 s") == "-ERR Number of keys can't be greater than number of args\r\n");
  CHECK(h.run("SINTERCARD 1 s LIMIT -1") == "-ERR LIMIT can't be negative\r\n");
  CHECK(h.run("SINTERCARD 1 s LIMIT") == "-ERR syntax error\r\n");
  CHECK(h.run("SINTERCARD 1 s FOO 1") == "-ERR syntax error\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("SMEMBERS s") == array({"a"}, '~'));
  CHECK(h.run("SMEMBERS none") == "~0\r\n");
  CHECK(h.run("SINTER s none") == "~0\r\n");
  CHECK(h.run("SRANDMEMBER s 1") == array({"a"}));
  CHECK(h.run("SRANDMEMBER none") == "_\r\n");
  CHECK(h.run("SPOP s 1") == array({"a"}, '~'));
}

TEST_CASE("set: integers come in order, packed, split and after a restart") {
  Harness h;
  CHECK(h.run("SADD s 10 -3 2 0 -20 9223372036854775807 -9223372036854775808 1") == integer(8));
  const Strings sorted{"-9223372036854775808", "-20", "-3", "0", "1", "2", "10",
                       "9223372036854775807"};
  CHECK(h.run("SMEMBERS s") == array(sorted));
  CHECK(encoding(h, "s") == "intset");
  CHECK(h.run("SADD s 5 -5") == integer(2));
  CHECK(bulks(h.run("SMEMBERS s"))[2] == "-5");
  CHECK(h.run("SADD s 01") == integer(1));
  CHECK(encoding(h, "s") == "hashtable");
  h.run("SREM s 01");
  CHECK(encoding(h, "s") == "hashtable");

  std::vector<int> numbers;
  for (int i = 0; i < 512; ++i) numbers.push_back(1000000 + i * 337 % 512);
  Strings expected;
  for (const int number : numbers) {
    h.run({"SADD", "big", std::to_string(number)});
    expected.push_back(std::to_string(number));
  }
  std::sort(expected.begin(), expected.end());
  CHECK(is_split(h, "big"));
  CHECK(encoding(h, "big") == "intset");
  CHECK(h.run("SMEMBERS big") == array(expected));
  h.restart();
  CHECK(h.run("SMEMBERS big") == array(expected));
  CHECK(h.run("SUNION big") == array(expected));
  h.run("SADD big 7");
  CHECK(encoding(h, "big") == "hashtable");
  CHECK(members(h.run("SMEMBERS big")).size() == 513);
}

TEST_CASE("set: the limit of an intset is set-max-intset-entries") {
  Harness h({"set-max-intset-entries", "3"});
  h.run("SADD s 1 2 3");
  CHECK(encoding(h, "s") == "intset");
  h.run("SADD s 4");
  CHECK(encoding(h, "s") == "hashtable");
  h.run("SADD t 1 2 3");
  h.run("SUNIONSTORE u s t");
  CHECK(encoding(h, "u") == "hashtable");
  h.run("SINTERSTORE i s t");
  CHECK(encoding(h, "i") == "intset");
}

TEST_CASE("set: agrees with a set under random commands and restarts") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Harness h;
  std::map<std::string, std::set<std::string>> model;
  const auto check = [&] {
    for (const auto& [key, expected] : model) {
      REQUIRE(members(h.run({"SMEMBERS", key})) == expected);
      REQUIRE(h.run({"SCARD", key}) == integer(static_cast<int64_t>(expected.size())));
    }
  };
  for (int step = 0; step < 8000; ++step) {
    const std::string key = "s" + std::to_string(random() % 4);
    auto& expected = model[key];
    const int most = key == "s0" ? 10 : key == "s1" ? 200 : 2000;
    const int number = static_cast<int>(random() % most);
    const std::string name = key == "s3" ? std::to_string(number) : member(number);
    switch (random() % 8) {
      case 0:
      case 1:
        REQUIRE(h.run({"SREM", key, name}) == integer(static_cast<int64_t>(expected.erase(name))));
        break;
      case 2: {
        const std::string reply = h.run({"SPOP", key});
        if (expected.empty()) {
          REQUIRE(reply == kNull);
        } else {
          REQUIRE(expected.erase(bulks(reply).at(0)) == 1);
        }
        break;
      }
      case 3: {
        const uint64_t count = random() % 60 == 0 ? random() % most : random() % 3;
        const uint64_t popped = std::min<uint64_t>(count, expected.size());
        const Strings drawn = bulks(h.run({"SPOP", key, std::to_string(count)}));
        REQUIRE(drawn.size() == popped);
        for (const std::string& one : drawn) REQUIRE(expected.erase(one) == 1);
        break;
      }
      case 4: {
        Strings command{"SADD", key};
        size_t created = 0;
        for (uint64_t i = random() % 30 + 1; i > 0; --i) {
          const int n = static_cast<int>(random() % most);
          command.push_back(key == "s3" ? std::to_string(n) : member(n));
          created += expected.insert(command.back()).second ? 1 : 0;
        }
        REQUIRE(h.client().run(command) == integer(static_cast<int64_t>(created)));
        break;
      }
      default:
        REQUIRE(h.run({"SADD", key, name}) == integer(expected.insert(name).second ? 1 : 0));
    }
    if (step % 2000 == 1999) {
      check();
      h.restart();
      check();
    }
  }
}

TEST_CASE("set: many arguments, repeated and present ones") {
  Harness h;
  Strings command{"SADD", "s"};
  for (int i = 0; i < 3000; ++i) command.push_back(member(i % 1000));
  CHECK(h.client().run(command) == integer(1000));
  CHECK(h.client().run(command) == integer(0));
  CHECK(h.run("SCARD s") == integer(1000));
  h.run("SADD few a b");
  Strings again{"SADD", "few"};
  for (int i = 0; i < 3000; ++i) again.push_back(i % 2 == 0 ? "a" : "b");
  h.run("WATCH few");
  CHECK(Client(h).run(again) == integer(0));
  h.run("MULTI");
  CHECK(h.run("EXEC") == kEmpty);
  CHECK_FALSE(is_split(h, "few"));
}

TEST_CASE("set: SPOP with a count leaves what Redis leaves") {
  Harness h;
  fill(h, "s", 0, 2000);
  const Strings popped = bulks(h.run("SPOP s 500"));
  CHECK(popped.size() == 500);
  for (const std::string& one : popped) CHECK(h.run({"SISMEMBER", "s", one}) == integer(0));
  CHECK(h.run("SCARD s") == integer(1500));
  // Nearly all: the rest is a new set.
  CHECK(bulks(h.run("SPOP s 1498")).size() == 1498);
  CHECK(h.run("SCARD s") == integer(2));
  CHECK_FALSE(is_split(h, "s"));
  CHECK(bulks(h.run("SPOP s 9223372036854775807")).size() == 2);
  CHECK(h.run("EXISTS s") == integer(0));

  fill(h, "n", 0, 600, true);
  CHECK(encoding(h, "n") == "hashtable");
  h.run("EXPIREAT n 33177117420");
  h.run("SPOP n 590");
  CHECK(encoding(h, "n") == "intset");
  CHECK(h.run("EXPIRETIME n") == integer(33177117420));
}

TEST_CASE("set: SRANDMEMBER draws as asked") {
  Harness h;
  h.run("SADD small a b c");
  fill(h, "large", 0, 1000);
  REQUIRE(is_split(h, "large"));
  for (const char* key : {"small", "large"}) {
    const std::set<std::string> all = members(h.run({"SMEMBERS", key}));
    CHECK(all.contains(bulks(h.run({"SRANDMEMBER", key})).at(0)));
    for (const char* count : {"1", "2", "5", "400", "999", "1000", "9223372036854775807"}) {
      const auto drawn = members(h.run({"SRANDMEMBER", key, count}));
      CHECK(drawn.size() == std::min<uint64_t>(std::stoull(count), all.size()));
      CHECK(std::includes(all.begin(), all.end(), drawn.begin(), drawn.end()));
    }
    CHECK(bulks(h.run({"SRANDMEMBER", key, "-2000"})).size() == 2000);
    CHECK(h.run({"SRANDMEMBER", key, "-9223372036854775807"}) ==
          "-ERR the reply would exceed 512 MiB\r\n");
  }
}

TEST_CASE("set: SMOVE between shards, types and sizes") {
  Harness h;
  fill(h, "large", 0, 500);
  h.run("SADD small 1 2 3");
  CHECK(h.run("SMOVE large small nothing") == integer(0));
  CHECK(h.run("SMOVE large small member:7") == integer(1));
  CHECK(h.run("SMOVE small large 2") == integer(1));
  CHECK(h.run("SMOVE large large 2") == integer(1));
  CHECK(h.run("SCARD large") == integer(500));
  CHECK(members(h.run("SMEMBERS small")) == std::set<std::string>{"1", "3", "member:7"});
  CHECK(h.run("SMOVE small large 1") == integer(1));
  CHECK(h.run("SMOVE small large 3") == integer(1));
  CHECK(h.run("SMOVE small new member:7") == integer(1));
  CHECK(h.run("EXISTS small") == integer(0));
  h.restart();
  CHECK(h.run("SMEMBERS new") == array({"member:7"}));
  CHECK(h.run("SISMEMBER large 3") == integer(1));
  // Into one that is about to be too large to be packed.
  Strings command{"SADD", "full"};
  size_t bytes = 2;
  for (int i = 0; bytes < kMaxPackedBytes - 12; ++i) {
    command.push_back(member(i));
    bytes += 1 + command.back().size();
  }
  h.client().run(command);
  CHECK_FALSE(is_split(h, "full"));
  h.run({"SADD", "from", std::string(100, 'x')});
  CHECK(h.run({"SMOVE", "from", "full", std::string(100, 'x')}) == integer(1));
  CHECK(is_split(h, "full"));
  CHECK(h.run("SCARD full") == integer(static_cast<int64_t>(command.size() - 1)));
}

TEST_CASE("set: intersections, unions and differences") {
  Harness h;
  fill(h, "a", 0, 1000);
  fill(h, "b", 500, 1500);
  h.run("SADD c member:600 member:700 member:2000");
  const auto range = [](int begin, int end) {
    std::set<std::string> expected;
    for (int i = begin; i < end; ++i) expected.insert(member(i));
    return expected;
  };
  CHECK(members(h.run("SINTER a b")) == range(500, 1000));
  CHECK(members(h.run("SINTER c b a")) == std::set<std::string>{member(600), member(700)});
  CHECK(members(h.run("SUNION a b")) == range(0, 1500));
  CHECK(members(h.run("SDIFF a b")) == range(0, 500));
  CHECK(members(h.run("SDIFF c a none b")) == std::set<std::string>{member(2000)});
  CHECK(h.run("SDIFF a a") == kEmpty);
  CHECK(h.run("SINTERCARD 2 a b") == integer(500));
  CHECK(h.run("SINTERCARD 2 a b LIMIT 0") == integer(500));
  CHECK(h.run("SINTERCARD 2 a b LIMIT 3") == integer(3));
  CHECK(h.run("SINTERCARD 1 a LIMIT 9223372036854775807") == integer(1000));
  CHECK(h.run("SINTERSTORE d a b") == integer(500));
  CHECK(members(h.run("SMEMBERS d")) == range(500, 1000));
  CHECK(h.run("SUNIONSTORE a a b") == integer(1500));
  CHECK(members(h.run("SMEMBERS a")) == range(0, 1500));
  CHECK(h.run("SDIFFSTORE a a b d") == integer(500));
  CHECK(members(h.run("SMEMBERS a")) == range(0, 500));
  h.restart();
  CHECK(members(h.run("SMEMBERS a")) == range(0, 500));
  // An empty result removes the destination, whatever it was.
  h.run("SET str x");
  CHECK(h.run("SINTERSTORE str a none") == integer(0));
  CHECK(h.run("EXISTS str") == integer(0));
  h.run("SET str x");
  CHECK(h.run("SDIFFSTORE str c none") == integer(3));
  CHECK(h.run("TYPE str") == "+set\r\n");

  h.run("SADD n1 5 3 1 10");
  h.run("SADD n2 3 10 7 x");
  CHECK(h.run("SINTER n1 n2") == array({"3", "10"}));
  CHECK(h.run("SDIFF n1 n2") == array({"1", "5"}));
  h.run("SREM n2 x");
  CHECK(h.run("SUNION n1 n2") == array({"1", "3", "5", "7", "10"}));
}

TEST_CASE("set: the difference from many small sets is no more work than there are members") {
  for (const bool split : {true, false}) {
    CAPTURE(split);
    Harness h;
    const int size = split ? 100'000 : 40;
    for (int begin = 0; begin < size; begin += 1000) {
      Strings sadd{"SADD", "big"};
      for (int i = begin; i < std::min(size, begin + 1000); ++i) sadd.push_back(member(i));
      h.client().run(sadd);
    }
    REQUIRE(is_split(h, "big") == split);
    Strings sdiff{"SDIFF", "big"};
    constexpr int kOthers = 1000;
    for (int i = 0; i < kOthers; ++i) {
      sdiff.push_back("small" + std::to_string(i));
      h.run({"SADD", sdiff.back(), member(3 * i), "x" + std::to_string(i)});
    }
    sdiff.push_back("none");
    std::set<std::string> expected;
    for (int i = 0; i < size; ++i) {
      if (i % 3 != 0 || i / 3 >= kOthers) expected.insert(member(i));
    }
    // To ask each of the others for every member of the first takes hundreds of times as long as
    // what there is to read and to send.
    const Strings smembers{"SMEMBERS", "big"};
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 5; ++i) members(h.client().run(smembers));
    const auto middle = std::chrono::steady_clock::now();
    CHECK(members(h.client().run(sdiff)) == expected);
    const auto end = std::chrono::steady_clock::now();
    CHECK(end - middle < 4 * (middle - begin) + std::chrono::milliseconds(200));
    sdiff.push_back("big");
    CHECK(h.client().run(sdiff) == kEmpty);
    sdiff[0] = "SDIFFSTORE";
    sdiff.insert(sdiff.begin() + 1, "target");
    sdiff.pop_back();
    CHECK(h.client().run(sdiff) == integer(static_cast<int64_t>(expected.size())));
    CHECK(members(h.run("SMEMBERS target")) == expected);
  }
}

TEST_CASE("set: operations on several are those of mathematics, in whatever form the sets are") {
  Harness h;
  std::mt19937 random(4);
  // Numbers of few and of many digits, whose sets are packed or split, and texts of two sizes.
  const auto any_member = [&](int kind) {
    const int number = static_cast<int>(random() % 300) - 100;
    switch (kind) {
      case 0:
        return std::to_string(number);
      case 1:
        return std::to_string(int64_t{number} * 1'000'000'000'000);
      case 2:
        return "m" + std::to_string(number);
      default:
        return std::to_string(number) + std::string(30, 'x');
    }
  };
  for (int round = 0; round < 200; ++round) {
    const int kind = static_cast<int>(random() % 4);
    std::vector<std::set<std::string>> sets(3);
    h.run("DEL 0 1 2");
    for (size_t i = 0; i < sets.size(); ++i) {
      const size_t size = 1 + random() % (random() % 2 == 0 ? 12 : 250);
      Strings command{"SADD", std::to_string(i)};
      // Some have a member that makes no number of the set.
      if (random() % 4 == 0) command.push_back("text");
      while (command.size() < 2 + size) command.push_back(any_member(kind));
      h.client().run(command);
      sets[i].insert(command.begin() + 2, command.end());
    }
    std::set<std::string> in_all, in_any, in_first_only;
    for (const auto& set : sets) in_any.insert(set.begin(), set.end());
    for (const std::string& each : in_any) {
      const bool first = sets[0].contains(each);
      const auto others = sets[1].count(each) + sets[2].count(each);
      if (first && others == 2) in_all.insert(each);
      if (first && others == 0) in_first_only.insert(each);
    }
    CHECK(members(h.run("SINTER 0 1 2")) == in_all);
    CHECK(h.run("SINTERCARD 3 0 1 2") == integer(static_cast<int64_t>(in_all.size())));
    CHECK(members(h.run("SUNION 0 1 2")) == in_any);
    CHECK(members(h.run("SDIFF 0 1 2")) == in_first_only);
    CHECK(members(h.run("SINTER 1 1")) == sets[1]);
  }
}

TEST_CASE("set: a union takes memory for the members that differ, however many sets have them") {
  Harness h;
  fill(h, "s", 0, 10'000);
  Strings command{"SUNIONSTORE", "to"};
  command.resize(202, "s");
  std::string reply;
  CHECK(testing::peak_bytes_of([&] { reply = h.client().run(command); }) < 24 << 20);
  CHECK(reply == integer(10'000));
}

TEST_CASE("set: a set that is named again takes no memory again") {
  Harness h;
  Strings sadd{"SADD", "s"};
  for (int i = 0; i < 400; ++i) sadd.push_back("m" + std::to_string(i));
  h.client().run(sadd);
  sadd[1] = "other";
  sadd.resize(300);
  h.client().run(sadd);
  REQUIRE(!is_split(h, "s"));
  const auto peak = [&](Strings command, size_t size, int64_t expected) {
    std::string reply;
    command.resize(size, command.back());
    const uint64_t bytes = testing::peak_bytes_of([&] { reply = h.client().run(command); });
    CHECK(reply == integer(expected));
    return bytes;
  };
  CHECK(peak({"SINTERCARD", "5000", "s"}, 5002, 400) < 24 << 20);
  CHECK(peak({"SDIFFSTORE", "to", "s", "other"}, 5003, 102) < 24 << 20);
  CHECK(peak({"SDIFFSTORE", "to", "s", "none", "s"}, 5003, 0) < 24 << 20);
}

TEST_CASE("set: SSCAN meets every member that stays") {
  Harness h;
  fill(h, "s", 0, 2000);
  std::set<std::string> met;
  std::string cursor = "0";
  int step = 0;
  do {
    const Strings found = bulks(h.run({"SSCAN", "s", cursor, "COUNT", "50"}));
    cursor = found.at(0);
    met.insert(found.begin() + 1, found.end());
    fill(h, "s", 2000 + step * 50, 2050 + step * 50);
    if (step % 3 == 2) {
      for (int i = 2000; i < 2050 + step * 50; ++i) h.run({"SREM", "s", member(i)});
    }
    ++step;
  } while (cursor != "0");
  CHECK(step > 10);
  for (int i = 0; i < 2000; ++i) CHECK(met.contains(member(i)));
  h.run("SADD n 3 1 2");
  CHECK(bulks(h.run("SSCAN n 0 COUNT 1")) == Strings{"0", "1", "2", "3"});
  CHECK(bulks(h.run("SSCAN s 0 MATCH member:1999 COUNT 100000")) == Strings{"0", "member:1999"});
}

TEST_CASE("set: DUMP, RESTORE, COPY and RENAME know large and small ones") {
  Harness h;
  h.run("SADD small a b");
  h.run("SADD numbers 3 1 2");
  fill(h, "large", 0, 700);
  for (const char* key : {"small", "numbers", "large"}) {
    const auto expected = members(h.run({"SMEMBERS", key}));
    const std::string payload = bulks(h.run({"DUMP", key})).at(0);
    CHECK(h.run({"RESTORE", "restored", "0", payload, "REPLACE"}) == kOk);
    CHECK(members(h.run("SMEMBERS restored")) == expected);
    CHECK(encoding(h, "restored") == encoding(h, key));
    for (const char* to : {"c1", "c2", "c3", "c4", "c5"}) {
      CHECK(h.run({"COPY", key, to, "REPLACE"}) == integer(1));
      CHECK(h.run({"RENAME", to, std::string("r") + to}) == kOk);
      CHECK(members(h.run({"SMEMBERS", std::string("r") + to})) == expected);
    }
    h.restart();
    CHECK(members(h.run("SMEMBERS rc3")) == expected);
  }
}

TEST_CASE("set: events") {
  Harness h({"notify-keyspace-events", "KEA"});
  KeyspaceEvents events(h);
  h.run("SADD a 1 2 3");
  h.run("SADD a 1");
  h.run("SREM a 9");
  CHECK(events.take() == "0:sadd a");
  h.run("SMOVE a b 1");
  CHECK(events.take() == "0:srem a, 0:sadd b");
  h.run("SMOVE b a 1");
  CHECK(events.take() == "0:srem b, 0:del b, 0:sadd a");
  h.run("SPOP a");
  CHECK(events.take() == "0:spop a");
  h.run("SPOP a 2");
  CHECK(events.take() == "0:spop a, 0:del a");
  h.run("SADD a 1 2");
  h.run("SUNIONSTORE d a");
  h.run("SDIFFSTORE d a a");
  h.run("SDIFFSTORE d a a");
  CHECK(events.take() == "0:sadd a, 0:sunionstore d, 0:del d");
  h.run("SREM a 1 2");
  CHECK(events.take() == "0:srem a, 0:del a");
}

}  // namespace
}  // namespace respcask::server

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <string>
#include <vector>

#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}

std::string array(const std::vector<std::string>& elements) {
  std::string reply = "*" + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) reply += bulk(element);
  return reply;
}

std::string number(int64_t value) {
  return ":" + std::to_string(value) + "\r\n";
}

constexpr const char* kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

uint64_t collections(Harness& h) {
  uint64_t count = 0;
  for (uint32_t i = 0; i < h.store->shard_count(); ++i) {
    std::lock_guard guard(h.store->shard(i));
    count += h.store->shard(i).stats().collections;
  }
  return count;
}

// A list of `count` elements "e0", "e1", ...; long ones are split.
void fill(Harness& h, const std::string& key, int count) {
  std::vector<std::string> command = {"rpush", key};
  for (int i = 0; i < count; ++i) command.push_back("e" + std::to_string(i));
  CHECK(h.client().run(command) == number(count));
}

TEST_CASE("list: taking elements out never splits a list") {
  Harness h;
  std::vector<std::string> words = {"RPUSH", "k"};
  words.resize(2 + 2048);
  CHECK(h.client().run(words) == ":2048\r\n");
  h.run("lpop k");
  const KeyRef key = h.server->key("k", 0);
  engine::Shard& shard = h.store->shard(key.shard);
  std::lock_guard guard(shard);
  CHECK(shard.find(0, "k", key.hash)->collection == 0);
}

TEST_CASE("lists: ends, indexes and ranges, packed and split") {
  for (const int count : {10, 2000}) {
    CAPTURE(count);
    Harness h;
    fill(h, "l", count);
    CHECK(collections(h) == (count == 10 ? 0 : 1));
    const std::string last = "e" + std::to_string(count - 1);
    CHECK(h.run("llen l") == number(count));
    CHECK(h.run("lindex l 0") == bulk("e0"));
    CHECK(h.run("lindex l -1") == bulk(last));
    CHECK(h.run("lindex l 7") == bulk("e7"));
    CHECK(h.run("lindex l 2000") == "$-1\r\n");
    CHECK(h.run("lindex l -2001") == "$-1\r\n");
    CHECK(h.run("lrange l 1 3") == array({"e1", "e2", "e3"}));
    CHECK(h.run("lrange l -9223372036854775808 1") == array({"e0", "e1"}));
    CHECK(h.run("lrange l -1 9223372036854775807") == array({last}));
    CHECK(h.run("lrange l 3 2") == "*0\r\n");
    CHECK(h.run("lpop l") == bulk("e0"));
    CHECK(h.run("rpop l") == bulk(last));
    CHECK(h.run("lpop l 2") == array({"e1", "e2"}));
    CHECK(h.run("lpush l a b c") == number(count - 1));
    CHECK(h.run("lrange l 0 3") == array({"c", "b", "a", "e3"}));
    CHECK(h.run("lset l 3 new") == "+OK\r\n");
    CHECK(h.run("linsert l before new x") == number(count));
    CHECK(h.run("linsert l after new y") == number(count + 1));
    CHECK(h.run("lrange l 2 6") == array({"a", "x", "new", "y", "e4"}));
    CHECK(h.run("lrem l 0 y") == ":1\r\n");
    CHECK(h.run("lpos l new") == ":4\r\n");
    CHECK(h.run("lmove l l right left") == bulk("e" + std::to_string(count - 2)));
    CHECK(h.run("lindex l 0") == bulk("e" + std::to_string(count - 2)));
    CHECK(h.run("ltrim l 1 3") == "+OK\r\n");
    CHECK(h.run("lrange l 0 -1") == array({"c", "b", "a"}));
    CHECK(h.run("rpop l 9") == array({"a", "b", "c"}));
    CHECK(h.run("exists l") == ":0\r\n");
    CHECK(collections(h) == 0);
  }
}

TEST_CASE("lists: an emptied list is no key, and one made anew holds nothing old") {
  Harness h;
  for (const char* emptying : {"lpop l 5000", "ltrim l 1 0", "del l"}) {
    fill(h, "l", 2000);
    h.run(emptying);
    CHECK(h.run("exists l") == ":0\r\n");
    CHECK(h.run("rpush l x") == ":1\r\n");
    h.restart();
    CHECK(h.run("lrange l 0 -1") == array({"x"}));
    h.run("del l");
  }
  h.run("rpush l a a a");
  CHECK(h.run("lrem l -2 a") == ":2\r\n");
  CHECK(h.run("lrem l 0 a") == ":1\r\n");
  CHECK(h.run("exists l") == ":0\r\n");
}

TEST_CASE("lists: other types are refused and stay") {
  Harness h;
  h.run("set s x");
  h.run("rpush l a");
  for (const char* command : {"lpush s a",
                              "rpushx s a",
                              "lpop s",
                              "rpop s 2",
                              "llen s",
                              "lindex s 0",
                              "lset s 0 a",
                              "lrange s 0 1",
                              "ltrim s 0 1",
                              "linsert s before a b",
                              "lpos s a",
                              "lrem s 0 a",
                              "lmove s l left left",
                              "lmove l s left left",
                              "rpoplpush l s",
                              "lmpop 2 nothing s left",
                              "blpop s 0",
                              "blmpop 0 1 s left",
                              "blmove l s left left 0",
                              "brpoplpush s l 0"}) {
    CAPTURE(command);
    CHECK(h.run(command) == kWrongType);
  }
  CHECK(h.run("get l") == kWrongType);
  CHECK(h.run("lrange l 0 -1") == array({"a"}));
}

TEST_CASE("lists: a pop or a trim of a long list writes one small record") {
  Harness h;
  fill(h, "l", 5000);
  h.run("ping");
  const auto written_by = [&](const char* command) {
    const uint64_t before = h.log_bytes();
    h.run(command);
    return h.log_bytes() - before;
  };
  CHECK(written_by("lpop l") < 80);
  CHECK(written_by("rpush l x") < 100);
  CHECK(written_by("rpop l 1000") < 80);
  CHECK(written_by("ltrim l 1000 -1000") < 120);
  CHECK(h.run("llen l") == number(5000 - 1000 - 1999));
}

TEST_CASE("lists: nulls are those of the protocol") {
  Harness h;
  CHECK(h.run("lpop l") == "$-1\r\n");
  CHECK(h.run("lpop l 1") == "*-1\r\n");
  CHECK(h.run("lmpop 1 l left") == "*-1\r\n");
  h.client().use_protocol(3);
  for (const char* command : {"lpop l", "lpop l 1", "lmpop 1 l left", "lindex l 0", "lpos l a"}) {
    CHECK(h.run(command) == "_\r\n");
  }
}

TEST_CASE("lists: rename, copy, dump and restore keep the elements") {
  Harness h;
  for (const int count : {3, 1500}) {
    fill(h, "l", count);
    const std::string all = h.run("lrange l 0 -1");
    // Many names, so that some lie in the same shard and some in another.
    for (int i = 0; i < 8; ++i) {
      const std::string to = "copy" + std::to_string(i);
      CHECK(h.run("copy l " + to) == ":1\r\n");
      CHECK(h.run("rename " + to + " other" + to) == "+OK\r\n");
      CHECK(h.run("lrange other" + to + " 0 -1") == all);
      h.run("rpush other" + to + " more");
      CHECK(h.run("lrange l 0 -1") == all);
      h.run("del other" + to);
    }
    const std::string dumped = h.run("dump l");
    const size_t begin = dumped.find("\r\n") + 2;
    CHECK(h.client().run({"restore", "r", "0", dumped.substr(begin, dumped.size() - begin - 2)}) ==
          "+OK\r\n");
    CHECK(h.run("lrange r 0 -1") == all);
    CHECK(h.run("object encoding r") == bulk("quicklist"));
    h.restart();
    CHECK(h.run("lrange r 0 -1") == all);
    h.run("del l r");
  }
}

// Every kind of change at random against a plain vector, with restarts and merges in between.
TEST_CASE("lists: any changes, restarts and merges, against a plain vector") {
  for (const uint64_t seed : {1, 2, 3}) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto below = [&](size_t n) { return static_cast<size_t>(random() % n); };
    Harness h;
    std::vector<std::string> model;
    int value = 0;
    const auto fresh = [&] { return "v" + std::to_string(value++) + std::string(below(50), 'x'); };
    for (int step = 0; step < 3000; ++step) {
      const size_t size = model.size();
      const size_t kind = below(20);
      if (size < 5 || kind < 6) {
        const std::string element = fresh();
        const bool head = below(2) == 0;
        CHECK(h.run({head ? "lpush" : "rpush", "l", element}) ==
              number(static_cast<int64_t>(size) + 1));
        model.insert(head ? model.begin() : model.end(), element);
      } else if (kind < 11) {
        // Often at one spot, so that positions run out there.
        const size_t at = below(3) == 0 ? below(size) : size / 2;
        const std::string element = fresh();
        h.run({"linsert", "l", "before", model[at], element});
        model.insert(model.begin() + static_cast<ptrdiff_t>(at), element);
      } else if (kind < 14) {
        const size_t count = 1 + below(std::min<size_t>(size, 4));
        const bool head = below(2) == 0;
        h.run({head ? "lpop" : "rpop", "l", std::to_string(count)});
        const auto begin = head ? model.begin() : model.end() - static_cast<ptrdiff_t>(count);
        model.erase(begin, begin + static_cast<ptrdiff_t>(count));
      } else if (kind < 16) {
        const size_t at = below(size);
        model[at] = fresh();
        CHECK(h.run({"lset", "l", std::to_string(at), model[at]}) == "+OK\r\n");
      } else if (kind < 18) {
        const size_t at = below(size);
        CHECK(h.run({"lrem", "l", "0", model[at]}) == ":1\r\n");
        model.erase(model.begin() + static_cast<ptrdiff_t>(at));
      } else if (kind == 18) {
        h.run("lmove l l left right");
        std::rotate(model.begin(), model.begin() + 1, model.end());
      } else if (below(10) == 0) {
        const size_t begin = below(size / 4 + 1);
        const size_t end = size - below(size / 4 + 1);
        h.run({"ltrim", "l", std::to_string(begin), std::to_string(end - 1)});
        model = std::vector<std::string>(model.begin() + static_cast<ptrdiff_t>(begin),
                                         model.begin() + static_cast<ptrdiff_t>(end));
      }
      if (step % 300 == 299) {
        REQUIRE(h.run("lrange l 0 -1") == array(model));
        if (below(2) == 0) h.store->merge_now();
        h.restart();
        REQUIRE(h.run("lrange l 0 -1") == array(model));
      }
    }
  }
}

TEST_CASE("lists: what is not in memory is fetched before anything changes") {
  Harness h;
  fill(h, "l", 1000);
  fill(h, "{l}short", 5);
  h.restart();
  CHECK(h.run("lpos l e999 rank -1") == ":999\r\n");
  h.restart();
  CHECK(h.run("linsert l before e500 x") == ":1001\r\n");
  h.restart();
  CHECK(h.run("lrem l -1 e7") == ":1\r\n");
  h.restart();
  CHECK(h.run("lmove {l}short l left right") == bulk("e0"));
  h.restart();
  CHECK(h.run("rpop l 2") == array({"e0", "e999"}));
  CHECK(h.run("lrange {l}short 0 -1") == array({"e1", "e2", "e3", "e4"}));
}

TEST_CASE("lists: WATCH sees changes of short and of long lists") {
  for (const int count : {3, 1500}) {
    Harness h;
    fill(h, "l", count);
    for (const char* command : {"rpush l x", "lpop l", "lset l 0 y", "linsert l before e2 z",
                                "lrem l 0 z", "lmove l l left right", "ltrim l 0 -2"}) {
      CAPTURE(command);
      Client other(h);
      h.run("watch l");
      other.run(command);
      h.run("multi");
      CHECK(h.run("exec") == "*-1\r\n");
    }
  }
}

}  // namespace
}  // namespace respcask::server::testing

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
std::string pair(const std::string& key, const std::string& element) {
  return "*2\r\n" + bulk(key) + bulk(element);
}

TEST_CASE("blocking lists: first come, first served, one element each, the rest stays") {
  Harness h;
  Client a(h), b(h), c(h);
  a.run("blpop l 0");
  b.run("brpop l 0");
  c.run("blmpop 0 1 l left count 2");
  CHECK(h.run("rpush l 1 2 3 4 5") == ":5\r\n");
  CHECK(a.resumed() == pair("l", "1"));
  CHECK(b.resumed() == pair("l", "5"));
  CHECK(c.resumed() == "*2\r\n" + bulk("l") + "*2\r\n" + bulk("2") + bulk("3"));
  CHECK(h.run("lrange l 0 -1") == "*1\r\n" + bulk("4"));
}

TEST_CASE("blocking lists: of very many keys the one that became ready first is taken from") {
  using Clock = std::chrono::steady_clock;
  Clock::duration took_of_few{};
  for (const int count : {10'000, 100'000}) {
    CAPTURE(count);
    Harness h;
    Client waiter(h), behind(h);
    std::vector<std::string> words = {"BLPOP"};
    for (int i = 0; i < count; ++i) words.push_back("k" + std::to_string(i));
    words.push_back("0");
    waiter.run(words);
    behind.run("blpop k77 0");
    h.run("multi");
    for (int i = count; i-- > 0;) h.run({"RPUSH", words[static_cast<size_t>(i) + 1], "v"});
    const auto begin = Clock::now();
    h.run("exec");
    const auto took = Clock::now() - begin;
    CHECK(waiter.resumed() == pair("k" + std::to_string(count - 1), "v"));
    CHECK(behind.resumed() == pair("k77", "v"));
    // To look for each among all the others takes a hundred times as long for ten times as many.
    if (took_of_few.count() != 0) CHECK(took < 25 * took_of_few + std::chrono::seconds(1));
    took_of_few = took;
  }
}

TEST_CASE("blocking lists: of several keys the one that became ready first is taken from") {
  Harness h;
  Client waiter(h);
  waiter.run("blpop k1 k2 k3 0");
  h.run("multi");
  h.run("rpush k3 three");
  h.run("rpush k1 one");
  h.run("exec");
  CHECK(waiter.resumed() == pair("k3", "three"));
  CHECK(h.run("llen k1") == ":1\r\n");
  // What is there already is taken in the order of the arguments.
  h.run("rpush k3 three");
  CHECK(waiter.run("blpop k1 k2 k3 0") == pair("k1", "one"));
}

TEST_CASE("blocking lists: moves from shard to shard, in chains and in circles") {
  Harness h;
  Client a(h), b(h), c(h), popper(h);
  a.run("blmove l1 l2 left right 0");
  b.run("brpoplpush l2 l3 0");
  c.run("blmove l3 l4 right left 0");
  popper.run("blpop l4 0");
  CHECK(h.run("rpush l1 x") == ":1\r\n");
  for (Client* mover : {&a, &b, &c}) CHECK(mover->resumed() == bulk("x"));
  CHECK(popper.resumed() == pair("l4", "x"));
  CHECK(h.run("exists l1 l2 l3 l4") == ":0\r\n");
  // Round and round, until everybody has moved it once.
  a.run("blmove l1 l2 left left 0");
  b.run("blmove l2 l1 left left 0");
  c.run("blmove l1 l1 left right 0");
  h.run("rpush l1 y");
  for (Client* mover : {&a, &b, &c}) CHECK(mover->resumed() == bulk("y"));
  CHECK(h.run("lrange l1 0 -1") == "*1\r\n" + bulk("y"));
}

TEST_CASE("blocking lists: a wrong target fails that waiter alone") {
  Harness h;
  h.run("set s x");
  Client mover(h), popper(h);
  mover.run("blmove l s left left 0");
  popper.run("blpop l 0");
  h.run("rpush l a");
  CHECK(mover.resumed() ==
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  CHECK(popper.resumed() == pair("l", "a"));
}

TEST_CASE("blocking lists: what makes a list appear wakes, another type does not") {
  Harness h;
  h.run("rpush other a");
  const std::string dumped = h.run("dump other");
  const std::string payload = dumped.substr(dumped.find("\r\n") + 2);
  const std::vector<std::vector<std::string>> makers = {
      {"rename", "other", "l"},
      {"copy", "other", "l"},
      {"restore", "l", "0", payload.substr(0, payload.size() - 2)},
      {"lmove", "other", "l", "left", "left"},
      {"sort", "other", "by", "nosort", "store", "l"},
      {"linsert", "l", "before", "x", "y"}};
  for (const auto& maker : makers) {
    CAPTURE(maker[0]);
    h.run("del other l");
    h.run("rpush other a");
    Client waiter(h);
    waiter.run("blpop l 0");
    h.run("set l string");
    h.run("del l");
    CHECK(waiter.blocked());
    h.client().run(maker);
    if (maker[0] == "linsert") {
      CHECK(waiter.resumed().empty());
    } else {
      CHECK(waiter.resumed() == pair("l", "a"));
    }
  }
}

TEST_CASE("blocking: what STORE puts over a key of another type wakes nobody, as in Redis") {
  Harness h;
  Client list_waiter(h), set_waiter(h);
  list_waiter.run("blpop k 0");
  set_waiter.run("bzpopmin z 0");
  h.run("set k string");
  h.run("set z string");
  h.run("rpush list 1 2");
  h.run("zadd set 1 a");
  CHECK(h.run("sort list store k") == ":2\r\n");
  CHECK(h.run("zunionstore z 1 set") == ":1\r\n");
  CHECK(list_waiter.resumed().empty());
  CHECK(set_waiter.resumed().empty());
  CHECK(h.run("llen k") == ":2\r\n");
  CHECK(h.run("zcard z") == ":1\r\n");
}

TEST_CASE("blocking lists: a transaction wakes after it, and only with what it leaves") {
  Harness h;
  Client waiter(h);
  waiter.run("blpop l 0");
  h.run("multi");
  h.run("rpush l a");
  h.run("del l");
  h.run("exec");
  CHECK(waiter.resumed().empty());
  h.run("multi");
  h.run("rpush l a");
  h.run("del l");
  h.run("set l x");
  h.run("exec");
  CHECK(waiter.resumed().empty());
  h.run("del l");
  h.run("multi");
  h.run("lpush l a");
  h.run("lpush l b");
  h.run("exec");
  CHECK(waiter.resumed() == pair("l", "b"));
}

TEST_CASE("blocking lists: time is up, and what is answered then") {
  Harness h;
  Client a(h), b(h);
  a.run("blpop l 0.001");
  b.run("blmove l m left left 0.001");
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  h.wake_due();
  CHECK(a.resumed() == "*-1\r\n");
  CHECK(b.resumed() == "*-1\r\n");
  for (const char* command : {"blpop l 0", "blmpop 0 1 l left"}) {
    h.run("multi");
    h.run(command);
    CHECK(h.run("exec") == "*1\r\n*-1\r\n");
  }
  for (const char* command : {"blmove l m left left 0", "brpoplpush l m 0"}) {
    h.run("multi");
    h.run(command);
    CHECK(h.run("exec") == "*1\r\n$-1\r\n");
  }
  CHECK(h.run("blpop l -1") == "-ERR timeout is negative\r\n");
  CHECK(h.run("blpop l 1e400") == "-ERR timeout is negative\r\n");
  CHECK(h.run("blpop l x") == "-ERR timeout is not a float or out of range\r\n");
  a.run("blpop l 9223372036854775");
  CHECK(a.blocked());
  h.run("rpush l a");
  CHECK(a.resumed() == pair("l", "a"));
}

TEST_CASE("blocking lists: moves between shards by many threads lose and double nothing") {
  Harness h;
  h.start_threads();
  constexpr int kMovers = 3, kItems = 400;
  std::atomic<int> arrived{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kMovers; ++t) {
    threads.emplace_back([&h, &arrived] {
      Client client(h);
      while (arrived.load() < kItems) {
        client.run("blmove from to left right 0.02");
        while (client.blocked()) {
          std::this_thread::yield();
          client.resumed();
        }
      }
    });
  }
  threads.emplace_back([&h, &arrived] {
    Client client(h);
    std::vector<bool> seen(kItems);
    while (arrived.load() < kItems) {
      std::string reply = client.run("blpop to 0");
      while (reply.empty()) {
        std::this_thread::yield();
        reply = client.resumed();
      }
      const size_t at = reply.rfind('i');
      const auto item = static_cast<size_t>(std::stoi(reply.substr(at + 1)));
      CHECK(!seen[item]);
      seen[item] = true;
      ++arrived;
    }
  });
  threads.emplace_back([&h] {
    Client client(h);
    for (int i = 0; i < kItems; ++i) client.run("rpush from i" + std::to_string(i));
  });
  for (std::thread& thread : threads) thread.join();
  CHECK(h.run("exists from to") == ":0\r\n");
  CHECK(h.server->blocked_clients() == 0);
}

}  // namespace
}  // namespace respcask::server::testing

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("memory: USAGE is what a key takes in memory") {
  Harness h;
  CHECK(h.run("memory usage nokey") == "$-1\r\n");
  h.run("set k " + std::string(100, 'x'));
  const std::string usage = h.run("memory usage k");
  CHECK(usage == h.run("memory usage k samples 0"));
  REQUIRE(usage[0] == ':');
  CHECK(std::stoi(usage.substr(1)) > 0);
  CHECK(std::stoi(usage.substr(1)) < 100);
  CHECK(h.run("memory usage k samples -1") == "-ERR syntax error\r\n");
  CHECK(h.run("memory usage k samples") == "-ERR syntax error\r\n");
  CHECK(h.run("memory usage k samples x") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("memory usage k x 1") == "-ERR syntax error\r\n");
}

TEST_CASE("memory: STATS counts keys and what they take") {
  Harness h;
  h.client().use_protocol(3);
  CHECK(h.run("memory stats").starts_with("%27\r\n$14\r\npeak.allocated\r\n:"));
  h.run("mset a 1 b 2");
  const std::string stats = h.run("memory stats");
  CHECK(stats.starts_with("%28\r\n"));
  CHECK(stats.find("$10\r\nkeys.count\r\n:2\r\n") != std::string::npos);
  CHECK(stats.find("$4\r\ndb.0\r\n%3\r\n$23\r\noverhead.hashtable.main\r\n:") != std::string::npos);
}

TEST_CASE("memory: the keydirs are part of the memory in use") {
  Harness h;
  const uint64_t before = h.server->used_memory();
  h.run("debug populate 100000 a-prefix-that-makes-the-names-longer");
  h.run("memory doctor");  // looks at the keydirs
  CHECK(h.server->memory.used(CycleClock::system_ns(), 0) > before + 100000 * 40);
}

TEST_CASE("memory: above maxmemory what may grow is refused") {
  Harness h({"maxmemory", "1"});
  CHECK(h.run("set a b") == "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  CHECK(h.run("del a") == ":0\r\n");
  h.set({"maxmemory", "0"});
  CHECK(h.run("set a b") == "+OK\r\n");
}

TEST_CASE("memory: a command with very many keys leaves its loop little of what it needed") {
  Harness h;
  std::vector<std::string> exists{"exists"};
  for (int i = 0; i < 50'000; ++i) exists.push_back("name" + std::to_string(i));
  CHECK(h.client().run(exists) == ":0\r\n");
  Turn& turn = h.client().turn;
  turn.fetches.reserve(50'000);  // as for as many values that are not in memory
  CHECK(turn.scratch.keys.capacity() >= 50'000);
  turn.begin();
  CHECK(turn.scratch.keys.capacity() < 5000);
  CHECK(turn.scratch.positions.capacity() < 5000);
  CHECK(turn.fetches.capacity() < 5000);
  CHECK(h.run("mget a b") == "*2\r\n$-1\r\n$-1\r\n");
  turn.begin();
  CHECK(turn.scratch.keys.capacity() >= 2);
}

TEST_CASE("memory: DOCTOR, MALLOC-STATS and PURGE") {
  Harness h;
  CHECK(h.run("memory doctor").starts_with("$"));
  CHECK(h.run("memory malloc-stats").starts_with("$"));
  CHECK(h.run("memory purge") == "+OK\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

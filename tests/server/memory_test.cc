#include <doctest/doctest.h>

#include <string>

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

TEST_CASE("memory: DOCTOR, MALLOC-STATS and PURGE") {
  Harness h;
  CHECK(h.run("memory doctor").starts_with("$"));
  CHECK(h.run("memory malloc-stats").starts_with("$"));
  CHECK(h.run("memory purge") == "+OK\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

std::string in(Harness& h, uint32_t db, std::string_view command) {
  h.client().session->db = db;
  return h.run(command);
}

void fill(Harness& h, uint32_t db, int keys) {
  for (int i = 0; i < keys; ++i) in(h, db, "SET key:" + std::to_string(i) + " 1");
}

TEST_CASE("DBSIZE counts the keys of one database in all shards") {
  Harness h;
  fill(h, 0, 100);
  fill(h, 7, 3);
  CHECK(in(h, 0, "DBSIZE") == ":100\r\n");
  CHECK(in(h, 7, "DBSIZE") == ":3\r\n");
  CHECK(in(h, 1, "DBSIZE") == ":0\r\n");
}

TEST_CASE("FLUSHDB empties one database, FLUSHALL all of them, for good") {
  Harness h;
  for (uint32_t db : {0u, 7u, 15u}) fill(h, db, 20);
  CHECK(in(h, 7, "FLUSHDB") == "+OK\r\n");
  h.restart();
  CHECK(in(h, 7, "DBSIZE") == ":0\r\n");
  CHECK(in(h, 15, "DBSIZE") == ":20\r\n");
  CHECK(in(h, 3, "FLUSHALL async") == "+OK\r\n");
  fill(h, 15, 2);
  h.restart();
  CHECK(in(h, 0, "DBSIZE") == ":0\r\n");
  CHECK(in(h, 15, "DBSIZE") == ":2\r\n");
  CHECK(in(h, 0, "FLUSHALL SYNC") == "+OK\r\n");
  CHECK(in(h, 0, "FLUSHALL foo") == "-ERR syntax error\r\n");
  CHECK(in(h, 0, "FLUSHDB SYNC SYNC") == "-ERR syntax error\r\n");
}

TEST_CASE("a flush writes nothing in shards that hold nothing") {
  Harness h;
  REQUIRE(h.store->shard_count() > 1);
  h.run("SET key 1");
  const uint32_t home = h.store->shard_of("key");
  std::vector<uint64_t> before;
  for (uint32_t i = 0; i < h.store->shard_count(); ++i) before.push_back(h.log_bytes(i));
  CHECK(h.run("FLUSHALL") == "+OK\r\n");
  for (uint32_t i = 0; i < h.store->shard_count(); ++i) {
    CHECK((h.log_bytes(i) > before[i]) == (i == home));
  }
  h.restart();
  CHECK(h.run("EXISTS key") == ":0\r\n");
}

TEST_CASE("SWAPDB exchanges two databases, for good") {
  Harness h;
  fill(h, 0, 5);
  fill(h, 1, 9);
  CHECK(h.run("SWAPDB 0 1") == "+OK\r\n");
  CHECK(h.run("SWAPDB 3 3") == "+OK\r\n");
  h.restart();
  CHECK(in(h, 0, "DBSIZE") == ":9\r\n");
  CHECK(in(h, 1, "DBSIZE") == ":5\r\n");
  CHECK(h.run("SWAPDB x 1") == "-ERR invalid first DB index\r\n");
  CHECK(h.run("SWAPDB 0 99999999999") == "-ERR invalid second DB index\r\n");
  CHECK(h.run("SWAPDB 0 16") == "-ERR DB index is out of range\r\n");
}

TEST_CASE("SWAPDB: a missing key in the place of an expired one is no change to who watches") {
  const auto outcome = [](bool before, bool after) {
    Harness h;
    // Expired, and nobody has removed them.
    if (before) h.run("SET k v PX 1");
    if (after) in(h, 1, "SET k v PX 1");
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    h.client().session->db = 0;
    h.run("WATCH k");
    h.run("SWAPDB 0 1");
    h.run("MULTI");
    return h.run("EXEC");
  };
  CHECK(outcome(true, false) == "*0\r\n");
  CHECK(outcome(false, true) == "*0\r\n");
  CHECK(outcome(true, true) == "*0\r\n");
  Harness h;
  h.run("SET k v");
  h.run("WATCH k");
  h.run("SWAPDB 0 1");
  h.run("MULTI");
  CHECK(h.run("EXEC") == "*-1\r\n");
}

TEST_CASE("flushing and swapping work inside a transaction") {
  Harness h;
  fill(h, 0, 5);
  fill(h, 1, 1);
  h.client().session->db = 0;
  h.run("MULTI");
  h.run("SWAPDB 0 1");
  h.run("DBSIZE");
  h.run("FLUSHDB");
  h.run("DBSIZE");
  CHECK(h.run("EXEC") == "*4\r\n+OK\r\n:1\r\n+OK\r\n:0\r\n");
  h.restart();
  CHECK(in(h, 1, "DBSIZE") == ":5\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

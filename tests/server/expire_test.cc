#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include "tests/server/harness.h"
#include "tests/server/keyspace_events.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("EXPIRE and its relations set the time that TTL and its relations tell") {
  Harness h{"notify-keyspace-events", "KEA"};
  KeyspaceEvents events(h);
  h.run("SET a 1");
  CHECK(h.run("TTL a") == ":-1\r\n");
  CHECK(h.run("PEXPIRETIME a") == ":-1\r\n");
  CHECK(h.run("TTL missing") == ":-2\r\n");
  events.take();
  CHECK(h.run("EXPIRE a 100") == ":1\r\n");
  CHECK(events.take() == "0:expire a");
  CHECK(h.run("TTL a") == ":100\r\n");
  CHECK(h.run("PEXPIRE a 100400") == ":1\r\n");
  CHECK(h.run("TTL a") == ":100\r\n");
  CHECK(h.run("PEXPIREAT a 4000000000500") == ":1\r\n");
  CHECK(h.run("PEXPIRETIME a") == ":4000000000500\r\n");
  CHECK(h.run("EXPIRETIME a") == ":4000000001\r\n");
  CHECK(h.run("EXPIREAT a 4000000000") == ":1\r\n");
  CHECK(h.run("PEXPIRETIME a") == ":4000000000000\r\n");
  CHECK(h.run("EXPIRE missing 100") == ":0\r\n");
  events.restart_server();
  CHECK(h.run("PEXPIRETIME a") == ":4000000000000\r\n");
}

TEST_CASE("a time that is past removes the key") {
  Harness h{"notify-keyspace-events", "KEA"};
  KeyspaceEvents events(h);
  for (const char* command : {"EXPIRE a 0", "EXPIRE a -1", "PEXPIRE a -9223372036854775808",
                              "EXPIREAT a 1", "PEXPIREAT a 0"}) {
    CAPTURE(command);
    h.run("SET a 1");
    events.take();
    CHECK(h.run(command) == ":1\r\n");
    CHECK(events.take() == "0:del a");
    CHECK(h.run("EXISTS a") == ":0\r\n");
  }
}

TEST_CASE("conditions compare with the expiry that is there") {
  Harness h;
  const auto expire = [&](const char* at, const char* condition) {
    return h.run({"EXPIREAT", "a", at, condition}) == ":1\r\n";
  };
  h.run("SET a 1");
  CHECK_FALSE(expire("4000000000", "XX"));
  CHECK_FALSE(expire("4000000000", "GT"));  // without an expiry it lives for ever
  CHECK(expire("4000000000", "NX"));
  CHECK_FALSE(expire("4000000001", "NX"));
  CHECK_FALSE(expire("4000000000", "GT"));
  CHECK_FALSE(expire("4000000000", "LT"));
  CHECK(expire("4000000001", "gt"));
  CHECK(expire("3999999999", "LT"));
  CHECK(expire("3999999998", "XX"));
  h.run("PERSIST a");
  CHECK(expire("4000000000", "LT"));
  CHECK(h.run("EXPIREAT a 4000000005 XX GT") == ":1\r\n");
}

TEST_CASE("errors are Redis's") {
  Harness h;
  h.run("SET a 1");
  CHECK(h.run("EXPIRE a 9223372036854775807") ==
        "-ERR invalid expire time in 'expire' command\r\n");
  CHECK(h.run("EXPIRE a -9223372036854776") == "-ERR invalid expire time in 'expire' command\r\n");
  CHECK(h.run("PEXPIRE a 9223372036854775807") ==
        "-ERR invalid expire time in 'pexpire' command\r\n");
  CHECK(h.run("EXPIRE a x") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("EXPIRE a 1 foo") == "-ERR Unsupported option foo\r\n");
  CHECK(h.run("EXPIRE a 1 NX XX") ==
        "-ERR NX and XX, GT or LT options at the same time are not compatible\r\n");
  CHECK(h.run("EXPIRE a 1 GT LT") ==
        "-ERR GT and LT options at the same time are not compatible\r\n");
  CHECK(h.run("PEXPIREAT a 9223372036854775807") == ":1\r\n");
  CHECK(h.run("PEXPIRETIME a") == ":9223372036854775807\r\n");
}

TEST_CASE("PERSIST takes an expiry away") {
  Harness h{"notify-keyspace-events", "KEA"};
  KeyspaceEvents events(h);
  h.run("SET a 1 EX 100");
  events.take();
  CHECK(h.run("PERSIST a") == ":1\r\n");
  CHECK(events.take() == "0:persist a");
  CHECK(h.run("PERSIST a") == ":0\r\n");
  CHECK(h.run("PERSIST missing") == ":0\r\n");
  CHECK(h.run("TTL a") == ":-1\r\n");
}

// The value of a field of INFO's section stats.
uint64_t stat(Harness& h, std::string_view name) {
  const std::string info = h.run("info stats");
  const std::string key = "\n" + std::string(name) + ":";
  const size_t at = info.find(key);
  REQUIRE(at != std::string::npos);
  return std::stoull(info.substr(at + key.size()));
}

// Keys that lie in one shard, and whose time is past.
void make_expired(Harness& h, int count) {
  for (int i = 0; i < count; ++i) h.run({"SET", "{s}" + std::to_string(i), "v", "PX", "1"});
  std::this_thread::sleep_for(std::chrono::milliseconds(3));
}

// How long the background takes for so many keys that expire one after the other.
std::chrono::nanoseconds time_to_expire(Harness& h, int keys) {
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < keys; ++i) {
    h.run("SET k v PX 1");
    while (h.run("DBSIZE") != ":0\r\n") {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  return std::chrono::steady_clock::now() - begin;
}

TEST_CASE("hz says how often expired keys are looked for") {
  Harness h;
  h.start_threads();
  const auto usual = time_to_expire(h, 5);
  h.set({"hz", "200"});
  time_to_expire(h, 1);  // by a round of the former length
  CHECK(2 * time_to_expire(h, 5) < usual);
}

TEST_CASE("active-expire-effort says how many keys go at once") {
  Harness h;
  make_expired(h, 1000);
  const uint32_t shard = h.server->key("{s}0", 0).shard;
  Turn turn(*h.server);
  const auto cycle = [&] {
    const uint64_t before = stat(h, "expired_keys");
    turn.begin();
    CHECK(h.server->expire_cycle(shard, turn));
    h.server->commit(turn);
    return stat(h, "expired_keys") - before;
  };
  CHECK(cycle() == 64);
  h.set({"active-expire-effort", "5"});
  CHECK(cycle() == 128);
  h.set({"active-expire-effort", "10"});
  CHECK(cycle() == 208);
}

TEST_CASE("a round of expiry ends when its time is over, and others do the rest") {
  constexpr int kKeys = 5000;
  Harness h({"hz", "500"});  // a quarter of 2 ms
  h.server->active_expire = false;
  make_expired(h, kKeys);
  h.start_threads();
  CHECK(stat(h, "expired_time_cap_reached_count") == 0);
  h.server->active_expire = true;
  while (h.run("DBSIZE") != ":0\r\n") std::this_thread::sleep_for(std::chrono::milliseconds(1));
  CHECK(stat(h, "expired_keys") == kKeys);
  CHECK(stat(h, "expired_time_cap_reached_count") > 0);
  h.run("CONFIG RESETSTAT");
  CHECK(stat(h, "expired_time_cap_reached_count") == 0);
}

TEST_CASE("an expired key that is written over counts as expired, whoever listens") {
  struct Case {
    const char* command;
    const char* others = "";  // makes what it takes
  };
  constexpr Case kCases[] = {
      {"SET k v"},
      {"SET k v EX 100"},
      {"SET k v KEEPTTL"},
      {"SETEX k 100 v"},
      {"MSET k v l w"},
      {"GETSET k v"},
      {"SETRANGE k 0 v"},
      {"SETBIT k 1 1"},
      {"APPEND k v"},
      {"INCR k"},
      {"HSET k f v"},
      {"RPUSH k v"},
      {"SADD k v"},
      {"ZADD k 1 v"},
      {"SINTERSTORE k set", "SADD set a b"},
      {"SUNIONSTORE k set", "SADD set a b"},
      {"ZRANGESTORE k zset 0 -1", "ZADD zset 1 a"},
      {"ZUNIONSTORE k 1 zset", "ZADD zset 1 a"},
      {"SORT set STORE k ALPHA", "SADD set a b"},
      {"BITOP NOT k string", "SET string v"},
      {"COPY string k REPLACE", "SET string v"},
      {"RENAME string k", "SET string v"},
      {"PFMERGE k"},
      {"GEOSEARCHSTORE k geo FROMMEMBER a BYRADIUS 1 km", "GEOADD geo 1 1 a"},
      {"LMOVE list k LEFT LEFT", "RPUSH list a b"},
      {"SMOVE set k a", "SADD set a b"},
  };
  for (const char* events : {"", "KEA"}) {
    Harness h{"notify-keyspace-events", events};
    for (const Case& c : kCases) {
      CAPTURE(c.command);
      h.run("FLUSHALL");
      if (*c.others != '\0') h.run(c.others);
      h.run("SET k old PX 1");
      std::this_thread::sleep_for(std::chrono::milliseconds(3));
      h.run("CONFIG RESETSTAT");
      CHECK(h.run(c.command).front() != '-');
      CHECK(stat(h, "expired_keys") == 1);
      CHECK(h.run("EXISTS k") == ":1\r\n");
    }
  }
}

}  // namespace
}  // namespace respcask::server::testing

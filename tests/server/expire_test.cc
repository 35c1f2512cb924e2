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

}  // namespace
}  // namespace respcask::server::testing

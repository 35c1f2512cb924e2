// What INFO and MEMORY USAGE tell of the memory that keys take.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <utility>

#include "tests/e2e/redis_client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

// The heap in use and the keydirs, once a count that is not from before has been taken and the one
// after it says the same: what FLUSHALL leaves to the background takes its time on a busy machine.
int64_t used_memory(RedisClient& client) {
  constexpr int64_t kSame = 16 << 10;
  int64_t last = -1;
  for (int count = 0; count < 20; ++count) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1200));
    const auto used = client.info_field("memory", "used_memory");
    REQUIRE(used);
    const int64_t now = std::stoll(*used);
    if (last >= 0 && std::abs(now - last) <= kSame) return now;
    last = now;
  }
  FAIL("the memory in use does not come to rest");
  return 0;
}

void call_all(RedisClient& client, int count, const std::function<Words(int)>& command) {
  constexpr int kPipeline = 500;
  for (int from = 0; from < count; from += kPipeline) {
    const int to = std::min(count, from + kPipeline);
    for (int i = from; i < to; ++i) client.queue(command(i));
    for (int i = from; i < to; ++i) {
      const auto reply = client.read();
      if (!reply || reply->is_error()) FAIL("no reply, or an error");
    }
  }
}

TEST_CASE("what MEMORY USAGE says of all keys is what used_memory has grown by, within 5 %") {
  constexpr int64_t kForSegments = 128 << 10;  // which belong to no key
  // So do a loop's notes on pages, which it makes once, when it has reason to doubt that some are
  // in memory: nobody knows when.
  int64_t for_page_notes = 256 << 10;
  struct Filling {
    const char* what;
    int keys;
    int commands;
    std::function<Words(int)> command;  // on key:N, N from 0 to keys - 1
  };
  const auto key = [](int i) { return "key:" + std::to_string(i); };
  const auto field = [](int i) { return "field:" + std::to_string(i); };
  const std::string value(100, 'v');
  const Filling fillings[] = {
      {"strings", 100000, 100000,
       [&](int i) {
         return Words{"SET", key(i), value};
       }},
      {"strings that expire", 100000, 100000,
       [&](int i) {
         return Words{"SET", key(i), value, "EX", "10000"};
       }},
      {"small hashes", 100000, 100000,
       [&](int i) {
         return Words{"HSET", key(i), "f", value};
       }},
      {"hashes", 100, 100000,
       [&](int i) {
         return Words{"HSET", key(i % 100), field(i), value};
       }},
      {"sorted sets", 100, 100000,
       [&](int i) {
         return Words{"ZADD", key(i % 100), std::to_string(i), field(i)};
       }},
      {"a list", 1, 200000,
       [&](int) {
         return Words{"RPUSH", key(0), value};
       }},
  };
  ServerProcess server({"--appendfsync", "no"});
  server.start();
  RedisClient client(server.port());
  // What a client and the log are given with their first commands is theirs, not the keys'.
  call_all(client, 1000, [&](int i) { return Words{"SET", key(i), value}; });
  for (const Filling& filling : fillings) {
    CAPTURE(std::string(filling.what));
    REQUIRE(client.call({"FLUSHALL"})->text == "OK");
    const int64_t before = used_memory(client);
    call_all(client, filling.commands, filling.command);
    const int64_t grown = used_memory(client) - before;
    int64_t told = 0;
    for (int i = 0; i < filling.keys; ++i) {
      client.queue({"MEMORY", "USAGE", key(i), "SAMPLES", "0"});
    }
    for (int i = 0; i < filling.keys; ++i) told += client.read()->integer;
    CAPTURE(told);
    CAPTURE(grown);
    const int64_t allowed = grown / 20 + kForSegments;
    int64_t missing = grown - told;
    if (missing >= allowed) missing -= std::exchange(for_page_notes, 0);
    CHECK(std::abs(missing) < allowed);
  }
}

}  // namespace
}  // namespace respcask::e2e

#include "server/eviction.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/access.h"
#include "server/client_eviction.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

// Brings maxmemory `bytes` below what is used now, and runs commands until it is kept: with pauses,
// so that memory is read again and again, as it is while a server runs.
void evict_bytes(Harness& h, uint64_t bytes) {
  const uint64_t limit = h.server->gauge.used(1, CycleClock::system_ns()) - bytes;
  h.run(fmt::format("config set maxmemory {} maxmemory-eviction-tenacity 100", limit));
  for (int i = 0; i < 50; ++i) {
    h.run("ping");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  h.run("config set maxmemory 0");
}

size_t keys(Harness& h, std::string_view pattern) {
  const std::string reply = h.run(fmt::format("keys {}", pattern));
  return std::stoul(reply.substr(1));
}

// Sets the access word of all keys that begin with `prefix` in database 0.
void set_access(Harness& h, std::string_view prefix, int count, uint32_t access) {
  for (int i = 0; i < count; ++i) {
    const std::string name = fmt::format("{}{}", prefix, i);
    const KeyRef key = h.server->key(name, 0);
    engine::Shard& shard = h.store->shard(key.shard);
    std::lock_guard guard(shard);
    CHECK(shard.keydir(0).set_access(name, key.hash, access));
  }
}

void fill(Harness& h, std::string_view prefix, int count, std::string_view options = "") {
  for (int i = 0; i < count; ++i) h.run(fmt::format("set {}{} x {}", prefix, i, options));
}

TEST_CASE("eviction: above maxmemory keys go until it is kept, and no more") {
  Harness h({"maxmemory-policy", "allkeys-random"});
  h.run("debug populate 50000 some-long-prefix-of-names");
  evict_bytes(h, 500000);
  const size_t left = keys(h, "*");
  // A key frees its name and its entry: between 40 and 70 bytes here.
  CHECK(left < 50000 - 500000 / 70);
  CHECK(left > 50000 - 500000 / 35);
  CHECK(h.server->stats.sum().evicted == 50000 - left);
  CHECK(h.run("info stats").find("evicted_keys:0\r\n") == std::string::npos);
}

TEST_CASE("eviction: what grows runs as long as something can be evicted, the rest always") {
  Harness h(
      {"maxmemory", "1", "maxmemory-policy", "volatile-lru", "maxmemory-eviction-tenacity", "100"});
  CHECK(h.run("set k 1") == "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  h.set({"maxmemory-policy", "noeviction"});
  CHECK(h.run("set k 1") == "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  CHECK(h.run("get k") == "$-1\r\n");
  CHECK(h.run("del k") == ":0\r\n");
  h.set({"maxmemory", "0"});
  h.run("mset a 1 b 2");
  h.set({"maxmemory-policy", "allkeys-lru"});
  h.set({"maxmemory", "1"});
  h.run("get a");
  CHECK(h.run("dbsize") == ":0\r\n");
  CHECK(h.run("info stats").find("total_eviction_exceeded_time:") != std::string::npos);
}

TEST_CASE("eviction: volatile policies find the few keys that expire, and leave the others") {
  for (const std::string_view policy :
       {"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"}) {
    CAPTURE(policy);
    Harness h({"maxmemory-policy", policy});
    fill(h, "stays:", 3000);
    fill(h, "goes:", 20, "ex 1000");
    h.run("config set maxmemory 1 maxmemory-eviction-tenacity 100");
    h.run("ping");
    CHECK(keys(h, "stays:*") == 3000);
    CHECK(keys(h, "goes:*") == 0);
    CHECK(h.run("set k 1").starts_with("-OOM"));
  }
}

TEST_CASE("eviction: LRU takes what was not used for longest, in any database") {
  Harness h({"maxmemory-policy", "allkeys-lru"});
  fill(h, "old:", 10000);
  fill(h, "new:", 10000);
  set_access(h, "old:", 10000, access_of_idle(5000, h.client().turn.now_ms()));
  evict_bytes(h, 100000);
  CHECK(keys(h, "old:*") < 9000);
  // What the removals' records take counts for nothing.
  CHECK(keys(h, "old:*") > 3000);
  // Samples of five now and then hold nothing but these.
  CHECK(keys(h, "new:*") > 9800);
}

TEST_CASE("eviction: LFU takes what is used least") {
  Harness h({"maxmemory-policy", "allkeys-lfu"});
  fill(h, "rare:", 10000);
  fill(h, "often:", 10000);
  set_access(h, "often:", 10000, access_of_frequency(50, h.client().turn.now_ms()));
  evict_bytes(h, 100000);
  CHECK(keys(h, "rare:*") < 9000);
  // Samples of five now and then hold nothing but these.
  CHECK(keys(h, "often:*") > 9800);
}

// Counts each use as one more, and forgets none.
const std::initializer_list<std::string_view> kEveryUse = {
    "maxmemory-policy", "allkeys-lfu", "lfu-log-factor", "0", "lfu-decay-time", "0"};

TEST_CASE("eviction: what is written over was used, as often as it is to Redis") {
  struct Row {
    std::string_view setup, command;
    int frequency;  // what Redis 7.0.15 has, after three uses by TOUCH
  };
  constexpr Row kRecorded[] = {
      {"set k v", "set k w", 9},
      {"set k v", "set k w ex 100", 9},
      {"set k v", "set k w xx", 9},
      {"set k v", "set k w nx", 9},
      {"set k v", "set k w keepttl", 9},
      {"set k v", "set k w get", 10},
      {"set k v", "set k w nx get", 10},
      {"set k v", "set k w xx get", 10},
      {"set k v", "setex k 100 w", 9},
      {"set k v", "psetex k 100000 w", 9},
      {"set k v", "getset k w", 10},
      {"set k v", "setnx k w", 9},
      {"set k v", "mset k w", 9},
      {"set k v", "mset k w k x", 10},
      {"set k v", "msetnx a 1 k w", 9},
      {"set k v", "append k w", 9},
      {"set k v", "setrange k 0 w", 9},
      {"set k v", "getex k persist", 9},
      {"sadd k a", "sunionstore k k", 10},
      {"sadd k a|sadd s a", "sunionstore k s", 9},
      {"sadd k a|sadd s a", "sinterstore k s", 9},
      {"zadd k 1 a|zadd z 1 a", "zunionstore k 1 z", 9},
      {"zadd k 1 a|zadd z 1 a", "zrangestore k z 0 -1", 9},
      {"rpush k 1|rpush l 1", "sort l store k", 9},
      {"set k a|set b a", "bitop not k b", 9},
      {"pfadd k a|pfadd h b", "pfmerge k h", 10},
      {"set k a|geoadd g 1 1 a", "geosearchstore k g fromlonlat 1 1 byradius 1 m", 9},
      {"set k v|set b v", "copy b k replace", 5},
      {"set k v|set b v", "rename b k", 6},
      {"hset k a 1", "hset k a 2", 9},
      {"rpush k 1", "rpush k 2", 9},
  };
  Harness h(kEveryUse);
  for (const Row& row : kRecorded) {
    CAPTURE(row.command);
    h.run("flushall");
    std::string_view rest = row.setup;
    while (!rest.empty()) {
      const size_t end = std::min(rest.find('|'), rest.size());
      h.run(rest.substr(0, end));
      rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    h.run("touch k k k");
    h.run(row.command);
    CHECK(h.run("object freq k") == fmt::format(":{}\r\n", row.frequency));
  }
}

TEST_CASE("eviction: what is made anew has no uses of what was there") {
  Harness h(kEveryUse);
  h.run("set k v");
  const std::string dumped = h.run("dump k");
  const std::string payload =
      dumped.substr(dumped.find('\n') + 1, dumped.size() - 2 - (dumped.find('\n') + 1));
  h.run({"RESTORE", "k", "0", payload, "REPLACE", "FREQ", "100"});
  CHECK(h.run("object freq k") == ":100\r\n");
  h.run({"RESTORE", "k", "0", payload, "REPLACE"});
  CHECK(h.run("object freq k") == ":5\r\n");
  for (const char* command : {"set d x", "incr d", "rpush d x", "hset d f v", "copy k d"}) {
    CAPTURE(command);
    h.run("del d");
    h.run({"RESTORE", "d", "1", payload, "FREQ", "100"});
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    h.run(command);
    CHECK(h.run("object freq d") == ":5\r\n");
  }
}

TEST_CASE("eviction: a key counts as used at the start until it is used") {
  Harness h;
  h.run("set k 1");
  h.restart();
  CHECK(h.run("object idletime k") == ":0\r\n");
  h.set({"maxmemory-policy", "allkeys-lfu"});
  h.restart();
  CHECK(h.run("object freq k") == ":5\r\n");
}

TEST_CASE("eviction: volatile-ttl takes what expires first") {
  Harness h({"maxmemory-policy", "volatile-ttl"});
  fill(h, "soon:", 10000, "ex 1000");
  fill(h, "late:", 10000, "ex 100000");
  evict_bytes(h, 100000);
  CHECK(keys(h, "soon:*") < 9000);
  // Samples of five now and then hold nothing but these.
  CHECK(keys(h, "late:*") > 9800);
}

TEST_CASE("eviction: a shard that holds little loses little") {
  Harness h({"maxmemory-policy", "allkeys-random"});
  fill(h, "{one}:", 8000);
  fill(h, "{another}:", 400);
  evict_bytes(h, 40000);  // a third of the keys or so: memory comes back in steps
  const double left_of_one = static_cast<double>(keys(h, "{one}:*")) / 8000;
  const double left_of_another = static_cast<double>(keys(h, "{another}:*")) / 400;
  CAPTURE(left_of_one);
  CHECK(left_of_one < 0.9);
  CHECK(left_of_one > 0.1);
  CHECK(left_of_another > left_of_one / 2);
}

TEST_CASE("eviction: large collections go as fast as they come") {
  for (const size_t fields : {10, 300}) {  // freed at once, and in the background
    CAPTURE(fields);
    Harness h({"maxmemory-policy", "allkeys-lru"});
    const std::string value(3000 / fields + 1, 'v');
    const auto add = [&](int i) {
      std::vector<std::string> words = {"HSET", fmt::format("h{}", i)};
      for (size_t field = 0; field < fields; ++field) {
        words.push_back(std::to_string(field));
        words.push_back(value);
      }
      REQUIRE(h.client().run(words) == fmt::format(":{}\r\n", fields));
    };
    const uint64_t before = h.server->used_memory(CycleClock::system_ns(), 0);
    for (int i = 0; i < 1000; ++i) add(i);
    const uint64_t thousand = h.server->used_memory(CycleClock::system_ns(), 0) - before;
    h.set({"maxmemory", std::to_string(before + thousand)});
    for (int i = 1000; i < 6000; ++i) add(i);
    CHECK(h.server->stats.sum().evicted > 4000);
    CHECK(keys(h, "*") < 1500);
  }
}

TEST_CASE("eviction: it is told to subscribers, watchers and those who track") {
  Harness h({"maxmemory-policy", "allkeys-lru", "notify-keyspace-events", "KEA",
             "maxmemory-eviction-tenacity", "100"});
  Client subscriber(h), tracker(h), watcher(h);
  h.run("set k 1");
  subscriber.run("psubscribe __key*");
  tracker.run("hello 3");
  tracker.run("client tracking on");
  tracker.run("get k");
  watcher.run("watch k");
  h.set({"maxmemory", "1"});
  // In front of the reply to what the tracking client sends next.
  CHECK(tracker.run("get other") == ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n_\r\n");
  const std::string events = subscriber.pushed();
  CHECK(events.find("__keyevent@0__:evicted\r\n$1\r\nk\r\n") != std::string::npos);
  CHECK(events.find("__keyspace@0__:k\r\n$7\r\nevicted\r\n") != std::string::npos);
  h.set({"maxmemory", "0"});
  watcher.run("multi");
  watcher.run("ping");
  CHECK(watcher.run("exec") == "*-1\r\n");
}

TEST_CASE("eviction: CONFIG SET of a lower maxmemory evicts before anything else runs") {
  Harness h({"maxmemory-policy", "allkeys-lru", "notify-keyspace-events", "Ee",
             "maxmemory-eviction-tenacity", "100"});
  Client subscriber(h);
  subscriber.run("subscribe __keyevent@0__:evicted");
  h.run("set k 1");
  CHECK(h.run("config set maxmemory 1") == "+OK\r\n");
  CHECK(subscriber.pushed() ==
        "*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:evicted\r\n$1\r\nk\r\n");
  // A transaction is over first.
  h.run("config set maxmemory 0");
  h.run("set k 1");
  h.run("multi");
  h.run("config set maxmemory 1");
  h.run("dbsize");
  CHECK(h.run("exec") == "*2\r\n+OK\r\n:1\r\n");
  CHECK(subscriber.pushed().ends_with("\r\n$1\r\nk\r\n"));
}

TEST_CASE("eviction: above maxdisk what grows is refused until there is less") {
  Harness h({"maxdisk", "4mb"});
  const std::string value(100000, 'v');
  int refused_at = 0;
  for (int i = 0; i < 100 && refused_at == 0; ++i) {
    const std::string reply = h.run({"SET", fmt::format("k{}", i), value});
    if (reply != "+OK\r\n") {
      CHECK(reply == "-OOM command not allowed when used disk > 'maxdisk'.\r\n");
      refused_at = i;
    }
    h.run("debug sleep 0.006");  // what is known of the files is that old at most
  }
  CHECK(refused_at > 35);
  CHECK(refused_at < 45);
  CHECK(h.run("get k0").starts_with("$100000\r\n"));
  for (int i = 0; i < 30; ++i) CHECK(h.run(fmt::format("del k{}", i)) == ":1\r\n");
  h.store->merge_now();
  h.run("debug sleep 0.006");
  CHECK(h.run({"SET", "k", value}) == "+OK\r\n");
}

TEST_CASE("eviction: with a policy the files stay below maxdisk however much is written") {
  Harness h({"maxdisk", "8mb", "maxmemory-policy", "allkeys-lru"});
  const std::string value(50000, 'v');
  uint64_t most = 0;
  int refused = 0;
  for (int i = 0; i < 600; ++i) {
    while (h.run({"SET", fmt::format("k{}", i), value}) != "+OK\r\n") {
      REQUIRE(++refused < 60);
      h.store->merge_now();
      h.run("debug sleep 0.006");
    }
    if (i % 4 == 0) h.run("debug sleep 0.006");
    most = std::max(most, h.log_bytes());
  }
  CHECK(most < (8 << 20) + (1 << 20));
  CHECK(h.server->stats.sum().evicted > 300);
  CHECK(keys(h, "*") > 40);
  CHECK(h.run("exists k599") == ":1\r\n");
}

TEST_CASE("eviction: one large collection too many for maxdisk takes few others with it") {
  Harness h({"maxdisk", "16mb", "maxmemory-policy", "allkeys-lru"});
  h.start_threads();
  std::vector<std::string> hash = {"HSET", ""};
  for (int i = 0; i < 200; ++i) {
    hash.push_back(std::to_string(i));
    hash.push_back(std::string(400, 'v'));
  }
  const auto count = [&] {
    const std::string reply = h.run("dbsize");
    return std::stoi(reply.substr(1));
  };
  int most = 0;
  for (int i = 0; i < 400; ++i) {
    hash[1] = fmt::format("h{}", i);
    while (h.client().run(hash) != ":200\r\n") {
      h.store->merge_now();
      h.run("debug sleep 0.006");
    }
    h.run("debug sleep 0.003");
    most = std::max(most, count());
    CHECK(count() > most * 3 / 4);
  }
  CHECK(most > 90);
  CHECK(h.server->stats.sum().evicted > 200);
}

TEST_CASE("eviction: what is above a lowered maxdisk goes in the background, and soon") {
  Harness h;
  h.start_threads();
  const std::string value(1000, 'v');
  for (int i = 0; i < 40'000; ++i) h.run({"SET", fmt::format("k{}", i), value});
  h.run("config set maxmemory-policy allkeys-lru maxdisk 10mb");
  // No command runs. Half a millisecond ten times a second would be enough for a quarter of it.
  const auto evicted = [&] { return h.server->stats.sum().evicted; };
  for (int tries = 0; tries < 400 && evicted() < 30'000; ++tries) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  CHECK(evicted() >= 30'000);
}

TEST_CASE("eviction: where only some keys may go a shard is drawn by those") {
  Harness h({"maxmemory-policy", "volatile-ttl"});
  for (int i = 0; i < 30'000; ++i) h.run(fmt::format("set {{cat}}:{} v", i));
  for (int i = 0; i < 8'000; ++i) h.run(fmt::format("set s:{} v ex {}", i, 10'000 + i));
  h.server->usage.refresh(CycleClock::system_ns(), 0);
  evict_bytes(h, 100'000);
  const uint64_t evicted = h.server->stats.sum().evicted;
  REQUIRE(evicted > 500);
  REQUIRE(evicted < 6'000);
  // Of those that go latest few have gone, whatever their shard.
  uint64_t late = 0;
  for (int i = 7'000; i < 8'000; ++i) late += h.run(fmt::format("exists s:{}", i)) == ":0\r\n";
  CHECK(late < 100);
}

TEST_CASE("eviction: what hints take of maxdisk is made up for by keys") {
  Harness h({"maxdisk", "16mb", "maxmemory-policy", "allkeys-lru"});
  int refused = 0;
  for (int i = 0; i < 300'000; ++i) {
    if (h.run({"SET", fmt::format("session:{:032}", i), "12345678901234567890"}) != "+OK\r\n") {
      // Of what is garbage merging makes room.
      REQUIRE(++refused < 500);
      h.store->merge_now();
    }
    if (i % 500 != 0) continue;
    h.server->usage.look_at_files();
    h.run("debug sleep 0.006");
  }
  CHECK(h.server->usage.hint_bytes() > (1 << 20));
  CHECK(h.server->stats.sum().evicted > 100'000);
}

TEST_CASE("eviction: the largest clients go for maxmemory-clients, but not those with NO-EVICT") {
  Harness h;
  Client small(h), large(h), spared(h);
  const std::string value(300000, 'v');
  for (Client* client : {&large, &spared}) client->run("multi");
  for (int i = 0; i < 3; ++i) large.run({"SET", "k", value});
  spared.run({"SET", "k", value});
  WorkerStats& stats = h.client().turn.stats;
  CHECK_FALSE(evict_clients(*h.server, stats, 2000000, nullptr));
  CHECK_FALSE(large.closed());
  CHECK_FALSE(evict_clients(*h.server, stats, 500000, &*small.session));
  CHECK(large.closed());
  CHECK_FALSE(spared.closed());
  CHECK_FALSE(small.closed());
  large.run("discard");
  small.run("client no-evict on");
  h.run("client no-evict on");
  spared.session->no_evict = true;
  CHECK_FALSE(evict_clients(*h.server, stats, 1, &*spared.session));
  CHECK_FALSE(spared.closed());
  spared.session->no_evict = false;
  CHECK(evict_clients(*h.server, stats, 1, &*spared.session));
  CHECK(h.run("info stats").find("evicted_clients:2\r\n") != std::string::npos);
}

TEST_CASE("eviction: no maxmemory-clients keeps the last client from talking to the server") {
  Config config;
  CHECK(client_memory_limit(config) == 0);
  config.maxmemory_clients.bytes = 1;
  CHECK(client_memory_limit(config) == 128 * 1024);
  config.maxmemory_clients = {.percent = 1};
  config.maxmemory = 1000;
  CHECK(client_memory_limit(config) == 128 * 1024);
  config.maxmemory = 100'000'000;
  CHECK(client_memory_limit(config) == 1'000'000);
}

TEST_CASE("eviction: clients are looked at when they pass the bound, not for as long as they do") {
  ClientMemory memory;
  ClientMemory::Share a = 0, b = 0;
  memory.set(a, 600'000);
  CHECK_FALSE(memory.worth_a_look(1'000'000));
  memory.set(b, 400'000);
  CHECK_FALSE(memory.worth_a_look(1'000'000));
  memory.set(b, 400'001);
  CHECK(memory.worth_a_look(1'000'000));
  memory.looked(1'000'000);
  CHECK_FALSE(memory.worth_a_look(1'000'000));
  memory.set(a, 610'000);
  CHECK_FALSE(memory.worth_a_look(1'000'000));
  memory.set(a, 620'000);
  CHECK(memory.worth_a_look(1'000'000));
  memory.set(a, 0);
  memory.looked(1'000'000);
  CHECK_FALSE(memory.worth_a_look(1'000'000));
  memory.set(b, 1'000'001);
  CHECK(memory.worth_a_look(1'000'000));
}

TEST_CASE("eviction: who was evicted and is still to be closed calls for no further look") {
  Harness h;
  ClientMemory::Share of_closing = 0;
  h.server->client_memory.set(of_closing, 2'000'000);
  CHECK(h.server->client_memory.worth_a_look(1'000'000));
  CHECK_FALSE(evict_clients(*h.server, h.client().turn.stats, 1'000'000, nullptr));
  CHECK_FALSE(h.server->client_memory.worth_a_look(1'000'000));
  h.server->client_memory.set(of_closing, 0);
  CHECK_FALSE(h.server->client_memory.worth_a_look(1'000'000));
  h.server->client_memory.set(of_closing, 1'500'000);
  CHECK(h.server->client_memory.worth_a_look(1'000'000));
  h.server->client_memory.set(of_closing, 0);
}

TEST_CASE("eviction: clients go by the memory of their buffers too, the largest first") {
  Harness h;
  Client small(h), large(h);
  small.held.input_memory = 100'000;
  large.held.output_memory = 300'000;
  WorkerStats& stats = h.client().turn.stats;
  CHECK_FALSE(evict_clients(*h.server, stats, 500'000, nullptr));
  CHECK_FALSE(large.closed());
  CHECK_FALSE(evict_clients(*h.server, stats, 200'000, nullptr));
  CHECK(large.closed());
  CHECK_FALSE(small.closed());
}

}  // namespace
}  // namespace respcask::server::testing

// What clients are told when the disk is full, fails or holds damaged values.
#include <doctest/doctest.h>

#include <fmt/format.h>

#include <chrono>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/engine/faulty_file.h"
#include "tests/server/probe_commands.h"

namespace respcask::server::testing {
namespace {

using engine::FaultyFileSystem;

constexpr std::string_view kFull =
    "-MISCONF Errors writing to the AOF file: No space left on device\r\n";
constexpr std::string_view kBroken =
    "-MISCONF Errors writing to the AOF file: Input/output error\r\n";

TEST_CASE("disk: a full disk refuses what grows, before it changes anything; the rest goes on") {
  FaultyFileSystem disk;
  ProbeHarness h({}, &disk);
  h.run("probeset k v");
  disk.set_capacity(disk.used());
  const std::string big(uint64_t{3} << 20, 'x');
  std::string reply;
  int written = 0;
  for (; written < 100; ++written) {
    reply = h.run({"probeset", "k", big});
    if (reply != "+OK\r\n") break;
  }
  CHECK(reply == kFull);
  const std::string kept = written == 0 ? "$1\r\nv\r\n" : "";
  if (!kept.empty()) CHECK(h.run("probeget k") == kept);
  CHECK(h.run("probedel k") == ":1\r\n");
  h.run("multi");
  CHECK(h.run({"probeset", "k", big}) == "+QUEUED\r\n");
  CHECK(h.run("exec") ==
        "-EXECABORT Transaction discarded because of: " + std::string(kFull.substr(1)));
  CHECK(h.run("probeget k") == "$-1\r\n");
  disk.set_capacity(uint64_t{1} << 40);
  CHECK(h.run({"probeset", "k", big}) == "+OK\r\n");
}

TEST_CASE("disk: a transaction that the disk has no room for watches nothing any more") {
  FaultyFileSystem disk;
  ProbeHarness h({}, &disk);
  h.run("probeset k v");
  h.run("watch k other");
  h.run("multi");
  h.run({"probeset", "k", std::string(uint64_t{3} << 20, 'x')});
  disk.set_capacity(disk.used());
  CHECK(h.run("exec") ==
        "-EXECABORT Transaction discarded because of: " + std::string(kFull.substr(1)));
  Client other(h);
  CHECK(other.run("probedel k") == ":1\r\n");
  h.run("multi");
  CHECK(h.run("exec") == "*0\r\n");
}

TEST_CASE("disk: very many keys of all shards are removed at once from a full disk") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  constexpr int kKeys = 17'000;
  std::vector<std::string> set{"mset"};
  std::vector<std::string> del{"del"};
  for (int i = 0; i < kKeys; ++i) {
    del.push_back(fmt::format("key:{}", i));
    set.insert(set.end(), {del.back(), "v"});
  }
  CHECK(h.client().run(set) == "+OK\r\n");
  disk.set_capacity(disk.used());
  const std::string some(uint64_t{1} << 18, 'x');
  for (int i = 0; i < 16; ++i) {
    while (h.run({"append", fmt::format("more:{}", i), some}).starts_with(':')) {
    }
  }
  CHECK(h.run({"set", "key:0", some}) == kFull);
  CHECK(h.client().run(del) == fmt::format(":{}\r\n", kKeys));
}

// The harness looks after each command whether it has kept to what it reserved.
TEST_CASE("disk: commands of very many small arguments reserve what they write") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  constexpr int kCount = 200'000;
  constexpr int kShort = 36 * 36 * 36;
  const auto name = [](int i) {  // of three characters at most, or a record is larger than its name
    std::string text;
    for (; text.empty() || i > 0; i /= 36) text += "0123456789abcdefghijklmnopqrstuvwxyz"[i % 36];
    return text;
  };
  const auto many = [&](std::vector<std::string> args, int count, bool same, bool pairs) {
    for (int i = 0; i < count; ++i) {
      args.push_back(same ? "a" : name(i));
      if (pairs) args.push_back("1");
    }
    return h.client().run(std::move(args));
  };
  CHECK(many({"mset"}, kCount, true, true) == "+OK\r\n");
  CHECK(many({"del"}, kCount, true, false) == ":1\r\n");
  CHECK(many({"msetnx"}, kCount, true, true) == ":1\r\n");
  CHECK(many({"mset"}, kShort, false, true) == "+OK\r\n");
  CHECK(many({"unlink"}, kShort, false, false) == ":46656\r\n");
  CHECK(many({"hset", "h"}, kShort, false, true) == ":46656\r\n");
  CHECK(many({"hdel", "h"}, kShort, false, false) == ":46656\r\n");
  CHECK(many({"sadd", "s"}, kShort, false, false) == ":46656\r\n");
  CHECK(many({"srem", "s"}, kShort, false, false) == ":46656\r\n");
  CHECK(many({"rpush", "l"}, kCount, true, false) == ":200000\r\n");
  CHECK(h.run("ltrim l 100000 -1") == "+OK\r\n");
  CHECK(h.run("spop l").front() == '-');
  h.run("multi");
  many({"mset"}, kCount, true, true);
  many({"rpush", "m"}, kCount, true, false);
  CHECK(h.run("exec") == "*2\r\n+OK\r\n:200000\r\n");
}

constexpr uint64_t kMiB = uint64_t{1} << 20;

// Keys for all shards and a value of a MiB for each, as arguments.
std::vector<std::string> pairs_of_a_mib(std::string_view command, int count) {
  std::vector<std::string> args{std::string(command)};
  for (int i = 0; i < count; ++i) {
    args.push_back(fmt::format("key:{}", i));
    args.emplace_back(kMiB, 'x');
  }
  return args;
}

TEST_CASE("disk: what MSET is given takes room in the shards of its keys only") {
  for (const std::string_view command : {"mset", "msetnx"}) {
    CAPTURE(command);
    FaultyFileSystem disk;
    Harness h({}, {}, &disk);
    constexpr int kCount = 32;
    disk.set_capacity(disk.used() + 80 * kMiB);
    const std::string reply = h.client().run(pairs_of_a_mib(command, kCount));
    CHECK(reply == (command == "mset" ? "+OK\r\n" : ":1\r\n"));
    for (int i = 0; i < kCount; ++i) {
      CHECK(h.run(fmt::format("strlen key:{}", i)) == ":1048576\r\n");
    }
  }
}

TEST_CASE("disk: what a transaction is given takes room in the shards of each command only") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  disk.set_capacity(disk.used() + 120 * kMiB);
  h.run("multi");
  for (int i = 0; i < 32; ++i) {
    h.run({"set", fmt::format("single:{}", i), std::string(kMiB, 'x')});
    h.run(fmt::format("rpush list:{} a b", i));
  }
  h.client().run(pairs_of_a_mib("mset", 16));
  h.run("flushdb");
  h.run("swapdb 0 1");
  h.run("rename list:1 list:2");  // of no key
  h.run("set last value");
  const std::string reply = h.run("exec");
  CHECK(reply.starts_with("*69\r\n+OK\r\n:2\r\n+OK\r\n"));
  CHECK(reply.ends_with("+OK\r\n+OK\r\n+OK\r\n-ERR no such key\r\n+OK\r\n"));
  CHECK(h.run("dbsize") == ":1\r\n");
}

// What a snapshot has of a string.
std::string dump_of(const std::string& value) {
  Harness h;
  h.run({"set", "k", value});
  const std::string reply = h.run("dump k");
  const size_t begin = reply.find('\n') + 1;
  return reply.substr(begin, reply.size() - begin - 2);
}

// Bytes that no compression makes shorter.
std::string random_bytes(size_t size) {
  std::mt19937_64 random(1);
  std::string bytes;
  while (bytes.size() < size) bytes += static_cast<char>(random());
  return bytes;
}

TEST_CASE("disk: a large argument is written where there is little more room than it takes") {
  const std::string big = random_bytes(8 * kMiB);
  const std::vector<std::vector<std::string>> commands = {
      {"set", "k", big},       {"setex", "k", "100", big},
      {"setnx", "k", big},     {"getset", "k", big},
      {"append", "k", big},    {"setrange", "k", "5", big},
      {"mset", "k", big},      {"hset", "k", "f", big},
      {"hset", "k", big, "v"}, {"rpush", "k", big},
      {"lpush", "k", big},     {"sadd", "k", big},
      {"zadd", "k", "1", big}, {"set", big, "v"},
      {"incr", big},           {"restore", "k", "0", dump_of(big)},
  };
  for (const std::vector<std::string>& command : commands) {
    CAPTURE(command[0]);
    FaultyFileSystem disk;
    Harness h({}, {}, &disk);
    disk.set_capacity(disk.used() + 11 * kMiB);
    const std::string reply = h.client().run(command);
    CHECK(reply.substr(0, 60) != kFull.substr(0, 60));
    CHECK(reply.front() != '-');
    CHECK(h.run("dbsize") == ":1\r\n");
  }
}

// As above: the harness looks after each whether it has kept to what it asked for.
TEST_CASE("disk: commands of large arguments reserve what they write") {
  const std::string big = random_bytes(3 * kMiB);
  using Words = std::vector<std::string>;
  const std::vector<std::pair<std::vector<Words>, Words>> cases = {
      {{{"set", "k", "v"}}, {"set", "k", big, "keepttl", "get"}},
      {{{"set", "k", "v", "px", "1"}}, {"set", "k", big}},
      {{{"set", "k", "v"}}, {"append", "k", big}},
      {{{"set", "k", big}}, {"append", "k", big}},
      {{{"set", "k", std::string(8000, 'x')}}, {"append", "k", big}},
      {{{"set", "k", "v"}}, {"setrange", "k", "4095", big}},
      {{}, {"mset", "k", big, "k", big, big, "v"}},
      {{}, {"msetnx", "a", big, "b", big, "c", big}},
      {{{"set", big, "v"}}, {"del", big, big, "k"}},
      {{{"set", big, "v"}}, {"unlink", big}},
      {{{"set", big, "v"}}, {"getdel", big}},
      {{{"set", big, "v"}}, {"expire", big, "100"}},
      {{{"set", big, "v"}}, {"expire", big, "-1"}},
      {{{"set", big, "v", "ex", "100"}}, {"persist", big}},
      {{{"set", big, "v"}}, {"getex", big, "ex", "100"}},
      {{{"set", big, "v"}}, {"incrbyfloat", big + "2", "1.5"}},
      {{{"set", big, "v"}}, {"rename", big, "k"}},
      {{{"set", "k", "v"}}, {"rename", "k", big}},
      {{{"set", big, "v"}}, {"copy", big, big + "2"}},
      {{{"set", big, "v"}}, {"move", big, "1"}},
      {{{"set", big, "v"}}, {"setbit", big, "7", "1"}},
      {{}, {"bitfield", big, "set", "u8", "0", "1"}},
      {{{"set", "k", big}}, {"bitop", "not", big, "k"}},
      {{}, {"pfadd", big, "a", "b"}},
      {{}, {"pfadd", "k", big}},
      {{}, {"pfmerge", big, "k"}},
      {{}, {"hset", "k", "f", big, "g", big}},
      {{{"hset", "k", "f", "v"}}, {"hset", "k", "f", big}},
      {{{"hset", "k", big, "v"}}, {"hset", "k", big, big}},
      {{{"hset", "k", big, "v"}}, {"hdel", "k", big}},
      {{}, {"hincrby", "k", big, "1"}},
      {{{"hset", big, "f", "v"}}, {"hdel", big, "f"}},
      {{}, {"rpush", "k", big, big}},
      {{{"rpush", "k", "a"}}, {"lpush", "k", big}},
      {{{"rpush", "k", "a", "b"}}, {"linsert", "k", "before", "b", big}},
      {{{"rpush", "k", "a", "b"}}, {"lset", "k", "1", big}},
      {{{"rpush", "k", "a", big}}, {"lrem", "k", "1", big}},
      {{{"rpush", big, "a", "b", "c"}}, {"ltrim", big, "1", "1"}},
      {{{"rpush", big, "a", "b", "c"}}, {"lpop", big, "2"}},
      {{{"rpush", big, "a", "b", "c"}}, {"lrem", big, "1", "b"}},
      {{{"rpush", big, "a", "b", "c"}}, {"lmove", big, big + "2", "left", "right"}},
      {{{"rpush", big, "a"}}, {"rpoplpush", big, big}},
      {{{"rpush", "k", "a", big}}, {"sort", "k", "alpha", "store", big}},
      {{}, {"sadd", "k", big, "a"}},
      {{{"sadd", "k", big}}, {"srem", "k", big}},
      {{{"sadd", "k", big}}, {"smove", "k", "other", big}},
      {{{"sadd", "k", big}}, {"sunionstore", "other", "k"}},
      {{{"sadd", "k", "a"}}, {"sdiffstore", big, "k"}},
      {{{"sadd", big, "a", "b"}}, {"spop", big}},
      {{}, {"zadd", "k", "1", big, "2", "b"}},
      {{{"zadd", "k", "1", big}}, {"zincrby", "k", "1", big}},
      {{{"zadd", "k", "1", big}}, {"zrem", "k", big}},
      {{{"zadd", "k", "1", "a"}}, {"zunionstore", big, "1", "k"}},
      {{{"zadd", "k", "1", "a"}}, {"zrangestore", big, "k", "0", "-1"}},
      {{{"zadd", big, "1", "a", "2", "b"}}, {"zpopmin", big}},
      {{}, {"geoadd", "k", "1", "1", big}},
      {{{"geoadd", "k", "1", "1", "a"}},
       {"geosearchstore", big, "k", "fromlonlat", "1", "1", "byradius", "9", "km"}},
      {{{"set", "k", "v"}}, {"restore", "k", "0", dump_of(big), "replace"}},
  };
  for (const auto& [before, command] : cases) {
    std::string shown;
    for (const std::string& word : command) shown += word.substr(0, 20) + ' ';
    CAPTURE(shown);
    FaultyFileSystem disk;
    Harness h({}, {}, &disk);
    for (const Words& words : before) h.client().run(words);
    CHECK(h.client().run(command).front() != '-');
    h.run("multi");
    h.client().run(command);
    CHECK(h.run("exec").front() == '*');
  }
}

TEST_CASE("disk: keys that expire and cannot be removed are counted once, and time goes on") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  for (int i = 0; i < 200; ++i) h.run(fmt::format("set {{k}}{} v px 1", i));
  h.run("set {k}last v");
  disk.inject(
      {.fault = engine::Fault::kIo, .times = engine::kForever, .call = engine::Call::kWrite});
  h.run("set {k}last w");  // takes the shard out of service
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  h.expire_now();
  h.expire_now();
  CHECK(h.server->stats.sum().expired <= 200);
  CHECK(h.run("exists {k}0 {k}1") == ":0\r\n");
  disk.clear_faults();
}

TEST_CASE("disk: on a disk without any room nobody is told that keys expire which stay") {
  FaultyFileSystem disk;
  Harness h({"notify-keyspace-events", "Ex"}, {}, &disk);
  Client listener(h);
  const std::string name(60'000, 'n');
  for (int i = 0; i < 30; ++i) h.run(fmt::format("set {{k}}{}{} v px 1", name, i));
  std::this_thread::sleep_for(std::chrono::milliseconds(5));
  listener.run("psubscribe *");
  disk.set_capacity(disk.used());
  // A merge may make some room meanwhile: each key is told of once, when it goes.
  const auto told_or_there = [&] {
    return h.server->stats.sum().expired + std::stoul(h.run("dbsize").substr(1));
  };
  for (int round = 0; round < 50; ++round) {
    h.expire_now();
    CHECK(told_or_there() == 30);
    CHECK(h.run("exists {k}" + name + "29") == ":0\r\n");
    CHECK(told_or_there() == 30);
  }
}

TEST_CASE("disk: after a failed write a shard serves reads and refuses writes") {
  FaultyFileSystem disk;
  ProbeHarness h({}, &disk);
  h.run("probeset k v");
  h.run("set {k}1 v");
  disk.inject(
      {.fault = engine::Fault::kIo, .times = engine::kForever, .call = engine::Call::kWrite});
  h.run("probeset k w");  // its reply is the loop's to drop: the commit has failed
  CHECK(h.run("probeset {k}2 x") == kBroken);
  CHECK(h.run("get {k}1") == "$1\r\nv\r\n");
  // Nobody is shown what a start will not find.
  CHECK(h.run("get k") == "-ERR the value of key 'k' could not be read: I/O error\r\n");
  CHECK(h.run("probeset k x") == kBroken);
  CHECK(h.run("probedel k") == kBroken);
  CHECK(h.run("command count").front() == ':');
  disk.clear_faults();
}

TEST_CASE("disk: who has seen what another one's failed write was to set is not answered either") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  h.run("set {k}1 v");
  Client writer(h), reader(h);
  Turn writing(*h.server), reading(*h.server);
  CHECK(run_in(writing, writer, {"set", "{k}2", "v"}) == "+OK\r\n");
  CHECK(run_in(reading, reader, {"get", "{k}2"}) == "$1\r\nv\r\n");
  disk.inject({.fault = engine::Fault::kIo, .call = engine::Call::kWrite});
  CHECK_FALSE(writing.commit());
  CHECK_FALSE(reading.commit());
  // What is seen from now on is in the file.
  CHECK(run_in(reading, reader, {"get", "{k}1"}) == "$1\r\nv\r\n");
  CHECK(reading.commit());
}

std::string unreadable(const std::string& key) {
  return "-ERR the value of key '" + key + "' could not be read: I/O error\r\n";
}

TEST_CASE("disk: of what a failed write has changed nothing is told") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  for (const char* key : {"{k}1", "{k}2", "{k}3", "{k}5"}) h.run({"set", key, "old"});
  for (int i = 0; i < 200; ++i) h.run({"hset", "{k}h", std::to_string(i), std::string(40, 'v')});
  REQUIRE(is_split(h, "{k}h"));
  Client writer(h);
  Turn turn(*h.server);
  run_in(turn, writer, {"set", "{k}1", "new"});
  run_in(turn, writer, {"del", "{k}2"});
  run_in(turn, writer, {"expire", "{k}3", "1000"});
  run_in(turn, writer, {"set", "{k}4", "new"});
  run_in(turn, writer, {"hdel", "{k}h", "7"});
  disk.inject({.fault = engine::Fault::kIo, .call = engine::Call::kWrite});
  CHECK_FALSE(turn.commit());
  CHECK(h.run("get {k}1") == unreadable("{k}1"));
  CHECK(h.run("exists {k}2") == unreadable("{k}2"));
  CHECK(h.run("ttl {k}3") == unreadable("{k}3"));
  CHECK(h.run("type {k}4") == unreadable("{k}4"));
  CHECK(h.run("hexists {k}h 7") == unreadable("{k}h"));
  CHECK(h.run("get {k}5") == "$3\r\nold\r\n");
  CHECK(h.run("get {k}6") == "$-1\r\n");
  FaultyFileSystem left = disk.crash_process();
  Harness again({}, {}, &left);
  CHECK(again.run("mget {k}1 {k}2 {k}3 {k}4") ==
        "*4\r\n$3\r\nold\r\n$3\r\nold\r\n$3\r\nold\r\n$-1\r\n");
}

// A key for each of two shards.
std::pair<std::string, std::string> keys_of_two_shards(Harness& h) {
  const std::string one = "0";
  std::string other = "1";
  for (int i = 1; h.store->shard_of(other) == h.store->shard_of(one); ++i)
    other = std::to_string(i);
  const bool in_order = h.store->shard_of(one) < h.store->shard_of(other);
  return in_order ? std::pair(one, other) : std::pair(other, one);
}

TEST_CASE("disk: of a transaction that one shard could not write nothing is told in the others") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  const auto [one, other] = keys_of_two_shards(h);
  h.run({"mset", one, "old", other, "old"});
  Client writer(h);
  Turn turn(*h.server);
  CHECK(run_in(turn, writer, {"mset", one, "new", other, "new"}) == "+OK\r\n");
  disk.inject({.fault = engine::Fault::kIo, .skip = 1, .call = engine::Call::kWrite});
  CHECK_FALSE(turn.commit());
  CHECK(h.run({"get", one}) == unreadable(one));
  CHECK(h.run({"get", other}) == unreadable(other));
  FaultyFileSystem left = disk.crash_process();
  Harness again({}, {}, &left);
  CHECK(again.run({"mget", one, other}) == "*2\r\n$3\r\nold\r\n$3\r\nold\r\n");
}

TEST_CASE("disk: where all is to be synced nobody is told of what a failed sync was to cover") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  REQUIRE(h.store->set_sync_mode(engine::SyncMode::kAlways));
  disk.inject(
      {.fault = engine::Fault::kIo, .times = engine::kForever, .call = engine::Call::kSync});
  Client writer(h), reader(h);
  Turn writing(*h.server), reading(*h.server);
  run_in(writing, writer, {"set", "k", "new"});
  CHECK(writing.commit());
  while (!h.store->sync_failed()) std::this_thread::yield();
  run_in(reading, reader, {"get", "k"});
  CHECK_FALSE(reading.commit());
  // How it is there is told all the same.
  CHECK(run_in(reading, reader, {"info", "persistence"}).find("aof_enabled:1") !=
        std::string::npos);
  CHECK(run_in(reading, reader, {"dbsize"}) == ":1\r\n");
  CHECK(reading.commit());
  disk.clear_faults();
}

TEST_CASE("disk: a push goes on while somebody waits for a key of a shard that has failed, too") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  const auto [one, other] = keys_of_two_shards(h);
  Client waiter(h);
  CHECK(waiter.run({"blpop", one, other, "0"}).empty());
  disk.inject({.fault = engine::Fault::kIo, .call = engine::Call::kWrite});
  h.run({"set", "{" + one + "}x", "v"});
  REQUIRE(h.run({"set", "{" + one + "}x", "v"}) == kBroken);
  CHECK(h.run({"rpush", other, "x"}) == ":1\r\n");
  CHECK(waiter.resumed() == kBroken);
}

TEST_CASE("disk: INFO says that writes fail while a segment that is wanted cannot be made") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  const auto told = [&](std::string_view line) {
    return h.run("info").find(fmt::format("\r\n{}", line)) != std::string::npos;
  };
  const std::string value(uint64_t{1} << 18, 'x');
  CHECK(h.run({"set", "k", value}) == "+OK\r\n");
  CHECK(told("aof_last_write_status:ok\r\n"));
  disk.inject(
      {.fault = engine::Fault::kIo, .times = engine::kForever, .call = engine::Call::kCreate});
  std::string reply = "+OK\r\n";
  for (int i = 0; i < 10 && reply == "+OK\r\n"; ++i) reply = h.run({"set", "k", value});
  CHECK(reply == kBroken);
  CHECK(told("aof_last_write_status:err\r\n"));
  disk.clear_faults();
  CHECK(h.run({"set", "k", value}) == "+OK\r\n");
  CHECK(told("aof_last_write_status:ok\r\n"));
}

TEST_CASE("disk: a damaged value is an error that names its key, never nil") {
  FaultyFileSystem disk;
  const std::string value = "a value that will be found again";
  {
    ProbeHarness h({}, &disk);
    h.run({"probeset", "good", "fine"});
    h.run({"probeset", "bad", value});
    // What is written behind it says that it is on the device, so it is no torn tail.
    REQUIRE(h.store->sync());
    h.run({"probeset", "{bad}2", "later"});
    REQUIRE(h.store->close());
  }
  bool found = false;
  for (const char* shard : {"00", "01", "02", "03"}) {
    const std::string path = "/store/shard-" + std::string(shard) + "/00000001.seg";
    const size_t at = disk.contents(path).find(value);
    if (at == std::string::npos) continue;
    disk.flip_bit(path, 8 * at + 3);
    found = true;
  }
  REQUIRE(found);

  ProbeHarness h({}, &disk);
  const std::string error = "-ERR the value of key 'bad' is damaged on disk\r\n";
  CHECK(h.run("probeget good") == "$4\r\nfine\r\n");
  CHECK(h.run("probeget bad") == error);
  CHECK(h.run("probeget bad") == error);
  h.run("multi");
  h.run("probeset other x");
  h.run("probeget bad");
  h.run("probeget good");
  CHECK(h.run("exec") == "*3\r\n+OK\r\n" + error + "$4\r\nfine\r\n");
  CHECK(h.run("probeset bad mended") == "+OK\r\n");
  CHECK(h.run("probeget bad") == "$6\r\nmended\r\n");
}

// A large set whose name is changed twice, and the disk as a kill leaves it, with one batch
// damaged: that which made the set (0), gave it its second name (1) or its last (2).
FaultyFileSystem damage_renamed(int batch) {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  const std::string path =
      fmt::format("/store/shard-{:02}/00000001.seg", h.store->shard_of("{t}a"));
  std::vector<std::string> add{"sadd", "{t}a"};
  for (int i = 0; i < 1000; ++i) add.push_back(fmt::format("member{}", i));
  uint64_t begins[3];
  begins[0] = disk.contents(path).size();
  CHECK(h.client().run(add) == ":1000\r\n");
  begins[1] = disk.contents(path).size();
  CHECK(h.run("rename {t}a {t}b") == "+OK\r\n");
  begins[2] = disk.contents(path).size();
  CHECK(h.run("rename {t}b {t}c") == "+OK\r\n");
  // What is written behind says that they are on the device, so they are no torn tail.
  REQUIRE(h.store->sync());
  h.run("set {t}later value");
  FaultyFileSystem killed = disk.crash_process();
  constexpr uint64_t kBatchHeaderBits = 8 * engine::kBatchHeaderSize;
  killed.flip_bit(path, 8 * begins[batch] + kBatchHeaderBits + 3);
  return killed;
}

TEST_CASE("disk: a set that was renamed has one name, whichever batch is damaged") {
  const std::string_view names[] = {"{t}a", "{t}b", "{t}c"};
  // Without the batch that made it there is no set, without that of its last name the one before.
  const std::string_view left[] = {"", "{t}c", "{t}b"};
  for (int batch = 0; batch < 3; ++batch) {
    for (const std::string_view removed : names) {
      CAPTURE(batch);
      CAPTURE(removed);
      FaultyFileSystem disk = damage_renamed(batch);
      Harness h({}, {}, &disk);
      CHECK(h.store->open_report().found.damaged_ranges > 0);
      for (const std::string_view name : names) {
        const bool there = name == left[batch];
        CHECK(h.run({"scard", name}) == (there ? ":1000\r\n" : ":0\r\n"));
        CHECK(h.run({"srandmember", name}).starts_with(there ? "$" : "$-1"));
      }
      CHECK(h.run({"del", removed}) == (removed == left[batch] ? ":1\r\n" : ":0\r\n"));
      for (const std::string_view name : names) {
        h.run({"smembers", name});
        h.run({"spop", name});
      }
      CHECK(h.store->merge_now());
      h.restart();
      CHECK(h.run("get {t}later") == "$5\r\nvalue\r\n");
      CHECK(h.run("flushall") == "+OK\r\n");
    }
  }
}

TEST_CASE("disk: a value that cannot be read is an error that names its key") {
  FaultyFileSystem disk;
  ProbeHarness h({}, &disk);
  h.run("probeset k v");
  h.restart();
  disk.inject(
      {.fault = engine::Fault::kIo, .times = engine::kForever, .call = engine::Call::kRead});
  const std::string reply = h.run("probeget k");
  // The sweep for resident pages may have been faster: then it is read in place.
  if (h.client().turn.stats.parked.get() > 0) {
    CHECK(reply == "-ERR the value of key 'k' could not be read: I/O error\r\n");
  } else {
    CHECK(reply == "$1\r\nv\r\n");
  }
  disk.clear_faults();
  CHECK(h.run("probeget k") == "$1\r\nv\r\n");
}

TEST_CASE("disk: a transaction that has been granted its room is carried out to its end") {
  bool done = false;
  bool refused = false;
  for (uint64_t room = 0; room < (uint64_t{12} << 20); room += uint64_t{1} << 18) {
    CAPTURE(room);
    FaultyFileSystem disk;
    Harness h({}, {}, &disk);
    h.run("set k:other v");
    disk.set_capacity(disk.used() + room);
    h.run("multi");
    constexpr int kCommands = 20;
    for (int i = 0; i < kCommands; ++i) h.run({"RPUSH", "k", std::string(100'000, 'v')});
    const std::string reply = h.run("exec");
    const bool whole = reply.starts_with("*20\r\n:1\r\n") && reply.ends_with(":20\r\n");
    CHECK((whole || reply.starts_with("-EXECABORT")));
    CHECK(h.run("llen k") == (whole ? ":20\r\n" : ":0\r\n"));
    (whole ? done : refused) = true;
  }
  CHECK(done);
  CHECK(refused);
}

TEST_CASE("disk: what a transaction copies takes no space from the commands behind it") {
  bool copied = false;
  bool refused = false;
  for (uint64_t room = 0; room < (uint64_t{6} << 20); room += uint64_t{1} << 18) {
    CAPTURE(room);
    FaultyFileSystem disk;
    Harness h({}, {}, &disk);
    h.run({"set", "{k}from", std::string(uint64_t{2} << 20, 'x')});
    disk.set_capacity(disk.used() + room);
    h.run("multi");
    h.run("copy {k}from {k}to");
    h.run({"set", "{k}behind", std::string(uint64_t{1} << 20, 'y')});
    const std::string reply = h.run("exec");
    if (reply.starts_with("-EXECABORT")) continue;
    copied = copied || reply == "*2\r\n:1\r\n+OK\r\n";
    refused = refused || reply == "*2\r\n" + std::string(kFull) + "+OK\r\n";
    CHECK(h.run("strlen {k}behind") == ":1048576\r\n");
    // Had a write failed for want of room, the shard would refuse even this.
    CHECK(h.run("del {k}from") == ":1\r\n");
  }
  CHECK(copied);
  CHECK(refused);
}

}  // namespace
}  // namespace respcask::server::testing

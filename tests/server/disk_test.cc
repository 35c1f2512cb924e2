// What clients are told when the disk is full, fails or holds damaged values.
#include <doctest/doctest.h>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/engine/faulty_file.h"
#include "tests/server/loop_client.h"
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

// Has the system drop all values of a shard.
void drop_values(FaultyFileSystem& disk, uint32_t shard) {
  const std::string dir = fmt::format("/store/shard-{:02}/", shard);
  const auto names = disk.list(dir);
  REQUIRE(names);
  for (const std::string& name : *names) {
    if (!name.ends_with(".seg")) continue;
    REQUIRE((*disk.open_read_only(dir + name))->drop_cache(0, 0));
  }
}

// Has the system drop all values, and waits until the store knows that this one is gone.
void make_cold(Harness& h, FaultyFileSystem& disk, std::string_view name) {
  const KeyRef key = h.server->key(name, 0);
  REQUIRE(h.store->sync());
  drop_values(disk, key.shard);
  engine::Shard& shard = h.store->shard(key.shard);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  for (auto state = engine::ValueRead::State::kReady; state != engine::ValueRead::State::kCold;) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
    std::lock_guard guard(shard);
    const auto entry = shard.find(key.db, key.name, key.hash);
    REQUIRE(entry);
    state = shard.read(entry->where, entry->value_size).state;
  }
}

TEST_CASE("disk: a command that waits for values and then fails counts its error once") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  REQUIRE(h.server->readers.start(1));
  h.run("sadd {k}a member");
  h.run("set {k}s 1");
  make_cold(h, disk, "{k}a");
  Client& client = h.client();
  std::string reply = h.run("sunionstore {k}d {k}a {k}s");
  REQUIRE(reply.empty());
  Client other(h);
  CHECK(run_in(client.turn, other, {"ping"}) == "+PONG\r\n");
  while (reply.empty()) reply = client.resumed();
  CHECK(reply == "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  CHECK(client.turn.stats.parked.get() == 1);
  const Stats& stats = h.server->stats;
  CHECK(stats.sum().error_replies == 1);
  CHECK(stats.errors() == std::map<std::string, uint64_t>{{"WRONGTYPE", 1}});
  const auto failed = [&](std::string_view name) {
    return stats.command(h.server->commands.find(name)->index).failed;
  };
  CHECK(failed("sunionstore") == 1);
  CHECK(failed("ping") == 0);
}

TEST_CASE("disk: a command that waits for values counts its look-ups once") {
  FaultyFileSystem disk;
  Harness h({"notify-keyspace-events", "Em"}, {}, &disk);
  h.run("mset a 1 b 2");
  Client subscriber(h);
  subscriber.run("subscribe __keyevent@0__:keymiss");
  make_cold(h, disk, "a");
  CHECK(h.run("mget none a b") == "*3\r\n$-1\r\n$1\r\n1\r\n$1\r\n2\r\n");
  CHECK(h.client().turn.stats.parked.get() > 0);
  CHECK(h.server->stats.sum().keyspace_hits == 2);
  CHECK(h.server->stats.sum().keyspace_misses == 1);
  CHECK(subscriber.pushed() ==
        "*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:keymiss\r\n$4\r\nnone\r\n");
}

TEST_CASE(
    "disk: a blocked client whose own loop finds the disk broken is told, and waits no more") {
  FaultyFileSystem disk;
  ProbeHarness h({}, &disk);
  h.run("probepush target old");
  make_cold(h, disk, "target");  // so the mover's loop has to fetch it
  Client mover(h), popper(h);
  mover.run("probemove q target 0");
  popper.run("probepop q 0");
  h.run("probepush q a");
  REQUIRE(popper.resumed().empty());
  disk.inject(
      {.fault = engine::Fault::kIo, .times = engine::kForever, .call = engine::Call::kWrite});
  h.run("probeset {q}k w");
  CHECK(mover.resumed() == kBroken);
  CHECK(popper.resumed() == kBroken);
  CHECK(h.server->blocked_clients() == 0);
  CHECK(mover.run("probeget nothing") == "$-1\r\n");
  disk.clear_faults();
}

TEST_CASE("disk: a blocked client that its own loop was to serve leaves its place when it goes") {
  FaultyFileSystem disk;
  ProbeHarness h({}, &disk);
  h.run("probepush target old");
  make_cold(h, disk, "target");
  auto mover = std::make_unique<Client>(h);
  Client other_key(h), popper(h);
  mover->run("probemove q target 0");
  other_key.run("probepop r 0");
  popper.run("probepop q 0");
  h.run("probepush q a");
  REQUIRE(popper.resumed().empty());
  REQUIRE(h.server->blocked_clients() == 3);
  mover.reset();
  CHECK(popper.resumed() == "*2\r\n$1\r\nq\r\n$1\r\na\r\n");
  CHECK(other_key.resumed().empty());
  CHECK(h.server->blocked_clients() == 1);
}

// What the other side sends until it closes.
std::string read_all(int fd) {
  std::string all;
  char bytes[4096];
  pollfd query{fd, POLLIN, 0};
  while (::poll(&query, 1, 20'000) > 0) {
    const ssize_t size = ::read(fd, bytes, sizeof(bytes));
    if (size <= 0) break;
    all.append(bytes, static_cast<size_t>(size));
  }
  return all;
}

TEST_CASE("disk: who sends no more while a value is fetched gets the replies to all of it") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  h.run("set k value");
  make_cold(h, disk, "k");
  // Nobody fetches it for now.
  REQUIRE(h.server->readers.start(0));
  LoopClient client(h);
  // More than is read ahead: the socket is not read from any more.
  std::string requests = "*2\r\n$3\r\nGET\r\n$1\r\nk\r\n";
  std::string expected = "$5\r\nvalue\r\n";
  for (int i = 0; i < 1000; ++i) {
    requests += "*2\r\n$4\r\nECHO\r\n$100\r\n" + std::string(100, 'e') + "\r\n";
    expected += "$100\r\n" + std::string(100, 'e') + "\r\n";
  }
  client.send(requests);
  REQUIRE(::shutdown(client.fd(), SHUT_WR) == 0);
  // Time for the loop to look for those who have gone; it does so every 100 ms.
  std::this_thread::sleep_for(std::chrono::milliseconds(400));
  REQUIRE(h.server->readers.start(1));
  CHECK((read_all(client.fd()) == expected));
}

// A list whose tail is not in memory, and a key behind it in the same shard.
void make_cold_list(Harness& h, FaultyFileSystem& disk) {
  for (int i = 0; i < 40; ++i) h.run({"RPUSH", "{k}from", std::string(4000, 'x')});
  h.run({"SET", "{k}last", std::string(8000, 'x')});
  make_cold(h, disk, "{k}last");
}

std::string popped(const std::string& key, const std::string& element) {
  return fmt::format("*2\r\n${}\r\n{}\r\n${}\r\n{}\r\n", key.size(), key, element.size(), element);
}

TEST_CASE("disk: a blocked client that its own loop serves takes from the key that became ready") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  make_cold_list(h, disk);
  Client waiter(h), behind(h);
  waiter.run("brpop {k}wrong {k}1 {k}2 0");
  behind.run("blpop {k}2 0");
  h.run("multi");
  h.run("set {k}wrong string");
  h.run("rename {k}from {k}2");
  h.run("rpush {k}1 one");
  h.run("exec");
  REQUIRE(behind.resumed().empty());
  CHECK(waiter.resumed() == popped("{k}2", std::string(4000, 'x')));
  CHECK(behind.resumed() == popped("{k}2", std::string(4000, 'x')));
  CHECK(h.run("llen {k}1") == ":1\r\n");
  CHECK(h.run("llen {k}2") == ":38\r\n");
}

TEST_CASE("disk: a blocked client whose loop comes too late takes what is under another key") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  make_cold_list(h, disk);
  Client waiter(h);
  waiter.run("brpop {k}wrong {k}1 {k}2 0");
  h.run("multi");
  h.run("rename {k}from {k}2");
  h.run("set {k}wrong string");
  h.run("exec");
  h.run("del {k}2");
  h.run("rpush {k}1 one");
  CHECK(waiter.resumed() == popped("{k}1", "one"));
}

// A hash that is split, 10 MB of it, and a key behind it in the same shard.
void make_large_hash(Harness& h) {
  for (int i = 0; i < 100; ++i) {
    h.run({"HSET", "{h}", std::to_string(i), std::string(100'000, 'v')});
  }
  h.run("set {h}last v");
}

constexpr std::string_view kTooMuch =
    "-OOM command not allowed: what it has to hold at once does not fit in memory.\r\n";

TEST_CASE("disk: a command is refused whose values are not in memory and do not fit there") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  make_large_hash(h);
  make_cold(h, disk, "{h}last");
  const uint64_t bound = h.server->memory.bound();
  h.server->memory.set_bound(1);
  // Settling segments in the background may read them in again.
  bool refused = false;
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (!refused && std::chrono::steady_clock::now() < deadline) {
    refused = h.run("hgetall {h}") == kTooMuch;
    if (!refused) make_cold(h, disk, "{h}last");
  }
  CHECK(refused);
  CHECK(h.run("hget {h} 77").size() > 100'000);
  h.run("multi");
  h.run("set {h}x 1");
  h.run("hgetall {h}");
  h.run("hget {h} 78");
  const std::string reply = h.run("exec");
  CHECK(reply.substr(0, 200).starts_with("*3\r\n+OK\r\n" + std::string(kTooMuch) + "$100000\r\n"));
  CHECK(reply.size() < 200'000);
  h.server->memory.set_bound(bound);
  CHECK(h.run("hgetall {h}").size() > 10'000'000);
}

TEST_CASE("disk: what others wait for takes its share of the memory that there is") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  make_large_hash(h);  // of 10 MB
  const auto used = [&] { return h.server->used_memory(CycleClock::system_ns(), 0); };
  bool refused = false;
  bool waits = false;  // where there is room for two
  for (int tries = 0; !waits && tries < 100; ++tries) {
    // Settling segments in the background may read them in again at any of these steps. What an
    // earlier try has left waiting is fetched first.
    h.server->memory.set_bound(UINT64_MAX);
    REQUIRE(h.server->readers.start(1));
    while (h.server->readers.waiting_bytes() > 0) std::this_thread::yield();
    h.server->readers.stop();
    REQUIRE(h.server->readers.start(0));  // nobody fetches
    make_cold(h, disk, "{h}last");
    h.server->memory.set_bound(used() + (40 << 20));  // for one of them
    if (!Client(h).run("hgetall {h}").empty()) continue;
    if (h.server->readers.waiting_bytes() <= (8 << 20)) continue;
    refused = Client(h).run("hgetall {h}") == kTooMuch;
    h.server->memory.set_bound(used() + (80 << 20));
    waits = refused && Client(h).run("hgetall {h}").empty();
  }
  CHECK(refused);
  CHECK(waits);
}

TEST_CASE(
    "disk: a command is refused that would hold more than there is memory until it is written") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  make_large_hash(h);
  const uint64_t bound = h.server->memory.bound();
  h.server->memory.set_bound(1);
  CHECK(h.run("copy {h} {h}2") == kTooMuch);
  CHECK(h.run("exists {h}2") == ":0\r\n");
  CHECK(h.run("copy {h}last {h}2") == ":1\r\n");
  h.server->memory.set_bound(bound);
  CHECK(h.run("copy {h} {h}2 replace") == ":1\r\n");
  CHECK(h.run("hlen {h}2") == ":100\r\n");
}

TEST_CASE("disk: what makes room is not refused for want of memory") {
  Harness h;
  constexpr int kMembers = 60'000;
  std::vector<std::string> words = {"ZADD", "z"};
  std::vector<std::string> elements = {"RPUSH", "l"};
  for (int i = 0; i < kMembers; ++i) {
    words.insert(words.end(), {std::to_string(i), std::to_string(i) + std::string(100, 'm')});
    elements.push_back("element");
  }
  h.client().run(words);
  h.client().run(elements);
  h.server->memory.set_bound(1);
  CHECK(h.run("zremrangebyrank z 0 58999") == ":59000\r\n");
  CHECK(h.run("lrem l 0 element") == ":60000\r\n");
}

TEST_CASE(
    "disk: a command that meets page faults again and again has the rest of its values fetched") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  const std::string value(1000, 'v');
  for (int i = 0; i < 1000; ++i) {
    h.run({"HSET", "{k}h", std::to_string(i), value});
    h.run({"RPUSH", "{k}l", value});
  }
  h.client().turn.major_faults = [] {
    static uint64_t faults = 0;
    return ++faults;
  };
  for (const std::string command : {"hgetall {k}h", "lrange {k}l 0 -1"}) {
    REQUIRE(h.store->sync());
    drop_values(disk, h.server->key("{k}", 0).shard);
    const uint64_t before = h.client().turn.stats.parked.get();
    CHECK(h.run(command).size() > 1'000'000);
    CHECK(h.client().turn.stats.parked.get() > before);
  }
}

// Sees what goes to the readers.
struct WatchedReader final : ValueReader {
  explicit WatchedReader(ReaderPool& to) : pool(to) {}
  void submit(FetchBatch& batch) override {
    for (const FetchJob& job : batch) any_past_cache |= job.value->read.past_cache;
    pool.submit(batch);
  }
  ReaderPool& pool;
  bool any_past_cache = false;
};

TEST_CASE("disk: SORT has the fields that it looks up in large hashes fetched together") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  constexpr int kHashes = 20;
  for (int i = 0; i < kHashes; ++i) {
    const std::string number = std::to_string(i);
    h.run({"RPUSH", "list", number});
    h.run({"HSET", "{tag}" + number, "weight", std::to_string(kHashes - i), "large",
           std::string(5000, 'v')});
  }
  h.run("set {tag}last 1");
  make_cold(h, disk, "{tag}last");
  const uint64_t before = h.client().turn.stats.parked.get();
  std::string expected = fmt::format("*{}\r\n", kHashes);
  for (int i = kHashes; i-- > 0;) {
    const std::string number = std::to_string(i);
    expected += fmt::format("${}\r\n{}\r\n", number.size(), number);
  }
  CHECK(h.run("sort list by {tag}*->weight") == expected);
  const uint64_t parked = h.client().turn.stats.parked.get() - before;
  CHECK(parked > 0);
  CHECK(parked < 5);
}

TEST_CASE("disk: BITPOS asks for twice as much each time that it does not find its bit") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  h.run({"SET", "{k}", std::string(16 << 20, '\xff')});
  h.client().turn.major_faults = [] {
    static uint64_t faults = 0;
    return ++faults;
  };
  REQUIRE(h.store->sync());
  drop_values(disk, h.server->key("{k}", 0).shard);
  const uint64_t before = h.client().turn.stats.parked.get();
  CHECK(h.run("bitpos {k} 0 0 -1") == ":-1\r\n");
  const uint64_t parked = h.client().turn.stats.parked.get() - before;
  CHECK(parked > 0);
  CHECK(parked < 8);
}

TEST_CASE("disk: where memory is full, commands have values read past the page cache") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  constexpr int kKeys = 100;  // in one segment
  const auto name = [](int i) { return "{tag}" + std::to_string(i); };
  for (int i = 0; i < kKeys; ++i) h.run({"SET", name(i), std::string(4000, 'v')});
  Client& client = h.client();
  WatchedReader reader(h.server->readers);
  client.turn.reader = &reader;
  REQUIRE(h.server->readers.start(1));
  const auto read_all = [&] {
    make_cold(h, disk, name(0));
    for (int i = 0; i < kKeys; ++i) {
      std::string reply = h.run({"GET", name(i)});
      while (reply.empty()) reply = client.resumed();
      REQUIRE(reply.size() > 4000);
    }
  };
  read_all();
  CHECK_FALSE(reader.any_past_cache);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  while (!reader.any_past_cache && std::chrono::steady_clock::now() < deadline) read_all();
  CHECK(reader.any_past_cache);
}

TEST_CASE(
    "disk: a transaction's values are fetched beforehand from the databases that it selects") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  h.run("set {k}0 zero");
  h.run("select 1");
  h.run("set {k}1 one");
  h.run("select 0");
  const auto parked_for = [&](std::initializer_list<std::string_view> lines) {
    make_cold(h, disk, "{k}0");
    const uint64_t before = h.client().turn.stats.parked.get();
    h.run("multi");
    for (const std::string_view line : lines) CHECK(h.run(line) == "+QUEUED\r\n");
    h.run("exec");
    h.run("select 0");
    return h.client().turn.stats.parked.get() - before;
  };
  CHECK(parked_for({"get {k}0"}) == 1);
  CHECK(parked_for({"get {k}1"}) == 0);
  CHECK(parked_for({"select 1", "get {k}1"}) == 1);
  CHECK(parked_for({"select 1", "get {k}0"}) == 0);
  CHECK(parked_for({"select 1", "select 0", "get {k}0"}) == 1);
  for (const std::string_view wrong : {"select 16", "select -1", "select 4294967297", "select x"}) {
    CAPTURE(wrong);
    CHECK(parked_for({wrong, "get {k}0"}) == 1);
    CHECK(parked_for({"select 1", wrong, "get {k}1"}) == 1);
  }
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

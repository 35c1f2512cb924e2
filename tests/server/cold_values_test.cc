// Commands whose values are not in memory: who waits for them, and what they cost.
#include <doctest/doctest.h>

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/engine/faulty_file.h"
#include "tests/server/loop_client.h"
#include "tests/server/probe_commands.h"

namespace respcask::server::testing {
namespace {

using engine::FaultyFileSystem;

constexpr std::string_view kBroken =
    "-MISCONF Errors writing to the AOF file: Input/output error\r\n";

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

TEST_CASE("cold values: a command that waits for values and then fails counts its error once") {
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

TEST_CASE("cold values: who waits for values hears of its own look-ups all the same, and once") {
  FaultyFileSystem disk;
  Harness h({"notify-keyspace-events", "Emx"}, {}, &disk);
  h.run("set {k}a 1");
  h.run("set {k}e 1 px 1");
  Client client(h);
  client.use_protocol(3);
  client.run("psubscribe __keyevent@0__:*");
  make_cold(h, disk, "{k}a");
  std::string reply = client.run("mget {k}e {k}none {k}a");
  CHECK(client.turn.stats.parked.get() > 0);
  const auto told = [&](std::string_view event) {
    const size_t at = reply.find(event);
    return at != std::string::npos && reply.find(event, at + 1) == std::string::npos;
  };
  CHECK(told("expired\r\n$4\r\n{k}e\r\n"));
  CHECK(told("keymiss\r\n$4\r\n{k}e\r\n"));
  CHECK(told("keymiss\r\n$7\r\n{k}none\r\n"));
  CHECK(reply.ends_with("*3\r\n_\r\n_\r\n$1\r\n1\r\n"));
}

TEST_CASE("cold values: a command that waits for values counts its look-ups once") {
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
    "cold values: a blocked client whose own loop finds the disk broken is told, and waits no "
    "more") {
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

TEST_CASE(
    "cold values: a blocked client that its own loop was to serve leaves its place when it goes") {
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

TEST_CASE("cold values: who sends no more while a value is fetched gets the replies to all of it") {
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

TEST_CASE(
    "cold values: a blocked client that its own loop serves takes from the key that became ready") {
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

TEST_CASE(
    "cold values: a blocked client whose loop comes too late takes what is under another key") {
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

TEST_CASE("cold values: a command is refused whose values are not in memory and do not fit there") {
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

TEST_CASE("cold values: what others wait for takes its share of the memory that there is") {
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
    "cold values: a command is refused that would hold more than there is memory until it is "
    "written") {
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

TEST_CASE("cold values: what makes room is not refused for want of memory") {
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
    "cold values: a command that meets page faults again and again has the rest of its values "
    "fetched") {
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
    values += batch.size();
    for (const FetchJob& job : batch) any_past_cache |= job.value->read.past_cache;
    pool.submit(batch);
  }
  ReaderPool& pool;
  size_t values = 0;
  bool any_past_cache = false;
};

TEST_CASE("cold values: a command that waits for values uses its keys once") {
  FaultyFileSystem disk;
  Harness h({"maxmemory-policy", "allkeys-lfu", "lfu-log-factor", "0", "lfu-decay-time", "0"}, {},
            &disk);
  h.run("set {k}a 1");
  make_cold(h, disk, "{k}a");
  CHECK(h.run("mget {k}a {k}a") == "*2\r\n$1\r\n1\r\n$1\r\n1\r\n");
  CHECK(h.client().turn.stats.parked.get() > 0);
  CHECK(h.run("object freq {k}a") == ":7\r\n");
  make_cold(h, disk, "{k}a");
  CHECK(h.run("incr {k}a") == ":2\r\n");
  CHECK(h.run("object freq {k}a") == ":8\r\n");
}

constexpr size_t kElements = 50;

// A hash and a list that are split, and a key behind them in the same shard; none is in memory.
void make_cold_collections(Harness& h, FaultyFileSystem& disk) {
  h.run("del {k}h {k}l {k}copy");
  for (size_t i = 0; i < kElements; ++i) {
    h.run({"HSET", "{k}h", std::to_string(i), std::string(1000, 'v')});
    h.run({"RPUSH", "{k}l", std::string(1000, 'e')});
  }
  h.run("set {k}last 1");
  make_cold(h, disk, "{k}last");
}

// What is counted of commands.
struct Counted {
  explicit Counted(Harness& h)
      : errors(h.server->stats.sum().error_replies),
        hits(h.server->stats.sum().keyspace_hits),
        misses(h.server->stats.sum().keyspace_misses) {}
  uint64_t errors, hits, misses;
};

TEST_CASE(
    "cold values: EXEC has what its commands read of large collections fetched before the first "
    "of them runs, and counts them once") {
  FaultyFileSystem disk;
  Harness h({"notify-keyspace-events", "Emx"}, {}, &disk);
  h.run("config set slowlog-log-slower-than 0");
  Client& client = h.client();
  WatchedReader reader(h.server->readers);
  client.turn.reader = &reader;
  size_t fetched = 0;
  // Settling segments in the background may read them in again.
  for (int tries = 0; fetched < 2 * kElements && tries < 100; ++tries) {
    make_cold_collections(h, disk);
    h.run({"PSETEX", "{k}due", "1", std::string(8, 'x')});
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    REQUIRE(h.server->readers.start(1));
    Client subscriber(h), other(h);
    subscriber.run("psubscribe __key*");
    const Counted before(h);
    const size_t read_before = reader.values;
    for (const char* line :
         {"multi", "set {k}x 1", "hgetall {k}h", "lrange {k}l 0 -1", "hmget {k}h 1 2",
          "sinter {k}h {k}none", "llen {k}due", "lrange {k}h 0 -1"}) {
      h.run(line);
    }
    std::string reply = h.run("exec");
    const bool waits = reply.empty();
    CHECK((!waits || other.run("exists {k}x") == ":0\r\n"));
    while (reply.empty()) reply = client.resumed();
    h.server->readers.stop();
    fetched = waits ? reader.values - read_before : 0;
    const std::string head = "*7\r\n+OK\r\n*100\r\n";
    CHECK(reply.starts_with(head));
    CHECK(reply.size() > 2 * kElements * 1000);
    const std::string_view wrong =
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    CHECK(reply.ends_with(fmt::format("{}:0\r\n{}", wrong, wrong)));
    const Counted after(h);
    CHECK(after.errors - before.errors == 2);
    const std::string told = subscriber.pushed();
    const auto times = [&](std::string_view event) {
      size_t count = 0;
      for (size_t at = told.find(event); at != std::string::npos; at = told.find(event, at + 1)) {
        ++count;
      }
      return count;
    };
    CHECK(times("expired\r\n") == 1);
    h.run("del {k}x");
  }
  CHECK(fetched >= 2 * kElements);
}

TEST_CASE(
    "cold values: what a command of a transaction needs when others have changed something is "
    "fetched together") {
  FaultyFileSystem disk;
  Harness h({}, {}, &disk);
  uint64_t fetched = 0;
  for (int tries = 0; fetched < kElements && tries < 100; ++tries) {
    make_cold_collections(h, disk);
    REQUIRE(h.server->readers.start(2));
    const Counted before(h);
    const uint64_t fetched_before = h.server->readers.fetched();
    for (const char* line : {"multi", "set {k}x 1", "copy {k}h {k}copy", "hstrlen {k}copy 7",
                             "lpop {k}l", "rpop {k}l 2", "get {k}x"}) {
      h.run(line);
    }
    std::string reply = h.run("exec");
    while (reply.empty()) reply = h.client().resumed();
    h.server->readers.stop();
    fetched = h.server->readers.fetched() - fetched_before;
    const std::string element = "$1000\r\n" + std::string(1000, 'e') + "\r\n";
    CHECK((reply == "*6\r\n+OK\r\n:1\r\n:1000\r\n" + element + "*2\r\n" + element + element +
                        "$1\r\n1\r\n"));
    CHECK(Counted(h).hits - before.hits == 3);
    CHECK(h.run("llen {k}l") == fmt::format(":{}\r\n", kElements - 3));
    CHECK(h.run("hlen {k}copy") == fmt::format(":{}\r\n", kElements));
  }
  CHECK(fetched >= kElements);
}

TEST_CASE("cold values: SORT has the fields that it looks up in large hashes fetched together") {
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

TEST_CASE("cold values: BITPOS asks for twice as much each time that it does not find its bit") {
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

TEST_CASE("cold values: where memory is full, commands have values read past the page cache") {
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
    "cold values: a transaction's values are fetched beforehand from the databases that it "
    "selects") {
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

}  // namespace
}  // namespace respcask::server::testing

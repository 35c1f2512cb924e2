#include "engine/bitcask.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <thread>

#include "engine/options.h"
#include "tests/engine/directory.h"

using namespace respcask;
using namespace std::chrono_literals;
using engine::Directory;

namespace {

// The value of a result that has to be there.
template <class T>
T value_of(Result<T> result) {
  if (!result) FAIL(result.error().message);
  return *std::move(result);
}

Bitcask open_at(const Directory& directory, Options options = {}) {
  options.dir = directory.path / "store";
  return value_of(Bitcask::open(std::move(options)));
}

template <class T>
std::optional<ErrorCode> code_of(const Result<T>& result) {
  return result ? std::nullopt : std::optional(result.error().code);
}

std::map<std::string, std::string> contents(Bitcask& store) {
  using All = std::map<std::string, std::string>;
  return value_of(store.fold(
      [](std::string_view key, std::string_view value, All all) {
        CHECK(all.emplace(key, value).second);
        return all;
      },
      All()));
}

}  // namespace

TEST_CASE("the library gets what it put, and a reopen agrees") {
  Directory directory;
  const std::string binary("\0\xff\r\n", 4);
  const std::string large(3'000'000, 'x');
  {
    Bitcask store = open_at(directory);
    REQUIRE(store.put("key", "old"));
    REQUIRE(store.put("key", "value"));
    REQUIRE(store.put(binary, binary));
    REQUIRE(store.put("", "of the empty key"));
    REQUIRE(store.put("empty", ""));
    REQUIRE(store.put("large", large));
    REQUIRE(store.put("gone", "x"));
    CHECK(value_of(store.remove("gone")));
    CHECK_FALSE(value_of(store.remove("gone")));
    CHECK_FALSE(value_of(store.remove("never there")));
  }
  for (int round = 0; round < 2; ++round) {
    Bitcask store = open_at(directory);
    CHECK(value_of(store.get("key")) == "value");
    CHECK(value_of(store.get(binary)) == binary);
    CHECK(value_of(store.get("")) == "of the empty key");
    CHECK(value_of(store.get("empty")) == "");
    CHECK(value_of(store.get("large")) == large);
    CHECK(value_of(store.get("gone")) == std::nullopt);
    auto keys = value_of(store.list_keys());
    std::sort(keys.begin(), keys.end());
    CHECK(keys == std::vector<std::string>{"", binary, "empty", "key", "large"});
    CHECK(contents(store).at("key") == "value");
    CHECK(value_of(store.stats()).keys == 5);
    REQUIRE(store.merge());
    REQUIRE(store.close());
  }
}

TEST_CASE("a store has one writer, or readers") {
  Directory directory;
  Options reader{.dir = directory.path / "store", .read_only = true};
  CHECK(code_of(Bitcask::open(reader)) == ErrorCode::kFormat);
  CHECK(code_of(Bitcask::open({.dir = reader.dir, .create_if_missing = false})) ==
        ErrorCode::kFormat);
  CHECK_FALSE(std::filesystem::exists(reader.dir));
  {
    Bitcask writer = open_at(directory);
    REQUIRE(writer.put("key", "value"));
    CHECK(code_of(Bitcask::open({.dir = reader.dir})) == ErrorCode::kInUse);
    CHECK(code_of(Bitcask::open(reader)) == ErrorCode::kInUse);
  }
  {
    Bitcask one = value_of(Bitcask::open(reader));
    Bitcask two = value_of(Bitcask::open(reader));
    CHECK(value_of(one.get("key")) == "value");
    CHECK(value_of(two.get("key")) == "value");
    CHECK(code_of(Bitcask::open({.dir = reader.dir})) == ErrorCode::kInUse);
  }
  open_at(directory);
}

TEST_CASE("options and arguments out of range are refused") {
  Directory directory;
  const std::string dir = directory.path / "store";
  CHECK(code_of(Bitcask::open({.dir = dir, .shards = 0})) == ErrorCode::kInvalid);
  CHECK(code_of(Bitcask::open({.dir = dir, .shards = 257})) == ErrorCode::kInvalid);
  CHECK(code_of(Bitcask::open({.dir = dir, .segment_bytes = 1})) == ErrorCode::kInvalid);
  CHECK(code_of(Bitcask::open({.dir = dir, .merge_trigger = 1.0})) == ErrorCode::kInvalid);
  CHECK(code_of(Bitcask::open({.dir = dir, .merge_trigger = 0.1, .merge_stop = 0.2})) ==
        ErrorCode::kInvalid);
  Bitcask store = open_at(directory);
  const std::string long_key(kMaxKeyBytes + 1, 'k');
  CHECK(code_of(store.put(long_key, "")) == ErrorCode::kInvalid);
  Batch batch;
  batch.put("key", "value");
  batch.remove(long_key);
  CHECK(code_of(store.write(batch)) == ErrorCode::kInvalid);
  CHECK(value_of(store.stats()).keys == 0);
}

TEST_CASE("the library merges by the same defaults as the engine it wraps") {
  const respcask::Options library;
  const respcask::engine::MergeOptions engine;
  CHECK(library.merge_trigger == engine.trigger_garbage);
  CHECK(library.merge_stop == engine.stop_garbage);
  CHECK(library.merge_least_bytes == engine.least_bytes);
  CHECK(library.merge_bytes_per_second == engine.bytes_per_second);
}

TEST_CASE("after close every call answers kClosed, a snapshot's too") {
  Directory directory;
  Bitcask store = open_at(directory);
  REQUIRE(store.put("key", "value"));
  Snapshot snapshot = value_of(store.snapshot());
  REQUIRE(store.close());
  CHECK(code_of(store.get("key")) == ErrorCode::kClosed);
  CHECK(code_of(store.put("key", "")) == ErrorCode::kClosed);
  CHECK(code_of(store.remove("key")) == ErrorCode::kClosed);
  CHECK(code_of(store.expire("key", kNever)) == ErrorCode::kClosed);
  CHECK(code_of(store.expiry("key")) == ErrorCode::kClosed);
  CHECK(code_of(store.write(Batch())) == ErrorCode::kClosed);
  CHECK(code_of(store.snapshot()) == ErrorCode::kClosed);
  CHECK(code_of(store.list_keys()) == ErrorCode::kClosed);
  CHECK(code_of(store.merge()) == ErrorCode::kClosed);
  CHECK(code_of(store.sync()) == ErrorCode::kClosed);
  CHECK(code_of(store.close()) == ErrorCode::kClosed);
  CHECK(code_of(store.stats()) == ErrorCode::kClosed);
  CHECK(code_of(snapshot.next()) == ErrorCode::kClosed);
  open_at(directory);
}

TEST_CASE("an expired key is absent at once and cleared away soon") {
  Directory directory;
  Bitcask store = open_at(directory);
  const Time now = std::chrono::system_clock::now();
  const Time later = std::chrono::floor<std::chrono::milliseconds>(now) + 1h;
  REQUIRE(store.put("stays", "1"));
  REQUIRE(store.put("later", "2", later));
  REQUIRE(store.put("past", "3", now - 1s));
  REQUIRE(store.put("long past", "3", Time(-5s)));
  REQUIRE(store.put("soon", "4", now + 150ms));
  CHECK(value_of(store.get("past")) == std::nullopt);
  CHECK(value_of(store.get("long past")) == std::nullopt);
  CHECK(value_of(store.get("soon")) == "4");
  CHECK_FALSE(value_of(store.expire("past", kNever)));
  CHECK_FALSE(value_of(store.remove("past")));
  CHECK(value_of(store.expiry("past")) == std::nullopt);
  CHECK(value_of(store.expiry("stays")) == kNever);
  CHECK(value_of(store.expiry("later")) == later);
  std::this_thread::sleep_for(160ms);
  CHECK(value_of(store.get("soon")) == std::nullopt);
  CHECK(contents(store) == std::map<std::string, std::string>{{"later", "2"}, {"stays", "1"}});
  for (int i = 0; i < 500 && value_of(store.stats()).keys > 2; ++i) {
    std::this_thread::sleep_for(10ms);
  }
  CHECK(value_of(store.stats()).keys == 2);
  CHECK(value_of(store.expire("later", kNever)));
  CHECK(value_of(store.expire("stays", later)));
  REQUIRE(store.close());
  store = open_at(directory);
  CHECK(value_of(store.expiry("later")) == kNever);
  CHECK(value_of(store.expiry("stays")) == later);
  CHECK(value_of(store.expire("stays", now)));
  CHECK(value_of(store.get("stays")) == std::nullopt);
}

TEST_CASE("many keys that expire together are cleared away, and merged away") {
  Directory directory;
  Bitcask store = open_at(directory, {.segment_bytes = 64 * 1024});
  const Time soon = std::chrono::system_clock::now() + 300ms;
  for (int i = 0; i < 3000; ++i) {
    REQUIRE(store.put(fmt::format("key{}", i), std::string(100, 'v'), soon));
  }
  std::this_thread::sleep_until(soon);
  REQUIRE(store.merge());
  const Stats stats = value_of(store.stats());
  CHECK(stats.keys == 0);
  CHECK(stats.file_bytes < 100'000);
}

TEST_CASE("a batch is applied in its order, over all shards") {
  Directory directory;
  Bitcask store = open_at(directory);
  REQUIRE(store.put("removed", "x"));
  REQUIRE(store.write(Batch()));
  Batch batch;
  for (int i = 0; i < 100; ++i) batch.put(fmt::format("key{}", i), fmt::format("{}", i));
  batch.remove("removed");
  batch.put("key7", "last");
  batch.put("back", "1");
  batch.remove("back");
  batch.remove("key8");
  batch.put("key8", "again");
  CHECK(batch.size() == 106);
  REQUIRE(store.write(batch));
  for (int round = 0; round < 2; ++round) {
    auto all = contents(store);
    CHECK(all.size() == 100);
    CHECK(all["key7"] == "last");
    CHECK(all["key8"] == "again");
    CHECK(all["key99"] == "99");
    REQUIRE(store.close());
    store = open_at(directory);
  }
  batch.clear();
  CHECK(batch.size() == 0);
}

TEST_CASE("what a process was told survives its kill -9") {
  Directory directory;
  int told[2];
  REQUIRE(pipe(told) == 0);
  const pid_t child = fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    auto store = Bitcask::open({.dir = directory.path / "store", .sync = Sync::kNo});
    for (int i = 0; store; ++i) {
      Batch batch;
      batch.put(fmt::format("a{}", i), fmt::format("{}", i));
      batch.put(fmt::format("b{}", i), fmt::format("{}", i));
      if (!store->put(fmt::format("key{}", i), "v") || !store->write(batch)) break;
      if (write(told[1], &i, sizeof i) != sizeof i) break;
    }
    _exit(1);
  }
  close(told[1]);
  int last = -1;
  while (last < 2000) REQUIRE(read(told[0], &last, sizeof last) == sizeof last);
  kill(child, SIGKILL);
  while (read(told[0], &last, sizeof last) == sizeof last) {
  }
  close(told[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  Bitcask store = open_at(directory);
  for (int i = 0; i <= last; ++i) {
    REQUIRE(value_of(store.get(fmt::format("key{}", i))) == "v");
    REQUIRE(value_of(store.get(fmt::format("a{}", i))) == fmt::format("{}", i));
    REQUIRE(value_of(store.get(fmt::format("b{}", i))) == fmt::format("{}", i));
  }
  // The one that was cut off is there whole or not at all.
  const std::string next = fmt::format("{}", last + 1);
  CHECK(value_of(store.get("a" + next)) == value_of(store.get("b" + next)));
}

TEST_CASE("a damaged value is an error that names the key, and is never passed over in silence") {
  Directory directory;
  {
    Bitcask store = open_at(directory, {.shards = 1});
    REQUIRE(store.put("good", "value"));
    REQUIRE(store.put("bad", "old"));
    REQUIRE(store.put("bad", std::string(100, '#')));
    REQUIRE(store.put("large", std::string(100'000, '%')));
  }
  const std::string file = directory.path / "store/shard-00/00000001.seg";
  std::fstream segment(file, std::ios::in | std::ios::out | std::ios::binary);
  std::string bytes(std::filesystem::file_size(file), '\0');
  segment.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  for (const char mark : {'#', '%'}) {
    segment.seekp(static_cast<std::streamoff>(bytes.find(std::string(50, mark)) + 40));
    segment.put('!');
  }
  segment.close();
  Bitcask store = open_at(directory);
  CHECK(value_of(store.get("good")) == "value");
  for (const char* key : {"bad", "large"}) {
    for (int round = 0; round < 2; ++round) {
      auto value = store.get(key);
      REQUIRE(code_of(value) == ErrorCode::kDamaged);
      CHECK(value.error().message.find(fmt::format("\"{}\"", key)) != std::string::npos);
    }
  }
  CHECK(value_of(store.stats()).damaged_values == 4);
  CHECK(value_of(store.list_keys()).size() == 3);
  Snapshot snapshot = value_of(store.snapshot());
  int errors = 0;
  int items = 0;
  for (;;) {
    auto item = snapshot.next();
    if (!item) {
      CHECK(code_of(item) == ErrorCode::kDamaged);
      ++errors;
      continue;
    }
    if (!*item) break;
    ++items;
  }
  CHECK(errors == 2);
  CHECK(items == 1);
  auto count = store.fold([](std::string_view, std::string_view, int n) { return n + 1; }, 0);
  CHECK(code_of(count) == ErrorCode::kDamaged);
}

TEST_CASE("threads read, write, walk and merge at once, and batches stay whole") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  Directory directory;
  for (const Sync sync : {Sync::kEverySecond, Sync::kAlways}) {
    Bitcask store =
        open_at(directory, {.sync = sync, .segment_bytes = 16 * 1024, .merge_bytes_per_second = 0});
    std::atomic<bool> stop{false};
    std::atomic<int> faults{0};
    auto expect = [&](bool good) { faults += good ? 0 : 1; };
    // Pairs that are always written together, and hold the same value.
    auto writer = [&](uint64_t number) {
      std::mt19937_64 random(seed + number);
      while (!stop) {
        const std::string pair = fmt::format("{}", random() % 50);
        Batch batch;
        if (random() % 5 == 0) {
          batch.remove("left" + pair);
          batch.remove("right" + pair);
        } else {
          const std::string value = fmt::format("{}", random() % 1000);
          batch.put("left" + pair, value);
          batch.put("right" + pair, value);
        }
        expect(bool(store.write(batch)));
        const std::string own = fmt::format("own{}", number);
        const std::string value = fmt::format("{}", random());
        expect(bool(store.put(own, value)));
        auto got = store.get(own);
        expect(got && *got == value);
      }
    };
    auto walker = [&] {
      while (!stop) {
        auto all = contents(store);
        for (const auto& [key, value] : all) {
          if (!key.starts_with("left")) continue;
          auto other = all.find("right" + key.substr(4));
          expect(other != all.end() && other->second == value);
        }
      }
    };
    auto merger = [&] {
      while (!stop) expect(bool(store.merge()));
    };
    std::vector<std::thread> threads;
    threads.emplace_back(writer, 1);
    threads.emplace_back(writer, 2);
    threads.emplace_back(walker);
    threads.emplace_back(merger);
    std::this_thread::sleep_for(500ms);
    stop = true;
    for (auto& thread : threads) thread.join();
    CHECK(faults == 0);
    const auto before = contents(store);
    REQUIRE(store.close());
    store = open_at(directory);
    CHECK(contents(store) == before);
  }
}

#include "engine/recovery.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;

// Two keys that lie in different shards.
std::pair<std::string, std::string> keys_in_two_shards(const Store& store, int salt) {
  const std::string a = "a" + std::to_string(salt);
  for (int i = 0;; ++i) {
    std::string b = "b" + std::to_string(salt) + "." + std::to_string(i);
    if (store.shard_of(a) != store.shard_of(b)) return {a, b};
  }
}

// Puts all pairs as one transaction. False if it could not be acknowledged.
bool put_together(Store& store, const Pairs& pairs) {
  ShardSet shards;
  for (auto& [key, value] : pairs) shards.add(store.shard_of(key));
  bool reserved = true;
  for (uint32_t i : shards) store.shard(i).lock();
  for (uint32_t i : shards) {
    if (!store.shard(i).reserve(64 * 1024, Growth::kGrows)) reserved = false;
  }
  if (reserved) {
    const TransactionMark mark = store.begin_transaction(shards);
    for (auto& [key, value] : pairs) {
      Shard& shard = store.shard(store.shard_of(key));
      shard.begin_batch();
      const std::string_view piece = value;
      shard.put(0, key, shard.hash(key), 0, 0, {&piece, 1});
    }
    for (uint32_t i : shards) store.shard(i).end_batch(shards.size() > 1 ? &mark : nullptr);
  }
  for (uint32_t i : shards) store.shard(i).unlock();
  return reserved && store.commit(shards);
}

// The segment that was written last in the shard of a key.
std::string segment_of(const StoreFixture& fixture, std::string_view key) {
  const std::string dir = fmt::format("/store/shard-{:02}/", fixture.store->shard_of(key));
  const auto names = fixture.disk->list(dir);
  REQUIRE(names);
  std::string last;
  for (const std::string& name : *names) {
    if (name.ends_with(".seg")) last = dir + name;
  }
  return last;
}

}  // namespace

TEST_CASE("a tail torn at any byte is cut, and all before it stands") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  fixture.put("first", "1");
  fixture.put("second", std::string(50, '2'));
  const uint64_t before = fixture.total_bytes();
  fixture.put("last", std::string(50, '3'));
  const uint64_t after = fixture.total_bytes();
  const std::string path = "/store/shard-00/00000001.seg";
  const std::string whole = fixture.disk->contents(path).substr(0, after);
  for (uint64_t size = before; size < after; ++size) {
    CAPTURE(size);
    FaultyFileSystem disk = fixture.disk->crash_process();
    disk.set_contents(path, whole.substr(0, size));
    StoreFixture other(std::move(disk), fixture.options);
    CHECK(other.get("first") == "1");
    CHECK(other.get("second") == std::string(50, '2'));
    CHECK(other.get("last") == std::nullopt);
    CHECK(other.store->open_report().found.torn_bytes == size - before);
    CHECK(other.store->open_report().found.damaged_ranges == 0);
    other.put("last", "new");
    other.reopen();
    CHECK(other.get("last") == "new");
  }
}

TEST_CASE(
    "a flipped bit below the synced mark is damage: reported, never served, nothing else lost") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  std::map<std::string, std::string> model;
  for (int i = 0; i < 50; ++i) {
    const std::string key = "key" + std::to_string(i);
    model[key] = std::string(20, static_cast<char>('a' + i % 26));
    fixture.put(key, model[key]);
  }
  REQUIRE(fixture.store->sync());
  fixture.put("after", "the mark");
  model["after"] = "the mark";
  const uint64_t size = fixture.total_bytes() - 200;
  const std::string path = "/store/shard-00/00000001.seg";
  std::mt19937_64 random(11);
  for (int round = 0; round < 300; ++round) {
    FaultyFileSystem disk = fixture.disk->crash_process();
    const uint64_t bit = kSegmentHeaderSize * 8 + random() % ((size - kSegmentHeaderSize) * 8);
    CAPTURE(bit);
    disk.flip_bit(path, bit);
    StoreFixture other(std::move(disk), fixture.options);
    int lost = 0;
    for (auto& [key, value] : model) {
      auto found = other.try_get(key);
      if (found != value) ++lost;
      // Wrong bytes are never served: a value is right, damaged, or was reported at the start.
      if (found && *found != "DAMAGED") CHECK(*found == value);
    }
    CHECK(lost == 1);
    const bool reported = other.store->open_report().found.damaged_ranges > 0;
    CHECK((reported || other.sum(&ShardStats::damaged_records) > 0));
  }
}

TEST_CASE(
    "after a power cut at any write a transaction is whole or absent, and what was synced stands") {
  for (PowerLoss mode : kPowerLosses) {
    for (uint64_t skip = 0;; skip += 2) {
      CAPTURE(skip);
      StoreFixture fixture;
      fixture.options.sync = SyncMode::kNo;
      fixture.options.segment_bytes = 4096;
      fixture.reopen();
      auto& store = *fixture.store;
      fixture.disk->inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
      const int kRounds = 24;
      int synced_round = -1;
      int round = 0;
      std::vector<std::pair<std::string, std::string>> keys;
      for (int i = 0; i < 5; ++i) keys.push_back(keys_in_two_shards(store, i));
      for (; round < kRounds; ++round) {
        const std::string value = std::to_string(round) + std::string(100, 'v');
        auto& [a, b] = keys[round % keys.size()];
        if (!put_together(store, {{a, value}, {b, value}})) break;
        if (round % 7 == 6) {
          if (!store.sync()) break;
          synced_round = round;
        }
      }
      const bool survived = round == kRounds;
      fixture.lose_power(skip, mode);
      for (size_t i = 0; i < keys.size(); ++i) {
        auto a = fixture.get(keys[i].first);
        auto b = fixture.get(keys[i].second);
        CHECK(a == b);
        // The last round on this pair that a sync covered.
        int expected = -1;
        for (int r = 0; r <= synced_round; ++r) {
          if (r % keys.size() == i) expected = r;
        }
        const int found = a ? std::stoi(*a) : -1;
        CHECK(found >= expected);
      }
      CHECK(fixture.store->open_report().found.damaged_ranges == 0);
      const auto before = fixture.contents();
      fixture.reopen();
      CHECK(fixture.contents() == before);
      if (survived) break;
    }
  }
}

TEST_CASE("a transaction outlives the process when a sync ran while another one was pending") {
  StoreFixture fixture;
  fixture.options.sync = SyncMode::kAlways;
  fixture.reopen();
  Store& store = *fixture.store;
  std::vector<std::string> keys(4);  // one in each shard
  for (int i = 0; i < 100; ++i) keys[store.shard_of(std::to_string(i))] = std::to_string(i);
  REQUIRE(put_together(store, {{keys[0], "whole"}, {keys[1], "whole"}}));

  // A second transaction that nobody has committed yet, as between two turns of a loop.
  ShardSet pending;
  for (uint32_t i : {2, 3}) pending.add(i);
  for (uint32_t i : pending) store.shard(i).lock();
  const TransactionMark mark = store.begin_transaction(pending);
  for (uint32_t i : pending) {
    Shard& shard = store.shard(i);
    REQUIRE(shard.reserve(1024, Growth::kGrows));
    shard.begin_batch();
    const std::string_view piece = "pending";
    shard.put(0, keys[i], shard.hash(keys[i]), 0, 0, {&piece, 1});
    shard.end_batch(&mark);
  }
  for (uint32_t i : pending) store.shard(i).unlock();

  // A sync of all shards, and a batch of the first one that says so.
  for (int round = 0; round < 2; ++round) {
    ShardSet first;
    first.add(0);
    {
      std::lock_guard guard(store.shard(0));
      REQUIRE(store.shard(0).reserve(1024, Growth::kGrows));
      store.shard(0).begin_batch();
      const std::string_view piece = "later";
      store.shard(0).put(1, keys[0], store.shard(0).hash(keys[0]), 0, 0, {&piece, 1});
      store.shard(0).end_batch(nullptr);
    }
    auto point = store.commit(first);
    REQUIRE(point);
    while (!store.synced(*point)) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  fixture.crash_process();
  CHECK(fixture.get(keys[0]) == "whole");
  CHECK(fixture.get(keys[1]) == "whole");
  CHECK(fixture.get(keys[0], 1) == "later");
}

TEST_CASE("after a power cut no write stands that follows a lost one, across segments too") {
  StoreFixture fixture;
  fixture.options.shards = 1;
  fixture.options.sync = SyncMode::kNo;
  fixture.options.segment_bytes = 4096;
  fixture.options.dir = "/single";
  fixture.reopen();
  std::vector<uint64_t> ends;  // of each put, while it went to the first segment
  const std::string path = "/single/shard-00/00000001.seg";
  for (int i = 0; i < 60; ++i) {
    fixture.put("key" + std::to_string(i), std::string(100, 'v'));
    if (fixture.sum(&ShardStats::segments) == 1) ends.push_back(fixture.total_bytes());
  }
  REQUIRE(ends.size() < 50);
  for (size_t kept = 1; kept < ends.size(); kept += 5) {
    CAPTURE(kept);
    FaultyFileSystem disk = fixture.disk->crash_process();
    disk.cut(path, ends[kept - 1]);
    StoreFixture other(std::move(disk), fixture.options);
    CHECK(other.contents().size() == kept);
    CHECK(other.get("key" + std::to_string(kept - 1)));
  }
  // Nothing of the first one is left; what takes its place is whole at every later start.
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.cut(path, kSegmentHeaderSize);
  StoreFixture other(std::move(disk), fixture.options);
  CHECK(other.contents().empty());
  CHECK(other.store->open_report().found.damaged_ranges == 0);
  other.put("again", "v");
  REQUIRE(other.store->sync());
  other.put("and again", "v");
  other.crash_process();
  CHECK(other.contents().size() == 2);
  CHECK(other.store->open_report().found.damaged_ranges == 0);
}

TEST_CASE("an older segment's bytes past the end of a newer file are no batches") {
  StoreFixture fixture;
  fixture.options.shards = 1;
  fixture.options.segment_bytes = 4096;
  fixture.options.dir = "/single";
  fixture.reopen();
  for (int i = 0; i < 40; ++i) fixture.put("key" + std::to_string(i % 10), std::to_string(i));
  for (int i = 0; i < 40; ++i) fixture.put("fill", std::string(100, 'v'));
  REQUIRE(fixture.sum(&ShardStats::segments) > 1);
  const auto before = fixture.contents();
  const std::string old = fixture.disk->contents("/single/shard-00/00000001.seg");
  for (uint64_t from : {kSegmentHeaderSize, size_t{0}}) {
    FaultyFileSystem disk = fixture.disk->crash_process();
    const std::string path = "/single/shard-00/00000002.seg";
    disk.set_contents(path, disk.contents(path) + old.substr(from));
    StoreFixture other(std::move(disk), fixture.options);
    CHECK(other.contents() == before);
    CHECK(other.store->open_report().found.torn_bytes > 0);
  }
}

TEST_CASE("what a start found is on the device, names included, once it is open") {
  StoreFixture fixture;
  fixture.options.sync = SyncMode::kNo;
  fixture.options.segment_bytes = 4096;
  fixture.reopen();
  for (int i = 0; i < 200; ++i) fixture.put("key" + std::to_string(i), std::string(100, 'v'));
  const auto before = fixture.contents();
  fixture.crash_process();  // before any sync of the newest files' names
  fixture.lose_power(1, PowerLoss::kDrop);
  CHECK(fixture.contents() == before);
}

TEST_CASE("an empty newest segment does not keep the store from opening") {
  StoreFixture fixture;
  fixture.put("a", "1");
  for (uint32_t i = 0; i < 4; ++i) {
    for (size_t size : {size_t{0}, size_t{10}, kSegmentHeaderSize}) {
      FaultyFileSystem disk = fixture.disk->crash_process();
      disk.set_contents("/store/shard-0" + std::to_string(i) + "/00000009.seg",
                        std::string(size, '\0'));
      StoreFixture other(std::move(disk), fixture.options);
      CHECK(other.get("a") == "1");
      other.put("b", "2");
      other.reopen();
      CHECK(other.get("a") == "1");
      CHECK(other.get("b") == "2");
    }
  }
}

TEST_CASE(
    "a full disk refuses what grows before anything changes, and serves again when it has room") {
  StoreFixture fixture;
  fixture.put("a", std::string(1000, 'x'));
  fixture.disk->set_capacity(fixture.disk->used());
  const auto before = fixture.contents();
  Shard& shard = fixture.store->shard(fixture.store->shard_of("a"));
  {
    std::lock_guard guard(shard);
    auto refused = shard.reserve(4 << 20, Growth::kGrows);
    REQUIRE(!refused);
    CHECK(refused.error().code == ErrorCode::kNoSpace);
    CHECK(shard.writable());
    CHECK(shard.reserve(200, Growth::kShrinks));
  }
  CHECK(fixture.contents() == before);
  fixture.remove_shrinking("a");
  CHECK(fixture.get("a") == std::nullopt);
  fixture.disk->set_capacity(uint64_t{1} << 30);
  fixture.put("b", std::string(4000, 'y'));
  CHECK(fixture.get("b") == std::string(4000, 'y'));
}

TEST_CASE("a failed write closes its shard to writing and is not acknowledged, and reads go on") {
  StoreFixture fixture;
  fixture.put("a", "1");
  REQUIRE(fixture.store->sync());
  fixture.disk->inject({.fault = Fault::kIo, .times = 1, .call = Call::kWrite});
  Store& store = *fixture.store;
  CHECK_FALSE(put_together(store, {{"a", "2"}}));
  Shard& shard = store.shard(store.shard_of("a"));
  {
    std::lock_guard guard(shard);
    CHECK_FALSE(shard.writable());
    CHECK(shard.reserve(10, Growth::kShrinks).error().code == ErrorCode::kReadOnly);
  }
  ShardSet touched;
  touched.add(shard.index());
  CHECK_FALSE(store.commit(touched));  // for who had looked before
  CHECK(store.commit(ShardSet()));     // for who looks now
  fixture.crash_process();
  CHECK(fixture.get("a") == "1");
}

TEST_CASE(
    "a transaction that one shard could not write takes nothing that was acknowledged along") {
  StoreFixture fixture;
  Store& store = *fixture.store;
  std::string keys[2];  // in the order in which their shards are written
  for (int i = 0; keys[0].empty() || keys[1].empty(); ++i) {
    const std::string key = std::to_string(i);
    const uint32_t shard = store.shard_of(key);
    if (shard < 2) keys[shard] = key;
  }
  for (const std::string& key : keys) fixture.put(key, "1");
  for (const uint64_t written : {0, 1}) {
    CAPTURE(written);
    fixture.disk->inject({.fault = Fault::kIo, .skip = written, .times = 1, .call = Call::kWrite});
    CHECK_FALSE(put_together(*fixture.store, {{keys[0], "2"}, {keys[1], "2"}}));
    fixture.disk->clear_faults();
    // What was written behind half a transaction would go with it at the next start.
    for (const std::string& key : keys) {
      Shard& shard = fixture.store->shard(fixture.store->shard_of(key));
      std::lock_guard guard(shard);
      CHECK_FALSE(shard.writable());
    }
    fixture.crash_process();
    for (const std::string& key : keys) CHECK(fixture.get(key) == "1");
  }
}

TEST_CASE("once a shard could not be synced, no other acknowledges what a power cut would take") {
  StoreFixture fixture;
  fixture.options.sync = SyncMode::kNo;
  fixture.reopen();
  REQUIRE(put_together(*fixture.store, {{"a", "1"}, {"b", "1"}, {"c", "1"}, {"d", "1"}}));
  const uint32_t lost = fixture.store->shard_of("a");
  fixture.disk->inject({.fault = Fault::kIo,
                        .times = 1,
                        .call = Call::kSync,
                        .path = fmt::format("shard-{:02}", lost)});
  CHECK_FALSE(fixture.store->sync());
  for (uint32_t i = 0; i < fixture.store->shard_count(); ++i) {
    std::lock_guard guard(fixture.store->shard(i));
    CHECK_FALSE(fixture.store->shard(i).writable());
  }
  CHECK(fixture.get("b") == "1");
}

TEST_CASE("a copy that somebody has made beside a segment is not taken for it") {
  StoreFixture fixture;
  fixture.put("key", "old");
  const std::string path = segment_of(fixture, "key");
  const std::string copy = fixture.disk->contents(path);
  const std::string dir = path.substr(0, path.rfind('/'));
  fixture.disk->set_contents(dir + "/00000001.old.seg", copy);
  fixture.disk->set_contents(dir + "/00000099.seg", copy);
  fixture.put("key", "new");
  fixture.crash_process();
  CHECK(fixture.get("key") == "new");
  CHECK(fixture.disk->contents(dir + "/00000001.old.seg") == copy);
  CHECK(fixture.disk->contents(dir + "/00000099.seg") == copy);
  fixture.reopen();
  CHECK(fixture.get("key") == "new");
}

TEST_CASE("what was reserved behind a sealed segment is given back when its process has died") {
  StoreFixture fixture;
  fixture.put("key", std::string(1 << 20, 'v'));
  const std::string path = segment_of(fixture, "key");
  fixture.put("key", "next");
  REQUIRE(segment_of(fixture, "key") != path);
  const FileInfo before = **fixture.disk->stat(path);
  REQUIRE(before.allocated > before.size + (512 << 10));
  fixture.crash_process();
  CHECK((*fixture.disk->stat(path))->allocated < before.size + (64 << 10));
  CHECK(fixture.get("key") == "next");
}

TEST_CASE("a directory whose STORE is lost is not made another, empty store") {
  StoreFixture fixture;
  fixture.put("key", "value");
  REQUIRE(fixture.store->close());
  fixture.store.reset();
  const std::string record = fixture.disk->contents("/store/STORE");
  REQUIRE(fixture.disk->unlink("/store/STORE"));
  const auto refused = Store::open(fixture.options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kFormat);
  CHECK(refused.error().message.find("STORE") != std::string::npos);
  fixture.disk->set_contents("/store/STORE", record);
  fixture.reopen();
  CHECK(fixture.get("key") == "value");
}

TEST_CASE("what a merge has made is not removed when nothing of its header or hint is left") {
  StoreFixture fixture;
  for (int i = 0; i < 100; ++i) fixture.put("key", std::to_string(i));
  REQUIRE(fixture.store->merge_now());
  const std::string dir = fmt::format("/store/shard-{:02}/", fixture.store->shard_of("key"));
  REQUIRE(fixture.store->close());
  fixture.store.reset();
  std::string path;
  const auto names = fixture.disk->list(dir);
  REQUIRE(names);
  for (const std::string& name : *names) {
    if (name.ends_with(".1.seg")) {
      path = dir + name;
    } else {
      REQUIRE(fixture.disk->unlink(dir + name));
    }
  }
  REQUIRE_FALSE(path.empty());
  fixture.disk->flip_bit(path, 8 * 20);
  fixture.reopen();
  CHECK(fixture.store->open_report().found.damaged_ranges > 0);
  CHECK(fixture.disk->stat(path)->has_value());
}

TEST_CASE("a failed sync is final") {
  StoreFixture fixture;
  fixture.options.sync = SyncMode::kNo;
  fixture.reopen();
  fixture.put("a", "1");
  fixture.disk->inject({.fault = Fault::kIo, .times = 1, .call = Call::kSync});
  CHECK_FALSE(fixture.store->sync());
  CHECK(fixture.store->sync_failed());
  const uint64_t syncs = fixture.disk->calls(Call::kSync);
  (void)fixture.store->sync();
  CHECK(fixture.disk->calls(Call::kSync) - syncs < 4);
  CHECK(fixture.store->sync_failed());
}

TEST_CASE("what databases that are not asked for have exchanged is nowhere twice, and not lost") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  fixture.swap(3, 12);
  fixture.put("key", "value", 3);
  fixture.swap(3, 14);
  fixture.swap(14, 1);
  fixture.swap(3, 12);
  fixture.put("other", "value", 3);
  fixture.flush(3);
  const uint64_t live = fixture.live_bytes();
  for (const uint32_t databases : {4, 1, 16}) {
    CAPTURE(databases);
    fixture.options.databases = databases;
    fixture.crash_process();
    if (databases > 1) CHECK(fixture.get("key", 1) == "value");
    CHECK(fixture.store->open_report().found.databases == 2);
    CHECK(fixture.live_bytes() == live);
    REQUIRE(fixture.store->merge_now());
  }
}

#include "engine/bitcask_core.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "engine/snapshot_scan.h"
#include "tests/engine/faulty_file.h"
#include "tests/engine/map_index.h"
#include "tests/engine/open_core.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

TEST_CASE("with kAlways what a call has written or returned survives a power cut") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kAlways);
  for (int i = 0; i < 50; ++i) {
    const std::string key = fmt::format("key{}", i % 5);
    const std::string value = fmt::format("{}", i);
    REQUIRE(core->put({key, value, 0}));
    if (i % 7 == 6) REQUIRE(core->remove(key));
    FaultyFileSystem rest = disk.crash(static_cast<uint64_t>(i), PowerLoss::kDrop);
    auto again = open_core(rest, SyncMode::kAlways);
    CHECK(*again->get(key) == (i % 7 == 6 ? std::nullopt : std::optional(value)));
  }
}

TEST_CASE("after failed syncs of journal and segment kAlways refuses, and nobody waits for ever") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kAlways);
  REQUIRE(core->put({"key", "old", 0}));
  disk.inject({.fault = Fault::kIo, .times = 2, .call = Call::kSync});
  CHECK(core->put({"key", "new", 0}).error().code == ErrorCode::kIo);
  CHECK(core->put({"key", "newer", 0}).error().code == ErrorCode::kReadOnly);
}

TEST_CASE("kNoSpace has changed nothing: where a write itself meets a full disk it is kIo") {
  for (const SyncMode sync : {SyncMode::kNo, SyncMode::kAlways}) {
    for (const Call call : {Call::kWrite, Call::kSync}) {
      if (sync == SyncMode::kNo && call == Call::kSync) continue;
      CAPTURE(static_cast<int>(call));
      FaultyFileSystem disk;
      auto core = open_core(disk, sync);
      REQUIRE(core->put({"key", "old", 0}));
      disk.inject({.fault = Fault::kNoSpace, .times = kForever, .call = call});
      const auto put = core->put({"key", "new", 0});
      REQUIRE_FALSE(put);
      CHECK(put.error().code == ErrorCode::kIo);
      const auto synced = core->sync();
      REQUIRE_FALSE(synced);
      CHECK(synced.error().code != ErrorCode::kNoSpace);
      disk.clear_faults();
      CHECK(core->put({"key", "newer", 0}).error().code == ErrorCode::kReadOnly);
    }
  }
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kNo);
  REQUIRE(core->put({"key", "new", 0}));
  disk.inject({.fault = Fault::kNoSpace, .times = 1, .call = Call::kSync, .path = ".seg"});
  const auto synced = core->sync();
  REQUIRE_FALSE(synced);
  CHECK(synced.error().code == ErrorCode::kIo);
  CHECK(synced.error().message.find("No space left on device") != std::string::npos);
}

TEST_CASE("what failed to be written is nothing that anybody is shown, and no damage") {
  for (const size_t size : {10, 1 << 20}) {
    CAPTURE(size);
    FaultyFileSystem disk;
    auto core = open_core(disk, SyncMode::kNo);
    REQUIRE(core->put({"key", "old", 0}));
    REQUIRE(core->put({"{key}2", "old", 0}));
    disk.inject({.fault = Fault::kIo, .times = 1, .call = Call::kWrite});
    CHECK_FALSE(core->put({"key", std::string(size, 'n'), 0}));
    CHECK(core->get("key").error().code == ErrorCode::kReadOnly);
    CHECK(*core->get("{key}2") == "old");
  }
}

TEST_CASE("what is changed by a write that failed is not known, and the rest is read as ever") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kNo);
  const int64_t later = BitcaskCore::now_ms() + 1'000'000;
  const std::vector<std::string> others = {"{a}1", "{a}2", "elsewhere"};
  for (const auto& key : {"{a}gone", "{a}kept", "{a}over"}) REQUIRE(core->put({key, "old", 0}));
  for (const auto& key : others) REQUIRE(core->put({key, "other", later}));
  std::string lost;
  disk.inject({.fault = Fault::kIo, .times = 1, .call = Call::kWrite});
  SUBCASE("a new value") {
    lost = "{a}over";
    CHECK_FALSE(core->put({lost, std::string(1 << 20, 'n'), later}));
  }
  SUBCASE("a new key") {
    lost = "{a}new";
    CHECK_FALSE(core->put({lost, "new", later}));
  }
  SUBCASE("a removal") {
    lost = "{a}gone";
    CHECK_FALSE(core->remove(lost));
  }
  SUBCASE("an expiry") {
    lost = "{a}kept";
    CHECK_FALSE(core->expire(lost, later));
  }
  SUBCASE("the last of a batch in many blocks") {
    lost = "{a}new";
    std::vector<BitcaskCore::Change> changes;
    const std::string value(3000, 'v');
    for (int i = 0; i < 60; ++i) changes.push_back({"{a}over", value, 0});
    changes.push_back({lost, "new", 0});
    changes.push_back({"{a}gone", {}, 0});
    changes.push_back({"{a}kept", "new", 0});
    CHECK_FALSE(core->write(changes));
    CHECK(core->get("{a}gone").error().code == ErrorCode::kReadOnly);
    CHECK(core->get("{a}kept").error().code == ErrorCode::kReadOnly);
  }
  CHECK(core->get(lost).error().code == ErrorCode::kReadOnly);
  CHECK(core->expiry(lost).error().code == ErrorCode::kReadOnly);
  CHECK(*core->get("{a}never") == std::nullopt);
  CHECK(*core->expiry("{a}never") == std::nullopt);
  for (const auto& key : others) {
    CHECK(*core->get(key) == "other");
    CHECK(*core->expiry(key) == later);
  }
  auto scan = SnapshotScan::open(core);
  REQUIRE(scan);
  size_t refused = 0;
  while (auto found = (*scan)->next()) {
    CAPTURE(found->key);
    const auto value = (*scan)->read(*found);
    if (!value) CHECK(value.error().code == ErrorCode::kReadOnly);
    if (found->key == lost) {
      ++refused;
      CHECK_FALSE(value);
    }
    if (std::count(others.begin(), others.end(), found->key) > 0) CHECK(value);
  }
  CHECK(refused == 1);
  for (uint32_t i = 0; i < 3; ++i) {
    std::lock_guard guard(core->store().shard(i));
    CHECK(core->store().shard(i).stats().damaged_records == 0);
  }
}

TEST_CASE("a full disk refuses puts and batches whole, and still takes removals") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kNo);
  REQUIRE(core->put({"key", "old", 0}));
  REQUIRE(core->put({"other", "old", 0}));
  disk.set_capacity(disk.used());
  const std::string large(2 << 20, 'x');
  CHECK(core->put({"key", large, 0}).error().code == ErrorCode::kNoSpace);
  for (int i = 0; i < 8; ++i) {  // whichever shard lacks the room
    const std::string big = fmt::format("big{}", i);
    const BitcaskCore::Change changes[] = {{"other", {}, 0}, {"a", "1", 0}, {big, large, 0}};
    CHECK(core->write(changes).error().code == ErrorCode::kNoSpace);
    CHECK(*core->get(big) == std::nullopt);
  }
  CHECK(*core->get("key") == "old");
  CHECK(*core->get("other") == "old");
  CHECK(*core->get("a") == std::nullopt);
  CHECK(*core->remove("other"));
  CHECK(*core->get("other") == std::nullopt);
}

TEST_CASE("a batch over shards is there whole or not at all after a power cut at any call") {
  const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f"};
  for (PowerLoss mode : {PowerLoss::kDrop, PowerLoss::kKeep, PowerLoss::kTearSectors}) {
    for (uint64_t skip = 0;; ++skip) {
      CAPTURE(skip);
      FaultyFileSystem disk;
      uint64_t done = 0;
      bool survived = false;
      {
        auto core = open_core(disk, SyncMode::kNo);
        disk.inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
        for (uint64_t round = 1; round <= 6; ++round) {
          std::vector<BitcaskCore::Change> changes;
          const std::string value = fmt::format("{}", round);
          for (const auto& name : names) changes.push_back({name, value, 0});
          const bool written = bool(core->write(changes));
          if (!written || (round % 2 == 0 && !core->sync())) break;
          if (round % 2 == 0) done = round;
        }
        survived = disk.faults() == 0;
      }
      FaultyFileSystem rest = disk.crash(skip, mode);
      auto core = open_core(rest, SyncMode::kNo);
      const auto first = core->get(names[0]);
      REQUIRE(first);
      for (const auto& name : names) {
        const auto value = core->get(name);
        REQUIRE(value);
        CHECK(*value == *first);
      }
      CHECK((*first ? std::stoull(**first) : 0) >= done);
      if (survived) break;
    }
  }
}

TEST_CASE("a store of the server's is opened once all its collections are gone") {
  Options like = core_options(SyncMode::kNo);
  like.element_index = MapIndex::make;
  StoreFixture fixture(FaultyFileSystem(), like);
  const auto make = [&](std::string_view key, uint32_t db) {
    fixture.change(key, [&](Shard& shard, uint64_t hash) {
      const KeydirEntry entry = shard.put_split(db, key, hash, 1, 0, "header");
      const std::string_view piece = "payload";
      auto& index = static_cast<MapIndex&>(shard.collection(entry.collection));
      index.set("element", shard.put_element(entry.collection, 1, "element", {&piece, 1}));
      index.set("another", shard.put_element(entry.collection, 1, "another", {&piece, 1}));
      shard.remove_element(entry.collection, 1, "another");
      shard.element_dropped(*index.recover_remove("another"));
      return true;
    });
  };
  const auto refuses = [](FaultyFileSystem& disk) {
    Options options = core_options(SyncMode::kNo);
    options.files = &disk;
    auto opened = BitcaskCore::open(options);
    return !opened && opened.error().code == ErrorCode::kFormat;
  };
  const std::vector<std::string> keys = {"removed", "replaced", "flushed"};
  for (const auto& key : keys) make(key, key == "flushed" ? 1 : 0);
  fixture.put("string", "value");
  for (const auto& key : keys) {
    FaultyFileSystem disk = fixture.disk->crash_process();
    CHECK(refuses(disk));
    if (key == "removed") fixture.remove(key);
    if (key == "replaced") fixture.put(key, "new");
    if (key == "flushed") fixture.flush(1);
  }
  // Once from the segments, once from hints.
  FaultyFileSystem killed = fixture.disk->crash_process();
  REQUIRE(fixture.store->close());
  fixture.store.reset();
  for (FaultyFileSystem* disk : {&killed, fixture.disk.get()}) {
    auto core = open_core(*disk, SyncMode::kNo);
    CHECK(*core->get("removed") == std::nullopt);
    CHECK(*core->get("replaced") == "new");
    CHECK(*core->get("string") == "value");
    REQUIRE(core->merge());
    REQUIRE(core->close());
    // And the server finds what it left.
    StoreFixture server(disk->crash_process(), like);
    CHECK(server.store->open_report().found.damaged_ranges == 0);
    CHECK(server.contents() ==
          std::map<std::string, std::string>{{"replaced", "new"}, {"string", "value"}});
  }
}

// StoreFixture: a store on a simulated disk, with put, get and remove that commit at once, and the
// ways to end it: a clean reopen, a process that dies, a device that loses power.
//
// Owns the disk. One thread.
#pragma once

#include <doctest/doctest.h>

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "engine/store.h"
#include "tests/engine/faulty_file.h"

namespace respcask::engine {

// For a store that comes to many segments, with merges as fast as they go.
inline Options small_segments() {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 8 * 1024;
  options.merge.bytes_per_second = 0;
  return options;
}

struct StoreFixture {
  StoreFixture() {
    raise_descriptor_limit();
    options.dir = "/store";
    options.shards = 4;
    options.segment_bytes = 1 << 20;
    reopen();
  }
  StoreFixture(FaultyFileSystem survivor, const Options& like)
      : disk(std::make_unique<FaultyFileSystem>(std::move(survivor))), options(like) {
    reopen();
  }

  void reopen() {
    if (store) REQUIRE(store->close());
    store.reset();
    options.files = disk.get();
    auto opened = Store::open(options);
    if (!opened) FAIL(opened.error().message);
    store = std::move(*opened);
  }

  // Whether it comes to that in time.
  template <class Condition>
  static bool wait_for(const Condition& condition,
                       std::chrono::seconds most = std::chrono::seconds(60)) {
    const auto deadline = std::chrono::steady_clock::now() + most;
    while (!condition()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    return true;
  }

  // What kill -9 leaves: the files as they are, nothing of the process.
  void crash_process() { restart_on(disk->crash_process()); }
  // What a power cut leaves: all that was synced, and of the rest what the mode says.
  void lose_power(uint64_t seed, PowerLoss mode) { restart_on(disk->crash(seed, mode)); }

  void restart_on(FaultyFileSystem survivor) {
    store.reset();
    disk = std::make_unique<FaultyFileSystem>(std::move(survivor));
    reopen();
  }

  template <class Change>
  auto change(std::string_view key, Change change, uint64_t bytes = 1 << 20,
              Growth growth = Growth::kGrows) {
    Shard& shard = store->shard(store->shard_of(key));
    ShardSet set;
    set.add(shard.index());
    auto result = [&] {
      std::lock_guard guard(shard);
      auto reserved = shard.reserve(bytes, growth);
      if (!reserved) FAIL(reserved.error().message);
      shard.begin_batch();
      auto value = change(shard, shard.hash(key));
      shard.end_batch(nullptr);
      return value;
    }();
    REQUIRE(store->commit(set));
    return result;
  }

  void put(std::string_view key, std::string_view value, uint32_t db = 0, int64_t expiry_ms = 0) {
    change(key, [&](Shard& shard, uint64_t hash) {
      return shard.put(db, key, hash, 0, expiry_ms, {&value, 1});
    });
  }
  bool set_expiry(std::string_view key, int64_t expiry_ms) {
    return change(key, [&](Shard& shard, uint64_t hash) {
      return shard.set_expiry(0, key, hash, expiry_ms);
    });
  }
  bool remove(std::string_view key, uint32_t db = 0) {
    return change(key, [&](Shard& shard, uint64_t hash) { return shard.remove(db, key, hash); });
  }
  bool remove_shrinking(std::string_view key) {
    return change(
        key, [&](Shard& shard, uint64_t hash) { return shard.remove(0, key, hash); }, 1024,
        Growth::kShrinks);
  }

  std::optional<std::string> get(std::string_view key, uint32_t db = 0) {
    Shard& shard = store->shard(store->shard_of(key));
    std::lock_guard guard(shard);
    auto entry = shard.find(db, key, shard.hash(key));
    if (!entry) return std::nullopt;
    return read(shard, *entry);
  }

  // The same, with "DAMAGED" for a value that does not match its checksum, and "LOST" for one that
  // failed to be written.
  std::optional<std::string> try_get(std::string_view key, uint32_t db = 0) {
    Shard& shard = store->shard(store->shard_of(key));
    std::lock_guard guard(shard);
    auto entry = shard.find(db, key, shard.hash(key));
    if (!entry) return std::nullopt;
    ValueRead value = shard.read(entry->where, entry->value_size);
    if (value.state == ValueRead::State::kDamaged) return "DAMAGED";
    if (value.state == ValueRead::State::kReady) return std::string(value.bytes);
    if (value.state == ValueRead::State::kLost) return "LOST";
    auto fetched = fetch(shard.cold_read(entry->where, entry->value_size));
    if (fetched) return *fetched;
    shard.count_damage();
    return "DAMAGED";
  }

  std::string read(Shard& shard, const KeydirEntry& entry) {
    ValueRead value = shard.read(entry.where, entry.value_size);
    if (value.state == ValueRead::State::kCold) {
      auto fetched = fetch(shard.cold_read(entry.where, entry.value_size));
      if (!fetched) FAIL(fetched.error().message);
      return *fetched;
    }
    REQUIRE(value.state == ValueRead::State::kReady);
    return std::string(value.bytes);
  }

  std::map<std::string, std::string> contents(uint32_t db = 0) {
    std::map<std::string, std::string> all;
    for (uint32_t i = 0; i < store->shard_count(); ++i) {
      Shard& shard = store->shard(i);
      std::lock_guard guard(shard);
      uint64_t cursor = 0;
      do {
        cursor = shard.keydir(db).scan(cursor, [&](std::string_view key, const KeydirEntry& entry) {
          all[std::string(key)] = read(shard, entry);
        });
      } while (cursor != 0);
    }
    return all;
  }

  void in_all_shards(const std::function<void(Shard&)>& change) {
    const ShardSet all = ShardSet::first(store->shard_count());
    for (uint32_t i : all) store->shard(i).lock();
    const TransactionMark mark = store->begin_transaction(all);
    for (uint32_t i : all) {
      Shard& shard = store->shard(i);
      REQUIRE(shard.reserve(1024, Growth::kShrinks));
      shard.begin_batch();
      change(shard);
      shard.end_batch(&mark);
    }
    for (uint32_t i : all) store->shard(i).unlock();
    REQUIRE(store->commit(all));
  }
  void flush(uint32_t db) {
    in_all_shards([&](Shard& shard) { shard.flush(db); });
  }
  void swap(uint32_t db1, uint32_t db2) {
    in_all_shards([&](Shard& shard) { shard.swap(db1, db2); });
  }

  uint64_t live_bytes() { return sum(&ShardStats::live_bytes); }
  uint64_t total_bytes() { return sum(&ShardStats::total_bytes); }
  uint64_t sum(uint64_t ShardStats::*field) {
    uint64_t total = 0;
    for (uint32_t i = 0; i < store->shard_count(); ++i) {
      std::lock_guard guard(store->shard(i));
      total += store->shard(i).stats().*field;
    }
    return total;
  }

  // Destroyed last: the store closes files on it.
  std::unique_ptr<FaultyFileSystem> disk = std::make_unique<FaultyFileSystem>();
  Options options;
  std::unique_ptr<Store> store;
};

}  // namespace respcask::engine

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/engine/map_index.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

// What one client does to keys that are its own: it knows what each of them must hold.
class Client {
 public:
  Client(Store& store, uint64_t seed, int number) : store_(store), random_(seed), number_(number) {}

  void run(int turns) {
    for (int turn = 0; turn < turns; ++turn) {
      const std::string key = fmt::format("c{}k{}", number_, below(random_, 40));
      Shard& shard = store_.shard(store_.shard_of(key));
      ShardSet set;
      set.add(shard.index());
      {
        std::lock_guard guard(shard);
        if (!matches(shard, key)) ++wrong;
        if (!shard.reserve(64 * 1024, Growth::kGrows)) ++wrong;
        shard.begin_batch();
        change(shard, key);
        shard.end_batch(nullptr);
      }
      if (!store_.commit(set)) ++wrong;
    }
  }

  int wrong = 0;

 private:
  bool matches(Shard& shard, const std::string& key) {
    const auto entry = shard.find(0, key, shard.hash(key));
    const auto expected = values_.find(key);
    if (expected == values_.end()) return !entry;
    if (!entry) return false;
    const ValueRead value = shard.read(entry->where, entry->value_size);
    if (value.state == ValueRead::State::kReady) return value.bytes == expected->second;
    if (value.state == ValueRead::State::kDamaged) return false;
    const auto fetched = fetch(shard.cold_read(entry->where, entry->value_size));
    return fetched && *fetched == expected->second;
  }

  void change(Shard& shard, const std::string& key) {
    const uint64_t hash = shard.hash(key);
    const std::string value(below(random_, 200), static_cast<char>('a' + below(random_, 26)));
    const std::string_view piece = value;
    switch (below(random_, 5)) {
      case 0:
        shard.remove(0, key, hash);
        values_.erase(key);
        return;
      case 1: {
        const KeydirEntry entry = shard.put_split(0, key, hash, 1, 0, value);
        auto& index = static_cast<MapIndex&>(shard.collection(entry.collection));
        index.set("e", shard.put_element(entry.collection, 1, "e", {&piece, 1}));
        break;
      }
      default:
        shard.put(0, key, hash, 0, 0, {&piece, 1});
    }
    values_[key] = value;
  }

  Store& store_;
  Random random_;
  int number_;
  std::map<std::string, std::string> values_;
};

}  // namespace

// For the thread sanitizer above all: everything that runs in the background runs here.
TEST_CASE("clients see their own writes while the store merges, syncs, settles and is asked") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 16 * 1024;
  options.merge.bytes_per_second = 0;
  options.sync = SyncMode::kAlways;
  options.element_index = MapIndex::make;
  StoreFixture fixture(FaultyFileSystem(), options);
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(*fixture.store, seed + static_cast<uint64_t>(i), i);
  }
  std::atomic<bool> done{false};
  std::thread asker([&] {
    while (!done) {
      fixture.store->request_merge();
      (void)fixture.live_bytes();
      (void)fixture.store->merge_stats();
      (void)fixture.store->sync();
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  std::vector<std::thread> threads;
  for (Client& client : clients) {
    threads.emplace_back([&] {
      // On a busy machine it may take a while until there is a merge to run beside.
      int rounds = 0;
      do {
        client.run(2000);
      } while (fixture.store->merge_stats().merges == 0 && ++rounds < 20);
    });
  }
  for (std::thread& thread : threads) thread.join();
  done = true;
  asker.join();
  for (const Client& client : clients) CHECK(client.wrong == 0);
  CHECK(fixture.store->merge_stats().merges > 0);
  const auto before = fixture.contents();
  fixture.crash_process();
  CHECK(fixture.contents() == before);
}

TEST_CASE("who works through a shard slice by slice lets a waiter in after the slice under way") {
  StoreFixture fixture;
  Shard& shard = fixture.store->shard(0);
  std::atomic<bool> begun{false};
  std::atomic<bool> served{false};
  std::atomic<int> slices{0};
  std::thread worker([&] {
    while (!served) {
      shard.lock();
      begun = true;
      ++slices;
      const auto end = std::chrono::steady_clock::now() + std::chrono::microseconds(20);
      while (std::chrono::steady_clock::now() < end) {
      }
      shard.unlock();
      shard.make_way();
    }
  });
  while (!begun) std::this_thread::yield();
  int waited = 0;
  for (int i = 0; i < 200; ++i) {
    std::this_thread::sleep_for(std::chrono::microseconds(100));
    const int before = slices;
    std::lock_guard guard(shard);
    waited += slices - before;
  }
  served = true;
  worker.join();
  // None where nothing else runs; without making way it is hundreds for each.
  CHECK(waited <= 200);
}

TEST_CASE("who waited for syncs is told of none once somebody else does") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  std::atomic<bool> done{false};
  std::thread syncer([&] {
    while (!done) CHECK(fixture.store->sync());
  });
  for (int i = 0; i < 2000; ++i) {
    auto told = std::make_unique<std::string>();
    fixture.store->on_sync([&waiter = *told] { waiter += "told"; });
    fixture.store->on_sync({});
  }
  done = true;
  syncer.join();
}

TEST_CASE("nothing is acknowledged behind a transaction of which one shard fails to be synced") {
  std::atomic<bool> told{false};
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.sync = SyncMode::kNo;
  options.log = [&](LogLevel, std::string_view text) {
    if (!text.starts_with("shard 1 is read-only")) return;
    told = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
  };
  StoreFixture fixture(FaultyFileSystem(), options);
  Store& store = *fixture.store;
  std::vector<std::string> keys(2);
  for (int i = 0; keys[0].empty() || keys[1].empty(); ++i) {
    const std::string key = std::to_string(i);
    keys[store.shard_of(key)] = key;
  }
  for (const std::string& key : keys) fixture.put(key, "old");

  // While both are being synced a transaction comes and, in the shard that is sound, what follows
  // it.
  const auto put = [&](const std::string& key, std::string_view value) {
    Shard& shard = store.shard(store.shard_of(key));
    shard.put(0, key, shard.hash(key), 0, 0, {&value, 1});
  };
  fixture.disk->set_sync_time(std::chrono::seconds(1));
  fixture.disk->inject({.fault = Fault::kIo, .times = 1, .call = Call::kSync, .path = "shard-01"});
  std::thread syncer([&] { CHECK_FALSE(store.sync()); });
  while (fixture.disk->most_syncs_at_once() == 0) std::this_thread::yield();
  const ShardSet both = ShardSet::first(2);
  for (uint32_t i : both) store.shard(i).lock();
  const TransactionMark mark = store.begin_transaction(both);
  for (uint32_t i : both) {
    REQUIRE(store.shard(i).reserve(1024, Growth::kGrows));
    store.shard(i).begin_batch();
    put(keys[i], "new");
    store.shard(i).end_batch(&mark);
  }
  REQUIRE(store.shard(0).reserve(1024, Growth::kGrows));
  store.shard(0).begin_batch();
  put("{" + keys[0] + "}", "behind");
  store.shard(0).end_batch(nullptr);
  for (uint32_t i : both) store.shard(i).unlock();

  while (!told) std::this_thread::yield();
  const ShardSet first = ShardSet::first(1);
  CHECK_FALSE(store.commit(first));
  syncer.join();
  fixture.options.log = nullptr;
  fixture.crash_process();
  CHECK(fixture.get(keys[0]) == "old");
  CHECK(fixture.get(keys[1]) == "old");
}

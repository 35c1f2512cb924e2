#include "engine/store.h"

#include <doctest/doctest.h>
#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <random>
#include <string>
#include <thread>

#include "tests/engine/directory.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

TEST_CASE("what was put is there after a reopen, what was removed is not") {
  StoreFixture fixture;
  fixture.put("a", "1");
  fixture.put("b", std::string(100000, 'x'));
  fixture.put("a", "2");
  fixture.put("gone", "3");
  fixture.remove("gone");
  CHECK(fixture.get("a") == "2");
  fixture.reopen();
  CHECK(fixture.get("a") == "2");
  CHECK(fixture.get("b") == std::string(100000, 'x'));
  CHECK(fixture.get("gone") == std::nullopt);
}

TEST_CASE("a store agrees with a map through overwrites, removals, rollovers and reopens") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  StoreFixture fixture;
  fixture.options.segment_bytes = 64 * 1024;
  fixture.reopen();
  std::map<std::string, std::string> model;
  for (int i = 0; i < 20000; ++i) {
    const std::string key = "key" + std::to_string(random() % 300);
    switch (random() % 8) {
      case 0:
        fixture.remove(key);
        model.erase(key);
        break;
      case 1:
        CHECK(fixture.get(key) == (model.contains(key) ? std::optional(model[key]) : std::nullopt));
        break;
      default: {
        std::string value(random() % 200, static_cast<char>('a' + random() % 26));
        fixture.put(key, value);
        model[key] = value;
      }
    }
    if (random() % 4000 == 0) fixture.reopen();
    if (random() % 4000 == 0) fixture.crash_process();
  }
  fixture.reopen();
  CHECK(fixture.contents() == model);
}

TEST_CASE("live bytes are the same whether counted as they change or at recovery") {
  StoreFixture fixture;
  fixture.options.segment_bytes = 8 * 1024;
  fixture.reopen();
  std::mt19937_64 random(7);
  for (int i = 0; i < 3000; ++i) {
    const std::string key = "key" + std::to_string(random() % 100);
    if (random() % 5 == 0) {
      fixture.remove(key);
    } else {
      fixture.put(key, std::string(random() % 90, 'v'));
    }
  }
  const uint64_t before = fixture.live_bytes();
  fixture.reopen();
  CHECK(fixture.live_bytes() == before);
  uint64_t expected = 0;
  for (auto& [key, value] : fixture.contents())
    expected += accounted_size(key.size(), value.size());
  CHECK(before == expected);
}

TEST_CASE("flushing a database empties it for good, in one small record") {
  StoreFixture fixture;
  for (int i = 0; i < 1000; ++i) fixture.put("key" + std::to_string(i), "value");
  const uint64_t before = fixture.total_bytes();
  fixture.flush(0);
  CHECK(fixture.total_bytes() - before < 100 * fixture.store->shard_count());
  CHECK(fixture.contents().empty());
  fixture.put("new", "1");
  fixture.reopen();
  CHECK(fixture.contents() == std::map<std::string, std::string>{{"new", "1"}});
}

TEST_CASE("a database of few keys is freed when it is flushed") {
  StoreFixture fixture;
  for (int i = 0; i < 1000; ++i) fixture.put("key" + std::to_string(i), "value");
  fixture.flush(0);
  ShardStats sum;
  for (uint32_t i = 0; i < fixture.store->shard_count(); ++i) {
    std::lock_guard guard(fixture.store->shard(i));
    const ShardStats one = fixture.store->shard(i).stats();
    sum.garbage += one.garbage;
    sum.garbage_freed += one.garbage_freed;
    sum.live_bytes += one.live_bytes;
  }
  CHECK(sum.garbage == 0);
  CHECK(sum.garbage_freed == fixture.store->shard_count());
  CHECK(sum.live_bytes == 0);
}

TEST_CASE("a database of many keys is freed little by little after it is flushed") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  fixture.change("key0", [](Shard& shard, uint64_t) {
    const std::string_view value = "value";
    for (int i = 0; i < 10'000; ++i) {
      const std::string key = "key" + std::to_string(i);
      shard.put(0, key, shard.hash(key), 0, 0, {&value, 1});
    }
    return true;
  });
  fixture.flush(0);
  fixture.put("new", "1");
  ShardStats stats;
  for (int i = 0; i < 2000; ++i) {
    {
      std::lock_guard guard(fixture.store->shard(0));
      stats = fixture.store->shard(0).stats();
    }
    if (stats.garbage == 0) break;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  CHECK(stats.garbage == 0);
  CHECK(stats.garbage_freed == 1);
  CHECK(stats.live_bytes < 100);
  CHECK(fixture.contents() == std::map<std::string, std::string>{{"new", "1"}});
}

TEST_CASE("swapped databases stay swapped") {
  StoreFixture fixture;
  fixture.put("a", "zero", 0);
  fixture.put("b", "one", 1);
  fixture.put("c", "two", 2);
  fixture.swap(0, 1);
  fixture.swap(1, 2);
  for (int round = 0; round < 2; ++round) {
    CHECK(fixture.get("b", 0) == "one");
    CHECK(fixture.get("c", 1) == "two");
    CHECK(fixture.get("a", 2) == "zero");
    CHECK(fixture.get("a", 0) == std::nullopt);
    fixture.reopen();
  }
}

TEST_CASE("a second process is refused in one sentence") {
  StoreFixture fixture;
  auto second = Store::open(fixture.options);
  REQUIRE(!second);
  CHECK(second.error().code == ErrorCode::kInUse);
}

TEST_CASE("the number of shards is the one that the store was created with") {
  StoreFixture fixture;
  fixture.put("a", "1");
  fixture.options.shards = 5;
  fixture.reopen();
  CHECK(fixture.store->shard_count() == 4);
  CHECK(fixture.get("a") == "1");
}

TEST_CASE("what is accounted for a record is no more than the record takes") {
  char bytes[128];
  for (const RecordKind kind :
       {RecordKind::kPut, RecordKind::kTombstone, RecordKind::kExpiry, RecordKind::kSplitRoot,
        RecordKind::kElement, RecordKind::kElementTombstone, RecordKind::kNamespace}) {
    Record record;
    record.kind = kind;
    record.name = "n";
    // Collections have higher ids than the first namespaces.
    record.collection = kFirstSequence;
    const bool is_element = kind == RecordKind::kElement || kind == RecordKind::kElementTombstone;
    if (is_element) record.owner = kFirstSequence;
    const size_t value_size = has_value(kind) ? kValueChecksumSize : 0;
    CHECK(accounted_size(record) <= encode_record(record, bytes) + value_size);
  }
}

TEST_CASE("live bytes are no more than all bytes, however small the records") {
  StoreFixture fixture;
  fixture.change("{a}", [](Shard& shard, uint64_t) {
    for (int i = 0; i < 1000; ++i) {
      const std::string key = fmt::format("{{a}}{}", i);
      shard.put(0, key, shard.hash(key), 0, 0, {});
    }
    return true;
  });
  CHECK(fixture.live_bytes() > 0);
  CHECK(fixture.live_bytes() <= fixture.total_bytes());
}

TEST_CASE("databases that are not asked for are kept for who asks again") {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 4096;
  StoreFixture fixture(FaultyFileSystem(), options);
  for (int i = 0; i < 100; ++i) fixture.put("key" + std::to_string(i), "twelve", 12);
  fixture.swap(3, 13);
  fixture.put("a", "three", 3);
  fixture.options.databases = 2;
  fixture.reopen();
  for (int i = 0; i < 400; ++i) fixture.put("fill", std::string(100, 'f'));
  const uint64_t before = fixture.store->merge_stats().requests_done;
  fixture.store->request_merge();
  while (fixture.store->merge_stats().requests_done == before) std::this_thread::yield();
  CHECK(fixture.store->merge_stats().merges > 0);
  fixture.options.databases = 16;
  fixture.reopen();
  CHECK(fixture.contents(12).size() == 100);
  CHECK(fixture.get("a", 3) == "three");
  fixture.swap(3, 13);
  CHECK(fixture.get("a", 13) == "three");
}

TEST_CASE("a start says how many databases hold keys") {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  StoreFixture fixture(FaultyFileSystem(), options);
  CHECK(fixture.store->open_report().found.databases == 0);
  fixture.put("a", "1", 12);
  fixture.put("a", "1", 7);
  fixture.options.databases = 2;
  fixture.reopen();
  CHECK(fixture.store->open_report().found.databases == 13);
  fixture.options.databases = 16;
  fixture.reopen();
  fixture.swap(12, 5);
  fixture.options.databases = 2;
  fixture.reopen();
  CHECK(fixture.store->open_report().found.databases == 8);
  fixture.options.databases = 16;
  fixture.reopen();
  fixture.remove("a", 7);
  fixture.remove("a", 5);
  fixture.reopen();
  CHECK(fixture.store->open_report().found.databases == 0);
}

TEST_CASE("a directory that is there becomes a store though its parent may not be opened") {
  FaultyFileSystem disk;
  REQUIRE(disk.create_directory("/parent"));
  disk.inject({.fault = Fault::kDenied,
               .times = kForever,
               .call = Call::kSyncDirectory,
               .path = "/parent"});
  Options options;
  options.files = &disk;
  options.dir = "/parent/store";
  CHECK(Store::open(options).error().code == ErrorCode::kDenied);
  disk.clear_faults();
  REQUIRE(disk.create_directory("/parent/there"));
  FaultRule parent_alone{.fault = Fault::kDenied, .call = Call::kSyncDirectory, .path = "/parent"};
  disk.inject(parent_alone);
  options.dir = "/parent/there";
  auto store = Store::open(options);
  CHECK(disk.faults() == 2);
  REQUIRE(store);
  CHECK((*store)->close());
}

TEST_CASE("what reserving wrote, on its way to a new segment, is acknowledged when it is synced") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.segment_bytes = 4096;
  options.sync = SyncMode::kAlways;
  StoreFixture fixture(FaultyFileSystem(), options);
  ShardSet just_it;
  just_it.add(0);
  for (int i = 0; i < 5; ++i) {
    const std::string key = fmt::format("key{}", i);
    const std::string value(5000, 'v');
    const std::string_view piece = value;
    Store& store = *fixture.store;
    Shard& shard = store.shard(0);
    {
      std::lock_guard guard(shard);
      REQUIRE(shard.reserve(6000, Growth::kGrows));
      shard.begin_batch();
      shard.put(0, key, shard.hash(key), 0, 0, {&piece, 1});
      shard.end_batch(nullptr);
      // A command that then changes nothing.
      REQUIRE(shard.reserve(100, Growth::kGrows));
    }
    const auto point = store.commit(just_it);
    REQUIRE(point);
    for (int tries = 0; tries < 1000 && !store.synced(*point); ++tries) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
    }
    REQUIRE(store.synced(*point));
    fixture.lose_power(static_cast<uint64_t>(i), PowerLoss::kDrop);
    CHECK(fixture.get(key) == value);
  }
}

TEST_CASE("small commands between two commits share batches, and none is in a transaction's") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  const ShardSet just_it = ShardSet::first(1);
  auto batches = [&] {
    const std::string bytes = fixture.disk->contents("/store/shard-00/00000001.seg");
    std::vector<BatchHeader> found;
    for (auto batch = BatchReader::open(bytes, kSegmentHeaderSize); batch;
         batch = BatchReader::open(bytes, batch->end())) {
      found.push_back(batch->header());
    }
    return found;
  };
  Store& store = *fixture.store;
  Shard& shard = store.shard(0);
  auto put = [&](const std::string& key, size_t value_size, bool in_transaction = false) {
    const std::string value(value_size, 'v');
    const std::string_view piece = value;
    std::lock_guard guard(shard);
    REQUIRE(shard.reserve(value_size + 100, Growth::kGrows));
    in_transaction ? shard.begin_batch() : shard.join_batch();
    shard.put(0, key, shard.hash(key), 0, 0, {&piece, 1});
    const TransactionMark mark =
        in_transaction ? store.begin_transaction(just_it) : TransactionMark();
    shard.end_batch(in_transaction ? &mark : nullptr);
  };
  for (int i = 0; i < 10; ++i) put(fmt::format("a{}", i), 100);
  put("in a transaction", 100, true);
  put("behind it", 100);
  put("large", 5000);  // shares with what was before it,
  put("last", 100);    // and nobody with it
  REQUIRE(store.commit(just_it));
  put("of another commit", 100);
  REQUIRE(store.commit(just_it));
  std::vector<uint32_t> records;
  for (const BatchHeader& batch : batches()) {
    records.push_back(batch.records);
    CHECK(batch.has_transaction == (records.size() == 2));
  }
  CHECK(records == std::vector<uint32_t>{10, 1, 2, 1, 1});
  fixture.crash_process();
  CHECK(fixture.contents().size() == 15);
}

TEST_CASE("who holds a shard may ask about merges, whatever the sync thread is at") {
  StoreFixture fixture;
  fixture.options.sync = SyncMode::kNo;
  fixture.reopen();
  // It looks once a second.
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(1500);
  std::lock_guard guard(fixture.store->shard(0));
  while (std::chrono::steady_clock::now() < end) {
    (void)fixture.store->merge_stats();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST_CASE(
    "slots of segments that are gone are given again, though something is always being freed") {
  StoreFixture fixture;
  fixture.options.shards = 1;
  fixture.options.dir = "/one";
  fixture.reopen();
  const std::string large(1 << 20, 'v');
  uint32_t last_slot = 0;
  for (int round = 0; round < 30; ++round) {
    // So many keys that they are freed little by little, by another thread.
    for (int i = 0; i < 2500; ++i) fixture.put(std::to_string(i), "v", 1);
    fixture.flush(1);
    for (int i = 0; i < 3; ++i) fixture.put("large", large);
    Shard& shard = fixture.store->shard(0);
    {
      std::lock_guard guard(shard);
      last_slot = shard.find(0, "large", shard.hash("large"))->where.slot();
    }
    REQUIRE(fixture.store->merge_now());
  }
  CHECK(last_slot < 20);
}

TEST_CASE("a store goes on where no descriptor is to be had for a moment") {
  const Directory directory;
  Options options;
  options.dir = (directory.path / "store").string();
  options.shards = 1;
  options.segment_bytes = 1 << 20;
  auto store = Store::open(options);
  REQUIRE(store);
  const auto put = [&](const std::string& value) {
    ShardSet all = ShardSet::first(1);
    Shard& shard = (*store)->shard(0);
    {
      std::lock_guard guard(shard);
      if (!shard.reserve(2 << 20, Growth::kGrows)) return false;
      const std::string_view piece = value;
      shard.begin_batch();
      shard.put(0, "key", shard.hash("key"), 0, 0, {&piece, 1});
      shard.end_batch(nullptr);
    }
    return bool((*store)->commit(all));
  };
  const std::string large(1 << 20, 'v');
  for (int i = 0; i < 3; ++i) REQUIRE(put(large));  // names that are to be synced
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit none{0, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);
  const bool synced = bool((*store)->sync());
  bool written = true;
  for (int i = 0; i < 3; ++i) written = written && put(large);
  const bool synced_again = bool((*store)->sync());
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(synced);
  CHECK(written);
  CHECK(synced_again);
  CHECK(put("last"));
  CHECK((*store)->close());
}

TEST_CASE("a hint that could not be written is tried for again") {
  StoreFixture fixture;
  fixture.options.shards = 1;
  fixture.options.segment_bytes = 4096;
  fixture.restart_on(FaultyFileSystem());
  fixture.disk->inject(
      {.fault = Fault::kNoSpace, .times = 2, .call = Call::kCreate, .path = ".hint"});
  const auto hints = [&] {
    const auto names = fixture.disk->list("/store/shard-00");
    return std::count_if(names->begin(), names->end(),
                         [](const std::string& name) { return name.ends_with(".hint"); });
  };
  for (int i = 0; i < 8; ++i) fixture.put("key", std::string(3000, 'v'));
  REQUIRE(fixture.store->sync());
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (fixture.disk->faults() < 2 || hints() < 2) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

TEST_CASE("the hint of what is likely to be merged waits, and every other is written at once") {
  for (const bool overwrites : {false, true}) {
    for (const bool waits : {false, true}) {
      CAPTURE(overwrites);
      CAPTURE(waits);
      Options options;
      options.dir = "/store";
      options.shards = 1;
      options.segment_bytes = 4096;
      options.merge.least_bytes = 0;
      options.merge.bytes_per_second = 1;  // no merge comes to an end
      options.merge.hint_delay_ms = waits ? 3'600'000 : 1;
      StoreFixture fixture(FaultyFileSystem(), options);
      for (int i = 0; i < 20; ++i) {
        // Something in each segment stays, so that a merge has to copy it.
        fixture.put(overwrites && i % 2 != 0 ? "key" : std::to_string(i), std::string(1000, 'v'));
      }
      REQUIRE(fixture.store->sync());
      const auto hints = [&] {
        std::lock_guard guard(fixture.store->shard(0));
        return fixture.store->shard(0).stats().hints;
      };
      using Clock = std::chrono::steady_clock;
      const auto seen_by = Clock::now() + std::chrono::minutes(1);
      const auto unseen_by = Clock::now() + std::chrono::milliseconds(700);
      if (overwrites && waits) {
        while (Clock::now() < unseen_by) {
          REQUIRE(hints() == 0);
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      } else {
        while (hints() == 0) {
          REQUIRE(Clock::now() < seen_by);
          std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
      }
      fixture.reopen();
      const RecoveryReport& found = fixture.store->open_report().found;
      CHECK(found.hints == found.segments);
    }
  }
}

TEST_CASE("a store goes on where there is no memory for another segment for a moment") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.segment_bytes = 4096;
  StoreFixture fixture(FaultyFileSystem(), options);
  fixture.disk->inject({.fault = Fault::kNoMemory, .times = 3, .call = Call::kMap});
  for (int i = 0; i < 1000; ++i) fixture.put(std::to_string(i % 10), std::string(1000, 'v'));
  CHECK(fixture.disk->faults() == 3);
  CHECK(fixture.store->shard(0).stats().segments > 1);
  CHECK(fixture.contents().size() == 10);
}

TEST_CASE("room that is reserved and cannot be given back stops nothing") {
  for (const bool kept_open : {true, false}) {
    CAPTURE(kept_open);
    Options options;
    options.dir = "/store";
    options.shards = 1;
    options.segment_bytes = 4096;
    StoreFixture fixture(FaultyFileSystem(), options);
    for (int i = 0; i < 100; ++i) fixture.put(std::to_string(i), std::string(1000, 'v'));
    fixture.disk->inject({.times = kForever, .call = Call::kTruncate, .path = ".seg"});
    if (kept_open) {
      REQUIRE(fixture.store->sync());
      CHECK(fixture.store->shard(0).writable());
      fixture.put("late", "value");
    }
    CHECK(fixture.store->close());
    CHECK(fixture.disk->faults() > 0);
    fixture.disk->clear_faults();
    fixture.reopen();
    const RecoveryReport& found = fixture.store->open_report().found;
    CHECK(found.hints == found.segments);
    CHECK(found.torn_bytes + found.damaged_bytes == 0);
    CHECK(fixture.contents().size() == (kept_open ? 101 : 100));
  }
}

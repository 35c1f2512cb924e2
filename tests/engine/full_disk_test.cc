// What a full disk does to a store, and how it gets room again.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <initializer_list>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/backup.h"
#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

Options options_of(uint32_t shards) {
  Options options;
  options.dir = "/store";
  options.shards = shards;
  options.segment_bytes = 1 << 20;
  options.merge.bytes_per_second = 0;
  return options;
}

std::string key_of(int i) {
  return fmt::format("key{}", i);
}

// A store whose disk can be full.
struct FullDisk : StoreFixture {
  explicit FullDisk(const Options& like, FaultyFileSystem files = FaultyFileSystem())
      : StoreFixture(std::move(files), like) {}

  bool can(uint64_t bytes, Growth growth) {
    for (uint32_t i = 0; i < store->shard_count(); ++i) {
      Shard& shard = store->shard(i);
      std::lock_guard guard(shard);
      if (!shard.reserve(bytes, growth)) return false;
    }
    return true;
  }

  // False: there is no room.
  template <class Change>
  bool try_change(const std::string& key, uint64_t bytes, Growth growth, Change change) {
    Shard& shard = store->shard(store->shard_of(key));
    ShardSet set;
    set.add(shard.index());
    {
      std::lock_guard guard(shard);
      if (!shard.reserve(bytes, growth)) return false;
      shard.begin_batch();
      change(shard, shard.hash(key));
      shard.end_batch(nullptr);
    }
    REQUIRE(store->commit(set));
    return true;
  }
  bool try_put(const std::string& key, std::string_view value) {
    return try_change(key, 4096 + value.size(), Growth::kGrows, [&](Shard& shard, uint64_t hash) {
      shard.put(0, key, hash, 0, 0, {&value, 1});
    });
  }
  // The same, as soon as there is; false if that takes very long.
  bool put_at_last(const std::string& key, std::string_view value) {
    return wait_for([&] { return try_put(key, value); });
  }
  // While a merge has all the space there is, this waits too.
  void remove_at_last(const std::string& key) {
    REQUIRE(wait_for([&] {
      return try_change(key, 1024, Growth::kShrinks,
                        [&](Shard& shard, uint64_t hash) { shard.remove(0, key, hash); });
    }));
  }

  // What is kept back for merging, in bytes.
  uint64_t kept_bytes() const {
    const auto info = disk->stat("/store/RESERVE");
    return info && *info ? (*info)->allocated : 0;
  }

  // Puts key after key until there is no room; how many.
  int fill(std::string_view value) {
    int count = 0;
    while (try_put(key_of(count), value)) ++count;
    return count;
  }
};

}  // namespace

TEST_CASE("a full disk is merged with what is kept back for that, and takes what grows again") {
  Options options = options_of(1);
  options.segment_bytes = 1 << 18;
  options.merge.least_bytes = 0;
  FullDisk fixture(options);
  constexpr int kKeys = 40'000;
  for (int i = 0; i < kKeys; ++i) fixture.put(key_of(i), std::string(200, 'v'));
  // What is reserved behind sealed segments is given back, and somebody else takes the last block.
  REQUIRE(fixture.store->sync());
  fixture.disk->set_capacity(fixture.disk->used());
  const auto can_grow = [&] { return fixture.can(3 << 20, Growth::kGrows); };
  REQUIRE_FALSE(can_grow());
  std::map<std::string, std::string> kept;
  SUBCASE("when all of it is dropped") {
    fixture.flush(0);
  }
  SUBCASE("when most of it is removed") {
    for (int i = 0; i < kKeys; ++i) {
      if (i % 4 != 0) {
        fixture.remove_at_last(key_of(i));
      } else {
        kept[key_of(i)] = std::string(200, 'v');
      }
    }
  }
  CHECK(FullDisk::wait_for(can_grow));
  CHECK(fixture.contents() == kept);
  fixture.disk->set_capacity(uint64_t{1} << 40);
  fixture.wait_for(can_grow);
  fixture.put("new", "value");
  kept["new"] = "value";
  fixture.reopen();
  CHECK(fixture.contents() == kept);
}

TEST_CASE("a disk that has room for this process alone is not full") {
  Options options = options_of(1);
  options.segment_bytes = 8 * 1024;
  FaultyFileSystem disk;
  disk.hide_space();
  FullDisk fixture(options, std::move(disk));
  const std::string value(100'000, 'v');
  for (int round = 0; round < 20; ++round) {
    fixture.put(fmt::format("key{}", round % 2), value);
    REQUIRE(fixture.store->merge_now());
  }
  CHECK(fixture.get("key0") == value);
}

TEST_CASE("overwriting goes on where little is live, however small the disk") {
  FullDisk fixture(options_of(2));
  fixture.disk->set_capacity(12 << 20);
  const std::string value(4000, 'v');
  constexpr int kKeys = 600;
  for (int i = 0; i < 10'000; ++i) {
    REQUIRE(fixture.put_at_last(key_of(i % kKeys), value + std::to_string(i)));
  }
  CHECK(fixture.store->merge_stats().merges > 0);
  CHECK(fixture.get(key_of(7)) == value + std::to_string(9607));
}

TEST_CASE("what is removed from a full disk can be written again, however little it is") {
  FullDisk fixture(options_of(2));
  fixture.disk->set_capacity(24 << 20);
  const std::string value(4000, 'v');
  const int count = fixture.fill(value);
  REQUIRE(count > 2900);
  // Somebody else takes what is left.
  REQUIRE(fixture.store->sync());
  fixture.disk->set_capacity(fixture.disk->used());
  for (int i = 0; i < count; i += 10) fixture.remove_at_last(key_of(i));
  for (int i = 0; i < count; i += 20) REQUIRE(fixture.put_at_last(key_of(i), value));
  CHECK(fixture.get(key_of(0)) == value);
  CHECK(fixture.get(key_of(1)) == value);
  CHECK_FALSE(fixture.get(key_of(10)));
}

TEST_CASE("tombstones behind data that nobody touches do not fill a disk for good") {
  FullDisk fixture(options_of(1));
  fixture.disk->set_capacity(24 << 20);
  const std::string value(1000, 'v');
  for (int i = 0; i < 12'000; ++i) REQUIRE(fixture.put_at_last(key_of(i), value));
  for (int i = 0; i < 20'000; ++i) {
    const std::string job = fmt::format("{}{}", std::string(1000, 'j'), i);
    REQUIRE(fixture.put_at_last(job, "x"));
    fixture.remove_at_last(job);
  }
  CHECK(fixture.contents().size() == 12'000);
  fixture.reopen();
  CHECK(fixture.contents().size() == 12'000);
}

TEST_CASE(
    "a segment that does not fit what is kept back keeps no others of a full disk from merging") {
  Options options = options_of(1);
  options.segment_bytes = 1 << 19;
  FullDisk fixture(options);
  for (int i = 0; i < 2000; ++i) fixture.put(key_of(i), std::string(1000, 'v'));
  // Names that come and go behind that. The large segments hold more garbage than the small ones
  // do, and more tombstones than can be copied.
  int jobs = 0;
  const auto run_jobs = [&](int count, int puts) {
    for (int i = 0; i < count; ++i) {
      const std::string job = fmt::format("{}{}", std::string(1000, 'j'), ++jobs);
      for (int j = 0; j < puts; ++j) fixture.put(job, "x");
      fixture.remove(job);
    }
  };
  run_jobs(3000, 1);
  fixture.options.segment_bytes = 16 << 20;
  fixture.reopen();
  run_jobs(3000, 1);
  run_jobs(5000, 2);
  REQUIRE(fixture.store->sync());
  REQUIRE(fixture.store->close());
  fixture.store.reset();
  REQUIRE(fixture.disk->unlink("/store/RESERVE"));
  fixture.options.segment_bytes = 1 << 20;
  fixture.disk->set_capacity(fixture.disk->used() + (3 << 18));
  fixture.reopen();
  CHECK(fixture.put_at_last("large", std::string(8 << 20, 'v')));
  CHECK(fixture.contents().size() == 2001);
}

TEST_CASE("what is removed from a full disk can be written again, whatever the sizes are") {
  int rounds = 0;
  for (uint64_t seed = 1; seed <= 12; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    const auto pick = [&](std::initializer_list<uint64_t> of) {
      return of.begin()[random() % of.size()];
    };
    Options options = options_of(static_cast<uint32_t>(pick({1, 2, 4, 8})));
    options.segment_bytes = pick({256 << 10, 1 << 20, 4 << 20, 64 << 20});
    FullDisk fixture(options);
    fixture.disk->set_capacity(pick({24 << 20, 32 << 20, 48 << 20}));
    const std::string value(pick({200, 1000, 4000, 20'000, 100'000}), 'v');
    const int each = static_cast<int>(pick({2, 3}));
    const int count = fixture.fill(value);
    REQUIRE(fixture.store->sync());
    if (random() % 2 == 0) fixture.disk->set_capacity(fixture.disk->used());
    for (int round = 0; round < 3; ++round) {
      uint64_t removed_bytes = 0;
      for (int i = round % each; i < count; i += each) {
        if (!fixture.get(key_of(i))) continue;
        fixture.remove_at_last(key_of(i));
        removed_bytes += value.size();
      }
      // Some is kept back in each shard, for those that remove, and some for merges.
      const uint64_t kept_bytes = options.shards * kReserveBytes + (3 << 20);
      uint64_t left_bytes = (std::max(removed_bytes, kept_bytes) - kept_bytes) / 2;
      rounds += left_bytes >= value.size();
      for (int i = round % each; left_bytes >= value.size(); i += each) {
        REQUIRE(fixture.put_at_last(key_of(i), value));
        left_bytes -= value.size();
      }
    }
  }
  CHECK(rounds > 12);  // of 36 in which there was something to write again
}

TEST_CASE("hints of long names keep no full disk from being merged") {
  FullDisk fixture(options_of(1));
  fixture.disk->set_capacity(16 << 20);
  const auto name = [](int i) { return fmt::format("{:0300}", i); };
  // A removal takes a third of what it is going to win.
  const std::string value(600, 'v');
  int count = 0;
  while (fixture.try_put(name(count), value)) ++count;
  REQUIRE(count > 5'000);
  REQUIRE(fixture.store->sync());
  fixture.disk->set_capacity(fixture.disk->used());
  for (int i = 0; i < count; i += 5) fixture.remove_at_last(name(i));
  for (int i = 0; i < count / 20; ++i) REQUIRE(fixture.put_at_last(name(5 * i), value));
  CHECK(fixture.get(name(1)) == value);
  fixture.disk->set_capacity(uint64_t{1} << 40);
  fixture.reopen();
  CHECK(fixture.get(name(1)) == value);
  CHECK_FALSE(fixture.get(name(count / 5 * 5 - 5)));
}

TEST_CASE("what is kept back is not spent on what a backup holds too") {
  FullDisk fixture(options_of(1));
  fixture.disk->set_capacity(24 << 20);
  const std::string value(4000, 'v');
  constexpr int kKeys = 2000;
  for (int i = 0; i < kKeys; ++i) REQUIRE(fixture.put_at_last(key_of(i), value));
  REQUIRE(make_backup(*fixture.store, "/backups", 1));
  // Nothing that is dropped of these gives anything back as long as the backup is there.
  int count = kKeys;
  while (fixture.try_put(key_of(count), value)) ++count;
  REQUIRE(fixture.store->sync());
  fixture.disk->set_capacity(fixture.disk->used());
  for (int i = 0; i < kKeys; i += 2) fixture.remove_at_last(key_of(i));
  fixture.store->merge_now();
  // Some is lent for moments.
  CHECK(FullDisk::wait_for([&] { return fixture.kept_bytes() >= fixture.options.segment_bytes; }));
  CHECK((*fixture.disk->stat("/store/shard-00/00000001.seg")).has_value());
  for (int i = kKeys; i < count; i += 2) fixture.remove_at_last(key_of(i));
  for (int i = kKeys; i < count; i += 4) REQUIRE(fixture.put_at_last(key_of(i), value));
}

TEST_CASE("dropping all makes room, also in segments that nothing could be begun behind") {
  FullDisk fixture(options_of(2));
  fixture.disk->set_capacity(4 << 20);
  const std::string value(4000, 'v');
  REQUIRE(fixture.fill(value) > 100);
  for (int round = 0; round < 3; ++round) {
    fixture.wait_for([&] { return fixture.can(1024, Growth::kShrinks); });
    fixture.flush(0);
    for (int i = 0; i < 100; ++i) REQUIRE(fixture.put_at_last(key_of(i), value));
    fixture.fill(value);
  }
}

TEST_CASE("a store that is opened on a full disk can still remove what it has") {
  FullDisk fixture(options_of(4));
  const std::string value(4000, 'v');
  for (int i = 0; i < 500; ++i) fixture.put(key_of(i), value);
  REQUIRE(fixture.store->close());
  fixture.store.reset();
  // Somebody else takes the rest.
  fixture.disk->set_capacity(fixture.disk->used());
  fixture.reopen();
  CHECK_FALSE(fixture.can(1 << 20, Growth::kGrows));
  for (int i = 0; i < 500; i += 2) {
    REQUIRE(fixture.can(1024, Growth::kShrinks));
    fixture.remove_shrinking(key_of(i));
  }
  CHECK(fixture.put_at_last("new", value));
  CHECK(fixture.get(key_of(1)) == value);
  CHECK_FALSE(fixture.get(key_of(2)));
}

TEST_CASE("starts on a full disk keep back what was kept back before") {
  for (const uint64_t segment_bytes : {uint64_t{1} << 20, uint64_t{256} << 20}) {
    CAPTURE(segment_bytes);
    Options options = options_of(1);
    options.segment_bytes = segment_bytes;
    FullDisk fixture(options);
    fixture.disk->set_capacity(96 << 20);
    fixture.fill(std::string(100'000, 'v'));
    const uint64_t before = fixture.kept_bytes();
    REQUIRE(before > 4 * kReserveBytes);
    // A stop gives back what is reserved behind segments, and somebody else takes it.
    fixture.reopen();
    REQUIRE(fixture.store->close());
    fixture.store.reset();
    fixture.disk->set_capacity(fixture.disk->used());
    for (int start = 0; start < 4; ++start) fixture.reopen();
    // Some is for removals now.
    CHECK(fixture.kept_bytes() >= before - kReserveBytes);
  }
}

TEST_CASE("a start on a full disk keeps back what merging needs, also after a kill in a merge") {
  FullDisk fixture(options_of(1));
  fixture.disk->set_capacity(48 << 20);
  fixture.fill(std::string(100'000, 'v'));
  // A stop gives back what is reserved behind segments.
  REQUIRE(fixture.store->close());
  FaultyFileSystem killed = fixture.disk->crash_process();
  killed.set_contents("/store/RESERVE", "");
  // Half of it would be too little.
  killed.set_capacity(killed.used() + (1700 << 10));
  fixture.restart_on(std::move(killed));
  CHECK(fixture.kept_bytes() >= fixture.options.segment_bytes);
}

TEST_CASE("as much is kept back for merging as the largest segment takes") {
  FullDisk fixture(options_of(2));
  fixture.disk->set_capacity(64 << 20);
  const std::string value(6 << 20, 'v');
  REQUIRE(fixture.put_at_last("large", value));
  CHECK(FullDisk::wait_for([&] { return fixture.kept_bytes() >= value.size(); }));
}

TEST_CASE("what a large command has reserved and not used is given back to the disk") {
  FullDisk fixture(options_of(1));
  fixture.put("key", "value");
  const uint64_t before = fixture.disk->used();
  constexpr uint64_t kMuch = uint64_t{40} << 20;
  REQUIRE(fixture.can(kMuch, Growth::kGrows));
  constexpr uint64_t kUsual = uint64_t{2} << 20;
  CHECK(FullDisk::wait_for([&] { return fixture.disk->used() < before + kUsual; }));
  // What makes room has its own even so when the disk is full then.
  fixture.disk->set_capacity(fixture.disk->used());
  CHECK_FALSE(fixture.can(kMuch, Growth::kGrows));
  CHECK(fixture.can(kReserveBytes, Growth::kShrinks));
}

TEST_CASE("what is reserved for what is pending, and what small writes reserve ahead, stays") {
  FullDisk fixture(options_of(1));
  const auto turns_pass = [] { std::this_thread::sleep_for(std::chrono::milliseconds(400)); };
  for (int i = 0; i < 1000; ++i) fixture.try_put(key_of(i), std::string(500, 'v'));
  const uint64_t cuts = fixture.disk->calls(Call::kTruncate);
  turns_pass();
  CHECK(fixture.disk->calls(Call::kTruncate) == cuts);

  const std::string value(uint64_t{30} << 20, 'v');
  Shard& shard = fixture.store->shard(0);
  {
    std::lock_guard guard(shard);
    REQUIRE(shard.reserve(value.size() + 4096, Growth::kGrows));
    shard.begin_batch();
    shard.put(0, "large", shard.hash("large"), 0, 0, std::vector<std::string_view>{value});
    shard.end_batch(nullptr);
  }
  turns_pass();
  fixture.disk->set_capacity(fixture.disk->used());
  CHECK(fixture.store->commit(ShardSet::first(1)));
  CHECK(fixture.get("large") == value);
}

#include "engine/merge.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <memory>
#include <mutex>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <thread>

#include "engine/merge_picker.h"
#include "engine/store.h"
#include "tests/engine/map_index.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

constexpr int64_t kFar = 5'000'000'000'000;

// Asks for a merge and waits until it is done.
void merge_now(Store& store) {
  const uint64_t before = store.merge_stats().requests_done;
  store.request_merge();
  for (int i = 0; i < 2000 && store.merge_stats().requests_done == before; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  REQUIRE(store.merge_stats().requests_done > before);
}

std::map<std::string, std::string> overwrite_randomly(StoreFixture& fixture, uint64_t seed,
                                                      int changes) {
  std::mt19937_64 random(seed);
  std::map<std::string, std::string> model = fixture.contents();
  for (int i = 0; i < changes; ++i) {
    const std::string key = fmt::format("key{}", random() % 200);
    if (random() % 6 == 0) {
      fixture.remove(key);
      model.erase(key);
    } else {
      model[key] = fmt::format("{}{}", i, std::string(random() % 150, 'v'));
      fixture.put(key, model[key]);
    }
  }
  return model;
}

std::set<std::string> files_of(const FaultyFileSystem& disk) {
  std::set<std::string> all;
  for (int shard = 0; shard < 2; ++shard) {
    const std::string dir = fmt::format("/store/shard-{:02}", shard);
    for (auto& name : *disk.list(dir)) all.insert(dir + "/" + name);
  }
  return all;
}

}  // namespace

TEST_CASE("a merge keeps what is live, gives back the rest, and a reopen agrees") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  auto model = overwrite_randomly(fixture, seed, 6000);
  const uint64_t before = fixture.total_bytes();
  merge_now(*fixture.store);
  CHECK(fixture.contents() == model);
  CHECK(fixture.total_bytes() < before / 4);
  CHECK(fixture.total_bytes() < fixture.live_bytes() * 3 / 2);
  const uint64_t live = fixture.live_bytes();
  fixture.reopen();
  CHECK(fixture.contents() == model);
  CHECK(fixture.live_bytes() == live);
  fixture.crash_process();
  CHECK(fixture.contents() == model);
}

TEST_CASE("bytes that somebody holds stand when their segment is merged away") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  const std::string value(5000, 'v');
  fixture.put("held", value);
  Shard& shard = fixture.store->shard(fixture.store->shard_of("held"));
  std::string_view bytes;
  std::shared_ptr<const void> owner;
  std::string path;
  {
    std::lock_guard guard(shard);
    const auto entry = shard.find(0, "held", shard.hash("held"));
    REQUIRE(entry);
    bytes = shard.read(entry->where, entry->value_size).bytes;
    owner = shard.hold(entry->where, bytes);
    path = shard.segment_of(entry->where)->path();
    CHECK(shard.hold(entry->where, value) == nullptr);
  }
  REQUIRE(owner != nullptr);
  fixture.remove("held");
  overwrite_randomly(fixture, 1, 6000);
  merge_now(*fixture.store);
  CHECK(!files_of(*fixture.disk).contains(path));
  CHECK(bytes == value);
}

TEST_CASE("what is not in a segment's file yet cannot be held") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fixture.change("key", [](Shard& shard, uint64_t hash) {
    const std::string_view value = "value";
    const KeydirEntry entry = shard.put(0, "key", hash, 0, 0, {&value, 1});
    const ValueRead read = shard.read(entry.where, entry.value_size);
    CHECK(read.bytes == value);
    CHECK(shard.hold(entry.where, read.bytes) == nullptr);
    return true;
  });
}

TEST_CASE("a deleted key stays deleted after a merge of newer segments and a restart") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  // The put lies in the oldest segment, which stays almost whole; the tombstone in one that is
  // nearly all garbage and is merged alone.
  for (int i = 0; i < 100; ++i) fixture.put(fmt::format("old{}", i), std::string(100, 'o'));
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 300; ++i) fixture.put(fmt::format("x{}", i % 3), std::string(100, 'x'));
    fixture.remove(fmt::format("old{}", round));
    for (int i = 0; i < 300; ++i) fixture.put(fmt::format("x{}", i % 3), std::string(100, 'y'));
    merge_now(*fixture.store);
    fixture.reopen();
    CHECK(fixture.get(fmt::format("old{}", round)) == std::nullopt);
    CHECK(fixture.get("old50") == std::string(100, 'o'));
  }
}

TEST_CASE("of swapped databases a merge keeps who is who, and nothing of what was swapped before") {
  for (const bool asked : {true, false}) {
    CAPTURE(asked);
    Options options = small_segments();
    options.merge.least_bytes = asked ? uint64_t{1} << 40 : 0;
    StoreFixture fixture(FaultyFileSystem(), options);
    fixture.put("key", "zero", 0);
    fixture.put("key", "one", 1);
    fixture.put("key", "two", 2);
    const auto is_small = [&] { return fixture.total_bytes() < 4096; };
    // As many as make the first two databases change places each time.
    const auto swap_often = [&] {
      for (int i = 0; i < 2001; ++i) fixture.swap(0, 1);
    };
    const auto give_back = [&] {
      if (asked) merge_now(*fixture.store);
      for (int i = 0; i < 1000 && !is_small(); ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
      CHECK(is_small());
    };
    const auto check = [&](const std::string& first, const std::string& second) {
      CHECK(fixture.get("key", 0) == first);
      CHECK(fixture.get("key", 1) == second);
      CHECK(fixture.get("key", 2) == "two");
    };
    swap_often();
    give_back();
    check("one", "zero");
    fixture.crash_process();
    check("one", "zero");
    // What a start has counted, from hints and from the log, is given back as well.
    swap_often();
    fixture.reopen();
    give_back();
    check("zero", "one");
    swap_often();
    fixture.crash_process();
    give_back();
    check("one", "zero");
    fixture.reopen();
    check("one", "zero");
  }
}

TEST_CASE("databases swapped and flushed before, between and during merges are who they were") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Options options = small_segments();
  options.segment_bytes = 4 * 1024;
  options.databases = 5;
  StoreFixture fixture(FaultyFileSystem(), options);
  // A key in each shard says what a database is.
  std::vector<std::string> keys;
  for (uint32_t shard = 0; shard < options.shards; ++shard) {
    for (int i = 0; keys.size() <= shard; ++i) {
      const std::string key = fmt::format("key{}", i);
      if (fixture.store->shard_of(key) == shard) keys.push_back(key);
    }
  }
  std::vector<std::optional<std::string>> databases(options.databases);
  for (int step = 0; step < 3000; ++step) {
    CAPTURE(step);
    const auto one = static_cast<uint32_t>(random() % options.databases);
    const auto other = static_cast<uint32_t>(random() % options.databases);
    switch (random() % 40) {
      case 0:
        merge_now(*fixture.store);
        break;
      case 1:
        fixture.store->request_merge();
        break;
      case 2:
        fixture.reopen();
        break;
      case 3:
        fixture.crash_process();
        break;
      case 4:
        fixture.lose_power(random(), PowerLoss::kKeep);
        break;
      case 5:
      case 6:
        fixture.flush(one);
        databases[one].reset();
        break;
      case 7:
      case 8:
        databases[one] = fmt::format("{}", step);
        for (const std::string& key : keys) fixture.put(key, *databases[one], one);
        break;
      default:
        fixture.swap(one, other);
        std::swap(databases[one], databases[other]);
        break;
    }
    for (uint32_t db = 0; db < options.databases; ++db) {
      CAPTURE(db);
      for (const std::string& key : keys) REQUIRE(fixture.get(key, db) == databases[db]);
    }
  }
}

TEST_CASE("tombstones behind data that nobody touches do not pile up") {
  Options options = small_segments();
  options.shards = 1;
  for (const bool asked : {true, false}) {
    CAPTURE(asked);
    // Merges of their own accord, or not before they are asked for.
    options.merge.least_bytes = asked ? uint64_t{1} << 40 : 0;
    StoreFixture fixture(FaultyFileSystem(), options);
    for (int i = 0; i < 100; ++i) fixture.put(fmt::format("cold{}", i), std::string(1000, 'c'));
    const auto contents = fixture.contents();
    for (int i = 0; i < 5000; ++i) {
      const std::string key = fmt::format("session:00000000-0000-0000-0000-{:012}", i);
      fixture.put(key, "x");
      fixture.remove(key);
    }
    if (asked) merge_now(*fixture.store);
    const auto is_small = [&] { return fixture.total_bytes() < fixture.live_bytes() * 2; };
    for (int i = 0; i < 1000 && !is_small(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    CHECK(is_small());
    // Nor is all that they are merged with made one segment.
    for (const std::string& name : *fixture.disk->list("/store/shard-00")) {
      CAPTURE(name);
      if (!name.ends_with(".seg")) continue;
      const auto info = fixture.disk->stat("/store/shard-00/" + name);
      REQUIRE(info);
      if (*info) CHECK((*info)->size < 4 * options.segment_bytes);  // or merged away meanwhile
    }
    CHECK(fixture.contents() == contents);
    fixture.reopen();
    CHECK(fixture.contents() == contents);
  }
}

TEST_CASE("expiries of data that nobody touches otherwise go with a merge that is asked for") {
  Options options = small_segments();
  options.shards = 1;
  options.merge.least_bytes = uint64_t{1} << 40;
  StoreFixture fixture(FaultyFileSystem(), options);
  constexpr int kKeys = 2000;
  constexpr int kRounds = 4;
  const auto key_of = [](int i) { return fmt::format("{:06}", i); };
  const auto expiry_of = [](int i, int round) { return 5'000'000'000'000 + i + round; };
  for (int i = 0; i < kKeys; ++i) fixture.put(key_of(i), std::string(10, 'c'));
  for (int round = 0; round < kRounds; ++round) {
    for (int i = 0; i < kKeys; ++i) fixture.set_expiry(key_of(i), expiry_of(i, round));
  }
  const auto contents = fixture.contents();
  merge_now(*fixture.store);
  CHECK(fixture.total_bytes() < fixture.live_bytes() * 4 / 3);
  for (const bool again : {false, true}) {
    if (again) fixture.reopen();
    CHECK(fixture.contents() == contents);
    Shard& shard = fixture.store->shard(0);
    std::lock_guard guard(shard);
    for (int i = 0; i < kKeys; ++i) {
      const auto entry = shard.find(0, key_of(i), shard.hash(key_of(i)));
      REQUIRE(entry->expiry_ms == expiry_of(i, kRounds - 1));
    }
  }
}

TEST_CASE(
    "a mark stays while an older merged segment holds what it speaks of, also after a start") {
  Options options = small_segments();
  options.shards = 1;
  options.segment_bytes = 64 * 1024;
  options.merge.least_bytes = uint64_t{1} << 40;
  StoreFixture fixture(FaultyFileSystem(), options);
  const auto put_some = [&](const std::string& key, int count) {
    for (int i = 0; i < count; ++i)
      fixture.put(fmt::format("{}{}", key, i), std::string(1000, 'v'));
  };
  put_some("cold", 600);
  merge_now(*fixture.store);
  for (int round = 0; round < 3; ++round) {
    CAPTURE(round);
    // Too little of a segment to have it merged again.
    const std::string removed = fmt::format("cold{}", 200 * round);
    const std::string expiring = fmt::format("cold{}", 200 * round + 100);
    fixture.remove(removed);
    fixture.set_expiry(expiring, kFar);
    // The marks are merged alone, and after a start once more.
    for (int again = 0; again < 2; ++again) {
      for (int i = 0; i < 50; ++i) put_some("hot", 3);
      merge_now(*fixture.store);
      fixture.reopen();
      CHECK_FALSE(fixture.get(removed));
      Shard& shard = fixture.store->shard(0);
      std::lock_guard guard(shard);
      CHECK(shard.find(0, expiring, shard.hash(expiring))->expiry_ms == kFar);
    }
  }
}

TEST_CASE("what joins a batch that was pending when a merge began is not taken for older than it") {
  Options options = small_segments();
  options.segment_bytes = 64 * 1024;
  options.merge.least_bytes = uint64_t{1} << 40;
  options.merge.bytes_per_second = 200'000;  // a run of each shard takes a good part of a second
  StoreFixture fixture(FaultyFileSystem(), options);
  std::vector<std::string> keys[2];
  for (int i = 0; keys[0].size() < 300 || keys[1].size() < 300; ++i) {
    const std::string key = fmt::format("key{}", i);
    keys[fixture.store->shard_of(key)].push_back(key);
  }
  for (const auto& in_shard : keys) {
    for (size_t i = 0; i < 360; ++i)
      fixture.put(in_shard[i < 240 ? i : i - 120], std::string(100, 'v'));
  }
  Shard& shard = fixture.store->shard(1);
  // Commands of one turn of a loop are in one batch until the turn ends.
  const auto run_in_turn = [&](auto change) {
    std::lock_guard guard(shard);
    REQUIRE(shard.reserve(4096, Growth::kGrows));
    shard.join_batch();
    change();
    shard.end_batch(nullptr);
  };
  const std::string& removed = keys[1][0];
  const auto merges = [&] { return fixture.store->merge_stats().merges; };
  fixture.disk->set_sync_time(std::chrono::milliseconds(50));
  std::thread request([&] { fixture.store->merge_now(); });
  // The merge of the other shard ends with a sync of all that is pending, and what comes after that
  // is pending when the next one begins.
  while (merges() == 0) {
    run_in_turn([&] {
      const std::string_view value = "x";
      shard.put(0, keys[1][299], shard.hash(keys[1][299]), 0, 0, {&value, 1});
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  // By now it has copied the key, and goes on with others for a while.
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  run_in_turn([&] { shard.remove(0, removed, shard.hash(removed)); });
  request.join();
  fixture.disk->set_sync_time({});
  merge_now(*fixture.store);  // what the turn has written
  CHECK_FALSE(fixture.get(removed));
  fixture.reopen();
  CHECK_FALSE(fixture.get(removed));
}

TEST_CASE("a store agrees with a map while merges run all the time") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  std::map<std::string, std::string> model;
  for (int round = 0; round < 15; ++round) {
    fixture.store->request_merge();
    model = overwrite_randomly(fixture, seed + static_cast<uint64_t>(round), 400);
    if (round % 5 == 2) fixture.reopen();
    if (round % 5 == 4) fixture.crash_process();
    REQUIRE(fixture.contents() == model);
  }
}

TEST_CASE("expiries survive a merge, whichever record carried them") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  for (int i = 0; i < 50; ++i) {
    const std::string key = fmt::format("key{}", i);
    fixture.put(key, std::string(100, 'v'), 0, i % 2 == 0 ? 5'000'000'000'000 : 0);
    if (i % 3 == 0) fixture.set_expiry(key, 6'000'000'000'000 + i);
    if (i % 6 == 0) fixture.set_expiry(key, 0);
  }
  auto expiry_of = [&](int i) {
    const std::string key = fmt::format("key{}", i);
    Shard& shard = fixture.store->shard(fixture.store->shard_of(key));
    std::lock_guard guard(shard);
    return shard.find(0, key, shard.hash(key))->expiry_ms;
  };
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 400; ++i) fixture.put("x", std::string(100, 'x'));
    merge_now(*fixture.store);
    for (int i = 0; i < 50; ++i) {
      CAPTURE(i);
      const int64_t expected = i % 6 == 0   ? 0
                               : i % 3 == 0 ? 6'000'000'000'000 + i
                               : i % 2 == 0 ? 5'000'000'000'000
                                            : 0;
      CHECK(expiry_of(i) == expected);
    }
    fixture.reopen();
  }
}

TEST_CASE("a flushed database does not come back through a merge") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  overwrite_randomly(fixture, 3, 1000);
  fixture.flush(0);
  merge_now(*fixture.store);
  CHECK(fixture.contents().empty());
  CHECK(fixture.total_bytes() < 8 * 1024);
  fixture.put("new", "1");
  fixture.reopen();
  CHECK(fixture.contents() == std::map<std::string, std::string>{{"new", "1"}});
}

TEST_CASE("the oldest segments are given back unread when nothing in them counts any more") {
  Options options = small_segments();
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  for (int i = 0; i < 500; ++i) fixture.put(fmt::format("job{}", i), "done");
  for (int i = 0; i < 500; ++i) fixture.remove(fmt::format("job{}", i));
  const uint64_t before = fixture.total_bytes();
  merge_now(*fixture.store);
  CHECK(fixture.total_bytes() < before / 100);
  CHECK(fixture.store->merge_stats().bytes_read == 0);
  fixture.reopen();
  CHECK(fixture.contents().empty());
}

TEST_CASE(
    "a power cut at any call of a merge loses nothing, revives nothing, leaves no file behind") {
  StoreFixture prepared(FaultyFileSystem(), small_segments());
  const auto model = overwrite_randomly(prepared, 5, 700);
  REQUIRE(prepared.store->sync());
  for (PowerLoss mode : {PowerLoss::kDrop, PowerLoss::kKeep, PowerLoss::kTearSectors}) {
    for (uint64_t skip = 0;; ++skip) {
      CAPTURE(skip);
      StoreFixture fixture(prepared.disk->crash_process(), small_segments());
      fixture.disk->inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
      merge_now(*fixture.store);
      const bool survived = fixture.disk->faults() == 0;
      fixture.lose_power(skip, mode);
      REQUIRE(fixture.contents() == model);
      REQUIRE(fixture.store->close());
      for (const std::string& file : files_of(*fixture.disk)) {
        CAPTURE(file);
        CHECK(file.find(".tmp") == std::string::npos);
        const size_t hint = file.rfind(".hint");
        if (hint != std::string::npos) {
          CHECK(files_of(*fixture.disk).contains(file.substr(0, hint) + ".seg"));
        }
      }
      if (survived) break;
    }
  }
}

TEST_CASE("the store opens from hints alone after a clean close, and without them all the same") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  const auto model = overwrite_randomly(fixture, 9, 2000);
  fixture.reopen();
  const auto& found = fixture.store->open_report().found;
  CHECK(found.hints == found.segments);
  CHECK(found.bytes_read == 0);
  CHECK(fixture.contents() == model);
  std::mt19937_64 random(4);
  REQUIRE(fixture.store->close());
  for (int round = 0; round < 60; ++round) {
    FaultyFileSystem disk = fixture.disk->crash_process();
    for (const std::string& file : files_of(disk)) {
      if (file.find(".hint") == std::string::npos) continue;
      const uint64_t size = disk.contents(file).size();
      switch (random() % 4) {
        case 0:
          disk.flip_bit(file, random() % (size * 8));
          break;
        case 1:
          disk.cut(file, random() % size);
          break;
        case 2:
          (void)disk.unlink(file);
          break;
        default:
          break;
      }
    }
    StoreFixture other(std::move(disk), small_segments());
    REQUIRE(other.contents() == model);
  }
}

namespace {

// Two stores that were one once have gone on, each with writes of its own, of the same sizes; now
// the one's newest segment lies beside the other's hint. `tail`: records behind what the hint
// covers.
std::unique_ptr<StoreFixture> mix_lines(bool tail) {
  Options options = small_segments();
  options.shards = 1;
  options.segment_bytes = 1 << 20;
  options.element_index = MapIndex::make;
  StoreFixture base(FaultyFileSystem(), options);
  base.put("shared", "1");
  base.reopen();
  std::string segment;
  const auto go_on = [&](std::string_view name) {
    auto line = std::make_unique<StoreFixture>(base.disk->crash_process(), options);
    const auto put_some = [&](int begin, int end) {
      for (int i = begin; i < end; ++i) {
        line->put(fmt::format("{}{:02}", name, i), std::string(100, name[0]));
        line->put("garbage", std::string(100, 'g'));
      }
    };
    put_some(0, 20);
    line->reopen();
    if (tail) put_some(20, 40);
    segment = "/store/shard-00/" + line->disk->list("/store/shard-00")->back();
    return line;
  };
  const auto other = go_on("other");
  auto mixed = go_on("mixed");
  if (tail) {
    auto killed = std::make_unique<FaultyFileSystem>(mixed->disk->crash_process());
    mixed->store.reset();
    mixed->disk = std::move(killed);
    mixed->disk->set_contents(segment, other->disk->crash_process().contents(segment));
  } else {
    REQUIRE(mixed->store->close());
    mixed->store.reset();
    REQUIRE(other->store->close());
    mixed->disk->set_contents(segment, other->disk->contents(segment));
  }
  mixed->reopen();
  return mixed;
}

}  // namespace

TEST_CASE("a segment that is not the one its hint speaks of is not merged, and nothing breaks") {
  for (const bool tail : {false, true}) {
    CAPTURE(tail);
    const auto mixed = mix_lines(tail);
    REQUIRE(mixed->store->open_report().found.hints > 0);
    REQUIRE(mixed->try_get("mixed05"));  // whatever its value is taken to be
    CHECK(mixed->get("other05") == std::nullopt);
    REQUIRE(mixed->store->merge_now());
    CHECK(mixed->store->merge_stats().failed == 1);
    CHECK(mixed->get("shared") == "1");
    mixed->put("new", "2");
    REQUIRE(mixed->store->merge_now());
    for (int i = 0; i < 20; ++i) CHECK(mixed->try_get(fmt::format("mixed{:02}", i)));
    CHECK(mixed->get("new") == "2");
    mixed->reopen();
    CHECK(mixed->get("new") == "2");
    CHECK(mixed->get("shared") == "1");
  }
}

TEST_CASE("a sweep for marks ends with the last that are worth it") {
  const MergeCandidate cold{1000, 0, true, 0};
  const MergeCandidate marks{500, 0, true, 400};
  const MergeCandidate few{1000, 0, true, 10};
  CHECK(worth_sweeping(std::vector{cold, marks, cold, few}, 0.2, 0.2) == 2);
  CHECK(worth_sweeping(std::vector{cold, few, marks, marks, few}, 0.2, 0.2) == 4);
  CHECK(worth_sweeping(std::vector{cold, cold, cold, marks}, 0.1, 0.2) == 0);
  // Behind what cannot be merged they stay.
  MergeCandidate stuck = cold;
  stuck.mergeable = false;
  CHECK(worth_sweeping(std::vector{stuck, marks, marks}, 0.2, 0.2) == 0);
}

TEST_CASE("a sweep takes what has marks or is old, in runs of some size, each segment once") {
  const auto segment = [](uint64_t rewritten, uint64_t marks = 0, bool mergeable = true) {
    return MergeCandidate{1000, 100, mergeable, marks, 0, 0, rewritten};
  };
  const std::vector segments{segment(9), segment(0), segment(7),
                             segment(4), segment(8), segment(8, 5)};
  const auto run = next_of_sweep(segments, 0, 7, 1800);
  REQUIRE(run);
  CHECK(run->first == 1);
  CHECK(run->count == 2);
  CHECK(next_of_sweep(segments, 3, 7, 1800)->first == 3);
  CHECK(next_of_sweep(segments, 3, 7, 1800)->count == 1);
  CHECK(next_of_sweep(segments, 4, 7, 1800)->first == 5);
  CHECK_FALSE(next_of_sweep(segments, 6, 7, 1800));
  // One that is larger goes alone.
  CHECK(next_of_sweep(segments, 0, 7, 10)->count == 1);
  const std::vector stuck{segment(9), segment(9, 0, false), segment(0)};
  CHECK_FALSE(next_of_sweep(stuck, 2, 7, 1800));
}

TEST_CASE("the picker prefers the most garbage and leaves what is not worth copying") {
  const MergeLimits limits{.run_bytes = 1000};
  auto segment = [](uint64_t dead, bool mergeable = true) {
    return MergeCandidate{1000, dead, mergeable};
  };
  std::vector<MergeCandidate> clean = {segment(10), segment(20), segment(0)};
  CHECK_FALSE(pick_run(clean, limits));
  std::vector<MergeCandidate> one = {segment(10), segment(600), segment(0)};
  CHECK(pick_run(one, limits)->first == 1);
  CHECK(pick_run(one, limits)->count == 1);
  std::vector<MergeCandidate> neighbours = {segment(500), segment(700), segment(800),
                                            segment(900, false)};
  // What is half live is worth more later.
  CHECK(pick_run(neighbours, limits)->first == 1);
  CHECK(pick_run(neighbours, limits)->count == 2);
}

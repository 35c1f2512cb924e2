// Bytes that rot, files that are cut, swapped, lost or foreign: never wrong data, never a start
// refused, and nothing lost or stale that is not reported.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "engine/check.h"
#include "engine/repair.h"
#include "engine/store.h"
#include "tests/asked.h"
#include "tests/engine/map_index.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

// What keys hold, and every value that each of them ever held.
struct History {
  std::map<std::string, std::string> now;
  std::map<std::string, std::set<std::string>> ever;
};

Options options_of(uint32_t shards) {
  Options options;
  options.dir = "/store";
  options.shards = shards;
  options.segment_bytes = 4096;
  options.sync = SyncMode::kNo;
  options.merge.bytes_per_second = 0;
  options.element_index = MapIndex::make;
  return options;
}

void merge_now(Store& store) {
  const uint64_t before = store.merge_stats().requests_done;
  store.request_merge();
  while (store.merge_stats().requests_done == before) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void write_some(StoreFixture& fixture, History& history, Random& random, int changes) {
  for (int i = 0; i < changes; ++i) {
    const std::string key = fmt::format("key{}", below(random, 60));
    if (below(random, 5) == 0) {
      fixture.remove(key);
      history.now.erase(key);
      continue;
    }
    const std::string value = fmt::format("{}.{}.{}", key, i, std::string(below(random, 120), 'v'));
    fixture.put(key, value, 0, below(random, 4) == 0 ? 5'000'000'000'000 : 0);
    history.now[key] = value;
    history.ever[key].insert(value);
  }
}

std::vector<std::string> files_of(const FaultyFileSystem& disk, uint32_t shards,
                                  std::string_view ending = {}) {
  std::vector<std::string> all;
  for (uint32_t shard = 0; shard < shards; ++shard) {
    const std::string dir = fmt::format("/store/shard-{:02}", shard);
    for (const std::string& name : *disk.list(dir)) {
      if (name.ends_with(ending)) all.push_back(dir + "/" + name);
    }
  }
  return all;
}

bool reported(const Store& store) {
  const auto& found = store.open_report().found;
  return found.damaged_ranges > 0 || found.torn_bytes > 0;
}

// Reads every key that ever was. `said`: a start has reported damage or a torn tail. Returns how
// many keys were not as they should be.
int check_values(StoreFixture& fixture, const History& history, bool said) {
  int other = 0;
  for (const auto& [name, values] : history.ever) {
    const std::string& key = name;  // clang 14 captures no structured bindings
    CAPTURE(key);
    const auto found = fixture.try_get(key);
    const auto expected = history.now.find(key);
    if (expected == history.now.end() ? !found : found == expected->second) continue;
    ++other;
    if (found == "DAMAGED") continue;
    CHECK(said);
    if (found) CHECK(values.contains(*found));
  }
  return other;
}

// A store in which everything there is lies on the disk: merged segments, plain ones, an active
// one, hints, overwritten and deleted keys.
struct Damageable {
  explicit Damageable(uint64_t seed, uint32_t shards = 2)
      : fixture(FaultyFileSystem(), options_of(shards)) {
    Random random(seed);
    write_some(fixture, history, random, 250);
    merge_now(*fixture.store);
    write_some(fixture, history, random, 100);
    REQUIRE(fixture.store->sync());
    id = fixture.store->id();
    crashed.emplace(fixture.disk->crash_process());
    REQUIRE(fixture.store->close());
    closed.emplace(fixture.disk->crash_process());
  }
  StoreFixture fixture;
  History history;
  uint64_t id = 0;
  std::optional<FaultyFileSystem> crashed;
  std::optional<FaultyFileSystem> closed;
};

}  // namespace

// RESPCASK_DAMAGE_ROUNDS: how often, RESPCASK_DAMAGE_SEED: from which seed on. A failure prints the
// seed that repeats it.
TEST_CASE("flipped bits and zeroed sectors are never served, nor do they refuse a start") {
  const uint64_t first = respcask::asked("RESPCASK_DAMAGE_SEED").value_or(std::random_device{}());
  std::optional<Damageable> base;
  const uint64_t count = respcask::asked("RESPCASK_DAMAGE_ROUNDS").value_or(600);
  for (uint64_t round = 0; round < count; ++round) {
    const uint64_t seed = first + round;
    INFO("RESPCASK_DAMAGE_SEED=", seed, " RESPCASK_DAMAGE_ROUNDS=1");
    // The same damage falls on the same store whichever round is the first.
    if (!base || seed % 500 == 0) base.emplace(seed / 500);
    Random random(seed);
    FaultyFileSystem disk =
        (below(random, 2) == 0 ? *base->closed : *base->crashed).crash_process();
    const auto files = files_of(disk, 2);
    const std::string& file = files[below(random, files.size())];
    const uint64_t size = disk.contents(file).size();
    CAPTURE(file);
    if (below(random, 3) > 0) {
      const uint64_t bit = below(random, size * 8);
      CAPTURE(bit);
      disk.flip_bit(file, bit);
    } else {
      const uint64_t sector = below(random, (size + 511) / 512) * 512;
      disk.zero(file, sector, std::min<uint64_t>(512, size - sector));
    }
    StoreFixture other(std::move(disk), base->fixture.options);
    bool said = reported(*other.store);
    check_values(other, base->history, said);
    if (seed % 8 == 0) {
      // Life goes on over the damage.
      other.put("new", "1");
      merge_now(*other.store);
      check_values(other, base->history, said);
      other.reopen();
      said = said || reported(*other.store);
      check_values(other, base->history, said);
      CHECK(other.get("new") == "1");
    }
  }
}

TEST_CASE("a segment cut at any byte is reported unless a power cut could have done it") {
  Damageable base(3, 1);
  for (const std::string& file : files_of(*base.closed, 1, ".seg")) {
    CAPTURE(file);
    const uint64_t whole = base.closed->contents(file).size();
    for (uint64_t size = 0; size < whole; size += size < 100 ? 1 : 19) {
      CAPTURE(size);
      FaultyFileSystem disk = base.closed->crash_process();
      disk.cut(file, size);
      StoreFixture other(std::move(disk), base.fixture.options);
      CHECK(reported(*other.store));
      check_values(other, base.history, reported(*other.store));
    }
  }
}

TEST_CASE("a damaged segment header costs nothing but itself") {
  Damageable base(4, 1);
  for (const FaultyFileSystem* disk : {&*base.closed, &*base.crashed}) {
    for (const std::string& file : files_of(*disk, 1, ".seg")) {
      for (uint64_t bit = 0; bit < kSegmentHeaderSize * 8; bit += 37) {
        CAPTURE(file);
        CAPTURE(bit);
        FaultyFileSystem damaged = disk->crash_process();
        damaged.flip_bit(file, bit);
        StoreFixture other(std::move(damaged), base.fixture.options);
        CHECK(other.store->open_report().found.damaged_ranges == 1);
        CHECK(check_values(other, base.history, true) == 0);
        other.put("new", "1");
        merge_now(*other.store);
        other.reopen();
        CHECK(other.store->open_report().found.damaged_ranges == 0);
        CHECK(check_values(other, base.history, true) == 0);
      }
    }
  }
}

TEST_CASE("files that are missing or exchanged are reported, and nothing of them is made up") {
  Damageable base(5, 2);
  const auto segments = files_of(*base.closed, 2, ".seg");
  for (const std::string& file : segments) {
    CAPTURE(file);
    {
      FaultyFileSystem disk = base.closed->crash_process();
      REQUIRE(disk.unlink(file));
      // Its hint goes with the start that finds it alone, and so does the proof.
      StoreFixture other(std::move(disk), base.fixture.options);
      CHECK(reported(*other.store));
      check_values(other, base.history, true);
    }
    for (const std::string& with : segments) {
      if (with <= file) continue;
      CAPTURE(with);
      FaultyFileSystem disk = base.closed->crash_process();
      const std::string first = disk.contents(file);
      disk.set_contents(file, disk.contents(with));
      disk.set_contents(with, first);
      StoreFixture other(std::move(disk), base.fixture.options);
      const int wrong = check_values(other, base.history, reported(*other.store));
      // In one shard the headers say which is which.
      if (file.substr(0, 15) == with.substr(0, 15)) CHECK(wrong == 0);
      other.reopen();
      CHECK(check_values(other, base.history, reported(*other.store)) == wrong);
    }
  }
}

TEST_CASE("another store's segments are left where they are") {
  Damageable base(6, 1);
  Damageable foreign(7, 1);
  FaultyFileSystem disk = base.closed->crash_process();
  const std::string path = "/store/shard-00/00000999.seg";
  const std::string bytes = foreign.closed->contents(files_of(*foreign.closed, 1, ".seg").back());
  disk.set_contents(path, bytes);
  StoreFixture other(std::move(disk), base.fixture.options);
  CHECK(other.store->open_report().found.damaged_ranges == 1);
  CHECK(check_values(other, base.history, false) == 0);
  CHECK(other.disk->contents(path) == bytes);
}

TEST_CASE("a store whose record is damaged or missing is refused with what to do, which saves it") {
  Damageable base(8, 2);
  const size_t bits = base.closed->contents("/store/STORE").size() * 8;
  for (size_t bit = 0; bit <= bits; bit += 6) {
    CAPTURE(bit);
    FaultyFileSystem disk = base.closed->crash_process();
    if (bit == bits) {
      REQUIRE(disk.unlink("/store/STORE"));
    } else {
      disk.flip_bit("/store/STORE", bit);
    }
    Options options = base.fixture.options;
    options.files = &disk;
    if (auto store = Store::open(options)) {
      CHECK((*store)->id() == base.id);  // a digit in upper case
    } else {
      CHECK(store.error().message.find("respcask-check --repair") != std::string::npos);
    }
    options.read_only = options.salvage = true;
    {
      auto store = Store::open(options);
      REQUIRE(store);
      auto repaired = StoreRepair(**store, "/repaired", nullptr).run();
      REQUIRE(repaired);
      CHECK(repaired->lost == 0);
    }
    options.read_only = options.salvage = false;
    options.dir = "/repaired";
    options.shards = 5;  // the copy has as many as there were
    StoreFixture other(std::move(disk), options);
    CHECK(other.store->shard_count() == 2);
    CHECK(check_values(other, base.history, false) == 0);
  }
}

TEST_CASE("a shard that has lost all of its files is damage where others hold something") {
  Damageable base(9, 3);
  for (const FaultyFileSystem* left : {&*base.closed, &*base.crashed}) {
    FaultyFileSystem disk = left->crash_process();
    for (const std::string& file : files_of(disk, 3)) {
      if (file.starts_with("/store/shard-01")) REQUIRE(disk.unlink(file));
    }
    Options options = base.fixture.options;
    options.files = &disk;
    options.read_only = true;
    {
      auto store = Store::open(options);
      REQUIRE(store);
      CHECK((*store)->open_report().found.damaged_ranges == 1);
      std::vector<CheckFinding> findings;
      StoreCheck::Hooks hooks;
      hooks.finding = [&](const CheckFinding& finding) { findings.push_back(finding); };
      CHECK(StoreCheck(**store, hooks).run().damage == 1);
      REQUIRE(findings.size() == 1);
      CHECK(findings[0].file == "/store/shard-01");
    }
    std::string said;
    options = base.fixture.options;
    options.log = [&](LogLevel level, std::string_view line) {
      if (level == LogLevel::kWarning) said += line;
    };
    StoreFixture other(std::move(disk), options);
    CHECK(other.store->open_report().found.damaged_ranges == 1);
    CHECK(said.starts_with("/store/shard-01: "));
    CHECK(check_values(other, base.history, true) > 5);
  }
}

TEST_CASE("a transaction stays in the shards that still have their files") {
  StoreFixture fixture(FaultyFileSystem(), options_of(2));
  fixture.in_all_shards([](Shard& shard) {
    const std::string key = shard.index() == 0 ? "{b}both" : "{a}both";
    const std::string_view piece = "whole";
    shard.put(0, key, shard.hash(key), 0, 0, {&piece, 1});
  });
  FaultyFileSystem disk = fixture.disk->crash_process();
  for (const std::string& file : files_of(disk, 2)) {
    if (file.starts_with("/store/shard-01")) REQUIRE(disk.unlink(file));
  }
  StoreFixture other(std::move(disk), fixture.options);
  CHECK(other.store->open_report().found.damaged_ranges == 1);
  CHECK(other.get("{b}both") == "whole");
}

TEST_CASE("a first start that power ended half way, at any call, leaves nothing to report") {
  for (uint64_t skip = 0;; ++skip) {
    CAPTURE(skip);
    bool opened = false;
    for (const PowerLoss mode : kPowerLosses) {
      FaultyFileSystem disk;
      disk.inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
      Options options = options_of(3);
      options.files = &disk;
      opened = bool(Store::open(options));
      StoreFixture again(disk.crash(skip, mode), options_of(3));
      CHECK(again.store->open_report().found.damaged_ranges == 0);
      again.put("key", "1");
      again.crash_process();
      CHECK(again.store->open_report().found.damaged_ranges == 0);
    }
    if (opened) break;
  }
}

TEST_CASE("a store with values of a type that is not known is not opened, and stays as it is") {
  StoreFixture fixture(FaultyFileSystem(), options_of(1));
  fixture.change("collection", [](Shard& shard, uint64_t hash) {
    shard.put_split(0, "collection", hash, 9, 0, "header");
    return true;
  });
  FaultyFileSystem disk = fixture.disk->crash_process();
  Options options = fixture.options;
  options.files = &disk;
  options.element_index = [](uint8_t type) -> std::unique_ptr<ElementIndex> {
    return type == 9 ? nullptr : MapIndex::make(type);
  };
  const auto refused = Store::open(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kFormat);
  StoreFixture other(std::move(disk), fixture.options);
  CHECK(other.get("collection") == "header");
}

TEST_CASE("what says that it is of a collection of another type is left out, and told of") {
  StoreFixture fixture(FaultyFileSystem(), options_of(1));
  const auto make = [](Shard& shard, uint64_t hash, std::string_view name) {
    const KeydirEntry entry = shard.put_split(0, name, hash, 1, 0, "header");
    const std::string_view piece = "payload";
    auto& index = static_cast<MapIndex&>(shard.collection(entry.collection));
    index.set("element", shard.put_element(entry.collection, 1, "element", {&piece, 1}));
    return entry.collection;
  };
  fixture.change("element", [&](Shard& shard, uint64_t hash) {
    const uint64_t id = make(shard, hash, "element");
    shard.put_element(id, 3, "another", {});
    shard.remove_element(id, 3, "element");
    return true;
  });
  fixture.change("root", [&](Shard& shard, uint64_t hash) {
    make(shard, hash, "root");
    shard.put_header(0, "root", hash, 3, "header");
    return true;
  });
  fixture.crash_process();
  CHECK(fixture.store->open_report().found.damaged_ranges == 3);
  CHECK(fixture.get("element") == "header");
  CHECK_FALSE(fixture.get("root"));
  REQUIRE(fixture.store->merge_now());
  fixture.reopen();
  CHECK(fixture.get("element") == "header");
  CHECK_FALSE(fixture.get("root"));
}

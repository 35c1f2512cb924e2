// Every call to the system fails once, or is the last one before the power goes, in each part of a
// store's life.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "engine/store.h"
#include "tests/engine/map_index.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

using Contents = std::map<std::string, std::string>;

Options small_store() {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 4096;
  options.sync = SyncMode::kNo;
  options.merge.bytes_per_second = 0;
  options.merge.trigger_garbage = 1.0;  // only when asked
  return options;
}

// A store with garbage, tombstones and several segments in each shard.
Contents fill(StoreFixture& fixture) {
  Contents model;
  for (int i = 0; i < 160; ++i) {
    const std::string key = fmt::format("key{}", i % 50);
    if (i % 7 == 3) {
      fixture.remove(key);
      model.erase(key);
    } else {
      model[key] = fmt::format("{}{}", i, std::string(60, 'v'));
      fixture.put(key, model[key]);
    }
  }
  return model;
}

void merge_now(Store& store) {
  const uint64_t before = store.merge_stats().requests_done;
  store.request_merge();
  while (store.merge_stats().requests_done == before) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// A store that is closed leaves nothing but segments and their hints, and no id twice.
void check_files(StoreFixture& fixture) {
  REQUIRE(fixture.store->close());
  const FaultyFileSystem& disk = *fixture.disk;
  for (int shard = 0; shard < 2; ++shard) {
    const std::string dir = fmt::format("/store/shard-{:02}", shard);
    const auto names = *disk.list(dir);
    const std::set<std::string> all(names.begin(), names.end());
    uint64_t covered = 0;
    for (const std::string& name : names) {
      CAPTURE(name);
      if (name.ends_with(".hint")) {
        CHECK(all.contains(name.substr(0, name.size() - 5) + ".seg"));
        continue;
      }
      REQUIRE(name.ends_with(".seg"));
      const auto header = decode_segment_header(disk.contents(dir + "/" + name));
      REQUIRE(header);
      CHECK(header->first_id > covered);
      covered = header->last_id;
    }
  }
}

constexpr PowerLoss kSweptLosses[] = {PowerLoss::kDrop, PowerLoss::kKeep, PowerLoss::kTearSectors};

// Runs `act` on a copy of the prepared store with the power going at its k-th call, for every k,
// and checks what the next start finds.
void sweep_power(const StoreFixture& prepared, const Contents& model,
                 const std::function<void(StoreFixture&)>& act) {
  for (PowerLoss mode : kSweptLosses) {
    for (uint64_t skip = 0;; ++skip) {
      CAPTURE(skip);
      StoreFixture fixture(prepared.disk->crash_process(), prepared.options);
      fixture.disk->inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
      act(fixture);
      const bool survived = fixture.disk->faults() == 0;
      fixture.lose_power(skip, mode);
      REQUIRE(fixture.contents() == model);
      CHECK(fixture.store->open_report().found.damaged_ranges == 0);
      check_files(fixture);
      if (survived) break;
    }
  }
}

}  // namespace

TEST_CASE("a power cut at any call of a hint write or a close loses nothing, leaves nothing") {
  StoreFixture prepared(FaultyFileSystem(), small_store());
  const Contents model = fill(prepared);
  REQUIRE(prepared.store->sync());
  sweep_power(prepared, model, [](StoreFixture& fixture) { (void)fixture.store->close(); });
}

TEST_CASE("a power cut at any call of a start loses nothing, leaves nothing") {
  StoreFixture prepared(FaultyFileSystem(), small_store());
  const Contents model = fill(prepared);
  REQUIRE(prepared.store->sync());
  // A tail that the start has to cut, and leftovers that it has to remove.
  for (int i = 0; i < 60; ++i) prepared.put("tail", std::string(100, 't'));
  FaultyFileSystem torn = prepared.disk->crash(1, PowerLoss::kDrop);
  torn.set_contents("/store/shard-00/00000001.9.seg.tmp", "half a merge");
  torn.set_contents("/store/shard-00/00000099.hint", "an orphan");
  torn.set_contents("/store/shard-01/00000099.seg", "");
  for (PowerLoss mode : kSweptLosses) {
    for (uint64_t skip = 0;; ++skip) {
      CAPTURE(skip);
      FaultyFileSystem disk = torn.crash_process();
      disk.inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
      Options options = prepared.options;
      options.files = &disk;
      auto store = Store::open(options);
      const bool survived = disk.faults() == 0;
      if (!survived && !store) CHECK(!store.error().message.empty());
      StoreFixture after(disk.crash(skip, mode), prepared.options);
      Contents found = after.contents();
      found.erase("tail");
      Contents expected = model;
      expected.erase("tail");
      REQUIRE(found == expected);
      check_files(after);
      if (survived) break;
    }
  }
}

TEST_CASE("an error at any call of a start is an answer, and the next start finds everything") {
  StoreFixture prepared(FaultyFileSystem(), small_store());
  const Contents model = fill(prepared);
  REQUIRE(prepared.store->sync());
  const FaultyFileSystem crashed = prepared.disk->crash_process();
  REQUIRE(prepared.store->close());
  const FaultyFileSystem closed = prepared.disk->crash_process();
  for (const FaultyFileSystem* base : {&crashed, &closed}) {
    for (Fault fault : {Fault::kIo, Fault::kNoSpace}) {
      for (uint64_t skip = 0;; ++skip) {
        CAPTURE(skip);
        FaultyFileSystem disk = base->crash_process();
        disk.inject({.fault = fault, .skip = skip, .times = 1});
        Options options = prepared.options;
        options.files = &disk;
        bool survived = false;
        {
          auto store = Store::open(options);
          survived = disk.faults() == 0;
          if (!store) CHECK(!store.error().message.empty());
        }
        disk.clear_faults();
        StoreFixture after(disk.crash_process(), prepared.options);
        REQUIRE(after.contents() == model);
        if (survived) break;
      }
    }
  }
}

TEST_CASE("an error at any call of a merge costs the merge alone, and the next one succeeds") {
  StoreFixture prepared(FaultyFileSystem(), small_store());
  const Contents model = fill(prepared);
  REQUIRE(prepared.store->close());
  for (Fault fault : {Fault::kIo, Fault::kNoSpace}) {
    for (uint64_t skip = 0;; ++skip) {
      CAPTURE(skip);
      StoreFixture fixture(prepared.disk->crash_process(), prepared.options);
      fixture.disk->inject({.fault = fault, .skip = skip, .times = 1});
      merge_now(*fixture.store);
      const bool survived = fixture.disk->faults() == 0;
      fixture.disk->clear_faults();
      REQUIRE(fixture.contents() == model);
      merge_now(*fixture.store);
      REQUIRE(fixture.contents() == model);
      (void)fixture.store->close();
      fixture.crash_process();
      REQUIRE(fixture.contents() == model);
      check_files(fixture);
      if (survived) break;
    }
  }
}

TEST_CASE(
    "an error at any call of a close is told or costs nothing, and loses nothing acknowledged") {
  for (Fault fault : {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite}) {
    for (uint64_t skip = 0;; ++skip) {
      CAPTURE(skip);
      StoreFixture fixture(FaultyFileSystem(), small_store());
      const Contents model = fill(fixture);
      fixture.disk->inject({.fault = fault, .skip = skip, .times = 1});
      const auto closed = fixture.store->close();
      const bool survived = fixture.disk->faults() == 0;
      fixture.disk->clear_faults();
      if (!closed) CHECK(!closed.error().message.empty());
      // A close that succeeded has everything on the device; one that failed leaves it to the
      // system, as it was before.
      if (closed) {
        fixture.lose_power(skip, PowerLoss::kDrop);
      } else {
        fixture.crash_process();
      }
      REQUIRE(fixture.contents() == model);
      CHECK(fixture.store->open_report().found.damaged_ranges == 0);
      check_files(fixture);
      if (survived) break;
    }
  }
}

TEST_CASE(
    "an error at any call of writing is told, reads go on, and what was acknowledged stands") {
  for (Fault fault : {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite}) {
    for (uint64_t skip = 0;; ++skip) {
      CAPTURE(skip);
      StoreFixture fixture(FaultyFileSystem(), small_store());
      Store& store = *fixture.store;
      fixture.disk->inject({.fault = fault, .skip = skip, .times = 1});
      Contents acknowledged;
      for (int i = 0; i < 60; ++i) {
        const std::string key = fmt::format("key{}", i % 20);
        const std::string value = fmt::format("{}{}", i, std::string(200, 'v'));
        Shard& shard = store.shard(store.shard_of(key));
        ShardSet set;
        set.add(shard.index());
        {
          std::lock_guard guard(shard);
          if (!shard.reserve(1024, Growth::kGrows)) continue;
          const std::string_view piece = value;
          shard.begin_batch();
          shard.put(0, key, shard.hash(key), 0, 0, {&piece, 1});
          shard.end_batch(nullptr);
        }
        if (store.commit(set)) acknowledged[key] = value;
        if (i % 20 == 19) (void)store.sync();
      }
      const bool survived = fixture.disk->faults() == 0;
      fixture.disk->clear_faults();
      const bool failed = [&] {
        for (uint32_t i = 0; i < 2; ++i) {
          std::lock_guard guard(store.shard(i));
          if (!store.shard(i).writable()) return true;
        }
        return false;
      }();
      // Reads go on, and nothing is shown that was not acknowledged.
      for (auto& [key, value] : acknowledged) {
        const auto found = fixture.try_get(key);
        REQUIRE(found);
        REQUIRE((*found == value || (failed && *found == "LOST")));
      }
      fixture.crash_process();
      for (auto& [key, value] : acknowledged) {
        const auto found = fixture.get(key);
        REQUIRE(found);
        REQUIRE(std::stoi(*found) >= std::stoi(value));
      }
      CHECK(fixture.store->open_report().found.damaged_ranges == 0);
      if (survived) break;
    }
  }
}

TEST_CASE("a segment's name that could not be taken back does not stop the shard") {
  StoreFixture fixture(FaultyFileSystem(), small_store());
  fixture.disk->inject(
      {.fault = Fault::kIo, .skip = 0, .times = 1, .call = Call::kMap, .path = "00000002"});
  fixture.disk->inject(
      {.fault = Fault::kIo, .skip = 0, .times = 1, .call = Call::kUnlink, .path = "00000002"});
  Contents model;
  for (int i = 0; i < 100; ++i) {
    const std::string key = fmt::format("key{}", i);
    Shard& shard = fixture.store->shard(fixture.store->shard_of(key));
    {
      std::lock_guard guard(shard);
      if (!shard.reserve(1024, Growth::kGrows)) continue;
    }
    model[key] = std::string(100, 'v');
    fixture.put(key, model[key]);
  }
  CHECK(fixture.disk->faults() == 2);
  CHECK(model.size() >= 98);
  CHECK(fixture.contents() == model);
  for (int round = 0; round < 2; ++round) {
    fixture.crash_process();
    CHECK(fixture.contents() == model);
    check_files(fixture);
  }
}

// A sync that failed lies behind a start: what it lost is in the page cache still, and looks as if
// it were on the disk.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

Options small_store(SyncMode sync) {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 16 * 1024;
  options.sync = sync;
  options.merge.least_bytes = uint64_t{1} << 40;  // only when asked
  return options;
}

const FaultRule kSegmentSyncFails{
    .fault = Fault::kIo, .times = kForever, .call = Call::kSync, .path = ".seg"};

// With kAlways: until that is durable.
void put_durably(StoreFixture& fixture, std::string_view key, std::string_view value) {
  Shard& shard = fixture.store->shard(fixture.store->shard_of(key));
  ShardSet set;
  set.add(shard.index());
  {
    std::lock_guard guard(shard);
    REQUIRE(shard.reserve(1024, Growth::kGrows));
    shard.begin_batch();
    shard.put(0, key, shard.hash(key), 0, 0, {&value, 1});
    shard.end_batch(nullptr);
  }
  const auto point = fixture.store->commit(set);
  REQUIRE(point);
  while (!fixture.store->synced(*point)) {
    REQUIRE_FALSE(fixture.store->sync_failed());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

// What a power cut now would leave.
std::map<std::string, std::string> after_power_cut(const StoreFixture& fixture) {
  StoreFixture cut(fixture.disk->crash(1, PowerLoss::kDrop), fixture.options);
  CHECK(cut.store->open_report().found.damaged_ranges == 0);
  return cut.contents();
}

std::map<std::string, std::string> fill(StoreFixture& fixture, std::string_view what, int keys) {
  for (int i = 0; i < keys; ++i) {
    fixture.put(fmt::format("key{}", i), fmt::format("{}{}{}", what, i, std::string(300, 'v')));
  }
  return fixture.contents();
}

}  // namespace

TEST_CASE("what the journal alone held is on the disk after a failed sync and a start") {
  StoreFixture fixture(FaultyFileSystem(), small_store(SyncMode::kAlways));
  put_durably(fixture, "key", "old");
  REQUIRE(fixture.store->sync());
  put_durably(fixture, "key", "new");
  const std::map<std::string, std::string> acknowledged{{"key", "new"}};
  CHECK(after_power_cut(fixture) == acknowledged);
  fixture.disk->inject(kSegmentSyncFails);
  CHECK_FALSE(fixture.store->sync());
  fixture.disk->clear_faults();
  CHECK(after_power_cut(fixture) == acknowledged);
  SUBCASE("after a kill") {
    fixture.crash_process();
  }
  SUBCASE("after a stop") {
    CHECK_FALSE(fixture.store->close());
    fixture.store.reset();
    fixture.reopen();
  }
  CHECK(fixture.contents() == acknowledged);
  CHECK(after_power_cut(fixture) == acknowledged);
}

TEST_CASE("a sync after a start covers what a sync before the start has lost") {
  StoreFixture fixture(FaultyFileSystem(), small_store(SyncMode::kNo));
  fill(fixture, "old", 10);
  REQUIRE(fixture.store->sync());
  int keys = 0;
  SUBCASE("in the active segments") {
    keys = 10;
  }
  SUBCASE("in segments that were sealed meanwhile") {
    keys = 400;
  }
  const auto model = fill(fixture, "new", keys);
  fixture.disk->inject(kSegmentSyncFails);
  CHECK_FALSE(fixture.store->sync());
  fixture.disk->clear_faults();
  fixture.crash_process();
  CHECK(fixture.contents() == model);
  CHECK(after_power_cut(fixture) == model);
  // Marks and hints speak of it from now on.
  fixture.put("another", "value");
  REQUIRE(fixture.store->close());
  const auto closed = after_power_cut(fixture);
  CHECK(closed.size() == model.size() + 1);
  fixture.store.reset();
  fixture.reopen();
}

TEST_CASE("what no sync has ever covered is on the disk after a failed one and a start") {
  StoreFixture fixture(FaultyFileSystem(), small_store(SyncMode::kNo));
  const auto model = fill(fixture, "new", 200);
  fixture.disk->inject(kSegmentSyncFails);
  CHECK_FALSE(fixture.store->sync());
  fixture.disk->clear_faults();
  fixture.crash_process();
  CHECK(after_power_cut(fixture) == model);
}

TEST_CASE("a start whose own sync fails leaves nothing that the next one takes for synced") {
  StoreFixture fixture(FaultyFileSystem(), small_store(SyncMode::kNo));
  fill(fixture, "old", 10);
  REQUIRE(fixture.store->sync());
  const auto model = fill(fixture, "new", 10);
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.inject(kSegmentSyncFails);
  Options options = fixture.options;
  options.files = &disk;
  CHECK_FALSE(Store::open(options));
  disk.clear_faults();
  fixture.restart_on(std::move(disk));
  CHECK(after_power_cut(fixture) == model);
}

TEST_CASE("what is written once more at a start is what no mark vouches for") {
  StoreFixture fixture(FaultyFileSystem(), small_store(SyncMode::kNo));
  fill(fixture, "old", 400);
  REQUIRE(fixture.store->close());
  const auto writes_of_start = [&] {
    FaultyFileSystem disk = fixture.disk->crash_process();
    Options options = fixture.options;
    options.files = &disk;
    auto store = Store::open(options);
    REQUIRE(store);
    return disk.calls(Call::kWrite);
  };
  CHECK(writes_of_start() == 0);
  fixture.reopen();
  fixture.put("key1", "new");
  CHECK(writes_of_start() == 1);
}

TEST_CASE("a segment that a backup shares is written once more with what it holds") {
  StoreFixture fixture(FaultyFileSystem(), small_store(SyncMode::kNo));
  fill(fixture, "old", 10);
  REQUIRE(fixture.store->sync());
  const auto model = fill(fixture, "new", 10);
  const std::string segment = "/store/shard-00/00000001.seg";
  REQUIRE(fixture.disk->link(segment, "/copy"));
  const std::string before = fixture.disk->contents("/copy");
  fixture.disk->inject(kSegmentSyncFails);
  CHECK_FALSE(fixture.store->sync());
  fixture.disk->clear_faults();
  fixture.crash_process();
  CHECK(fixture.disk->contents("/copy") == before);
  CHECK(fixture.disk->contents(segment) == before);
  CHECK(after_power_cut(fixture) == model);
}

TEST_CASE("a disk without room for what is to be written once more is no reason not to start") {
  StoreFixture fixture(FaultyFileSystem(), small_store(SyncMode::kNo));
  const auto model = fill(fixture, "old", 10);
  std::vector<std::string> warnings;
  fixture.options.log = [&](LogLevel level, std::string_view text) {
    if (level == LogLevel::kWarning) warnings.emplace_back(text);
  };
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.inject({.fault = Fault::kNoSpace, .times = kForever, .call = Call::kWrite, .path = ".seg"});
  fixture.restart_on(std::move(disk));
  CHECK(fixture.contents() == model);
  REQUIRE(warnings.size() == 2);
  CHECK(warnings[0].find("No space left on device") != std::string::npos);
}

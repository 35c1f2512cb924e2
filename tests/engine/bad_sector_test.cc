// Sectors that cannot be read: an error where their bytes are asked for, nothing elsewhere, and
// never the end of the process (a mapping that touched one would crash the test).

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/check.h"
#include "engine/repair.h"
#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

constexpr const char* kFirst = "/store/shard-00/00000001.seg";
constexpr uint64_t kPage = 4096;

Options one_shard() {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.segment_bytes = 64 * 1024;
  options.sync = SyncMode::kNo;
  options.merge.bytes_per_second = 0;
  return options;
}

// Keys that are written once each, so that nothing older can be mistaken for them.
std::map<std::string, std::string> fill(StoreFixture& fixture, int from, int to) {
  std::map<std::string, std::string> model;
  for (int i = from; i < to; ++i) {
    const std::string key = fmt::format("key{}", i);
    model[key] = fmt::format("{}.{}", key, std::string(300, 'v'));
    fixture.put(key, model[key]);
  }
  return model;
}

// Every key reads as it was, or as lost, which at most `most` of them are.
void check_contents(StoreFixture& fixture, const std::map<std::string, std::string>& model,
                    size_t most) {
  size_t lost = 0;
  for (const auto& [name, value] : model) {
    const std::string& key = name;  // clang 14 captures no structured bindings
    const auto found = fixture.try_get(key);
    if (found == value) continue;
    CAPTURE(key);
    CHECK((!found || *found == "DAMAGED"));
    ++lost;
  }
  CHECK(lost > 0);
  CHECK(lost <= most);
}

constexpr size_t kOnOnePage = kPage / 300 + 2;

}  // namespace

TEST_CASE("a start over a bad sector loses what lies on it, says so, and cuts nothing off") {
  for (const bool synced : {true, false}) {
    CAPTURE(synced);
    StoreFixture fixture(FaultyFileSystem(), one_shard());
    const auto model = fill(fixture, 0, 150);  // in the active segment, without a hint
    if (synced) {
      REQUIRE(fixture.store->sync());
      fixture.put("after", "1");
    }
    const uint64_t size = fixture.disk->contents(kFirst).size();
    FaultyFileSystem disk = fixture.disk->crash_process();
    disk.make_unreadable(kFirst, 5 * kPage, 1);
    StoreFixture other(std::move(disk), one_shard());
    check_contents(other, model, kOnOnePage);
    CHECK(other.store->open_report().found.damaged_ranges == 1);
    CHECK(other.store->open_report().found.torn_bytes == 0);
    CHECK(other.disk->contents(kFirst).size() == size);
    // The disk takes new records all the same, and they are there next time.
    other.put("new", "2");
    other.crash_process();
    CHECK(other.get("new") == "2");
    check_contents(other, model, kOnOnePage);
  }
}

TEST_CASE("an error that does not come again leaves nothing lost") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  const auto model = fill(fixture, 0, 150);
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.inject({.fault = Fault::kIo, .skip = 1, .times = 3, .call = Call::kRead, .path = ".seg"});
  StoreFixture other(std::move(disk), one_shard());
  CHECK(other.disk->faults() == 3);
  other.disk->clear_faults();
  other.crash_process();
  CHECK(other.contents() == model);
}

TEST_CASE("a bad sector among values is met by who reads them and by the merge, not by a start") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  auto model = fill(fixture, 0, 600);
  // Garbage in every segment, so that a merge wants them all.
  for (int i = 0; i < 600; i += 3) {
    fixture.remove(fmt::format("key{}", i));
    model.erase(fmt::format("key{}", i));
  }
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.make_unreadable(kFirst, 5 * kPage, 1);
  StoreFixture other(std::move(disk), one_shard());
  CHECK(other.store->open_report().found.damaged_ranges == 0);
  check_contents(other, model, kOnOnePage);
  const uint64_t before = other.total_bytes();
  REQUIRE(other.store->merge_now());
  CHECK(other.store->merge_stats().failed > 0);
  // Of all but the segment that cannot be read.
  CHECK(other.total_bytes() < before);
  CHECK(other.total_bytes() - other.live_bytes() < one_shard().segment_bytes * 3 / 4);
  check_contents(other, model, kOnOnePage);
  other.crash_process();
  check_contents(other, model, kOnOnePage);
}

TEST_CASE("garbage that cannot be merged away has nothing sealed for it") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  fill(fixture, 0, 600);
  for (int i = 0; i < 400; ++i) {
    if (i % 4 != 0) fixture.put(fmt::format("key{}", i), std::string(300, 'w'));
  }
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.make_unreadable(kFirst, 5 * kPage, 1);
  Options options = one_shard();
  options.merge.least_bytes = 0;
  StoreFixture other(std::move(disk), options);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (other.store->merge_stats().failed == 0) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  const uint64_t merges = other.store->merge_stats().merges;
  for (int i = 0; i < 60; ++i) {
    for (int j = 0; j < 5; ++j) other.put("hot", std::to_string(j));
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  CHECK(other.store->merge_stats().merges - merges < 2);
}

TEST_CASE(
    "a merge does not read segments that hold nothing any more, nor minds a bad sector there") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  fill(fixture, 0, 600);
  const auto model = fill(fixture, 0, 600);  // all of the first ones are garbage
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.make_unreadable(kFirst, 5 * kPage, 1);
  StoreFixture other(std::move(disk), one_shard());
  REQUIRE(other.store->merge_now());
  CHECK(other.store->merge_stats().failed == 0);
  CHECK_FALSE(*other.disk->stat(kFirst));
  CHECK(other.contents() == model);
  other.crash_process();
  CHECK(other.contents() == model);
}

TEST_CASE("a hint on a bad sector costs time, and nothing else") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  const auto model = fill(fixture, 0, 600);
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.make_unreadable("/store/shard-00/00000001.hint", 0, 1);
  StoreFixture other(std::move(disk), one_shard());
  CHECK(other.contents() == model);
  CHECK(other.store->open_report().found.damaged_ranges == 0);
}

TEST_CASE("a hint that claims to be of any size costs time, and no memory") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  const auto model = fill(fixture, 0, 600);
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  const std::string hint = "/store/shard-00/00000001.hint";
  {
    auto file = disk.open(hint);
    REQUIRE(file);
    REQUIRE((*file)->truncate(uint64_t{8} << 40));
  }
  StoreFixture other(std::move(disk), one_shard());
  CHECK(other.contents() == model);
  const RecoveryReport& found = other.store->open_report().found;
  CHECK(found.damaged_ranges == 0);
  CHECK(found.hints == found.segments - 1);
}

TEST_CASE("a segment whose header cannot be read is known by its name and its hint") {
  for (const bool hinted : {true, false}) {
    CAPTURE(hinted);
    StoreFixture fixture(FaultyFileSystem(), one_shard());
    const auto model = fill(fixture, 0, 600);
    REQUIRE(fixture.store->sync());
    REQUIRE(fixture.store->close());
    FaultyFileSystem disk = fixture.disk->crash_process();
    if (!hinted) REQUIRE(disk.unlink("/store/shard-00/00000001.hint"));
    disk.make_unreadable(kFirst, 0, 1);
    StoreFixture other(std::move(disk), one_shard());
    CHECK(other.store->open_report().found.damaged_ranges > 0);
    check_contents(other, model, kOnOnePage);
    other.crash_process();
    check_contents(other, model, kOnOnePage);
  }
}

TEST_CASE("a check names the bad sector, and a repair copies all the rest") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  const auto model = fill(fixture, 0, 600);
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.make_unreadable(kFirst, 5 * kPage, 1);
  Options options = one_shard();
  options.files = &disk;
  options.read_only = true;
  auto store = Store::open(options);
  REQUIRE(store);
  std::vector<CheckFinding> findings;
  StoreCheck::Hooks hooks;
  hooks.finding = [&](const CheckFinding& finding) { findings.push_back(finding); };
  const CheckReport report = StoreCheck(**store, hooks).run();
  CHECK(report.damage == 1);
  CHECK(report.values > 550);
  REQUIRE(findings.size() == 1);
  CHECK(findings[0].file == kFirst);
  CHECK(findings[0].what.find("Input/output error") != std::string::npos);
  std::vector<CheckFinding> lost;
  const auto repaired = StoreRepair(**store, "/repaired", [&](const CheckFinding& finding) {
                          lost.push_back(finding);
                        }).run();
  REQUIRE(repaired);
  CHECK(repaired->keys + lost.size() == model.size());
  CHECK(lost.size() <= kOnOnePage);
  CHECK_FALSE(lost.empty());
}

TEST_CASE("a repair rebuilds a segment with a damaged header as a start does") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  const auto model = fill(fixture, 0, 600);
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  disk.zero(kFirst, 0, kSegmentHeaderSize);
  const std::string before = disk.contents(kFirst);
  Options options = one_shard();
  options.files = &disk;
  options.read_only = true;
  {
    auto store = Store::open(options);
    REQUIRE(store);
    CHECK((*store)->open_report().found.damaged_ranges == 1);
    const auto repaired = StoreRepair(**store, "/repaired", nullptr).run();
    REQUIRE(repaired);
    CHECK(repaired->keys == model.size());
    CHECK(repaired->lost == 0);
  }
  CHECK(disk.contents(kFirst) == before);  // read-only
  Options repaired_options = one_shard();
  repaired_options.dir = "/repaired";
  StoreFixture other(std::move(disk), repaired_options);
  CHECK(other.contents() == model);
}

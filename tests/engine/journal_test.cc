#include "engine/journal.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <array>
#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "engine/bitcask_core.h"
#include "engine/check.h"
#include "engine/location.h"
#include "tests/engine/faulty_file.h"
#include "tests/engine/open_core.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

constexpr uint64_t kStoreId = 42;
constexpr const char* kPath = "/store/JOURNAL";

const auto segment_path = [](uint32_t shard, uint64_t id) {
  return fmt::format("/store/{}-{}", shard, id);
};

// A disk with the files of two segments on it, each empty.
FaultyFileSystem disk_with_segments() {
  FaultyFileSystem disk;
  REQUIRE(disk.create_directory("/store"));
  REQUIRE(disk.sync_directory("/"));
  disk.set_contents(segment_path(0, 1), "");
  disk.set_contents(segment_path(1, 7), "");
  return disk;
}

std::unique_ptr<Journal> make_journal(FaultyFileSystem& disk, uint64_t bytes = 8 * 4096 * 8) {
  auto made = Journal::create(disk, "/store", kStoreId, bytes, 2);
  if (!made) FAIL(made.error().message);
  return *std::move(made);
}

void append(Journal& journal, size_t lane, std::vector<Journal::Piece> pieces, uint64_t point) {
  auto appended = journal.append(lane, pieces, point);
  REQUIRE(appended);
  REQUIRE(*appended);
}

JournalReport replay(FaultyFileSystem& disk, bool writable = true, uint64_t id = kStoreId) {
  auto replayed = replay_journal(disk, "/store", id, writable, segment_path);
  if (!replayed) FAIL(replayed.error().message);
  return *replayed;
}

std::shared_ptr<BitcaskCore> open_small(FileSystem& files, SyncMode sync,
                                        uint64_t journal_bytes = 64 * 4096,
                                        uint64_t segment_bytes = 64 * 1024) {
  return open_core(files, core_options(sync, segment_bytes, journal_bytes));
}

}  // namespace

TEST_CASE("a journal puts back what a power cut has taken from segments, and nothing twice") {
  FaultyFileSystem disk = disk_with_segments();
  auto journal = make_journal(disk);
  append(*journal, 0, {{0, 1, 0, "abc"}, {1, 7, 0, "xyz"}}, 5);
  CHECK(**journal->sync(0) == 5);
  append(*journal, 1, {{0, 1, 3, std::string_view("defg")}, {1, 8, 0, "of a file that is gone"}},
         6);
  CHECK(**journal->sync(1) == 6);
  append(*journal, 0, {{0, 1, 7, "never synced"}}, 7);

  FaultyFileSystem rest = disk.crash(1, PowerLoss::kDrop);
  CHECK(replay(rest, false).missing_bytes == 10);
  CHECK(rest.contents(segment_path(0, 1)) == "");
  JournalReport report = replay(rest);
  CHECK(report.records == 2);
  CHECK(report.missing_bytes == 10);
  FaultyFileSystem after = rest.crash(1, PowerLoss::kDrop);  // what was put back is synced
  CHECK(after.contents(segment_path(0, 1)) == "abcdefg");
  CHECK(after.contents(segment_path(1, 7)) == "xyz");
  CHECK(replay(after).missing_bytes == 0);
  CHECK(replay(after, true, kStoreId + 1).records == 0);
  REQUIRE(remove_journal(after, "/store"));
  CHECK(replay(after).records == 0);
}

TEST_CASE("a record of a journal is durable once those before it are, and never after a failure") {
  FaultyFileSystem disk = disk_with_segments();
  auto journal = make_journal(disk);
  append(*journal, 0, {{0, 1, 0, "a"}}, 5);
  append(*journal, 1, {{0, 1, 1, "b"}}, 6);
  CHECK(*journal->sync(1) == std::nullopt);
  CHECK(**journal->sync(0) == 6);
  append(*journal, 0, {{0, 1, 2, "c"}}, 7);
  append(*journal, 1, {{0, 1, 3, "d"}}, 8);
  CHECK(*journal->sync(1) == std::nullopt);
  append(*journal, 1, {{0, 1, 4, "e"}}, 9);
  CHECK(**journal->sync(0) == 8);  // although lane 1 is at another record by now
  CHECK(**journal->sync(1) == 9);
  append(*journal, 1, {{0, 1, 5, "f"}}, 10);
  append(*journal, 0, {{0, 1, 6, "g"}}, 11);
  disk.inject({.fault = Fault::kIo, .call = Call::kSync});
  CHECK_FALSE(journal->sync(1));
  CHECK(*journal->sync(0) == std::nullopt);
  CHECK(journal->given_up());
}

TEST_CASE("a journal that begins again holds the records of its new round only") {
  FaultyFileSystem disk = disk_with_segments();
  auto journal = make_journal(disk);
  for (uint64_t i = 0; i < 5; ++i) append(*journal, 0, {{0, 1, i, "a"}}, i);
  REQUIRE(journal->sync(0));
  journal->restart();
  CHECK(replay(disk).records == 5);  // until they are overwritten, which does no harm
  append(*journal, 0, {{1, 7, 0, "b"}}, 9);
  CHECK(replay(disk).records == 1);
  disk.flip_bit(kPath, 8 * 40);
  CHECK(replay(disk).records == 0);  // those of the round before do not follow on nothing
}

TEST_CASE("a journal takes nothing that it has no room for, nor what is large") {
  FaultyFileSystem disk = disk_with_segments();
  auto journal = make_journal(disk, 8 * 4096);
  const std::string large(4096, 'x');
  const Journal::Piece too_large[] = {{0, 1, 0, large}};
  CHECK_FALSE(*journal->append(0, too_large, 1));
  const Journal::Piece small[] = {{0, 1, 0, "x"}};
  int records = 0;
  while (*journal->append(0, small, 2)) ++records;
  CHECK(records == 8);
  CHECK(disk.contents(kPath).size() == 8 * 4096);
  journal->restart();
  CHECK(*journal->append(0, small, 3));
}

TEST_CASE("whatever is damaged in a journal, the records before it are put back, and no other") {
  FaultyFileSystem disk = disk_with_segments();
  auto journal = make_journal(disk);
  const std::string all = "the bytes of three records";
  append(*journal, 0, {{0, 1, 0, all.substr(0, 9)}}, 1);
  append(*journal, 0, {{0, 1, 9, all.substr(9, 9)}}, 2);
  append(*journal, 0, {{0, 1, 18, all.substr(18)}}, 3);
  REQUIRE(journal->sync(0));
  constexpr uint64_t kRecordBytes = 36 + 24 + 9;
  for (uint64_t record = 0; record < 3; ++record) {
    const uint64_t size = record < 2 ? kRecordBytes : kRecordBytes - 1;
    for (uint64_t bit = 0; bit < size * 8; ++bit) {
      CAPTURE(bit);
      FaultyFileSystem rest = disk.crash(1, PowerLoss::kDrop);
      rest.flip_bit(kPath, record * 4096 * 8 + bit);
      REQUIRE(replay(rest).records == record);
      REQUIRE(rest.contents(segment_path(0, 1)) == all.substr(0, record * 9));
    }
  }
  for (uint64_t size : {0, 1, 35, 36, 68, 4095, 4096, 4100}) {
    FaultyFileSystem rest = disk.crash(1, PowerLoss::kDrop);
    rest.cut(kPath, size);
    CHECK(replay(rest).records == (size < kRecordBytes ? 0 : 1));
  }
}

TEST_CASE("a record of a journal that names a place beyond any segment is none") {
  FaultyFileSystem disk = disk_with_segments();
  auto journal = make_journal(disk);
  append(*journal, 0, {{0, 1, Location::kMaxOffset, "x"}}, 1);
  append(*journal, 0, {{0, 1, ~uint64_t{0}, "x"}}, 2);
  REQUIRE(journal->sync(0));
  CHECK(replay(disk).records == 0);
}

TEST_CASE("a journal leaves out what would leave a hole in its segment, and says so") {
  FaultyFileSystem disk = disk_with_segments();
  auto journal = make_journal(disk);
  append(*journal, 0, {{0, 1, 0, "abc"}}, 1);
  append(*journal, 0, {{0, 1, 5, "xyz"}, {1, 7, 0, "others"}}, 2);
  append(*journal, 0, {{0, 1, 3, "de"}}, 3);
  REQUIRE(journal->sync(0));
  for (const bool writable : {false, true}) {
    const JournalReport report = replay(disk, writable);
    CHECK(report.records == 3);
    CHECK(report.missing_bytes == 11);
    CHECK(report.misplaced_bytes == 3);
  }
  CHECK(disk.contents(segment_path(0, 1)) == "abcde");
  CHECK(disk.contents(segment_path(1, 7)) == "others");
}

// One put after the other, so that every write and sync of the journal, of segments that are full,
// and of a start is cut once; in the modes that leave more than nothing, every seventh.
TEST_CASE("with kAlways a power cut at any call loses nothing that was acknowledged") {
  for (PowerLoss mode : kPowerLosses) {
    const uint64_t step = mode == PowerLoss::kDrop ? 1 : 7;
    for (auto skip = static_cast<uint64_t>(mode);; skip += step) {
      CAPTURE(skip);
      CAPTURE(static_cast<int>(mode));
      FaultyFileSystem disk;
      std::map<std::string, std::string> acknowledged;
      std::string doubtful;
      bool survived = true;
      {
        auto core = open_small(disk, SyncMode::kAlways, 4 * 4096 * 8, 16 * 1024);
        disk.inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
        for (int i = 0; survived && i < 60; ++i) {
          const std::string key = fmt::format("key{}", i % 7);
          const std::string value = fmt::format("{}:", i) + std::string(i % 9 * 100, 'v');
          survived = bool(core->put({key, value, 0}));
          if (survived) {
            acknowledged[key] = value;
          } else {
            doubtful = key;
          }
        }
      }
      FaultyFileSystem rest = disk.crash(skip, mode);
      // A second cut, while the start puts things back.
      rest.inject({.fault = Fault::kPowerOff, .skip = skip % 90, .times = kForever});
      Options options;
      options.dir = "/store";
      options.files = &rest;
      (void)BitcaskCore::open(options);
      FaultyFileSystem last = rest.crash(skip + 1, mode);
      auto again = open_small(last, SyncMode::kAlways);
      for (const auto& [name, value] : acknowledged) {
        const std::string& key = name;  // clang 14 captures no structured bindings
        CAPTURE(key);
        auto found = *again->get(key);
        REQUIRE(found);
        if (key != doubtful) REQUIRE(*found == value);
      }
      if (survived) break;
    }
  }
}

TEST_CASE("with kAlways what several threads were told survives a power cut at any moment") {
  constexpr int kThreads = 4;
  for (int round = 0; round < 8; ++round) {
    CAPTURE(round);
    FaultyFileSystem disk;
    // Half of them on a slow disk, where several syncs are under way at once.
    if (round % 2 == 1) disk.set_sync_time(2 * kSlowSync);
    auto core = open_small(disk, SyncMode::kAlways);
    std::array<std::atomic<int>, kThreads> acknowledged{};
    std::atomic<bool> stop{false};
    std::vector<std::thread> threads;
    for (int t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 1; !stop; ++i) {
          if (!core->put({fmt::format("key{}", t), fmt::format("{}", i), 0})) break;
          acknowledged[static_cast<size_t>(t)] = i;
        }
      });
    }
    for (int cut = 0; cut < 10; ++cut) {
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      std::array<int, kThreads> told{};
      for (size_t t = 0; t < kThreads; ++t) told[t] = acknowledged[t];
      FaultyFileSystem rest =
          disk.crash(static_cast<uint64_t>(cut), kPowerLosses[static_cast<size_t>(cut) % 5]);
      auto again = open_small(rest, SyncMode::kAlways);
      for (size_t t = 0; t < kThreads; ++t) {
        const auto found = *again->get(fmt::format("key{}", t));
        CHECK((found ? std::stoi(*found) : 0) >= told[t]);
      }
    }
    stop = true;
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_CASE("with kAlways one file is synced for a put, and the segments only now and then") {
  FaultyFileSystem disk;
  auto core = open_small(disk, SyncMode::kAlways, 100 * 4096, 1 << 20);
  const uint64_t before = disk.calls(Call::kSync);
  constexpr uint64_t kPuts = 1000;
  for (uint64_t i = 0; i < kPuts; ++i) REQUIRE(core->put({fmt::format("key{}", i), "value", 0}));
  const uint64_t syncs = disk.calls(Call::kSync) - before;
  CHECK(syncs >= kPuts);
  CHECK(syncs <= kPuts + kPuts / 100 * 3 + 3);
}

TEST_CASE("with kAlways syncs overlap where they take long") {
  FaultyFileSystem disk;
  auto core = open_small(disk, SyncMode::kAlways);
  disk.set_sync_time(20 * kSlowSync);
  std::vector<std::thread> threads;
  for (size_t t = 0; t < kSyncLanes; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 15; ++i) CHECK(core->put({fmt::format("key{}", t), "value", 0}));
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(disk.most_syncs_at_once() > 1);
}

TEST_CASE("after a failed sync of the journal the segments are synced instead") {
  FaultyFileSystem disk;
  auto core = open_small(disk, SyncMode::kAlways);
  REQUIRE(core->put({"key", "old", 0}));
  disk.inject({.fault = Fault::kIo, .call = Call::kSync, .path = "JOURNAL"});
  for (const std::string value : {"new", "newer", "newest"}) {
    REQUIRE(core->put({"key", value, 0}));
    FaultyFileSystem rest = disk.crash(1, PowerLoss::kDrop);
    CHECK(*open_small(rest, SyncMode::kAlways)->get("key") == value);
  }
  CHECK(disk.faults() == 1);
}

TEST_CASE("a store without room for a journal does without") {
  FaultyFileSystem disk;
  disk.inject(
      {.fault = Fault::kNoSpace, .times = kForever, .call = Call::kWrite, .path = "JOURNAL"});
  auto core = open_small(disk, SyncMode::kAlways);
  REQUIRE(core->put({"key", "value", 0}));
  CHECK_FALSE(*disk.stat(kPath));
  FaultyFileSystem rest = disk.crash(1, PowerLoss::kDrop);
  CHECK(*open_small(rest, SyncMode::kAlways)->get("key") == "value");
}

TEST_CASE("a store that is only read says what it cannot put back") {
  FaultyFileSystem before;
  auto core = open_small(before, SyncMode::kAlways);
  REQUIRE(core->put({"key", "value", 0}));
  FaultyFileSystem disk = before.crash(1, PowerLoss::kDrop);
  Options options;
  options.dir = "/store";
  options.files = &disk;
  options.read_only = true;
  const auto refused = BitcaskCore::open(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kReadOnly);
  CHECK(*open_small(disk, SyncMode::kNo)->get("key") == "value");
  CHECK_FALSE(*disk.stat(kPath));
  const auto opened = BitcaskCore::open(options);
  REQUIRE(opened);
  CHECK(*(*opened)->get("key") == "value");
}

namespace {

Options always() {
  Options options = core_options(SyncMode::kAlways);
  options.journal_bytes = 64 * 4096;
  return options;
}

// The first puts may be covered by a sync that the mode before had begun.
void wait_for_journal(StoreFixture& fixture, bool there) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (fixture.disk->stat(kPath)->has_value() != there) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    if (there) fixture.put("another", "value");
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

TEST_CASE("a journal for which there was no room is tried for again when kAlways is set again") {
  StoreFixture fixture(FaultyFileSystem(), always());
  FaultyFileSystem full;
  full.inject(
      {.fault = Fault::kNoSpace, .times = kForever, .call = Call::kWrite, .path = "JOURNAL"});
  fixture.restart_on(std::move(full));
  fixture.put("key", "value");
  CHECK_FALSE(*fixture.disk->stat(kPath));
  fixture.disk->clear_faults();
  REQUIRE(fixture.store->set_sync_mode(SyncMode::kEverySecond));
  REQUIRE(fixture.store->set_sync_mode(SyncMode::kAlways));
  wait_for_journal(fixture, true);
}

TEST_CASE("a journal gives its space back when kAlways is left, and nothing is lost by that") {
  StoreFixture fixture(FaultyFileSystem(), always());
  for (const SyncMode other : {SyncMode::kEverySecond, SyncMode::kNo}) {
    for (int i = 0; i < 5; ++i) fixture.put(fmt::format("key{}", i), "value");
    wait_for_journal(fixture, true);
    REQUIRE(fixture.store->set_sync_mode(other));
    wait_for_journal(fixture, false);
    StoreFixture after(fixture.disk->crash(1, PowerLoss::kDrop), always());
    CHECK(after.contents() == fixture.contents());
    REQUIRE(fixture.store->set_sync_mode(SyncMode::kAlways));
  }
}

TEST_CASE("a journal that cannot be read refuses the start, with what it may hold and what to do") {
  FaultyFileSystem before;
  auto core = open_small(before, SyncMode::kAlways);
  REQUIRE(core->put({"key", "value", 0}));
  FaultyFileSystem disk = before.crash(1, PowerLoss::kDrop);
  disk.make_unreadable(kPath, 0, 4096);
  for (const bool read_only : {false, true}) {
    Options options = core_options(SyncMode::kAlways);
    options.files = &disk;
    options.read_only = read_only;
    const auto refused = BitcaskCore::open(options);
    REQUIRE_FALSE(refused);
    const std::string& message = refused.error().message;
    CHECK(message.find("Input/output error") != std::string::npos);
    CHECK(message.find("may hold acknowledged writes") != std::string::npos);
    CHECK(message.find("move it away") != std::string::npos);
  }
  REQUIRE(disk.rename(kPath, "/store/JOURNAL.bad"));
  CHECK(*open_small(disk, SyncMode::kAlways)->get("key") == std::nullopt);
}

TEST_CASE("a salvage goes on without what only the journal holds where the record is lost") {
  FaultyFileSystem before;
  auto core = open_small(before, SyncMode::kAlways);
  REQUIRE(core->put({"synced", "1", 0}));
  REQUIRE(core->sync());
  REQUIRE(core->put({"key", "value", 0}));
  FaultyFileSystem disk = before.crash(1, PowerLoss::kDrop);
  Options options = core_options(SyncMode::kAlways);
  options.files = &disk;
  options.read_only = options.salvage = true;
  CHECK_FALSE(Store::open(options));  // a start puts it back
  REQUIRE(disk.unlink("/store/STORE"));
  auto store = Store::open(options);
  REQUIRE(store);
  std::string found;
  StoreCheck::Hooks hooks;
  hooks.finding = [&](const CheckFinding& finding) { found += finding.file + "\n"; };
  CHECK(StoreCheck(**store, hooks).run().damage == 2);
  CHECK(found == "/store/STORE\n/store/JOURNAL\n");
}

#include "engine/backup.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/backup_mark.h"
#include "engine/check.h"
#include "engine/crc32c.h"
#include "engine/store.h"
#include "tests/engine/directory.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

using Contents = std::map<std::string, std::string>;

constexpr int64_t kTime = 1'790'000'000'123;
const std::string kDirectory = "/store/backups";

// What a store in `directory` holds. The disk stays the caller's.
Contents contents_of(FaultyFileSystem& disk, const std::string& directory, bool read_only = true) {
  Options options = small_segments();
  options.dir = directory;
  options.read_only = read_only;
  options.files = &disk;
  std::string said;
  options.log = [&](LogLevel, std::string_view line) { said += fmt::format("{}\n", line); };
  auto store = Store::open(options);
  if (!store) FAIL(store.error().message);
  INFO(said);
  Contents contents;
  for (uint32_t i = 0; i < (*store)->shard_count(); ++i) {
    Shard& shard = (*store)->shard(i);
    uint64_t cursor = 0;
    do {
      cursor = shard.keydir(0).scan(cursor, [&](std::string_view key, const KeydirEntry& entry) {
        auto value = fetch(shard.cold_read(entry.where, entry.value_size));
        if (!value) FAIL(value.error().message);
        contents[std::string(key)] = *value;
      });
    } while (cursor != 0);
    CHECK((*store)->open_report().found.damaged_ranges == 0);
    CHECK((*store)->open_report().found.torn_bytes == 0);
  }
  return contents;
}

std::vector<std::string> names_in(FaultyFileSystem& disk, const std::string& directory) {
  auto there = disk.stat(directory);
  if (!there || !*there) return {};
  return *disk.list(directory);
}

std::string backup(StoreFixture& fixture, int64_t now_ms = kTime) {
  auto made = make_backup(*fixture.store, kDirectory, now_ms);
  if (!made) FAIL(made.error().message);
  return made->path;
}

void merge_now(Store& store) {
  const uint64_t before = store.merge_stats().requests_done;
  store.request_merge();
  while (store.merge_stats().requests_done == before) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

Contents fill(StoreFixture& fixture, int from, int to, char letter = 'v') {
  for (int i = from; i < to; ++i) {
    fixture.put(fmt::format("key{}", i), std::string(static_cast<size_t>(100 + i), letter));
  }
  return fixture.contents();
}

}  // namespace

TEST_CASE("a backup has the hints that the store itself puts off") {
  Options options = small_segments();
  options.merge.least_bytes = 0;
  options.merge.bytes_per_second = 1;  // no merge comes to an end
  options.merge.hint_delay_ms = 3'600'000;
  StoreFixture fixture(FaultyFileSystem(), options);
  for (int i = 0; i < 100; ++i) {
    // Something in each segment stays, so that a merge has to copy it.
    fixture.put(i % 2 != 0 ? "key" : std::to_string(i), std::string(1000, 'v'));
    if (i == 50) REQUIRE(fixture.store->sync());
  }
  const std::string path = backup(fixture);
  for (const std::string shard : {"/shard-00", "/shard-01"}) {
    const std::vector<std::string> names = names_in(*fixture.disk, path + shard);
    const auto count = [&](std::string_view suffix) {
      return std::count_if(names.begin(), names.end(),
                           [&](const std::string& name) { return name.ends_with(suffix); });
    };
    CHECK(count(".seg") > 2);
    CHECK(count(".hint") + 1 >= count(".seg"));  // what was the active one has none
  }
}

TEST_CASE("a backup holds what was there when it was made, and nothing later") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  const Contents then = fill(fixture, 0, 100);
  CHECK(backup(fixture) == "/store/backups/2026-09-21T14-13-20.123Z");
  fill(fixture, 50, 150, 'n');
  for (int i = 0; i < 30; ++i) fixture.remove(fmt::format("key{}", i));
  merge_now(*fixture.store);
  fixture.flush(0);
  merge_now(*fixture.store);
  CHECK(contents_of(*fixture.disk, "/store/backups/2026-09-21T14-13-20.123Z") == then);
}

TEST_CASE("there is no backup of a store whose sync has failed") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture, 0, 10);
  fixture.disk->inject({.fault = Fault::kIo, .times = 1, .call = Call::kSync});
  CHECK_FALSE(make_backup(*fixture.store, kDirectory, kTime));
  REQUIRE(fixture.store->sync_failed());
  const auto refused = make_backup(*fixture.store, kDirectory, kTime);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kReadOnly);
  CHECK(names_in(*fixture.disk, kDirectory).empty());
}

namespace {

void copy_tree(FaultyFileSystem& disk, const std::string& from, const std::string& to) {
  REQUIRE(disk.create_directory(to));
  for (const std::string& name : *disk.list(from)) {
    const std::string path = from + "/" + name;
    if ((*disk.stat(path))->is_directory) {
      copy_tree(disk, path, to + "/" + name);
    } else {
      disk.set_contents(to + "/" + name, disk.contents(path));
    }
  }
}

// Returns once the condition holds; fails the test if it never does.
void wait_until(const std::function<bool()>& holds) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(1);
  while (!holds()) {
    REQUIRE(std::chrono::steady_clock::now() < deadline);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace

TEST_CASE("a journal that was left behind does not undo a restore") {
  Options options = small_segments();
  options.shards = 1;
  options.sync = SyncMode::kAlways;
  options.journal_bytes = 64 * 4096;
  StoreFixture fixture(FaultyFileSystem(), options);
  fixture.put("key", "old");
  const std::string path = backup(fixture);
  fixture.put("key", "new");
  fixture.put("newest", "1");
  wait_until(
      [&] { return fixture.disk->contents("/store/JOURNAL").find("newest") != std::string::npos; });
  FaultyFileSystem disk = fixture.disk->crash_process();
  for (const std::string& name : names_in(disk, "/store/shard-00")) {
    REQUIRE(disk.unlink("/store/shard-00/" + name));
  }
  REQUIRE(disk.unlink("/store/STORE"));
  copy_tree(disk, path, "/store");
  const Contents then{{"key", "old"}};
  CHECK(contents_of(disk, "/store") == then);
  SUBCASE("in a start") {}
  SUBCASE("in the start after one that a power cut ended") {
    const uint64_t before = disk.calls();
    FaultyFileSystem tried = disk.crash_process();
    contents_of(tried, "/store", false);
    const uint64_t calls = tried.calls();
    for (uint64_t skip = 0; skip < calls; ++skip) {
      CAPTURE(skip);
      FaultyFileSystem cut = disk.crash_process();
      cut.inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
      options.files = &cut;
      (void)Store::open(options);
      FaultyFileSystem rest = cut.crash(skip, PowerLoss::kDrop);
      CHECK(contents_of(rest, "/store", false) == then);
    }
    CHECK(disk.calls() == before);
  }
  CHECK(contents_of(disk, "/store", false) == then);
  CHECK_FALSE(*disk.stat("/store/JOURNAL"));
}

TEST_CASE("a restored copy leaves the backups of the store that it was copied from alone") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture, 0, 20);
  FaultyFileSystem& disk = *fixture.disk;
  CHECK(fixture.store->identity().instance == 0);
  const std::string first = backup(fixture);
  copy_tree(disk, first, "/copy");
  Options options = small_segments();
  options.dir = "/copy";
  options.files = &disk;
  StoreIdentity copy;
  std::string of_copy;
  for (int round = 0; round < 2; ++round) {
    auto restored = Store::open(options);
    REQUIRE(restored);
    const StoreIdentity now = (*restored)->identity();
    CHECK(now.id == fixture.store->id());
    CHECK(now.instance != 0);
    if (round == 1) CHECK(now == copy);
    copy = now;
    auto made = make_backup(**restored, kDirectory, kTime + 1 + round);
    REQUIRE(made);
    REQUIRE(prune_backups(disk, kDirectory, now, 1, made->path));
    of_copy = made->path;
  }
  const auto base = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  CHECK(names_in(disk, kDirectory) == std::vector<std::string>{base(first), base(of_copy)});
  // The store's own count does not mind the other's either.
  const std::string second = backup(fixture, kTime + 10);
  REQUIRE(prune_backups(disk, kDirectory, fixture.store->identity(), 1, second));
  CHECK(names_in(disk, kDirectory) == std::vector<std::string>{base(of_copy), base(second)});
  fixture.reopen();
  CHECK(fixture.store->identity().instance == 0);
  // A copy of the copy is another store again.
  copy_tree(disk, of_copy, "/copy of it");
  options.dir = "/copy of it";
  auto another = Store::open(options);
  REQUIRE(another);
  CHECK((*another)->identity().instance != copy.instance);
}

TEST_CASE("a backup without an instance in its mark is one's own if the store was never claimed") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture, 0, 20);
  FaultyFileSystem& disk = *fixture.disk;
  const std::string path = backup(fixture);
  std::string mark = disk.contents(path + "/BACKUP");
  mark = mark.substr(0, mark.find(" instance=")) + "\n";
  disk.set_contents(path + "/BACKUP", mark);
  REQUIRE(disk.unlink(path + "/MANIFEST"));
  const StoreIdentity id = fixture.store->identity();
  CHECK(list_backups(disk, kDirectory, id)->size() == 1);
  CHECK(list_backups(disk, kDirectory, StoreIdentity{id.id, 7})->empty());
  CHECK(contents_of(disk, path, false) == fixture.contents());
}

TEST_CASE("a backup with an empty shard is whole, and so is an older one without a segment of it") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fixture.put("{a}1", "1");
  const uint32_t empty = 1 - fixture.store->shard_of("{a}1");
  const std::string path = backup(fixture);
  SUBCASE("a backup") {}
  SUBCASE("an older one") {
    std::string mark = fixture.disk->contents(path + "/BACKUP");
    fixture.disk->set_contents(path + "/BACKUP", mark.substr(0, mark.find(" instance=")) + "\n");
    REQUIRE(fixture.disk->unlink(path + "/MANIFEST"));
    const std::string shard = fmt::format("{}/shard-{:02}", path, empty);
    for (const std::string& name : names_in(*fixture.disk, shard)) {
      REQUIRE(fixture.disk->unlink(shard + "/" + name));
    }
  }
  Options options = small_segments();
  options.dir = path;
  options.files = fixture.disk.get();
  options.read_only = true;
  {
    auto reader = Store::open(options);
    REQUIRE(reader);
    CHECK((*reader)->open_report().found.damaged_ranges == 0);
    CHECK(StoreCheck(**reader, {}).run().damage == 0);
  }
  for (int round = 0; round < 2; ++round) {
    CHECK(contents_of(*fixture.disk, path, false) == fixture.contents());
  }
}

TEST_CASE("a manifest that is no list of files is reported") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture, 0, 20);
  const std::string path = backup(fixture);
  for (const std::string listed : {"no list", "\n", "nothing\n", "5 a\n\n", "5 a"}) {
    CAPTURE(listed);
    fixture.disk->set_contents(path + "/MANIFEST",
                               listed + fmt::format("crc={:08x}\n", crc32c(listed)));
    std::string found;
    check_manifest(*fixture.disk, path, [&](const BackupFault& fault) { found += fault.path; });
    CHECK(found.find(path + "/MANIFEST") != std::string::npos);
  }
}

TEST_CASE("what is larger than a manifest can be is none, and is not read") {
  Directory directory;
  const std::string path = directory.path / "MANIFEST";
  std::ofstream(path).put('x');
  std::filesystem::resize_file(path, uint64_t{1} << 43);
  const auto marks = find_backup_marks(posix_file_system(), directory.path);
  REQUIRE(marks);
  CHECK_FALSE(marks->is_backup());
}

TEST_CASE("a copy of a backup that is not whole is reported when it is opened") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture, 0, 60);
  const std::string path = backup(fixture);
  std::vector<std::string> files{path + "/MANIFEST"};
  for (const std::string shard : {"/shard-00", "/shard-01"}) {
    for (const std::string& name : names_in(*fixture.disk, path + shard)) {
      files.push_back(path + shard + "/" + name);
    }
  }
  REQUIRE(files.size() > 4);
  for (const std::string& file : files) {
    for (const bool cut : {false, true}) {
      CAPTURE(file);
      CAPTURE(cut);
      FaultyFileSystem disk = fixture.disk->crash_process();
      if (cut) {
        disk.cut(file, disk.contents(file).size() - 1);
      } else {
        REQUIRE(disk.unlink(file));
      }
      Options options = small_segments();
      options.dir = path;
      options.files = &disk;
      options.read_only = options.salvage = true;
      std::string found;
      {
        auto reader = Store::open(options);
        REQUIRE(reader);
        StoreCheck::Hooks hooks;
        hooks.finding = [&](const CheckFinding& finding) { found += finding.file + "\n"; };
        const CheckReport report = StoreCheck(**reader, hooks).run();
        CHECK((report.damage > 0 || file.ends_with(".hint")));
      }
      CHECK(found.find(file + "\n") != std::string::npos);
      options.read_only = options.salvage = false;
      std::string said;
      options.log = [&](LogLevel, std::string_view line) { said += fmt::format("{}\n", line); };
      auto store = Store::open(options);
      REQUIRE(store);
      CHECK(said.find(file + (cut ? "" : ": is missing")) != std::string::npos);
      CHECK(((*store)->open_report().found.damaged_ranges > 0 || file.ends_with(".hint")));
      CHECK_FALSE(*disk.stat(path + "/MANIFEST"));
      CHECK_FALSE(*disk.stat(path + "/BACKUP"));
    }
  }
}

TEST_CASE("a backup of an empty store is an empty store") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  CHECK(contents_of(*fixture.disk, backup(fixture)).empty());
}

TEST_CASE("sealed segments are linked, small active ones copied, large ones rolled") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fixture.put("small", "1");
  auto first = make_backup(*fixture.store, kDirectory, kTime);
  REQUIRE(first);
  CHECK(first->segments == 1);
  CHECK(first->copied_bytes == first->bytes);
  const uint64_t segments = fixture.sum(&ShardStats::segments);
  CHECK(segments == 2);
  fixture.put("small", std::string(6000, 'x'));
  auto second = make_backup(*fixture.store, kDirectory, kTime + 1);
  REQUIRE(second);
  CHECK(second->copied_bytes == 0);
  CHECK(fixture.sum(&ShardStats::segments) == segments + 1);
}

TEST_CASE("where a store's files cannot have second names the first backup fails, however small") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fixture.put("small", "1");
  fixture.disk->inject({.times = kForever, .call = Call::kLink});
  CHECK_FALSE(make_backup(*fixture.store, kDirectory, kTime));
  CHECK(names_in(*fixture.disk, kDirectory).empty());
  fixture.disk->clear_faults();
  CHECK(make_backup(*fixture.store, kDirectory, kTime));
}

TEST_CASE("a hint that is gone is left out of a backup, and is there again in the next") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  const Contents then = fill(fixture, 0, 150);
  FaultyFileSystem& disk = *fixture.disk;
  const std::string whole = backup(fixture);
  const auto hints_in = [&](const std::string& directory) {
    std::vector<std::string> hints;
    for (const std::string shard : {"/shard-00", "/shard-01"}) {
      for (const std::string& name : names_in(disk, directory + shard)) {
        if (name.ends_with(".hint")) hints.push_back(shard + "/" + name);
      }
    }
    return hints;
  };
  const std::vector<std::string> hints = hints_in(whole);
  REQUIRE(hints.size() > 2);
  CHECK(hints_in("/store") == hints);
  for (const std::string& hint : hints) REQUIRE(disk.unlink("/store" + hint));

  const std::string without = backup(fixture, kTime + 1);
  for (const std::string& hint : hints) CHECK_FALSE(*disk.stat(without + hint));
  CHECK(disk.contents(without + "/MANIFEST").find(".hint") == std::string::npos);
  CHECK(contents_of(disk, without) == then);

  const std::string again = backup(fixture, kTime + 2);
  for (const std::string& hint : hints) {
    CHECK(*disk.stat("/store" + hint));
    CHECK(*disk.stat(again + hint));
  }
  CHECK(contents_of(disk, again) == then);
}

TEST_CASE("neither store writes to the files of the other") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  const Contents then = fill(fixture, 0, 60);
  const std::string path = backup(fixture);
  SUBCASE("the store, after a restart right after the backup") {
    fixture.crash_process();
    fill(fixture, 0, 60, 'n');
    CHECK(contents_of(*fixture.disk, path) == then);
  }
  SUBCASE("the backup, when it is opened and written to") {
    {
      Options options = small_segments();
      options.dir = path;
      options.files = fixture.disk.get();
      auto restored = Store::open(options);
      REQUIRE(restored);
      StoreFixture other{FaultyFileSystem(), small_segments()};
      std::swap(other.store, *restored);
      fill(other, 0, 60, 'r');
      fill(other, 0, 60, 'q');
      merge_now(*other.store);
      REQUIRE(other.store->close());
      std::swap(other.store, *restored);
    }
    fixture.reopen();
    CHECK(fixture.contents() == then);
    fixture.crash_process();
    CHECK(fixture.contents() == then);
  }
}

TEST_CASE("a tail is cut in a copy where a backup has the file too") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture, 0, 30);
  fixture.put("{a}last", std::string(200, 'l'));
  const uint32_t shard = fixture.store->shard_of("{a}last");
  REQUIRE(fixture.store->close());
  // The last value of the newest segment rots; nothing says that it had been synced.
  const std::string directory = fmt::format("/store/shard-{:02}", shard);
  std::string newest;
  for (const std::string& name : names_in(*fixture.disk, directory)) {
    if (name.ends_with(".seg")) newest = directory + "/" + name;
    if (name.ends_with(".hint")) REQUIRE(fixture.disk->unlink(directory + "/" + name));
  }
  const std::string whole = fixture.disk->contents(newest);
  fixture.disk->flip_bit(newest, whole.size() * 8 - 1);
  REQUIRE(fixture.disk->link(newest, "/other"));
  const std::string rotten = fixture.disk->contents(newest);
  fixture.reopen();
  CHECK(fixture.get("{a}last") == std::nullopt);
  fill(fixture, 0, 30, 'n');
  CHECK(fixture.disk->contents("/other") == rotten);
}

TEST_CASE("a damaged header is left as it is where a backup has the file too") {
  for (const bool torn : {false, true}) {
    CAPTURE(torn);
    StoreFixture fixture(FaultyFileSystem(), small_segments());
    Contents then = fill(fixture, 0, 160);
    fixture.put("{a}last", std::string(200, 'l'));
    if (!torn) then["{a}last"] = std::string(200, 'l');
    const uint32_t shard = fixture.store->shard_of("{a}last");
    REQUIRE(fixture.store->close());
    const std::string directory = fmt::format("/store/shard-{:02}", shard);
    std::map<std::string, std::string> rotten;
    for (const std::string& name : names_in(*fixture.disk, directory)) {
      if (name.ends_with(".hint")) REQUIRE(fixture.disk->unlink(directory + "/" + name));
      if (name.ends_with(".seg")) rotten[name];
    }
    REQUIRE(rotten.size() > 1);
    for (auto& [name, bytes] : rotten) {
      const std::string path = directory + "/" + name;
      if (torn && name == rotten.rbegin()->first) {
        fixture.disk->flip_bit(path, fixture.disk->contents(path).size() * 8 - 1);
      }
      fixture.disk->flip_bit(path, 200);
      REQUIRE(fixture.disk->link(path, "/" + name));
      bytes = fixture.disk->contents(path);
    }
    fixture.reopen();
    CHECK(fixture.store->open_report().found.damaged_ranges >= rotten.size());
    CHECK(fixture.contents() == then);
    then = fill(fixture, 0, 160, 'n');
    for (const auto& [name, bytes] : rotten) CHECK(fixture.disk->contents("/" + name) == bytes);
    // Without the backup it is mended.
    for (const auto& [name, bytes] : rotten) REQUIRE(fixture.disk->unlink("/" + name));
    fixture.reopen();
    fixture.reopen();
    CHECK(fixture.store->open_report().found.damaged_ranges == 0);
    CHECK(fixture.contents() == then);
  }
}

TEST_CASE("a transaction over all shards is in a backup whole or not at all") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  std::atomic<bool> stop{false};
  std::vector<std::string> keys;
  for (uint32_t shard = 0; shard < 2; ++shard) {
    for (int i = 0;; ++i) {
      const std::string key = fmt::format("k{}", i);
      if (fixture.store->shard_of(key) != shard) continue;
      keys.push_back(key);
      break;
    }
  }
  std::thread writer([&] {
    constexpr int kMostRounds = 3000;
    for (int round = 0; !stop && round < kMostRounds; ++round) {
      const std::string value = std::to_string(round) + std::string(100, '.');
      fixture.in_all_shards([&](Shard& shard) {
        const std::string& key = keys[shard.index()];
        const std::string_view piece = value;
        shard.put(0, key, shard.hash(key), 0, 0, {&piece, 1});
      });
    }
  });
  for (int i = 0; i < 12; ++i) {
    if (i % 3 == 0) fixture.store->request_merge();
    const Contents got = contents_of(*fixture.disk, backup(fixture, kTime + i));
    if (got.empty()) continue;
    REQUIRE(got.size() == 2);
    CHECK(got.at(keys[0]) == got.at(keys[1]));
  }
  stop = true;
  writer.join();
}

TEST_CASE("old backups go by count; what is used, changed or somebody else's stays") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture, 0, 20);
  FaultyFileSystem& disk = *fixture.disk;
  const StoreIdentity id = fixture.store->identity();
  std::vector<std::string> paths;
  for (int i = 0; i < 5; ++i) paths.push_back(backup(fixture, kTime + i));
  CHECK(backup(fixture, kTime) == "/store/backups/2026-09-21T14-13-20.128Z");  // the name was taken
  paths.push_back("/store/backups/2026-09-21T14-13-20.128Z");
  disk.set_contents("/store/backups/notes", "a user's own");
  REQUIRE(disk.create_directory("/store/backups/mine.tmp"));
  contents_of(disk, paths[0], false);  // written to
  Options options = small_segments();
  options.dir = paths[1];
  options.read_only = true;
  options.files = &disk;
  auto reader = Store::open(options);
  REQUIRE(reader);
  CHECK(list_backups(disk, kDirectory, id)->size() == 5);
  CHECK(list_backups(disk, kDirectory, StoreIdentity{id.id + 1})->empty());
  REQUIRE(prune_backups(disk, kDirectory, StoreIdentity{id.id + 1}, 0));
  REQUIRE(prune_backups(disk, kDirectory, id, 2));
  const auto base = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  CHECK(names_in(disk, kDirectory) == std::vector<std::string>{base(paths[0]), base(paths[1]),
                                                               base(paths[4]), base(paths[5]),
                                                               "mine.tmp", "notes"});
  CHECK(contents_of(disk, paths[4]) == fixture.contents());
  REQUIRE((*reader)->close());
  REQUIRE(prune_backups(disk, kDirectory, id, 0));
  CHECK(names_in(disk, kDirectory) ==
        std::vector<std::string>{base(paths[0]), "mine.tmp", "notes"});
  CHECK(list_backups(disk, "/nowhere", id)->empty());
  REQUIRE(prune_backups(disk, "/nowhere", id, 0));
}

TEST_CASE("a backup made after the clock was set back outlives older ones with later names") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture, 0, 20);
  FaultyFileSystem& disk = *fixture.disk;
  const StoreIdentity id = fixture.store->identity();
  backup(fixture, kTime + 1000);
  const std::string later = backup(fixture, kTime + 2000);
  const std::string made = backup(fixture, kTime);
  const auto name = [](const std::string& path) { return path.substr(path.rfind('/') + 1); };
  REQUIRE(prune_backups(disk, kDirectory, id, 2, made));
  CHECK(names_in(disk, kDirectory) == std::vector<std::string>{name(made), name(later)});
  REQUIRE(prune_backups(disk, kDirectory, id, 1, made));
  CHECK(names_in(disk, kDirectory) == std::vector<std::string>{name(made)});
}

namespace {

// A store with two backups, the first of which is then pruned; every call is made to fail once.
struct Sweep {
  explicit Sweep(FaultRule rule) : fixture(FaultyFileSystem(), small_segments()) {
    then = fill(fixture, 0, 45);
    backup(fixture, kTime);
    now = fill(fixture, 20, 60, 'n');
    before = fixture.disk->calls();
    if (rule.times > 0) fixture.disk->inject(rule);
    made = bool(make_backup(*fixture.store, kDirectory, kTime + 1));
    pruned = made && prune_backups(*fixture.disk, kDirectory, fixture.store->identity(), 1);
    calls = fixture.disk->calls() - before;
  }

  StoreFixture fixture;
  Contents then, now;
  uint64_t before = 0, calls = 0;
  bool made = false, pruned = false;
};

void check_backups(Sweep& sweep, FaultyFileSystem& disk) {
  for (const std::string& name : names_in(disk, kDirectory)) {
    if (name.ends_with(".tmp")) continue;
    const bool first = name == "2026-09-21T14-13-20.123Z";
    CHECK(contents_of(disk, kDirectory + "/" + name) == (first ? sweep.then : sweep.now));
  }
}

}  // namespace

TEST_CASE("power lost at any call of a backup or a pruning leaves no half of one") {
  const uint64_t calls = Sweep(FaultRule{.times = 0}).calls;
  REQUIRE(calls > 50);
  for (uint64_t k = 0; k < calls; ++k) {
    Sweep sweep({.fault = Fault::kPowerOff, .skip = k, .times = kForever});
    for (const PowerLoss mode : kPowerLosses) {
      CAPTURE(k);
      CAPTURE(int(mode));
      FaultyFileSystem after = sweep.fixture.disk->crash(k, mode);
      check_backups(sweep, after);
      const auto names = names_in(after, kDirectory);
      // Once the new one is said to be made, it is there; the old one goes after that.
      const bool has_new =
          std::find(names.begin(), names.end(), "2026-09-21T14-13-20.124Z") != names.end();
      const bool has_old =
          std::find(names.begin(), names.end(), "2026-09-21T14-13-20.123Z") != names.end();
      CHECK((has_new || !sweep.made));
      CHECK((has_new || has_old));
      CHECK((!has_old || !sweep.pruned));
      // The store itself has lost nothing of what was synced, and the leftovers go.
      StoreFixture again(std::move(after), small_segments());
      REQUIRE(prune_backups(*again.disk, kDirectory, again.store->identity(), 1));
      CHECK(names_in(*again.disk, kDirectory).size() == 1);
      if (sweep.made) CHECK(again.contents() == sweep.now);
      check_backups(sweep, *again.disk);
    }
  }
}

TEST_CASE("an error at any call of a backup leaves the store as it is and no half of a backup") {
  const uint64_t calls = Sweep(FaultRule{.times = 0}).calls;
  for (const Fault fault : {Fault::kIo, Fault::kNoSpace}) {
    for (uint64_t k = 0; k < calls; ++k) {
      CAPTURE(k);
      Sweep sweep({.fault = fault, .skip = k, .times = 1});
      sweep.fixture.disk->clear_faults();
      check_backups(sweep, *sweep.fixture.disk);
      CHECK(sweep.fixture.contents() == sweep.now);
      if (sweep.fixture.store->sync_failed()) continue;
      REQUIRE(prune_backups(*sweep.fixture.disk, kDirectory, sweep.fixture.store->identity(), 1));
      CHECK(names_in(*sweep.fixture.disk, kDirectory).size() == 1);
      const std::string path = backup(sweep.fixture, kTime + 2);
      CHECK(contents_of(*sweep.fixture.disk, path) == sweep.now);
    }
  }
}

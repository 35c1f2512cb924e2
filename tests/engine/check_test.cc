#include "engine/check.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/repair.h"
#include "engine/store.h"
#include "tests/engine/map_index.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

using Contents = std::map<std::string, std::string>;

Options single_shard() {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.segment_bytes = 4096;
  options.merge.bytes_per_second = 0;
  options.element_index = MapIndex::make;
  return options;
}

// A store of some segments, merged and not, with an expiry, a collection and a swapped database.
Contents fill(StoreFixture& fixture) {
  for (int i = 0; i < 300; ++i) {
    fixture.put(fmt::format("key{}", i % 70), fmt::format("{}{}", i, std::string(40, 'v')));
    if (i % 9 == 0) fixture.remove(fmt::format("key{}", i % 50));
  }
  REQUIRE(fixture.store->merge_now());
  fixture.put("expiring", "1", 0, 4'000'000'000'000);
  fixture.set_expiry("expiring", 5'000'000'000'000);
  fixture.put("elsewhere", "2", 1);
  fixture.swap(1, 2);
  fixture.change("collection", [](Shard& shard, uint64_t hash) {
    const KeydirEntry entry = shard.put_split(0, "collection", hash, 1, 0, "header");
    const std::string_view piece = "payload";
    auto& index = static_cast<MapIndex&>(shard.collection(entry.collection));
    index.set("element", shard.put_element(entry.collection, 1, "element", {&piece, 1}));
    return true;
  });
  for (int i = 0; i < 60; ++i) fixture.put(fmt::format("late{}", i), std::string(60, 'l'));
  return fixture.contents();
}

struct Checked {
  CheckReport report;
  std::vector<CheckFinding> findings;
};

// Opens what is on the disk read-only, and checks it.
Checked check(const FaultyFileSystem& disk, Options options,
              const std::optional<FaultRule>& fault = {},
              const std::function<void(Store&)>& then = nullptr) {
  FaultyFileSystem copy = disk.crash_process();
  options.files = &copy;
  options.read_only = options.salvage = true;
  if (fault) copy.inject(*fault);
  auto store = Store::open(options);
  if (!store) FAIL(store.error().message);
  Checked checked;
  StoreCheck::Hooks hooks;
  hooks.finding = [&](const CheckFinding& finding) { checked.findings.push_back(finding); };
  checked.report = StoreCheck(**store, hooks).run();
  if (then) then(**store);
  return checked;
}

}  // namespace

TEST_CASE("a check finds nothing in a sound store, closed or killed") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  fill(fixture);
  auto killed = check(*fixture.disk, fixture.options);
  CHECK(killed.report.damage == 0);
  REQUIRE(fixture.store->close());
  auto closed = check(*fixture.disk, fixture.options);
  CHECK(closed.report.damage == 0);
  CHECK(closed.report.notes == 0);
  CHECK(closed.report.hints == closed.report.segments);
  CHECK(closed.report.values > 100);
}

TEST_CASE("a check finds every flipped bit, in segments and in hints") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  fill(fixture);
  REQUIRE(fixture.store->close());
  for (const std::string& name : *fixture.disk->list("/store/shard-00")) {
    const std::string path = "/store/shard-00/" + name;
    const uint64_t bits = fixture.disk->contents(path).size() * 8;
    for (uint64_t bit = 3; bit < bits; bit += 997) {
      CAPTURE(name);
      CAPTURE(bit);
      FaultyFileSystem disk = fixture.disk->crash_process();
      disk.flip_bit(path, bit);
      const auto checked = check(disk, fixture.options);
      CHECK(checked.report.damage + checked.report.notes > 0);
      CHECK((checked.report.damage > 0 || name.ends_with(".hint")));
    }
  }
}

TEST_CASE("a hint that was made to look sound is told of, and its segment read instead") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  const Contents contents = fill(fixture);
  REQUIRE(fixture.store->close());
  constexpr size_t kHeaderSize = 84, kBlockHeaderSize = 8;  // engine/hint.h
  int hints = 0;
  for (const std::string& name : *fixture.disk->list("/store/shard-00")) {
    if (!name.ends_with(".hint")) continue;
    ++hints;
    CAPTURE(name);
    FaultyFileSystem disk = fixture.disk->crash_process();
    std::string bytes = disk.contents("/store/shard-00/" + name);
    // Of the last record there is less than its header says.
    bytes.pop_back();
    const auto size = static_cast<uint32_t>(bytes.size() - kHeaderSize - kBlockHeaderSize);
    store(&bytes[kHeaderSize + 4], size);
    store(&bytes[kHeaderSize], crc32c(std::string_view(bytes).substr(kHeaderSize + 4)));
    disk.set_contents("/store/shard-00/" + name, bytes);
    CHECK(check(disk, fixture.options).report.damage > 0);
    StoreFixture other(std::move(disk), fixture.options);
    CHECK(other.store->open_report().found.damaged_ranges == 1);
    CHECK(other.contents() == contents);
    REQUIRE(other.store->merge_now());
    other.reopen();
    CHECK(other.store->open_report().found.damaged_ranges == 0);
    CHECK(other.contents() == contents);
  }
  CHECK(hints > 3);
}

TEST_CASE("a check finds that the end of a segment is missing, with hints and without") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  fill(fixture);
  REQUIRE(fixture.store->close());
  size_t cut = 0;
  for (const bool hints : {true, false}) {
    for (const std::string& name : *fixture.disk->list("/store/shard-00")) {
      if (!name.ends_with(".seg")) continue;
      CAPTURE(hints);
      CAPTURE(name);
      FaultyFileSystem disk = fixture.disk->crash_process();
      for (const std::string& other : *disk.list("/store/shard-00")) {
        if (!hints && other.ends_with(".hint")) REQUIRE(disk.unlink("/store/shard-00/" + other));
      }
      const std::string path = "/store/shard-00/" + name;
      const uint64_t size = disk.contents(path).size();
      REQUIRE((*disk.open(path))->truncate(size - 1));
      const auto checked = check(disk, fixture.options);
      CHECK(checked.report.damage + checked.report.notes > 0);
      for (const CheckFinding& finding : checked.findings) CHECK(finding.file == path);
      ++cut;
    }
  }
  CHECK(cut > 6);
}

TEST_CASE("a check finds that the newest segment is missing, by the hint that is left of it") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  fill(fixture);
  REQUIRE(fixture.store->close());
  std::string newest;
  for (const std::string& name : *fixture.disk->list("/store/shard-00")) {
    if (name.ends_with(".seg")) newest = name;
  }
  const std::string hint = newest.substr(0, newest.rfind('.')) + ".hint";
  REQUIRE(*fixture.disk->stat("/store/shard-00/" + hint));
  REQUIRE(fixture.disk->unlink("/store/shard-00/" + newest));
  const auto checked = check(*fixture.disk, fixture.options);
  CHECK(checked.report.damage == 1);
  REQUIRE(checked.findings.size() == 1);
  CHECK(checked.findings[0].file == "/store/shard-00/" + hint);
}

TEST_CASE("a repair of a sound store is the same store") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  const Contents before = fill(fixture);
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  Options options = fixture.options;
  options.files = &disk;
  options.read_only = true;
  {
    auto store = Store::open(options);
    REQUIRE(store);
    auto repaired = StoreRepair(**store, "/repaired", nullptr).run();
    REQUIRE(repaired);
    CHECK(repaired->lost == 0);
    CHECK(StoreRepair(**store, "/repaired", nullptr).run().error().code == ErrorCode::kInvalid);
  }
  options.read_only = false;
  options.dir = "/repaired";
  StoreFixture other(std::move(disk), options);
  CHECK(other.store->open_report().found.damaged_ranges == 0);
  CHECK(other.contents() == before);
  CHECK(other.get("elsewhere", 2) == "2");
  Shard& shard = other.store->shard(0);
  {
    std::lock_guard guard(shard);
    CHECK(shard.find(0, "expiring", shard.hash("expiring"))->expiry_ms == 5'000'000'000'000);
    const auto entry = shard.find(0, "collection", shard.hash("collection"));
    REQUIRE(entry);
    CHECK(static_cast<MapIndex&>(shard.collection(entry->collection)).elements().size() == 1);
  }
  other.put("new", "1");
  other.remove("late3");
  other.reopen();
  CHECK(other.get("new") == "1");
  CHECK(other.get("late3") == std::nullopt);
  CHECK(other.contents().size() == before.size());
}

namespace {

// Repairs a store in which a bit of what lies at `offset`, behind `name`, is another one: the
// finding, and what the repaired store holds.
struct Repaired {
  std::string path;
  std::vector<CheckFinding> lost;
  Contents contents;
  size_t elements = 0;
};

// Where the value of an element lies in its segment.
uint64_t offset_of_element(StoreFixture& fixture, std::string_view key, std::string_view element) {
  Shard& shard = fixture.store->shard(0);
  std::lock_guard guard(shard);
  const auto entry = shard.find(0, key, shard.hash(key));
  REQUIRE(entry);
  const auto& elements = static_cast<MapIndex&>(shard.collection(entry->collection)).elements();
  const auto found = elements.find(element);
  REQUIRE(found != elements.end());
  return found->second.where.offset();
}

Repaired repair_damaged(StoreFixture& fixture, uint64_t offset, const std::string& name) {
  Repaired repaired;
  REQUIRE(fixture.store->close());
  // The segment where it lies at that offset.
  FaultyFileSystem disk = fixture.disk->crash_process();
  for (const std::string& file : *disk.list("/store/shard-00")) {
    const std::string bytes = disk.contents("/store/shard-00/" + file);
    if (file.ends_with(".seg") && bytes.size() > offset &&
        bytes.substr(offset - name.size(), name.size()) == name) {
      repaired.path = "/store/shard-00/" + file;
    }
  }
  REQUIRE(!repaired.path.empty());
  disk.flip_bit(repaired.path, (offset + 5) * 8);
  Options options = fixture.options;
  options.files = &disk;
  options.read_only = true;
  {
    auto store = Store::open(options);
    REQUIRE(store);
    REQUIRE(StoreRepair(**store, "/repaired", [&](const CheckFinding& finding) {
              repaired.lost.push_back(finding);
            }).run());
  }
  options.read_only = false;
  options.dir = "/repaired";
  StoreFixture other(std::move(disk), options);
  repaired.contents = other.contents();
  Shard& shard = other.store->shard(0);
  std::lock_guard guard(shard);
  const auto entry = shard.find(0, "collection", shard.hash("collection"));
  REQUIRE(entry);
  repaired.elements = static_cast<MapIndex&>(shard.collection(entry->collection)).elements().size();
  return repaired;
}

}  // namespace

TEST_CASE("a repair saves all but the damaged value, and names its key, file and offset") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  Contents expected = fill(fixture);
  uint64_t offset = 0;
  {
    Shard& shard = fixture.store->shard(0);
    std::lock_guard guard(shard);
    offset = shard.find(0, "late7", shard.hash("late7"))->where.offset();
  }
  const Repaired repaired = repair_damaged(fixture, offset, "late7");
  REQUIRE(repaired.lost.size() == 1);
  CHECK(repaired.lost[0].key == "late7");
  CHECK(repaired.lost[0].file == repaired.path);
  CHECK(repaired.lost[0].offset == offset);
  expected.erase("late7");
  CHECK(repaired.contents == expected);
  CHECK(repaired.elements == 1);
}

TEST_CASE("a repair saves all of a collection but the damaged element") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  const Contents expected = fill(fixture);
  fixture.change("collection", [](Shard& shard, uint64_t hash) {
    const auto entry = shard.find(0, "collection", hash);
    const std::string_view piece = "another payload";
    auto& index = static_cast<MapIndex&>(shard.collection(entry->collection));
    index.set("other", shard.put_element(entry->collection, 1, "other", {&piece, 1}));
    return true;
  });
  const uint64_t offset = offset_of_element(fixture, "collection", "element");
  const Repaired repaired = repair_damaged(fixture, offset, "element");
  REQUIRE(repaired.lost.size() == 1);
  CHECK(repaired.lost[0].key == "collection");
  CHECK(repaired.lost[0].file == repaired.path);
  CHECK(repaired.lost[0].offset == offset);
  CHECK(repaired.contents == expected);
  CHECK(repaired.elements == 1);
}

TEST_CASE("a repair leaves out a collection of which no element can be read") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  Contents expected = fill(fixture);
  fixture.change("alone", [](Shard& shard, uint64_t hash) {
    const KeydirEntry entry = shard.put_split(0, "alone", hash, 1, 0, "header");
    const std::string_view piece = "the only payload";
    auto& index = static_cast<MapIndex&>(shard.collection(entry.collection));
    index.set("e", shard.put_element(entry.collection, 1, "e", {&piece, 1}));
    return true;
  });
  const uint64_t offset = offset_of_element(fixture, "alone", "e");
  const Repaired repaired = repair_damaged(fixture, offset, "e");
  REQUIRE(repaired.lost.size() == 1);
  CHECK(repaired.lost[0].key == "alone");
  CHECK(repaired.contents == expected);
}

TEST_CASE("a repair leaves out a value that lacks a part, and names its key") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  const Contents expected = fill(fixture);
  for (const std::string key : {"made of parts", "whole"}) {
    fixture.change(key, [&](Shard& shard, uint64_t hash) {
      const KeydirEntry entry = shard.put_split(0, key, hash, MapIndex::kIndivisible, 0, "header");
      auto& index = static_cast<MapIndex&>(shard.collection(entry.collection));
      for (const std::string part : {"first", "second", "third"}) {
        const std::string payload = "payload of " + key;
        const std::string_view piece = payload;
        index.set(part,
                  shard.put_element(entry.collection, MapIndex::kIndivisible, part, {&piece, 1}));
      }
      return true;
    });
  }
  const uint64_t offset = offset_of_element(fixture, "made of parts", "second");
  const Repaired repaired = repair_damaged(fixture, offset, "second");
  REQUIRE(repaired.lost.size() == 1);
  CHECK(repaired.lost[0].key == "made of parts");
  CHECK(repaired.lost[0].offset == offset);
  Contents with_whole = expected;
  with_whole["whole"] = "header";
  CHECK(repaired.contents == with_whole);
}

TEST_CASE("a check and a repair do without the record, and say that shards may be missing") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  fill(fixture);
  const uint64_t id = fixture.store->id();
  REQUIRE(fixture.store->close());
  FaultyFileSystem disk = fixture.disk->crash_process();
  SUBCASE("missing") {
    REQUIRE(disk.unlink("/store/STORE"));
  }
  SUBCASE("damaged") {
    disk.flip_bit("/store/STORE", 200);
  }
  SUBCASE("unreadable") {
    disk.make_unreadable("/store/STORE", 0, 81);
  }
  const auto checked = check(disk, fixture.options);
  CHECK(checked.report.damage == 1);
  REQUIRE(checked.findings.size() == 1);
  CHECK(checked.findings[0].file == "/store/STORE");
  const std::string& what = checked.findings[0].what;
  CHECK(what.find(fmt::format("the store {:016x} of 1 shards, unless", id)) != std::string::npos);
}

TEST_CASE("a repair of a store of another format version guesses at nothing") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  REQUIRE(fixture.store->close());
  std::string record = fixture.disk->contents("/store/STORE");
  record = record.substr(0, record.find(" crc="));
  record[15] = '2';
  record += fmt::format(" crc={:08x}\n", crc32c(record));
  fixture.disk->set_contents("/store/STORE", record);
  Options options = fixture.options;
  options.read_only = options.salvage = true;
  const auto refused = Store::open(options);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kFormat);
  CHECK(refused.error().message.find("version 2") != std::string::npos);
}

TEST_CASE("a repair goes on without a shard or a segment that cannot be read, and reports it") {
  Options options = single_shard();
  options.shards = 2;
  StoreFixture fixture(FaultyFileSystem(), options);
  Contents expected = fill(fixture);
  // The other shard's part of it cannot be looked for.
  fixture.in_all_shards([](Shard& shard) {
    const std::string key = shard.index() == 0 ? "{b}both" : "{a}both";
    const std::string_view piece = "whole";
    shard.put(0, key, shard.hash(key), 0, 0, {&piece, 1});
  });
  expected["{b}both"] = "whole";
  std::erase_if(expected,
                [&](const auto& entry) { return fixture.store->shard_of(entry.first) == 1; });
  REQUIRE(expected.size() > 20);
  FaultyFileSystem disk = fixture.disk->crash_process();
  FaultRule fault{.times = kForever, .call = Call::kList, .path = "/store/shard-01"};
  SUBCASE("a directory") {}
  SUBCASE("a segment") {
    fault.call = Call::kOpen;
  }
  const auto checked = check(disk, options, fault, [&](Store& source) {
    REQUIRE(StoreRepair(source, "/repaired", nullptr).run());
    Options opened = options;
    opened.dir = "/repaired";
    opened.files = source.options().files;
    auto repaired = Store::open(opened);
    REQUIRE(repaired);
    StoreFixture other(FaultyFileSystem(), options);
    std::swap(other.store, *repaired);
    CHECK(other.contents() == expected);
    std::swap(other.store, *repaired);
  });
  CHECK(checked.report.damage > 0);
  CHECK(checked.findings[0].file.starts_with("/store/shard-01"));
}

// The format on the disk, byte for byte: what is in tests/engine/golden was written once and must
// be read, and written, the same by every later version of the program.
//
// RESPCASK_GOLDEN: the directory. With RESPCASK_GOLDEN_WRITE the files are written anew, which only
// a new format version is a reason for.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <string>

#include "engine/batch_builder.h"
#include "engine/hint.h"
#include "engine/store.h"
#include "tests/engine/map_index.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

namespace fs = std::filesystem;
using Files = std::map<std::string, std::string>;  // by path in the store
using Contents = std::map<std::string, std::string>;

constexpr int64_t kExpiry = 4'102'444'800'000;
const std::string kBinary("\0\r\n\xff", 4);

fs::path golden_directory() {
  const char* told = std::getenv("RESPCASK_GOLDEN");
  return told != nullptr ? told : "tests/engine/golden";
}

Options golden_options() {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 4096;
  options.merge.bytes_per_second = 0;
  options.element_index = MapIndex::make;
  return options;
}

// The tags' slots lie in the first and in the second half of all slots.
std::string key_in(uint32_t shard, int n) {
  return fmt::format("{{{}}}{}", shard == 0 ? "b" : "a", n);
}

// A store with every kind of record, a transaction, merged segments and plain ones.
void write_golden_store(StoreFixture& fixture) {
  for (uint32_t shard = 0; shard < 2; ++shard) {
    REQUIRE(fixture.store->shard_of(key_in(shard, 0)) == shard);
    for (int i = 0; i < 80; ++i) {
      fixture.put(key_in(shard, i % 20), fmt::format("value {} {}", i, std::string(50, 'v')));
    }
    fixture.put(key_in(shard, 20), kBinary, 0, kExpiry);
    fixture.put(key_in(shard, 21), "");
    fixture.put(key_in(shard, 22), "in another database", 2);
  }
  REQUIRE(fixture.store->merge_now());
  for (uint32_t shard = 0; shard < 2; ++shard) {
    fixture.set_expiry(key_in(shard, 1), kExpiry + 1);
    fixture.remove(key_in(shard, 2));
    const std::string key = key_in(shard, 30);
    fixture.change(key, [&](Shard& to, uint64_t hash) {
      const uint64_t id = to.put_split(0, key, hash, 1, 0, "header").collection;
      auto& index = static_cast<MapIndex&>(to.collection(id));
      for (const std::string_view name : {"first", "second"}) {
        const std::string_view piece = "payload";
        index.set(name, to.put_element(id, 1, name, {&piece, 1}));
      }
      to.remove_element(id, 1, "first");
      to.element_dropped(*index.recover_remove("first"));
      return true;
    });
  }
  fixture.swap(2, 3);
  REQUIRE(fixture.store->close());
}

Contents golden_contents() {
  Contents contents;
  for (uint32_t shard = 0; shard < 2; ++shard) {
    for (int i = 0; i < 20; ++i) {
      contents[key_in(shard, i)] = fmt::format("value {} {}", 60 + i, std::string(50, 'v'));
    }
    contents.erase(key_in(shard, 2));
    contents[key_in(shard, 20)] = kBinary;
    contents[key_in(shard, 21)] = "";
    contents[key_in(shard, 30)] = "header";
  }
  return contents;
}

Files store_files(const FaultyFileSystem& disk) {
  Files files{{"STORE", disk.contents("/store/STORE")}};
  for (const std::string dir : {"shard-00", "shard-01"}) {
    for (const std::string& name : *disk.list("/store/" + dir)) {
      files[dir + "/" + name] = disk.contents("/store/" + dir + "/" + name);
    }
  }
  return files;
}

void write_golden_files() {
  StoreFixture fixture(FaultyFileSystem(), golden_options());
  write_golden_store(fixture);
  fs::remove_all(golden_directory());
  for (const auto& [path, bytes] : store_files(*fixture.disk)) {
    fs::create_directories((golden_directory() / path).parent_path());
    std::ofstream(golden_directory() / path, std::ios::binary) << bytes;
  }
}

// The golden files, on a simulated disk.
FaultyFileSystem golden_disk() {
  FaultyFileSystem disk;
  for (const char* dir : {"/store", "/store/shard-00", "/store/shard-01"}) {
    REQUIRE(disk.create_directory(dir));
  }
  for (const auto& entry : fs::recursive_directory_iterator(golden_directory())) {
    if (!entry.is_regular_file()) continue;
    std::ifstream file(entry.path(), std::ios::binary);
    const std::string bytes{std::istreambuf_iterator<char>(file), {}};
    disk.set_contents("/store/" + entry.path().lexically_relative(golden_directory()).string(),
                      bytes);
  }
  return disk;
}

// The batch as this version writes what this version reads in it.
std::string encode_again(BatchReader batch, std::string_view segment, uint32_t identity) {
  PendingLog log;
  BatchBuilder builder(log);
  builder.begin(batch.header().sequence, batch_seed(identity, batch.offset()));
  while (auto placed = batch.next()) {
    const auto place = builder.append(placed->record);
    if (placed->value_offset == 0) continue;
    std::memcpy(place.value, segment.data() + placed->value_offset,
                kValueChecksumSize + size_t{placed->record.value_size});
  }
  const auto& mark = batch.transaction();
  builder.end(batch.header().synced, batch.header().completed, mark ? &*mark : nullptr);
  std::string bytes;
  for (const std::string_view piece : log.pieces()) bytes += piece;
  return bytes;
}

}  // namespace

TEST_CASE("a store of format version 1 is read as it was written") {
  if (std::getenv("RESPCASK_GOLDEN_WRITE") != nullptr) write_golden_files();
  StoreFixture fixture(golden_disk(), golden_options());
  const auto& found = fixture.store->open_report().found;
  CHECK(found.damaged_ranges == 0);
  CHECK(found.torn_bytes == 0);
  CHECK(found.hints == found.segments);
  CHECK(found.bytes_read == 0);
  for (int round = 0; round < 2; ++round) {
    CHECK(fixture.contents() == golden_contents());
    for (uint32_t i = 0; i < 2; ++i) {
      CHECK(fixture.get(key_in(i, 22), 3) == "in another database");
      CHECK(fixture.get(key_in(i, 22), 2) == std::nullopt);
      Shard& shard = fixture.store->shard(i);
      std::lock_guard guard(shard);
      auto entry_of = [&](int n) { return *shard.find(0, key_in(i, n), shard.hash(key_in(i, n))); };
      CHECK(entry_of(1).expiry_ms == kExpiry + 1);
      CHECK(entry_of(20).expiry_ms == kExpiry);
      CHECK(entry_of(0).expiry_ms == 0);
      const auto& index = static_cast<MapIndex&>(shard.collection(entry_of(30).collection));
      REQUIRE(index.elements().size() == 1);
      CHECK(index.elements().begin()->first == "second");
    }
    // Once more from the segments alone.
    FaultyFileSystem bare = golden_disk();
    for (const auto& [path, bytes] : store_files(bare)) {
      if (path.ends_with(".hint")) REQUIRE(bare.unlink("/store/" + path));
    }
    fixture.restart_on(std::move(bare));
  }
}

TEST_CASE("segments and hints of format version 1 are written as they were") {
  FaultyFileSystem disk = golden_disk();
  std::set<RecordKind> kinds;
  std::set<uint32_t> generations;
  int transactions = 0;
  for (const auto& [name, bytes] : store_files(disk)) {
    const std::string& path = name;  // clang 14 captures no structured bindings
    CAPTURE(path);
    if (!path.ends_with(".seg")) continue;
    const auto header = decode_segment_header(bytes);
    REQUIRE(header);
    generations.insert(header->generation);
    CHECK(encode_segment_header(*header) == bytes.substr(0, kSegmentHeaderSize));
    uint64_t at = kSegmentHeaderSize;
    while (at < bytes.size()) {
      auto batch = BatchReader::open(bytes, at);
      REQUIRE(batch);
      if (batch->transaction()) ++transactions;
      CHECK(encode_again(*batch, bytes, segment_identity(*header)) ==
            bytes.substr(at, batch->end() - at));
      at = batch->end();
      while (auto placed = batch->next()) {
        kinds.insert(placed->record.kind);
        if (placed->value_offset == 0) continue;
        CHECK(checked_value(bytes, placed->value_offset, placed->record.value_size));
      }
    }
    const auto hint = HintReader::open(disk, "/store/" + path, *header);
    REQUIRE(hint);
    auto segment = Segment::open(disk, "/store/" + path, false, kSegmentHeaderSize);
    REQUIRE(segment);
    REQUIRE(write_hint(disk, **segment, "/store/again", hint->summary().covered,
                       hint->summary().completed));
    CHECK(disk.contents("/store/again") == disk.contents(hint_path_of("/store/" + path)));
  }
  CHECK(kinds.size() == 7);
  CHECK(generations.contains(0));
  CHECK(generations.size() > 1);
  CHECK(transactions > 0);
}

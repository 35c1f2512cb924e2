#include "engine/log_reader.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/segment.h"
#include "engine/working_memory.h"
#include "tests/engine/faulty_file.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

constexpr const char* kPath = "/store/shard-00/00000001.seg";

Options one_shard() {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  return options;
}

// The offsets of all batches of a segment, by the bytes themselves.
std::vector<uint64_t> batches_of(std::string_view bytes) {
  std::vector<uint64_t> offsets;
  uint64_t at = kSegmentHeaderSize;
  while (auto batch = BatchReader::open(bytes, at)) {
    offsets.push_back(at);
    at = batch->end();
  }
  return offsets;
}

struct Opened {
  explicit Opened(FaultyFileSystem& disk) : file(*disk.open_read_only(kPath)), size(*file->size()) {
    std::string head(kSegmentHeaderSize, '\0');
    REQUIRE(file->read_at(0, head));
    identity = segment_identity(*decode_segment_header(head));
  }
  LogReader reader() const { return {*file, identity, size}; }

  std::unique_ptr<File> file;
  uint64_t size;
  uint32_t identity = 0;
};

// With as much reserved as the value takes, which may be megabytes.
void put_large(StoreFixture& fixture, std::string_view key, std::string_view value) {
  fixture.change(
      key,
      [&](Shard& shard, uint64_t hash) {
        return shard.put(0, key, hash, 0, 0, {&value, 1});
      },
      value.size() + (1 << 20));
}

}  // namespace

TEST_CASE("batches are read one after the other, also those larger than the buffer") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  for (int i = 0; i < 2000; ++i) {
    fixture.put(fmt::format("key{}", i), std::string(static_cast<size_t>(i), 'v'));
  }
  put_large(fixture, "large", std::string(5 << 20, 'l'));
  fixture.put("last", "1");
  const std::string bytes = fixture.disk->contents(kPath);
  const Opened opened(*fixture.disk);
  LogReader reader = opened.reader();
  uint64_t at = kSegmentHeaderSize;
  for (const uint64_t offset : batches_of(bytes)) {
    REQUIRE(at == offset);
    auto batch = reader.batch(at);
    REQUIRE(batch);
    auto expected = BatchReader::open(bytes, at);
    REQUIRE(batch->values_intact());
    const auto read = batch->next_whole();
    const auto same = expected->next();
    REQUIRE(read);
    const auto& [placed, value] = *read;
    REQUIRE(placed.record.name == same->record.name);
    REQUIRE(placed.value_offset == same->value_offset);
    const bool same_value =
        value == std::string_view(bytes).substr(same->value_offset, value.size());
    CHECK(same_value);
    CHECK(value.size() == kValueChecksumSize + same->record.value_size);
    CHECK_FALSE(batch->next());
    CHECK_FALSE(batch->has_failed());
    at = batch->end();
  }
  CHECK_FALSE(reader.batch(at));
  CHECK_FALSE(reader.find(at));
}

namespace {

// One batch: small values, and among them three that are large.
std::map<std::string, std::string> put_batch(StoreFixture& fixture) {
  std::map<std::string, std::string> values;
  for (int i = 0; i < 20'000; ++i) {
    const size_t size = i % 5'000 == 4'999 ? 700'000 : static_cast<size_t>(i % 300);
    values[fmt::format("key{}", i)] = std::string(size, static_cast<char>('a' + i % 26));
  }
  fixture.change(
      "",
      [&](Shard& shard, uint64_t) {
        for (const auto& [key, value] : values) {
          const std::string_view bytes = value;
          shard.put(0, key, shard.hash(key), 0, 0, {&bytes, 1});
        }
        return true;
      },
      10 << 20);
  return values;
}

}  // namespace

TEST_CASE("a batch of any size is read in little memory, and of what is large just the names") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  const auto values = put_batch(fixture);
  const Opened opened(*fixture.disk);
  REQUIRE(opened.size > (5 << 20));
  const uint64_t before = WorkingMemory::total();
  LogReader reader = opened.reader();
  auto batch = reader.batch(kSegmentHeaderSize);
  REQUIRE(batch);
  CHECK(batch->end() == opened.size);
  const uint64_t read = fixture.disk->bytes_read();
  std::map<std::string, uint64_t> names;
  while (const auto placed = batch->next()) {
    names[std::string(placed->record.name)] = placed->record.value_size;
  }
  CHECK_FALSE(batch->has_failed());
  CHECK(names.size() == values.size());
  for (const auto& [key, value] : values) REQUIRE(names[key] == value.size());
  CHECK(fixture.disk->bytes_read() - read < opened.size - 1'500'000);
  CHECK(WorkingMemory::total() - before < (1 << 20));

  CHECK(batch->values_intact());
  CHECK(WorkingMemory::total() - before < (1 << 20));
  size_t whole = 0;
  size_t at_hand = 0;
  std::vector<LogBatch::Whole> seen;  // views that stay good
  while (const auto next = batch->next_whole()) {
    seen.push_back(*next);
    const bool stays = batch->is_next_at_hand();
    at_hand += stays ? 1 : 0;
    if (stays) continue;
    for (const auto& [placed, value] : seen) {
      const bool same =
          value.substr(kValueChecksumSize) == values.at(std::string(placed.record.name));
      REQUIRE(same);
      ++whole;
    }
    seen.clear();
  }
  CHECK(whole + seen.size() == values.size());
  CHECK(at_hand > values.size() - 100);
  CHECK(WorkingMemory::total() - before < (3 << 20));
}

TEST_CASE("what cannot be read of a large batch is one value, or a batch that has failed") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  const auto values = put_batch(fixture);
  const Opened sound(*fixture.disk);
  LogReader first = sound.reader();
  auto batch = first.batch(kSegmentHeaderSize);
  uint64_t in_large = 0;
  uint64_t in_small = 0;
  while (const auto placed = batch->next()) {
    if (placed->record.value_size == 700'000) in_large = placed->value_offset + 300'000;
    if (in_large == 0) in_small = placed->value_offset;
  }
  fixture.disk->make_unreadable(kPath, in_large / 4096 * 4096, 4096);
  const Opened opened(*fixture.disk);
  LogReader reader = opened.reader();
  batch = reader.batch(kSegmentHeaderSize);
  REQUIRE(batch);
  int bad = 0;
  size_t records = 0;
  while (const auto placed = batch->next()) {
    ++records;
    if (!batch->is_intact(*placed)) ++bad;
  }
  CHECK(records == values.size());
  CHECK(bad == 1);
  CHECK_FALSE(batch->has_failed());
  CHECK(reader.take_error().find(kPath) != std::string::npos);
  CHECK_FALSE(batch->values_intact());
  batch = reader.batch(kSegmentHeaderSize);
  while (batch->next_whole()) {
  }
  CHECK(batch->has_failed());

  fixture.disk->make_unreadable(kPath, in_small / 4096 * 4096, 4096);
  const Opened again(*fixture.disk);
  CHECK_FALSE(again.reader().batch(kSegmentHeaderSize));
}

TEST_CASE("a store with a batch larger than what is read at once starts, merges and starts again") {
  Options options = one_shard();
  options.segment_bytes = 1 << 20;
  options.merge.least_bytes = 0;
  StoreFixture fixture(FaultyFileSystem(), options);
  auto values = put_batch(fixture);
  fixture.crash_process();
  CHECK(fixture.contents() == values);
  for (int i = 0; i < 20'000; i += 2) {
    fixture.remove(fmt::format("key{}", i));
    values.erase(fmt::format("key{}", i));
  }
  fixture.put("new", std::string(2 << 20, 'n'));
  values["new"] = std::string(2 << 20, 'n');
  REQUIRE(fixture.store->merge_now());
  CHECK(fixture.store->merge_stats().failed == 0);
  CHECK(fixture.store->merge_stats().merges > 0);
  CHECK(fixture.contents() == values);
  fixture.crash_process();
  CHECK(fixture.contents() == values);
  fixture.reopen();
  CHECK(fixture.contents() == values);
}

TEST_CASE("a search for the next batch finds none inside a value") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  fixture.put("inner", "planted");
  const std::string inner = fixture.disk->contents(kPath).substr(kSegmentHeaderSize);
  put_large(fixture, "outer", inner + inner);
  fixture.put("next", "1");
  const auto offsets = batches_of(fixture.disk->contents(kPath));
  REQUIRE(offsets.size() == 3);
  const Opened opened(*fixture.disk);
  LogReader reader = opened.reader();
  CHECK(reader.find(offsets[1] + 1) == offsets[2]);
}

TEST_CASE("a reader's buffer counts as working memory until the reader goes") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  for (int i = 0; i < 100; ++i) fixture.put(fmt::format("key{}", i), std::string(1000, 'v'));
  const Opened opened(*fixture.disk);
  const uint64_t before = WorkingMemory::total();
  {
    LogReader reader = opened.reader();
    CHECK(WorkingMemory::total() == before);
    REQUIRE(reader.batch(kSegmentHeaderSize));
    CHECK(WorkingMemory::total() >= before + 100'000);
    CHECK(WorkingMemory::total() <= before + opened.size);
  }
  CHECK(WorkingMemory::total() == before);
}

TEST_CASE("a sector that cannot be read costs the batches that lie on it, and no others") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  for (int i = 0; i < 400; ++i) fixture.put(fmt::format("key{}", i), std::string(1000, 'v'));
  const std::string bytes = fixture.disk->contents(kPath);
  const auto offsets = batches_of(bytes);
  REQUIRE(offsets.size() == 400);
  const uint64_t bad = 300'000 / 4096 * 4096;
  fixture.disk->make_unreadable(kPath, bad, 4096);
  const Opened opened(*fixture.disk);
  LogReader reader = opened.reader();
  size_t lost = 0;
  uint64_t at = kSegmentHeaderSize;
  for (size_t i = 0; i < offsets.size(); ++i) {
    const uint64_t end = i + 1 < offsets.size() ? offsets[i + 1] : bytes.size();
    const bool readable = end <= bad || offsets[i] >= bad + 4096;
    if (at < offsets[i]) at = reader.find(at).value_or(bytes.size());
    if (readable) REQUIRE(at == offsets[i]);
    if (at != offsets[i]) continue;
    const auto batch = reader.batch(at);
    CHECK(bool(batch) == readable);
    lost += batch ? 0 : 1;
    at = batch ? batch->end() : at + 1;
  }
  CHECK(lost > 0);
  CHECK(reader.take_error().find(kPath) != std::string::npos);
}

TEST_CASE("sizes that a client wrote into a value are not read on their word") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  // A value full of batch headers, each of which claims the rest of the segment.
  BatchHeader fake;
  fake.size = 40 << 20;
  fake.records = 1;
  std::string header(kBatchHeaderSize, '\0');
  encode_batch_header(fake, header.data());
  std::string value;
  while (value.size() < (400 << 10)) value += header;
  put_large(fixture, "fakes", value);
  constexpr uint64_t kRest = 50 << 20;
  put_large(fixture, "rest", std::string(kRest, 'v'));
  const auto offsets = batches_of(fixture.disk->contents(kPath));
  const Opened opened(*fixture.disk);
  LogReader reader = opened.reader();
  const uint64_t before = fixture.disk->bytes_read();
  CHECK(reader.find(offsets[0] + 1) == offsets[1]);
  // Each fake costs a small read and no more.
  CHECK(fixture.disk->bytes_read() - before < kRest + (value.size() / kBatchHeaderSize) * 2048);
}

TEST_CASE("a value that pretends to be batches of thousands of records does not hold up a search") {
  StoreFixture fixture(FaultyFileSystem(), one_shard());
  // Each is a batch header, and, to the one before it, the tombstone of a name of 36 bytes.
  BatchHeader fake;
  fake.checksum = 0x24000002;
  fake.size = 40 << 20;
  fake.records = 1 << 20;
  std::string unit(kBatchHeaderSize, '\0');
  encode_batch_header(fake, unit.data());
  size_t size = 0;
  const auto record = decode_record(unit, size);
  REQUIRE(record);
  REQUIRE(record->kind == RecordKind::kTombstone);
  REQUIRE(size == kBatchHeaderSize);
  std::string value;
  while (value.size() < (400 << 10)) value += unit;
  put_large(fixture, "fakes", value);
  put_large(fixture, "rest", std::string(50 << 20, 'v'));
  const auto offsets = batches_of(fixture.disk->contents(kPath));
  const Opened opened(*fixture.disk);
  LogReader reader = opened.reader();
  const uint64_t before = fixture.disk->bytes_read();
  const uint64_t reads = fixture.disk->calls(Call::kRead);
  CHECK(reader.find(offsets[0] + 1) == offsets[1]);
  CHECK(fixture.disk->bytes_read() - before < 120'000'000);
  CHECK(fixture.disk->calls(Call::kRead) - reads < 2'000);
}

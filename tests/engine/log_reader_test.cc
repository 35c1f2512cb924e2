#include "engine/log_reader.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

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
    const auto placed = batch->next();
    const auto same = expected->next();
    REQUIRE(placed->record.name == same->record.name);
    REQUIRE(placed->value_offset == same->value_offset);
    CHECK(batch->value_of(*placed) == expected->value_of(*same));
    CHECK(batch->values_intact());
    at = batch->end();
  }
  CHECK_FALSE(reader.batch(at));
  CHECK_FALSE(reader.find(at));
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

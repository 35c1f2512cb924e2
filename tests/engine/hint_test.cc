#include "engine/hint.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "tests/engine/faulty_file.h"

using namespace respcask::engine;

namespace {

constexpr int kRecords = 40'000;  // some blocks

SegmentHeader header() {
  SegmentHeader header;
  header.first_id = header.last_id = 1;
  return header;
}

std::string name_of_record(int i) {
  return fmt::format("a name of some bytes {:06}", i);
}

// The hint of a segment that a made-up store has at /1.seg.
void write_large_hint(FaultyFileSystem& disk) {
  HintWriter writer(disk, "/1.hint", header());
  HintSummary summary;
  summary.covered = kSegmentHeaderSize;
  for (int i = 0; i < kRecords; ++i) {
    const std::string name = name_of_record(i);
    PlacedRecord placed;
    placed.record.kind = RecordKind::kPut;
    placed.record.name = name;
    placed.record.value_size = 6;
    placed.value_offset = summary.covered + name.size();
    summary.covered = placed.value_offset + kValueChecksumSize + placed.record.value_size;
    REQUIRE(writer.add(placed));
  }
  REQUIRE(writer.finish(summary));
}

// So many records are read, each as it was written.
int count_records(HintReader& hint) {
  int count = 0;
  while (const auto placed = hint.next()) {
    if (placed->record.name != name_of_record(count)) return -1;
    ++count;
  }
  return count;
}

}  // namespace

TEST_CASE("a hint is the same read whole and in blocks") {
  FaultyFileSystem disk;
  write_large_hint(disk);
  auto whole = HintReader::open(disk, "/1.seg", header());
  auto blocks = HintReader::open_in_blocks(disk, "/1.seg", header());
  REQUIRE(whole);
  REQUIRE(blocks);
  CHECK(count_records(*whole) == kRecords);
  CHECK(count_records(*blocks) == kRecords);
  CHECK_FALSE(whole->has_failed());
  CHECK_FALSE(blocks->has_failed());
}

TEST_CASE("a hint that is damaged is none, and read in blocks ends before the damage") {
  FaultyFileSystem disk;
  write_large_hint(disk);
  const uint64_t size = disk.contents("/1.hint").size();
  disk.flip_bit("/1.hint", 8 * (size / 2));
  CHECK_FALSE(HintReader::open(disk, "/1.seg", header()));
  auto blocks = HintReader::open_in_blocks(disk, "/1.seg", header());
  REQUIRE(blocks);
  const int count = count_records(*blocks);
  CHECK(count > kRecords / 5);
  CHECK(count < kRecords / 2);
  CHECK_FALSE(blocks->next());
  CHECK_FALSE(blocks->has_failed());
}

// Fuzz target: whatever a hint file holds, every record that is read from it is one that its
// segment can have, and they come back the same from a hint that is written of them.
//
// Input: a byte of options (1: the checksums are right; 2: and so is what the header says of how
// much there is), how many bytes of the segment it covers, then blocks: a size and so many bytes.
// Without option 1: how much of a sound header there is, and what follows it.
#include <algorithm>
#include <string>
#include <vector>

#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/hint.h"
#include "engine/location.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_files.h"

namespace respcask::engine {
namespace {

using fuzz::Input;
using fuzz::require;

const std::string kSegment = "00000001.seg";
const std::string kHint = hint_path_of(kSegment);

SegmentHeader segment_header() {
  SegmentHeader header;
  header.shard = 1;
  header.first_id = header.last_id = 1;
  header.store_id = 7;
  return header;
}

// A hint as the writer makes it, of no records: the header.
const std::string& sound_header() {
  static const std::string header = [] {
    MemoryFiles files;
    HintWriter writer(files, kHint, segment_header());
    require(bool(writer.finish({})), "no hint can be written");
    return files.at(kHint);
  }();
  return header;
}

std::string hint_of(Input& input) {
  const uint8_t options = input.byte();
  std::string bytes = sound_header();
  if ((options & 1) == 0) {
    bytes.resize(std::min<size_t>(bytes.size(), input.byte()));
    bytes += input.rest();
    return bytes;
  }
  const uint64_t covered = kSegmentHeaderSize + input.word();
  uint64_t records = input.word();
  uint32_t blocks = 0;
  while (!input.empty()) {
    const std::string_view entries = input.bytes(1 + input.byte());
    std::string block(8, '\0');
    store(&block[4], static_cast<uint32_t>(entries.size()));
    block += entries;
    store(&block[0], crc32c(std::string_view(block).substr(4)));
    bytes += block;
    ++blocks;
  }
  if ((options & 2) != 0) records = covered / 4;
  store(&bytes[36], blocks);
  store(&bytes[48], covered);
  store(&bytes[72], records);
  store(&bytes[80], crc32c(std::string_view(bytes).substr(0, 80)));
  return bytes;
}

// What the records say, without being views of the reader's.
struct Told {
  explicit Told(const PlacedRecord& placed)
      : record(placed.record), name(record.name), value_offset(placed.value_offset) {}

  Record record;
  std::string name;
  uint64_t value_offset;
  PlacedRecord placed() const {
    PlacedRecord placed{record, value_offset};
    placed.record.name = name;
    return placed;
  }
};

std::vector<Told> read_all(HintReader& hint) {
  std::vector<Told> all;
  while (const auto placed = hint.next()) {
    if (has_value(placed->record.kind)) {
      const uint64_t end = placed->value_offset + kValueChecksumSize + placed->record.value_size;
      require(placed->value_offset >= kSegmentHeaderSize && end <= hint.summary().covered,
              "a value lies outside of what the hint is of");
    }
    all.emplace_back(*placed);
  }
  return all;
}

void run(Input input) {
  MemoryFiles files;
  files.at(kHint) = hint_of(input);
  auto hint = HintReader::open(files, kSegment, segment_header());
  auto blocks = HintReader::open_in_blocks(files, kSegment, segment_header());
  (void)HintReader::measure(files, kSegment, segment_header());
  const std::vector<Told> in_blocks = blocks ? read_all(*blocks) : std::vector<Told>();
  if (!hint) return;
  const std::vector<Told> all = read_all(*hint);
  require(in_blocks.size() == all.size() && blocks->has_failed() == hint->has_failed(),
          "a hint that is sound is not the same in blocks");
  require(hint->has_failed() || hint->position() == files.at(kHint).size(),
          "the rest is passed over");
  HintWriter writer(files, kHint, segment_header());
  for (const Told& told : all) require(bool(writer.add(told.placed())), "a record is not written");
  // There may be more records than what was covered could hold.
  HintSummary summary = hint->summary();
  summary.covered = Location::kMaxOffset;
  require(bool(writer.finish(summary)), "a hint is not written");
  auto again = HintReader::open(files, kSegment, segment_header());
  require(again.has_value(), "what was written is refused");
  size_t count = 0;
  while (const auto placed = again->next()) {
    require(count < all.size() && *placed == all[count].placed(),
            "a record was written as another");
    ++count;
  }
  require(count == all.size() && !again->has_failed(), "a record is gone");
}

}  // namespace
}  // namespace respcask::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::engine::run({data, size});
  return 0;
}

// Fuzz target: whatever the journal holds, replaying it changes segments only where it says so and
// leaves no holes in them, does no more when it is done again, and who only looks is told the same.
//
// Input: a byte of options (1: the checksums are right), the sizes of three segments, then records
// until the bytes end: for each a byte of flaws (1: of another store; 2: of another round; 4: out
// of turn; 8: more pieces than there are), the number of its pieces and for each of them its shard,
// segment, offset and bytes. Without option 1 all that follows is the file.
#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/journal.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_files.h"

namespace respcask::engine {
namespace {

using fuzz::Input;
using fuzz::require;

constexpr uint64_t kStore = 7;
constexpr size_t kBlock = 4096;
constexpr size_t kSegments = 3;
constexpr uint64_t kMostRecords = 16;  // each takes a block

using Segments = std::array<std::string, kSegments>;

std::string path_of(uint32_t shard, uint64_t segment_id) {
  return "/store/" + std::to_string(shard) + "." + std::to_string(segment_id);
}
std::string path_of(size_t segment) {
  return path_of(static_cast<uint32_t>(segment), 1);
}

// A record as engine/journal.cc describes it.
std::string record_of(Input& input, uint64_t sequence) {
  const uint8_t flaws = input.byte();
  const uint32_t count = input.byte() % 4;
  std::string head(36, '\0');
  std::string bodies;
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t where = input.byte();
    const uint64_t offset = where == 255 ? UINT64_MAX - input.byte() : input.byte();
    const std::string_view bytes = input.bytes(input.byte() % 32);
    std::string piece(24, '\0');
    store(&piece[0], uint32_t{where} % 4);  // one more than there are
    store(&piece[4], static_cast<uint32_t>(bytes.size()) + (where == 254));
    store(&piece[8], uint64_t{where / 4 % 8 == 7 ? 2u : 1u});
    store(&piece[16], offset);
    head += piece;
    bodies += bytes;
  }
  store(&head[8], kStore + ((flaws & 1) != 0));
  store(&head[16], sequence + ((flaws & 4) != 0));
  store(&head[24], uint64_t{1} + ((flaws & 2) != 0));
  store(&head[32], count + ((flaws & 8) != 0));
  std::string record = head + bodies;
  store(&record[4], static_cast<uint32_t>(record.size()));
  store(&record[0], crc32c(std::string_view(record).substr(4)));
  record.resize((record.size() + kBlock - 1) / kBlock * kBlock);
  return record;
}

Segments contents(MemoryFiles& files) {
  Segments all;
  for (size_t i = 0; i < kSegments; ++i) all[i] = files.at(path_of(i));
  return all;
}

JournalReport replay(MemoryFiles& files, bool writable) {
  const auto report =
      replay_journal(files, "/store", kStore, writable,
                     [](uint32_t shard, uint64_t id) { return path_of(shard, id); });
  require(bool(report), "a journal that can be read was refused");
  return *report;
}

void run(Input input) {
  MemoryFiles files;
  const uint8_t options = input.byte();
  for (size_t i = 0; i < kSegments; ++i) {
    files.at(path_of(i)) = std::string(input.byte(), 's');
  }
  std::string& journal = files.at("/store/JOURNAL");
  uint64_t sequence = 0;
  if ((options & 1) == 0) journal = input.rest();
  while (!input.empty() && sequence < kMostRecords) journal += record_of(input, ++sequence);

  const Segments before = contents(files);
  const JournalReport looked = replay(files, false);
  require(contents(files) == before, "who only looks has changed something");
  const JournalReport replayed = replay(files, true);
  require(looked.records == replayed.records && looked.misplaced_bytes == replayed.misplaced_bytes,
          "who only looks is told something else");
  const Segments after = contents(files);
  uint64_t longer = 0;
  for (size_t i = 0; i < kSegments; ++i) {
    require(after[i].size() >= before[i].size(), "a segment has become shorter");
    longer += after[i].size() - before[i].size();
  }
  require(longer <= replayed.missing_bytes, "a segment has a hole");
  require(after == before || replayed.missing_bytes > 0, "something was changed without a word");
  require(replay(files, true).records == replayed.records, "the journal itself was changed");
  // What was left out has its place now, if a later piece has made the segment longer.
  require(replayed.misplaced_bytes > 0 || contents(files) == after,
          "the second time changes something else");
}

}  // namespace
}  // namespace respcask::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::engine::run({data, size});
  return 0;
}

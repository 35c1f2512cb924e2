// Fuzz target: whatever happens to a segment, the store opens, and what it serves of a key is a
// value that was put there: the latest one, unless the start has told of damage.
//
// Input: a byte of options (1: of a store that was killed; 2: without hints; 4: a merge and another
// start; 8: forged, see below), a byte that chooses the segment, then its changes until the bytes
// end.
//
// Checksums keep damage away from what lies behind them. So in one half of the inputs there are
// any number of changes and the checksums are made right again: then nothing is known of what has
// to be served, and the store must only stay upright.
#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/format.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/mend_batch.h"
#include "tests/fuzz/small_store.h"

namespace respcask::engine {
namespace {

using fuzz::Input;
using fuzz::require;

void mend(std::string& bytes) {
  if (bytes.size() < kSegmentHeaderSize) return;
  store(&bytes[76], crc32c(std::string_view(bytes).substr(0, 76)));
  const auto header = decode_segment_header(bytes);
  if (!header) return;
  size_t at = kSegmentHeaderSize;
  while (at != 0 && at < bytes.size()) at = mend_batch(bytes, at, segment_identity(*header), true);
}

// What a disk may do. Returns whether nobody can tell what was there: a log cut between two
// batches.
bool damage(std::string& bytes, Input& input) {
  const uint8_t kind = input.byte() % 4;
  const size_t at = input.below(bytes.size() + 1);
  switch (kind) {
    case 0:
      overwrite_few(bytes, at, input);
      return false;
    case 1: {  // a sector of zeros
      const size_t size = std::min(input.below(1024), bytes.size() - at);
      bytes.replace(at, size, std::string(size, '\0'));
      return false;
    }
    case 2:
      bytes.resize(at);
      return true;
    default:  // something behind it
      bytes += input.bytes(256);
      return false;
  }
}

// What only a hand would do.
void forge(std::string& bytes, Input& input) {
  while (!input.empty()) {
    const uint8_t kind = input.byte() % 8;
    const size_t at = input.below(bytes.size() + 1);
    if (kind < 5) {  // the likeliest: a byte of a header or of a name
      if (at < bytes.size()) bytes[at] = static_cast<char>(input.byte());
    } else if (kind == 5) {
      bytes.replace(at, std::string::npos, input.bytes(input.below(256)));
    } else if (kind == 6) {
      bytes.insert(at, input.bytes(input.below(64)));
    } else {
      bytes.erase(at, 1 + input.below(256));
    }
  }
  mend(bytes);
}

// `untold`: older values may come back, or none, without a word.
void check_values(OpenStore& store, const SmallStore& base, bool untold) {
  const OpenStore::Contents found = store.contents();
  for (const auto& [key, value] : found) {
    const auto ever = base.ever.find(key);
    require(value == kDamaged || (ever != base.ever.end() && ever->second.contains(value)),
            "a value is served that was never put");
  }
  if (untold || store.has_reported()) return;
  for (const auto& [key, value] : found) {
    const auto now = base.now.find(key);
    require(value == kDamaged || (now != base.now.end() && now->second == value),
            "an old value is served without a word");
  }
  for (const auto& [key, value] : base.now) {
    require(found.contains(key), "a key is gone without a word");
  }
}

void run(Input input) {
  const SmallStore& base = SmallStore::get();
  const uint8_t options = input.byte();
  const bool forged = (options & 8) != 0;
  FaultyFileSystem disk = ((options & 1) != 0 ? *base.killed : *base.closed).crash_process();
  if ((options & 2) != 0) {
    for (const std::string& hint : SmallStore::files(disk, ".hint")) {
      require(bool(disk.unlink(hint)), "a hint cannot be removed");
    }
  }
  const std::vector<std::string> segments = SmallStore::files(disk, ".seg");
  const std::string& segment = segments[input.below(segments.size())];
  std::string bytes = disk.contents(segment);
  bool untold = false;
  if (forged) {
    forge(bytes, input);
  } else {
    untold = damage(bytes, input);
  }
  disk.set_contents(segment, bytes);

  OpenStore store(std::move(disk));
  require(store.is_open() || forged, "damage refused a start");
  if (!store.is_open()) return;
  if (!forged) check_values(store, base, untold);
  if ((options & 4) == 0) return;
  store.put("new", "1");
  store.store().merge_now();
  const OpenStore::Contents before = store.contents();
  if (!forged) require(before.contains("new"), "what was written after damage is not there");
  store.reopen();
  require(store.is_open(), "the start after a start on damage was refused");
  if (forged) return;
  require(store.contents() == before, "the next start finds something else");
}

}  // namespace
}  // namespace respcask::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::engine::run({data, size});
  return 0;
}

// Fuzz target: whatever happens to hint files, every key has its value after the next start, and
// after a merge and one more start.
//
// Input: a byte of options (1: of a store that was killed; 2: a merge too), then damages until the
// bytes end: which hint, what kind of damage, and what that needs.
#include "tests/fuzz/input.h"
#include "tests/fuzz/small_store.h"

namespace respcask::engine {
namespace {

using fuzz::Input;
using fuzz::require;

void damage(FaultyFileSystem& disk, const std::vector<std::string>& hints, Input& input) {
  const std::string& hint = hints[input.below(hints.size())];
  std::string bytes = disk.contents(hint);
  const uint8_t kind = input.byte() % 7;
  const size_t at = input.below(bytes.size() + 1);
  switch (kind) {
    case 0:
      overwrite_few(bytes, at, input);
      break;
    case 1:  // zeros
      bytes.replace(at, bytes.size() - at, std::string(bytes.size() - at, '\0'));
      break;
    case 2:  // the rest is lost
      bytes.resize(at);
      break;
    case 3:  // something behind it
      bytes += input.bytes(1 + input.below(64));
      break;
    case 4:  // the hint of another segment, or of another time
      bytes = disk.contents(hints[input.below(hints.size())]);
      break;
    case 5:  // any bytes behind a sound header
      bytes.resize(std::min<size_t>(bytes.size(), 84));
      bytes += input.bytes(input.below(256));
      break;
    default:  // any bytes
      bytes = input.bytes(input.below(512));
      break;
  }
  disk.set_contents(hint, bytes);
}

void run(Input input) {
  const SmallStore& base = SmallStore::get();
  const uint8_t options = input.byte();
  FaultyFileSystem disk = ((options & 1) != 0 ? *base.killed : *base.closed).crash_process();
  const std::vector<std::string> hints = SmallStore::files(disk, ".hint");
  require(!hints.empty(), "there are no hints");
  for (int i = 0; i < 4 && !input.empty(); ++i) damage(disk, hints, input);

  OpenStore store(std::move(disk));
  require(store.is_open(), "a damaged hint refused a start");
  require(store.contents() == base.now, "a damaged hint changed what there is");
  if ((options & 2) == 0) return;
  store.store().merge_now();
  require(store.contents() == base.now, "a merge after a damaged hint changed what there is");
  store.reopen();
  require(store.is_open() && store.contents() == base.now,
          "the second start after a damaged hint changed what there is");
}

}  // namespace
}  // namespace respcask::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::engine::run({data, size});
  return 0;
}

// Fuzz target: whatever happens to the journal, the store opens. Where the segments have
// everything, as after a kill, it changes nothing; where a power cut has taken what only the
// journal had, each key has a value that was put there, and the last one if the journal is whole.
//
// Input: a byte of options (1: after a power cut; 2: forged, see below), then damages until the
// bytes end: what kind, where, and what that needs.
//
// Checksums keep most damage from being looked at. So in one half of the inputs the checksums of
// the records are made right again: then the store may refuse to start, and must only stay upright.
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "engine/bitcask_core.h"
#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "tests/engine/faulty_file.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/small_store.h"

namespace respcask::engine {
namespace {

using fuzz::Input;
using fuzz::require;

constexpr const char* kPath = "/store/JOURNAL";
constexpr uint64_t kBlock = 4096;
constexpr size_t kHeadBytes = 36;  // of a record: engine/journal.cc
constexpr uint64_t kDiskBytes = 64 << 20;
constexpr int kKeys = 12;

std::string key_of(int i) {
  return "key" + std::to_string(i);
}

std::shared_ptr<BitcaskCore> open(FaultyFileSystem& disk) {
  Options options;
  options.files = &disk;
  options.dir = "/store";
  options.shards = 3;
  options.segment_bytes = 8 * 1024;
  options.sync = SyncMode::kAlways;
  options.journal_bytes = 32 * kBlock;
  auto opened = BitcaskCore::open(std::move(options));
  return opened ? *std::move(opened) : nullptr;
}

// A store whose history is known. Made once for a process; never changed.
struct JournaledStore {
  JournaledStore() {
    raise_descriptor_limit();
    FaultyFileSystem disk;
    const auto core = open(disk);
    // Enough to begin the journal again once, and to leave records of the round before in it.
    for (int i = 0; i < 50; ++i) {
      const std::string key = key_of(i % kKeys);
      const std::string value = std::to_string(i) + std::string(i % 7 == 0 ? 5000 : 20, 'v');
      require(bool(core->put({key, value, 0})), "a write to a sound disk failed");
      now[key] = value;
      ever[key].insert(value);
    }
    killed.emplace(disk.crash_process());
    cut.emplace(disk.crash(1, PowerLoss::kDrop));
  }
  static const JournaledStore& get() {
    static const JournaledStore store;
    return store;
  }

  std::map<std::string, std::string> now;
  std::map<std::string, std::set<std::string>> ever;
  std::optional<FaultyFileSystem> killed;
  std::optional<FaultyFileSystem> cut;
};

void damage(std::string& bytes, Input& input) {
  const uint8_t kind = input.byte() % 6;
  // Most of it near the beginning of a record.
  size_t at = input.below(bytes.size() / kBlock + 1) * kBlock + input.below(256);
  at = std::min(at, bytes.size());
  switch (kind) {
    case 0:
      overwrite_few(bytes, at, input);
      break;
    case 1:
      bytes.replace(at, bytes.size() - at, std::string(bytes.size() - at, '\0'));
      break;
    case 2:
      bytes.resize(at);
      break;
    case 3: {  // another record, or a part of one
      const size_t from = input.below(bytes.size() / kBlock + 1) * kBlock;
      const size_t size = std::min({input.below(2 * kBlock), bytes.size() - at,
                                    bytes.size() - std::min(from, bytes.size())});
      bytes.replace(at, size, std::string(bytes, from, size));
      break;
    }
    case 4: {
      const std::string_view other = input.bytes(input.below(64));
      bytes.replace(at, std::min(other.size(), bytes.size() - at), other);
      break;
    }
    default:
      bytes = input.bytes(input.below(512));
      break;
  }
}

// Makes the checksum right of whatever has the form of a record, block by block.
void mend(std::string& bytes) {
  for (size_t at = 0; at + kHeadBytes <= bytes.size(); at += kBlock) {
    const size_t size = load<uint32_t>(&bytes[at + 4]);
    if (size < kHeadBytes || size > bytes.size() - at) continue;
    store(&bytes[at], crc32c(std::string_view(bytes).substr(at + 4, size - 4)));
  }
}

void run(Input input) {
  const JournaledStore& base = JournaledStore::get();
  const uint8_t options = input.byte();
  const bool power_cut = (options & 1) != 0;
  const bool forged = (options & 2) != 0;
  FaultyFileSystem disk = (power_cut ? *base.cut : *base.killed).crash_process();
  std::string bytes = disk.contents(kPath);
  const std::string before = bytes;
  for (int i = 0; i < 4 && !input.empty(); ++i) damage(bytes, input);
  if (forged) mend(bytes);
  disk.set_contents(kPath, bytes);
  disk.set_capacity(kDiskBytes);

  const auto core = open(disk);
  if (forged && core == nullptr) return;
  require(core != nullptr, "a damaged journal refused a start");
  for (const auto& [key, value] : base.now) {
    const auto found = core->get(key);
    if (forged) continue;
    require(bool(found), "a damaged journal damaged a value");
    if (power_cut && bytes != before) {
      require(!*found || base.ever.at(key).contains(**found), "a value from nowhere");
    } else {
      require(*found == value, "what was acknowledged is lost");
    }
  }
  require(bool(core->put({"key", "new", 0})) || forged, "nothing can be written");
}

}  // namespace
}  // namespace respcask::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::engine::run({data, size});
  return 0;
}

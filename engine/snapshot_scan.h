// SnapshotScan: walks through all keys of a store as they were at one instant, while others write.
//
// Nothing is copied when it begins. It goes through each shard's keydir by the keydir's scan, whose
// cursor is a position in hash space; and whoever is about to change a key that the cursor has not
// passed leaves here what the key was (keep). So a key is taken either from the keydir, if nothing
// has changed it since the instant, or from what was kept. What was kept holds the segments that it
// refers to; merge moves what was not kept along with the keydir.
//
// Memory: one keydir page's keys, and what is kept. Owned by who walks, one thread at a time; its
// part for a shard is guarded by the shard's lock until the shard is walked through.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/keydir_entry.h"
#include "engine/result.h"
#include "engine/shard.h"

namespace respcask::engine {

class BitcaskCore;

class SnapshotScan {
 public:
  // Where a value of the snapshot is to be read.
  struct Found {
    std::string key;
    int64_t expiry_ms = 0;
    bool foreign = false;  // not a string
    bool lost = false;     // a change of it has failed to be written, so nothing is known of it
    ColdRead value;
  };

  static Result<std::unique_ptr<SnapshotScan>> open(std::shared_ptr<BitcaskCore> core);
  ~SnapshotScan();
  SnapshotScan(const SnapshotScan&) = delete;
  SnapshotScan& operator=(const SnapshotScan&) = delete;

  // The next key, or nothing at the end. The caller has seen that the core is not closed.
  std::optional<Found> next();
  Result<std::string> read(const Found& found);
  const BitcaskCore& core() const { return *core_; }

  // For BitcaskCore, with all shards locked: the instant.
  void begin(int64_t now_ms) { now_ms_ = now_ms; }
  // For BitcaskCore, with the shard locked: `entry`, nothing if absent, is about to change.
  void keep(Shard& shard, std::string_view key, uint64_t hash,
            const std::optional<KeydirEntry>& entry);
  // The same before anything is walked through: nobody knows what the key was.
  void lose(Shard& shard, std::string_view key);

 private:
  // By hash first, which is the order of the walk.
  using Name = std::pair<uint64_t, std::string>;
  struct Before {
    bool operator()(const auto& a, const auto& b) const {
      return a.first != b.first ? a.first < b.first : a.second < b.second;
    }
    using is_transparent = void;
  };
  struct Part {
    uint64_t cursor = 0;  // hashes below are done
    std::map<Name, std::optional<Found>, Before> kept;
  };

  explicit SnapshotScan(std::shared_ptr<BitcaskCore> core);
  void fill();
  std::optional<Found> found(const Shard& shard, std::string_view key,
                             const KeydirEntry& entry) const;

  std::shared_ptr<BitcaskCore> core_;
  int64_t now_ms_ = 0;
  std::vector<Part> parts_;  // by shard
  uint32_t shard_ = 0;       // those before are walked through
  std::vector<Found> ready_;
  size_t next_ready_ = 0;
};

}  // namespace respcask::engine

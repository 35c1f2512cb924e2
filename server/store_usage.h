// StoreUsage: what the store takes of memory and disk, known at little cost.
//
// The shards are looked at one after the other, each under its lock, when what is known is too old
// for whoever asks; one caller looks and the others go on with what is known. So the figures are of
// no single instant. Any thread, no shard locked.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "engine/store.h"

namespace respcask::server {

class StoreUsage {
 public:
  explicit StoreUsage(engine::Store& store);

  // Looks at the shards if that was last done more than `max_age_ns` ago. True if it did.
  bool refresh(uint64_t now_ns, uint64_t max_age_ns);

  uint64_t mapped_bytes() const { return mapped_.load(std::memory_order_relaxed); }
  // Of all files but backups, with what is about to be written to them; of that the segments and
  // their hints, and what is live in the segments.
  uint64_t disk_bytes() const {
    return segment_bytes() + hint_bytes() + others_.load(std::memory_order_relaxed);
  }
  uint64_t segment_bytes() const { return segments_.load(std::memory_order_relaxed); }
  uint64_t hint_bytes() const { return hints_.load(std::memory_order_relaxed); }
  uint64_t live_bytes() const { return live_.load(std::memory_order_relaxed); }
  // Memory for what is about to be written.
  uint64_t pending_memory_bytes() const { return pending_memory_.load(std::memory_order_relaxed); }
  // Databases and collections that were dropped and still count.
  uint64_t garbage() const { return garbage_.load(std::memory_order_relaxed); }
  uint64_t garbage_bytes() const {  // their memory
    return garbage_bytes_.load(std::memory_order_relaxed);
  }
  uint64_t collections() const { return collections_.load(std::memory_order_relaxed); }  // split
  uint64_t keys() const { return all_keys_.load(std::memory_order_relaxed); }
  uint64_t keys(uint32_t shard) const { return keys_[shard].load(std::memory_order_relaxed); }
  uint64_t expiring(uint32_t shard) const {  // of these
    return expiring_[shard].load(std::memory_order_relaxed);
  }

  // Adds up the files that the shards do not count: hints, and what merging is about to finish.
  // Reads the directories.
  void look_at_files();

  // So many of the live bytes are dead since: takes them off until the next look.
  void credit(uint64_t live_bytes);

 private:
  engine::Store& store_;
  std::atomic<uint64_t> read_ns_{0};
  std::atomic<uint64_t> mapped_{0};
  std::atomic<uint64_t> pending_memory_{0};
  std::atomic<uint64_t> segments_{0};
  std::atomic<uint64_t> hints_{0};
  std::atomic<uint64_t> others_{0};
  std::atomic<uint64_t> live_{0};
  std::atomic<uint64_t> garbage_{0};
  std::atomic<uint64_t> garbage_bytes_{0};
  std::atomic<uint64_t> collections_{0};
  std::atomic<uint64_t> all_keys_{0};
  std::unique_ptr<std::atomic<uint64_t>[]> keys_;
  std::unique_ptr<std::atomic<uint64_t>[]> expiring_;
};

}  // namespace respcask::server

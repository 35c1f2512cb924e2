// BitcaskCore: the library's calls on one open store, in the engine's own terms. engine/bitcask.h
// is the contract; this is what stands behind it.
//
// Invariants:
// - Every change goes through one place (`watch` before it), so that the snapshots that are being
//   walked keep what they have not come to yet.
// - No call returns what is not committed (in SyncMode::kAlways: synced): each ends in confirm().
// - Keys that have expired are absent at once; a thread clears them away afterwards.
// Owns the store. Snapshots hold it through shared_ptr and outlive close(). Any thread, but for
// close() and the destructor, which run alone.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/options.h"
#include "engine/result.h"
#include "engine/store.h"

namespace respcask::engine {

class SnapshotScan;

class BitcaskCore {
 public:
  struct Change {
    std::string_view key;
    std::optional<std::string_view> value;  // nothing: remove
    int64_t expiry_ms = 0;
  };

  // `options.databases` and `options.element_index` are set here.
  static Result<std::shared_ptr<BitcaskCore>> open(Options options);
  ~BitcaskCore();
  BitcaskCore(const BitcaskCore&) = delete;
  BitcaskCore& operator=(const BitcaskCore&) = delete;

  Result<void> close();
  bool closed() const { return closed_.load(std::memory_order_acquire); }

  Result<std::optional<std::string>> get(std::string_view key);
  // Expiries are Unix times in ms, 0: never.
  Result<bool> expire(std::string_view key, int64_t expiry_ms);
  Result<std::optional<int64_t>> expiry(std::string_view key);
  Result<void> put(const Change& put);
  Result<bool> remove(std::string_view key);
  Result<void> write(std::span<const Change> changes);
  Result<void> merge();
  Result<void> sync();

  Store& store() { return *store_; }

  // For SnapshotScan. Registers it with every shard, at one instant; returns once all that it will
  // see is committed.
  Result<void> begin_watch(SnapshotScan& scan);
  // Under the shard's lock: this shard is walked through.
  void end_watch(Shard& shard, const SnapshotScan& scan);

  // Reads a value off the disk. The shard is not locked.
  Result<std::string> fetch_value(Shard& shard, std::string_view key, const ColdRead& cold);

  // True unless the value is a string, which is all that the library writes.
  static bool is_foreign(const KeydirEntry& entry);
  static Error foreign(std::string_view key);
  // Of a key of which Shard::is_lost() is true.
  static Error lost(std::string_view key);
  static int64_t now_ms();

 private:
  BitcaskCore() = default;

  Shard& shard_of(std::string_view key) { return store_->shard(store_->shard_of(key)); }
  static bool is_live(const std::optional<KeydirEntry>& entry);

  // With the shard locked. What may throw for want of memory comes before a batch is opened, but
  // for the keydir's growth.
  void watch(Shard& shard, std::string_view key);
  // With a batch open.
  void apply(Shard& shard, const Change& change);

  Result<void> write_shards(std::span<const Change> changes, std::span<const uint32_t> shard_of,
                            const ShardSet& shards);
  Result<void> confirm(const ShardSet& touched);
  Result<void> wait_synced(SyncPoint point);
  void sweep_loop();
  bool stopping();
  bool sweep(Shard& shard);

  std::unique_ptr<Store> store_;
  bool always_ = false;
  std::atomic<bool> closed_{false};

  std::vector<std::vector<SnapshotScan*>> watchers_;  // by shard, guarded by its lock

  std::mutex mutex_;
  std::condition_variable synced_;
  std::condition_variable sweep_wanted_;
  bool stopping_ = false;
  std::thread sweeper_;
};

}  // namespace respcask::engine

#include "engine/snapshot_scan.h"

#include <mutex>

#include "engine/bitcask_core.h"
#include "engine/store.h"

namespace respcask::engine {

SnapshotScan::SnapshotScan(std::shared_ptr<BitcaskCore> core)
    : core_(std::move(core)), parts_(core_->store().shard_count()) {}

Result<std::unique_ptr<SnapshotScan>> SnapshotScan::open(std::shared_ptr<BitcaskCore> core) {
  std::unique_ptr<SnapshotScan> scan(new SnapshotScan(std::move(core)));
  if (auto begun = scan->core_->begin_watch(*scan); !begun) return begun.error();
  return scan;
}

SnapshotScan::~SnapshotScan() {
  if (core_->closed()) return;
  for (; shard_ < parts_.size(); ++shard_) {
    Shard& shard = core_->store().shard(shard_);
    std::lock_guard guard(shard);
    core_->end_watch(shard, *this);
  }
}

std::optional<SnapshotScan::Found> SnapshotScan::found(const Shard& shard, std::string_view key,
                                                       const KeydirEntry& entry) const {
  if (entry.expiry_ms != 0 && entry.expiry_ms <= now_ms_) return std::nullopt;
  return Found{std::string(key), entry.expiry_ms, BitcaskCore::is_foreign(entry), false,
               shard.cold_read(entry.where, entry.value_size)};
}

void SnapshotScan::keep(Shard& shard, std::string_view key, uint64_t hash,
                        const std::optional<KeydirEntry>& entry) {
  Part& part = parts_[shard.index()];
  if (hash < part.cursor) return;
  if (part.kept.contains(std::pair(hash, key))) return;
  part.kept.emplace(Name(hash, key), entry ? found(shard, key, *entry) : std::nullopt);
}

void SnapshotScan::lose(Shard& shard, std::string_view key) {
  Found found;
  found.key = key;
  found.lost = true;
  parts_[shard.index()].kept.insert_or_assign(Name(shard.hash(key), key), std::move(found));
}

void SnapshotScan::fill() {
  ready_.clear();
  next_ready_ = 0;
  while (ready_.empty() && shard_ < parts_.size()) {
    Shard& shard = core_->store().shard(shard_);
    std::lock_guard guard(shard);
    Part& part = parts_[shard_];
    const uint64_t from = part.cursor;
    part.cursor = shard.keydir(0).scan(from, [&](std::string_view key, const KeydirEntry& entry) {
      // Pages may have been joined: then this one begins before the cursor.
      const uint64_t hash = shard.hash(key);
      if (hash < from || part.kept.contains(std::pair(hash, key))) return;
      if (auto taken = found(shard, key, entry)) ready_.push_back(*std::move(taken));
    });
    const bool last = part.cursor == 0;
    const auto end =
        last ? part.kept.end() : part.kept.lower_bound(std::pair(part.cursor, std::string_view()));
    for (auto it = part.kept.begin(); it != end; ++it) {
      if (it->second) ready_.push_back(*std::move(it->second));
    }
    part.kept.erase(part.kept.begin(), end);
    if (last) {
      core_->end_watch(shard, *this);
      ++shard_;
    }
  }
}

std::optional<SnapshotScan::Found> SnapshotScan::next() {
  if (next_ready_ == ready_.size()) fill();
  if (ready_.empty()) return std::nullopt;
  return std::move(ready_[next_ready_++]);
}

Result<std::string> SnapshotScan::read(const Found& found) {
  if (found.lost) return BitcaskCore::lost(found.key);
  if (found.foreign) return BitcaskCore::foreign(found.key);
  Store& store = core_->store();
  return core_->fetch_value(store.shard(store.shard_of(found.key)), found.key, found.value);
}

}  // namespace respcask::engine

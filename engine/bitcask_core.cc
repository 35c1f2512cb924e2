#include "engine/bitcask_core.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <new>

#include <fmt/format.h>

#include "engine/named_thread.h"
#include "engine/snapshot_scan.h"

namespace respcask::engine {
namespace {

constexpr uint32_t kDatabase = 0;
// What the server calls a short string: it reads what the library wrote as such.
constexpr uint8_t kStringType = 0;
constexpr uint8_t kTypeBits = 0x0f;
// A longer value is read by pread without the lock, even if it is in memory: copying it would hold
// up the shard for longer than the detour takes.
constexpr uint32_t kCopyBytes = 64 * 1024;

ShardSet only(const Shard& shard) {
  ShardSet set;
  set.add(shard.index());
  return set;
}

// Holds the locks of some shards.
class Locked {
 public:
  Locked(Store& store, const ShardSet& shards) : store_(store), shards_(shards) {
    for (uint32_t i : shards_) store_.shard(i).lock();
  }
  ~Locked() {
    for (uint32_t i : shards_) store_.shard(i).unlock();
  }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  Store& store_;
  const ShardSet shards_;
};

// A batch of a shard that is locked. It ends however what fills it does: with one that is open
// nothing could be committed.
class OpenBatch {
 public:
  explicit OpenBatch(Shard& shard) : shard_(shard) { shard_.join_batch(); }
  ~OpenBatch() { shard_.end_batch(nullptr); }
  OpenBatch(const OpenBatch&) = delete;
  OpenBatch& operator=(const OpenBatch&) = delete;

 private:
  Shard& shard_;
};

// A key as a person may read it.
std::string quoted(std::string_view key) {
  constexpr size_t kShown = 64;
  return fmt::format("{:?}{}", key.substr(0, kShown), key.size() > kShown ? "..." : "");
}

// Of a write or a sync that has failed when something was changed already, whatever the system said
// why: kNoSpace is for what was refused before.
Error behind_change(Error error) {
  if (is_shortage(error.code)) error.code = ErrorCode::kIo;
  return error;
}

}  // namespace

int64_t BitcaskCore::now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

bool BitcaskCore::is_live(const std::optional<KeydirEntry>& entry) {
  return entry && (entry->expiry_ms == 0 || entry->expiry_ms > now_ms());
}

bool BitcaskCore::is_foreign(const KeydirEntry& entry) {
  return (entry.type & kTypeBits) != kStringType;
}

Error BitcaskCore::foreign(std::string_view key) {
  return Error{ErrorCode::kFormat,
               fmt::format("{}: not a string; only respcask-server can read it", quoted(key))};
}

Error BitcaskCore::lost(std::string_view key) {
  return Error{ErrorCode::kReadOnly, fmt::format("{}: a write of it has failed", quoted(key))};
}

Result<std::shared_ptr<BitcaskCore>> BitcaskCore::open(Options options) {
  options.databases = 1;
  options.element_index = nullptr;
  std::shared_ptr<BitcaskCore> core(new BitcaskCore);
  core->always_ = options.sync == SyncMode::kAlways;
  const bool read_only = options.read_only;
  auto store = Store::open(std::move(options));
  if (!store) return store.error();
  core->store_ = std::move(*store);
  core->watchers_.resize(core->store_->shard_count());
  if (!read_only) {
    core->store_->on_sync([raw = core.get()] {
      { std::lock_guard guard(raw->mutex_); }  // who waits has looked, or looks again
      raw->synced_.notify_all();
    });
    if (auto started =
            start_thread(core->sweeper_, "sweep", [raw = core.get()] { raw->sweep_loop(); });
        !started) {
      return started.error();
    }
  }
  return core;
}

BitcaskCore::~BitcaskCore() {
  (void)close();
}

Result<void> BitcaskCore::close() {
  if (!store_ || closed_.exchange(true)) return {};
  if (sweeper_.joinable()) {
    {
      std::lock_guard guard(mutex_);
      stopping_ = true;
    }
    sweep_wanted_.notify_all();
    sweeper_.join();
  }
  return store_->close();
}

Result<void> BitcaskCore::confirm(const ShardSet& touched) {
  auto point = store_->commit(touched);
  if (!point) return behind_change(point.error());
  return always_ ? wait_synced(*point) : Result<void>();
}

Result<void> BitcaskCore::sync() {
  auto synced = store_->sync();
  return synced ? synced : behind_change(synced.error());
}

Result<void> BitcaskCore::wait_synced(SyncPoint point) {
  if (store_->synced(point)) return {};
  std::unique_lock guard(mutex_);
  synced_.wait(guard, [&] { return store_->synced(point) || store_->sync_failed(); });
  if (store_->synced(point)) return {};
  return Error{ErrorCode::kIo, fmt::format("{}: a sync failed", store_->options().dir)};
}

Result<std::string> BitcaskCore::fetch_value(Shard& shard, std::string_view key,
                                             const ColdRead& cold) {
  auto value = fetch(cold);
  if (value) return value;
  if (value.error().code == ErrorCode::kDamaged) shard.count_damage();
  return Error{value.error().code, fmt::format("{}: {}", quoted(key), value.error().message)};
}

Result<std::optional<std::string>> BitcaskCore::get(std::string_view key) {
  Shard& shard = shard_of(key);
  const uint64_t hash = shard.hash(key);
  std::optional<std::string> value;
  std::optional<ColdRead> cold;
  std::optional<Error> failure;
  bool uncommitted = false;
  {
    std::lock_guard guard(shard);
    uncommitted = store_->awaits_commit(shard) && (always_ || shard.pending_bytes() > 0);
    const auto entry = shard.find(kDatabase, key, hash);
    if (shard.is_lost(kDatabase, key)) {
      failure = lost(key);
    } else if (!is_live(entry)) {
    } else if (is_foreign(*entry)) {
      failure = foreign(key);
    } else if (entry->value_size > kCopyBytes) {
      cold = shard.cold_read(entry->where, entry->value_size);
    } else {
      const ValueRead read = shard.read(entry->where, entry->value_size);
      if (read.state == ValueRead::State::kReady) {
        value.emplace(read.bytes);
      } else if (read.state == ValueRead::State::kCold) {
        cold = shard.cold_read(entry->where, entry->value_size);
      } else {
        failure = Error{ErrorCode::kDamaged,
                        fmt::format("{}: the value does not match its checksum", quoted(key))};
      }
    }
  }
  if (uncommitted) {
    if (auto done = confirm(only(shard)); !done) return done.error();
  }
  if (failure) return *failure;
  if (cold) {
    auto fetched = fetch_value(shard, key, *cold);
    if (!fetched) return fetched.error();
    value = *std::move(fetched);
  }
  return value;
}

Result<std::optional<int64_t>> BitcaskCore::expiry(std::string_view key) {
  Shard& shard = shard_of(key);
  std::optional<int64_t> expiry_ms;
  bool is_lost = false;
  bool uncommitted = false;
  {
    std::lock_guard guard(shard);
    is_lost = shard.is_lost(kDatabase, key);
    uncommitted = store_->awaits_commit(shard);
    const auto entry = shard.find(kDatabase, key, shard.hash(key));
    if (is_live(entry)) expiry_ms = entry->expiry_ms;
  }
  if (is_lost) return lost(key);
  if (uncommitted) {
    if (auto done = confirm(only(shard)); !done) return done.error();
  }
  return expiry_ms;
}

void BitcaskCore::watch(Shard& shard, std::string_view key) {
  auto& watchers = watchers_[shard.index()];
  if (watchers.empty()) return;
  const uint64_t hash = shard.hash(key);
  const auto entry = shard.find(kDatabase, key, hash);
  for (SnapshotScan* scan : watchers) scan->keep(shard, key, hash, entry);
}

void BitcaskCore::apply(Shard& shard, const Change& change) {
  const uint64_t hash = shard.hash(change.key);
  if (change.value) {
    shard.put(kDatabase, change.key, hash, kStringType, change.expiry_ms, {&*change.value, 1});
  } else {
    shard.remove(kDatabase, change.key, hash);
  }
}

Result<void> BitcaskCore::put(const Change& put) {
  Shard& shard = shard_of(put.key);
  {
    std::lock_guard guard(shard);
    const uint64_t bytes = record_size_bound(put.key.size(), put.value->size());
    if (auto reserved = shard.reserve(bytes, Growth::kGrows); !reserved) return reserved;
    shard.reserve_memory(bytes);
    watch(shard, put.key);
    const OpenBatch batch(shard);
    apply(shard, put);
  }
  return confirm(only(shard));
}

Result<bool> BitcaskCore::remove(std::string_view key) {
  Shard& shard = shard_of(key);
  bool there = false;
  {
    std::lock_guard guard(shard);
    const uint64_t bytes = record_size_bound(key.size(), 0);
    if (auto reserved = shard.reserve(bytes, Growth::kShrinks); !reserved) return reserved.error();
    const auto entry = shard.find(kDatabase, key, shard.hash(key));
    there = is_live(entry);
    if (entry) {
      shard.reserve_memory(bytes);
      watch(shard, key);
      const OpenBatch batch(shard);
      apply(shard, {.key = key, .value = {}});
    }
  }
  auto done = confirm(only(shard));
  if (!done) return done.error();
  return there;
}

Result<bool> BitcaskCore::expire(std::string_view key, int64_t expiry_ms) {
  Shard& shard = shard_of(key);
  bool there = false;
  {
    std::lock_guard guard(shard);
    const uint64_t bytes = record_size_bound(key.size(), 0);
    if (auto reserved = shard.reserve(bytes, Growth::kShrinks); !reserved) return reserved.error();
    const uint64_t hash = shard.hash(key);
    there = is_live(shard.find(kDatabase, key, hash));
    if (there) {
      shard.reserve_memory(bytes);
      watch(shard, key);
      const OpenBatch batch(shard);
      shard.set_expiry(kDatabase, key, hash, expiry_ms);
    }
  }
  auto done = confirm(only(shard));
  if (!done) return done.error();
  return there;
}

Result<void> BitcaskCore::write(std::span<const Change> changes) {
  if (changes.empty()) return {};
  std::vector<uint32_t> shards_of_changes;
  shards_of_changes.reserve(changes.size());
  ShardSet shards;
  for (const Change& change : changes) {
    shards_of_changes.push_back(store_->shard_of(change.key));
    shards.add(shards_of_changes.back());
  }
  {
    const Locked locked(*store_, shards);
    if (auto done = write_shards(changes, shards_of_changes, shards); !done) return done;
  }
  return confirm(shards);
}

// With all of the shards locked.
Result<void> BitcaskCore::write_shards(std::span<const Change> changes,
                                       std::span<const uint32_t> shard_of, const ShardSet& shards) {
  std::array<uint64_t, kMaxShards> bytes{};
  std::array<Growth, kMaxShards> growth{};
  growth.fill(Growth::kShrinks);
  for (size_t i = 0; i < changes.size(); ++i) {
    const auto& value = changes[i].value;
    bytes[shard_of[i]] += record_size_bound(changes[i].key.size(), value ? value->size() : 0);
    if (value) growth[shard_of[i]] = Growth::kGrows;
  }
  for (uint32_t i : shards) {
    if (auto reserved = store_->shard(i).reserve(bytes[i], growth[i]); !reserved) return reserved;
  }
  for (uint32_t i : shards) store_->shard(i).reserve_memory(bytes[i]);
  for (size_t i = 0; i < changes.size(); ++i) {
    watch(store_->shard(shard_of[i]), changes[i].key);
  }
  // From here on nothing can fail.
  std::optional<TransactionMark> mark;
  if (shards.size() > 1) mark = store_->begin_transaction(shards);
  for (uint32_t i : shards) store_->shard(i).begin_batch();
  for (size_t i = 0; i < changes.size(); ++i) apply(store_->shard(shard_of[i]), changes[i]);
  for (uint32_t i : shards) store_->shard(i).end_batch(mark ? &*mark : nullptr);
  return {};
}

Result<void> BitcaskCore::merge() {
  if (store_->options().read_only) {
    return Error{ErrorCode::kReadOnly, fmt::format("{}: opened read-only", store_->options().dir)};
  }
  // What has expired is garbage, once it is cleared away.
  for (uint32_t i = 0; i < store_->shard_count(); ++i) {
    while (sweep(store_->shard(i))) {
    }
  }
  const uint64_t failed = store_->merge_stats().failed;
  if (store_->merge_now() && store_->merge_stats().failed == failed) return {};
  return Error{ErrorCode::kIo,
               fmt::format("{}: a merge was given up; the log says why", store_->options().dir)};
}

Result<void> BitcaskCore::begin_watch(SnapshotScan& scan) {
  const ShardSet all = ShardSet::first(store_->shard_count());
  ShardSet uncommitted;
  {
    const Locked locked(*store_, all);
    for (uint32_t i : all) {
      watchers_[i].push_back(&scan);
      if (store_->awaits_commit(store_->shard(i))) uncommitted.add(i);
    }
    scan.begin(now_ms());
  }
  if (auto done = confirm(uncommitted); !done) return done;
  // What was there at the instant is in the files by now, or has failed.
  for (uint32_t i : all) {
    Shard& shard = store_->shard(i);
    std::lock_guard guard(shard);
    shard.visit_lost(kDatabase, [&](std::string_view key) { scan.lose(shard, key); });
  }
  return {};
}

void BitcaskCore::end_watch(Shard& shard, const SnapshotScan& scan) {
  std::erase(watchers_[shard.index()], &scan);
}

void BitcaskCore::sweep_loop() {
  using namespace std::chrono_literals;
  std::unique_lock guard(mutex_);
  while (!sweep_wanted_.wait_for(guard, 250ms, [this] { return stopping_; })) {
    guard.unlock();
    for (uint32_t i = 0; i < store_->shard_count(); ++i) {
      try {
        while (sweep(store_->shard(i)) && !stopping()) {
        }
      } catch (const std::bad_alloc&) {  // the keys are cleared away another time
      }
    }
    guard.lock();
  }
}

bool BitcaskCore::stopping() {
  std::lock_guard guard(mutex_);
  return stopping_;
}

// Clears some expired keys away. True if there may be more.
bool BitcaskCore::sweep(Shard& shard) {
  constexpr size_t kKeysAtATime = 64;
  size_t cleared = 0;
  {
    std::lock_guard guard(shard);
    Keydir& keys = shard.keydir(kDatabase);
    if (keys.expiring() == 0) return false;
    keys.visit_due(now_ms(), kKeysAtATime, [&](std::string_view key, const KeydirEntry&) {
      const uint64_t bytes = record_size_bound(key.size(), 0);
      if (!shard.reserve(bytes, Growth::kShrinks)) return;
      shard.reserve_memory(bytes);
      watch(shard, key);
      const OpenBatch batch(shard);
      apply(shard, {.key = key, .value = {}});
      ++cleared;
    });
  }
  if (cleared == 0) return false;
  return bool(confirm(only(shard))) && cleared == kKeysAtATime;
}

}  // namespace respcask::engine

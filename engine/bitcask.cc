// The public calls: arguments are checked and errors put into the public words; the rest is
// BitcaskCore's and SnapshotScan's.

#include "engine/bitcask.h"

#include <utility>

#include <fmt/format.h>

#include "engine/bitcask_core.h"
#include "engine/snapshot_scan.h"

namespace respcask {
namespace {

ErrorCode public_code(engine::ErrorCode code) {
  switch (code) {
    case engine::ErrorCode::kIo:
    case engine::ErrorCode::kNoFiles:
    case engine::ErrorCode::kDenied:
      return ErrorCode::kIo;
    case engine::ErrorCode::kNoSpace:
      return ErrorCode::kNoSpace;
    case engine::ErrorCode::kDamaged:
      return ErrorCode::kDamaged;
    case engine::ErrorCode::kInUse:
      return ErrorCode::kInUse;
    case engine::ErrorCode::kFormat:
      return ErrorCode::kFormat;
    case engine::ErrorCode::kReadOnly:
      return ErrorCode::kReadOnly;
    case engine::ErrorCode::kInvalid:
      return ErrorCode::kInvalid;
  }
  return ErrorCode::kIo;
}

Error public_error(const engine::Error& error) {
  return {public_code(error.code), error.message};
}

template <class T>
Result<T> public_result(engine::Result<T> result) {
  if (!result) return public_error(result.error());
  if constexpr (std::is_void_v<T>) {
    return {};
  } else {
    return *std::move(result);
  }
}

Error closed() {
  return {ErrorCode::kClosed, "the store is closed"};
}

Error too_long(std::string_view key) {
  return {ErrorCode::kInvalid, fmt::format("a key of {} bytes is too long", key.size())};
}

// Unix time in ms, 0: never. A moment before 1970 has passed like any other.
int64_t to_ms(Time time) {
  using namespace std::chrono;
  if (time == kNever) return 0;
  return std::max<int64_t>(1, floor<milliseconds>(time).time_since_epoch().count());
}

Time to_time(int64_t expiry_ms) {
  using namespace std::chrono;
  // A store of the server's may hold moments that Time cannot.
  if (expiry_ms == 0 || expiry_ms > floor<milliseconds>(kNever).time_since_epoch().count()) {
    return kNever;
  }
  return Time(milliseconds(expiry_ms));
}

engine::SyncMode sync_mode(Sync sync) {
  switch (sync) {
    case Sync::kAlways:
      return engine::SyncMode::kAlways;
    case Sync::kEverySecond:
      return engine::SyncMode::kEverySecond;
    case Sync::kNo:
      return engine::SyncMode::kNo;
  }
  return engine::SyncMode::kAlways;
}

engine::Options engine_options(Options& options) {
  engine::Options to;
  to.dir = std::move(options.dir);
  to.read_only = options.read_only;
  to.create_if_missing = options.create_if_missing;
  to.sync = sync_mode(options.sync);
  to.shards = options.shards;
  to.segment_bytes = options.segment_bytes;
  to.merge.trigger_garbage = options.merge_trigger;
  to.merge.stop_garbage = options.merge_stop;
  to.merge.least_bytes = options.merge_least_bytes;
  to.merge.bytes_per_second = options.merge_bytes_per_second;
  if (options.log) {
    to.log = [log = std::move(options.log)](engine::LogLevel level, std::string_view line) {
      if (level >= engine::LogLevel::kNotice) log(line);
    };
  }
  return to;
}

}  // namespace

void Batch::put(std::string_view key, std::string_view value, Time expiry) {
  changes_.push_back({std::string(key), std::string(value), expiry});
}

void Batch::remove(std::string_view key) {
  changes_.push_back({std::string(key), std::nullopt, kNever});
}

Snapshot::Snapshot(std::unique_ptr<engine::SnapshotScan> scan) : scan_(std::move(scan)) {}
Snapshot::Snapshot(Snapshot&&) noexcept = default;
Snapshot& Snapshot::operator=(Snapshot&&) noexcept = default;
Snapshot::~Snapshot() = default;

Result<std::optional<Item>> Snapshot::next() {
  if (scan_->core().closed()) return closed();
  auto found = scan_->next();
  if (!found) return std::optional<Item>();
  auto value = scan_->read(*found);
  if (!value) return public_error(value.error());
  return std::optional(Item{std::move(found->key), *std::move(value), to_time(found->expiry_ms)});
}

Result<std::optional<std::string>> Snapshot::next_key() {
  if (scan_->core().closed()) return closed();
  auto found = scan_->next();
  if (!found) return std::optional<std::string>();
  if (found->lost) return public_error(engine::BitcaskCore::lost(found->key));
  return std::optional(std::move(found->key));
}

Bitcask::Bitcask(std::shared_ptr<engine::BitcaskCore> core) : core_(std::move(core)) {}
Bitcask::Bitcask(Bitcask&&) noexcept = default;

Bitcask& Bitcask::operator=(Bitcask&& other) noexcept {
  if (core_ && core_ != other.core_) (void)core_->close();
  core_ = std::move(other.core_);
  return *this;
}

Bitcask::~Bitcask() {
  // A snapshot may hold the core for longer.
  if (core_) (void)core_->close();
}

Result<Bitcask> Bitcask::open(Options options) {
  const bool fractions = options.merge_stop > 0 && options.merge_stop <= options.merge_trigger &&
                         options.merge_trigger < 1;
  if (!fractions) {
    return Error{ErrorCode::kInvalid, "0 < merge_stop <= merge_trigger < 1 must hold"};
  }
  auto core = engine::BitcaskCore::open(engine_options(options));
  if (!core) return public_error(core.error());
  return Bitcask(*std::move(core));
}

Result<std::optional<std::string>> Bitcask::get(std::string_view key) {
  if (core_->closed()) return closed();
  return public_result(core_->get(key));
}

Result<void> Bitcask::put(std::string_view key, std::string_view value, Time expiry) {
  if (core_->closed()) return closed();
  if (key.size() > kMaxKeyBytes) return too_long(key);
  return public_result(core_->put({key, value, to_ms(expiry)}));
}

Result<bool> Bitcask::remove(std::string_view key) {
  if (core_->closed()) return closed();
  return public_result(core_->remove(key));
}

Result<bool> Bitcask::expire(std::string_view key, Time expiry) {
  if (core_->closed()) return closed();
  return public_result(core_->expire(key, to_ms(expiry)));
}

Result<std::optional<Time>> Bitcask::expiry(std::string_view key) {
  if (core_->closed()) return closed();
  auto expiry_ms = core_->expiry(key);
  if (!expiry_ms) return public_error(expiry_ms.error());
  if (!*expiry_ms) return std::optional<Time>();
  return std::optional(to_time(**expiry_ms));
}

Result<void> Bitcask::write(const Batch& batch) {
  if (core_->closed()) return closed();
  std::vector<engine::BitcaskCore::Change> changes;
  changes.reserve(batch.changes_.size());
  for (const Batch::Change& change : batch.changes_) {
    if (change.key.size() > kMaxKeyBytes) return too_long(change.key);
    changes.push_back({change.key, change.value, to_ms(change.expiry)});
  }
  return public_result(core_->write(changes));
}

Result<Snapshot> Bitcask::snapshot() {
  if (core_->closed()) return closed();
  auto scan = engine::SnapshotScan::open(core_);
  if (!scan) return public_error(scan.error());
  return Snapshot(*std::move(scan));
}

Result<std::vector<std::string>> Bitcask::list_keys() {
  auto all = snapshot();
  if (!all) return all.error();
  std::vector<std::string> keys;
  for (;;) {
    auto key = all->next_key();
    if (!key) return key.error();
    if (!*key) return keys;
    keys.push_back(**std::move(key));
  }
}

Result<void> Bitcask::merge() {
  if (core_->closed()) return closed();
  return public_result(core_->merge());
}

Result<void> Bitcask::sync() {
  if (core_->closed()) return closed();
  return public_result(core_->sync());
}

Result<void> Bitcask::close() {
  if (core_->closed()) return closed();
  return public_result(core_->close());
}

Result<Stats> Bitcask::stats() {
  if (core_->closed()) return closed();
  engine::Store& store = core_->store();
  Stats stats;
  for (uint32_t i = 0; i < store.shard_count(); ++i) {
    engine::Shard& shard = store.shard(i);
    std::lock_guard guard(shard);
    const engine::ShardStats part = shard.stats();
    stats.keys += shard.keydir(0).size();
    stats.file_bytes += part.total_bytes;
    stats.live_bytes += part.live_bytes;
    stats.memory_bytes += part.keydir_bytes;
    stats.damaged_values += part.damaged_records;
  }
  const engine::MergeStats merges = store.merge_stats();
  stats.merges = merges.merges;
  stats.merge_bytes_written = merges.bytes_written;
  return stats;
}

}  // namespace respcask

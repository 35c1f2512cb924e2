#include "engine/store.h"

#include <algorithm>
#include <cassert>
#include <chrono>

#include <fmt/format.h>

#include "engine/backup_mark.h"
#include "engine/load_log.h"
#include "engine/named_thread.h"
#include "engine/recovery.h"
#include "engine/segment_name.h"
#include "engine/slot.h"

namespace respcask::engine {
namespace {

int64_t steady_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(steady_clock::now().time_since_epoch()).count();
}

int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

// The directory that holds the name `path`.
std::string parent_of(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.find_first_not_of('.') == std::string::npos) return path + "/..";
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

// Makes a directory, or finds it, and sees to it that its name is on the device.
Result<void> make_directory(FileSystem& files, const std::string& dir) {
  const auto before = files.stat(dir);
  if (auto made = files.create_directory(dir); !made) return made;
  auto synced = files.sync_directory(parent_of(dir));
  // Whoever made it where we may not open its parent had to see to its name.
  const bool others = before && *before && !synced && synced.error().code == ErrorCode::kDenied;
  return others ? Result<void>() : synced;
}

// What to do where nothing says any more what store the segments are of.
constexpr std::string_view kToRepair = "respcask-check --repair makes a store of what they hold";

// A directory whose record is lost must not become another, empty store: nothing would ever read
// its segments again.
Result<void> expect_no_segments(FileSystem& files, const std::string& dir) {
  auto names = files.list(dir);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (!name.starts_with("shard-")) continue;
    auto there = files.stat(dir + "/" + name);
    if (!there || !*there || !(*there)->is_directory) continue;
    auto inside = files.list(dir + "/" + name);
    if (!inside) return inside.error();
    const auto segment = [](const std::string& file) { return file.ends_with(".seg"); };
    if (std::any_of(inside->begin(), inside->end(), segment)) {
      return Error{ErrorCode::kFormat,
                   fmt::format("{}: segments are there, but the file STORE, which says what store "
                               "they are of, is missing; {}",
                               dir, kToRepair)};
    }
  }
  return {};
}

}  // namespace

Store::Store(Options options) : options_(std::move(options)), seed_(HashSeed::random()) {
  if (options_.files == nullptr) options_.files = &posix_file_system();
  sync_mode_ = options_.sync;
  merge_ = options_.merge;
  scrub_rate_ = options_.scrub_bytes_per_second;
}

Result<std::unique_ptr<Store>> Store::open(Options options) {
  if (options.shards < 1 || options.shards > kMaxShards) {
    return Error{ErrorCode::kInvalid, fmt::format("shards must be 1 to {}", kMaxShards)};
  }
  if (options.databases < 1 || options.databases >= kFirstSequence) {
    return Error{ErrorCode::kInvalid, fmt::format("databases must be 1 to {}", kFirstSequence - 1)};
  }
  if (options.segment_bytes < 4096 || options.segment_bytes > Location::kMaxOffset / 2) {
    return Error{ErrorCode::kInvalid, "segment size out of range"};
  }
  std::unique_ptr<Store> store(new Store(std::move(options)));
  if (auto ready = store->prepare_directory(); !ready) return ready.error();
  uint64_t reserve_bytes = 0;
  if (!store->options_.read_only) {
    // A start on a full disk may need some of it.
    store->merge_reserve_.emplace(*store->options_.files, store->options_.dir);
    reserve_bytes = store->merge_reserve_->left_behind();
    store->merge_reserve_->release();
  }
  if (auto recovered = store->recover(); !recovered) return recovered.error();
  store->merge_states_.resize(store->shard_count());
  if (!store->options_.read_only) {
    for (uint32_t i = 0; i < store->shard_count(); ++i) {
      store->held_directories_.push_back(
          store->options_.files->hold_directory(shard_directory(store->options_.dir, i)));
    }
    constexpr uint32_t kMostSyncs = 8;  // at once
    store->sync_pool_ =
        std::make_unique<WorkerPool>(std::min(store->shard_count(), kMostSyncs) - 1);
    // What was found may be in the page cache only; from here on it is known to be on the device.
    if (auto synced = store->run_sync(); !synced) return synced.error();
    const Options& opened = store->options_;
    if (auto removed = remove_journal(*opened.files, opened.dir); !removed) return removed.error();
    if (auto claimed = store->claim_backup(); !claimed) return claimed.error();
    if (opened.sync == SyncMode::kAlways) store->prepare_journal();
    store->keep_room();
    store->take_merge_reserve(reserve_bytes);
    if (!store->merge_reserve_->supported() && opened.log) {
      opened.log(LogLevel::kWarning,
                 fmt::format("{}: its file system cannot reserve space: where it becomes full, "
                             "writes fail half way, and none is taken any more until a restart",
                             opened.dir));
    }
  }
  if (auto started = store->start_threads(); !started) {
    store->stop_threads();
    return started.error();
  }
  store->open_ = true;
  return store;
}

Result<void> Store::start_threads() {
  if (!options_.read_only) {
    if (auto started = start_sync_threads(sync_mode_); !started) return started;
    if (auto started = start_thread(merge_thread_, "merge", [this] { merge_loop(); }); !started) {
      return started;
    }
    if (auto started = start_thread(scrub_thread_, "scrub", [this] { scrub_loop(); }); !started) {
      return started;
    }
  }
  return start_thread(maintenance_thread_, "upkeep", [this] { maintenance_loop(); });
}

void Store::stop_threads() {
  {
    std::lock_guard guard(threads_mutex_);
    stopping_ = true;
  }
  for (auto* waited_for : {&sync_wanted_, &more_syncs_wanted_, &maintenance_wanted_, &merge_wanted_,
                           &merge_done_, &scrub_wanted_}) {
    waited_for->notify_all();
  }
  for (std::thread* thread : {&maintenance_thread_, &scrub_thread_, &merge_thread_}) {
    if (thread->joinable()) thread->join();
  }
  for (std::thread& thread : sync_threads_) thread.join();
}

Result<void> Store::prepare_directory() {
  FileSystem& files = *options_.files;
  const std::string record = options_.dir + "/STORE";
  auto there = files.stat(record);
  if (!there) return there.error();
  if (!*there && !options_.read_only && options_.create_if_missing) {
    if (auto made = make_directory(files, options_.dir); !made) return made;
  } else if (!*there) {
    auto directory = files.stat(options_.dir);
    if (!directory) return directory.error();
    if (!*directory) {
      return Error{ErrorCode::kFormat, fmt::format("{}: no store is here", options_.dir)};
    }
    if (auto derived = derive_store_record(files, options_.dir); !derived) return derived.error();
    if (!options_.salvage) return expect_no_segments(files, options_.dir);
  }
  auto lock = files.lock(options_.dir + "/LOCK",
                         options_.read_only ? LockKind::kShared : LockKind::kExclusive);
  if (!lock) {
    if (lock.error().code != ErrorCode::kInUse) return lock.error();
    return Error{ErrorCode::kInUse,
                 fmt::format("{}: another process is using this store", options_.dir)};
  }
  lock_ = std::move(*lock);
  // Looked at again under the lock: another process may have made it meanwhile.
  there = files.stat(record);
  if (!there) return there.error();
  if (!options_.read_only) {
    if (!*there) {
      if (auto made = create(); !made) return made;
    } else if (auto synced = files.sync_directory(options_.dir); !synced) {
      // Who made the record may have been killed before its name was on the device.
      return synced;
    }
  }
  return load_record();
}

// A backup that is written to is none any more, and must not be removed as one; nor must it remove
// those of the store that it is of, whose id it has. Once it is recovered: until then the marks say
// that a journal is of what the directory held before the backup was copied into it.
Result<void> Store::claim_backup() {
  FileSystem& files = *options_.files;
  const auto found = find_backup_marks(files, options_.dir);
  if (!found) return found.error();
  if (!found->is_backup()) return {};
  auto instance = draw_identity();
  if (!instance) return instance.error();
  record_.identity.instance = *instance;
  if (auto written = write_store_record(files, options_.dir, record_); !written) return written;
  // Without its manifest what has the mark would be taken for a copy that is not whole.
  for (const char* name : {kBackupMark, kManifest}) {
    if (name == kBackupMark && !found->mark) continue;  // somebody else's
    const std::string path = fmt::format("{}/{}", options_.dir, name);
    auto there = files.stat(path);
    if (!there) return there.error();
    // A manifest that is damaged is the backup's nonetheless.
    if (!*there || (*there)->is_directory) continue;
    if (auto removed = files.unlink(path); !removed) return removed;
    if (auto synced = files.sync_directory(options_.dir); !synced) return synced;
  }
  return {};
}

// Counts and logs what a backup lacks that is about to be opened for writing.
void Store::check_backup() {
  check_manifest(*options_.files, options_.dir, [this](const BackupFault& fault) {
    if (fault.damage) ++open_report_.found.damaged_ranges;
    if (!options_.log) return;
    options_.log(fault.damage ? LogLevel::kWarning : LogLevel::kNotice,
                 fmt::format("{}: {}", fault.path, fault.what));
  });
}

Result<void> Store::create() {
  FileSystem& files = *options_.files;
  if (auto none = expect_no_segments(files, options_.dir); !none) return none;
  open_report_.created = true;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    if (auto made = files.create_directory(shard_directory(options_.dir, i)); !made) return made;
  }
  auto id = draw_identity();
  if (!id) return id.error();
  return write_store_record(files, options_.dir, {options_.shards, {*id, 0}, unix_ms()});
}

Result<void> Store::load_record() {
  auto record = read_store_record(*options_.files, options_.dir);
  // Another version's segments are not to be guessed at.
  if (!record && record.error().code != ErrorCode::kFormat && options_.salvage) {
    record = derive_store_record(*options_.files, options_.dir);
  }
  if (!record) {
    if (record.error().code != ErrorCode::kDamaged || options_.salvage) return record.error();
    return Error{ErrorCode::kDamaged, fmt::format("{}; where there are segments, {}",
                                                  record.error().message, kToRepair)};
  }
  record_ = *record;
  if (record_.shards != options_.shards && options_.log) {
    options_.log(
        LogLevel::kNotice,
        fmt::format("The store was created with {} shards; that stays so.", record_.shards));
  }
  options_.shards = record_.shards;
  return {};
}

Result<void> Store::recover() {
  const int64_t start_ms = steady_ms();
  RecoveryProgress progress;
  LoadLog::Sink sink;
  if (options_.log) sink = [this](std::string_view line) { options_.log(LogLevel::kNotice, line); };
  const LoadLog load_log(progress, sink);
  std::vector<std::unique_ptr<ShardRecovery>> recoveries;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(options_, id(), i, seed_));
    recoveries.push_back(std::make_unique<ShardRecovery>(*shards_[i], &progress));
  }
  if (!options_.read_only) check_backup();
  if (auto replayed = replay(); !replayed) return replayed;
  // Each step over all shards, as many at a time as there are cores.
  auto for_all = [&](Result<void> (ShardRecovery::*step)()) -> Result<void> {
    std::atomic<uint32_t> next{0};
    std::vector<Result<void>> results(recoveries.size());
    auto work = [&] {
      for (uint32_t i; (i = next.fetch_add(1)) < recoveries.size();) {
        results[i] = (recoveries[i].get()->*step)();
      }
    };
    const size_t helpers =
        std::min<size_t>(std::max(1u, std::thread::hardware_concurrency()), recoveries.size()) - 1;
    std::vector<std::thread> threads;
    for (size_t i = 0; i < helpers; ++i) {
      auto thread = named_thread("recovery", work);
      if (!thread) break;  // the others do its part
      threads.push_back(std::move(*thread));
    }
    work();
    for (auto& thread : threads) thread.join();
    for (auto& result : results) {
      if (!result) return result;
    }
    return {};
  };
  if (auto opened = for_all(&ShardRecovery::open); !opened) return opened;
  // Backups without a manifest have no segments of empty shards.
  const auto mark = read_backup_mark(*options_.files, options_.dir);
  const bool may_be_bare = mark && *mark && !(*mark)->has_manifest;
  if (!may_be_bare) find_lost_shards(recoveries);
  last_transaction_ = cut_incomplete_transactions(recoveries);
  if (auto applied = for_all(&ShardRecovery::apply); !applied) return applied;

  RecoveryReport& sum = open_report_.found;
  for (const auto& recovery : recoveries) {
    const RecoveryReport& part = recovery->report();
    sum.segments += part.segments;
    sum.hints += part.hints;
    sum.records += part.records;
    sum.bytes_read += part.bytes_read;
    sum.torn_bytes += part.torn_bytes;
    sum.damaged_ranges += part.damaged_ranges;
    sum.damaged_bytes += part.damaged_bytes;
    sum.databases = std::max(sum.databases, part.databases);
  }
  open_report_.duration_ms = steady_ms() - start_ms;
  return {};
}

Store::~Store() {
  (void)close();
}

Result<void> Store::close() {
  if (!open_) return {};
  open_ = false;
  Result<void> result;
  stop_threads();
  if (!options_.read_only) {
    result = sync();
    for (auto& shard : shards_) {
      std::lock_guard guard(*shard);
      // Space that was reserved ahead is given back, but for what is kept back for merges
      // (merge_reserve.h). Nothing is lost where that fails.
      if (!shard->failed_ && shard->active_->reserved() > shard->active_->size()) {
        (void)shard->active_->cut(shard->active_->size());
      }
    }
    if (result) result = remove_journal(*options_.files, options_.dir);
    if (result) write_all_hints();
  }
  // Snapshots and readers may hold segments for longer than the lock is held.
  for (auto& shard : shards_) shard->unlink_merged_away();
  shards_.clear();
  held_directories_.clear();
  lock_.reset();
  return result;
}

uint32_t Store::shard_of(std::string_view key) const {
  return shard_of_slot(key_slot(key), shard_count());
}

TransactionMark Store::begin_transaction(const ShardSet& shards) {
  return {last_transaction_.fetch_add(1) + 1, shards};
}

Result<SyncPoint> Store::commit(const ShardSet& touched) {
  SyncPoint point = 0;
  std::optional<Error> failure;
  ShardSet linked;
  for (uint32_t i : touched) {
    Shard& shard = *shards_[i];
    std::lock_guard guard(shard);
    if (!shard.pending_shards_.empty()) {
      linked.add(i);
    } else if (auto committed = commit_shard(shard); !committed) {
      failure = committed.error();
    } else {
      point = std::max(point, *committed);
    }
  }
  if (!linked.empty()) {
    auto committed = commit_linked(linked);
    if (!committed) {
      failure = committed.error();
    } else {
      point = std::max(point, *committed);
    }
  }
  if (failure) return *failure;
  if (sync_mode_.load(std::memory_order_relaxed) == SyncMode::kAlways &&
      point > synced_.load(std::memory_order_acquire)) {
    { std::lock_guard guard(threads_mutex_); }  // a sync thread is waiting, or has not looked yet
    sync_wanted_.notify_one();
    if (syncs_are_slow()) more_syncs_wanted_.notify_one();
  }
  return point;
}

// The point at which what has been written there is covered.
SyncPoint Store::point_of(Shard& shard) {
  if (std::exchange(shard.unpointed_, false)) {
    shard.commit_point_ = committed_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return shard.commit_point_;
}

Result<SyncPoint> Store::commit_shard(Shard& shard) {
  if (auto done = shard.write_pending(); !done) return done.error();
  return point_of(shard);
}

// No shard takes more writes. With the locks of all of them held.
void Store::refuse_writes() {
  bool any = false;
  for (auto& shard : shards_) any |= !std::exchange(shard->failed_, true);
  if (any && options_.log) {
    options_.log(LogLevel::kWarning,
                 "No shard takes writes any more: a write or a sync has failed");
  }
}

// Writes the shards given and all those that share a transaction with them, under the locks of all
// of them: nobody can commit something that follows half a transaction.
Result<SyncPoint> Store::commit_linked(ShardSet shards) {
  for (;;) {
    for (uint32_t i : shards) shards_[i]->lock();
    ShardSet closure = shards;
    for (uint32_t i : shards) closure.add(shards_[i]->pending_shards_);
    if (closure == shards) break;
    for (uint32_t i : shards) shards_[i]->unlock();
    shards = closure;
  }
  auto written = write_linked(shards);
  for (uint32_t i : shards) shards_[i]->unlock();
  return written;
}

// Writes shards that share transactions with no others, all or, after an error, none that counts.
Result<SyncPoint> Store::write_linked(const ShardSet& shards) {
  std::optional<Error> failure;
  for (uint32_t i : shards) {
    if (auto written = shards_[i]->append_pending(); !written) {
      failure = written.error();
      break;
    }
  }
  SyncPoint point = 0;
  for (uint32_t i : shards) {
    Shard& shard = *shards_[i];
    if (failure) {
      // A start takes a transaction that lacks a part away from all shards, with what follows it.
      // So what is pending is lost, also where it has been written.
      shard.failed_ = true;
    } else {
      shard.forget_pending();
      point = std::max(point, point_of(shard));
    }
  }
  if (failure) return *failure;
  return point;
}

}  // namespace respcask::engine

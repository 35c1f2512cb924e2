// The store's record, DIR/STORE, is a line of text of at most 4096 bytes, synced before any shard:
//
//   field            meaning
//   respcask-store   what it is
//   VERSION          kFormatVersion, decimal
//   shards=N         number of shards
//   id=HEX           64 random bits; every segment's header repeats them
//   created=MS       Unix time in ms
//   crc=HEX          CRC32C of all before " crc="
//
// separated by single spaces, with a newline at the end.

#include "engine/store.h"

#include <sys/random.h>

#include <algorithm>
#include <cassert>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

#include "engine/crc32c.h"
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

// The text of `field=` in a store's record, or nothing.
std::optional<std::string_view> field(std::string_view record, std::string_view name) {
  const std::string key = fmt::format(" {}=", name);
  size_t at = record.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  std::string_view rest = record.substr(at + key.size());
  return rest.substr(0, rest.find_first_of(" \n"));
}

// The directory that holds the name `path`.
std::string parent_of(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  if (path.find_first_not_of('.') == std::string::npos) return path + "/..";
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

template <class T>
std::optional<T> number(std::optional<std::string_view> text, int base) {
  if (!text) return std::nullopt;
  T value{};
  auto [end, failure] = std::from_chars(text->data(), text->data() + text->size(), value, base);
  if (failure != std::errc() || end != text->data() + text->size()) return std::nullopt;
  return value;
}

}  // namespace

Store::Store(Options options) : options_(std::move(options)), seed_(HashSeed::random()) {
  if (options_.files == nullptr) options_.files = &posix_file_system();
  sync_mode_ = options_.sync;
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
  if (auto recovered = store->recover(); !recovered) return recovered.error();
  store->open_ = true;
  if (!store->options_.read_only) {
    // What was found may be in the page cache only; from here on it is known to be on the device.
    if (auto synced = store->run_sync(); !synced) return synced.error();
    store->sync_thread_ = std::thread([raw = store.get()] { raw->sync_loop(); });
    store->maintenance_thread_ = std::thread([raw = store.get()] { raw->maintenance_loop(); });
  }
  return store;
}

std::string Store::shard_directory(uint32_t index) const {
  return fmt::format("{}/shard-{:02}", options_.dir, index);
}

Result<void> Store::prepare_directory() {
  FileSystem& files = *options_.files;
  const std::string record = options_.dir + "/STORE";
  auto there = files.stat(record);
  if (!there) return there.error();
  const bool create_it = !*there;
  if (create_it) {
    if (options_.read_only || !options_.create_if_missing) {
      return Error{ErrorCode::kFormat, fmt::format("{}: no store is here", options_.dir)};
    }
    if (auto made = files.create_directory(options_.dir); !made) return made;
    if (auto synced = files.sync_directory(parent_of(options_.dir)); !synced) return synced;
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
  if (!*there) {
    if (auto made = create(); !made) return made;
  }
  return read_record();
}

Result<void> Store::create() {
  FileSystem& files = *options_.files;
  open_report_.created = true;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    if (auto made = files.create_directory(shard_directory(i)); !made) return made;
  }
  uint64_t id = 0;
  if (getrandom(&id, sizeof id, 0) != sizeof id) {
    return Error{ErrorCode::kIo, "the system has no random bytes to give"};
  }
  std::string text = fmt::format("respcask-store {} shards={} id={:016x} created={}",
                                 kFormatVersion, options_.shards, id, unix_ms());
  text += fmt::format(" crc={:08x}\n", crc32c(text));
  // The record appears whole or not at all, and after everything that it speaks of.
  const std::string path = options_.dir + "/STORE";
  const std::string temporary = path + ".tmp";
  if (auto old = files.stat(temporary); old && *old) (void)files.unlink(temporary);
  auto file = files.create(temporary);
  if (!file) return file.error();
  if (auto written = (*file)->write_at(0, text); !written) return written;
  if (auto synced = (*file)->sync_all(); !synced) return synced;
  if (auto synced = files.sync_directory(options_.dir); !synced) return synced;
  if (auto renamed = files.rename(temporary, path); !renamed) return renamed;
  return files.sync_directory(options_.dir);
}

Result<void> Store::read_record() {
  const std::string path = options_.dir + "/STORE";
  auto file = options_.files->open_read_only(path);
  if (!file) return file.error();
  std::string text(4096, '\0');
  auto got = (*file)->read_at(0, text);
  if (!got) return got.error();
  text.resize(*got);
  if (!text.starts_with("respcask-store ")) {
    return Error{ErrorCode::kFormat, fmt::format("{}: not the record of a store", path)};
  }
  std::string_view rest = std::string_view(text).substr(15);
  auto version = number<uint32_t>(rest.substr(0, rest.find(' ')), 10);
  if (!version || *version != kFormatVersion) {
    return Error{ErrorCode::kFormat,
                 fmt::format("{}: the store has format version {}, this program reads {}", path,
                             rest.substr(0, rest.find(' ')), kFormatVersion)};
  }
  const size_t checked = text.find(" crc=");
  auto shards = number<uint32_t>(field(text, "shards"), 10);
  auto id = number<uint64_t>(field(text, "id"), 16);
  auto checksum = number<uint32_t>(field(text, "crc"), 16);
  if (!shards || !id || !checksum ||
      checksum != crc32c(std::string_view(text).substr(0, checked)) || *shards < 1 ||
      *shards > kMaxShards) {
    return Error{ErrorCode::kDamaged, fmt::format("{}: the store's record is damaged", path)};
  }
  if (*shards != options_.shards && options_.log) {
    options_.log(LogLevel::kNotice,
                 fmt::format("The store was created with {} shards; that stays so.", *shards));
  }
  options_.shards = *shards;
  id_ = *id;
  return {};
}

Result<void> Store::recover() {
  const int64_t start_ms = steady_ms();
  std::vector<std::unique_ptr<ShardRecovery>> recoveries;
  for (uint32_t i = 0; i < options_.shards; ++i) {
    shards_.push_back(std::make_unique<Shard>(options_, id_, i, seed_));
    recoveries.push_back(std::make_unique<ShardRecovery>(*shards_[i]));
  }
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
    for (size_t i = 0; i < helpers; ++i) threads.emplace_back(work);
    work();
    for (auto& thread : threads) thread.join();
    for (auto& result : results) {
      if (!result) return result;
    }
    return {};
  };
  if (auto opened = for_all(&ShardRecovery::open); !opened) return opened;
  last_transaction_ = cut_incomplete_transactions(recoveries);
  if (auto applied = for_all(&ShardRecovery::apply); !applied) return applied;

  ShardRecovery::Report& sum = open_report_.found;
  for (const auto& recovery : recoveries) {
    const ShardRecovery::Report& part = recovery->report();
    sum.segments += part.segments;
    sum.records += part.records;
    sum.bytes_read += part.bytes_read;
    sum.torn_bytes += part.torn_bytes;
    sum.damaged_ranges += part.damaged_ranges;
    sum.damaged_bytes += part.damaged_bytes;
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
  if (!options_.read_only) {
    {
      std::lock_guard guard(threads_mutex_);
      stopping_ = true;
    }
    sync_wanted_.notify_all();
    maintenance_wanted_.notify_all();
    sync_thread_.join();
    maintenance_thread_.join();
    result = sync();
    for (auto& shard : shards_) {
      std::lock_guard guard(*shard);
      // Space that was reserved ahead is given back; the store is as large as its data.
      if (!shard->failed_ && shard->active_->reserved() > shard->active_->size()) {
        if (auto cut = shard->active_->cut(shard->active_->size()); !cut && result) result = cut;
      }
    }
  }
  shards_.clear();
  lock_.reset();
  return result;
}

uint32_t Store::shard_of(std::string_view key) const {
  return shard_of_slot(key_slot(key), shard_count());
}

TransactionMark Store::begin_transaction(const ShardSet& shards) {
  return {last_transaction_.fetch_add(1) + 1, shards};
}

Result<SyncPoint> Store::commit(const ShardSet& touched, const ShardSet& written) {
  SyncPoint point = 0;
  std::optional<Error> failure;
  ShardSet linked;
  for (uint32_t i : touched) {
    Shard& shard = *shards_[i];
    std::lock_guard guard(shard);
    if (!shard.pending_shards_.empty()) {
      linked.add(i);
    } else if (auto committed = commit_shard(shard, written); !committed) {
      failure = committed.error();
    } else {
      point = std::max(point, *committed);
    }
  }
  if (!linked.empty()) {
    auto committed = commit_linked(linked, written);
    if (!committed) {
      failure = committed.error();
    } else {
      point = std::max(point, *committed);
    }
  }
  if (failure) return *failure;
  if (sync_mode_.load(std::memory_order_relaxed) == SyncMode::kAlways &&
      point > synced_.load(std::memory_order_acquire)) {
    { std::lock_guard guard(threads_mutex_); }  // the sync thread is waiting, or has not looked yet
    sync_wanted_.notify_one();
  }
  return point;
}

Result<SyncPoint> Store::commit_shard(Shard& shard, const ShardSet& written) {
  if (shard.failed_) {
    if (!written.contains(shard.index())) return shard.commit_point_;
    return Error{ErrorCode::kReadOnly,
                 fmt::format("shard {} is read-only after a failed write", shard.index())};
  }
  if (shard.pending_.size() > 0) {
    if (auto done = shard.write_pending(); !done) return done.error();
    shard.commit_point_ = committed_.fetch_add(1, std::memory_order_acq_rel) + 1;
  }
  return shard.commit_point_;
}

// Writes the shards given and all those that share a transaction with them, under the locks of all
// of them: nobody can commit something that follows half a transaction.
Result<SyncPoint> Store::commit_linked(ShardSet shards, const ShardSet& written) {
  for (;;) {
    for (uint32_t i : shards) shards_[i]->lock();
    ShardSet closure = shards;
    for (uint32_t i : shards) closure.add(shards_[i]->pending_shards_);
    if (closure == shards) break;
    for (uint32_t i : shards) shards_[i]->unlock();
    shards = closure;
  }
  SyncPoint point = 0;
  std::optional<Error> failure;
  for (uint32_t i : shards) {
    auto committed = commit_shard(*shards_[i], written);
    if (!committed) {
      failure = committed.error();
    } else {
      point = std::max(point, *committed);
    }
  }
  for (uint32_t i : shards) shards_[i]->unlock();
  if (failure) return *failure;
  return point;
}

void Store::on_sync(std::function<void()> wake) {
  on_sync_ = std::move(wake);
}

void Store::set_sync_mode(SyncMode mode) {
  {
    std::lock_guard guard(threads_mutex_);
    sync_mode_ = mode;
  }
  sync_wanted_.notify_one();
}

Result<void> Store::sync() {
  const ShardSet all = ShardSet::first(shard_count());
  if (auto committed = commit(all, all); !committed) return committed.error();
  return run_sync();
}

// Taken under all locks, so that it cuts no transaction in two.
Store::SyncPlan Store::plan_sync() {
  SyncPlan plan;
  for (auto& shard : shards_) shard->lock();
  plan.point = committed_.load(std::memory_order_acquire);
  plan.completed = last_transaction_.load();
  for (auto& shard : shards_) {
    SyncPlan::Part part;
    part.skip = shard->failed_;
    part.sealed = shard->sealed_unsynced_;
    part.active = shard->active_;
    part.active_size = shard->active_->size();
    part.directory = std::exchange(shard->directory_unsynced_, false);
    plan.parts.push_back(std::move(part));
    // A transaction whose part here is still pending is not covered yet.
    if (!shard->pending_shards_.empty()) {
      plan.completed = std::min(plan.completed, shard->completed_);
    }
  }
  for (auto& shard : shards_) shard->unlock();
  return plan;
}

Result<void> Store::sync_part(Shard& shard, const SyncPlan::Part& part) {
  if (part.directory) {
    if (auto synced = options_.files->sync_directory(shard_directory(shard.index())); !synced) {
      return synced;
    }
  }
  for (const auto& segment : part.sealed) {
    // What was reserved past the end of a sealed segment is given back.
    if (segment->reserved() > segment->size()) {
      if (auto cut = segment->cut(segment->size()); !cut) return cut;
    }
    if (segment->synced_bytes == segment->size()) continue;
    if (auto synced = segment->file().sync_data(); !synced) return synced;
    segment->synced_bytes = segment->size();
  }
  if (part.active->synced_bytes == part.active_size) return {};
  if (auto synced = part.active->file().sync_data(); !synced) return synced;
  part.active->synced_bytes = part.active_size;
  return {};
}

Result<void> Store::run_sync() {
  std::lock_guard one_at_a_time(sync_run_);
  const SyncPlan plan = plan_sync();
  std::optional<Error> failure;
  for (uint32_t i = 0; i < shard_count(); ++i) {
    Shard& shard = *shards_[i];
    if (plan.parts[i].skip) continue;
    auto synced = sync_part(shard, plan.parts[i]);
    if (synced) continue;
    // Final: Linux would call a second attempt a success over pages that are lost.
    failure = synced.error();
    std::lock_guard guard(shard);
    shard.failed_ = true;
    shard.log(LogLevel::kWarning,
              fmt::format("shard {} is read-only from now on: {}", i, synced.error().message));
  }
  if (failure) sync_failed_.store(true, std::memory_order_release);
  if (!sync_failed_.load(std::memory_order_acquire)) {
    finish_sync(plan);
    synced_.store(plan.point, std::memory_order_release);
  }
  if (on_sync_) on_sync_();
  if (failure) return *failure;
  return {};
}

// From the next batch on the log says how far it is synced. Once a sync has failed this stands
// still: the other shards go on being synced, but no mark may vouch for transactions whose other
// part is lost.
void Store::finish_sync(const SyncPlan& plan) {
  for (auto& shard : shards_) shard->lock();
  for (uint32_t i = 0; i < shard_count(); ++i) {
    const SyncPlan::Part& part = plan.parts[i];
    Shard& shard = *shards_[i];
    std::erase_if(shard.sealed_unsynced_, [&](const auto& segment) {
      return std::find(part.sealed.begin(), part.sealed.end(), segment) != part.sealed.end();
    });
    if (shard.active_ == part.active && shard.sealed_unsynced_.empty()) {
      shard.synced_ = part.active_size;
    }
    shard.completed_ = std::max(shard.completed_, plan.completed);
  }
  for (auto& shard : shards_) shard->unlock();
}

void Store::sync_loop() {
  using namespace std::chrono_literals;
  std::unique_lock guard(threads_mutex_);
  while (!stopping_) {
    const SyncMode mode = sync_mode_.load();
    auto mode_changed = [&] { return stopping_ || sync_mode_.load() != mode; };
    auto unsynced = [&] { return committed_.load() > synced_.load() && !sync_failed_.load(); };
    bool due = false;
    if (mode == SyncMode::kAlways) {
      // Whatever is committed while one sync runs shares the next.
      sync_wanted_.wait(guard, [&] { return mode_changed() || unsynced(); });
      due = unsynced();
    } else {
      sync_wanted_.wait_for(guard, 1s, mode_changed);
      due = mode == SyncMode::kEverySecond ? committed_.load() > synced_.load() : has_sealed();
    }
    if (stopping_) return;  // close() syncs
    if (!due) continue;
    guard.unlock();
    (void)run_sync();  // a failure is logged there, and kept in sync_failed_
    guard.lock();
  }
}

bool Store::has_sealed() {
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    if (!shard->sealed_unsynced_.empty()) return true;
  }
  return false;
}

void Store::maintenance_loop() {
  using namespace std::chrono_literals;
  constexpr int kSweepEvery = 20;  // turns of 100 ms
  for (int turn = 0;; ++turn) {
    for (auto& shard : shards_) {
      while (shard->collect_garbage()) {
        std::lock_guard guard(threads_mutex_);
        if (stopping_) return;
      }
      if (turn % kSweepEvery == 0) sweep(*shard);
    }
    std::unique_lock guard(threads_mutex_);
    if (maintenance_wanted_.wait_for(guard, 100ms, [this] { return stopping_; })) return;
  }
}

void Store::sweep(Shard& shard) {
  std::vector<std::shared_ptr<Segment>> segments;
  {
    std::lock_guard guard(shard);
    segments = shard.order_;
    for (const auto& segment : segments) {
      if (segment->sealed) segment->shrink_mapping();
    }
  }
  for (const auto& segment : segments) segment->refresh_residency();
}

}  // namespace respcask::engine

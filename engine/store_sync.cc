// The syncing half of Store: what a sync covers, when one is due, and what the journal does of it.

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>

#include "engine/backup_mark.h"
#include "engine/named_thread.h"
#include "engine/segment_name.h"
#include "engine/store.h"

namespace respcask::engine {

void Store::on_sync(std::function<void()> wake) {
  std::lock_guard guard(on_sync_mutex_);  // while the former one is not being called
  on_sync_ = std::move(wake);
}

Result<void> Store::set_sync_mode(SyncMode mode) {
  {
    std::lock_guard guard(threads_mutex_);
    if (!options_.read_only) {
      if (auto started = start_sync_threads(mode); !started) return started;
    }
    sync_mode_ = mode;
    // There may be room for it by now.
    if (mode == SyncMode::kAlways) journal_wanted_ = true;
  }
  sync_wanted_.notify_all();
  more_syncs_wanted_.notify_all();
  return {};
}

Result<void> Store::sync() {
  if (options_.read_only) return {};
  const ShardSet all = ShardSet::first(shard_count());
  if (auto committed = commit(all); !committed) return committed.error();
  return run_sync();
}

// Taken under all locks, so that it cuts no transaction in two. Transactions that are still pending
// are written first: ids are given out across the shards, and a plan that covers one transaction
// but cannot call it complete, because one with a lower id is pending elsewhere, would let a
// recovery miss the part that lies below a mark.
Store::SyncPlan Store::plan_sync() {
  SyncPlan plan;
  for (auto& shard : shards_) shard->lock();
  ShardSet linked;
  for (auto& shard : shards_) {
    if (!shard->pending_shards_.empty()) linked.add(shard->index());
  }
  if (!write_linked(linked)) refuse_writes();
  plan.point = committed_.load(std::memory_order_acquire);
  plan.completed = last_transaction_.load();
  for (auto& shard : shards_) {
    SyncPlan::Part part;
    part.skip = shard->broken_;
    part.sealed = shard->sealed_unsynced_;
    part.active = shard->active_;
    part.active_size = shard->active_->size();
    part.directory = std::exchange(shard->directory_unsynced_, false);
    plan.parts.push_back(std::move(part));
  }
  for (auto& shard : shards_) shard->unlock();
  planned_.store(plan.point, std::memory_order_release);
  return plan;
}

Result<void> Store::sync_part(Shard& shard, const SyncPlan::Part& part) {
  if (part.directory) {
    const std::string directory = shard_directory(options_.dir, shard.index());
    if (auto synced = options_.files->sync_directory(directory); !synced) return synced;
  }
  for (const auto& segment : part.sealed) {
    // What was reserved past the end of a sealed segment is given back. Where that fails nothing is
    // lost, and the next start does it.
    if (segment->reserved() > segment->size()) (void)segment->cut(segment->size());
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
  return carry_out(plan_sync());
}

// Syncs the segments. With sync_run_ held.
Result<void> Store::carry_out(const SyncPlan& plan) {
  // Those that have something to sync, at the same time.
  std::vector<uint32_t> touched;
  for (uint32_t i = 0; i < shard_count(); ++i) {
    const SyncPlan::Part& part = plan.parts[i];
    // What failed to be written cannot be synced, so this sync vouches for nothing.
    if (part.skip) sync_failed_.store(true, std::memory_order_release);
    const bool anything =
        part.directory || !part.sealed.empty() || part.active->synced_bytes != part.active_size;
    if (!part.skip && anything) touched.push_back(i);
  }
  std::vector<Result<void>> results(touched.size());
  sync_pool_->for_each(touched.size(), [&](size_t n) {
    results[n] = sync_part(*shards_[touched[n]], plan.parts[touched[n]]);
  });
  std::optional<Error> failure;
  std::vector<size_t> broken;  // where they stand in `touched`
  for (size_t n = 0; n < touched.size(); ++n) {
    if (results[n]) continue;
    failure = results[n].error();
    broken.push_back(n);
  }
  if (failure) sync_failed_.store(true, std::memory_order_release);
  if (sync_failed()) {
    // All at once: a power cut may take the broken shard's part of a transaction, and a start then
    // takes all that follows its other parts, so none of that may be acknowledged.
    for (auto& shard : shards_) shard->lock();
    // Final: Linux would call a second attempt a success over pages that are lost.
    for (size_t n : broken) shards_[touched[n]]->broken_ = true;
    refuse_writes();
    for (auto& shard : shards_) shard->unlock();
  }
  for (size_t n : broken) {
    shards_[touched[n]]->log(LogLevel::kWarning,
                             fmt::format("shard {} is read-only from now on: {}", touched[n],
                                         results[n].error().message));
  }
  if (!sync_failed()) {
    finish_sync(plan);
    if (journal_ != nullptr) journal_->restart();
  }
  tell_synced(plan.point);
  if (!failure && sync_failed()) {
    failure = Error{ErrorCode::kReadOnly, "an earlier write or sync has failed"};
  }
  if (failure) return *failure;
  return {};
}

// From the next batch on the log says how far it is synced. Once a sync has failed this stands
// still: what the other shards hold is synced, but no mark may vouch for transactions whose other
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

// Unless a sync has failed. Called for one point after the other, but not in their order.
void Store::tell_synced(SyncPoint point) {
  if (!sync_failed()) {
    SyncPoint before = synced_.load(std::memory_order_relaxed);
    while (before < point &&
           !synced_.compare_exchange_weak(before, point, std::memory_order_release)) {
    }
  }
  std::lock_guard guard(on_sync_mutex_);
  if (on_sync_) on_sync_();
}

// Before the recovery of the shards.
Result<void> Store::replay() {
  const auto marks = find_backup_marks(*options_.files, options_.dir);
  if (!marks) return marks.error();
  if (marks->is_backup()) return {};  // the journal is of something else
  const auto path = [this](uint32_t shard, uint64_t segment_id) {
    return shard < shard_count() ? shards_[shard]->segment_path(segment_id, 0) : std::string();
  };
  auto replayed = replay_journal(*options_.files, options_.dir, id(), !options_.read_only, path);
  if (!replayed) return replayed.error();
  if (replayed->misplaced_bytes > 0) {
    ++open_report_.found.damaged_ranges;
    open_report_.found.damaged_bytes += replayed->misplaced_bytes;
    if (options_.log) {
      options_.log(
          LogLevel::kWarning,
          fmt::format("{}/JOURNAL: {} bytes are of places beyond the end of their segments, "
                      "and are left out",
                      options_.dir, replayed->misplaced_bytes));
    }
  }
  if (replayed->missing_bytes == 0) return {};
  if (options_.read_only) {
    // No start will ever put them back where there is no record.
    if (options_.salvage && !read_store_record(*options_.files, options_.dir)) {
      open_report_.journal_only_bytes = replayed->missing_bytes;
      return {};
    }
    return Error{
        ErrorCode::kReadOnly,
        fmt::format("{}: after a power cut {} bytes are in the journal only; the store has "
                    "to be opened for writing first",
                    options_.dir, replayed->missing_bytes)};
  }
  if (options_.log) {
    options_.log(LogLevel::kNotice, fmt::format("{} bytes that a power cut had taken are put back "
                                                "from the journal",
                                                replayed->missing_bytes));
  }
  return {};
}

// Makes the journal, if there is none, once each time that kAlways is set; open() has removed an
// earlier one. With sync_run_ held, or before the threads.
void Store::prepare_journal() {
  if (!journal_wanted_.exchange(false) || journal_ != nullptr || options_.journal_bytes == 0)
    return;
  auto made =
      Journal::create(*options_.files, options_.dir, id(), options_.journal_bytes, kSyncLanes);
  if (made) {
    journal_ = std::move(*made);
  } else if (options_.log) {
    options_.log(
        LogLevel::kNotice,
        fmt::format("Segments are synced one by one, there is no journal until the mode is "
                    "set again: {}",
                    made.error().message));
  }
}

// Gives the journal's space back in the modes that write nothing to it.
void Store::drop_journal() {
  std::lock_guard one_at_a_time(sync_run_);
  if (journal_ == nullptr || sync_mode_.load() == SyncMode::kAlways || sync_failed()) return;
  // The segments have to hold all of it first.
  if (!carry_out(plan_sync()) || sync_failed()) return;
  // It may have lost its name even if that fails, so nothing more may be written to it.
  auto removed = remove_journal(*options_.files, options_.dir);
  if (!removed && options_.log) options_.log(LogLevel::kWarning, removed.error().message);
  journal_.reset();
}

// Puts what the plan covers into the journal, for the lane to sync. False: the segments have to be
// synced. With sync_run_ held.
bool Store::write_to_journal(size_t lane, const SyncPlan& plan) {
  if (journal_ == nullptr || journal_->given_up() || sync_failed()) return false;
  std::vector<Journal::Piece> pieces;
  for (uint32_t i = 0; i < shard_count(); ++i) {
    const SyncPlan::Part& part = plan.parts[i];
    if (part.skip || part.directory || !part.sealed.empty()) return false;
    const Segment& active = *part.active;
    const uint64_t from = std::max(active.synced_bytes, active.journaled_bytes);
    if (from == part.active_size) continue;
    pieces.push_back(
        {i, active.header().first_id, from, active.bytes().substr(from, part.active_size - from)});
  }
  if (pieces.empty()) return false;
  auto written = journal_->append(lane, pieces, plan.point);
  if (!written) {
    journal_->give_up();
    if (options_.log) options_.log(LogLevel::kWarning, written.error().message);
    return false;
  }
  if (!*written) return false;
  for (const SyncPlan::Part& part : plan.parts) part.active->journaled_bytes = part.active_size;
  return true;
}

// What is committed and covered by no sync yet, made durable at the price of one sync. Whatever is
// committed while every lane is at that shares the next.
void Store::sync_group(size_t lane) {
  std::shared_ptr<Journal> journal;  // which may be dropped while it is synced
  {
    std::lock_guard one_at_a_time(sync_run_);
    if (committed_.load() <= planned_.load()) return;  // another lane was quicker
    prepare_journal();
    const SyncPlan plan = plan_sync();
    if (!write_to_journal(lane, plan)) {
      (void)carry_out(plan);  // a failure is logged there, and kept in sync_failed_
      return;
    }
    journal = journal_;
  }
  const auto began = std::chrono::steady_clock::now();
  auto reached = journal->sync(lane);
  const auto took = std::chrono::steady_clock::now() - began;
  const auto before = sync_time_.load(std::memory_order_relaxed);
  sync_time_.store(
      before + (std::chrono::duration_cast<std::chrono::microseconds>(took) - before) / 16,
      std::memory_order_relaxed);
  if (reached) {
    if (*reached) tell_synced(**reached);
    return;
  }
  // The segments have it all, and no sync of theirs has failed.
  if (options_.log) options_.log(LogLevel::kWarning, reached.error().message);
  (void)run_sync();
}

// Whether syncs of the journal have taken so long of late that some are worth having at once.
bool Store::syncs_are_slow() const {
  return sync_time_.load(std::memory_order_relaxed) > kSlowSync;
}

// One thread, and one for every lane once the mode is kAlways. With threads_mutex_ held, or before
// the threads.
Result<void> Store::start_sync_threads(SyncMode mode) {
  const size_t wanted = mode == SyncMode::kAlways ? kSyncLanes : 1;
  while (sync_threads_.size() < wanted) {
    auto thread = named_thread("sync", [this, lane = sync_threads_.size()] { sync_loop(lane); });
    if (!thread) return thread.error();
    sync_threads_.push_back(std::move(*thread));
  }
  return {};
}

void Store::sync_loop(size_t lane) {
  using namespace std::chrono_literals;
  std::unique_lock guard(threads_mutex_);
  while (!stopping_) {
    const SyncMode mode = sync_mode_.load();
    auto mode_changed = [&] { return stopping_ || sync_mode_.load() != mode; };
    auto uncovered = [&] { return committed_.load() > planned_.load() && !sync_failed(); };
    bool due = false;
    if (lane > 0) {
      auto worth_it = [&] { return mode == SyncMode::kAlways && syncs_are_slow() && uncovered(); };
      more_syncs_wanted_.wait(guard, [&] { return mode_changed() || worth_it(); });
      due = worth_it();
    } else if (mode == SyncMode::kAlways) {
      sync_wanted_.wait(guard, [&] { return mode_changed() || uncovered(); });
      due = uncovered();
    } else {
      sync_wanted_.wait_for(guard, 1s, mode_changed);
      guard.unlock();  // whoever holds shards may want it
      drop_journal();
      due = mode == SyncMode::kEverySecond ? committed_.load() > synced_.load() : has_sealed();
      guard.lock();
    }
    if (stopping_) return;  // close() syncs
    if (!due) continue;
    guard.unlock();
    if (mode == SyncMode::kAlways) {
      sync_group(lane);
    } else {
      (void)run_sync();
    }
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

}  // namespace respcask::engine

// The merging of Store: what is merged, and when.
//
// Two things call for it. A shard whose share of garbage has passed the trigger is merged until the
// share is below the stop; of several such shards the worst has the next run, so that a busy one
// keeps no other waiting. And a request covers the segments that there are when it is taken up:
// neither what clients write meanwhile nor what the request itself has written belongs to it, so it
// ends however busy the store is. Runs of the two kinds take turns.

#include <algorithm>
#include <chrono>
#include <ctime>
#include <utility>

#include <fmt/format.h>

#include "engine/merge.h"
#include "engine/store.h"

namespace respcask::engine {

using namespace std::chrono_literals;

namespace {

// A request merges what holds more than this share of garbage.
constexpr double kRequestedGarbage = 0.02;

// A shard that takes less than this part of what a store has to is small: it is merged unasked only
// where there are so many shards that their garbage would come to more than the store's share.
constexpr uint64_t kLeastParts = 16;

// Of the time, merging small shards takes no more than one part in so many and this one: each merge
// syncs the whole store, for little. A shard that has grown meanwhile is small no more.
constexpr int kRestOfSmall = 9;

// How soon garbage is noticed while nothing is merged. A busy client writes a tenth of a small
// store in a second.
constexpr auto kLookEvery = 100ms;

// How long a shard is left alone when it has been merged: what is in little data is written over so
// fast that it calls for a merge at every look, and each takes syncs.
constexpr auto kRest = 250ms;

}  // namespace

void Store::set_merge_options(const MergeOptions& merge) {
  std::lock_guard guard(threads_mutex_);
  merge_ = merge;
}

void Store::request_merge() {
  {
    std::lock_guard guard(threads_mutex_);
    ++merge_requests_;
  }
  merge_wanted_.notify_one();
}

bool Store::merge_now() {
  std::unique_lock guard(threads_mutex_);
  const uint64_t request = ++merge_requests_;
  merge_wanted_.notify_one();
  auto done = [&] { return merge_stats_.requests_done >= request; };
  merge_done_.wait(guard, [&] { return stopping_ || done(); });
  return done();
}

void Store::limit_segments(uint64_t most) {
  constexpr uint64_t kLeast = 3;  // two to be joined, and the active one
  for (auto& shard : shards_) shard->limit_segments(std::max(most / shard_count(), kLeast));
}

bool Store::join_segments() {
  // Others are not joined, and after a start none is settled.
  (void)sync();
  for (auto& shard : shards_) settle_sealed(*shard);
  std::unique_lock guard(threads_mutex_);
  const uint64_t request = ++join_requests_;
  merge_wanted_.notify_one();
  merge_done_.wait(guard, [&] { return stopping_ || joins_done_ >= request; });
  return !stopping_;
}

uint64_t Store::segments() {
  uint64_t segments = 0;
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    segments += shard->order_.size();
  }
  return segments;
}

MergeStats Store::merge_stats() {
  std::lock_guard guard(threads_mutex_);
  return merge_stats_;
}

void Store::merge_loop() {
  uint64_t request = 0;  // the last one taken up
  uint64_t joins = 0;    // the same for joining
  bool worked = false;
  learn_rewritten();
  while (!stopping_) {
    bool under_way = false;
    bool begins = false;
    bool unasked = false;
    {
      std::unique_lock guard(threads_mutex_);
      auto asked = [this] { return merge_requests_ > merge_stats_.requests_done; };
      auto woken = [&] { return stopping_ || asked() || join_requests_ > joins_done_; };
      under_way = request > merge_stats_.requests_done;
      merge_stats_.running = worked || under_way;
      if (!merge_stats_.running) {
        // Small shards may have less of a rest to wait for.
        const auto now = std::chrono::steady_clock::now();
        auto until = now + kLookEvery;
        if (small_paused_until_ > now) until = std::min(until, small_paused_until_);
        merge_wanted_.wait_until(guard, until, woken);
      }
      if (std::exchange(joins, join_requests_) != joins) {
        for (MergeState& state : merge_states_) state.joins_paused_until = {};
      }
      begins = !under_way && asked();
      if (begins) {
        request = merge_requests_;
        merge_stats_.running = true;
      }
      unasked = in_merge_window();
    }
    if (stopping_) return;
    look_for_shortage();
    keep_merge_reserve();
    if (begins) begin_requested();
    const bool joined = join_some(joins > joins_done_);
    if (!joined) {
      std::lock_guard guard(threads_mutex_);
      joins_done_ = joins;
      merge_done_.notify_all();
    }
    worked = (unasked || short_) && merge_worst_shard();
    worked |= joined;
    if (short_ && !worked) end_shortage(false);
    if ((begins || under_way) && !merge_requested()) {
      std::lock_guard guard(threads_mutex_);
      merge_stats_.requests_done = request;
      merge_done_.notify_all();
    }
  }
}

// A shard that takes less is not merged unasked. With many shards it is less for each: what they
// may hold of garbage together is not to grow with their number.
uint64_t Store::least_bytes_of_shard(const MergeOptions& merge) const {
  return merge.least_bytes / std::max(kLeastParts, 2 * uint64_t{shard_count()});
}

// With threads_mutex_ held.
bool Store::in_merge_window() const {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  return merge_.in_window(local.tm_hour);
}

// Seals the active segment if at least this share of it is garbage: true. In the next one
// `kept_back` bytes are kept for what makes room. An error: that cannot be had now.
Result<bool> Store::seal_garbage(Shard& shard, double least, uint64_t kept_back) {
  ShardSet just_this;
  just_this.add(shard.index());
  // Part of a transaction may be pending at each look; nobody has to wait for us to win that race.
  constexpr int kMostTries = 1000;
  for (int i = 0; i < kMostTries && !stopping_; ++i) {
    {
      std::lock_guard guard(shard);
      if (shard.failed_) return false;
      const MergeCandidate active = merge_candidates(shard).back();
      if (active.total_bytes == 0 || garbage(active) < least) return false;
      if (shard.may_roll()) {
        if (auto rolled = shard.roll(kept_back); !rolled) return rolled.error();
        return true;
      }
    }
    if (auto committed = commit(just_this); !committed) return committed.error();
  }
  return false;
}

// Makes what was just sealed ready to be merged.
Result<void> Store::settle_for_merge(Shard& shard) {
  if (auto synced = run_sync(); !synced) return synced;
  settle_sealed(shard);
  return {};
}

void Store::begin_requested() {
  for (auto& shard : shards_) {
    // What was dropped a moment ago still counts as live until it has been taken apart.
    while (!stopping_ && shard->collect_garbage()) {
    }
    const auto sealed = seal_garbage(*shard, kRequestedGarbage, kReserveBytes);
    if (sealed || sealed.error().code == ErrorCode::kNoSpace) continue;
    std::lock_guard guard(threads_mutex_);
    ++merge_stats_.failed;
  }
  if (sync_failed() || !run_sync()) {
    std::lock_guard guard(threads_mutex_);
    ++merge_stats_.failed;
    return;
  }
  for (auto& shard : shards_) {
    settle_sealed(*shard);
    std::lock_guard guard(*shard);
    if (shard->failed_) continue;
    MergeState& state = merge_states_[shard->index()];
    for (const auto& segment : shard->order_) {
      if (!segment->settled) continue;
      state.requested.push_back(name_of(*segment));
      state.last_requested = segment->header().last_id;
    }
    state.marks_requested = true;
    state.requested_sweep = {};
  }
}

// One run of what was requested. False: nothing is left.
bool Store::merge_requested() {
  // No merge could be completed.
  if (sync_failed()) {
    for (MergeState& state : merge_states_) state.requested.clear();
    return false;
  }
  for (auto& shard : shards_) {
    MergeState& state = merge_states_[shard->index()];
    if (state.requested.empty()) continue;
    // A request copies everything once whatever the size of its runs.
    constexpr uint64_t kRunBytes = uint64_t{16} << 20;
    Pick pick = pick_inputs(*shard, kRequestedGarbage, kRunBytes, true);
    if (pick.inputs.empty()) {
      state.requested.clear();
      continue;
    }
    std::vector<SegmentName> names;
    for (const auto& input : pick.inputs) names.push_back(name_of(*input));
    if (merge_run(*shard, std::move(pick)) == MergeOutcome::kFailed) {
      state.requested_sweep = {};
      // What turned out to be damaged is no reason to leave out the rest of the run, nor is the run
      // one to leave out other segments.
      std::vector<SegmentName> damaged;
      {
        std::lock_guard guard(*shard);
        for (const auto& segment : shard->order_) {
          const bool was_in =
              std::find(names.begin(), names.end(), name_of(*segment)) != names.end();
          if (was_in && segment->damaged) damaged.push_back(name_of(*segment));
        }
      }
      const std::vector<SegmentName>& left_out = damaged.empty() ? names : damaged;
      std::erase_if(state.requested, [&](const SegmentName& name) {
        return std::find(left_out.begin(), left_out.end(), name) != left_out.end();
      });
    }
    return true;
  }
  return false;
}

// One run of the shard that has the greatest share of garbage, of those that want merging. False:
// none does.
bool Store::merge_worst_shard() {
  // No merge could be completed.
  if (sync_failed()) return false;
  MergeOptions options;
  {
    std::lock_guard guard(threads_mutex_);
    options = merge_;
  }
  // Below that a merge gives back next to nothing, and what it has written is worth another.
  options.stop_garbage = std::max(options.stop_garbage, kRequestedGarbage);
  if (short_) {
    options.trigger_garbage = options.stop_garbage = kRequestedGarbage;
    options.least_bytes = 0;
  }
  const std::vector<MergeCandidate> sums = shard_sums();
  const uint64_t store_bytes = sum(sums).total_bytes;
  Shard* worst = nullptr;
  double worst_share = 0;
  bool is_small = false;  // the worst one
  const auto now = std::chrono::steady_clock::now();
  for (size_t i = 0; i < shards_.size(); ++i) {
    MergeState& state = merge_states_[i];
    if (now < state.paused_until) continue;
    const double share = garbage_of_all(sums[i], many_marks(short_));
    const double least = state.begun ? options.stop_garbage : options.trigger_garbage;
    const bool goes_on = share >= least && store_bytes >= options.least_bytes &&
                         sums[i].total_bytes >= least_bytes_of_shard(options);
    if (state.begun && !goes_on) state.paused_until = now + kRest;
    state.begun = goes_on;
    if (!state.begun || (worst != nullptr && share <= worst_share)) continue;
    const bool small = sums[i].total_bytes < options.least_bytes / kLeastParts;
    if (small && now < small_paused_until_) continue;
    worst = shards_[i].get();
    worst_share = share;
    is_small = small;
  }
  if (worst == nullptr) return false;
  merge_shard(*worst, options, store_bytes);
  if (is_small) {
    const auto end = std::chrono::steady_clock::now();
    small_paused_until_ = end + kRestOfSmall * (end - now);
  }
  return true;
}

// One run of a shard, or what that takes first.
void Store::merge_shard(Shard& shard, const MergeOptions& options, uint64_t store_bytes) {
  const auto now = std::chrono::steady_clock::now();
  MergeState& state = merge_states_[shard.index()];
  Pick pick = pick_inputs(shard, options.stop_garbage, store_bytes / kRunsInStore, false);
  const bool sweeps = pick.sweeps;
  if (pick.inputs.empty()) {
    // What is left of the garbage lies in the active segment.
    const auto sealed = seal_for_merge(shard, options.stop_garbage);
    if (!sealed || !*sealed) state.paused_until = now + 1s;
    return;
  }
  switch (merge_run(shard, std::move(pick))) {
    case MergeOutcome::kGained:
      break;
    case MergeOutcome::kNoGain:  // it would be picked again at once, unless it has been swept
      if (!sweeps) state.paused_until = now + 1s;
      break;
    case MergeOutcome::kFailed: {
      state.sweep = {};  // what is behind would be rewritten for nothing
      // Whatever the reason is, it is likely to stand for a while.
      constexpr int kMostDoublings = 6;
      state.paused_until =
          std::chrono::steady_clock::now() + 1s * (1 << std::min(state.failures, kMostDoublings));
      ++state.failures;
      break;
    }
  }
}

// The shard that has most segments, of those that have more than three quarters of what they may
// have. Null: there is none.
Shard* Store::most_crowded() {
  Shard* crowded = nullptr;
  uint64_t most = 0;
  const auto now = std::chrono::steady_clock::now();
  for (auto& shard : shards_) {
    if (now < merge_states_[shard->index()].joins_paused_until) continue;
    std::lock_guard guard(*shard);
    const uint64_t count = shard->order_.size();
    const uint64_t limit = shard->most_segments();
    if (shard->failed_ || count <= limit - limit / 4 || count <= most) continue;
    crowded = shard.get();
    most = count;
    too_many_ = count > limit;
  }
  return crowded;
}

// Makes one of some small neighbours in such a shard. False: there is nothing to join.
bool Store::join_some(bool at_once) {
  // A full disk has no room for it.
  if (sync_failed() || short_) return false;
  while (Shard* const shard = most_crowded()) {
    auto& paused_until = merge_states_[shard->index()].joins_paused_until;
    Pick pick = pick_crowded(*shard);
    if (pick.inputs.empty()) {  // until more of it is settled
      too_many_ = false;
      paused_until = std::chrono::steady_clock::now() + kLookEvery;
      continue;
    }
    too_many_ |= at_once;
    const MergeOutcome outcome = merge_run(*shard, std::move(pick));
    too_many_ = false;
    if (outcome == MergeOutcome::kFailed) paused_until = std::chrono::steady_clock::now() + 10s;
    return true;
  }
  return false;
}

// Whether what is sealed now is going to be merged before long: the shard is being written over, as
// fast as it may be. With its lock held.
bool Store::is_soon_merged(Shard& shard, const MergeOptions& merge) {
  // Between two merges there is a little less than where they stop.
  constexpr double kNearly = 0.9;
  const MergeCandidate all = sum(merge_candidates(shard));
  return all.total_bytes >= least_bytes_of_shard(merge) &&
         garbage_of_all(all, many_marks(false)) >= kNearly * merge.stop_garbage;
}

Store::MergeOutcome Store::merge_run(Shard& shard, Pick pick) {
  {
    std::lock_guard guard(threads_mutex_);
    merge_stats_.running = true;
  }
  Merge::Hooks hooks;
  hooks.sync_store = [this] { return sync(); };
  hooks.pace = [this](uint64_t bytes) { return pace_merge(bytes); };
  hooks.with_hint = !disk_full();
  auto report = [&] {
    std::lock_guard one_at_a_time(merge_run_);
    bool lent = false;  // what is kept back
    auto merged = Merge(shard, pick.inputs, hooks).run();
    if (!merged && merged.error().code == ErrorCode::kNoSpace) {
      pick.inputs = fit_reserve(shard, std::move(pick));
      lent = !pick.inputs.empty();
      if (lent) {
        // Clients get nothing of what is kept back, not even to remove what they have, or there
        // would be nothing to merge with any more. They wait: so it is done at once.
        hooks.pace = [this](uint64_t) { return !stopping_; };
        hooks.with_hint = false;
        bar(Shard::Barred::kAll);
        merge_reserve_->release();
        merged = Merge(shard, pick.inputs, hooks).run();
      }
    }
    pick.inputs.clear();  // files go with their last owner, and while nobody else looks at them
    if (lent) keep_merge_reserve();
    return merged;
  }();
  if (report && report->without_hint) {
    std::lock_guard one_at_a_time(settle_run_);
    retry_later(report->without_hint);
  }
  std::lock_guard guard(threads_mutex_);
  if (!report) {
    ++merge_stats_.failed;
    shard.log(LogLevel::kWarning,
              fmt::format("Merge of shard {} given up: {}", shard.index(), report.error().message));
    return MergeOutcome::kFailed;
  }
  merge_states_[shard.index()].failures = 0;
  if (report->given_up) return MergeOutcome::kFailed;
  ++merge_stats_.merges;
  merge_stats_.bytes_read += report->bytes_read;
  merge_stats_.bytes_written += report->bytes_after;
  shard.log(LogLevel::kVerbose, fmt::format("Merged shard {}: {} bytes became {}", shard.index(),
                                            report->bytes_before, report->bytes_after));
  return report->bytes_after < report->bytes_before ? MergeOutcome::kGained : MergeOutcome::kNoGain;
}

// Who puts faster than the limit allows for gets a faster merge, not ever larger files: also of
// what was asked for, as every run keeps the others waiting.
void Store::update_urgency() {
  const auto now = std::chrono::steady_clock::now();
  if (now < urgency_due_) return;
  urgency_due_ = now + 1s;
  MergeOptions options;
  {
    std::lock_guard guard(threads_mutex_);
    options = merge_;
  }
  const std::vector<MergeCandidate> sums = shard_sums();
  double worst_share = 0;
  for (const MergeCandidate& all : sums) {
    if (all.total_bytes >= options.least_bytes / kLeastParts) {
      worst_share = std::max(worst_share, garbage_of_all(all, many_marks(false)));
    }
  }
  constexpr double kFasterEvery = 0.01;
  const double over = worst_share - options.trigger_garbage;
  const bool is_small = sum(sums).total_bytes < options.least_bytes;
  merge_urgency_ = is_small ? 1 : 1 + std::max(over, 0.0) / kFasterEvery;
}

// Spreads the merge's bytes over time. False once the store is closing.
bool Store::pace_merge(uint64_t bytes) {
  update_urgency();
  uint64_t rate = 0;
  {
    std::lock_guard guard(threads_mutex_);
    rate = static_cast<uint64_t>(static_cast<double>(merge_.bytes_per_second) * merge_urgency_);
  }
  if (short_ || too_many_) rate = 0;  // somebody waits for it
  if (rate > 0) {
    using Seconds = std::chrono::duration<double>;
    const auto per_second = static_cast<double>(rate);
    merge_debt_ += static_cast<int64_t>(bytes);
    // Sleeps once it makes a millisecond. Where all processors are busy, clients wait for as long
    // as it goes on without.
    if (static_cast<double>(merge_debt_) > per_second / 1000) {
      const auto begin = std::chrono::steady_clock::now();
      // The rate and what calls for it may change meanwhile.
      const Seconds pause(std::min(static_cast<double>(merge_debt_) / per_second, 1.0));
      {
        std::unique_lock guard(threads_mutex_);
        merge_wanted_.wait_for(guard, pause, [this] { return stopping_.load(); });
      }
      // Who is woken late has waited for what comes next, too, but not for more than 10 ms of it.
      const Seconds slept = std::chrono::steady_clock::now() - begin;
      const double left = static_cast<double>(merge_debt_) - per_second * slept.count();
      merge_debt_ = static_cast<int64_t>(std::max(left, -per_second / 100));
    }
  }
  return !stopping_;
}

}  // namespace respcask::engine

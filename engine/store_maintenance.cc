// The background half of Store: freeing what was dropped, settling sealed segments, merging.

#include <algorithm>
#include <chrono>
#include <ctime>

#include <fmt/format.h>

#include "engine/hint.h"
#include "engine/merge.h"
#include "engine/store.h"

namespace respcask::engine {

using namespace std::chrono_literals;

void Store::maintenance_loop() {
  constexpr int kSweepEvery = 20;  // turns of 100 ms
  for (int turn = 0;; ++turn) {
    for (auto& shard : shards_) {
      while (shard->collect_garbage()) {
        if (stopping_) return;
      }
      if (!options_.read_only) settle_sealed(*shard);
      if (turn % kSweepEvery == 0) refresh_residency(*shard);
    }
    std::unique_lock guard(threads_mutex_);
    if (maintenance_wanted_.wait_for(guard, 100ms, [this] { return stopping_.load(); })) return;
  }
}

void Store::refresh_residency(Shard& shard) {
  std::lock_guard no_settling(settle_run_);  // which changes mappings, on this thread or merge's
  std::vector<std::shared_ptr<Segment>> segments;
  {
    std::lock_guard guard(shard);
    segments = shard.order_;
  }
  for (const auto& segment : segments) segment->refresh_residency();
}

// Gives sealed segments that a sync has covered their final mapping and their hint. Only here does
// a mapping change, and only until the segment is settled.
void Store::settle_sealed(Shard& shard) {
  std::lock_guard one_at_a_time(settle_run_);
  uint64_t completed = 0;
  std::vector<std::shared_ptr<Segment>> segments;
  {
    std::lock_guard guard(shard);
    completed = shard.completed_;
    for (const auto& segment : shard.order_) {
      if (!segment->sealed || segment->settled) continue;
      // Its own bytes being synced is not enough: its hint would vouch for transactions whose other
      // parts are not. A finished sync of all shards takes it off this list.
      const auto& waiting = shard.sealed_unsynced_;
      if (std::find(waiting.begin(), waiting.end(), segment) != waiting.end()) continue;
      segment->shrink_mapping();
      segments.push_back(segment);
    }
  }
  for (const auto& segment : segments) {
    bool has_hint = segment->has_hint;  // written by this function alone
    if (!has_hint && !segment->damaged) {
      auto hint = write_hint(*options_.files, *segment, hint_path_of(segment->path()),
                             segment->size(), completed);
      // Without its hint a segment costs time at the next start, nothing else.
      if (!hint) shard.log(LogLevel::kWarning, hint.error().message);
      has_hint = bool(hint);
    }
    std::lock_guard guard(shard);
    segment->has_hint = has_hint;
    segment->settled = true;
  }
}

// Hints for everything, so that the next start scans no segment. The store is synced.
void Store::write_all_hints() {
  for (auto& shard : shards_) {
    if (shard->failed_) continue;
    for (const auto& segment : shard->order_) {
      if (segment->has_hint || segment->damaged || segment->size() <= kSegmentHeaderSize) continue;
      auto hint = write_hint(*options_.files, *segment, hint_path_of(segment->path()),
                             segment->size(), shard->completed_);
      if (!hint) shard->log(LogLevel::kWarning, hint.error().message);
    }
  }
}

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

MergeStats Store::merge_stats() {
  std::lock_guard guard(threads_mutex_);
  return merge_stats_;
}

void Store::merge_loop() {
  for (;;) {
    uint64_t request = 0;
    bool requested = false;
    {
      std::unique_lock guard(threads_mutex_);
      auto asked = [this] { return merge_requests_ > merge_stats_.requests_done; };
      merge_wanted_.wait_for(guard, 1s, [&] { return stopping_ || asked(); });
      if (stopping_) return;
      request = merge_requests_;
      requested = asked();
      if (!requested && !in_merge_window()) continue;
      merge_stats_.running = true;
    }
    for (auto& shard : shards_) {
      if (stopping_) break;
      merge_shard(*shard, requested);
    }
    std::lock_guard guard(threads_mutex_);
    merge_stats_.running = false;
    merge_stats_.requests_done = request;
    merge_done_.notify_all();
  }
}

// With threads_mutex_ held.
bool Store::in_merge_window() const {
  const std::time_t now = std::time(nullptr);
  std::tm local{};
  localtime_r(&now, &local);
  const int from = merge_.window_from_hour;
  const int to = merge_.window_to_hour;
  if (from <= to) return local.tm_hour >= from && local.tm_hour <= to;
  return local.tm_hour >= from || local.tm_hour <= to;
}

// What a merge of each segment would give back. Under the shard's lock.
std::vector<MergeCandidate> Store::merge_candidates(Shard& shard) {
  std::vector<MergeCandidate> candidates;
  for (const auto& segment : shard.order_) {
    MergeCandidate candidate;
    candidate.total_bytes = segment->size() - kSegmentHeaderSize;
    // Marks of the oldest segment speak of nothing any more.
    const uint64_t needed = segment->live_bytes + segment->framing_bytes +
                            (segment == shard.order_.front() ? 0 : segment->mark_bytes);
    candidate.dead_bytes = candidate.total_bytes - std::min(needed, candidate.total_bytes);
    candidate.mergeable = segment->settled && !segment->damaged;
    candidates.push_back(candidate);
  }
  return candidates;
}

void Store::merge_shard(Shard& shard, bool requested) {
  // No merge could be completed.
  if (sync_failed()) return;
  if (!requested && std::chrono::steady_clock::now() < merge_pauses_[shard.index()].until) return;
  MergeLimits limits;
  {
    std::lock_guard guard(threads_mutex_);
    limits.trigger_garbage = requested ? 0.02 : merge_.trigger_garbage;
    limits.stop_garbage = requested ? 0.02 : merge_.stop_garbage;
  }
  if (requested) {
    // What was sealed a moment ago is garbage too.
    if (!run_sync()) return;
    settle_sealed(shard);
  }
  bool begun = false;
  while (!stopping_) {
    std::vector<std::shared_ptr<Segment>> inputs;
    bool rolled = false;
    {
      std::lock_guard guard(shard);
      if (shard.failed_) return;
      const auto candidates = merge_candidates(shard);
      const double share = garbage(candidates);
      // A run costs some syncs, whatever its size, so it is to be worth them.
      constexpr uint64_t kRunBytes = uint64_t{16} << 20;
      limits.segment_bytes =
          std::min(std::max(2 * shard.segment_limit(), kRunBytes), options_.segment_bytes);
      // Who puts faster than the limit allows for gets a faster merge, not ever larger files.
      constexpr double kFasterEvery = 0.05;
      const double excess = requested ? 0 : std::max(share - limits.trigger_garbage, 0.0);
      merge_urgency_ = 1 + excess / kFasterEvery;
      const double least = begun ? limits.stop_garbage : limits.trigger_garbage;
      uint64_t total = 0;
      for (const auto& candidate : candidates) total += candidate.total_bytes;
      if (share < least || (!requested && total < kMergeLeastBytes)) return;
      begun = true;
      if (auto run = pick_run(candidates, limits)) {
        for (size_t i = 0; i < run->count; ++i) inputs.push_back(shard.order_[run->first + i]);
      } else {
        // What is left of the garbage lies in the active segment.
        const MergeCandidate& active = candidates.back();
        if (active.total_bytes == 0 || garbage({&active, 1}) < limits.stop_garbage ||
            !shard.may_roll() || !shard.roll()) {
          return;
        }
        rolled = true;
      }
    }
    if (rolled) {
      if (!run_sync()) return;
      settle_sealed(shard);
      continue;
    }
    if (!merge_run(shard, std::move(inputs))) return;
  }
}

bool Store::merge_run(Shard& shard, std::vector<std::shared_ptr<Segment>> inputs) {
  Merge::Hooks hooks;
  hooks.sync_store = [this] { return sync(); };
  hooks.pace = [this](uint64_t bytes) { return pace_merge(bytes); };
  auto report = [&] {
    std::lock_guard one_at_a_time(merge_run_);
    return Merge(shard, std::move(inputs), hooks).run();
  }();
  MergePause& pause = merge_pauses_[shard.index()];
  std::lock_guard guard(threads_mutex_);
  if (!report) {
    // Whatever the reason is, it is likely to stand for a while.
    constexpr int kMostDoublings = 6;
    pause.until =
        std::chrono::steady_clock::now() + 1s * (1 << std::min(pause.failures, kMostDoublings));
    ++pause.failures;
    ++merge_stats_.failed;
    shard.log(LogLevel::kWarning,
              fmt::format("Merge of shard {} given up: {}", shard.index(), report.error().message));
    return false;
  }
  pause = {};
  if (report->given_up) return false;
  ++merge_stats_.merges;
  merge_stats_.bytes_read += report->bytes_before;
  merge_stats_.bytes_written += report->bytes_after;
  shard.log(LogLevel::kVerbose, fmt::format("Merged shard {}: {} bytes became {}", shard.index(),
                                            report->bytes_before, report->bytes_after));
  // A merge that gave nothing back would be picked again for ever.
  return report->bytes_after < report->bytes_before;
}

// Spreads the merge's bytes over time. False once the store is closing.
bool Store::pace_merge(uint64_t bytes) {
  uint64_t rate = 0;
  {
    std::lock_guard guard(threads_mutex_);
    rate = static_cast<uint64_t>(static_cast<double>(merge_.bytes_per_second) * merge_urgency_);
  }
  if (rate > 0) {
    merge_debt_ += bytes;
    const uint64_t due = rate / 100;  // sleep once it makes 10 ms
    if (merge_debt_ > due) {
      std::unique_lock guard(threads_mutex_);
      const auto pause = std::chrono::microseconds(merge_debt_ * 1'000'000 / rate);
      merge_wanted_.wait_for(guard, pause, [this] { return stopping_.load(); });
      merge_debt_ = 0;
    }
  }
  return !stopping_;
}

}  // namespace respcask::engine

// The background half of Store: freeing what was dropped, giving back what was reserved in vain,
// settling sealed segments, hints.

#include <algorithm>
#include <chrono>
#include <thread>

#include "engine/hint.h"
#include "engine/store.h"

namespace respcask::engine {

using namespace std::chrono_literals;

void Store::maintenance_loop() {
  constexpr int kSweepEvery = 20;  // turns of 100 ms
  auto next = std::chrono::steady_clock::now();
  for (int turn = 0; !stopping_;) {
    for (auto& shard : shards_) {
      while (!stopping_ && shard->collect_garbage()) {
      }
    }
    if (stopping_) return;
    if (std::chrono::steady_clock::now() >= next) {
      for (auto& shard : shards_) {
        if (!options_.read_only) {
          settle_sealed(*shard);
          std::lock_guard guard(*shard);
          shard->give_back_reserved();
        }
        if (turn % kSweepEvery == 0) refresh_residency(*shard);
      }
      if (!options_.read_only) write_late_hints();
      next = std::chrono::steady_clock::now() + 100ms;
      ++turn;
    }
    std::unique_lock guard(threads_mutex_);
    maintenance_wanted_.wait_until(guard, next, [this] { return stopping_ || garbage_urgent_; });
    garbage_urgent_ = false;
  }
}

void Store::free_dropped_now() {
  if (garbage_urgent_.exchange(true)) return;
  { std::lock_guard guard(threads_mutex_); }  // or it may be about to sleep
  maintenance_wanted_.notify_one();
}

void Store::refresh_residency(Shard& shard) {
  std::vector<std::shared_ptr<Segment>> segments;
  {
    std::lock_guard guard(shard);
    segments = shard.order_;
  }
  constexpr uint64_t kPauseEvery = uint64_t{2} << 20;
  uint64_t asked = 0;
  PageCounts counts;
  uint64_t come = 0;
  for (const auto& segment : segments) {
    const uint64_t end = segment->size();  // the active one grows meanwhile
    come += segment->take_pages_come();
    for (uint64_t at = 0; at < end;) {
      if (stopping_) return;
      const uint64_t from = at;
      {
        // It changes mappings, on this thread or merge's.
        std::lock_guard no_settling(settle_run_);
        at = segment->refresh_residency(from, counts);
      }
      asked += at - from;
      if (asked < kPauseEvery) continue;
      asked = 0;
      std::this_thread::sleep_for(200us);
    }
  }
  std::lock_guard guard(shard);
  shard.residency_trust_.swept(counts, std::chrono::steady_clock::now());
  shard.admission_.swept(come, counts.gone);
}

// Gives sealed segments that a sync has covered their final mapping and their hint, which may have
// to wait. Only here does a mapping change, and only until the segment is settled.
void Store::settle_sealed(Shard& shard, Hints hints) {
  std::lock_guard one_at_a_time(settle_run_);
  uint64_t completed = 0;
  bool room = false;
  bool late = false;
  std::vector<std::shared_ptr<Segment>> segments;
  MergeOptions merge;
  bool merges = false;
  {
    std::lock_guard guard(threads_mutex_);
    merge = merge_;
    merges = hints == Hints::kMayWait && in_merge_window();
  }
  {
    std::lock_guard guard(shard);
    completed = shard.completed_;
    room = !shard.crowded();
    for (const auto& segment : shard.order_) {
      if (!segment->sealed || segment->settled) continue;
      // Its own bytes being synced is not enough: its hint would vouch for transactions whose other
      // parts are not. A finished sync of all shards takes it off this list.
      const auto& waiting = shard.sealed_unsynced_;
      if (std::find(waiting.begin(), waiting.end(), segment) != waiting.end()) continue;
      segments.push_back(segment);
    }
    late = merges && !segments.empty() && is_soon_merged(shard, merge);
  }
  for (const auto& segment : segments) {
    Mapping mapping = segment->map_contents();
    bool has_hint = segment->has_hint;  // written with settle_run_ held
    const bool lacks_hint = !has_hint && !segment->damaged;
    if (lacks_hint && disk_full()) {
      retry_later(segment);
    } else if (lacks_hint && late) {
      const auto delay = std::chrono::milliseconds(merge.hint_delay_ms);
      hintless_.push_back({segment, std::chrono::steady_clock::now() + delay});
    } else if (lacks_hint) {
      auto hint = write_hint(*options_.files, *segment, hint_path_of(segment->path()),
                             segment->size(), completed);
      // Without its hint a segment costs time at the next start, nothing else.
      if (!hint) {
        shard.log(LogLevel::kWarning, hint.error().message);
        retry_later(segment);
      }
      has_hint = bool(hint);
    }
    if (room && mapping.data() != nullptr)
      mapping.populate(mapping.size());
    else if (room)
      segment->populate();
    std::lock_guard guard(shard);
    if (mapping.data() != nullptr) segment->swap_mapping(mapping);
    segment->has_hint = has_hint;
    segment->settled = true;
  }
}

// The next attempt at a hint is after a second, and after each failure twice as late, up to half an
// hour. With settle_run_ held.
void Store::pause_hints() {
  constexpr int kMostDoublings = 11;
  hints_paused_until_ = std::chrono::steady_clock::now() + 1s * (1 << hint_failures_);
  hint_failures_ = std::min(hint_failures_ + 1, kMostDoublings);
}

void Store::retry_later(const std::shared_ptr<Segment>& segment) {
  const auto now = std::chrono::steady_clock::now();
  // On a full disk none is tried, so that none has failed.
  if (!disk_full() && now >= hints_paused_until_) pause_hints();
  hintless_.push_back({segment, now});
}

// Writes the hints that could not be written when their segments were settled, or were to wait; all
// of them if they are wanted now.
void Store::write_late_hints(Hints hints) {
  std::lock_guard one_at_a_time(settle_run_);
  // While the disk is full merges need the room more.
  if (hintless_.empty() || disk_full()) return;
  const auto now = std::chrono::steady_clock::now();
  if (now < hints_paused_until_) return;
  for (size_t i = 0; i < hintless_.size();) {
    if (stopping_) return;  // close() writes them
    const auto segment = hintless_[i].segment.lock();
    if (segment && hints == Hints::kMayWait && now < hintless_[i].due) {
      ++i;
      continue;
    }
    if (segment) {
      Shard& shard = *shards_[segment->header().shard];
      uint64_t completed = 0;
      bool there = false;  // not merged away
      {
        std::lock_guard guard(shard);
        completed = shard.completed_;
        there = std::find(shard.order_.begin(), shard.order_.end(), segment) != shard.order_.end();
      }
      if (there) {
        auto hint = write_hint(*options_.files, *segment, hint_path_of(segment->path()),
                               segment->size(), completed);
        if (!hint && is_shortage(hint.error().code)) return pause_hints();
        std::lock_guard guard(shard);
        segment->has_hint = bool(hint);
      }
    }
    hintless_[i] = std::move(hintless_.back());
    hintless_.pop_back();
  }
  hint_failures_ = 0;
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

}  // namespace respcask::engine

// The picking of Store: what of a shard is merged next, by what its segments count
// (merge_picker.h). When that is done is store_merge.cc's matter.
#include <algorithm>
#include <utility>

#include "engine/log_reader.h"
#include "engine/store.h"

namespace respcask::engine {

// What a merge of each segment would give back. Under the shard's lock.
std::vector<MergeCandidate> Store::merge_candidates(Shard& shard) {
  std::vector<MergeCandidate> candidates;
  // The oldest, or all older ones go with it in any run that it is in.
  bool oldest = true;
  // A damaged one stays, and so do the marks that may speak of it.
  bool damaged = false;
  uint64_t spent_to = UINT64_MAX;  // by those before
  for (size_t i = 0; i < shard.order_.size(); ++i) {
    const Segment& segment = *shard.order_[i];
    const Segment* const next = i + 1 < shard.order_.size() ? shard.order_[i + 1].get() : nullptr;
    MergeCandidate candidate;
    candidate.total_bytes = segment.size() - kSegmentHeaderSize;
    candidate.last_sequence = segment.last_sequence(next);
    const bool spent = candidate.last_sequence < spent_to;
    const uint64_t needed = segment.needed_bytes(spent) + segment.framing_bytes;
    damaged = damaged || segment.damaged;
    if (!segment.damaged) {
      candidate.dead_bytes = candidate.total_bytes - std::min(needed, candidate.total_bytes);
    }
    const uint64_t marks = segment.mark_bytes - segment.namespace_bytes;
    if (!damaged) (spent ? candidate.spent_mark_bytes : candidate.mark_bytes) = marks;
    candidate.mergeable = segment.settled && !segment.damaged;
    candidate.rewritten_sequence = segment.marks_spent_to();
    candidates.push_back(candidate);
    oldest = oldest && candidate.mergeable && segment.needed_bytes(true) == 0;
    if (!oldest) spent_to = std::min(spent_to, candidate.rewritten_sequence);
  }
  return candidates;
}

// Of all segments of each shard; nothing of those that take no writes.
std::vector<MergeCandidate> Store::shard_sums() {
  std::vector<MergeCandidate> sums(shards_.size());
  for (size_t i = 0; i < shards_.size(); ++i) {
    std::lock_guard guard(*shards_[i]);
    if (!shards_[i]->failed_) sums[i] = sum(merge_candidates(*shards_[i]));
  }
  return sums;
}

// What a merge says in its first batch; its output has one, empty if need be. Hints are not asked:
// what is dropped on the strength of it is gone.
void Store::learn_rewritten() {
  for (auto& shard : shards_) {
    std::vector<std::shared_ptr<Segment>> merged;
    {
      std::lock_guard guard(*shard);
      for (const auto& segment : shard->order_) {
        if (segment->header().generation > 0) merged.push_back(segment);
      }
    }
    for (const auto& segment : merged) {
      if (stopping_) return;
      LogReader log(segment->file(), segment->identity(), segment->size());
      const auto batch = log.batch(kSegmentHeaderSize);
      if (!batch) continue;
      std::lock_guard guard(*shard);
      segment->rewritten_sequence = batch->header().sequence;
    }
  }
}

// The run of a sweep that is next; none: it is over.
std::optional<MergeRun> Store::sweep_on(const Shard& shard, Sweep& sweep,
                                        std::span<const MergeCandidate> segments,
                                        uint64_t run_bytes) {
  size_t first = 0;
  size_t end = 0;
  for (const auto& segment : shard.order_) {
    if (segment->header().first_id < sweep.next_id) ++first;
    if (segment->header().last_id <= sweep.last_id) ++end;
  }
  if (first >= end) return std::nullopt;
  const auto run = next_of_sweep(segments.first(end), first, sweep.last_mark, run_bytes);
  // It may be that of the run just this one can be merged.
  sweep.next_id = run ? shard.order_[run->first]->header().last_id + 1 : UINT64_MAX;
  return run;
}

// Neighbours to make one of, so that a shard has half as many segments as it may have, or has come
// closer to that.
Store::Pick Store::pick_crowded(Shard& shard) {
  constexpr uint64_t kMost = 64;  // that are looked at from each on
  std::lock_guard guard(shard);
  const uint64_t limit = shard.most_segments();
  const uint64_t over = shard.order_.size() - std::min<uint64_t>(shard.order_.size(), limit / 2);
  Pick pick;
  const auto run =
      pick_join(merge_candidates(shard), std::min(over + 1, kMost), shard.most_joined_bytes());
  if (!run) return pick;
  const auto first = shard.order_.begin() + static_cast<ptrdiff_t>(run->first);
  pick.inputs.assign(first, first + static_cast<ptrdiff_t>(run->count));
  return pick;
}

// The run to merge next in a shard, empty if none is worth it. It copies about run_bytes, or a
// segment if that is more. `requested`: just what the request under way covers.
Store::Pick Store::pick_inputs(Shard& shard, double least_garbage, uint64_t run_bytes,
                               bool requested) {
  std::lock_guard guard(shard);
  if (shard.failed_) return {};
  MergeState& state = merge_states_[shard.index()];
  std::vector<MergeCandidate> all = merge_candidates(shard);
  for (size_t i = 0; disk_full() && i < all.size(); ++i) {
    if (is_backed_up(*shard.order_[i])) all[i].mergeable = false;
  }
  std::vector<MergeCandidate> candidates = all;
  if (requested) {
    const std::vector<SegmentName>& among = state.requested;
    for (size_t i = 0; i < candidates.size(); ++i) {
      const bool asked = std::binary_search(among.begin(), among.end(), name_of(*shard.order_[i]));
      candidates[i].mergeable = candidates[i].mergeable && asked;
    }
  }
  const uint64_t segment_limit = shard.segment_limit();
  MergeLimits limits;
  limits.least_garbage = least_garbage;
  limits.run_bytes = std::min(std::max(segment_limit * 5 / 4, run_bytes),
                              std::max(options_.segment_bytes, segment_limit));
  Pick pick;
  auto run = pick_run(candidates, limits);
  if (!run) {
    pick.sweeps = true;
    Sweep& sweep = requested ? state.requested_sweep : state.sweep;
    run = sweep_on(shard, sweep, all, limits.run_bytes);
    // Marks go with all that is before them, whatever of it the request has written itself. Once:
    // what else has become garbage there since is not the request's, and on a busy store never
    // ends.
    if (!run && (!requested || std::exchange(state.marks_requested, false))) {
      if (requested) {
        for (size_t i = 0; i < candidates.size(); ++i) {
          candidates[i] = all[i];
          candidates[i].dead_bytes = 0;
          candidates[i].mark_bytes += all[i].spent_mark_bytes;
          candidates[i].mergeable =
              all[i].mergeable && shard.order_[i]->header().last_id <= state.last_requested;
        }
      }
      sweep = begin_sweep(shard, candidates, least_garbage);
      run = sweep_on(shard, sweep, all, limits.run_bytes);
    }
  }
  if (!run) return {};
  const auto first = shard.order_.begin() + static_cast<ptrdiff_t>(run->first);
  pick.inputs.assign(first, first + static_cast<ptrdiff_t>(run->count));
  return pick;
}

// A sweep of what is worth it, if anything is.
Store::Sweep Store::begin_sweep(const Shard& shard, std::span<const MergeCandidate> segments,
                                double least_garbage) const {
  const size_t count = worth_sweeping(segments, least_garbage, many_marks(short_));
  Sweep sweep;
  for (const MergeCandidate& segment : segments.first(count)) {
    if (segment.has_marks()) sweep.last_mark = std::max(sweep.last_mark, segment.last_sequence);
  }
  sweep.last_mark = std::min(sweep.last_mark, shard.sequence_);  // where it is not known
  if (count > 0) sweep.last_id = shard.order_[count - 1]->header().last_id;
  return sweep;
}

}  // namespace respcask::engine

#include "engine/merge_picker.h"

#include <algorithm>

namespace respcask::engine {
namespace {

uint64_t live(const MergeCandidate& segment) {
  return segment.total_bytes - segment.dead_bytes;
}

void add(MergeCandidate& sum, const MergeCandidate& segment) {
  sum.total_bytes += segment.total_bytes;
  sum.dead_bytes += segment.dead_bytes;
  sum.mark_bytes += segment.mark_bytes;
}

}  // namespace

MergeCandidate sum(std::span<const MergeCandidate> segments) {
  MergeCandidate sum;
  for (const MergeCandidate& segment : segments) add(sum, segment);
  return sum;
}

double garbage(const MergeCandidate& segment) {
  return segment.total_bytes == 0
             ? 0.0
             : static_cast<double>(segment.dead_bytes) / static_cast<double>(segment.total_bytes);
}

double garbage_of_all(const MergeCandidate& sum, double least_marks) {
  MergeCandidate all = sum;
  if (static_cast<double>(all.mark_bytes) >= least_marks * static_cast<double>(all.total_bytes)) {
    all.dead_bytes += all.mark_bytes;
  }
  return garbage(all);
}

size_t worth_sweeping(std::span<const MergeCandidate> segments, double least_garbage,
                      double least_marks) {
  size_t best = 0;
  MergeCandidate all;
  for (size_t i = 0; i < segments.size() && segments[i].mergeable; ++i) {
    add(all, segments[i]);
    const double share = garbage_of_all(all, least_marks);
    if (!segments[i].has_marks() || share < least_garbage) continue;
    best = i + 1;
    least_garbage = share;
  }
  return best;
}

std::optional<MergeRun> next_of_sweep(std::span<const MergeCandidate> segments, size_t from,
                                      uint64_t last_mark, uint64_t run_bytes) {
  MergeRun run;
  uint64_t copied = 0;
  for (size_t i = 0; i < segments.size() && segments[i].mergeable; ++i) {
    const bool due =
        i >= from && (segments[i].has_marks() || segments[i].rewritten_sequence <= last_mark);
    if (run.count == 0 && !due) continue;
    if (run.count > 0 && (!due || copied + live(segments[i]) > run_bytes)) break;
    if (run.count == 0) run.first = i;
    ++run.count;
    copied += live(segments[i]);
  }
  return run.count > 0 ? std::optional(run) : std::nullopt;
}

std::optional<MergeRun> pick_join(std::span<const MergeCandidate> segments, size_t most,
                                  uint64_t run_bytes) {
  std::optional<MergeRun> best;
  uint64_t least = 0;  // bytes for each that goes
  for (size_t first = 0; first < segments.size(); ++first) {
    uint64_t copied = 0;
    for (size_t i = first; i < segments.size() && i - first < most; ++i) {
      copied += live(segments[i]);
      if (!segments[i].mergeable || copied > run_bytes) break;
      if (i == first) continue;
      const uint64_t each = copied / (i - first);
      if (best && each >= least) continue;
      best = MergeRun{first, i - first + 1};
      least = each;
    }
  }
  return best;
}

std::optional<MergeRun> pick_run(std::span<const MergeCandidate> segments,
                                 const MergeLimits& limits) {
  std::optional<size_t> best;
  for (size_t i = 0; i < segments.size(); ++i) {
    if (!segments[i].mergeable || garbage(segments[i]) < limits.least_garbage) continue;
    if (!best || garbage(segments[i]) > garbage(segments[*best])) best = i;
  }
  if (!best) return std::nullopt;

  // A neighbour with far less garbage than the best would be copied for little, and will have more
  // of it later.
  constexpr double kNearlyAsMuch = 0.8;
  const double least = std::max(limits.least_garbage, kNearlyAsMuch * garbage(segments[*best]));
  MergeRun run{*best, 1};
  uint64_t copied = live(segments[*best]);
  auto joins = [&](size_t i) {
    const MergeCandidate& segment = segments[i];
    if (!segment.mergeable || copied + live(segment) > limits.run_bytes) return false;
    return garbage(segment) >= least || segment.total_bytes < limits.run_bytes / 16;
  };
  for (bool grown = true; grown;) {
    grown = false;
    if (run.first + run.count < segments.size() && joins(run.first + run.count)) {
      copied += live(segments[run.first + run.count]);
      ++run.count;
      grown = true;
    }
    if (run.first > 0 && joins(run.first - 1)) {
      copied += live(segments[run.first - 1]);
      --run.first;
      ++run.count;
      grown = true;
    }
  }
  return run;
}

}  // namespace respcask::engine

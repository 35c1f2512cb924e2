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

double garbage_of_all(const MergeCandidate& sum) {
  constexpr uint64_t kMany = 5;  // one byte in so many
  MergeCandidate all = sum;
  if (all.mark_bytes >= all.total_bytes / kMany) all.dead_bytes += all.mark_bytes;
  return garbage(all);
}

std::optional<MergeRun> pick_from_oldest(std::span<const MergeCandidate> segments,
                                         double least_garbage) {
  constexpr uint64_t kMostCopied = uint64_t{1} << 39;  // half of what one segment can hold
  std::optional<MergeRun> best;
  MergeCandidate all;
  for (size_t i = 0; i < segments.size() && segments[i].mergeable; ++i) {
    add(all, segments[i]);
    if (live(all) > kMostCopied + all.mark_bytes) break;
    const double share = garbage_of_all(all);
    if (share < least_garbage) continue;
    best = MergeRun{0, i + 1};
    least_garbage = share;
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
  if (!best) return pick_from_oldest(segments, limits.least_garbage);

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

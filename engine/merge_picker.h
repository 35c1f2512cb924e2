// Merge picker: which neighbouring segments are worth merging.
//
// Pure functions over what the segments count; the caller holds the shard's lock while it collects
// the counts. Any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

namespace respcask::engine {

// One segment as the picker sees it, oldest first.
struct MergeCandidate {
  uint64_t total_bytes = 0;
  uint64_t dead_bytes = 0;  // what a merge would give back
  bool mergeable = false;   // sealed, synced and whole
  // Tombstones and the like, which speak about older segments: given back too where all of those
  // are merged along.
  uint64_t mark_bytes = 0;
};

struct MergeLimits {
  double least_garbage = 0.27;  // a segment with less of it is not worth a merge
  uint64_t run_bytes = 0;       // what a run of several may have to copy
};

struct MergeRun {
  size_t first = 0;
  size_t count = 0;
};

// The run with the most dead bytes per byte that has to be copied, or nothing if no segment holds
// enough garbage to be worth it. Neighbours that are small, or nearly as full of garbage, join
// while what is live in the run fits run_bytes.
// Where no segment does it is pick_from_oldest().
std::optional<MergeRun> pick_run(std::span<const MergeCandidate> segments,
                                 const MergeLimits& limits);

// For marks that have piled up behind older data: the run from the oldest segment on that gives
// back the greatest share, whatever it has to copy, up to half of what one segment can hold; nothing
// if that is less than `least_garbage`.
std::optional<MergeRun> pick_from_oldest(std::span<const MergeCandidate> segments,
                                         double least_garbage);

// Their bytes together; not mergeable.
MergeCandidate sum(std::span<const MergeCandidate> segments);

// Dead bytes by total bytes; 0 if it is empty.
double garbage(const MergeCandidate& segment);
// The same for all from the oldest on, with their marks if these are many enough to copy what is
// before them.
double garbage_of_all(const MergeCandidate& sum);

}  // namespace respcask::engine

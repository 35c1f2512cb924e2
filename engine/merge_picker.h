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
};

struct MergeLimits {
  double trigger_garbage = 0.30;  // share of a shard's bytes that are dead: merging begins above,
  double stop_garbage = 0.15;     // and goes on until it is below
  uint64_t segment_bytes = 0;     // a merged segment is not to be larger than this
};

struct MergeRun {
  size_t first = 0;
  size_t count = 0;
};

// The run with the most dead bytes per byte that has to be copied, or nothing if no segment holds
// enough garbage to be worth it. Neighbours that are small, or hold more than stop_garbage of dead
// bytes, join as long as what is live in the run fits one segment.
std::optional<MergeRun> pick_run(std::span<const MergeCandidate> segments,
                                 const MergeLimits& limits);

// Dead bytes by total bytes; 0 for an empty shard.
double garbage(std::span<const MergeCandidate> segments);

}  // namespace respcask::engine

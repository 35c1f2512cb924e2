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
  // Tombstones and the like, which speak about older segments: given back too once all of those
  // have been rewritten.
  uint64_t mark_bytes = 0;
  uint64_t spent_mark_bytes = 0;    // of which that is so; they are among the dead
  uint64_t last_sequence = 0;       // as in Segment
  uint64_t rewritten_sequence = 0;  // Segment::marks_spent_to()

  bool has_marks() const { return mark_bytes + spent_mark_bytes > 0; }
};

// Marks are worth rewriting all that is before them where they are this share of it. Fewer are
// enough where the disk may be full (`is_short`).
inline double many_marks(bool is_short) {
  constexpr double kMany = 0.2;
  constexpr double kWhenShort = 0.06;
  return is_short ? kWhenShort : kMany;
}

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
std::optional<MergeRun> pick_run(std::span<const MergeCandidate> segments,
                                 const MergeLimits& limits);

// For marks that have piled up behind older data, which go once all of that has been rewritten: how
// many segments, from the oldest on, are to be, for the greatest share; 0 if that is less than
// `least_garbage`. `least_marks`: as for garbage_of_all().
size_t worth_sweeping(std::span<const MergeCandidate> segments, double least_garbage,
                      double least_marks);

// The next run of such a sweep over `segments`, at `from` or later: of what has marks, or has not
// been rewritten since the sequence `last_mark`. It copies what fits run_bytes, or a segment if
// that is more. Nothing: the sweep is over, or cannot go on.
std::optional<MergeRun> next_of_sweep(std::span<const MergeCandidate> segments, size_t from,
                                      uint64_t last_mark, uint64_t run_bytes);

// The run of two to `most` neighbours that copies least for each segment that there is less then,
// and no more than run_bytes. Nothing: no neighbours are so small.
std::optional<MergeRun> pick_join(std::span<const MergeCandidate> segments, size_t most,
                                  uint64_t run_bytes);

// Their bytes together; not mergeable.
MergeCandidate sum(std::span<const MergeCandidate> segments);

// Dead bytes by total bytes; 0 if it is empty.
double garbage(const MergeCandidate& segment);
// The same for all from the oldest on, with their marks if these are `least_marks` of all or more:
// enough to copy what is before them.
double garbage_of_all(const MergeCandidate& sum, double least_marks);

}  // namespace respcask::engine

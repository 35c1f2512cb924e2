// ExpiryIndex: which pages of a keydir hold a key that is due.
//
// It keeps one number for each page: a time before which none of the page's keys expires. Above
// these numbers stands a tree of minima with a fan-out of 16, so that the question "is anything
// due?" reads one number and the way to a page that is due reads a few cache lines. Costs 8.5 bytes
// a page, not a key; a page holds some 40 keys.
//
// Invariant: the number of a page is at most the earliest expiry in it. It is lowered at once when
// a key comes to expire earlier, and left alone when one expires later or goes; then the page is
// looked at once in vain, which sets it right. So nothing is stale for long, nothing accumulates
// however often a key's expiry changes, and times are exact to the millisecond.
//
// Owns only its numbers. No locking: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "engine/segmented_array.h"

namespace respcask::engine {

class ExpiryIndex {
 public:
  static constexpr int64_t kNever = std::numeric_limits<int64_t>::max();

  size_t pages() const { return levels_.empty() ? 0 : levels_[0].size(); }
  void add_page();     // at the end, never due
  void remove_page();  // the last one

  // The page's number: read, set, or only lowered.
  int64_t due(size_t page) const { return levels_[0][page]; }
  void set(size_t page, int64_t due_ms);
  void lower(size_t page, int64_t due_ms);

  // The first page at or after `from` whose number is at most now_ms; after the last one the search
  // goes on at 0. None if there is none at all.
  std::optional<size_t> find_due(int64_t now_ms, size_t from) const;

  void swap(ExpiryIndex& other) noexcept { levels_.swap(other.levels_); }
  size_t memory_bytes() const;  // of heap

 private:
  static constexpr size_t kFanout = 16;

  std::optional<size_t> find_due_after(int64_t now_ms, size_t from) const;
  int64_t minimum_of_children(size_t level, size_t node) const;

  // levels_[0] has a number for each page, levels_[k + 1] the minima of 16 numbers of levels_[k].
  std::vector<SegmentedArray<int64_t>> levels_;
};

}  // namespace respcask::engine

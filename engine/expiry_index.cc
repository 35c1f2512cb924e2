#include "engine/expiry_index.h"

#include <algorithm>
#include <cassert>

namespace respcask::engine {

void ExpiryIndex::add_page() {
  if (levels_.empty()) levels_.emplace_back();
  levels_[0].push_back(kNever);
  // A level has a parent level as soon as it has more than one number.
  for (size_t level = 0; levels_[level].size() > 1; ++level) {
    if (level + 1 == levels_.size()) {
      levels_.emplace_back();
      levels_[level + 1].push_back(minimum_of_children(level + 1, 0));
    }
    const size_t parents = (levels_[level].size() + kFanout - 1) / kFanout;
    if (levels_[level + 1].size() == parents) break;
    levels_[level + 1].push_back(kNever);
  }
}

void ExpiryIndex::remove_page() {
  assert(pages() > 0);
  set(pages() - 1, kNever);
  levels_[0].pop_back();
  for (size_t level = 0; level + 1 < levels_.size(); ++level) {
    const size_t parents = (levels_[level].size() + kFanout - 1) / kFanout;
    if (levels_[level + 1].size() > parents) levels_[level + 1].pop_back();
  }
  while (levels_.size() > 1 && levels_[levels_.size() - 2].size() <= 1) levels_.pop_back();
  if (levels_[0].size() == 0) std::vector<SegmentedArray<int64_t>>().swap(levels_);
}

int64_t ExpiryIndex::minimum_of_children(size_t level, size_t node) const {
  const SegmentedArray<int64_t>& children = levels_[level - 1];
  const size_t end = std::min((node + 1) * kFanout, children.size());
  int64_t minimum = kNever;
  for (size_t i = node * kFanout; i < end; ++i) minimum = std::min(minimum, children[i]);
  return minimum;
}

void ExpiryIndex::set(size_t page, int64_t due_ms) {
  if (levels_[0][page] == due_ms) return;
  levels_[0][page] = due_ms;
  size_t node = page;
  for (size_t level = 1; level < levels_.size(); ++level) {
    node /= kFanout;
    const int64_t minimum = minimum_of_children(level, node);
    if (levels_[level][node] == minimum) return;
    levels_[level][node] = minimum;
  }
}

void ExpiryIndex::lower(size_t page, int64_t due_ms) {
  size_t node = page;
  for (auto& level : levels_) {
    if (level[node] <= due_ms) return;
    level[node] = due_ms;
    node /= kFanout;
  }
}

std::optional<size_t> ExpiryIndex::find_due(int64_t now_ms, size_t from) const {
  if (levels_.empty() || levels_.back()[0] > now_ms) return std::nullopt;
  if (from < pages()) {
    if (const auto page = find_due_after(now_ms, from)) return page;
  }
  return find_due_after(now_ms, 0);
}

std::optional<size_t> ExpiryIndex::find_due_after(int64_t now_ms, size_t from) const {
  // Up: past the siblings that are not due, then to the next of their parents, until one is due.
  size_t level = 0;
  size_t node = from;
  for (;; ++level, node = (node + kFanout - 1) / kFanout) {
    const SegmentedArray<int64_t>& numbers = levels_[level];
    const size_t end = std::min((node / kFanout + 1) * kFanout, numbers.size());
    while (node < end && numbers[node] > now_ms) ++node;
    if (node < end) break;
    if (level + 1 == levels_.size()) return std::nullopt;
  }
  // Down: to its first child that is due.
  while (level > 0) {
    --level;
    node *= kFanout;
    while (levels_[level][node] > now_ms) ++node;
  }
  return node;
}

size_t ExpiryIndex::memory_bytes() const {
  size_t bytes = levels_.capacity() * sizeof(SegmentedArray<int64_t>);
  for (const auto& level : levels_) bytes += level.memory_bytes();
  return bytes;
}

}  // namespace respcask::engine

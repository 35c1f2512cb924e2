// sort_part: puts those elements of a range in their places that a sorted range would have at the
// positions [first, end), and what is before and behind them before and behind.
//
// Elements that compare equal have no order, and a stable sort would be the simpler choice; but
// Redis sorts what LIMIT leaves of SORT BY .. ALPHA, and what COUNT leaves of a geo search, with
// this algorithm, and its replies show how it deals with ties. It is the quicksort of J. L. Bentley
// and M. D. McIlroy, "Engineering a Sort Function", Software Practice and Experience 23 (1993),
// which moves what equals the pivot to both ends first; here it goes on only where wanted elements
// lie. Where it gets much deeper than it should it is given up for a stable sort, so that no choice
// of elements makes it quadratic.
//
// O(n log n). Any thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <span>
#include <utility>

namespace respcask::server {

template <class T, class Compare>
class PartSorter {
 public:
  PartSorter(size_t first, size_t end, Compare& compare)
      : first_(first), end_(end), compare_(compare) {}

  // `range` begins at position `offset`; `depth`: partitions that it may take one in another.
  void sort(std::span<T> range, size_t offset, unsigned depth) {
    while (range.size() >= 7) {
      if (depth-- == 0) {
        std::stable_sort(range.begin(), range.end(),
                         [this](const T& a, const T& b) { return compare_(a, b) < 0; });
        return;
      }
      const auto [before, behind] = partition(range);
      if (is_wanted(offset, before)) sort(range.first(before), offset, depth);
      offset += range.size() - behind;
      if (!is_wanted(offset, behind)) return;
      range = range.last(behind);
    }
    for (size_t i = 1; i < range.size(); ++i) {
      for (size_t j = i; j > 0 && compare_(range[j - 1], range[j]) > 0; --j) {
        std::swap(range[j - 1], range[j]);
      }
    }
  }

 private:
  // Whether `count` elements from position `at` on are to be sorted.
  bool is_wanted(size_t at, size_t count) const {
    return count > 1 && first_ < at + count && end_ > at;
  }

  // The place of the middle one of three elements.
  T* median(T* a, T* b, T* c) {
    if (compare_(*a, *b) < 0) {
      if (compare_(*b, *c) < 0) return b;
      return compare_(*a, *c) < 0 ? c : a;
    }
    if (compare_(*b, *c) > 0) return b;
    return compare_(*a, *c) < 0 ? a : c;
  }

  T* choose_pivot(std::span<T> range) {
    T* low = range.data();
    T* middle = low + range.size() / 2;
    T* high = low + range.size() - 1;
    if (range.size() == 7) return middle;
    if (range.size() > 40) {
      const size_t eighth = range.size() / 8;
      low = median(low, low + eighth, low + 2 * eighth);
      middle = median(middle - eighth, middle, middle + eighth);
      high = median(high - 2 * eighth, high - eighth, high);
    }
    return median(low, middle, high);
  }

  struct Sizes {
    size_t before;
    size_t behind;
  };
  // Puts what is less than some element first and what is greater last; says how many these are.
  Sizes partition(std::span<T> range) {
    T* const begin = range.data();
    T* const end = begin + range.size();
    std::swap(*begin, *choose_pivot(range));
    // Equal to the pivot: [begin, less) and (greater, end); less than it: [less, b); greater:
    // (c, greater].
    T* less = begin + 1;
    T* b = less;
    T* c = end - 1;
    T* greater = c;
    while (true) {
      int order = 0;
      for (; b <= c && (order = compare_(*b, *begin)) <= 0; ++b) {
        if (order == 0) std::swap(*less++, *b);
      }
      for (; b <= c && (order = compare_(*c, *begin)) >= 0; --c) {
        if (order == 0) std::swap(*c, *greater--);
      }
      if (b > c) break;
      std::swap(*b++, *c--);
    }
    const ptrdiff_t equal_before = std::min(less - begin, b - less);
    std::swap_ranges(begin, begin + equal_before, b - equal_before);
    const ptrdiff_t equal_behind = std::min(greater - c, end - greater - 1);
    std::swap_ranges(b, b + equal_behind, end - equal_behind);
    return {static_cast<size_t>(b - less), static_cast<size_t>(greater - c)};
  }

  size_t first_;
  size_t end_;
  Compare& compare_;
};

// `compare(a, b)`: negative, 0 or positive.
template <class T, class Compare>
void sort_part(std::span<T> range, size_t first, size_t end, Compare compare) {
  const auto depth = static_cast<unsigned>(4 * std::bit_width(range.size()));
  PartSorter<T, Compare>(first, end, compare).sort(range, 0, depth);
}

}  // namespace respcask::server

// sort_part: puts those elements of a range in their places that a sorted range would have at the
// positions [first, last], and what is before and behind them before and behind.
//
// Elements that compare equal have no order, and a stable sort would be the simpler choice; but
// Redis sorts what LIMIT leaves of SORT BY .. ALPHA with this algorithm, and where weights are
// missing or equal its replies show how it deals with ties. It is the quicksort of J. L. Bentley
// and M. D. McIlroy, "Engineering a Sort Function", Software Practice and Experience 23 (1993),
// which moves what equals the pivot to both ends first; here it goes on only where wanted elements
// lie.
//
// O(n log n) expected, O(n^2) at worst, in place. Any thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>

namespace respcask::server {

// The place of the middle one of three elements.
template <class T, class Compare>
T* median(T* a, T* b, T* c, Compare& compare) {
  if (compare(*a, *b) < 0) {
    if (compare(*b, *c) < 0) return b;
    return compare(*a, *c) < 0 ? c : a;
  }
  if (compare(*b, *c) > 0) return b;
  return compare(*a, *c) < 0 ? a : c;
}

template <class T, class Compare>
T* choose_pivot(std::span<T> range, Compare& compare) {
  T* low = range.data();
  T* middle = low + range.size() / 2;
  T* high = low + range.size() - 1;
  if (range.size() == 7) return middle;
  if (range.size() > 40) {
    const size_t eighth = range.size() / 8;
    low = median(low, low + eighth, low + 2 * eighth, compare);
    middle = median(middle - eighth, middle, middle + eighth, compare);
    high = median(high - 2 * eighth, high - eighth, high, compare);
  }
  return median(low, middle, high, compare);
}

// `compare(a, b)`: negative, 0 or positive. `first` and `last` are positions in `range`, counted
// from `offset`.
template <class T, class Compare>
void sort_part(std::span<T> range, size_t first, size_t last, Compare compare, size_t offset = 0) {
  while (range.size() >= 7) {
    T* const begin = range.data();
    T* const end = begin + range.size();
    std::swap(*begin, *choose_pivot(range, compare));
    // Equal to the pivot: [begin, less) and (greater, end); less than it: [less, b); greater:
    // (c, greater].
    T* less = begin + 1;
    T* b = less;
    T* c = end - 1;
    T* greater = c;
    while (true) {
      int order = 0;
      for (; b <= c && (order = compare(*b, *begin)) <= 0; ++b) {
        if (order == 0) std::swap(*less++, *b);
      }
      for (; b <= c && (order = compare(*c, *begin)) >= 0; --c) {
        if (order == 0) std::swap(*c, *greater--);
      }
      if (b > c) break;
      std::swap(*b++, *c--);
    }
    const ptrdiff_t equal_before = std::min(less - begin, b - less);
    std::swap_ranges(begin, begin + equal_before, b - equal_before);
    const ptrdiff_t equal_behind = std::min(greater - c, end - greater - 1);
    std::swap_ranges(b, b + equal_behind, end - equal_behind);
    const auto before = static_cast<size_t>(b - less);
    const auto behind = static_cast<size_t>(greater - c);
    const auto wanted = [&](size_t at, size_t count) {
      return count > 1 && first < offset + at + count && last >= offset + at;
    };
    if (wanted(0, before)) sort_part(range.first(before), first, last, compare, offset);
    const size_t at = range.size() - behind;
    if (!wanted(at, behind)) return;
    range = range.last(behind);
    offset += at;
  }
  for (size_t i = 1; i < range.size(); ++i) {
    for (size_t j = i; j > 0 && compare(range[j - 1], range[j]) > 0; --j) {
      std::swap(range[j - 1], range[j]);
    }
  }
}

}  // namespace respcask::server

// The order of what a geo search finds.

#include "server/commands/geo_search.h"

#include <algorithm>
#include <bit>
#include <utility>

namespace respcask::server {

namespace {

bool nearer(const GeoMatch& a, const GeoMatch& b) {
  return a.metres < b.metres;
}
bool farther(const GeoMatch& a, const GeoMatch& b) {
  return a.metres > b.metres;
}
using Before = bool (*)(const GeoMatch&, const GeoMatch&);

GeoMatch* median(GeoMatch* a, GeoMatch* b, GeoMatch* c, Before before) {
  if (before(*a, *b)) return before(*b, *c) ? b : before(*a, *c) ? c : a;
  return before(*c, *b) ? b : before(*a, *c) ? a : c;
}

GeoMatch* choose_pivot(GeoMatch* first, size_t size, Before before) {
  GeoMatch* middle = first + size / 2;
  if (size == 7) return middle;
  GeoMatch* low = first;
  GeoMatch* high = first + size - 1;
  if (size > 40) {
    const size_t d = size / 8;
    low = median(low, low + d, low + 2 * d, before);
    middle = median(middle - d, middle, middle + d, before);
    high = median(high - 2 * d, high - d, high, before);
  }
  return median(low, middle, high, before);
}

// Partial quicksort: sorts [first, first + size) as far as what comes before `wanted_end` needs it.
// Which of several equally far members come first, clients see; so it is the quicksort that Redis
// has: J. L. Bentley, M. D. McIlroy, "Engineering a sort function", Software 23, 1993. Past `depth`
// it gives that up, so that no choice of positions makes it quadratic.
void sort_front(GeoMatch* first, size_t size, const GeoMatch* wanted_end, Before before,
                unsigned depth) {
  while (size >= 7) {
    if (depth-- == 0) {
      std::stable_sort(first, first + size, before);
      return;
    }
    std::swap(*first, *choose_pivot(first, size, before));
    // What equals the pivot gathers at both ends, and then goes to the middle.
    GeoMatch* const end = first + size;
    GeoMatch *equal_left = first + 1, *left = first + 1;
    GeoMatch *equal_right = end - 1, *right = end - 1;
    for (;;) {
      for (; left <= right && !before(*first, *left); ++left) {
        if (!before(*left, *first)) std::swap(*equal_left++, *left);
      }
      for (; left <= right && !before(*right, *first); --right) {
        if (!before(*first, *right)) std::swap(*equal_right--, *right);
      }
      if (left > right) break;
      std::swap(*left++, *right--);
    }
    const auto less = static_cast<size_t>(left - equal_left);
    const auto greater = static_cast<size_t>(equal_right - right);
    const size_t moved_left = std::min(static_cast<size_t>(equal_left - first), less);
    std::swap_ranges(first, first + moved_left, left - moved_left);
    const size_t moved_right = std::min(static_cast<size_t>(end - equal_right) - 1, greater);
    std::swap_ranges(left, left + moved_right, end - moved_right);
    if (less > 1 && first < wanted_end) sort_front(first, less, wanted_end, before, depth);
    first = end - greater;
    size = greater;
    if (first >= wanted_end) return;
  }
  for (size_t i = 1; i < size; ++i) {
    for (size_t j = i; j > 0 && before(first[j], first[j - 1]); --j) {
      std::swap(first[j], first[j - 1]);
    }
  }
}

}  // namespace

void sort_matches(std::vector<GeoMatch>& matches, size_t wanted, Order order) {
  const Before before = order == Order::kAscending ? nearer : farther;
  if (wanted == matches.size()) {
    // As glibc's qsort() does: equals stay in order.
    std::stable_sort(matches.begin(), matches.end(), before);
  } else {
    const auto depth = static_cast<unsigned>(4 * std::bit_width(matches.size()));
    sort_front(matches.data(), matches.size(), matches.data() + wanted, before, depth);
  }
}

}  // namespace respcask::server

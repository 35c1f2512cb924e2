// The order of what a geo search finds.

#include "server/commands/geo_search.h"

#include <algorithm>
#include <span>

#include "server/commands/sort_part.h"

namespace respcask::server {

namespace {

int nearer_first(const GeoMatch& a, const GeoMatch& b) {
  return a.metres < b.metres ? -1 : a.metres > b.metres ? 1 : 0;
}
int farther_first(const GeoMatch& a, const GeoMatch& b) {
  return nearer_first(b, a);
}

}  // namespace

void sort_matches(std::vector<GeoMatch>& matches, size_t wanted, Order order) {
  const auto compare = order == Order::kAscending ? nearer_first : farther_first;
  if (wanted == matches.size()) {
    // As glibc's qsort() does: equals stay in order.
    std::stable_sort(matches.begin(), matches.end(),
                     [compare](const auto& a, const auto& b) { return compare(a, b) < 0; });
  } else {
    // Clients see which of several equally far members come first.
    sort_part(std::span(matches), 0, wanted, compare);
  }
}

}  // namespace respcask::server

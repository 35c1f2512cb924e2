// What a geo search is told, and what it finds: shared by the parts of the search commands.
//
// A Match views its member in the sorted set. Plain values and functions for handlers, on their
// thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "server/context.h"
#include "server/types/geo_area.h"
#include "server/types/sorted_set.h"

namespace respcask::server {

// How a command tells its centre and area.
enum class GeoSearchBy : uint8_t { kPosition, kMember, kOptions };

// A command, and whether and where it stores.
struct GeoSearchCommand {
  GeoSearchBy by;
  bool may_store = false;  // by STORE and STOREDIST
  bool stores = false;     // at argument 1
  size_t source_arg = 1;
};

struct GeoSearch {
  geo::SearchArea area;
  bool has_centre = false;
  bool has_shape = false;
  bool from_member = false;
  bool with_distance = false;
  bool with_score = false;
  bool with_position = false;
  std::optional<Order> order;
  bool any = false;   // the first that are found will do
  int64_t count = 0;  // 0: all
  size_t store_arg = 0;
  bool store_distance = false;
};

// Reads the arguments. `set` is null where there is no such key: then members are not looked for.
// Nothing, and the error replied, if they make no sense.
std::optional<GeoSearch> parse_geo_search(Context& c, const GeoSearchCommand& command,
                                          const SortedSet* set);

struct GeoMatch {
  std::string_view member;
  double score = 0;
  double metres = 0;
};

// Brings the first `wanted` into order, by their distance from the centre. Equally far ones come as
// Redis has them.
void sort_matches(std::vector<GeoMatch>& matches, size_t wanted, Order order);

}  // namespace respcask::server

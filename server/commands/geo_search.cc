// Searches of geo sets: GEORADIUS, GEORADIUSBYMEMBER, their _RO forms, GEOSEARCH, GEOSEARCHSTORE.
// They differ in their arguments alone.

#include "server/commands/geo_search.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/geo.h"
#include "server/commands/sorted_set.h"
#include "server/context.h"
#include "server/types/geo_area.h"
#include "server/types/sorted_set.h"

namespace respcask::server {

namespace {

// --- searching ----------------------------------------------------------------------------------

// The members in the area, cell by cell; no more than `limit`, unless that is 0.
std::vector<GeoMatch> find_matches(const SortedSet& set, const geo::SearchArea& area,
                                   size_t limit) {
  std::vector<GeoMatch> matches;
  const auto enough = [&] { return limit != 0 && matches.size() >= limit; };
  const auto take = [&](const ScoredMember& m) {
    if (enough()) return;
    if (const auto metres = area.distance_to(geo::position_of(m.score))) {
      matches.push_back({m.member, m.score, *metres});
    }
  };
  // With a limit a few members at a time: the first may do.
  constexpr uint64_t kFew = 64;
  for (const geo::Cell& cell : geo::Cover(area)) {
    const geo::ScoreRange scores = geo::scores_in(cell);
    const uint64_t end = set.count_below(static_cast<double>(scores.end), false);
    uint64_t begin = set.count_below(static_cast<double>(scores.begin), false);
    while (begin < end && !enough()) {
      const uint64_t step_end = limit == 0 ? end : std::min(end, begin + kFew);
      set.visit(begin, step_end, Order::kAscending, take);
      begin = step_end;
    }
  }
  return matches;
}

// --- replies ------------------------------------------------------------------------------------

void reply_matches(Context& c, const GeoSearch& search, std::span<const GeoMatch> matches) {
  const size_t options = size_t{search.with_distance} + search.with_score + search.with_position;
  c.reply().array(matches.size());
  for (const GeoMatch& match : matches) {
    if (options != 0) c.reply().array(options + 1);
    c.reply().bulk(match.member);
    if (search.with_distance) reply_distance(c, match.metres / search.area.unit_metres);
    if (search.with_score) c.reply().integer(geo::score_to_integer(match.score));
    if (search.with_position) reply_position(c, geo::position_of(match.score));
  }
}

void store_matches(Context& c, const GeoSearch& search, bool by_options,
                   std::span<const GeoMatch> matches) {
  std::vector<ScoredMember> members;
  members.reserve(matches.size());
  for (const GeoMatch& match : matches) {
    const double score =
        search.store_distance ? match.metres / search.area.unit_metres : match.score;
    members.push_back({match.member, score});
  }
  sort_members(members);
  store_members(c, c.key(search.store_arg), members,
                by_options ? "geosearchstore" : "georadiusstore", Tells::kBeforeReply);
}

void search(Context& c, const GeoSearchCommand& command) {
  const KeyRef key = c.key(command.source_arg);
  const auto set = open_set(c, key);
  if (!set) return;
  const bool exists = set->size() != 0;
  const auto parsed = parse_geo_search(c, command, exists ? &*set : nullptr);
  if (!parsed) return;
  const GeoSearch& search = *parsed;

  std::vector<GeoMatch> matches;
  if (exists) {
    const auto count = static_cast<uint64_t>(search.count);
    matches = find_matches(*set, search.area, search.any ? count : 0);
    const size_t wanted = count == 0 ? matches.size() : std::min<uint64_t>(count, matches.size());
    // The nearest, if only some are wanted and it does not matter otherwise which.
    auto order = search.order;
    if (!order && count != 0 && !search.any) order = Order::kAscending;
    if (order) sort_matches(matches, wanted, *order);
    matches.resize(wanted);
  }
  if (search.store_arg == 0) return reply_matches(c, search, matches);
  store_matches(c, search, command.by == GeoSearchBy::kOptions, matches);
}

void cmd_georadius(Context& c) {
  search(c, {.by = GeoSearchBy::kPosition, .may_store = true});
}
void cmd_georadius_ro(Context& c) {
  search(c, {.by = GeoSearchBy::kPosition});
}
void cmd_georadiusbymember(Context& c) {
  search(c, {.by = GeoSearchBy::kMember, .may_store = true});
}
void cmd_georadiusbymember_ro(Context& c) {
  search(c, {.by = GeoSearchBy::kMember});
}
void cmd_geosearch(Context& c) {
  search(c, {.by = GeoSearchBy::kOptions});
}
void cmd_geosearchstore(Context& c) {
  search(c, {.by = GeoSearchBy::kOptions, .stores = true, .source_arg = 2});
}

// The source, and every STORE and STOREDIST there is: the last one counts.
bool find_stores(std::span<const std::string_view> args, size_t first_option,
                 std::vector<KeyPosition>& keys) {
  keys.push_back({1, kRO | kAccess});
  for (size_t i = first_option; i + 1 < args.size(); ++i) {
    const bool stores = is_word(args[i], "STORE") || is_word(args[i], "STOREDIST");
    if (!stores && !is_word(args[i], "COUNT")) continue;
    ++i;
    if (stores) keys.push_back({static_cast<int>(i), kOW | kUpdate});
  }
  return true;
}
bool find_georadius_keys(std::span<const std::string_view> args, std::vector<KeyPosition>& keys) {
  return find_stores(args, 6, keys);
}
bool find_georadiusbymember_keys(std::span<const std::string_view> args,
                                 std::vector<KeyPosition>& keys) {
  return find_stores(args, 5, keys);
}

constexpr KeySpec kGeoradiusKeys[] = {
    {.flags = kRO | kAccess, .index = 1},
    {.flags = kOW | kUpdate, .keyword = "STORE", .start_from = 6},
    {.flags = kOW | kUpdate, .keyword = "STOREDIST", .start_from = 6},
};
constexpr Argument kCountAnySince[] = {
    {.name = "count", .type = ArgType::kInteger, .token = "COUNT"},
    {.name = "any",
     .type = ArgType::kPureToken,
     .token = "ANY",
     .since = "6.2.0",
     .flags = kOptional},
};
constexpr Argument kGeoradiusArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "longitude", .type = ArgType::kDouble},
    {.name = "latitude", .type = ArgType::kDouble},
    {.name = "radius", .type = ArgType::kDouble},
    {.name = "unit", .type = ArgType::kOneof, .sub = kUnit},
    {.name = "withcoord", .type = ArgType::kPureToken, .token = "WITHCOORD", .flags = kOptional},
    {.name = "withdist", .type = ArgType::kPureToken, .token = "WITHDIST", .flags = kOptional},
    {.name = "withhash", .type = ArgType::kPureToken, .token = "WITHHASH", .flags = kOptional},
    {.name = "count", .type = ArgType::kBlock, .flags = kOptional, .sub = kCountAnySince},
    {.name = "order", .type = ArgType::kOneof, .flags = kOptional, .sub = kOrder},
    {.name = "key", .type = ArgType::kKey, .key_spec = 1, .token = "STORE", .flags = kOptional},
    {.name = "key", .type = ArgType::kKey, .key_spec = 2, .token = "STOREDIST", .flags = kOptional},
};
constexpr HistoryEntry kGeoradiusHistory[] = {
    {"6.2.0", "Added the `ANY` option for `COUNT`."},
    {"7.0.0", "Added support for uppercase unit names."},
};
constexpr Argument kGeoradiusRoArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "longitude", .type = ArgType::kDouble},
    {.name = "latitude", .type = ArgType::kDouble},
    {.name = "radius", .type = ArgType::kDouble},
    {.name = "unit", .type = ArgType::kOneof, .sub = kUnit},
    {.name = "withcoord", .type = ArgType::kPureToken, .token = "WITHCOORD", .flags = kOptional},
    {.name = "withdist", .type = ArgType::kPureToken, .token = "WITHDIST", .flags = kOptional},
    {.name = "withhash", .type = ArgType::kPureToken, .token = "WITHHASH", .flags = kOptional},
    {.name = "count", .type = ArgType::kBlock, .flags = kOptional, .sub = kCountAnySince},
    {.name = "order", .type = ArgType::kOneof, .flags = kOptional, .sub = kOrder},
};
constexpr HistoryEntry kGeoradiusRoHistory[] = {
    {"6.2.0", "Added the `ANY` option for `COUNT`."},
};
constexpr KeySpec kGeoradiusbymemberKeys[] = {
    {.flags = kRO | kAccess, .index = 1},
    {.flags = kOW | kUpdate, .keyword = "STORE", .start_from = 5},
    {.flags = kOW | kUpdate, .keyword = "STOREDIST", .start_from = 5},
};
constexpr Argument kCountAny[] = {
    {.name = "count", .type = ArgType::kInteger, .token = "COUNT"},
    {.name = "any", .type = ArgType::kPureToken, .token = "ANY", .flags = kOptional},
};
constexpr Argument kGeoradiusbymemberArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "member"},
    {.name = "radius", .type = ArgType::kDouble},
    {.name = "unit", .type = ArgType::kOneof, .sub = kUnit},
    {.name = "withcoord", .type = ArgType::kPureToken, .token = "WITHCOORD", .flags = kOptional},
    {.name = "withdist", .type = ArgType::kPureToken, .token = "WITHDIST", .flags = kOptional},
    {.name = "withhash", .type = ArgType::kPureToken, .token = "WITHHASH", .flags = kOptional},
    {.name = "count", .type = ArgType::kBlock, .flags = kOptional, .sub = kCountAny},
    {.name = "order", .type = ArgType::kOneof, .flags = kOptional, .sub = kOrder},
    {.name = "key", .type = ArgType::kKey, .key_spec = 1, .token = "STORE", .flags = kOptional},
    {.name = "key", .type = ArgType::kKey, .key_spec = 2, .token = "STOREDIST", .flags = kOptional},
};
constexpr HistoryEntry kUppercaseUnitHistory[] = {
    {"7.0.0", "Added support for uppercase unit names."},
};
constexpr Argument kGeoradiusbymemberRoArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "member"},
    {.name = "radius", .type = ArgType::kDouble},
    {.name = "unit", .type = ArgType::kOneof, .sub = kUnit},
    {.name = "withcoord", .type = ArgType::kPureToken, .token = "WITHCOORD", .flags = kOptional},
    {.name = "withdist", .type = ArgType::kPureToken, .token = "WITHDIST", .flags = kOptional},
    {.name = "withhash", .type = ArgType::kPureToken, .token = "WITHHASH", .flags = kOptional},
    {.name = "count", .type = ArgType::kBlock, .flags = kOptional, .sub = kCountAny},
    {.name = "order", .type = ArgType::kOneof, .flags = kOptional, .sub = kOrder},
};
constexpr Argument kLongitudeLatitude[] = {
    {.name = "longitude", .type = ArgType::kDouble},
    {.name = "latitude", .type = ArgType::kDouble},
};
constexpr Argument kSearchFrom[] = {
    {.name = "member", .token = "FROMMEMBER"},
    {.name = "longitude_latitude",
     .type = ArgType::kBlock,
     .token = "FROMLONLAT",
     .sub = kLongitudeLatitude},
};
constexpr Argument kByCircle[] = {
    {.name = "radius", .type = ArgType::kDouble, .token = "BYRADIUS"},
    {.name = "unit", .type = ArgType::kOneof, .sub = kUnit},
};
constexpr Argument kByBox[] = {
    {.name = "width", .type = ArgType::kDouble, .token = "BYBOX"},
    {.name = "height", .type = ArgType::kDouble},
    {.name = "unit", .type = ArgType::kOneof, .sub = kUnit},
};
constexpr Argument kSearchBy[] = {
    {.name = "circle", .type = ArgType::kBlock, .sub = kByCircle},
    {.name = "box", .type = ArgType::kBlock, .sub = kByBox},
};
constexpr Argument kGeosearchArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "from", .type = ArgType::kOneof, .sub = kSearchFrom},
    {.name = "by", .type = ArgType::kOneof, .sub = kSearchBy},
    {.name = "order", .type = ArgType::kOneof, .flags = kOptional, .sub = kOrder},
    {.name = "count", .type = ArgType::kBlock, .flags = kOptional, .sub = kCountAny},
    {.name = "withcoord", .type = ArgType::kPureToken, .token = "WITHCOORD", .flags = kOptional},
    {.name = "withdist", .type = ArgType::kPureToken, .token = "WITHDIST", .flags = kOptional},
    {.name = "withhash", .type = ArgType::kPureToken, .token = "WITHHASH", .flags = kOptional},
};
constexpr Argument kGeosearchstoreArgs[] = {
    {.name = "destination", .type = ArgType::kKey, .key_spec = 0},
    {.name = "source", .type = ArgType::kKey, .key_spec = 1},
    {.name = "from", .type = ArgType::kOneof, .sub = kSearchFrom},
    {.name = "by", .type = ArgType::kOneof, .sub = kSearchBy},
    {.name = "order", .type = ArgType::kOneof, .flags = kOptional, .sub = kOrder},
    {.name = "count", .type = ArgType::kBlock, .flags = kOptional, .sub = kCountAny},
    {.name = "storedist", .type = ArgType::kPureToken, .token = "STOREDIST", .flags = kOptional},
};
constexpr Command kGeoSearchRows[] = {
    {.name = "georadius",
     .handler = cmd_georadius,
     .arity = -6,
     .flags = kWrite | kDenyOom,
     .keys = kGeoradiusKeys,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity =
         "O(N+log(M)) where N is the number of elements inside the bounding box of the circular "
         "area delimited by center and radius and M is the number of items inside the index.",
     .summary = "Query a sorted set representing a geospatial index to fetch members matching a "
                "given maximum distance from a point",
     .arguments = kGeoradiusArgs,
     .history = kGeoradiusHistory,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` argument",
     .categories = kCatGeo,
     .find_keys = find_georadius_keys},
    {.name = "georadius_ro",
     .handler = cmd_georadius_ro,
     .arity = -6,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kGeo,
     .since = "3.2.10",
     .complexity =
         "O(N+log(M)) where N is the number of elements inside the bounding box of the circular "
         "area delimited by center and radius and M is the number of items inside the index.",
     .summary = "A read-only variant for GEORADIUS",
     .arguments = kGeoradiusRoArgs,
     .history = kGeoradiusRoHistory,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` argument",
     .categories = kCatGeo},
    {.name = "georadiusbymember",
     .handler = cmd_georadiusbymember,
     .arity = -5,
     .flags = kWrite | kDenyOom,
     .keys = kGeoradiusbymemberKeys,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity =
         "O(N+log(M)) where N is the number of elements inside the bounding box of the circular "
         "area delimited by center and radius and M is the number of items inside the index.",
     .summary = "Query a sorted set representing a geospatial index to fetch members matching a "
                "given maximum distance from a member",
     .arguments = kGeoradiusbymemberArgs,
     .history = kUppercaseUnitHistory,
     .deprecated_since = "6.2.0",
     .replaced_by =
         "`GEOSEARCH` and `GEOSEARCHSTORE` with the `BYRADIUS` and `FROMMEMBER` arguments",
     .categories = kCatGeo,
     .find_keys = find_georadiusbymember_keys},
    {.name = "georadiusbymember_ro",
     .handler = cmd_georadiusbymember_ro,
     .arity = -5,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kGeo,
     .since = "3.2.10",
     .complexity =
         "O(N+log(M)) where N is the number of elements inside the bounding box of the circular "
         "area delimited by center and radius and M is the number of items inside the index.",
     .summary = "A read-only variant for GEORADIUSBYMEMBER",
     .arguments = kGeoradiusbymemberRoArgs,
     .deprecated_since = "6.2.0",
     .replaced_by = "`GEOSEARCH` with the `BYRADIUS` and `FROMMEMBER` arguments",
     .categories = kCatGeo},
    {.name = "geosearch",
     .handler = cmd_geosearch,
     .arity = -7,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kGeo,
     .since = "6.2.0",
     .complexity =
         "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area "
         "around the shape provided as the filter and M is the number of items inside the shape",
     .summary = "Query a sorted set representing a geospatial index to fetch members inside an "
                "area of a box or a circle.",
     .arguments = kGeosearchArgs,
     .history = kUppercaseUnitHistory,
     .categories = kCatGeo},
    {.name = "geosearchstore",
     .handler = cmd_geosearchstore,
     .arity = -8,
     .flags = kWrite | kDenyOom,
     .keys = kStoreKey,
     .group = Group::kGeo,
     .since = "6.2.0",
     .complexity =
         "O(N+log(M)) where N is the number of elements in the grid-aligned bounding box area "
         "around the shape provided as the filter and M is the number of items inside the shape",
     .summary = "Query a sorted set representing a geospatial index to fetch members inside an "
                "area of a box or a circle, and store the result in another key.",
     .arguments = kGeosearchstoreArgs,
     .history = kUppercaseUnitHistory,
     .categories = kCatGeo},
};
static_assert(check_rows(kGeoSearchRows));
}  // namespace

std::span<const Command> geo_search_commands() {
  return kGeoSearchRows;
}

}  // namespace respcask::server

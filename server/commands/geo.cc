// Geo sets: sorted sets whose scores are geohashes. GEOADD and what asks about members; the
// searches are in geo_search.cc.

#include "server/commands/geo.h"

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "resp/number.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/sorted_set.h"
#include "server/context.h"
#include "server/types/geohash.h"
#include "server/types/sorted_set.h"

namespace respcask::server {

std::optional<geo::Position> position_arg(Context& c, size_t i) {
  const auto longitude = c.double_arg(i);
  if (!longitude) return std::nullopt;
  const auto latitude = c.double_arg(i + 1);
  if (!latitude) return std::nullopt;
  const geo::Position position{*longitude, *latitude};
  if (geo::is_valid(position)) return position;
  c.error(fmt::format("ERR invalid longitude,latitude pair {:f},{:f}", *longitude, *latitude));
  return std::nullopt;
}

std::optional<double> unit_arg(Context& c, size_t i) {
  if (c.arg_is(i, "M")) return 1;
  if (c.arg_is(i, "KM")) return 1000;
  if (c.arg_is(i, "FT")) return 0.3048;
  if (c.arg_is(i, "MI")) return 1609.34;
  c.error("ERR unsupported unit provided. please use M, KM, FT, MI");
  return std::nullopt;
}

namespace {

// As Redis writes a long double, which RESP3 has no other form for than that of a double.
void reply_coordinate(Context& c, double value) {
  char buffer[resp::kMaxLongDoubleChars];
  const char* end = resp::format_long_double(buffer, value);
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  if (c.reply().protocol() == 2) return c.reply().bulk(text);
  c.reply().raw(",");
  c.reply().raw(text);
  c.reply().crlf();
}

}  // namespace

void reply_position(Context& c, const geo::Position& position) {
  c.reply().array(2);
  reply_coordinate(c, position.longitude);
  reply_coordinate(c, position.latitude);
}

void reply_distance(Context& c, double distance) {
  c.reply().bulk(fmt::format("{:.4f}", distance));
}

namespace {

struct AddOptions {
  bool nx = false;
  bool xx = false;
  bool ch = false;
};

// The options from argument 2 on; returns the first argument that is none.
size_t parse_options(Context& c, AddOptions& options) {
  size_t i = 2;
  for (; i < c.argc(); ++i) {
    if (c.arg_is(i, "NX")) {
      options.nx = true;
    } else if (c.arg_is(i, "XX")) {
      options.xx = true;
    } else if (c.arg_is(i, "CH")) {
      options.ch = true;
    } else {
      break;
    }
  }
  return i;
}

void cmd_geoadd(Context& c) {
  AddOptions options;
  const size_t first = parse_options(c, options);
  const size_t left = c.argc() - first;
  if (left == 0 || left % 3 != 0 || (options.nx && options.xx)) return c.syntax_error();
  std::vector<ScoredMember> members;
  members.reserve(left / 3);
  uint64_t member_bytes = 0;
  for (size_t i = first; i < c.argc(); i += 3) {
    const auto position = position_arg(c, i);
    if (!position) return;
    members.push_back({c.arg(i + 2), geo::score_of(*position)});
    member_bytes += c.arg(i + 2).size();
  }

  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kSortedSet);
  if (found.wrong) return;
  SortedSetEdit set(c, key, found.entry);
  if (!c.ready() || !set.reserve_put(members.size(), member_bytes)) return;
  int64_t added = 0, moved = 0;
  for (const ScoredMember& m : members) {
    const auto old = set.score(m.member);
    if (old ? options.nx || *old == m.score : options.xx) continue;
    set.put(m.member, m.score);
    ++(old ? moved : added);
  }
  set.finish();
  c.reply().integer(options.ch ? added + moved : added);
  if (added + moved > 0) {
    c.notify(EventClass::kSortedSet, "zadd", key);
    c.signal_ready(key);
  }
}

void cmd_geodist(Context& c) {
  if (c.argc() > 5) return c.syntax_error();
  const auto unit = c.argc() == 5 ? unit_arg(c, 4) : std::optional<double>(1);
  if (!unit) return;
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (!set) return;
  const auto from = set->score(c.arg(2)), to = set->score(c.arg(3));
  if (!from || !to) return c.reply().bulk_null();
  reply_distance(c, geo::distance(geo::position_of(*from), geo::position_of(*to)) / *unit);
}

void cmd_geohash(Context& c) {
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (!set) return;
  c.reply().array(c.argc() - 2);
  for (const std::string_view member : c.args().subspan(2)) {
    if (const auto score = set->score(member)) {
      c.reply().bulk(geo::geohash_text(geo::position_of(*score)));
    } else {
      c.reply().bulk_null();
    }
  }
}

void cmd_geopos(Context& c) {
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (!set) return;
  c.reply().array(c.argc() - 2);
  for (const std::string_view member : c.args().subspan(2)) {
    if (const auto score = set->score(member)) {
      reply_position(c, geo::position_of(*score));
    } else {
      c.reply().null_array();
    }
  }
}

constexpr Argument kGeoaddArgsLongitudeLatitudeMember[] = {
    {.name = "longitude", .type = ArgType::kDouble},
    {.name = "latitude", .type = ArgType::kDouble},
    {.name = "member"},
};
constexpr Argument kGeoaddArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "condition",
     .type = ArgType::kOneof,
     .since = "6.2.0",
     .flags = kOptional,
     .sub = kNxOrXx},
    {.name = "change",
     .type = ArgType::kPureToken,
     .token = "CH",
     .since = "6.2.0",
     .flags = kOptional},
    {.name = "longitude_latitude_member",
     .type = ArgType::kBlock,
     .flags = kMultiple,
     .sub = kGeoaddArgsLongitudeLatitudeMember},
};
constexpr HistoryEntry kGeoaddHistory[] = {
    {"6.2.0", "Added the `CH`, `NX` and `XX` options."},
};
constexpr Argument kGeodistArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "member1"},
    {.name = "member2"},
    {.name = "unit", .type = ArgType::kOneof, .flags = kOptional, .sub = kUnit},
};
constexpr Command kGeoRows[] = {
    {.name = "geoadd",
     .handler = cmd_geoadd,
     .arity = -5,
     .flags = kWrite | kDenyOom,
     .keys = kUpdateKey,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity =
         "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
     .summary =
         "Add one or more geospatial items in the geospatial index represented using a sorted set",
     .arguments = kGeoaddArgs,
     .history = kGeoaddHistory,
     .categories = kCatGeo},
    {.name = "geodist",
     .handler = cmd_geodist,
     .arity = -4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(log(N))",
     .summary = "Returns the distance between two members of a geospatial index",
     .arguments = kGeodistArgs,
     .categories = kCatGeo},
    {.name = "geohash",
     .handler = cmd_geohash,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(log(N)) for each member requested, where N is the number of elements in the "
                   "sorted set.",
     .summary = "Returns members of a geospatial index as standard geohash strings",
     .arguments = kKeyMembers,
     .categories = kCatGeo},
    {.name = "geopos",
     .handler = cmd_geopos,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kGeo,
     .since = "3.2.0",
     .complexity = "O(N) where N is the number of members requested.",
     .summary = "Returns longitude and latitude of members of a geospatial index",
     .arguments = kKeyMembers,
     .categories = kCatGeo},
};
static_assert(check_rows(kGeoRows));
}  // namespace

std::span<const Command> geo_commands() {
  return kGeoRows;
}

}  // namespace respcask::server

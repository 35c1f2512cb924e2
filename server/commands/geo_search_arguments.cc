// The arguments of geo searches.

#include "server/commands/geo_search.h"

#include <fmt/format.h>

#include "server/commands/geo.h"

namespace respcask::server {

namespace {

// The parser of one request. Each function replies the error where it returns false.
class SearchParser {
 public:
  // `set` is null where there is no such key: then members are not looked for.
  SearchParser(Context& c, const GeoSearchCommand& command, const SortedSet* set)
      : c_(c), command_(command), set_(set) {}

  bool parse();
  const GeoSearch& search() const { return search_; }

 private:
  bool parse_fixed();
  bool parse_option();
  bool parse_count();
  bool parse_from(size_t values);
  bool parse_by(size_t values);
  bool parse_member(size_t i);
  bool parse_radius(size_t i);
  bool parse_box(size_t i);
  bool check() const;
  bool has_values(size_t count) const { return next_ + count < c_.argc(); }

  Context& c_;
  const GeoSearchCommand& command_;
  const SortedSet* set_;
  GeoSearch search_;
  size_t next_ = 0;  // the argument in hand
};

bool SearchParser::parse_member(size_t i) {
  search_.has_centre = true;
  if (set_ == nullptr) return true;
  const auto score = set_->score(c_.arg(i));
  if (!score) {
    c_.error("ERR could not decode requested zset member");
    return false;
  }
  search_.area.centre = geo::position_of(*score);
  return true;
}

bool SearchParser::parse_radius(size_t i) {
  const auto radius = c_.double_arg(i, "ERR need numeric radius");
  if (!radius) return false;
  if (*radius < 0) {
    c_.error("ERR radius cannot be negative");
    return false;
  }
  const auto unit = unit_arg(c_, i + 1);
  if (!unit) return false;
  search_.area.shape = geo::SearchArea::Shape::kCircle;
  search_.area.radius = *radius;
  search_.area.unit_metres = *unit;
  search_.has_shape = true;
  return true;
}

bool SearchParser::parse_box(size_t i) {
  const auto width = c_.double_arg(i, "ERR need numeric width");
  if (!width) return false;
  const auto height = c_.double_arg(i + 1, "ERR need numeric height");
  if (!height) return false;
  if (*width < 0 || *height < 0) {
    c_.error("ERR height or width cannot be negative");
    return false;
  }
  const auto unit = unit_arg(c_, i + 2);
  if (!unit) return false;
  search_.area.shape = geo::SearchArea::Shape::kBox;
  search_.area.width = *width;
  search_.area.height = *height;
  search_.area.unit_metres = *unit;
  search_.has_shape = true;
  return true;
}

// The arguments in front of the options.
bool SearchParser::parse_fixed() {
  switch (command_.by) {
    case GeoSearchBy::kPosition: {
      next_ = 6;
      const auto position = position_arg(c_, 2);
      if (!position) return false;
      search_.area.centre = *position;
      search_.has_centre = true;
      return parse_radius(4);
    }
    case GeoSearchBy::kMember:
      next_ = 5;
      // Redis does not look at the radius of a search in nothing.
      if (set_ == nullptr) return true;
      return parse_member(2) && parse_radius(3);
    case GeoSearchBy::kOptions:
      next_ = command_.source_arg + 1;
      return true;
  }
  return true;
}

bool SearchParser::parse_count() {
  const auto count = c_.integer_arg(++next_);
  if (!count) return false;
  if (*count <= 0) {
    c_.error("ERR COUNT must be > 0");
    return false;
  }
  search_.count = *count;
  return true;
}

bool SearchParser::parse_option() {
  const bool by_options = command_.by == GeoSearchBy::kOptions;
  const auto is = [&](std::string_view word, size_t values = 0) {
    return c_.arg_is(next_, word) && has_values(values);
  };
  if (is("WITHDIST")) {
    search_.with_distance = true;
  } else if (is("WITHHASH")) {
    search_.with_score = true;
  } else if (is("WITHCOORD")) {
    search_.with_position = true;
  } else if (is("ANY")) {
    search_.any = true;
  } else if (is("ASC")) {
    search_.order = Order::kAscending;
  } else if (is("DESC")) {
    search_.order = Order::kDescending;
  } else if (is("COUNT", 1)) {
    return parse_count();
  } else if (command_.may_store && (is("STORE", 1) || is("STOREDIST", 1))) {
    search_.store_distance = c_.arg_is(next_, "STOREDIST");
    search_.store_arg = ++next_;
  } else if (by_options && is("FROMMEMBER", 1) && (!search_.has_centre || search_.from_member)) {
    search_.from_member = true;
    return parse_member(++next_);
  } else if (by_options && is("FROMLONLAT", 2) && !search_.from_member) {
    const auto position = position_arg(c_, next_ + 1);
    if (!position) return false;
    search_.area.centre = *position;
    search_.has_centre = true;
    next_ += 2;
  } else if (by_options && is("BYRADIUS", 2) &&
             (!search_.has_shape || search_.area.shape == geo::SearchArea::Shape::kCircle)) {
    next_ += 2;
    return parse_radius(next_ - 1);
  } else if (by_options && is("BYBOX", 3) &&
             (!search_.has_shape || search_.area.shape == geo::SearchArea::Shape::kBox)) {
    next_ += 3;
    return parse_box(next_ - 2);
  } else if (command_.stores && is("STOREDIST")) {
    search_.store_distance = true;
  } else {
    c_.syntax_error();
    return false;
  }
  return true;
}

bool SearchParser::check() const {
  const bool by_options = command_.by == GeoSearchBy::kOptions;
  if (search_.store_arg != 0 &&
      (search_.with_distance || search_.with_score || search_.with_position)) {
    c_.error(fmt::format("ERR {} is not compatible with WITHDIST, WITHHASH and WITHCOORD options",
                         command_.stores ? "GEOSEARCHSTORE" : "STORE option in GEORADIUS"));
  } else if (by_options && !search_.has_centre) {
    c_.error(fmt::format("ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {}",
                         c_.arg(0)));
  } else if (by_options && !search_.has_shape) {
    c_.error(
        fmt::format("ERR exactly one of BYRADIUS and BYBOX can be specified for {}", c_.arg(0)));
  } else if (search_.any && search_.count == 0) {
    c_.error("ERR the ANY argument requires COUNT argument");
  } else {
    return true;
  }
  return false;
}

bool SearchParser::parse() {
  if (command_.stores) search_.store_arg = 1;
  if (!parse_fixed()) return false;
  for (; next_ < c_.argc(); ++next_) {
    if (!parse_option()) return false;
  }
  return check();
}

}  // namespace

std::optional<GeoSearch> parse_geo_search(Context& c, const GeoSearchCommand& command,
                                          const SortedSet* set) {
  SearchParser parser(c, command, set);
  if (!parser.parse()) return std::nullopt;
  return parser.search();
}

}  // namespace respcask::server

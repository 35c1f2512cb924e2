// Geohashes: positions on Earth as numbers that are near where the positions are near, and
// distances between positions. A member of a geo set has its position's geohash as its score.
//
// The plane of longitude and latitude is halved again and again, in turn by longitude and by
// latitude; each halving is a bit, the first the highest (G. Niemeyer, geohash.org, 2008). After
// `step` halvings of either the position is known to be in one cell. Scores have 26 of each, 52
// bits, which a double holds exactly; latitudes end where the Mercator projection is square.
//
// Clients see the last digit of all this, so the arithmetic goes in the order in which Redis does
// it. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace respcask::server::geo {

inline constexpr double kMinLongitude = -180;
inline constexpr double kMaxLongitude = 180;
inline constexpr double kMinLatitude = -85.05112878;
inline constexpr double kMaxLatitude = 85.05112878;
inline constexpr unsigned kMaxStep = 26;

// In degrees.
struct Position {
  double longitude = 0;
  double latitude = 0;
};

// Whether geohashes reach there; not if either is not a number.
bool is_valid(const Position& position);

// A cell by its column and row from the south-west corner; 2^step of each. The greatest longitude
// and latitude fall into a column and a row beyond these, and scores that are no geohash may.
struct Cell {
  uint32_t column = 0;
  uint32_t row = 0;
  unsigned step = 0;
  bool operator==(const Cell&) const = default;
};

struct Area {
  Position south_west;
  Position north_east;
};

// The cell that holds a valid position; `step` is 1 to kMaxStep.
Cell cell_of(const Position& position, unsigned step);
Area area_of(const Cell& cell);
// The cell so many columns to the east and rows to the north, around the Earth and over its edge.
Cell neighbour(const Cell& cell, int columns, int rows);

// The scores [begin, end) of all positions in a cell.
struct ScoreRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};
ScoreRange scores_in(const Cell& cell);

// The score of a valid position, and the middle of the cell of a score. Any score gives a valid
// position, that of no geohash a meaningless one.
double score_of(const Position& position);
Position position_of(double score);

// A score as an integer, as the processors that Redis runs on convert a double: out of range it is
// the least integer.
int64_t score_to_integer(double score);

// The eleven letters of the geohash that other programs know. Its latitudes reach from -90 to 90,
// and the last letter is always 0.
std::string geohash_text(const Position& position);

// Metres along the great circle, on a sphere, by the haversine formula.
double distance(const Position& a, const Position& b);
// The same for two positions of one longitude.
double latitude_distance(double a, double b);

inline constexpr double kEarthRadius = 6372797.560856;  // metres
double to_radians(double degrees);
double to_degrees(double radians);

}  // namespace respcask::server::geo

#include "server/types/geo_area.h"

#include <algorithm>
#include <cmath>

namespace respcask::server::geo {

namespace {

// The box that holds the area, its sides along the meridians and parallels.
Area bounds_of(const SearchArea& area) {
  const bool circle = area.shape == SearchArea::Shape::kCircle;
  const double height = area.unit_metres * (circle ? area.radius : area.height / 2);
  const double width = area.unit_metres * (circle ? area.radius : area.width / 2);
  const Position& centre = area.centre;
  const double to_north = to_degrees(height / kEarthRadius);
  // It spans most degrees on the side nearer to the pole.
  const double widest =
      centre.latitude < 0 ? centre.latitude - to_north : centre.latitude + to_north;
  const double to_east = to_degrees(width / kEarthRadius / std::cos(to_radians(widest)));
  return {{centre.longitude - to_east, centre.latitude - to_north},
          {centre.longitude + to_east, centre.latitude + to_north}};
}

// The step at which a cell and its neighbours hold an area of that radius, in most places.
unsigned step_for(double radius_metres, double latitude) {
  // Half of the Earth's girth at the equator, as the Mercator projection has it.
  constexpr double kHalfGirth = 20037726.37;
  if (radius_metres == 0) return kMaxStep;
  int step = -1;
  for (; radius_metres < kHalfGirth; radius_metres *= 2) ++step;
  // Cells are narrower near the poles.
  const double from_equator = std::fabs(latitude);
  if (from_equator > 66) --step;
  if (from_equator > 80) --step;
  return static_cast<unsigned>(std::clamp(step, 1, static_cast<int>(kMaxStep)));
}

// Whether the area reaches beyond the neighbours.
bool exceeds_neighbours(const Cell& cell, const Area& bounds) {
  return area_of(neighbour(cell, 0, 1)).north_east.latitude < bounds.north_east.latitude ||
         area_of(neighbour(cell, 0, -1)).south_west.latitude > bounds.south_west.latitude ||
         area_of(neighbour(cell, 1, 0)).north_east.longitude < bounds.north_east.longitude ||
         area_of(neighbour(cell, -1, 0)).south_west.longitude > bounds.south_west.longitude;
}

}  // namespace

std::optional<double> SearchArea::distance_to(const Position& position) const {
  if (shape == Shape::kBox) {
    const double from_parallel = latitude_distance(position.latitude, centre.latitude);
    if (from_parallel > height * unit_metres / 2) return std::nullopt;
    const double from_meridian = distance(position, {centre.longitude, position.latitude});
    if (from_meridian > width * unit_metres / 2) return std::nullopt;
    return distance(centre, position);
  }
  const double from_centre = distance(centre, position);
  if (from_centre > radius * unit_metres) return std::nullopt;
  return from_centre;
}

Cover::Cover(const SearchArea& area) {
  const Area bounds = bounds_of(area);
  const double half_width = area.width / 2, half_height = area.height / 2;
  const double radius = area.shape == SearchArea::Shape::kCircle
                            ? area.radius
                            : std::sqrt(half_width * half_width + half_height * half_height);
  unsigned step = step_for(radius * area.unit_metres, area.centre.latitude);
  Cell centre = cell_of(area.centre, step);
  if (step > 1 && exceeds_neighbours(centre, bounds)) centre = cell_of(area.centre, --step);

  // A neighbour beyond a side that the area does not reach is left out, unless cells are so large
  // that neighbours may meet on the other side of the Earth.
  const Area inner = area_of(centre);
  const bool may_leave_out = step >= 2;
  const bool no_south = may_leave_out && inner.south_west.latitude < bounds.south_west.latitude;
  const bool no_north = may_leave_out && inner.north_east.latitude > bounds.north_east.latitude;
  const bool no_west = may_leave_out && inner.south_west.longitude < bounds.south_west.longitude;
  const bool no_east = may_leave_out && inner.north_east.longitude > bounds.north_east.longitude;
  struct Move {
    int columns;
    int rows;
  };
  constexpr Move kOrder[] = {{0, 0}, {0, 1},  {0, -1}, {1, 0},  {-1, 0},
                             {1, 1}, {-1, 1}, {1, -1}, {-1, -1}};
  // At step 1 the neighbours on either side are the same; they come in a row.
  for (const auto& [columns, rows] : kOrder) {
    if ((rows < 0 && no_south) || (rows > 0 && no_north) || (columns < 0 && no_west) ||
        (columns > 0 && no_east)) {
      continue;
    }
    const Cell cell = neighbour(centre, columns, rows);
    if (size_ > 0 && cell == cells_[size_ - 1]) continue;
    cells_[size_++] = cell;
  }
}

}  // namespace respcask::server::geo

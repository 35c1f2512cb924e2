#include "server/types/geohash.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <string_view>

namespace respcask::server::geo {

namespace {

constexpr double kRadiansPerDegree = std::numbers::pi / 180.0;

struct Range {
  double low;
  double high;
};
constexpr Range kLongitudes{kMinLongitude, kMaxLongitude};
constexpr Range kLatitudes{kMinLatitude, kMaxLatitude};

// Puts a zero above each bit.
uint64_t spread(uint32_t bits) {
  uint64_t x = bits;
  x = (x | x << 16) & 0x0000ffff0000ffff;
  x = (x | x << 8) & 0x00ff00ff00ff00ff;
  x = (x | x << 4) & 0x0f0f0f0f0f0f0f0f;
  x = (x | x << 2) & 0x3333333333333333;
  return (x | x << 1) & 0x5555555555555555;
}

// Takes every other bit, from the lowest on.
uint32_t gather(uint64_t bits) {
  uint64_t x = bits & 0x5555555555555555;
  x = (x | x >> 1) & 0x3333333333333333;
  x = (x | x >> 2) & 0x0f0f0f0f0f0f0f0f;
  x = (x | x >> 4) & 0x00ff00ff00ff00ff;
  x = (x | x >> 8) & 0x0000ffff0000ffff;
  return static_cast<uint32_t>(x | x >> 16);
}

uint64_t interleave(const Cell& cell) {
  return spread(cell.row) | spread(cell.column) << 1;
}

uint32_t stripe_of(double coordinate, Range range, unsigned step) {
  const double share = (coordinate - range.low) / (range.high - range.low);
  return static_cast<uint32_t>(share * static_cast<double>(uint64_t{1} << step));
}

double edge_of(uint32_t stripe, Range range, unsigned step) {
  const double share = stripe / static_cast<double>(uint64_t{1} << step);
  return range.low + share * (range.high - range.low);
}

// As score_to_integer(), but for 2^63 and more, which are still in range here.
uint64_t score_to_bits(double score) {
  constexpr double kHalf = 0x1p63;
  if (!(score >= kHalf)) return static_cast<uint64_t>(score_to_integer(score));
  return static_cast<uint64_t>(score_to_integer(score - kHalf)) ^ uint64_t { 1 } << 63;
}

}  // namespace

bool is_valid(const Position& position) {
  return position.longitude >= kMinLongitude && position.longitude <= kMaxLongitude &&
         position.latitude >= kMinLatitude && position.latitude <= kMaxLatitude;
}

Cell cell_of(const Position& position, unsigned step) {
  return {stripe_of(position.longitude, kLongitudes, step),
          stripe_of(position.latitude, kLatitudes, step), step};
}

Area area_of(const Cell& cell) {
  return {{edge_of(cell.column, kLongitudes, cell.step), edge_of(cell.row, kLatitudes, cell.step)},
          {edge_of(cell.column + 1, kLongitudes, cell.step),
           edge_of(cell.row + 1, kLatitudes, cell.step)}};
}

Cell neighbour(const Cell& cell, int columns, int rows) {
  const uint32_t mask = (uint32_t{1} << cell.step) - 1;
  const auto move = [&](uint32_t stripe, int by) {
    return by == 0 ? stripe : (stripe + static_cast<uint32_t>(by)) & mask;
  };
  return {move(cell.column, columns), move(cell.row, rows), cell.step};
}

ScoreRange scores_in(const Cell& cell) {
  const uint64_t bits = interleave(cell);
  const unsigned shift = 2 * (kMaxStep - cell.step);
  return {bits << shift, (bits + 1) << shift};
}

double score_of(const Position& position) {
  return static_cast<double>(interleave(cell_of(position, kMaxStep)));
}

Position position_of(double score) {
  const uint64_t bits = score_to_bits(score);
  const Area area = area_of({gather(bits >> 1), gather(bits), kMaxStep});
  const auto middle = [](double low, double high, Range range) {
    return std::clamp((low + high) / 2, range.low, range.high);
  };
  return {middle(area.south_west.longitude, area.north_east.longitude, kLongitudes),
          middle(area.south_west.latitude, area.north_east.latitude, kLatitudes)};
}

int64_t score_to_integer(double score) {
  if (score >= -0x1p63 && score < 0x1p63) return static_cast<int64_t>(score);
  return std::numeric_limits<int64_t>::min();
}

std::string geohash_text(const Position& position) {
  constexpr std::string_view kLetters = "0123456789bcdefghjkmnpqrstuvwxyz";
  constexpr unsigned kBitsPerLetter = 5;
  const uint64_t bits = interleave({stripe_of(position.longitude, kLongitudes, kMaxStep),
                                    stripe_of(position.latitude, {-90, 90}, kMaxStep), kMaxStep});
  std::string text;
  for (unsigned left = 2 * kMaxStep; left >= kBitsPerLetter;) {
    left -= kBitsPerLetter;
    text += kLetters[bits >> left & 0x1f];
  }
  // Two bits are left over. Redis has always shown them as 0.
  return text + kLetters[0];
}

double to_radians(double degrees) {
  return degrees * kRadiansPerDegree;
}
double to_degrees(double radians) {
  return radians / kRadiansPerDegree;
}

double latitude_distance(double a, double b) {
  return kEarthRadius * std::fabs(to_radians(b) - to_radians(a));
}

double distance(const Position& a, const Position& b) {
  const double v = std::sin((to_radians(b.longitude) - to_radians(a.longitude)) / 2);
  if (v == 0) return latitude_distance(a.latitude, b.latitude);
  const double from = to_radians(a.latitude), to = to_radians(b.latitude);
  const double u = std::sin((to - from) / 2);
  const double haversine = u * u + std::cos(from) * std::cos(to) * v * v;
  // At opposite ends of the Earth rounding might leave more than 1, which has no arc sine.
  return 2.0 * kEarthRadius * std::asin(std::min(1.0, std::sqrt(haversine)));
}

}  // namespace respcask::server::geo

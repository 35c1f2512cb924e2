#include "server/types/geohash.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "server/types/geo_area.h"

namespace respcask::server::geo {
namespace {

// What redis-server 7.0.15 answers for positions: ZSCORE, GEOHASH and GEOPOS.
struct Golden {
  Position position;
  int64_t score;
  std::string_view text;
  Position cell;
};
constexpr Golden kGolden[] = {
    {{13.361389, 38.115556},
     3479099956230698,
     "sqc8b49rny0",
     {13.36138933897018433, 38.11555639549629859}},
    {{15.087269, 37.502669},
     3479447370796909,
     "sqdtr74hyu0",
     {15.08726745843887329, 37.50266842333162032}},
    {{0, 0}, 3377699720527872, "s0000000000", {0.00000268220901489, 0.00000126736058093}},
    {{-180, -85.05112878}, 0, "00bh0hbj200", {-179.99999731779098511, -85.05112751263942528}},
    {{180, 85.05112878}, 13510798882111488, "bp05b5048p0", {180, 85.0511287799999991}},
    {{-122.4194, 37.7749},
     1367859919124626,
     "9q8yyk8ytp0",
     {-122.41940170526504517, 37.77490001056577995}},
    {{151.2093, -33.8688},
     3252046221964352,
     "r3gx2f77bj0",
     {151.20929986238479614, -33.86880091934155956}},
    {{179.9999999, -1e-07},
     3377699720527871,
     "rzzzzzzzzz0",
     {179.99999731779098511, -0.00000126736058093}},
    {{-0.127758, 51.507351},
     2163557714754256,
     "gcpvj0dup10",
     {-0.12775629758834839, 51.50735008547815141}},
};

void check_same(const Position& a, const Position& b) {
  CHECK(a.longitude == doctest::Approx(b.longitude).epsilon(1e-15));
  CHECK(a.latitude == doctest::Approx(b.latitude).epsilon(1e-15));
}

TEST_CASE("positions have Redis's scores, texts and cells") {
  for (const Golden& golden : kGolden) {
    CAPTURE(golden.text);
    REQUIRE(is_valid(golden.position));
    const double score = score_of(golden.position);
    CHECK(score_to_integer(score) == golden.score);
    check_same(position_of(score), golden.cell);
    CHECK(geohash_text(position_of(score)) == golden.text);
  }
}

TEST_CASE("distances are Redis's to a tenth of a millimetre") {
  constexpr std::string_view kFromFirst[] = {"0.0000",        "166274.1516",   "4454733.0204",
                                             "14784257.5187", "6307362.7206",  "10441392.8274",
                                             "16230616.4547", "15566000.8110", "1824417.9204"};
  constexpr std::string_view kFromThird[] = {"4454733.0204",  "4449695.8942",  "0.0000",
                                             "10560811.9169", "10560811.4940", "12799027.2513",
                                             "15203738.5333", "20020733.3994", "5728984.4306"};
  const auto shown = [](size_t from, size_t to) {
    const double metres = distance(position_of(static_cast<double>(kGolden[from].score)),
                                   position_of(static_cast<double>(kGolden[to].score)));
    return fmt::format("{:.4f}", metres);
  };
  for (size_t i = 0; i < std::size(kGolden); ++i) {
    CHECK(shown(0, i) == kFromFirst[i]);
    CHECK(shown(2, i) == kFromThird[i]);
  }
  // Along a meridian nothing is lost to sines.
  CHECK(distance({5, 10}, {5, 20}) == latitude_distance(10, 20));
}

TEST_CASE("any score is a position") {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Position south_west{-179.99999731779098511, -85.05112751263942528};
  check_same(position_of(-5), {180, 85.0511287799999991});
  check_same(position_of(1e15), {-31.01234167814254761, -32.19914967503108016});
  check_same(position_of(1e19), {180, 85.0511287799999991});
  check_same(position_of(1e20), south_west);
  check_same(position_of(kInfinity), south_west);
  check_same(position_of(-kInfinity), {180, -85.05112751263942528});
  check_same(position_of(0x1p52), {-179.99999731779098511, 85.0511287799999991});
  check_same(position_of(0.5), south_west);
  CHECK(score_to_integer(0.9) == 0);
  CHECK(score_to_integer(-1.9) == -1);
  CHECK(score_to_integer(kInfinity) == std::numeric_limits<int64_t>::min());
  CHECK(score_to_integer(-kInfinity) == std::numeric_limits<int64_t>::min());
}

TEST_CASE("positions beyond the edges are not valid") {
  constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();
  CHECK(is_valid({180, -85.05112878}));
  CHECK(!is_valid({180.0000001, 0}));
  CHECK(!is_valid({-180.0000001, 0}));
  CHECK(!is_valid({0, 85.0511288}));
  CHECK(!is_valid({0, -90}));
  CHECK(!is_valid({kNaN, 0}));
  CHECK(!is_valid({0, kNaN}));
}

TEST_CASE("neighbours wrap around the Earth") {
  const Cell corner{0, 0, 5};
  CHECK(neighbour(corner, -1, 0) == Cell{31, 0, 5});
  CHECK(neighbour(corner, 1, 1) == Cell{1, 1, 5});
  CHECK(neighbour({31, 31, 5}, 1, 1) == corner);
  CHECK(neighbour({7, 9, 5}, 0, -1) == Cell{7, 8, 5});
}

TEST_CASE("a cell has the scores of the positions in it") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> longitude(-180, 180), latitude(-85, 85);
  for (int i = 0; i < 2000; ++i) {
    const Position position{longitude(random), latitude(random)};
    const auto step = static_cast<unsigned>(1 + random() % kMaxStep);
    const Cell cell = cell_of(position, step);
    const ScoreRange scores = scores_in(cell);
    const auto score = static_cast<uint64_t>(score_of(position));
    CHECK(score >= scores.begin);
    CHECK(score < scores.end);
    const Area area = area_of(cell);
    CHECK(area.south_west.longitude <= position.longitude);
    CHECK(area.south_west.latitude <= position.latitude);
    CHECK(area.north_east.longitude >= position.longitude);
    CHECK(area.north_east.latitude >= position.latitude);
  }
}

bool covers(const SearchArea& area, const Position& position) {
  const double score = score_of(position);
  const Cover cover(area);
  return std::any_of(cover.begin(), cover.end(), [&](const Cell& cell) {
    const ScoreRange scores = scores_in(cell);
    return score >= static_cast<double>(scores.begin) && score < static_cast<double>(scores.end);
  });
}

TEST_CASE("away from the poles, what lies in an area lies in its cells") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> share(0, 1);
  int inside = 0;
  for (int i = 0; i < 3000; ++i) {
    SearchArea area;
    area.shape = i % 2 == 0 ? SearchArea::Shape::kCircle : SearchArea::Shape::kBox;
    area.unit_metres = 1000;
    area.centre = {share(random) * 340 - 170, share(random) * 120 - 60};
    const double size = std::pow(10, share(random) * 4 - 1.4);
    area.radius = size / 2;
    area.width = size * share(random);
    area.height = size * share(random);
    // Near the centre, so that about half are inside.
    const double degrees = size / 111;
    for (int j = 0; j < 10; ++j) {
      const Position position{area.centre.longitude + (share(random) - 0.5) * 2 * degrees,
                              area.centre.latitude + (share(random) - 0.5) * degrees};
      if (!is_valid(position) || !area.distance_to(position)) continue;
      ++inside;
      CAPTURE(area.centre.longitude);
      CAPTURE(area.centre.latitude);
      CAPTURE(size);
      CHECK(covers(area, position));
    }
  }
  CHECK(inside > 3000);
}

TEST_CASE("an area is covered by different cells, however large it is and wherever") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  std::uniform_real_distribution<double> share(0, 1);
  for (int i = 0; i < 3000; ++i) {
    SearchArea area;
    area.unit_metres = 1000;
    area.radius = std::pow(10, share(random) * 6 - 1);
    area.centre = {share(random) * 360 - 180, share(random) * 170 - 85};
    if (i % 10 == 0) area.centre = {kMaxLongitude, kMaxLatitude};
    if (i % 10 == 1) area.centre = {kMinLongitude, kMinLatitude};
    const Cover cover(area);
    CHECK(cover.begin() != cover.end());
    CAPTURE(area.radius);
    for (const Cell& cell : cover) CHECK(std::count(cover.begin(), cover.end(), cell) == 1);
  }
}

TEST_CASE("an area measures circles from the centre and boxes along their sides") {
  SearchArea circle;
  circle.centre = {15, 37};
  circle.radius = 200;
  circle.unit_metres = 1000;
  CHECK(circle.distance_to({15.087269, 37.502669}).has_value());
  CHECK(!circle.distance_to({13, 39}));
  SearchArea box = circle;
  box.shape = SearchArea::Shape::kBox;
  box.width = 400;
  box.height = 100;
  CHECK(box.distance_to({13.361389, 37.4}).has_value());
  CHECK(!box.distance_to({15, 37.5}));
  CHECK(!box.distance_to({17.4, 37}));
  CHECK(*box.distance_to({15, 37.1}) == latitude_distance(37, 37.1));
}

TEST_CASE("areas without size or end are searched") {
  SearchArea area;
  area.centre = {1, 1};
  CHECK(covers(area, {1, 1}));
  area.radius = std::numeric_limits<double>::infinity();
  CHECK(covers(area, {1, 1}));
  CHECK(covers(area, {-179, -85}));
  CHECK(area.distance_to({-179, -85}).has_value());
}

}  // namespace
}  // namespace respcask::server::geo

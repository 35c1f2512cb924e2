// Areas to search for positions: a circle or a box around a centre, the cells of geohashes that
// cover it, and whether a position lies in it.
//
// An area is covered by the cell that holds its centre and the eight around it, at the step where
// these are just large enough; so a search looks at nine ranges of scores. Near the poles, and for
// areas of thousands of kilometres, they may not cover it all, and Redis's answers show that too:
// which cells are taken, and their order, is what clients see as the order of an unsorted reply.
//
// Plain values and pure functions; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <optional>

#include "server/types/geohash.h"

namespace respcask::server::geo {

struct SearchArea {
  enum class Shape { kCircle, kBox } shape = Shape::kCircle;
  Position centre;
  // In units of so many metres.
  double unit_metres = 1;
  double radius = 0;
  double width = 0;
  double height = 0;

  // How far the position is from the centre, in metres; nothing if it is outside.
  std::optional<double> distance_to(const Position& position) const;
};

// The cells to search, in this order, each once.
class Cover {
 public:
  explicit Cover(const SearchArea& area);
  const Cell* begin() const { return cells_.data(); }
  const Cell* end() const { return cells_.data() + size_; }

 private:
  std::array<Cell, 9> cells_;
  size_t size_ = 0;
};

}  // namespace respcask::server::geo

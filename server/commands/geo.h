// What the geo commands have in common: positions, distances and units, as arguments and replies.
//
// Plain functions for handlers, on their thread.
#pragma once

#include <cstddef>
#include <optional>

#include "server/context.h"
#include "server/types/geohash.h"

namespace respcask::server {

// A longitude and a latitude at arguments i and i + 1, or the metres that a unit at argument i
// means; nothing, and the error replied, if they are none.
std::optional<geo::Position> position_arg(Context& c, size_t i);
std::optional<double> unit_arg(Context& c, size_t i);

void reply_position(Context& c, const geo::Position& position);
// `distance` is in whatever unit the client asked for.
void reply_distance(Context& c, double distance);

}  // namespace respcask::server

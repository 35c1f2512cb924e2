// What a block of memory takes beyond its bytes, for indexes that count what they take.
#pragma once

#include <cstddef>

namespace respcask::server {

inline constexpr size_t kMallocHeader = 8;

}  // namespace respcask::server

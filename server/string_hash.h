// StringHash: lets a container of strings that clients choose be searched with a view. Seeded anew
// by each process, or somebody could choose strings that all fall together. Stateless; any thread.
#pragma once

#include <string_view>

#include "engine/hash.h"

namespace respcask::server {

inline const engine::HashSeed kStringSeed = engine::HashSeed::random();

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return engine::siphash13(kStringSeed, text); }
};

}  // namespace respcask::server

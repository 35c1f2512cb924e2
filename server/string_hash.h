// StringHash: lets a container of strings be searched with a view. Stateless; any thread.
#pragma once

#include <functional>
#include <string_view>

namespace respcask::server {

struct StringHash {
  using is_transparent = void;
  size_t operator()(std::string_view text) const { return std::hash<std::string_view>{}(text); }
};

}  // namespace respcask::server

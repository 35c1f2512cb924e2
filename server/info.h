// INFO: what the server tells of itself, in Redis's sections and field names, and # Bitcask for
// what only this one has.
//
// Fields of what does not exist here (replicas, forks, scripts, defragmentation) are there with the
// value that they have in a Redis that does not use it, since exporters ask for them.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace respcask::server {

class Context;

// The sections named, in any case ("default", "all" and "everything" name several); none: the
// default ones. They come in a fixed order, each once; unknown names are passed over. For a handler
// whose row says kOwnLocks.
std::string info_text(Context& c, std::span<const std::string_view> names);

// 1536 -> "1.50K", as the *_human fields have it.
std::string human_bytes(uint64_t bytes);

}  // namespace respcask::server

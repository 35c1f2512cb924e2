// What SCAN, HSCAN, SSCAN and ZSCAN have in common: their cursor and their options.
//
// Plain values; the pattern is a view of the command's arguments. For handlers, on their thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "server/context.h"

namespace respcask::server {

struct ScanOptions {
  uint64_t count = 10;                    // elements to look at, roughly; at least 1
  std::optional<std::string_view> match;  // a glob pattern; none: everything
  std::optional<std::string_view> type;   // SCAN only: a type's name, in any case

  bool matches(std::string_view name) const;
};

// The cursor at argument `i`; nothing, and the error replied, if it is none.
std::optional<uint64_t> scan_cursor_arg(Context& c, size_t i);

// The options from argument `first` on; nothing, and the error replied, if they make no sense.
enum class ScanOf : uint8_t { kKeys, kElements };
std::optional<ScanOptions> parse_scan_options(Context& c, size_t first, ScanOf what);

// Replies with the first half of what a scan answers: a pair of the cursor and, to follow, the
// array of what was found. The cursor goes as text.
void reply_scan_cursor(Context& c, uint64_t cursor);

}  // namespace respcask::server

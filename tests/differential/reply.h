// Reply: one reply of a server as a tree, RESP2 or RESP3, and the bytes that it came as.
//
// Plain data that owns its bytes. parse_reply reads from a buffer that may be unfinished.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace respcask::differential {

struct Reply {
  char type = 0;             // the first byte, '+', '-', ':', '$', '*', '_', '%', ...
  bool null = false;         // "$-1", "*-1" or "_"
  std::string text;          // of a line or a bulk
  std::vector<Reply> items;  // of an aggregate; keys and values of a map in turn
  std::string raw;           // all of it, as it came

  bool is_aggregate() const { return type == '*' || type == '%' || type == '~' || type == '>'; }
  bool is_error() const { return type == '-' || type == '!'; }
};

// Reads one reply from buffer[position, ...) and moves the position behind it; nothing, and the
// position stays, if it is not all there. What is no RESP at all becomes a reply of type '?' that
// takes the rest of the buffer.
std::optional<Reply> parse_reply(std::string_view buffer, size_t* position);

// The reply for a person: escapes, long texts cut.
std::string describe(const Reply& reply);
std::string quote(std::string_view bytes, size_t limit = 200);

// ASCII letters in lower case: words of a command are compared as such.
std::string lower(std::string_view text);

}  // namespace respcask::differential

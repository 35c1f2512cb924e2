// Peek: where the first arguments of waiting requests stand, found without parsing the requests.
//
// For a caller that wants to get ready for what it will be asked next. It is a guess and no more: a
// request that is not whole, or not in the plain form that client libraries send (plain_number.h),
// ends the look, and the parser may yet refuse what was seen here.
//
// Pure functions; views point into the caller's bytes. Any thread.
#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <string_view>

namespace respcask::resp {

// The first arguments behind a request's name; empty where there is none.
using PeekedArguments = std::array<std::string_view, 3>;

struct Peeked {
  size_t requests = 0;
  size_t bytes = 0;  // of those requests
};

// Looks at the requests at the front of `unread`, as many as `arguments` has room for, and writes
// there what it found. Takes time in proportion to the number of arguments, not of their bytes.
Peeked peek(std::string_view unread, std::span<PeekedArguments> arguments);

}  // namespace respcask::resp

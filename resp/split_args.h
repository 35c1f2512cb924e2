// Splits a line of words as Redis splits inline commands and configuration lines.
//
// Words are separated by white space. A word may be, or end in, one quoted part: "..." with the
// escapes \n \r \t \b \a \xHH and \ before any other byte for that byte, or '...' with \' alone. A
// closing quote must be followed by white space or the end. A NUL ends the line.
//
// The caller owns the line and all results. Pure functions: any thread may call them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace respcask::resp {

// Appends the words of `line` to `words`: views into `line`, or into `storage` for words that had
// quotes. `storage` is overwritten; the views hold until it or `line` changes. False if the quotes
// do not balance; then both outputs are in an unspecified but valid state.
bool split_line(std::string_view line, std::string& storage, std::vector<std::string_view>& words);

// The same with words of their own; nullopt if the quotes do not balance. No words is an empty
// vector.
std::optional<std::vector<std::string>> split_args(std::string_view line);

}  // namespace respcask::resp

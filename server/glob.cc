#include "server/glob.h"

#include <cstddef>
#include <utility>

namespace respcask::server {
namespace {

// Bytes are signed, as Redis's are: so [a-\xff] is what lies between -1 and 'a'.
signed char fold(char c, bool ignore_case) {
  const signed char byte = static_cast<signed char>(c);
  return ignore_case && byte >= 'A' && byte <= 'Z' ? static_cast<signed char>(byte | 0x20) : byte;
}

// Whether `c` is in the class whose '[' stands at `at`; moves `at` behind the class. A class that
// is not closed ends with the pattern.
bool match_class(std::string_view pattern, std::size_t& at, char c, bool ignore_case) {
  const signed char byte = fold(c, ignore_case);
  std::size_t i = at + 1;
  const bool negated = i < pattern.size() && pattern[i] == '^';
  if (negated) ++i;
  bool found = false;
  for (; i < pattern.size() && pattern[i] != ']'; ++i) {
    if (pattern[i] == '\\' && i + 1 < pattern.size()) {
      ++i;
      // Redis compares an escaped byte as it is, in either case mode.
      if (pattern[i] == c) found = true;
    } else if (i + 2 < pattern.size() && pattern[i + 1] == '-') {
      signed char low = fold(pattern[i], false);
      signed char high = fold(pattern[i + 2], false);
      if (low > high) std::swap(low, high);
      low = fold(low, ignore_case);
      high = fold(high, ignore_case);
      if (byte >= low && byte <= high) found = true;
      i += 2;
    } else if (fold(pattern[i], ignore_case) == byte) {
      found = true;
    }
  }
  at = i < pattern.size() ? i + 1 : i;
  return found != negated;
}

// Whether the one-byte element at `at` of `pattern` (anything but '*') matches `c`; moves `at`
// behind it.
bool match_one(std::string_view pattern, std::size_t& at, char c, bool ignore_case) {
  switch (pattern[at]) {
    case '?':
      ++at;
      return true;
    case '[':
      return match_class(pattern, at, c, ignore_case);
    case '\\':
      if (at + 1 < pattern.size()) ++at;
      [[fallthrough]];
    default:
      return fold(pattern[at++], ignore_case) == fold(c, ignore_case);
  }
}

}  // namespace

bool glob_match(std::string_view pattern, std::string_view text, bool ignore_case) {
  // For an empty text Redis looks at no byte of the pattern: not even "*" matches it.
  if (text.empty()) return pattern.empty();
  constexpr std::size_t kNone = std::string_view::npos;
  std::size_t p = 0;
  std::size_t t = 0;
  // Where to go on when a match fails: behind the last '*', which then swallows one byte more. An
  // earlier '*' never has to be tried again, for what stood before the last one matched the
  // shortest way.
  std::size_t star = kNone;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size() && match_one(pattern, p, text[t], ignore_case)) {
      ++t;
      continue;
    }
    if (star == kNone) return false;
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') ++p;
  return p == pattern.size();
}

}  // namespace respcask::server

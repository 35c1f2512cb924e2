// The lines that announce a request and its bulks, in the form in which nearly all are sent: "*3",
// "$5", of 1 to 9 digits without a leading zero. Whatever else Redis accepts is the parser's
// (parser.h) to understand.
//
// Pure functions over the caller's bytes. Any thread.
#pragma once

#include <algorithm>
#include <cstdint>

namespace respcask::resp {

struct PlainNumber {
  int64_t value;
  const char* behind;  // the first byte behind the line; nullptr: not of this form, or not complete
};

// Reads `mark`, the digits and the '\r' at `at`, and steps over the byte behind it, whatever it is.
inline PlainNumber read_plain_number(char mark, const char* at, const char* end) {
  if (end - at < 4 || at[0] != mark) return {0, nullptr};
  const char* p = at + 1;
  unsigned digit = static_cast<unsigned char>(*p) - unsigned{'0'};
  if (digit - 1 > 8) return {0, nullptr};
  const char* const stop = std::min(end - 1, at + 10);
  int64_t value = 0;
  while (digit <= 9) {
    value = value * 10 + digit;
    if (++p == stop) break;
    digit = static_cast<unsigned char>(*p) - unsigned{'0'};
  }
  if (p == end - 1 || *p != '\r') return {0, nullptr};
  return {value, p + 2};
}

}  // namespace respcask::resp

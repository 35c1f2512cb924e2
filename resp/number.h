// Numbers as the protocol and its commands write them: strict parsing of what a client sends and
// formatting of what it is sent back.
//
// Invariants: nothing here depends on the locale as long as the process stays in "C"; nothing
// throws; a view is never read past its end, and never needs a NUL behind it. The caller owns all
// memory. Pure functions: any thread may call them.
#pragma once

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string_view>

namespace respcask::resp {

// The longest text that format_int64 writes: "-9223372036854775808".
inline constexpr size_t kMaxInt64Chars = 20;
// The longest text that format_double writes: "-2.2250738585072014e-308".
inline constexpr size_t kMaxDoubleChars = 24;

// Parses the one canonical spelling of a 64-bit integer: an optional '-', then digits without
// leading zeros. No '+', no spaces, no "-0", nothing out of range. These are the rules by which
// Redis reads lengths, integer arguments and integer-encoded values.
inline std::optional<int64_t> parse_int64(std::string_view text) {
  const bool negative = !text.empty() && text.front() == '-';
  if (negative) text.remove_prefix(1);
  if (text.empty() || text.size() >= kMaxInt64Chars) return std::nullopt;
  if (text.front() == '0') {
    if (negative || text.size() != 1) return std::nullopt;
    return 0;
  }
  // At most 19 digits: the largest, 9999999999999999999, still fits into 64 unsigned bits.
  uint64_t magnitude = 0;
  for (const char c : text) {
    const unsigned digit = static_cast<unsigned>(c) - '0';
    if (digit > 9) return std::nullopt;
    magnitude = magnitude * 10 + digit;
  }
  constexpr uint64_t kMax = std::numeric_limits<int64_t>::max();
  if (magnitude > kMax + (negative ? 1 : 0)) return std::nullopt;
  return static_cast<int64_t>(negative ? 0 - magnitude : magnitude);
}

// Writes `value` in decimal at `to`, which has room for kMaxInt64Chars, and returns the end of what
// was written. No NUL is appended.
inline char* format_int64(char* to, int64_t value) {
  return std::to_chars(to, to + kMaxInt64Chars, value).ptr;
}

// Parses a double as Redis reads scores and increments: everything that strtod takes whole (decimal
// and hexadecimal, "inf", "+inf", "-infinity" in any case), except NaN. Leading spaces, trailing
// bytes, an embedded NUL, the empty text, overflow to infinity and underflow to zero are refused; a
// subnormal is not.
std::optional<double> parse_double(std::string_view text);

// The same for a long double, whose texts Redis limits to fewer than 5120 bytes.
std::optional<long double> parse_long_double(std::string_view text);

// Writes `value` as "%.17g" does, "inf", "-inf", "nan" and "-nan" included, at `to`, which has room
// for kMaxDoubleChars, and returns the end of what was written. No NUL is appended.
char* format_double(char* to, double value);

// More than the longest text that format_long_double writes or parse_long_double reads.
inline constexpr size_t kMaxLongDoubleChars = 5120;

// Writes a finite `value` in decimal with 17 digits behind the point, less the zeros at the end, as
// Redis answers INCRBYFLOAT, at `to`, which has room for kMaxLongDoubleChars, and returns the end
// of what was written. No NUL is appended.
char* format_long_double(char* to, long double value);

}  // namespace respcask::resp

#include "resp/number.h"

#include <cassert>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

namespace respcask::resp {
namespace {

bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}

double convert(const char* text, char** end, double /*type*/) {
  return std::strtod(text, end);
}
long double convert(const char* text, char** end, long double /*type*/) {
  return std::strtold(text, end);
}

// strtod and strtold want a NUL behind the number; a view has none, so the text is copied.
template <typename Real>
std::optional<Real> parse_real(std::string_view text) {
  if (text.empty() || is_space(text.front())) return std::nullopt;
  char small[64];
  std::string large;
  const char* begin = small;
  if (text.size() < sizeof small) {
    std::memcpy(small, text.data(), text.size());
    small[text.size()] = '\0';
  } else {
    large = text;
    begin = large.c_str();
  }
  char* end = nullptr;
  errno = 0;
  const Real value = convert(begin, &end, Real{});
  if (static_cast<size_t>(end - begin) != text.size() || std::isnan(value)) return std::nullopt;
  if (errno == ERANGE && (std::isinf(value) || std::fpclassify(value) == FP_ZERO)) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::optional<double> parse_double(std::string_view text) {
  // Most scores are integers. Up to 15 digits they are exact, and strtod is not needed.
  if (text.size() <= 15) {
    if (const auto integer = parse_int64(text)) return static_cast<double>(*integer);
  }
  return parse_real<double>(text);
}

std::optional<long double> parse_long_double(std::string_view text) {
  if (text.size() >= kMaxLongDoubleChars) return std::nullopt;
  return parse_real<long double>(text);
}

char* format_double(char* to, double value) {
  // An integer below 1e17 has at most 17 digits, which %.17g prints without point or exponent; up
  // to 2^53 every double with no fraction is that integer exactly. Only -0 prints otherwise.
  constexpr double kExact = 9007199254740992.0;
  if (value >= -kExact && value <= kExact) {
    const auto integer = static_cast<int64_t>(value);
    if (static_cast<double>(integer) == value && (integer != 0 || !std::signbit(value))) {
      return format_int64(to, integer);
    }
  }
  // std::to_chars with a precision is defined as printf's %g in the C locale.
  return std::to_chars(to, to + kMaxDoubleChars, value, std::chars_format::general, 17).ptr;
}

char* format_long_double(char* to, long double value) {
  constexpr int kDigits = 17;
  const int size = std::snprintf(to, kMaxLongDoubleChars, "%.*Lf", kDigits, value);
  assert(size > kDigits && static_cast<size_t>(size) < kMaxLongDoubleChars);
  char* end = to + size;
  while (end[-1] == '0') --end;
  if (end[-1] == '.') --end;
  if (end - to == 2 && to[0] == '-' && to[1] == '0') *(end = to)++ = '0';
  return end;
}

}  // namespace respcask::resp

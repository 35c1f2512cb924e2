#include "server/rdb/element.h"

#include <charconv>

namespace respcask::server::rdb {

std::string Element::to_string() const {
  return number ? std::to_string(*number) : std::string(text);
}

std::optional<int64_t> parse_canonical_integer(std::string_view text) {
  constexpr size_t kLongestInteger = 20;  // "-9223372036854775808"
  if (text.empty() || text.size() > kLongestInteger) return std::nullopt;
  const bool negative = text.front() == '-';
  const std::string_view digits = text.substr(negative ? 1 : 0);
  if (digits.empty()) return std::nullopt;
  if (digits.front() == '0' && (negative || digits.size() > 1)) return std::nullopt;
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace respcask::server::rdb

#include "server/rdb/reader.h"

#include <bit>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <utility>

#include "server/rdb/format.h"
#include "server/rdb/lzf.h"

namespace respcask::server::rdb {

bool Reader::length(uint64_t& out) {
  uint8_t first = 0;
  if (!cursor_.peek(first)) return false;
  if ((first & 0xc0) == 0x40) {
    if (!cursor_.big(2, out)) return false;
    out &= 0x3fff;
    return true;
  }
  if (!cursor_.u8(first)) return false;
  if (first < 0x40) {
    out = first;
    return true;
  }
  if (first == kLength32) return cursor_.big(4, out);
  return first == kLength64 && cursor_.big(8, out);
}

bool Reader::string(std::string& out) {
  std::string storage;
  std::string_view view;
  if (!string(view, storage)) return false;
  if (view.data() == storage.data()) {
    out = std::move(storage);
  } else {
    out = view;
  }
  return true;
}

bool Reader::string(std::string_view& out, std::string& storage) {
  uint8_t first = 0;
  if (!cursor_.peek(first)) return false;
  if (first < kInteger8) {
    uint64_t size = 0;
    return length(size) && cursor_.take(size, out);
  }
  if (!cursor_.u8(first)) return false;
  if (first == kCompressed) {
    if (!compressed(storage)) return false;
  } else {
    int64_t number = 0;
    if (first > kInteger32) return false;
    const size_t size = size_t{1} << (first - kInteger8);
    if (!cursor_.little_signed(size, number)) return false;
    storage = std::to_string(number);
  }
  out = storage;
  return true;
}

bool Reader::compressed(std::string& out) {
  uint64_t compressed_size = 0;
  uint64_t size = 0;
  std::string_view input;
  if (!length(compressed_size) || !length(size) || !cursor_.take(compressed_size, input))
    return false;
  if (!may_expand_to(input, size) || !budget_.take(size)) return false;
  std::optional<std::string> bytes = lzf_decompress(input, size);
  if (!bytes) return false;
  out = std::move(*bytes);
  return true;
}

bool Reader::binary_score(double& out) {
  uint64_t bits = 0;
  if (!cursor_.little(8, bits)) return false;
  out = std::bit_cast<double>(bits);
  return !std::isnan(out);
}

bool Reader::text_score(double& out) {
  constexpr uint8_t kNan = 253;
  constexpr uint8_t kInfinity = 254;
  constexpr uint8_t kMinusInfinity = 255;
  uint8_t size = 0;
  if (!cursor_.u8(size) || size == kNan) return false;
  if (size == kInfinity || size == kMinusInfinity) {
    const double infinity = std::numeric_limits<double>::infinity();
    out = size == kInfinity ? infinity : -infinity;
    return true;
  }
  std::string_view text;
  return cursor_.take(size, text) && parse_score(text, out);
}

bool parse_score(std::string_view text, double& out) {
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, out);
  return error == std::errc{} && stop == end && !std::isnan(out);
}

}  // namespace respcask::server::rdb

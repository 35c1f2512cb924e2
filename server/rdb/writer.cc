#include "server/rdb/writer.h"

#include <bit>
#include <limits>
#include <optional>
#include <utility>

#include "resp/number.h"
#include "server/rdb/bytes.h"
#include "server/rdb/crc64.h"
#include "server/rdb/lzf.h"

namespace respcask::server::rdb {
namespace {

constexpr size_t kLongestInteger32 = 11;  // "-2147483648"
constexpr size_t kMaxPlainSize = 20;      // longer ones are worth a try at compression
constexpr size_t kMinSaving = 4;

// The bytes that `number` takes as an integer in place of a string; nothing if more than 4.
std::optional<size_t> integer_size(int64_t number) {
  if (number == static_cast<int8_t>(number)) return 1;
  if (number == static_cast<int16_t>(number)) return 2;
  if (number == static_cast<int32_t>(number)) return 4;
  return std::nullopt;
}

}  // namespace

void Writer::length(uint64_t length) {
  if (length < 1 << 6) {
    append_big(bytes_, length, 1);
  } else if (length < 1 << 14) {
    append_big(bytes_, uint64_t{0x4000} | length, 2);
  } else if (length <= std::numeric_limits<uint32_t>::max()) {
    bytes_.push_back('\x80');
    append_big(bytes_, length, 4);
  } else {
    bytes_.push_back('\x81');
    append_big(bytes_, length, 8);
  }
}

void Writer::string(std::string_view text) {
  if (text.size() <= kLongestInteger32) {
    const std::optional<int64_t> number = resp::parse_int64(text);
    const std::optional<size_t> size = number ? integer_size(*number) : std::nullopt;
    if (size) {
      bytes_.push_back(static_cast<char>(0xc0 | std::countr_zero(*size)));
      return append_little(bytes_, static_cast<uint64_t>(*number), *size);
    }
  }
  if (compress_ && text.size() > kMaxPlainSize) {
    if (const auto compressed = lzf_compress(text, text.size() - kMinSaving)) {
      return compressed_string(*compressed, text.size());
    }
  }
  length(text.size());
  bytes_ += text;
}

void Writer::compressed_string(std::string_view compressed, uint64_t size) {
  bytes_.push_back('\xc3');
  length(compressed.size());
  length(size);
  bytes_ += compressed;
}

void Writer::binary_score(double score) {
  append_little(bytes_, std::bit_cast<uint64_t>(score), sizeof(score));
}

std::string Writer::finish() && {
  return closed(std::move(bytes_));
}

std::string closed(std::string body) {
  append_little(body, kRdbVersion, sizeof(kRdbVersion));
  append_little(body, crc64(body), sizeof(uint64_t));
  return body;
}

}  // namespace respcask::server::rdb

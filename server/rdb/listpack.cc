#include "server/rdb/listpack.h"

#include <array>
#include <cassert>
#include <cmath>
#include <limits>

#include "resp/number.h"

namespace respcask::server::rdb {
namespace {

constexpr size_t kHeaderSize = 6;
constexpr uint64_t kUnknownCount = 65535;
constexpr uint8_t kEnd = 0xff;

constexpr uint8_t kString6 = 0x80;
constexpr uint8_t kInteger13 = 0xc0;
constexpr uint8_t kString12 = 0xe0;
constexpr uint8_t kString32 = 0xf0;
constexpr uint8_t kInteger16 = 0xf1;
constexpr uint8_t kInteger24 = 0xf2;
constexpr uint8_t kInteger32 = 0xf3;
constexpr uint8_t kInteger64 = 0xf4;

// The back-length of `length` bytes. Redis's limits are one short of what 7 bits hold from two
// bytes on.
class BackLength {
 public:
  explicit BackLength(uint64_t length) {
    size_ = length <= 127        ? 1
            : length < 16383     ? 2
            : length < 2097151   ? 3
            : length < 268435455 ? 4
                                 : 5;
    for (size_t i = 0; i < size_; ++i) {
      const uint8_t bits = (length >> (7 * (size_ - 1 - i))) & 0x7f;
      bytes_[i] = static_cast<char>(i == 0 ? bits : bits | 0x80);
    }
  }

  std::string_view bytes() const { return {bytes_.data(), size_}; }

 private:
  std::array<char, 5> bytes_{};
  size_t size_ = 0;
};

template <int kBits>
bool fits(int64_t number) {
  return number >= -(int64_t{1} << (kBits - 1)) && number < int64_t{1} << (kBits - 1);
}

void append_string(std::string& out, std::string_view text) {
  if (text.size() < 64) {
    out.push_back(static_cast<char>(kString6 | text.size()));
  } else if (text.size() < 4096) {
    append_big(out, uint64_t{kString12} << 8 | text.size(), 2);
  } else {
    out.push_back(static_cast<char>(kString32));
    append_little(out, text.size(), 4);
  }
  out += text;
}

void append_number(std::string& out, int64_t number) {
  const auto bits = static_cast<uint64_t>(number);
  if (number >= 0 && number <= 127) {
    out.push_back(static_cast<char>(number));
  } else if (fits<13>(number)) {
    append_big(out, uint64_t{kInteger13} << 8 | (bits & 0x1fff), 2);
  } else if (fits<16>(number)) {
    out.push_back(static_cast<char>(kInteger16));
    append_little(out, bits, 2);
  } else if (fits<24>(number)) {
    out.push_back(static_cast<char>(kInteger24));
    append_little(out, bits, 3);
  } else if (fits<32>(number)) {
    out.push_back(static_cast<char>(kInteger32));
    append_little(out, bits, 4);
  } else {
    out.push_back(static_cast<char>(kInteger64));
    append_little(out, bits, 8);
  }
}

}  // namespace

ListpackReader::ListpackReader(std::string_view blob) : cursor_(blob) {
  uint64_t size = 0;
  header_ok_ = cursor_.little(4, size) && cursor_.little(2, claimed_count_) && size == blob.size();
}

Step ListpackReader::next(Element& out) {
  uint8_t first = 0;
  if (!header_ok_ || !cursor_.peek(first)) return Step::kDamaged;
  if (first == kEnd) {
    const bool count_ok = claimed_count_ == kUnknownCount || claimed_count_ == count_;
    return count_ok && cursor_.remaining() == 1 ? Step::kEnd : Step::kDamaged;
  }
  const size_t before = cursor_.remaining();
  if (!element(out)) return Step::kDamaged;
  const BackLength expected(before - cursor_.remaining());
  std::string_view found;
  if (!cursor_.take(expected.bytes().size(), found) || found != expected.bytes()) {
    return Step::kDamaged;
  }
  ++count_;
  return Step::kElement;
}

bool ListpackReader::element(Element& out) {
  uint8_t first = 0;
  if (!cursor_.peek(first)) return false;
  uint64_t bits = 0;
  if ((first & 0xe0) == kInteger13 || (first & 0xf0) == kString12) {
    if (!cursor_.big(2, bits)) return false;
    if ((first & 0xf0) == kString12) return string(bits & 0xfff, out);
    const int64_t number = static_cast<int64_t>(bits & 0x1fff);
    out.number = number < 4096 ? number : number - 8192;
    return true;
  }
  if (!cursor_.u8(first)) return false;
  if (first < 0x80) {
    out.number = first;
    return true;
  }
  if ((first & 0xc0) == kString6) return string(first & 0x3f, out);
  switch (first) {
    case kString32:
      return cursor_.little(4, bits) && string(bits, out);
    case kInteger16:
      return integer(2, out);
    case kInteger24:
      return integer(3, out);
    case kInteger32:
      return integer(4, out);
    case kInteger64:
      return integer(8, out);
    default:
      return false;
  }
}

bool ListpackReader::string(uint64_t size, Element& out) {
  out.number.reset();
  return cursor_.take(size, out.text);
}

bool ListpackReader::integer(size_t size, Element& out) {
  int64_t number = 0;
  if (!cursor_.little_signed(size, number)) return false;
  out.number = number;
  return true;
}

std::optional<int64_t> listpack_integer(double score) {
  constexpr double kMost = 4611686018427387904.0;  // 2^62
  const bool is_minus_zero = score == 0 && std::signbit(score);
  if (std::fabs(score) > kMost || std::trunc(score) != score || is_minus_zero) return std::nullopt;
  return static_cast<int64_t>(score);
}

ListpackWriter::ListpackWriter() : bytes_(kHeaderSize, '\0') {}

void ListpackWriter::append(std::string_view text) {
  if (const auto number = resp::parse_int64(text)) return append(*number);
  const size_t before = bytes_.size();
  append_string(bytes_, text);
  bytes_ += BackLength(bytes_.size() - before).bytes();
  ++count_;
}

void ListpackWriter::append(int64_t number) {
  const size_t before = bytes_.size();
  append_number(bytes_, number);
  bytes_ += BackLength(bytes_.size() - before).bytes();
  ++count_;
}

std::string ListpackWriter::finish() && {
  bytes_.push_back(static_cast<char>(kEnd));
  assert(bytes_.size() <= std::numeric_limits<uint32_t>::max());
  std::string header;
  append_little(header, bytes_.size(), 4);
  append_little(header, count_ < kUnknownCount ? count_ : kUnknownCount, 2);
  bytes_.replace(0, kHeaderSize, header);
  return std::move(bytes_);
}

}  // namespace respcask::server::rdb

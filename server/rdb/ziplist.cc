#include "server/rdb/ziplist.h"

namespace respcask::server::rdb {
namespace {

constexpr size_t kHeaderSize = 10;
constexpr uint64_t kUnknownCount = 65535;
constexpr uint8_t kEnd = 0xff;
constexpr uint8_t kLongPreviousSize = 254;

}  // namespace

ZiplistReader::ZiplistReader(std::string_view blob)
    : cursor_(blob), size_(blob.size()), last_(kHeaderSize) {
  uint64_t size = 0;
  header_ok_ = cursor_.little(4, size) && cursor_.little(4, claimed_last_) &&
               cursor_.little(2, claimed_count_) && size == blob.size();
}

Step ZiplistReader::next(Element& out) {
  uint8_t first = 0;
  if (!header_ok_ || !cursor_.peek(first)) return Step::kDamaged;
  if (first == kEnd) {
    const bool count_ok = claimed_count_ == kUnknownCount || claimed_count_ == count_;
    const bool last_ok = claimed_last_ == last_;
    return count_ok && last_ok && cursor_.remaining() == 1 ? Step::kEnd : Step::kDamaged;
  }
  const uint64_t start = size_ - cursor_.remaining();
  uint64_t previous = 0;
  if (!previous_size(previous) || previous != last_size_ || !element(out)) return Step::kDamaged;
  last_ = start;
  last_size_ = size_ - cursor_.remaining() - start;
  ++count_;
  return Step::kElement;
}

bool ZiplistReader::previous_size(uint64_t& out) {
  uint8_t first = 0;
  if (!cursor_.u8(first)) return false;
  out = first;
  return first < kLongPreviousSize || cursor_.little(4, out);
}

bool ZiplistReader::element(Element& out) {
  uint8_t first = 0;
  if (!cursor_.u8(first)) return false;
  uint64_t size = 0;
  switch (first >> 6) {
    case 0:
      return string(first & 0x3f, out);
    case 1:
      return cursor_.little(1, size) && string(uint64_t{first & 0x3fU} << 8 | size, out);
    case 2:
      return first == 0x80 && cursor_.big(4, size) && string(size, out);
    default:
      break;
  }
  switch (first) {
    case 0xc0:
      return integer(2, out);
    case 0xd0:
      return integer(4, out);
    case 0xe0:
      return integer(8, out);
    case 0xf0:
      return integer(3, out);
    case 0xfe:
      return integer(1, out);
    default:
      if (first < 0xf1 || first > 0xfd) return false;
      out.number = (first & 0x0f) - 1;
      return true;
  }
}

bool ZiplistReader::string(uint64_t size, Element& out) {
  out.number.reset();
  return cursor_.take(size, out.text);
}

bool ZiplistReader::integer(size_t size, Element& out) {
  int64_t number = 0;
  if (!cursor_.little_signed(size, number)) return false;
  out.number = number;
  return true;
}

}  // namespace respcask::server::rdb

#include "server/rdb/zipmap.h"

namespace respcask::server::rdb {
namespace {

constexpr uint8_t kLongLength = 254;
constexpr uint8_t kEnd = 0xff;

}  // namespace

ZipmapReader::ZipmapReader(std::string_view blob) : cursor_(blob) {
  header_ok_ = cursor_.u8(claimed_pairs_);
}

Step ZipmapReader::next(Element& out) {
  uint8_t first = 0;
  if (!header_ok_ || !cursor_.peek(first)) return Step::kDamaged;
  if (!value_is_next_ && first == kEnd) {
    const bool count_ok = claimed_pairs_ >= kLongLength || claimed_pairs_ == pairs_;
    return count_ok && pairs_ > 0 && cursor_.remaining() == 1 ? Step::kEnd : Step::kDamaged;
  }
  uint64_t size = 0;
  uint8_t unused = 0;
  if (!length(size)) return Step::kDamaged;
  if (value_is_next_ && !cursor_.u8(unused)) return Step::kDamaged;
  std::string_view skipped;
  if (!cursor_.take(size, out.text) || !cursor_.take(unused, skipped)) return Step::kDamaged;
  out.number.reset();
  if (value_is_next_) ++pairs_;
  value_is_next_ = !value_is_next_;
  return Step::kElement;
}

bool ZipmapReader::length(uint64_t& out) {
  uint8_t first = 0;
  if (!cursor_.u8(first) || first == kEnd) return false;
  out = first;
  return first < kLongLength || cursor_.little(4, out);
}

}  // namespace respcask::server::rdb

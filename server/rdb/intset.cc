#include "server/rdb/intset.h"

#include <algorithm>
#include <limits>

namespace respcask::server::rdb {
namespace {

template <class Narrow>
bool fits(int64_t number) {
  return number >= std::numeric_limits<Narrow>::min() &&
         number <= std::numeric_limits<Narrow>::max();
}

size_t width_of(int64_t number) {
  return fits<int16_t>(number) ? 2 : fits<int32_t>(number) ? 4 : 8;
}

}  // namespace

IntsetReader::IntsetReader(std::string_view blob) : cursor_(blob) {
  uint64_t width = 0;
  uint64_t count = 0;
  if (!cursor_.little(4, width) || !cursor_.little(4, count)) return;
  if (width != 2 && width != 4 && width != 8) return;
  width_ = width;
  header_ok_ = count > 0 && count * width == cursor_.remaining();
}

Step IntsetReader::next(Element& out) {
  if (!header_ok_) return Step::kDamaged;
  if (cursor_.at_end()) return Step::kEnd;
  int64_t number = 0;
  if (!cursor_.little_signed(width_, number)) return Step::kDamaged;
  if (previous_ && number <= *previous_) return Step::kDamaged;
  previous_ = number;
  out.number = number;
  return Step::kElement;
}

std::string write_intset(const std::vector<int64_t>& numbers) {
  // Of ascending numbers, the first or the last is the widest.
  const size_t width = std::max(width_of(numbers.front()), width_of(numbers.back()));
  std::string out;
  out.reserve(8 + numbers.size() * width);
  append_little(out, width, 4);
  append_little(out, numbers.size(), 4);
  for (const int64_t number : numbers) append_little(out, static_cast<uint64_t>(number), width);
  return out;
}

}  // namespace respcask::server::rdb

// The intset: the sorted array in which Redis keeps a small set of integers. All little endian.
//
//     u32 bytes per integer: 2, 4 or 8
//     u32 number of integers, at least one
//     the integers, signed, ascending, no two alike
//
// The width is that of the widest integer. The reader borrows the blob and never trusts a length.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/rdb/bytes.h"
#include "server/rdb/element.h"

namespace respcask::server::rdb {

class IntsetReader {
 public:
  explicit IntsetReader(std::string_view blob);

  // The next integer; ascending, or the blob is damaged.
  Step next(Element& out);

 private:
  ByteCursor cursor_;
  bool header_ok_ = false;
  size_t width_ = 0;
  std::optional<int64_t> previous_;
};

// The intset of `numbers`, which are at least one, ascend and are no two alike.
std::string write_intset(const std::vector<int64_t>& numbers);

}  // namespace respcask::server::rdb

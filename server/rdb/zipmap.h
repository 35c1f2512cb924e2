// Reading the zipmap: the packed map in which Redis before 2.6 kept small hashes.
//
//     u8 number of pairs (254 or 255: count them)
//     pair  length of the field, the field, length of the value, u8 number of unused bytes, the
//           value, the unused bytes
//     end   0xff
//
// A length is one byte below 254, or 254 and a u32, little endian. There is at least one pair.
//
// The reader hands out field, value, field, value, ...; it borrows the blob and never trusts a
// length.
#pragma once

#include <cstdint>
#include <string_view>

#include "server/rdb/bytes.h"
#include "server/rdb/element.h"

namespace respcask::server::rdb {

class ZipmapReader {
 public:
  explicit ZipmapReader(std::string_view blob);

  Step next(Element& out);

 private:
  bool length(uint64_t& out);

  ByteCursor cursor_;
  bool header_ok_ = false;
  uint8_t claimed_pairs_ = 0;
  uint64_t pairs_ = 0;
  bool value_is_next_ = false;
};

}  // namespace respcask::server::rdb

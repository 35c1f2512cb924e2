// Reading the ziplist: the packed sequence in which Redis 2.6 to 6.2 kept small collections and
// list nodes. Integers are little endian unless said otherwise.
//
//     header    u32 size of the whole, u32 offset of the last element (of the end mark if there is
//               none), u16 number of elements (65535: count them)
//     element   size of the element before it (0 for the first): one byte below 254, or 254 and
//               a u32; then encoding and data
//     end       0xff
//
//     first byte   then                                        element
//     00xxxxxx     xxxxxx bytes                                string up to 63 bytes
//     01xxxxxx     1 byte, then that many bytes                string, length 14 bits, big endian
//     10000000     u32, big endian, then that many bytes       string
//     11000000     2 bytes                                     integer, signed
//     11010000     4 bytes                                     integer, signed
//     11100000     8 bytes                                     integer, signed
//     11110000     3 bytes                                     integer, signed
//     11111110     1 byte                                      integer, signed
//     1111xxxx                                                 integer xxxx-1, for xxxx in 1..13
//
// The reader borrows the blob, checks every byte before it is looked at and never trusts a length.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "server/rdb/bytes.h"
#include "server/rdb/element.h"

namespace respcask::server::rdb {

class ZiplistReader {
 public:
  explicit ZiplistReader(std::string_view blob);

  // The next element; kEnd only if sizes, offsets, count and end mark were right as well.
  Step next(Element& out);

 private:
  bool previous_size(uint64_t& out);
  bool element(Element& out);
  bool string(uint64_t size, Element& out);
  bool integer(size_t size, Element& out);

  ByteCursor cursor_;
  size_t size_;
  bool header_ok_ = false;
  uint64_t claimed_last_ = 0;
  uint64_t claimed_count_ = 0;
  uint64_t last_;  // offset of the element read last
  uint64_t last_size_ = 0;
  uint64_t count_ = 0;
};

}  // namespace respcask::server::rdb

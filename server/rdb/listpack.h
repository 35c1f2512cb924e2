// The listpack: the packed sequence of strings and integers in which Redis 7 keeps small
// collections and list nodes. Integers are little endian unless said otherwise.
//
//     header    u32 size of the whole, u16 number of elements (65535: count them)
//     element   encoding and data (below), then the length of both as a back-length
//     end       0xff
//
//     first byte   then                                      element
//     0xxxxxxx                                               integer 0..127
//     10xxxxxx     xxxxxx bytes                              string up to 63 bytes
//     110xxxxx     1 byte                                    integer, 13 bits, signed, big endian
//     1110xxxx     1 byte, then that many bytes              string, length 12 bits, big endian
//     11110000     u32, then that many bytes                 string
//     11110001     2 bytes                                   integer, signed
//     11110010     3 bytes                                   integer, signed
//     11110011     4 bytes                                   integer, signed
//     11110100     8 bytes                                   integer, signed
//
// A back-length is 1 to 5 bytes of 7 bits, most significant first; every byte but the first has its
// high bit set, so that it can be read from its end. A string that is the canonical text of an
// integer is always stored as that integer, in the smallest encoding.
//
// The reader borrows the blob, checks every byte before it is looked at and never trusts a length;
// the writer owns its bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "server/rdb/bytes.h"
#include "server/rdb/element.h"

namespace respcask::server::rdb {

class ListpackReader {
 public:
  explicit ListpackReader(std::string_view blob);

  // The next element; kEnd only if the size, the count and the end mark were right as well.
  Step next(Element& out);

 private:
  bool element(Element& out);
  bool string(uint64_t size, Element& out);
  bool integer(size_t size, Element& out);

  ByteCursor cursor_;
  bool header_ok_ = false;
  uint64_t claimed_count_ = 0;
  uint64_t count_ = 0;
};

// The integer as which a listpack holds a score; nothing if it holds it as text. A sorted set has a
// -0 there only if it came with it so.
std::optional<int64_t> listpack_integer(double score);

class ListpackWriter {
 public:
  ListpackWriter();

  void append(std::string_view text);
  void append(int64_t number);

  // Size in bytes of what finish() would give now.
  size_t size() const { return bytes_.size() + 1; }
  size_t count() const { return count_; }
  // The listpack. At most 4 GiB: the caller splits long before.
  std::string finish() &&;

 private:
  std::string bytes_;
  size_t count_ = 0;
};

}  // namespace respcask::server::rdb

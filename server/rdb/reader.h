// Reading RDB's building blocks: lengths, strings, numbers. The table of the whole payload stands
// in decode.h.
//
//     first byte   then                               length
//     00xxxxxx                                        xxxxxx
//     01xxxxxx     1 byte                             14 bits, big endian
//     10000000     4 bytes, big endian                32 bits
//     10000001     8 bytes, big endian                64 bits
//     11000000     1 byte                             (for a string) signed integer, as text
//     11000001     2 bytes, little endian             the same
//     11000010     4 bytes, little endian             the same
//     11000011     length n, length m, n bytes        (for a string) LZF that makes m bytes
//
// A string is a length and its bytes, or one of the last four forms. The reader borrows the
// payload; each call returns false where the bytes do not say what was asked for, and nothing is
// allocated on the strength of a length before that many bytes (for LZF: a fixed part of them) are
// known to be there, and the budget has been asked for what LZF makes of them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "server/rdb/budget.h"
#include "server/rdb/bytes.h"

namespace respcask::server::rdb {

class Reader {
 public:
  // `budget` outlives it.
  Reader(std::string_view bytes, Budget& budget) : cursor_(bytes), budget_(budget) {}

  Budget& budget() { return budget_; }

  bool at_end() const { return cursor_.at_end(); }

  [[nodiscard]] bool byte(uint8_t& out) { return cursor_.u8(out); }
  [[nodiscard]] bool length(uint64_t& out);
  [[nodiscard]] bool string(std::string& out);
  // The same without a copy where the bytes stand in the payload as they are; else they are put
  // into `storage`, which must outlive `out`.
  [[nodiscard]] bool string(std::string_view& out, std::string& storage);

  // A score as 8 bytes of IEEE 754, little endian; a score as text (a length byte and as many
  // bytes, or 253, 254, 255 for NaN and the two infinities). NaN is refused.
  [[nodiscard]] bool binary_score(double& out);
  [[nodiscard]] bool text_score(double& out);

 private:
  bool compressed(std::string& out);

  ByteCursor cursor_;
  Budget& budget_;
};

// The number that a sorted set's score text says, all of it; NaN and what is no number are refused.
bool parse_score(std::string_view text, double& out);

}  // namespace respcask::server::rdb

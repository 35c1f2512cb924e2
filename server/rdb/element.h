// One element of a packed blob (listpack, ziplist, intset, zipmap): either bytes or a 64-bit
// integer, whose meaning is its decimal text. All four readers hand out elements through the same
// call,
//
//     Step next(Element& out);
//
// so that the decoder treats them alike. An element borrows the blob's bytes. Also here: which
// texts are integers, since Redis stores such a text as a number and it must come back the same.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace respcask::server::rdb {

// What `next` found. After kEnd or kDamaged a reader must not be asked again.
enum class Step { kElement, kEnd, kDamaged };

struct Element {
  std::string_view text;  // meaningful where `number` is absent
  std::optional<int64_t> number;

  std::string to_string() const;
};

// The number whose canonical decimal text `text` is (no sign but '-', no leading zero, no "-0"), or
// nothing: exactly the texts that turn into a 64-bit integer and back without a change.
std::optional<int64_t> parse_canonical_integer(std::string_view text);

}  // namespace respcask::server::rdb

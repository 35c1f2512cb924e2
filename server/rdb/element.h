// One element of a packed blob (listpack, ziplist, intset, zipmap): either bytes or a 64-bit
// integer, whose meaning is its decimal text. All four readers hand out elements through the same
// call,
//
//     Step next(Element& out);
//
// so that the decoder treats them alike. An element borrows the blob's bytes.
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

  std::string to_string() const { return number ? std::to_string(*number) : std::string(text); }
};

}  // namespace respcask::server::rdb

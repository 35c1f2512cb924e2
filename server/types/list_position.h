// ListPosition: where in a long list an element stands, and how the names of its records say so.
//
// A position is a whole number and a fraction of 64 bits; the list's order is that of its elements'
// positions (list_index.h has how they are chosen). A name on disk:
//
//   element     its position
//   tombstone   a position, or two: all elements from the first to the second are gone
//
// A position on disk:
//
//   varint      (zigzag of the whole number) * 2 + 1 if a fraction follows
//   8           the fraction, little endian, if there is one
//
// Values; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/varint.h"

namespace respcask::server {

// Fixed point: the whole number above, the fraction below.
__extension__ typedef __int128 ListPosition;
inline constexpr ListPosition kListStep = ListPosition{1} << 64;  // from a whole number to the next

// The whole number below it.
ListPosition whole_of(ListPosition position);

// A name as it is written.
class ListName {
 public:
  // The whole number is within 61 bits, which no number of pushes leaves.
  explicit ListName(ListPosition position);
  // Of a tombstone for all from `first` to `last`.
  ListName(ListPosition first, ListPosition last);
  std::string_view view() const { return {bytes_.data(), size_}; }
  static uint32_t size_of(ListPosition position);
  static constexpr size_t kMaxSize = engine::kMaxVarintSize + 8;

 private:
  std::array<char, 2 * kMaxSize> bytes_;
  size_t size_;
};

// Reads the position that `name` begins with and takes it off. Nothing if there is none, or one so
// far out that what is pushed beyond it could leave its bits.
std::optional<ListPosition> decode_position(std::string_view& name);
// The one position that a name is; nothing for any other name.
std::optional<ListPosition> decode_list_name(std::string_view name);

}  // namespace respcask::server

#include "server/types/list_position.h"

#include <cassert>

namespace respcask::server {

namespace {

int64_t whole_number(ListPosition position) {
  return static_cast<int64_t>(position >> 64);
}
uint64_t fraction_of(ListPosition position) {
  return static_cast<uint64_t>(position);
}
ListPosition position_of(int64_t whole, uint64_t fraction) {
  return static_cast<ListPosition>(whole) * kListStep + static_cast<ListPosition>(fraction);
}

// Twice the zigzag must fit: whole numbers stay within 62 bits, which no number of pushes leaves.
constexpr int64_t kMaxWhole = int64_t{1} << 61;
// What is read leaves as much to push before and behind it.
constexpr int64_t kMaxWholeRead = kMaxWhole / 2;

uint64_t first_word(ListPosition position) {
  const int64_t whole = whole_number(position);
  assert(whole > -kMaxWhole && whole < kMaxWhole);
  const uint64_t zigzag = static_cast<uint64_t>(whole) << 1 ^ static_cast<uint64_t>(whole >> 63);
  return zigzag << 1 | (fraction_of(position) != 0 ? 1 : 0);
}

char* encode(ListPosition position, char* out) {
  out = engine::encode_varint(first_word(position), out);
  if (uint64_t fraction = fraction_of(position); fraction != 0) {
    for (int i = 0; i < 8; ++i) *out++ = static_cast<char>(fraction >> (8 * i));
  }
  return out;
}

}  // namespace

ListPosition whole_of(ListPosition position) {
  return position_of(whole_number(position), 0);
}

std::optional<ListPosition> decode_position(std::string_view& name) {
  uint64_t word = 0;
  const char* const end = name.data() + name.size();
  const char* at = engine::decode_varint(name.data(), end, word);
  if (at == nullptr) return std::nullopt;
  uint64_t fraction = 0;
  if ((word & 1) != 0) {
    if (end - at < 8) return std::nullopt;
    for (int i = 0; i < 8; ++i) fraction |= uint64_t{static_cast<unsigned char>(*at++)} << (8 * i);
  }
  const uint64_t zigzag = word >> 1;
  const auto whole = static_cast<int64_t>(zigzag >> 1 ^ (0 - (zigzag & 1)));
  if (whole <= -kMaxWholeRead || whole >= kMaxWholeRead) return std::nullopt;
  name.remove_prefix(static_cast<size_t>(at - name.data()));
  return position_of(whole, fraction);
}

std::optional<ListPosition> decode_list_name(std::string_view name) {
  const auto position = decode_position(name);
  return name.empty() ? position : std::nullopt;
}

ListName::ListName(ListPosition position) {
  size_ = static_cast<size_t>(encode(position, bytes_.data()) - bytes_.data());
}

ListName::ListName(ListPosition first, ListPosition last) {
  size_ = static_cast<size_t>(encode(last, encode(first, bytes_.data())) - bytes_.data());
}

uint32_t ListName::size_of(ListPosition position) {
  const size_t fraction = fraction_of(position) != 0 ? 8 : 0;
  return static_cast<uint32_t>(engine::varint_size(first_word(position)) + fraction);
}

}  // namespace respcask::server

#include "server/types/packed.h"

#include <cassert>

namespace respcask::server {

void Packed::Iterator::load() {
  uint64_t size = 0;
  const char* element = engine::decode_varint(at_, end_, size);
  assert(element != nullptr && size <= static_cast<uint64_t>(end_ - element));
  element_ = {element, static_cast<size_t>(size)};
}

Packed::Packed(std::string_view bytes) : bytes_(bytes) {
  elements_ = engine::decode_varint(bytes.data(), end(bytes), count_);
  assert(elements_ != nullptr);
}

void PackedWriter::append(std::string_view element) {
  std::array<char, engine::kMaxVarintSize> size;
  const char* size_end = engine::encode_varint(element.size(), size.data());
  body_.append(size.data(), static_cast<size_t>(size_end - size.data()));
  body_.append(element);
  ++count_;
}

void PackedWriter::append_run(const Packed::Iterator& from, const Packed::Iterator& to) {
  assert(from.index() <= to.index());
  if (from == to) return;
  body_.append(from.at_, to.at_);
  count_ += to.index() - from.index();
}

std::array<std::string_view, 2> PackedWriter::pieces() {
  const char* end = engine::encode_varint(count_, header_.data());
  return {std::string_view(header_.data(), static_cast<size_t>(end - header_.data())), body_};
}

}  // namespace respcask::server

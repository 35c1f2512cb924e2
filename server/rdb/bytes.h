// Reading and writing fixed-width integers in a run of bytes: the bounds-checked cursor on which
// every reader of this directory stands, and its writing counterpart.
//
// Invariant: a cursor never looks past the bytes that it was given; a read that does not fit
// returns false and moves nothing. The cursor and the views it hands out borrow the caller's bytes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace respcask::server::rdb {

class ByteCursor {
 public:
  explicit ByteCursor(std::string_view bytes) : rest_(bytes) {}

  size_t remaining() const { return rest_.size(); }
  bool at_end() const { return rest_.empty(); }

  // The next `size` bytes. `size` may be a claim of the input: it is compared before it is used.
  [[nodiscard]] bool take(uint64_t size, std::string_view& out) {
    if (size > rest_.size()) return false;
    out = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return true;
  }

  // The next byte, which stays where it is.
  [[nodiscard]] bool peek(uint8_t& out) const {
    if (rest_.empty()) return false;
    out = static_cast<uint8_t>(rest_.front());
    return true;
  }

  [[nodiscard]] bool u8(uint8_t& out) {
    if (!peek(out)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // An integer of `size` bytes (at most 8), least significant byte first.
  [[nodiscard]] bool little(size_t size, uint64_t& out) {
    std::string_view bytes;
    if (!take(size, bytes)) return false;
    out = 0;
    for (size_t i = size; i-- > 0;) out = out << 8 | static_cast<uint8_t>(bytes[i]);
    return true;
  }

  // The same, most significant byte first.
  [[nodiscard]] bool big(size_t size, uint64_t& out) {
    std::string_view bytes;
    if (!take(size, bytes)) return false;
    out = 0;
    for (const char byte : bytes) out = out << 8 | static_cast<uint8_t>(byte);
    return true;
  }

  // A signed integer of `size` bytes (1 to 8) in two's complement, least significant byte first.
  [[nodiscard]] bool little_signed(size_t size, int64_t& out) {
    uint64_t bits = 0;
    if (!little(size, bits)) return false;
    const size_t unused_bits = 64 - 8 * size;
    out = static_cast<int64_t>(bits << unused_bits) >> unused_bits;
    return true;
  }

 private:
  std::string_view rest_;
};

// Appends the low `size` bytes of `value`, least significant byte first.
inline void append_little(std::string& out, uint64_t value, size_t size) {
  for (size_t i = 0; i < size; ++i) out.push_back(static_cast<char>(value >> (8 * i)));
}

// The same, most significant byte first.
inline void append_big(std::string& out, uint64_t value, size_t size) {
  for (size_t i = size; i-- > 0;) out.push_back(static_cast<char>(value >> (8 * i)));
}

}  // namespace respcask::server::rdb

// Input: what a fuzz target takes its choices from, byte by byte; zeros once the bytes are used up.
//
// A view: it owns nothing and copies nothing. require() ends the process with a sentence, which is
// how a target reports what must not be. One thread.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace respcask::fuzz {

inline void require(bool holds, std::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "%.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(reinterpret_cast<const char*>(data), size) {}

  bool empty() const { return rest_.empty(); }
  uint8_t byte() {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }
  uint32_t word() {
    const uint32_t low = byte();
    return low | uint32_t{byte()} << 8;
  }
  // One of `count`, which is at least one and at most 65536.
  size_t below(size_t count) { return (count <= 256 ? byte() : word()) % count; }
  // The next `size` bytes, or as many as there are.
  std::string_view bytes(size_t size) {
    const std::string_view taken = rest_.substr(0, std::min(size, rest_.size()));
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest() { return bytes(rest_.size()); }

 private:
  std::string_view rest_;
};

}  // namespace respcask::fuzz

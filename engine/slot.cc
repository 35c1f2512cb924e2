#include "engine/slot.h"

#include <array>
#include <cstddef>

namespace respcask::engine {
namespace {

// Slicing by eight: table k holds the effect of a byte that k more bytes follow. Keys are short, so
// the loop by single bytes would be most of the cost of finding a shard.
using Tables = std::array<std::array<std::uint16_t, 256>, 8>;

constexpr Tables make_tables() {
  Tables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte << 8;
    for (int bit = 0; bit < 8; ++bit) crc = (crc << 1) ^ ((crc & 0x8000) != 0 ? 0x1021u : 0u);
    tables[0][byte] = static_cast<std::uint16_t>(crc);
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = static_cast<std::uint16_t>((crc << 8) ^ tables[0][crc >> 8]);
    }
  return tables;
}

constexpr Tables kTables = make_tables();

}  // namespace

std::uint16_t crc16(std::string_view bytes) {
  std::uint32_t crc = 0;
  std::size_t left = bytes.size();
  const char* next = bytes.data();
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return static_cast<unsigned char>(next[i]);
  };
  for (; left >= 8; next += 8, left -= 8)
    crc = kTables[7][byte(0) ^ (crc >> 8)] ^ kTables[6][byte(1) ^ (crc & 0xFF)] ^
          kTables[5][byte(2)] ^ kTables[4][byte(3)] ^ kTables[3][byte(4)] ^ kTables[2][byte(5)] ^
          kTables[1][byte(6)] ^ kTables[0][byte(7)];
  if (left >= 4) {
    crc = kTables[3][byte(0) ^ (crc >> 8)] ^ kTables[2][byte(1) ^ (crc & 0xFF)] ^
          kTables[1][byte(2)] ^ kTables[0][byte(3)];
    next += 4;
    left -= 4;
  }
  for (; left > 0; ++next, --left) crc = ((crc << 8) & 0xFFFF) ^ kTables[0][byte(0) ^ (crc >> 8)];
  return static_cast<std::uint16_t>(crc);
}

std::uint16_t key_slot(std::string_view key) {
  const std::size_t open = key.find('{');
  if (open != std::string_view::npos) {
    const std::size_t close = key.find('}', open + 1);
    if (close != std::string_view::npos && close != open + 1)
      key = key.substr(open + 1, close - open - 1);
  }
  return static_cast<std::uint16_t>(crc16(key) % kSlots);
}

}  // namespace respcask::engine

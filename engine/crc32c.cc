#include "engine/crc32c.h"

#include <array>
#include <cstddef>

#if defined(__SSE4_2__) && defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

#include "engine/fixed_width.h"

namespace respcask::engine {
namespace {

constexpr std::uint32_t kPolynomial = 0x82F63B78;

// Slicing by eight (Kounavis and Berry, 2005): table k holds the effect of a byte that k more bytes
// follow.
using SliceTables = std::array<std::array<std::uint32_t, 256>, 8>;

constexpr SliceTables make_slice_tables() {
  SliceTables tables{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    std::uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? kPolynomial : 0);
    tables[0][byte] = crc;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t byte = 0; byte < 256; ++byte) {
      const std::uint32_t crc = tables[k - 1][byte];
      tables[k][byte] = (crc >> 8) ^ tables[0][crc & 0xFF];
    }
  return tables;
}

constexpr SliceTables kSliceTables = make_slice_tables();

#if defined(__SSE4_2__) && defined(__x86_64__)
#define RESPCASK_HARDWARE_CRC32C 1
std::uint32_t step(std::uint32_t crc, std::uint64_t word) {
  return static_cast<std::uint32_t>(_mm_crc32_u64(crc, word));
}
std::uint32_t step_half(std::uint32_t crc, std::uint32_t word) {
  return _mm_crc32_u32(crc, word);
}
std::uint32_t step_byte(std::uint32_t crc, unsigned char byte) {
  return _mm_crc32_u8(crc, byte);
}
#elif defined(__ARM_FEATURE_CRC32)
#define RESPCASK_HARDWARE_CRC32C 1
std::uint32_t step(std::uint32_t crc, std::uint64_t word) {
  return __crc32cd(crc, word);
}
std::uint32_t step_half(std::uint32_t crc, std::uint32_t word) {
  return __crc32cw(crc, word);
}
std::uint32_t step_byte(std::uint32_t crc, unsigned char byte) {
  return __crc32cb(crc, byte);
}
#else
#define RESPCASK_HARDWARE_CRC32C 0
#endif

#if RESPCASK_HARDWARE_CRC32C

// The product of two polynomials modulo the CRC's, bits reflected: 1 << 31 is x^0.
constexpr std::uint32_t multiply(std::uint32_t a, std::uint32_t b) {
  std::uint32_t product = 0;
  for (std::uint32_t bit = std::uint32_t{1} << 31; bit != 0; bit >>= 1) {
    if ((a & bit) != 0) product ^= b;
    b = (b >> 1) ^ ((b & 1) != 0 ? kPolynomial : 0);
  }
  return product;
}

// What `kLength` more zero bytes make of a CRC, that is its product with x^(8 * kLength), by a
// table for each of its bytes.
template <std::size_t kLength>
class ZerosOperator {
 public:
  static std::uint32_t apply(std::uint32_t crc) {
    return kTables[0][crc & 0xFF] ^ kTables[1][(crc >> 8) & 0xFF] ^ kTables[2][(crc >> 16) & 0xFF] ^
           kTables[3][crc >> 24];
  }

 private:
  using Tables = std::array<std::array<std::uint32_t, 256>, 4>;

  static constexpr Tables make_tables() {
    std::uint32_t power = std::uint32_t{1} << 31;
    std::uint32_t square = std::uint32_t{1} << 30;  // x^1, then x^2, x^4, ...
    for (std::size_t exponent = 8 * kLength; exponent != 0; exponent >>= 1) {
      if ((exponent & 1) != 0) power = multiply(power, square);
      square = multiply(square, square);
    }
    Tables tables{};
    for (std::size_t k = 0; k < 4; ++k)
      for (std::uint32_t byte = 1; byte < 256; ++byte) {
        const std::uint32_t low = byte & (~byte + 1);
        tables[k][byte] = low == byte
                              ? multiply(power, byte << (8 * k))
                              : tables[k][byte ^ low] ^ tables[k][low];  // the operator is linear
      }
    return tables;
  }

  static constexpr Tables kTables = make_tables();
};

// The instruction takes three cycles but a new one can start every cycle: three independent runs of
// kLength bytes, side by side, are three times as fast as one (Gopal et al., Intel, 2011).
template <std::size_t kLength>
std::uint32_t three_ways(std::uint32_t crc, const char*& next, std::size_t& left) {
  static_assert(kLength % 8 == 0);
  while (left >= 3 * kLength) {
    std::uint32_t second = 0;
    std::uint32_t third = 0;
    for (std::size_t i = 0; i < kLength; i += 8) {
      crc = step(crc, load<std::uint64_t>(next + i));
      second = step(second, load<std::uint64_t>(next + kLength + i));
      third = step(third, load<std::uint64_t>(next + 2 * kLength + i));
    }
    crc = ZerosOperator<kLength>::apply(crc) ^ second;
    crc = ZerosOperator<kLength>::apply(crc) ^ third;
    next += 3 * kLength;
    left -= 3 * kLength;
  }
  return crc;
}

#endif

}  // namespace

std::uint32_t crc32c(std::string_view bytes, std::uint32_t seed) {
#if RESPCASK_HARDWARE_CRC32C
  std::uint32_t crc = ~seed;
  const char* next = bytes.data();
  std::size_t left = bytes.size();
  crc = three_ways<4096>(crc, next, left);
  crc = three_ways<256>(crc, next, left);
  for (; left >= 8; next += 8, left -= 8) crc = step(crc, load<std::uint64_t>(next));
  if (left >= 4) {
    crc = step_half(crc, load<std::uint32_t>(next));
    next += 4;
    left -= 4;
  }
  for (; left > 0; ++next, --left) crc = step_byte(crc, static_cast<unsigned char>(*next));
  return ~crc;
#else
  return crc32c_by_tables(bytes, seed);
#endif
}

std::uint32_t crc32c_by_tables(std::string_view bytes, std::uint32_t seed) {
  std::uint32_t crc = ~seed;
  const char* next = bytes.data();
  std::size_t left = bytes.size();
  for (; left >= 8; next += 8, left -= 8) {
    const std::uint64_t word = load<std::uint64_t>(next) ^ crc;
    crc = 0;
    for (unsigned i = 0; i < 8; ++i) crc ^= kSliceTables[7 - i][(word >> (8 * i)) & 0xFF];
  }
  for (; left > 0; ++next, --left)
    crc = (crc >> 8) ^ kSliceTables[0][(crc ^ static_cast<unsigned char>(*next)) & 0xFF];
  return ~crc;
}

}  // namespace respcask::engine

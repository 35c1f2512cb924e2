// HyperLogLogs: strings that estimate how many distinct elements they were shown, in Redis's own
// format, so that GET and DUMP give the same bytes as Redis and take its bytes back. The format
// stands at the head of hyperloglog.cc.
//
// An element is hashed; 14 bits of the hash choose one of 16384 registers, and the register keeps
// the highest rank it saw: 1 + the zeros before the first one in the other 50 bits (P. Flajolet
// et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007).
//
// Whatever bytes a string holds, nothing here reads or writes outside them: a client can SET any.
// Functions that take `bytes` want a whole string for which encoding_of() gave an encoding. Pure
// functions over the caller's memory; any thread.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace respcask::server::hll {

inline constexpr unsigned kIndexBits = 14;
inline constexpr uint32_t kRegisters = 1u << kIndexBits;
inline constexpr unsigned kMaxRank = 64 - kIndexBits + 1;  // of an element; six bits hold more
inline constexpr unsigned kRegisterBits = 6;
inline constexpr size_t kHeaderBytes = 16;
inline constexpr size_t kDenseBytes = kHeaderBytes + kRegisters * kRegisterBits / 8;
// No longer string in the sparse encoding is whole and sound.
inline constexpr size_t kMaxSparseBytes = kHeaderBytes + 2 * kRegisters;

enum class Encoding : uint8_t { kDense = 0, kSparse = 1 };

// Nothing if a string that begins with `header`, its first kHeaderBytes or all of it, and is
// `length` bytes long is no HyperLogLog.
std::optional<Encoding> encoding_of(std::string_view header, uint64_t length);

// What an element tells: the register that it belongs to must be at least `value`.
struct Rank {
  uint32_t index = 0;
  uint8_t value = 0;
};
Rank rank_of(std::string_view element);

// One that was shown nothing: sparse, with a cached count of 0.
std::string make_empty();

// The count that was found before the last change; nothing if it is outdated. The header's last
// eight bytes hold it, from kCountOffset on; kStaleOffset is the one that says so.
inline constexpr size_t kCountOffset = 8;
inline constexpr size_t kStaleOffset = 15;
std::optional<uint64_t> cached_count(std::string_view header);
std::array<char, 8> encode_cached_count(uint64_t count);
// The byte at kStaleOffset of one that has changed.
constexpr char stale(char byte) {
  return static_cast<char>(byte | '\x80');
}

// The bytes [first, second) of a dense one that hold a register.
constexpr std::pair<size_t, size_t> dense_range(uint32_t index) {
  const size_t bit = size_t{index} * kRegisterBits;
  return {kHeaderBytes + bit / 8, kHeaderBytes + (bit + kRegisterBits + 7) / 8};
}
// `dense` are the kDenseBytes of a dense one, of which only dense_range() is used.
uint8_t dense_register(const char* dense, uint32_t index);
// Raises a register to the rank. False, with nothing changed, if it was as high.
bool raise_dense(char* dense, Rank rank);

// The same in a string of either encoding, whose cached count becomes outdated. A sparse one turns
// dense when it would exceed `sparse_max_bytes` or cannot hold the rank. Nothing is changed in a
// damaged one; not all damage is seen here.
enum class Raised : uint8_t { kUnchanged, kRaised, kDamaged };
Raised raise(std::string& bytes, Rank rank, uint64_t sparse_max_bytes);

// False, with nothing changed, if it is damaged.
bool make_dense(std::string& bytes);

using Registers = std::array<uint8_t, kRegisters>;
// Raises `registers` to those in `bytes`. False if it is damaged; then some may be raised.
bool merge_into(Registers& registers, std::string_view bytes);

// How many registers have each value.
using Histogram = std::array<uint32_t, 1 << kRegisterBits>;
std::optional<Histogram> histogram(std::string_view bytes);  // nothing if it is damaged
Histogram histogram(const Registers& registers);

// The estimated number of distinct elements (O. Ertl, "New cardinality estimation algorithms for
// HyperLogLog sketches", 2017, section 4: algorithm 6). Registers that no element can have made may
// give anything.
uint64_t estimate(const Histogram& histogram);

// A run of equal registers in the sparse encoding, `size` bytes long at `at`.
struct Run {
  size_t at = 0;
  size_t size = 0;
  uint32_t registers = 0;
  uint8_t value = 0;  // 0: not raised; it is then told in 1 or 2 bytes
};
// The run that begins at byte `at`; nothing at the end and where it is cut short.
std::optional<Run> run_at(std::string_view bytes, size_t at);

// Checks the registers, both encodings and the estimate against each other and against counts that
// are known. What is wrong; empty if nothing is. Takes some ten milliseconds.
std::string self_test();

}  // namespace respcask::server::hll

// The format is Redis's:
//
//   offset  size  what
//   0       4     "HYLL"
//   4       1     encoding: 0 dense, 1 sparse
//   5       3     not used, 0
//   8       8     cached count, little endian; outdated if its highest bit is set
//   16            the registers
//
// Dense: 16384 registers of 6 bits, the first in the lowest bits of the first byte, 12288 bytes.
// Sparse: runs of equal registers, one behind the other, 16384 registers together:
//
//   00nnnnnn           n + 1 registers of 0
//   01nnnnnn nnnnnnnn  n + 1 registers of 0, n big endian
//   1vvvvvnn           n + 1 registers of v + 1

#include "server/types/hyperloglog.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>
#include <limits>

namespace respcask::server::hll {

namespace {

constexpr std::string_view kMagic = "HYLL";
constexpr uint64_t kStale = uint64_t{1} << 63;

constexpr uint8_t kSparseMaxValue = 32;
constexpr uint32_t kMaxValueRun = 4;
constexpr uint32_t kMaxShortZeroRun = 64;

uint8_t byte_at(std::string_view bytes, size_t i) {
  return static_cast<uint8_t>(bytes[i]);
}

// MurmurHash64A by Austin Appleby, reading the words as little endian ones.
uint64_t murmur_hash(std::string_view bytes, uint64_t seed) {
  constexpr uint64_t kFactor = 0xc6a4a7935bd1e995;
  constexpr int kShift = 47;
  const auto word = [&](size_t at, size_t size) {
    uint64_t value = 0;
    for (size_t i = 0; i < size; ++i) value |= uint64_t{byte_at(bytes, at + i)} << (8 * i);
    return value;
  };
  uint64_t hash = seed ^ (bytes.size() * kFactor);
  size_t at = 0;
  for (; bytes.size() - at >= 8; at += 8) {
    uint64_t mixed = word(at, 8) * kFactor;
    mixed = (mixed ^ mixed >> kShift) * kFactor;
    hash = (hash ^ mixed) * kFactor;
  }
  if (at < bytes.size()) hash = (hash ^ word(at, bytes.size() - at)) * kFactor;
  hash = (hash ^ hash >> kShift) * kFactor;
  return hash ^ hash >> kShift;
}

// Up to five bytes of runs in the making.
class RunWriter {
 public:
  void put(uint8_t value, uint32_t registers) {
    if (registers == 0) return;
    if (value != 0) {
      byte(0x80u | (value - 1u) << 2 | (registers - 1));
    } else if (registers <= kMaxShortZeroRun) {
      byte(registers - 1);
    } else {
      byte(0x40 | (registers - 1) >> 8);
      byte(registers - 1);
    }
  }
  std::string_view view() const { return {bytes_, size_}; }

 private:
  void byte(uint32_t value) { bytes_[size_++] = static_cast<char>(value); }
  char bytes_[5];
  size_t size_ = 0;
};

// Joins neighbours of one value from the run at `at` on. It looks at five runs, as Redis does: how
// far it goes shows in the bytes.
void join_runs(std::string& bytes, size_t at) {
  for (int looked_at = 0; looked_at < 5; ++looked_at) {
    const auto run = run_at(bytes, at);
    if (!run) return;
    const auto next = run->value != 0 ? run_at(bytes, at + run->size) : std::nullopt;
    if (next && next->value == run->value && run->registers + next->registers <= kMaxValueRun) {
      RunWriter joined;
      joined.put(run->value, run->registers + next->registers);
      bytes.replace(at, run->size + next->size, joined.view());
    } else {
      at += run->size;
    }
  }
}

Raised raise_promoted(std::string& bytes, Rank rank) {
  if (!make_dense(bytes)) return Raised::kDamaged;
  return raise_dense(bytes.data(), rank) ? Raised::kRaised : Raised::kUnchanged;
}

Raised raise_sparse(std::string& bytes, Rank rank, uint64_t max_bytes) {
  if (rank.value > kSparseMaxValue) return raise_promoted(bytes, rank);
  uint32_t first = 0;
  size_t previous = kHeaderBytes;
  auto run = run_at(bytes, kHeaderBytes);
  while (run && rank.index >= first + run->registers) {
    previous = run->at;
    first += run->registers;
    run = run_at(bytes, run->at + run->size);
  }
  if (!run) return Raised::kDamaged;
  if (run->value >= rank.value) return Raised::kUnchanged;

  const uint32_t before = rank.index - first;
  RunWriter split;
  split.put(run->value, before);
  split.put(rank.value, 1);
  split.put(run->value, run->registers - before - 1);
  const size_t size = bytes.size() - run->size + split.view().size();
  if (size > bytes.size() && size > max_bytes) return raise_promoted(bytes, rank);
  bytes.replace(run->at, run->size, split.view());
  join_runs(bytes, previous);
  return Raised::kRaised;
}

// Calls visit(value, registers) for the runs of a sparse one. False if it is damaged; what was
// visited did not exceed the registers that there are.
template <class Visit>
bool visit_runs(std::string_view bytes, Visit visit) {
  uint32_t registers = 0;
  size_t at = kHeaderBytes;
  while (const auto run = run_at(bytes, at)) {
    registers += run->registers;
    if (registers > kRegisters) return false;
    visit(run->value, run->registers);
    at += run->size;
  }
  return registers == kRegisters && at == bytes.size();
}

// Four registers to three bytes.
void unpack_dense(std::string_view bytes, Registers& registers) {
  for (size_t at = kHeaderBytes, i = 0; i < kRegisters; at += 3, i += 4) {
    const uint32_t word =
        byte_at(bytes, at) | byte_at(bytes, at + 1) << 8 | byte_at(bytes, at + 2) << 16;
    for (size_t j = 0; j < 4; ++j) registers[i + j] = word >> (kRegisterBits * j) & 0x3f;
  }
}

bool is_dense(std::string_view bytes) {
  return byte_at(bytes, kMagic.size()) == static_cast<uint8_t>(Encoding::kDense);
}

// The series that stand in the estimate for the registers at their least and at their greatest.
// Each is summed until a further term makes no difference.
double sum_for_lowest(double x) {
  if (x == 1) return std::numeric_limits<double>::infinity();
  double sum = x;
  double before;
  double weight = 1;
  do {
    x *= x;
    before = sum;
    sum += x * weight;
    weight += weight;
  } while (sum != before);
  return sum;
}

double sum_for_highest(double x) {
  if (x == 0 || x == 1) return 0;
  double sum = 1 - x;
  double before;
  double weight = 1;
  do {
    x = std::sqrt(x);
    before = sum;
    weight *= 0.5;
    sum -= (1 - x) * (1 - x) * weight;
  } while (sum != before);
  return sum / 3;
}

}  // namespace

std::optional<Encoding> encoding_of(std::string_view header, uint64_t length) {
  if (length < kHeaderBytes || !header.starts_with(kMagic)) return std::nullopt;
  switch (byte_at(header, kMagic.size())) {
    case static_cast<uint8_t>(Encoding::kDense):
      if (length == kDenseBytes) return Encoding::kDense;
      return std::nullopt;
    case static_cast<uint8_t>(Encoding::kSparse):
      return Encoding::kSparse;
  }
  return std::nullopt;
}

Rank rank_of(std::string_view element) {
  constexpr uint64_t kSeed = 0xadc83b19;
  const uint64_t hash = murmur_hash(element, kSeed);
  const uint64_t rest = hash >> kIndexBits | uint64_t{1} << (kMaxRank - 1);
  return {static_cast<uint32_t>(hash % kRegisters),
          static_cast<uint8_t>(std::countr_zero(rest) + 1)};
}

std::string make_empty() {
  std::string bytes(kMagic);
  bytes.push_back(static_cast<char>(Encoding::kSparse));
  bytes.resize(kHeaderBytes);
  RunWriter all;
  all.put(0, kRegisters);
  bytes += all.view();
  return bytes;
}

std::optional<uint64_t> cached_count(std::string_view header) {
  uint64_t count = 0;
  for (size_t i = 0; i < 8; ++i) count |= uint64_t{byte_at(header, kCountOffset + i)} << (8 * i);
  if ((count & kStale) != 0) return std::nullopt;
  return count;
}

std::array<char, 8> encode_cached_count(uint64_t count) {
  std::array<char, 8> bytes;
  for (size_t i = 0; i < 8; ++i) bytes[i] = static_cast<char>(count >> (8 * i));
  return bytes;
}

uint8_t dense_register(const char* dense, uint32_t index) {
  const auto [begin, end] = dense_range(index);
  unsigned word = static_cast<uint8_t>(dense[begin]);
  if (end - begin == 2) word |= static_cast<unsigned>(static_cast<uint8_t>(dense[begin + 1])) << 8;
  return word >> (index * kRegisterBits % 8) & 0x3f;
}

bool raise_dense(char* dense, Rank rank) {
  if (dense_register(dense, rank.index) >= rank.value) return false;
  const auto [begin, end] = dense_range(rank.index);
  const unsigned shift = rank.index * kRegisterBits % 8;
  const unsigned mask = 0x3fu << shift, value = unsigned{rank.value} << shift;
  dense[begin] = static_cast<char>((static_cast<uint8_t>(dense[begin]) & ~mask) | value);
  if (end - begin == 2) {
    dense[begin + 1] =
        static_cast<char>((static_cast<uint8_t>(dense[begin + 1]) & ~(mask >> 8)) | value >> 8);
  }
  return true;
}

Raised raise(std::string& bytes, Rank rank, uint64_t sparse_max_bytes) {
  Raised raised;
  if (is_dense(bytes)) {
    raised = raise_dense(bytes.data(), rank) ? Raised::kRaised : Raised::kUnchanged;
  } else {
    raised = raise_sparse(bytes, rank, sparse_max_bytes);
  }
  if (raised == Raised::kRaised) bytes[kStaleOffset] = stale(bytes[kStaleOffset]);
  return raised;
}

bool make_dense(std::string& bytes) {
  if (is_dense(bytes)) return true;
  std::string dense(bytes, 0, kHeaderBytes);
  dense[kMagic.size()] = static_cast<char>(Encoding::kDense);
  dense.resize(kDenseBytes);
  uint32_t index = 0;
  const bool sound = visit_runs(bytes, [&](uint8_t value, uint32_t registers) {
    const uint32_t end = index + registers;
    for (; value != 0 && index < end; ++index) raise_dense(dense.data(), {index, value});
    index = end;
  });
  if (sound) bytes = std::move(dense);
  return sound;
}

bool merge_into(Registers& registers, std::string_view bytes) {
  if (is_dense(bytes)) {
    Registers others;
    unpack_dense(bytes, others);
    for (size_t i = 0; i < kRegisters; ++i) registers[i] = std::max(registers[i], others[i]);
    return true;
  }
  uint32_t index = 0;
  return visit_runs(bytes, [&](uint8_t value, uint32_t count) {
    for (const uint32_t end = index + count; index < end; ++index) {
      registers[index] = std::max(registers[index], value);
    }
  });
}

std::optional<Histogram> histogram(std::string_view bytes) {
  if (is_dense(bytes)) {
    Registers registers;
    unpack_dense(bytes, registers);
    return histogram(registers);
  }
  Histogram counts{};
  const bool sound =
      visit_runs(bytes, [&](uint8_t value, uint32_t registers) { counts[value] += registers; });
  if (!sound) return std::nullopt;
  return counts;
}

Histogram histogram(const Registers& registers) {
  // Neighbours are often alike: counting them apart spares the additions a wait for each other.
  std::array<Histogram, 4> parts{};
  for (size_t i = 0; i < kRegisters; ++i) ++parts[i % 4][registers[i] & 0x3f];
  for (size_t i = 0; i < parts[0].size(); ++i) {
    parts[0][i] += parts[1][i] + parts[2][i] + parts[3][i];
  }
  return parts[0];
}

uint64_t estimate(const Histogram& histogram) {
  constexpr double kHalfOfInverseLog2 = 0.721347520444481703680;
  constexpr double kCount = kRegisters;
  double sum = kCount * sum_for_highest((kCount - histogram[kMaxRank]) / kCount);
  for (unsigned value = kMaxRank - 1; value >= 1; --value) sum = (sum + histogram[value]) * 0.5;
  sum += kCount * sum_for_lowest(histogram[0] / kCount);
  const double estimate = kHalfOfInverseLog2 * kCount * kCount / sum;
  // Only made-up registers come to more; so does Redis answer then.
  if (!(estimate < 0x1p63)) return kStale;
  return static_cast<uint64_t>(std::llround(estimate));
}

std::optional<Run> run_at(std::string_view bytes, size_t at) {
  if (at >= bytes.size()) return std::nullopt;
  const uint32_t byte = byte_at(bytes, at);
  if ((byte & 0x80) != 0) {
    return Run{at, 1, (byte & 3) + 1, static_cast<uint8_t>((byte >> 2 & 0x1f) + 1)};
  }
  if ((byte & 0x40) == 0) return Run{at, 1, byte + 1, 0};
  if (at + 1 == bytes.size()) return std::nullopt;
  return Run{at, 2, ((byte & 0x3f) << 8 | byte_at(bytes, at + 1)) + 1, 0};
}

std::string self_test() {
  // Registers do not disturb each other.
  std::string dense = make_empty();
  make_dense(dense);
  Registers expected{};
  for (unsigned round = 1; round <= kMaxRank; ++round) {
    for (uint32_t i = 0; i < kRegisters; ++i) {
      // Any value for any register, a little higher each round.
      const auto value =
          static_cast<uint8_t>((i * 2654435761u >> 20) % kMaxRank * round / kMaxRank);
      raise_dense(dense.data(), {i, value});
      expected[i] = std::max(expected[i], value);
    }
    for (uint32_t i = 0; i < kRegisters; ++i) {
      if (dense_register(dense.data(), i) == expected[i]) continue;
      return "register " + std::to_string(i) + " holds another value than was set";
    }
  }

  // The error is within six standard deviations, and the encoding makes no difference.
  constexpr uint64_t kElements = 100'000;
  constexpr uint64_t kAlwaysSparse = std::numeric_limits<uint64_t>::max();
  constexpr uint64_t kMostSparse = 1000;
  dense = make_empty();
  make_dense(dense);
  std::string sparse = make_empty();
  uint64_t check = 1;
  for (uint64_t count = 1; count <= kElements; ++count) {
    const auto element = encode_cached_count(count);
    const Rank rank = rank_of({element.data(), element.size()});
    raise(dense, rank, 0);
    if (count <= kMostSparse) raise(sparse, rank, kAlwaysSparse);
    if (count != check) continue;
    check *= 10;
    const uint64_t found = estimate(*histogram(dense));
    const double deviation = 1.04 / std::sqrt(double{kRegisters});
    const double most = std::ceil(6 * deviation * static_cast<double>(count));
    if (std::abs(static_cast<double>(found) - static_cast<double>(count)) > most) {
      return "" + std::to_string(count) + " elements are estimated as " + std::to_string(found);
    }
    if (count <= kMostSparse && histogram(sparse) != histogram(dense)) {
      return "sparse and dense registers differ";
    }
  }
  return {};
}

}  // namespace respcask::server::hll

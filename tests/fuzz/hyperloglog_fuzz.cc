// Fuzz target: any string that passes for a HyperLogLog can be read and changed, its two encodings
// agree, and what is damaged is refused.
//
// Input: a byte that chooses the encoding and whether the registers are completed to a sound
// string, then changes (two bytes each, as many as the next byte says), then the registers.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "server/types/hyperloglog.h"

namespace respcask::server::hll {
namespace {

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

uint8_t take(std::string_view& input) {
  if (input.empty()) return 0;
  const auto byte = static_cast<uint8_t>(input.front());
  input.remove_prefix(1);
  return byte;
}

// Cuts the runs before they exceed the registers, and fills up with zeros.
void complete(std::string& bytes) {
  uint32_t registers = 0;
  size_t at = kHeaderBytes;
  for (auto run = run_at(bytes, at); run; run = run_at(bytes, at)) {
    if (registers + run->registers > kRegisters) break;
    registers += run->registers;
    at += run->size;
  }
  bytes.resize(at);
  for (; registers < kRegisters; ++registers) bytes.push_back('\0');
}

void run(std::string_view input) {
  const uint8_t choice = take(input);
  const bool dense = (choice & 1) != 0, sound = (choice & 2) != 0;
  std::vector<Rank> changes(take(input) % 32);
  for (Rank& change : changes) {
    const uint32_t index = take(input);
    change = {(index << 8 | take(input)) % kRegisters, static_cast<uint8_t>(1 + index % kMaxRank)};
  }
  std::string bytes("HYLL\x01\0\0\0\0\0\0\0\0\0\0\0", kHeaderBytes);
  bytes += input;
  if (dense) {
    bytes[4] = 0;
    bytes.resize(kDenseBytes);
  } else if (sound) {
    complete(bytes);
  }
  require(encoding_of(bytes, bytes.size()).has_value(), "a string with a header was not taken");

  const auto before = histogram(bytes);
  Registers registers{};
  require(merge_into(registers, bytes) == before.has_value(), "merging and counting disagree");
  require(!(dense || sound) || before, "a sound string was refused");
  if (before) {
    require(histogram(registers) == *before, "registers are not those that were counted");
    estimate(*before);
  }
  std::string as_dense = bytes;
  require(make_dense(as_dense) == before.has_value(), "converting and counting disagree");
  const uint64_t sparse_max_bytes = size_t{choice} * 16;
  for (const Rank& change : changes) {
    const Raised raised = raise(bytes, change, sparse_max_bytes);
    if (!before) continue;
    require(raised == raise(as_dense, change, 0), "the encodings change differently");
    registers[change.index] = std::max(registers[change.index], change.value);
  }
  if (!before) return;
  require(make_dense(bytes) && bytes == as_dense, "the encodings differ after changes");
  require(histogram(bytes) == histogram(registers), "a register was not raised");
}

}  // namespace
}  // namespace respcask::server::hll

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::server::hll::run({reinterpret_cast<const char*>(data), size});
  return 0;
}

#include "server/rdb/snapshot_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "server/rdb/budget.h"
#include "server/rdb/bytes.h"
#include "server/rdb/crc64.h"
#include "server/rdb/format.h"
#include "server/rdb/reader.h"

namespace respcask::server::rdb {

using engine::ErrorCode;

bool SnapshotBytes::fail(ErrorCode code, std::string message) {
  error_ = {code, fmt::format("at offset {}: {}", offset_, message)};
  return false;
}

bool SnapshotBytes::read(char* to, size_t count) {
  const size_t got = std::fread(to, 1, count, file_);
  const int reason = errno;
  offset_ += got;
  if (got < count) {
    if (std::ferror(file_) != 0) return fail(ErrorCode::kIo, std::strerror(reason));
    return fail(ErrorCode::kDamaged, "the file ends too early");
  }
  const std::string_view bytes(to, count);
  crc_ = crc64(bytes, crc_);
  if (keeps_) kept_ += bytes;
  return true;
}

bool SnapshotBytes::skip(uint64_t count) {
  std::array<char, 64 * 1024> buffer;
  while (count > 0) {
    const size_t part = std::min<uint64_t>(count, buffer.size());
    if (!read(buffer.data(), part)) return false;
    count -= part;
  }
  return true;
}

bool SnapshotBytes::little(size_t size, uint64_t& out) {
  std::array<char, 8> buffer;
  return read(buffer.data(), size) && ByteCursor({buffer.data(), size}).little(size, out);
}

bool SnapshotBytes::length_or_form(uint64_t& out, bool& is_form) {
  uint64_t first = 0;
  if (!little(1, first)) return false;
  is_form = first >= kInteger8;
  out = first;
  if (first < 0x40 || is_form) return true;
  // Most significant byte first.
  const size_t size = first < kLength32 ? 1 : first == kLength32 ? 4 : 8;
  if (first > kLength64) return fail(ErrorCode::kDamaged, "no length begins like this");
  std::array<char, 8> buffer;
  if (!read(buffer.data(), size) || !ByteCursor({buffer.data(), size}).big(size, out)) return false;
  if (size == 1) out |= (first & 0x3f) << 8;
  return true;
}

bool SnapshotBytes::length(uint64_t& out) {
  bool is_form = false;
  if (!length_or_form(out, is_form)) return false;
  return !is_form || fail(ErrorCode::kDamaged, "not a length");
}

bool SnapshotBytes::skip_lengths(int count) {
  for (uint64_t ignored = 0; count > 0; --count) {
    if (!length(ignored)) return false;
  }
  return true;
}

bool SnapshotBytes::skip_string() {
  uint64_t size = 0;
  bool is_form = false;
  if (!length_or_form(size, is_form)) return false;
  if (!is_form) {
    unpacked_ += size;
    return skip(size);
  }
  if (size <= kInteger32) return skip(uint64_t{1} << (size - kInteger8));
  if (size != kCompressed) return fail(ErrorCode::kDamaged, "no string begins like this");
  uint64_t compressed = 0;
  uint64_t unpacked = 0;
  if (!length(compressed) || !length(unpacked)) return false;
  unpacked_ += unpacked;
  return skip(compressed);
}

bool SnapshotBytes::raw_string(std::string& out) {
  keep(true);
  if (!skip_string()) return false;
  keep(false);
  out = take_kept();
  return true;
}

bool SnapshotBytes::string(std::string& out) {
  std::string raw;
  if (!raw_string(raw)) return false;
  Budget budget([](uint64_t) { return true; });
  return Reader(raw, budget).string(out) || fail(ErrorCode::kDamaged, "not a string");
}

bool SnapshotBytes::skip_text_score() {
  constexpr uint64_t kLeastSpecial = 253;  // from there on a number that has no text
  uint64_t size = 0;
  return little(1, size) && (size >= kLeastSpecial || skip(size));
}

}  // namespace respcask::server::rdb

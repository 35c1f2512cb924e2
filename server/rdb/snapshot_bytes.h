// SnapshotBytes: the building blocks of a Redis snapshot (reader.h), read from a stream, which may
// be longer than memory: what is read is kept only where that is asked for.
//
// Each call returns false where it cannot read what it is asked for; error() then says why, and
// nothing more is to be read. The caller owns the stream, and the bytes that are kept are here. One
// thread.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

#include "engine/result.h"

namespace respcask::server::rdb {

class SnapshotBytes {
 public:
  explicit SnapshotBytes(std::FILE* file) : file_(file) {}

  // Reads over so many bytes.
  [[nodiscard]] bool skip(uint64_t count);
  // An integer of `size` bytes (at most 8), least significant byte first.
  [[nodiscard]] bool little(size_t size, uint64_t& out);
  [[nodiscard]] bool length(uint64_t& out);
  [[nodiscard]] bool skip_lengths(int count);
  [[nodiscard]] bool skip_string();
  // The same while nothing else is kept: the string, and as it stands in the file.
  [[nodiscard]] bool string(std::string& out);
  [[nodiscard]] bool raw_string(std::string& out);
  // A score as text.
  [[nodiscard]] bool skip_text_score();

  // Bytes of the strings that were skipped, as they are once they are unpacked, since that was
  // asked last.
  uint64_t take_unpacked() { return std::exchange(unpacked_, 0); }

  // From now on what is read is kept, or no more. What was kept stays until it is taken.
  void keep(bool on) { keeps_ = on; }
  std::string take_kept() { return std::exchange(kept_, {}); }

  // Of all that was read.
  uint64_t checksum() const { return crc_; }

  // For what the bytes say that cannot be; always false.
  bool fail(engine::ErrorCode code, std::string message);
  const engine::Error& error() const { return error_; }

 private:
  bool read(char* to, size_t count);
  bool length_or_form(uint64_t& out, bool& is_form);

  std::FILE* const file_;
  uint64_t offset_ = 0;
  uint64_t crc_ = 0;
  uint64_t unpacked_ = 0;
  bool keeps_ = false;
  std::string kept_;
  engine::Error error_{engine::ErrorCode::kIo, ""};
};

}  // namespace respcask::server::rdb

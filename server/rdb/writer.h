// Writing RDB's building blocks, as Redis 7.0 chooses among their forms; their table stands in
// reader.h.
//
// The writer owns the bytes that it collects; finish() hands them over, closed with version and
// checksum.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "server/rdb/format.h"

namespace respcask::server::rdb {

class Writer {
 public:
  // `compress`: strings longer than 20 bytes go through LZF where that saves at least 4 bytes.
  explicit Writer(bool compress) : compress_(compress) {}

  void type(Type type) { bytes_.push_back(static_cast<char>(type)); }
  // In the shortest form.
  void length(uint64_t length);
  // As an integer where the text is one of 32 bits, compressed where that is wanted and pays, or
  // plain.
  void string(std::string_view text);
  // A string of `size` bytes that was compressed to `compressed` before.
  void compressed_string(std::string_view compressed, uint64_t size);

  void binary_score(double score);
  // What was written so far.
  std::string_view bytes() const { return bytes_; }

  std::string finish() &&;

 private:
  std::string bytes_;
  bool compress_;
};

// A type and a body, closed with version and checksum.
std::string closed(std::string body);

}  // namespace respcask::server::rdb

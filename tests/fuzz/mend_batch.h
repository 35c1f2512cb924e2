// mend_batch: right checksums for a batch that a fuzz target has forged, so that what lies behind
// them is looked at.
//
// A pure function over the caller's bytes; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/format.h"

namespace respcask::engine {

// Mends the checksum of the batch at `at` of a segment's bytes, and those of its values if
// `values`, as far as it has the form of one, and returns its end; 0 if it has not.
inline size_t mend_batch(std::string& bytes, size_t at, uint32_t identity, bool values) {
  const std::string_view rest = std::string_view(bytes).substr(at);
  const auto header = decode_batch_header(rest);
  const size_t trailer = header && header->has_transaction ? kTransactionTrailerSize : 0;
  if (!header || header->size < kBatchHeaderSize + trailer || header->size > rest.size()) return 0;
  const size_t end = at + header->size;
  uint32_t checksum = batch_seed(identity, at);
  size_t record_at = at + kBatchHeaderSize;
  for (uint32_t i = 0; i < header->records; ++i) {
    const std::string_view left =
        std::string_view(bytes).substr(record_at, end - trailer - record_at);
    size_t head = 0;
    const auto record = decode_record(left, head);
    if (!record) return 0;
    checksum = crc32c(left.substr(0, head), checksum);
    record_at += head;
    if (!has_value(record->kind)) continue;
    const uint64_t value = kValueChecksumSize + uint64_t{record->value_size};
    if (value > left.size() - head) return 0;
    const std::string_view body = left.substr(head + kValueChecksumSize, record->value_size);
    if (values) store(&bytes[record_at], crc32c(body));
    record_at += value;
  }
  checksum = crc32c(std::string_view(bytes).substr(end - trailer, trailer), checksum);
  checksum = crc32c(std::string_view(bytes).substr(at + 4, kBatchHeaderSize - 4), checksum);
  store(&bytes[at], checksum);
  return end;
}

}  // namespace respcask::engine

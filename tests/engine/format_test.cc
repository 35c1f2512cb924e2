#include "engine/format.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "engine/batch_builder.h"
#include "engine/crc32c.h"

using namespace respcask::engine;

namespace {

SegmentHeader a_header() {
  SegmentHeader header;
  header.shard = 3;
  header.first_id = 17;
  header.last_id = 19;
  header.generation = 2;
  header.store_id = 0x0123456789abcdef;
  header.first_sequence = 70000;
  header.completed = 9;
  header.previous_id = 16;
  header.previous_size = 4711;
  return header;
}

// A segment that holds one batch, of one put, behind `padding` bytes.
std::string a_segment(const SegmentHeader& header, std::string_view value, uint64_t padding = 0) {
  PendingLog log;
  BatchBuilder builder(log);
  const uint64_t offset = kSegmentHeaderSize + padding;
  builder.begin(70001, batch_seed(segment_identity(header), offset));
  Record record;
  record.name = "name";
  record.expiry_ms = 123456;
  record.value_size = static_cast<uint32_t>(value.size());
  const auto place = builder.append(record);
  const uint32_t checksum = crc32c(value);
  std::memcpy(place.value, &checksum, sizeof checksum);
  std::memcpy(place.value + kValueChecksumSize, value.data(), value.size());
  builder.end(100, 9, nullptr);
  std::string bytes = encode_segment_header(header) + std::string(padding, '\0');
  for (std::string_view piece : log.pieces()) bytes += piece;
  return bytes;
}

}  // namespace

TEST_CASE("a segment header comes back as it was written, and no flipped bit passes") {
  const std::string bytes = encode_segment_header(a_header());
  REQUIRE(bytes.size() == kSegmentHeaderSize);
  const auto header = decode_segment_header(bytes);
  REQUIRE(header);
  CHECK(encode_segment_header(*header) == bytes);
  CHECK(header->previous_size == 4711);
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    CHECK_FALSE(decode_segment_header(flipped));
  }
}

TEST_CASE("a batch comes back as it was written, and no flipped bit in it passes") {
  const std::string bytes = a_segment(a_header(), "the value");
  auto batch = BatchReader::open(bytes, kSegmentHeaderSize);
  REQUIRE(batch);
  CHECK(batch->end() == bytes.size());
  const auto placed = batch->next();
  REQUIRE(placed);
  CHECK(placed->record.name == "name");
  CHECK(placed->record.expiry_ms == 123456);
  CHECK(checked_value(bytes, placed->value_offset, placed->record.value_size) == "the value");
  CHECK_FALSE(batch->next());
  for (size_t bit = kSegmentHeaderSize * 8; bit < bytes.size() * 8; ++bit) {
    CAPTURE(bit);
    std::string flipped = bytes;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    auto read = BatchReader::open(flipped, kSegmentHeaderSize);
    if (!read) continue;
    const auto same = read->next();
    CHECK_FALSE(checked_value(flipped, same->value_offset, same->record.value_size));
  }
}

TEST_CASE("a record with a type that the keydir cannot hold is none") {
  Record record;
  record.name = "name";
  record.type = 127;
  std::string bytes(record_size_bound(record.name.size(), 0), '\0');
  size_t size = encode_record(record, bytes.data());
  CHECK(decode_record(std::string_view(bytes).substr(0, size), size));
  bytes[1] = '\x80';
  CHECK(!decode_record(std::string_view(bytes).substr(0, size), size));
}

TEST_CASE("a batch is valid only where it was written") {
  const std::string bytes = a_segment(a_header(), "the value");
  const std::string batch = bytes.substr(kSegmentHeaderSize);
  for (int field = 0; field < 4; ++field) {
    SegmentHeader other = a_header();
    if (field == 0) other.shard = 4;
    if (field == 1) other.first_id = 18;
    if (field == 2) other.generation = 3;
    if (field == 3) other.store_id = 1;
    CHECK_FALSE(BatchReader::open(encode_segment_header(other) + batch, kSegmentHeaderSize));
    CHECK(BatchReader::open(encode_segment_header(other) + batch, kSegmentHeaderSize,
                            segment_identity(a_header())));
  }
  CHECK_FALSE(BatchReader::open(bytes + batch, bytes.size()));
  CHECK(BatchReader::open(a_segment(a_header(), "v", 5), kSegmentHeaderSize + 5));
}

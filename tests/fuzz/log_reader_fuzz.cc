// Fuzz target: whatever a segment holds, LogReader finds the batches that BatchReader finds in the
// whole of its bytes, and reads the same records and values of them.
//
// Input: steps until the bytes end, each of which adds to the segment: a byte that chooses what
// (see Steps), a size, and so many bytes. What is larger than the reader's buffer is made of zeros.
#include <algorithm>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/format.h"
#include "engine/log_reader.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/memory_files.h"
#include "tests/fuzz/mend_batch.h"

namespace respcask::engine {
namespace {

using fuzz::Input;
using fuzz::require;

constexpr uint32_t kIdentity = 7;

class Segment {
 public:
  explicit Segment(Input& input) : bytes_(kSegmentHeaderSize, '\0') {
    while (!input.empty()) add(input);
  }
  std::string& bytes() { return bytes_; }

 private:
  // Steps: what `choice` % 8 stands for.
  void add(Input& input) {
    const uint8_t choice = input.byte();
    switch (choice % 8) {
      case 0:
        bytes_ += input.bytes(input.byte());
        break;
      case 1:  // the header of a batch, whatever follows
        add_header(input, kBatchHeaderSize + input.word());
        break;
      case 2:  // longer than what is read of a head at once
        bytes_ += std::string(600, '\0');
        break;
      case 3: {  // a batch of any bytes
        const std::string_view body = input.bytes(input.byte());
        add_batch(body, input.byte(), choice);
        break;
      }
      default: {
        std::string body;
        uint32_t records = 0;
        for (size_t left = 1 + choice / 8 % 4; left > 0 && !input.empty(); --left) {
          body += record(input);
          ++records;
        }
        add_batch(body, records, choice);
      }
    }
  }

  static std::string record(Input& input) {
    Record record;
    const uint8_t choice = input.byte();
    record.kind = static_cast<RecordKind>(1 + choice % 7);
    record.type = choice / 7 % 8;
    record.owner = input.byte();
    record.expiry_ms = has_expiry(record.kind) ? input.word() : 0;
    record.name = input.bytes(input.byte() % 32);
    std::string value(input.bytes(input.byte() % 32));
    if (choice >= 250) value.resize(choice * 4);
    if (has_value(record.kind)) record.value_size = static_cast<uint32_t>(value.size());
    std::string bytes(record_size_bound(record.name.size(), 0), '\0');
    bytes.resize(encode_record(record, bytes.data()));
    if (!has_value(record.kind)) return bytes;
    char checksum[kValueChecksumSize];
    store(checksum, crc32c(value) + (choice / 7 == 9));
    return bytes.append(checksum, sizeof checksum) + value;
  }

  void add_header(Input& input, uint64_t size) {
    BatchHeader header;
    header.size = static_cast<uint32_t>(size);
    header.records = input.byte();
    header.has_transaction = (header.records & 1) != 0;
    header.checksum = input.word();
    const size_t at = bytes_.size();
    bytes_.resize(at + kBatchHeaderSize);
    encode_batch_header(header, &bytes_[at]);
  }

  // With a right checksum, as far as the records have the form of some.
  void add_batch(std::string_view body, uint32_t records, uint8_t choice) {
    BatchHeader header;
    header.sequence = choice;
    header.records = records;
    header.has_transaction = (choice & 128) != 0;
    const size_t trailer = header.has_transaction ? kTransactionTrailerSize : 0;
    header.size = static_cast<uint32_t>(kBatchHeaderSize + body.size() + trailer);
    const size_t at = bytes_.size();
    bytes_.resize(at + kBatchHeaderSize);
    bytes_ += body;
    bytes_ += std::string(trailer, '\1');
    encode_batch_header(header, &bytes_[at]);
    (void)mend_batch(bytes_, at, kIdentity, false);
  }

  std::string bytes_;
};

void check_batch(LogReader& log, uint64_t at, std::string_view bytes) {
  auto expected = BatchReader::open(bytes, at, kIdentity);
  auto batch = log.batch(at);
  require(batch.has_value() == expected.has_value(), "one finds a batch where the other does not");
  if (!batch) return;
  require(batch->end() == expected->end(), "the batch ends somewhere else");
  require(batch->transaction().has_value() == expected->transaction().has_value(),
          "the batch has another mark");
  bool intact = true;
  while (const auto placed = batch->next()) {
    const auto same = expected->next();
    require(same && *same == *placed, "a record is read as another");
    if (!has_value(placed->record.kind)) continue;
    const bool matches =
        checked_value(bytes, placed->value_offset, placed->record.value_size).has_value();
    intact = intact && matches;
    require(log.batch(at).has_value(), "a batch is gone");
  }
  require(!batch->has_failed() && !expected->next(), "a record is missing");
  batch = log.batch(at);
  require(batch->values_intact() == intact, "damage is told of differently");
  while (const auto whole = batch->next_whole()) {
    const Record& record = whole->placed.record;
    if (!has_value(record.kind)) continue;
    require(whole->value == bytes.substr(whole->placed.value_offset,
                                         kValueChecksumSize + uint64_t{record.value_size}),
            "a value is read as another");
  }
  require(!batch->has_failed(), "a record is missing with its value");
}

// Whether a batch begins at one of the bytes [from, to).
bool has_batch(std::string_view bytes, size_t from, size_t to) {
  constexpr size_t kMarkerOffset = 4;
  char marker[sizeof kBatchMarker];
  store(marker, kBatchMarker);
  for (size_t at = from; at < to; ++at) {
    const size_t found = bytes.find({marker, sizeof marker}, at + kMarkerOffset);
    if (found == bytes.npos || found - kMarkerOffset >= to) return false;
    at = found - kMarkerOffset;
    if (BatchReader::open(bytes, at, kIdentity)) return true;
  }
  return false;
}

void run(Input input) {
  constexpr uint64_t kChunks[] = {LogReader::kChunkBytes, kBatchHeaderSize, 64, 700};
  const uint64_t chunk_bytes = kChunks[input.byte() % std::size(kChunks)];
  Segment segment(input);
  const std::string& bytes = segment.bytes();
  MemoryFiles files;
  files.at("segment") = bytes;
  const auto file = files.open("segment");
  LogReader log(**file, kIdentity, bytes.size(), chunk_bytes);
  uint64_t from = kSegmentHeaderSize;
  for (auto at = log.find(from); at; at = log.find(from)) {
    require(!has_batch(bytes, from, *at), "a batch is passed over");
    check_batch(log, *at, bytes);
    from = *at + 1;
  }
  require(!has_batch(bytes, from, bytes.size()), "the last batch is passed over");
  require(log.take_error().empty(), "something could not be read");
}

}  // namespace
}  // namespace respcask::engine

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::engine::run({data, size});
  return 0;
}

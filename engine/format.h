// Format: batches and records as they lie in a segment, and their encoding and decoding.
//
// All integers are little endian; "varint" is LEB128, at most ten bytes. A segment is a header
// (80 bytes) and then batches, back to back, up to its end.
//
//   segment header
//   offset size
//        0    8  magic "RCSEG\r\n\x1a"
//        8    4  format version (kFormatVersion)
//       12    4  shard
//       16    8  first segment id covered
//       24    8  last segment id covered (the same, unless merged)
//       32    4  generation: 0 as written by clients, n + 1 as merged from generation n
//       36    4  reserved, 0
//       40    8  store id
//       48    8  first sequence: no batch in this or a later segment has a lower one
//       56    8  completed, as in a batch
//       64    8  the last id covered by the segment before this one, 0: it is the first
//       72    4  the size of that segment in bytes, modulo 2^32; 0: not known
//       76    4  CRC32C of the 76 bytes before
//
//   batch
//        0    4  CRC32C over the batch's place, each record's header and name, the trailer, then
//                bytes 4..40. The place: bytes 12..24, 32..36 and 40..48 of the segment header,
//                then the offset of the batch (8)
//        4    4  marker 0xB17CA5C0, what a search for the next valid batch looks for
//        8    8  sequence, rising within the shard
//       16    8  synced: all bytes of this segment before this offset, and all earlier segments of
//                the shard, were on the device when the batch was written; 0: not even the latter
//       24    8  completed: all transactions up to this id were on the device, in all their shards
//       32    4  size of the whole batch in bytes, this header included
//       36    4  number of records; bit 31: a transaction trailer follows the records
//       40       records, back to back
//                trailer, if flagged: transaction id (8), set of shards (32)
//
//   record
//        0    1  kind (RecordKind)
//        1    1  type tag, opaque to the engine, at most 127
//        2       varint owner: namespace id, or collection id for an element
//                varint name size
//                varint expiry in ms since 1970     kPut, kSplitRoot, kExpiry only; 0: none
//                varint collection id               kSplitRoot only
//                varint value size                  kPut, kSplitRoot, kElement only
//                name
//                4 CRC32C of the value, then the value      where there is a value size
//
// A kNamespace record says which namespace a database is from now on: its owner is the database's
// number, its name two varints: the namespace's id, and one more than the id of the namespace that
// is dead from now on (0: none). Namespaces 0 to 65535 are those that the databases of these
// numbers start with; further ids are sequences, which begin at 65536.
//
// A batch is valid if and only if its marker stands, its size fits the segment, its checksum
// matches and its records fill its size exactly. So it is valid only where it was written: neither
// an old segment's bytes in a new file nor a batch that a client put inside a value is taken for
// one. A value is valid if and only if its own checksum
// matches; names can be trusted where a value is damaged. A value's location is the offset of its
// checksum.
//
// Plain functions and views; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/shard_set.h"

namespace respcask::engine {

inline constexpr uint32_t kFormatVersion = 1;
inline constexpr size_t kSegmentHeaderSize = 80;
inline constexpr size_t kBatchHeaderSize = 40;
inline constexpr size_t kTransactionTrailerSize = 40;
inline constexpr size_t kValueChecksumSize = 4;
inline constexpr uint32_t kBatchMarker = 0xB17CA5C0;
inline constexpr uint64_t kFirstSequence = 65536;  // ids below are the first namespaces

enum class RecordKind : uint8_t {
  kPut = 1,               // a packed key
  kTombstone = 2,         // a key is gone
  kExpiry = 3,            // a key's expiry changed; its value stays where it is
  kSplitRoot = 4,         // the root of a split collection
  kElement = 5,           // one element of one
  kElementTombstone = 6,  // an element is gone
  kNamespace = 7,         // which namespace a database is from now on
};

constexpr bool has_value(RecordKind kind) {
  return kind == RecordKind::kPut || kind == RecordKind::kSplitRoot || kind == RecordKind::kElement;
}
constexpr bool has_expiry(RecordKind kind) {
  return kind == RecordKind::kPut || kind == RecordKind::kSplitRoot || kind == RecordKind::kExpiry;
}
// True if the owner is a database and the name a key of it.
constexpr bool is_of_database(RecordKind kind) {
  return kind == RecordKind::kPut || kind == RecordKind::kSplitRoot ||
         kind == RecordKind::kTombstone || kind == RecordKind::kExpiry;
}

struct SegmentHeader {
  uint32_t shard = 0;
  uint64_t first_id = 0;
  uint64_t last_id = 0;
  uint32_t generation = 0;
  uint64_t store_id = 0;
  uint64_t first_sequence = 0;
  uint64_t completed = 0;
  uint64_t previous_id = 0;
  uint32_t previous_size = 0;
};

std::string encode_segment_header(const SegmentHeader& header);
// Nothing if the bytes are no valid header of this format version.
std::optional<SegmentHeader> decode_segment_header(std::string_view bytes);

// What the checksums of a segment's batches begin with.
uint32_t segment_identity(const SegmentHeader& header);
// The same for the batch at `offset`.
uint32_t batch_seed(uint32_t identity, uint64_t offset);

// A transaction over several shards: applied at recovery only if each of them has its part. Ids
// rise in the order in which the parts stand in each log.
struct TransactionMark {
  uint64_t id = 0;
  ShardSet shards;
};

struct BatchHeader {
  uint32_t checksum = 0;
  uint64_t sequence = 0;
  uint64_t synced = 0;
  uint64_t completed = 0;
  uint32_t size = 0;
  uint32_t records = 0;
  bool has_transaction = false;
};

struct Record {
  RecordKind kind = RecordKind::kPut;
  uint8_t type = 0;
  uint64_t owner = 0;
  int64_t expiry_ms = 0;
  uint64_t collection = 0;
  uint32_t value_size = 0;
  std::string_view name;
  friend bool operator==(const Record&, const Record&) = default;
};

// The most bytes that a record's header, name, checksum and value can take.
constexpr uint64_t record_size_bound(size_t name_size, uint64_t value_size) {
  return 2 + 5 * 10 + name_size + kValueChecksumSize + value_size;
}

// What a record counts for in live and dead bytes: a canonical size, which does not depend on how
// its numbers happen to be encoded, so that it can be taken back exactly. It is that of the
// shortest encoding, so what is live never exceeds what the files hold. First of one with a value:
constexpr uint64_t accounted_size(size_t name_size, uint64_t value_size) {
  constexpr uint64_t kLeastHeader = 6;  // kind, type, and one byte for each number of a put
  return kLeastHeader + name_size + kValueChecksumSize + value_size;
}
// Of one without (a tombstone, an expiry, a namespace).
constexpr uint64_t accounted_mark_size(size_t name_size) {
  constexpr uint64_t kLeastHeader = 4;
  return kLeastHeader + name_size;
}
constexpr uint64_t accounted_size(const Record& record) {
  return has_value(record.kind) ? accounted_size(record.name.size(), record.value_size)
                                : accounted_mark_size(record.name.size());
}

// Writes the header and name of a record at `out` (room for record_size_bound(name, 0)) and returns
// how many bytes it took. The value's checksum and the value follow, if the kind has one.
size_t encode_record(const Record& record, char* out);

// Reads the record at the front of `bytes`. `size` becomes the bytes of header and name, without
// checksum and value. Nothing if they are no record. Views point into `bytes`.
std::optional<Record> decode_record(std::string_view bytes, size_t& size);

// The same for `bytes` that may end inside the name: `size` says how far it goes, which is not
// checked against anything.
std::optional<Record> decode_record_head(std::string_view bytes, size_t& size);

// Writes a batch header (kBatchHeaderSize bytes), checksum included as given.
void encode_batch_header(const BatchHeader& header, char* out);
std::optional<BatchHeader> decode_batch_header(std::string_view bytes);

void encode_transaction(const TransactionMark& mark, char* out);
TransactionMark decode_transaction(std::string_view bytes);

// One record of a batch with where its value lies.
struct PlacedRecord {
  Record record;
  uint64_t value_offset = 0;  // in the segment, of the value's checksum; 0: the kind has no value
  friend bool operator==(const PlacedRecord&, const PlacedRecord&) = default;
};

// Walks the records of one valid batch.
class BatchReader {
 public:
  // Reads the batch at `offset` of `segment` (the segment's bytes up to its end). Nothing if no
  // valid batch stands there. `identity`: the segment's, where its header cannot be relied on.
  static std::optional<BatchReader> open(std::string_view segment, uint64_t offset,
                                         std::optional<uint32_t> identity = std::nullopt);
  // The same where only a part of the segment is at hand: `bytes` are those from `base` on.
  static std::optional<BatchReader> open_part(std::string_view bytes, uint64_t base,
                                              uint64_t offset, uint32_t identity);

  const BatchHeader& header() const { return header_; }
  const std::optional<TransactionMark>& transaction() const { return transaction_; }
  uint64_t offset() const { return offset_; }
  uint64_t end() const { return offset_ + header_.size; }

  // The next record, or nothing after the last.
  std::optional<PlacedRecord> next();

 private:
  std::string_view bytes_;  // of the segment, from
  uint64_t base_ = 0;       // on
  uint64_t offset_ = 0;
  uint64_t at_ = 0;
  uint64_t records_end_ = 0;
  BatchHeader header_;
  std::optional<TransactionMark> transaction_;
};

// The value whose checksum lies at `offset` of `segment`; nothing if it reaches past the end or
// does not match its checksum.
std::optional<std::string_view> checked_value(std::string_view segment, uint64_t offset,
                                              uint32_t value_size);

}  // namespace respcask::engine

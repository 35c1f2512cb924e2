#include "engine/format.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/keydir_entry.h"
#include "engine/varint.h"

namespace respcask::engine {
namespace {

constexpr uint32_t kTransactionBit = uint32_t{1} << 31;
constexpr std::string_view kMagic{"RCSEG\r\n\x1a", 8};

// The identity that a segment's own header gives it.
uint32_t identity_in(std::string_view segment) {
  assert(segment.size() >= kSegmentHeaderSize);
  uint32_t identity = crc32c(segment.substr(12, 12));
  identity = crc32c(segment.substr(32, 4), identity);
  return crc32c(segment.substr(40, 8), identity);
}

bool known_kind(uint8_t kind) {
  return kind >= static_cast<uint8_t>(RecordKind::kPut) &&
         kind <= static_cast<uint8_t>(RecordKind::kNamespace);
}

}  // namespace

std::string encode_segment_header(const SegmentHeader& header) {
  std::string bytes(kSegmentHeaderSize, '\0');
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  store(&bytes[8], kFormatVersion);
  store(&bytes[12], header.shard);
  store(&bytes[16], header.first_id);
  store(&bytes[24], header.last_id);
  store(&bytes[32], header.generation);
  store(&bytes[40], header.store_id);
  store(&bytes[48], header.first_sequence);
  store(&bytes[56], header.completed);
  store(&bytes[64], header.previous_id);
  store(&bytes[72], header.previous_size);
  store(&bytes[76], crc32c(std::string_view(bytes).substr(0, 76)));
  return bytes;
}

std::optional<SegmentHeader> decode_segment_header(std::string_view bytes) {
  if (bytes.size() < kSegmentHeaderSize || bytes.substr(0, 8) != kMagic) return std::nullopt;
  if (load<uint32_t>(&bytes[76]) != crc32c(bytes.substr(0, 76))) return std::nullopt;
  if (load<uint32_t>(&bytes[8]) != kFormatVersion) return std::nullopt;
  SegmentHeader header;
  header.shard = load<uint32_t>(&bytes[12]);
  header.first_id = load<uint64_t>(&bytes[16]);
  header.last_id = load<uint64_t>(&bytes[24]);
  header.generation = load<uint32_t>(&bytes[32]);
  header.store_id = load<uint64_t>(&bytes[40]);
  header.first_sequence = load<uint64_t>(&bytes[48]);
  header.completed = load<uint64_t>(&bytes[56]);
  header.previous_id = load<uint64_t>(&bytes[64]);
  header.previous_size = load<uint32_t>(&bytes[72]);
  if (header.last_id < header.first_id) return std::nullopt;
  return header;
}

uint32_t segment_identity(const SegmentHeader& header) {
  return identity_in(encode_segment_header(header));
}

uint32_t batch_seed(uint32_t identity, uint64_t offset) {
  std::array<char, 8> bytes{};
  store(bytes.data(), offset);
  return crc32c({bytes.data(), bytes.size()}, identity);
}

size_t encode_record(const Record& record, char* out) {
  char* at = out;
  *at++ = static_cast<char>(record.kind);
  *at++ = static_cast<char>(record.type);
  at = encode_varint(record.owner, at);
  at = encode_varint(record.name.size(), at);
  if (has_expiry(record.kind)) at = encode_varint(static_cast<uint64_t>(record.expiry_ms), at);
  if (record.kind == RecordKind::kSplitRoot) at = encode_varint(record.collection, at);
  if (has_value(record.kind)) at = encode_varint(record.value_size, at);
  if (!record.name.empty()) std::memcpy(at, record.name.data(), record.name.size());
  return static_cast<size_t>(at - out) + record.name.size();
}

std::optional<Record> decode_record_head(std::string_view bytes, size_t& size) {
  if (bytes.size() < 2 || !known_kind(static_cast<uint8_t>(bytes[0]))) return std::nullopt;
  if (static_cast<uint8_t>(bytes[1]) > KeydirEntry::kMaxType) return std::nullopt;
  Record record;
  record.kind = static_cast<RecordKind>(bytes[0]);
  record.type = static_cast<uint8_t>(bytes[1]);
  const char* at = bytes.data() + 2;
  const char* end = bytes.data() + bytes.size();
  uint64_t name_size = 0;
  uint64_t expiry = 0;
  uint64_t value_size = 0;
  at = decode_varint(at, end, record.owner);
  if (at != nullptr) at = decode_varint(at, end, name_size);
  if (at != nullptr && has_expiry(record.kind)) at = decode_varint(at, end, expiry);
  if (at != nullptr && record.kind == RecordKind::kSplitRoot) {
    at = decode_varint(at, end, record.collection);
  }
  if (at != nullptr && has_value(record.kind)) at = decode_varint(at, end, value_size);
  if (at == nullptr) return std::nullopt;
  if (name_size > UINT32_MAX || value_size > UINT32_MAX) return std::nullopt;
  record.expiry_ms = static_cast<int64_t>(expiry);
  record.value_size = static_cast<uint32_t>(value_size);
  size = static_cast<size_t>(at - bytes.data()) + name_size;
  record.name = {at, std::min(name_size, static_cast<uint64_t>(end - at))};
  return record;
}

std::optional<Record> decode_record(std::string_view bytes, size_t& size) {
  auto record = decode_record_head(bytes, size);
  if (record && size > bytes.size()) return std::nullopt;
  return record;
}

void encode_batch_header(const BatchHeader& header, char* out) {
  store(out, header.checksum);
  store(out + 4, kBatchMarker);
  store(out + 8, header.sequence);
  store(out + 16, header.synced);
  store(out + 24, header.completed);
  store(out + 32, header.size);
  store(out + 36, header.records | (header.has_transaction ? kTransactionBit : 0));
}

std::optional<BatchHeader> decode_batch_header(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderSize || load<uint32_t>(&bytes[4]) != kBatchMarker) {
    return std::nullopt;
  }
  BatchHeader header;
  header.checksum = load<uint32_t>(&bytes[0]);
  header.sequence = load<uint64_t>(&bytes[8]);
  header.synced = load<uint64_t>(&bytes[16]);
  header.completed = load<uint64_t>(&bytes[24]);
  header.size = load<uint32_t>(&bytes[32]);
  const auto records = load<uint32_t>(&bytes[36]);
  header.records = records & ~kTransactionBit;
  header.has_transaction = (records & kTransactionBit) != 0;
  return header;
}

void encode_transaction(const TransactionMark& mark, char* out) {
  store(out, mark.id);
  std::array<char, 32> bits{};
  for (uint32_t shard : mark.shards)
    bits[shard / 8] = static_cast<char>(bits[shard / 8] | 1 << (shard % 8));
  std::memcpy(out + 8, bits.data(), bits.size());
}

TransactionMark decode_transaction(std::string_view bytes) {
  assert(bytes.size() >= kTransactionTrailerSize);
  TransactionMark mark;
  mark.id = load<uint64_t>(bytes.data());
  for (uint32_t shard = 0; shard < kMaxShards; ++shard) {
    if ((static_cast<uint8_t>(bytes[8 + shard / 8]) >> (shard % 8) & 1) != 0)
      mark.shards.add(shard);
  }
  return mark;
}

std::optional<BatchReader> BatchReader::open(std::string_view segment, uint64_t offset,
                                             std::optional<uint32_t> identity) {
  if (segment.size() < kSegmentHeaderSize) return std::nullopt;
  return open_part(segment, 0, offset, identity ? *identity : identity_in(segment));
}

std::optional<BatchReader> BatchReader::open_part(std::string_view bytes, uint64_t base,
                                                  uint64_t offset, uint32_t identity) {
  if (offset < std::max<uint64_t>(base, kSegmentHeaderSize) || offset - base > bytes.size()) {
    return std::nullopt;
  }
  std::string_view rest = bytes.substr(offset - base);
  auto header = decode_batch_header(rest);
  if (!header || header->size < kBatchHeaderSize || header->size > rest.size()) return std::nullopt;
  const bool marked = header->has_transaction;
  const size_t trailer = marked ? kTransactionTrailerSize : 0;
  if (header->size < kBatchHeaderSize + trailer) return std::nullopt;
  std::string_view batch = rest.substr(0, header->size);
  const size_t records_end = batch.size() - trailer;

  uint32_t checksum = batch_seed(identity, offset);
  size_t at = kBatchHeaderSize;
  for (uint32_t i = 0; i < header->records; ++i) {
    size_t head = 0;
    auto record = decode_record(batch.substr(at, records_end - at), head);
    if (!record) return std::nullopt;
    checksum = crc32c(batch.substr(at, head), checksum);
    at += head;
    if (has_value(record->kind)) {
      const uint64_t value = kValueChecksumSize + uint64_t{record->value_size};
      if (value > records_end - at) return std::nullopt;
      at += value;
    }
  }
  if (at != records_end) return std::nullopt;
  if (marked) checksum = crc32c(batch.substr(records_end), checksum);
  checksum = crc32c(batch.substr(4, kBatchHeaderSize - 4), checksum);
  if (checksum != header->checksum) return std::nullopt;

  BatchReader reader;
  reader.bytes_ = bytes;
  reader.base_ = base;
  reader.offset_ = offset;
  reader.at_ = offset + kBatchHeaderSize;
  reader.records_end_ = offset + records_end;
  reader.header_ = *header;
  if (marked) reader.transaction_ = decode_transaction(batch.substr(records_end));
  return reader;
}

std::optional<PlacedRecord> BatchReader::next() {
  if (at_ == records_end_) return std::nullopt;
  size_t head = 0;
  auto record = decode_record(bytes_.substr(at_ - base_, records_end_ - at_), head);
  assert(record);
  PlacedRecord placed{*record, 0};
  at_ += head;
  if (has_value(record->kind)) {
    placed.value_offset = at_;
    at_ += kValueChecksumSize + uint64_t{record->value_size};
  }
  return placed;
}

std::optional<std::string_view> checked_value(std::string_view segment, uint64_t offset,
                                              uint32_t value_size) {
  if (offset + kValueChecksumSize + value_size > segment.size()) return std::nullopt;
  std::string_view value = segment.substr(offset + kValueChecksumSize, value_size);
  if (load<uint32_t>(&segment[offset]) != crc32c(value)) return std::nullopt;
  return value;
}

}  // namespace respcask::engine

#include "engine/log_reader.h"

#include <algorithm>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "engine/crc32c.h"

namespace respcask::engine {
namespace {

// Where the record ends whose head, of `head` bytes, begins at `at`.
uint64_t end_of(const Record& record, uint64_t at, size_t head) {
  const uint64_t value =
      has_value(record.kind) ? kValueChecksumSize + uint64_t{record.value_size} : 0;
  return at + head + value;
}

}  // namespace

void LogReader::go_on_with(const File& file, uint32_t identity, uint64_t end) {
  file_ = &file;
  identity_ = identity;
  end_ = end;
  at_ = 0;
  size_ = 0;
}

std::optional<std::string_view> LogReader::bytes(uint64_t offset, uint64_t size) {
  if (offset > end_ || size > end_ - offset) return std::nullopt;
  if (!in_buffer(offset, size)) {
    // More than is asked for, so that who goes on from there finds the rest here.
    const uint64_t generous = std::min(size + chunk_bytes_, end_ - offset);
    if (!load(offset, generous) && !load(offset, size)) return std::nullopt;
  }
  return std::string_view(buffer_.get() + (offset - at_), size);
}

// Lets the buffer begin at `offset`, with `size` bytes.
bool LogReader::load(uint64_t offset, uint64_t size) {
  const bool overlaps = offset >= at_ && offset - at_ < size_;
  const uint64_t kept = overlaps ? std::min(size_ - (offset - at_), size) : 0;
  const char* from = overlaps ? buffer_.get() + (offset - at_) : nullptr;
  if (size > capacity_) {
    auto wider = std::make_unique_for_overwrite<char[]>(size);
    if (kept > 0) std::memcpy(wider.get(), from, kept);
    buffer_ = std::move(wider);
    capacity_ = size;
    held_.set(size);
  } else if (kept > 0) {
    std::memmove(buffer_.get(), from, kept);
  }
  at_ = offset;
  size_ = kept;
  const auto got = file_->read_at(offset + kept, std::span(buffer_.get() + kept, size - kept));
  if (!got) {
    error_ = got.error().message;
    return false;
  }
  size_ = kept + *got;
  if (size_ < size) error_ = fmt::format("{}: ends at offset {}", file_->path(), at_ + size_);
  return size_ == size;
}

bool LogReader::holds(uint64_t offset) const {
  if (!in_buffer(offset, kBatchHeaderSize)) return false;
  const auto header = decode_batch_header(buffered(offset));
  return header && in_buffer(offset, header->size);
}

std::optional<BatchHeader> LogReader::header(uint64_t offset) {
  const auto head = bytes(offset, kBatchHeaderSize);
  return head ? decode_batch_header(*head) : std::nullopt;
}

std::optional<LogBatch> LogReader::batch(uint64_t offset) {
  const auto header = this->header(offset);
  if (!header || header->size > end_ - offset) return std::nullopt;
  LogBatch batch(*this, offset, *header);
  if (header->size > chunk_bytes_ && !in_buffer(offset, header->size)) {
    if (!names_match(batch)) return std::nullopt;
    return batch;
  }
  looked_at_ += header->size;
  looked_up_to_ = std::max(looked_up_to_, offset + header->size);
  if (!bytes(offset, header->size)) return std::nullopt;
  const auto reader = BatchReader::open_part({buffer_.get(), size_}, at_, offset, identity_);
  if (!reader) return std::nullopt;
  batch.transaction_ = reader->transaction();
  return batch;
}

// What of a batch's checksum can be known without its values: all of it. Completes the batch.
bool LogReader::names_match(LogBatch& batch) {
  const BatchHeader& header = batch.header();
  const uint64_t offset = batch.offset();
  // Of many that are small more and more are read at once.
  constexpr uint64_t kLeastRead = 512;
  constexpr uint64_t kMostRead = 64 * 1024;
  const uint64_t trailer = header.has_transaction ? kTransactionTrailerSize : 0;
  if (header.size < kBatchHeaderSize + trailer) return false;
  const uint64_t records_end = batch.records_end_;
  std::string piece;
  uint64_t piece_at = 0;
  auto read = [&](uint64_t at, uint64_t size) {
    piece.resize(size);
    piece_at = at;
    looked_at_ += size;
    const auto got = file_->read_at(at, piece);
    if (!got) error_ = got.error().message;
    return got && *got == size;
  };
  uint32_t checksum = batch_seed(identity_, offset);
  uint64_t at = offset + kBatchHeaderSize;
  uint64_t small_up_to = at;
  uint64_t step = kLeastRead;
  for (uint32_t i = 0; i < header.records; ++i) {
    // The head is decoded from what is there already if that may be enough.
    const bool near = at == small_up_to;
    if (at < piece_at || at + kLeastRead > piece_at + piece.size()) {
      step = near && i > 0 ? std::min(4 * step, kMostRead) : kLeastRead;
      if (!read(at, std::min(step, records_end - at))) return false;
    }
    std::string_view rest = std::string_view(piece).substr(at - piece_at);
    size_t head = 0;
    const auto record = decode_record_head(rest, head);
    if (!record || head > records_end - at) return false;
    if (head > rest.size()) {
      if (!read(at, head)) return false;
      rest = piece;
    }
    checksum = crc32c(rest.substr(0, head), checksum);
    const uint64_t end = end_of(*record, at, head);
    if (end > records_end) return false;
    if (near && end - at - head <= kMostRead) small_up_to = end;
    at = end;
    if (near) looked_up_to_ = std::max(looked_up_to_, small_up_to);
  }
  if (at != records_end || !read(records_end, trailer)) return false;
  if (header.has_transaction) batch.transaction_ = decode_transaction(piece);
  checksum = crc32c(piece, checksum);
  if (!read(offset + 4, kBatchHeaderSize - 4)) return false;
  return crc32c(piece, checksum) == header.checksum;
}

std::optional<uint64_t> LogReader::find(uint64_t from) {
  char marker[sizeof kBatchMarker];
  std::memcpy(marker, &kBatchMarker, sizeof marker);
  const std::string_view wanted(marker, sizeof marker);
  constexpr uint64_t kMarkerOffset = 4;
  constexpr uint64_t kSector = 512;
  constexpr uint64_t kLooks = 16;  // at each byte, some of them more often
  constexpr uint64_t kLookedAtAnyway = uint64_t{16} << 20;
  uint64_t began = from;
  looked_at_ = looked_up_to_ = 0;
  for (uint64_t at = from; at < end_ && kBatchHeaderSize <= end_ - at;) {
    const uint64_t look = std::min(chunk_bytes_, end_ - at);
    auto here = bytes(at, look);
    if (!here) {
      // The sectors one by one: some of them can be read.
      const uint64_t next = (at / kSector + 1) * kSector;
      here = bytes(at, std::min(next + kMarkerOffset + sizeof marker, end_) - at);
      if (!here) {
        at = next;
        continue;
      }
    }
    const size_t found = here->find(wanted, kMarkerOffset);
    if (found == here->npos) {
      // The marker of a batch may begin in the last bytes.
      at += std::max<uint64_t>(here->size(), kMarkerOffset + sizeof marker) -
            (kMarkerOffset + sizeof marker) + 1;
      continue;
    }
    at += found - kMarkerOffset;
    if (batch(at)) return at;
    ++at;
    if (looked_at_ > kLookedAtAnyway + kLooks * (at - began)) {
      began = at = std::max(at, looked_up_to_);
      looked_at_ = 0;
    }
  }
  return std::nullopt;
}

std::optional<LogBatch::Whole> LogBatch::read_next(bool whole) {
  constexpr uint64_t kLeastRead = 512;
  if (at_ == records_end_ || failed_) return std::nullopt;
  failed_ = true;  // until all of it is there
  if (!is_next_at_hand() && !log_->bytes(at_, std::min(kLeastRead, records_end_ - at_))) {
    return std::nullopt;
  }
  std::string_view bytes = log_->buffered(at_);
  size_t head = 0;
  auto record = decode_record_head(bytes, head);
  if (!record || head > records_end_ - at_) return std::nullopt;
  const uint64_t end = end_of(*record, at_, head);
  if (end > records_end_) return std::nullopt;
  const uint64_t size = whole ? end - at_ : head;
  if (size > bytes.size()) {
    if (!log_->bytes(at_, size)) return std::nullopt;
    bytes = log_->buffered(at_);
    record = decode_record(bytes, head);
    if (!record || end_of(*record, at_, head) != end) return std::nullopt;
  }
  Whole next{{*record, 0}, {}};
  if (has_value(record->kind)) {
    next.placed.value_offset = at_ + head;
    if (whole) next.value = bytes.substr(head, end - at_ - head);
  }
  at_ = end;
  failed_ = false;
  return next;
}

std::optional<PlacedRecord> LogBatch::next() {
  const auto read = read_next(false);
  if (!read) return std::nullopt;
  return read->placed;
}

std::optional<LogBatch::Whole> LogBatch::next_whole() {
  return read_next(true);
}

bool LogBatch::is_next_at_hand() const {
  if (log_->in_buffer(at_, records_end_ - at_)) return true;
  if (!log_->in_buffer(at_, 0)) return false;
  size_t head = 0;
  const auto record = decode_record_head(log_->buffered(at_), head);
  return record && log_->in_buffer(at_, end_of(*record, at_, head) - at_);
}

std::optional<bool> LogBatch::is_intact(const PlacedRecord& placed) {
  if (placed.value_offset == 0) return true;
  uint64_t at = placed.value_offset;
  uint64_t left = placed.record.value_size;
  const auto stored = log_->bytes(at, kValueChecksumSize);
  if (!stored) return std::nullopt;
  uint32_t expected = 0;
  std::memcpy(&expected, stored->data(), sizeof expected);
  uint32_t found = 0;
  at += kValueChecksumSize;
  while (left > 0) {
    const auto piece = log_->bytes(at, std::min(left, log_->chunk_bytes_));
    if (!piece) return std::nullopt;
    found = crc32c(*piece, found);
    at += piece->size();
    left -= piece->size();
  }
  return found == expected;
}

bool LogBatch::values_intact() {
  at_ = offset_ + kBatchHeaderSize;
  while (const auto placed = next()) {
    if (!is_intact(*placed).value_or(false)) return false;
  }
  at_ = offset_ + kBatchHeaderSize;
  return !failed_;
}

}  // namespace respcask::engine

#include "engine/log_reader.h"

#include <algorithm>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "engine/crc32c.h"

namespace respcask::engine {
namespace {

// Read at once: what the processor's nearer caches still hold when it is looked at.
constexpr uint64_t kChunk = uint64_t{256} << 10;

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
    const uint64_t generous = std::min(size + kChunk, end_ - offset);
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
  const auto header = decode_batch_header({buffer_.get() + (offset - at_), size_ - (offset - at_)});
  return header && in_buffer(offset, header->size);
}

std::optional<BatchHeader> LogReader::header(uint64_t offset) {
  const auto head = bytes(offset, kBatchHeaderSize);
  return head ? decode_batch_header(*head) : std::nullopt;
}

std::optional<BatchReader> LogReader::batch(uint64_t offset) {
  const auto header = this->header(offset);
  if (!header || header->size > end_ - offset) return std::nullopt;
  // A size that a client has put into a value is not read on its word.
  const bool trusted = header->size <= kChunk || in_buffer(offset, header->size);
  if (trusted) {
    looked_at_ += header->size;
    looked_up_to_ = std::max(looked_up_to_, offset + header->size);
  } else if (!names_match(offset, *header)) {
    return std::nullopt;
  }
  if (!bytes(offset, header->size)) return std::nullopt;
  return BatchReader::open_part({buffer_.get(), size_}, at_, offset, identity_);
}

// What of a batch's checksum can be known without its values: all of it.
bool LogReader::names_match(uint64_t offset, const BatchHeader& header) {
  // Of many that are small more and more are read at once.
  constexpr uint64_t kLeastRead = 512;
  constexpr uint64_t kMostRead = 64 * 1024;
  const uint64_t trailer = header.has_transaction ? kTransactionTrailerSize : 0;
  if (header.size < kBatchHeaderSize + trailer) return false;
  const uint64_t records_end = offset + header.size - trailer;
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
    at += head;
    const uint64_t value =
        has_value(record->kind) ? kValueChecksumSize + uint64_t{record->value_size} : 0;
    if (value > records_end - at) return false;
    at += value;
    if (near && value <= kMostRead) small_up_to = at;
    if (near) looked_up_to_ = std::max(looked_up_to_, small_up_to);
  }
  if (at != records_end || !read(records_end, trailer)) return false;
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
    const uint64_t look = std::min(kChunk, end_ - at);
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

}  // namespace respcask::engine

#include "engine/scrub.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "engine/crc32c.h"
#include "engine/file.h"
#include "engine/format.h"

namespace respcask::engine {
namespace {

constexpr uint64_t kChunk = 1 << 20;  // read at once; a multiple of the page size

}  // namespace

Scrub::Report Scrub::run() {
  resident_ = segment_.ask_residency();
  const uint64_t size = segment_.size();
  std::vector<uint64_t> bad_values;
  for (uint64_t at = kSegmentHeaderSize; at < size && !report_.given_up;) {
    bad_values.clear();
    if (const auto next = check_batch(at, bad_values)) {
      for (const uint64_t offset : bad_values) {
        report(fmt::format("the value at offset {} does not match its checksum", offset));
      }
      at = *next;
      continue;
    }
    if (report_.given_up) break;
    const uint64_t next = find_batch(at + 1);
    if (!report_.given_up) report(fmt::format("damaged from offset {} to {}", at, next));
    at = next;
  }
  return report_;
}

std::optional<std::string_view> Scrub::view(uint64_t offset, uint64_t size) {
  size = std::min(size, segment_.size() - std::min(offset, segment_.size()));
  if (offset < at_ || offset > at_ + window_.size()) {
    at_ = offset;
    window_.clear();
  }
  while (at_ + window_.size() < offset + size) {
    // What lies before is not asked for again, but after damage.
    window_.erase(0, offset - at_);
    at_ = offset;
    if (!read_more()) return std::nullopt;
  }
  return std::string_view(window_).substr(offset - at_, size);
}

// Up to the next boundary of a chunk, so that whole pages are read but at first.
bool Scrub::read_more() {
  const uint64_t from = at_ + window_.size();
  const uint64_t to = std::min(segment_.size(), (from / kChunk + 1) * kChunk);
  const size_t before = window_.size();
  window_.resize(before + (to - from));
  const auto got = segment_.file().read_at(from, std::span(window_).subspan(before));
  const size_t page = page_size();
  for (uint64_t first = from / page; first * page < to;) {
    uint64_t last = first;
    const auto was_resident = [&](uint64_t i) {
      return i >= resident_.size() || resident_[i] != 0;
    };
    while (last * page < to && !was_resident(last)) ++last;
    // A refusal costs memory that the system takes back by itself.
    if (last > first) (void)segment_.file().drop_cache(first * page, (last - first) * page);
    first = last + 1;
  }
  if (hooks_.pace && !hooks_.pace(to - from)) report_.given_up = true;
  if (report_.given_up) return false;
  if (got && *got == to - from) return true;
  window_.resize(before);
  unreadable_end_ = to;
  report(got ? fmt::format("ends before offset {}", to) : got.error().message);
  return false;
}

std::optional<uint64_t> Scrub::check_batch(uint64_t offset, std::vector<uint64_t>& bad_values) {
  const auto head = view(offset, kBatchHeaderSize);
  if (!head) return std::nullopt;
  const auto header = decode_batch_header(*head);
  if (!header) return std::nullopt;
  const std::string header_bytes(head->substr(4));
  const uint64_t trailer = header->has_transaction ? kTransactionTrailerSize : 0;
  if (header->size < kBatchHeaderSize + trailer || header->size > segment_.size() - offset) {
    return std::nullopt;
  }
  const uint64_t records_end = offset + header->size - trailer;
  uint64_t at = offset + kBatchHeaderSize;
  uint32_t checksum = batch_seed(segment_identity(segment_.header()), offset);
  for (uint32_t i = 0; i < header->records; ++i) {
    const auto next = check_record(at, records_end, checksum, bad_values);
    if (!next) return std::nullopt;
    at = *next;
  }
  if (at != records_end) return std::nullopt;
  const auto mark = view(records_end, trailer);
  if (!mark) return std::nullopt;
  checksum = crc32c(header_bytes, crc32c(*mark, checksum));
  if (checksum != header->checksum) return std::nullopt;
  return offset + header->size;
}

std::optional<uint64_t> Scrub::check_record(uint64_t at, uint64_t end, uint32_t& checksum,
                                            std::vector<uint64_t>& bad_values) {
  constexpr uint64_t kLeastRead = 256;
  auto bytes = view(at, std::min(kLeastRead, end - at));
  if (!bytes) return std::nullopt;
  size_t head = 0;
  const auto record = decode_record_head(*bytes, head);
  if (!record || head > end - at) return std::nullopt;
  if (head > bytes->size()) bytes = view(at, head);
  if (!bytes) return std::nullopt;
  checksum = crc32c(bytes->substr(0, head), checksum);
  at += head;
  if (!has_value(record->kind)) return at;
  if (kValueChecksumSize + uint64_t{record->value_size} > end - at) return std::nullopt;
  const uint64_t value_offset = at;
  const auto stored = view(at, kValueChecksumSize);
  if (!stored) return std::nullopt;
  uint32_t expected = 0;
  std::memcpy(&expected, stored->data(), sizeof expected);
  uint32_t found = 0;
  at += kValueChecksumSize;
  for (uint64_t left = record->value_size; left > 0;) {
    const auto piece = view(at, std::min(left, kChunk));
    if (!piece) return std::nullopt;
    found = crc32c(*piece, found);
    at += piece->size();
    left -= piece->size();
  }
  if (found != expected) bad_values.push_back(value_offset);
  return at;
}

uint64_t Scrub::find_batch(uint64_t from) {
  char marker[sizeof kBatchMarker];
  std::memcpy(marker, &kBatchMarker, sizeof marker);
  const std::string_view wanted(marker, sizeof marker);
  constexpr uint64_t kMarkerOffset = 4;
  std::vector<uint64_t> ignored;
  while (from + kBatchHeaderSize <= segment_.size() && !report_.given_up) {
    const auto bytes = view(from + kMarkerOffset, kChunk);
    if (!bytes) {
      from = std::max(from + 1, unreadable_end_);
      continue;
    }
    const size_t found = bytes->find(wanted);
    if (found == bytes->npos) {
      from += std::max<uint64_t>(bytes->size(), sizeof marker) - sizeof marker + 1;
      continue;
    }
    from += found;
    if (check_batch(from, ignored)) return from;
    ++from;
  }
  return segment_.size();
}

void Scrub::report(std::string_view what) {
  ++report_.damaged;
  if (hooks_.damaged) hooks_.damaged(fmt::format("{}: {}", segment_.path(), what));
}

}  // namespace respcask::engine

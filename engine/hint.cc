#include "engine/hint.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>
#include <span>

#include <fmt/format.h>

#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/location.h"
#include "engine/log_reader.h"
#include "engine/varint.h"
#include "engine/within_memory.h"

namespace respcask::engine {
namespace {

constexpr std::string_view kMagic{"RCHNT\r\n\x1a", 8};
constexpr size_t kHeaderSize = 84;
constexpr size_t kBlockHeaderSize = 8;
constexpr size_t kBlockSize = 256 * 1024;
constexpr size_t kLeastEntry = 4;  // kind, type, owner, size of the name

std::string encode_header(const SegmentHeader& segment, const HintSummary& summary,
                          uint32_t blocks) {
  std::string bytes(kHeaderSize, '\0');
  std::memcpy(bytes.data(), kMagic.data(), kMagic.size());
  store(&bytes[8], kHintVersion);
  store(&bytes[12], segment.shard);
  store(&bytes[16], segment.first_id);
  store(&bytes[24], segment.last_id);
  store(&bytes[32], segment.generation);
  store(&bytes[36], blocks);
  store(&bytes[40], segment.store_id);
  store(&bytes[48], summary.covered);
  store(&bytes[56], summary.sequence);
  store(&bytes[64], summary.completed);
  store(&bytes[72], summary.records);
  store(&bytes[80], crc32c(std::string_view(bytes).substr(0, 80)));
  return bytes;
}

// How large a hint with this header can be; 0 if there is no such hint. Its entries are as long as
// in the segment, but for where the values are.
uint64_t most_bytes(const HintSummary& summary, uint32_t blocks) {
  const bool possible = summary.covered <= Location::kMaxOffset &&
                        summary.records <= summary.covered / kLeastEntry &&
                        blocks <= summary.records;
  if (!possible) return 0;
  return kHeaderSize + summary.covered + summary.records * kMaxVarintSize +
         blocks * kBlockHeaderSize;
}

// What a block's header says of what is behind it.
uint32_t size_of_block(const char* head) {
  return load<uint32_t>(head + 4);
}

// The checksum covers the size and what is behind the header. All of it has to be there.
bool is_block_valid(std::string_view block) {
  return crc32c(block.substr(4)) == load<uint32_t>(block.data());
}

// True if every block's checksum matches and the blocks fill the file exactly.
bool blocks_valid(std::string_view bytes, uint32_t blocks) {
  size_t at = kHeaderSize;
  for (uint32_t i = 0; i < blocks; ++i) {
    if (bytes.size() - at < kBlockHeaderSize) return false;
    const uint64_t size = kBlockHeaderSize + uint64_t{size_of_block(&bytes[at])};
    if (size > bytes.size() - at || !is_block_valid(bytes.substr(at, size))) return false;
    at += size;
  }
  return at == bytes.size();
}

}  // namespace

HintWriter::~HintWriter() {
  if (!file_) return;
  file_.reset();
  // One that stays goes with the next start.
  (void)files_.unlink(temporary_path());
}

Result<void> HintWriter::open() {
  const std::string temporary = temporary_path();
  if (auto old = files_.stat(temporary); old && *old) (void)files_.unlink(temporary);
  auto file = files_.create(temporary);
  if (!file) return file.error();
  file_ = std::move(*file);
  at_ = kHeaderSize;
  block_.assign(kBlockHeaderSize, '\0');
  return {};
}

Result<void> HintWriter::add(const PlacedRecord& placed) {
  if (!file_) {
    if (auto opened = open(); !opened) return opened;
  }
  const Record& record = placed.record;
  const size_t before = block_.size();
  block_.resize(before + record_size_bound(record.name.size(), 0) + kMaxVarintSize);
  char* end = &block_[before] + encode_record(record, &block_[before]);
  if (has_value(record.kind)) end = encode_varint(placed.value_offset, end);
  block_.resize(static_cast<size_t>(end - block_.data()));
  held_.set(block_.capacity());
  ++records_;
  return block_.size() >= kBlockSize ? flush() : Result<void>();
}

Result<void> HintWriter::flush() {
  if (block_.size() == kBlockHeaderSize) return {};
  store(&block_[4], static_cast<uint32_t>(block_.size() - kBlockHeaderSize));
  store(&block_[0], crc32c(std::string_view(block_).substr(4)));
  if (auto written = file_->write_at(at_, block_); !written) return written;
  at_ += block_.size();
  ++blocks_;
  block_.assign(kBlockHeaderSize, '\0');
  return {};
}

Result<void> HintWriter::finish(const HintSummary& summary) {
  if (!file_) {
    if (auto opened = open(); !opened) return opened;
  }
  if (auto flushed = flush(); !flushed) return flushed;
  HintSummary complete = summary;
  complete.records = records_;
  if (auto head = file_->write_at(0, encode_header(segment_, complete, blocks_)); !head)
    return head;
  if (auto synced = file_->sync_all(); !synced) return synced;
  auto renamed = files_.rename(temporary_path(), path_);
  if (renamed) file_.reset();
  return renamed;
}

std::optional<HintReader> HintReader::open(FileSystem& files, const std::string& segment_path,
                                           const SegmentHeader& segment) {
  HintReader hint;
  std::array<char, kHeaderSize> head{};
  const auto opened = hint.open_file(files, segment_path, segment, head);
  if (!opened) return std::nullopt;
  const uint64_t size = opened->bytes;
  hint.buffer_ = std::make_unique_for_overwrite<char[]>(size);
  std::memcpy(hint.buffer_.get(), head.data(), head.size());
  const std::span rest(hint.buffer_.get() + head.size(), size - head.size());
  auto got = opened->file->read_at(head.size(), rest);
  if (!got || *got != rest.size()) return std::nullopt;
  hint.bytes_ = {hint.buffer_.get(), size};
  if (!blocks_valid(hint.bytes_, opened->blocks)) return std::nullopt;
  hint.at_ = hint.block_end_ = kHeaderSize;
  return hint;
}

std::optional<HintReader> HintReader::open_in_blocks(FileSystem& files,
                                                     const std::string& segment_path,
                                                     const SegmentHeader& segment) {
  HintReader hint;
  std::array<char, kHeaderSize> head{};
  auto opened = hint.open_file(files, segment_path, segment, head);
  if (!opened) return std::nullopt;
  hint.bytes_ = {};
  hint.file_ = std::move(opened->file);
  hint.file_bytes_ = opened->bytes;
  hint.file_at_ = kHeaderSize;
  return hint;
}

std::optional<HintReader::Measure> HintReader::measure(FileSystem& files,
                                                       const std::string& segment_path,
                                                       const SegmentHeader& segment) {
  HintReader hint;
  std::array<char, kHeaderSize> head{};
  const auto opened = hint.open_file(files, segment_path, segment, head);
  if (!opened) return std::nullopt;
  // A record takes some bytes at least, whatever the header says.
  const uint64_t most = opened->bytes / kLeastEntry;
  return Measure{std::min(hint.summary_.records, most), opened->bytes};
}

std::optional<HintReader::Opened> HintReader::open_file(FileSystem& files,
                                                        const std::string& segment_path,
                                                        const SegmentHeader& segment,
                                                        std::span<char> head) {
  const std::string path = hint_path_of(segment_path);
  auto info = files.stat(path);
  if (!info || !*info || (*info)->size < kHeaderSize) return std::nullopt;
  auto file = files.open_read_only(path);
  if (!file) return std::nullopt;
  auto got = (*file)->read_at(0, head);
  if (!got || *got != head.size()) return std::nullopt;
  bytes_ = {head.data(), head.size()};
  Opened opened{std::move(*file), (*info)->size, 0};
  if (!take_header(segment, opened.blocks)) return std::nullopt;
  if (opened.bytes > most_bytes(summary_, opened.blocks)) return std::nullopt;
  return opened;
}

// False if bytes_ does not begin with the header of a hint of this segment.
bool HintReader::take_header(const SegmentHeader& segment, uint32_t& blocks) {
  const char* head = bytes_.data();
  summary_.covered = load<uint64_t>(head + 48);
  summary_.sequence = load<uint64_t>(head + 56);
  summary_.completed = load<uint64_t>(head + 64);
  summary_.records = load<uint64_t>(head + 72);
  segment_ = segment;
  segment_.last_id = load<uint64_t>(head + 24);
  blocks = load<uint32_t>(head + 36);
  // Compared as a whole: a header of this segment, with this summary, has no other bytes.
  return bytes_.substr(0, kHeaderSize) == encode_header(segment_, summary_, blocks);
}

bool HintReader::next_block() {
  if (file_ != nullptr) return load_block();
  if (at_ == bytes_.size()) return false;
  block_end_ = at_ + kBlockHeaderSize + size_of_block(&bytes_[at_]);
  at_ += kBlockHeaderSize;
  return true;
}

// Puts the next block in the place of the one before.
bool HintReader::load_block() {
  if (lost_ || file_at_ == file_bytes_) return false;
  lost_ = true;  // until all of it is there
  std::array<char, kBlockHeaderSize> head{};
  auto got = file_->read_at(file_at_, head);
  if (!got || *got != head.size()) return false;
  const uint64_t size = kBlockHeaderSize + uint64_t{size_of_block(head.data())};
  if (size > file_bytes_ - file_at_) return false;
  if (size > room_) {
    buffer_ = std::make_unique_for_overwrite<char[]>(size);
    room_ = size;
  }
  got = file_->read_at(file_at_, {buffer_.get(), size});
  if (!got || *got != size) return false;
  bytes_ = {buffer_.get(), size};
  if (!is_block_valid(bytes_)) return false;
  file_at_ += size;
  at_ = kBlockHeaderSize;
  block_end_ = size;
  lost_ = false;
  return true;
}

std::optional<PlacedRecord> HintReader::next() {
  if (failed_) return std::nullopt;
  while (at_ == block_end_) {
    if (next_block()) continue;
    failed_ = !lost_ && records_ != summary_.records;
    return std::nullopt;
  }
  const std::string_view rest = bytes_.substr(at_, block_end_ - at_);
  size_t size = 0;
  const auto record = decode_record(rest, size);
  failed_ = true;  // until all of it is there
  if (!record) return std::nullopt;
  PlacedRecord placed{*record, 0};
  if (has_value(record->kind)) {
    const char* const end = rest.data() + rest.size();
    const char* const at = decode_varint(rest.data() + size, end, placed.value_offset);
    if (at == nullptr) return std::nullopt;
    const uint64_t value_size = kValueChecksumSize + uint64_t{record->value_size};
    const bool covered = placed.value_offset >= kSegmentHeaderSize &&
                         value_size <= summary_.covered &&
                         placed.value_offset <= summary_.covered - value_size;
    if (!covered) return std::nullopt;
    size = static_cast<size_t>(at - rest.data());
  }
  at_ += size;
  ++records_;
  failed_ = false;
  return placed;
}

namespace {

Result<void> scan_for_hint(FileSystem& files, Segment& segment, const std::string& path,
                           uint64_t covered, uint64_t completed) {
  HintWriter writer(files, path, segment.header());
  HintSummary summary;
  summary.covered = covered;
  summary.completed = completed;
  LogReader log(segment.file(), segment.identity(), covered);
  uint64_t at = kSegmentHeaderSize;
  while (at < covered) {
    auto batch = log.batch(at);
    if (!batch) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("{}: no hint: damaged at offset {}", segment.path(), at)};
    }
    summary.sequence = std::max(summary.sequence, batch->header().sequence);
    while (auto placed = batch->next()) {
      if (auto added = writer.add(*placed); !added) return added;
    }
    if (batch->has_failed()) return Error{ErrorCode::kIo, log.take_error()};
    at = batch->end();
  }
  return writer.finish(summary);
}

}  // namespace

Result<void> write_hint(FileSystem& files, Segment& segment, const std::string& path,
                        uint64_t covered, uint64_t completed) {
  return within_memory([&] { return scan_for_hint(files, segment, path, covered, completed); });
}

}  // namespace respcask::engine

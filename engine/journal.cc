// The journal's file, DIR/JOURNAL, is a number of records, the first at its beginning, each at a
// multiple of 4096 bytes so that writing one never touches another's block. What follows the last
// record is zeros or records of earlier rounds. All integers are little endian.
//
//   record
//   offset size
//        0    4  CRC32C of bytes 4 to the end of the record
//        4    4  size of the record in bytes, the zeros up to the next block not counted
//        8    8  store id
//       16    8  sequence: 1 for the first record of a journal, then one more for each
//       24    8  sequence of the record at the beginning of the file in this round: records of
//                another round are none of this one
//       32    4  number of pieces
//       36       for each piece: 4 shard, 4 size in bytes, 8 segment id, 8 offset in the segment
//                then the bytes of all pieces, in that order

#include "engine/journal.h"

#include <algorithm>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "engine/crc32c.h"
#include "engine/fixed_width.h"
#include "engine/location.h"

namespace respcask::engine {
namespace {

constexpr uint64_t kBlock = 4096;
constexpr size_t kHeadSize = 36;
constexpr size_t kPieceSize = 24;
constexpr char kZeros[kBlock] = {};

std::string path_in(const std::string& dir) {
  return dir + "/JOURNAL";
}

uint64_t whole_blocks(uint64_t size) {
  return (size + kBlock - 1) / kBlock * kBlock;
}

Result<void> write_zeros(File& file, uint64_t bytes) {
  const std::string zeros(std::min<uint64_t>(bytes, uint64_t{1} << 20), '\0');
  for (uint64_t at = 0; at < bytes;) {
    const auto piece = std::string_view(zeros).substr(0, std::min(bytes - at, zeros.size()));
    if (auto written = file.write_at(at, piece); !written) return written;
    at += piece.size();
  }
  return file.sync_all();
}

// A valid record in the journal's bytes.
struct JournalRecord {
  uint64_t sequence = 0;
  uint64_t first = 0;
  std::vector<Journal::Piece> pieces;
  uint64_t blocks_size = 0;  // to where the next one begins
};

std::optional<JournalRecord> decode(std::string_view bytes, uint64_t store_id) {
  if (bytes.size() < kHeadSize) return std::nullopt;
  const size_t size = load<uint32_t>(&bytes[4]);
  if (size < kHeadSize || size > bytes.size()) return std::nullopt;
  if (crc32c(bytes.substr(4, size - 4)) != load<uint32_t>(&bytes[0])) return std::nullopt;
  if (load<uint64_t>(&bytes[8]) != store_id) return std::nullopt;
  JournalRecord record;
  record.sequence = load<uint64_t>(&bytes[16]);
  record.first = load<uint64_t>(&bytes[24]);
  record.blocks_size = whole_blocks(size);
  const size_t count = load<uint32_t>(&bytes[32]);
  if (count > (size - kHeadSize) / kPieceSize) return std::nullopt;
  size_t at = kHeadSize + count * kPieceSize;
  for (size_t i = 0; i < count; ++i) {
    const char* piece = &bytes[kHeadSize + i * kPieceSize];
    const size_t piece_size = load<uint32_t>(piece + 4);
    const uint64_t offset = load<uint64_t>(piece + 16);
    if (piece_size > size - at || offset > Location::kMaxOffset - piece_size) return std::nullopt;
    record.pieces.push_back(
        {load<uint32_t>(piece), load<uint64_t>(piece + 8), offset, bytes.substr(at, piece_size)});
    at += piece_size;
  }
  return record;
}

// Reads the records of the last round, oldest first. Their pieces are views of the reader's memory,
// until the next is read.
class JournalReader {
 public:
  JournalReader(std::unique_ptr<File> file, uint64_t size, uint64_t store_id)
      : file_(std::move(file)), size_(size), store_id_(store_id) {}

  // Nothing: there are no more.
  Result<std::optional<JournalRecord>> next() {
    if (auto read = read_to(kBlock); !read) return read.error();
    if (bytes_.size() == kBlock) {
      const size_t size = load<uint32_t>(&bytes_[4]);
      if (size > size_ - at_) return std::optional<JournalRecord>();
      if (size > kBlock) {
        if (auto read = read_to(size); !read) return read.error();
      }
    }
    auto record = decode(bytes_, store_id_);
    if (!record) return record;
    if (records_ == 0) first_ = record->first;
    const bool is_next = record->first == first_ && record->sequence == first_ + records_;
    if (!is_next) return std::optional<JournalRecord>();
    ++records_;
    at_ += record->blocks_size;
    return record;
  }

 private:
  // The bytes at at_, so many if the file has them.
  Result<void> read_to(size_t size) {
    bytes_.resize(size);
    auto got = file_->read_at(at_, bytes_);
    if (!got) return got.error();
    bytes_.resize(*got);
    return {};
  }

  std::unique_ptr<File> file_;
  const uint64_t size_;
  const uint64_t store_id_;
  uint64_t at_ = 0;
  uint64_t records_ = 0;
  uint64_t first_ = 0;
  std::string bytes_;
};

// One segment's file, being given back what it lacks.
class Mending {
 public:
  Mending(std::unique_ptr<File> file, uint64_t size, bool writable)
      : file_(std::move(file)), end_(size), writable_(writable) {}

  // The bytes that it lacked; nothing if they would leave a hole.
  Result<std::optional<uint64_t>> put_back(uint64_t offset, std::string_view bytes) {
    if (offset > end_) return std::optional<uint64_t>();
    end_ = std::max(end_, offset + bytes.size());
    there_.resize(bytes.size());
    auto got = file_->read_at(offset, there_);
    if (!got) return got.error();
    if (*got == bytes.size() && there_ == bytes) return std::optional<uint64_t>(0);
    if (writable_) {
      if (auto written = file_->write_at(offset, bytes); !written) return written.error();
    }
    changed_ = true;
    return std::optional<uint64_t>(bytes.size());
  }

  Result<void> finish() { return changed_ && writable_ ? file_->sync_data() : Result<void>(); }

 private:
  std::unique_ptr<File> file_;
  uint64_t end_;  // with what was put back, if only in mind
  const bool writable_;
  bool changed_ = false;
  std::string there_;
};

// Nobody but the user can tell whether what the journal may hold is worth waiting for.
Error unreadable_journal(const Error& why) {
  return {why.code,
          fmt::format("{}; it may hold acknowledged writes that a power cut has taken from the "
                      "segments: try again if it may be readable another time, or move it away to "
                      "start without them",
                      why.message)};
}

// Null if there is no such file.
Result<std::unique_ptr<File>> open_if_there(FileSystem& files, const std::string& path,
                                            bool writable) {
  auto info = files.stat(path);
  if (!info) return info.error();
  if (!*info) return std::unique_ptr<File>();
  return writable ? files.open(path) : files.open_read_only(path);
}

}  // namespace

Result<std::unique_ptr<Journal>> Journal::create(FileSystem& files, const std::string& dir,
                                                 uint64_t store_id, uint64_t bytes, size_t lanes) {
  const std::string path = path_in(dir);
  std::unique_ptr<Journal> journal(new Journal(store_id, bytes / kBlock * kBlock, lanes));
  auto made = files.create(path);
  if (!made) return made.error();
  auto ready = write_zeros(**made, journal->bytes_);
  if (ready) ready = files.sync_directory(dir);
  for (size_t i = 0; ready && i < lanes; ++i) {
    auto opened = files.open(path);
    if (opened) {
      journal->lanes_[i].file = std::move(*opened);
    } else {
      ready = opened.error();
    }
  }
  if (!ready) {
    (void)files.unlink(path);  // half a journal is no use, and its space may be
    return ready.error();
  }
  return journal;
}

Result<bool> Journal::append(size_t lane, std::span<const Piece> pieces, uint64_t point) {
  const size_t head_size = kHeadSize + pieces.size() * kPieceSize;
  uint64_t size = head_size;
  for (const Piece& piece : pieces) size += piece.bytes.size();
  if (size > bytes_ / 8 || whole_blocks(size) > bytes_ - at_) return false;
  head_.assign(head_size, '\0');
  store(&head_[4], static_cast<uint32_t>(size));
  store(&head_[8], store_id_);
  store(&head_[16], sequence_ + 1);
  store(&head_[24], first_);
  store(&head_[32], static_cast<uint32_t>(pieces.size()));
  char* out = &head_[kHeadSize];
  for (const Piece& piece : pieces) {
    store(out, piece.shard);
    store(out + 4, static_cast<uint32_t>(piece.bytes.size()));
    store(out + 8, piece.segment_id);
    store(out + 16, piece.offset);
    out += kPieceSize;
  }
  uint32_t checksum = crc32c(std::string_view(head_).substr(4));
  for (const Piece& piece : pieces) checksum = crc32c(piece.bytes, checksum);
  store(&head_[0], checksum);
  written_.assign(1, head_);
  for (const Piece& piece : pieces) written_.push_back(piece.bytes);
  written_.push_back({kZeros, static_cast<size_t>(whole_blocks(size) - size)});
  if (auto written = lanes_[lane].file->write_at(at_, written_); !written) return written.error();
  at_ += whole_blocks(size);
  lanes_[lane].sequence = ++sequence_;
  std::lock_guard guard(mutex_);
  unsettled_.push_back({sequence_, point});
  return true;
}

Result<std::optional<uint64_t>> Journal::sync(size_t lane) {
  if (auto synced = lanes_[lane].file->sync_data(); !synced) {
    give_up();
    return synced.error();
  }
  std::lock_guard guard(mutex_);
  if (given_up_) return std::optional<uint64_t>();
  for (Unsettled& record : unsettled_) {
    if (record.sequence == lanes_[lane].sequence) record.synced = true;
  }
  std::optional<uint64_t> reached;
  for (; !unsettled_.empty() && unsettled_.front().synced; unsettled_.pop_front()) {
    reached = unsettled_.front().point;
  }
  return reached;
}

void Journal::restart() {
  at_ = 0;
  first_ = sequence_ + 1;
}

void Journal::give_up() {
  std::lock_guard guard(mutex_);
  given_up_ = true;
}

bool Journal::given_up() const {
  std::lock_guard guard(mutex_);
  return given_up_;
}

Result<JournalReport> replay_journal(
    FileSystem& files, const std::string& dir, uint64_t store_id, bool writable,
    FunctionRef<std::string(uint32_t shard, uint64_t segment_id)> segment_path) {
  JournalReport report;
  auto file = open_if_there(files, path_in(dir), false);
  if (!file) return unreadable_journal(file.error());
  if (!*file) return report;
  auto size = (*file)->size();
  if (!size) return unreadable_journal(size.error());
  JournalReader records(std::move(*file), *size, store_id);
  std::map<std::string, std::optional<Mending>> segments;  // nothing: the file is gone
  for (;;) {
    auto record = records.next();
    if (!record) return unreadable_journal(record.error());
    if (!*record) break;
    ++report.records;
    for (const Journal::Piece& piece : (*record)->pieces) {
      const std::string path = segment_path(piece.shard, piece.segment_id);
      auto [segment, is_new] = segments.try_emplace(path);
      if (is_new) {
        auto opened = open_if_there(files, path, writable);
        auto end = opened && *opened ? (*opened)->size() : Result<uint64_t>(uint64_t{0});
        // Who only looks does without what cannot be read.
        if (writable && !opened) return opened.error();
        if (writable && !end) return end.error();
        if (opened && *opened && end) segment->second.emplace(std::move(*opened), *end, writable);
      }
      if (!segment->second) continue;
      auto lacked = segment->second->put_back(piece.offset, piece.bytes);
      if (!lacked && writable) return lacked.error();
      if (!lacked) {
        segment->second.reset();
        continue;
      }
      (*lacked ? report.missing_bytes : report.misplaced_bytes) +=
          lacked->value_or(piece.bytes.size());
    }
  }
  for (auto& [path, segment] : segments) {
    if (!segment) continue;
    if (auto finished = segment->finish(); !finished) return finished.error();
  }
  return report;
}

Result<void> remove_journal(FileSystem& files, const std::string& dir) {
  auto there = files.stat(path_in(dir));
  if (!there) return there.error();
  if (!*there) return {};
  if (auto removed = files.unlink(path_in(dir)); !removed) return removed;
  return files.sync_directory(dir);
}

}  // namespace respcask::engine

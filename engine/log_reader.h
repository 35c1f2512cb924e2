// LogReader: the batches of a segment, read in order through a buffer of its own.
//
// Recovery and merge read whole segments, and what they read may lie on a sector that has gone bad:
// read(2) answers that with an error, a mapping with a signal that ends the process. So they read
// here, where a batch that cannot be read is one that is not valid, and the rest goes on. When a
// large read fails, the batch asked for is tried alone.
//
// A value may look like batches, thousands of them, each said to be large: that costs a search no
// more than some times the reading of those bytes (find).
//
// A batch is what a command, some small ones or a transaction have written, and may be larger than
// memory: of one that is not small just the names are read to see that it is valid, and then its
// records one by one.
//
// Memory: the largest record that is read whole, and some hundred KiB. Owns its buffer, not the
// file. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "engine/file.h"
#include "engine/format.h"
#include "engine/working_memory.h"

namespace respcask::engine {

class LogReader;

// A valid batch, and how far its records have been read; good until the reader is asked for
// something else. Views of names and values are good until the next call that is not said to leave
// the reader's buffer as it is.
class LogBatch {
 public:
  struct Whole {
    PlacedRecord placed;
    std::string_view value;  // its checksum before it, unchecked; empty: the kind has none
  };

  const BatchHeader& header() const { return header_; }
  const std::optional<TransactionMark>& transaction() const { return transaction_; }
  uint64_t offset() const { return offset_; }
  uint64_t end() const { return offset_ + header_.size; }

  // The next record, or nothing: after the last, or where what was read before cannot be read again
  // (has_failed). next() does not read the value.
  std::optional<PlacedRecord> next();
  std::optional<Whole> next_whole();
  bool has_failed() const { return failed_; }
  // True if next_whole(), and so next(), leaves the buffer as it is.
  bool is_next_at_hand() const;

  // Whether the value of a record of this batch matches its checksum; nothing if it cannot be read,
  // and the reader knows why.
  std::optional<bool> is_intact(const PlacedRecord& placed);
  // True if every value in the batch is intact. Reads all of it, and begins again with the first
  // record.
  bool values_intact();

 private:
  friend class LogReader;
  LogBatch(LogReader& log, uint64_t offset, const BatchHeader& header)
      : log_(&log), header_(header), offset_(offset), at_(offset + kBatchHeaderSize) {
    records_end_ = end() - (header.has_transaction ? kTransactionTrailerSize : 0);
  }
  std::optional<LogBatch::Whole> read_next(bool whole);

  LogReader* log_;
  BatchHeader header_;
  std::optional<TransactionMark> transaction_;
  uint64_t offset_;
  uint64_t at_;
  uint64_t records_end_;
  bool failed_ = false;
};

class LogReader {
 public:
  // Read at once: what the processor's nearer caches still hold when it is looked at.
  static constexpr uint64_t kChunkBytes = uint64_t{256} << 10;

  // Reads the bytes of `file` before `end`. `identity`: the segment's (format.h). A batch is small
  // if it has at most `chunk_bytes`, which is no less than the header of one.
  LogReader(const File& file, uint32_t identity, uint64_t end, uint64_t chunk_bytes = kChunkBytes)
      : file_(&file), identity_(identity), end_(end), chunk_bytes_(chunk_bytes) {}
  // Goes on with another segment, in the same buffer.
  void go_on_with(const File& file, uint32_t identity, uint64_t end);

  // The valid batch at `offset`; nothing if there is none, or it cannot be read. Of one that is not
  // small values are not read, and may prove to be unreadable later.
  std::optional<LogBatch> batch(uint64_t offset);
  // True if batch(offset) leaves the buffer as it is.
  bool holds(uint64_t offset) const;
  // The offset of the next valid batch at or after `from`. Of bytes that pretend to be many
  // batches, and were written to do so, it gives up what lies among them: a batch that is looked at
  // in vain costs what it says it is long, and after so much of that the search goes on behind all
  // of it.
  std::optional<uint64_t> find(uint64_t from);

  // The bytes [offset, offset + size), or nothing; good until the next call that needs bytes which
  // are not in the buffer.
  std::optional<std::string_view> bytes(uint64_t offset, uint64_t size);

  // Why bytes were missing, the last time that they could not be read since this was asked before;
  // empty: they were all there.
  std::string take_error() { return std::exchange(error_, {}); }

 private:
  friend class LogBatch;
  bool in_buffer(uint64_t offset, uint64_t size) const {
    return offset >= at_ && offset - at_ <= size_ && size <= size_ - (offset - at_);
  }
  std::string_view buffered(uint64_t offset) const {
    return {buffer_.get() + (offset - at_), size_ - (offset - at_)};
  }
  bool load(uint64_t offset, uint64_t size);
  std::optional<BatchHeader> header(uint64_t offset);
  bool names_match(LogBatch& batch);

  const File* file_;
  uint32_t identity_;
  uint64_t end_;
  uint64_t chunk_bytes_;
  std::unique_ptr<char[]> buffer_;
  uint64_t capacity_ = 0;
  WorkingMemory held_;
  uint64_t at_ = 0;    // where in the segment the buffer begins
  uint64_t size_ = 0;  // bytes in it
  std::string error_;
  // Of batches looked at since find() last began or jumped: how many bytes, and the end of those
  // that were looked at one after the other.
  uint64_t looked_at_ = 0;
  uint64_t looked_up_to_ = 0;
};

}  // namespace respcask::engine

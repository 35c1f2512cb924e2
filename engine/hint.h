// Hint file: what recovery needs of a segment, without its values.
//
// All integers are little endian. The file is a header, then blocks:
//
//   header
//   offset size
//        0    8  magic "RCHNT\r\n\x1a"
//        8    4  format version (kHintVersion)
//       12    4  shard
//       16    8  first segment id that the segment covers
//       24    8  last one
//       32    4  the segment's generation
//       36    4  number of blocks
//       40    8  store id
//       48    8  covered: the hint speaks of the segment's bytes before this offset; all of them
//                were on the device when it was written
//       56    8  highest sequence or collection id in them
//       64    8  completed, as in a batch (format.h), when the hint was written: who vouches for
//                bytes has to vouch for the transactions in them
//       72    8  number of records
//       80    4  CRC32C of the 80 bytes before
//
//   block
//        0    4  CRC32C of bytes 4 to the block's end
//        4    4  size of the entries in bytes
//        8       entries: a record's header and name as in the segment (format.h), then, if its
//                kind has a value, the value's offset in the segment as a varint
//
// The entries stand in log order. Puts and marks that a later record of the same segment supersedes
// may be left out. A hint is used whole or not at all: one bad block and the segment is scanned
// instead (only what was made to look sound is found to be none half way). It is written beside its
// name, synced, and renamed into place.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "engine/file.h"
#include "engine/format.h"
#include "engine/result.h"
#include "engine/segment.h"
#include "engine/working_memory.h"

namespace respcask::engine {

inline constexpr uint32_t kHintVersion = 1;

struct HintSummary {
  uint64_t covered = 0;
  uint64_t sequence = 0;
  uint64_t completed = 0;
  uint64_t records = 0;
};

// Writes one hint file. What is not finished goes with its writer. One thread.
class HintWriter {
 public:
  HintWriter(FileSystem& files, std::string path, const SegmentHeader& segment)
      : files_(files), path_(std::move(path)), segment_(segment) {}
  ~HintWriter();
  HintWriter(const HintWriter&) = delete;
  HintWriter& operator=(const HintWriter&) = delete;

  Result<void> add(const PlacedRecord& placed);
  // Syncs the file and gives it its name; the directory is the caller's to sync.
  Result<void> finish(const HintSummary& summary);

 private:
  Result<void> open();
  Result<void> flush();
  std::string temporary_path() const { return path_ + ".tmp"; }

  FileSystem& files_;
  const std::string path_;
  const SegmentHeader segment_;
  std::unique_ptr<File> file_;  // while it has the temporary name
  std::string block_;
  WorkingMemory held_;
  uint64_t at_ = 0;
  uint32_t blocks_ = 0;
  uint64_t records_ = 0;
};

// A hint. Owns its bytes; records are views into them, until the next one is asked for. One thread.
class HintReader {
 public:
  // The hint beside the segment at `segment_path`, read whole and found valid. Nothing if there is
  // none, or it is damaged, or the hint of a segment with another shard, store, first id or
  // generation. It may cover more than the segment still holds.
  static std::optional<HintReader> open(FileSystem& files, const std::string& segment_path,
                                        const SegmentHeader& segment);
  // The same, with some 256 KiB of it in memory at a time. Damage shows only where it is: from
  // there on there are no records, and that is no failure.
  static std::optional<HintReader> open_in_blocks(FileSystem& files,
                                                  const std::string& segment_path,
                                                  const SegmentHeader& segment);

  // What its header says of a hint, which may still be damaged.
  struct Measure {
    uint64_t records = 0;
    uint64_t file_bytes = 0;
  };
  static std::optional<Measure> measure(FileSystem& files, const std::string& segment_path,
                                        const SegmentHeader& segment);

  const HintSummary& summary() const { return summary_; }
  // Of the segment's header what a hint repeats.
  const SegmentHeader& segment() const { return segment_; }
  // Nothing: after the last record, or where what follows is none that the segment can have.
  std::optional<PlacedRecord> next();
  // The latter, or there were not as many as there should be: the file was made to look sound.
  bool has_failed() const { return failed_; }
  // The bytes of the file, which was read whole, before the next record.
  uint64_t position() const { return at_; }

 private:
  struct Opened {
    std::unique_ptr<File> file;
    uint64_t bytes = 0;
    uint32_t blocks = 0;
  };
  // Opens the file and reads its header into `head`. Nothing if it is not what open() wants, or if
  // the file is larger than such a hint can be: then it is damaged, and not worth the memory.
  std::optional<Opened> open_file(FileSystem& files, const std::string& segment_path,
                                  const SegmentHeader& segment, std::span<char> head);
  bool take_header(const SegmentHeader& segment, uint32_t& blocks);
  bool next_block();
  bool load_block();

  std::unique_ptr<File> file_;  // read in blocks
  uint64_t file_at_ = 0;        // the next block
  uint64_t file_bytes_ = 0;
  uint64_t room_ = 0;
  bool lost_ = false;  // a block is damaged
  std::unique_ptr<char[]> buffer_;
  std::string_view bytes_;  // what it holds
  size_t at_ = 0;
  size_t block_end_ = 0;
  uint64_t records_ = 0;  // read so far
  bool failed_ = false;
  HintSummary summary_;
  SegmentHeader segment_;
};

// Scans the first `covered` bytes of a segment, which are synced, and writes its hint to `path`.
// Needs no lock. `completed`: the shard's, once a sync of all shards has covered those bytes.
// kDamaged, and no hint, if not all batches are valid. kNoFiles: no memory was to be had.
Result<void> write_hint(FileSystem& files, Segment& segment, const std::string& path,
                        uint64_t covered, uint64_t completed);

}  // namespace respcask::engine

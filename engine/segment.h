// Segment: one append-only file of a shard, mapped for reading.
//
// Invariants:
// - Bytes before size() never change once written; a sealed segment never changes at all.
// - The mapping reaches past the end of the file, to the largest size that the segment may grow to,
//   and only bytes that were written are ever touched through it.
// - `live_bytes` is exact: the accounted size (format.h) of every record in the segment that a
//   look-up can reach. Guarded by the shard's lock.
// Shared by its shard and by readers on other threads; the file is closed, and deleted if
// it was retired, when the last of them lets go. The shard's lock guards everything that is not
// const or atomic.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "engine/file.h"
#include "engine/format.h"
#include "engine/result.h"

namespace respcask::engine {

class Segment {
 public:
  Segment(FileSystem& files, std::string path, SegmentHeader header, std::unique_ptr<File> file,
          Mapping mapping, uint64_t size);
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Creates the file with its header written (not synced, the directory neither), mapped for
  // `map_bytes`.
  static Result<std::shared_ptr<Segment>> create(FileSystem& files, const std::string& path,
                                                 const SegmentHeader& header, uint64_t map_bytes);
  // Opens an existing file. `writable` segments map `map_bytes`, others just what they hold.
  // kFormat: no valid header.
  static Result<std::shared_ptr<Segment>> open(FileSystem& files, const std::string& path,
                                               bool writable, uint64_t map_bytes);

  const SegmentHeader& header() const { return header_; }
  const std::string& path() const { return path_; }
  std::string hint_path() const;
  File& file() { return *file_; }

  // Bytes written; what is mapped and may be read.
  uint64_t size() const { return size_.load(std::memory_order_acquire); }
  std::string_view bytes() const { return {mapping_.data(), size()}; }
  uint64_t mapped_bytes() const { return mapping_.size(); }

  // Writes at the end. After a failure size() is what it was.
  Result<void> append(std::span<const std::string_view> pieces);

  // Removes the file when the last holder lets go (merged away, or wholly dead).
  void retire() { retired_.store(true, std::memory_order_release); }

  uint64_t live_bytes = 0;
  uint64_t tombstone_bytes = 0;  // accounted size of tombstones and the like, dead once no older segment is left
  bool sealed = false;
  uint32_t slot = 0;

 private:
  FileSystem& files_;
  const std::string path_;
  const SegmentHeader header_;
  std::unique_ptr<File> file_;
  Mapping mapping_;
  std::atomic<uint64_t> size_;
  std::atomic<bool> retired_{false};
};

}  // namespace respcask::engine

// Segment: one append-only file of a shard, mapped for reading.
//
// Invariants:
// - Bytes before size() never change once written; a sealed segment never changes at all.
// - The mapping of the active segment reaches past the end of the file, as far as the segment may
//   grow; only bytes that were written are ever touched through it.
// - `live_bytes` is exact: the accounted size (format.h) of every put in the segment that a look-up
//   can reach.
// Shared by its shard and by readers on other threads; the file is closed, and deleted if it was
// retired, when the last of them lets go. What is not const or atomic is guarded by the shard's
// lock; file() may be read and synced without it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/file.h"
#include "engine/format.h"
#include "engine/residency_map.h"
#include "engine/result.h"

namespace respcask::engine {

class Segment;
// Bytes of a segment that belong to none of its records, which were accounted for with `accounted`.
uint64_t framing_of(const Segment& segment, uint64_t accounted);
// The name of a segment's hint file.
std::string hint_path_of(const std::string& segment_path);

class Segment {
 public:
  ~Segment();
  Segment(const Segment&) = delete;
  Segment& operator=(const Segment&) = delete;

  // Creates the file and writes its header (nothing is synced, not even its name), and maps
  // `map_bytes` of it.
  static Result<std::shared_ptr<Segment>> create(FileSystem& files, const std::string& path,
                                                 const SegmentHeader& header, uint64_t map_bytes);
  // Opens an existing file, for appending too if `writable`. Maps what it holds, or `map_bytes` if
  // that is more. kFormat: no valid header. kDamaged: it cannot be read.
  static Result<std::shared_ptr<Segment>> open(FileSystem& files, const std::string& path,
                                               bool writable, uint64_t map_bytes);
  // The same for one whose header is known better than it can be read.
  static Result<std::shared_ptr<Segment>> open_as(FileSystem& files, const std::string& path,
                                                  const SegmentHeader& header, bool writable,
                                                  uint64_t map_bytes);

  const SegmentHeader& header() const { return header_; }
  uint32_t identity() const { return identity_; }  // segment_identity() of the header
  const std::string& path() const { return path_; }
  File& file() { return *file_; }

  // Bytes written; they may be read.
  uint64_t size() const { return size_.load(std::memory_order_acquire); }
  std::string_view bytes() const { return {mapping_.data(), size()}; }

  // Keeps `bytes`, which are of the segment, where they are for as long as it is held, whatever
  // becomes of the segment. Null if they are not of its mapping.
  std::shared_ptr<const void> hold(std::string_view bytes) const;

  // Writes at the end. On failure size() is what it was.
  Result<void> append(std::span<const std::string_view> pieces);
  // Makes sure that space for `size` bytes in all is reserved on the disk, asking for `step` more
  // at a time. kNoSpace: there is less than `size`.
  Result<void> reserve(uint64_t size, uint64_t step);
  uint64_t reserved() const { return reserved_; }
  // How large it can become: what it is mapped for.
  uint64_t capacity() const { return mapping_.size(); }
  // Cuts the file to `size` bytes and gives back what is reserved past it.
  Result<void> cut(uint64_t size);
  // A mapping of just what the segment holds, for when it is sealed. Empty if the one it has is no
  // wider, or if there is no other.
  Mapping map_contents() const;
  // So that reads of what was written a moment ago do not fault (Mapping::populate). As for
  // map_contents(), the mapping has to stay.
  void populate() const { mapping_.populate(size()); }
  // Goes over to such a mapping and leaves the old one in its place, to be let go of without the
  // shard's lock: the system takes its time over that. No view of the segment may be in use that
  // does not hold() it.
  void swap_mapping(Mapping& mapping) { std::swap(mapping_, mapping); }

  // Names a page of the segment among those of all segments.
  uint64_t page_id(uint64_t page) const { return (uint64_t{identity_} << 32) + page; }

  // True if the bytes are in memory, as far as we know.
  bool resident(uint64_t offset, uint64_t size) const { return residency_.resident(offset, size); }
  // They were read through the page cache.
  void read_in(uint64_t offset, uint64_t size) {
    const uint64_t pages = residency_.set(offset, size);
    if (pages != 0) pages_come_.fetch_add(pages, std::memory_order_relaxed);
  }
  // How many pages came into memory that way since the last call.
  uint64_t take_pages_come() { return pages_come_.exchange(0, std::memory_order_relaxed); }
  // The same as the system says now, which takes half a microsecond, or said to this thread at most
  // `age_ms` ago. With the shard's lock held. Adds the pages that have gone to `gone`.
  bool still_resident(uint64_t offset, uint64_t size, int64_t age_ms, uint64_t& gone);
  // Asks the system about the pages from `offset` on, the beginning of a page, of 2 MiB at most.
  // Returns where to go on; size() when there is no more to ask, or no answer. Adds the pages asked
  // about to `counts`.
  uint64_t refresh_residency(uint64_t offset, PageCounts& counts);
  // What it says: a byte for each page, 1 for one that is in memory. Empty if it does not say.
  std::vector<uint8_t> ask_residency() const;

  // Counts a record without a value.
  void add_mark(const Record& record);
  // One that says which namespace a database is, of so many bytes: it counts, or no longer, for a
  // later one has come.
  void add_namespace(uint64_t bytes);
  void drop_namespace(uint64_t bytes);
  // What has to be in a merge's output, framing aside. `spent`: no older segment needs its marks.
  uint64_t needed_bytes(bool spent) const {
    return live_bytes + (spent ? namespace_bytes : mark_bytes);
  }
  // That of no batch in it is higher; UINT64_MAX - 1 if that is not known. `next`: the segment
  // after it; null: there is none.
  uint64_t last_sequence(const Segment* next) const;
  // Marks of later segments speak of nothing in this one if all their batches are below this.
  uint64_t marks_spent_to() const { return damaged ? 0 : rewritten_sequence; }

  // Gives the file another name. Before anybody else knows of the segment.
  Result<void> rename(const std::string& path);

  // The file goes when the last holder lets go of the segment (merged away, or wholly dead).
  void retire() { retired_.store(true, std::memory_order_release); }
  // If it is retired the file goes now, whoever still reads it, and not once more later.
  void unlink_retired();

  uint64_t live_bytes = 0;
  // Accounted size of tombstones and other records without a value: dead weight as soon as no older
  // segment holds anything that they could speak about.
  uint64_t mark_bytes = 0;
  // Those of them that say which namespace a database is: they speak of no older segment, and the
  // last one of each database is needed for ever. None but these are counted, here and above.
  uint64_t namespace_bytes = 0;
  // What of a merged segment is neither, batch headers above all: a further merge would not give it
  // back. 0 for segments that clients wrote, where it would.
  uint64_t framing_bytes = 0;
  // Of a merged segment: the sequence given out when the merge began. Nothing was copied that
  // batches below it had superseded, and every expiry that they set is in the put itself. A segment
  // that was sealed then has only such. 0: not merged, or not known yet.
  uint64_t rewritten_sequence = 0;
  bool has_hint = false;      // one that covers all of it
  bool from_hint = false;     // what the shard knows of it was read from its hint, not from itself
  bool damaged = false;       // a batch is unreadable; merge leaves the segment alone
  uint64_t scrub_damage = 0;  // places that the last scrub found; the scrub thread's own
  // Both guarded by the store's one-sync-at-a-time lock.
  uint64_t synced_bytes = 0;
  uint64_t journaled_bytes = 0;  // up to here they lie in the journal, if not synced
  bool sealed = false;
  bool settled =
      false;  // sealed, synced, its mapping final: may be read without the lock, and merged
  uint32_t slot = 0;

 private:
  Segment(FileSystem& files, std::string path, SegmentHeader header, std::unique_ptr<File> file,
          Mapping mapping, uint64_t size);

  FileSystem& files_;
  std::string path_;
  const SegmentHeader header_;
  const uint32_t identity_;
  std::unique_ptr<File> file_;
  Mapping mapping_;
  ResidencyMap residency_;
  std::atomic<uint64_t> pages_come_{0};
  std::atomic<uint64_t> size_;
  uint64_t reserved_;
  std::atomic<bool> retired_{false};
};

}  // namespace respcask::engine

// ReadRing: a loop's reads of values that are not in memory, by io_uring: no thread waits for them,
// and those of a turn go to the disk together.
//
// What is ordinary is done here: a value of moderate size, in a real file, that is read as a whole.
// All else, and every read that fails or falls short, is left to the ReaderPool, which knows how to
// tell damage from errors. The bytes go through the page cache, as the pool's do, or past it where
// the value had better not stay in memory and its file can be read so.
//
// Invariants: at most kDepth reads are in the kernel's hands, with their jobs in slots_; others
// wait in backlog_. A job's value keeps its segment, and so the file, alive, and its own buffer, if
// it is read into that; what goes past the cache is read into its slot's.
// Used by the thread that opened it, and destroyed by it. The pool outlives it.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include "server/readers.h"

namespace respcask::server {

class ReadRing final : public ValueReader {
 public:
  // Null where the kernel has no such rings (Linux before 6.0) or does not allow them, as in many
  // containers.
  static std::unique_ptr<ReadRing> open(ReaderPool& pool);
  ~ReadRing() override;  // waits for the reads that the kernel is at
  ReadRing(const ReadRing&) = delete;
  ReadRing& operator=(const ReadRing&) = delete;

  // Readable when reap() is due.
  int descriptor() const { return ring_.ring_fd; }
  void submit(FetchBatch& batch) override;
  // Finishes some of what has been read, and submits what waited for room.
  void reap();

 private:
  static constexpr uint32_t kDepth = 256;

  struct Free {
    void operator()(char* memory) const { std::free(memory); }
  };
  struct Slot {
    FetchJob job;
    // Of kSmallBuffer bytes, kept; or larger, for the job alone; or null. Begins with a page.
    std::unique_ptr<char, Free> buffer;
    bool past_cache = false;
    uint32_t skip = 0;  // bytes before the value's that had to be read with it
  };

  // Takes the ring over.
  ReadRing(ReaderPool& pool, const io_uring& ring);
  void start(FetchJob job);
  bool start_past_cache(uint32_t slot, io_uring_sqe& entry, const engine::ColdRead& read);
  void flush();
  void complete(uint32_t slot, int32_t got);

  ReaderPool& pool_;
  io_uring ring_;
  std::vector<Slot> slots_;     // kDepth of them
  std::vector<uint32_t> free_;  // of those; the one used last is used next
  FetchQueue backlog_;
};

}  // namespace respcask::server

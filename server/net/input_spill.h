// InputSpill: a queue of bytes in a file, for what a client sends while its replies wait to be
// read: many clients send all of a pipeline, however long, before they read the first reply.
// SpillArea: what the spills of one loop share.
//
// Invariants:
// - Bytes come out in the order in which they went in, all of them: what the disk does not take
//   stays in memory, and is the last that goes in before the queue has been empty.
// - The file has no name from the moment it is there, so that a crash leaves nothing. It is never
//   synced.
// - The file grows until the queue is empty, whatever is taken from its front; so it has a limit.
// A spill owns its file; its area outlives it. Both block on the disk as a write of the engine
// does, on the thread of their loop alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "engine/file.h"
#include "engine/result.h"
#include "server/stats.h"

namespace respcask::server {

class InputSpill;

class SpillArea {
 public:
  // As many clients of a loop have one at a time: each takes a descriptor, which is kept for it
  // (open_files.cc).
  static constexpr size_t kMostSpills = 16;
  static constexpr size_t kRoomBytes = 64 * 1024;
  // What spills leave free on the disk, to within what is written between two looks: a tenth of it,
  // or this.
  static constexpr uint64_t kLeftFree = uint64_t{1} << 30;
  static constexpr uint64_t kBytesBetweenLooks = 16 << 20;

  // Files are made in `dir`, under a name that no other area has, `name`, for a moment. `held`
  // counts the bytes that they take.
  SpillArea(engine::FileSystem& files, std::string dir, const std::string& name, Counter& held);

  // An empty spill of up to `limit` bytes; null if there are enough of them or none can be had.
  std::unique_ptr<InputSpill> open(uint64_t limit);

  // Room for a read whose bytes go into a spill, kRoomBytes, until the next call. There is one
  // open.
  std::span<char> room();

 private:
  friend class InputSpill;
  bool has_space();

  engine::FileSystem& files_;
  const std::string dir_;
  const std::string path_;
  Counter& held_;
  uint64_t unlooked_ = 0;  // bytes written since the free space was looked up
  bool short_ = false;     // there was too little then
  size_t open_ = 0;
  std::unique_ptr<char[]> room_;  // while one is open
};

class InputSpill {
 public:
  ~InputSpill();
  InputSpill(const InputSpill&) = delete;
  InputSpill& operator=(const InputSpill&) = delete;

  bool empty() const { return taken_ == written_ && rest_.empty(); }
  // Whether more had better be added: it has not reached its limit, and the disk has room.
  bool takes_more() const { return !full_ && area_.has_space(); }
  void add(std::string_view bytes);
  // Moves the first bytes, `into.size()` or as many as there are, to `into`; how many. kIo: the
  // file cannot be read.
  engine::Result<size_t> take(std::span<char> into);

 private:
  friend class SpillArea;
  InputSpill(SpillArea& area, std::unique_ptr<engine::File> file, uint64_t limit);

  SpillArea& area_;
  const std::unique_ptr<engine::File> file_;
  const uint64_t limit_;
  uint64_t written_ = 0;  // bytes of the file
  uint64_t taken_ = 0;    // of them, from the front
  std::string rest_;      // what the file did not take
  size_t rest_taken_ = 0;
  bool full_ = false;
};

}  // namespace respcask::server

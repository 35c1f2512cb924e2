// OutputQueue: replies that are complete but have not left: either the socket would not take them,
// or the sync that they depend on (appendfsync always) has not returned.
//
// Invariants: bytes leave in the order in which they were queued; a part leaves only when its sync
// point is reached; queued bytes never move, so a write under way may point at them. Small parts
// share blocks, as many messages to a client that does not read would take several times their
// length. It owns the bytes. One loop's thread.
#pragma once

#include <cstddef>
#include <list>
#include <string>

#include "engine/store.h"

namespace respcask::server {

class OutputQueue {
 public:
  bool empty() const { return parts_.empty(); }
  size_t bytes() const { return bytes_; }
  size_t parts() const { return parts_.size(); }
  // Heap held.
  size_t memory_bytes() const { return memory_bytes_; }

  // Queues `bytes`, which must not be empty, behind what is there.
  void add(engine::SyncPoint point, std::string bytes);

  // Visits what may leave from the front on, up to `limit` pieces: visit(data, size). Returns how
  // many it visited. `synced` answers whether a point is reached.
  template <class Synced, class Visit>
  size_t each_released(const Synced& synced, size_t limit, const Visit& visit) {
    size_t visited = 0;
    size_t offset = front_offset_;
    for (Part& part : parts_) {
      if (visited == limit || !synced(part.point)) break;
      visit(part.bytes.data() + offset, part.bytes.size() - offset);
      offset = 0;
      ++visited;
    }
    return visited;
  }

  // The first `count` bytes have left.
  void remove(size_t count);
  void clear();

 private:
  struct Part {
    engine::SyncPoint point;
    std::string bytes;
  };
  static constexpr size_t kBlockBytes = 16 * 1024;
  static size_t memory_of(const Part& part);

  std::list<Part> parts_;    // a list: empty it holds no memory, and parts stay where they are
  size_t front_offset_ = 0;  // bytes of the first part that have left
  size_t bytes_ = 0;         // still to leave
  size_t memory_bytes_ = 0;
};

}  // namespace respcask::server

// OutputQueue: replies that are complete but have not left: either the socket would not take them,
// or the sync that they depend on (appendfsync always) has not returned.
//
// Invariants: bytes leave in the order in which they were queued, and only when the sync point that
// they were queued with is reached, and those of all before them; queued bytes do not move but by
// own(), so a write under way may point at them. Small parts share blocks, whatever points they
// wait for, as many replies to a client that does not read would take many times their length. It
// owns the bytes but those that are lent (resp/lent_bytes.h), and those too after own(). One loop's
// thread.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <list>
#include <string>
#include <string_view>
#include <utility>

#include "engine/store.h"
#include "resp/lent_bytes.h"

namespace respcask::server {

class OutputQueue {
 public:
  bool empty() const { return parts_.empty(); }
  size_t bytes() const { return added_ - removed_; }
  size_t parts() const { return parts_.size(); }
  // Heap held.
  size_t memory_bytes() const { return memory_bytes_ + marks_.size() * kMarkMemory; }

  // Queues `bytes`, which must not be empty, behind what is there; with what is lent to them.
  void add(engine::SyncPoint point, std::string bytes, resp::LentBytes lent = {});
  // Copies what is lent and has not left. Nothing that a write under way points at may be lent.
  void own();

  // Visits what may leave from the front on, up to `limit` pieces: visit(data, size). Returns how
  // many it visited. `synced` answers whether a point is reached.
  template <class Synced, class Visit>
  size_t each_released(const Synced& synced, size_t limit, const Visit& visit) {
    while (!marks_.empty() && synced(marks_.front().point)) {
      released_ = marks_.front().end;
      marks_.pop_front();
    }
    size_t visited = 0;
    size_t gone = front_offset_;
    uint64_t left = released_ - removed_;
    for (const Part& part : parts_) {
      if (visited == limit || left == 0) break;
      each_piece(part, std::exchange(gone, 0), [&](std::string_view piece) {
        piece = piece.substr(0, left);
        left -= piece.size();
        visit(piece.data(), piece.size());
        return ++visited < limit && left > 0;
      });
    }
    return visited;
  }

  // The first `count` bytes have left.
  void remove(size_t count);
  void clear();

 private:
  // What was queued before the `end`th byte that ever was waits for this.
  struct Mark {
    engine::SyncPoint point;
    uint64_t end;
  };
  struct Part {
    std::string text;
    resp::LentBytes lent;
    size_t bytes() const { return text.size() + lent.bytes(); }
  };
  static constexpr size_t kBlockBytes = 16 * 1024;
  static constexpr size_t kMarkMemory = sizeof(Mark) + 2 * sizeof(void*);
  static size_t memory_of(const Part& part);
  // Calls visit(piece) with what is behind the first `gone` bytes of a part, until it returns
  // false.
  template <class Visit>
  static void each_piece(const Part& part, size_t gone, const Visit& visit) {
    part.lent.visit(part.text, [&](std::string_view piece) {
      const size_t offset = std::min(gone, piece.size());
      gone -= offset;
      return offset == piece.size() || visit(piece.substr(offset));
    });
  }

  std::list<Part> parts_;    // a list: empty it holds no memory, and parts stay where they are
  size_t front_offset_ = 0;  // bytes of the first part that have left
  std::list<Mark> marks_;    // of points not known to be reached, each above the one before
  uint64_t added_ = 0;       // bytes that ever were queued,
  uint64_t released_ = 0;    // of these known to wait for nothing,
  uint64_t removed_ = 0;     // of these gone
  size_t memory_bytes_ = 0;  // of parts_
  bool owns_all_ = true;
};

}  // namespace respcask::server

#include "server/net/output_queue.h"

#include <cassert>
#include <utility>

namespace respcask::server {

size_t OutputQueue::memory_of(const Part& part) {
  constexpr size_t kLinkBytes = 2 * sizeof(void*);
  return sizeof(Part) + kLinkBytes + part.bytes.capacity();
}

void OutputQueue::add(engine::SyncPoint point, std::string bytes) {
  assert(!bytes.empty());
  bytes_ += bytes.size();
  if (!parts_.empty()) {
    // Within its capacity a string stays where it is.
    Part& last = parts_.back();
    if (last.point == point && bytes.size() <= last.bytes.capacity() - last.bytes.size()) {
      last.bytes += bytes;
      return;
    }
  }
  // The first part may lie in a string that was made for something larger.
  if (bytes.size() <= kBlockBytes / 2 && (!parts_.empty() || bytes.capacity() > kBlockBytes)) {
    std::string block;
    block.reserve(kBlockBytes);
    block += bytes;
    bytes = std::move(block);
  }
  parts_.push_back({point, std::move(bytes)});
  memory_bytes_ += memory_of(parts_.back());
}

void OutputQueue::remove(size_t count) {
  assert(count <= bytes_);
  bytes_ -= count;
  count += front_offset_;
  while (!parts_.empty() && count >= parts_.front().bytes.size()) {
    count -= parts_.front().bytes.size();
    memory_bytes_ -= memory_of(parts_.front());
    parts_.pop_front();
  }
  front_offset_ = count;
}

void OutputQueue::clear() {
  parts_.clear();
  front_offset_ = 0;
  bytes_ = 0;
  memory_bytes_ = 0;
}

}  // namespace respcask::server

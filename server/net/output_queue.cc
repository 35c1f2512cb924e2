#include "server/net/output_queue.h"

#include <cassert>
#include <utility>

namespace respcask::server {

size_t OutputQueue::memory_of(const Part& part) {
  constexpr size_t kLinkBytes = 2 * sizeof(void*);
  return sizeof(Part) + kLinkBytes + part.text.capacity() + part.lent.memory_bytes();
}

void OutputQueue::add(engine::SyncPoint point, std::string bytes, resp::LentBytes lent) {
  assert(!bytes.empty());
  added_ += bytes.size() + lent.bytes();
  if (marks_.empty() && point == 0) {
    released_ = added_;
  } else if (!marks_.empty() && marks_.back().point >= point) {
    marks_.back().end = added_;
  } else {
    marks_.push_back({point, added_});
  }
  if (!lent.empty()) {
    owns_all_ = false;
  } else {
    if (!parts_.empty()) {
      // Within its capacity a string stays where it is.
      Part& last = parts_.back();
      if (bytes.size() <= last.text.capacity() - last.text.size()) {
        last.text += bytes;
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
  }
  parts_.push_back({std::move(bytes), std::move(lent)});
  memory_bytes_ += memory_of(parts_.back());
}

void OutputQueue::own() {
  if (owns_all_) return;
  owns_all_ = true;
  for (Part& part : parts_) {
    if (part.lent.empty()) continue;
    const size_t gone = &part == &parts_.front() ? std::exchange(front_offset_, 0) : 0;
    memory_bytes_ -= memory_of(part);
    std::string text;
    text.reserve(part.bytes() - gone);
    each_piece(part, gone, [&](std::string_view piece) {
      text += piece;
      return true;
    });
    part.text = std::move(text);
    part.lent = resp::LentBytes();
    memory_bytes_ += memory_of(part);
  }
}

void OutputQueue::remove(size_t count) {
  assert(count <= bytes());
  removed_ += count;
  assert(removed_ <= released_);
  count += front_offset_;
  while (!parts_.empty() && count >= parts_.front().bytes()) {
    count -= parts_.front().bytes();
    memory_bytes_ -= memory_of(parts_.front());
    parts_.pop_front();
  }
  front_offset_ = count;
}

void OutputQueue::clear() {
  parts_.clear();
  marks_.clear();
  removed_ = released_ = added_;
  front_offset_ = 0;
  memory_bytes_ = 0;
  owns_all_ = true;
}

}  // namespace respcask::server

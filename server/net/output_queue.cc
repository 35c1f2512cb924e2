#include "server/net/output_queue.h"

#include <cassert>
#include <utility>

namespace respcask::server {

void OutputQueue::add(engine::SyncPoint point, std::string bytes) {
  assert(!bytes.empty());
  bytes_ += bytes.size();
  parts_.push_back({point, std::move(bytes)});
}

void OutputQueue::remove(size_t count) {
  assert(count <= bytes_);
  bytes_ -= count;
  count += front_offset_;
  while (!parts_.empty() && count >= parts_.front().bytes.size()) {
    count -= parts_.front().bytes.size();
    parts_.pop_front();
  }
  front_offset_ = count;
}

void OutputQueue::clear() {
  parts_.clear();
  front_offset_ = 0;
  bytes_ = 0;
}

}  // namespace respcask::server

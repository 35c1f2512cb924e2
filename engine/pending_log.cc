#include "engine/pending_log.h"

#include <algorithm>
#include <utility>

namespace respcask::engine {

void PendingLog::add_block(size_t at_least) {
  if (at_least <= spare_.capacity) {
    spare_.size = 0;
    blocks_.push_back(std::exchange(spare_, {}));
    return;
  }
  Block block;
  const size_t ordinary =
      blocks_.empty() ? kFirstBlock : std::min(2 * blocks_.back().capacity, kBlockSize);
  block.capacity = std::max(at_least, ordinary);
  block.bytes = std::make_unique_for_overwrite<char[]>(block.capacity);
  capacity_ += block.capacity;
  blocks_.push_back(std::move(block));
}

// Keeps the last of them for the next add_block(), if it is an ordinary one.
void PendingLog::drop_first(size_t count) {
  for (size_t i = 0; i < count; ++i) {
    Block& block = blocks_[i];
    capacity_ -= block.capacity;
    if (block.capacity > kBlockSize || block.capacity < spare_.capacity) continue;
    capacity_ += block.capacity - spare_.capacity;
    spare_ = std::move(block);
  }
  blocks_.erase(blocks_.begin(), blocks_.begin() + static_cast<ptrdiff_t>(count));
}

std::string_view PendingLog::at(uint64_t back, size_t size) const {
  uint64_t passed = 0;
  for (size_t i = blocks_.size(); i-- > 0;) {  // what is asked for was mostly written last
    passed += blocks_[i].size;
    if (back <= passed) {
      assert(passed - back + size <= blocks_[i].size);
      return {blocks_[i].bytes.get() + (passed - back), size};
    }
  }
  assert(false);
  return {};
}

const std::vector<std::string_view>& PendingLog::pieces() {
  pieces_.clear();
  uint64_t skip = held_before_;
  for (const Block& block : blocks_) {
    const uint64_t here = std::min<uint64_t>(skip, block.size);
    skip -= here;
    if (block.size > here) pieces_.emplace_back(block.bytes.get() + here, block.size - here);
  }
  return pieces_;
}

void PendingLog::written() {
  held_before_ += size_;
  written_size_ += size_;
  size_ = 0;
}

void PendingLog::trim() {
  size_t held = capacity_ - spare_.capacity;
  size_t count = 0;
  for (; held > kKept && held_before_ >= blocks_[count].size; ++count) {
    held -= blocks_[count].capacity;
    held_before_ -= blocks_[count].size;
  }
  written_size_ = std::min(written_size_, held_before_);
  if (count > 0) drop_first(count);
}

void PendingLog::clear() {
  drop_first(blocks_.size());
  size_ = held_before_ = written_size_ = 0;
}

}  // namespace respcask::engine

#include "engine/pending_log.h"

#include <algorithm>
#include <new>

namespace respcask::engine {

void PendingLog::add_block(size_t at_least) {
  Block block;
  size_t ordinary = kFirstBlock;
  if (size_ >= kMuch) {
    ordinary = kLargeBlock;
  } else if (!blocks_.empty()) {
    ordinary = std::min(2 * blocks_.back().capacity, kBlockSize);
  }
  block.capacity = std::max(at_least, ordinary);
  block.bytes = std::make_unique_for_overwrite<char[]>(block.capacity);
  blocks_.push_back(std::move(block));
  capacity_ += blocks_.back().capacity;
}

std::string_view PendingLog::at(uint64_t offset, size_t size) const {
  uint64_t base = size_;
  for (size_t i = blocks_.size(); i-- > 0;) {  // what is asked for was mostly written last
    base -= blocks_[i].size;
    if (offset >= base) {
      assert(offset - base + size <= blocks_[i].size);
      return {blocks_[i].bytes.get() + (offset - base), size};
    }
  }
  assert(false);
  return {};
}

const std::vector<std::string_view>& PendingLog::pieces() {
  pieces_.clear();
  for (const Block& block : blocks_) {
    if (block.size > 0) pieces_.emplace_back(block.bytes.get(), block.size);
  }
  return pieces_;
}

void PendingLog::clear() {
  Block kept;
  for (Block& block : blocks_) {
    if (block.capacity <= kBlockSize && block.capacity > kept.capacity) kept = std::move(block);
  }
  // Half of one that was mostly empty: a shard that took much for once does not hold it for good.
  if (kept.capacity > kFirstBlock && size_ < kept.capacity / 4) {
    const size_t half = std::max(kFirstBlock, kept.capacity / 2);
    // Where there is no memory for that either it stays as it is.
    if (char* const bytes = new (std::nothrow) char[half]) {
      kept.bytes.reset(bytes);
      kept.capacity = half;
    }
  }
  blocks_.clear();
  kept.size = 0;
  capacity_ = kept.capacity;
  size_ = 0;
  if (kept.capacity != 0) blocks_.push_back(std::move(kept));
}

}  // namespace respcask::engine

// PendingLog: bytes that a shard has appended since its last commit, in blocks that never move.
//
// Invariants: the bytes of one extend() are contiguous and stay where they are until clear(), so
// that a value can be read, and a batch header filled in later, through plain pointers. Owned by
// its shard and used under the shard's lock.
#pragma once

#include <cassert>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace respcask::engine {

class PendingLog {
 public:
  // `size` more bytes, uninitialized, in one piece.
  char* extend(size_t size) {
    reserve(size);
    Block& block = blocks_.back();
    char* at = block.bytes.get() + block.size;
    block.size += size;
    size_ += size;
    return at;
  }

  // Gets the memory for what is appended next, `size` bytes in all.
  void reserve(size_t size) {
    if (blocks_.empty() || blocks_.back().capacity - blocks_.back().size < size) add_block(size);
  }

  // Gives back the last `size` bytes of the last extend().
  void shrink_last(size_t size) {
    assert(!blocks_.empty() && blocks_.back().size >= size);
    blocks_.back().size -= size;
    size_ -= size;
  }

  uint64_t size() const { return size_; }

  // The bytes at `offset` from the front; they lie within one extend().
  std::string_view at(uint64_t offset, size_t size) const;

  // All of it, in order.
  const std::vector<std::string_view>& pieces();

  // Forgets the bytes; keeps a block for the next ones, the smaller the fewer these were.
  void clear();

  // Heap bytes held.
  size_t memory_bytes() const { return capacity_; }

  // Each block is twice as large as the one before, up to some hundred small records, a cache's
  // worth: a shard that takes little at a time does with little. What one command writes may be
  // gigabytes: that goes into blocks so large that the allocator gives them back to the system,
  // where small ones would stay with it, whatever lies behind them still in use.
  static constexpr size_t kFirstBlock = 4 * 1024;

 private:
  static constexpr size_t kBlockSize = 64 * 1024;
  static constexpr size_t kMuch = 16 * 1024 * 1024;
  static constexpr size_t kLargeBlock = 8 * 1024 * 1024;

  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
    size_t capacity = 0;
  };
  void add_block(size_t at_least);

  std::vector<Block> blocks_;
  std::vector<std::string_view> pieces_;
  uint64_t size_ = 0;
  size_t capacity_ = 0;
};

}  // namespace respcask::engine

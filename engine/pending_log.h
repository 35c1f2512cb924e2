// PendingLog: bytes that a shard has appended since its last commit, and the latest of those
// before.
//
// What was written a moment ago is often read next: a small collection is read and written as a
// whole with each change. The file's mapping could serve it, but each page at the end of a file
// that grows is new to the mapping, and costs a page fault of its own; so the bytes stay here for a
// while.
//
// Invariants: the bytes of one extend() are contiguous and stay where they are until trim() or
// clear(), so that a value can be read, and a batch header filled in later, through plain pointers.
// Owned by its shard and used under the shard's lock.
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
    if (blocks_.empty() || blocks_.back().capacity - blocks_.back().size < size) add_block(size);
    Block& block = blocks_.back();
    char* at = block.bytes.get() + block.size;
    block.size += size;
    size_ += size;
    return at;
  }

  // Gives back the last `size` bytes of the last extend().
  void shrink_last(size_t size) {
    assert(!blocks_.empty() && blocks_.back().size >= size);
    blocks_.back().size -= size;
    size_ -= size;
  }

  uint64_t size() const { return size_; }  // of what is pending

  // How many bytes before the pending ones at() knows as well.
  uint64_t written_size() const { return written_size_; }

  // The bytes that begin `back` before the end; they lie within one extend(). `back` is at most
  // size() + written_size().
  std::string_view at(uint64_t back, size_t size) const;

  // What is pending, in order.
  const std::vector<std::string_view>& pieces();

  // What was pending is in the file.
  void written();
  // The file goes on elsewhere: at() knows no bytes but the pending ones.
  void begin_file() { written_size_ = 0; }
  // Gives back all but about the last kKept of the bytes that were written.
  void trim();

  // Forgets all bytes; keeps a block for the next ones.
  void clear();

  // Heap bytes held.
  size_t memory_bytes() const { return capacity_; }

  // The system maps as many bytes of a file around a page that is read.
  static constexpr size_t kKept = 64 * 1024;

  // Each block is twice as large as the one before: a shard that takes little does with little.
  static constexpr size_t kFirstBlock = 4 * 1024;
  static constexpr size_t kBlockSize = 16 * 1024;

 private:
  struct Block {
    std::unique_ptr<char[]> bytes;
    size_t size = 0;
    size_t capacity = 0;
  };
  void add_block(size_t at_least);
  void drop_first(size_t count);

  std::vector<Block> blocks_;
  Block spare_;
  std::vector<std::string_view> pieces_;
  uint64_t size_ = 0;
  uint64_t held_before_ = 0;   // bytes in blocks_ before the pending ones
  uint64_t written_size_ = 0;  // of these, what at() knows
  size_t capacity_ = 0;
};

}  // namespace respcask::engine

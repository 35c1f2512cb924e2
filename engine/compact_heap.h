// CompactHeap: memory for blocks that may be moved, without holes.
//
// The pages of a keydir change size all the time. malloc leaves holes between them that depend on
// the history (measured: from 3 bytes a key with glibc to 15 with jemalloc), keeps what was freed,
// and now and then gives hundreds of megabytes back in one call, a pause of 200 ms. But each page
// has one owner, its place in the directory, so pages can be moved, and then there need be no holes
// at all:
//
//   - Blocks come in sizes of 1, 2, 3, ... quanta. Those of one size lie densely in chunks of their
//   own.
//   - A new block goes to the end. Where one is freed, the last one of its size moves in.
//   - A chunk that has become empty is for any size to use. A few such chunks are kept as they are,
//     of the others the memory is given back to the kernel, and their addresses are kept.
//
// So memory held is the blocks in use, less than a chunk for each size in use, and the spare
// chunks, whatever came before; and no call does more than move a block and give back a chunk.
//
// Owns its memory, which comes from mmap(2) in regions. Blocks above kMaxQuanta are left to malloc
// and never move. An empty heap is a null pointer. No locking: one thread at a time.
//
// Chunks and regions are for tables of many megabytes. One of which there may be millions, mostly
// small, takes a heap of kind kMalloc, which leaves every block to malloc.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace respcask::engine {

class CompactHeap {
 public:
  static constexpr size_t kQuantum = 64;     // bytes
  static constexpr size_t kMaxQuanta = 256;  // 16 KiB

  enum class Kind : uint8_t { kDense, kMalloc };

  explicit CompactHeap(Kind kind = Kind::kDense);
  ~CompactHeap();
  CompactHeap(CompactHeap&&) = delete;
  void swap(CompactHeap& other) noexcept {
    state_.swap(other.state_);
    std::swap(malloc_bytes_, other.malloc_bytes_);
    std::swap(kind_, other.kind_);
  }

  // A block of this many quanta, aligned to 16 bytes.
  void* allocate(size_t quanta);

  // Frees a block. Returns whether another block of the same size was moved to its address; its
  // owner must be told.
  [[nodiscard]] bool free(void* block, size_t quanta);

  // To let a large heap go in slices: first all blocks, without moving others, then the regions one
  // by one, until it returns false. In between nothing else may be called.
  void release_block(void* block, size_t quanta);
  bool release_region();

  // Bytes of the blocks, and of the heap's own records. What lies beyond the last block of a size
  // has not been touched, or is less than a chunk.
  size_t memory_bytes() const;
  // Of these, what does not come from malloc.
  size_t mapped_bytes() const;

 private:
  struct State;
  std::unique_ptr<State> state_;  // null for kMalloc
  size_t malloc_bytes_ = 0;       // of the blocks of a heap of kind kMalloc
  Kind kind_;
};

}  // namespace respcask::engine

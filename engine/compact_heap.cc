#include "engine/compact_heap.h"

#include <malloc.h>
#include <sys/mman.h>

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace respcask::engine {

namespace {

constexpr size_t kChunk = 128 << 10;
constexpr size_t kChunksInRegion = 16;
constexpr size_t kRegion = kChunk * kChunksInRegion;

// Empty chunks that keep their memory, so that growing and shrinking by turns costs no system call.
constexpr size_t kWarmChunks = 2;

constexpr size_t kMallocHeader = 8;  // what a block takes beyond its usable size

}  // namespace

struct CompactHeap::State {
  struct Size {  // the blocks of one size
    std::vector<char*> chunks;
    size_t in_last = 0;  // blocks in chunks.back(); the others are full
  };

  std::vector<Size> sizes;  // by quanta, as far as there are any
  std::vector<char*> regions;
  std::vector<char*> warm;  // empty chunks
  std::vector<char*> cold;  // empty chunks without memory
  size_t fresh_chunks = 0;  // at the end of regions.back(), never used yet
  size_t block_bytes = 0;
  size_t large_bytes = 0;  // of these, of blocks that are malloc's

  ~State() {
    while (unmap_region()) {
    }
  }

  char* take_chunk() {
    for (auto* empty : {&warm, &cold}) {
      if (empty->empty()) continue;
      char* chunk = empty->back();
      empty->pop_back();
      return chunk;
    }
    if (fresh_chunks == 0) {
      void* region =
          mmap(nullptr, kRegion, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (region == MAP_FAILED) throw std::bad_alloc();
      regions.push_back(static_cast<char*>(region));
      fresh_chunks = kChunksInRegion;
    }
    return regions.back() + kChunk * (kChunksInRegion - fresh_chunks--);
  }

  void give_chunk(char* chunk) {
    if (warm.size() < kWarmChunks) return warm.push_back(chunk);
    madvise(chunk, kChunk, MADV_DONTNEED);  // if it fails, the memory is merely kept
    cold.push_back(chunk);
  }

  bool unmap_region() {
    if (regions.empty()) return false;
    munmap(regions.back(), kRegion);
    regions.pop_back();
    return true;
  }
};

CompactHeap::CompactHeap(Kind kind) : kind_(kind) {}
CompactHeap::~CompactHeap() = default;

void* CompactHeap::allocate(size_t quanta) {
  const size_t bytes = quanta * kQuantum;
  if (kind_ == Kind::kMalloc) {
    void* block = std::malloc(bytes);
    if (block == nullptr) throw std::bad_alloc();
    malloc_bytes_ += malloc_usable_size(block) + kMallocHeader;
    return block;
  }
  if (!state_) state_ = std::make_unique<State>();
  void* block;
  if (quanta > kMaxQuanta) {
    block = std::malloc(bytes);
    if (block == nullptr) throw std::bad_alloc();
    state_->large_bytes += bytes;
  } else {
    if (quanta >= state_->sizes.size()) state_->sizes.resize(quanta + 1);
    State::Size& size = state_->sizes[quanta];
    if (size.chunks.empty() || (size.in_last + 1) * bytes > kChunk) {
      size.chunks.push_back(state_->take_chunk());
      size.in_last = 0;
    }
    block = size.chunks.back() + size.in_last++ * bytes;
  }
  state_->block_bytes += bytes;
  return block;
}

bool CompactHeap::free(void* block, size_t quanta) {
  if (kind_ == Kind::kMalloc) {
    release_block(block, quanta);
    return false;
  }
  const size_t bytes = quanta * kQuantum;
  state_->block_bytes -= bytes;
  if (quanta > kMaxQuanta) {
    std::free(block);
    state_->large_bytes -= bytes;
    return false;
  }
  State::Size& size = state_->sizes[quanta];
  assert(!size.chunks.empty());
  void* last = size.chunks.back() + --size.in_last * bytes;
  const bool moves = last != block;
  if (moves) std::memcpy(block, last, bytes);
  if (size.in_last == 0) {
    state_->give_chunk(size.chunks.back());
    size.chunks.pop_back();
    if (!size.chunks.empty()) size.in_last = kChunk / bytes;
  }
  return moves;
}

void CompactHeap::release_block(void* block, size_t quanta) {
  if (kind_ == Kind::kMalloc) {
    malloc_bytes_ -= malloc_usable_size(block) + kMallocHeader;
    std::free(block);
    return;
  }
  state_->block_bytes -= quanta * kQuantum;
  if (quanta > kMaxQuanta) {
    std::free(block);
    state_->large_bytes -= quanta * kQuantum;
  }
}

bool CompactHeap::release_region() {
  if (!state_) return false;
  if (!state_->unmap_region()) state_.reset();
  return state_ != nullptr;
}

size_t CompactHeap::memory_bytes() const {
  if (!state_) return malloc_bytes_;
  size_t bytes = malloc_usable_size(state_.get()) + state_->block_bytes +
                 state_->sizes.capacity() * sizeof(State::Size);
  for (const auto* chunks : {&state_->regions, &state_->warm, &state_->cold}) {
    bytes += chunks->capacity() * sizeof(char*);
  }
  return bytes;
}

size_t CompactHeap::mapped_bytes() const {
  return state_ ? state_->block_bytes - state_->large_bytes : 0;
}

}  // namespace respcask::engine

// InputBuffer: the bytes that a client has sent and that no command has consumed yet, contiguous,
// so that arguments can be views into them. BlockPool: the small blocks that a loop's buffers start
// in.
//
// Invariants:
// - An empty buffer holds no memory after release_if_empty(): an idle client costs none; one that
//   waits for others costs little more than its command, after fit().
// - Memory grows by doubling as bytes arrive, never because a client claimed a length.
// - While pinned, bytes that were unread at pin() keep their address, whatever arrives behind them.
// A buffer owns its memory, borrowing first blocks from the pool of its loop; both are used on that
// loop's thread alone, and the pool outlives its buffers.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>
#include <vector>

namespace respcask::server {

class BlockPool {
 public:
  // What one read asks for at most while commands are small. A pipeline of 100 commands fits.
  static constexpr size_t kBlockBytes = 16 * 1024;

  BlockPool() = default;
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  char* take();
  void give(char* block);
  // Gives those back to the heap that were not taken since the last call, but for kKept.
  void drop_idle();
  // Of the blocks at hand, beyond kKept.
  size_t spare_bytes() const {
    return free_.size() > kKept ? (free_.size() - kKept) * kBlockBytes : 0;
  }

 private:
  // As many as clients are likely to be in the middle of a command at once.
  static constexpr size_t kKept = 64;
  // As many sockets as a loop reads from before it runs what it has read (libuv asks for so many
  // events at a time). The heap would give memory that comes and goes with each round back to the
  // system: 500 clients cost twice the processor time.
  static constexpr size_t kMost = 1024;
  std::vector<char*> free_;  // last in, first out: the next block is still in the cache
  size_t idle_ = 0;          // at the front, that were not taken since the last drop_idle()
};

class InputBuffer {
 public:
  explicit InputBuffer(BlockPool& pool) : pool_(pool) {}
  ~InputBuffer();
  InputBuffer(const InputBuffer&) = delete;
  InputBuffer& operator=(const InputBuffer&) = delete;

  std::string_view unread() const { return {data_ + begin_, end_ - begin_}; }

  // Room for the next read, at least a byte. `wanted` is how many bytes the parser still misses, or
  // 0; it keeps the buffer from growing further than the command needs, and lets a long argument in
  // with few reads.
  std::span<char> room(size_t wanted);
  // `bytes` were read into room().
  void add(size_t bytes) { end_ += bytes; }
  void consume(size_t bytes) { begin_ += bytes; }

  void pin() { pinned_ = true; }
  void unpin();

  // Gives the memory back if nothing is unread. `large_too`: also what has grown past a block,
  // which a client that sends large values had better keep while it is busy.
  void release_if_empty(bool large_too);

  // Whether it is as large as an earlier command has made it, and not pinned.
  bool is_loose() const {
    return capacity_ > kKeptBytes && !pinned_ && end_ - begin_ <= capacity_ / 4;
  }
  // Gives back what a loose one does not need; what is unread moves.
  void shrink();
  // Gives back all but what is unread, if that is most of it; what is unread moves, pinned or not.
  // Whether it has. For one that waits and may do so for long.
  bool fit();

  // Heap held, in bytes.
  size_t capacity() const { return capacity_ + held_bytes_; }
  // The last read took all the room there was: there may be more to read.
  bool full() const { return end_ == capacity_; }

  // What a client that sends more than fits may have its buffer grow to, so that its commands take
  // fewer reads.
  static constexpr size_t kPipelineBytes = 64 * 1024;
  // What a client keeps whatever its commands were.
  static constexpr size_t kKeptBytes = 1024 * 1024;

 private:
  void replace(size_t new_capacity);
  void free_memory(char* data, size_t capacity);

  BlockPool& pool_;
  char* data_ = nullptr;
  size_t capacity_ = 0;
  size_t begin_ = 0;
  size_t end_ = 0;
  bool pinned_ = false;
  char* held_ = nullptr;  // what pinned views point into, once the buffer had to grow
  size_t held_bytes_ = 0;
};

}  // namespace respcask::server

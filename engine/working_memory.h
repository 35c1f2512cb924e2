// WorkingMemory: how much memory reading and merging segments holds for as long as it takes.
//
// A few MiB that come and go in the background. Who bounds the memory of a process by removing data
// had better leave them out: nothing that is removed makes them less. One object for each buffer,
// owned by its owner and set by one thread at a time; total() is of the process, from any thread.
#pragma once

#include <atomic>
#include <cstdint>

namespace respcask::engine {

class WorkingMemory {
 public:
  WorkingMemory() = default;
  ~WorkingMemory() { set(0); }
  WorkingMemory(const WorkingMemory&) = delete;
  WorkingMemory& operator=(const WorkingMemory&) = delete;

  // The buffer takes so many bytes of heap now.
  void set(uint64_t bytes) {
    if (bytes == bytes_) return;
    total_.fetch_add(bytes - bytes_, std::memory_order_relaxed);
    bytes_ = bytes;
  }
  static uint64_t total() { return total_.load(std::memory_order_relaxed); }

 private:
  static inline std::atomic<uint64_t> total_{0};
  uint64_t bytes_ = 0;
};

}  // namespace respcask::engine

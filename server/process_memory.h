// ProcessMemory: what the process takes, as its allocator and the system count it.
//
// The allocator is asked through jemalloc's mallctl if that is linked or preloaded, else through
// the C library. The keydirs have memory of their own that it knows nothing of; whoever has looked
// at them says how much (set_keydirs). Any thread, with any locks held.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

namespace respcask::server {

// Bytes, all as of now.
struct MemoryUsage {
  uint64_t used = 0;            // by the allocator's clients and the keydirs
  uint64_t allocated = 0;       // the same, with what is set apart
  uint64_t active = 0;          // what is held of the system for that
  uint64_t resident = 0;        // of which in memory
  uint64_t rss_anonymous = 0;   // the process's own pages in memory
  uint64_t rss_page_cache = 0;  // pages of mapped segments in memory; the system's to take back
};

class ProcessMemory {
 public:
  ProcessMemory();

  // Heap in use, with the keydirs and without what is set apart; at most that old, or ten times
  // that where counting takes long. Cheap enough for each command.
  uint64_t used(uint64_t now_ns, uint64_t max_age_ns);
  // Bytes that the keydirs hold and the allocator does not know of.
  void set_keydirs(uint64_t bytes) { keydirs_.store(bytes, std::memory_order_relaxed); }
  // Who tells how many bytes of the heap do not count: what loops have at hand to write replies
  // into, as good as free, and what merging works with for a while (engine/working_memory.h). Set
  // before other threads ask for anything; called by any of them.
  void set_apart(std::function<uint64_t()> apart) { apart_now_ = std::move(apart); }
  // The most that used() has ever come to.
  uint64_t peak() const { return peak_.load(std::memory_order_relaxed); }
  // Whether so many bytes more fit into what the system lets the process have, as far as is known;
  // a few MiB always do.
  bool has_room(uint64_t bytes);
  // What that is: found out when this was made, and said by tests.
  uint64_t bound() const { return bound_.load(std::memory_order_relaxed); }
  void set_bound(uint64_t bytes) { bound_.store(bytes, std::memory_order_relaxed); }
  // What was in use when the server was made.
  uint64_t at_start() const { return at_start_; }
  MemoryUsage usage();

  // Has the C library's allocator keep some MiB that are free, for each of its arenas, where it
  // would give back what is over 128 KiB: large values come again, and fresh pages cost more than
  // all else that is done with a value. Before other threads start.
  static void keep_some_free();
  // Gives memory that is free back to the system.
  static void purge();
  // The allocator's own account of itself, for a reader who knows it.
  static std::string report();
  // "libc", or jemalloc with its version as in "jemalloc-5.3.0".
  static std::string_view allocator();
  // Of the machine; bytes.
  static uint64_t system_total();

 private:
  uint64_t refresh();
  uint64_t known() const;

  uint64_t at_start_ = 0;
  std::atomic<uint64_t> bound_;
  std::function<uint64_t()> apart_now_ = [] { return uint64_t{0}; };
  std::mutex reading_;
  std::atomic<uint64_t> allocated_{0};
  std::atomic<uint64_t> keydirs_{0};
  std::atomic<uint64_t> apart_{0};
  std::atomic<uint64_t> peak_{0};
  std::atomic<uint64_t> read_ns_{0};
  std::atomic<uint64_t> count_took_ns_{0};  // the last time
};

}  // namespace respcask::server

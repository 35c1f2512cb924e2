// MemoryGauge: how much memory counts against maxmemory, known at little cost.
//
// All that the process has in use counts, but for what was dropped and is being freed, and for what
// holds, or has held, bytes about to be written to the files: to evict keys would only make that
// more. Redis leaves out the buffer of its append-only file. The little that every shard keeps for
// that in any case does count, so that used_memory stays below maxmemory while nothing is under
// way.
//
// A reading asks the allocator and all shards. It is taken the more often the closer memory is to
// the bound, but never so often that readings take more than a small part of the time. What counts
// is the lesser of the last two: what was there for a moment, while a reply was written or a thread
// in the background worked, is worth no key. So growth is seen one reading late. What was freed
// since is taken off both (credit).
//
// Any thread, no shard locked; one takes a reading, the others go on with what is known.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>

namespace respcask::server {

class Server;

class MemoryGauge {
 public:
  explicit MemoryGauge(Server& server) : server_(server) {}
  MemoryGauge(const MemoryGauge&) = delete;
  MemoryGauge& operator=(const MemoryGauge&) = delete;

  // Bytes that count against a bound of `limit`.
  uint64_t used(uint64_t limit, uint64_t now_ns);
  // That many were freed since the last reading.
  void credit(uint64_t bytes);
  // Bytes in use that do not count.
  uint64_t not_counted() const;

 private:
  uint64_t counted() const;
  void refresh(uint64_t now_ns, uint64_t max_age_ns);
  void read(uint64_t now_ns);

  Server& server_;
  std::mutex reading_;
  std::atomic<uint64_t> last_{0};
  std::atomic<uint64_t> before_last_{0};
  std::atomic<uint64_t> read_ns_{0};  // 0: never
  std::atomic<uint64_t> took_ns_{0};  // the last time
};

}  // namespace respcask::server

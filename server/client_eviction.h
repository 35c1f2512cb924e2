// Client eviction: disconnecting the largest clients while all of them together take more memory
// than maxmemory-clients.
//
// While there is such a bound each connection tells ClientMemory, at the end of a turn and when it
// has read, by how much its client has grown. Who finds the sum above the bound looks at all
// sessions, under their registry's lock, and so does the maintenance thread now and then, which
// covers for clients that have not told yet. CLIENT NO-EVICT spares a client, though it counts. Any
// thread.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "server/config/config.h"

namespace respcask::server {

class Server;
class Session;
struct WorkerStats;

// The bound in bytes; 0: none.
uint64_t client_memory_limit(const Config& config);

// Closes clients, the largest first, until the others are within `limit`. True if `self` (or null)
// is one of them.
bool evict_clients(Server& server, WorkerStats& stats, uint64_t limit, const Session* self);

// What all clients take, as far as their connections have told.
class ClientMemory {
 public:
  // What one client is known to take; its connection's own.
  using Share = size_t;

  // The client takes `bytes` now; 0 when it leaves.
  void set(Share& share, size_t bytes) {
    if (bytes == share) return;
    sum_.fetch_add(static_cast<int64_t>(bytes) - static_cast<int64_t>(share),
                   std::memory_order_relaxed);
    share = bytes;
  }

  // Whether evict_clients() may have something to do: once it has looked, only if much has come
  // since.
  bool worth_a_look(uint64_t limit) {
    constexpr int64_t kLooks = 64;  // while as much as the bound comes
    const auto bound = static_cast<int64_t>(limit);
    const int64_t sum = sum_.load(std::memory_order_relaxed);
    const int64_t looked_at = looked_at_.load(std::memory_order_relaxed);
    if (sum > bound && (looked_at == 0 || sum > looked_at + bound / kLooks)) return true;
    // Some have been closed since.
    if (sum < looked_at) looked_at_.store(sum > bound ? sum : 0, std::memory_order_relaxed);
    return false;
  }

  // evict_clients() has looked, and done what can be done: until their own loops have closed them
  // those who were evicted are in the sum.
  void looked(uint64_t limit) {
    const int64_t sum = sum_.load(std::memory_order_relaxed);
    looked_at_.store(sum > static_cast<int64_t>(limit) ? sum : 0, std::memory_order_relaxed);
  }

 private:
  std::atomic<int64_t> sum_{0};
  std::atomic<int64_t> looked_at_{0};  // the sum then; 0: the bound was kept since
};

}  // namespace respcask::server

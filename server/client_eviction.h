// Client eviction: disconnecting the largest clients while all of them together take more memory
// than maxmemory-clients.
//
// Who looks adds up all sessions, under their registry's lock. So a connection looks only when it
// has itself grown by a good part of the bound since it looked last, and the maintenance thread
// looks now and then for all. CLIENT NO-EVICT spares a client, though it counts. Any thread.
#pragma once

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

// When a connection is to look.
class ClientGrowth {
 public:
  // True if it has grown by enough to look. `bytes`: of the client, now.
  bool worth_a_look(size_t bytes, uint64_t limit) {
    constexpr uint64_t kLooks = 64;  // of a client that comes to take all of the bound
    if (bytes < looked_at_) looked_at_ = bytes;
    if (bytes < looked_at_ + limit / kLooks) return false;
    looked_at_ = bytes;
    return true;
  }

 private:
  size_t looked_at_ = 0;
};

}  // namespace respcask::server

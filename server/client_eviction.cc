#include "server/client_eviction.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/client_info.h"
#include "server/log.h"
#include "server/server.h"

namespace respcask::server {

uint64_t client_memory_limit(const Config& config) {
  // As in Redis: with less than that nobody could even raise it.
  constexpr uint64_t kLeastBytes = 128 * 1024;
  const MemoryOrPercent& limit = config.maxmemory_clients;
  const uint64_t bytes = limit.percent != 0 ? config.maxmemory / 100 * limit.percent : limit.bytes;
  return bytes == 0 ? 0 : std::max(bytes, kLeastBytes);
}

bool evict_clients(Server& server, WorkerStats& stats, uint64_t limit, const Session* self) {
  bool self_too = false;
  server.with_sessions([&](const std::map<uint64_t, Session*>& sessions) {
    uint64_t total = 0;
    for (const auto& [id, session] : sessions) {
      if (session->access != Access::kGone) total += client_memory(*session);
    }
    server.client_memory.looked(limit);
    if (total <= limit) return;
    std::vector<std::pair<size_t, Session*>> by_size;
    for (const auto& [id, session] : sessions) {
      if (!session->no_evict && session->access != Access::kGone) {
        by_size.emplace_back(client_memory(*session), session);
      }
    }
    std::sort(by_size.begin(), by_size.end(),
              [](const auto& a, const auto& b) { return a.first > b.first; });
    const int64_t now_ms = server.now_ms();
    for (const auto& [bytes, session] : by_size) {
      if (total <= limit) return;
      total -= std::min<uint64_t>(total, bytes);
      log_notice("Evicting client: {}", client_info(*session, now_ms));
      stats.evicted_clients.add();
      if (session == self) {
        session->mark_gone();
        self_too = true;
      } else {
        session->disconnect();
      }
    }
  });
  return self_too;
}

}  // namespace respcask::server

#include "server/info_totals.h"

#include <algorithm>
#include <memory>
#include <mutex>

#include "server/blocking.h"
#include "server/client_info.h"
#include "server/server.h"
#include "server/session.h"

namespace respcask::server {
namespace {

// Looks at the expiries of a part of a database's keys: enough for a mean, and no more than some
// 100 µs under the shard's lock.
struct TtlSample {
  int64_t sum_ms = 0;
  int64_t count = 0;
};

void sample_ttls(const engine::Keydir& keys, int64_t now_ms, TtlSample& sample) {
  constexpr int kMaxPages = 32;
  constexpr int64_t kEnough = 64;
  const int64_t before = sample.count;
  uint64_t cursor = 0;
  for (int page = 0; page < kMaxPages && sample.count - before < kEnough; ++page) {
    cursor = keys.scan(cursor, [&](std::string_view, const engine::KeydirEntry& entry) {
      if (entry.expiry_ms == 0) return;
      sample.sum_ms += std::max<int64_t>(0, entry.expiry_ms - now_ms);
      ++sample.count;
    });
    if (cursor == 0) return;
  }
}

}  // namespace

bool StoreTotals::all_writable() const {
  return std::find(writable.begin(), writable.end(), false) == writable.end();
}

StoreTotals store_totals(Context& c) {
  engine::Store& store = c.server().store;
  StoreTotals totals;
  totals.databases.resize(store.options().databases);
  std::vector<TtlSample> ttls(totals.databases.size());
  for (uint32_t index = 0; index < store.shard_count(); ++index) {
    c.with_shard(index, [&](engine::Shard& shard) {
      totals.shards.push_back(shard.stats());
      totals.writable.push_back(shard.writable());
      for (uint32_t db = 0; db < totals.databases.size(); ++db) {
        const engine::Keydir& keys = shard.keydir(db);
        if (keys.size() == 0) continue;
        totals.databases[db].keys += keys.size();
        totals.databases[db].expiring += keys.expiring();
        totals.databases[db].keydir_bytes += keys.memory_bytes();
        if (keys.expiring() > 0) sample_ttls(keys, c.now_ms(), ttls[db]);
      }
    });
  }
  for (size_t db = 0; db < ttls.size(); ++db) {
    if (ttls[db].count > 0) totals.databases[db].average_ttl_ms = ttls[db].sum_ms / ttls[db].count;
  }
  for (const engine::ShardStats& shard : totals.shards) totals.sum += shard;
  return totals;
}

namespace {

// Whether the server counts the client that waits as blocked, which it does until somebody serves
// it or its own loop ends the wait.
bool is_counted(Waiter& waiter) {
  std::lock_guard guard(waiter.mutex);
  return waiter.state != Waiter::State::kServed && waiter.state != Waiter::State::kGone;
}

}  // namespace

ClientTotals client_totals(Server& server) {
  ClientTotals totals;
  std::vector<std::shared_ptr<Waiter>> of_gone;  // to be looked at when no lock is held
  server.for_each_session([&](Session& session) {
    if (session.is_gone()) {
      totals.some_are_gone = true;
      std::lock_guard guard(session.mutex);
      if (session.waiter != nullptr) of_gone.push_back(session.waiter);
      return true;
    }
    const ClientBuffers buffers = session.carrier.buffers();
    ++totals.connected;
    totals.largest_input = std::max<uint64_t>(totals.largest_input, buffers.input);
    totals.largest_output = std::max<uint64_t>(totals.largest_output, buffers.output);
    totals.bytes += client_memory(session);
    if (session.subscribed()) ++totals.pubsub;
    if ((session.tracking & kTracks) != 0) ++totals.tracking;
    std::lock_guard guard(session.mutex);
    if (session.waiter != nullptr && session.waiter->deadline_ms != 0) ++totals.with_deadline;
    return true;
  });
  const auto gone = static_cast<uint64_t>(
      std::count_if(of_gone.begin(), of_gone.end(), [](const auto& w) { return is_counted(*w); }));
  const uint64_t blocked = server.blocked_clients();
  totals.blocked = blocked - std::min(blocked, gone);
  return totals;
}

MemoryTotals memory_totals(Server& server, const StoreTotals& store, const ClientTotals& clients) {
  server.memory.set_keydirs(store.sum.mapped_bytes);
  MemoryTotals totals;
  totals.usage = server.memory.usage();
  totals.peak = server.memory.peak();
  totals.at_start = server.memory.at_start();
  const uint64_t used = totals.usage.used;
  totals.beyond_start = used - std::min(used, totals.at_start);
  totals.overhead = std::min(used, totals.at_start + clients.bytes +
                                       store.sum.pending_memory_bytes + store.sum.keydir_bytes);
  totals.dataset = used - totals.overhead;
  return totals;
}

double fraction(uint64_t a, uint64_t b) {
  return b == 0 ? 0 : static_cast<double>(a) / static_cast<double>(b);
}

}  // namespace respcask::server

#include "server/eviction.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "engine/format.h"
#include "engine/hash.h"
#include "engine/random.h"
#include "server/access.h"
#include "server/scope.h"
#include "server/server.h"

namespace respcask::server {
namespace {

constexpr size_t kPoolSize = 16;
// How old what is known of the files may be, and from what share of maxdisk on merging is asked
// for.
constexpr uint64_t kDiskAgeNs = 5'000'000;
constexpr uint64_t kMergePercent = 95;

bool only_volatile(MaxmemoryPolicy policy) {
  switch (policy) {
    case MaxmemoryPolicy::kVolatileLru:
    case MaxmemoryPolicy::kVolatileLfu:
    case MaxmemoryPolicy::kVolatileRandom:
    case MaxmemoryPolicy::kVolatileTtl:
      return true;
    default:
      return false;
  }
}

bool at_random(MaxmemoryPolicy policy) {
  return policy == MaxmemoryPolicy::kVolatileRandom || policy == MaxmemoryPolicy::kAllkeysRandom;
}

// How long one command may evict: none of it at 0, half a millisecond at 10, and 15 % more for each
// step above; at 100 until it is done.
uint64_t budget_ns(int tenacity) {
  if (tenacity <= 10) return static_cast<uint64_t>(tenacity) * 50'000;
  if (tenacity >= 100) return std::numeric_limits<uint64_t>::max();
  return static_cast<uint64_t>(500'000 * std::pow(1.15, tenacity - 10));
}

// The larger, the sooner the key is to go.
int64_t score_of(const engine::KeydirEntry& entry, const Turn& turn) {
  const Config& config = turn.config();
  if (config.maxmemory_policy == MaxmemoryPolicy::kVolatileTtl) return -entry.expiry_ms;
  const uint32_t access = access_since(turn.server.started_ms, entry.access, config);
  if (counts_frequency(config)) return 255 - int64_t{frequency(access, config, turn.now_ms())};
  return idle_ms(access, turn.now_ms());
}

uint64_t excess(uint64_t used, uint64_t limit) {
  return limit != 0 && used > limit ? used - limit : 0;
}

// What may be live of `maxdisk` bytes. Merging lets garbage grow to its trigger before it begins,
// and needs some room to work in; and segments have hints beside them, which are nearly as large
// where values are small.
uint64_t most_live(const Config& config, const StoreUsage& usage) {
  constexpr uint64_t kWorkPercent = 5;
  const auto garbage = static_cast<uint64_t>(config.merge_trigger_garbage_percent) + kWorkPercent;
  const auto most =
      static_cast<double>(config.maxdisk / 100 * (100 - std::min<uint64_t>(garbage, 90)));
  const auto segments = static_cast<double>(usage.segment_bytes());
  const auto hints = static_cast<double>(usage.hint_bytes());
  return static_cast<uint64_t>(hints == 0 ? most : most * segments / (segments + hints));
}

}  // namespace

Eviction::Eviction(Server& server)
    : server_(server), pools_(server.store.shard_count()), random_(engine::HashSeed::random().k0) {}

Eviction::Room Eviction::make_room(Turn& turn, const Session* runner) {
  const Config& config = turn.config();
  const uint64_t now_ns = turn.clock_ns();
  const uint64_t used = config.maxmemory == 0 ? 0 : server_.gauge.used(config.maxmemory, now_ns);
  const uint64_t memory_excess = excess(used, config.maxmemory);
  uint64_t disk_excess = 0;
  bool disk_full = false;
  if (config.maxdisk != 0) {
    server_.usage.refresh(now_ns, kDiskAgeNs);
    const uint64_t disk = server_.usage.disk_bytes();
    disk_excess = excess(server_.usage.live_bytes(), most_live(config, server_.usage));
    disk_full = disk > config.maxdisk;
    if (disk > config.maxdisk / 100 * kMergePercent) request_merge(now_ns);
  }
  note(memory_excess != 0 || disk_full, now_ns);
  if (memory_excess == 0 && disk_excess == 0 && !disk_full) return Room::kEnough;

  Room room = Room::kEnough;
  if (server_.paused(turn.now_ms()) != PauseKind::kNone) {
    room = Room::kSoon;  // nothing is to change
  } else if (config.maxmemory_policy == MaxmemoryPolicy::kNoeviction) {
    room = memory_excess != 0 ? Room::kNoMemory : Room::kEnough;
  } else if (memory_excess != 0 || disk_excess != 0) {
    room = evict(turn, runner, memory_excess, disk_excess);
  }
  return disk_full && room != Room::kNoMemory ? Room::kNoDisk : room;
}

Eviction::Room Eviction::evict(Turn& turn, const Session* runner, uint64_t memory_excess,
                               uint64_t disk_excess) {
  const std::unique_lock one(evicting_, std::try_to_lock);
  if (!one.owns_lock()) return Room::kSoon;
  // What its large collections have on disk nobody knows before they are freed: to evict more for
  // that meanwhile would be too much. What was known before one was evicted does not tell.
  if (queued_) {
    server_.usage.refresh(CycleClock::system_ns(), 0);
    disk_excess = excess(server_.usage.live_bytes(), most_live(turn.config(), server_.usage));
    queued_ = false;
  }
  if (server_.usage.garbage() != 0) {
    server_.store.free_dropped_now();
    queued_ = true;
    disk_excess = 0;
    if (memory_excess == 0) return Room::kSoon;
  }
  const uint64_t begin_ns = CycleClock::system_ns();
  const uint64_t budget = budget_ns(turn.config().maxmemory_eviction_tenacity);
  constexpr int kKeysBetweenLooks = 16;  // at the clock
  Freed freed;
  Room room = Room::kEnough;
  const auto memory_freed = [&] {
    return static_cast<uint64_t>(std::max<int64_t>(freed.memory, 0));
  };
  for (int keys = 1; memory_freed() < memory_excess || freed.disk < disk_excess; ++keys) {
    if (!evict_from_any(turn, runner, freed)) {
      // Files above the bound are told apart by the caller.
      room = memory_freed() < memory_excess ? Room::kNoMemory : Room::kEnough;
      break;
    }
    if (freed.queued) {
      disk_excess = 0;
      room = Room::kSoon;
    }
    if (keys % kKeysBetweenLooks == 0 && CycleClock::system_ns() - begin_ns > budget) {
      room = Room::kSoon;
      break;
    }
  }
  if (freed.queued) {
    queued_ = true;
    server_.store.free_dropped_now();
  }
  server_.usage.credit(freed.disk);
  server_.gauge.credit(memory_freed());
  const uint64_t took_ms = (CycleClock::system_ns() - begin_ns) / 1'000'000;
  const uint64_t threshold_ms = turn.config().latency_monitor_threshold_ms;
  if (threshold_ms != 0 && took_ms >= threshold_ms) {
    server_.latency.add("eviction-cycle", turn.now_ms() / 1000, static_cast<int64_t>(took_ms));
  }
  return room;
}

// Draws a shard by its number of keys that may go, and tries the others where there is no victim.
bool Eviction::evict_from_any(Turn& turn, const Session* runner, Freed& freed) {
  const uint32_t shards = server_.store.shard_count();
  const bool expiring = only_volatile(turn.config().maxmemory_policy);
  const auto keys = [&](uint32_t shard) {
    return expiring ? server_.usage.expiring(shard) : server_.usage.keys(shard);
  };
  uint64_t total = 0;
  for (uint32_t i = 0; i < shards; ++i) total += keys(i);
  const uint64_t drawn = engine::next_random(random_);
  uint32_t first = static_cast<uint32_t>(drawn % shards);
  if (total != 0) {
    uint64_t place = drawn % total;
    for (first = 0; first + 1 < shards && place >= keys(first); ++first) place -= keys(first);
  }
  for (uint32_t i = 0; i < shards; ++i) {
    if (evict_from((first + i) % shards, turn, runner, freed)) return true;
  }
  return false;
}

bool Eviction::evict_from(uint32_t index, Turn& turn, const Session* runner, Freed& freed) {
  Scope scope(turn);
  scope.lock(index);
  scope.runner = runner;
  engine::Shard& shard = scope.shard(index);
  Candidate victim;
  if (!choose(scope, index, turn, victim)) return false;
  const OwnedKey key{victim.name, shard.hash(victim.name), index, victim.db};
  const auto entry = shard.find(key.db, key.name, key.hash);
  const auto memory = [&] { return static_cast<int64_t>(shard.keydir(key.db).memory_bytes()); };
  const int64_t before = memory();
  if (entry->collection == 0) {
    if (!scope.evict(key.ref())) return false;
    freed.disk += engine::accounted_size(key.name.size(), entry->value_size);
  } else {
    const engine::ShardStats all = shard.stats();
    const auto held = static_cast<int64_t>(shard.collection(entry->collection).memory_bytes());
    if (!scope.evict(key.ref())) return false;
    scope.finish();
    const engine::ShardStats left = shard.stats();
    freed.memory += held;
    freed.disk += all.live_bytes - std::min(all.live_bytes, left.live_bytes);
    freed.queued = freed.queued || left.garbage > all.garbage;
  }
  freed.memory += before - memory();
  return true;
}

// The key that is to go; false if there is none.
bool Eviction::choose(Scope& scope, uint32_t index, Turn& turn, Candidate& victim) {
  const Config& config = turn.config();
  engine::Shard& shard = scope.shard(index);
  Pool& pool = pools_[index];
  if (pool.policy != config.maxmemory_policy) pool = {config.maxmemory_policy, {}};
  // Whoever was used, or removed, since he was drawn is not taken; then one draws again.
  constexpr int kDraws = 8;
  for (int draw = 0; draw < kDraws; ++draw) {
    if (pool.candidates.empty() || draw == 0) sample(scope, index, turn, pool);
    if (pool.candidates.empty()) return false;
    while (!pool.candidates.empty()) {
      victim = std::move(pool.candidates.back());
      pool.candidates.pop_back();
      const auto entry = shard.find(victim.db, victim.name, shard.hash(victim.name));
      if (!entry || (only_volatile(config.maxmemory_policy) && entry->expiry_ms == 0)) continue;
      if (at_random(config.maxmemory_policy)) return true;
      if (score_of(*entry, turn) >= victim.score) return true;
    }
  }
  return false;
}

void Eviction::sample(Scope& scope, uint32_t index, Turn& turn, Pool& pool) {
  const Config& config = turn.config();
  engine::Shard& shard = scope.shard(index);
  const bool expiring = only_volatile(config.maxmemory_policy);
  const auto size = [&](uint32_t db) {
    return expiring ? shard.keydir(db).expiring() : shard.keydir(db).size();
  };
  const uint32_t databases = server_.store.options().databases;
  size_t total = 0;
  for (uint32_t db = 0; db < databases; ++db) total += size(db);
  if (total == 0) return;
  const int samples = at_random(config.maxmemory_policy) ? 1 : config.maxmemory_samples;
  for (int i = 0; i < samples; ++i) {
    size_t place = engine::next_random(random_) % total;
    uint32_t db = 0;
    for (; place >= size(db); ++db) place -= size(db);
    engine::Keydir& keys = shard.keydir(db);
    const uint64_t bits = engine::next_random(random_);
    const auto drawn = expiring ? keys.random_expiring(bits) : keys.random(bits);
    if (!drawn) continue;
    const int64_t score = score_of(drawn->second, turn);
    auto& known = pool.candidates;
    if (known.size() == kPoolSize && score <= known.front().score) continue;
    const auto same = [&](const Candidate& c) { return c.db == db && c.name == drawn->first; };
    if (std::any_of(known.begin(), known.end(), same)) continue;
    if (known.size() == kPoolSize) known.erase(known.begin());
    const auto place_of = std::upper_bound(
        known.begin(), known.end(), score,
        [](int64_t value, const Candidate& candidate) { return value < candidate.score; });
    known.insert(place_of, {std::string(drawn->first), db, score});
  }
}

void Eviction::request_merge(uint64_t now_ns) {
  constexpr uint64_t kPauseNs = 1'000'000'000;
  uint64_t asked_ns = merge_asked_ns_.load(std::memory_order_relaxed);
  if (now_ns < asked_ns + kPauseNs || server_.store.merge_stats().running) return;
  if (merge_asked_ns_.compare_exchange_strong(asked_ns, now_ns)) server_.store.request_merge();
}

// --- how long -----------------------------------------------------------------------------------

void Eviction::note(bool exceeded, uint64_t now_ns) {
  uint64_t since_ns = exceeded_since_ns_.load(std::memory_order_relaxed);
  if (exceeded == (since_ns != 0)) return;
  if (!exceeded_since_ns_.compare_exchange_strong(since_ns, exceeded ? now_ns : 0)) return;
  if (!exceeded && now_ns > since_ns) exceeded_ns_.fetch_add(now_ns - since_ns);
}

uint64_t Eviction::exceeded_now_ms() const {
  const uint64_t since_ns = exceeded_since_ns_.load(std::memory_order_relaxed);
  const uint64_t now_ns = CycleClock::system_ns();
  return since_ns == 0 || now_ns < since_ns ? 0 : (now_ns - since_ns) / 1'000'000;
}

uint64_t Eviction::exceeded_ms() const {
  return exceeded_ns_.load(std::memory_order_relaxed) / 1'000'000 + exceeded_now_ms();
}

}  // namespace respcask::server

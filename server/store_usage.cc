#include "server/store_usage.h"

#include <filesystem>
#include <mutex>

#include "server/take_off.h"

namespace respcask::server {

StoreUsage::StoreUsage(engine::Store& store)
    : store_(store),
      keys_(std::make_unique<std::atomic<uint64_t>[]>(store.shard_count())),
      expiring_(std::make_unique<std::atomic<uint64_t>[]>(store.shard_count())) {}

bool StoreUsage::refresh(uint64_t now_ns, uint64_t max_age_ns) {
  uint64_t read_ns = read_ns_.load(std::memory_order_relaxed);
  if (now_ns < read_ns + max_age_ns) return false;
  // Whoever gets to set the time looks.
  if (!read_ns_.compare_exchange_strong(read_ns, now_ns)) return false;
  engine::ShardStats sum;
  for (uint32_t i = 0; i < store_.shard_count(); ++i) {
    engine::Shard& shard = store_.shard(i);
    std::lock_guard guard(shard);
    const engine::ShardStats one = shard.stats();
    sum += one;
    keys_[i].store(one.keys, std::memory_order_relaxed);
    expiring_[i].store(one.expiring, std::memory_order_relaxed);
  }
  mapped_.store(sum.mapped_bytes, std::memory_order_relaxed);
  pending_memory_.store(sum.pending_memory_bytes, std::memory_order_relaxed);
  segments_.store(sum.total_bytes + sum.pending_bytes, std::memory_order_relaxed);
  live_.store(sum.live_bytes, std::memory_order_relaxed);
  garbage_.store(sum.garbage, std::memory_order_relaxed);
  garbage_bytes_.store(sum.garbage_bytes, std::memory_order_relaxed);
  collections_.store(sum.collections, std::memory_order_relaxed);
  all_keys_.store(sum.keys, std::memory_order_relaxed);
  return true;
}

void StoreUsage::look_at_files() {
  namespace fs = std::filesystem;
  uint64_t hints = 0;
  uint64_t others = 0;
  std::error_code ignored;  // a file may go meanwhile
  // A loop over the range would throw where going on fails.
  const auto for_each_in = [&](const fs::path& directory, const auto& visit) {
    for (fs::directory_iterator at(directory, ignored), end; at != end; at.increment(ignored)) {
      visit(*at);
      ignored.clear();
    }
  };
  for_each_in(store_.options().dir, [&](const fs::directory_entry& shard) {
    if (!shard.path().filename().string().starts_with("shard-")) return;
    for_each_in(shard.path(), [&](const fs::directory_entry& file) {
      if (file.path().extension() == ".seg") return;
      const uintmax_t size = file.file_size(ignored);
      if (!ignored) (file.path().extension() == ".hint" ? hints : others) += size;
    });
  });
  hints_.store(hints, std::memory_order_relaxed);
  others_.store(others, std::memory_order_relaxed);
}

void StoreUsage::credit(uint64_t live_bytes) {
  take_off(live_, live_bytes);
}

}  // namespace respcask::server

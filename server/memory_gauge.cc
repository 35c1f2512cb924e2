#include "server/memory_gauge.h"

#include <algorithm>

#include "engine/pending_log.h"
#include "server/cycle_clock.h"
#include "server/server.h"
#include "server/take_off.h"

namespace respcask::server {
namespace {

// How old a reading may be: far from the bound, within a 16th of it, and close to it or above.
constexpr uint64_t kFarAgeNs = 100'000'000;
constexpr uint64_t kNearAgeNs = 5'000'000;
constexpr uint64_t kCloseAgeNs = 500'000;
constexpr uint64_t kCloseBytes = 64 * 1024;
// Readings take at most this part of the time, unless they take longer than a loop's turn each: the
// C library walks its free blocks, and where there are many that takes milliseconds.
constexpr uint64_t kShare = 50;
// Above the bound the next step is to remove keys, or to refuse a command. It is not taken for what
// may have been freed meanwhile, so that the reading is as new as this part allows.
constexpr uint64_t kSureShare = 20;
constexpr uint64_t kLongestAgeNs = 50'000'000;
constexpr uint64_t kLeastNs = 2'000;  // that a reading takes

uint64_t age_for(uint64_t used, uint64_t limit) {
  const uint64_t left = limit - std::min(limit, used);
  if (left > limit / 16) return kFarAgeNs;
  return left > std::max(limit / 256, kCloseBytes) ? kNearAgeNs : kCloseAgeNs;
}

}  // namespace

uint64_t MemoryGauge::used(uint64_t limit, uint64_t now_ns) {
  const uint64_t age = age_for(last_.load(std::memory_order_relaxed), limit);
  const uint64_t took = took_ns_.load(std::memory_order_relaxed);
  refresh(now_ns, std::clamp(kShare * took, age, std::max(age, kLongestAgeNs)));
  if (counted() > limit) refresh(now_ns, std::min(kSureShare * took, kLongestAgeNs));
  return counted();
}

uint64_t MemoryGauge::counted() const {
  return std::min(last_.load(std::memory_order_relaxed),
                  before_last_.load(std::memory_order_relaxed));
}

void MemoryGauge::refresh(uint64_t now_ns, uint64_t max_age_ns) {
  if (now_ns < read_ns_.load(std::memory_order_relaxed) + max_age_ns) return;
  const std::unique_lock one(reading_, std::try_to_lock);
  if (one.owns_lock()) read(now_ns);
}

void MemoryGauge::read(uint64_t now_ns) {
  const uint64_t begun_ns = CycleClock::system_ns();
  const uint64_t used = server_.used_memory(now_ns, 0);
  const uint64_t counts = used - std::min(used, not_counted());
  const bool first = read_ns_.load(std::memory_order_relaxed) == 0;
  before_last_.store(first ? counts : last_.load(std::memory_order_relaxed),
                     std::memory_order_relaxed);
  last_.store(counts, std::memory_order_relaxed);
  // Another thread's clock may be ahead of this turn's.
  const uint64_t end_ns = CycleClock::system_ns();
  read_ns_.store(end_ns, std::memory_order_relaxed);
  // One that took long because its thread was not running says nothing of the next.
  const uint64_t took_ns = took_ns_.load(std::memory_order_relaxed);
  took_ns_.store(std::min(end_ns - begun_ns, std::max(2 * took_ns, kLeastNs)),
                 std::memory_order_relaxed);
}

void MemoryGauge::credit(uint64_t bytes) {
  take_off(last_, bytes);
  take_off(before_last_, bytes);
}

uint64_t MemoryGauge::not_counted() const {
  // Of each shard: what the least write takes, and is kept then.
  const uint64_t least = engine::PendingLog::kFirstBlock * server_.store.shard_count();
  const uint64_t held = server_.usage.pending_memory_bytes();
  return held - std::min(held, least) + server_.usage.garbage_bytes();
}

}  // namespace respcask::server

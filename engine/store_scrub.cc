// The scrubbing of Store: all sealed segments, shard by shard, again and again.

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "engine/scrub.h"
#include "engine/store.h"

namespace respcask::engine {

void Store::set_scrub_rate(uint64_t bytes_per_second) {
  {
    std::lock_guard guard(threads_mutex_);
    scrub_rate_ = bytes_per_second;
  }
  scrub_wanted_.notify_all();
}

ScrubStats Store::scrub_stats() {
  std::lock_guard guard(threads_mutex_);
  return scrub_stats_;
}

void Store::scrub_loop() {
  // A store that is read in less is not read over and over, unless the rate is set anew.
  constexpr std::chrono::minutes kLeastBetweenPasses{1};
  std::unique_lock guard(threads_mutex_);
  while (!stopping_) {
    scrub_wanted_.wait(guard, [this] { return stopping_ || scrub_rate_ > 0; });
    if (stopping_) return;
    scrub_stats_.running = true;
    guard.unlock();
    bool whole = true;
    for (size_t i = 0; i < shards_.size() && whole; ++i) whole = scrub_shard(*shards_[i]);
    guard.lock();
    scrub_stats_.running = false;
    if (!whole) continue;
    ++scrub_stats_.passes;
    const uint64_t rate = scrub_rate_;
    scrub_wanted_.wait_for(guard, kLeastBetweenPasses,
                           [&] { return stopping_ || scrub_rate_ != rate; });
  }
}

// False: given up.
bool Store::scrub_shard(Shard& shard) {
  // Held weakly: a segment that is merged away meanwhile goes at once.
  std::vector<std::weak_ptr<Segment>> segments;
  {
    std::lock_guard guard(shard);
    for (const auto& segment : shard.order_) {
      if (segment->settled) segments.push_back(segment);
    }
  }
  for (const auto& held : segments) {
    const std::shared_ptr<Segment> segment = held.lock();
    if (segment == nullptr) continue;
    std::vector<std::string> damaged;
    Scrub::Hooks hooks;
    hooks.damaged = [&](const std::string& what) { damaged.push_back(what); };
    hooks.pace = [this](uint64_t bytes) { return pace_scrub(bytes); };
    const Scrub::Report report = Scrub(*segment, hooks).run();
    if (report.given_up) return false;
    if (damaged.size() <= segment->scrub_damage) continue;  // as the pass before
    for (const std::string& what : damaged) shard.log(LogLevel::kWarning, what);
    std::lock_guard guard(threads_mutex_);
    scrub_stats_.damaged_places += damaged.size() - segment->scrub_damage;
    segment->scrub_damage = damaged.size();
  }
  return true;
}

// Spreads the reading over time. False once the store is closing or scrubbing was switched off.
bool Store::pace_scrub(uint64_t bytes) {
  std::unique_lock guard(threads_mutex_);
  scrub_stats_.bytes_read += bytes;
  const uint64_t rate = scrub_rate_;
  if (rate == 0) return false;
  // A change of the rate counts at once.
  const std::chrono::duration<double> pause(static_cast<double>(bytes) / static_cast<double>(rate));
  scrub_wanted_.wait_for(guard, pause, [&] { return stopping_ || scrub_rate_ != rate; });
  return !stopping_ && scrub_rate_ > 0;
}

}  // namespace respcask::engine

#include "server/access.h"

#include <algorithm>
#include <random>

namespace respcask::server {
namespace {

constexpr uint32_t kMask = (1u << 24) - 1;
// A new key's counter: it needs some time to be used before it is the first to be evicted.
constexpr uint32_t kNewCounter = 5;

uint32_t seconds(int64_t now_ms) {
  return static_cast<uint32_t>(now_ms / 1000) & kMask;
}
uint32_t minutes(int64_t now_ms) {
  return static_cast<uint32_t>(now_ms / 60000) & 0xffff;
}

double random_fraction() {
  thread_local std::minstd_rand generator{std::random_device{}()};
  return std::generate_canonical<double, 32>(generator);
}

}  // namespace

bool counts_frequency(const Config& config) {
  return config.maxmemory_policy == MaxmemoryPolicy::kAllkeysLfu ||
         config.maxmemory_policy == MaxmemoryPolicy::kVolatileLfu;
}

uint32_t new_access(const Config& config, int64_t now_ms) {
  return counts_frequency(config) ? minutes(now_ms) << 8 | kNewCounter : seconds(now_ms);
}

uint32_t access_since(int64_t started_ms, uint32_t access, const Config& config) {
  return access != 0 ? access : new_access(config, started_ms);
}

uint32_t touched_access(uint32_t access, const Config& config, int64_t now_ms) {
  if (!counts_frequency(config)) return seconds(now_ms);
  uint32_t counter = frequency(access, config, now_ms);
  // The higher the counter the less likely it grows: 255 stands for about a million uses at the
  // default factor of 10.
  if (counter < 255) {
    const double base = counter > kNewCounter ? counter - kNewCounter : 0;
    if (random_fraction() < 1.0 / (base * config.lfu_log_factor + 1)) ++counter;
  }
  return minutes(now_ms) << 8 | counter;
}

uint32_t access_of_idle(int64_t idle_s, int64_t now_ms) {
  const auto idle = static_cast<uint32_t>(std::min<int64_t>(idle_s, kMask));
  return (seconds(now_ms) - idle) & kMask;
}

uint32_t access_of_frequency(uint8_t frequency, int64_t now_ms) {
  return minutes(now_ms) << 8 | frequency;
}

int64_t idle_ms(uint32_t access, int64_t now_ms) {
  return int64_t{(seconds(now_ms) - access) & kMask} * 1000;
}

uint32_t frequency(uint32_t access, const Config& config, int64_t now_ms) {
  const uint32_t counter = access & 0xff;
  if (config.lfu_decay_time_min <= 0) return counter;
  const uint32_t elapsed = (minutes(now_ms) - (access >> 8)) & 0xffff;
  const uint32_t periods = elapsed / static_cast<uint32_t>(config.lfu_decay_time_min);
  return periods > counter ? 0 : counter - periods;
}

}  // namespace respcask::server

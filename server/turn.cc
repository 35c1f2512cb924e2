#include "server/turn.h"

#include <sys/resource.h>

#include <cassert>
#include <ctime>
#include <vector>

#include "server/server.h"

namespace respcask::server {

namespace {

uint64_t faults_of_thread() {
  rusage usage{};
  ::getrusage(RUSAGE_THREAD, &usage);
  return static_cast<uint64_t>(usage.ru_majflt);
}

// Empty, with the memory that it has, unless a large command has left it very much.
template <class T>
void clear(std::vector<T>& list) {
  constexpr size_t kKept = 4096;
  list.clear();
  if (list.capacity() > kKept) std::vector<T>().swap(list);
}

}  // namespace

Turn::Turn(Server& owner)
    : server(owner),
      stats(owner.stats.add_worker()),
      reader(&owner.readers),
      major_faults(faults_of_thread),
      config_(owner.config) {
  begin();
}

void Turn::begin() {
  config_.refresh();
  clear(scratch.positions);
  clear(scratch.keys);
  clear(scratch.redacted);
  assert(fetches.empty());
  clear(fetches);
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  round_wall_us_ = int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
  round_ns_ = clock_.anchor();
  set_clock(round_ns_);
}

engine::Result<engine::SyncPoint> Turn::commit() {
  const uint64_t threshold_ms = config().latency_monitor_threshold_ms;
  const uint64_t begin_ns = threshold_ms == 0 ? 0 : CycleClock::system_ns();
  engine::Result<engine::SyncPoint> point = server.store.commit(touched);
  if (threshold_ms != 0) {
    const uint64_t took_ms = (CycleClock::system_ns() - begin_ns) / 1'000'000;
    if (took_ms >= threshold_ms) {
      server.latency.add("aof-write", wall_ms_ / 1000, static_cast<int64_t>(took_ms));
    }
  }
  touched.clear();
  written.clear();
  return point;
}

}  // namespace respcask::server

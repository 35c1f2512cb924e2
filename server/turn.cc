#include "server/turn.h"

#include <ctime>

#include "server/server.h"

namespace respcask::server {

Turn::Turn(Server& owner) : server(owner), stats(owner.stats.add_worker()), config_(owner.config) {
  begin();
}

uint64_t Turn::monotonic_ns() {
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(t.tv_nsec);
}

void Turn::begin() {
  config_.refresh();
  timespec t;
  clock_gettime(CLOCK_REALTIME, &t);
  round_wall_us_ = int64_t{t.tv_sec} * 1'000'000 + t.tv_nsec / 1000;
  round_ns_ = monotonic_ns();
  set_clock(round_ns_);
}

engine::Result<engine::SyncPoint> Turn::commit() {
  engine::Result<engine::SyncPoint> point = server.store.commit(touched, written);
  touched.clear();
  written.clear();
  return point;
}

}  // namespace respcask::server

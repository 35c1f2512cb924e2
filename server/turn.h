// Turn: one round of a loop, from the requests it read to the replies it sends; one object a
// thread, used again and again.
//
// How a loop uses it:
//     turn.begin();                         // once a round
//     turn.lap();                           // after each read from a socket
//     dispatch(session, turn, args, reply)  // for each request
//     auto point = server.store.commit(turn.touched);  turn.touched.clear();
//     Outbox outbox = turn.take_outbox();
//     // hold both until store.synced(*point) if that is the mode; then:
//     outbox.deliver();                     // what the commands told other sessions
//     ... write the replies
// So nobody hears of a change, by reply or by message, before it is in the kernel.
// One thread uses a Turn; its counters may be read by any. It belongs to the thread that made it.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "engine/shard_set.h"
#include "server/command.h"
#include "server/config/store.h"
#include "server/context.h"
#include "server/pubsub.h"
#include "server/stats.h"

namespace respcask::server {

class Server;

class Turn {
 public:
  explicit Turn(Server& server);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // Picks up the configuration and the time of day.
  void begin();
  // Reads the clock again, so that what the loop did since is not counted as a command's time.
  void lap() { clock_ns_ = monotonic_ns(); }

  const Config& config() const { return config_.current(); }
  int64_t now_ms() const { return wall_ms_; }  // Unix time, as of the running command
  int64_t now_us() const { return wall_us_; }
  Outbox take_outbox() { return std::move(outbox); }

  static uint64_t monotonic_ns();

  Server& server;
  WorkerStats& stats;
  engine::ShardSet touched;  // shards that were written, or read: to be committed
  Outbox outbox;

 private:
  friend class Dispatcher;
  friend class Scope;
  friend class Context;

  // Ends what lap() began: returns the nanoseconds since and goes on from there.
  uint64_t split();

  ConfigView config_;
  uint64_t clock_ns_ = 0;      // monotonic, at the end of the last command or lap()
  uint64_t round_ns_ = 0;      // monotonic, at begin()
  int64_t round_wall_us_ = 0;  // time of day at begin()
  int64_t wall_us_ = 0;
  int64_t wall_ms_ = 0;

  // Scratch of the command at hand; kept so that nothing is allocated for each.
  std::vector<KeyPosition> positions_;
  std::vector<KeyRef> keys_;
};

}  // namespace respcask::server

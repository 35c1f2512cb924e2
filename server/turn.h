// Turn: one round of a loop, from the requests it read to the replies it sends; one object a
// thread, used again and again.
//
// How a loop uses it:
//     turn.begin();                         // once a round
//     turn.lap();                           // after each read from a socket
//     dispatch(session, turn, args, reply)  // for each request
//     turn.reader->submit(turn.fetches);
//     auto point = turn.commit();
//     Outbox outbox = turn.take_outbox();
//     // hold both until store.synced(*point) if that is the mode; then:
//     outbox.deliver();                     // what the commands told other sessions
//     ... write the replies
// So nobody hears of a change, by reply or by message, before it is in the kernel.
// One thread uses a Turn; its counters may be read by any. It belongs to the thread that made it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/shard_set.h"
#include "engine/store.h"
#include "server/command.h"
#include "server/config/store.h"
#include "server/context.h"
#include "server/cycle_clock.h"
#include "server/pubsub.h"
#include "server/readers.h"
#include "server/stats.h"

namespace respcask::server {

class Server;

class Turn {
 public:
  explicit Turn(Server& server);
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

  // Picks up the configuration and the time of day, and gives back what the commands of the round
  // before have needed much more of than others do. All `fetches` have been submitted.
  void begin();
  // Writes to the files what the turn's commands changed, and what others changed that they have
  // read. Returns the point to be synced before anybody may be told (Store::commit); on an error
  // nobody may be told at all.
  engine::Result<engine::SyncPoint> commit();

  // Reads the clock again, so that what the loop did since is not counted as a command's time.
  void lap() { set_clock(clock_.now()); }

  const Config& config() const { return config_.current(); }
  uint64_t config_version() const { return config_.version(); }
  // Picks up a change of the configuration within a turn; references to the former one end.
  void refresh_config() { config_.refresh(); }
  int64_t now_ms() const { return wall_ms_; }  // Unix time, as of the running command
  int64_t now_us() const { return wall_us_; }
  Outbox take_outbox() { return std::exchange(outbox, {}); }

  // When the last command ended, or lap(); what the next one's time is counted from.
  uint64_t clock_ns() const { return clock_ns_; }
  // Leaves the time of day where it is: to all of a transaction it is the same.
  void lap_within() { clock_ns_ = clock_.now(); }

  Server& server;
  WorkerStats& stats;
  engine::ShardSet touched;  // shards that were read or written: to be committed
  engine::ShardSet written;  // those that were written
  FetchBatch fetches;        // to be submitted at the end of the turn
  ValueReader* reader;       // to whom
  Outbox outbox;
  // The configuration was set by the running command: once it has ended its bounds are kept.
  bool bounds_are_new = false;
  // What the session whose command runs is told behind its reply: first what it has written to
  // itself, then invalidations. These are RESP3's, and leave only if it speaks that when they do.
  std::string own_pushes;
  std::string own_invalidations;

  // Page faults of the calling thread that waited for a disk, so far. Tests have their own.
  uint64_t (*major_faults)();

  // Whether error replies were counted since the last call: what makes a command a failed one.
  // A transaction has not failed because one of its commands has, as that one has asked already.
  bool new_errors() {
    const uint64_t errors = stats.error_replies.get();
    return std::exchange(errors_seen_, errors) != errors;
  }

  // What is known of the running command's arguments; kept here so that nothing is allocated for
  // each command.
  struct Scratch {
    std::vector<KeyPosition> positions;  // which arguments are keys, ascending within each spec
    std::vector<KeyRef> keys;            // in the same order
    std::vector<size_t> redacted;        // arguments that MONITOR and SLOWLOG must not show
  };
  Scratch scratch;

 private:
  void set_clock(uint64_t ns) {
    clock_ns_ = ns;
    wall_us_ = round_wall_us_ + static_cast<int64_t>((ns - round_ns_) / 1000);
    wall_ms_ = wall_us_ / 1000;
  }

  ConfigView config_;
  CycleClock clock_;
  uint64_t errors_seen_ = 0;
  uint64_t clock_ns_ = 0;      // monotonic, at the end of the last command or lap()
  uint64_t round_ns_ = 0;      // monotonic, at begin()
  int64_t round_wall_us_ = 0;  // time of day at begin()
  int64_t wall_us_ = 0;
  int64_t wall_ms_ = 0;
};

}  // namespace respcask::server

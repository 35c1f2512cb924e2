// Server: what all loops share. The store, the configuration, the command table, the sessions and
// the services behind the commands.
//
// The store and the configuration are borrowed and outlive the server. The server outlives every
// Turn and Session, and its threads: stop() ends them, and is to be called when the loops have
// ended and before the store is closed. Everything here may be used from any thread unless it says
// otherwise.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "server/acl/log.h"
#include "server/acl/registry.h"
#include "server/acl/vocabulary.h"
#include "server/blocking.h"
#include "server/client_eviction.h"
#include "server/command_table.h"
#include "server/config/store.h"
#include "server/cycle_clock.h"
#include "server/eviction.h"
#include "server/latency.h"
#include "server/memory_gauge.h"
#include "server/process_memory.h"
#include "server/pubsub.h"
#include "server/rates.h"
#include "server/readers.h"
#include "server/run_ids.h"
#include "server/saving.h"
#include "server/session.h"
#include "server/shutdown.h"
#include "server/slowlog.h"
#include "server/stats.h"
#include "server/store_usage.h"
#include "server/tracking.h"
#include "server/turn.h"

namespace respcask::server {

enum class PauseKind : uint8_t { kNone, kWrite, kAll };

class Server {
 public:
  // `more_commands`: rows beside the families', for tests.
  Server(engine::Store& store, ConfigStore& config, std::span<const Command> more_commands = {});
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // Starts the threads: deadlines, readers, maintenance (expiry). Without them everything works but
  // what waits for time: for tests. kIo if there are not as many to be had.
  engine::Result<void> start();
  void stop();

  engine::Store& store;
  ConfigStore& config;
  const CommandTable commands;
  const acl::Vocabulary vocabulary;  // of users' rules
  acl::Registry users;
  acl::Log acl_log;
  Stats stats;
  Pubsub pubsub;
  Tracking tracking{*this};
  Slowlog slowlog;
  LatencyMonitor latency;
  ProcessMemory memory;
  StoreUsage usage;
  MemoryGauge gauge{*this};
  ClientMemory client_memory;
  Eviction eviction{*this};
  Rates rates;
  RunIds ids;
  ReaderPool readers;
  Deadlines deadlines;
  const int64_t started_ms;
  Saving saving;
  Shutdown shutdown{*this};

  // --- sessions -------------------------------------------------------------------------------
  // Calls `visit` with every session, oldest first; false ends it. The registry is locked meanwhile
  // and keeps them alive: the visitor does not block and makes no session.
  void for_each_session(const std::function<bool(Session&)>& visit);
  // Calls `use` with the session of that id. False if there is none, or it is gone.
  bool with_session(uint64_t id, const std::function<void(Session&)>& use);

  // Calls `use` with all of them, by id, under the same rules.
  void with_sessions(const std::function<void(const std::map<uint64_t, Session*>&)>& use);

  // CLIENT UNBLOCK. The command that the client waited with; null if it is not blocked.
  const TableEntry* unblock(uint64_t id, bool with_error, Outbox& outbox);
  size_t blocked_clients() const { return blocked_clients_.load(std::memory_order_relaxed); }

  uint64_t next_order() { return last_order_.fetch_add(1, std::memory_order_relaxed) + 1; }
  void count_blocked(int by) { blocked_clients_.fetch_add(static_cast<size_t>(by)); }
  // Takes a session out of the lines that it stands in, and from the count of those that wait. On
  // its loop, no shard locked.
  void end_blocking(Waiter& waiter);
  // The command is given up: its client is gone. On its loop, no shard locked.
  void drop_waiter(Waiter& waiter);

  // CLIENT PAUSE and UNPAUSE. As in Redis a pause is never shortened nor weakened by another.
  void pause(PauseKind kind, int64_t until_ms);
  void unpause();
  PauseKind paused(int64_t now_ms) const {
    const Pause pause = pause_.load(std::memory_order_acquire);
    return now_ms < pause.until_ms ? pause.kind : PauseKind::kNone;
  }
  // Wakes the client when the pause ends. False if there is none any more.
  bool add_postponed(const std::shared_ptr<Waiter>& waiter);

  // --- monitors -------------------------------------------------------------------------------
  bool has_monitors() const { return monitor_count_.load(std::memory_order_relaxed) > 0; }
  void add_monitor(Session& session);
  void remove_monitor(Session& session);
  // Returns when nobody is pushing to sessions what he wrote for them as they were when it was
  // called: after a change of protocol, or of what the session listens to.
  void settle_tellers();
  // Shows them a command; arguments in turn.scratch.redacted are hidden.
  void feed_monitors(const Session& session, const Turn& turn,
                     std::span<const std::string_view> args);

  // --- keys -----------------------------------------------------------------------------------
  KeyTables& tables(uint32_t shard) { return tables_[shard]; }
  KeyRef key(std::string_view name, uint32_t db) const;

  // Removes some keys of one shard whose time has come, few enough that nobody waiting for the
  // shard notices. False when none is left, or nothing may be changed. `turn` is the calling
  // thread's; the caller commits.
  bool expire_cycle(uint32_t shard, Turn& turn);
  // DEBUG SET-ACTIVE-EXPIRE.
  std::atomic<bool> active_expire{true};

  // Forgets some of the keys that clients track, if there are more than tracking-table-max-keys. No
  // shard may be locked. `self`: the session that is about to run a command on this thread, or
  // null.
  void trim_tracking(Turn& turn, const Session* self);

  // Commits what the turn touched and delivers its messages: what a thread that is not a loop does
  // at the end of its work.
  void commit(Turn& turn);

  // Unix time, now.
  static int64_t now_ms();

  // --- memory ---------------------------------------------------------------------------------
  // Heap used by index, clients and buffers, as of at most 100 ms ago, or ten times that where
  // counting takes long. No shard may be locked.
  uint64_t used_memory();
  // The same, at most that old, with the same exception.
  uint64_t used_memory(uint64_t now_ns, uint64_t max_age_ns);

 private:
  friend class Session;
  uint64_t take_session_id();
  void add_session(Session& session);
  void remove_session(Session& session);
  void wake_next(const Waiter& gone);
  void maintain();
  bool is_stopping();
  void keep_bounds(Turn& turn);
  bool expire_in_time(uint32_t shard, Turn& turn, uint64_t until_ns);
  void expire_round(Turn& turn);

  std::vector<KeyTables> tables_;  // by shard; under its lock

  mutable std::mutex sessions_mutex_;
  std::map<uint64_t, Session*> sessions_;
  std::atomic<uint64_t> last_session_id_{0};

  std::atomic<uint64_t> last_order_{0};
  std::atomic<size_t> blocked_clients_{0};

  mutable std::mutex pause_mutex_;
  // One word, so that nobody sees the kind of one pause with the end of another.
  struct Pause {
    int64_t until_ms : 56;
    PauseKind kind : 8;
  };
  static constexpr int64_t kLatestPauseMs = (int64_t{1} << 55) - 1;
  std::atomic<Pause> pause_{Pause{0, PauseKind::kNone}};
  std::vector<std::weak_ptr<Waiter>> postponed_;
  size_t next_sweep_ = 0;  // when there are so many, those who are gone are taken out

  std::mutex monitors_mutex_;
  std::vector<Session*> monitors_;
  std::atomic<size_t> monitor_count_{0};

  std::mutex maintenance_mutex_;
  std::condition_variable maintenance_wake_;
  bool stopping_ = false;
  uint32_t next_to_expire_ = 0;  // the shard that the next round of expiry begins with
  std::thread maintenance_;
};

}  // namespace respcask::server

// Worker: one event loop and its thread.
//
// A turn of the loop: every socket that is ready is read; then the commands of all of them run,
// their keys looked ahead at together (look_ahead.h); then what the turn touched is committed, with
// one write a shard; then each client that was served gets its replies, with one write a client,
// and those with one system call for many clients where there is io_uring (send_ring.h). Whatever
// arrives from other threads (pushes, wake-ups, new sockets) comes through the inbox and joins the
// turn before its commit.
//
// Invariants: everything here runs on the loop's thread but the methods marked "any thread". No
// reply and no message is sent between a command and the commit (with appendfsync always: the sync)
// that it depends on. The worker owns its connections.
#pragma once

#include <uv.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "server/net/connection.h"
#include "server/net/input_buffer.h"
#include "server/net/input_spill.h"
#include "server/net/read_ring.h"
#include "server/net/send_ring.h"
#include "server/turn.h"

namespace respcask::server {

class Network;
class Server;

class Worker {
 public:
  Worker(Network& network, Server& server, uint32_t index);
  ~Worker();  // stopped, or never started or opened
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // Makes the loop, if there is none yet. kNoFiles: there is no descriptor for it.
  engine::Result<void> open();
  // The same, and starts its thread. kIo: there is none to be had.
  engine::Result<void> start();

  // --- any thread ------------------------------------------------------------------------------
  // Takes over an accepted socket.
  void adopt(int fd, bool unix_socket);
  // Runs `task` on the loop, soon.
  void post(std::function<void()> task);
  // A sync has returned or failed.
  void synced();
  // Leaves word for a connection: `change(mail)`, under the inbox's lock.
  template <class Change>
  void send(Connection& connection, const Change& change) {
    bool first;
    {
      std::lock_guard guard(inbox_mutex_);
      Connection::Mail& mail = connection.mail();
      change(mail);
      if (!mail.listed) {
        mail.listed = true;
        addressed_.push_back(&connection);
      }
      first = !inbox_used_.exchange(true, std::memory_order_acq_rel);
    }
    if (first) wake();
  }
  // Whether the caller is the loop itself, which is delivering what this turn's commands published:
  // no command runs, and what is marked dirty has still to be sent.
  bool delivers_here() const { return on_own_thread() && delivering_; }
  // Closes every connection and ends the loop; join() waits for it. Not from the worker's thread.
  void stop();
  void join();

  // --- the loop's thread -----------------------------------------------------------------------
  uv_loop_t* loop() { return &loop_; }
  uint32_t index() const { return index_; }
  Network& network() { return network_; }
  engine::Store& store() { return store_; }
  Turn& turn() { return *turn_; }
  const Config& config() const { return turn_->config(); }
  // Another one whenever config() has changed.
  uint64_t config_version() const { return turn_->config_version(); }
  uint64_t turn_number() const { return turn_number_; }
  // Whether what depends on this point may leave. What was held in another mode of appendfsync is
  // not held for ever where nothing is synced.
  bool may_leave(engine::SyncPoint point) const {
    return store_.synced(point) || config().appendfsync == AppendFsync::kNo;
  }
  BlockPool& blocks() { return blocks_; }
  SpillArea& spills() { return *spills_; }

  // Every callback of the loop begins with this.
  void enter() {
    if (!in_turn_) begin_turn();
  }
  void mark_dirty(Connection& connection);
  // It was read from: it runs when the loop has read all sockets that are ready.
  void mark_fresh(Connection& connection);
  // It has commands left, for the next turn.
  void mark_ready(Connection& connection);
  void mark_held(Connection& connection);
  // Moves what other threads have pushed to a connection behind `to`, or so much of it, but nothing
  // from behind the end of a wait that it has not heard of yet; true: all.
  bool take_pushed(Connection& connection, std::string& to, size_t most_bytes);
  // Closes those of its connections that were told to close at once, but for `running`; so that
  // what they hold is free before the turn ends.
  void close_told(const Connection& running);
  // Drops the mail of a connection that nobody can reach any more.
  void forget(Connection& connection);
  // The loop has let go of the connection's handle: deletes it.
  void remove(Connection& connection);
  // Strings to write replies into, so that an idle client holds none.
  std::string take_string();
  void give_string(std::string text);

 private:
  struct Accepted {
    int fd;
    bool unix_socket;
  };
  struct HeldOutbox {
    engine::SyncPoint point;
    Outbox outbox;
  };

  bool on_own_thread() const {
    return std::this_thread::get_id() == thread_id_.load(std::memory_order_relaxed);
  }
  void run();
  void open_rings();
  void run_loop();
  void wake();
  void begin_turn();
  void end_turn();
  void finish_round();
  void drain_inbox();
  void deliver_outbox(engine::SyncPoint point, bool commit_failed);
  template <class Offer, class Finish>
  void send_together(const std::vector<Connection*>& connections, const Offer& offer,
                     const Finish& finish);
  void open_connection(Accepted accepted);
  void run_fresh();
  void run_ready();
  void release_held();
  void on_tick();
  void drop_idle_strings();
  // In kept_bytes.
  void count_blocks();
  void close_everything();

  Network& network_;
  Server& server_;
  engine::Store& store_;
  const uint32_t index_;

  bool open_ = false;
  uv_loop_t loop_;
  uv_async_t async_;
  uv_prepare_t prepare_;
  uv_check_t check_;
  uv_idle_t idle_;
  uv_timer_t timer_;
  uv_poll_t reads_;  // in use while there is a ring_
  std::thread thread_;
  std::atomic<std::thread::id> thread_id_{};
  bool stopping_ = false;

  std::optional<Turn> turn_;         // made on the loop's thread
  std::unique_ptr<ReadRing> ring_;   // the same; null where the system has none
  std::unique_ptr<SendRing> sends_;  // the same
  bool in_turn_ = false;
  bool delivering_ = false;
  uint64_t turn_number_ = 1;

  BlockPool blocks_;
  std::optional<SpillArea> spills_;   // the same as turn_
  size_t taken_bytes_ = 0;            // of strings taken in this turn
  size_t counted_block_bytes_ = 0;    // of blocks_, as they stand in kept_bytes
  std::vector<std::string> strings_;  // the last one given is the next one taken
  size_t idle_strings_ = 0;           // at the front, that were not taken since the last tick
  std::vector<Connection*> fresh_;
  std::vector<Connection*> dirty_;
  std::vector<Connection*> ready_;
  std::vector<Connection*> held_;
  std::deque<HeldOutbox> held_outboxes_;
  std::atomic<uint32_t> holds_{0};  // 1: something waits for a sync
  std::vector<Connection*> connections_;
  size_t tick_position_ = 0;

  std::mutex inbox_mutex_;  // guards what follows, and the mail of the worker's connections
  std::atomic<bool> inbox_used_{false};  // set under the lock, looked at without it
  std::vector<Accepted> accepted_;
  std::vector<Connection*> addressed_;
  std::vector<std::function<void()>> tasks_;
};

}  // namespace respcask::server

// Session: one client as the commands see it. No socket, no libuv.
//
// A session belongs to one loop: only that loop's thread changes its fields. Other threads (CLIENT
// LIST, CLIENT KILL) may read what is Shown, and what `mutex` guards, while they hold the session
// registry (Server::for_each_session), which keeps the session alive. Whoever carries it
// (net/connection.h; a test; the fuzzer) implements Carrier and owns the session; the session
// registers itself with the server when made and leaves every table of it when destroyed.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>

namespace respcask::server {

class Server;
struct TableEntry;
namespace acl {
struct User;
}

// What a connection holds for its client, in bytes, as of the end of a turn of its loop.
struct ClientBuffers {
  size_t input = 0;      // received, and part of no complete argument; or of a command that runs
  size_t arguments = 0;  // complete ones of a request that is not complete, or that waits
  size_t input_free = 0;
  size_t input_memory = 0;  // of all that
  size_t output = 0;        // unsent
  size_t output_parts = 0;  // pieces of memory that it lies in
  size_t output_memory = 0;
};

// What a session asks of whoever carries it.
class Carrier {
 public:
  virtual ~Carrier() = default;

  // These are called from any thread and return at once; the carrier does the work on its own loop.
  // They may be called while dispatch runs for this very session.

  // The session's parked or blocked command may run again: call dispatch with the same arguments.
  // Calls may be in vain; dispatch then answers kParked or kBlocked again.
  virtual void resume() = 0;
  // Queues bytes that are no reply to a command of this session: pub/sub, tracking, MONITOR. They
  // leave in the order of the calls, never inside a reply; those that came before a command is
  // dispatched leave before its reply.
  virtual void push(std::string_view bytes) = 0;
  // Closes the connection: at once, or after what is queued has left.
  virtual void close(bool after_replies) = 0;
  virtual ClientBuffers buffers() const = 0;

  // On the session's loop only. Moves what was pushed and has not been put among the replies yet
  // behind `to`, which is the output that the running command replies into. So a message that was
  // published before an UNSUBSCRIBE leaves before its confirmation.
  virtual void take_pushes(std::string& to) = 0;
};

// The way to a session's carrier for those who may outlive it. Shared; any thread. After the
// session is gone the calls do nothing.
class Link {
 public:
  explicit Link(Carrier& carrier) : carrier_(&carrier) {}
  void resume() {
    std::lock_guard guard(mutex_);
    if (carrier_ != nullptr) carrier_->resume();
  }
  void push(std::string_view bytes) {
    std::lock_guard guard(mutex_);
    if (carrier_ != nullptr) carrier_->push(bytes);
  }
  void close(bool after_replies) {
    std::lock_guard guard(mutex_);
    if (carrier_ != nullptr) carrier_->close(after_replies);
  }
  void sever() {
    std::lock_guard guard(mutex_);
    carrier_ = nullptr;
  }

 private:
  std::mutex mutex_;
  Carrier* carrier_;
};

// A field that one thread writes and any may read. Costs what a plain field costs.
template <class T>
class Shown {
 public:
  Shown() : value_(T{}) {}
  Shown(T value) : value_(value) {}
  operator T() const { return value_.load(std::memory_order_relaxed); }
  T get() const { return value_.load(std::memory_order_relaxed); }
  T operator=(T value) {
    value_.store(value, std::memory_order_relaxed);
    return value;
  }
  T operator+=(T by) { return *this = static_cast<T>(get() + by); }
  T operator-=(T by) { return *this = static_cast<T>(get() - by); }

 private:
  std::atomic<T> value_;
};

// Where a client comes from; known when the connection is accepted and never changed.
struct Peer {
  std::string address;  // "127.0.0.1:50000", "/path.sock:0"
  std::string local_address;
  int fd = -1;
  uint32_t worker = 0;  // index of the loop
  bool unix_socket = false;
  bool local = true;  // from this machine: loopback or a Unix socket
};

struct Parked;            // values being fetched for a command that met cold ones; parked.h
struct Waiter;            // a blocked command; blocking.h
struct Watch;             // WATCH; blocking.h
class Outbox;             // what its turn has to tell; pubsub.h
struct TransactionState;  // MULTI's queue and WATCH's keys; transaction.h
struct Subscriptions;     // channels and patterns; pubsub.h

enum class ReplyMode : uint8_t { kOn, kOff, kSkipNext, kSkipping };

// What stands between a session's command and its execution, as far as it is known (identity.h).
enum class Access : uint8_t {
  kStale,            // users have changed: look again
  kLooking,          // the session's loop is about it
  kAll,              // nothing: the user may do everything
  kChecked,          // every command is checked
  kUnauthenticated,  // it has to log in
  kGone,             // it was killed or evicted, or its user is gone or has lost a channel
};

class Session {
 public:
  Session(Server& server, Carrier& carrier, Peer peer);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // Back to the state of a new connection, but for NO-EVICT (RESET). `outbox`: of its loop's turn.
  void reset(const Outbox& outbox);
  void set_name(std::string_view name);
  void set_user(std::shared_ptr<const acl::User> user);
  std::string user_name() const;
  void set_waiter(std::shared_ptr<Waiter> waiter);
  void set_watch(std::shared_ptr<Watch> watch);
  // On its loop: gives the command up that waits. False if its wait is over, so that it will be
  // resumed.
  bool stop_waiting();

  // From any thread, while a lock (the session registry's, Pubsub's) keeps the session: users have
  // changed.
  void mark_stale();
  // The same, for a session that is not the caller's own: its connection is closed, and it changes
  // nothing any more once the shards' locks have been free.
  void disconnect() {
    mark_gone();
    carrier.close(false);
  }
  // On its loop: it runs nothing more, and is closed when it has what it was told so far.
  void disconnect_after_reply() {
    mark_gone();
    close_after_reply = true;
  }
  // The same, and the caller closes it.
  void mark_gone();
  // To all others it is there no more, though its loop may have yet to close it.
  bool is_gone() const { return access.load(std::memory_order_acquire) == Access::kGone; }
  // Whether any session of the process is.
  static bool any_is_gone() { return gone_.load(std::memory_order_acquire) != 0; }
  // Everything is allowed, as far as anybody knows.
  bool has_full_access() const { return access.load(std::memory_order_relaxed) == Access::kAll; }

  Server& server;
  Carrier& carrier;
  const std::shared_ptr<Link> link;
  const uint64_t id;  // unique and rising while the server runs
  const Peer peer;
  const int64_t created_ms;

  Shown<int64_t> last_active_ms;
  Shown<const TableEntry*> last_command;  // for CLIENT LIST; null: none, or unknown
  Shown<uint32_t> db;
  Shown<int> protocol = 2;    // 2 or 3
  Shown<bool> authenticated;  // or accepted while no password was needed
  Shown<ReplyMode> reply_mode;
  Shown<bool> close_after_reply;
  Shown<bool> monitor;
  Shown<bool> no_evict;
  Shown<bool> blocked_shown;      // waits in a blocking command
  Shown<uint32_t> channel_count;  // subscriptions, for CLIENT LIST
  Shown<uint32_t> pattern_count;
  Shown<uint32_t> shard_channel_count;
  Shown<int> queued_commands = -1;  // in MULTI; -1: not in MULTI
  Shown<size_t> queued_bytes;
  Shown<uint32_t> watched_count;
  // CLIENT TRACKING: TrackingFlag bits, and whom messages go to instead of this session; 0: nobody.
  // Set by Tracking; that a redirection is broken is noted by whoever meets it.
  std::atomic<uint32_t> tracking{0};
  Shown<uint64_t> tracking_redirect;
  Shown<uint32_t> tracking_prefixes;  // how many, with BCAST
  // Somebody redirects messages of tracking to it, or has done so once; set by him.
  std::atomic<bool> hears_for_others{false};

  std::atomic<Access> access{Access::kStale};

  // What follows up to `gave_up` is written by the setters, under `mutex`; other threads lock it to
  // read.
  mutable std::mutex mutex;
  std::string name;                       // CLIENT SETNAME
  std::shared_ptr<const acl::User> user;  // never null; as of when it was last looked up
  std::shared_ptr<Watch> watch;           // null: nothing is watched
  std::shared_ptr<Waiter> waiter;         // null unless blocked
  bool gave_up = false;                   // it was blocked, and never will be again

  // The loop's own.
  std::unique_ptr<TransactionState> transaction;  // null outside MULTI and WATCH
  std::unique_ptr<Subscriptions> subscriptions;   // null: none
  std::set<std::string> prefixes;                 // tracked, with BCAST
  std::shared_ptr<Parked> parked;                 // null unless a cold value is being fetched
  uint64_t random_state;                          // of commands that draw lots (commands/draws.h)

  // CLIENT REPLY OFF, or SKIP for what comes next.
  bool replies_are_hidden() const {
    const ReplyMode mode = reply_mode;
    return mode == ReplyMode::kOff || mode == ReplyMode::kSkipping;
  }
  bool subscribed() const { return channel_count + pattern_count + shard_channel_count > 0; }

 private:
  static std::atomic<uint64_t> gone_;  // how many are
};

}  // namespace respcask::server

// Blocked clients: who waits for which key, in which order, and how they are woken.
//
// A blocked command has a Waiter, which stands in the line of each key that it waits for. Whoever
// makes a key ready serves its line at once, first come first served, by running the first waiter's
// command in its place, on the thread of the one who pushed and under the shards' locks, those of
// the waiter's other keys too, which the pusher has locked from the beginning: so, as in Redis, the
// effect is there before the push is answered, and nobody else sees or takes what was pushed. The
// waiter's loop only sends the reply. A command that cannot be run to its end there (a cold value)
// is handed to its own loop (kWoken); it keeps its place, nobody behind it is served meanwhile, and
// it serves the line when it is done. Of several keys a command that has waited takes from the one
// that was made ready.
//
// Who may touch what:
// - The lines (KeyTables) are guarded by the lock of their shard.
// - Waiter::state and what follows it, up to `touched`, are guarded by Waiter::mutex, which is held
//   while another thread runs the command; taken with shards locked, so no shard is locked under
//   it.
// - What is const in a Waiter may be read by any thread.
// Session::waiter and the lines share a Waiter. A waiter leaves its lines before its session goes.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/shard_set.h"
#include "server/context.h"
#include "server/tracking.h"

namespace respcask::server {

class Link;
class Outbox;
class Session;
struct TableEntry;

// A key with its name owned, for what outlives a command.
struct OwnedKey {
  std::string name;
  uint64_t hash = 0;
  uint32_t shard = 0;
  uint32_t db = 0;
  KeyRef ref() const { return {name, hash, shard, db}; }
  static OwnedKey of(const KeyRef& key) {
    return {std::string(key.name), key.hash, key.shard, key.db};
  }
};

struct Waiter {
  enum class State : uint8_t {
    kWaiting,
    kServed,          // its reply is there
    kWoken,           // its own loop is to run the command
    kTimedOut,        // the deadline has passed, or CLIENT UNBLOCK .. TIMEOUT
    kUnblockedError,  // CLIENT UNBLOCK .. ERROR
    kRefused,         // it will not come: `reply` is the text of an error
    kGone,            // the session is going
  };

  uint64_t order = 0;  // place in every line
  Session* session = nullptr;
  std::shared_ptr<Link> link;
  const TableEntry* command = nullptr;
  std::vector<std::string> arguments;
  std::vector<std::string_view> args;  // views of `arguments`
  std::vector<OwnedKey> keys;
  engine::ShardSet shards;  // of all keys of the command, not only of those that it waits for
  Type type = Type::kString;
  int64_t deadline_ms = 0;  // Unix time; 0: none
  TimeoutReply timeout_reply = TimeoutReply::kNull;
  // A postponed client (CLIENT PAUSE): it stands in no line and dispatches again when woken.
  bool postponed = false;
  // It waits for the end of the server, and no client ends that wait: whoever takes the end back
  // answers it (Shutdown).
  bool for_shutdown = false;

  void set_arguments(std::span<const std::string_view> from);

  std::mutex mutex;
  State state = State::kWaiting;
  std::optional<OwnedKey> woken_for;  // kWoken: the key that was made ready
  std::string reply;
  std::string told_behind;   // kServed: what it is to be told of what its command did
  engine::ShardSet touched;  // by the one who served it, or what is told of

  bool in_deadlines = false;  // under the mutex of Deadlines
};

struct KeyHash {
  using is_transparent = void;
  size_t operator()(const KeyRef& key) const { return key.hash ^ key.db; }
  size_t operator()(const OwnedKey& key) const { return key.hash ^ key.db; }
};
struct KeyEqual {
  using is_transparent = void;
  template <class A, class B>
  bool operator()(const A& a, const B& b) const {
    return a.db == b.db && std::string_view(a.name) == std::string_view(b.name);
  }
};

// Those who wait for one key.
struct Line {
  std::map<uint64_t, std::shared_ptr<Waiter>> waiters;  // by Waiter::order
  // Of the commands of all that have stood in it: what has to be locked to serve it.
  engine::ShardSet shards;
  bool moves = false;  // one of them may make another key ready
};

// The lines of the keys of a shard.
class Lines {
 public:
  bool empty() const { return lines_.empty(); }
  // Null: nobody waits for the key.
  const Line* find(const KeyRef& key) const {
    if (lines_.empty()) return nullptr;
    const auto found = lines_.find(key);
    return found == lines_.end() ? nullptr : &found->second;
  }
  // `moves`: its command may make another key ready.
  void join(const OwnedKey& key, std::shared_ptr<Waiter> waiter, bool moves);
  void leave(const KeyRef& key, uint64_t order);
  // Those of all lines, since there was none.
  const engine::ShardSet& shards() const { return shards_; }
  template <class Visit>
  void visit(const Visit& visit) const {
    for (const auto& [key, line] : lines_) visit(key);
  }

 private:
  std::unordered_map<OwnedKey, Line, KeyHash, KeyEqual> lines_;
  engine::ShardSet shards_;
};

// A client's WATCH on a key. Shared by the transaction and the tables.
struct Watch {
  std::atomic<bool> touched{false};
};
struct WatchedKey {
  std::shared_ptr<Watch> watch;
  // The key had expired already when it was watched, so that its going is no change.
  bool was_expired = false;
};

// What clients want of the keys of one shard; under that shard's lock.
struct KeyTables {
  Lines lines;
  std::unordered_map<OwnedKey, std::vector<WatchedKey>, KeyHash, KeyEqual> watched;
  TrackedKeys tracked;
};

// The deadlines of blocked clients, and a thread that keeps them.
class Deadlines {
 public:
  ~Deadlines() { stop(); }
  engine::Result<void> start();
  void stop();
  // Wakes the waiter at `deadline_ms`, unless it has been served by then; nothing if that is so
  // already.
  void add(int64_t deadline_ms, const std::shared_ptr<Waiter>& waiter);
  // Wakes whoever is due, the earliest first and those of one moment in the order in which they
  // were added; the thread does the same by itself.
  void wake_due(int64_t now_ms);
  // Deadlines held: those who wait, and some that have been served.
  size_t size();

 private:
  struct Entry {
    int64_t deadline_ms;
    uint64_t number;  // in the order of coming
    std::weak_ptr<Waiter> waiter;
    bool operator>(const Entry& other) const;
  };
  void run();
  void forget_served();
  Entry take_earliest();

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t added_ = 0;
  std::vector<Entry> entries_;         // a heap, the earliest first; some have been served
  size_t most_entries_ = kFewEntries;  // until those that were served are taken out
  static constexpr size_t kFewEntries = 1024;
  bool stopping_ = false;
  std::thread thread_;
};

// Ends a wait from outside: sets the state if it is still kWaiting and tells the waiter's loop, by
// way of the outbox of the turn that does so, if one does. False if it was not waiting any more.
bool end_wait(Waiter& waiter, Waiter::State state, Outbox* outbox = nullptr);
// The same with an error's text, without '-' and CRLF, as the reply.
bool refuse_wait(Waiter& waiter, std::string_view error);

}  // namespace respcask::server

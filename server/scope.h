// Scope: the shards that one command, or one EXEC, has locked, and what it does to them.
//
// Invariants:
// - Shards are locked in ascending order and all at once; every lock is recorded in the turn's
//   `touched`, for reads too: what was read may not have been written to its file yet, and the
//   reply must not leave before it is.
// - A batch is opened in a shard at its first change and closed by finish(), with one transaction
//   mark if several shards were changed.
// - finish() has been called before the locks go.
// - A key whose time has come counts as missing at once and is removed when the command has ended
//   (end_command), so that a look-up never moves the bytes that an earlier read() points to.
// Lives on the stack of the thread that holds the locks.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include "engine/function_ref.h"
#include "engine/shard.h"
#include "engine/shard_set.h"
#include "server/blocking.h"
#include "server/context.h"
#include "server/readers.h"
#include "server/turn.h"

namespace respcask::server {

class Scope {
 public:
  explicit Scope(Turn& turn) : turn_(turn) {}
  ~Scope() { release(); }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;

  // The shards of a command, and more if others are to be served then (blocking.h).
  void lock(const engine::ShardSet& shards) { lock(shards, shards); }
  void lock(const engine::ShardSet& all, const engine::ShardSet& of_command);
  // A set of one, to count what is there. What is told of that after the shard has failed awaits no
  // commit, whatever the mode: it names no values, and is how anybody hears of the failure.
  void lock(uint32_t shard);
  // From now on a command that has these runs; they are locked.
  void set_command_shards(const engine::ShardSet& shards) { of_command_ = shards; }
  // Closes the batches and unlocks everything.
  void release();
  // Closes the batches; the locks stay.
  void finish();

  const engine::ShardSet& locked() const { return locked_; }
  const engine::ShardSet& command_shards() const { return of_command_; }
  engine::Shard& shard(uint32_t index);
  engine::Shard& shard_for_write(uint32_t index);
  KeyTables& tables(uint32_t shard);
  // The running command has changed something: it must not run again.
  bool has_changed() const { return has_changed_; }
  // A command begins, or begins again.
  void begin_command();

  // Reserves `bytes` on every shard of the command, before anything is read. The reply to give if
  // that fails, else "".
  std::string_view reserve(uint64_t bytes, engine::Growth growth);
  // The same of each shard its own; by index.
  std::string_view reserve(std::span<const uint64_t> of_shards, engine::Growth growth);
  // Reserves more on one shard, on top of what is promised to others; what was read stays where it
  // is.
  std::string_view reserve_more(uint32_t shard, uint64_t bytes, engine::Growth growth);

  // A key is there but its time has come: tells who is to know, once; it goes in end_command(). If
  // the disk does not allow that nobody is told, and the key is missing nonetheless.
  void expire(const KeyRef& key);
  // The running command has found it expired and not written it since.
  bool has_expired(const KeyRef& key) const { return expired_.contains(key); }
  // Removes a key to make room. False if the disk does not allow it.
  bool evict(const KeyRef& key);
  // After each command, also inside EXEC. Returns how many expired keys it has removed: those for
  // whose tombstones there is room.
  size_t end_command();
  // A key has changed: WATCH, tracking, the count of changes.
  void modified(const KeyRef& key);
  // What `change` modifies is counted only: the values are the same, told in other bytes.
  void retell(engine::FunctionRef<void()> change);
  // Databases were emptied: copies of any key are out of date. All shards are locked.
  void forget_copies();
  // Who hears that copies of a key are out of date; `by_self`: the running command has changed it.
  Tracking::Audience audience(bool by_self);
  // All keys of a database are about to change by FLUSHDB or, with `other`, by SWAPDB.
  void flush(uint32_t db);
  void swap(uint32_t db1, uint32_t db2);
  // Keyspace notifications. `self` and `reply`: the session whose command this is, which gets its
  // own copy at once; null: none.
  void notify(EventClass event_class, std::string_view event, const KeyRef& key,
              const Session* self = nullptr, resp::Writer* reply = nullptr);
  size_t publish(ChannelKind kind, std::string_view channel, std::string_view payload,
                 const Session* self, resp::Writer* reply);

  // Keys whose lines are to be served when the command has ended (serve_ready), from the waiter
  // behind the place `after` on.
  struct Ready {
    OwnedKey key;
    uint64_t after = 0;
  };
  void signal(const KeyRef& key, uint64_t after = 0);
  bool has_ready() const { return !ready_.empty(); }
  std::vector<Ready> take_ready();

  // The session whose command runs; null: none does.
  const Session* runner = nullptr;
  // Of the command, while its handler runs; else null.
  Context* context = nullptr;
  // What its reply begins with of the events of keys that it has found missing or expired: told
  // once, though it may have to run again.
  std::string told_first;

  // Values that were fetched while the command was parked; null: none.
  const Parked* fetched = nullptr;
  // The same, of a transaction's running command, while others waited; null: none.
  std::shared_ptr<Parked> fetched_within;
  const FetchedValue* find_fetched(uint32_t shard, engine::Location where,
                                   const engine::Segment* segment) const;
  // By the command in this run, and in earlier ones: that is known with what was fetched for them.
  DoneOnce done;
  DoneOnce done_before() const;
  // What is to be fetched before the command can run again, with what was fetched so far
  // (`earlier`, see Parked).
  std::shared_ptr<Parked> take_cold(Parked* earlier);
  // The values that the command met and that were not in memory, or were damaged.
  std::vector<std::unique_ptr<FetchedValue>> cold;
  std::string damaged_key;
  bool damaged = false;
  bool failed_read = false;  // of the two: the system refused to read it, or to write it before
  bool too_much = false;     // what is to be held does not fit into memory together
  bool ready() const { return cold.empty() && !damaged && !too_much; }
  // Values read in place because the command had changed something already; kept for its views.
  std::vector<std::unique_ptr<FetchedValue>> read_in_place;
  // What it takes to hold the values of `fetched`, and those that the running command has met
  // since.
  uint64_t fetched_bytes() const {
    return (fetched != nullptr ? fetched->bytes : 0) +
           (fetched_within != nullptr ? fetched_within->bytes : 0);
  }
  uint64_t cold_bytes = 0;
  // The running command reads one more value, of so many bytes, from its segment. False: it has
  // read so much that it is time to look what came of it.
  bool count_read(uint64_t bytes) {
    unlooked_ -= static_cast<int64_t>(kReadCost + bytes);
    return unlooked_ > 0;
  }
  // What count_read() counts begins anew.
  void look_for_faults(engine::Shard& shard);
  static constexpr uint64_t kBytesBetween = uint64_t{1} << 20;

  // What block_on() asked for; dispatch carries it out.
  std::unique_ptr<Waiter> block;
  bool in_transaction = false;
  // EXEC runs those of its queue that only read for what they will need: nobody is to notice.
  bool rehearses = false;
  // EXEC leaves out itself what CLIENT REPLY holds back, which its commands may change.
  bool hides_replies = false;
  // Bytes reserved on every locked shard for what a transaction is still to run, or more.
  uint64_t promised_bytes = 0;
  std::vector<uint64_t> promised_to;  // on each of its own, by index; empty: nothing
  // The transaction has asked for a backup, a rewrite: in Redis it may again, as they begin later.
  bool asked_to_save = false;
  bool asked_to_rewrite = false;
  // A waiter is being served with what this key, which was made ready, holds; null: nobody is. Of
  // several keys it takes from this one, whichever it named first.
  const OwnedKey* serving = nullptr;
  // The same for a waiter whose own loop runs its command, which may come too late: then it takes
  // from another key.
  const OwnedKey* woken_for = nullptr;
  // The command has blocked before: then it was counted and shown to MONITOR.
  bool resumed = false;

 private:
  engine::Shard& lock_one(uint32_t index);
  // A look is taken after 64 reads, or fewer of large values.
  static constexpr uint64_t kReadCost = kBytesBetween / 64;

  void changed(const KeyRef& key, bool by_self);
  bool is_ready(const KeyRef& key, uint64_t after) const;

  Turn& turn_;
  engine::ShardSet locked_;
  engine::ShardSet of_command_;  // of these
  engine::ShardSet written_;
  bool has_changed_ = false;
  std::vector<Ready> ready_;
  // The least `after` of each key in it, once they are many; null before.
  std::unique_ptr<std::unordered_map<OwnedKey, uint64_t, KeyHash, KeyEqual>> first_ready_;
  std::unordered_set<OwnedKey, KeyHash, KeyEqual> expired_;
  uint64_t removal_bytes_ = 0;  // that removing them takes, or more
  bool retelling_ = false;
  int64_t unlooked_ = kBytesBetween;  // bytes to be read until the next look
  std::optional<uint64_t> faults_;    // of the thread, when they were looked at last
};

}  // namespace respcask::server

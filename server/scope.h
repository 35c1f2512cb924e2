// Scope: the shards that one command, or one EXEC, has locked, and what it does to them.
//
// Invariants:
// - Shards are locked in ascending order and all at once; every lock is recorded in the turn's
//   `touched`, for reads too: what was read may not have been written to its file yet, and the
//   reply must not leave before it is.
// - A batch is opened in a shard at its first change and closed by finish(), with one transaction
//   mark if several shards were changed.
// - finish() has been called before the locks go.
// Lives on the stack of the thread that holds the locks.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

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

  void lock(const engine::ShardSet& shards);
  void lock(uint32_t shard);  // a set of one
  // Closes the batches and unlocks everything.
  void release();
  // Closes the batches; the locks stay.
  void finish();

  const engine::ShardSet& locked() const { return locked_; }
  engine::Shard& shard(uint32_t index);
  engine::Shard& shard_for_write(uint32_t index);
  KeyTables& tables(uint32_t shard);
  // Something was changed since the locks were taken or finish() was called.
  bool changed() const { return !written_.empty(); }

  // Reserves `bytes` on every locked shard. The reply to give if that fails, else "".
  std::string_view reserve(uint64_t bytes, engine::Growth growth);

  // A key is there but its time has come: removes it, if the disk allows, and tells who is to know.
  void expire(const KeyRef& key);
  // A key has changed: WATCH, tracking, the count of changes.
  void modified(const KeyRef& key);
  // All keys of a database are about to change by FLUSHDB or, with `other`, by SWAPDB.
  void flush(uint32_t db);
  void swap(uint32_t db1, uint32_t db2);
  void notify(EventClass event_class, std::string_view event, const KeyRef& key, Session* self,
              resp::Writer* reply);

  // Keys with waiters whose line is to be served when the command has ended.
  void signal(const KeyRef& key);
  std::vector<OwnedKey> take_ready() { return std::move(ready_); }

  // The values that the command met and that were not in memory, or were damaged.
  std::vector<std::unique_ptr<FetchedValue>> cold;
  std::string damaged_key;
  bool damaged = false;
  bool failed_read = false;  // the system refused the read of damaged_key
  bool ready() const { return cold.empty() && !damaged; }
  void clear_reads();
  // Values read in place because the command had changed something already; kept for its views.
  std::vector<std::unique_ptr<FetchedValue>> read_in_place;

  // What block_on() asked for; dispatch carries it out.
  std::unique_ptr<Waiter> block;
  bool in_transaction = false;

 private:
  Turn& turn_;
  engine::ShardSet locked_;
  engine::ShardSet written_;
  std::vector<OwnedKey> ready_;
};

}  // namespace respcask::server

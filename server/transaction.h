// TransactionState: what a session has queued since MULTI, and what it watches.
//
// Belongs to its session and is touched on the session's loop only. The session's Watch is shared
// with the tables of the watched keys' shards (blocking.h), where any thread that changes a key
// sets it.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/shard_set.h"
#include "server/blocking.h"
#include "server/session.h"

namespace respcask::server {

class Scope;
class Turn;

// A command of a transaction, with its arguments in one block of memory.
struct QueuedCommand {
  QueuedCommand(const TableEntry& entry, std::span<const std::string_view> arguments);

  const TableEntry* command = nullptr;
  std::vector<char> bytes;
  std::vector<std::string_view> args;  // views of `bytes`
};

struct TransactionState {
  bool in_multi = false;
  bool aborted = false;  // a command was refused while queueing: EXEC answers EXECABORT
  std::vector<QueuedCommand> queue;
  uint32_t flags = 0;  // all CommandFlag bits of the queued commands
  int rehearsals = 0;  // of EXEC, until its queue runs

  std::vector<OwnedKey> watched;  // by Session::watch
};

// The shards that EXEC locks: those of all queued commands and of the watched keys.
engine::ShardSet transaction_shards(Turn& turn, const Session& session);

// A key that the session watches has changed: EXEC runs nothing.
inline bool is_undone(const Session& session) {
  return session.watch != nullptr && session.watch->touched.load(std::memory_order_relaxed);
}

// Leaves MULTI and forgets the queue; what is watched stays.
void drop_queue(Session& session);
// Forgets what is watched: with its shards locked in `scope`, or with no shard locked.
void unwatch(Session& session, Scope& scope);
void unwatch(Session& session);
// Both, with no shard locked.
void discard_transaction(Session& session);

}  // namespace respcask::server

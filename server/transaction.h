// TransactionState: what a session has queued since MULTI, and what it watches.
//
// Belongs to its session and is touched on the session's loop only; the Watch is shared with the
// tables of the watched keys' shards (blocking.h), where any thread that changes a key sets it.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "engine/shard_set.h"
#include "server/blocking.h"

namespace respcask::server {

class Server;

// A command of a transaction, with its arguments in one block of memory.
struct QueuedCommand {
  const TableEntry* command = nullptr;
  std::string bytes;
  std::vector<std::string_view> args;  // views of `bytes`
};

struct TransactionState {
  bool in_multi = false;
  bool aborted = false;  // a command was refused while queueing: EXEC answers EXECABORT
  std::vector<QueuedCommand> queue;
  size_t queued_bytes = 0;
  uint32_t flags = 0;  // all CommandFlag bits of the queued commands

  std::shared_ptr<Watch> watch;  // null: nothing is watched
  std::vector<OwnedKey> watched;
};

}  // namespace respcask::server

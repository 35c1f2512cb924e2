// Execution: running one command's handler under locks that are held, and what belongs to every run
// wherever it comes from: a client's request (dispatch.h), a transaction (EXEC), or a blocked
// client whose key has become ready (serve_ready).
//
// Runs on the thread of `turn`, which holds the scope's locks.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/shard_set.h"
#include "resp/writer.h"
#include "server/command_table.h"
#include "server/scope.h"
#include "server/session.h"
#include "server/transaction.h"
#include "server/turn.h"

namespace respcask::server {

enum class Ran : uint8_t {
  kReplied,
  kCold,     // nothing was changed or replied: scope.cold must be fetched first
  kBlocked,  // nothing was changed or replied: scope.block says what it waits for
};

// Finds the keys of a command for Context::key (turn.scratch) and the shards to lock. A command
// whose arguments make no sense gets every shard: its handler will say what is wrong, and may look
// at any key before it does.
engine::ShardSet find_shards(Turn& turn, const Session& session, const TableEntry& command,
                             std::span<const std::string_view> args);

// Runs a command whose keys are in turn.scratch; counts and times it.
Ran execute(Scope& scope, Turn& turn, Session& session, const TableEntry& command,
            std::span<const std::string_view> args, resp::Writer& reply);

// Shows the command to those in MONITOR.
void show_monitors(const Scope& scope, Turn& turn, const Session& session,
                   const TableEntry& command, std::span<const std::string_view> args);

// Reserves what a command with these arguments may append to the shards that are locked for it,
// before anything is read: twice what it was given, of large arguments little more than once, and
// kAlwaysReserved for what it edits. Where that is much the keys in turn.scratch count in their own
// shards only, and so do values that belong to a key. The reply to give if that fails, else "".
std::string_view reserve(Scope& scope, const Turn& turn, const TableEntry& command,
                         std::span<const std::string_view> args, engine::Growth growth);
// The same for a transaction; where that is much each of its commands counts in its own shards
// only. What is reserved is promised to its commands (Scope::promised_bytes).
std::string_view reserve(Scope& scope, Turn& turn, const Session& session,
                         std::span<const QueuedCommand> queue, engine::Growth growth);
// What is reserved for one of its commands, which is about to run and has these shards, is its own
// from now on, not to be kept free beside what it asks for.
void take_promised(Scope& scope, const Turn& turn, const QueuedCommand& queued,
                   const engine::ShardSet& shards);
engine::Growth growth_of(uint32_t command_flags);

// Serves the lines of the keys that the command signalled: runs the waiters' commands in turn. The
// scope's batches are closed; its locks may be exchanged for others.
void serve_ready(Scope& scope, Turn& turn);

// Takes a waiter out of its lines; its shards are locked.
void leave_lines(Scope& scope, Waiter& waiter);

}  // namespace respcask::server

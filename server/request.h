// Request: one request on its way through dispatch (dispatch.h): what it still has to pass, then
// its run, its waiting and what becomes of its reply.
//
// Lives on the stack of the session's loop for one call of dispatch, and refers to what it is
// given; dispatch.cc has the way, dispatch_checks.cc the checks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/shard_set.h"
#include "resp/writer.h"
#include "server/command_table.h"
#include "server/dispatch.h"
#include "server/scope.h"
#include "server/server.h"
#include "server/session.h"
#include "server/transaction.h"
#include "server/turn.h"

namespace respcask::server {

class Request {
 public:
  Request(Session& session, Turn& turn, std::span<const std::string_view> args, resp::Writer& reply)
      : session_(session),
        turn_(turn),
        server_(session.server),
        args_(args),
        reply_(reply),
        reply_begin_(reply.size()) {}

  Outcome run();

 private:
  // Each check replies and returns false if it refuses the command.
  bool known();
  bool arity_fits();
  bool allowed_by_configuration();
  bool authenticated();
  bool allowed_in_multi();
  bool permitted();
  void trim_tracking();
  bool memory_suffices();
  bool replicas_suffice();
  bool allowed_in_pubsub();
  bool allowed_to_monitor();

  Outcome process();
  bool must_wait_for_pause() const;
  bool postpone();
  Outcome continue_waiting(bool& run_again);
  void write_wait_error(std::string_view text);
  void queue();
  Outcome run_command();
  bool checks_are_old() const;
  Outcome check_again(Scope& scope);
  Outcome finish_run(Scope& scope);
  engine::ShardSet shards_to_lock() const;
  void lock(Scope& scope, const engine::ShardSet& shards);
  engine::ShardSet shards_of_waiters(Scope& scope) const;
  Outcome park(Scope& scope);
  Outcome block(Scope& scope);
  void served_after_waking(Scope& scope);
  Outcome done();
  void end_caching();
  bool over_output_limit() const;

  void reject(std::string_view error);
  void write_own_pushes();
  bool in_multi() const { return session_.transaction && session_.transaction->in_multi; }
  bool is_exec() const { return (command_->flags & kExecutes) != 0; }
  // The flags that count for the checks: EXEC does what its queue does.
  uint32_t flags() const {
    return is_exec() && in_multi() ? command_->flags | session_.transaction->flags
                                   : command_->flags;
  }

  Session& session_;
  Turn& turn_;
  Server& server_;
  const std::span<const std::string_view> args_;
  resp::Writer& reply_;
  size_t reply_begin_;
  const TableEntry* command_ = nullptr;
  bool pause_is_over_ = false;
};

}  // namespace respcask::server

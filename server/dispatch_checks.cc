// What a request has to pass before it runs, in the order of dispatch.cc.

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "server/identity.h"
#include "server/letter_case.h"
#include "server/request.h"

namespace respcask::server {
namespace {

// C's "%.128s": what a client sent is quoted up to its first NUL.
std::string_view quoted(std::string_view text, size_t limit = 128) {
  return text.substr(0, std::min(limit, text.find('\0')));
}

}  // namespace

// As an error before the command ran: a transaction that is being queued will not be executed.
void Request::reject(std::string_view error) {
  if (in_multi()) session_.transaction->aborted = true;
  turn_.stats.error_replies.add();
  turn_.new_errors();
  if (command_ != nullptr) turn_.stats.per_command[command_->index].rejected.add();
  if (command_ != nullptr && is_exec()) {
    const std::string_view reason = error.starts_with("ERR ") ? error.substr(4) : error;
    discard_transaction(session_);
    reply_.error(fmt::format("EXECABORT Transaction discarded because of: {}", reason));
    server_.stats.count_error("EXECABORT");
    // Who has seen the MULTI is to see that it is over, as in Redis.
    turn_.scratch.redacted.clear();
    if (server_.has_monitors()) server_.feed_monitors(session_, turn_, args_);
    return;
  }
  reply_.error(error);
  server_.stats.count_error(error.substr(0, error.find(' ')));
}

bool Request::known() {
  command_ = server_.commands.find(args_);
  if (command_ != nullptr && command_->row->handler != nullptr) return true;
  const TableEntry* container = server_.commands.find(args_[0]);
  // A container without a subcommand fails for its arity, below.
  if (command_ != nullptr) return true;
  if (container != nullptr) {
    reject(fmt::format("ERR unknown subcommand '{}'. Try {} HELP.", quoted(args_[1]),
                       upper_case(quoted(args_[0]))));
    return false;
  }
  std::string quoted_args;
  for (size_t i = 1; i < args_.size() && quoted_args.size() < 128; ++i) {
    quoted_args += '\'';
    quoted_args += quoted(args_[i], 128 - (quoted_args.size() - 1));
    quoted_args += "' ";
  }
  reject(fmt::format("ERR unknown command '{}', with args beginning with: {}", quoted(args_[0]),
                     quoted_args));
  return false;
}

bool Request::arity_fits() {
  const int arity = command_->row->arity;
  const int argc = static_cast<int>(std::min<size_t>(args_.size(), INT32_MAX));
  const bool fits = arity > 0 ? argc == arity : argc >= -arity;
  if (fits && command_->row->handler != nullptr) return true;
  reject(fmt::format("ERR wrong number of arguments for '{}' command", command_->full_name));
  return false;
}

// DEBUG can crash and stall a server: it must have been asked for.
bool Request::allowed_by_configuration() {
  if ((command_->flags & kProtected) == 0) return true;
  const Permission permission = turn_.config().enable_debug_command;
  if (permission == Permission::kYes || (permission == Permission::kLocal && session_.peer.local)) {
    return true;
  }
  reject(
      "ERR DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you "
      "can run it from a local connection, otherwise you need to set this option in the "
      "configuration file, and then restart the server.");
  return false;
}

bool Request::authenticated() {
  if ((command_->flags & kNoAuth) != 0) return true;
  if (current_access(session_) != Access::kUnauthenticated) return true;
  reject("NOAUTH Authentication required.");
  return false;
}

// By the rules of the session's user.
bool Request::permitted() {
  const auto lack = find_lack(turn_, session_, *command_, args_, in_multi());
  if (!lack) return true;
  switch (*lack) {
    case acl::Lack::kKey:
      reject("NOPERM this user has no permissions to access one of the keys used as arguments");
      break;
    case acl::Lack::kChannel:
      reject("NOPERM this user has no permissions to access one of the channels used as arguments");
      break;
    default:
      reject(fmt::format("NOPERM this user has no permissions to run the '{}' command",
                         command_->full_name));
  }
  return false;
}

// A queue of commands that no EXEC can run is of no use.
bool Request::allowed_in_multi() {
  if (!in_multi() || (command_->flags & kNoMulti) == 0) return true;
  reject("ERR Command not allowed inside a transaction");
  return false;
}

// As in Redis the table of tracked keys is brought below its limit before commands, which is all
// that keeps it there; the maintenance thread does the rest where no commands come.
void Request::trim_tracking() {
  const uint64_t max_keys = turn_.config().tracking_table_max_keys;
  if (server_.tracking.idle() || !server_.tracking.over(max_keys)) return;
  server_.trim_tracking(turn_, &session_);  // with the shards locked one at a time
  write_own_pushes();
}

// Above maxmemory, or maxdisk, and when eviction does not help, nothing that may grow runs; nor is
// it queued, as a queue takes memory itself.
bool Request::memory_suffices() {
  if (turn_.config().maxmemory == 0 && turn_.config().maxdisk == 0) return true;
  const Eviction::Room room = server_.eviction.make_room(turn_, &session_);
  write_own_pushes();
  const bool queueing = in_multi() && (command_->flags & kMultiNow) == 0;
  if ((flags() & kDenyOom) == 0 && !queueing) return true;
  switch (room) {
    case Eviction::Room::kEnough:
    case Eviction::Room::kSoon:
      return true;
    case Eviction::Room::kNoMemory:
      reject("OOM command not allowed when used memory > 'maxmemory'.");
      return false;
    case Eviction::Room::kNoDisk:
      break;
  }
  reject("OOM command not allowed when used disk > 'maxdisk'.");
  return false;
}

// Whoever wants every write on so many replicas gets none: there are no replicas.
bool Request::replicas_suffice() {
  const Config& config = turn_.config();
  const bool wanted = config.min_replicas_to_write > 0 && config.min_replicas_max_lag_s > 0;
  if (!wanted || (flags() & kWrite) == 0) return true;
  reject("NOREPLICAS Not enough good replicas to write.");
  return false;
}

// A RESP2 client that has subscribed reads a stream of messages: a reply would look like one.
bool Request::allowed_in_pubsub() {
  if (session_.protocol != 2 || !session_.subscribed() || (command_->flags & kInPubsub) != 0) {
    return true;
  }
  reject(fmt::format(
      "ERR Can't execute '{}': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / RESET are "
      "allowed in this context",
      command_->full_name));
  return false;
}

// To Redis who monitors is a replica of sorts.
bool Request::allowed_to_monitor() {
  constexpr uint32_t kOfKeys = kReadonly | kWrite | kMayReplicate;
  if (!session_.monitor || (flags() & kOfKeys) == 0) return true;
  reject("ERR Replica can't interact with the keyspace");
  return false;
}

}  // namespace respcask::server

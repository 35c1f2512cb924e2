// Replication, to a server that has none: the answers that a Redis without replicas gives.

#include "resp/number.h"
#include "server/command_table.h"
#include "server/context.h"

namespace respcask::server {
namespace {

void cmd_role(Context& c) {
  c.reply().array(3);
  c.reply().bulk("master");
  c.reply().integer(0);
  c.reply().array(0);
}

void cmd_replicaof(Context& c) {
  if (c.arg_is(1, "NO") && c.arg_is(2, "ONE")) return c.ok();
  const auto port = resp::parse_int64(c.arg(2));
  if (!port || *port < 0 || *port > 65535) return c.error("ERR Invalid master port");
  c.error("ERR this server cannot be a replica of another: it has no replication");
}

// Nobody will ever acknowledge: one who waits for somebody waits until the time is up.
void cmd_wait(Context& c) {
  const auto replicas = c.integer_arg(1);
  if (!replicas) return;
  const auto timeout_ms = c.integer_arg(2, "ERR timeout is not an integer or out of range");
  if (!timeout_ms) return;
  if (*timeout_ms < 0) return c.error("ERR timeout is negative");
  if (*replicas <= 0) return c.reply().integer(0);
  int64_t deadline_ms = 0;
  if (*timeout_ms != 0 && __builtin_add_overflow(*timeout_ms, c.now_ms(), &deadline_ms)) {
    deadline_ms = 0;  // no clock will get there
  }
  c.block_on({}, Type::kString, deadline_ms, TimeoutReply::kZero);
}

constexpr Argument kHostPort[] = {
    {.name = "host"},
    {.name = "port", .type = ArgType::kInteger},
};
constexpr Argument kNoOne[] = {
    {.name = "no", .type = ArgType::kPureToken, .token = "NO"},
    {.name = "one", .type = ArgType::kPureToken, .token = "ONE"},
};
constexpr Argument kMasterOrNone[] = {
    {.name = "host-port", .type = ArgType::kBlock, .sub = kHostPort},
    {.name = "no-one", .type = ArgType::kBlock, .sub = kNoOne},
};
constexpr Argument kMasterArgs[] = {
    {.name = "args", .type = ArgType::kOneof, .sub = kMasterOrNone},
};
constexpr Argument kWaitArgs[] = {
    {.name = "numreplicas", .type = ArgType::kInteger},
    {.name = "timeout", .type = ArgType::kInteger},
};
constexpr std::string_view kWaitTips[] = {"request_policy:all_shards", "response_policy:agg_min"};
constexpr Command kRows[] = {
    {.name = "replicaof",
     .handler = cmd_replicaof,
     .arity = 3,
     .flags = kAdmin | kNoscript | kStale | kNoAsyncLoading,
     .group = Group::kServer,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Make the server a replica of another instance, or promote it as master.",
     .arguments = kMasterArgs},
    {.name = "role",
     .handler = cmd_role,
     .arity = 1,
     .flags = kNoscript | kLoading | kStale | kFast,
     .group = Group::kServer,
     .since = "2.8.12",
     .complexity = "O(1)",
     .summary = "Return the role of the instance in the context of replication",
     .categories = kCatAdmin | kCatDangerous},
    {.name = "slaveof",
     .handler = cmd_replicaof,
     .arity = 3,
     .flags = kAdmin | kNoscript | kStale | kNoAsyncLoading,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Make the server a replica of another instance, or promote it as master.",
     .arguments = kMasterArgs,
     .deprecated_since = "5.0.0",
     .replaced_by = "`REPLICAOF`"},
    {.name = "wait",
     .handler = cmd_wait,
     .arity = 3,
     .flags = kNoscript,
     .group = Group::kGeneric,
     .since = "3.0.0",
     .complexity = "O(1)",
     .summary = "Wait for the synchronous replication of all the write commands sent in the "
                "context of the current connection",
     .arguments = kWaitArgs,
     .tips = kWaitTips,
     .categories = kCatConnection},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> replication_commands() {
  return kRows;
}

}  // namespace respcask::server

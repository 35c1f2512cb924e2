// SLOWLOG: the latest commands that took long.
#include <limits>
#include <vector>

#include "server/command_table.h"
#include "server/context.h"
#include "server/server.h"

namespace respcask::server {
namespace {

void cmd_slowlog_get(Context& c) {
  constexpr int64_t kDefaultCount = 10;
  if (c.argc() > 3) return c.wrong_subcommand();
  int64_t count = kDefaultCount;
  if (c.argc() == 3) {
    const auto given = c.integer_arg_in(2, -1, std::numeric_limits<int64_t>::max(),
                                        "ERR count should be greater than or equal to -1");
    if (!given) return;
    count = *given;
  }
  const auto limit = count < 0 ? std::numeric_limits<size_t>::max() : static_cast<size_t>(count);
  const std::vector<SlowlogEntry> entries = c.server().slowlog.latest(limit);
  resp::Writer& reply = c.reply();
  reply.array(entries.size());
  for (const SlowlogEntry& entry : entries) {
    reply.array(6);
    reply.integer(static_cast<int64_t>(entry.id));
    reply.integer(entry.time_s);
    reply.integer(entry.duration_us);
    reply.array(entry.args.size());
    for (const std::string& arg : entry.args) reply.bulk(arg);
    reply.bulk(entry.client_address);
    reply.bulk(entry.client_name);
  }
}

void cmd_slowlog_len(Context& c) {
  c.reply().integer(static_cast<int64_t>(c.server().slowlog.size()));
}

void cmd_slowlog_reset(Context& c) {
  c.server().slowlog.clear();
  c.ok();
}

void cmd_slowlog_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "GET [<count>]",
      "    Return top <count> entries from the slowlog (default: 10, -1 mean all).",
      "    Entries are made of:",
      "    id, timestamp, time in microseconds, arguments array, client IP and port,",
      "    client name",
      "LEN",
      "    Return the length of the slowlog.",
      "RESET",
      "    Reset the slowlog.",
  };
  c.help(kLines);
}

constexpr Argument kSlowlogGetArgs[] = {
    {.name = "count", .type = ArgType::kInteger, .flags = kOptional},
};
constexpr HistoryEntry kSlowlogGetHistory[] = {
    {"4.0.0", "Added client IP address, port and name to the reply."},
};
constexpr std::string_view kSlowlogGetTips[] = {"request_policy:all_nodes",
                                                "nondeterministic_output"};
constexpr std::string_view kSlowlogLenTips[] = {
    "request_policy:all_nodes", "response_policy:agg_sum", "nondeterministic_output"};
constexpr std::string_view kSlowlogResetTips[] = {"request_policy:all_nodes",
                                                  "response_policy:all_succeeded"};
constexpr Command kSlowlogSubcommands[] = {
    {.name = "get",
     .handler = cmd_slowlog_get,
     .arity = -2,
     .flags = kAdmin | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.2.12",
     .complexity = "O(N) where N is the number of entries returned",
     .summary = "Get the slow log's entries",
     .arguments = kSlowlogGetArgs,
     .history = kSlowlogGetHistory,
     .tips = kSlowlogGetTips},
    {.name = "help",
     .handler = cmd_slowlog_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands"},
    {.name = "len",
     .handler = cmd_slowlog_len,
     .arity = 2,
     .flags = kAdmin | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.2.12",
     .complexity = "O(1)",
     .summary = "Get the slow log's length",
     .tips = kSlowlogLenTips},
    {.name = "reset",
     .handler = cmd_slowlog_reset,
     .arity = 2,
     .flags = kAdmin | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.2.12",
     .complexity = "O(N) where N is the number of entries in the slowlog",
     .summary = "Clear all entries from the slow log",
     .tips = kSlowlogResetTips},
};
constexpr Command kRows[] = {
    {.name = "slowlog",
     .arity = -2,
     .group = Group::kServer,
     .since = "2.2.12",
     .complexity = "Depends on subcommand.",
     .summary = "A container for slow log commands",
     .subcommands = kSlowlogSubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> slowlog_commands() {
  return kRows;
}

}  // namespace respcask::server

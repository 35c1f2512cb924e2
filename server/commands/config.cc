// CONFIG: the configuration read, changed and written back.
#include <fmt/format.h>

#include "server/acl/change.h"
#include "server/command_table.h"
#include "server/config/rewrite.h"
#include "server/config/store.h"
#include "server/context.h"
#include "server/log.h"
#include "server/server.h"

namespace respcask::server {
namespace {

void cmd_config_get(Context& c) {
  const auto found = c.server().config.get(c.args().subspan(2));
  c.reply().map(found.size());
  for (const auto& [name, value] : found) {
    c.reply().bulk(name);
    c.reply().bulk(value);
  }
}

void cmd_config_set(Context& c) {
  for (size_t i = 2; i + 1 < c.argc(); i += 2) {
    if (is_secret_parameter(c.arg(i))) c.turn().scratch.redacted.push_back(i + 1);
  }
  const auto refused = c.server().config.set(c.args().subspan(2), c.session().peer.local);
  if (refused) return c.error(*refused);
  // What follows in this turn, in a pipeline or a transaction, is to see it.
  c.turn().refresh_config();
  c.turn().bounds_are_new = true;
  c.ok();
}

void cmd_config_resetstat(Context& c) {
  c.server().stats.reset();
  c.ok();
}

void cmd_config_rewrite(Context& c) {
  ConfigStore& config = c.server().config;
  const auto rewrite = [&]() -> engine::Result<void> {
    const auto users = acl::user_lines(c.server(), included_users(config.file()));
    return users ? config.rewrite(*users) : users.error();
  };
  if (const auto written = rewrite(); !written) {
    if (config.file().empty()) return c.error("ERR " + written.error().message);
    log_warning("CONFIG REWRITE failed: {}", written.error().message);
    // The log says what could not be done to which file; the reply, as Redis's, only why not.
    std::string_view reason = written.error().message;
    if (const size_t at = reason.rfind(": "); at != reason.npos) reason.remove_prefix(at + 2);
    return c.error(fmt::format("ERR Rewriting config file: {}", reason));
  }
  log_notice("CONFIG REWRITE executed with success.");
  c.ok();
}

void cmd_config_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "GET <pattern>",
      "    Return parameters matching the glob-like <pattern> and their values.",
      "SET <directive> <value>",
      "    Set the configuration <directive> to <value>.",
      "RESETSTAT",
      "    Reset statistics reported by the INFO command.",
      "REWRITE",
      "    Rewrite the configuration file.",
  };
  c.help(kLines);
}

constexpr Argument kConfigGetArgsParameter[] = {
    {.name = "parameter"},
};
constexpr Argument kConfigGetArgs[] = {
    {.name = "parameter",
     .type = ArgType::kBlock,
     .flags = kMultiple,
     .sub = kConfigGetArgsParameter},
};
constexpr HistoryEntry kConfigGetHistory[] = {
    {"7.0.0", "Added the ability to pass multiple pattern parameters in one call"},
};
constexpr Argument kConfigSetArgsParameterValue[] = {
    {.name = "parameter"},
    {.name = "value"},
};
constexpr Argument kConfigSetArgs[] = {
    {.name = "parameter_value",
     .type = ArgType::kBlock,
     .flags = kMultiple,
     .sub = kConfigSetArgsParameterValue},
};
constexpr HistoryEntry kConfigSetHistory[] = {
    {"7.0.0", "Added the ability to set multiple parameters in one call."},
};
constexpr std::string_view kConfigSetTips[] = {"request_policy:all_nodes",
                                               "response_policy:all_succeeded"};
constexpr Command kConfigSubcommands[] = {
    {.name = "get",
     .handler = cmd_config_get,
     .arity = -3,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.0.0",
     .complexity = "O(N) when N is the number of configuration parameters provided",
     .summary = "Get the values of configuration parameters",
     .arguments = kConfigGetArgs,
     .history = kConfigGetHistory},
    {.name = "help",
     .handler = cmd_config_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands"},
    {.name = "resetstat",
     .handler = cmd_config_resetstat,
     .arity = 2,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Reset the stats returned by INFO"},
    {.name = "rewrite",
     .handler = cmd_config_rewrite,
     .arity = 2,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.0",
     .complexity = "O(1)",
     .summary = "Rewrite the configuration file with the in memory configuration"},
    {.name = "set",
     .handler = cmd_config_set,
     .arity = -4,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.0.0",
     .complexity = "O(N) when N is the number of configuration parameters provided",
     .summary = "Set configuration parameters to the given values",
     .arguments = kConfigSetArgs,
     .history = kConfigSetHistory,
     .tips = kConfigSetTips},
};
constexpr Command kRows[] = {
    {.name = "config",
     .arity = -2,
     .group = Group::kServer,
     .since = "2.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for server configuration commands",
     .subcommands = kConfigSubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> config_commands() {
  return kRows;
}

}  // namespace respcask::server

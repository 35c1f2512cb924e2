// FUNCTION and SCRIPT: what a Redis answers that has no functions and no scripts. There is no
// scripting here, so none can be added.
#include <fmt/format.h>

#include "server/command_table.h"
#include "server/context.h"

namespace respcask::server {
namespace {

void cmd_function_flush(Context& c) {
  if (c.argc() > 3) return c.wrong_subcommand();
  if (c.argc() == 3 && !c.arg_is(2, "SYNC") && !c.arg_is(2, "ASYNC")) {
    return c.error("ERR FUNCTION FLUSH only supports SYNC|ASYNC option");
  }
  c.ok();
}

void cmd_function_list(Context& c) {
  bool with_code = false, with_pattern = false;
  for (size_t i = 2; i < c.argc(); ++i) {
    if (!with_code && c.arg_is(i, "WITHCODE")) {
      with_code = true;
    } else if (!with_pattern && c.arg_is(i, "LIBRARYNAME")) {
      if (++i == c.argc()) return c.error("ERR library name argument was not given");
      with_pattern = true;
    } else {
      return c.error(fmt::format("ERR Unknown argument {}", c.quoted_arg(i)));
    }
  }
  c.reply().array(0);
}

void cmd_function_stats(Context& c) {
  resp::Writer& reply = c.reply();
  reply.map(2);
  reply.bulk("running_script");
  reply.bulk_null();
  reply.bulk("engines");
  reply.map(1);
  reply.bulk("LUA");
  reply.map(2);
  reply.bulk("libraries_count");
  reply.integer(0);
  reply.bulk("functions_count");
  reply.integer(0);
}

void cmd_function_delete(Context& c) {
  c.error("ERR Library not found");
}

void refuse_kill(Context& c) {
  c.error("NOTBUSY No scripts in execution right now.");
}

void cmd_function_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "DELETE <LIBRARY NAME>",
      "    Delete the given library.",
      "LIST [LIBRARYNAME PATTERN] [WITHCODE]",
      "    Return general information on all the libraries:",
      "    * Library name",
      "    * The engine used to run the Library",
      "    * Library description",
      "    * Functions list",
      "    * Library code (if WITHCODE is given)",
      "    It also possible to get only function that matches a pattern using LIBRARYNAME "
      "argument.",
      "STATS",
      "    Return information about the current function running:",
      "    * Function name",
      "    * Command used to run the function",
      "    * Duration in MS that the function is running",
      "    If no function is running, return nil",
      "    In addition, returns a list of available engines.",
      "KILL",
      "    Kill the current running function.",
      "FLUSH [ASYNC|SYNC]",
      "    Delete all the libraries.",
      "    When called without the optional mode argument, the behavior is determined by the",
      "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
      "    * ASYNC: Asynchronously flush the libraries.",
      "    * SYNC: Synchronously flush the libraries.",
  };
  c.help(kLines);
}

void cmd_script_exists(Context& c) {
  c.reply().array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) c.reply().integer(0);
}

void cmd_script_flush(Context& c) {
  const bool known =
      c.argc() == 2 || (c.argc() == 3 && (c.arg_is(2, "SYNC") || c.arg_is(2, "ASYNC")));
  if (!known) return c.error("ERR SCRIPT FLUSH only support SYNC|ASYNC option");
  c.ok();
}

void cmd_script_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "EXISTS <sha1> [<sha1> ...]",
      "    Return information about the existence of the scripts in the script cache.",
      "FLUSH [ASYNC|SYNC]",
      "    Flush the Lua scripts cache. Very dangerous on replicas.",
      "    When called without the optional mode argument, the behavior is determined by the",
      "    lazyfree-lazy-user-flush configuration directive. Valid modes are:",
      "    * ASYNC: Asynchronously flush the scripts cache.",
      "    * SYNC: Synchronously flush the scripts cache.",
      "KILL",
      "    Kill the currently executing Lua script.",
  };
  c.help(kLines);
}

constexpr Argument kFunctionDeleteArgs[] = {
    {.name = "library-name"},
};
constexpr std::string_view kFunctionDeleteTips[] = {"request_policy:all_shards",
                                                    "response_policy:all_succeeded"};
constexpr Argument kFunctionFlushArgsAsync[] = {
    {.name = "async", .type = ArgType::kPureToken, .token = "ASYNC"},
    {.name = "sync", .type = ArgType::kPureToken, .token = "SYNC"},
};
constexpr Argument kFunctionFlushArgs[] = {
    {.name = "async", .type = ArgType::kOneof, .flags = kOptional, .sub = kFunctionFlushArgsAsync},
};
constexpr std::string_view kFunctionFlushTips[] = {"request_policy:all_shards",
                                                   "response_policy:all_succeeded"};
constexpr std::string_view kFunctionKillTips[] = {"request_policy:all_shards",
                                                  "response_policy:one_succeeded"};
constexpr Argument kFunctionListArgs[] = {
    {.name = "library-name-pattern", .token = "LIBRARYNAME", .flags = kOptional},
    {.name = "withcode", .type = ArgType::kPureToken, .token = "WITHCODE", .flags = kOptional},
};
constexpr std::string_view kFunctionListTips[] = {"nondeterministic_output_order"};
constexpr std::string_view kFunctionStatsTips[] = {
    "nondeterministic_output", "request_policy:all_shards", "response_policy:special"};
constexpr Command kFunctionSubcommands[] = {
    {.name = "delete",
     .handler = cmd_function_delete,
     .arity = 3,
     .flags = kWrite | kNoscript | kOwnLocks,  // it writes no key
     .group = Group::kScripting,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Delete a function by name",
     .arguments = kFunctionDeleteArgs,
     .tips = kFunctionDeleteTips,
     .categories = kCatScripting},
    {.name = "flush",
     .handler = cmd_function_flush,
     .arity = -2,
     .flags = kWrite | kNoscript | kOwnLocks,  // it writes no key
     .group = Group::kScripting,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of functions deleted",
     .summary = "Deleting all functions",
     .arguments = kFunctionFlushArgs,
     .tips = kFunctionFlushTips,
     .categories = kCatScripting},
    {.name = "help",
     .handler = cmd_function_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kScripting,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands",
     .categories = kCatScripting},
    {.name = "kill",
     .handler = refuse_kill,
     .arity = 2,
     .flags = kNoscript | kAllowBusy,
     .group = Group::kScripting,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Kill the function currently in execution.",
     .tips = kFunctionKillTips,
     .categories = kCatScripting},
    {.name = "list",
     .handler = cmd_function_list,
     .arity = -2,
     .flags = kNoscript,
     .group = Group::kScripting,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of functions",
     .summary = "List information about all the functions",
     .arguments = kFunctionListArgs,
     .tips = kFunctionListTips,
     .categories = kCatScripting},
    {.name = "stats",
     .handler = cmd_function_stats,
     .arity = 2,
     .flags = kNoscript | kAllowBusy,
     .group = Group::kScripting,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary =
         "Return information about the function currently running (name, description, duration)",
     .tips = kFunctionStatsTips,
     .categories = kCatScripting},
};
constexpr Argument kScriptExistsArgs[] = {
    {.name = "sha1", .flags = kMultiple},
};
constexpr std::string_view kScriptExistsTips[] = {"request_policy:all_shards",
                                                  "response_policy:agg_logical_and"};
constexpr Argument kScriptFlushArgsAsync[] = {
    {.name = "async", .type = ArgType::kPureToken, .token = "ASYNC"},
    {.name = "sync", .type = ArgType::kPureToken, .token = "SYNC"},
};
constexpr Argument kScriptFlushArgs[] = {
    {.name = "async",
     .type = ArgType::kOneof,
     .since = "6.2.0",
     .flags = kOptional,
     .sub = kScriptFlushArgsAsync},
};
constexpr HistoryEntry kScriptFlushHistory[] = {
    {"6.2.0", "Added the `ASYNC` and `SYNC` flushing mode modifiers."},
};
constexpr std::string_view kScriptFlushTips[] = {"request_policy:all_nodes",
                                                 "response_policy:all_succeeded"};
constexpr std::string_view kScriptKillTips[] = {"request_policy:all_shards",
                                                "response_policy:one_succeeded"};
constexpr Command kScriptSubcommands[] = {
    {.name = "exists",
     .handler = cmd_script_exists,
     .arity = -3,
     .flags = kNoscript,
     .group = Group::kScripting,
     .since = "2.6.0",
     .complexity = "O(N) with N being the number of scripts to check (so checking a single script "
                   "is an O(1) operation).",
     .summary = "Check existence of scripts in the script cache.",
     .arguments = kScriptExistsArgs,
     .tips = kScriptExistsTips,
     .categories = kCatScripting},
    {.name = "flush",
     .handler = cmd_script_flush,
     .arity = -2,
     .flags = kNoscript,
     .group = Group::kScripting,
     .since = "2.6.0",
     .complexity = "O(N) with N being the number of scripts in cache",
     .summary = "Remove all the scripts from the script cache.",
     .arguments = kScriptFlushArgs,
     .history = kScriptFlushHistory,
     .tips = kScriptFlushTips,
     .categories = kCatScripting},
    {.name = "help",
     .handler = cmd_script_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kScripting,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands",
     .categories = kCatScripting},
    {.name = "kill",
     .handler = refuse_kill,
     .arity = 2,
     .flags = kNoscript | kAllowBusy,
     .group = Group::kScripting,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Kill the script currently in execution.",
     .tips = kScriptKillTips,
     .categories = kCatScripting},
};
constexpr Command kRows[] = {
    {.name = "function",
     .arity = -2,
     .group = Group::kScripting,
     .since = "7.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for function commands",
     .subcommands = kFunctionSubcommands},
    {.name = "script",
     .arity = -2,
     .group = Group::kScripting,
     .since = "2.6.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Lua scripts management commands",
     .subcommands = kScriptSubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> scripting_commands() {
  return kRows;
}

}  // namespace respcask::server

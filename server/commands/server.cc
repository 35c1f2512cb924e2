// What concerns the server as a whole: saving, shutting down, watching it work, and the time.
#include <fmt/format.h>
#include <chrono>

#include "server/command_table.h"
#include "server/config/startup.h"
#include "server/context.h"
#include "server/scope.h"
#include "server/server.h"

namespace respcask::server {
namespace {

constexpr std::string_view kSaveRunning = "ERR Background save already in progress";

// As in Redis, SAVE holds up the loop that runs it until the backup is whole. BGSAVE does not.
void cmd_save(Context& c) {
  const auto saved = c.server().saving.save();
  if (!saved) return c.error(kSaveRunning);
  if (!*saved) return c.error(fmt::format("ERR saving failed: {}", saved->error().message));
  c.ok();
}

// SCHEDULE is for a server that has to wait for a rewrite to end; here the two do not meet. What a
// transaction asks for has to wait for its end.
void cmd_bgsave(Context& c) {
  constexpr std::string_view kScheduled = "Background saving scheduled";
  if (c.argc() > 1 && (c.argc() != 2 || !c.arg_is(1, "SCHEDULE"))) return c.syntax_error();
  if (c.scope().asked_to_save) return c.reply().simple_string(kScheduled);
  switch (c.server().saving.start_save()) {
    case Saving::Start::kStarted:
      if (!c.in_transaction()) return c.reply().simple_string("Background saving started");
      c.scope().asked_to_save = true;
      return c.reply().simple_string(kScheduled);
    case Saving::Start::kRunning:
      return c.error(kSaveRunning);
    case Saving::Start::kFailed:
      return c.error("ERR");  // Redis says no more where it cannot fork; the log does
  }
}

void cmd_bgrewriteaof(Context& c) {
  constexpr std::string_view kScheduled = "Background append only file rewriting scheduled";
  if (c.scope().asked_to_rewrite) return c.reply().simple_string(kScheduled);
  switch (c.server().saving.start_rewrite()) {
    case Saving::Start::kStarted:
      if (!c.in_transaction()) {
        return c.reply().simple_string("Background append only file rewriting started");
      }
      c.scope().asked_to_rewrite = true;
      return c.reply().simple_string(kScheduled);
    case Saving::Start::kRunning:
      return c.error("ERR Background append only file rewriting already in progress");
    case Saving::Start::kFailed:
      return c.error(
          "ERR Can't execute an AOF background rewriting. Please check the server logs for more "
          "information.");
  }
}

void cmd_lastsave(Context& c) {
  c.reply().integer(c.server().saving.report().last_save_s);
}

// SAVE makes a backup first, as it does by itself; NOSAVE and NOW are the rule. The client gets no
// reply but the end of its connection, which comes when the server has nothing left to do for its
// clients, or an error if the server goes on.
void cmd_shutdown(Context& c) {
  bool save = false, nosave = false, now = false, force = false, abort = false;
  for (size_t i = 1; i < c.argc(); ++i) {
    if (c.arg_is(i, "NOSAVE")) {
      nosave = true;
    } else if (c.arg_is(i, "SAVE")) {
      save = true;
    } else if (c.arg_is(i, "NOW")) {
      now = true;
    } else if (c.arg_is(i, "FORCE")) {
      force = true;
    } else if (c.arg_is(i, "ABORT")) {
      abort = true;
    } else {
      return c.syntax_error();
    }
  }
  if ((save && nosave) || (abort && (save || nosave || now || force))) return c.syntax_error();
  if (abort) {
    if (!c.server().shutdown.abort()) return c.error("ERR No shutdown in progress.");
    return c.ok();
  }
  c.block_on({}, Type::kString, 0, TimeoutReply::kNull);
  if (const auto& waiter = c.scope().block) waiter->for_shutdown = true;
  c.server().shutdown.ask({.save = save, .force = force}, c.session().id);
}

void cmd_monitor(Context& c) {
  if (c.in_transaction()) return c.error("ERR MONITOR isn't allowed for DENY BLOCKING client");
  if (c.session().monitor) return;  // without a reply, as in Redis
  c.server().add_monitor(c.session());
  c.ok();
}

void cmd_time(Context& c) {
  // Not the turn's clock, which stands still within a transaction.
  const int64_t now_us = std::chrono::duration_cast<std::chrono::microseconds>(
                             std::chrono::system_clock::now().time_since_epoch())
                             .count();
  c.reply().array(2);
  c.reply().bulk_integer(now_us / 1'000'000);
  c.reply().bulk_integer(now_us % 1'000'000);
}

// The version, as Redis has it where there is no picture.
void cmd_lolwut(Context& c) {
  if (c.argc() >= 3 && c.arg_is(1, "VERSION") && !c.integer_arg(2)) return;
  c.reply().verbatim("txt", fmt::format("Redis ver. {}\n", kRedisVersion));
}

constexpr Argument kBgsaveArgs[] = {
    {.name = "schedule",
     .type = ArgType::kPureToken,
     .token = "SCHEDULE",
     .since = "3.2.2",
     .flags = kOptional},
};
constexpr HistoryEntry kBgsaveHistory[] = {
    {"3.2.2", "Added the `SCHEDULE` option."},
};
constexpr std::string_view kLastsaveTips[] = {"nondeterministic_output"};
constexpr Argument kLolwutArgs[] = {
    {.name = "version", .type = ArgType::kInteger, .token = "VERSION", .flags = kOptional},
};
constexpr Argument kShutdownArgsNosaveSave[] = {
    {.name = "nosave", .type = ArgType::kPureToken, .token = "NOSAVE"},
    {.name = "save", .type = ArgType::kPureToken, .token = "SAVE"},
};
constexpr Argument kShutdownArgs[] = {
    {.name = "nosave_save",
     .type = ArgType::kOneof,
     .flags = kOptional,
     .sub = kShutdownArgsNosaveSave},
    {.name = "now",
     .type = ArgType::kPureToken,
     .token = "NOW",
     .since = "7.0.0",
     .flags = kOptional},
    {.name = "force",
     .type = ArgType::kPureToken,
     .token = "FORCE",
     .since = "7.0.0",
     .flags = kOptional},
    {.name = "abort",
     .type = ArgType::kPureToken,
     .token = "ABORT",
     .since = "7.0.0",
     .flags = kOptional},
};
constexpr HistoryEntry kShutdownHistory[] = {
    {"7.0.0", "Added the `NOW`, `FORCE` and `ABORT` modifiers."},
};
constexpr std::string_view kTimeTips[] = {"nondeterministic_output"};
constexpr Command kRows[] = {
    {.name = "bgrewriteaof",
     .handler = cmd_bgrewriteaof,
     .arity = 1,
     .flags = kAdmin | kNoscript | kNoAsyncLoading,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Asynchronously rewrite the append-only file"},
    {.name = "bgsave",
     .handler = cmd_bgsave,
     .arity = -1,
     .flags = kAdmin | kNoscript | kNoAsyncLoading,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Asynchronously save the dataset to disk",
     .arguments = kBgsaveArgs,
     .history = kBgsaveHistory},
    {.name = "lastsave",
     .handler = cmd_lastsave,
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Get the UNIX time stamp of the last successful save to disk",
     .tips = kLastsaveTips,
     .categories = kCatAdmin | kCatDangerous},
    {.name = "lolwut",
     .handler = cmd_lolwut,
     .arity = -1,
     .flags = kReadonly | kFast,
     .group = Group::kServer,
     .since = "5.0.0",
     .summary = "Display some computer art and the Redis version",
     .arguments = kLolwutArgs},
    {.name = "monitor",
     .handler = cmd_monitor,
     .arity = 1,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "1.0.0",
     .summary = "Listen for all requests received by the server in real time"},
    {.name = "save",
     .handler = cmd_save,
     .arity = 1,
     .flags = kAdmin | kNoscript | kNoAsyncLoading | kNoMulti,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(N) where N is the total number of keys in all databases",
     .summary = "Synchronously save the dataset to disk"},
    {.name = "shutdown",
     .handler = cmd_shutdown,
     .arity = -1,
     .flags = kAdmin | kNoscript | kLoading | kStale | kNoMulti | kAllowBusy,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(N) when saving, where N is the total number of keys in all databases when "
                   "saving data, otherwise O(1)",
     .summary = "Synchronously save the dataset to disk and then shut down the server",
     .arguments = kShutdownArgs,
     .history = kShutdownHistory},
    {.name = "time",
     .handler = cmd_time,
     .arity = 1,
     .flags = kLoading | kStale | kFast,
     .group = Group::kServer,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Return the current server time",
     .tips = kTimeTips},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> server_commands() {
  return kRows;
}

}  // namespace respcask::server

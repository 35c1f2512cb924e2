// CLIENT: looking at connections, one's own and others', and steering them.
//
// Other clients' sessions are read under the registry's lock (Server::for_each_session) and told
// what to do through their carrier; each does it on its own loop.
#include <fmt/format.h>

#include <limits>
#include <optional>
#include <string>
#include <string_view>

#include "server/client_info.h"
#include "server/command_table.h"
#include "server/commands/client_tracking.h"
#include "server/context.h"
#include "server/identity.h"
#include "server/server.h"
#include "server/session.h"

namespace respcask::server {
namespace {

// As CLIENT LIST TYPE and KILL TYPE tell clients apart. Nobody is a master or a replica here.
enum class ClientType : uint8_t { kNormal, kMaster, kReplica, kPubsub };

ClientType type_of(const Session& session) {
  return session.subscribed() ? ClientType::kPubsub : ClientType::kNormal;
}

// Nothing if there is no such type, which is then replied.
std::optional<ClientType> type_arg(Context& c, size_t i) {
  if (c.arg_is(i, "NORMAL")) return ClientType::kNormal;
  if (c.arg_is(i, "MASTER")) return ClientType::kMaster;
  if (c.arg_is(i, "REPLICA") || c.arg_is(i, "SLAVE")) return ClientType::kReplica;
  if (c.arg_is(i, "PUBSUB")) return ClientType::kPubsub;
  c.error(fmt::format("ERR Unknown client type '{}'", c.quoted_arg(i)));
  return std::nullopt;
}

void cmd_client_id(Context& c) {
  c.reply().integer(static_cast<int64_t>(c.session().id));
}

void cmd_client_getname(Context& c) {
  if (c.session().name.empty()) return c.reply().bulk_null();
  c.reply().bulk(c.session().name);
}

void cmd_client_setname(Context& c) {
  if (!is_client_name(c.arg(2))) return c.error(kBadClientName);
  c.session().set_name(c.arg(2));
  c.ok();
}

std::string line_of(Context& c, const Session& session) {
  size_t running = 0;
  if (&session == &c.session() && c.in_transaction()) {
    running = std::string_view("exec").size();
  } else if (&session == &c.session()) {
    for (size_t i = 0; i < c.argc(); ++i) running += c.arg(i).size();
  }
  return client_info(session, c.now_ms(), running) + "\n";
}

void cmd_client_info(Context& c) {
  c.reply().verbatim("txt", line_of(c, c.session()));
}

// --- LIST --------------------------------------------------------------------------------------

void list_by_id(Context& c) {
  std::string text;
  for (size_t i = 3; i < c.argc(); ++i) {
    const auto id = c.integer_arg(i, "ERR Invalid client ID");
    if (!id) return;
    c.server().with_session(static_cast<uint64_t>(*id),
                            [&](Session& session) { text += line_of(c, session); });
  }
  c.reply().verbatim("txt", text);
}

void cmd_client_list(Context& c) {
  std::optional<ClientType> type;
  if (c.argc() == 4 && c.arg_is(2, "TYPE")) {
    type = type_arg(c, 3);
    if (!type) return;
  } else if (c.argc() > 3 && c.arg_is(2, "ID")) {
    return list_by_id(c);
  } else if (c.argc() != 2) {
    return c.syntax_error();
  }
  std::string text;
  c.server().for_each_session([&](Session& session) {
    if (session.is_gone()) return true;
    if (!type || type_of(session) == *type) text += line_of(c, session);
    return true;
  });
  c.reply().verbatim("txt", text);
}

// --- KILL --------------------------------------------------------------------------------------

struct KillFilter {
  std::optional<std::string_view> address;
  std::optional<std::string_view> local_address;
  std::optional<std::string_view> user;
  std::optional<ClientType> type;
  std::optional<uint64_t> id;
  bool skip_self = true;

  bool matches(const Session& session) const {
    if (address && session.peer.address != *address) return false;
    if (local_address && session.peer.local_address != *local_address) return false;
    if (type && type_of(session) != *type) return false;
    if (id && session.id != *id) return false;
    return !user || session.user_name() == *user;
  }
};

// Nothing if the arguments are wrong, which is then replied.
std::optional<KillFilter> parse_kill(Context& c) {
  KillFilter filter;
  for (size_t i = 2; i < c.argc(); i += 2) {
    if (i + 1 == c.argc()) {
      c.syntax_error();
      return std::nullopt;
    }
    const std::string_view value = c.arg(i + 1);
    if (c.arg_is(i, "ID")) {
      const auto id = c.integer_arg_in(i + 1, 1, std::numeric_limits<int64_t>::max(),
                                       "ERR client-id should be greater than 0");
      if (!id) return std::nullopt;
      filter.id = static_cast<uint64_t>(*id);
    } else if (c.arg_is(i, "TYPE")) {
      filter.type = type_arg(c, i + 1);
      if (!filter.type) return std::nullopt;
    } else if (c.arg_is(i, "ADDR")) {
      filter.address = value;
    } else if (c.arg_is(i, "LADDR")) {
      filter.local_address = value;
    } else if (c.arg_is(i, "USER")) {
      if (c.server().users.find(value) == nullptr) {
        c.error(fmt::format("ERR No such user '{}'", c.quoted_arg(i + 1)));
        return std::nullopt;
      }
      filter.user = value;
    } else if (c.arg_is(i, "SKIPME") && (c.arg_is(i + 1, "YES") || c.arg_is(i + 1, "NO"))) {
      filter.skip_self = c.arg_is(i + 1, "YES");
    } else {
      c.syntax_error();
      return std::nullopt;
    }
  }
  return filter;
}

void cmd_client_kill(Context& c) {
  const bool by_address_alone = c.argc() == 3;
  std::optional<KillFilter> filter;
  if (by_address_alone) {
    filter.emplace();
    filter->address = c.arg(2);
    filter->skip_self = false;
  } else {
    filter = parse_kill(c);
    if (!filter) return;
  }
  int64_t killed = 0;
  c.server().for_each_session([&](Session& session) {
    if (session.is_gone() || !filter->matches(session)) return true;
    if (&session == &c.session()) {
      if (filter->skip_self) return true;
      session.close_after_reply = true;  // it hears of it first
    } else {
      session.disconnect();
    }
    ++killed;
    return true;
  });
  if (!by_address_alone) return c.reply().integer(killed);
  if (killed == 0) return c.error("ERR No such client");
  c.ok();
}

// --- steering ----------------------------------------------------------------------------------

void cmd_client_reply(Context& c) {
  Session& session = c.session();
  if (c.arg_is(2, "ON")) {
    // A SKIP in the same transaction still counts for what comes after it.
    if (session.reply_mode != ReplyMode::kSkipNext) session.reply_mode = ReplyMode::kOn;
    c.ok();
  } else if (c.arg_is(2, "OFF")) {
    session.reply_mode = ReplyMode::kOff;
  } else if (c.arg_is(2, "SKIP")) {
    if (session.reply_mode != ReplyMode::kOff) session.reply_mode = ReplyMode::kSkipNext;
  } else {
    c.syntax_error();
  }
}

void cmd_client_no_evict(Context& c) {
  if (c.arg_is(2, "ON")) {
    c.session().no_evict = true;
  } else if (c.arg_is(2, "OFF")) {
    c.session().no_evict = false;
  } else {
    return c.syntax_error();
  }
  c.ok();
}

void cmd_client_pause(Context& c) {
  if (c.argc() > 4) return c.wrong_subcommand();
  auto kind = PauseKind::kAll;
  if (c.argc() == 4) {
    if (c.arg_is(3, "WRITE")) {
      kind = PauseKind::kWrite;
    } else if (!c.arg_is(3, "ALL")) {
      return c.error("ERR CLIENT PAUSE mode must be WRITE or ALL");
    }
  }
  const auto pause_ms = c.integer_arg(2, "ERR timeout is not an integer or out of range");
  if (!pause_ms) return;
  if (*pause_ms < 0) return c.error("ERR timeout is negative");
  // In Redis an end past all time wraps around and has been long ago: nobody is paused.
  const bool has_end = *pause_ms <= std::numeric_limits<int64_t>::max() - c.now_ms();
  c.server().pause(kind, has_end ? c.now_ms() + *pause_ms : 0);
  c.ok();
}

void cmd_client_unpause(Context& c) {
  c.server().unpause();
  c.ok();
}

void cmd_client_unblock(Context& c) {
  bool with_error = false;
  if (c.argc() > 4) return c.wrong_subcommand();
  if (c.argc() == 4) {
    with_error = c.arg_is(3, "ERROR");
    if (!with_error && !c.arg_is(3, "TIMEOUT")) {
      return c.error("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR");
    }
  }
  const auto id = c.integer_arg(2);
  if (!id) return;
  Turn& turn = c.turn();
  const TableEntry* command =
      c.server().unblock(static_cast<uint64_t>(*id), with_error, turn.outbox);
  if (command != nullptr) turn.stats.per_command[command->index].failed.add();
  // In Redis whoever causes an error has failed.
  if (command != nullptr && with_error) turn.stats.per_command[c.command().index].failed.add();
  c.reply().integer(command != nullptr ? 1 : 0);
}

void cmd_client_help(Context& c) {
  static constexpr std::string_view kLines[] = {
      "CACHING (YES|NO)",
      "    Enable/disable tracking of the keys for next command in OPTIN/OPTOUT modes.",
      "GETREDIR",
      "    Return the client ID we are redirecting to when tracking is enabled.",
      "GETNAME",
      "    Return the name of the current connection.",
      "ID",
      "    Return the ID of the current connection.",
      "INFO",
      "    Return information about the current client connection.",
      "KILL <ip:port>",
      "    Kill connection made from <ip:port>.",
      "KILL <option> <value> [<option> <value> [...]]",
      "    Kill connections. Options are:",
      "    * ADDR (<ip:port>|<unixsocket>:0)",
      "      Kill connections made from the specified address",
      "    * LADDR (<ip:port>|<unixsocket>:0)",
      "      Kill connections made to specified local address",
      "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
      "      Kill connections by type.",
      "    * USER <username>",
      "      Kill connections authenticated by <username>.",
      "    * SKIPME (YES|NO)",
      "      Skip killing current connection (default: yes).",
      "LIST [options ...]",
      "    Return information about client connections. Options:",
      "    * TYPE (NORMAL|MASTER|REPLICA|PUBSUB)",
      "      Return clients of specified type.",
      "UNPAUSE",
      "    Stop the current client pause, resuming traffic.",
      "PAUSE <timeout> [WRITE|ALL]",
      "    Suspend all, or just write, clients for <timeout> milliseconds.",
      "REPLY (ON|OFF|SKIP)",
      "    Control the replies sent to the current connection.",
      "SETNAME <name>",
      "    Assign the name <name> to the current connection.",
      "UNBLOCK <clientid> [TIMEOUT|ERROR]",
      "    Unblock the specified blocked client.",
      "TRACKING (ON|OFF) [REDIRECT <id>] [BCAST] [PREFIX <prefix> [...]]",
      "         [OPTIN] [OPTOUT] [NOLOOP]",
      "    Control server assisted client side caching.",
      "TRACKINGINFO",
      "    Report tracking status for the current connection.",
      "NO-EVICT (ON|OFF)",
      "    Protect current client connection from eviction.",
  };
  c.help(kLines);
}

constexpr std::string_view kClientInfoTips[] = {"nondeterministic_output"};
constexpr Argument kClientKillArgsFilterNewFormatNormalMasterSlavePubsub[] = {
    {.name = "normal", .type = ArgType::kPureToken, .token = "NORMAL"},
    {.name = "master", .type = ArgType::kPureToken, .token = "MASTER", .since = "3.2.0"},
    {.name = "slave", .type = ArgType::kPureToken, .token = "SLAVE"},
    {.name = "replica", .type = ArgType::kPureToken, .token = "REPLICA", .since = "5.0.0"},
    {.name = "pubsub", .type = ArgType::kPureToken, .token = "PUBSUB"},
};
constexpr Argument kClientKillArgsFilterNewFormat[] = {
    {.name = "client-id",
     .type = ArgType::kInteger,
     .token = "ID",
     .since = "2.8.12",
     .flags = kOptional},
    {.name = "normal_master_slave_pubsub",
     .type = ArgType::kOneof,
     .token = "TYPE",
     .since = "2.8.12",
     .flags = kOptional,
     .sub = kClientKillArgsFilterNewFormatNormalMasterSlavePubsub},
    {.name = "username", .token = "USER", .flags = kOptional},
    {.name = "ip:port", .token = "ADDR", .flags = kOptional},
    {.name = "ip:port", .token = "LADDR", .since = "6.2.0", .flags = kOptional},
    {.name = "yes/no", .token = "SKIPME", .flags = kOptional},
};
constexpr Argument kClientKillArgsFilter[] = {
    {.name = "ip:port", .deprecated_since = "2.8.12"},
    {.name = "new-format",
     .type = ArgType::kOneof,
     .flags = kMultiple,
     .sub = kClientKillArgsFilterNewFormat},
};
constexpr Argument kClientKillArgs[] = {
    {.name = "filter", .type = ArgType::kOneof, .sub = kClientKillArgsFilter},
};
constexpr HistoryEntry kClientKillHistory[] = {
    {"2.8.12", "Added new filter format."},
    {"2.8.12", "`ID` option."},
    {"3.2.0", "Added `master` type in for `TYPE` option."},
    {"5.0.0",
     "Replaced `slave` `TYPE` with `replica`. `slave` still supported for backward compatibility."},
    {"6.2.0", "`LADDR` option."},
};
constexpr Argument kClientListArgsNormalMasterReplicaPubsub[] = {
    {.name = "normal", .type = ArgType::kPureToken, .token = "NORMAL"},
    {.name = "master", .type = ArgType::kPureToken, .token = "MASTER"},
    {.name = "replica", .type = ArgType::kPureToken, .token = "REPLICA"},
    {.name = "pubsub", .type = ArgType::kPureToken, .token = "PUBSUB"},
};
constexpr Argument kClientListArgsId[] = {
    {.name = "client-id", .type = ArgType::kInteger, .flags = kMultiple},
};
constexpr Argument kClientListArgs[] = {
    {.name = "normal_master_replica_pubsub",
     .type = ArgType::kOneof,
     .token = "TYPE",
     .since = "5.0.0",
     .flags = kOptional,
     .sub = kClientListArgsNormalMasterReplicaPubsub},
    {.name = "id",
     .type = ArgType::kBlock,
     .token = "ID",
     .since = "6.2.0",
     .flags = kOptional,
     .sub = kClientListArgsId},
};
constexpr HistoryEntry kClientListHistory[] = {
    {"2.8.12", "Added unique client `id` field."},
    {"5.0.0", "Added optional `TYPE` filter."},
    {"6.0.0", "Added `user` field."},
    {"6.2.0",
     "Added `argv-mem`, `tot-mem`, `laddr` and `redir` fields and the optional `ID` filter."},
    {"7.0.0", "Added `resp`, `multi-mem`, `rbs` and `rbp` fields."},
    {"7.0.3", "Added `ssub` field."},
};
constexpr std::string_view kClientListTips[] = {"nondeterministic_output"};
constexpr Argument kClientNoEvictArgsEnabled[] = {
    {.name = "on", .type = ArgType::kPureToken, .token = "ON"},
    {.name = "off", .type = ArgType::kPureToken, .token = "OFF"},
};
constexpr Argument kClientNoEvictArgs[] = {
    {.name = "enabled", .type = ArgType::kOneof, .sub = kClientNoEvictArgsEnabled},
};
constexpr Argument kClientPauseArgsMode[] = {
    {.name = "write", .type = ArgType::kPureToken, .token = "WRITE"},
    {.name = "all", .type = ArgType::kPureToken, .token = "ALL"},
};
constexpr Argument kClientPauseArgs[] = {
    {.name = "timeout", .type = ArgType::kInteger},
    {.name = "mode",
     .type = ArgType::kOneof,
     .since = "6.2.0",
     .flags = kOptional,
     .sub = kClientPauseArgsMode},
};
constexpr HistoryEntry kClientPauseHistory[] = {
    {"6.2.0", "`CLIENT PAUSE WRITE` mode added along with the `mode` option."},
};
constexpr Argument kClientReplyArgsOnOffSkip[] = {
    {.name = "on", .type = ArgType::kPureToken, .token = "ON"},
    {.name = "off", .type = ArgType::kPureToken, .token = "OFF"},
    {.name = "skip", .type = ArgType::kPureToken, .token = "SKIP"},
};
constexpr Argument kClientReplyArgs[] = {
    {.name = "on_off_skip", .type = ArgType::kOneof, .sub = kClientReplyArgsOnOffSkip},
};
constexpr Argument kClientSetnameArgs[] = {
    {.name = "connection-name"},
};
constexpr Argument kClientUnblockArgsTimeoutError[] = {
    {.name = "timeout", .type = ArgType::kPureToken, .token = "TIMEOUT"},
    {.name = "error", .type = ArgType::kPureToken, .token = "ERROR"},
};
constexpr Argument kClientUnblockArgs[] = {
    {.name = "client-id", .type = ArgType::kInteger},
    {.name = "timeout_error",
     .type = ArgType::kOneof,
     .flags = kOptional,
     .sub = kClientUnblockArgsTimeoutError},
};
constexpr Command kClientSubcommands[] = {
    kClientCachingRow,
    kClientGetredirRow,
    {.name = "getname",
     .handler = cmd_client_getname,
     .arity = 2,
     .flags = kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "2.6.9",
     .complexity = "O(1)",
     .summary = "Get the current connection name",
     .categories = kCatConnection},
    {.name = "help",
     .handler = cmd_client_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kConnection,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands",
     .categories = kCatConnection},
    {.name = "id",
     .handler = cmd_client_id,
     .arity = 2,
     .flags = kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Returns the client ID for the current connection",
     .categories = kCatConnection},
    {.name = "info",
     .handler = cmd_client_info,
     .arity = 2,
     .flags = kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Returns information about the current client connection.",
     .tips = kClientInfoTips,
     .categories = kCatConnection},
    {.name = "kill",
     .handler = cmd_client_kill,
     .arity = -3,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "2.4.0",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Kill the connection of a client",
     .arguments = kClientKillArgs,
     .history = kClientKillHistory,
     .categories = kCatConnection},
    {.name = "list",
     .handler = cmd_client_list,
     .arity = -2,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "2.4.0",
     .complexity = "O(N) where N is the number of client connections",
     .summary = "Get the list of client connections",
     .arguments = kClientListArgs,
     .history = kClientListHistory,
     .tips = kClientListTips,
     .categories = kCatConnection},
    {.name = "no-evict",
     .handler = cmd_client_no_evict,
     .arity = 3,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Set client eviction mode for the current connection",
     .arguments = kClientNoEvictArgs,
     .categories = kCatConnection},
    {.name = "pause",
     .handler = cmd_client_pause,
     .arity = -3,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "2.9.50",
     .complexity = "O(1)",
     .summary = "Stop processing commands from clients for some time",
     .arguments = kClientPauseArgs,
     .history = kClientPauseHistory,
     .categories = kCatConnection},
    {.name = "reply",
     .handler = cmd_client_reply,
     .arity = 3,
     .flags = kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "3.2.0",
     .complexity = "O(1)",
     .summary = "Instruct the server whether to reply to commands",
     .arguments = kClientReplyArgs,
     .categories = kCatConnection},
    {.name = "setname",
     .handler = cmd_client_setname,
     .arity = 3,
     .flags = kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "2.6.9",
     .complexity = "O(1)",
     .summary = "Set the current connection name",
     .arguments = kClientSetnameArgs,
     .categories = kCatConnection},
    kClientTrackingRow,
    kClientTrackinginfoRow,
    {.name = "unblock",
     .handler = cmd_client_unblock,
     .arity = -3,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "5.0.0",
     .complexity = "O(log N) where N is the number of client connections",
     .summary = "Unblock a client blocked in a blocking command from a different connection",
     .arguments = kClientUnblockArgs,
     .categories = kCatConnection},
    {.name = "unpause",
     .handler = cmd_client_unpause,
     .arity = 2,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kConnection,
     .since = "6.2.0",
     .complexity = "O(N) Where N is the number of paused clients",
     .summary = "Resume processing of clients that were paused",
     .categories = kCatConnection},
};
constexpr Command kRows[] = {
    {.name = "client",
     .arity = -2,
     .group = Group::kConnection,
     .since = "2.4.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for client connection commands",
     .subcommands = kClientSubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> client_commands() {
  return kRows;
}

}  // namespace respcask::server

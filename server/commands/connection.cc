// Commands of a connection: who it is, which database and protocol it uses, and whether it is
// alive.
#include <fmt/format.h>

#include <climits>
#include <optional>
#include <string_view>

#include "server/command_table.h"
#include "server/config/startup.h"
#include "server/context.h"
#include "server/identity.h"
#include "server/server.h"
#include "server/session.h"
#include "server/turn.h"

namespace respcask::server {
namespace {

constexpr std::string_view kWrongPassword =
    "WRONGPASS invalid username-password pair or user is disabled.";

// Passwords are not shown by MONITOR and SLOWLOG.
void redact(Context& c, size_t argument) {
  c.turn().scratch.redacted.push_back(argument);
}

bool log_in(Context& c, std::string_view user, std::string_view password) {
  return authenticate(c.turn(), c.session(), user, password, c.arg(0), c.in_transaction());
}

void cmd_auth(Context& c) {
  if (c.argc() > 3) return c.syntax_error();
  for (size_t i = 1; i < c.argc(); ++i) redact(c, i);
  if (c.argc() == 2 && c.server().users.default_user()->nopass) {
    return c.error(
        "ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?");
  }
  const std::string_view user = c.argc() == 3 ? c.arg(1) : acl::kDefaultUser;
  if (!log_in(c, user, c.arg(c.argc() - 1))) return c.error(kWrongPassword);
  c.ok();
}

void cmd_echo(Context& c) {
  c.reply().bulk(c.arg(1));
}

// Logs in and sets the name, as HELLO's options say, one after the other: what came before a wrong
// one is done. False if one is wrong, which is then replied.
bool do_hello_options(Context& c) {
  for (size_t i = 2; i < c.argc(); ++i) {
    const size_t more = c.argc() - 1 - i;
    if (more >= 2 && c.arg_is(i, "AUTH")) {
      redact(c, i + 1);
      redact(c, i + 2);
      if (!log_in(c, c.arg(i + 1), c.arg(i + 2))) {
        c.error(kWrongPassword);
        return false;
      }
      i += 2;
    } else if (more >= 1 && c.arg_is(i, "SETNAME")) {
      if (!is_client_name(c.arg(i + 1))) {
        c.error(kBadClientName);
        return false;
      }
      c.session().set_name(c.arg(i + 1));
      i += 1;
    } else {
      c.error(fmt::format("ERR Syntax error in HELLO option '{}'", c.quoted_arg(i)));
      return false;
    }
  }
  return true;
}

// Messages that were on their way come in the old protocol, before the answer.
void set_protocol(Context& c, int protocol) {
  Session& session = c.session();
  if (session.protocol == protocol) return;
  session.protocol = protocol;
  c.server().settle_tellers();
  c.take_pushes();
}

void cmd_hello(Context& c) {
  std::optional<int64_t> protocol;
  if (c.argc() > 1) {
    protocol = c.integer_arg(1, "ERR Protocol version is not an integer or out of range");
    if (!protocol) return;
    if (*protocol < 2 || *protocol > 3) return c.error("NOPROTO unsupported protocol version");
  }
  if (!do_hello_options(c)) return;
  Session& session = c.session();
  if (!session.authenticated) {
    return c.error(
        "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
        "AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
        "protocol version at the same time");
  }
  if (protocol) set_protocol(c, static_cast<int>(*protocol));
  resp::Writer& reply = c.reply();
  reply.set_protocol(session.protocol);
  reply.map(7);
  reply.bulk("server");
  reply.bulk("redis");
  reply.bulk("version");
  reply.bulk(kRedisVersion);
  reply.bulk("proto");
  reply.integer(session.protocol);
  reply.bulk("id");
  reply.integer(static_cast<int64_t>(session.id));
  reply.bulk("mode");
  reply.bulk("standalone");
  reply.bulk("role");
  reply.bulk("master");
  reply.bulk("modules");
  reply.array(0);
}

void cmd_ping(Context& c) {
  if (c.argc() > 2) return c.error("ERR wrong number of arguments for 'ping' command");
  // A RESP2 client in subscribed mode understands nothing but arrays.
  if (c.session().subscribed() && c.session().protocol == 2) {
    c.reply().array(2);
    c.reply().bulk("pong");
    c.reply().bulk(c.argc() == 2 ? c.arg(1) : std::string_view());
  } else if (c.argc() == 2) {
    c.reply().bulk(c.arg(1));
  } else {
    c.reply().simple_string("PONG");
  }
}

void cmd_quit(Context& c) {
  c.session().close_after_reply = true;
  c.ok();
}

void cmd_reset(Context& c) {
  c.turn().touched.add(c.turn().written);  // as for UNSUBSCRIBE
  c.session().reset(c.turn().outbox);
  // What was on its way to the client as it was comes before the answer.
  c.server().settle_tellers();
  c.take_pushes();
  c.reply().set_protocol(c.session().protocol);
  c.reply().simple_string("RESET");
}

void cmd_select(Context& c) {
  const std::optional<int64_t> index = c.integer_arg(1);
  if (!index) return;
  if (*index < INT_MIN || *index > INT_MAX) {
    return c.error("ERR value is out of range, value must between -2147483648 and 2147483647");
  }
  if (*index < 0 || *index >= c.config().databases) {
    return c.error("ERR DB index is out of range");
  }
  c.session().db = static_cast<uint32_t>(*index);
  c.ok();
}

constexpr Argument kAuthArgs[] = {
    {.name = "username", .since = "6.0.0", .flags = kOptional},
    {.name = "password"},
};
constexpr HistoryEntry kAuthHistory[] = {
    {"6.0.0", "Added ACL style (username and password)."},
};
constexpr Argument kEchoArgs[] = {
    {.name = "message"},
};
constexpr Argument kHelloArgsArgumentsUsernamePassword[] = {
    {.name = "username"},
    {.name = "password"},
};
constexpr Argument kHelloArgsArguments[] = {
    {.name = "protover", .type = ArgType::kInteger},
    {.name = "username_password",
     .type = ArgType::kBlock,
     .token = "AUTH",
     .flags = kOptional,
     .sub = kHelloArgsArgumentsUsernamePassword},
    {.name = "clientname", .token = "SETNAME", .flags = kOptional},
};
constexpr Argument kHelloArgs[] = {
    {.name = "arguments", .type = ArgType::kBlock, .flags = kOptional, .sub = kHelloArgsArguments},
};
constexpr HistoryEntry kHelloHistory[] = {
    {"6.2.0",
     "`protover` made optional; when called without arguments the command reports the current "
     "connection's context."},
};
constexpr Argument kPingArgs[] = {
    {.name = "message", .flags = kOptional},
};
constexpr std::string_view kPingTips[] = {"request_policy:all_shards",
                                          "response_policy:all_succeeded"};
constexpr Argument kSelectArgs[] = {
    {.name = "index", .type = ArgType::kInteger},
};
constexpr Command kRows[] = {
    {.name = "auth",
     .handler = cmd_auth,
     .arity = -2,
     .flags = kNoscript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .group = Group::kConnection,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of passwords defined for the user",
     .summary = "Authenticate to the server",
     .arguments = kAuthArgs,
     .history = kAuthHistory,
     .categories = kCatConnection},
    {.name = "echo",
     .handler = cmd_echo,
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .group = Group::kConnection,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Echo the given string",
     .arguments = kEchoArgs,
     .categories = kCatConnection},
    {.name = "hello",
     .handler = cmd_hello,
     .arity = -1,
     .flags = kNoscript | kLoading | kStale | kFast | kNoAuth | kAllowBusy,
     .group = Group::kConnection,
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Handshake with Redis",
     .arguments = kHelloArgs,
     .history = kHelloHistory,
     .categories = kCatConnection},
    {.name = "ping",
     .handler = cmd_ping,
     .arity = -1,
     .flags = kFast | kInPubsub,
     .group = Group::kConnection,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Ping the server",
     .arguments = kPingArgs,
     .tips = kPingTips,
     .categories = kCatConnection},
    {.name = "quit",
     .handler = cmd_quit,
     .arity = -1,
     .flags = kNoscript | kLoading | kStale | kFast | kNoAuth | kAllowBusy | kMultiNow | kInPubsub,
     .group = Group::kConnection,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Close the connection",
     .categories = kCatConnection},
    {.name = "reset",
     .handler = cmd_reset,
     .arity = 1,
     .flags = kNoscript | kLoading | kStale | kFast | kNoAuth | kAllowBusy | kMultiNow | kInPubsub,
     .group = Group::kConnection,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Reset the connection",
     .categories = kCatConnection},
    {.name = "select",
     .handler = cmd_select,
     .arity = 2,
     .flags = kLoading | kStale | kFast,
     .group = Group::kConnection,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Change the selected database for the current connection",
     .arguments = kSelectArgs,
     .categories = kCatConnection},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> connection_commands() {
  return kRows;
}

}  // namespace respcask::server

// ACL: users, what they may do, and what they were refused.
#include <sys/random.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <string>
#include <string_view>

#include "server/acl/change.h"
#include "server/acl/listing.h"
#include "server/acl/permission.h"
#include "server/command_table.h"
#include "server/context.h"
#include "server/letter_case.h"
#include "server/log.h"
#include "server/server.h"
#include "server/session.h"
#include "server/turn.h"

namespace respcask::server {
namespace {

// Names and rules of users are not shown by SLOWLOG.
void redact_from(Context& c, size_t argument) {
  for (; argument < c.argc(); ++argument) c.turn().scratch.redacted.push_back(argument);
}

// --- users --------------------------------------------------------------------------------------

void cmd_acl_setuser(Context& c) {
  redact_from(c, 2);
  if (acl::has_spaces(c.arg(2))) {
    return c.error("ERR Usernames can't contain spaces or null characters");
  }
  const auto wrong = acl::set_user(c.server(), c.session(), c.arg(2), c.args().subspan(3));
  if (wrong) return c.error("ERR " + *wrong);
  c.ok();
}

void cmd_acl_deluser(Context& c) {
  for (size_t i = 2; i < c.argc(); ++i) {
    if (c.quoted_arg(i) == acl::kDefaultUser) {
      return c.error("ERR The 'default' user cannot be removed");
    }
  }
  int64_t deleted = 0;
  for (size_t i = 2; i < c.argc(); ++i) {
    deleted += acl::delete_user(c.server(), c.session(), c.arg(i));
  }
  c.reply().integer(deleted);
}

void reply_selector(Context& c, const acl::Selector& selector) {
  c.reply().bulk("commands");
  c.reply().bulk(acl::list_commands(selector.commands, c.server().vocabulary));
  c.reply().bulk("keys");
  c.reply().bulk(acl::list_keys(selector));
  c.reply().bulk("channels");
  c.reply().bulk(acl::list_channels(selector));
}

void cmd_acl_getuser(Context& c) {
  const acl::UserPtr user = c.server().users.find(c.arg(2));
  if (user == nullptr) return c.reply().bulk_null();
  resp::Writer& reply = c.reply();
  reply.map(6);
  reply.bulk("flags");
  const auto flags = acl::flag_words(*user);
  reply.set(flags.size());
  for (std::string_view flag : flags) reply.bulk(flag);
  reply.bulk("passwords");
  reply.array(user->passwords.size());
  for (const std::string& digest : user->passwords) reply.bulk(digest);
  reply_selector(c, user->selectors.front());
  reply.bulk("selectors");
  reply.array(user->selectors.size() - 1);
  for (size_t i = 1; i < user->selectors.size(); ++i) {
    reply.map(3);
    reply_selector(c, user->selectors[i]);
  }
}

void cmd_acl_list(Context& c) {
  const auto users = c.server().users.all();
  c.reply().array(users.size());
  for (const acl::UserPtr& user : users) {
    c.reply().bulk(
        fmt::format("user {} {}", user->name, acl::list_rules(*user, c.server().vocabulary)));
  }
}

void cmd_acl_users(Context& c) {
  const auto users = c.server().users.all();
  c.reply().array(users.size());
  for (const acl::UserPtr& user : users) c.reply().bulk(user->name);
}

void cmd_acl_whoami(Context& c) {
  c.reply().bulk(c.session().user->name);
}

// --- the file -----------------------------------------------------------------------------------

bool has_file(Context& c) {
  if (!c.config().aclfile.empty()) return true;
  c.error(
      "ERR This Redis instance is not configured to use an ACL file. You may want to specify users "
      "via the ACL SETUSER command and then issue a CONFIG REWRITE (assuming you have a Redis "
      "configuration file set) in order to store users in the Redis configuration.");
  return false;
}

void cmd_acl_load(Context& c) {
  if (!has_file(c)) return;
  if (const auto wrong = acl::load_file(c.server(), c.session())) return c.error("ERR " + *wrong);
  c.ok();
}

void cmd_acl_save(Context& c) {
  if (!has_file(c)) return;
  if (const auto saved = acl::save_file(c.server()); !saved) {
    log_warning("ACL SAVE failed: {}", saved.error().message);
    return c.error(
        "ERR There was an error trying to save the ACLs. Please check the server logs for more "
        "information");
  }
  c.ok();
}

// --- commands -----------------------------------------------------------------------------------

void reply_category(Context& c, uint32_t category) {
  const auto mark = c.reply().defer();
  size_t count = 0;
  for (const acl::CommandName* command : c.server().vocabulary.all()) {
    if ((command->categories & category) == 0) continue;
    c.reply().bulk(command->full_name);
    ++count;
  }
  c.reply().finish_array(mark, count);
}

void cmd_acl_cat(Context& c) {
  if (c.argc() > 3) return c.wrong_subcommand();
  const auto mark = c.reply().defer();
  size_t count = 0;
  for (uint32_t bit = 1; !category_name(bit).empty(); bit <<= 1) {
    if (c.argc() == 3) {
      if (equal_ignoring_case(c.quoted_arg(2), category_name(bit))) return reply_category(c, bit);
      continue;
    }
    c.reply().bulk(category_name(bit));
    ++count;
  }
  // Redis quotes no more than this.
  constexpr size_t kMostQuoted = 128;
  if (c.argc() == 3) {
    return c.error(
        fmt::format("ERR Unknown category '{}'", c.quoted_arg(2).substr(0, kMostQuoted)));
  }
  c.reply().finish_array(mark, count);
}

void cmd_acl_dryrun(Context& c) {
  const acl::UserPtr user = c.server().users.find(c.arg(2));
  if (user == nullptr) return c.error(fmt::format("ERR User '{}' not found", c.quoted_arg(2)));
  const auto args = c.args().subspan(3);
  const TableEntry* const command = c.server().commands.find(args);
  if (command == nullptr) {
    return c.error(fmt::format("ERR Command '{}' not found", c.quoted_arg(3)));
  }
  const int arity = command->row->arity;
  const auto argc = static_cast<int64_t>(args.size());
  if (arity > 0 ? argc != arity : argc < -int64_t{arity}) {
    return c.error(
        fmt::format("ERR wrong number of arguments for '{}' command", command->full_name));
  }
  const auto denial = acl::find_denial(*user, *command, args);
  if (!denial) return c.ok();
  if (denial->lack == acl::Lack::kCommand) {
    return c.reply().bulk(
        fmt::format("This user has no permissions to run the '{}' command", command->full_name));
  }
  c.reply().bulk(fmt::format("This user has no permissions to access the '{}' {}",
                             args[denial->argument].substr(0, args[denial->argument].find('\0')),
                             denial->lack == acl::Lack::kKey ? "key" : "channel"));
}

// --- GENPASS ------------------------------------------------------------------------------------

void cmd_acl_genpass(Context& c) {
  constexpr int64_t kMostBits = 4096;
  constexpr size_t kMostBytes = kMostBits / 8,
                   kBytesAtOnce = 256;  // those come whole or not at all
  if (c.argc() > 3) return c.wrong_subcommand();
  int64_t bits = 256;
  if (c.argc() == 3) {
    const auto wanted = c.integer_arg(2);
    if (!wanted) return;
    bits = *wanted;
  }
  if (bits <= 0 || bits > kMostBits) {
    return c.error(
        "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
        "number up to 4096");
  }
  std::array<unsigned char, kMostBytes> random;
  for (size_t at = 0; at < kMostBytes; at += kBytesAtOnce) {
    const ssize_t got = ::getrandom(random.data() + at, kBytesAtOnce, 0);
    assert(got == static_cast<ssize_t>(kBytesAtOnce));
  }
  std::string password;
  for (size_t digit = 0; digit < static_cast<size_t>(bits + 3) / 4; ++digit) {
    const unsigned char byte = random[digit / 2];
    password += "0123456789abcdef"[digit % 2 == 0 ? byte >> 4 : byte & 15];
  }
  c.reply().bulk(password);
}

// --- LOG ----------------------------------------------------------------------------------------

std::string_view lack_name(acl::Lack lack) {
  constexpr std::string_view kNames[] = {"command", "key", "auth", "channel"};
  return kNames[static_cast<size_t>(lack)];
}

void cmd_acl_log(Context& c) {
  if (c.argc() > 3) return c.wrong_subcommand();
  int64_t count = 10;
  if (c.argc() == 3 && c.arg_is(2, "RESET")) {
    c.server().acl_log.clear();
    return c.ok();
  }
  if (c.argc() == 3) {
    const auto wanted = c.integer_arg(2);
    if (!wanted) return;
    count = std::max<int64_t>(*wanted, 0);
  }
  const auto entries = c.server().acl_log.latest(static_cast<size_t>(count));
  resp::Writer& reply = c.reply();
  reply.array(entries.size());
  for (const acl::LogEntry& entry : entries) {
    reply.map(7);
    reply.bulk("count");
    reply.integer(entry.count);
    reply.bulk("reason");
    reply.bulk(lack_name(entry.lack));
    reply.bulk("context");
    reply.bulk(entry.in_multi ? "multi" : "toplevel");
    reply.bulk("object");
    reply.bulk(entry.object);
    reply.bulk("username");
    reply.bulk(entry.user);
    reply.bulk("age-seconds");
    reply.double_value(static_cast<double>(c.now_ms() - entry.time_ms) / 1000);
    reply.bulk("client-info");
    reply.bulk(entry.client_info);
  }
}

void cmd_acl_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "CAT [<category>]",
      "    List all commands that belong to <category>, or all command categories",
      "    when no category is specified.",
      "DELUSER <username> [<username> ...]",
      "    Delete a list of users.",
      "DRYRUN <username> <command> [<arg> ...]",
      "    Returns whether the user can execute the given command without executing the command.",
      "GETUSER <username>",
      "    Get the user's details.",
      "GENPASS [<bits>]",
      "    Generate a secure 256-bit user password. The optional `bits` argument can",
      "    be used to specify a different size.",
      "LIST",
      "    Show users details in config file format.",
      "LOAD",
      "    Reload users from the ACL file.",
      "LOG [<count> | RESET]",
      "    Show the ACL log entries.",
      "SAVE",
      "    Save the current config to the ACL file.",
      "SETUSER <username> <attribute> [<attribute> ...]",
      "    Create or modify a user with the specified attributes.",
      "USERS",
      "    List all the registered usernames.",
      "WHOAMI",
      "    Return the current connection username.",
  };
  c.help(kLines);
}

// --- the rows -----------------------------------------------------------------------------------

constexpr uint32_t kAnybody = kNoscript | kLoading | kStale;
constexpr std::string_view kPerUser = "O(N). Where N is the number of configured users.";

constexpr Argument kCatArgs[] = {
    {.name = "categoryname", .flags = kOptional},
};
constexpr Argument kDeluserArgs[] = {
    {.name = "username", .flags = kMultiple},
};
constexpr Argument kDryrunArgs[] = {
    {.name = "username"},
    {.name = "command"},
    {.name = "arg", .flags = kOptional | kMultiple},
};
constexpr Argument kGenpassArgs[] = {
    {.name = "bits", .type = ArgType::kInteger, .flags = kOptional},
};
constexpr Argument kGetuserArgs[] = {
    {.name = "username"},
};
constexpr HistoryEntry kGetuserHistory[] = {
    {"6.2.0", "Added Pub/Sub channel patterns."},
    {"7.0.0",
     "Added selectors and changed the format of key and channel patterns from a list to their rule "
     "representation."},
};
constexpr Argument kLogArgsOperation[] = {
    {.name = "count", .type = ArgType::kInteger},
    {.name = "reset", .type = ArgType::kPureToken, .token = "RESET"},
};
constexpr Argument kLogArgs[] = {
    {.name = "operation", .type = ArgType::kOneof, .flags = kOptional, .sub = kLogArgsOperation},
};
constexpr Argument kSetuserArgs[] = {
    {.name = "username"},
    {.name = "rule", .flags = kOptional | kMultiple},
};
constexpr HistoryEntry kSetuserHistory[] = {
    {"6.2.0", "Added Pub/Sub channel patterns."},
    {"7.0.0", "Added selectors and key based permissions."},
};

constexpr Command kSubcommands[] = {
    {.name = "cat",
     .handler = cmd_acl_cat,
     .arity = -2,
     .flags = kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "O(1) since the categories and commands are a fixed set.",
     .summary = "List the ACL categories or the commands inside a category",
     .arguments = kCatArgs},
    {.name = "deluser",
     .handler = cmd_acl_deluser,
     .arity = -3,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "O(1) amortized time considering the typical user.",
     .summary = "Remove the specified ACL users and the associated rules",
     .arguments = kDeluserArgs},
    {.name = "dryrun",
     .handler = cmd_acl_dryrun,
     .arity = -4,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "7.0.0",
     .complexity = "O(1).",
     .summary =
         "Returns whether the user can execute the given command without executing the command.",
     .arguments = kDryrunArgs},
    {.name = "genpass",
     .handler = cmd_acl_genpass,
     .arity = -2,
     .flags = kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Generate a pseudorandom secure password to use for ACL users",
     .arguments = kGenpassArgs},
    {.name = "getuser",
     .handler = cmd_acl_getuser,
     .arity = 3,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "O(N). Where N is the number of password, command and pattern rules that the "
                   "user has.",
     .summary = "Get the rules for a specific ACL user",
     .arguments = kGetuserArgs,
     .history = kGetuserHistory},
    {.name = "help",
     .handler = cmd_acl_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands"},
    {.name = "list",
     .handler = cmd_acl_list,
     .arity = 2,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = kPerUser,
     .summary = "List the current ACL rules in ACL config file format"},
    {.name = "load",
     .handler = cmd_acl_load,
     .arity = 2,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = kPerUser,
     .summary = "Reload the ACLs from the configured ACL file"},
    {.name = "log",
     .handler = cmd_acl_log,
     .arity = -2,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "O(N) with N being the number of entries shown.",
     .summary = "List latest events denied because of ACLs in place",
     .arguments = kLogArgs},
    {.name = "save",
     .handler = cmd_acl_save,
     .arity = 2,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = kPerUser,
     .summary = "Save the current ACL rules in the configured ACL file"},
    {.name = "setuser",
     .handler = cmd_acl_setuser,
     .arity = -3,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "O(N). Where N is the number of rules provided.",
     .summary = "Modify or create the rules for a specific ACL user",
     .arguments = kSetuserArgs,
     .history = kSetuserHistory},
    {.name = "users",
     .handler = cmd_acl_users,
     .arity = 2,
     .flags = kAdmin | kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = kPerUser,
     .summary = "List the username of all the configured ACL rules"},
    {.name = "whoami",
     .handler = cmd_acl_whoami,
     .arity = 2,
     .flags = kAnybody,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "O(1)",
     .summary = "Return the name of the user associated to the current connection"},
};
constexpr Command kRows[] = {
    {.name = "acl",
     .arity = -2,
     .group = Group::kServer,
     .since = "6.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for Access List Control commands ",
     .subcommands = kSubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> acl_commands() {
  return kRows;
}

}  // namespace respcask::server

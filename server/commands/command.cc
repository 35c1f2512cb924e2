// COMMAND and its subcommands: the command table told to clients.
#include <fmt/format.h>

#include <bit>

#include "server/command_table.h"
#include "server/context.h"
#include "server/glob.h"
#include "server/letter_case.h"
#include "server/server.h"

namespace respcask::server {
namespace {

// --- COMMAND INFO -------------------------------------------------------------------------------

// A set of status lines, one for each bit that has a name.
void reply_bits(resp::Writer& reply, uint32_t bits, std::string_view (*name)(uint32_t),
                std::string_view prefix = {}) {
  size_t count = 0;
  for (uint32_t rest = bits; rest != 0; rest &= rest - 1) {
    if (!name(rest & -rest).empty()) ++count;
  }
  reply.set(count);
  for (uint32_t rest = bits; rest != 0; rest &= rest - 1) {
    if (name(rest & -rest).empty()) continue;
    reply.simple_string(fmt::format("{}{}", prefix, name(rest & -rest)));
  }
}

void reply_begin_search(resp::Writer& reply, const KeySpec& spec) {
  reply.map(2);
  reply.bulk("type");
  if (!spec.keyword.empty()) {
    reply.bulk("keyword");
    reply.bulk("spec");
    reply.map(2);
    reply.bulk("keyword");
    reply.bulk(spec.keyword);
    reply.bulk("startfrom");
    reply.integer(spec.start_from);
  } else if (spec.index != 0) {
    reply.bulk("index");
    reply.bulk("spec");
    reply.map(1);
    reply.bulk("index");
    reply.integer(spec.index);
  } else {
    reply.bulk("unknown");
    reply.bulk("spec");
    reply.map(0);
  }
}

void reply_find_keys(resp::Writer& reply, const KeySpec& spec) {
  reply.map(2);
  reply.bulk("type");
  switch (spec.find) {
    case KeySpec::Find::kRange:
      reply.bulk("range");
      reply.bulk("spec");
      reply.map(3);
      reply.bulk("lastkey");
      reply.integer(spec.last);
      reply.bulk("keystep");
      reply.integer(spec.step);
      reply.bulk("limit");
      reply.integer(spec.limit);
      break;
    case KeySpec::Find::kKeynum:
      reply.bulk("keynum");
      reply.bulk("spec");
      reply.map(3);
      reply.bulk("keynumidx");
      reply.integer(spec.keynum);
      reply.bulk("firstkey");
      reply.integer(spec.first);
      reply.bulk("keystep");
      reply.integer(spec.step);
      break;
    case KeySpec::Find::kUnknown:
      reply.bulk("unknown");
      reply.bulk("spec");
      reply.map(0);
      break;
  }
}

void reply_key_specs(resp::Writer& reply, std::span<const KeySpec> specs) {
  reply.set(specs.size());
  for (const KeySpec& spec : specs) {
    reply.map(spec.notes.empty() ? 3 : 4);
    if (!spec.notes.empty()) {
      reply.bulk("notes");
      reply.bulk(spec.notes);
    }
    reply.bulk("flags");
    reply_bits(reply, spec.flags, key_flag_name);
    reply.bulk("begin_search");
    reply_begin_search(reply, spec);
    reply.bulk("find_keys");
    reply_find_keys(reply, spec);
  }
}

void reply_info(resp::Writer& reply, const TableEntry& entry) {
  const Command& row = *entry.row;
  reply.array(10);
  reply.bulk(entry.full_name);
  reply.integer(row.arity);
  reply_bits(reply, entry.flags, flag_name);
  reply.integer(entry.first_key);
  reply.integer(entry.last_key);
  reply.integer(entry.key_step);
  reply_bits(reply, entry.categories, category_name, "@");
  reply.set(row.tips.size());
  for (std::string_view tip : row.tips) reply.bulk(tip);
  reply_key_specs(reply, row.keys);
  // Redis's own oddity: a set if there are none.
  if (entry.subcommands.empty()) {
    reply.set(0);
    return;
  }
  reply.array(entry.subcommands.size());
  for (const TableEntry* sub : entry.subcommands) reply_info(reply, *sub);
}

void cmd_command(Context& c) {
  const auto commands = c.server().commands.commands();
  c.reply().array(commands.size());
  for (const TableEntry* entry : commands) reply_info(c.reply(), *entry);
}

void cmd_command_info(Context& c) {
  if (c.argc() == 2) return cmd_command(c);
  c.reply().array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    const TableEntry* entry = c.server().commands.find_full(c.arg(i));
    if (entry == nullptr) {
      c.reply().bulk_null();
    } else {
      reply_info(c.reply(), *entry);
    }
  }
}

void cmd_command_count(Context& c) {
  c.reply().integer(static_cast<int64_t>(c.server().commands.commands().size()));
}

// --- COMMAND DOCS -------------------------------------------------------------------------------

std::string_view type_name(ArgType type) {
  constexpr std::string_view kNames[] = {"string",    "integer",    "double", "key",  "pattern",
                                         "unix-time", "pure-token", "oneof",  "block"};
  return kNames[static_cast<size_t>(type)];
}

std::string_view argument_flag_name(uint32_t bit) {
  constexpr std::string_view kNames[] = {"optional", "multiple", "multiple_token"};
  const size_t i = static_cast<size_t>(std::countr_zero(bit));
  return i < std::size(kNames) ? kNames[i] : std::string_view();
}

size_t count_present(std::initializer_list<std::string_view> texts) {
  size_t count = 0;
  for (std::string_view text : texts) count += !text.empty();
  return count;
}

void reply_field(resp::Writer& reply, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  reply.bulk(name);
  reply.bulk(value);
}

void reply_arguments(resp::Writer& reply, std::span<const Argument> arguments) {
  reply.array(arguments.size());
  for (const Argument& argument : arguments) {
    reply.map(2 + (argument.key_spec >= 0) + (argument.flags != 0) + !argument.sub.empty() +
              count_present(
                  {argument.token, argument.summary, argument.since, argument.deprecated_since}));
    reply_field(reply, "name", argument.name);
    reply_field(reply, "type", type_name(argument.type));
    if (argument.key_spec >= 0) {
      reply.bulk("key_spec_index");
      reply.integer(argument.key_spec);
    }
    reply_field(reply, "token", argument.token);
    reply_field(reply, "summary", argument.summary);
    reply_field(reply, "since", argument.since);
    reply_field(reply, "deprecated_since", argument.deprecated_since);
    if (argument.flags != 0) {
      reply.bulk("flags");
      reply_bits(reply, argument.flags, argument_flag_name);
    }
    if (!argument.sub.empty()) {
      reply.bulk("arguments");
      reply_arguments(reply, argument.sub);
    }
  }
}

void reply_docs(resp::Writer& reply, const TableEntry& entry) {
  const Command& row = *entry.row;
  const bool deprecated = !row.deprecated_since.empty();
  reply.map(1 + (deprecated || row.syscmd) + !row.history.empty() + !row.arguments.empty() +
            !entry.subcommands.empty() +
            count_present(
                {row.summary, row.since, row.complexity, row.deprecated_since, row.replaced_by}));
  reply_field(reply, "summary", row.summary);
  reply_field(reply, "since", row.since);
  reply_field(reply, "group", group_name(row.group));
  reply_field(reply, "complexity", row.complexity);
  if (deprecated || row.syscmd) {
    reply.bulk("doc_flags");
    reply.set(static_cast<size_t>(deprecated) + row.syscmd);
    if (deprecated) reply.simple_string("deprecated");
    if (row.syscmd) reply.simple_string("syscmd");
  }
  reply_field(reply, "deprecated_since", row.deprecated_since);
  reply_field(reply, "replaced_by", row.replaced_by);
  if (!row.history.empty()) {
    reply.bulk("history");
    reply.set(row.history.size());
    for (const HistoryEntry& change : row.history) {
      reply.array(2);
      reply.bulk(change.since);
      reply.bulk(change.change);
    }
  }
  if (!row.arguments.empty()) {
    reply.bulk("arguments");
    reply_arguments(reply, row.arguments);
  }
  if (!entry.subcommands.empty()) {
    reply.bulk("subcommands");
    reply.map(entry.subcommands.size());
    for (const TableEntry* sub : entry.subcommands) {
      reply.bulk(sub->full_name);
      reply_docs(reply, *sub);
    }
  }
}

void cmd_command_docs(Context& c) {
  resp::Writer& reply = c.reply();
  const CommandTable& table = c.server().commands;
  const auto mark = reply.defer();
  size_t count = 0;
  const auto add = [&](const TableEntry& entry) {
    reply.bulk(entry.full_name);
    reply_docs(reply, entry);
    ++count;
  };
  if (c.argc() == 2) {
    for (const TableEntry* entry : table.commands()) add(*entry);
  }
  for (size_t i = 2; i < c.argc(); ++i) {
    if (const TableEntry* entry = table.find_full(c.arg(i))) add(*entry);
  }
  reply.finish_map(mark, count);
}

// --- COMMAND GETKEYS ----------------------------------------------------------------------------

bool has_keys(const Command& row) {
  if (row.find_keys != nullptr) return true;
  for (const KeySpec& spec : row.keys) {
    if (!(spec.flags & kNotKey)) return true;
  }
  return false;
}

void reply_keys(Context& c, bool with_flags) {
  const auto args = c.args().subspan(2);
  const TableEntry* entry = c.server().commands.find(args);
  if (entry == nullptr) return c.error("ERR Invalid command specified");
  if (!has_keys(*entry->row)) return c.error("ERR The command has no key arguments");
  const int arity = entry->row->arity;
  const size_t required = static_cast<size_t>(arity < 0 ? -arity : arity);
  if (arity > 0 ? args.size() != required : args.size() < required) {
    return c.error("ERR Invalid number of arguments specified for command");
  }
  std::vector<KeyPosition> keys;
  const bool found = find_keys(*entry, args, keys) && !keys.empty();
  if (!found && !(entry->flags & kNoMandatoryKeys)) {
    return c.error("ERR Invalid arguments specified for command");
  }
  if (!found) keys.clear();
  c.reply().array(keys.size());
  for (const KeyPosition& key : keys) {
    if (with_flags) c.reply().array(2);
    c.reply().bulk(args[static_cast<size_t>(key.index)]);
    if (with_flags) reply_bits(c.reply(), key.flags, key_flag_name);
  }
}

void cmd_command_getkeys(Context& c) {
  reply_keys(c, false);
}
void cmd_command_getkeysandflags(Context& c) {
  reply_keys(c, true);
}

// --- COMMAND LIST -------------------------------------------------------------------------------

void cmd_command_list(Context& c) {
  enum class By { kAll, kCategory, kPattern, kModule } by = By::kAll;
  uint32_t category = 0;
  if (c.argc() > 2) {
    if (c.argc() != 5 || !c.arg_is(2, "FILTERBY")) return c.syntax_error();
    if (c.arg_is(3, "ACLCAT")) {
      by = By::kCategory;
      for (uint32_t bit = 1; !category_name(bit).empty(); bit <<= 1) {
        if (equal_ignoring_case(c.arg(4), category_name(bit))) category = bit;
      }
    } else if (c.arg_is(3, "PATTERN")) {
      by = By::kPattern;
    } else if (c.arg_is(3, "MODULE")) {
      by = By::kModule;
    } else {
      return c.syntax_error();
    }
  }
  const CommandTable& table = c.server().commands;
  const auto wanted = [&](const TableEntry& entry) {
    switch (by) {
      case By::kAll:
        return true;
      case By::kCategory:
        return (entry.categories & category) != 0;
      case By::kPattern:
        return glob_match(c.arg(4), entry.full_name, true);
      case By::kModule:
        break;  // there are none
    }
    return false;
  };
  const auto mark = c.reply().defer();
  size_t count = 0;
  const auto add = [&](const TableEntry& entry) {
    if (!wanted(entry)) return;
    c.reply().bulk(entry.full_name);
    ++count;
  };
  for (const TableEntry* entry : table.commands()) {
    add(*entry);
    for (const TableEntry* sub : entry->subcommands) add(*sub);
  }
  c.reply().finish_array(mark, count);
}

void cmd_command_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "(no subcommand)",
      "    Return details about all Redis commands.",
      "COUNT",
      "    Return the total number of commands in this Redis server.",
      "LIST",
      "    Return a list of all commands in this Redis server.",
      "INFO [<command-name> ...]",
      "    Return details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "DOCS [<command-name> ...]",
      "    Return documentation details about multiple Redis commands.",
      "    If no command names are given, documentation details for all",
      "    commands are returned.",
      "GETKEYS <full-command>",
      "    Return the keys from a full Redis command.",
      "GETKEYSANDFLAGS <full-command>",
      "    Return the keys and the access flags from a full Redis command.",
  };
  c.help(kLines);
}

constexpr std::string_view kCommandTips[] = {"nondeterministic_output_order"};
constexpr Argument kCommandDocsArgs[] = {
    {.name = "command-name", .flags = kOptional | kMultiple},
};
constexpr std::string_view kCommandDocsTips[] = {"nondeterministic_output_order"};
constexpr Argument kCommandInfoArgs[] = {
    {.name = "command-name", .flags = kOptional | kMultiple},
};
constexpr HistoryEntry kCommandInfoHistory[] = {
    {"7.0.0", "Allowed to be called with no argument to get info on all commands."},
};
constexpr std::string_view kCommandInfoTips[] = {"nondeterministic_output_order"};
constexpr Argument kCommandListArgsFilterby[] = {
    {.name = "module-name", .token = "MODULE"},
    {.name = "category", .token = "ACLCAT"},
    {.name = "pattern", .type = ArgType::kPattern, .token = "PATTERN"},
};
constexpr Argument kCommandListArgs[] = {
    {.name = "filterby",
     .type = ArgType::kOneof,
     .token = "FILTERBY",
     .flags = kOptional,
     .sub = kCommandListArgsFilterby},
};
constexpr std::string_view kCommandListTips[] = {"nondeterministic_output_order"};
constexpr Command kCommandSubcommands[] = {
    {.name = "count",
     .handler = cmd_command_count,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Get total number of Redis commands",
     .categories = kCatConnection},
    {.name = "docs",
     .handler = cmd_command_docs,
     .arity = -2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of commands to look up",
     .summary = "Get array of specific Redis command documentation",
     .arguments = kCommandDocsArgs,
     .tips = kCommandDocsTips,
     .categories = kCatConnection},
    {.name = "getkeys",
     .handler = cmd_command_getkeys,
     .arity = -4,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(N) where N is the number of arguments to the command",
     .summary = "Extract keys given a full Redis command",
     .categories = kCatConnection},
    {.name = "getkeysandflags",
     .handler = cmd_command_getkeysandflags,
     .arity = -4,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "7.0.0",
     .complexity = "O(N) where N is the number of arguments to the command",
     .summary = "Extract keys and access flags given a full Redis command",
     .categories = kCatConnection},
    {.name = "help",
     .handler = cmd_command_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "5.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands",
     .categories = kCatConnection},
    {.name = "info",
     .handler = cmd_command_info,
     .arity = -2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(N) where N is the number of commands to look up",
     .summary = "Get array of specific Redis command details, or all when no argument is given.",
     .arguments = kCommandInfoArgs,
     .history = kCommandInfoHistory,
     .tips = kCommandInfoTips,
     .categories = kCatConnection},
    {.name = "list",
     .handler = cmd_command_list,
     .arity = -2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "7.0.0",
     .complexity = "O(N) where N is the total number of Redis commands",
     .summary = "Get an array of Redis command names",
     .arguments = kCommandListArgs,
     .tips = kCommandListTips,
     .categories = kCatConnection},
};
constexpr Command kRows[] = {
    {.name = "command",
     .handler = cmd_command,
     .arity = -1,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(N) where N is the total number of Redis commands",
     .summary = "Get array of Redis command details",
     .tips = kCommandTips,
     .categories = kCatConnection,
     .subcommands = kCommandSubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> command_commands() {
  return kRows;
}

}  // namespace respcask::server

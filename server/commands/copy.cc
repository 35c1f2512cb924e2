// Commands that give a key another name or database: RENAME, RENAMENX, COPY, MOVE.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"
#include "server/server.h"
#include "server/types/object.h"

namespace respcask::server {

namespace {

enum class IfThere : uint8_t { kReplace, kRefuse };

constexpr std::string_view kSameObject = "ERR source and destination objects are the same";

// A database's number at argument `i`; nothing, and an error replied, if there is none such.
std::optional<uint32_t> database_arg(Context& c, size_t i) {
  const auto db = c.integer_arg(i);
  if (!db) return std::nullopt;
  if (*db < std::numeric_limits<int>::min() || *db > std::numeric_limits<int>::max()) {
    c.error("ERR value is out of range, value must between -2147483648 and 2147483647");
    return std::nullopt;
  }
  if (*db < 0 || *db >= c.server().store.options().databases) {
    c.error("ERR DB index is out of range");
    return std::nullopt;
  }
  return static_cast<uint32_t>(*db);
}

void rename(Context& c, IfThere if_there) {
  const KeyRef from = c.key(1);
  const KeyRef to = c.key(2);
  const auto reply_done = [&](bool done) {
    if (if_there == IfThere::kReplace) {
      c.ok();
    } else {
      c.reply().integer(done);
    }
  };
  const auto entry = c.find_for_write(from);
  if (!entry) return c.error("ERR no such key");
  if (from.name == to.name) return reply_done(false);
  if (c.find_for_write(to) && if_there == IfThere::kRefuse) return reply_done(false);
  if (!move_object(c, from, *entry, to)) return;
  c.notify(EventClass::kGeneric, "rename_from", from);
  c.notify(EventClass::kGeneric, "rename_to", to);
  reply_done(true);
}

void cmd_rename(Context& c) {
  rename(c, IfThere::kReplace);
}
void cmd_renamenx(Context& c) {
  rename(c, IfThere::kRefuse);
}

void cmd_move(Context& c) {
  const auto db = database_arg(c, 2);
  if (!db) return;
  const KeyRef from = c.key(1);
  const KeyRef to = c.key(1, *db);
  if (from.db == to.db) return c.error(kSameObject);
  const auto entry = c.find_for_write(from);
  if (!entry || c.find_for_write(to)) return c.reply().integer(0);
  if (!move_object(c, from, *entry, to)) return;
  c.notify(EventClass::kGeneric, "move_from", from);
  c.notify(EventClass::kGeneric, "move_to", to);
  c.reply().integer(1);
}

void cmd_copy(Context& c) {
  IfThere if_there = IfThere::kRefuse;
  uint32_t db = c.db();
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.arg_is(i, "REPLACE")) {
      if_there = IfThere::kReplace;
    } else if (c.arg_is(i, "DB") && i + 1 < c.argc()) {
      const auto named = database_arg(c, ++i);
      if (!named) return;
      db = *named;
    } else {
      return c.syntax_error();
    }
  }
  const KeyRef from = c.key(1);
  const KeyRef to = c.key(2, db);
  if (from.db == to.db && from.name == to.name) return c.error(kSameObject);
  const auto entry = c.find(from);
  if (!entry) return c.reply().integer(0);
  if (c.find_for_write(to) && if_there == IfThere::kRefuse) return c.reply().integer(0);
  if (!copy_object(c, from, *entry, to, entry->expiry_ms)) return;
  c.notify(EventClass::kGeneric, "copy_to", to);
  c.reply().integer(1);
}

constexpr KeySpec kCopyKeys[] = {
    {.flags = kRO | kAccess, .index = 1},
    {.flags = kOW | kUpdate, .index = 2},
};
constexpr Argument kCopyArgs[] = {
    {.name = "source", .type = ArgType::kKey, .key_spec = 0},
    {.name = "destination", .type = ArgType::kKey, .key_spec = 1},
    {.name = "destination-db", .type = ArgType::kInteger, .token = "DB", .flags = kOptional},
    {.name = "replace", .type = ArgType::kPureToken, .token = "REPLACE", .flags = kOptional},
};
constexpr Argument kMoveArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "db", .type = ArgType::kInteger},
};
constexpr KeySpec kRenameKeys[] = {
    {.flags = kRW | kAccess | kDelete, .index = 1},
    {.flags = kOW | kUpdate, .index = 2},
};
constexpr Argument kKeyNewkey[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "newkey", .type = ArgType::kKey, .key_spec = 1},
};
constexpr KeySpec kRenamenxKeys[] = {
    {.flags = kRW | kAccess | kDelete, .index = 1},
    {.flags = kOW | kInsert, .index = 2},
};
constexpr HistoryEntry kRenamenxHistory[] = {
    {"3.2.0",
     "The command no longer returns an error when source and destination names are the same."},
};
constexpr Command kCopyRows[] = {
    {.name = "copy",
     .handler = cmd_copy,
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .keys = kCopyKeys,
     .group = Group::kGeneric,
     .since = "6.2.0",
     .complexity = "O(N) worst case for collections, where N is the number of nested items. O(1) "
                   "for string values.",
     .summary = "Copy a key",
     .arguments = kCopyArgs,
     .categories = kCatKeyspace},
    {.name = "move",
     .handler = cmd_move,
     .arity = 3,
     .flags = kWrite | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Move a key to another database",
     .arguments = kMoveArgs,
     .categories = kCatKeyspace},
    {.name = "rename",
     .handler = cmd_rename,
     .arity = 3,
     .flags = kWrite,
     .keys = kRenameKeys,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Rename a key",
     .arguments = kKeyNewkey,
     .categories = kCatKeyspace},
    {.name = "renamenx",
     .handler = cmd_renamenx,
     .arity = 3,
     .flags = kWrite | kFast,
     .keys = kRenamenxKeys,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Rename a key, only if the new key does not exist",
     .arguments = kKeyNewkey,
     .history = kRenamenxHistory,
     .categories = kCatKeyspace},
};
static_assert(check_rows(kCopyRows));

}  // namespace

std::span<const Command> copy_commands() {
  return kCopyRows;
}

}  // namespace respcask::server

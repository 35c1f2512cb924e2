// Commands on keys by their names alone: DEL, UNLINK, EXISTS, TOUCH, TYPE.

#include <cstdint>
#include <span>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"

namespace respcask::server {

namespace {

// Also UNLINK: a removal costs one tombstone whatever the key holds, and its memory is freed in the
// background.
void cmd_del(Context& c) {
  int64_t removed = 0;
  for (size_t i = 1; i < c.argc(); ++i) {
    const KeyRef key = c.key(i);
    if (!c.remove(key)) continue;
    c.notify(EventClass::kGeneric, "del", key);
    ++removed;
  }
  c.reply().integer(removed);
}

void cmd_exists(Context& c) {
  int64_t found = 0;
  for (size_t i = 1; i < c.argc(); ++i) found += c.find_untouched(c.key(i)).has_value();
  c.reply().integer(found);
}

void cmd_touch(Context& c) {
  int64_t found = 0;
  for (size_t i = 1; i < c.argc(); ++i) found += c.find(c.key(i)).has_value();
  c.reply().integer(found);
}

void cmd_type(Context& c) {
  const auto entry = c.find_untouched(c.key(1));
  c.reply().simple_string(entry ? type_name(TypeTag{entry->type}.type()) : "none");
}

constexpr KeySpec kRemoveKeys[] = {
    {.flags = kRM | kDelete, .index = 1, .last = -1},
};
constexpr std::string_view kDelTips[] = {"request_policy:multi_shard", "response_policy:agg_sum"};
constexpr HistoryEntry kExistsHistory[] = {
    {"3.0.3", "Accepts multiple `key` arguments."},
};
constexpr std::string_view kExistsTips[] = {"request_policy:multi_shard",
                                            "response_policy:agg_sum"};
constexpr std::string_view kTouchTips[] = {"request_policy:multi_shard", "response_policy:agg_sum"};
constexpr std::string_view kUnlinkTips[] = {"request_policy:multi_shard",
                                            "response_policy:agg_sum"};
constexpr Command kKeyRows[] = {
    {.name = "del",
     .handler = cmd_del,
     .arity = -2,
     .flags = kWrite,
     .keys = kRemoveKeys,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of keys that will be removed. When a key to remove "
                   "holds a value other than a string, the individual complexity for this key is "
                   "O(M) where M is the number of elements in the list, set, sorted set or hash. "
                   "Removing a single key that holds a string value is O(1).",
     .summary = "Delete a key",
     .arguments = kKeysArg,
     .tips = kDelTips,
     .categories = kCatKeyspace},
    {.name = "exists",
     .handler = cmd_exists,
     .arity = -2,
     .flags = kReadonly | kFast,
     .keys = kInspectKeys,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of keys to check.",
     .summary = "Determine if a key exists",
     .arguments = kKeysArg,
     .history = kExistsHistory,
     .tips = kExistsTips,
     .categories = kCatKeyspace},
    {.name = "touch",
     .handler = cmd_touch,
     .arity = -2,
     .flags = kReadonly | kFast,
     .keys = kInspectKeys,
     .group = Group::kGeneric,
     .since = "3.2.1",
     .complexity = "O(N) where N is the number of keys that will be touched.",
     .summary =
         "Alters the last access time of a key(s). Returns the number of existing keys specified.",
     .arguments = kKeysArg,
     .tips = kTouchTips,
     .categories = kCatKeyspace},
    {.name = "type",
     .handler = cmd_type,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Determine the type stored at key",
     .arguments = kKeyArg,
     .categories = kCatKeyspace},
    {.name = "unlink",
     .handler = cmd_del,
     .arity = -2,
     .flags = kWrite | kFast,
     .keys = kRemoveKeys,
     .group = Group::kGeneric,
     .since = "4.0.0",
     .complexity = "O(1) for each key removed regardless of its size. Then the command does O(N) "
                   "work in a different thread in order to reclaim memory, where N is the number "
                   "of allocations the deleted objects where composed of.",
     .summary = "Delete a key asynchronously in another thread. Otherwise it is just as DEL, but "
                "non blocking.",
     .arguments = kKeysArg,
     .tips = kUnlinkTips,
     .categories = kCatKeyspace},
};
static_assert(check_rows(kKeyRows));

}  // namespace

std::span<const Command> key_commands() {
  return kKeyRows;
}

}  // namespace respcask::server

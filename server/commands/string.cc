// Strings: the commands that only read. The others stand in string_set.cc, string_edit.cc, lcs.cc.

#include <algorithm>
#include <span>
#include <string_view>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

void cmd_get(Context& c) {
  const KeyRef key = c.key(1);
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return;
  if (!found.entry) return c.reply().bulk_null();
  reply_string(c, key, *found.entry);
}

void cmd_mget(Context& c) {
  c.reply().array(c.argc() - 1);
  for (size_t i = 1; i < c.argc(); ++i) {
    const KeyRef key = c.key(i);
    const auto entry = c.find(key);
    if (entry && TypeTag{entry->type}.type() == Type::kString) {
      reply_string(c, key, *entry);
    } else {
      c.reply().bulk_null();
    }
  }
}

void cmd_strlen(Context& c) {
  const KeyRef key = c.key(1);
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return;
  const uint64_t length = found.entry ? string_length(c, key, *found.entry) : 0;
  c.reply().integer(static_cast<int64_t>(length));
}

// Also SUBSTR, its older name.
void cmd_getrange(Context& c) {
  auto start = c.integer_arg(2);
  if (!start) return;
  auto end = c.integer_arg(3);
  if (!end) return;
  const KeyRef key = c.key(1);
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return;
  const int64_t length =
      found.entry ? static_cast<int64_t>(string_length(c, key, *found.entry)) : 0;
  // Positions count from the end where they are negative; the order of two such is looked at first.
  const bool backwards = *start < 0 && *end < 0 && *start > *end;
  if (*start < 0) start = std::max<int64_t>(*start + length, 0);
  if (*end < 0) end = std::max<int64_t>(*end + length, 0);
  end = std::min(*end, length - 1);
  if (backwards || *start > *end) return c.reply().bulk("");
  reply_string(c, key, *found.entry, static_cast<uint64_t>(*start),
               static_cast<uint64_t>(*end) + 1);
}

constexpr Argument kKeyStartEnd[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "start", .type = ArgType::kInteger},
    {.name = "end", .type = ArgType::kInteger},
};
constexpr std::string_view kMgetTips[] = {"request_policy:multi_shard"};
constexpr Command kStringRows[] = {
    {.name = "get",
     .handler = cmd_get,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Get the value of a key",
     .arguments = kKeyArg,
     .categories = kCatString},
    {.name = "getrange",
     .handler = cmd_getrange,
     .arity = 4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kString,
     .since = "2.4.0",
     .complexity =
         "O(N) where N is the length of the returned string. The complexity is ultimately "
         "determined by the returned length, but because creating a substring from an existing "
         "string is very cheap, it can be considered O(1) for small strings.",
     .summary = "Get a substring of the string stored at a key",
     .arguments = kKeyStartEnd,
     .categories = kCatString},
    {.name = "mget",
     .handler = cmd_mget,
     .arity = -2,
     .flags = kReadonly | kFast,
     .keys = kReadKeys,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of keys to retrieve.",
     .summary = "Get the values of all the given keys",
     .arguments = kKeysArg,
     .tips = kMgetTips,
     .categories = kCatString},
    {.name = "strlen",
     .handler = cmd_strlen,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kString,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Get the length of the value stored in a key",
     .arguments = kKeyArg,
     .categories = kCatString},
    {.name = "substr",
     .handler = cmd_getrange,
     .arity = 4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity =
         "O(N) where N is the length of the returned string. The complexity is ultimately "
         "determined by the returned length, but because creating a substring from an existing "
         "string is very cheap, it can be considered O(1) for small strings.",
     .summary = "Get a substring of the string stored at a key",
     .arguments = kKeyStartEnd,
     .deprecated_since = "2.0.0",
     .replaced_by = "`GETRANGE`",
     .categories = kCatString},
};
static_assert(check_rows(kStringRows));

}  // namespace

std::span<const Command> string_commands() {
  return kStringRows;
}

}  // namespace respcask::server

// Commands that change hashes: HSET, HMSET, HSETNX, HDEL, HINCRBY, HINCRBYFLOAT.

#include <cmath>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "resp/number.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"
#include "server/types/hash.h"
#include "server/types/members.h"

namespace respcask::server {

namespace {

enum class SetReply : uint8_t { kCreated, kOk };

// Sets what stands from argument 2 on, and answers with how many fields are new, or with OK.
void set_fields(Context& c, SetReply reply) {
  if (c.argc() % 2 != 0) {
    return c.error(c.arg_is(0, "HMSET") ? "ERR wrong number of arguments for 'hmset' command"
                                        : "ERR wrong number of arguments for 'hset' command");
  }
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kHash);
  if (found.wrong) return;
  const auto created = hash_put(c, key, found.entry, c.args().subspan(2));
  if (!created) return;
  if (reply == SetReply::kOk) {
    c.ok();
  } else {
    c.reply().integer(static_cast<int64_t>(*created));
  }
  c.notify(EventClass::kHash, "hset", key);
}

void cmd_hset(Context& c) {
  set_fields(c, SetReply::kCreated);
}

void cmd_hmset(Context& c) {
  set_fields(c, SetReply::kOk);
}

void cmd_hsetnx(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kHash);
  if (found.wrong) return;
  if (found.entry) {
    const Members fields(c, key, *found.entry);
    if (!c.ready()) return;
    if (fields.contains(c.arg(2))) return c.reply().integer(0);
  }
  if (!hash_put(c, key, found.entry, c.args().subspan(2))) return;
  c.reply().integer(1);
  c.notify(EventClass::kHash, "hset", key);
}

void cmd_hdel(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kHash);
  if (found.wrong) return;
  if (!found.entry) return c.reply().integer(0);
  const auto removed = remove_members(c, key, *found.entry, c.args().subspan(2));
  if (!removed) return;
  if (removed->count > 0) c.notify(EventClass::kHash, "hdel", key);
  if (removed->emptied) c.notify(EventClass::kGeneric, "del", key);
  c.reply().integer(static_cast<int64_t>(removed->count));
}

// The text of a field; nothing if there is none. Check ready().
std::optional<std::string_view> field_text(Context& c, const KeyRef& key,
                                           const std::optional<engine::KeydirEntry>& entry,
                                           std::string_view field) {
  if (!entry) return std::nullopt;
  const Members fields(c, key, *entry);
  const auto found = fields.find(field);
  if (!found) return std::nullopt;
  return fields.value(*found);
}

// Sets the field at argument 2.
bool put_number(Context& c, const KeyRef& key, const std::optional<engine::KeydirEntry>& entry,
                std::string_view text) {
  const std::string_view pair[] = {c.arg(2), text};
  return hash_put(c, key, entry, pair).has_value();
}

void cmd_hincrby(Context& c) {
  const auto by = c.integer_arg(3);
  if (!by) return;
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kHash);
  if (found.wrong) return;
  const auto text = field_text(c, key, found.entry, c.arg(2));
  if (!c.ready()) return;
  int64_t value = 0;
  if (text) {
    const auto parsed = resp::parse_int64(*text);
    if (!parsed) return c.error("ERR hash value is not an integer");
    value = *parsed;
  }
  if (__builtin_add_overflow(value, *by, &value)) {
    return c.error("ERR increment or decrement would overflow");
  }
  char buffer[resp::kMaxInt64Chars];
  const char* end = resp::format_int64(buffer, value);
  if (!put_number(c, key, found.entry, {buffer, static_cast<size_t>(end - buffer)})) return;
  c.reply().integer(value);
  c.notify(EventClass::kHash, "hincrby", key);
}

void cmd_hincrbyfloat(Context& c) {
  const auto by = resp::parse_long_double(c.arg(3));
  if (!by) return c.error("ERR value is not a valid float");
  if (std::isnan(*by) || std::isinf(*by)) return c.error("ERR value is NaN or Infinity");
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kHash);
  if (found.wrong) return;
  const auto old = field_text(c, key, found.entry, c.arg(2));
  if (!c.ready()) return;
  long double value = 0;
  if (old) {
    const auto parsed = resp::parse_long_double(*old);
    if (!parsed) return c.error("ERR hash value is not a float");
    value = *parsed;
  }
  value += *by;
  if (std::isnan(value) || std::isinf(value)) {
    return c.error("ERR increment would produce NaN or Infinity");
  }
  char buffer[resp::kMaxLongDoubleChars];
  const char* end = resp::format_long_double(buffer, value);
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  if (!put_number(c, key, found.entry, text)) return;
  c.reply().bulk(text);
  c.notify(EventClass::kHash, "hincrbyfloat", key);
}

constexpr HistoryEntry kHdelHistory[] = {
    {"2.4.0", "Accepts multiple `field` arguments."},
};
constexpr Argument kHincrbyArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "field"},
    {.name = "increment", .type = ArgType::kInteger},
};
constexpr Argument kHincrbyfloatArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "field"},
    {.name = "increment", .type = ArgType::kDouble},
};
constexpr Argument kFieldValue[] = {
    {.name = "field"},
    {.name = "value"},
};
constexpr Argument kKeyFieldValues[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "field_value", .type = ArgType::kBlock, .flags = kMultiple, .sub = kFieldValue},
};
constexpr HistoryEntry kHsetHistory[] = {
    {"4.0.0", "Accepts multiple `field` and `value` arguments."},
};
constexpr Argument kHsetnxArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "field"},
    {.name = "value"},
};
constexpr Command kHashRows[] = {
    {.name = "hdel",
     .handler = cmd_hdel,
     .arity = -3,
     .flags = kWrite | kFast,
     .keys = kDeleteInKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of fields to be removed.",
     .summary = "Delete one or more hash fields",
     .arguments = kKeyFields,
     .history = kHdelHistory,
     .categories = kCatHash},
    {.name = "hincrby",
     .handler = cmd_hincrby,
     .arity = 4,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Increment the integer value of a hash field by the given number",
     .arguments = kHincrbyArgs,
     .categories = kCatHash},
    {.name = "hincrbyfloat",
     .handler = cmd_hincrbyfloat,
     .arity = 4,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kHash,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Increment the float value of a hash field by the given amount",
     .arguments = kHincrbyfloatArgs,
     .categories = kCatHash},
    {.name = "hmset",
     .handler = cmd_hmset,
     .arity = -4,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kUpdateKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of fields being set.",
     .summary = "Set multiple hash fields to multiple values",
     .arguments = kKeyFieldValues,
     .deprecated_since = "4.0.0",
     .replaced_by = "`HSET` with multiple field-value pairs",
     .categories = kCatHash},
    {.name = "hset",
     .handler = cmd_hset,
     .arity = -4,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kUpdateKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(1) for each field/value pair added, so O(N) to add N field/value pairs when "
                   "the command is called with multiple field/value pairs.",
     .summary = "Set the string value of a hash field",
     .arguments = kKeyFieldValues,
     .history = kHsetHistory,
     .categories = kCatHash},
    {.name = "hsetnx",
     .handler = cmd_hsetnx,
     .arity = 4,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kInsertKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Set the value of a hash field, only if the field does not exist",
     .arguments = kHsetnxArgs,
     .categories = kCatHash},
};
static_assert(check_rows(kHashRows));

}  // namespace

std::span<const Command> hash_commands() {
  return kHashRows;
}

}  // namespace respcask::server

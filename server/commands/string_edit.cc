// Commands that change a string in place: APPEND, SETRANGE, and those that count.

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "resp/number.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

constexpr std::string_view kNotAnInteger = "ERR value is not an integer or out of range";
constexpr std::string_view kNotAFloat = "ERR value is not a valid float";

void increment(Context& c, int64_t by) {
  const KeyRef key = c.key(1);
  auto found = c.find_typed_for_write(key, Type::kString);
  if (found.wrong) return;
  int64_t value = 0;
  if (found.entry) {
    // A text that is longer than any integer need not be read.
    const bool short_enough = string_length(c, key, *found.entry) <= resp::kMaxInt64Chars;
    const std::string_view text = short_enough ? c.read(key, *found.entry) : std::string_view();
    if (!c.ready()) return;
    const auto parsed = resp::parse_int64(text);
    if (!parsed) return c.error(kNotAnInteger);
    value = *parsed;
  }
  if (__builtin_add_overflow(value, by, &value)) {
    return c.error("ERR increment or decrement would overflow");
  }
  char text[resp::kMaxInt64Chars];
  const char* end = resp::format_int64(text, value);
  put_string(c, key, Encoding::kCompact, found.entry ? found.entry->expiry_ms : 0,
             {text, static_cast<size_t>(end - text)});
  c.notify(EventClass::kString, "incrby", key);
  c.reply().integer(value);
}

void cmd_append(Context& c) {
  const KeyRef key = c.key(1);
  auto found = c.find_typed_for_write(key, Type::kString);
  if (found.wrong) return;
  const std::string_view more = c.arg(2);
  uint64_t length = more.size();
  if (!found.entry) {
    put_string(c, key, Encoding::kCompact, 0, more);
  } else {
    StringEdit edit(c, key, found.entry);
    if (!check_string_length(c, edit.length(), more.size())) return;
    const StringEdit::Patch patch{edit.length(), more};
    length = patch.end();
    edit.load_to_patch(patch.offset, std::max(patch.end(), patch.offset + 1));
    if (!c.ready()) return;
    if (!more.empty()) {
      if (!edit.apply({&patch, 1})) return;
    } else {
      // Redis aborts the transactions of those who watch it all the same.
      if (!edit.make_raw()) return;
      c.modified(key);
    }
  }
  c.notify(EventClass::kString, "append", key);
  c.reply().integer(static_cast<int64_t>(length));
}

void cmd_setrange(Context& c) {
  const auto offset = c.integer_arg(2);
  if (!offset) return;
  if (*offset < 0) return c.error("ERR offset is out of range");
  const KeyRef key = c.key(1);
  auto found = c.find_typed_for_write(key, Type::kString);
  if (found.wrong) return;
  const StringEdit::Patch patch{static_cast<uint64_t>(*offset), c.arg(3)};
  StringEdit edit(c, key, found.entry);
  if (patch.bytes.empty()) return c.reply().integer(static_cast<int64_t>(edit.length()));
  if (!check_string_length(c, patch.offset, patch.bytes.size())) return;
  edit.load_to_patch(patch.offset, patch.end());
  if (!c.ready() || !edit.apply({&patch, 1})) return;
  c.notify(EventClass::kString, "setrange", key);
  c.reply().integer(static_cast<int64_t>(std::max(edit.length(), patch.end())));
}

void cmd_incr(Context& c) {
  increment(c, 1);
}

void cmd_decr(Context& c) {
  increment(c, -1);
}

void cmd_incrby(Context& c) {
  if (const auto by = c.integer_arg(2)) increment(c, *by);
}

void cmd_decrby(Context& c) {
  const auto by = c.integer_arg(2);
  if (!by) return;
  if (*by == std::numeric_limits<int64_t>::min()) {
    return c.error("ERR decrement would overflow");
  }
  increment(c, -*by);
}

void cmd_incrbyfloat(Context& c) {
  const KeyRef key = c.key(1);
  auto found = c.find_typed_for_write(key, Type::kString);
  if (found.wrong) return;
  long double value = 0;
  if (found.entry) {
    const bool short_enough = string_length(c, key, *found.entry) < resp::kMaxLongDoubleChars;
    std::string scratch;  // it may be long enough to be split
    const std::string_view text =
        short_enough ? read_string(c, key, *found.entry, scratch) : std::string_view();
    if (!c.ready()) return;
    const auto parsed = resp::parse_long_double(text);
    if (!parsed) return c.error(kNotAFloat);
    value = *parsed;
  }
  const auto by = resp::parse_long_double(c.arg(2));
  if (!by) return c.error(kNotAFloat);
  value += *by;
  if (std::isnan(value) || std::isinf(value)) {
    return c.error("ERR increment would produce NaN or Infinity");
  }
  char buffer[resp::kMaxLongDoubleChars];
  const char* end = resp::format_long_double(buffer, value);
  const std::string_view text(buffer, static_cast<size_t>(end - buffer));
  // Thousands of digits may come of a short argument.
  if (!c.reserve(key, put_string_bound(key, text.size()))) return;
  put_string(c, key, Encoding::kEmbstr, found.entry ? found.entry->expiry_ms : 0, text);
  c.notify(EventClass::kString, "incrbyfloat", key);
  c.reply().bulk(text);
}

constexpr Argument kDecrbyArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "decrement", .type = ArgType::kInteger},
};
constexpr Argument kIncrbyArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "increment", .type = ArgType::kInteger},
};
constexpr Argument kIncrbyfloatArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "increment", .type = ArgType::kDouble},
};
constexpr Argument kSetrangeArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "offset", .type = ArgType::kInteger},
    {.name = "value"},
};
constexpr Command kStringEditRows[] = {
    {.name = "append",
     .handler = cmd_append,
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kInsertKey,
     .group = Group::kString,
     .since = "2.0.0",
     .complexity =
         "O(1). The amortized time complexity is O(1) assuming the appended value is small and the "
         "already present value is of any size, since the dynamic string library used by Redis "
         "will double the free space available on every reallocation.",
     .summary = "Append a value to a key",
     .arguments = kKeyValue,
     .categories = kCatString},
    {.name = "decr",
     .handler = cmd_decr,
     .arity = 2,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Decrement the integer value of a key by one",
     .arguments = kKeyArg,
     .categories = kCatString},
    {.name = "decrby",
     .handler = cmd_decrby,
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Decrement the integer value of a key by the given number",
     .arguments = kDecrbyArgs,
     .categories = kCatString},
    {.name = "incr",
     .handler = cmd_incr,
     .arity = 2,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Increment the integer value of a key by one",
     .arguments = kKeyArg,
     .categories = kCatString},
    {.name = "incrby",
     .handler = cmd_incrby,
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Increment the integer value of a key by the given amount",
     .arguments = kIncrbyArgs,
     .categories = kCatString},
    {.name = "incrbyfloat",
     .handler = cmd_incrbyfloat,
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kString,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Increment the float value of a key by the given amount",
     .arguments = kIncrbyfloatArgs,
     .categories = kCatString},
    {.name = "setrange",
     .handler = cmd_setrange,
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .keys = kUpdateKey,
     .group = Group::kString,
     .since = "2.2.0",
     .complexity = "O(1), not counting the time taken to copy the new string in place. Usually, "
                   "this string is very small so the amortized complexity is O(1). Otherwise, "
                   "complexity is O(M) with M being the length of the value argument.",
     .summary = "Overwrite part of a string at key starting at the specified offset",
     .arguments = kSetrangeArgs,
     .categories = kCatString},
};
static_assert(check_rows(kStringEditRows));

}  // namespace

std::span<const Command> string_edit_commands() {
  return kStringEditRows;
}

}  // namespace respcask::server

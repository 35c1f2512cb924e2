// Commands on lists: pushing and popping at the ends, and reading and changing by index.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/list.h"
#include "server/context.h"
#include "server/types/list.h"

namespace respcask::server {

void notify_popped(Context& c, const KeyRef& key, ListEnd end, bool emptied) {
  c.notify(EventClass::kList, end == ListEnd::kHead ? "lpop" : "rpop", key);
  if (emptied) c.notify(EventClass::kGeneric, "del", key);
}

void reply_popped(Context& c, ListReader& list, ListEnd end, uint64_t count) {
  const uint64_t length = list.length();
  const auto reply = [&](std::string_view element) {
    c.reply_value(element);
    return true;
  };
  c.reply().array(count);
  if (end == ListEnd::kHead) {
    list.visit_forward(0, count, ListReader::Extent::kAll, reply);
  } else {
    list.visit_backward(length - count, length, ListReader::Extent::kAll, reply);
  }
}

void erase_popped(Context& c, const KeyRef& key, ListEdit& list, ListEnd end, uint64_t count) {
  const uint64_t length = list.length();
  if (end == ListEnd::kHead) {
    list.erase(0, count);
  } else {
    list.erase(length - count, length);
  }
  notify_popped(c, key, end, count == length);
}

namespace {

// An index as clients give it (negative: from the tail), as a rank; nothing if it is outside.
std::optional<uint64_t> rank_of(int64_t index, uint64_t length) {
  const auto signed_length = static_cast<int64_t>(length);
  if (index < 0) index += signed_length;
  if (index < 0 || index >= signed_length) return std::nullopt;
  return static_cast<uint64_t>(index);
}

// The ranks [begin, end) of LRANGE's and LTRIM's indexes, both of them inclusive; begin == end if
// there are none.
struct Ranks {
  uint64_t begin = 0;
  uint64_t end = 0;
};
Ranks ranks_of(int64_t start, int64_t stop, uint64_t length) {
  const auto signed_length = static_cast<int64_t>(length);
  if (start < 0) start += signed_length;
  if (stop < 0) stop += signed_length;
  start = std::max<int64_t>(start, 0);
  stop = std::min(stop, signed_length - 1);
  if (start > stop) return {};
  return {static_cast<uint64_t>(start), static_cast<uint64_t>(stop) + 1};
}

enum class IfMissing : uint8_t { kCreate, kLeave };

void push(Context& c, ListEnd end, IfMissing if_missing) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kList);
  if (found.wrong) return;
  if (!found.entry && if_missing == IfMissing::kLeave) return c.reply().integer(0);
  ListEdit list(c, key, found.entry);
  if (!c.ready() || !list.push(end, c.args().subspan(2))) return;
  c.signal_ready(key);
  c.reply().integer(static_cast<int64_t>(list.length()));
  c.notify(EventClass::kList, end == ListEnd::kHead ? "lpush" : "rpush", key);
}

void cmd_lpush(Context& c) {
  push(c, ListEnd::kHead, IfMissing::kCreate);
}
void cmd_rpush(Context& c) {
  push(c, ListEnd::kTail, IfMissing::kCreate);
}
void cmd_lpushx(Context& c) {
  push(c, ListEnd::kHead, IfMissing::kLeave);
}
void cmd_rpushx(Context& c) {
  push(c, ListEnd::kTail, IfMissing::kLeave);
}

void pop(Context& c, ListEnd end) {
  const bool has_count = c.argc() == 3;
  if (c.argc() > 3) {
    return c.error(end == ListEnd::kHead ? "ERR wrong number of arguments for 'lpop' command"
                                         : "ERR wrong number of arguments for 'rpop' command");
  }
  int64_t count = 1;
  if (has_count) {
    constexpr std::string_view kNotPositive = "ERR value is out of range, must be positive";
    const auto given = c.integer_arg_in(2, 0, std::numeric_limits<int64_t>::max(), kNotPositive);
    if (!given) return;
    count = *given;
  }
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kList);
  if (found.wrong) return;
  if (!found.entry) return has_count ? c.reply().null_array() : c.reply().bulk_null();
  if (count == 0) return c.reply().array(0);
  ListEdit list(c, key, found.entry);
  if (!c.ready()) return;
  const uint64_t popped = std::min(static_cast<uint64_t>(count), list.length());
  if (has_count) {
    reply_popped(c, list.reader(), end, popped);
  } else {
    c.reply_value(list.reader().at(end == ListEnd::kHead ? 0 : list.length() - 1));
  }
  if (c.ready()) erase_popped(c, key, list, end, popped);
}

void cmd_lpop(Context& c) {
  pop(c, ListEnd::kHead);
}
void cmd_rpop(Context& c) {
  pop(c, ListEnd::kTail);
}

void cmd_llen(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed(key, Type::kList);
  if (found.wrong) return;
  const uint64_t length = found.entry ? ListReader(c, key, *found.entry).length() : 0;
  c.reply().integer(static_cast<int64_t>(length));
}

void cmd_lindex(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed(key, Type::kList);
  if (found.wrong) return;
  if (!found.entry) return c.reply().bulk_null();
  const auto index = c.integer_arg(2);
  if (!index) return;
  ListReader list(c, key, *found.entry);
  const auto rank = rank_of(*index, list.length());
  if (!rank) return c.reply().bulk_null();
  c.reply_value(list.at(*rank));
}

void cmd_lset(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kList);
  if (found.wrong) return;
  if (!found.entry) return c.error("ERR no such key");
  const auto index = c.integer_arg(2);
  if (!index) return;
  ListEdit list(c, key, found.entry);
  if (!c.ready()) return;
  const auto rank = rank_of(*index, list.length());
  if (!rank) return c.error("ERR index out of range");
  if (!list.set(*rank, c.arg(3))) return;
  c.ok();
  c.notify(EventClass::kList, "lset", key);
}

void cmd_lrange(Context& c) {
  const auto start = c.integer_arg(2);
  if (!start) return;
  const auto stop = c.integer_arg(3);
  if (!stop) return;
  const KeyRef key = c.key(1);
  const auto found = c.find_typed(key, Type::kList);
  if (found.wrong) return;
  if (!found.entry) return c.reply().array(0);
  ListReader list(c, key, *found.entry);
  const Ranks ranks = ranks_of(*start, *stop, list.length());
  c.reply().array(ranks.end - ranks.begin);
  list.visit_forward(ranks.begin, ranks.end, ListReader::Extent::kAll,
                     [&](std::string_view element) {
                       c.reply_value(element);
                       return true;
                     });
}

void cmd_ltrim(Context& c) {
  const auto start = c.integer_arg(2);
  if (!start) return;
  const auto stop = c.integer_arg(3);
  if (!stop) return;
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kList);
  if (found.wrong) return;
  if (!found.entry) return c.ok();
  ListEdit list(c, key, found.entry);
  if (!c.ready()) return;
  const Ranks ranks = ranks_of(*start, *stop, list.length());
  list.trim(ranks.begin, ranks.end);
  c.notify(EventClass::kList, "ltrim", key);
  if (list.length() == 0) c.notify(EventClass::kGeneric, "del", key);
  c.ok();
}

constexpr Argument kLindexArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "index", .type = ArgType::kInteger},
};
constexpr Argument kKeyCountSince[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "count", .type = ArgType::kInteger, .since = "6.2.0", .flags = kOptional},
};
constexpr HistoryEntry kCountHistory[] = {
    {"6.2.0", "Added the `count` argument."},
};
constexpr Argument kKeyElements[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "element", .flags = kMultiple},
};
constexpr HistoryEntry kElementsHistory[] = {
    {"2.4.0", "Accepts multiple `element` arguments."},
};
constexpr HistoryEntry kElementsXHistory[] = {
    {"4.0.0", "Accepts multiple `element` arguments."},
};
constexpr Argument kLsetArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "index", .type = ArgType::kInteger},
    {.name = "element"},
};
constexpr Command kListRows[] = {
    {.name = "lindex",
     .handler = cmd_lindex,
     .arity = 3,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of elements to traverse to get to the element at "
                   "index. This makes asking for the first or the last element of the list O(1).",
     .summary = "Get an element from a list by its index",
     .arguments = kLindexArgs,
     .categories = kCatList},
    {.name = "llen",
     .handler = cmd_llen,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Get the length of a list",
     .arguments = kKeyArg,
     .categories = kCatList},
    {.name = "lpop",
     .handler = cmd_lpop,
     .arity = -2,
     .flags = kWrite | kFast,
     .keys = kTakeKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of elements returned",
     .summary = "Remove and get the first elements in a list",
     .arguments = kKeyCountSince,
     .history = kCountHistory,
     .categories = kCatList},
    {.name = "lpush",
     .handler = cmd_lpush,
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kInsertKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is "
                   "called with multiple arguments.",
     .summary = "Prepend one or multiple elements to a list",
     .arguments = kKeyElements,
     .history = kElementsHistory,
     .categories = kCatList},
    {.name = "lpushx",
     .handler = cmd_lpushx,
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kInsertKey,
     .group = Group::kList,
     .since = "2.2.0",
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is "
                   "called with multiple arguments.",
     .summary = "Prepend an element to a list, only if the list exists",
     .arguments = kKeyElements,
     .history = kElementsXHistory,
     .categories = kCatList},
    {.name = "lrange",
     .handler = cmd_lrange,
     .arity = 4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(S+N) where S is the distance of start offset from HEAD for small lists, from "
                   "nearest end (HEAD or TAIL) for large lists; and N is the number of elements in "
                   "the specified range.",
     .summary = "Get a range of elements from a list",
     .arguments = kKeyStartStop,
     .categories = kCatList},
    {.name = "lset",
     .handler = cmd_lset,
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .keys = kUpdateKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(N) where N is the length of the list. Setting either the first or the last "
                   "element of the list is O(1).",
     .summary = "Set the value of an element in a list by its index",
     .arguments = kLsetArgs,
     .categories = kCatList},
    {.name = "ltrim",
     .handler = cmd_ltrim,
     .arity = 4,
     .flags = kWrite,
     .keys = kDeleteInKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of elements to be removed by the operation.",
     .summary = "Trim a list to the specified range",
     .arguments = kKeyStartStop,
     .categories = kCatList},
    {.name = "rpop",
     .handler = cmd_rpop,
     .arity = -2,
     .flags = kWrite | kFast,
     .keys = kTakeKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of elements returned",
     .summary = "Remove and get the last elements in a list",
     .arguments = kKeyCountSince,
     .history = kCountHistory,
     .categories = kCatList},
    {.name = "rpush",
     .handler = cmd_rpush,
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kInsertKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is "
                   "called with multiple arguments.",
     .summary = "Append one or multiple elements to a list",
     .arguments = kKeyElements,
     .history = kElementsHistory,
     .categories = kCatList},
    {.name = "rpushx",
     .handler = cmd_rpushx,
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kInsertKey,
     .group = Group::kList,
     .since = "2.2.0",
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is "
                   "called with multiple arguments.",
     .summary = "Append an element to a list, only if the list exists",
     .arguments = kKeyElements,
     .history = kElementsXHistory,
     .categories = kCatList},
};
static_assert(check_rows(kListRows));

}  // namespace

std::span<const Command> list_commands() {
  return kListRows;
}

}  // namespace respcask::server

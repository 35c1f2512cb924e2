// Commands that take from one of several lists or move from one to another, at once or when there
// is something: LMPOP, LMOVE, RPOPLPUSH, BLPOP, BRPOP, BLMPOP, BLMOVE, BRPOPLPUSH.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "resp/number.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/list.h"
#include "server/context.h"
#include "server/scope.h"
#include "server/types/list.h"

namespace respcask::server {

std::optional<ListEnd> list_end_arg(Context& c, size_t i) {
  if (c.arg_is(i, "LEFT")) return ListEnd::kHead;
  if (c.arg_is(i, "RIGHT")) return ListEnd::kTail;
  c.syntax_error();
  return std::nullopt;
}

std::optional<int64_t> deadline_arg(Context& c, size_t i) {
  const auto seconds = resp::parse_long_double(c.arg(i));
  if (!seconds) {
    c.error("ERR timeout is not a float or out of range");
    return std::nullopt;
  }
  // What is beyond 64 bits in ms counts as negative, as it does in Redis.
  const long double ms = std::ceil(*seconds * 1000);
  constexpr auto kMax = std::numeric_limits<int64_t>::max();
  if (ms < 0 || !(ms <= static_cast<long double>(kMax))) {
    c.error("ERR timeout is negative");
    return std::nullopt;
  }
  const auto whole = static_cast<int64_t>(ms);
  if (whole == 0) return 0;
  // No clock will get there.
  return whole > kMax - c.now_ms() ? 0 : c.now_ms() + whole;
}

FirstKey find_first(Context& c, std::span<const KeyRef> keys, Type type) {
  const Scope& scope = c.scope();
  if (!scope.resumed) {
    for (const KeyRef& key : keys) {
      const auto found = c.find_typed_for_write(key, type);
      if (found.entry) return {&key, found.entry, found.wrong};
    }
    return {};
  }
  const auto holds = [&](const KeyRef& key) {
    const auto entry = c.find_for_write(key);
    return entry && TypeTag{entry->type}.type() == type ? entry : std::nullopt;
  };
  const OwnedKey* const ready = scope.serving != nullptr ? scope.serving : scope.woken_for;
  for (const KeyRef& key : keys) {
    if (ready == nullptr || !KeyEqual{}(*ready, key)) continue;
    if (const auto entry = holds(key)) return {&key, entry};
  }
  if (scope.serving != nullptr) return {};
  for (const KeyRef& key : keys) {
    if (const auto entry = holds(key)) return {&key, entry};
  }
  return {};
}

namespace {

// What kind of reply an element leaves in: BLPOP's pair, or LMPOP's array.
enum class PopReply : uint8_t { kPair, kArray };

// Takes from the first of the keys that holds a list. False, with nothing replied, if none does.
bool pop_first(Context& c, std::span<const KeyRef> keys, ListEnd end, uint64_t count,
               PopReply kind) {
  const FirstKey first = find_first(c, keys, Type::kList);
  if (first.wrong) return true;
  if (first.key == nullptr) return false;
  const KeyRef& key = *first.key;
  ListEdit list(c, key, first.entry);
  if (!c.ready()) return true;
  const uint64_t popped = std::min(count, list.length());
  c.reply().array(2);
  c.reply().bulk(key.name);
  if (kind == PopReply::kArray) {
    reply_popped(c, list.reader(), end, popped);
  } else {
    c.reply().bulk(list.reader().at(end == ListEnd::kHead ? 0 : list.length() - 1));
  }
  if (c.ready()) erase_popped(c, key, list, end, popped);
  return true;
}

void blocking_pop(Context& c, ListEnd end) {
  const auto deadline = deadline_arg(c, c.argc() - 1);
  if (!deadline) return;
  std::vector<KeyRef> keys;
  keys.reserve(c.argc() - 2);
  for (size_t i = 1; i + 1 < c.argc(); ++i) keys.push_back(c.key(i));
  if (pop_first(c, keys, end, 1, PopReply::kPair)) return;
  c.block_on(keys, Type::kList, *deadline, TimeoutReply::kNullArray);
}

void cmd_blpop(Context& c) {
  blocking_pop(c, ListEnd::kHead);
}
void cmd_brpop(Context& c) {
  blocking_pop(c, ListEnd::kTail);
}

// LMPOP's arguments from numkeys on, which is argument `first`.
struct MultiPop {
  std::vector<KeyRef> keys;
  ListEnd end = ListEnd::kHead;
  uint64_t count = 1;
};
std::optional<MultiPop> parse_multi_pop(Context& c, size_t first) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  const auto keys = c.integer_arg_in(first, 1, kMax, "ERR numkeys should be greater than 0");
  if (!keys) return std::nullopt;
  if (static_cast<uint64_t>(*keys) >= c.argc() - first - 1) {
    c.syntax_error();
    return std::nullopt;
  }
  MultiPop pop;
  size_t i = first + 1 + static_cast<size_t>(*keys);
  const auto end = list_end_arg(c, i++);
  if (!end) return std::nullopt;
  pop.end = *end;
  bool counted = false;
  while (i < c.argc()) {
    if (counted || i + 1 == c.argc() || !c.arg_is(i, "COUNT")) {
      c.syntax_error();
      return std::nullopt;
    }
    const auto count = c.integer_arg_in(i + 1, 1, kMax, "ERR count should be greater than 0");
    if (!count) return std::nullopt;
    pop.count = static_cast<uint64_t>(*count);
    counted = true;
    i += 2;
  }
  for (size_t k = 0; k < static_cast<size_t>(*keys); ++k) pop.keys.push_back(c.key(first + 1 + k));
  return pop;
}

void cmd_lmpop(Context& c) {
  const auto pop = parse_multi_pop(c, 1);
  if (!pop) return;
  if (!pop_first(c, pop->keys, pop->end, pop->count, PopReply::kArray)) c.reply().null_array();
}

void cmd_blmpop(Context& c) {
  const auto pop = parse_multi_pop(c, 2);
  if (!pop) return;
  const auto deadline = deadline_arg(c, 1);
  if (!deadline) return;
  if (pop_first(c, pop->keys, pop->end, pop->count, PopReply::kArray)) return;
  c.block_on(pop->keys, Type::kList, *deadline, TimeoutReply::kNullArray);
}

// Moves an element from one end of a list, which is there, to an end of another or of itself, and
// replies with it.
void move(Context& c, const KeyRef& from, const engine::KeydirEntry& entry, ListEnd from_end,
          const KeyRef& to, ListEnd to_end) {
  const auto target = c.find_typed_for_write(to, Type::kList);
  if (target.wrong) return;
  const bool same = from.name == to.name;
  ListEdit source(c, from, entry);
  ListEdit destination(c, to, same ? std::nullopt : target.entry);
  if (!c.ready()) return;
  const uint64_t length = source.length();
  const uint64_t rank = from_end == ListEnd::kHead ? 0 : length - 1;
  const std::string_view value = source.reader().at(rank);
  if (!c.ready()) return;
  if (same) {
    if (!source.rotate(from_end, to_end)) return;
  } else {
    // One shard may have to take both changes.
    const std::span<const std::string_view> values(&value, 1);
    if (!c.reserve_for_all(to, destination.bound(values) + source.bound({}))) return;
    if (!destination.push(to_end, values)) return;
    source.erase(rank, rank + 1);
  }
  c.signal_ready(to);
  c.notify(EventClass::kList, to_end == ListEnd::kHead ? "lpush" : "rpush", to);
  c.reply().bulk(value);
  notify_popped(c, from, from_end, source.length() == 0);
}

void move_or_wait(Context& c, ListEnd from_end, ListEnd to_end, size_t timeout_arg) {
  const auto deadline = deadline_arg(c, timeout_arg);
  if (!deadline) return;
  const KeyRef from = c.key(1);
  const FirstKey found = find_first(c, {&from, 1}, Type::kList);
  if (found.wrong) return;
  if (found.entry) return move(c, from, *found.entry, from_end, c.key(2), to_end);
  // Redis answers the one with a null and the other with a null array.
  if (c.in_transaction()) return c.reply().bulk_null();
  c.block_on({&from, 1}, Type::kList, *deadline, TimeoutReply::kNullArray);
}

void move_now(Context& c, ListEnd from_end, ListEnd to_end) {
  const KeyRef from = c.key(1);
  const auto found = c.find_typed_for_write(from, Type::kList);
  if (found.wrong) return;
  if (!found.entry) return c.reply().bulk_null();
  move(c, from, *found.entry, from_end, c.key(2), to_end);
}

void cmd_lmove(Context& c) {
  const auto from_end = list_end_arg(c, 3);
  if (!from_end) return;
  const auto to_end = list_end_arg(c, 4);
  if (to_end) move_now(c, *from_end, *to_end);
}

void cmd_blmove(Context& c) {
  const auto from_end = list_end_arg(c, 3);
  if (!from_end) return;
  const auto to_end = list_end_arg(c, 4);
  if (to_end) move_or_wait(c, *from_end, *to_end, 5);
}

void cmd_rpoplpush(Context& c) {
  move_now(c, ListEnd::kTail, ListEnd::kHead);
}

void cmd_brpoplpush(Context& c) {
  move_or_wait(c, ListEnd::kTail, ListEnd::kHead, 3);
}

constexpr Argument kLeftOrRight[] = {
    {.name = "left", .type = ArgType::kPureToken, .token = "LEFT"},
    {.name = "right", .type = ArgType::kPureToken, .token = "RIGHT"},
};
constexpr Argument kBlmoveArgs[] = {
    {.name = "source", .type = ArgType::kKey, .key_spec = 0},
    {.name = "destination", .type = ArgType::kKey, .key_spec = 1},
    {.name = "wherefrom", .type = ArgType::kOneof, .sub = kLeftOrRight},
    {.name = "whereto", .type = ArgType::kOneof, .sub = kLeftOrRight},
    {.name = "timeout", .type = ArgType::kDouble},
};
constexpr Argument kBlmpopArgs[] = {
    {.name = "timeout", .type = ArgType::kDouble},
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
    {.name = "where", .type = ArgType::kOneof, .sub = kLeftOrRight},
    {.name = "count", .type = ArgType::kInteger, .token = "COUNT", .flags = kOptional},
};
constexpr Argument kBrpoplpushArgs[] = {
    {.name = "source", .type = ArgType::kKey, .key_spec = 0},
    {.name = "destination", .type = ArgType::kKey, .key_spec = 1},
    {.name = "timeout", .type = ArgType::kDouble},
};
constexpr Argument kLmoveArgs[] = {
    {.name = "source", .type = ArgType::kKey, .key_spec = 0},
    {.name = "destination", .type = ArgType::kKey, .key_spec = 1},
    {.name = "wherefrom", .type = ArgType::kOneof, .sub = kLeftOrRight},
    {.name = "whereto", .type = ArgType::kOneof, .sub = kLeftOrRight},
};
constexpr Argument kLmpopArgs[] = {
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
    {.name = "where", .type = ArgType::kOneof, .sub = kLeftOrRight},
    {.name = "count", .type = ArgType::kInteger, .token = "COUNT", .flags = kOptional},
};
constexpr Argument kRpoplpushArgs[] = {
    {.name = "source", .type = ArgType::kKey, .key_spec = 0},
    {.name = "destination", .type = ArgType::kKey, .key_spec = 1},
};
constexpr Command kListMoveRows[] = {
    {.name = "blmove",
     .handler = cmd_blmove,
     .arity = 6,
     .flags = kWrite | kDenyOom | kNoscript | kBlocking,
     .keys = kTakeInsertKeys,
     .group = Group::kList,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Pop an element from a list, push it to another list and return it; or block until "
                "one is available",
     .arguments = kBlmoveArgs,
     .categories = kCatList},
    {.name = "blmpop",
     .handler = cmd_blmpop,
     .arity = -5,
     .flags = kWrite | kBlocking,
     .keys = kTakeKeysCountedSecond,
     .group = Group::kList,
     .since = "7.0.0",
     .complexity =
         "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
     .summary = "Pop elements from a list, or block until one is available",
     .arguments = kBlmpopArgs,
     .categories = kCatList},
    {.name = "blpop",
     .handler = cmd_blpop,
     .arity = -3,
     .flags = kWrite | kNoscript | kBlocking,
     .keys = kTakeKeysBeforeLast,
     .group = Group::kList,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of provided keys.",
     .summary = "Remove and get the first element in a list, or block until one is available",
     .arguments = kKeysTimeout,
     .history = kTimeoutHistory,
     .categories = kCatList},
    {.name = "brpop",
     .handler = cmd_brpop,
     .arity = -3,
     .flags = kWrite | kNoscript | kBlocking,
     .keys = kTakeKeysBeforeLast,
     .group = Group::kList,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of provided keys.",
     .summary = "Remove and get the last element in a list, or block until one is available",
     .arguments = kKeysTimeout,
     .history = kTimeoutHistory,
     .categories = kCatList},
    {.name = "brpoplpush",
     .handler = cmd_brpoplpush,
     .arity = 4,
     .flags = kWrite | kDenyOom | kNoscript | kBlocking,
     .keys = kTakeInsertKeys,
     .group = Group::kList,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Pop an element from a list, push it to another list and return it; or block until "
                "one is available",
     .arguments = kBrpoplpushArgs,
     .history = kTimeoutHistory,
     .deprecated_since = "6.2.0",
     .replaced_by = "`BLMOVE` with the `RIGHT` and `LEFT` arguments",
     .categories = kCatList},
    {.name = "lmove",
     .handler = cmd_lmove,
     .arity = 5,
     .flags = kWrite | kDenyOom,
     .keys = kTakeInsertKeys,
     .group = Group::kList,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Pop an element from a list, push it to another list and return it",
     .arguments = kLmoveArgs,
     .categories = kCatList},
    {.name = "lmpop",
     .handler = cmd_lmpop,
     .arity = -4,
     .flags = kWrite,
     .keys = kTakeCountedKeys,
     .group = Group::kList,
     .since = "7.0.0",
     .complexity =
         "O(N+M) where N is the number of provided keys and M is the number of elements returned.",
     .summary = "Pop elements from a list",
     .arguments = kLmpopArgs,
     .categories = kCatList},
    {.name = "rpoplpush",
     .handler = cmd_rpoplpush,
     .arity = 3,
     .flags = kWrite | kDenyOom,
     .keys = kTakeInsertKeys,
     .group = Group::kList,
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Remove the last element in a list, prepend it to another list and return it",
     .arguments = kRpoplpushArgs,
     .deprecated_since = "6.2.0",
     .replaced_by = "`LMOVE` with the `RIGHT` and `LEFT` arguments",
     .categories = kCatList},
};
static_assert(check_rows(kListMoveRows));

}  // namespace

std::span<const Command> list_move_commands() {
  return kListMoveRows;
}

}  // namespace respcask::server

// Commands that take members from an end of a sorted set, at once or when there is one: ZPOPMIN,
// ZPOPMAX, ZMPOP and those that wait.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/list.h"
#include "server/commands/sorted_set.h"

namespace respcask::server {

namespace {

constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();

enum class End : uint8_t { kMin, kMax };

// How members leave: as ZPOPMIN's flat list, as the same with a pair for each (RESP3 with a count),
// behind the key's name (BZPOPMIN), or as ZMPOP's key and list of pairs.
enum class PopReply : uint8_t { kFlat, kPairs, kKeyFlat, kKeyPairs };

void reply_pop_header(Context& c, const KeyRef& key, uint64_t count, PopReply kind) {
  switch (kind) {
    case PopReply::kFlat:
      c.reply().array(2 * count);
      return;
    case PopReply::kPairs:
      c.reply().array(count);
      return;
    case PopReply::kKeyFlat:
      c.reply().array(2 * count + 1);
      c.reply().bulk(key.name);
      return;
    case PopReply::kKeyPairs:
      c.reply().array(2);
      c.reply().bulk(key.name);
      c.reply().array(count);
      return;
  }
}

// Takes up to `count` members, at least one, from a set that is there. The error is replied if it
// cannot be done.
void pop(Context& c, const KeyRef& key, const engine::KeydirEntry& entry, End end, uint64_t count,
         PopReply kind) {
  SortedSetEdit set(c, key, entry);
  if (!c.ready()) return;
  count = std::min(count, set.size());
  const uint64_t begin = end == End::kMin ? 0 : set.size() - count;
  if (!set.reserve_erase_ranks(begin, begin + count)) return;
  reply_pop_header(c, key, count, kind);
  const bool pairs = kind == PopReply::kPairs || kind == PopReply::kKeyPairs;
  const auto order = end == End::kMin ? Order::kAscending : Order::kDescending;
  set.visit(begin, begin + count, order, [&](const ScoredMember& m) {
    if (pairs) c.reply().array(2);
    c.reply().bulk(m.member);
    c.reply().double_value(m.score);
  });
  set.erase_ranks(begin, begin + count);
  set.finish();
  c.notify(EventClass::kSortedSet, end == End::kMin ? "zpopmin" : "zpopmax", key);
  if (set.size() == 0) c.notify(EventClass::kGeneric, "del", key);
}

// Takes from the first of the keys that holds a sorted set. False, with nothing replied, if none
// does.
bool pop_first(Context& c, std::span<const KeyRef> keys, End end, uint64_t count, PopReply kind) {
  const FirstKey first = find_first(c, keys, Type::kSortedSet);
  if (first.wrong) return true;
  if (first.key == nullptr) return false;
  pop(c, *first.key, *first.entry, end, count, kind);
  return true;
}

void pop_one_key(Context& c, End end) {
  if (c.argc() > 3) return c.syntax_error();
  std::optional<int64_t> count;
  if (c.argc() == 3) {
    count = c.integer_arg_in(2, 0, kInt64Max, "ERR value is out of range, must be positive");
    if (!count) return;
  }
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kSortedSet);
  if (found.wrong) return;
  if (!found.entry || count == 0) return c.reply().array(0);
  const bool pairs = count && c.reply().protocol() != 2;
  pop(c, key, *found.entry, end, static_cast<uint64_t>(count.value_or(1)),
      pairs ? PopReply::kPairs : PopReply::kFlat);
}

void cmd_zpopmin(Context& c) {
  pop_one_key(c, End::kMin);
}
void cmd_zpopmax(Context& c) {
  pop_one_key(c, End::kMax);
}

// What ZMPOP and BZMPOP say behind argument `numkeys_arg`.
struct ManyKeys {
  std::vector<KeyRef> keys;
  End end = End::kMin;
  uint64_t count = 1;
};

std::optional<ManyKeys> parse_many_keys(Context& c, size_t numkeys_arg) {
  const auto numkeys =
      c.integer_arg_in(numkeys_arg, 1, kInt64Max, "ERR numkeys should be greater than 0");
  if (!numkeys) return std::nullopt;
  const auto left = static_cast<int64_t>(c.argc() - numkeys_arg - 1);
  if (*numkeys >= left) {
    c.syntax_error();
    return std::nullopt;
  }
  const size_t end_arg = numkeys_arg + 1 + static_cast<size_t>(*numkeys);
  ManyKeys parsed;
  if (c.arg_is(end_arg, "MIN")) {
    parsed.end = End::kMin;
  } else if (c.arg_is(end_arg, "MAX")) {
    parsed.end = End::kMax;
  } else {
    c.syntax_error();
    return std::nullopt;
  }
  std::optional<int64_t> count;
  for (size_t i = end_arg + 1; i < c.argc(); i += 2) {
    if (count || !c.arg_is(i, "COUNT") || i + 1 == c.argc()) {
      c.syntax_error();
      return std::nullopt;
    }
    count = c.integer_arg_in(i + 1, 1, kInt64Max, "ERR count should be greater than 0");
    if (!count) return std::nullopt;
  }
  parsed.count = static_cast<uint64_t>(count.value_or(1));
  for (size_t i = numkeys_arg + 1; i < end_arg; ++i) parsed.keys.push_back(c.key(i));
  return parsed;
}

void cmd_zmpop(Context& c) {
  const auto what = parse_many_keys(c, 1);
  if (!what) return;
  if (!pop_first(c, what->keys, what->end, what->count, PopReply::kKeyPairs)) {
    c.reply().null_array();
  }
}

void cmd_bzmpop(Context& c) {
  const auto what = parse_many_keys(c, 2);
  if (!what) return;
  const auto deadline = deadline_arg(c, 1);
  if (!deadline) return;
  if (!pop_first(c, what->keys, what->end, what->count, PopReply::kKeyPairs)) {
    c.block_on(what->keys, Type::kSortedSet, *deadline, TimeoutReply::kNullArray);
  }
}

void pop_or_wait(Context& c, End end) {
  const auto deadline = deadline_arg(c, c.argc() - 1);
  if (!deadline) return;
  std::vector<KeyRef> keys;
  for (size_t i = 1; i + 1 < c.argc(); ++i) keys.push_back(c.key(i));
  if (!pop_first(c, keys, end, 1, PopReply::kKeyFlat)) {
    c.block_on(keys, Type::kSortedSet, *deadline, TimeoutReply::kNullArray);
  }
}

void cmd_bzpopmin(Context& c) {
  pop_or_wait(c, End::kMin);
}
void cmd_bzpopmax(Context& c) {
  pop_or_wait(c, End::kMax);
}

constexpr Argument kMinOrMax[] = {
    {.name = "min", .type = ArgType::kPureToken, .token = "MIN"},
    {.name = "max", .type = ArgType::kPureToken, .token = "MAX"},
};
constexpr Argument kBzmpopArgs[] = {
    {.name = "timeout", .type = ArgType::kDouble},
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
    {.name = "where", .type = ArgType::kOneof, .sub = kMinOrMax},
    {.name = "count", .type = ArgType::kInteger, .token = "COUNT", .flags = kOptional},
};
constexpr Argument kZmpopArgs[] = {
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
    {.name = "where", .type = ArgType::kOneof, .sub = kMinOrMax},
    {.name = "count", .type = ArgType::kInteger, .token = "COUNT", .flags = kOptional},
};
constexpr Argument kKeyCount[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "count", .type = ArgType::kInteger, .flags = kOptional},
};
constexpr Command kSortedSetPopRows[] = {
    {.name = "bzmpop",
     .handler = cmd_bzmpop,
     .arity = -5,
     .flags = kWrite | kBlocking,
     .keys = kTakeKeysCountedSecond,
     .group = Group::kSortedSet,
     .since = "7.0.0",
     .complexity = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number "
                   "of elements in the sorted set, and M being the number of elements popped.",
     .summary =
         "Remove and return members with scores in a sorted set or block until one is available",
     .arguments = kBzmpopArgs,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "bzpopmax",
     .handler = cmd_bzpopmax,
     .arity = -3,
     .flags = kWrite | kNoscript | kBlocking | kFast,
     .keys = kTakeKeysBeforeLast,
     .group = Group::kSortedSet,
     .since = "5.0.0",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .summary = "Remove and return the member with the highest score from one or more sorted sets, "
                "or block until one is available",
     .arguments = kKeysTimeout,
     .history = kTimeoutHistory,
     .categories = kCatSortedSet},
    {.name = "bzpopmin",
     .handler = cmd_bzpopmin,
     .arity = -3,
     .flags = kWrite | kNoscript | kBlocking | kFast,
     .keys = kTakeKeysBeforeLast,
     .group = Group::kSortedSet,
     .since = "5.0.0",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .summary = "Remove and return the member with the lowest score from one or more sorted sets, "
                "or block until one is available",
     .arguments = kKeysTimeout,
     .history = kTimeoutHistory,
     .categories = kCatSortedSet},
    {.name = "zmpop",
     .handler = cmd_zmpop,
     .arity = -4,
     .flags = kWrite,
     .keys = kTakeCountedKeys,
     .group = Group::kSortedSet,
     .since = "7.0.0",
     .complexity = "O(K) + O(M*log(N)) where K is the number of provided keys, N being the number "
                   "of elements in the sorted set, and M being the number of elements popped.",
     .summary = "Remove and return members with scores in a sorted set",
     .arguments = kZmpopArgs,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "zpopmax",
     .handler = cmd_zpopmax,
     .arity = -2,
     .flags = kWrite | kFast,
     .keys = kTakeKey,
     .group = Group::kSortedSet,
     .since = "5.0.0",
     .complexity = "O(log(N)*M) with N being the number of elements in the sorted set, and M being "
                   "the number of elements popped.",
     .summary = "Remove and return members with the highest scores in a sorted set",
     .arguments = kKeyCount,
     .categories = kCatSortedSet},
    {.name = "zpopmin",
     .handler = cmd_zpopmin,
     .arity = -2,
     .flags = kWrite | kFast,
     .keys = kTakeKey,
     .group = Group::kSortedSet,
     .since = "5.0.0",
     .complexity = "O(log(N)*M) with N being the number of elements in the sorted set, and M being "
                   "the number of elements popped.",
     .summary = "Remove and return members with the lowest scores in a sorted set",
     .arguments = kKeyCount,
     .categories = kCatSortedSet},
};
static_assert(check_rows(kSortedSetPopRows));

}  // namespace

std::span<const Command> sorted_set_pop_commands() {
  return kSortedSetPopRows;
}

}  // namespace respcask::server

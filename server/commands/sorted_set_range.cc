// Commands on ranges of a sorted set, by rank, by score and by the members' bytes: to reply with,
// count, store or remove them.

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/sorted_set.h"
#include "server/config/config.h"

namespace respcask::server {

namespace {

enum class RangeBy : uint8_t { kRank, kScore, kLex };

// A range as a command gives it.
struct Range {
  RangeBy by = RangeBy::kRank;
  Order order = Order::kAscending;
  int64_t first = 0;  // kRank
  int64_t last = 0;
  ScoreRange scores = {};
  LexRange lex = {};
  int64_t offset = 0;
  int64_t limit = -1;  // negative: no limit
  WithScores with_scores = WithScores::kNo;

  // Reads the bounds at these arguments; false, and the error replied, if they are none.
  bool parse_bounds(Context& c, size_t min_arg, size_t max_arg);
  // Where it lies in the set, in ranks that ascend whatever the order.
  RankRange ranks(const SortedSet& set) const;
};

bool Range::parse_bounds(Context& c, size_t min_arg, size_t max_arg) {
  switch (by) {
    case RangeBy::kRank: {
      const auto from = c.integer_arg(min_arg);
      if (!from) return false;
      const auto to = c.integer_arg(max_arg);
      if (!to) return false;
      first = *from;
      last = *to;
      return true;
    }
    case RangeBy::kScore: {
      const auto parsed = ScoreRange::parse(c, min_arg, max_arg);
      if (parsed) scores = *parsed;
      return parsed.has_value();
    }
    case RangeBy::kLex: {
      const auto parsed = LexRange::parse(c, min_arg, max_arg);
      if (parsed) lex = *parsed;
      return parsed.has_value();
    }
  }
  return false;
}

RankRange Range::ranks(const SortedSet& set) const {
  if (by == RangeBy::kRank) {
    const RankRange range = index_range(first, last, set.size());
    if (order == Order::kAscending) return range;
    return {set.size() - range.end, set.size() - range.begin};
  }
  RankRange range = by == RangeBy::kScore ? scores.ranks(set) : lex.ranks(set, order);
  // Redis counts a negative offset down for ever.
  if (offset < 0 || static_cast<uint64_t>(offset) >= range.size()) return {};
  const auto skipped = static_cast<uint64_t>(offset);
  uint64_t count = range.size() - skipped;
  if (limit >= 0) count = std::min(count, static_cast<uint64_t>(limit));
  if (order == Order::kAscending) return {range.begin + skipped, range.begin + skipped + count};
  return {range.end - skipped - count, range.end - skipped};
}

// What a command's name leaves open, its options say.
struct RangeSyntax {
  bool by_is_open = false;     // BYSCORE, BYLEX
  bool order_is_open = false;  // REV
  bool stores = false;         // no WITHSCORES
};

// Reads the options behind the two bounds, which begin at argument `bounds`.
bool parse_range(Context& c, size_t bounds, RangeSyntax syntax, Range& range) {
  for (size_t i = bounds + 2; i < c.argc(); ++i) {
    if (!syntax.stores && c.arg_is(i, "WITHSCORES")) {
      range.with_scores = WithScores::kYes;
    } else if (c.arg_is(i, "LIMIT") && i + 2 < c.argc()) {
      const auto offset = c.integer_arg(i + 1);
      if (!offset) return false;
      const auto limit = c.integer_arg(i + 2);
      if (!limit) return false;
      range.offset = *offset;
      range.limit = *limit;
      i += 2;
    } else if (syntax.order_is_open && c.arg_is(i, "REV")) {
      range.order = Order::kDescending;
      syntax.order_is_open = false;
    } else if (syntax.by_is_open && c.arg_is(i, "BYLEX")) {
      range.by = RangeBy::kLex;
      syntax.by_is_open = false;
    } else if (syntax.by_is_open && c.arg_is(i, "BYSCORE")) {
      range.by = RangeBy::kScore;
      syntax.by_is_open = false;
    } else {
      c.syntax_error();
      return false;
    }
  }
  if (range.limit != -1 && range.by == RangeBy::kRank) {
    c.error(
        "ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX");
    return false;
  }
  if (range.with_scores == WithScores::kYes && range.by == RangeBy::kLex) {
    c.error("ERR syntax error, WITHSCORES not supported in combination with BYLEX");
    return false;
  }
  // Backwards, the bounds come backwards too, but for ranks.
  const bool swapped = range.order == Order::kDescending && range.by != RangeBy::kRank;
  return range.parse_bounds(c, bounds + (swapped ? 1 : 0), bounds + (swapped ? 0 : 1));
}

void reply_range(Context& c, Range range, const RangeSyntax& syntax = {}) {
  if (!parse_range(c, 2, syntax, range)) return;
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (!set) return;
  const RankRange ranks = range.ranks(*set);
  reply_members_header(c, ranks.size(), range.with_scores);
  set->visit(ranks.begin, ranks.end, range.order,
             [&](const ScoredMember& m) { reply_member(c, m, range.with_scores); });
}

void cmd_zrange(Context& c) {
  reply_range(c, {}, {.by_is_open = true, .order_is_open = true});
}
void cmd_zrevrange(Context& c) {
  reply_range(c, {.order = Order::kDescending});
}
void cmd_zrangebyscore(Context& c) {
  reply_range(c, {.by = RangeBy::kScore});
}
void cmd_zrevrangebyscore(Context& c) {
  reply_range(c, {.by = RangeBy::kScore, .order = Order::kDescending});
}
void cmd_zrangebylex(Context& c) {
  reply_range(c, {.by = RangeBy::kLex});
}
void cmd_zrevrangebylex(Context& c) {
  reply_range(c, {.by = RangeBy::kLex, .order = Order::kDescending});
}

void cmd_zrangestore(Context& c) {
  Range range;
  if (!parse_range(c, 3, {.by_is_open = true, .order_is_open = true, .stores = true}, range)) {
    return;
  }
  const KeyRef to = c.key(1);
  const KeyRef from = c.key(2);
  const auto set = open_set(c, from);
  if (!set) return;
  const RankRange ranks = range.ranks(*set);
  std::vector<ScoredMember> members;
  members.reserve(ranks.size());
  set->visit(ranks.begin, ranks.end, Order::kAscending,
             [&](const ScoredMember& m) { members.push_back(m); });
  // Of a range by rank Redis knows the size, and begins with the encoding that fits it.
  const bool plain_at_once =
      range.by == RangeBy::kRank && members.size() > c.config().zset_max_listpack_entries;
  if (!plain_at_once) score_as_entered_one_by_one(c.config(), members, range.order);
  store_members(c, to, members, "zrangestore");
}

void reply_count(Context& c, RangeBy by) {
  Range range{.by = by};
  if (!range.parse_bounds(c, 2, 3)) return;
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (set) c.reply().integer(static_cast<int64_t>(range.ranks(*set).size()));
}

void cmd_zcount(Context& c) {
  reply_count(c, RangeBy::kScore);
}
void cmd_zlexcount(Context& c) {
  reply_count(c, RangeBy::kLex);
}

void remove_range(Context& c, RangeBy by, std::string_view event) {
  Range range{.by = by};
  if (!range.parse_bounds(c, 2, 3)) return;
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kSortedSet);
  if (found.wrong) return;
  SortedSetEdit set(c, key, found.entry);
  if (!c.ready()) return;
  const RankRange ranks = range.ranks(set);
  if (ranks.size() > 0) {
    if (!set.reserve_erase_ranks(ranks.begin, ranks.end)) return;
    set.erase_ranks(ranks.begin, ranks.end);
    set.finish();
    c.notify(EventClass::kSortedSet, event, key);
    if (set.size() == 0) c.notify(EventClass::kGeneric, "del", key);
  }
  c.reply().integer(static_cast<int64_t>(ranks.size()));
}

void cmd_zremrangebyrank(Context& c) {
  remove_range(c, RangeBy::kRank, "zremrangebyrank");
}
void cmd_zremrangebyscore(Context& c) {
  remove_range(c, RangeBy::kScore, "zremrangebyscore");
}
void cmd_zremrangebylex(Context& c) {
  remove_range(c, RangeBy::kLex, "zremrangebylex");
}

constexpr Argument kKeyScores[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "min", .type = ArgType::kDouble},
    {.name = "max", .type = ArgType::kDouble},
};
constexpr Argument kKeyLex[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "min"},
    {.name = "max"},
};
constexpr Argument kSortBy[] = {
    {.name = "byscore", .type = ArgType::kPureToken, .token = "BYSCORE"},
    {.name = "bylex", .type = ArgType::kPureToken, .token = "BYLEX"},
};
constexpr Argument kZrangeArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "start"},
    {.name = "stop"},
    {.name = "sortby",
     .type = ArgType::kOneof,
     .since = "6.2.0",
     .flags = kOptional,
     .sub = kSortBy},
    {.name = "rev",
     .type = ArgType::kPureToken,
     .token = "REV",
     .since = "6.2.0",
     .flags = kOptional},
    {.name = "offset_count",
     .type = ArgType::kBlock,
     .token = "LIMIT",
     .since = "6.2.0",
     .flags = kOptional,
     .sub = kOffsetCount},
    {.name = "withscores", .type = ArgType::kPureToken, .token = "WITHSCORES", .flags = kOptional},
};
constexpr HistoryEntry kZrangeHistory[] = {
    {"6.2.0", "Added the `REV`, `BYSCORE`, `BYLEX` and `LIMIT` options."},
};
constexpr Argument kZrangebylexArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "min"},
    {.name = "max"},
    {.name = "offset_count",
     .type = ArgType::kBlock,
     .token = "LIMIT",
     .flags = kOptional,
     .sub = kOffsetCount},
};
constexpr Argument kZrangebyscoreArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "min", .type = ArgType::kDouble},
    {.name = "max", .type = ArgType::kDouble},
    {.name = "withscores",
     .type = ArgType::kPureToken,
     .token = "WITHSCORES",
     .since = "2.0.0",
     .flags = kOptional},
    {.name = "offset_count",
     .type = ArgType::kBlock,
     .token = "LIMIT",
     .flags = kOptional,
     .sub = kOffsetCount},
};
constexpr HistoryEntry kZrangebyscoreHistory[] = {
    {"2.0.0", "Added the `WITHSCORES` modifier."},
};
constexpr Argument kZrangestoreArgs[] = {
    {.name = "dst", .type = ArgType::kKey, .key_spec = 0},
    {.name = "src", .type = ArgType::kKey, .key_spec = 1},
    {.name = "min"},
    {.name = "max"},
    {.name = "sortby", .type = ArgType::kOneof, .flags = kOptional, .sub = kSortBy},
    {.name = "rev", .type = ArgType::kPureToken, .token = "REV", .flags = kOptional},
    {.name = "offset_count",
     .type = ArgType::kBlock,
     .token = "LIMIT",
     .flags = kOptional,
     .sub = kOffsetCount},
};
constexpr Argument kZrevrangeArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "start", .type = ArgType::kInteger},
    {.name = "stop", .type = ArgType::kInteger},
    {.name = "withscores", .type = ArgType::kPureToken, .token = "WITHSCORES", .flags = kOptional},
};
constexpr Argument kZrevrangebylexArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "max"},
    {.name = "min"},
    {.name = "offset_count",
     .type = ArgType::kBlock,
     .token = "LIMIT",
     .flags = kOptional,
     .sub = kOffsetCount},
};
constexpr Argument kZrevrangebyscoreArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "max", .type = ArgType::kDouble},
    {.name = "min", .type = ArgType::kDouble},
    {.name = "withscores", .type = ArgType::kPureToken, .token = "WITHSCORES", .flags = kOptional},
    {.name = "offset_count",
     .type = ArgType::kBlock,
     .token = "LIMIT",
     .flags = kOptional,
     .sub = kOffsetCount},
};
constexpr HistoryEntry kZrevrangebyscoreHistory[] = {
    {"2.1.6", "`min` and `max` can be exclusive."},
};
constexpr Command kSortedSetRangeRows[] = {
    {.name = "zcount",
     .handler = cmd_zcount,
     .arity = 4,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "2.0.0",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .summary = "Count the members in a sorted set with scores within the given values",
     .arguments = kKeyScores,
     .categories = kCatSortedSet},
    {.name = "zlexcount",
     .handler = cmd_zlexcount,
     .arity = 4,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "2.8.9",
     .complexity = "O(log(N)) with N being the number of elements in the sorted set.",
     .summary = "Count the number of members in a sorted set between a given lexicographical range",
     .arguments = kKeyLex,
     .categories = kCatSortedSet},
    {.name = "zrange",
     .handler = cmd_zrange,
     .arity = -4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "1.2.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements returned.",
     .summary = "Return a range of members in a sorted set",
     .arguments = kZrangeArgs,
     .history = kZrangeHistory,
     .categories = kCatSortedSet},
    {.name = "zrangebylex",
     .handler = cmd_zrangebylex,
     .arity = -4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "2.8.9",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements being returned. If M is constant (e.g. always asking for "
                   "the first 10 elements with LIMIT), you can consider it O(log(N)).",
     .summary = "Return a range of members in a sorted set, by lexicographical range",
     .arguments = kZrangebylexArgs,
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `BYLEX` argument",
     .categories = kCatSortedSet},
    {.name = "zrangebyscore",
     .handler = cmd_zrangebyscore,
     .arity = -4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "1.0.5",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements being returned. If M is constant (e.g. always asking for "
                   "the first 10 elements with LIMIT), you can consider it O(log(N)).",
     .summary = "Return a range of members in a sorted set, by score",
     .arguments = kZrangebyscoreArgs,
     .history = kZrangebyscoreHistory,
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `BYSCORE` argument",
     .categories = kCatSortedSet},
    {.name = "zrangestore",
     .handler = cmd_zrangestore,
     .arity = -5,
     .flags = kWrite | kDenyOom,
     .keys = kStoreKey,
     .group = Group::kSortedSet,
     .since = "6.2.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements stored into the destination key.",
     .summary = "Store a range of members from sorted set into another key",
     .arguments = kZrangestoreArgs,
     .categories = kCatSortedSet},
    {.name = "zremrangebylex",
     .handler = cmd_zremrangebylex,
     .arity = 4,
     .flags = kWrite,
     .keys = kDeleteInKey,
     .group = Group::kSortedSet,
     .since = "2.8.9",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements removed by the operation.",
     .summary = "Remove all members in a sorted set between the given lexicographical range",
     .arguments = kKeyLex,
     .categories = kCatSortedSet},
    {.name = "zremrangebyrank",
     .handler = cmd_zremrangebyrank,
     .arity = 4,
     .flags = kWrite,
     .keys = kDeleteInKey,
     .group = Group::kSortedSet,
     .since = "2.0.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements removed by the operation.",
     .summary = "Remove all members in a sorted set within the given indexes",
     .arguments = kKeyStartStop,
     .categories = kCatSortedSet},
    {.name = "zremrangebyscore",
     .handler = cmd_zremrangebyscore,
     .arity = 4,
     .flags = kWrite,
     .keys = kDeleteInKey,
     .group = Group::kSortedSet,
     .since = "1.2.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements removed by the operation.",
     .summary = "Remove all members in a sorted set within the given scores",
     .arguments = kKeyScores,
     .categories = kCatSortedSet},
    {.name = "zrevrange",
     .handler = cmd_zrevrange,
     .arity = -4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "1.2.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements returned.",
     .summary = "Return a range of members in a sorted set, by index, with scores ordered from "
                "high to low",
     .arguments = kZrevrangeArgs,
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` argument",
     .categories = kCatSortedSet},
    {.name = "zrevrangebylex",
     .handler = cmd_zrevrangebylex,
     .arity = -4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "2.8.9",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements being returned. If M is constant (e.g. always asking for "
                   "the first 10 elements with LIMIT), you can consider it O(log(N)).",
     .summary = "Return a range of members in a sorted set, by lexicographical range, ordered from "
                "higher to lower strings.",
     .arguments = kZrevrangebylexArgs,
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` and `BYLEX` arguments",
     .categories = kCatSortedSet},
    {.name = "zrevrangebyscore",
     .handler = cmd_zrevrangebyscore,
     .arity = -4,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "2.2.0",
     .complexity = "O(log(N)+M) with N being the number of elements in the sorted set and M the "
                   "number of elements being returned. If M is constant (e.g. always asking for "
                   "the first 10 elements with LIMIT), you can consider it O(log(N)).",
     .summary = "Return a range of members in a sorted set, by score, with scores ordered from "
                "high to low",
     .arguments = kZrevrangebyscoreArgs,
     .history = kZrevrangebyscoreHistory,
     .deprecated_since = "6.2.0",
     .replaced_by = "`ZRANGE` with the `REV` and `BYSCORE` arguments",
     .categories = kCatSortedSet},
};
static_assert(check_rows(kSortedSetRangeRows));

}  // namespace

std::span<const Command> sorted_set_range_commands() {
  return kSortedSetRangeRows;
}

}  // namespace respcask::server

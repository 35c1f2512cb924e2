// Commands on the members of one sorted set: ZADD, ZINCRBY, ZREM, and what looks members up; and
// what the commands on sorted sets have in common.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/sorted_set.h"
#include "server/types/object.h"

namespace respcask::server {

namespace {

// A bound as strtod reads it in Redis: the empty text is 0, spaces may stand before the number, and
// what follows a NUL is not looked at.
bool parse_score_bound(std::string_view text, double& score, bool& open) {
  open = text.starts_with('(');
  if (open) text.remove_prefix(1);
  const std::string copy(text);
  char* end = nullptr;
  score = std::strtod(copy.c_str(), &end);
  return *end == '\0' && !std::isnan(score);
}

bool parse_lex_bound(std::string_view text, LexRange::Bound& bound) {
  using Kind = LexRange::Bound::Kind;
  if (text.starts_with('[') || text.starts_with('(')) {
    bound = {Kind::kMember, text.substr(1), text[0] == '('};
    return true;
  }
  // As with the score, a NUL ends the text.
  if (text.empty() || (text.size() > 1 && text[1] != '\0')) return false;
  if (text[0] != '-' && text[0] != '+') return false;
  bound.kind = text[0] == '-' ? Kind::kLowest : Kind::kHighest;
  return true;
}

}  // namespace

std::optional<SortedSet> open_set(Context& c, const KeyRef& key) {
  const auto found = c.find_typed(key, Type::kSortedSet);
  if (found.wrong) return std::nullopt;
  SortedSet set(c, key, found.entry);
  if (!c.ready()) return std::nullopt;
  return set;
}

std::optional<ScoreRange> ScoreRange::parse(Context& c, size_t min_arg, size_t max_arg) {
  ScoreRange range;
  if (parse_score_bound(c.arg(min_arg), range.min, range.min_open) &&
      parse_score_bound(c.arg(max_arg), range.max, range.max_open)) {
    return range;
  }
  c.error("ERR min or max is not a float");
  return std::nullopt;
}

RankRange ScoreRange::ranks(const SortedSet& set) const {
  const uint64_t begin = set.count_below(min, min_open);
  const uint64_t end = set.count_below(max, !max_open);
  return begin < end ? RankRange{begin, end} : RankRange{};
}

std::optional<LexRange> LexRange::parse(Context& c, size_t min_arg, size_t max_arg) {
  LexRange range;
  if (parse_lex_bound(c.arg(min_arg), range.min) && parse_lex_bound(c.arg(max_arg), range.max)) {
    return range;
  }
  c.error("ERR min or max not valid string range item");
  return std::nullopt;
}

bool LexRange::reaches_min(std::string_view member) const {
  if (min.kind != Bound::Kind::kMember) return min.kind == Bound::Kind::kLowest;
  return min.open ? member > min.member : member >= min.member;
}

bool LexRange::reaches_max(std::string_view member) const {
  if (max.kind != Bound::Kind::kMember) return max.kind == Bound::Kind::kHighest;
  return max.open ? member < max.member : member <= max.member;
}

bool LexRange::is_empty() const {
  if (min.kind == Bound::Kind::kHighest || max.kind == Bound::Kind::kLowest) return true;
  if (min.kind != Bound::Kind::kMember || max.kind != Bound::Kind::kMember) return false;
  return min.member > max.member || (min.member == max.member && (min.open || max.open));
}

RankRange LexRange::ranks(const SortedSet& set, Order order) const {
  const uint64_t size = set.size();
  if (size == 0 || is_empty()) return {};
  RankRange range{0, size};
  if (set.is_split()) {
    if (min.kind == Bound::Kind::kMember) range.begin = set.count_below(min.member, min.open);
    if (max.kind == Bound::Kind::kMember) range.end = set.count_below(max.member, !max.open);
    return range.begin < range.end ? range : RankRange{};
  }
  if (!reaches_min(set.at(size - 1).member) || !reaches_max(set.at(0).member)) return {};
  if (order == Order::kAscending) {
    while (range.begin < size && !reaches_min(set.at(range.begin).member)) ++range.begin;
    range.end = range.begin;
    while (range.end < size && reaches_max(set.at(range.end).member)) ++range.end;
  } else {
    while (range.end > 0 && !reaches_max(set.at(range.end - 1).member)) --range.end;
    range.begin = range.end;
    while (range.begin > 0 && reaches_min(set.at(range.begin - 1).member)) --range.begin;
  }
  return range;
}

RankRange index_range(int64_t first, int64_t last, uint64_t size) {
  const auto count = static_cast<int64_t>(size);
  if (first < 0) first = std::max<int64_t>(first + count, 0);
  if (last < 0) last += count;
  if (first > last || first >= count) return {};
  return {static_cast<uint64_t>(first), static_cast<uint64_t>(std::min(last, count - 1)) + 1};
}

void reply_members_header(Context& c, uint64_t count, WithScores with_scores) {
  const bool flat = with_scores == WithScores::kYes && c.reply().protocol() == 2;
  c.reply().array(flat ? 2 * count : count);
}

void reply_member(Context& c, const ScoredMember& m, WithScores with_scores) {
  if (with_scores == WithScores::kNo) return c.reply().bulk(m.member);
  if (c.reply().protocol() != 2) c.reply().array(2);
  c.reply().bulk(m.member);
  c.reply().double_value(m.score);
}

void store_members(Context& c, const KeyRef& key, std::span<ScoredMember> members,
                   std::string_view event, Tells tells) {
  const auto count = static_cast<int64_t>(members.size());
  if (members.empty()) {
    if (tells == Tells::kBehindReply) c.reply().integer(0);
    c.remove_destination(key);
  } else {
    look_before_overwriting(c, key);
    const bool replaces = is_replaced(c, key);
    const TypeTag tag = tag_of_new(c.config(), members);
    score_as_entered(tag, members);
    if (!write_sorted_set(c, key, tag, 0, members)) return;
    if (tells == Tells::kBehindReply) c.reply().integer(count);
    c.notify(EventClass::kSortedSet, event, key);
    if (!replaces) c.signal_ready(key);  // as in overwrite_object()
  }
  if (tells == Tells::kBeforeReply) c.reply().integer(count);
}

namespace {

struct AddOptions {
  bool nx = false;
  bool xx = false;
  bool gt = false;
  bool lt = false;
  bool ch = false;
  bool incr = false;
};

// The options from argument 2 on; `next` becomes the first argument that is none. False, and the
// error replied, if they or what follows them make no sense.
bool parse_add_options(Context& c, AddOptions& options, size_t& next) {
  for (next = 2; next < c.argc(); ++next) {
    if (c.arg_is(next, "NX")) {
      options.nx = true;
    } else if (c.arg_is(next, "XX")) {
      options.xx = true;
    } else if (c.arg_is(next, "CH")) {
      options.ch = true;
    } else if (c.arg_is(next, "INCR")) {
      options.incr = true;
    } else if (c.arg_is(next, "GT")) {
      options.gt = true;
    } else if (c.arg_is(next, "LT")) {
      options.lt = true;
    } else {
      break;
    }
  }
  const size_t left = c.argc() - next;
  if (left == 0 || left % 2 != 0) {
    c.syntax_error();
  } else if (options.nx && options.xx) {
    c.error("ERR XX and NX options at the same time are not compatible");
  } else if (options.gt + options.lt + options.nx > 1) {
    c.error("ERR GT, LT, and/or NX options at the same time are not compatible");
  } else if (options.incr && left > 2) {
    c.error("ERR INCR option supports a single increment-element pair");
  } else {
    return true;
  }
  return false;
}

struct Added {
  uint64_t members = 0;
  uint64_t updated = 0;
  std::optional<double> score;  // that of the last member; none: the options kept it from changing
};

// Enters one member as the options say. False, and the error replied, if its score is no number.
bool add_one(Context& c, SortedSetEdit& set, const AddOptions& options, std::string_view member,
             double score, Added& added) {
  added.score.reset();
  const std::optional<double> old = set.score(member);
  if (!old) {
    if (options.xx) return true;
    set.put(member, score);
    ++added.members;
    added.score = score;
    return true;
  }
  if (options.nx) return true;
  if (options.incr) {
    score += *old;
    if (std::isnan(score)) {
      c.error("ERR resulting score is not a number (NaN)");
      return false;
    }
  }
  if ((options.lt && score >= *old) || (options.gt && score <= *old)) return true;
  added.score = score;
  if (score != *old) {
    set.put(member, score);
    ++added.updated;
  }
  return true;
}

void add(Context& c, AddOptions options) {
  size_t first = 0;
  if (!parse_add_options(c, options, first)) return;
  std::vector<double> scores;
  scores.reserve((c.argc() - first) / 2);
  uint64_t member_bytes = 0;
  for (size_t i = first; i < c.argc(); i += 2) {
    const auto score = c.double_arg(i);
    if (!score) return;
    scores.push_back(*score);
    member_bytes += c.arg(i + 1).size();
  }
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kSortedSet);
  if (found.wrong) return;
  SortedSetEdit set(c, key, found.entry);
  if (!c.ready() || !set.reserve_put(scores.size(), member_bytes)) return;
  Added added;
  for (size_t i = 0; i < scores.size(); ++i) {
    if (!add_one(c, set, options, c.arg(first + 2 * i + 1), scores[i], added)) return;
  }
  set.finish();
  if (!options.incr) {
    c.reply().integer(static_cast<int64_t>(added.members + (options.ch ? added.updated : 0)));
  } else if (added.score) {
    c.reply().double_value(*added.score);
  } else {
    c.reply().bulk_null();
  }
  if (added.members + added.updated > 0) {
    c.notify(EventClass::kSortedSet, options.incr ? "zincr" : "zadd", key);
    c.signal_ready(key);
  }
}

void cmd_zadd(Context& c) {
  add(c, {});
}

// As in Redis, ZADD's options are understood here too, and then leave no pair.
void cmd_zincrby(Context& c) {
  add(c, {.incr = true});
}

void cmd_zrem(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kSortedSet);
  if (found.wrong) return;
  if (!found.entry) return c.reply().integer(0);
  SortedSetEdit set(c, key, found.entry);
  if (!c.ready()) return;
  uint64_t bytes = 0;
  for (const std::string_view member : c.args().subspan(2)) bytes += member.size();
  if (!set.reserve_erase(c.argc() - 2, bytes)) return;
  int64_t erased = 0;
  for (const std::string_view member : c.args().subspan(2)) erased += set.erase(member);
  set.finish();
  if (erased > 0) c.notify(EventClass::kSortedSet, "zrem", key);
  if (erased > 0 && set.size() == 0) c.notify(EventClass::kGeneric, "del", key);
  c.reply().integer(erased);
}

void cmd_zcard(Context& c) {
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (set) c.reply().integer(static_cast<int64_t>(set->size()));
}

void cmd_zscore(Context& c) {
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (!set) return;
  if (const auto score = set->score(c.arg(2))) {
    c.reply().double_value(*score);
  } else {
    c.reply().bulk_null();
  }
}

void cmd_zmscore(Context& c) {
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (!set) return;
  c.reply().array(c.argc() - 2);
  for (const std::string_view member : c.args().subspan(2)) {
    if (const auto score = set->score(member)) {
      c.reply().double_value(*score);
    } else {
      c.reply().bulk_null();
    }
  }
}

void reply_rank(Context& c, Order order) {
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (!set) return;
  const auto rank = set->rank(c.arg(2));
  if (!rank) return c.reply().bulk_null();
  c.reply().integer(
      static_cast<int64_t>(order == Order::kAscending ? *rank : set->size() - 1 - *rank));
}

void cmd_zrank(Context& c) {
  reply_rank(c, Order::kAscending);
}
void cmd_zrevrank(Context& c) {
  reply_rank(c, Order::kDescending);
}

constexpr Argument kZaddArgsComparison[] = {
    {.name = "gt", .type = ArgType::kPureToken, .token = "GT"},
    {.name = "lt", .type = ArgType::kPureToken, .token = "LT"},
};
constexpr Argument kZaddArgsScoreMember[] = {
    {.name = "score", .type = ArgType::kDouble},
    {.name = "member"},
};
constexpr Argument kZaddArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "condition",
     .type = ArgType::kOneof,
     .since = "3.0.2",
     .flags = kOptional,
     .sub = kNxOrXx},
    {.name = "comparison",
     .type = ArgType::kOneof,
     .since = "6.2.0",
     .flags = kOptional,
     .sub = kZaddArgsComparison},
    {.name = "change",
     .type = ArgType::kPureToken,
     .token = "CH",
     .since = "3.0.2",
     .flags = kOptional},
    {.name = "increment",
     .type = ArgType::kPureToken,
     .token = "INCR",
     .since = "3.0.2",
     .flags = kOptional},
    {.name = "score_member",
     .type = ArgType::kBlock,
     .flags = kMultiple,
     .sub = kZaddArgsScoreMember},
};
constexpr HistoryEntry kZaddHistory[] = {
    {"2.4.0", "Accepts multiple elements."},
    {"3.0.2", "Added the `XX`, `NX`, `CH` and `INCR` options."},
    {"6.2.0", "Added the `GT` and `LT` options."},
};
constexpr Argument kZincrbyArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "increment", .type = ArgType::kInteger},
    {.name = "member"},
};
constexpr HistoryEntry kZremHistory[] = {
    {"2.4.0", "Accepts multiple elements."},
};
constexpr Command kSortedSetRows[] = {
    {.name = "zadd",
     .handler = cmd_zadd,
     .arity = -4,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kUpdateKey,
     .group = Group::kSortedSet,
     .since = "1.2.0",
     .complexity =
         "O(log(N)) for each item added, where N is the number of elements in the sorted set.",
     .summary = "Add one or more members to a sorted set, or update its score if it already exists",
     .arguments = kZaddArgs,
     .history = kZaddHistory,
     .categories = kCatSortedSet},
    {.name = "zcard",
     .handler = cmd_zcard,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kSortedSet,
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Get the number of members in a sorted set",
     .arguments = kKeyArg,
     .categories = kCatSortedSet},
    {.name = "zincrby",
     .handler = cmd_zincrby,
     .arity = 4,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kSortedSet,
     .since = "1.2.0",
     .complexity = "O(log(N)) where N is the number of elements in the sorted set.",
     .summary = "Increment the score of a member in a sorted set",
     .arguments = kZincrbyArgs,
     .categories = kCatSortedSet},
    {.name = "zmscore",
     .handler = cmd_zmscore,
     .arity = -3,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "6.2.0",
     .complexity = "O(N) where N is the number of members being requested.",
     .summary = "Get the score associated with the given members in a sorted set",
     .arguments = kKeyMembers,
     .categories = kCatSortedSet},
    {.name = "zrank",
     .handler = cmd_zrank,
     .arity = 3,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "2.0.0",
     .complexity = "O(log(N))",
     .summary = "Determine the index of a member in a sorted set",
     .arguments = kKeyMember,
     .categories = kCatSortedSet},
    {.name = "zrem",
     .handler = cmd_zrem,
     .arity = -3,
     .flags = kWrite | kFast,
     .keys = kDeleteInKey,
     .group = Group::kSortedSet,
     .since = "1.2.0",
     .complexity = "O(M*log(N)) with N being the number of elements in the sorted set and M the "
                   "number of elements to be removed.",
     .summary = "Remove one or more members from a sorted set",
     .arguments = kKeyMembers,
     .history = kZremHistory,
     .categories = kCatSortedSet},
    {.name = "zrevrank",
     .handler = cmd_zrevrank,
     .arity = 3,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "2.0.0",
     .complexity = "O(log(N))",
     .summary =
         "Determine the index of a member in a sorted set, with scores ordered from high to low",
     .arguments = kKeyMember,
     .categories = kCatSortedSet},
    {.name = "zscore",
     .handler = cmd_zscore,
     .arity = 3,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Get the score associated with the given member in a sorted set",
     .arguments = kKeyMember,
     .categories = kCatSortedSet},
};
static_assert(check_rows(kSortedSetRows));

}  // namespace

std::span<const Command> sorted_set_commands() {
  return kSortedSetRows;
}

}  // namespace respcask::server

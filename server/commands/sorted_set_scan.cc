// Commands that show some members of a sorted set in no order that was asked for: ZSCAN and
// ZRANDMEMBER.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <unordered_set>
#include <vector>

#include "resp/number.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/draws.h"
#include "server/commands/scan.h"
#include "server/commands/sorted_set.h"
#include "server/rdb/listpack.h"

namespace respcask::server {

namespace {

constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();

// As ZSCAN shows a score in Redis: whole numbers in a listpack with all their digits.
void reply_score_text(Context& c, double score, Encoding encoding) {
  if (encoding == Encoding::kCompact) {
    if (const auto integer = rdb::listpack_integer(score)) return c.reply().bulk_integer(*integer);
  }
  char text[resp::kMaxDoubleChars];
  const char* end = resp::format_double(text, score);
  c.reply().bulk({text, static_cast<size_t>(end - text)});
}

void cmd_zscan(Context& c) {
  const auto cursor = scan_cursor_arg(c, 2);
  if (!cursor) return;
  const KeyRef key = c.key(1);
  const auto found = c.find_typed(key, Type::kSortedSet);
  if (found.wrong) return;
  if (!found.entry) {
    // As in Redis, nobody looks at the options then.
    reply_scan_cursor(c, 0);
    return c.reply().array(0);
  }
  const auto options = parse_scan_options(c, 3, ScanOf::kElements);
  if (!options) return;
  const SortedSet set(c, key, found.entry);
  if (!c.ready()) return;
  std::vector<ScoredMember> members;
  uint64_t looked_at = 0;
  const auto take = [&](const ScoredMember& m) {
    ++looked_at;
    if (options->matches(m.member)) members.push_back(m);
  };
  uint64_t position = 0;
  const Encoding encoding = TypeTag{found.entry->type}.encoding();
  if (encoding == Encoding::kPlain) {
    position = *cursor;
    do {
      position = set.scan(position, take);
    } while (position != 0 && looked_at < options->count);
  } else {  // what Redis keeps as a listpack it shows whole and in order
    set.visit(0, set.size(), Order::kAscending, take);
  }
  reply_scan_cursor(c, position);
  c.reply().array(2 * members.size());
  for (const ScoredMember& m : members) {
    c.reply().bulk(m.member);
    reply_score_text(c, m.score, encoding);
  }
}

void reply_any(Context& c, const SortedSet& set, uint64_t count, WithScores with_scores) {
  Draws draws(c);
  const size_t begin = c.reply().size();
  if (count > kMaxDrawn) return refuse_drawn_reply(c, begin);
  reply_members_header(c, count, with_scores);
  for (uint64_t i = 0; i < count; ++i) {
    reply_member(c, set.at(draws.below(set.size())), with_scores);
    if (c.reply().size() - begin > kMaxDrawnReplyBytes) return refuse_drawn_reply(c, begin);
  }
}

// `count` different members, fewer than there are.
void reply_sample(Context& c, const SortedSet& set, uint64_t count, WithScores with_scores) {
  Draws draws(c);
  reply_members_header(c, count, with_scores);
  if (count > set.size() / 3) {
    // Selection sampling: D. E. Knuth, The Art of Computer Programming, volume 2, algorithm 3.4.2
    // S.
    uint64_t left = set.size();
    set.visit(0, set.size(), Order::kAscending, [&](const ScoredMember& m) {
      if (draws.below(left--) >= count) return;
      --count;
      reply_member(c, m, with_scores);
    });
    return;
  }
  // Floyd's: J. Bentley, "A sample of brilliance", Communications of the ACM 30, 1987.
  std::unordered_set<uint64_t> chosen;
  for (uint64_t end = set.size() - count; end < set.size(); ++end) {
    if (!chosen.insert(draws.below(end + 1)).second) chosen.insert(end);
  }
  std::vector<uint64_t> ranks(chosen.begin(), chosen.end());
  std::sort(ranks.begin(), ranks.end());
  for (const uint64_t rank : ranks) reply_member(c, set.at(rank), with_scores);
}

void cmd_zrandmember(Context& c) {
  std::optional<int64_t> count;
  auto with_scores = WithScores::kNo;
  if (c.argc() >= 3) {
    count = random_count_arg(c, 2);
    if (!count) return;
    if (c.argc() > 4 || (c.argc() == 4 && !c.arg_is(3, "WITHSCORES"))) return c.syntax_error();
    if (c.argc() == 4) {
      with_scores = WithScores::kYes;
      if (*count < -kInt64Max / 2 || *count > kInt64Max / 2) {
        return c.error("ERR value is out of range");
      }
    }
  }
  const KeyRef key = c.key(1);
  const auto set = open_set(c, key);
  if (!set) return;
  if (!count) {
    if (set->size() == 0) return c.reply().bulk_null();
    return c.reply().bulk(set->at(Draws(c).below(set->size())).member);
  }
  if (set->size() == 0 || *count == 0) return c.reply().array(0);
  if (*count < 0 || *count == 1) {
    return reply_any(c, *set, static_cast<uint64_t>(std::abs(*count)), with_scores);
  }
  const auto wanted = static_cast<uint64_t>(*count);
  if (wanted < set->size()) return reply_sample(c, *set, wanted, with_scores);
  reply_members_header(c, set->size(), with_scores);
  set->visit(0, set->size(), Order::kDescending,
             [&](const ScoredMember& m) { reply_member(c, m, with_scores); });
}

constexpr Argument kZrandmemberArgsOptions[] = {
    {.name = "count", .type = ArgType::kInteger},
    {.name = "withscores", .type = ArgType::kPureToken, .token = "WITHSCORES", .flags = kOptional},
};
constexpr Argument kZrandmemberArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "options",
     .type = ArgType::kBlock,
     .flags = kOptional,
     .sub = kZrandmemberArgsOptions},
};
constexpr std::string_view kZrandmemberTips[] = {"nondeterministic_output"};
constexpr std::string_view kZscanTips[] = {"nondeterministic_output"};
constexpr Command kSortedSetScanRows[] = {
    {.name = "zrandmember",
     .handler = cmd_zrandmember,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "6.2.0",
     .complexity = "O(N) where N is the number of elements returned",
     .summary = "Get one or multiple random elements from a sorted set",
     .arguments = kZrandmemberArgs,
     .tips = kZrandmemberTips,
     .categories = kCatSortedSet},
    {.name = "zscan",
     .handler = cmd_zscan,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSortedSet,
     .since = "2.8.0",
     .complexity =
         "O(1) for every call. O(N) for a complete iteration, including enough command calls for "
         "the cursor to return back to 0. N is the number of elements inside the collection..",
     .summary = "Incrementally iterate sorted sets elements and associated scores",
     .arguments = kKeyScan,
     .tips = kZscanTips,
     .categories = kCatSortedSet},
};
static_assert(check_rows(kSortedSetScanRows));

}  // namespace

std::span<const Command> sorted_set_scan_commands() {
  return kSortedSetScanRows;
}

}  // namespace respcask::server

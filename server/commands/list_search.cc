// Commands on lists that look for an element: LINSERT, LPOS, LREM.

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
#include "server/context.h"
#include "server/types/list.h"

namespace respcask::server {

namespace {

void cmd_linsert(Context& c) {
  const bool after = c.arg_is(2, "AFTER");
  if (!after && !c.arg_is(2, "BEFORE")) return c.syntax_error();
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kList);
  if (found.wrong) return;
  if (!found.entry) return c.reply().integer(0);
  ListEdit list(c, key, found.entry);
  uint64_t rank = 0;
  bool there = false;
  list.reader().find_forward(0, list.length(), c.arg(3), ListReader::Extent::kMayStop,
                             [&](uint64_t found_at) {
                               rank = found_at;
                               there = true;
                               return false;
                             });
  if (!c.ready()) return;
  if (!there) return c.reply().integer(-1);
  if (after) ++rank;
  list.prepare_insert(rank);
  if (!c.ready() || !list.insert(rank, c.arg(4))) return;
  c.notify(EventClass::kList, "linsert", key);
  c.reply().integer(static_cast<int64_t>(list.length()));
}

struct LposOptions {
  int64_t rank = 1;
  std::optional<int64_t> count;
  int64_t max_length = 0;  // 0: all
};

// Nothing, and the error replied, if they make no sense.
std::optional<LposOptions> parse_lpos(Context& c) {
  constexpr int64_t kMax = std::numeric_limits<int64_t>::max();
  LposOptions options;
  for (size_t i = 3; i < c.argc(); i += 2) {
    const bool has_value = i + 1 < c.argc();
    if (has_value && c.arg_is(i, "RANK")) {
      const auto rank = c.integer_arg(i + 1);
      if (!rank) return std::nullopt;
      if (*rank == 0) {
        c.error(
            "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or "
            "use negative to start from the end of the list");
        return std::nullopt;
      }
      options.rank = *rank;
    } else if (has_value && c.arg_is(i, "COUNT")) {
      options.count = c.integer_arg_in(i + 1, 0, kMax, "ERR COUNT can't be negative");
      if (!options.count) return std::nullopt;
    } else if (has_value && c.arg_is(i, "MAXLEN")) {
      const auto most = c.integer_arg_in(i + 1, 0, kMax, "ERR MAXLEN can't be negative");
      if (!most) return std::nullopt;
      options.max_length = *most;
    } else {
      c.syntax_error();
      return std::nullopt;
    }
  }
  return options;
}

// The ranks that are asked for. The least of all ranks has no counterpart among the positive ones:
// as in Redis every match counts for it.
std::vector<uint64_t> find_ranks(Context& c, ListReader& list, const LposOptions& options) {
  const uint64_t length = list.length();
  const bool backward = options.rank < 0;
  const bool any_rank = options.rank == std::numeric_limits<int64_t>::min();
  const uint64_t skip = any_rank ? 0 : static_cast<uint64_t>(std::abs(options.rank)) - 1;
  const auto wanted =
      any_rank && options.count ? 0 : static_cast<uint64_t>(options.count.value_or(1));
  const uint64_t most = options.max_length == 0
                            ? length
                            : std::min(length, static_cast<uint64_t>(options.max_length));
  std::vector<uint64_t> ranks;
  uint64_t matches = 0;
  const auto match = [&](uint64_t rank) {
    if (++matches > skip) ranks.push_back(rank);
    return wanted == 0 || ranks.size() < wanted;
  };
  if (backward) {
    list.find_backward(length - most, length, c.arg(2), ListReader::Extent::kMayStop, match);
  } else {
    list.find_forward(0, most, c.arg(2), ListReader::Extent::kMayStop, match);
  }
  return ranks;
}

void cmd_lpos(Context& c) {
  const auto options = parse_lpos(c);
  if (!options) return;
  const KeyRef key = c.key(1);
  const auto found = c.find_typed(key, Type::kList);
  if (found.wrong) return;
  std::vector<uint64_t> ranks;
  if (found.entry) {
    ListReader list(c, key, *found.entry);
    ranks = find_ranks(c, list, *options);
    if (!c.ready()) return;
  }
  if (!options->count) {
    if (ranks.empty()) return c.reply().bulk_null();
    return c.reply().integer(static_cast<int64_t>(ranks.front()));
  }
  c.reply().array(ranks.size());
  for (uint64_t rank : ranks) c.reply().integer(static_cast<int64_t>(rank));
}

void cmd_lrem(Context& c) {
  const auto count = c.integer_arg(2);
  if (!count) return;
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kList);
  if (found.wrong) return;
  if (!found.entry) return c.reply().integer(0);
  ListEdit list(c, key, found.entry);
  const uint64_t length = list.length();
  const bool backward = *count < 0;
  // Its magnitude; 0: all.
  const uint64_t wanted =
      backward ? 0 - static_cast<uint64_t>(*count) : static_cast<uint64_t>(*count);
  std::vector<uint64_t> ranks;
  const auto match = [&](uint64_t rank) {
    ranks.push_back(rank);
    return wanted == 0 || ranks.size() < wanted;
  };
  const auto extent = wanted == 0 ? ListReader::Extent::kAll : ListReader::Extent::kMayStop;
  if (backward) {
    list.reader().find_backward(0, length, c.arg(3), extent, match);
    std::reverse(ranks.begin(), ranks.end());
  } else {
    list.reader().find_forward(0, length, c.arg(3), extent, match);
  }
  if (!c.ready()) return;
  if (ranks.empty()) return c.reply().integer(0);
  if (!list.erase_ranks(ranks)) return;
  c.notify(EventClass::kList, "lrem", key);
  if (list.length() == 0) c.notify(EventClass::kGeneric, "del", key);
  c.reply().integer(static_cast<int64_t>(ranks.size()));
}

constexpr Argument kLinsertArgsWhere[] = {
    {.name = "before", .type = ArgType::kPureToken, .token = "BEFORE"},
    {.name = "after", .type = ArgType::kPureToken, .token = "AFTER"},
};
constexpr Argument kLinsertArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "where", .type = ArgType::kOneof, .sub = kLinsertArgsWhere},
    {.name = "pivot"},
    {.name = "element"},
};
constexpr Argument kLposArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "element"},
    {.name = "rank", .type = ArgType::kInteger, .token = "RANK", .flags = kOptional},
    {.name = "num-matches", .type = ArgType::kInteger, .token = "COUNT", .flags = kOptional},
    {.name = "len", .type = ArgType::kInteger, .token = "MAXLEN", .flags = kOptional},
};
constexpr Argument kLremArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "count", .type = ArgType::kInteger},
    {.name = "element"},
};
constexpr Command kListSearchRows[] = {
    {.name = "linsert",
     .handler = cmd_linsert,
     .arity = 5,
     .flags = kWrite | kDenyOom,
     .keys = kInsertKey,
     .group = Group::kList,
     .since = "2.2.0",
     .complexity =
         "O(N) where N is the number of elements to traverse before seeing the value pivot. This "
         "means that inserting somewhere on the left end on the list (head) can be considered O(1) "
         "and inserting somewhere on the right end (tail) is O(N).",
     .summary = "Insert an element before or after another element in a list",
     .arguments = kLinsertArgs,
     .categories = kCatList},
    {.name = "lpos",
     .handler = cmd_lpos,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kList,
     .since = "6.0.6",
     .complexity = "O(N) where N is the number of elements in the list, for the average case. When "
                   "searching for elements near the head or the tail of the list, or when the "
                   "MAXLEN option is provided, the command may run in constant time.",
     .summary = "Return the index of matching elements on a list",
     .arguments = kLposArgs,
     .categories = kCatList},
    {.name = "lrem",
     .handler = cmd_lrem,
     .arity = 4,
     .flags = kWrite,
     .keys = kDeleteInKey,
     .group = Group::kList,
     .since = "1.0.0",
     .complexity =
         "O(N+M) where N is the length of the list and M is the number of elements removed.",
     .summary = "Remove elements from a list",
     .arguments = kLremArgs,
     .categories = kCatList},
};
static_assert(check_rows(kListSearchRows));

}  // namespace

std::span<const Command> list_search_commands() {
  return kListSearchRows;
}

}  // namespace respcask::server

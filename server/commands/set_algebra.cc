// Commands on several sets: SINTER, SINTERCARD, SINTERSTORE, SUNION, SUNIONSTORE, SDIFF,
// SDIFFSTORE. The shards of all their keys are locked, so that they see one moment.

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
#include "server/types/members.h"
#include "server/types/name_table.h"
#include "server/types/object.h"
#include "server/types/set.h"

namespace respcask::server {

namespace {

// The sets under the arguments [first, last), to be read; none for a key that is not there.
class Sources {
 public:
  // ok() is false if one is of another type, which is replied, or not ready: return.
  Sources(Context& c, size_t first, size_t last) {
    keys_.reserve(last - first);  // Members refer to them
    sets_.reserve(last - first);
    for (size_t i = first; i < last && ok_; ++i) {
      const KeyRef& key = keys_.emplace_back(c.key(i));
      const auto found = c.find_typed(key, Type::kSet);
      ok_ = !found.wrong;
      auto& set = sets_.emplace_back();
      if (found.entry && ok_) set.emplace(c, key, *found.entry);
    }
    ok_ = ok_ && c.ready();
  }
  Sources(const Sources&) = delete;
  Sources& operator=(const Sources&) = delete;

  bool ok() const { return ok_; }
  bool any_missing() const {
    return std::any_of(sets_.begin(), sets_.end(), [](const auto& set) { return !set; });
  }
  // Null for a key that is not there.
  const Members* first() const { return sets_[0] ? &*sets_[0] : nullptr; }
  // Those that are there, in the order of the arguments.
  std::vector<const Members*> there() const {
    std::vector<const Members*> sets;
    for (const auto& set : sets_) {
      if (set) sets.push_back(&*set);
    }
    return sets;
  }

 private:
  std::vector<KeyRef> keys_;
  std::vector<std::optional<Members>> sets_;
  bool ok_ = true;
};

struct Result {
  std::vector<std::string_view> members;
  bool hashtable = false;  // Redis comes to store it as one, whatever its members
};

// A set that is asked for each member of another one, in the other's order. A packed one would be
// gone through from its front for every question; so both are gone through side by side where both
// are in the order of numbers, and elsewhere its names are put into a table, if they are many.
class Asked {
 public:
  Asked(const Members& set, const Members& asking) : set_(set) {
    constexpr uint64_t kFew = 8;
    if (set.is_split() || set.size() <= kFew || asking.size() <= kFew) return;
    if (set.is_intset() && asking.is_intset()) {
      next_ = set.packed().begin();
      return;
    }
    names_.emplace(set.size());
    for (const std::string_view name : set.packed()) names_->insert(name);
  }
  bool contains(std::string_view name) {
    if (next_) return contains_next(name);
    return names_ ? names_->contains(name) : set_.contains(name);
  }

 private:
  bool contains_next(std::string_view name) {
    const auto end = set_.packed().end();
    while (*next_ != end && integer_text_less(**next_, name)) ++*next_;
    return *next_ != end && **next_ == name;
  }

  const Members& set_;
  std::optional<Packed::Iterator> next_;
  std::optional<NameTable> names_;
};

// All but the first, to be asked for the members of that. Where there are many, each is asked once,
// however often it was named.
std::vector<Asked> to_be_asked(std::span<const Members* const> sets) {
  constexpr size_t kMany = 8;
  std::vector<Asked> asked;
  asked.reserve(std::min(sets.size() - 1, kMany));
  NameTable keys(0);
  for (const Members* set : sets.subspan(1)) {
    if (sets.size() > kMany && !keys.insert(set->key().name)) continue;
    asked.emplace_back(*set, *sets[0]);
  }
  return asked;
}

// At least one set, and at most `limit` members.
Result intersection(const Sources& sources, uint64_t limit) {
  constexpr uint64_t kStep = 64;  // members looked at between two looks at the limit
  Result result;
  if (sources.any_missing()) return result;
  std::vector<const Members*> sets = sources.there();
  std::stable_sort(sets.begin(), sets.end(),
                   [](const Members* a, const Members* b) { return a->size() < b->size(); });
  std::vector<Asked> others = to_be_asked(sets);
  result.members.reserve(std::min(limit, sets[0]->size()));
  uint64_t cursor = 0;
  do {
    cursor = sets[0]->scan(cursor, kStep, [&](const Members::Member& member) {
      if (result.members.size() == limit) return;
      const bool everywhere = std::all_of(
          others.begin(), others.end(), [&](Asked& other) { return other.contains(member.name); });
      if (everywhere) result.members.push_back(member.name);
    });
  } while (cursor != 0 && result.members.size() < limit);
  return result;
}

Result union_of(const Sources& sources) {
  Result result;
  const std::vector<const Members*> sets = sources.there();
  uint64_t total = 0, largest = 0;
  for (const Members* set : sets) {
    total += set->size();
    largest = std::max(largest, set->size());
  }
  // Many sets may have much the same members; a table of 8 MB is no matter.
  constexpr uint64_t kAnyway = uint64_t{1} << 18;
  NameTable seen(sets.size() > 1 ? std::min(total, std::max(2 * largest, kAnyway)) : 0);
  for (const Members* set : sets) {
    set->for_each([&](const Members::Member& member) {
      if (sets.size() > 1 && !seen.insert(member.name)) return;
      result.members.push_back(member.name);
    });
  }
  return result;
}

// Redis either asks for each member of the first set whether another has it, or copies the first
// set and takes the members of the others out, whichever is less work; in the second case the copy
// may become a hashtable and stays one.
bool copies_first(const std::vector<const Members*>& sets) {
  uint64_t asking = 0, copying = 0;
  for (const Members* set : sets) {
    asking += sets[0]->size();
    copying += set->size();
  }
  return asking / 2 > copying;
}

// The members of the first set that no other has, in its order; by asking.
std::vector<std::string_view> ask_others(std::span<const Members* const> sets) {
  std::vector<std::string_view> members;
  std::vector<Asked> others = to_be_asked(sets);
  sets[0]->for_each([&](const Members::Member& member) {
    const bool elsewhere = std::any_of(others.begin(), others.end(),
                                       [&](Asked& other) { return other.contains(member.name); });
    if (!elsewhere) members.push_back(member.name);
  });
  return members;
}

// The same by taking out what the others have.
std::vector<std::string_view> take_out_others(std::span<const Members* const> sets) {
  NameTable left(sets[0]->size());
  sets[0]->for_each([&](const Members::Member& member) { left.insert(member.name); });
  for (const Members* other : sets.subspan(1)) {
    if (left.size() == 0) return {};
    other->for_each([&](const Members::Member& member) { left.remove(member.name); });
  }
  std::vector<std::string_view> members;
  members.reserve(left.size());
  sets[0]->for_each([&](const Members::Member& member) {
    if (left.contains(member.name)) members.push_back(member.name);
  });
  return members;
}

bool makes_intset(const Config& config, const Members& set) {
  if (set.size() > max_intset_members(config)) return false;
  bool integers = true;
  set.for_each(
      [&](const Members::Member& member) { integers = integers && is_intset_member(member.name); });
  return integers;
}

Result difference(const Context& c, const Sources& sources) {
  Result result;
  if (sources.first() == nullptr) return result;
  const std::vector<const Members*> sets = sources.there();
  if (copies_first(sets)) {
    result.members = take_out_others(sets);
    result.hashtable = !makes_intset(c.config(), *sets[0]);
  } else {
    result.members = ask_others(sets);
  }
  return result;
}

// The reply of SUNION and SDIFF, which Redis collects in a set first: numbers come in order.
void reply_collected(Context& c, Result& result) {
  auto& members = result.members;
  if (!result.hashtable && members.size() <= max_intset_members(c.config()) &&
      std::all_of(members.begin(), members.end(), is_intset_member)) {
    std::sort(members.begin(), members.end(), integer_text_less);
  }
  c.reply().set(members.size());
  for (const std::string_view member : members) c.reply().bulk(member);
}

// Makes it what the key at argument 1 holds. `known_empty`: it was so without a look at members.
void store(Context& c, Result& result, std::string_view event, bool known_empty = false) {
  const KeyRef key = c.key(1);
  if (result.members.empty()) {
    // As in Redis who listens to his own changes is answered last only in the one case.
    if (!known_empty) c.reply().integer(0);
    c.remove_destination(key);
    if (known_empty) c.reply().integer(0);
    return;
  }
  const auto count = static_cast<int64_t>(result.members.size());
  look_before_overwriting(c, key);
  if (!set_write(c, key, 0, result.members, result.hashtable)) return;
  c.reply().integer(count);
  c.notify(EventClass::kSet, event, key);
}

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

void cmd_sinter(Context& c) {
  const Sources sources(c, 1, c.argc());
  if (!sources.ok()) return;
  const Result result = intersection(sources, kNoLimit);
  c.reply().set(result.members.size());
  for (const std::string_view member : result.members) c.reply().bulk(member);
}

void cmd_sinterstore(Context& c) {
  const Sources sources(c, 2, c.argc());
  if (!sources.ok()) return;
  Result result = intersection(sources, kNoLimit);
  store(c, result, "sinterstore", sources.any_missing());
}

void cmd_sintercard(Context& c) {
  const auto keys = c.integer_arg_in(1, 1, std::numeric_limits<int64_t>::max(),
                                     "ERR numkeys should be greater than 0");
  if (!keys) return;
  if (static_cast<uint64_t>(*keys) > c.argc() - 2) {
    return c.error("ERR Number of keys can't be greater than number of args");
  }
  const size_t last = 2 + static_cast<size_t>(*keys);
  int64_t limit = 0;
  for (size_t i = last; i < c.argc(); i += 2) {
    if (!c.arg_is(i, "LIMIT") || i + 1 == c.argc()) return c.syntax_error();
    const auto given = c.integer_arg_in(i + 1, 0, std::numeric_limits<int64_t>::max(),
                                        "ERR LIMIT can't be negative");
    if (!given) return;
    limit = *given;
  }
  const Sources sources(c, 2, last);
  if (!sources.ok()) return;
  const uint64_t most = limit == 0 ? kNoLimit : static_cast<uint64_t>(limit);
  c.reply().integer(static_cast<int64_t>(intersection(sources, most).members.size()));
}

void cmd_sunion(Context& c) {
  const Sources sources(c, 1, c.argc());
  if (!sources.ok()) return;
  Result result = union_of(sources);
  reply_collected(c, result);
}

void cmd_sunionstore(Context& c) {
  const Sources sources(c, 2, c.argc());
  if (!sources.ok()) return;
  Result result = union_of(sources);
  store(c, result, "sunionstore");
}

void cmd_sdiff(Context& c) {
  const Sources sources(c, 1, c.argc());
  if (!sources.ok()) return;
  Result result = difference(c, sources);
  reply_collected(c, result);
}

void cmd_sdiffstore(Context& c) {
  const Sources sources(c, 2, c.argc());
  if (!sources.ok()) return;
  Result result = difference(c, sources);
  store(c, result, "sdiffstore");
}

constexpr std::string_view kSdiffTips[] = {"nondeterministic_output_order"};
constexpr KeySpec kStoreKeys[] = {
    {.flags = kOW | kUpdate, .index = 1},
    {.flags = kRO | kAccess, .index = 2, .last = -1},
};
constexpr Argument kDestinationKeys[] = {
    {.name = "destination", .type = ArgType::kKey, .key_spec = 0},
    {.name = "key", .type = ArgType::kKey, .key_spec = 1, .flags = kMultiple},
};
constexpr std::string_view kSinterTips[] = {"nondeterministic_output_order"};
constexpr KeySpec kSinterstoreKeys[] = {
    {.flags = kRW | kUpdate, .index = 1},
    {.flags = kRO | kAccess, .index = 2, .last = -1},
};
constexpr std::string_view kSunionTips[] = {"nondeterministic_output_order"};
constexpr Command kSetAlgebraRows[] = {
    {.name = "sdiff",
     .handler = cmd_sdiff,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKeys,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(N) where N is the total number of elements in all given sets.",
     .summary = "Subtract multiple sets",
     .arguments = kKeysArg,
     .tips = kSdiffTips,
     .categories = kCatSet},
    {.name = "sdiffstore",
     .handler = cmd_sdiffstore,
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .keys = kStoreKeys,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(N) where N is the total number of elements in all given sets.",
     .summary = "Subtract multiple sets and store the resulting set in a key",
     .arguments = kDestinationKeys,
     .categories = kCatSet},
    {.name = "sinter",
     .handler = cmd_sinter,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKeys,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(N*M) worst case where N is the cardinality of the smallest set and M is the "
                   "number of sets.",
     .summary = "Intersect multiple sets",
     .arguments = kKeysArg,
     .tips = kSinterTips,
     .categories = kCatSet},
    {.name = "sintercard",
     .handler = cmd_sintercard,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadCountedKeys,
     .group = Group::kSet,
     .since = "7.0.0",
     .complexity = "O(N*M) worst case where N is the cardinality of the smallest set and M is the "
                   "number of sets.",
     .summary = "Intersect multiple sets and return the cardinality of the result",
     .arguments = kCountedKeysLimit,
     .categories = kCatSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "sinterstore",
     .handler = cmd_sinterstore,
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .keys = kSinterstoreKeys,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(N*M) worst case where N is the cardinality of the smallest set and M is the "
                   "number of sets.",
     .summary = "Intersect multiple sets and store the resulting set in a key",
     .arguments = kDestinationKeys,
     .categories = kCatSet},
    {.name = "sunion",
     .handler = cmd_sunion,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKeys,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(N) where N is the total number of elements in all given sets.",
     .summary = "Add multiple sets",
     .arguments = kKeysArg,
     .tips = kSunionTips,
     .categories = kCatSet},
    {.name = "sunionstore",
     .handler = cmd_sunionstore,
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .keys = kStoreKeys,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(N) where N is the total number of elements in all given sets.",
     .summary = "Add multiple sets and store the resulting set in a key",
     .arguments = kDestinationKeys,
     .categories = kCatSet},
};
static_assert(check_rows(kSetAlgebraRows));

}  // namespace

std::span<const Command> set_algebra_commands() {
  return kSetAlgebraRows;
}

}  // namespace respcask::server

// Commands on one set: SADD, SREM, SCARD, SISMEMBER, SMISMEMBER, SMEMBERS, SPOP, SRANDMEMBER,
// SSCAN; and SMOVE from one to another.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/draws.h"
#include "server/commands/scan.h"
#include "server/context.h"
#include "server/types/members.h"
#include "server/types/name_table.h"
#include "server/types/set.h"

namespace respcask::server {

namespace {

// The set under a key. `wrong`: it is of another type, which is replied, or not ready: return.
struct Found {
  KeyRef key;
  std::optional<engine::KeydirEntry> entry;
  std::optional<Members> members;
  bool wrong = false;

  uint64_t size() const { return members ? members->size() : 0; }
  bool contains(std::string_view name) const { return members && members->contains(name); }
};

enum class Use : uint8_t { kRead, kWrite };
void look_up(Context& c, size_t arg, Use use, Found& found) {
  found.key = c.key(arg);
  const auto typed = use == Use::kRead ? c.find_typed(found.key, Type::kSet)
                                       : c.find_typed_for_write(found.key, Type::kSet);
  found.entry = typed.entry;
  found.wrong = typed.wrong;
  if (!typed.entry || typed.wrong) return;
  found.members.emplace(c, found.key, *typed.entry);
  found.wrong = !c.ready();
}

void cmd_sadd(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kSet);
  if (found.wrong) return;
  const auto created = set_add(c, key, found.entry, c.args().subspan(2));
  if (!created) return;
  if (*created > 0) c.notify(EventClass::kSet, "sadd", key);
  c.reply().integer(static_cast<int64_t>(*created));
}

void cmd_srem(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kSet);
  if (found.wrong) return;
  if (!found.entry) return c.reply().integer(0);
  const auto removed = remove_members(c, key, *found.entry, c.args().subspan(2));
  if (!removed) return;
  if (removed->count > 0) c.notify(EventClass::kSet, "srem", key);
  if (removed->emptied) c.notify(EventClass::kGeneric, "del", key);
  c.reply().integer(static_cast<int64_t>(removed->count));
}

// Bytes that adding a member may take at most: a packed set that becomes split writes each of its
// members anew.
uint64_t add_one_bound(const KeyRef& key, std::string_view member) {
  constexpr uint64_t kMostPackedMembers = kMaxPackedBytes;  // the empty one, and one byte each
  return kMostPackedMembers * put_member_bound({"m", {}}) + 2 * kMaxPackedBytes +
         put_member_bound({key.name, {}}) + put_member_bound({member, {}});
}

void cmd_smove(Context& c) {
  const std::string_view member = c.arg(3);
  const KeyRef from = c.key(1);
  const KeyRef to = c.key(2);
  const auto source = c.find_for_write(from);
  const auto destination = c.find_for_write(to);
  if (!source) return c.reply().integer(0);
  for (const auto& entry : {source, destination}) {
    if (entry && TypeTag{entry->type}.type() != Type::kSet) return c.wrong_type();
  }
  const Members members(c, from, *source);
  if (destination) Members(c, to, *destination);
  if (!c.ready()) return;
  if (!members.contains(member)) return c.reply().integer(0);
  if (from.name == to.name) return c.reply().integer(1);

  // Nothing may fail once the member is out of the source.
  const uint64_t removing =
      2 * kMaxPackedBytes + put_member_bound({from.name, {}}) + put_member_bound({member, {}});
  if (!c.reserve_for_all(to, removing + add_one_bound(to, member))) return;
  const auto removed = remove_members(c, from, *source, {&member, 1});
  if (!removed) return;
  c.notify(EventClass::kSet, "srem", from);
  if (removed->emptied) c.notify(EventClass::kGeneric, "del", from);
  const auto added = set_add(c, to, destination, {&member, 1});
  if (!added) return;
  if (*added > 0) c.notify(EventClass::kSet, "sadd", to);
  c.reply().integer(1);
}

void cmd_scard(Context& c) {
  Found set;
  look_up(c, 1, Use::kRead, set);
  if (!set.wrong) c.reply().integer(static_cast<int64_t>(set.size()));
}

void cmd_sismember(Context& c) {
  Found set;
  look_up(c, 1, Use::kRead, set);
  if (!set.wrong) c.reply().integer(set.contains(c.arg(2)) ? 1 : 0);
}

void cmd_smismember(Context& c) {
  Found set;
  look_up(c, 1, Use::kRead, set);
  if (set.wrong) return;
  c.reply().array(c.argc() - 2);
  for (const std::string_view member : c.args().subspan(2)) {
    c.reply().integer(set.contains(member) ? 1 : 0);
  }
}

void cmd_smembers(Context& c) {
  Found set;
  look_up(c, 1, Use::kRead, set);
  if (set.wrong) return;
  c.reply().set(set.size());
  if (!set.members) return;
  set.members->for_each([&](const Members::Member& member) { c.reply().bulk(member.name); });
}

// Names that outlive a change of the set that they come from.
class Names {
 public:
  explicit Names(std::span<const Members::Member> members) {
    size_t bytes = 0;
    for (const Members::Member& member : members) bytes += member.name.size();
    bytes_.reserve(bytes);
    views_.reserve(members.size());
    for (const Members::Member& member : members) {
      views_.emplace_back(bytes_.data() + bytes_.size(), member.name.size());
      bytes_.append(member.name);
    }
  }
  std::span<const std::string_view> views() const { return views_; }

 private:
  std::string bytes_;
  std::vector<std::string_view> views_;
};

// Removes the members that were drawn, or with them the key.
bool remove_drawn(Context& c, const Found& set, const Names& drawn) {
  const uint64_t remaining = set.size() - drawn.views().size();
  if (remaining == 0) {
    c.remove(set.key);
    return true;
  }
  // Where far more go than stay, Redis makes a new set of those that stay, and so its encoding is
  // theirs.
  constexpr uint64_t kManyTimes = 5;
  if (drawn.views().size() == 1 || remaining > drawn.views().size() / kManyTimes) {
    return remove_members(c, set.key, *set.entry, drawn.views()).has_value();
  }
  NameTable gone(drawn.views().size());
  for (const std::string_view name : drawn.views()) gone.insert(name);
  std::vector<std::string_view> staying;
  staying.reserve(remaining);
  set.members->for_each([&](const Members::Member& member) {
    if (!gone.contains(member.name)) staying.push_back(member.name);
  });
  return set_write(c, set.key, set.entry->expiry_ms, staying);
}

void pop_one(Context& c) {
  Found set;
  look_up(c, 1, Use::kWrite, set);
  if (set.wrong) return;
  if (!set.members) return c.reply().bulk_null();
  const Members::Member drawn = Draws(c).one(*set.members);
  const bool last = set.size() == 1;
  const Names names({&drawn, 1});
  if (!remove_drawn(c, set, names)) return;
  c.notify(EventClass::kSet, "spop", set.key);
  c.reply().bulk(names.views()[0]);
  if (last) c.notify(EventClass::kGeneric, "del", set.key);
}

void cmd_spop(Context& c) {
  if (c.argc() == 2) return pop_one(c);
  if (c.argc() > 3) return c.syntax_error();
  const auto count = c.integer_arg_in(2, 0, std::numeric_limits<int64_t>::max(),
                                      "ERR value is out of range, must be positive");
  if (!count) return;
  Found set;
  look_up(c, 1, Use::kWrite, set);
  if (set.wrong) return;
  if (!set.members || *count == 0) return c.reply().set(0);
  const uint64_t size = set.size();
  // All members Redis gets as SUNION does, which counts.
  if (static_cast<uint64_t>(*count) >= size) c.find_quietly(set.key);
  const Names names(Draws(c).distinct(*set.members, static_cast<uint64_t>(*count)));
  if (!remove_drawn(c, set, names)) return;
  c.notify(EventClass::kSet, "spop", set.key);
  c.reply().set(names.views().size());
  for (const std::string_view member : names.views()) c.reply().bulk(member);
  if (names.views().size() == size) c.notify(EventClass::kGeneric, "del", set.key);
}

void random_members(Context& c, int64_t count) {
  Found set;
  look_up(c, 1, Use::kRead, set);
  if (set.wrong) return;
  if (!set.members || count == 0) return c.reply().array(0);
  Draws draws(c);
  if (count > 0) {
    const std::vector<Members::Member> drawn =
        draws.distinct(*set.members, static_cast<uint64_t>(count));
    c.reply().array(drawn.size());
    for (const Members::Member& member : drawn) c.reply().bulk(member.name);
    return;
  }
  const auto times = static_cast<uint64_t>(-count);
  draws.reply_repeated(
      *set.members, times, [&] { c.reply().array(times); },
      [&](const Members::Member& member) { c.reply().bulk(member.name); });
}

void cmd_srandmember(Context& c) {
  if (c.argc() > 3) return c.syntax_error();
  if (c.argc() == 3) {
    if (const auto count = random_count_arg(c, 2)) random_members(c, *count);
    return;
  }
  Found set;
  look_up(c, 1, Use::kRead, set);
  if (set.wrong) return;
  if (!set.members) return c.reply().bulk_null();
  c.reply().bulk(Draws(c).one(*set.members).name);
}

void cmd_sscan(Context& c) {
  const auto cursor = scan_cursor_arg(c, 2);
  if (!cursor) return;
  Found set;
  look_up(c, 1, Use::kRead, set);
  if (set.wrong) return;
  if (!set.members) {
    reply_scan_cursor(c, 0);
    return c.reply().array(0);
  }
  const auto options = parse_scan_options(c, 3, ScanOf::kElements);
  if (!options) return;
  std::vector<std::string_view> matching;
  const uint64_t next =
      set.members->scan(*cursor, options->count, [&](const Members::Member& member) {
        if (options->matches(member.name)) matching.push_back(member.name);
      });
  reply_scan_cursor(c, next);
  c.reply().array(matching.size());
  for (const std::string_view member : matching) c.reply().bulk(member);
}

constexpr HistoryEntry kMembersHistory[] = {
    {"2.4.0", "Accepts multiple `member` arguments."},
};
constexpr std::string_view kSmembersTips[] = {"nondeterministic_output_order"};
constexpr Argument kSmoveArgs[] = {
    {.name = "source", .type = ArgType::kKey, .key_spec = 0},
    {.name = "destination", .type = ArgType::kKey, .key_spec = 1},
    {.name = "member"},
};
constexpr Argument kSpopArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "count", .type = ArgType::kInteger, .since = "3.2.0", .flags = kOptional},
};
constexpr HistoryEntry kSpopHistory[] = {
    {"3.2.0", "Added the `count` argument."},
};
constexpr std::string_view kSpopTips[] = {"nondeterministic_output"};
constexpr Argument kSrandmemberArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "count", .type = ArgType::kInteger, .since = "2.6.0", .flags = kOptional},
};
constexpr HistoryEntry kSrandmemberHistory[] = {
    {"2.6.0", "Added the optional `count` argument."},
};
constexpr std::string_view kSrandmemberTips[] = {"nondeterministic_output"};
constexpr std::string_view kSscanTips[] = {"nondeterministic_output"};
constexpr Command kSetRows[] = {
    {.name = "sadd",
     .handler = cmd_sadd,
     .arity = -3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kInsertKey,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(1) for each element added, so O(N) to add N elements when the command is "
                   "called with multiple arguments.",
     .summary = "Add one or more members to a set",
     .arguments = kKeyMembers,
     .history = kMembersHistory,
     .categories = kCatSet},
    {.name = "scard",
     .handler = cmd_scard,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Get the number of members in a set",
     .arguments = kKeyArg,
     .categories = kCatSet},
    {.name = "sismember",
     .handler = cmd_sismember,
     .arity = 3,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Determine if a given value is a member of a set",
     .arguments = kKeyMember,
     .categories = kCatSet},
    {.name = "smembers",
     .handler = cmd_smembers,
     .arity = 2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(N) where N is the set cardinality.",
     .summary = "Get all the members in a set",
     .arguments = kKeyArg,
     .tips = kSmembersTips,
     .categories = kCatSet},
    {.name = "smismember",
     .handler = cmd_smismember,
     .arity = -3,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kSet,
     .since = "6.2.0",
     .complexity = "O(N) where N is the number of elements being checked for membership",
     .summary = "Returns the membership associated with the given elements for a set",
     .arguments = kKeyMembers,
     .categories = kCatSet},
    {.name = "smove",
     .handler = cmd_smove,
     .arity = 4,
     .flags = kWrite | kFast,
     .keys = kTakeInsertKeys,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Move a member from one set to another",
     .arguments = kSmoveArgs,
     .categories = kCatSet},
    {.name = "spop",
     .handler = cmd_spop,
     .arity = -2,
     .flags = kWrite | kFast,
     .keys = kTakeKey,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "Without the count argument O(1), otherwise O(N) where N is the value of the "
                   "passed count.",
     .summary = "Remove and return one or multiple random members from a set",
     .arguments = kSpopArgs,
     .history = kSpopHistory,
     .tips = kSpopTips,
     .categories = kCatSet},
    {.name = "srandmember",
     .handler = cmd_srandmember,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "Without the count argument O(1), otherwise O(N) where N is the absolute value "
                   "of the passed count.",
     .summary = "Get one or multiple random members from a set",
     .arguments = kSrandmemberArgs,
     .history = kSrandmemberHistory,
     .tips = kSrandmemberTips,
     .categories = kCatSet},
    {.name = "srem",
     .handler = cmd_srem,
     .arity = -3,
     .flags = kWrite | kFast,
     .keys = kDeleteInKey,
     .group = Group::kSet,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of members to be removed.",
     .summary = "Remove one or more members from a set",
     .arguments = kKeyMembers,
     .history = kMembersHistory,
     .categories = kCatSet},
    {.name = "sscan",
     .handler = cmd_sscan,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kSet,
     .since = "2.8.0",
     .complexity =
         "O(1) for every call. O(N) for a complete iteration, including enough command calls for "
         "the cursor to return back to 0. N is the number of elements inside the collection..",
     .summary = "Incrementally iterate Set elements",
     .arguments = kKeyScan,
     .tips = kSscanTips,
     .categories = kCatSet},
};
static_assert(check_rows(kSetRows));

}  // namespace

std::span<const Command> set_commands() {
  return kSetRows;
}

}  // namespace respcask::server

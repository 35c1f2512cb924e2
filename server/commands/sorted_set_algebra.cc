// Commands that combine several sorted sets and sets: ZUNION, ZINTER, ZDIFF, what stores their
// results, and ZINTERCARD.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/scored_source.h"
#include "server/commands/sorted_set.h"
#include "server/types/name_table.h"

namespace respcask::server {

ScoredSource::ScoredSource(Context& c, const KeyRef& key,
                           const std::optional<engine::KeydirEntry>& entry)
    : key_(key) {
  if (entry && TypeTag{entry->type}.type() == Type::kSet) {
    set_.emplace(c, key_, *entry);
  } else {
    sorted_set_.emplace(c, key_, entry);
  }
}

void ScoredSource::for_each(engine::FunctionRef<void(const ScoredMember&)> visit) const {
  if (set_) {
    set_->for_each([&](const Members::Member& m) { visit({m.name, 1}); });
  } else {
    sorted_set_->visit(0, sorted_set_->size(), Order::kAscending, visit);
  }
}

uint64_t ScoredSource::visit_some(uint64_t position,
                                  engine::FunctionRef<void(const ScoredMember&)> visit) const {
  constexpr uint64_t kStep = 64;
  if (set_) {
    return set_->scan(position, kStep, [&](const Members::Member& m) { visit({m.name, 1}); });
  }
  const uint64_t end = std::min(position + kStep, size());
  sorted_set_->visit(position, end, Order::kAscending, visit);
  return end == size() ? 0 : end;
}

void ScoredSource::index() {
  if (is_split() || !by_name_.empty()) return;
  by_name_.reserve(size());
  for_each([&](const ScoredMember& m) { by_name_.push_back(m); });
  std::sort(by_name_.begin(), by_name_.end(),
            [](const ScoredMember& a, const ScoredMember& b) { return a.member < b.member; });
}

std::optional<double> ScoredSource::find(std::string_view member) const {
  if (is_split()) {
    if (!set_) return sorted_set_->score(member);
    return set_->contains(member) ? std::optional<double>(1) : std::nullopt;
  }
  const auto at = std::lower_bound(
      by_name_.begin(), by_name_.end(), member,
      [](const ScoredMember& m, std::string_view wanted) { return m.member < wanted; });
  if (at == by_name_.end() || at->member != member) return std::nullopt;
  return at->score;
}

namespace {

constexpr int64_t kInt64Max = std::numeric_limits<int64_t>::max();

enum class Operation : uint8_t { kUnion, kInter, kDiff };
enum class Aggregate : uint8_t { kSum, kMin, kMax };
enum class Purpose : uint8_t { kReply, kStore, kCount };

struct Input {
  std::shared_ptr<ScoredSource> source;  // of all inputs that are the same key
  double weight = 1;
};

struct Request {
  Operation operation = Operation::kUnion;
  Purpose purpose = Purpose::kReply;
  std::vector<Input> inputs;
  Aggregate aggregate = Aggregate::kSum;
  WithScores with_scores = WithScores::kNo;
  uint64_t limit = 0;  // of a count; 0: none
};

double weighted(double weight, double score) {
  const double product = weight * score;
  return std::isnan(product) ? 0 : product;  // 0 times an infinity
}

double aggregated(Aggregate how, double a, double b) {
  switch (how) {
    case Aggregate::kSum:
      return std::isnan(a + b) ? 0 : a + b;  // two infinities
    case Aggregate::kMin:
      return b < a ? b : a;
    case Aggregate::kMax:
      return b > a ? b : a;
  }
  return a;
}

// Reads the keys behind argument `numkeys_arg`. False, and the error replied, if that cannot be.
bool parse_inputs(Context& c, size_t numkeys_arg, Request& request) {
  const auto numkeys = c.integer_arg(numkeys_arg);
  if (!numkeys) return false;
  if (*numkeys < 1) {
    c.error("ERR at least 1 input key is needed for '" + std::string(c.command().row->name) +
            "' command");
    return false;
  }
  if (*numkeys > static_cast<int64_t>(c.argc() - numkeys_arg - 1)) {
    c.syntax_error();
    return false;
  }
  const size_t end = numkeys_arg + 1 + static_cast<size_t>(*numkeys);
  request.inputs.reserve(static_cast<size_t>(*numkeys));
  constexpr int64_t kMany = 8;
  std::map<std::string_view, std::shared_ptr<ScoredSource>> sources;  // where there are many
  for (size_t i = numkeys_arg + 1; i < end; ++i) {
    const KeyRef key = c.key(i);
    const auto entry = c.find(key);
    if (entry && !ScoredSource::takes(TypeTag{entry->type}.type())) {
      c.wrong_type();
      return false;
    }
    std::shared_ptr<ScoredSource> another;
    std::shared_ptr<ScoredSource>& source = *numkeys > kMany ? sources[key.name] : another;
    if (source == nullptr) source = std::make_shared<ScoredSource>(c, key, entry);
    request.inputs.push_back({source});
  }
  return true;
}

bool parse_weights(Context& c, size_t first, Request& request) {
  for (Input& input : request.inputs) {
    const auto weight = c.double_arg(first++, "ERR weight value is not a float");
    if (!weight) return false;
    input.weight = *weight;
  }
  return true;
}

bool parse_aggregate(Context& c, size_t i, Aggregate& how) {
  if (c.arg_is(i, "SUM")) {
    how = Aggregate::kSum;
  } else if (c.arg_is(i, "MIN")) {
    how = Aggregate::kMin;
  } else if (c.arg_is(i, "MAX")) {
    how = Aggregate::kMax;
  } else {
    c.syntax_error();
    return false;
  }
  return true;
}

bool parse_options(Context& c, size_t first, Request& request) {
  const bool counts = request.purpose == Purpose::kCount;
  const bool weighs = request.operation != Operation::kDiff && !counts;
  for (size_t i = first; i < c.argc(); ++i) {
    const size_t behind = c.argc() - i - 1;
    if (weighs && behind >= request.inputs.size() && c.arg_is(i, "WEIGHTS")) {
      if (!parse_weights(c, i + 1, request)) return false;
      i += request.inputs.size();
    } else if (weighs && behind >= 1 && c.arg_is(i, "AGGREGATE")) {
      if (!parse_aggregate(c, ++i, request.aggregate)) return false;
    } else if (request.purpose == Purpose::kReply && c.arg_is(i, "WITHSCORES")) {
      request.with_scores = WithScores::kYes;
    } else if (counts && behind >= 1 && c.arg_is(i, "LIMIT")) {
      const auto limit = c.integer_arg_in(++i, 0, kInt64Max, "ERR LIMIT can't be negative");
      if (!limit) return false;
      request.limit = static_cast<uint64_t>(*limit);
    } else {
      c.syntax_error();
      return false;
    }
  }
  return true;
}

// The smallest first: fewest look-ups, and the order in which Redis adds scores up.
void sort_inputs(std::vector<Input>& inputs) {
  std::stable_sort(inputs.begin(), inputs.end(), [](const Input& a, const Input& b) {
    return a.source->size() < b.source->size();
  });
}

// Puts all in the order of names, in which the first `sorted` are, and makes one of those of the
// same name, in the order in which they came.
void fold(std::vector<ScoredMember>& members, size_t sorted, Aggregate how) {
  const auto by_name = [](const ScoredMember& a, const ScoredMember& b) {
    return a.member < b.member;
  };
  const auto middle = members.begin() + static_cast<ptrdiff_t>(sorted);
  std::stable_sort(middle, members.end(), by_name);
  std::inplace_merge(members.begin(), middle, members.end(), by_name);
  size_t kept = 0;
  for (const ScoredMember& m : members) {
    if (kept > 0 && members[kept - 1].member == m.member) {
      double& score = members[kept - 1].score;
      score = aggregated(how, score, m.score);
    } else {
      members[kept++] = m;
    }
  }
  members.resize(kept);
}

std::vector<ScoredMember> unite(Request& request) {
  sort_inputs(request.inputs);
  std::vector<ScoredMember> members;
  size_t folded = 0;
  // Many sources may have much the same members: those are not all held at once.
  size_t most = 2 * request.inputs.back().source->size();
  for (const Input& input : request.inputs) {
    if (members.size() + input.source->size() > most) {
      fold(members, folded, request.aggregate);
      folded = members.size();
      most = std::max(most, 2 * folded + input.source->size());
    }
    input.source->for_each([&](const ScoredMember& m) {
      members.push_back({m.member, weighted(input.weight, m.score)});
    });
  }
  fold(members, folded, request.aggregate);
  return members;
}

std::vector<ScoredMember> intersect(Request& request) {
  sort_inputs(request.inputs);
  const Input& smallest = request.inputs.front();
  std::vector<ScoredMember> members;
  if (smallest.source->size() == 0) return members;
  for (Input& input : request.inputs) input.source->index();
  const auto take = [&](const ScoredMember& m) {
    if (request.limit != 0 && members.size() == request.limit) return;
    double score = weighted(smallest.weight, m.score);
    for (size_t i = 1; i < request.inputs.size(); ++i) {
      const auto other = request.inputs[i].source->find(m.member);
      if (!other) return;
      score = aggregated(request.aggregate, score, *other * request.inputs[i].weight);
    }
    members.push_back({m.member, score});
  };
  uint64_t position = 0;
  do {
    position = smallest.source->visit_some(position, take);
  } while (position != 0 && (request.limit == 0 || members.size() < request.limit));
  return members;
}

// What the first has and no other, by taking out what the others have.
std::vector<ScoredMember> take_out(const std::vector<Input>& inputs) {
  const ScoredSource& first = *inputs.front().source;
  NameTable left(first.size());
  first.for_each([&](const ScoredMember& m) { left.insert(m.member); });
  for (size_t i = 1; i < inputs.size() && left.size() > 0; ++i) {
    inputs[i].source->for_each([&](const ScoredMember& m) { left.remove(m.member); });
  }
  std::vector<ScoredMember> members;
  members.reserve(left.size());
  first.for_each([&](const ScoredMember& m) {
    if (left.contains(m.member)) members.push_back(m);
  });
  return members;
}

// As in Redis, whichever is less work: to ask the others for each member of the first, or to take
// out of the first what the others have.
std::vector<ScoredMember> subtract(Request& request) {
  const uint64_t asking = request.inputs.front().source->size() * request.inputs.size();
  uint64_t taking = 0;
  for (const Input& input : request.inputs) taking += input.source->size();
  if (asking / 2 > taking) return take_out(request.inputs);
  std::vector<ScoredMember> members;
  for (Input& input : request.inputs) input.source->index();
  request.inputs.front().source->for_each([&](const ScoredMember& m) {
    for (size_t i = 1; i < request.inputs.size(); ++i) {
      if (request.inputs[i].source->find(m.member)) return;
    }
    members.push_back(m);
  });
  return members;
}

void combine(Context& c, Operation operation, Purpose purpose) {
  const size_t numkeys_arg = purpose == Purpose::kStore ? 2 : 1;
  Request request{.operation = operation, .purpose = purpose, .inputs = {}};
  if (!parse_inputs(c, numkeys_arg, request) ||
      !parse_options(c, numkeys_arg + 1 + request.inputs.size(), request) || !c.ready()) {
    return;
  }
  std::vector<ScoredMember> members;
  std::string_view event;
  switch (operation) {
    case Operation::kUnion:
      members = unite(request);
      event = "zunionstore";
      break;
    case Operation::kInter:
      members = intersect(request);
      event = "zinterstore";
      break;
    case Operation::kDiff:
      members = subtract(request);
      event = "zdiffstore";
      break;
  }
  if (purpose == Purpose::kCount) return c.reply().integer(static_cast<int64_t>(members.size()));
  sort_members(members);
  if (purpose == Purpose::kStore) return store_members(c, c.key(1), members, event);
  reply_members_header(c, members.size(), request.with_scores);
  for (const ScoredMember& m : members) reply_member(c, m, request.with_scores);
}

void cmd_zunion(Context& c) {
  combine(c, Operation::kUnion, Purpose::kReply);
}
void cmd_zunionstore(Context& c) {
  combine(c, Operation::kUnion, Purpose::kStore);
}
void cmd_zinter(Context& c) {
  combine(c, Operation::kInter, Purpose::kReply);
}
void cmd_zinterstore(Context& c) {
  combine(c, Operation::kInter, Purpose::kStore);
}
void cmd_zintercard(Context& c) {
  combine(c, Operation::kInter, Purpose::kCount);
}
void cmd_zdiff(Context& c) {
  combine(c, Operation::kDiff, Purpose::kReply);
}
void cmd_zdiffstore(Context& c) {
  combine(c, Operation::kDiff, Purpose::kStore);
}

constexpr Argument kZdiffArgs[] = {
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
    {.name = "withscores", .type = ArgType::kPureToken, .token = "WITHSCORES", .flags = kOptional},
};
constexpr KeySpec kStoreCountedKeys[] = {
    {.flags = kOW | kUpdate, .index = 1},
    {.flags = kRO | kAccess, .index = 2, .find = KeySpec::Find::kKeynum, .first = 1},
};
constexpr Argument kZdiffstoreArgs[] = {
    {.name = "destination", .type = ArgType::kKey, .key_spec = 0},
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 1, .flags = kMultiple},
};
constexpr Argument kAggregate[] = {
    {.name = "sum", .type = ArgType::kPureToken, .token = "SUM"},
    {.name = "min", .type = ArgType::kPureToken, .token = "MIN"},
    {.name = "max", .type = ArgType::kPureToken, .token = "MAX"},
};
constexpr Argument kAlgebraArgs[] = {
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
    {.name = "weight",
     .type = ArgType::kInteger,
     .token = "WEIGHTS",
     .flags = kOptional | kMultiple},
    {.name = "aggregate",
     .type = ArgType::kOneof,
     .token = "AGGREGATE",
     .flags = kOptional,
     .sub = kAggregate},
    {.name = "withscores", .type = ArgType::kPureToken, .token = "WITHSCORES", .flags = kOptional},
};
constexpr Argument kAlgebraStoreArgs[] = {
    {.name = "destination", .type = ArgType::kKey, .key_spec = 0},
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 1, .flags = kMultiple},
    {.name = "weight",
     .type = ArgType::kInteger,
     .token = "WEIGHTS",
     .flags = kOptional | kMultiple},
    {.name = "aggregate",
     .type = ArgType::kOneof,
     .token = "AGGREGATE",
     .flags = kOptional,
     .sub = kAggregate},
};
constexpr Command kSortedSetAlgebraRows[] = {
    {.name = "zdiff",
     .handler = cmd_zdiff,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadCountedKeys,
     .group = Group::kSortedSet,
     .since = "6.2.0",
     .complexity = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all "
                   "the sets, N is the size of the first set, and K is the size of the result set.",
     .summary = "Subtract multiple sorted sets",
     .arguments = kZdiffArgs,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "zdiffstore",
     .handler = cmd_zdiffstore,
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .keys = kStoreCountedKeys,
     .group = Group::kSortedSet,
     .since = "6.2.0",
     .complexity = "O(L + (N-K)log(N)) worst case where L is the total number of elements in all "
                   "the sets, N is the size of the first set, and K is the size of the result set.",
     .summary = "Subtract multiple sorted sets and store the resulting sorted set in a new key",
     .arguments = kZdiffstoreArgs,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "zinter",
     .handler = cmd_zinter,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadCountedKeys,
     .group = Group::kSortedSet,
     .since = "6.2.0",
     .complexity = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K "
                   "being the number of input sorted sets and M being the number of elements in "
                   "the resulting sorted set.",
     .summary = "Intersect multiple sorted sets",
     .arguments = kAlgebraArgs,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "zintercard",
     .handler = cmd_zintercard,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadCountedKeys,
     .group = Group::kSortedSet,
     .since = "7.0.0",
     .complexity = "O(N*K) worst case with N being the smallest input sorted set, K being the "
                   "number of input sorted sets.",
     .summary = "Intersect multiple sorted sets and return the cardinality of the result",
     .arguments = kCountedKeysLimit,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "zinterstore",
     .handler = cmd_zinterstore,
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .keys = kStoreCountedKeys,
     .group = Group::kSortedSet,
     .since = "2.0.0",
     .complexity = "O(N*K)+O(M*log(M)) worst case with N being the smallest input sorted set, K "
                   "being the number of input sorted sets and M being the number of elements in "
                   "the resulting sorted set.",
     .summary = "Intersect multiple sorted sets and store the resulting sorted set in a new key",
     .arguments = kAlgebraStoreArgs,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "zunion",
     .handler = cmd_zunion,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadCountedKeys,
     .group = Group::kSortedSet,
     .since = "6.2.0",
     .complexity = "O(N)+O(M*log(M)) with N being the sum of the sizes of the input sorted sets, "
                   "and M being the number of elements in the resulting sorted set.",
     .summary = "Add multiple sorted sets",
     .arguments = kAlgebraArgs,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
    {.name = "zunionstore",
     .handler = cmd_zunionstore,
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .keys = kStoreCountedKeys,
     .group = Group::kSortedSet,
     .since = "2.0.0",
     .complexity = "O(N)+O(M log(M)) with N being the sum of the sizes of the input sorted sets, "
                   "and M being the number of elements in the resulting sorted set.",
     .summary = "Add multiple sorted sets and store the resulting sorted set in a new key",
     .arguments = kAlgebraStoreArgs,
     .categories = kCatSortedSet,
     /* movablekeys in Redis: .find_keys may be needed */},
};
static_assert(check_rows(kSortedSetAlgebraRows));

}  // namespace

std::span<const Command> sorted_set_algebra_commands() {
  return kSortedSetAlgebraRows;
}

}  // namespace respcask::server

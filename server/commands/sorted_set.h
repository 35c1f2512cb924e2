// What the commands on sorted sets have in common: the set to be read, ranges by score and by the
// member's bytes, and replies with members and scores.
//
// Plain values and functions; bounds are views of the command's arguments. For handlers, on their
// thread.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/context.h"
#include "server/types/sorted_set.h"

namespace respcask::server {

// The set at `key`, for reading, empty where there is no such key; nothing if it is of another type
// (the error is replied) or not ready.
std::optional<SortedSet> open_set(Context& c, const KeyRef& key);

// Ranks [begin, end).
struct RankRange {
  uint64_t begin = 0;
  uint64_t end = 0;
  uint64_t size() const { return end - begin; }
};

// What ZRANGEBYSCORE takes: "1.5", "(1.5", "-inf".
struct ScoreRange {
  double min = 0;
  double max = 0;
  bool min_open = false;
  bool max_open = false;

  // The arguments that hold the bounds; nothing, and the error replied, if they are none.
  static std::optional<ScoreRange> parse(Context& c, size_t min_arg, size_t max_arg);
  RankRange ranks(const SortedSet& set) const;
};

// What ZRANGEBYLEX takes: "[abc", "(abc", "-", "+".
struct LexRange {
  struct Bound {
    enum class Kind : uint8_t { kLowest, kMember, kHighest } kind = Kind::kMember;
    std::string_view member;
    bool open = false;
  };
  Bound min;
  Bound max;

  static std::optional<LexRange> parse(Context& c, size_t min_arg, size_t max_arg);
  // What it means in a set with different scores is what Redis makes of a listpack, as far as the
  // set is packed; there it depends on the order in which one looks. Elsewhere it is anything.
  RankRange ranks(const SortedSet& set, Order order = Order::kAscending) const;

 private:
  bool reaches_min(std::string_view member) const;
  bool reaches_max(std::string_view member) const;
  bool is_empty() const;
};

// The ranks that a first and last index mean, which count from the end where they are negative.
RankRange index_range(int64_t first, int64_t last, uint64_t size);

// Replies with members, and their scores if wanted: in RESP3 as pairs, in RESP2 one after the
// other. The header is for `count` members; a member follows with each call of the second.
enum class WithScores : uint8_t { kNo, kYes };
void reply_members_header(Context& c, uint64_t count, WithScores with_scores);
void reply_member(Context& c, const ScoredMember& m, WithScores with_scores);

// Makes these, which ascend, what `key` holds, or removes it if there are none; tells of it by
// `event`, and replies with their number.
enum class Tells : uint8_t { kBehindReply, kBeforeReply };
void store_members(Context& c, const KeyRef& key, std::span<ScoredMember> members,
                   std::string_view event, Tells tells = Tells::kBehindReply);

}  // namespace respcask::server

// ScoredSource: what ZUNION, ZINTER and ZDIFF take in: a sorted set, a set, whose members all have
// the score 1, or nothing.
//
// Views are valid until the handler returns or changes a key of the same shard. For handlers, on
// their thread, under the rules of Context.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/function_ref.h"
#include "server/context.h"
#include "server/types/members.h"
#include "server/types/sorted_set.h"

namespace respcask::server {

class ScoredSource {
 public:
  // Whether there can be such a source of what a key holds.
  static bool takes(Type type) { return type == Type::kSortedSet || type == Type::kSet; }

  // `entry` is that of a type it takes, or nothing. Reads it if it is packed: whoever uses what
  // follows checks ready() before.
  ScoredSource(Context& c, const KeyRef& key, const std::optional<engine::KeydirEntry>& entry);
  ScoredSource(ScoredSource&&) = delete;

  uint64_t size() const { return set_ ? set_->size() : sorted_set_->size(); }
  void for_each(engine::FunctionRef<void(const ScoredMember&)> visit) const;
  // Visits some, in any order, from a position on that is 0 at first; returns the one to go on
  // from, or 0 at the end. The source must not change in between.
  uint64_t visit_some(uint64_t position,
                      engine::FunctionRef<void(const ScoredMember&)> visit) const;
  // Prepares for many look-ups.
  void index();
  // After index().
  std::optional<double> find(std::string_view member) const;

 private:
  bool is_split() const { return set_ ? set_->is_split() : sorted_set_->is_split(); }

  const KeyRef key_;                     // which those below refer to
  std::optional<SortedSet> sorted_set_;  // one of the two is there
  std::optional<Members> set_;
  std::vector<ScoredMember> by_name_;  // of a packed source
};

}  // namespace respcask::server

// Sorted sets: how they are kept, read and changed.
//
// A sorted set is packed, one value with all its members, while that takes no more than
// collection-split-bytes; else it is split (sorted_set_index.h), and stays so until it is replaced.
//
//   packed   a packed value (packed.h) with one element for each member: the score (8, a double,
//            little endian), then the member's bytes; ascending by score, then by those bytes
//
// OBJECT ENCODING follows Redis's limits whatever the form: past zset-max-listpack-entries members
// or with one longer than zset-max-listpack-value it is a "skiplist", and stays so.
//
// A split set is all in memory, so reading one is never "not ready".
//
// Nothing here owns memory beyond a call. For handlers, on their thread: the keys' shards are
// locked, and the rule of Context holds: whoever reads checks ready() before he changes anything.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/function_ref.h"
#include "engine/keydir_entry.h"
#include "server/context.h"
#include "server/types/sorted_set_index.h"
#include "server/types/type.h"

namespace respcask::server {

struct ScoredMember {
  std::string_view member;
  double score = 0;  // never NaN
};

enum class Order : uint8_t { kAscending, kDescending };

// A sorted set for reading. A key that is not there is an empty set. Ranks count from 0, at the
// lowest score. Views are valid until the set is changed.
class SortedSet {
 public:
  // Reads the key; nothing below means anything unless c.ready() afterwards.
  SortedSet(Context& c, const KeyRef& key, const std::optional<engine::KeydirEntry>& entry);

  uint64_t size() const { return tree_ == nullptr ? packed_.size() : tree_->size(); }
  std::optional<double> score(std::string_view member) const;
  std::optional<uint64_t> rank(std::string_view member) const;
  // The member of a rank below size().
  ScoredMember at(uint64_t rank) const;

  // The number of members whose score is less (or equal).
  uint64_t count_below(double score, bool or_equal) const;
  // The same by the member's bytes; for sets whose scores are all the same.
  uint64_t count_below(std::string_view member, bool or_equal) const;

  // Visits the members of ranks [begin, end), where end is at most size().
  void visit(uint64_t begin, uint64_t end, Order order,
             engine::FunctionRef<void(const ScoredMember&)> visit) const;

  // Visits some members, as SortedSetTree::scan(); a packed set at once.
  uint64_t scan(uint64_t position, engine::FunctionRef<void(const ScoredMember&)> visit) const;

  bool is_split() const { return tree_ != nullptr; }

 protected:
  std::vector<ScoredMember> packed_;
  const SortedSetTree* tree_ = nullptr;  // of a split set
};

// A sorted set for changing; as it is read it is as changed so far. Usage: make it, c.ready(),
// reserve_*() for all that is to come, change, finish().
class SortedSetEdit : public SortedSet {
 public:
  SortedSetEdit(Context& c, const KeyRef& key, const std::optional<engine::KeydirEntry>& entry);

  // Space for entering this many members, together of so many bytes. False, with the error replied,
  // if there is none: return. Here and below.
  bool reserve_put(uint64_t count, uint64_t member_bytes);
  // Space for erasing the members of ranks [begin, end), or some members of so many bytes.
  bool reserve_erase_ranks(uint64_t begin, uint64_t end);
  bool reserve_erase(uint64_t count, uint64_t member_bytes);

  // Enters a member or changes its score. The bytes are the caller's until finish().
  void put(std::string_view member, double score);
  // False if it was not there.
  bool erase(std::string_view member);
  void erase_ranks(uint64_t begin, uint64_t end);

  // Writes what has changed, and removes the key if nothing is left; tells nobody but those whom
  // Context's calls tell. Once, after the last change.
  void finish();

 private:
  bool reserve(uint64_t records, uint64_t member_bytes, engine::Growth growth);
  void put_packed(std::string_view member, double score);
  void put_split(std::string_view member, double score);
  void erase_split(SortedSetTree::Place place);
  void split();
  SortedSetIndex& index();

  Context& c_;
  const KeyRef& key_;
  std::optional<engine::KeydirEntry> entry_;
  TypeTag tag_;
  uint64_t packed_bytes_ = 0;
  std::string name_;  // of the element in hand
  bool changed_ = false;
};

// Gives the scores of these, which ascend, the sign of zero that they have after they have been
// entered in a new set one by one in this order: Redis's set is a listpack at first, into which -0
// is written as 0.
void score_as_entered_one_by_one(const Config& config, std::span<ScoredMember> members,
                                 Order order);

// The same for scores that are entered in a set of this tag. What a listpack came with is kept: it
// may have a score as text, which can be -0.
void score_as_entered(TypeTag tag, std::span<ScoredMember> members);

// The tag of a new set of these members, by today's limits.
TypeTag tag_of_new(const Config& config, std::span<const ScoredMember> members);

// Makes these, which ascend and are not none, what the key holds, whatever it held. `tag` says the
// encoding: a copy keeps that of the original, whatever today's limits are. Reserves the space:
// false, with nothing changed and the error replied, if there is none.
bool write_sorted_set(Context& c, const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                      std::span<const ScoredMember> members);

// Makes what Redis keeps as a listpack a skip list; to those who watch the key it has not changed.
// It has been read. False if that cannot be done, with the error replied if there is no room, or if
// it was not ready: return.
bool make_skiplist(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

// Sorts members as a sorted set has them.
void sort_members(std::vector<ScoredMember>& members);

}  // namespace respcask::server

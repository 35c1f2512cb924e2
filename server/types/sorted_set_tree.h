// SortedSetTree: the members of a large sorted set, by order, by rank and by name.
//
// A B+-tree (D. Comer, "The ubiquitous B-tree", ACM Computing Surveys 11, 1979) over (score,
// member) whose inner nodes know how many elements lie under each child, so that a rank is found,
// and an element by its rank, in O(log n). The elements stand in the leaves (sorted_set_leaf.h) and
// nowhere else; a table of hashes says in which leaf a member lies (member_leaves.h). Leaves and
// nodes know their parents, so that what begins with a member needs no search by order.
//
//   MemberLeaves: hash -> leaf number               root node
//                                |                 |         |
//   leaf number -> leaf          |               node       node
//                                v              |    |     |    |
//                               leaf <-> leaf <-> leaf <-> leaf
//
// Invariants: elements ascend by score, then by the member's bytes; no score is NaN. No leaf is
// empty; there is a root if there is an element. No operation moves more than a few leaves' worth,
// whatever the size of the set.
//
// Owns its memory: about 50 bytes for a member of 16. No locking: one thread at a time; the const
// functions may be called by several.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <string_view>

#include "engine/function_ref.h"
#include "engine/location.h"
#include "server/types/member_leaves.h"
#include "server/types/sorted_set_leaf.h"

namespace respcask::server {

struct SortedSetNode;

class SortedSetTree {
 public:
  // An element's place; good until the next change.
  struct Place {
    uint32_t leaf = SortedSetLeaf::kNone;
    uint32_t index = 0;
    bool valid() const { return leaf != SortedSetLeaf::kNone; }
  };
  // `member` points into the tree; good until the next change.
  struct Element {
    std::string_view member;
    double score = 0;
    engine::Location where;
  };

  SortedSetTree() = default;
  ~SortedSetTree();
  SortedSetTree(SortedSetTree&&) = delete;

  uint64_t size() const { return members_.size(); }

  // Not valid if the member is not there.
  Place find(std::string_view member) const;
  // For whoever is about to find many: engine::ElementIndex::prefetch().
  static uint64_t hash_member(std::string_view member);
  void prefetch(uint64_t hash, int step) const;
  Element element(Place place) const;
  // How many elements come before this one.
  uint64_t rank(Place place) const;
  // The element of a rank below size().
  Place at_rank(uint64_t rank) const;
  // The neighbours in order; not valid past the ends.
  Place next(Place place) const;
  Place previous(Place place) const;

  // The number of elements whose score is less than this one (or equal).
  uint64_t count_below(double score, bool or_equal) const;
  // The same by the member's bytes, in a set whose scores are all the same.
  uint64_t count_below(std::string_view member, bool or_equal) const;

  // Enters a member that is not there.
  void insert(std::string_view member, double score, engine::Location where);
  // Gives a member that is there, at `place`, another score and location. `member` does not point
  // into the tree.
  void update(Place place, std::string_view member, double score, engine::Location where);
  void set_where(Place place, engine::Location where);
  void erase(Place place);

  // Visits some elements, in the order of their hashes, from a position on that is 0 at first;
  // returns the one to go on from, or 0 at the end. A member that is there throughout is visited,
  // whatever changes in between. A position is below 2^32, and any number may be handed in.
  uint64_t scan(uint64_t position, engine::FunctionRef<void(const Element&)> visit) const;

  // O(1).
  size_t memory_bytes() const;

 private:
  const SortedSetLeaf& leaf(uint32_t number) const { return *leaves_[number]; }
  SortedSetLeaf& leaf(uint32_t number) { return *leaves_[number]; }
  Place first_not_before(auto before, uint64_t* rank) const;
  bool stays_in_place(const SortedSetLeaf& leaf, size_t index, std::string_view member,
                      double score) const;

  SortedSetLeaf* new_leaf(size_t count, size_t bytes);
  void free_leaf(SortedSetLeaf* leaf);
  SortedSetNode* new_node(SortedSetNode* parent, uint32_t level);
  void free_node(SortedSetNode* node);
  void plant(SortedSetLeaf* only);
  Place split_leaf(uint32_t number, size_t index);
  void move_tail(SortedSetLeaf& to, SortedSetLeaf& from, size_t first);
  void add_child(SortedSetNode* node, size_t at, uint64_t child);
  SortedSetNode* split_node(SortedSetNode* node);
  void remove_child(SortedSetNode* node, size_t at);
  void join_leaf(uint32_t number);
  void join_node(SortedSetNode* node);
  void refresh_up(SortedSetNode* node);
  void refresh_leaf_up(const SortedSetLeaf& leaf);
  void set_child(SortedSetNode& node, size_t at, uint64_t child);
  void adopt(SortedSetNode& node, size_t at);

  SortedSetNode* root_ = nullptr;
  std::deque<SortedSetLeaf*> leaves_;  // by number; null: free
  std::deque<uint32_t> free_numbers_;
  MemberLeaves members_;
  size_t heap_bytes_ = 0;  // of leaves, long members and nodes
};

}  // namespace respcask::server

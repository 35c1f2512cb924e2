// SortedSetIndex: the element index of a large sorted set. All of it is in memory: members, scores
// and their order; the log is read at recovery only.
//
// A split sorted set is a root record and one element for each member:
//
//   root     header of one byte: 1, the format of the elements as described here
//   element  name     score (8, a double, little endian), then the member's bytes
//            payload  nothing
//
// The member alone identifies the element: a new score is a new record, which replaces the old one
// as any put does. The score in a tombstone's name means nothing.
//
// Owned by its shard and called under the shard's lock (engine/element_index.h).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "engine/element_index.h"
#include "server/types/sorted_set_tree.h"
#include "server/types/type.h"

namespace respcask::server {

class SortedSetIndex final : public engine::ElementIndex {
 public:
  static constexpr size_t kScoreBytes = 8;

  // The name of an element; `scratch` holds it.
  static std::string_view name(std::string_view member, double score, std::string& scratch);

  const SortedSetTree& tree() const { return tree_; }

  // Where an element lies in the log, as the engine counts it.
  static engine::ElementLocation location(const SortedSetTree::Element& element);

  // Enters a member that is not there.
  void insert(std::string_view member, double score, engine::Location where) {
    tree_.insert(member, score, where);
  }
  // Gives the member at `place` another score and location; `member` does not point into the tree.
  void update(SortedSetTree::Place place, std::string_view member, double score,
              engine::Location where) {
    tree_.update(place, member, score, where);
  }
  void erase(SortedSetTree::Place place) { tree_.erase(place); }

  std::optional<engine::ElementLocation> recover_put(std::string_view name, engine::Location where,
                                                     uint32_t value_size) override;
  std::optional<engine::ElementLocation> recover_remove(std::string_view name) override;
  bool is_live(std::string_view name, engine::Location where) const override;
  bool contains(std::string_view name) const override;
  uint64_t hash(std::string_view name) const override;
  void prefetch(uint64_t hash, int step) const override { tree_.prefetch(hash, step); }
  bool relocate(std::string_view name, engine::Location from, engine::Location to) override;
  void for_each(const std::function<void(const engine::ElementLocation&)>& visit) const override;
  bool lacks_elements() const override { return tree_.size() == 0; }
  bool serves(uint8_t type) const override { return TypeTag{type}.type() == Type::kSortedSet; }
  size_t memory_bytes() const override { return tree_.memory_bytes() + kTableBytes; }

 private:
  static constexpr size_t kTableBytes = 16;  // of the virtual table's address, and malloc's

  SortedSetTree tree_;
};

}  // namespace respcask::server

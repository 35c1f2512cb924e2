// ListIndex: the element index of a long list: where each element lies, in the list's order.
//
// A split list is a root record and one record for each element:
//
//   root      header of one byte: 1, the format of the elements as described here
//   element   name     its position (list_position.h)
//             payload  its bytes
//
// The list's order is that of the positions, so it is known from names alone, in whatever order
// they are replayed. What is pushed takes the next whole number beyond the end; what is inserted
// takes the middle between its neighbours (ListIndex::between), and if there is none, some
// neighbours are written anew under positions farther apart.
//
// In memory the elements stand in blocks of up to kBlockElements, and the blocks in groups of up to
// kGroupBlocks, each with its count. An element takes 12 bytes. Where the elements of a block have
// consecutive whole numbers, as those that were pushed have, their positions take nothing;
// elsewhere 16 bytes each. Blocks grow and shrink with what they hold. At the ends everything is
// O(1); elsewhere it takes a walk over the groups' counts and then the blocks' of one (1 million
// elements: some 60 and 128), or, by position, two binary searches.
//
// Owned by its shard and called under the shard's lock (engine/element_index.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/element_index.h"
#include "engine/function_ref.h"
#include "server/types/list_position.h"
#include "server/types/type.h"

namespace respcask::server {

class ListIndex final : public engine::ElementIndex {
 public:
  using Position = ListPosition;

  // The header of a split list's root.
  static constexpr std::string_view kHeader{"\x01", 1};

  struct Element {
    engine::Location where;
    uint32_t size = 0;
  };

 private:
  static constexpr uint32_t kBlockElements = 128;
  static constexpr size_t kGroupBlocks = 128;

  // An Element in 12 bytes.
  struct Stored {
    uint32_t low, high, size;
    static Stored of(engine::Location where, uint32_t size) {
      return {static_cast<uint32_t>(where.packed), static_cast<uint32_t>(where.packed >> 32), size};
    }
    engine::Location where() const { return {uint64_t{high} << 32 | low}; }
  };

  struct Block {
    Position first = 0;  // the position of its first element
    std::unique_ptr<Stored[]> elements;
    std::unique_ptr<Position[]> positions;  // null: `first` and the whole numbers after it
    uint16_t begin = 0;                     // what is used of the arrays
    uint16_t end = 0;
    uint16_t capacity = 0;

    uint32_t count() const { return uint32_t{end} - begin; }
    Position position(uint32_t i) const {
      return positions ? positions[begin + i] : first + kListStep * static_cast<Position>(i);
    }
    Position last() const { return position(count() - 1); }
    size_t heap_bytes() const;
  };

  struct Group {
    std::vector<Block> blocks;
    uint64_t count = 0;
  };

  struct Place {
    size_t group = 0;
    size_t block = 0;
    uint32_t index = 0;
  };

 public:
  // Walks the elements either way. Valid until the index changes.
  class Cursor {
   public:
    // Of an element that is there.
    Element element() const {
      const Stored& found = block_->elements[block_->begin + at_.index];
      return {found.where(), found.size};
    }
    Position position() const { return block_->position(at_.index); }
    // False at the end of the list; then the cursor stays where it is.
    bool next();
    bool previous();

   private:
    friend class ListIndex;
    Cursor(const ListIndex& index, Place at)
        : index_(&index), at_(at), block_(&index.groups_[at.group].blocks[at.block]) {}
    const ListIndex* index_;
    Place at_;
    const Block* block_;
  };

  uint64_t size() const { return size_; }

  // The element of that rank, counted from the head from 0; `rank` < size().
  Cursor at(uint64_t rank) const { return {*this, find_rank(rank)}; }

  // Positions for what comes next at either end of the list. They are not taken until entered.
  Position before_head() const;
  Position after_tail() const;
  // A position before that of the element with this rank, which is not 0 and below size(), and
  // after that of the one in front of it; nothing if there is none left between them.
  std::optional<Position> between(uint64_t rank) const;

  // A window of neighbours around the gap in front of `rank`, and positions for them and for one
  // more in that gap: `start` for the first and each `step` farther on than the one before.
  struct Spread {
    uint64_t first = 0;  // ranks
    uint64_t count = 0;
    Position start = 0;
    Position step = 0;
  };
  Spread spread(uint64_t rank) const;

  // Enters an element; returns the one that it replaces.
  std::optional<engine::ElementLocation> put(Position position, engine::Location where,
                                             uint32_t size);
  // The same at the ends, where nothing is replaced.
  void push_head(Position position, engine::Location where, uint32_t size);
  void push_tail(Position position, engine::Location where, uint32_t size);

  using Visit = engine::FunctionRef<void(const engine::ElementLocation&)>;
  // Takes out `count` elements from `rank` on, which are there; each is shown to `removed`.
  void erase(uint64_t rank, uint64_t count, Visit removed);

  std::optional<engine::ElementLocation> recover_put(std::string_view name, engine::Location where,
                                                     uint32_t value_size) override;
  std::optional<engine::ElementLocation> recover_remove(std::string_view name) override;
  void recover_remove_all(
      std::string_view name,
      const std::function<void(const engine::ElementLocation&)>& removed) override;
  bool is_live(std::string_view name, engine::Location where) const override;
  bool contains(std::string_view name) const override;
  bool relocate(std::string_view name, engine::Location from, engine::Location to) override;
  void for_each(const std::function<void(const engine::ElementLocation&)>& visit) const override;
  bool lacks_elements() const override { return size() == 0; }
  bool serves(uint8_t type) const override { return TypeTag{type}.type() == Type::kList; }
  size_t memory_bytes() const override;

 private:
  Block& block_at(Place at) { return groups_[at.group].blocks[at.block]; }
  const Block& block_at(Place at) const { return groups_[at.group].blocks[at.block]; }
  Place find_rank(uint64_t rank) const;
  uint64_t rank_of(Place at) const;
  // The first element at or after the position: its block, or, past a block's last element, that
  // block's end.
  Place find(Position position) const;
  std::optional<Place> find_exact(Position position) const;
  static engine::ElementLocation location(const Block& block, uint32_t index);

  void insert(Place at, Position position, Stored element);
  // A new block behind `at.block` - 1, in the same group or a new one; `at` becomes its place.
  Block& make_block(Place& at);
  void split_block(Place& at);
  void make_room(Block& block, uint32_t index);
  void resize(Block& block, uint32_t capacity, uint32_t begin);
  void make_irregular(Block& block);
  void make_regular_if_possible(Block& block);
  static void erase_in(Block& block, uint32_t index, uint32_t count);
  // After elements were taken out of a block that is not empty: gives memory back.
  void settle(Place at);
  bool join(Group& group, size_t left);
  void drop_block(Place at);
  void join_groups(size_t group);
  void insert_block(Group& group, size_t at, Block block);
  void erase_block(Group& group, size_t at);

  std::vector<Group> groups_;
  uint64_t size_ = 0;
  size_t heap_bytes_ = 0;   // of the blocks' arrays
  size_t block_slots_ = 0;  // room for blocks in all groups
};

}  // namespace respcask::server

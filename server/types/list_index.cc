#include "server/types/list_index.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <utility>

namespace respcask::server {

namespace {

using Position = ListIndex::Position;

constexpr uint32_t kLeastCapacity = 4;
// What a block's arrays take beyond their bytes, which are a multiple of 16: malloc's header, and
// as much again that it rounds up.
constexpr size_t kArrayOverhead = 16;

}  // namespace

// --- looking up ---------------------------------------------------------------------------------

size_t ListIndex::Block::heap_bytes() const {
  size_t bytes = kArrayOverhead + capacity * sizeof(Stored);
  if (positions) bytes += kArrayOverhead + capacity * sizeof(Position);
  return bytes;
}

bool ListIndex::Cursor::next() {
  if (at_.index + 1 < block_->count()) {
    ++at_.index;
    return true;
  }
  const Group& group = index_->groups_[at_.group];
  if (at_.block + 1 < group.blocks.size()) {
    ++at_.block;
  } else if (at_.group + 1 < index_->groups_.size()) {
    ++at_.group;
    at_.block = 0;
  } else {
    return false;
  }
  at_.index = 0;
  block_ = &index_->block_at(at_);
  return true;
}

bool ListIndex::Cursor::previous() {
  if (at_.index > 0) {
    --at_.index;
    return true;
  }
  if (at_.block > 0) {
    --at_.block;
  } else if (at_.group > 0) {
    --at_.group;
    at_.block = index_->groups_[at_.group].blocks.size() - 1;
  } else {
    return false;
  }
  block_ = &index_->block_at(at_);
  at_.index = block_->count() - 1;
  return true;
}

// From the nearer end.
ListIndex::Place ListIndex::find_rank(uint64_t rank) const {
  assert(rank < size_);
  Place at;
  if (rank < size_ / 2) {
    while (rank >= groups_[at.group].count) rank -= groups_[at.group++].count;
  } else {
    uint64_t after = size_ - rank;  // elements from this one to the end
    at.group = groups_.size() - 1;
    while (after > groups_[at.group].count) after -= groups_[at.group--].count;
    rank = groups_[at.group].count - after;
  }
  const std::vector<Block>& blocks = groups_[at.group].blocks;
  if (rank < groups_[at.group].count / 2) {
    while (rank >= blocks[at.block].count()) rank -= blocks[at.block++].count();
  } else {
    uint64_t after = groups_[at.group].count - rank;
    at.block = blocks.size() - 1;
    while (after > blocks[at.block].count()) after -= blocks[at.block--].count();
    rank = blocks[at.block].count() - after;
  }
  at.index = static_cast<uint32_t>(rank);
  return at;
}

uint64_t ListIndex::rank_of(Place at) const {
  uint64_t rank = at.index;
  for (size_t group = 0; group < at.group; ++group) rank += groups_[group].count;
  for (size_t block = 0; block < at.block; ++block) {
    rank += groups_[at.group].blocks[block].count();
  }
  return rank;
}

ListIndex::Place ListIndex::find(Position position) const {
  assert(size_ > 0);
  Place at;
  const auto group = std::upper_bound(
      groups_.begin(), groups_.end(), position,
      [](Position p, const Group& candidate) { return p < candidate.blocks.front().first; });
  if (group == groups_.begin()) return at;
  at.group = static_cast<size_t>(group - groups_.begin()) - 1;
  const std::vector<Block>& blocks = groups_[at.group].blocks;
  const auto after =
      std::upper_bound(blocks.begin(), blocks.end(), position,
                       [](Position p, const Block& block) { return p < block.first; });
  at.block = static_cast<size_t>(after - blocks.begin()) - 1;
  const Block& block = blocks[at.block];
  if (block.positions) {
    const Position* const begin = block.positions.get() + block.begin;
    at.index =
        static_cast<uint32_t>(std::lower_bound(begin, begin + block.count(), position) - begin);
  } else {
    const Position distance = (position - block.first + kListStep - 1) / kListStep;  // rounded up
    at.index =
        static_cast<uint32_t>(std::min<Position>(distance, static_cast<Position>(block.count())));
  }
  return at;
}

std::optional<ListIndex::Place> ListIndex::find_exact(Position position) const {
  if (size_ == 0) return std::nullopt;
  const Place at = find(position);
  const Block& block = block_at(at);
  if (at.index == block.count() || block.position(at.index) != position) return std::nullopt;
  return at;
}

engine::ElementLocation ListIndex::location(const Block& block, uint32_t index) {
  const Stored& found = block.elements[block.begin + index];
  return {found.where(), found.size, ListName::size_of(block.position(index))};
}

// --- positions ----------------------------------------------------------------------------------

ListIndex::Position ListIndex::before_head() const {
  if (size_ == 0) return 0;
  const Position first = groups_.front().blocks.front().first;
  const Position whole = whole_of(first);
  return whole < first ? whole : whole - kListStep;
}

ListIndex::Position ListIndex::after_tail() const {
  if (size_ == 0) return 0;
  return whole_of(groups_.back().blocks.back().last()) + kListStep;
}

std::optional<ListIndex::Position> ListIndex::between(uint64_t rank) const {
  assert(rank > 0);
  Cursor cursor = at(rank);
  const Position high = cursor.position();
  cursor.previous();
  const Position low = cursor.position();
  if (high - low < 2) return std::nullopt;
  return low + (high - low) / 2;
}

// The window doubles until its share of positions is wide again. Two whole numbers are 2^64 apart,
// so it ends not far beyond what was inserted between two of them; and as each element gets room
// for 32 insertions at one spot, few are written anew for each that is inserted (the reasoning is
// that of list labelling: Itai, Konheim, Rodeh, 1981).
ListIndex::Spread ListIndex::spread(uint64_t rank) const {
  constexpr Position kRoom = Position{1} << 32;
  for (uint64_t half = 8;; half *= 2) {
    Spread found;
    found.first = rank - std::min(rank, half);
    found.count = std::min(size_, rank + half) - found.first;
    const auto places = static_cast<Position>(found.count + 2);
    // Beyond the ends there is no neighbour to keep clear of.
    const Position low =
        found.first == 0 ? before_head() - kListStep * places : at(found.first - 1).position();
    const Position high = found.first + found.count == size_
                              ? after_tail() + kListStep * places
                              : at(found.first + found.count).position();
    found.step = (high - low) / places;
    found.start = low + found.step;
    if (found.step >= kRoom) return found;
  }
}

// --- blocks -------------------------------------------------------------------------------------

void ListIndex::insert_block(Group& group, size_t at, Block block) {
  block_slots_ -= group.blocks.capacity();
  group.blocks.insert(group.blocks.begin() + static_cast<ptrdiff_t>(at), std::move(block));
  block_slots_ += group.blocks.capacity();
}

void ListIndex::erase_block(Group& group, size_t at) {
  block_slots_ -= group.blocks.capacity();
  group.blocks.erase(group.blocks.begin() + static_cast<ptrdiff_t>(at));
  if (group.blocks.size() * 4 < group.blocks.capacity()) group.blocks.shrink_to_fit();
  block_slots_ += group.blocks.capacity();
}

// Moves the contents to arrays of another capacity, where they begin at `begin`.
void ListIndex::resize(Block& block, uint32_t capacity, uint32_t begin) {
  const uint32_t count = block.count();
  assert(begin + count <= capacity);
  if (block.elements) heap_bytes_ -= block.heap_bytes();
  auto elements = std::make_unique_for_overwrite<Stored[]>(capacity);
  std::copy_n(block.elements.get() + block.begin, count, elements.get() + begin);
  block.elements = std::move(elements);
  if (block.positions) {
    auto positions = std::make_unique_for_overwrite<Position[]>(capacity);
    std::copy_n(block.positions.get() + block.begin, count, positions.get() + begin);
    block.positions = std::move(positions);
  }
  block.capacity = static_cast<uint16_t>(capacity);
  block.begin = static_cast<uint16_t>(begin);
  block.end = static_cast<uint16_t>(begin + count);
  heap_bytes_ += block.heap_bytes();
}

void ListIndex::make_irregular(Block& block) {
  if (block.positions) return;
  auto positions = std::make_unique_for_overwrite<Position[]>(block.capacity);
  for (uint32_t i = 0; i < block.count(); ++i) positions[block.begin + i] = block.position(i);
  heap_bytes_ -= block.heap_bytes();
  block.positions = std::move(positions);
  heap_bytes_ += block.heap_bytes();
}

void ListIndex::make_regular_if_possible(Block& block) {
  if (!block.positions) return;
  const Position* const positions = block.positions.get() + block.begin;
  const uint32_t count = block.count();
  // Distinct whole numbers that reach no farther than their count are consecutive.
  if (positions[count - 1] - positions[0] != kListStep * static_cast<Position>(count - 1)) return;
  for (uint32_t i = 1; i < count; ++i) {
    if (positions[i] - positions[i - 1] != kListStep) return;
  }
  heap_bytes_ -= block.heap_bytes();
  block.positions.reset();
  heap_bytes_ += block.heap_bytes();
}

// Opens a gap of one in front of element `index`, which is then inside [begin, end).
void ListIndex::make_room(Block& block, uint32_t index) {
  const uint32_t count = block.count();
  assert(count < kBlockElements);
  if (count == block.capacity) {
    const uint32_t capacity = std::clamp<uint32_t>(count * 2, kLeastCapacity, kBlockElements);
    // What comes at the front will want more room there.
    resize(block, capacity, index == 0 && count > 0 ? capacity - count : 0);
  } else if (block.end == block.capacity && index == count) {
    // Pushed behind what is popped in front: all the room comes to the end at once.
    resize(block, block.capacity, 0);
  }
  const bool room_after = block.end < block.capacity;
  const bool shift_front = block.begin > 0 && (!room_after || index < count / 2);
  const auto open = [&](auto* items) {
    auto* const begin = items + block.begin;
    if (shift_front) {
      std::copy(begin, begin + index, begin - 1);
    } else {
      std::copy_backward(begin + index, begin + count, begin + count + 1);
    }
  };
  open(block.elements.get());
  if (block.positions) open(block.positions.get());
  if (shift_front) {
    --block.begin;
  } else {
    ++block.end;
  }
}

ListIndex::Block& ListIndex::make_block(Place& at) {
  if (groups_.empty()) {
    groups_.emplace_back();
    at = {};
  }
  if (groups_[at.group].blocks.size() == kGroupBlocks) {
    // At either end of the list a new group; inside, half of this one.
    const bool front = at.group == 0 && at.block == 0;
    const bool back = at.group + 1 == groups_.size() && at.block == kGroupBlocks;
    Group fresh;
    if (!front && !back) {
      std::vector<Block>& full = groups_[at.group].blocks;
      const auto middle = full.begin() + kGroupBlocks / 2;
      block_slots_ -= full.capacity();
      fresh.blocks.assign(std::make_move_iterator(middle), std::make_move_iterator(full.end()));
      full.erase(middle, full.end());
      block_slots_ += full.capacity() + fresh.blocks.capacity();
      for (const Block& block : fresh.blocks) fresh.count += block.count();
      groups_[at.group].count -= fresh.count;
    }
    const size_t to = front ? 0 : at.group + 1;
    groups_.insert(groups_.begin() + static_cast<ptrdiff_t>(to), std::move(fresh));
    if (back) {
      at = {at.group + 1, 0, 0};
    } else if (!front && at.block > kGroupBlocks / 2) {
      at = {at.group + 1, at.block - kGroupBlocks / 2, 0};
    }
  }
  at.index = 0;
  insert_block(groups_[at.group], at.block, Block());
  return block_at(at);
}

// Moves the second half of a full block to a new one behind it; `at` keeps its element.
void ListIndex::split_block(Place& at) {
  constexpr uint32_t kHalf = kBlockElements / 2;
  const uint32_t index = at.index;
  Block right;
  {
    Block& left = block_at(at);
    const uint32_t count = left.count();
    right.first = left.position(kHalf);
    right.elements = std::make_unique_for_overwrite<Stored[]>(kBlockElements);
    right.capacity = kBlockElements;
    right.end = static_cast<uint16_t>(count - kHalf);
    std::copy_n(left.elements.get() + left.begin + kHalf, count - kHalf, right.elements.get());
    if (left.positions) {
      right.positions = std::make_unique_for_overwrite<Position[]>(kBlockElements);
      std::copy_n(left.positions.get() + left.begin + kHalf, count - kHalf, right.positions.get());
    }
    heap_bytes_ += right.heap_bytes();
    make_regular_if_possible(right);
    left.end = static_cast<uint16_t>(left.begin + kHalf);
    make_regular_if_possible(left);
    groups_[at.group].count -= right.count();
  }
  const uint32_t moved = right.count();
  Place to{at.group, at.block + 1, 0};
  // The group may be divided for it, and the left one with it be moved.
  const Position left_first = block_at(at).first;
  make_block(to) = std::move(right);
  groups_[to.group].count += moved;
  if (index > kHalf) {
    at = {to.group, to.block, index - kHalf};
    return;
  }
  at = to.block > 0 ? Place{to.group, to.block - 1, index}
                    : Place{to.group - 1, groups_[to.group - 1].blocks.size() - 1, index};
  assert(block_at(at).first == left_first);
}

// In front of element at.index of a block that is not full, or, where at.index is its count, at its
// end; or into a new block.
void ListIndex::insert(Place at, Position position, Stored element) {
  constexpr uint32_t kWorthKeepingRegular = kBlockElements / 4;
  const auto is_full = [](const Block& block) { return block.count() == kBlockElements; };
  if (groups_.empty()) {
    make_block(at);
  } else {
    const Block& block = block_at(at);
    const uint32_t count = block.count();
    const bool behind = at.index == count;
    const bool ahead = at.index == 0;
    const bool first_block = at.group == 0 && at.block == 0;
    const bool fits = !block.positions && ((behind && position == block.last() + kListStep) ||
                                           (ahead && position == block.first - kListStep));
    // A neighbour that it fits to, a new block, or a place among others here.
    if (behind && !(fits && !is_full(block))) {
      Cursor next(*this, {at.group, at.block, count - 1});
      const bool last_block = !next.next();
      if (!last_block && !is_full(*next.block_) && !next.block_->positions &&
          position == next.block_->first - kListStep) {
        at = next.at_;
      } else if (is_full(block) || (!block.positions && count >= kWorthKeepingRegular)) {
        ++at.block;
        make_block(at);
      }
    } else if (ahead && first_block && !fits &&
               (is_full(block) || (!block.positions && count >= kWorthKeepingRegular))) {
      make_block(at);
    } else if (is_full(block)) {
      if (ahead && first_block) {
        make_block(at);
      } else {
        split_block(at);
      }
    }
  }
  Block& block = block_at(at);
  const uint32_t count = block.count();
  const bool regular = !block.positions &&
                       (count == 0 || (at.index == count && position == block.last() + kListStep) ||
                        (at.index == 0 && position == block.first - kListStep));
  if (!regular) make_irregular(block);
  make_room(block, at.index);
  block.elements[block.begin + at.index] = element;
  if (block.positions) block.positions[block.begin + at.index] = position;
  if (at.index == 0) block.first = position;
  ++groups_[at.group].count;
  ++size_;
  if (!regular) make_regular_if_possible(block);
}

std::optional<engine::ElementLocation> ListIndex::put(Position position, engine::Location where,
                                                      uint32_t size) {
  const Stored element = Stored::of(where, size);
  if (size_ == 0 || position > groups_.back().blocks.back().last()) {
    push_tail(position, where, size);
    return std::nullopt;
  }
  const Place at = find(position);
  Block& block = block_at(at);
  if (at.index < block.count() && block.position(at.index) == position) {
    const engine::ElementLocation old = location(block, at.index);
    block.elements[block.begin + at.index] = element;
    return old;
  }
  insert(at, position, element);
  return std::nullopt;
}

void ListIndex::push_head(Position position, engine::Location where, uint32_t size) {
  assert(size_ == 0 || position < groups_.front().blocks.front().first);
  insert({}, position, Stored::of(where, size));
}

void ListIndex::push_tail(Position position, engine::Location where, uint32_t size) {
  Place at;
  if (size_ > 0) {
    at.group = groups_.size() - 1;
    at.block = groups_.back().blocks.size() - 1;
    at.index = block_at(at).count();
    assert(position > block_at(at).last());
  }
  insert(at, position, Stored::of(where, size));
}

// --- taking out ---------------------------------------------------------------------------------

void ListIndex::erase_in(Block& block, uint32_t index, uint32_t count) {
  const uint32_t behind = block.count() - index - count;
  const bool inside = index > 0 && behind > 0;
  assert(!inside || block.positions);
  const auto close = [&](auto* items) {
    auto* const begin = items + block.begin;
    if (index < behind) {
      std::copy_backward(begin, begin + index, begin + index + count);
    } else {
      std::copy(begin + index + count, begin + index + count + behind, begin + index);
    }
  };
  if (index == 0 && behind > 0) block.first = block.position(count);
  close(block.elements.get());
  if (block.positions) close(block.positions.get());
  if (index < behind) {
    block.begin = static_cast<uint16_t>(block.begin + count);
  } else {
    block.end = static_cast<uint16_t>(block.end - count);
  }
}

void ListIndex::erase(uint64_t rank, uint64_t count, Visit removed) {
  assert(count <= size_ && rank <= size_ - count);
  while (count > 0) {
    const Place at = find_rank(rank);
    Block& block = block_at(at);
    const auto here = static_cast<uint32_t>(std::min<uint64_t>(count, block.count() - at.index));
    for (uint32_t i = 0; i < here; ++i) removed(location(block, at.index + i));
    count -= here;
    size_ -= here;
    groups_[at.group].count -= here;
    if (here == block.count()) {
      drop_block(at);
      continue;
    }
    if (at.index > 0 && at.index + here < block.count()) make_irregular(block);
    erase_in(block, at.index, here);
    settle(at);
  }
}

void ListIndex::settle(Place at) {
  Block& block = block_at(at);
  make_regular_if_possible(block);
  Group& group = groups_[at.group];
  const uint32_t count = block.count();
  if (count <= kBlockElements / 4) {
    if (at.block + 1 < group.blocks.size() && join(group, at.block)) return;
    if (at.block > 0 && join(group, at.block - 1)) return;
  }
  if (count * 2 <= block.capacity && block.capacity > kLeastCapacity) {
    resize(block, std::max(count + count / 4, kLeastCapacity), 0);
  }
}

// Moves block left + 1 into block `left`, if that saves memory.
bool ListIndex::join(Group& group, size_t left) {
  constexpr uint32_t kFew = 16;  // so few are cheaper with their positions than with a block more
  Block& to = group.blocks[left];
  Block& from = group.blocks[left + 1];
  const uint32_t count = to.count() + from.count();
  if (count > kBlockElements * 3 / 4) return false;
  const bool regular = !to.positions && !from.positions && from.first == to.last() + kListStep;
  if (!regular) {
    if (!(to.positions && from.positions) && count > kFew) return false;
    make_irregular(to);
    make_irregular(from);
  }
  resize(to, std::max(count, kLeastCapacity), 0);
  std::copy_n(from.elements.get() + from.begin, from.count(), to.elements.get() + to.end);
  if (to.positions) {
    std::copy_n(from.positions.get() + from.begin, from.count(), to.positions.get() + to.end);
  }
  to.end = static_cast<uint16_t>(count);
  make_regular_if_possible(to);
  heap_bytes_ -= from.heap_bytes();
  erase_block(group, left + 1);
  return true;
}

void ListIndex::drop_block(Place at) {
  Group& group = groups_[at.group];
  heap_bytes_ -= group.blocks[at.block].heap_bytes();
  erase_block(group, at.block);
  if (group.blocks.empty()) {
    block_slots_ -= group.blocks.capacity();
    groups_.erase(groups_.begin() + static_cast<ptrdiff_t>(at.group));
    if (groups_.size() * 4 < groups_.capacity()) groups_.shrink_to_fit();
  } else if (group.blocks.size() < kGroupBlocks / 4) {
    join_groups(at.group);
  }
}

// Few blocks in a group: its neighbour takes them, if it has room for as many again.
void ListIndex::join_groups(size_t at) {
  for (const size_t left : {at, at - 1}) {
    if (left >= groups_.size() || left + 1 >= groups_.size()) continue;
    Group& to = groups_[left];
    Group& from = groups_[left + 1];
    if (to.blocks.size() + from.blocks.size() > kGroupBlocks / 2) continue;
    block_slots_ -= to.blocks.capacity() + from.blocks.capacity();
    to.blocks.insert(to.blocks.end(), std::make_move_iterator(from.blocks.begin()),
                     std::make_move_iterator(from.blocks.end()));
    block_slots_ += to.blocks.capacity();
    to.count += from.count;
    groups_.erase(groups_.begin() + static_cast<ptrdiff_t>(left) + 1);
    return;
  }
}

// --- the engine's side --------------------------------------------------------------------------

std::optional<engine::ElementLocation> ListIndex::recover_put(std::string_view name,
                                                              engine::Location where,
                                                              uint32_t value_size) {
  const auto position = decode_list_name(name);
  if (!position) return std::nullopt;
  return put(*position, where, value_size);
}

std::optional<engine::ElementLocation> ListIndex::recover_remove(std::string_view name) {
  const auto position = decode_list_name(name);
  if (!position) return std::nullopt;
  const auto at = find_exact(*position);
  if (!at) return std::nullopt;
  std::optional<engine::ElementLocation> old;
  erase(rank_of(*at), 1, [&](const engine::ElementLocation& removed) { old = removed; });
  return old;
}

void ListIndex::recover_remove_all(
    std::string_view name, const std::function<void(const engine::ElementLocation&)>& removed) {
  std::string_view rest = name;
  const auto first = decode_position(rest);
  if (!first || rest.empty()) {
    if (auto old = recover_remove(name)) removed(*old);
    return;
  }
  const auto last = decode_list_name(rest);
  if (!last || size_ == 0) return;
  const uint64_t begin = rank_of(find(*first));
  const Place at = find(*last);
  const Block& block = block_at(at);
  const bool last_there = at.index < block.count() && block.position(at.index) == *last;
  const uint64_t end = rank_of(at) + (last_there ? 1 : 0);
  if (begin < end) erase(begin, end - begin, removed);
}

bool ListIndex::is_live(std::string_view name, engine::Location where) const {
  const auto position = decode_list_name(name);
  if (!position) return false;
  const auto at = find_exact(*position);
  if (!at) return false;
  const Block& block = block_at(*at);
  return block.elements[block.begin + at->index].where() == where;
}

// A range is never contained: its tombstone counts as long as there is an older segment.
bool ListIndex::contains(std::string_view name) const {
  const auto position = decode_list_name(name);
  return position && find_exact(*position);
}

bool ListIndex::relocate(std::string_view name, engine::Location from, engine::Location to) {
  const auto position = decode_list_name(name);
  if (!position) return false;
  const auto at = find_exact(*position);
  if (!at) return false;
  Block& block = block_at(*at);
  Stored& element = block.elements[block.begin + at->index];
  if (element.where() != from) return false;
  element = Stored::of(to, element.size);
  return true;
}

void ListIndex::for_each(const std::function<void(const engine::ElementLocation&)>& visit) const {
  for (const Group& group : groups_) {
    for (const Block& block : group.blocks) {
      for (uint32_t i = 0; i < block.count(); ++i) visit(location(block, i));
    }
  }
}

size_t ListIndex::memory_bytes() const {
  return sizeof(*this) + heap_bytes_ + block_slots_ * sizeof(Block) +
         groups_.capacity() * sizeof(Group);
}

}  // namespace respcask::server

#include "server/types/sorted_set_tree.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <numeric>
#include <utility>
#include <vector>

#include "engine/hash.h"
#include "server/types/malloc_header.h"

namespace respcask::server {

// An inner node. Of each child it knows the sum of its elements and which is the first of them: its
// score, and the leaf that it begins, for its member.
struct SortedSetNode {
  static constexpr size_t kMaxChildren = 32;

  SortedSetNode* parent = nullptr;
  uint32_t level = 0;  // 0: the children are leaves
  uint32_t count = 0;
  std::array<double, kMaxChildren> first_score;
  std::array<uint32_t, kMaxChildren> first_leaf;
  std::array<uint64_t, kMaxChildren> elements;
  std::array<uint64_t, kMaxChildren> child;  // a leaf's number, or a node's address

  SortedSetNode* node(size_t at) const { return reinterpret_cast<SortedSetNode*>(child[at]); }
  uint32_t leaf(size_t at) const { return static_cast<uint32_t>(child[at]); }
  size_t index_of(uint64_t wanted) const {
    size_t at = 0;
    while (child[at] != wanted) ++at;
    return at;
  }
  uint64_t sum(size_t end) const {
    return std::accumulate(elements.begin(), elements.begin() + static_cast<ptrdiff_t>(end),
                           uint64_t{0});
  }
};

namespace {

constexpr size_t kMaxChildren = SortedSetNode::kMaxChildren;
// Below these a leaf or node is joined with a neighbour, if what comes of it leaves some room.
constexpr size_t kFewElements = SortedSetLeaf::kMaxCount / 4;
constexpr size_t kFewChildren = kMaxChildren / 4;

uint32_t hash_of(std::string_view member) {
  static const engine::HashSeed seed = engine::HashSeed::random();
  return static_cast<uint32_t>(engine::siphash13(seed, member));
}
// The low bits choose the bucket of a hash; these are others.
uint8_t tag_of(uint32_t hash) {
  return static_cast<uint8_t>(hash >> 24);
}

uint64_t address(const SortedSetNode* node) {
  return reinterpret_cast<uint64_t>(node);
}

// What an element's place in the order is compared by; the member is fetched only if it matters.
struct Key {
  double score;
  const SortedSetLeaf& leaf;
  size_t index;
  std::string_view member() const { return leaf.member(index); }
};

struct BeforeElement {
  double score;
  std::string_view member;
  bool operator()(const Key& key) const {
    return key.score < score || (key.score == score && key.member() < member);
  }
};

}  // namespace

SortedSetTree::~SortedSetTree() {
  for (size_t i = 0; i < leaves_.size(); ++i) {
    if (leaves_[i] != nullptr) SortedSetLeaf::destroy(leaves_[i], heap_bytes_);
  }
  const auto free_below = [](const auto& self, SortedSetNode* node) -> void {
    for (size_t i = 0; node->level > 0 && i < node->count; ++i) self(self, node->node(i));
    delete node;
  };
  if (root_ != nullptr) free_below(free_below, root_);
}

size_t SortedSetTree::memory_bytes() const {
  return sizeof *this + heap_bytes_ + MemberLeaves::deque_bytes(leaves_) +
         MemberLeaves::deque_bytes(free_numbers_) + members_.memory_bytes();
}

// --- looking up ---------------------------------------------------------------------------------

SortedSetTree::Place SortedSetTree::find(std::string_view member) const {
  const uint32_t hash = hash_of(member);
  Place place;
  members_.find(hash, [&](uint32_t number) {
    const SortedSetLeaf& candidate = leaf(number);
    const size_t index = candidate.find(member, tag_of(hash));
    if (index == candidate.count()) return false;
    place = {number, static_cast<uint32_t>(index)};
    return true;
  });
  return place;
}

uint64_t SortedSetTree::hash_member(std::string_view member) { return hash_of(member); }

// The bucket of the hash, then the head of the leaf that the bucket names, then what of the leaf is
// searched.
void SortedSetTree::prefetch(uint64_t hash, int step) const {
  const auto short_hash = static_cast<uint32_t>(hash);
  if (step == 0) {
    members_.prefetch(short_hash);
    return;
  }
  members_.find(short_hash, [&](uint32_t number) {
    if (step == 1) __builtin_prefetch(leaves_[number]);
    if (step == 2) leaf(number).prefetch();
    return true;
  });
}

SortedSetTree::Element SortedSetTree::element(Place place) const {
  const SortedSetLeaf& home = leaf(place.leaf);
  return {home.member(place.index), home.score(place.index), home.where(place.index)};
}

uint64_t SortedSetTree::rank(Place place) const {
  uint64_t rank = place.index;
  uint64_t child = place.leaf;
  for (const SortedSetNode* node = leaf(place.leaf).parent; node != nullptr; node = node->parent) {
    rank += node->sum(node->index_of(child));
    child = address(node);
  }
  return rank;
}

SortedSetTree::Place SortedSetTree::at_rank(uint64_t rank) const {
  assert(rank < size());
  const SortedSetNode* node = root_;
  for (;;) {
    size_t at = 0;
    while (rank >= node->elements[at]) rank -= node->elements[at++];
    if (node->level == 0) return {node->leaf(at), static_cast<uint32_t>(rank)};
    node = node->node(at);
  }
}

SortedSetTree::Place SortedSetTree::next(Place place) const {
  if (place.index + 1 < leaf(place.leaf).count()) return {place.leaf, place.index + 1};
  return {leaf(place.leaf).next, 0};
}

SortedSetTree::Place SortedSetTree::previous(Place place) const {
  if (place.index > 0) return {place.leaf, place.index - 1};
  const uint32_t before = leaf(place.leaf).previous;
  if (before == SortedSetLeaf::kNone) return {};
  return {before, static_cast<uint32_t>(leaf(before).count() - 1)};
}

// The first element for which `before` is false, or the end of the last leaf; there is a root.
// `before` is true of elements up to some place in the order and false from there on. Where that
// place lies between two leaves, it is the end of the first.
SortedSetTree::Place SortedSetTree::first_not_before(auto before, uint64_t* rank) const {
  const SortedSetNode* node = root_;
  const auto partition = [](size_t low, size_t high, auto is_before) {
    while (low < high) {
      const size_t middle = (low + high) / 2;
      if (is_before(middle)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  };
  for (;;) {
    // The last child that begins before the place.
    const size_t at =
        partition(1, node->count,
                  [&](size_t i) {
                    return before(Key{node->first_score[i], leaf(node->first_leaf[i]), 0});
                  }) -
        1;
    if (rank != nullptr) *rank += node->sum(at);
    if (node->level > 0) {
      node = node->node(at);
      continue;
    }
    const SortedSetLeaf& home = leaf(node->leaf(at));
    const size_t index = partition(0, home.count(), [&](size_t i) {
      return before(Key{home.score(i), home, i});
    });
    if (rank != nullptr) *rank += index;
    return {home.number, static_cast<uint32_t>(index)};
  }
}

uint64_t SortedSetTree::count_below(double score, bool or_equal) const {
  uint64_t rank = 0;
  if (root_ == nullptr) return 0;
  first_not_before(
      [&](const Key& key) { return key.score < score || (or_equal && key.score == score); }, &rank);
  return rank;
}

uint64_t SortedSetTree::count_below(std::string_view member, bool or_equal) const {
  uint64_t rank = 0;
  if (root_ == nullptr) return 0;
  first_not_before(
      [&](const Key& key) {
        const int order = key.member().compare(member);
        return order < 0 || (or_equal && order == 0);
      },
      &rank);
  return rank;
}

uint64_t SortedSetTree::scan(uint64_t position,
                             engine::FunctionRef<void(const Element&)> visit) const {
  std::vector<std::pair<uint32_t, uint32_t>> pairs;  // hash, leaf
  const uint64_t next = members_.scan(
      position, [&](uint32_t hash, uint32_t number) { pairs.emplace_back(hash, number); });
  // A pair that is there twice stands for two members, which are found together.
  std::sort(pairs.begin(), pairs.end());
  pairs.erase(std::unique(pairs.begin(), pairs.end()), pairs.end());
  for (const auto& [hash, number] : pairs) {
    const SortedSetLeaf& home = leaf(number);
    for (uint32_t i = 0; i < home.count(); ++i) {
      if (home.tag(i) == tag_of(hash) && hash_of(home.member(i)) == hash)
        visit(element({number, i}));
    }
  }
  return next;
}

// --- leaves and nodes ---------------------------------------------------------------------------

SortedSetLeaf* SortedSetTree::new_leaf(size_t count, size_t bytes) {
  SortedSetLeaf* made = SortedSetLeaf::create(count, bytes, heap_bytes_);
  if (free_numbers_.size() > 0) {
    made->number = free_numbers_.back();
    free_numbers_.pop_back();
    leaves_[made->number] = made;
  } else {
    assert(leaves_.size() < SortedSetLeaf::kNone);
    made->number = static_cast<uint32_t>(leaves_.size());
    leaves_.push_back(made);
  }
  return made;
}

void SortedSetTree::free_leaf(SortedSetLeaf* gone) {
  if (gone->previous != SortedSetLeaf::kNone) leaf(gone->previous).next = gone->next;
  if (gone->next != SortedSetLeaf::kNone) leaf(gone->next).previous = gone->previous;
  leaves_[gone->number] = nullptr;
  free_numbers_.push_back(gone->number);
  SortedSetLeaf::destroy(gone, heap_bytes_);
}

SortedSetNode* SortedSetTree::new_node(SortedSetNode* parent, uint32_t level) {
  heap_bytes_ += sizeof(SortedSetNode) + kMallocHeader;
  auto* node = new SortedSetNode;
  node->parent = parent;
  node->level = level;
  return node;
}

void SortedSetTree::free_node(SortedSetNode* node) {
  heap_bytes_ -= sizeof(SortedSetNode) + kMallocHeader;
  delete node;
}

void SortedSetTree::adopt(SortedSetNode& node, size_t at) {
  if (node.level == 0) {
    leaf(node.leaf(at)).parent = &node;
  } else {
    node.node(at)->parent = &node;
  }
}

// Enters what is known of a child now.
void SortedSetTree::set_child(SortedSetNode& node, size_t at, uint64_t child) {
  node.child[at] = child;
  if (node.level == 0) {
    const SortedSetLeaf& below = leaf(static_cast<uint32_t>(child));
    node.first_score[at] = below.score(0);
    node.first_leaf[at] = below.number;
    node.elements[at] = below.count();
  } else {
    const SortedSetNode& below = *reinterpret_cast<SortedSetNode*>(child);
    node.first_score[at] = below.first_score[0];
    node.first_leaf[at] = below.first_leaf[0];
    node.elements[at] = below.sum(below.count);
  }
}

// A node has changed: what those above it know of it follows.
void SortedSetTree::refresh_up(SortedSetNode* node) {
  for (; node->parent != nullptr; node = node->parent) {
    set_child(*node->parent, node->parent->index_of(address(node)), address(node));
  }
}

void SortedSetTree::refresh_leaf_up(const SortedSetLeaf& changed) {
  SortedSetNode& parent = *changed.parent;
  set_child(parent, parent.index_of(changed.number), changed.number);
  refresh_up(&parent);
}

// --- entering -----------------------------------------------------------------------------------

void SortedSetTree::plant(SortedSetLeaf* only) {
  root_ = new_node(nullptr, 0);
  root_->count = 1;
  root_->child[0] = only->number;
  only->parent = root_;
}

void SortedSetTree::insert(std::string_view member, double score, engine::Location where) {
  const uint32_t hash = hash_of(member);
  const size_t bytes = SortedSetLeaf::inline_bytes(member.size());
  if (root_ == nullptr) plant(new_leaf(SortedSetLeaf::kMaxCount / 8, 2 * bytes));
  Place place{root_->leaf(0), 0};
  if (size() > 0) place = first_not_before(BeforeElement{score, member}, nullptr);
  if (leaf(place.leaf).is_full(bytes)) place = split_leaf(place.leaf, place.index);
  SortedSetLeaf*& home = leaves_[place.leaf];
  home = SortedSetLeaf::with_room(home, bytes, heap_bytes_);
  home->insert(place.index, member, tag_of(hash), score, where, heap_bytes_);
  members_.insert(hash, place.leaf);
  refresh_leaf_up(*home);
}

// Makes a leaf two and returns where the place is then.
SortedSetTree::Place SortedSetTree::split_leaf(uint32_t number, size_t index) {
  SortedSetLeaf* left = leaves_[number];
  const size_t count = left->count();
  // Sets that grow at their end fill their leaves.
  const bool at_end = index == count && left->next == SortedSetLeaf::kNone;
  const size_t middle = at_end ? count - 1 : count / 2;
  SortedSetLeaf* right = new_leaf(count - middle, left->member_bytes());
  right->next = left->next;
  right->previous = number;
  if (right->next != SortedSetLeaf::kNone) leaf(right->next).previous = right->number;
  left->next = right->number;
  move_tail(*right, *left, middle);
  right = SortedSetLeaf::trimmed(right, heap_bytes_);
  left = SortedSetLeaf::trimmed(left, heap_bytes_);
  leaves_[right->number] = right;
  leaves_[number] = left;
  SortedSetNode& parent = *left->parent;
  const size_t at = parent.index_of(number);
  set_child(parent, at, number);
  add_child(&parent, at + 1, right->number);
  if (index <= middle) return {number, static_cast<uint32_t>(index)};
  return {right->number, static_cast<uint32_t>(index - middle)};
}

void SortedSetTree::move_tail(SortedSetLeaf& to, SortedSetLeaf& from, size_t first) {
  for (size_t i = first; i < from.count(); ++i) {
    members_.move(hash_of(from.member(i)), from.number, to.number);
  }
  to.take_tail(from, first);
}

void SortedSetTree::add_child(SortedSetNode* node, size_t at, uint64_t child) {
  if (node->count == kMaxChildren) {
    SortedSetNode* right = split_node(node);
    if (at > node->count) {
      at -= node->count;
      node = right;
    }
  }
  const auto shift = [&](auto& array) {
    std::copy_backward(array.begin() + static_cast<ptrdiff_t>(at),
                       array.begin() + static_cast<ptrdiff_t>(node->count),
                       array.begin() + static_cast<ptrdiff_t>(node->count + 1));
  };
  shift(node->child);
  shift(node->first_score);
  shift(node->first_leaf);
  shift(node->elements);
  ++node->count;
  set_child(*node, at, child);
  adopt(*node, at);
  refresh_up(node);
}

// Moves half of a node's children to a new one behind it, which is returned.
SortedSetNode* SortedSetTree::split_node(SortedSetNode* node) {
  if (node->parent == nullptr) {
    root_ = new_node(nullptr, node->level + 1);
    root_->count = 1;
    node->parent = root_;
    set_child(*root_, 0, address(node));
  }
  SortedSetNode* right = new_node(node->parent, node->level);
  const size_t half = node->count / 2;
  for (size_t i = half; i < node->count; ++i) {
    const size_t to = i - half;
    right->child[to] = node->child[i];
    right->first_score[to] = node->first_score[i];
    right->first_leaf[to] = node->first_leaf[i];
    right->elements[to] = node->elements[i];
    adopt(*right, to);
  }
  right->count = static_cast<uint32_t>(node->count - half);
  node->count = static_cast<uint32_t>(half);
  const size_t at = node->parent->index_of(address(node));
  set_child(*node->parent, at, address(node));
  add_child(node->parent, at + 1, address(right));
  refresh_up(node);
  return right;
}

// --- changing and removing ----------------------------------------------------------------------

// Whether the element may get another score without leaving its place in its leaf.
bool SortedSetTree::stays_in_place(const SortedSetLeaf& home, size_t index, std::string_view member,
                                   double score) const {
  const double old = home.score(index);
  const bool after_previous =
      index > 0 ? BeforeElement{score, member}(Key{home.score(index - 1), home, index - 1})
                : home.previous == SortedSetLeaf::kNone || score >= old;
  const bool before_next =
      index + 1 < home.count()
          ? !BeforeElement{score, member}(Key{home.score(index + 1), home, index + 1})
          : home.next == SortedSetLeaf::kNone || score <= old;
  return after_previous && before_next;
}

void SortedSetTree::update(Place place, std::string_view member, double score,
                           engine::Location where) {
  SortedSetLeaf& home = leaf(place.leaf);
  if (!stays_in_place(home, place.index, member, score)) {
    erase(place);
    insert(member, score, where);
    return;
  }
  home.set_score(place.index, score);
  home.set_where(place.index, where);
  if (place.index == 0) refresh_leaf_up(home);
}

void SortedSetTree::set_where(Place place, engine::Location where) {
  leaf(place.leaf).set_where(place.index, where);
}

void SortedSetTree::erase(Place place) {
  SortedSetLeaf*& home = leaves_[place.leaf];
  members_.erase(hash_of(home->member(place.index)), place.leaf);
  home->erase(place.index, heap_bytes_);
  if (home->count() == 0) {
    SortedSetNode* parent = home->parent;
    const size_t at = parent->index_of(place.leaf);
    free_leaf(home);
    remove_child(parent, at);
    return;
  }
  home = SortedSetLeaf::trimmed(home, heap_bytes_);
  refresh_leaf_up(*home);
  if (home->count() < kFewElements) join_leaf(place.leaf);
}

void SortedSetTree::remove_child(SortedSetNode* node, size_t at) {
  const auto shift = [&](auto& array) {
    std::copy(array.begin() + static_cast<ptrdiff_t>(at + 1),
              array.begin() + static_cast<ptrdiff_t>(node->count),
              array.begin() + static_cast<ptrdiff_t>(at));
  };
  shift(node->child);
  shift(node->first_score);
  shift(node->first_leaf);
  shift(node->elements);
  --node->count;
  if (node->count == 0) {
    SortedSetNode* parent = node->parent;
    const uint64_t self = address(node);
    free_node(node);
    if (parent == nullptr) {
      root_ = nullptr;
    } else {
      remove_child(parent, parent->index_of(self));
    }
    return;
  }
  refresh_up(node);
  if (node->parent == nullptr) {
    while (root_->level > 0 && root_->count == 1) {
      SortedSetNode* old = root_;
      root_ = old->node(0);
      root_->parent = nullptr;
      free_node(old);
    }
  } else if (node->count < kFewChildren) {
    join_node(node);
  }
}

// Joins a leaf that has become small with a neighbour under the same parent, if the two leave room.
void SortedSetTree::join_leaf(uint32_t number) {
  SortedSetNode* parent = leaf(number).parent;
  const size_t at = parent->index_of(number);
  for (const size_t first : {at, at - 1}) {
    if (first >= parent->count || first + 1 >= parent->count) continue;  // at - 1 may wrap
    SortedSetLeaf* left = leaves_[parent->leaf(first)];
    SortedSetLeaf* right = leaves_[parent->leaf(first + 1)];
    const size_t count = left->count() + right->count();
    const size_t bytes = left->member_bytes() + right->member_bytes();
    if (count > SortedSetLeaf::kMaxCount * 3 / 4 || bytes > SortedSetLeaf::kMaxBytes * 3 / 4) {
      continue;
    }
    SortedSetLeaf* joined = new_leaf(count, bytes);
    // The new leaf takes the place of the left one, and both of the old ones go.
    joined->parent = parent;
    joined->previous = left->previous;
    joined->next = left->number;
    if (joined->previous != SortedSetLeaf::kNone) leaf(joined->previous).next = joined->number;
    left->previous = joined->number;
    move_tail(*joined, *left, 0);
    move_tail(*joined, *right, 0);
    free_leaf(left);
    free_leaf(right);
    set_child(*parent, first, joined->number);
    remove_child(parent, first + 1);
    return;
  }
}

// The same for a node that has a parent.
void SortedSetTree::join_node(SortedSetNode* node) {
  SortedSetNode* parent = node->parent;
  const size_t at = parent->index_of(address(node));
  for (const size_t first : {at, at - 1}) {
    if (first >= parent->count || first + 1 >= parent->count) continue;
    SortedSetNode* left = parent->node(first);
    SortedSetNode* right = parent->node(first + 1);
    if (left->count + right->count > kMaxChildren * 3 / 4) continue;
    for (size_t i = 0; i < right->count; ++i) {
      const size_t to = left->count++;
      left->child[to] = right->child[i];
      left->first_score[to] = right->first_score[i];
      left->first_leaf[to] = right->first_leaf[i];
      left->elements[to] = right->elements[i];
      adopt(*left, to);
    }
    free_node(right);
    set_child(*parent, first, address(left));
    remove_child(parent, first + 1);
    return;
  }
}

}  // namespace respcask::server

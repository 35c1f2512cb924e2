#include "server/types/sorted_set.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <cmath>
#include <cstring>

#include "engine/format.h"
#include "server/config/config.h"
#include "server/types/packed.h"

namespace respcask::server {

namespace {

constexpr std::string_view kHeader("\x01", 1);
constexpr size_t kScoreBytes = SortedSetIndex::kScoreBytes;

static_assert(std::endian::native == std::endian::little);

struct Before {
  bool operator()(const ScoredMember& a, const ScoredMember& b) const {
    return a.score != b.score ? a.score < b.score : a.member < b.member;
  }
};

ScoredMember decode(std::string_view element) {
  assert(element.size() >= kScoreBytes);
  ScoredMember decoded{element.substr(kScoreBytes), 0};
  std::memcpy(&decoded.score, element.data(), kScoreBytes);
  return decoded;
}

uint64_t packed_element_bytes(std::string_view member) {
  return PackedWriter::element_bytes(kScoreBytes + member.size());
}

// The score that entering makes of one in a set of this encoding: Redis writes it into a listpack
// as an integer, which has no -0.
double entered_score(TypeTag tag, double score) {
  return tag.encoding() == Encoding::kPlain || score != 0 ? score : 0;
}

PackedWriter pack(std::span<const ScoredMember> members, uint64_t bytes) {
  PackedWriter writer(bytes);
  std::string scratch;
  for (const ScoredMember& m : members) {
    writer.append(SortedSetIndex::name(m.member, m.score, scratch));
  }
  return writer;
}

SortedSetIndex& index_of(engine::Shard& shard, const engine::KeydirEntry& entry) {
  return static_cast<SortedSetIndex&>(shard.collection(entry.collection));
}

TypeTag skiplist_tag() {
  return TypeTag::of(Type::kSortedSet, Encoding::kPlain);
}

// Whether Redis would keep a set of `size` members as a listpack no longer, for this one of them.
bool passes_limits(const Config& config, uint64_t size, std::string_view member) {
  return size > config.zset_max_listpack_entries || member.size() > config.zset_max_listpack_value;
}

uint64_t records_bound(uint64_t records, uint64_t member_bytes) {
  return records * engine::record_size_bound(kScoreBytes, 0) + member_bytes;
}

// Enters a member that a split set does not hold.
void put_new(engine::Shard& shard, const engine::KeydirEntry& root, SortedSetIndex& index,
             const ScoredMember& m, std::string& scratch) {
  const std::string_view name = SortedSetIndex::name(m.member, m.score, scratch);
  index.insert(m.member, m.score, shard.put_element(root.collection, root.type, name, {}).where);
}

}  // namespace

// --- reading ------------------------------------------------------------------------------------

SortedSet::SortedSet(Context& c, const KeyRef& key,
                     const std::optional<engine::KeydirEntry>& entry) {
  if (!entry) return;
  if (entry->collection != 0) {
    tree_ = &index_of(c.shard(key), *entry).tree();
    return;
  }
  const std::string_view value = c.read(key, *entry);
  if (!c.ready()) return;
  const Packed elements(value);
  packed_.reserve(elements.count() + 1);
  for (const std::string_view element : elements) packed_.push_back(decode(element));
}

std::optional<double> SortedSet::score(std::string_view member) const {
  if (tree_ != nullptr) {
    const SortedSetTree::Place place = tree_->find(member);
    if (!place.valid()) return std::nullopt;
    return tree_->element(place).score;
  }
  for (const ScoredMember& m : packed_) {
    if (m.member == member) return m.score;
  }
  return std::nullopt;
}

std::optional<uint64_t> SortedSet::rank(std::string_view member) const {
  if (tree_ != nullptr) {
    const SortedSetTree::Place place = tree_->find(member);
    if (!place.valid()) return std::nullopt;
    return tree_->rank(place);
  }
  for (size_t i = 0; i < packed_.size(); ++i) {
    if (packed_[i].member == member) return i;
  }
  return std::nullopt;
}

ScoredMember SortedSet::at(uint64_t rank) const {
  assert(rank < size());
  if (tree_ == nullptr) return packed_[rank];
  const SortedSetTree::Element element = tree_->element(tree_->at_rank(rank));
  return {element.member, element.score};
}

uint64_t SortedSet::count_below(double score, bool or_equal) const {
  if (tree_ != nullptr) return tree_->count_below(score, or_equal);
  const auto end = std::partition_point(packed_.begin(), packed_.end(), [&](const ScoredMember& m) {
    return m.score < score || (or_equal && m.score == score);
  });
  return static_cast<uint64_t>(end - packed_.begin());
}

uint64_t SortedSet::count_below(std::string_view member, bool or_equal) const {
  if (tree_ != nullptr) return tree_->count_below(member, or_equal);
  const auto end = std::partition_point(packed_.begin(), packed_.end(), [&](const ScoredMember& m) {
    return m.member < member || (or_equal && m.member == member);
  });
  return static_cast<uint64_t>(end - packed_.begin());
}

void SortedSet::visit(uint64_t begin, uint64_t end, Order order,
                      engine::FunctionRef<void(const ScoredMember&)> visit) const {
  if (begin >= end) return;
  assert(end <= size());
  const bool forward = order == Order::kAscending;
  if (tree_ == nullptr) {
    for (uint64_t i = begin; i < end; ++i) visit(packed_[forward ? i : begin + (end - 1 - i)]);
    return;
  }
  SortedSetTree::Place place = tree_->at_rank(forward ? begin : end - 1);
  for (uint64_t left = end - begin;;) {
    const SortedSetTree::Element element = tree_->element(place);
    visit({element.member, element.score});
    if (--left == 0) return;
    place = forward ? tree_->next(place) : tree_->previous(place);
  }
}

uint64_t SortedSet::scan(uint64_t position,
                         engine::FunctionRef<void(const ScoredMember&)> visit) const {
  if (tree_ == nullptr) {
    for (const ScoredMember& m : packed_) visit(m);
    return 0;
  }
  return tree_->scan(position, [&](const SortedSetTree::Element& element) {
    visit({element.member, element.score});
  });
}

// --- changing -----------------------------------------------------------------------------------

SortedSetEdit::SortedSetEdit(Context& c, const KeyRef& key,
                             const std::optional<engine::KeydirEntry>& entry)
    : SortedSet(c, key, entry), c_(c), key_(key), entry_(entry) {
  tag_ = entry ? TypeTag{entry->type} : TypeTag::of(Type::kSortedSet);
  for (const ScoredMember& m : packed_) packed_bytes_ += packed_element_bytes(m.member);
}

SortedSetIndex& SortedSetEdit::index() {
  return index_of(c_.shard(key_), *entry_);
}

bool SortedSetEdit::reserve(uint64_t records, uint64_t member_bytes, engine::Growth growth) {
  uint64_t bytes = engine::record_size_bound(key_.name.size(), kHeader.size()) +
                   records_bound(records, member_bytes);
  // The whole of it may be written, and that as elements.
  if (tree_ == nullptr) {
    bytes += engine::record_size_bound(key_.name.size(), packed_bytes_) +
             records_bound(packed_.size(), packed_bytes_);
  }
  return bytes <= kAlwaysReserved || c_.reserve(key_, bytes, growth);
}

bool SortedSetEdit::reserve_put(uint64_t count, uint64_t member_bytes) {
  return reserve(count, member_bytes, engine::Growth::kGrows);
}

bool SortedSetEdit::reserve_erase(uint64_t count, uint64_t member_bytes) {
  constexpr engine::Growth kShrinks = engine::Growth::kShrinks;
  if (tree_ != nullptr) return reserve(count, member_bytes, kShrinks);
  const uint64_t bytes = engine::record_size_bound(key_.name.size(), packed_bytes_);
  return bytes <= kAlwaysReserved || c_.reserve(key_, bytes, kShrinks);
}

bool SortedSetEdit::reserve_erase_ranks(uint64_t begin, uint64_t end) {
  if (tree_ == nullptr || end - begin == size()) return reserve_erase(0, 0);
  uint64_t bytes = 0;
  visit(begin, end, Order::kAscending, [&](const ScoredMember& m) { bytes += m.member.size(); });
  return reserve(end - begin, bytes, engine::Growth::kShrinks);
}

void SortedSetEdit::put(std::string_view member, double score) {
  assert(!std::isnan(score));
  changed_ = true;
  if (tree_ == nullptr) {
    put_packed(member, score);
    if (packed_bytes_ > c_.config().collection_split_bytes) split();
  } else {
    put_split(member, score);
  }
}

void SortedSetEdit::put_packed(std::string_view member, double score) {
  const auto old = std::find_if(packed_.begin(), packed_.end(),
                                [&](const ScoredMember& m) { return m.member == member; });
  if (old != packed_.end()) {
    packed_.erase(old);
  } else {
    packed_bytes_ += packed_element_bytes(member);
    if (passes_limits(c_.config(), packed_.size() + 1, member)) tag_ = skiplist_tag();
  }
  const ScoredMember m{member, entered_score(tag_, score)};
  packed_.insert(std::lower_bound(packed_.begin(), packed_.end(), m, Before{}), m);
}

void SortedSetEdit::put_split(std::string_view member, double score) {
  engine::Shard& shard = c_.shard_for_write(key_);
  SortedSetIndex& index = this->index();
  const SortedSetTree::Place place = tree_->find(member);
  if (!place.valid()) {
    if (passes_limits(c_.config(), size() + 1, member)) tag_ = skiplist_tag();
    score = entered_score(tag_, score);
    const std::string_view name = SortedSetIndex::name(member, score, name_);
    index.insert(member, score,
                 shard.put_element(entry_->collection, entry_->type, name, {}).where);
    return;
  }
  score = entered_score(tag_, score);
  const engine::ElementLocation old = SortedSetIndex::location(tree_->element(place));
  const std::string_view name = SortedSetIndex::name(member, score, name_);
  index.update(place, member, score,
               shard.put_element(entry_->collection, entry_->type, name, {}).where);
  shard.element_dropped(old);
}

bool SortedSetEdit::erase(std::string_view member) {
  if (tree_ != nullptr) {
    const SortedSetTree::Place place = tree_->find(member);
    if (!place.valid()) return false;
    changed_ = true;
    erase_split(place);
    return true;
  }
  const auto old = std::find_if(packed_.begin(), packed_.end(),
                                [&](const ScoredMember& m) { return m.member == member; });
  if (old == packed_.end()) return false;
  changed_ = true;
  packed_bytes_ -= packed_element_bytes(member);
  packed_.erase(old);
  return true;
}

void SortedSetEdit::erase_ranks(uint64_t begin, uint64_t end) {
  if (begin >= end) return;
  assert(end <= size());
  changed_ = true;
  if (end - begin == size()) {  // finish() removes the key, and all of it is gone
    tree_ = nullptr;
    packed_.clear();
    return;
  }
  if (tree_ != nullptr) {
    for (uint64_t i = begin; i < end; ++i) erase_split(tree_->at_rank(begin));
    return;
  }
  for (uint64_t i = begin; i < end; ++i) packed_bytes_ -= packed_element_bytes(packed_[i].member);
  packed_.erase(packed_.begin() + static_cast<ptrdiff_t>(begin),
                packed_.begin() + static_cast<ptrdiff_t>(end));
}

void SortedSetEdit::erase_split(SortedSetTree::Place place) {
  engine::Shard& shard = c_.shard_for_write(key_);
  const SortedSetTree::Element element = tree_->element(place);
  const engine::ElementLocation old = SortedSetIndex::location(element);
  shard.remove_element(entry_->collection, entry_->type,
                       SortedSetIndex::name(element.member, element.score, name_));
  index().erase(place);
  shard.element_dropped(old);
}

void SortedSetEdit::split() {
  entry_ = c_.put_split(key_, tag_, entry_ ? entry_->expiry_ms : 0, kHeader);
  engine::Shard& shard = c_.shard_for_write(key_);
  for (const ScoredMember& m : packed_) put_new(shard, *entry_, index(), m, name_);
  tree_ = &index().tree();
  packed_.clear();
}

void SortedSetEdit::finish() {
  if (!changed_) return;
  changed_ = false;
  if (size() == 0) {
    c_.remove(key_);
  } else if (tree_ == nullptr) {
    entry_ =
        c_.put(key_, tag_, entry_ ? entry_->expiry_ms : 0, pack(packed_, packed_bytes_).pieces());
  } else {
    if (tag_.byte != entry_->type) {
      entry_ =
          c_.shard_for_write(key_).put_header(key_.db, key_.name, key_.hash, tag_.byte, kHeader);
    }
    c_.modified(key_);
  }
}

void score_as_entered_one_by_one(const Config& config, std::span<ScoredMember> members,
                                 Order order) {
  const TypeTag listpack = TypeTag::of(Type::kSortedSet, Encoding::kCompact);
  for (size_t i = 0; i < members.size(); ++i) {
    ScoredMember& m = members[order == Order::kAscending ? i : members.size() - 1 - i];
    if (passes_limits(config, i + 1, m.member)) return;
    m.score = entered_score(listpack, m.score);
  }
}

void score_as_entered(TypeTag tag, std::span<ScoredMember> members) {
  for (ScoredMember& m : members) m.score = entered_score(tag, m.score);
}

TypeTag tag_of_new(const Config& config, std::span<const ScoredMember> members) {
  const bool passes = std::any_of(members.begin(), members.end(), [&](const ScoredMember& m) {
    return passes_limits(config, members.size(), m.member);
  });
  return passes ? skiplist_tag() : TypeTag::of(Type::kSortedSet);
}

bool write_sorted_set(Context& c, const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                      std::span<const ScoredMember> members) {
  assert(!members.empty());
  uint64_t packed_bytes = 0;
  uint64_t member_bytes = 0;
  for (const ScoredMember& m : members) {
    packed_bytes += packed_element_bytes(m.member);
    member_bytes += m.member.size();
  }
  if (packed_bytes <= c.config().collection_split_bytes) {
    if (!c.reserve(key, engine::record_size_bound(key.name.size(), packed_bytes + 16))) {
      return false;
    }
    c.put(key, tag, expiry_ms, pack(members, packed_bytes).pieces());
    return true;
  }
  if (!c.reserve(key, engine::record_size_bound(key.name.size(), kHeader.size()) +
                          records_bound(members.size(), member_bytes))) {
    return false;
  }
  const engine::KeydirEntry root = c.put_split(key, tag, expiry_ms, kHeader);
  engine::Shard& shard = c.shard_for_write(key);
  SortedSetIndex& index = index_of(shard, root);
  std::string name;
  for (const ScoredMember& m : members) put_new(shard, root, index, m, name);
  return true;
}

bool make_skiplist(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  const TypeTag tag = skiplist_tag();
  if (entry.type == tag.byte) return true;
  const std::string_view value = entry.collection != 0 ? kHeader : c.read(key, entry);
  if (!c.ready() || !c.reserve(key, engine::record_size_bound(key.name.size(), value.size()))) {
    return false;
  }
  engine::Shard& shard = c.shard_for_write(key);
  if (entry.collection != 0) {
    shard.put_header(key.db, key.name, key.hash, tag.byte, value);
  } else {
    shard.put(key.db, key.name, key.hash, tag.byte, entry.expiry_ms, {&value, 1}, entry.access);
  }
  return true;
}

void sort_members(std::vector<ScoredMember>& members) {
  std::sort(members.begin(), members.end(), Before{});
}

}  // namespace respcask::server

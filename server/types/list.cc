#include "server/types/list.h"

#include <algorithm>
#include <cassert>
#include <vector>

#include "engine/format.h"

namespace respcask::server {

namespace {

using Position = ListIndex::Position;

// Elements requested after one that is cold, at least, where a visit may stop (Extent::kMayStop).
constexpr uint64_t kLeastAhead = 256;
constexpr TypeTag kListTag = TypeTag::of(Type::kList);
constexpr uint64_t kElementOverhead = engine::record_size_bound(2 * ListName::kMaxSize, 0);

ListIndex& index_of(engine::Shard& shard, const engine::KeydirEntry& entry) {
  return static_cast<ListIndex&>(shard.collection(entry.collection));
}

Packed::Iterator iterator_at(const Packed& packed, uint64_t rank) {
  if (rank == packed.count()) return packed.end();
  Packed::Iterator at = packed.begin();
  while (at.index() < rank) ++at;
  return at;
}

}  // namespace

// --- reading ------------------------------------------------------------------------------------

ListReader::ListReader(Context& c, const KeyRef& key, const engine::KeydirEntry& entry)
    : c_(c), key_(key) {
  if (entry.collection != 0) {
    index_ = &index_of(c.shard(key), entry);
    return;
  }
  const std::string_view value = c.read(key, entry);
  if (!value.empty()) packed_ = Packed(value);
}

std::string_view ListReader::read(engine::Shard& shard, const ListIndex::Element& element) {
  if (!c_.count_read(shard, element.size)) return {};
  const engine::ValueRead value = shard.read(element.where, element.size);
  if (value.state == engine::ValueRead::State::kReady) return value.bytes;
  return c_.read(key_, element.where, element.size);
}

std::string_view ListReader::at(uint64_t rank) {
  if (index_ != nullptr) return read(c_.shard(key_), index_->at(rank).element());
  return rank < packed_.count() ? *iterator_at(packed_, rank) : std::string_view();
}

template <class Step>
void ListReader::visit_split(uint64_t from, uint64_t count, Extent extent, Visit visit, Step step) {
  engine::Shard& shard = c_.shard(key_);
  ListIndex::Cursor cursor = index_->at(from);
  bool ready = c_.ready();
  uint64_t visited = 0;
  uint64_t ahead = 0;
  for (uint64_t i = 0; i < count; ++i, step(cursor)) {
    const std::string_view value = read(shard, cursor.element());
    if (ready) ready = c_.ready();
    if (ready) {
      if (!visit(value)) return;
      ++visited;
    } else if (extent == Extent::kMayStop && ++ahead > std::max(visited, kLeastAhead)) {
      return;
    }
  }
}

void ListReader::visit_forward(uint64_t begin, uint64_t end, Extent extent, Visit visit) {
  if (begin >= end) return;
  if (index_ != nullptr) {
    visit_split(begin, end - begin, extent, visit,
                [](ListIndex::Cursor& cursor) { cursor.next(); });
    return;
  }
  if (!c_.ready()) return;
  for (auto at = iterator_at(packed_, begin); at.index() < end; ++at) {
    if (!visit(*at)) return;
  }
}

void ListReader::visit_backward(uint64_t begin, uint64_t end, Extent extent, Visit visit) {
  if (begin >= end) return;
  if (index_ != nullptr) {
    visit_split(end - 1, end - begin, extent, visit,
                [](ListIndex::Cursor& cursor) { cursor.previous(); });
    return;
  }
  if (!c_.ready()) return;
  std::vector<std::string_view> elements;
  for (auto at = iterator_at(packed_, begin); at.index() < end; ++at) elements.push_back(*at);
  for (auto at = elements.rbegin(); at != elements.rend(); ++at) {
    if (!visit(*at)) return;
  }
}

// Shows the matches by their distance from the cursor.
template <class Step>
void ListReader::find_split(ListIndex::Cursor cursor, uint64_t count, std::string_view value,
                            Extent extent, Match match, Step step) {
  engine::Shard& shard = c_.shard(key_);
  bool ready = c_.ready();
  uint64_t compared = 0;
  uint64_t ahead = 0;
  for (uint64_t i = 0; i < count; ++i, step(cursor)) {
    const ListIndex::Element element = cursor.element();
    if (element.size != value.size()) continue;
    const std::string_view found = read(shard, element);
    if (ready) ready = c_.ready();
    if (ready) {
      ++compared;
      if (found == value && !match(i)) return;
    } else if (extent == Extent::kMayStop && ++ahead > std::max(compared, kLeastAhead)) {
      return;
    }
  }
}

void ListReader::find_forward(uint64_t begin, uint64_t end, std::string_view value, Extent extent,
                              Match match) {
  if (begin >= end) return;
  if (index_ != nullptr) {
    find_split(
        index_->at(begin), end - begin, value, extent,
        [&](uint64_t distance) { return match(begin + distance); },
        [](ListIndex::Cursor& cursor) { cursor.next(); });
    return;
  }
  uint64_t rank = begin;
  visit_forward(begin, end, extent, [&](std::string_view element) {
    const uint64_t here = rank++;
    return element != value || match(here);
  });
}

void ListReader::find_backward(uint64_t begin, uint64_t end, std::string_view value, Extent extent,
                               Match match) {
  if (begin >= end) return;
  if (index_ != nullptr) {
    find_split(
        index_->at(end - 1), end - begin, value, extent,
        [&](uint64_t distance) { return match(end - 1 - distance); },
        [](ListIndex::Cursor& cursor) { cursor.previous(); });
    return;
  }
  uint64_t rank = end;
  visit_backward(begin, end, extent, [&](std::string_view element) {
    --rank;
    return element != value || match(rank);
  });
}

// --- changing -----------------------------------------------------------------------------------

ListEdit::ListEdit(Context& c, const KeyRef& key, const std::optional<engine::KeydirEntry>& entry)
    : c_(c), key_(key), entry_(entry) {
  if (!entry_) return;
  reader_.emplace(c, key, *entry_);
  length_ = reader_->length();
}

ListIndex& ListEdit::index() {
  return index_of(c_.shard(key_), *entry_);
}

uint64_t ListEdit::bound(std::span<const std::string_view> values) const {
  uint64_t bytes = put_list_bound(key_, values);
  if (reader_ && !split()) {
    bytes += reader_->packed_.size_bytes() + reader_->packed_.count() * kElementOverhead;
  }
  return bytes;
}

void ListEdit::write_packed(PackedWriter& writer) {
  c_.put(key_, kListTag, entry_ ? entry_->expiry_ms : 0,
         std::span<const std::string_view>(writer.pieces()));
}

void ListEdit::make_split() {
  entry_ = c_.put_split(key_, kListTag, entry_ ? entry_->expiry_ms : 0, ListIndex::kHeader);
}

engine::ElementLocation ListEdit::put_element(Position position, std::string_view value) {
  return c_.shard_for_write(key_).put_element(entry_->collection, kListTag.byte,
                                              ListName(position).view(), {&value, 1});
}

void ListEdit::append(ListIndex& to, std::string_view value) {
  const Position position = to.after_tail();
  to.push_tail(position, put_element(position, value).where, static_cast<uint32_t>(value.size()));
}

void ListEdit::replace_packed(uint64_t begin, uint64_t end,
                              std::span<const std::string_view> values) {
  const Packed packed = reader_ ? reader_->packed_ : Packed();
  const Packed::Iterator from = iterator_at(packed, begin);
  const Packed::Iterator to = begin == end ? from : iterator_at(packed, end);
  size_t bytes = packed.size_bytes();
  for (auto at = from; at != to; ++at) bytes -= PackedWriter::element_bytes(at->size());
  for (std::string_view value : values) bytes += PackedWriter::element_bytes(value.size());
  // Who only takes something out has not reserved what it takes to split.
  if (bytes <= kPackedListBytes || values.empty()) {
    PackedWriter writer(bytes);
    writer.append_run(packed.begin(), from);
    for (std::string_view value : values) writer.append(value);
    writer.append_run(to, packed.end());
    write_packed(writer);
    return;
  }
  make_split();
  ListIndex& elements = index();
  for (auto at = packed.begin(); at != from; ++at) append(elements, *at);
  for (std::string_view value : values) append(elements, value);
  for (auto at = to; at != packed.end(); ++at) append(elements, *at);
}

bool ListEdit::push(ListEnd end, std::span<const std::string_view> values) {
  if (!c_.reserve(key_, bound(values))) return false;
  if (!split()) {
    if (end == ListEnd::kTail || values.size() == 1) {
      const uint64_t at = end == ListEnd::kTail ? length_ : 0;
      replace_packed(at, at, values);
    } else {
      const std::vector<std::string_view> reversed(values.rbegin(), values.rend());
      replace_packed(0, 0, reversed);
    }
  } else {
    ListIndex& elements = index();
    for (std::string_view value : values) {
      if (end == ListEnd::kTail) {
        append(elements, value);
        continue;
      }
      const Position position = elements.before_head();
      elements.push_head(position, put_element(position, value).where,
                         static_cast<uint32_t>(value.size()));
    }
    c_.modified(key_);
  }
  length_ += values.size();
  return true;
}

void ListEdit::prepare_insert(uint64_t rank) {
  if (!split() || rank == 0 || rank == length_ || index().between(rank)) return;
  const ListIndex::Spread spread = index().spread(rank);
  reader_->visit_forward(spread.first, spread.first + spread.count, ListReader::Extent::kAll,
                         [](std::string_view) { return true; });
}

bool ListEdit::insert(uint64_t rank, std::string_view value) {
  if (rank == 0) return push(ListEnd::kHead, {&value, 1});
  if (rank == length_) return push(ListEnd::kTail, {&value, 1});
  if (split()) {
    if (const auto position = index().between(rank)) {
      if (!c_.reserve(key_, bound({&value, 1}))) return false;
      const engine::ElementLocation at = put_element(*position, value);
      index().put(*position, at.where, at.value_size);
      c_.modified(key_);
    } else if (!insert_spread(rank, value)) {
      return false;
    }
  } else {
    if (!c_.reserve(key_, bound({&value, 1}))) return false;
    replace_packed(rank, rank, {&value, 1});
  }
  ++length_;
  return true;
}

// No position is left in front of `rank`: the neighbours get new ones, farther apart.
bool ListEdit::insert_spread(uint64_t rank, std::string_view value) {
  const ListIndex::Spread spread = index().spread(rank);
  std::vector<std::string_view> values;
  values.reserve(spread.count + 1);
  reader_->visit_forward(spread.first, spread.first + spread.count, ListReader::Extent::kAll,
                         [&](std::string_view element) {
                           if (spread.first + values.size() == rank) values.push_back(value);
                           values.push_back(element);
                           return true;
                         });
  if (!c_.ready()) return false;  // read before, and gone from memory since
  assert(values.size() == spread.count + 1);
  if (!c_.reserve(key_, bound(values))) return false;
  Position position = spread.start;
  if (spread.count == length_) {
    // The key would go with its last element.
    make_split();
  } else {
    erase_split(spread.first, spread.first + spread.count);
  }
  ListIndex& elements = index();
  for (std::string_view element : values) {
    const engine::ElementLocation at = put_element(position, element);
    elements.put(position, at.where, at.value_size);
    position += spread.step;
  }
  c_.modified(key_);
  return true;
}

bool ListEdit::set(uint64_t rank, std::string_view value) {
  if (!c_.reserve(key_, bound({&value, 1}))) return false;
  if (!split()) {
    replace_packed(rank, rank + 1, {&value, 1});
    return true;
  }
  const Position position = index().at(rank).position();
  const engine::ElementLocation at = put_element(position, value);
  const auto old = index().put(position, at.where, at.value_size);
  c_.shard_for_write(key_).element_dropped(*old);
  c_.modified(key_);
  return true;
}

void ListEdit::erase_split(uint64_t begin, uint64_t end) {
  engine::Shard& shard = c_.shard_for_write(key_);
  ListIndex& elements = index();
  const Position first = elements.at(begin).position();
  const ListName name =
      end - begin == 1 ? ListName(first) : ListName(first, elements.at(end - 1).position());
  shard.remove_element(entry_->collection, kListTag.byte, name.view());
  elements.erase(begin, end - begin,
                 [&](const engine::ElementLocation& old) { shard.element_dropped(old); });
}

void ListEdit::erase(uint64_t begin, uint64_t end) {
  assert(begin < end && end <= length_);
  if (end - begin == length_) {
    c_.remove(key_);
  } else if (split()) {
    erase_split(begin, end);
    c_.modified(key_);
  } else {
    replace_packed(begin, end, {});
  }
  length_ -= end - begin;
}

void ListEdit::trim(uint64_t begin, uint64_t end) {
  if (begin >= end) {
    c_.remove(key_);
    length_ = 0;
    return;
  }
  if (split()) {
    if (end < length_) erase_split(end, length_);
    if (begin > 0) erase_split(0, begin);
    c_.modified(key_);
  } else if (end - begin < length_) {
    const Packed& packed = reader_->packed_;
    PackedWriter writer(packed.size_bytes());
    writer.append_run(iterator_at(packed, begin), iterator_at(packed, end));
    write_packed(writer);
  } else {
    c_.modified(key_);
  }
  length_ = end - begin;
}

bool ListEdit::erase_ranks(std::span<const uint64_t> ranks) {
  if (ranks.size() == length_) {
    erase(0, length_);
    return true;
  }
  if (!split()) {
    PackedWriter writer(reader_->packed_.size_bytes());
    const Packed& packed = reader_->packed_;
    Packed::Iterator from = packed.begin();
    Packed::Iterator at = from;
    for (uint64_t rank : ranks) {
      while (at.index() < rank) ++at;
      writer.append_run(from, at);
      from = ++at;
    }
    writer.append_run(from, packed.end());
    write_packed(writer);
  } else {
    const uint64_t bytes = ranks.size() * kElementOverhead;
    if (!c_.reserve(key_, bytes, engine::Growth::kShrinks)) return false;
    // From the tail on, so that the ranks before stay true; neighbours go together.
    for (size_t last = ranks.size(); last > 0;) {
      size_t first = last - 1;
      while (first > 0 && ranks[first - 1] + 1 == ranks[first]) --first;
      erase_split(ranks[first], ranks[last - 1] + 1);
      last = first;
    }
    c_.modified(key_);
  }
  length_ -= ranks.size();
  return true;
}

bool ListEdit::rotate(ListEnd from, ListEnd to) {
  const uint64_t rank = from == ListEnd::kHead ? 0 : length_ - 1;
  const std::string_view value = reader_->at(rank);
  if (!c_.ready()) return false;  // read before, and refused now
  if (!c_.reserve_for_all(key_, bound({&value, 1}) + kElementOverhead)) return false;
  if (!split()) {
    const Packed& packed = reader_->packed_;
    const Packed::Iterator moved = iterator_at(packed, rank);
    const Packed::Iterator behind = rank + 1 == length_ ? packed.end() : std::next(moved);
    PackedWriter writer(packed.size_bytes());
    if (to == ListEnd::kHead) writer.append(value);
    writer.append_run(packed.begin(), moved);
    writer.append_run(behind, packed.end());
    if (to == ListEnd::kTail) writer.append(value);
    write_packed(writer);
    return true;
  }
  if (from == to || length_ == 1) {
    c_.modified(key_);
    return true;
  }
  erase_split(rank, rank + 1);
  --length_;
  return push(to, {&value, 1});
}

uint64_t put_list_bound(const KeyRef& key, std::span<const std::string_view> values) {
  uint64_t bytes = engine::record_size_bound(key.name.size(), kPackedListBytes);
  for (std::string_view value : values) bytes += kElementOverhead + value.size();
  return bytes;
}

void put_list(Context& c, const KeyRef& key, int64_t expiry_ms,
              std::span<const std::string_view> values) {
  size_t bytes = engine::kMaxVarintSize;
  for (std::string_view value : values) bytes += PackedWriter::element_bytes(value.size());
  if (bytes <= kPackedListBytes) {
    PackedWriter writer(bytes);
    for (std::string_view value : values) writer.append(value);
    c.put(key, kListTag, expiry_ms, std::span<const std::string_view>(writer.pieces()));
    return;
  }
  const engine::KeydirEntry root = c.put_split(key, kListTag, expiry_ms, ListIndex::kHeader);
  engine::Shard& shard = c.shard_for_write(key);
  ListIndex& elements = index_of(shard, root);
  for (std::string_view value : values) {
    const Position position = elements.after_tail();
    const engine::ElementLocation at =
        shard.put_element(root.collection, kListTag.byte, ListName(position).view(), {&value, 1});
    elements.push_tail(position, at.where, at.value_size);
  }
}

}  // namespace respcask::server

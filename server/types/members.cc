#include "server/types/members.h"

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "engine/format.h"

namespace respcask::server {

namespace {

size_t stride_of(TypeTag tag) {
  return tag.type() == Type::kHash ? 2 : 1;
}

// Whether a name is among many.
class NameSet {
 public:
  explicit NameSet(std::span<const std::string_view> names) : names_(names) {
    if (names.size() <= kFewNames) return;
    sorted_.assign(names.begin(), names.end());
    std::sort(sorted_.begin(), sorted_.end());
  }
  bool contains(std::string_view name) const {
    if (sorted_.empty()) return std::find(names_.begin(), names_.end(), name) != names_.end();
    return std::binary_search(sorted_.begin(), sorted_.end(), name);
  }

 private:
  static constexpr size_t kFewNames = 16;
  std::span<const std::string_view> names_;
  std::vector<std::string_view> sorted_;  // empty if they are few
};

Members::Member from_index(std::string_view name, const MemberIndex::Member& found) {
  return {name, {}, found.where, found.value_size};
}

}  // namespace

Members::Members(Context& c, const KeyRef& key, const engine::KeydirEntry& entry)
    : c_(c), key_(key), tag_{entry.type}, stride_(stride_of(tag_)) {
  if (entry.collection != 0) {
    index_ = &member_index(c.shard(key), entry);
    return;
  }
  const std::string_view bytes = c.read(key, entry);
  if (!bytes.empty()) packed_ = Packed(bytes);
}

uint64_t Members::size() const {
  return is_split() ? index_->size() : packed_.count() / stride_;
}

std::optional<Members::Member> Members::find(std::string_view name) const {
  if (is_split()) {
    const auto found = index_->find(name);
    if (!found) return std::nullopt;
    return from_index(name, *found);
  }
  for (auto at = packed_.begin(); at != packed_.end(); ++at) {
    const bool same = *at == name;
    const std::string_view element = *at;
    if (stride_ == 2) ++at;
    if (same) return Member{element, stride_ == 2 ? *at : std::string_view(), {}, 0};
  }
  return std::nullopt;
}

std::string_view Members::value(const Member& member) const {
  return is_split() ? c_.read(key_, member.where, member.value_size) : member.value;
}

std::vector<Members::Member> Members::all_in_any_order() const {
  std::vector<Member> members;
  members.reserve(size());
  if (is_split()) {
    index_->for_each_member([&](std::string_view name, const MemberIndex::Member& found) {
      members.push_back(from_index(name, found));
    });
    return members;
  }
  for (auto at = packed_.begin(); at != packed_.end(); ++at) {
    Member member{*at, {}, {}, 0};
    if (stride_ == 2) member.value = *++at;
    members.push_back(member);
  }
  return members;
}

std::vector<Members::Member> Members::all() const {
  if (!is_split() || tag_.encoding() != Encoding::kCompact) return all_in_any_order();
  std::vector<Member> members;
  members.reserve(size());
  if (tag_.type() == Type::kSet) {
    members = all_in_any_order();
    std::sort(members.begin(), members.end(),
              [](const Member& a, const Member& b) { return integer_text_less(a.name, b.name); });
    return members;
  }
  std::vector<std::pair<uint32_t, Member>> placed;
  placed.reserve(size());
  index_->for_each_member([&](std::string_view name, const MemberIndex::Member& found) {
    placed.emplace_back(found.ordinal, from_index(name, found));
  });
  std::sort(placed.begin(), placed.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [ordinal, member] : placed) members.push_back(member);
  return members;
}

void Members::for_each(Visitor visit) const {
  if (is_split()) {
    if (tag_.encoding() == Encoding::kCompact) {
      for (const Member& member : all()) visit(member);
      return;
    }
    index_->for_each_member([&](std::string_view name, const MemberIndex::Member& found) {
      visit(from_index(name, found));
    });
    return;
  }
  for (auto at = packed_.begin(); at != packed_.end(); ++at) {
    Member member{*at, {}, {}, 0};
    if (stride_ == 2) member.value = *++at;
    visit(member);
  }
}

Members::Member Members::random(uint64_t random_bits) const {
  assert(size() > 0);
  if (is_split()) {
    const auto [name, found] = index_->random(random_bits);
    return from_index(name, found);
  }
  auto at = packed_.begin();
  for (uint64_t skip = random_bits % size() * stride_; skip > 0; --skip) ++at;
  Member member{*at, {}, {}, 0};
  if (stride_ == 2) member.value = *++at;
  return member;
}

// What Redis scans at once, a listpack or an intset, is scanned at once here too, and so is what is
// packed. A position in the table has its low 16 bits 0, which a cursor leaves out.
uint64_t Members::scan(uint64_t cursor, uint64_t count, Visitor visit) const {
  constexpr int kPositionShift = 16;
  if (!is_split() || tag_.encoding() == Encoding::kCompact) {
    for_each(visit);
    return 0;
  }
  if (cursor > std::numeric_limits<uint64_t>::max() >> kPositionShift) return 0;
  uint64_t position = cursor << kPositionShift;
  uint64_t seen = 0;
  do {
    position = index_->scan(position, [&](std::string_view name, const MemberIndex::Member& found) {
      ++seen;
      visit(from_index(name, found));
    });
  } while (position != 0 && seen < count);
  return position >> kPositionShift;
}

MemberIndex& member_index(engine::Shard& shard, const engine::KeydirEntry& root) {
  return static_cast<MemberIndex&>(shard.collection(root.collection));
}

bool put_member(engine::Shard& shard, const engine::KeydirEntry& root, uint32_t ordinal,
                const NewMember& member) {
  const MemberIndex::Name written(ordinal, member.name);
  const engine::ElementLocation at =
      shard.put_element(root.collection, root.type, written.view(), {&member.value, 1});
  const auto old = member_index(shard, root).put(member.name, {at.where, at.value_size, ordinal});
  if (old) shard.element_dropped(*old);
  return !old;
}

uint64_t put_member_bound(const NewMember& member) {
  return engine::record_size_bound(engine::kMaxVarintSize + member.name.size(),
                                   member.value.size());
}

std::optional<engine::KeydirEntry> put_members(Context& c, const KeyRef& key, TypeTag tag,
                                               int64_t expiry_ms,
                                               std::span<const NewMember> members, Form form,
                                               uint64_t more_bytes) {
  const bool hash = tag.type() == Type::kHash;
  uint64_t packed_bytes = engine::varint_size(members.size() * stride_of(tag));
  uint64_t split_bytes = put_member_bound({key.name, kMembersHeader});
  for (const NewMember& member : members) {
    packed_bytes += PackedWriter::element_bytes(member.name.size());
    if (hash) packed_bytes += PackedWriter::element_bytes(member.value.size());
    split_bytes += put_member_bound(member);
  }
  const bool split = form == Form::kSplit || packed_bytes > kMaxPackedBytes;
  const uint64_t bytes =
      split ? split_bytes : engine::record_size_bound(key.name.size(), packed_bytes);
  if (!c.reserve(key, bytes + more_bytes)) return std::nullopt;
  if (!split) {
    PackedWriter writer(packed_bytes);
    for (const NewMember& member : members) {
      writer.append(member.name);
      if (hash) writer.append(member.value);
    }
    return c.put(key, tag, expiry_ms, std::span<const std::string_view>(writer.pieces()));
  }
  const bool ordered = hash && tag.encoding() == Encoding::kCompact;
  const engine::KeydirEntry root = c.put_split(key, tag, expiry_ms, kMembersHeader);
  engine::Shard& shard = c.shard_for_write(key);
  uint32_t ordinal = 0;
  for (const NewMember& member : members) {
    if (ordered) ++ordinal;
    put_member(shard, root, ordinal, member);
  }
  return root;
}

std::vector<NewMember> members_to_write(const Members& members) {
  std::vector<NewMember> copied;
  copied.reserve(members.size());
  members.for_each([&](const Members::Member& member) {
    const bool has_value = members.stride() == 2;
    copied.push_back({member.name, has_value ? members.value(member) : std::string_view()});
  });
  return copied;
}

bool copy_members(Context& c, const KeyRef& from, const engine::KeydirEntry& entry,
                  const KeyRef& to, int64_t expiry_ms) {
  const std::vector<NewMember> copied = members_to_write(Members(c, from, entry));
  if (!c.ready()) return false;
  return put_members(c, to, TypeTag{entry.type}, expiry_ms, copied).has_value();
}

namespace {

Removed remove_packed(Context& c, const KeyRef& key, const engine::KeydirEntry& entry,
                      const Members& members, std::span<const std::string_view> names) {
  const NameSet gone(names);
  const Packed& old = members.packed();
  PackedWriter writer(old.size_bytes());
  Removed removed;
  auto kept_from = old.begin();
  for (auto at = old.begin(); at != old.end();) {
    auto next = at;
    for (size_t i = 0; i < members.stride(); ++i) ++next;
    if (gone.contains(*at)) {
      writer.append_run(kept_from, at);
      kept_from = next;
      ++removed.count;
    }
    at = next;
  }
  if (removed.count == 0) return removed;
  writer.append_run(kept_from, old.end());
  removed.emptied = writer.count() == 0;
  if (removed.emptied) {
    c.remove(key);
  } else {
    c.put(key, TypeTag{entry.type}, entry.expiry_ms,
          std::span<const std::string_view>(writer.pieces()));
  }
  return removed;
}

Removed remove_split(Context& c, const KeyRef& key, const engine::KeydirEntry& entry,
                     const Members& members, std::span<const std::string_view> names) {
  MemberIndex& index = members.index();
  Removed removed;
  for (const std::string_view name : names) {
    // The name may lie in the index itself.
    const MemberIndex::Name written(0, name);
    const auto old = index.remove(name);
    if (!old) continue;
    engine::Shard& shard = c.shard_for_write(key);
    shard.remove_element(entry.collection, entry.type, written.view());
    shard.element_dropped(*old);
    ++removed.count;
  }
  if (removed.count == 0) return removed;
  removed.emptied = index.size() == 0;
  if (removed.emptied) {
    c.remove(key);
  } else {
    c.modified(key);
  }
  return removed;
}

}  // namespace

std::optional<Removed> remove_members(Context& c, const KeyRef& key,
                                      const engine::KeydirEntry& entry,
                                      std::span<const std::string_view> names) {
  const Members members(c, key, entry);
  if (!c.ready()) return std::nullopt;
  uint64_t bytes = put_member_bound({key.name, {}});
  if (members.is_split()) {
    for (const std::string_view name : names) bytes += put_member_bound({name, {}});
  } else {
    bytes += members.packed().size_bytes();
  }
  if (!c.reserve(key, bytes, engine::Growth::kShrinks)) return std::nullopt;
  return members.is_split() ? remove_split(c, key, entry, members, names)
                            : remove_packed(c, key, entry, members, names);
}

bool integer_text_less(std::string_view a, std::string_view b) {
  const bool negative = a[0] == '-';
  if (negative != (b[0] == '-')) return negative;
  if (a.size() != b.size()) return (a.size() < b.size()) != negative;
  return negative ? b < a : a < b;
}

}  // namespace respcask::server

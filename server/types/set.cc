#include "server/types/set.h"

#include <algorithm>
#include <string>
#include <utility>
#include <variant>

#include "engine/format.h"
#include "resp/number.h"
#include "server/types/members.h"
#include "server/types/object.h"

namespace respcask::server {

namespace {

constexpr TypeTag kIntset = TypeTag::of(Type::kSet, Encoding::kCompact);
constexpr TypeTag kHashtable = TypeTag::of(Type::kSet, Encoding::kPlain);

bool all_integers(std::span<const std::string_view> members) {
  return std::all_of(members.begin(), members.end(), is_intset_member);
}

// The members of `wanted`, each once, that `old` does not have; in the order of an intset if
// `integers`.
std::vector<std::string_view> missing(const Packed& old, std::span<const std::string_view> wanted,
                                      bool integers) {
  std::vector<std::string_view> added(wanted.begin(), wanted.end());
  const auto less = [&](std::string_view a, std::string_view b) {
    return integers ? integer_text_less(a, b) : a < b;
  };
  if (added.size() > 1) {
    std::sort(added.begin(), added.end(), less);
    added.erase(std::unique(added.begin(), added.end()), added.end());
  }
  std::vector<char> present(added.size(), 0);
  for (const std::string_view member : old) {
    const auto at = added.size() == 1 ? added.begin()
                                      : std::lower_bound(added.begin(), added.end(), member, less);
    if (at != added.end() && *at == member) present[static_cast<size_t>(at - added.begin())] = 1;
  }
  size_t kept = 0;
  for (size_t i = 0; i < added.size(); ++i) {
    if (!present[i]) added[kept++] = added[i];
  }
  added.resize(kept);
  return added;
}

// Whether `wanted` has any that the few members `old` do not.
bool any_missing(std::span<const NewMember> old, std::span<const std::string_view> wanted) {
  std::vector<std::string_view> names;
  names.reserve(old.size());
  for (const NewMember& member : old) names.push_back(member.name);
  std::sort(names.begin(), names.end());
  return !std::all_of(wanted.begin(), wanted.end(), [&](std::string_view member) {
    return std::binary_search(names.begin(), names.end(), member);
  });
}

// `added` is in the order of an intset if `sorted`.
PackedWriter merge(const Packed& old, std::span<const std::string_view> added, bool sorted) {
  size_t bytes = old.size_bytes() + engine::kMaxVarintSize;
  for (const std::string_view member : added) bytes += PackedWriter::element_bytes(member.size());
  PackedWriter writer(bytes);
  auto kept_from = old.begin();
  for (const std::string_view member : added) {
    auto at = kept_from;
    while (at != old.end() && !(sorted && integer_text_less(member, *at))) ++at;
    writer.append_run(kept_from, at);
    writer.append(member);
    kept_from = at;
  }
  writer.append_run(kept_from, old.end());
  return writer;
}

uint64_t add_split_bound(const KeyRef& key, std::span<const std::string_view> members) {
  uint64_t bytes = put_member_bound({key.name, kMembersHeader});
  for (const std::string_view member : members) bytes += put_member_bound({member, {}});
  return bytes;
}

// Adds to a split set for which there is room, and makes it a hashtable if need be.
uint64_t add_split(Context& c, const KeyRef& key, const engine::KeydirEntry& root, TypeTag tag,
                   std::span<const std::string_view> members) {
  const MemberIndex& index = member_index(c.shard(key), root);
  uint64_t created = 0;
  for (const std::string_view member : members) {
    if (index.find(member)) continue;
    put_member(c.shard_for_write(key), root, 0, {member, {}});
    ++created;
  }
  if (created == 0) return 0;
  if (index.size() > max_intset_members(c.config())) tag = kHashtable;
  if (tag.byte != root.type) {
    c.shard_for_write(key).put_header(key.db, key.name, key.hash, tag.byte, kMembersHeader);
  }
  c.modified(key);
  return created;
}

}  // namespace

bool is_intset_member(std::string_view member) {
  return resp::parse_int64(member).has_value();
}

uint64_t max_intset_members(const Config& config) {
  constexpr uint64_t kMost = uint64_t{1} << 30;  // as in Redis
  return std::min<uint64_t>(config.set_max_intset_entries, kMost);
}

std::optional<uint64_t> set_add(Context& c, const KeyRef& key,
                                const std::optional<engine::KeydirEntry>& entry,
                                std::span<const std::string_view> members) {
  std::optional<Members> old;
  if (entry) old.emplace(c, key, *entry);
  if (!c.ready()) return std::nullopt;
  // What is there already costs a look-up, not a list of what is missing.
  if (old && members.size() == 1 && old->contains(members[0])) return 0;
  TypeTag tag = entry ? TypeTag{entry->type} : kIntset;
  if (tag.byte != kHashtable.byte && !all_integers(members)) tag = kHashtable;
  if (old && old->is_split()) {
    if (!c.reserve(key, add_split_bound(key, members))) return std::nullopt;
    return add_split(c, key, *entry, tag, members);
  }

  uint64_t added_bytes = 0;
  for (const std::string_view member : members) {
    added_bytes += PackedWriter::element_bytes(member.size());
  }
  const int64_t expiry_ms = entry ? entry->expiry_ms : 0;
  if (added_bytes <= kMaxPackedBytes) {
    const bool sorted = tag.byte == kIntset.byte;
    const Packed packed = old ? old->packed() : Packed();
    const std::vector<std::string_view> added = missing(packed, members, sorted);
    if (added.empty()) return 0;
    PackedWriter writer = merge(packed, added, sorted);
    const uint64_t bytes = writer.size_bytes();
    if (bytes <= kMaxPackedBytes) {
      if (writer.count() > max_intset_members(c.config())) tag = kHashtable;
      if (!c.reserve(key, engine::record_size_bound(key.name.size(), bytes))) return std::nullopt;
      c.put(key, tag, expiry_ms, std::span<const std::string_view>(writer.pieces()));
      return added.size();
    }
  }

  std::vector<NewMember> written;
  if (old) {
    written = members_to_write(*old);
    if (!any_missing(written, members)) return 0;
  }
  const auto root =
      put_members(c, key, tag, expiry_ms, written, Form::kSplit, add_split_bound(key, members));
  if (!root) return std::nullopt;
  return add_split(c, key, *root, tag, members);
}

bool set_write(Context& c, const KeyRef& key, int64_t expiry_ms,
               std::vector<std::string_view>& members, bool hashtable) {
  TypeTag tag = kHashtable;
  if (!hashtable && members.size() <= max_intset_members(c.config()) && all_integers(members)) {
    tag = kIntset;
    std::sort(members.begin(), members.end(), integer_text_less);
  }
  std::vector<NewMember> written;
  written.reserve(members.size());
  for (const std::string_view member : members) written.push_back({member, {}});
  return put_members(c, key, tag, expiry_ms, written).has_value();
}

// --- sets as objects of any type (object.h) ------------------------------------------------------

namespace {

std::string_view encoding_word(Context&, const KeyRef&, const engine::KeydirEntry& entry) {
  return TypeTag{entry.type}.encoding() == Encoding::kCompact ? "intset" : "hashtable";
}

uint64_t length(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  return Members(c, key, entry).size();
}

rdb::Value read_whole(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  const Members members(c, key, entry);
  rdb::Set set;
  set.members.reserve(members.size());
  members.for_each([&](const Members::Member& member) {
    if (c.hold_text(member.name.size())) set.members.emplace_back(member.name);
  });
  return set;
}

bool write_whole(Context& c, const KeyRef& key, int64_t expiry_ms, const rdb::Value& value) {
  const auto& set = std::get<rdb::Set>(value).members;
  std::vector<std::string_view> members(set.begin(), set.end());
  return set_write(c, key, expiry_ms, members);
}

}  // namespace

constexpr ObjectType kSetObject = {
    .type = Type::kSet,
    .encoding = encoding_word,
    .length = length,
    .read = read_whole,
    .write = write_whole,
    .copy_split = copy_members,
};

}  // namespace respcask::server

// Sorted sets as objects of any type (object.h).

#include <utility>
#include <variant>

#include "server/config/config.h"
#include "server/types/object.h"
#include "server/types/sorted_set.h"

namespace respcask::server {

namespace {

std::string_view encoding(Context&, const KeyRef&, const engine::KeydirEntry& entry) {
  return TypeTag{entry.type}.encoding() == Encoding::kPlain ? "skiplist" : "listpack";
}

uint64_t length(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  return SortedSet(c, key, entry).size();
}

rdb::Value read_whole(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  rdb::SortedSet value;
  const SortedSet set(c, key, entry);
  if (!c.ready()) return value;
  value.members.reserve(set.size());
  set.visit(0, set.size(), Order::kAscending, [&](const ScoredMember& m) {
    if (c.hold_text(m.member.size())) value.members.emplace_back(m.member, m.score);
  });
  return value;
}

bool write_whole(Context& c, const KeyRef& key, int64_t expiry_ms, const rdb::Value& value) {
  const auto& [pairs, listpack] = std::get<rdb::SortedSet>(value);
  std::vector<ScoredMember> members;
  members.reserve(pairs.size());
  for (const auto& [member, score] : pairs) members.push_back({member, score});
  // Redis does not look at the members of what is a listpack already.
  const TypeTag tag = listpack && members.size() <= c.config().zset_max_listpack_entries
                          ? TypeTag::of(Type::kSortedSet)
                          : tag_of_new(c.config(), members);
  if (!listpack) score_as_entered(tag, members);
  return write_sorted_set(c, key, tag, expiry_ms, members);
}

bool copy_split(Context& c, const KeyRef& from, const engine::KeydirEntry& entry, const KeyRef& to,
                int64_t expiry_ms) {
  const SortedSet set(c, from, entry);
  std::vector<ScoredMember> members;
  members.reserve(set.size());
  set.visit(0, set.size(), Order::kAscending, [&](const ScoredMember& m) { members.push_back(m); });
  return write_sorted_set(c, to, TypeTag{entry.type}, expiry_ms, members);
}

}  // namespace

constexpr ObjectType kSortedSetObject = {
    .type = Type::kSortedSet,
    .encoding = encoding,
    .length = length,
    .read = read_whole,
    .write = write_whole,
    .copy_split = copy_split,
};

}  // namespace respcask::server

#include "server/types/hash.h"

#include <algorithm>
#include <cassert>
#include <string>
#include <variant>
#include <vector>

#include "engine/format.h"
#include "server/config/config.h"
#include "server/types/members.h"
#include "server/types/object.h"

namespace respcask::server {

namespace {

// Fields that a listpack may have. Their ordinals end somewhere.
uint64_t max_compact_fields(const Config& config) {
  return std::min<uint64_t>(config.hash_max_listpack_entries, MemberIndex::kMaxOrdinal);
}

// Whether Redis would keep all of these in a listpack.
bool fit_listpack(const Config& config, std::span<const std::string_view> elements) {
  return std::all_of(elements.begin(), elements.end(), [&](std::string_view element) {
    return element.size() <= config.hash_max_listpack_value;
  });
}

// Pairs without repetition: a field stands where it came first and has its last value.
class Pairs {
 public:
  struct Pair {
    NewMember member;
    bool done = false;
  };

  explicit Pairs(std::span<const std::string_view> elements) {
    pairs_.reserve(elements.size() / 2);
    for (size_t i = 0; i < elements.size(); i += 2) {
      if (Pair* former = find(elements[i])) {
        former->member.value = elements[i + 1];
      } else {
        pairs_.push_back({{elements[i], elements[i + 1]}});
      }
    }
  }
  Pair* find(std::string_view field) {
    for (Pair& pair : pairs_) {
      if (pair.member.name == field) return &pair;
    }
    return nullptr;
  }
  auto begin() const { return pairs_.begin(); }
  auto end() const { return pairs_.end(); }

 private:
  std::vector<Pair> pairs_;
};

struct Merged {
  PackedWriter writer;
  uint64_t created = 0;
};

// The old fields in their places with new values, then the new fields.
Merged merge(const Packed& old, std::span<const std::string_view> pairs, uint64_t pairs_bytes) {
  constexpr size_t kSizes = 16;
  Merged merged{PackedWriter(old.size_bytes() + pairs_bytes + kSizes)};
  Pairs updates(pairs);
  auto kept_from = old.begin();
  for (auto at = old.begin(); at != old.end(); ++at) {
    Pairs::Pair* update = updates.find(*at);
    ++at;
    if (update == nullptr) continue;
    merged.writer.append_run(kept_from, at);
    merged.writer.append(update->member.value);
    update->done = true;
    kept_from = std::next(at);
  }
  merged.writer.append_run(kept_from, old.end());
  for (const Pairs::Pair& update : updates) {
    if (update.done) continue;
    merged.writer.append(update.member.name);
    merged.writer.append(update.member.value);
    ++merged.created;
  }
  return merged;
}

// Sets fields of a split hash for which there is room, and makes it a hashtable if need be.
uint64_t put_split(Context& c, const KeyRef& key, const engine::KeydirEntry& root, TypeTag tag,
                   std::span<const std::string_view> pairs) {
  engine::Shard& shard = c.shard_for_write(key);
  MemberIndex& index = member_index(shard, root);
  const bool ordered = tag.encoding() == Encoding::kCompact;
  uint64_t created = 0;
  for (size_t i = 0; i < pairs.size(); i += 2) {
    uint32_t ordinal = 0;
    if (ordered) {
      const auto former = index.find(pairs[i]);
      ordinal = former ? former->ordinal : index.next_ordinal();
    }
    created += put_member(shard, root, ordinal, {pairs[i], pairs[i + 1]}) ? 1 : 0;
  }
  if (ordered && index.size() > max_compact_fields(c.config())) {
    tag = TypeTag::of(Type::kHash, Encoding::kPlain);
  }
  if (tag.byte != root.type) {
    shard.put_header(key.db, key.name, key.hash, tag.byte, kMembersHeader);
  }
  c.modified(key);
  return created;
}

uint64_t put_split_bound(const KeyRef& key, std::span<const std::string_view> pairs) {
  uint64_t bytes = put_member_bound({key.name, kMembersHeader});
  for (size_t i = 0; i < pairs.size(); i += 2) {
    bytes += put_member_bound({pairs[i], pairs[i + 1]});
  }
  return bytes;
}

}  // namespace

std::optional<uint64_t> hash_put(Context& c, const KeyRef& key,
                                 const std::optional<engine::KeydirEntry>& entry,
                                 std::span<const std::string_view> pairs) {
  std::optional<Members> old;
  if (entry) old.emplace(c, key, *entry);
  if (!c.ready()) return std::nullopt;

  TypeTag tag = entry ? TypeTag{entry->type} : TypeTag::of(Type::kHash);
  // So many fields that their ordinals might not do are not numbered to begin with.
  const uint64_t most_fields = (old ? old->size() : 0) + pairs.size() / 2;
  if (!fit_listpack(c.config(), pairs) || most_fields > MemberIndex::kMaxOrdinal) {
    tag = TypeTag::of(Type::kHash, Encoding::kPlain);
  }
  const int64_t expiry_ms = entry ? entry->expiry_ms : 0;

  // Ordinals that have run out are dealt out anew: the hash is written as if it were packed.
  const bool numbered = tag.encoding() == Encoding::kCompact;
  const bool split = old && old->is_split();
  if (split &&
      !(numbered && old->index().next_ordinal() + pairs.size() / 2 > MemberIndex::kMaxOrdinal)) {
    if (!c.reserve(key, put_split_bound(key, pairs))) return std::nullopt;
    return put_split(c, key, *entry, tag, pairs);
  }

  uint64_t pairs_bytes = 0;
  for (const std::string_view element : pairs) {
    pairs_bytes += PackedWriter::element_bytes(element.size());
  }
  if (!split && pairs_bytes <= kMaxPackedBytes) {
    Merged merged = merge(old ? old->packed() : Packed(), pairs, pairs_bytes);
    const uint64_t bytes = merged.writer.size_bytes();
    if (bytes <= kMaxPackedBytes) {
      if (merged.writer.count() / 2 > max_compact_fields(c.config())) {
        tag = TypeTag::of(Type::kHash, Encoding::kPlain);
      }
      if (!c.reserve(key, engine::record_size_bound(key.name.size(), bytes))) return std::nullopt;
      c.put(key, tag, expiry_ms, std::span<const std::string_view>(merged.writer.pieces()));
      return merged.created;
    }
  }

  std::vector<NewMember> members;
  if (old) members = members_to_write(*old);
  if (!c.ready()) return std::nullopt;
  const auto root =
      put_members(c, key, tag, expiry_ms, members, Form::kSplit, put_split_bound(key, pairs));
  if (!root) return std::nullopt;
  return put_split(c, key, *root, tag, pairs);
}

// --- hashes as objects of any type (object.h)
// -----------------------------------------------------

namespace {

std::string_view encoding_word(Context&, const KeyRef&, const engine::KeydirEntry& entry) {
  return TypeTag{entry.type}.encoding() == Encoding::kCompact ? "listpack" : "hashtable";
}

uint64_t length(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  return Members(c, key, entry).size();
}

rdb::Value read_whole(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  const Members members(c, key, entry);
  rdb::Hash hash;
  hash.fields.reserve(members.size());
  members.for_each([&](const Members::Member& field) {
    const std::string_view value = members.value(field);
    if (!c.ready() || !c.hold_text(field.name.size()) || !c.hold_text(value.size())) return;
    hash.fields.emplace_back(field.name, value);
  });
  return hash;
}

bool write_whole(Context& c, const KeyRef& key, int64_t expiry_ms, const rdb::Value& value) {
  const auto& [fields, listpack] = std::get<rdb::Hash>(value);
  std::vector<NewMember> members;
  members.reserve(fields.size());
  bool compact = fields.size() <= max_compact_fields(c.config());
  for (const auto& [field, bytes] : fields) {
    const std::string_view pair[] = {field, bytes};
    // Redis does not look at the elements of what is a listpack already.
    compact = compact && (listpack || fit_listpack(c.config(), pair));
    members.push_back({field, bytes});
  }
  const TypeTag tag = TypeTag::of(Type::kHash, compact ? Encoding::kCompact : Encoding::kPlain);
  return put_members(c, key, tag, expiry_ms, members).has_value();
}

}  // namespace

constexpr ObjectType kHashObject = {
    .type = Type::kHash,
    .encoding = encoding_word,
    .length = length,
    .read = read_whole,
    .write = write_whole,
    .copy_split = copy_members,
};

}  // namespace respcask::server

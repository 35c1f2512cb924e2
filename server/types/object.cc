#include "server/types/object.h"

#include <array>
#include <cassert>
#include <variant>

#include "engine/format.h"
#include "server/access.h"
#include "server/config/config.h"
#include "server/expiry.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

// The types that there are; a position is what Type says.
constexpr std::array<const ObjectType*, 5> kTypes = {
    &kStringObject, &kListObject, &kSetObject, &kSortedSetObject, &kHashObject,
};

// The type of a value, by its place among rdb::Value's alternatives.
constexpr std::array<const ObjectType*, std::variant_size_v<rdb::Value>> kTypeOfAlternative = {
    &kStringObject, &kListObject, &kSetObject, &kHashObject, &kSortedSetObject,
};
static_assert(std::is_same_v<std::variant_alternative_t<0, rdb::Value>, rdb::String>);
static_assert(std::is_same_v<std::variant_alternative_t<1, rdb::Value>, rdb::List>);
static_assert(std::is_same_v<std::variant_alternative_t<2, rdb::Value>, rdb::Set>);
static_assert(std::is_same_v<std::variant_alternative_t<3, rdb::Value>, rdb::Hash>);
static_assert(std::is_same_v<std::variant_alternative_t<4, rdb::Value>, rdb::SortedSet>);

const ObjectType& type_of(const rdb::Value& value) {
  return *kTypeOfAlternative[value.index()];
}

bool copy_packed(Context& c, const KeyRef& from, const engine::KeydirEntry& entry, const KeyRef& to,
                 int64_t expiry_ms) {
  const std::string_view value = c.read(from, entry);
  if (!c.ready()) return false;
  if (!c.reserve(to, engine::record_size_bound(to.name.size(), value.size()))) return false;
  c.put(to, TypeTag{entry.type}, expiry_ms, value);
  return true;
}

// A key was written anew. Where there was another, Context::put() has told nobody of a new one, and
// has kept how often that was used.
void made_anew(Context& c, const KeyRef& key, bool replaces) {
  if (replaces) {
    const uint32_t access = new_access(c.config(), c.now_ms());
    c.shard(key).keydir(key.db).set_access(key.name, key.hash, access);
    c.notify(EventClass::kNew, "new", key);
  }
  c.signal_ready(key);
}

}  // namespace

const ObjectType* object_type(Type type) {
  const auto at = static_cast<size_t>(type);
  return at < kTypes.size() ? kTypes[at] : nullptr;
}

const ObjectType& object_type(const engine::KeydirEntry& entry) {
  const ObjectType* type = object_type(TypeTag{entry.type}.type());
  assert(type != nullptr);
  return *type;
}

bool write_object(Context& c, const KeyRef& key, int64_t expiry_ms, const rdb::Value& value) {
  const bool replaces = is_replaced(c, key);
  if (!type_of(value).write(c, key, expiry_ms, value)) return false;
  made_anew(c, key, replaces);
  return true;
}

bool overwrite_object(Context& c, const KeyRef& key, const rdb::Value& value) {
  look_before_overwriting(c, key);
  const bool replaces = is_replaced(c, key);
  if (!type_of(value).write(c, key, 0, value)) return false;
  if (!replaces) c.signal_ready(key);
  return true;
}

bool is_replaced(Context& c, const KeyRef& key) {
  const auto entry = c.shard(key).find(key.db, key.name, key.hash);
  return entry && !is_due(*entry, c.now_ms());
}

void look_before_overwriting(Context& c, const KeyRef& key) {
  // When it was used is written anew; how often is what must not be lost.
  if (counts_frequency(c.config())) {
    c.find_for_write(key);
  } else if (c.shard(key).keydir(key.db).may_be_due(key.hash, c.now_ms() - 1)) {
    c.peek(key);
  }
}

bool copy_object(Context& c, const KeyRef& from, const engine::KeydirEntry& entry, const KeyRef& to,
                 int64_t expiry_ms) {
  const bool replaces = is_replaced(c, to);
  const bool copied = entry.collection == 0
                          ? copy_packed(c, from, entry, to, expiry_ms)
                          : object_type(entry).copy_split(c, from, entry, to, expiry_ms);
  if (copied) made_anew(c, to, replaces);
  return copied;
}

bool move_object(Context& c, const KeyRef& from, const engine::KeydirEntry& entry,
                 const KeyRef& to) {
  if (from.shard != to.shard) {
    if (!copy_object(c, from, entry, to, entry.expiry_ms)) return false;
    c.shard(to).keydir(to.db).set_access(to.name, to.hash, entry.access);
    c.remove(from);
    return true;
  }
  const std::string_view value = c.read(from, entry);
  if (!c.ready()) return false;
  const uint64_t bytes = engine::record_size_bound(to.name.size(), value.size()) +
                         engine::record_size_bound(from.name.size(), 0);
  if (!c.reserve(to, bytes)) return false;
  c.shard_for_write(to).rename(from.db, from.name, from.hash, to.db, to.name, to.hash, value);
  c.modified(from);
  c.modified(to);
  c.notify(EventClass::kNew, "new", to);
  c.signal_ready(to);
  return true;
}

uint64_t object_memory(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  constexpr uint64_t kEntryBytes = 16;  // engine/keydir.h says of what
  constexpr uint64_t kExpiryBytes = 8;
  uint64_t bytes = key.name.size() + kEntryBytes + (entry.expiry_ms != 0 ? kExpiryBytes : 0);
  if (entry.collection != 0) bytes += c.shard(key).collection(entry.collection).memory_bytes();
  return bytes;
}

rdb::EncodeLimits encode_limits(const Config& config, const engine::KeydirEntry& entry) {
  rdb::EncodeLimits limits;
  const size_t most = TypeTag{entry.type}.encoding() == Encoding::kCompact ? SIZE_MAX : 0;
  limits.hash_max_listpack_entries = limits.hash_max_listpack_value = most;
  limits.set_max_intset_entries = most;
  limits.zset_max_listpack_entries = limits.zset_max_listpack_value = most;
  limits.rdb_compression = config.rdb_compression;
  limits.list_max_listpack_size = config.list_max_listpack_size;
  limits.list_compress_depth = static_cast<size_t>(config.list_compress_depth);
  return limits;
}

}  // namespace respcask::server

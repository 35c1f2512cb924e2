// Objects: what can be done to any key whatever its type. DUMP, RESTORE, RENAME, COPY, MOVE, OBJECT
// and MEMORY USAGE know no type; they call these.
//
// Each type brings one ObjectType, defined in its own file and listed in object.cc. A packed object
// is one value and is copied and moved as such by the functions here; the type's own functions are
// for what only it can know.
//
// Nothing here owns memory beyond a call. For handlers, on their thread: the shards of all keys
// handed in are locked, and the rule of Context holds. So a function that reads, reads all that it
// needs before it changes anything, and where it says "not ready" the caller returns and is run
// again.
#pragma once

#include <cstdint>
#include <string_view>

#include "engine/keydir_entry.h"
#include "server/context.h"
#include "server/rdb/encode.h"
#include "server/rdb/value.h"
#include "server/types/type.h"

namespace respcask::server {

// What a type brings. `key` is there and holds the type, with `entry` what the keydir says of it.
struct ObjectType {
  Type type;

  // The word of OBJECT ENCODING; meaningless if not ready afterwards.
  std::string_view (*encoding)(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

  // Elements; of a string, bytes. Meaningless if not ready afterwards.
  uint64_t (*length)(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

  // The whole object, packed or split; meaningless if not ready afterwards.
  rdb::Value (*read)(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

  // Makes `value`, which is of this type and not empty, what `key` holds, whatever it held.
  // Reserves its space. False, with nothing changed and the error replied, if there is no room.
  bool (*write)(Context& c, const KeyRef& key, int64_t expiry_ms, const rdb::Value& value);

  // Copies a split object, elements and encoding, to `to`, whatever that held, in whichever shard.
  // Reserves its space. False with nothing changed if it was not ready or there is no room (then
  // the error is replied): return.
  bool (*copy_split)(Context& c, const KeyRef& from, const engine::KeydirEntry& entry,
                     const KeyRef& to, int64_t expiry_ms);
};

// Each in its type's own file.
extern const ObjectType kListObject;
extern const ObjectType kSortedSetObject;
extern const ObjectType kStringObject;
extern const ObjectType kSetObject;
extern const ObjectType kHashObject;

// Null where there is no such type.
const ObjectType* object_type(Type type);
// Of an object that is there.
const ObjectType& object_type(const engine::KeydirEntry& entry);

// The following replace whatever the destination held. As in Redis the key counts as taken away and
// made anew: "new" is told of it, and who waits for such a key is served.

// Makes `value` what the key holds; returns as ObjectType::write().
bool write_object(Context& c, const KeyRef& key, int64_t expiry_ms, const rdb::Value& value);
// The same, but what was there counts as overwritten: no "new" is told of it, and who waits for
// such a key goes on waiting.
bool overwrite_object(Context& c, const KeyRef& key, const rdb::Value& value);

// Whether a key that is about to be written replaces another: one that has expired is no key, and
// nobody is told here that it has.
bool is_replaced(Context& c, const KeyRef& key);

// For who overwrites a key without having looked at it, as Redis does: that uses what was there,
// and if its time has come that is counted and told. Before the first change.
void look_before_overwriting(Context& c, const KeyRef& key);

// Copies any object to another key, with its encoding; returns as ObjectType::copy_split().
bool copy_object(Context& c, const KeyRef& from, const engine::KeydirEntry& entry, const KeyRef& to,
                 int64_t expiry_ms);

// Moves any object with its expiry to another name or database. Inside a shard the root moves and a
// split object's elements stay where they are; else it is copied and removed. Returns as
// ObjectType::copy_split().
bool move_object(Context& c, const KeyRef& from, const engine::KeydirEntry& entry,
                 const KeyRef& to);

// Bytes of memory that the key takes: its name, its keydir entry and, if it is split, the index of
// its elements. Values lie on disk and are not counted.
uint64_t object_memory(Context& c, const KeyRef& key, const engine::KeydirEntry& entry);

// What DUMP writes the object in: the encoding that it has, whatever today's limits would choose.
rdb::EncodeLimits encode_limits(const Config& config, const engine::KeydirEntry& entry);

}  // namespace respcask::server

// Hashes: how fields are set. How they are kept and read is in members.h.
//
// OBJECT ENCODING follows Redis's limits: a hash is a "listpack" until it has more than
// hash-max-listpack-entries fields or is given a field or value longer than
// hash-max-listpack-value, and a "hashtable" from then on (Encoding::kPlain). Whether it is packed
// or split is a matter of its size alone.
//
// Nothing here owns memory beyond a call. For handlers, on their thread: the key's shard is locked.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "engine/keydir_entry.h"
#include "server/context.h"
#include "server/types/type.h"

namespace respcask::server {

// Sets fields: `pairs` is field, value, field, value, ...; of a field that comes twice the last
// value counts. `entry` is that of the key: a hash or nothing. Reports the change but does not
// notify. Returns how many fields are new; nothing, with nothing changed, if the hash was not ready
// or there was no room (then the error is replied): return.
std::optional<uint64_t> hash_put(Context& c, const KeyRef& key,
                                 const std::optional<engine::KeydirEntry>& entry,
                                 std::span<const std::string_view> pairs);

}  // namespace respcask::server

// Sets: how members are added. How they are kept and read is in members.h.
//
// OBJECT ENCODING follows Redis 7.0: a set is an "intset" while all its members are integers and no
// more than set-max-intset-entries, and a "hashtable" from then on (Encoding::kPlain). Whether it
// is packed or split is a matter of its size alone.
//
// Nothing here owns memory beyond a call. For handlers, on their thread: the key's shard is locked.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "engine/keydir_entry.h"
#include "server/config/config.h"
#include "server/context.h"
#include "server/types/type.h"

namespace respcask::server {

// Adds members, some of which may be there or come twice. `entry` is that of the key: a set or
// nothing. Reports the change but does not notify. Returns how many are new; nothing, with nothing
// changed, if the set was not ready or there was no room (then the error is replied): return.
std::optional<uint64_t> set_add(Context& c, const KeyRef& key,
                                const std::optional<engine::KeydirEntry>& entry,
                                std::span<const std::string_view> members);

// Makes `members`, none of which comes twice, what the key holds, whatever it held; there is at
// least one. They come to be sorted if all are integers. With `hashtable` the encoding is that,
// whatever they are. Reserves its space: false, with nothing changed and the error replied, if
// there is no room.
bool set_write(Context& c, const KeyRef& key, int64_t expiry_ms,
               std::vector<std::string_view>& members, bool hashtable = false);

// Whether Redis keeps such a member in an intset, and so many.
bool is_intset_member(std::string_view member);
uint64_t max_intset_members(const Config& config);

}  // namespace respcask::server

// What the commands on lists have in common: popping, and telling of it.
//
// For handlers, on their thread, under the rules of Context. Nothing here owns memory.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

#include "server/context.h"
#include "server/types/list.h"

namespace respcask::server {

// Tells of elements that were taken from an end, and of a list that is gone by it.
void notify_popped(Context& c, const KeyRef& key, ListEnd end, bool emptied);

// Replies with `count` elements from an end, at most all, as an array in the order of popping.
// Check ready() afterwards.
void reply_popped(Context& c, ListReader& list, ListEnd end, uint64_t count);

// Takes out `count` elements at an end, at least one and at most all, and tells of it.
void erase_popped(Context& c, const KeyRef& key, ListEdit& list, ListEnd end, uint64_t count);

// LEFT or RIGHT at argument `i`; nothing, and a syntax error replied, if it is neither.
std::optional<ListEnd> list_end_arg(Context& c, size_t i);

// The time-out in seconds at argument `i`, as the Unix time in ms at which it is over (0: never).
// Nothing, and the error replied, if it is none.
std::optional<int64_t> deadline_arg(Context& c, size_t i);

// The first of the keys that holds a `type`, for a command that waits if none does (`key` is null
// then). `wrong`: another type was met before it, and the error is replied. Whoever has waited
// takes from the key that was made ready, and passes other types over.
struct FirstKey {
  const KeyRef* key = nullptr;
  std::optional<engine::KeydirEntry> entry;
  bool wrong = false;
};
FirstKey find_first(Context& c, std::span<const KeyRef> keys, Type type);

}  // namespace respcask::server

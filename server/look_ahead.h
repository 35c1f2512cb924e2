// LookAhead: the keys of requests that have arrived and are about to run.
//
// A look-up in a keydir waits for memory two or three times, and a command can do nothing
// meanwhile; so does one in the index of a large hash, set or sorted set. The requests of a
// pipeline, or of the clients that a loop serves in one turn, are known before the first of them
// runs: so the waits of all their keys and elements are begun together and run side by side
// (Keydir::prefetch, ElementIndex::prefetch). Hints only: nothing that a command does depends on
// them.
//
// Lives on the stack of a loop's thread; holds views of what the clients sent, which stay as they
// are between add() and load(). Takes the locks of shards that are free, for some microseconds, and
// waits for none.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "engine/shard_set.h"
#include "resp/peek.h"
#include "server/context.h"

namespace respcask::server {

class Server;

class LookAhead {
 public:
  // So many that what was loaded first is still in the nearest cache when it is used: a key takes
  // four lines of 64 bytes.
  static constexpr size_t kKeys = 32;

  explicit LookAhead(Server& server) : server_(server) {}

  // Whether there is so much that the keydirs and indexes do not fit into the processor's nearer
  // caches. Where they do there is little to wait for, and looking ahead costs more than it saves.
  // By what the maintenance thread last counted.
  static bool pays(const Server& server);

  bool full() const { return count_ == kKeys; }
  // Takes up the first keys of the requests at the front of `unread`, which will run in database
  // `db`, until it is full. `reads`: they are likely to read the values. Returns the bytes of those
  // requests.
  size_t add(std::string_view unread, uint32_t db, bool reads);
  // Begins to load what is known of them.
  void load() const;

 private:
  void load_elements(const engine::ShardSet& locked) const;

  Server& server_;
  std::array<KeyRef, kKeys> keys_;
  std::array<resp::PeekedArguments, kKeys> arguments_;  // a key, and what may name its element
  size_t count_ = 0;
  bool reads_ = false;
};

// The same for the keys of one command, whose shards are locked.
void load_keys(Server& server, std::span<const KeyRef> keys, bool reads);

}  // namespace respcask::server

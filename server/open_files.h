// Open files: how many descriptors this process may have, and how clients and segments share them.
//
// A segment takes a descriptor, as a client does, and how many there are is known only when the
// store is open. Any thread.
#pragma once

#include <cstdint>

namespace respcask::server {

// Raises the soft limit to the hard one. Before a store is opened; where the system refuses, the
// store has to do with what there is.
void raise_open_files();

// What is open beside the clients' sockets.
struct OtherFiles {
  uint64_t needed = 0;    // without these there is no server, whatever the store holds
  uint64_t segments = 0;  // of the store: those that there are, or that a small one comes to have
};
// For a store with so many segments at its start.
OtherFiles other_files(int io_threads, uint32_t shards, uint64_t segments);

// What a limit has room for.
struct FileShares {
  uint64_t files = 0;     // the limit
  uint64_t clients = 0;   // 0: it is not enough for the rest
  uint64_t segments = 0;  // that the store may come to have (Store::limit_segments)
};
// Clients get as many as are asked for, and segments the rest; where that is less than `others`
// says, half of what is left at most: segments can be joined, so that there are fewer.
FileShares share_files(uint64_t files, uint64_t clients, const OtherFiles& others);
// The same of the limit raised as far as may be, or until there is room for a store to grow for
// long before any segments are joined.
FileShares raise_and_share_files(uint64_t clients, const OtherFiles& others);

}  // namespace respcask::server

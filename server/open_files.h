// Open files: how many descriptors this process may have, and how many clients that leaves room
// for.
//
// Segments take most of those that clients do not: a descriptor each, and how many there are is
// known only when the store is open. Any thread.
#pragma once

#include <cstdint>

namespace respcask::server {

// Raises the soft limit to the hard one. Before a store is opened; where the system refuses, the
// store has to do with what there is.
void raise_open_files();
// Raises the soft limit to `needed`, and the hard one with it where that is allowed. Returns what
// the soft limit is then, which may be more or less.
uint64_t raise_open_files_to(uint64_t needed);

// What is open beside the clients' sockets.
struct OtherFiles {
  uint64_t needed = 0;  // without these there is no server
  uint64_t growth = 0;  // these are for the segments that a small store comes to have
};
// For a store with so many segments at its start.
OtherFiles other_files(int io_threads, uint32_t shards, uint64_t segments);

// How many clients a limit of `files` has room for; 0: it is not enough for the rest. Growth gets
// half of what is left at most: a segment that cannot be made for want of a descriptor can wait.
uint64_t clients_within(uint64_t files, const OtherFiles& others);

}  // namespace respcask::server

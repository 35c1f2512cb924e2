// From the body of a stream's payload (types 15 and 19) to a Stream.
//
//     L number of nodes, then per node:
//         S  ID of the node's master entry: u64 ms, u64 seq, both big endian
//         S  listpack of the node
//     L number of live entries
//     L L  last ID: ms, seq
//     type 19: L L first ID, L L greatest deleted ID, L entries ever added
//     L number of groups, then per group:
//         S name, L L last delivered ID
//         type 19: L entries read (2^64-1: not known)
//         L number of pending entries, each 16 bytes ID (as a master's), i64 delivery time in ms,
//             L times delivered
//         L number of consumers, then per consumer:
//             S name, i64 time last seen in ms
//             L number of pending entries, each 16 bytes ID, present among the group's
//
// A node's listpack is a master entry and then the entries, deleted ones included, ascending:
//
//     master   live entries, deleted entries, n, n field names, 0
//     entry    flags, ms minus master's, seq minus master's,
//              fields as the master's (flag 2): n values
//              otherwise: m, m x (field, value)
//              number of listpack elements of this entry before this one
//
// Flag 1 marks a deleted entry.
#pragma once

#include "server/rdb/reader.h"
#include "server/rdb/value.h"

namespace respcask::server::rdb {

// Reads a stream's body, which stands after the type byte; `has_offsets` says whether it is
// type 19. For type 15 what is missing is derived as Redis 7 does. False if it is damaged.
bool decode_stream(Reader& reader, bool has_offsets, Stream& out);

}  // namespace respcask::server::rdb

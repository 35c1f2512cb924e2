// From a value to a DUMP payload: the bytes that Redis 7.0 writes for an object that was built in
// the value's order under the same limits. The payload's table stands in decode.h; of the types
// there, the ones written are 0, 2, 4, 5, 11, 16, 17 and 18.
//
// Pure functions of their arguments; any thread may call them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "server/rdb/value.h"

namespace respcask::server::rdb {

// Redis's configuration parameters of the same names, and its defaults.
struct EncodeLimits {
  // A hash is a listpack up to so many fields, none of them and no value longer than so many bytes.
  size_t hash_max_listpack_entries = 512;
  size_t hash_max_listpack_value = 64;
  // A set of integers is an intset up to so many.
  size_t set_max_intset_entries = 512;
  // A sorted set is a listpack up to so many members, none longer than so many bytes.
  size_t zset_max_listpack_entries = 128;
  size_t zset_max_listpack_value = 64;
  // Elements a list node holds; from -1 to -5: 4, 8, 16, 32 or 64 KiB instead.
  int64_t list_max_listpack_size = -2;
  // Nodes at either end of a list that stay as they are while those between are compressed (0: all
  // stay). With rdb_compression this makes no difference to speak of.
  size_t list_compress_depth = 0;
  // Strings and blobs longer than 20 bytes are compressed.
  bool rdb_compression = true;
};

// The payload of `value`, footer included. `value` keeps what value.h says of it; a collection is
// not empty.
std::string encode(const Value& value, const EncodeLimits& limits);

}  // namespace respcask::server::rdb

// The numbers of a DUMP payload, for its reader and its writer. The payload's table stands in
// decode.h.
#pragma once

#include <cstddef>
#include <cstdint>

namespace respcask::server::rdb {

// What Redis 7.0 writes, and the newest that it reads.
inline constexpr uint16_t kRdbVersion = 10;
// Version and checksum.
inline constexpr size_t kFooterSize = 2 + 8;

enum class Type : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kZset = 3,
  kHash = 4,
  kZset2 = 5,
  kHashZipmap = 9,
  kListZiplist = 10,
  kSetIntset = 11,
  kZsetZiplist = 12,
  kHashZiplist = 13,
  kListQuicklist = 14,
  kHashListpack = 16,
  kZsetListpack = 17,
  kListQuicklist2 = 18,
};

// How a node of a quicklist (type 18) holds its elements: one as it is, or several in a listpack.
inline constexpr uint8_t kPlainNode = 1;
inline constexpr uint8_t kPackedNode = 2;

}  // namespace respcask::server::rdb

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

// What a length of more than 14 bits begins with, and the forms of a string that are no length:
// integers of 1, 2 and 4 bytes, and LZF. The table of all of them stands in reader.h.
inline constexpr uint8_t kLength32 = 0x80;
inline constexpr uint8_t kLength64 = 0x81;
inline constexpr uint8_t kInteger8 = 0xc0;
inline constexpr uint8_t kInteger32 = 0xc2;
inline constexpr uint8_t kCompressed = 0xc3;

// How a node of a quicklist (type 18) holds its elements: one as it is, or several in a listpack.
inline constexpr uint8_t kPlainNode = 1;
inline constexpr uint8_t kPackedNode = 2;

}  // namespace respcask::server::rdb

// TypeTag: the byte that the engine keeps with each key and never reads.
//
// The low four bits name the Redis type, the next three its encoding in Redis's words where that
// cannot be told from the value itself (a hash that once passed hash-max-listpack-entries stays a
// "hashtable" when it shrinks). Plain data; any thread. The numbers are on disk: never change them.
#pragma once

#include <cstdint>
#include <string_view>

namespace respcask::server {

enum class Type : uint8_t {
  kString = 0,
  kList = 1,
  kSet = 2,
  kSortedSet = 3,
  kHash = 4,
};

enum class Encoding : uint8_t {
  kCompact = 0,  // int or embstr, listpack, intset: as the value's size says
  kPlain = 1,    // raw, hashtable, skiplist: converted once, and stays so
  kEmbstr = 2,   // a string that looks like an integer but is not kept as one (INCRBYFLOAT)
};

struct TypeTag {
  uint8_t byte = 0;

  static constexpr TypeTag of(Type type, Encoding encoding = Encoding::kCompact) {
    return TypeTag{
        static_cast<uint8_t>(static_cast<uint8_t>(type) | static_cast<uint8_t>(encoding) << 4)};
  }
  constexpr Type type() const { return static_cast<Type>(byte & 0x0f); }
  constexpr Encoding encoding() const { return static_cast<Encoding>(byte >> 4 & 0x07); }
};

// The name that TYPE answers.
constexpr std::string_view type_name(Type type) {
  switch (type) {
    case Type::kString: return "string";
    case Type::kList: return "list";
    case Type::kSet: return "set";
    case Type::kSortedSet: return "zset";
    case Type::kHash: return "hash";
  }
  return "none";
}

}  // namespace respcask::server

// The plain values that Redis's DUMP and RESTORE move about: what an RDB payload says, free of any
// encoding.
//
// These structs know no key, no store and no session; decode.h makes one from a payload and
// encode.h writes one as a payload. Every struct owns its bytes. They are values without shared
// state, so that any thread may use its own.
#pragma once

#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace respcask::server::rdb {

struct String {
  std::string bytes;
  bool operator==(const String&) const = default;
};

// From head to tail.
struct List {
  std::vector<std::string> elements;
  bool operator==(const List&) const = default;
};

// No member appears twice.
struct Set {
  std::vector<std::string> members;
  bool operator==(const Set&) const = default;
};

// (field, value); no field appears twice.
struct Hash {
  std::vector<std::pair<std::string, std::string>> fields;
  bool listpack = false;  // decoded from one, or from a ziplist; no part of the value
  bool operator==(const Hash& other) const { return fields == other.fields; }
};

// (member, score), ascending by score and then by the member's bytes; no member appears twice and
// no score is NaN.
struct SortedSet {
  std::vector<std::pair<std::string, double>> members;
  bool listpack = false;  // as that of a hash
  bool operator==(const SortedSet& other) const { return members == other.members; }
};

using Value = std::variant<String, List, Set, Hash, SortedSet>;

}  // namespace respcask::server::rdb

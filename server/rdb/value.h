// The plain values that Redis's DUMP and RESTORE move about: what an RDB payload says, free of any
// encoding.
//
// These structs know no key, no store and no session; decode.h makes one from a payload and
// encode.h writes one as a payload. Every struct owns its bytes. They are values without shared
// state, so that any thread may use its own.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
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

struct StreamId {
  uint64_t ms = 0;
  uint64_t seq = 0;
  auto operator<=>(const StreamId&) const = default;
};

struct StreamEntry {
  StreamId id;
  std::vector<std::pair<std::string, std::string>> fields;
  bool operator==(const StreamEntry&) const = default;
};

// An entry that was delivered to a consumer and not acknowledged yet.
struct StreamPending {
  StreamId id;
  int64_t delivery_time_ms = 0;
  uint64_t delivery_count = 0;
  bool operator==(const StreamPending&) const = default;
};

// `pending` ascends.
struct StreamConsumer {
  std::string name;
  int64_t seen_time_ms = 0;
  std::vector<StreamId> pending;
  bool operator==(const StreamConsumer&) const = default;
};

// `pending` ascends by id; each of its ids is in the `pending` of exactly one consumer.
// `entries_read` is absent where the group's logical position is not known.
struct StreamGroup {
  std::string name;
  StreamId last_id;
  std::optional<uint64_t> entries_read;
  std::vector<StreamPending> pending;
  std::vector<StreamConsumer> consumers;
  bool operator==(const StreamGroup&) const = default;
};

// `entries` ascends by id, none of which is 0-0 or greater than `last_id`. Groups and consumers
// come in the order of their names' bytes where Redis wrote them.
struct Stream {
  std::vector<StreamEntry> entries;
  StreamId last_id;
  StreamId first_id;
  StreamId max_deleted_id;
  uint64_t entries_added = 0;
  std::vector<StreamGroup> groups;
  bool operator==(const Stream&) const = default;
};

using Value = std::variant<String, List, Set, Hash, SortedSet, Stream>;

}  // namespace respcask::server::rdb

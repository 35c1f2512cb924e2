// The model of the kill -9 test: the values that a writer's keys should have, and operations that
// change them as the server's commands do.
//
// A Keyspace is one database. An Operation is what is sent as one: a command, or a transaction. It
// changes the keys it names and no others, each of them or none.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "tests/e2e/redis_client.h"

namespace respcask::crash {

using e2e::Words;

// Of the five, the one that the key's type says is in use.
struct Value {
  std::string text = {};
  std::map<std::string, std::string> fields = {};
  std::deque<std::string> items = {};
  std::set<std::string> members = {};
  std::map<std::string, int64_t> scores = {};
  int64_t expiry_ms = 0;  // Unix time; 0: none

  bool operator==(const Value&) const = default;
};

// Keys that are absent are not in it; no collection in it is empty.
using Keyspace = std::map<std::string, Value>;

enum class Type : uint8_t { kString, kHash, kList, kSet, kSortedSet };
inline constexpr Type kTypes[] = {Type::kString, Type::kHash, Type::kList, Type::kSet,
                                  Type::kSortedSet};

// A key has one type all its life, which its name begins with.
std::string key_name(Type type, int number);
Type type_of(const std::string& key);

struct Operation {
  std::vector<Words> commands;  // several: between MULTI and EXEC
  std::set<std::string> keys;   // all that it may change
  std::function<void(Keyspace&)> apply;
};

// Draws operations on kKeysOfType keys of each type. One thread.
class Generator {
 public:
  static constexpr int kKeysOfType = 8;

  explicit Generator(uint64_t seed) : random_(seed) {}
  // From now on every expiry is far away.
  void expire_late() { expires_late_ = true; }

  // `usable` says which keys may be touched now: not those that expire within seconds, since nobody
  // could say in which order the two happen.
  Operation next(int64_t now_ms, const std::function<bool(const std::string&)>& usable);

  // Every key there is.
  static std::vector<std::string> all_keys();

 private:
  uint64_t below(uint64_t bound) { return random_() % bound; }
  std::string key(Type type);
  std::string word();   // a field or a member, of a small set
  std::string bytes();  // a value: mostly short, at times of many kilobytes

  Operation single();
  Operation on_string(const std::string& key);
  Operation on_hash(const std::string& key);
  Operation on_list(const std::string& key);
  Operation on_set(const std::string& key);
  Operation on_sorted_set(const std::string& key);
  Operation on_any(const std::string& key);
  Operation on_two();
  Operation transaction();

  std::mt19937_64 random_;
  std::function<bool(const std::string&)> usable_;
  int64_t now_ms_ = 0;
  bool may_expire_ = false;  // soon, that is
  bool expires_late_ = false;
};

// For reports.
std::string describe(const Operation& operation);
std::string describe(const Value* value);  // nullptr: absent

}  // namespace respcask::crash

// Recorder: many clients on few hot keys of a running server, and what each of them saw when.
//
// Every operation is recorded with the times before it was sent and after its reply was in. At
// times a client hangs up on its own request, or the server is killed: then nobody knows whether it
// happened. The objects are registers, counters and sets, kept in strings, and in elements of small
// and of split collections; some registers are written to several keys at once, by MSET or by a
// transaction, and must never be seen half written.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "tests/linear/history.h"

namespace respcask::e2e {
class RedisClient;
}

namespace respcask::linear {

enum class Shape : uint8_t {
  kString,        // SET, GET, GETSET, SETNX, DEL, WATCH with MULTI
  kField,         // a field of a hash
  kScore,         // a member of a sorted set
  kCounter,       // INCRBY
  kFieldCounter,  // HINCRBY
  kScoreCounter,  // ZINCRBY
  kMembers,       // a set
  kGroup,         // a register kept in several keys, in several shards
};

// One object and its history.
class Object {
 public:
  Object(Shape shape, std::string key) : shape_(shape), key_(std::move(key)) {}

  Shape shape() const { return shape_; }
  const std::string& key() const { return key_; }
  // Of a group.
  std::vector<std::string> keys() const;
  std::vector<Kind> kinds() const;

  void record(const Operation& operation);
  std::vector<Operation> history() const;

 private:
  const Shape shape_;
  const std::string key_;
  mutable std::mutex mutex_;
  std::vector<Operation> history_;
};

// One client: runs until `stop` or until `limit` operations, connecting anew when it was cut off.
// What no correct server can answer, such as half of a group's values, ends it; fault() says what
// it was.
class Recorder {
 public:
  Recorder(int port, uint64_t seed, std::vector<Object*> objects, std::atomic<uint64_t>* values);

  void run(const std::atomic<bool>& stop);
  const std::string& fault() const { return fault_; }
  uint64_t operations() const { return operations_; }

 private:
  bool perform(e2e::RedisClient& client, Object& object);
  bool compare_and_set(e2e::RedisClient& client, Object& object);

  const int port_;
  std::mt19937_64 random_;
  const std::vector<Object*> objects_;
  std::atomic<uint64_t>* const values_;  // the last one that was written to any register
  std::string fault_;
  uint64_t operations_ = 0;
};

}  // namespace respcask::linear

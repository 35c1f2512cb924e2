// Writer: a client of the kill -9 test, and what it knows of its keys.
//
// It keeps each operation as pending from before it is sent until its reply is in; then the
// operation is acknowledged. After a kill each key holds what it had when last acknowledged, or
// what a pending operation made of it; a pending operation is seen by all of its keys or by none.
// Each writer has a database of its own. One thread at a time.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <random>
#include <string>

#include "tests/crash/keyspace.h"

namespace respcask::crash {

int64_t unix_time_ms();

// A database as it was read, between two times.
struct Observation {
  Keyspace keys;
  int64_t begin_ms = 0;
  int64_t end_ms = 0;
};

// Whether reading a key that is `expected` (nullptr: absent) may show `observed`.
bool may_show(const Value* expected, const Value* observed, const Observation& read);

class Writer {
 public:
  Writer(int id, uint64_t seed);

  // Sends operations until the server goes away.
  void run(int port);
  // Reads every key, and says what is wrong with them: "" if nothing. From here on what was found
  // is what is acknowledged.
  std::string check(int port);
  // The same, where nothing was written since the last check: every key is as it was then.
  std::string check_unchanged(int port);

  // Before run(): remembers every operation, for check_at(); then no key expires soon.
  void keep_journal();
  // Like check() for what a server shows that has lost some of the newest: of the operations sent
  // until `cut_ns` all that were acknowledged until `durable_ns` must be there. Times of
  // steady_clock.
  std::string check_at(int port, int64_t cut_ns, int64_t durable_ns) const;

  uint64_t acknowledged() const { return acknowledged_; }
  uint64_t pending_at_kills() const { return pending_at_kills_; }

 private:
  bool send_some(e2e::RedisClient& client);
  bool read_replies(e2e::RedisClient& client, const Operation& operation);
  void forget_expired();
  std::string observe(int port, Observation* read) const;

  const int id_;
  std::mt19937_64 random_;
  Generator generator_;
  Keyspace known_;                          // after what is acknowledged
  Keyspace newest_;                         // after what is pending, too
  std::deque<Operation> pending_;           // in the order in which they were sent
  std::map<std::string, int64_t> resting_;  // keys that are about to expire, until when
  std::string unexpected_;                  // a reply that should not have come
  struct Entry {
    Operation operation;
    int64_t sent_ns;
    int64_t acknowledged_ns;
  };
  bool keeps_journal_ = false;
  std::deque<Entry> journal_;
  uint64_t acknowledged_ = 0;
  uint64_t pending_at_kills_ = 0;
};

// "" if `read` can come of `known` and some of the pending operations: for each key of the first so
// many that change it, and each operation on all of its keys or on none. Otherwise what is wrong.
std::string explain(const Keyspace& known, const std::deque<Operation>& pending,
                    const Observation& read);

}  // namespace respcask::crash

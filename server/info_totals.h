// What INFO and MEMORY STATS tell of the store and of the clients, added up when somebody asks.
//
// Plain values. The functions are for handlers of rows with kOwnLocks: they lock one shard after
// the other, so the sums are of no single instant.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/shard.h"
#include "server/context.h"
#include "server/process_memory.h"

namespace respcask::server {

struct DatabaseTotals {
  uint64_t keys = 0;
  uint64_t expiring = 0;
  uint64_t keydir_bytes = 0;
  int64_t average_ttl_ms = 0;  // of a sample of those that expire
};

struct StoreTotals {
  std::vector<engine::ShardStats> shards;
  std::vector<bool> writable;             // by shard
  std::vector<DatabaseTotals> databases;  // by number
  engine::ShardStats sum;
  bool all_writable() const;
};

StoreTotals store_totals(Context& c);

// Without those who are gone (Session::is_gone).
struct ClientTotals {
  bool some_are_gone = false;
  uint64_t connected = 0;
  uint64_t blocked = 0;
  uint64_t with_deadline = 0;  // wait until some time at the latest
  uint64_t tracking = 0;
  uint64_t pubsub = 0;
  uint64_t bytes = 0;  // of memory for all of them
  uint64_t largest_input = 0;
  uint64_t largest_output = 0;
};

ClientTotals client_totals(Server& server);

// Memory in use. Values are on disk, so what is in memory for the data is the keydirs, which count
// as overhead, and the indexes of split collections, which are what is left of it.
struct MemoryTotals {
  MemoryUsage usage;
  uint64_t peak = 0;
  uint64_t at_start = 0;
  uint64_t beyond_start = 0;
  uint64_t overhead = 0;
  uint64_t dataset = 0;
};

MemoryTotals memory_totals(Server& server, const StoreTotals& store, const ClientTotals& clients);

// a / b; 0 where b is.
double fraction(uint64_t a, uint64_t b);

}  // namespace respcask::server

// Counters: what the server has done, counted where it is done and added up when somebody asks.
//
// Each Turn (a loop's, the maintenance thread's) owns one WorkerStats that it alone writes; INFO
// and the like read all of them (Stats::sum). A counter costs a load, an add and a store.
// CONFIG RESETSTAT remembers what the counters stood at and subtracts it (Stats::reset).
#pragma once

#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace respcask::server {

// Written by one thread, read by any.
class Counter {
 public:
  void add(uint64_t by = 1) {
    value_.store(value_.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
  }
  void sub(uint64_t by) { add(0 - by); }
  uint64_t get() const { return value_.load(std::memory_order_relaxed); }
  void set(uint64_t value) { value_.store(value, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// How long commands took: counts by duration in nanoseconds, 32 steps to each power of two, so that
// a percentile is right to about 3 %. Durations below 1 µs count as one, above 4 s as that.
class LatencyHistogram {
 public:
  static constexpr int kStepBits = 5;
  static constexpr int kLowBits = 10;  // 1024 ns
  static constexpr int kHighBits = 32;
  static constexpr size_t kBuckets = size_t{kHighBits - kLowBits} << kStepBits;

  static size_t bucket(uint64_t ns) {
    if (ns < (uint64_t{1} << kLowBits)) return 0;
    if (ns >= (uint64_t{1} << kHighBits)) return kBuckets - 1;
    const int high = static_cast<int>(std::bit_width(ns)) - 1;
    const uint64_t step = ns >> (high - kStepBits) & ((1u << kStepBits) - 1);
    return (static_cast<size_t>(high - kLowBits) << kStepBits) + step;
  }
  // The largest duration that falls into a bucket, in nanoseconds.
  static uint64_t upper_ns(size_t bucket) {
    const size_t high = (bucket >> kStepBits) + kLowBits;
    const uint64_t step = bucket & ((1u << kStepBits) - 1);
    return ((step + (1u << kStepBits) + 1) << (high - kStepBits)) - 1;
  }
  void add(uint64_t ns) { counts_[bucket(ns)].add(); }
  uint64_t count(size_t bucket) const { return counts_[bucket].get(); }

 private:
  std::array<Counter, kBuckets> counts_;
};

struct CommandCounters {
  Counter calls;
  Counter ns;
  Counter rejected;                                 // refused before they ran
  Counter failed;                                   // answered with an error
  std::atomic<LatencyHistogram*> latency{nullptr};  // made at the first call
};

struct WorkerStats {
  explicit WorkerStats(size_t command_count) : per_command(command_count) {}
  ~WorkerStats();

  Counter commands;
  Counter error_replies;
  Counter keyspace_hits;
  Counter keyspace_misses;
  Counter expired;
  Counter expiry_cut_short;  // rounds that ended for want of time
  Counter expiry_ns;         // that rounds have taken
  Counter evicted;
  Counter evicted_clients;
  Counter changes;   // of keys, ever; INFO's rdb_changes_since_last_save derives from it
  Counter parked;    // commands that waited for the disk
  Counter bytes_in;  // by net/
  Counter bytes_out;
  Counter connections;
  Counter rejected_connections;
  Counter reads;  // system calls on sockets, by net/
  Counter writes;
  Counter kept_bytes;     // of memory, now, that a loop has at hand for requests and replies
  Counter spilled_bytes;  // of the disk, now, for what clients have sent (net/input_spill.h)
  std::vector<CommandCounters> per_command;  // by TableEntry::index
};

// What the counters of all workers come to. Latency: counts by LatencyHistogram bucket, empty if
// the command was never timed.
struct CommandTotals {
  uint64_t calls = 0, ns = 0, rejected = 0, failed = 0;
  std::vector<uint64_t> latency;
};
struct Totals {
  uint64_t commands = 0, error_replies = 0, keyspace_hits = 0, keyspace_misses = 0, expired = 0,
           expiry_cut_short = 0, expiry_ns = 0, evicted = 0, evicted_clients = 0, changes = 0,
           parked = 0, bytes_in = 0, bytes_out = 0, connections = 0, rejected_connections = 0,
           reads = 0, writes = 0;
};

class Stats {
 public:
  explicit Stats(size_t command_count) : commands_(command_count), command_base_(command_count) {}

  // A new set of counters, which lives as long as this.
  WorkerStats& add_worker();

  // Since the start or the last reset(); `changes` always since the start. Any thread.
  Totals sum() const;
  CommandTotals command(size_t index) const;

  // WorkerStats::kept_bytes, and spilled_bytes, of all.
  uint64_t kept_bytes() const;
  uint64_t spilled_bytes() const;

  // errorstats: replies by the first word of the error; at most kMaxErrors different ones, as
  // clients can invent words where an error quotes them.
  void count_error(std::string_view code);
  std::map<std::string, uint64_t> errors() const;

  // CONFIG RESETSTAT.
  void reset();

 private:
  static constexpr size_t kMaxErrors = 128;
  Totals raw_sum() const;
  uint64_t total(Counter WorkerStats::*counter) const;
  CommandTotals raw_command(size_t index) const;

  const size_t commands_;
  mutable std::mutex mutex_;
  std::vector<std::unique_ptr<WorkerStats>> workers_;
  Totals base_;
  std::vector<CommandTotals> command_base_;
  std::map<std::string, uint64_t> errors_;
};

}  // namespace respcask::server

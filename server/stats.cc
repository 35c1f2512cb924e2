#include "server/stats.h"

#include <utility>

namespace respcask::server {

WorkerStats::~WorkerStats() {
  for (CommandCounters& counters : per_command) {
    delete counters.latency.load(std::memory_order_relaxed);
  }
}

WorkerStats& Stats::add_worker() {
  std::lock_guard guard(mutex_);
  return *workers_.emplace_back(std::make_unique<WorkerStats>(commands_));
}

Totals Stats::raw_sum() const {
  Totals sum;
  for (const auto& worker : workers_) {
    sum.commands += worker->commands.get();
    sum.error_replies += worker->error_replies.get();
    sum.keyspace_hits += worker->keyspace_hits.get();
    sum.keyspace_misses += worker->keyspace_misses.get();
    sum.expired += worker->expired.get();
    sum.expiry_cut_short += worker->expiry_cut_short.get();
    sum.expiry_ns += worker->expiry_ns.get();
    sum.evicted += worker->evicted.get();
    sum.evicted_clients += worker->evicted_clients.get();
    sum.changes += worker->changes.get();
    sum.parked += worker->parked.get();
    sum.bytes_in += worker->bytes_in.get();
    sum.bytes_out += worker->bytes_out.get();
    sum.connections += worker->connections.get();
    sum.rejected_connections += worker->rejected_connections.get();
    sum.reads += worker->reads.get();
    sum.writes += worker->writes.get();
  }
  return sum;
}

uint64_t Stats::total(Counter WorkerStats::*counter) const {
  std::lock_guard guard(mutex_);
  uint64_t total = 0;
  for (const auto& worker : workers_) total += ((*worker).*counter).get();
  return total;
}

uint64_t Stats::kept_bytes() const {
  return total(&WorkerStats::kept_bytes);
}

uint64_t Stats::spilled_bytes() const {
  return total(&WorkerStats::spilled_bytes);
}

Totals Stats::sum() const {
  std::lock_guard guard(mutex_);
  Totals sum = raw_sum();
  sum.commands -= base_.commands;
  sum.error_replies -= base_.error_replies;
  sum.keyspace_hits -= base_.keyspace_hits;
  sum.keyspace_misses -= base_.keyspace_misses;
  sum.expired -= base_.expired;
  sum.expiry_cut_short -= base_.expiry_cut_short;
  sum.expiry_ns -= base_.expiry_ns;
  sum.evicted -= base_.evicted;
  sum.evicted_clients -= base_.evicted_clients;
  sum.parked -= base_.parked;
  sum.bytes_in -= base_.bytes_in;
  sum.bytes_out -= base_.bytes_out;
  sum.connections -= base_.connections;
  sum.rejected_connections -= base_.rejected_connections;
  sum.reads -= base_.reads;
  sum.writes -= base_.writes;
  return sum;
}

CommandTotals Stats::raw_command(size_t index) const {
  CommandTotals sum;
  for (const auto& worker : workers_) {
    const CommandCounters& counters = worker->per_command[index];
    sum.calls += counters.calls.get();
    sum.ns += counters.ns.get();
    sum.rejected += counters.rejected.get();
    sum.failed += counters.failed.get();
    const LatencyHistogram* latency = counters.latency.load(std::memory_order_acquire);
    if (latency == nullptr) continue;
    sum.latency.resize(LatencyHistogram::kBuckets);
    for (size_t i = 0; i < LatencyHistogram::kBuckets; ++i) sum.latency[i] += latency->count(i);
  }
  return sum;
}

CommandTotals Stats::command(size_t index) const {
  std::lock_guard guard(mutex_);
  CommandTotals sum = raw_command(index);
  const CommandTotals& base = command_base_[index];
  sum.calls -= base.calls;
  sum.ns -= base.ns;
  sum.rejected -= base.rejected;
  sum.failed -= base.failed;
  uint64_t timed = 0;
  for (size_t i = 0; i < sum.latency.size(); ++i) {
    if (i < base.latency.size()) sum.latency[i] -= base.latency[i];
    timed += sum.latency[i];
  }
  if (timed == 0) sum.latency.clear();
  return sum;
}

void Stats::count_error(std::string_view code) {
  std::lock_guard guard(mutex_);
  auto found = errors_.find(std::string(code));
  if (found != errors_.end()) {
    ++found->second;
  } else if (errors_.size() < kMaxErrors) {
    errors_.emplace(code, 1);
  }
}

std::map<std::string, uint64_t> Stats::errors() const {
  std::lock_guard guard(mutex_);
  return errors_;
}

void Stats::reset() {
  std::lock_guard guard(mutex_);
  base_ = raw_sum();
  for (size_t i = 0; i < commands_; ++i) command_base_[i] = raw_command(i);
  errors_.clear();
}

}  // namespace respcask::server

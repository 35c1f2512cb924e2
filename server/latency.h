// LatencyMonitor: the latest times that something took longer than latency-monitor-threshold, by
// what it was ("command", "fast-command", "eviction-cycle", "aof-write").
//
// Of each event the latest 160 samples are kept, one a second: a second's worst. Owns its samples.
// Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace respcask::server {

struct LatencySample {
  int64_t time_s = 0;  // Unix time
  int64_t ms = 0;
};

struct LatencyEvent {
  std::string name;
  int64_t worst_ms = 0;               // since the start or the last reset
  std::deque<LatencySample> samples;  // oldest first; never empty
};

class LatencyMonitor {
 public:
  void add(std::string_view event, int64_t time_s, int64_t ms);
  // All events, in the order of their names.
  std::vector<LatencyEvent> events() const;
  // The samples of one event, oldest first; empty if there is none of that name.
  LatencyEvent event(std::string_view name) const;
  // Forgets the events of these names, or all if there are none; how many there were.
  size_t reset(std::span<const std::string_view> names);

 private:
  mutable std::mutex mutex_;
  std::map<std::string, LatencyEvent, std::less<>> events_;
};

// An event's samples as columns of characters over their age, 80 to a row, for LATENCY GRAPH.
// `now_s` is Unix time.
std::string latency_graph(const LatencyEvent& event, int64_t now_s);

// What an operator should know of the events, in sentences, for LATENCY DOCTOR.
std::string latency_report(std::span<const LatencyEvent> events, int64_t threshold_ms,
                           int64_t slowlog_threshold_us);

}  // namespace respcask::server

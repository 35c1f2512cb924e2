// Slowlog: the latest commands that took longer than slowlog-log-slower-than.
//
// Entries keep at most 32 arguments of at most 128 bytes, as Redis does; the rest is said in words.
// Owns its entries. Any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace respcask::server {

struct SlowlogEntry {
  uint64_t id = 0;
  int64_t time_s = 0;  // Unix time
  int64_t duration_us = 0;
  std::vector<std::string> args;
  std::string client_address;
  std::string client_name;
};

class Slowlog {
 public:
  // Adds an entry and drops the oldest ones beyond `max_entries`.
  void add(std::span<const std::string_view> args, int64_t time_s, int64_t duration_us,
           std::string_view client_address, std::string_view client_name, size_t max_entries);
  // Newest first, at most `limit`.
  std::vector<SlowlogEntry> latest(size_t limit) const;
  size_t size() const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::deque<SlowlogEntry> entries_;  // newest first
  uint64_t next_id_ = 0;
};

}  // namespace respcask::server

// Log: what was refused for lack of permission, as ACL LOG tells it.
//
// The newest is first. What is the same as one of the ten newest, by who, what and where, within a
// minute, is counted there. Owns its entries; any thread.
#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl/permission.h"

namespace respcask::server::acl {

struct LogEntry {
  Lack lack = Lack::kCommand;
  bool in_multi = false;
  std::string object;  // the command, key or channel
  std::string user;
  std::string client_info;  // of the latest
  int64_t time_ms = 0;      // Unix time of the latest
  int64_t count = 1;
};

class Log {
 public:
  // Drops the oldest entries beyond `max_entries`.
  void add(LogEntry entry, size_t max_entries);
  // Newest first, at most `limit`.
  std::vector<LogEntry> latest(size_t limit) const;
  void clear();

 private:
  mutable std::mutex mutex_;
  std::deque<LogEntry> entries_;
};

}  // namespace respcask::server::acl

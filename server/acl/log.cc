#include "server/acl/log.h"

#include <algorithm>
#include <utility>

namespace respcask::server::acl {
namespace {

constexpr int64_t kSameWithinMs = 60'000;
constexpr ptrdiff_t kSearched = 10;

bool same(const LogEntry& a, const LogEntry& b) {
  const int64_t apart_ms = a.time_ms > b.time_ms ? a.time_ms - b.time_ms : b.time_ms - a.time_ms;
  return a.lack == b.lack && a.in_multi == b.in_multi && apart_ms <= kSameWithinMs &&
         a.object == b.object && a.user == b.user;
}

}  // namespace

void Log::add(LogEntry entry, size_t max_entries) {
  std::lock_guard guard(mutex_);
  const auto end = entries_.begin() + std::min(kSearched, std::ssize(entries_));
  const auto known =
      std::find_if(entries_.begin(), end, [&](const LogEntry& e) { return same(e, entry); });
  if (known != end) {
    entry.count = known->count + 1;
    entries_.erase(known);
  }
  entries_.push_front(std::move(entry));
  while (entries_.size() > max_entries) entries_.pop_back();
}

std::vector<LogEntry> Log::latest(size_t limit) const {
  std::lock_guard guard(mutex_);
  const auto end = entries_.begin() + static_cast<ptrdiff_t>(std::min(limit, entries_.size()));
  return {entries_.begin(), end};
}

void Log::clear() {
  std::lock_guard guard(mutex_);
  entries_.clear();
}

}  // namespace respcask::server::acl

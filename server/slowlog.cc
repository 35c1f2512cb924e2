#include "server/slowlog.h"

#include <algorithm>

#include <fmt/format.h>

namespace respcask::server {
namespace {

// What an entry keeps of a command; Redis's limits.
constexpr size_t kMaxArgs = 32;
constexpr size_t kMaxArgBytes = 128;

}  // namespace

void Slowlog::add(std::span<const std::string_view> args, int64_t time_s, int64_t duration_us,
                  std::string_view client_address, std::string_view client_name,
                  size_t max_entries) {
  SlowlogEntry entry;
  entry.time_s = time_s;
  entry.duration_us = duration_us;
  entry.client_address = client_address;
  entry.client_name = client_name;
  const size_t shown = std::min(args.size(), kMaxArgs);
  entry.args.reserve(shown);
  for (size_t i = 0; i < shown; ++i) {
    if (shown != args.size() && i == shown - 1) {
      entry.args.push_back(fmt::format("... ({} more arguments)", args.size() - shown + 1));
    } else if (args[i].size() > kMaxArgBytes) {
      entry.args.push_back(fmt::format("{}... ({} more bytes)", args[i].substr(0, kMaxArgBytes),
                                       args[i].size() - kMaxArgBytes));
    } else {
      entry.args.emplace_back(args[i]);
    }
  }
  std::lock_guard guard(mutex_);
  entry.id = next_id_++;
  entries_.push_front(std::move(entry));
  while (entries_.size() > max_entries) entries_.pop_back();
}

std::vector<SlowlogEntry> Slowlog::latest(size_t limit) const {
  std::lock_guard guard(mutex_);
  const auto end = entries_.begin() + static_cast<ptrdiff_t>(std::min(limit, entries_.size()));
  return {entries_.begin(), end};
}

size_t Slowlog::size() const {
  std::lock_guard guard(mutex_);
  return entries_.size();
}

void Slowlog::clear() {
  std::lock_guard guard(mutex_);
  entries_.clear();
}

}  // namespace respcask::server

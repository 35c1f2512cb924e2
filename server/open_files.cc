#include "server/open_files.h"

#include <sys/resource.h>

#include <algorithm>

namespace respcask::server {
namespace {

// Logs, listening sockets, what merging, backups and hints open for a while.
constexpr uint64_t kReserved = 128;
constexpr uint64_t kPerLoop = 24;  // 16 of them for what clients send (net/input_spill.h)
constexpr uint64_t kPerShard = 8;
// What a shard that has been written to for long has at least.
constexpr uint64_t kSegmentsPerShard = 24;

// Raises the soft limit to `needed`, and the hard one with it where that is allowed. Returns what
// the soft limit is then, which may be more or less.
uint64_t raise_open_files_to(uint64_t needed) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur >= needed) return limit.rlim_cur;
  rlimit wanted{needed, std::max<rlim_t>(limit.rlim_max, needed)};
  if (::setrlimit(RLIMIT_NOFILE, &wanted) == 0) return needed;
  wanted = {std::min<rlim_t>(needed, limit.rlim_max), limit.rlim_max};
  return ::setrlimit(RLIMIT_NOFILE, &wanted) == 0 ? wanted.rlim_cur : limit.rlim_cur;
}

}  // namespace

void raise_open_files() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

OtherFiles other_files(int io_threads, uint32_t shards, uint64_t segments) {
  OtherFiles others;
  others.needed = kReserved + kPerLoop * static_cast<uint64_t>(io_threads) + kPerShard * shards;
  others.segments = std::max(segments, kSegmentsPerShard * shards);
  return others;
}

FileShares share_files(uint64_t files, uint64_t clients, const OtherFiles& others) {
  const uint64_t left = files - std::min(files, others.needed);
  FileShares shares;
  shares.files = files;
  shares.clients = std::min(clients, left - std::min(others.segments, left / 2));
  shares.segments = left - shares.clients;
  return shares;
}

FileShares raise_and_share_files(uint64_t clients, const OtherFiles& others) {
  constexpr uint64_t kGrowth = 16;  // times
  const uint64_t wished = clients + others.needed + kGrowth * others.segments;
  return share_files(raise_open_files_to(wished), clients, others);
}

}  // namespace respcask::server

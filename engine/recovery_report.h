// What a recovery found, and how far one has come. Plain data.
#pragma once

#include <atomic>
#include <cstdint>

namespace respcask::engine {

// Of one shard, or summed up over all: for the log and for INFO.
struct RecoveryReport {
  uint64_t segments = 0;
  uint64_t hints = 0;  // segments replayed from their hint
  uint64_t records = 0;
  uint64_t bytes_read = 0;  // of segments, which hints have not covered
  uint64_t torn_bytes = 0;
  uint64_t damaged_ranges = 0;
  uint64_t damaged_bytes = 0;
  // One more than the highest database that holds keys. Options::databases may be less.
  uint32_t databases = 0;
};

// Of all shards together, while they are replayed; any thread.
struct RecoveryProgress {
  std::atomic<uint64_t> records{0};
  std::atomic<uint64_t> bytes{0};        // of hints and of segments without one, so far
  std::atomic<uint64_t> total_bytes{0};  // and in all
};

}  // namespace respcask::engine

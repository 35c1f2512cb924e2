// Options: how a store is opened. Plain data, copied by the store at open.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "engine/element_index.h"

namespace respcask::engine {

class FileSystem;

// When what was committed is synced to the device.
enum class SyncMode : uint8_t {
  kAlways,       // a commit is acknowledged after the next group sync
  kEverySecond,  // by a background thread
  kNo,           // when the kernel likes, at seal and at close
};

enum class LogLevel : uint8_t { kDebug, kVerbose, kNotice, kWarning };

// When and how fast garbage is merged away. May change while the store is open.
struct MergeOptions {
  double trigger_garbage = 0.30;  // share of dead bytes in a shard above which it is merged
  double stop_garbage = 0.27;     // and below which merging stops
  // A store that takes less is not merged unasked, nor is a shard that takes less than its 16th, or
  // than half of its even part of it where there are more than 8 shards.
  uint64_t least_bytes = uint64_t{64} << 20;
  // Read and written together, while there is not much more garbage than the trigger; twice that
  // with 1 % of the bytes more, and so on. 0: no limit.
  uint64_t bytes_per_second = uint64_t{64} << 20;
  // How long the hint of a segment waits that is likely to be merged soon: a start reads what was
  // written meanwhile, where there has been no close, and most is merged before.
  int64_t hint_delay_ms = 15'000;
  int window_from_hour = 0;  // local time; merging is left to these hours
  int window_to_hour = 23;   // the last of them; before the first: over midnight

  // Whether the hour, 0 to 23, is one of those.
  bool in_window(int hour) const {
    if (window_from_hour <= window_to_hour) {
      return hour >= window_from_hour && hour <= window_to_hour;
    }
    return hour >= window_from_hour || hour <= window_to_hour;
  }
};

struct Options {
  std::string dir;              // created if missing
  FileSystem* files = nullptr;  // null: the system's own
  uint32_t shards = 8;          // 1..kMaxShards; counts at creation only, then the store's record
  // 1 and up; may differ from one open to the next. Keys of others stay and are not seen: whoever
  // minds asks RecoveryReport::databases.
  uint32_t databases = 16;
  uint64_t segment_bytes = uint64_t{256} << 20;  // where the active segment is sealed
  SyncMode sync = SyncMode::kEverySecond;
  uint64_t journal_bytes = uint64_t{16} << 20;  // of disk, for kAlways (journal.h); 0: none
  bool read_only = false;  // shared lock; refuses writes; works while no one writes
  bool create_if_missing = true;
  // With read_only: opens what can be opened. A STORE that is lost is made up for by the segments'
  // headers, and a shard whose directory cannot be listed is empty. Who asks for it has to say so
  // (check.h).
  bool salvage = false;
  MergeOptions merge;
  uint64_t scrub_bytes_per_second = 0;  // 0: no scrubbing
  ElementIndexFactory element_index;    // needed if the store holds split collections
  // May be empty. Called by any thread, with locks held: must not call the store.
  std::function<void(LogLevel, std::string_view)> log;
};

}  // namespace respcask::engine

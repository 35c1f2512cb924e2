// Parked: a command that waits for values which are not in memory, those values, and the jobs of
// reading them.
//
// A Parked is shared by its session and by who reads. The values are written by the latter until
// `missing` is 0, and read by the session's loop after that.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "engine/shard.h"

namespace respcask::server {

class Link;

struct FetchedValue {
  engine::ColdRead read;
  uint32_t shard = 0;
  std::string key;  // for the error
  enum class State : uint8_t { kWanted, kReady, kDamaged, kFailed } state = State::kWanted;
  std::string bytes;
};

// What a command has done so far that is to be done once, though it may run again: its first
// look-ups, its first uses of keys.
struct DoneOnce {
  size_t look_ups = 0;
  size_t uses = 0;

  void cover(const DoneOnce& other) {
    look_ups = std::max(look_ups, other.look_ups);
    uses = std::max(uses, other.uses);
  }
};

struct Parked {
  // `earlier`: what was fetched for an earlier run, and is needed again; null: nothing was. It is
  // empty afterwards.
  explicit Parked(std::vector<std::unique_ptr<FetchedValue>> wanted, Parked* earlier = nullptr);
  // The fetched value that lies there; null if it was not asked for.
  const FetchedValue* find(uint32_t shard, engine::Location where,
                           const engine::Segment* segment) const;

  std::vector<std::unique_ptr<FetchedValue>> values;  // in the order of shards and places in them
  uint64_t bytes = 0;                                 // that they take when all have been read
  std::atomic<size_t> missing{0};
  DoneOnce done;  // by the command, in its runs so far
};

// A value to be read, and who waits for it.
struct FetchJob {
  std::shared_ptr<Parked> parked;
  FetchedValue* value;
  std::shared_ptr<Link> link;  // null: a thread waits for parked->missing
};
// What a loop's commands have asked for and nobody has been told of yet.
using FetchBatch = std::vector<FetchJob>;

}  // namespace respcask::server

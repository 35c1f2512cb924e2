// Admission: which of the values that are read from the disk are to stay in memory.
//
// While there is room all of them are: they are read through the page cache. Where there is none
// every page that comes drives out another, which costs more than the read itself, and in vain
// where the page is not wanted again. So then a value is read past the cache, but for those whose
// page was read so a while ago already, which makes what is read often resident soon; and for a few
// more, by turns, from which one can tell whether there is room again.
// Whether there is shows in the sweeps, which count pages that have gone, against the pages that
// came by reads meanwhile. One a shard, guarded by its lock.
#pragma once

#include <cstdint>

#include "engine/residency_trust.h"

namespace respcask::engine {

class Admission {
 public:
  // Pages were found gone by a read, between sweeps.
  void add_gone(uint64_t pages) { gone_ += pages; }

  // A sweep has found `gone` pages gone; `come`: those that reads have brought since the last one.
  void swept(uint64_t come, uint64_t gone) {
    come_ += come;
    gone_ += gone;
    if (come_ < kEnough) return;
    crowded_ = gone_ * kComeForGone >= come_;
    come_ = gone_ = 0;
  }
  // There is no room.
  bool crowded() const { return crowded_; }

  // `page`: the first of the value, as its segment names it; `read_past_cache`: the thread's own.
  bool admits(RecentPages& read_past_cache, uint64_t page, int64_t now_ms) {
    if (!crowded_ || ++reads_ % kReadsATry == 0) return true;
    if (read_past_cache.has(page, now_ms, kMemoryMs)) return true;
    read_past_cache.add(page, now_ms);
    return false;
  }

  static constexpr uint64_t kEnough = 256;    // pages, to tell anything
  static constexpr uint64_t kReadsATry = 64;  // of those past the cache
  static constexpr int64_t kMemoryMs = 600'000;

 private:
  // Not one for one: something else may have room to give, or go first.
  static constexpr uint64_t kComeForGone = 4;

  bool crowded_ = false;
  uint64_t come_ = 0;
  uint64_t gone_ = 0;
  uint64_t reads_ = 0;
};

}  // namespace respcask::engine

// Residency trust: how long the system's word on what is in memory is good for.
//
// A residency bit may be untrue: the kernel has dropped the page since it was set, and whoever
// reads it meets a page fault. How often that happens follows from how fast pages go, which the
// sweeps of a shard measure (ResidencyTrust, one a shard, guarded by its lock). Where few go, the
// bits are taken at their word. Where many do, the system is asked before a read unless it was
// asked about the page a moment ago (RecentPages, one a thread), so that about one read in 200
// meets a fault, however fast pages go.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <memory>

namespace respcask::engine {

// What the system says of pages that it was asked about.
struct PageCounts {
  uint64_t taken = 0;   // that they are in memory was believed
  uint64_t gone = 0;    // of those: they are not
  uint64_t absent = 0;  // not in memory
};

class ResidencyTrust {
 public:
  using Clock = std::chrono::steady_clock;

  // Pages were found gone by a read, between sweeps.
  void add_gone(uint64_t pages) { gone_ += pages; }

  // A read has met a page that is not in memory.
  void met_absent() { all_resident_ = false; }

  // A reader has met page faults: until the next sweep ends less is taken at its word.
  void met_faults() {
    good_for_ms_ = trusts_bits_ ? 0 : good_for_ms_ / 2;
    trusts_bits_ = false;
    all_resident_ = false;
  }

  // A sweep that has asked for all pages ends.
  void swept(const PageCounts& counts, Clock::time_point now) {
    const uint64_t gone = gone_ + counts.gone;
    all_resident_ = gone_ + counts.absent == 0;
    const auto since = std::chrono::duration_cast<std::chrono::milliseconds>(now - swept_at_);
    swept_at_ = now;
    gone_ = 0;
    // No page is taken for resident longer than the whole sweep without being asked about.
    trusts_bits_ = gone * kReadsAFault <= counts.taken;
    if (trusts_bits_) return;
    const auto taken = static_cast<double>(std::max<uint64_t>(counts.taken, 1));
    const double share_gone = static_cast<double>(gone) / taken;
    good_for_ms_ = static_cast<int64_t>(static_cast<double>(since.count()) /
                                        (static_cast<double>(kReadsAFault) * share_gone));
  }

  // False: ask about pages that were not asked about for good_for_ms().
  bool trusts_bits() const { return trusts_bits_; }
  int64_t good_for_ms() const { return good_for_ms_; }
  // The last sweep has found no page that is not in memory, nor has a read since.
  bool all_resident() const { return all_resident_; }

 private:
  static constexpr uint64_t kReadsAFault = 200;

  bool trusts_bits_ = true;
  bool all_resident_ = false;
  int64_t good_for_ms_ = 0;
  uint64_t gone_ = 0;
  Clock::time_point swept_at_ = Clock::now();
};

// Some milliseconds behind, and read in a few nanoseconds.
inline int64_t coarse_clock_ms() {
  std::timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1'000'000;
}

// The pages that something was found out about, and when; above all, that the system said they are
// in memory. Forgets one for another. Owns 256 KiB of heap.
class RecentPages {
 public:
  // `page`: of any segment. True if add() was called for it in the last `age_ms` before `now_ms`.
  bool has(uint64_t page, int64_t now_ms, int64_t age_ms) const {
    const uint64_t hash = hash_of(page);
    const uint64_t entry = entries_[hash >> (64 - kIndexBits)];
    const uint64_t age = (static_cast<uint64_t>(now_ms) - entry) & kTimeMask;
    return tag_of(entry) == tag_of(hash) && age <= static_cast<uint64_t>(age_ms);
  }
  void add(uint64_t page, int64_t now_ms) {
    const uint64_t hash = hash_of(page);
    entries_[hash >> (64 - kIndexBits)] =
        (hash & ~kTimeMask) | (static_cast<uint64_t>(now_ms) & kTimeMask);
  }

 private:
  static constexpr int kIndexBits = 15;
  static constexpr uint64_t kTimeMask = (uint64_t{1} << 24) - 1;  // more than four hours

  // One to one, so that nothing is taken for something else but by the bits that the time covers.
  static uint64_t hash_of(uint64_t page) {
    page *= 0x9E3779B97F4A7C15;
    page ^= page >> 32;
    return page * 0x9E3779B97F4A7C15;
  }
  static uint64_t tag_of(uint64_t entry) { return entry & ~kTimeMask; }

  // Not a part of this object: what a thread has of its own by `thread_local` is there, and zeroed,
  // in each thread that begins, whether it is used or not.
  std::unique_ptr<uint64_t[]> entries_ = std::make_unique<uint64_t[]>(size_t{1} << kIndexBits);
};

}  // namespace respcask::engine

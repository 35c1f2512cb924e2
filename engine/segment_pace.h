// SegmentPace: at which size a shard seals its active segment.
//
// Segments of a small shard are small, so that it can be merged a part at a time. What is written
// fast goes to larger ones nonetheless, each twice as large as the one before: every segment costs
// the making and the removal of some files.
//
// A plain value without memory of its own; guarded by its shard's lock.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace respcask::engine {

class SegmentPace {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::chrono::milliseconds kSoon{200};  // to fill a segment in is fast
  static constexpr uint64_t kMostBytes = uint64_t{16} << 20;

  uint64_t seal_bytes() const { return seal_bytes_; }

  // A segment begins that goes on with what is there, however large.
  void adopt(uint64_t limit_bytes) { seal_bytes_ = limit_bytes; }

  // A new segment begins now, behind one of `last_bytes` (0: the first). `limit_bytes`: the size
  // for a shard of this size that is written at leisure; `most_bytes`: what no segment is to pass.
  void begin(uint64_t limit_bytes, uint64_t most_bytes, uint64_t last_bytes, Time now) {
    const bool fast = last_bytes != 0 && last_bytes >= seal_bytes_ && now - begun_ < kSoon;
    begun_ = now;
    const uint64_t fast_bytes = fast ? std::min({seal_bytes_ * 2, kMostBytes, most_bytes}) : 0;
    seal_bytes_ = std::max(limit_bytes, fast_bytes);
  }

 private:
  uint64_t seal_bytes_ = 0;
  Time begun_{};
};

}  // namespace respcask::engine

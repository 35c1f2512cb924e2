#include "engine/segment_pace.h"

#include <doctest/doctest.h>

#include <chrono>
#include <cstdint>

namespace respcask::engine {
namespace {

using namespace std::chrono_literals;

constexpr uint64_t kLimit = 512 << 10;
constexpr uint64_t kMost = 256 << 20;

// The size of the segment after `count` that were each filled in `each`.
uint64_t size_after(int count, std::chrono::milliseconds each, uint64_t most_bytes = kMost) {
  SegmentPace pace;
  SegmentPace::Time now{1h};
  pace.begin(kLimit, most_bytes, 0, now);
  for (int i = 0; i < count; ++i) pace.begin(kLimit, most_bytes, pace.seal_bytes(), now += each);
  return pace.seal_bytes();
}

}  // namespace

TEST_CASE("a segment that is filled fast is followed by one of twice its size") {
  CHECK(size_after(0, 1ms) == kLimit);
  CHECK(size_after(1, 1ms) == 2 * kLimit);
  CHECK(size_after(3, SegmentPace::kSoon - 1ms) == 8 * kLimit);
}

TEST_CASE("segments written fast stay below their bounds") {
  CHECK(size_after(20, 1ms) == SegmentPace::kMostBytes);
  CHECK(size_after(20, 1ms, 3 << 20) == 3 << 20);
}

TEST_CASE("a shard's segments are no smaller than its size asks for, however fast it is written") {
  SegmentPace pace;
  SegmentPace::Time now{1h};
  pace.begin(100 << 20, kMost, 0, now);
  pace.begin(100 << 20, kMost, 100 << 20, now += 1ms);
  CHECK(pace.seal_bytes() == 100 << 20);
}

TEST_CASE("a segment that is filled at leisure is followed by a small one") {
  CHECK(size_after(1, SegmentPace::kSoon) == kLimit);
  SegmentPace pace;
  SegmentPace::Time now{1h};
  pace.begin(kLimit, kMost, 0, now);
  for (int i = 0; i < 3; ++i) pace.begin(kLimit, kMost, pace.seal_bytes(), now += 1ms);
  pace.begin(kLimit, kMost, pace.seal_bytes(), now += 1s);
  CHECK(pace.seal_bytes() == kLimit);
}

TEST_CASE("a segment that was sealed before it was full is followed by a small one") {
  SegmentPace pace;
  SegmentPace::Time now{1h};
  pace.begin(kLimit, kMost, 0, now);
  pace.begin(kLimit, kMost, pace.seal_bytes() - 1, now += 1ms);
  CHECK(pace.seal_bytes() == kLimit);
}

TEST_CASE("a segment that was adopted counts as begun long ago") {
  SegmentPace pace;
  pace.adopt(kLimit);
  CHECK(pace.seal_bytes() == kLimit);
  pace.begin(kLimit, kMost, 3 * kLimit, SegmentPace::Time{1h});
  CHECK(pace.seal_bytes() == kLimit);
}

}  // namespace respcask::engine

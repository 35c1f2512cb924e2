#include "engine/merge_picker.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

#include "engine/options.h"

using namespace respcask::engine;

namespace {

// A shard whose records are all of one byte, and who merges it as the store does.
class Model {
 public:
  Model(size_t keys, const MergeOptions& merge) : merge_(merge), segment_of_(keys, kNone) {
    limits_.least_garbage = merge.stop_garbage;
    segments_.emplace_back();
  }

  void put(uint32_t key) {
    if (segment_of_[key] != kNone) --live_[segment_of_[key]];
    append(segments_.back(), key);
    if (segments_.back().keys.size() >= std::max<size_t>(total() / 24, 16))
      segments_.emplace_back();
  }

  void merge() {
    if (garbage(sum(candidates())) < merge_.trigger_garbage) return;
    while (garbage(sum(candidates())) >= merge_.stop_garbage) {
      limits_.run_bytes = total() / 24 * 5 / 4;
      const auto run = pick_run(candidates(), limits_);
      if (!run) return;
      Segment output;
      for (size_t i = run->first; i < run->first + run->count; ++i) {
        for (uint32_t key : segments_[i].keys) {
          if (segment_of_[key] != segments_[i].id) continue;
          append(output, key);
          ++copied_;
        }
      }
      segments_[run->first] = std::move(output);
      const auto first = segments_.begin() + static_cast<ptrdiff_t>(run->first);
      segments_.erase(first + 1, first + static_cast<ptrdiff_t>(run->count));
    }
  }

  size_t total() const {
    size_t sum = 0;
    for (const auto& segment : segments_) sum += segment.keys.size();
    return sum;
  }
  uint64_t copied() const { return copied_; }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  struct Segment {
    uint32_t id = kNone;
    std::vector<uint32_t> keys;
  };

  void append(Segment& segment, uint32_t key) {
    if (segment.id == kNone) {
      segment.id = static_cast<uint32_t>(live_.size());
      live_.push_back(0);
    }
    segment.keys.push_back(key);
    // A key that is put twice into one segment has one live record there; which one is all the same
    // to the counts, and a merge copies it once.
    segment_of_[key] = segment.id;
    ++live_[segment.id];
  }

  std::vector<MergeCandidate> candidates() const {
    std::vector<MergeCandidate> all;
    for (const auto& segment : segments_) {
      const uint64_t live = segment.id == kNone ? 0 : live_[segment.id];
      all.push_back(
          {segment.keys.size(), segment.keys.size() - live, &segment != &segments_.back()});
    }
    return all;
  }

  const MergeOptions merge_;
  MergeLimits limits_;
  std::vector<Segment> segments_;
  std::vector<uint64_t> live_;        // by segment id
  std::vector<uint32_t> segment_of_;  // by key
  uint64_t copied_ = 0;
};

MergeCandidate whole(uint64_t bytes) {
  return {bytes, 0, true};
}

}  // namespace

TEST_CASE("neighbours are joined where that copies least for each segment that goes") {
  const auto joined = [](const std::vector<MergeCandidate>& all, size_t most, uint64_t bytes) {
    const auto run = pick_join(all, most, bytes);
    return run ? std::pair(run->first, run->count) : std::pair<size_t, size_t>();
  };
  using Run = std::pair<size_t, size_t>;
  const MergeCandidate damaged{1, 0, false};
  CHECK(joined({}, 9, 100) == Run());
  CHECK(joined({whole(1)}, 9, 100) == Run());
  CHECK(joined({whole(1), damaged, whole(1)}, 9, 100) == Run());
  CHECK(joined({whole(9), whole(2), whole(3), whole(9)}, 2, 100) == Run(1, 2));
  CHECK(joined({whole(4), whole(4), whole(4), whole(4)}, 9, 100) == Run(0, 4));
  CHECK(joined({whole(4), whole(4), whole(4), whole(4)}, 3, 100) == Run(0, 3));
  CHECK(joined({whole(4), whole(4), whole(4), whole(4)}, 9, 8) == Run(0, 2));
  CHECK(joined({whole(60), whole(60)}, 9, 100) == Run());
  CHECK(joined({whole(90), whole(1), whole(1), whole(90), whole(1)}, 9, 1000) == Run(1, 2));
  // What is dead is not copied.
  CHECK(joined({whole(4), whole(4), {90, 89, true}, {90, 89, true}}, 2, 100) == Run(2, 2));
}

TEST_CASE("uniformly overwritten keys take 1.5 times their size and are copied less than twice") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  constexpr size_t kKeys = 20'000;
  constexpr int kRounds = 20;
  Model shard(kKeys, MergeOptions{});
  for (uint32_t key = 0; key < kKeys; ++key) shard.put(key);
  size_t most = 0;
  for (size_t i = 0; i < kRounds * kKeys; ++i) {
    shard.put(static_cast<uint32_t>(random() % kKeys));
    if (i % 100 == 0) shard.merge();
    most = std::max(most, shard.total());
  }
  CHECK(most < 1.5 * kKeys);
  CHECK(shard.copied() < 2 * kRounds * kKeys);
}

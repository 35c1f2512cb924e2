#include "engine/residency_map.h"

#include <doctest/doctest.h>

#include <thread>
#include <vector>

using respcask::engine::PageCounts;
using respcask::engine::ResidencyMap;

namespace {

constexpr uint64_t kPage = ResidencyMap::kPageSize;
constexpr uint64_t kGiB = uint64_t{1} << 30;

}  // namespace

TEST_CASE("a page is resident once it was set, until the system says otherwise") {
  ResidencyMap map(4 * kGiB);
  CHECK_FALSE(map.resident(0, 1));
  map.set(kPage - 1, 2);
  CHECK(map.resident(0, 2 * kPage));
  CHECK_FALSE(map.resident(0, 2 * kPage + 1));
  const std::vector<uint8_t> gone = {1, 0, 0};
  const PageCounts counts = map.update(0, gone);
  CHECK(counts.taken == 2);
  CHECK(counts.gone == 1);
  CHECK(counts.absent == 2);
  CHECK(map.resident(0, kPage));
  CHECK_FALSE(map.resident(kPage, 1));
}

TEST_CASE("a range may touch parts of a segment of which nothing was known before") {
  ResidencyMap map(4 * kGiB);
  const uint64_t far =
      2 * kGiB + 32 * (uint64_t{1} << 20) - kPage;  // the next page is in a new block
  map.set(far, 2 * kPage);
  CHECK(map.resident(far, 2 * kPage));
  CHECK_FALSE(map.resident(far - 1, 2));
  map.set(4 * kGiB - 1, 1);
  CHECK(map.resident(4 * kGiB - kPage, kPage));
}

TEST_CASE("who sets pages is told how many were not set before") {
  ResidencyMap map(kGiB);
  CHECK(map.set(kPage - 1, 2) == 2);
  CHECK(map.set(kPage, 1) == 0);
  CHECK(map.set(kPage, 2 * kPage) == 1);
}

TEST_CASE("threads that set pages of the same untouched part lose none") {
  for (int round = 0; round < 200; ++round) {
    ResidencyMap map(kGiB);
    std::vector<std::thread> threads;
    for (uint64_t t = 0; t < 4; ++t) {
      threads.emplace_back([&map, t] {
        for (uint64_t i = t; i < 64; i += 4) map.set(i * kPage, 1);
      });
    }
    for (std::thread& thread : threads) thread.join();
    CHECK(map.resident(0, 64 * kPage));
  }
}

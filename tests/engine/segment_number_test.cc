// How many segments there are where each one takes a descriptor that somebody else may need.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <string>

#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

constexpr uint64_t kLimit = 32;
// Both shards may have so many that another one takes as much as all the rest.
constexpr uint64_t kMost = kLimit + 2 * 8;

// Puts 4 MB in all, a thousand times as much as a small segment takes.
void fill(StoreFixture& fixture) {
  for (int i = 0; i < 2000; ++i) {
    fixture.put(fmt::format("key{}", i), std::string(2000, static_cast<char>('a' + i % 26)));
  }
}

uint64_t bytes_of(Store& store) {
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < store.shard_count(); ++i) {
    std::lock_guard guard(store.shard(i));
    bytes += store.shard(i).stats().total_bytes;
  }
  return bytes;
}

}  // namespace

TEST_CASE("however much is written there are hardly more segments than there may be") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fixture.store->limit_segments(kLimit);
  fill(fixture);
  CHECK(fixture.store->segments() <= kMost);
  const auto contents = fixture.contents();
  CHECK(contents.size() == 2000);
  fixture.crash_process();
  CHECK(fixture.store->segments() <= kMost + 2);
  CHECK(fixture.contents() == contents);
}

TEST_CASE("small segments are joined until there are no more than there may be") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture);
  const uint64_t before = fixture.store->segments();
  CHECK(before > 10 * kLimit);
  const auto contents = fixture.contents();
  fixture.store->limit_segments(kLimit);
  REQUIRE(fixture.store->join_segments());
  CHECK(fixture.store->segments() <= kLimit);
  CHECK(fixture.contents() == contents);
  fixture.crash_process();
  CHECK(fixture.store->segments() <= kLimit + 2);
  CHECK(fixture.contents() == contents);
}

TEST_CASE("what is removed is given back where there are as many segments as there may be") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fixture.store->limit_segments(kLimit);
  fill(fixture);
  const uint64_t full = bytes_of(*fixture.store);
  for (int i = 0; i < 2000; i += 2) fixture.remove(fmt::format("key{}", i));
  REQUIRE(fixture.store->merge_now());
  CHECK(bytes_of(*fixture.store) < full * 6 / 10);
  REQUIRE(fixture.store->join_segments());
  CHECK(fixture.store->segments() <= kLimit);
  CHECK(fixture.contents().size() == 1000);
}

TEST_CASE("a store without a limit joins nothing") {
  StoreFixture fixture(FaultyFileSystem(), small_segments());
  fill(fixture);
  const uint64_t before = fixture.store->segments();
  REQUIRE(fixture.store->join_segments());
  CHECK(fixture.store->segments() == before);
}

// What the engine believes to be in memory, where the system takes pages back.

#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <string>
#include <thread>

#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;
using namespace std::chrono_literals;

namespace {

ValueRead::State state_of(StoreFixture& fixture, const std::string& key) {
  Shard& shard = fixture.store->shard(0);
  std::lock_guard guard(shard);
  const auto entry = shard.find(0, key, shard.hash(key));
  REQUIRE(entry);
  return shard.read(entry->where, entry->value_size).state;
}

// Whether it would be read through the page cache.
bool admitted(StoreFixture& fixture, const std::string& key) {
  Shard& shard = fixture.store->shard(0);
  std::lock_guard guard(shard);
  const auto entry = shard.find(0, key, shard.hash(key));
  REQUIRE(entry);
  return shard.admits(shard.cold_read(entry->where, entry->value_size));
}

}  // namespace

TEST_CASE("once pages are known to go, a value that is gone is cold and no page fault") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  fixture.put("key", std::string(10'000, 'v'));
  REQUIRE(fixture.store->sync());
  const auto file = *fixture.disk->open_read_only("/store/shard-00/00000001.seg");
  CHECK(state_of(fixture, "key") == ValueRead::State::kReady);

  REQUIRE(file->drop_cache(0, 0));
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (state_of(fixture, "key") != ValueRead::State::kCold &&
         std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(10ms);
  }
  REQUIRE(state_of(fixture, "key") == ValueRead::State::kCold);
  CHECK(fixture.get("key") == std::string(10'000, 'v'));  // reads it from the disk
  CHECK(state_of(fixture, "key") == ValueRead::State::kReady);

  // The system's last word is good for a hundredth of a second or so where everything goes.
  REQUIRE(file->drop_cache(0, 0));
  std::this_thread::sleep_for(200ms);
  CHECK(state_of(fixture, "key") == ValueRead::State::kCold);
}

TEST_CASE("once pages go as fast as reads bring them, values are read past the page cache") {
  constexpr int kKeys = 2 * Admission::kEnough;
  Options options;
  options.dir = "/store";
  options.shards = 1;
  StoreFixture fixture(FaultyFileSystem(), options);
  for (int i = 0; i < kKeys; ++i) fixture.put("key" + std::to_string(i), std::string(4096, 'v'));
  REQUIRE(fixture.store->sync());
  const auto file = *fixture.disk->open_read_only("/store/shard-00/00000001.seg");
  const auto read_all = [&] {
    REQUIRE(file->drop_cache(0, 0));
    for (int i = 0; i < kKeys; ++i) fixture.get("key" + std::to_string(i));
  };
  const auto all_admitted = [&] {
    for (int i = 0; i < kKeys; ++i) {
      if (!admitted(fixture, "key" + std::to_string(i))) return false;
    }
    return true;
  };
  CHECK(all_admitted());
  const auto deadline = std::chrono::steady_clock::now() + 20s;
  while (all_admitted() && std::chrono::steady_clock::now() < deadline) {
    read_all();
    std::this_thread::sleep_for(50ms);
  }
  CHECK_FALSE(all_admitted());
}

// When merges end and which shard has the next one, while clients go on writing.

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;
using namespace std::chrono_literals;

namespace {

// Of stores that are merged as fast as it goes, and unasked if they take so many bytes.
Options merged_from(uint64_t least_bytes, uint32_t shards) {
  Options options;
  options.dir = "/store";
  options.shards = shards;
  options.merge.bytes_per_second = 0;
  options.merge.least_bytes = least_bytes;
  return options;
}

// `count` keys that fall in one shard.
std::vector<std::string> keys_of(Store& store, uint32_t shard, int count) {
  std::vector<std::string> keys;
  for (int i = 0; static_cast<int>(keys.size()) < count; ++i) {
    std::string key = fmt::format("key{}", i);
    if (store.shard_of(key) == shard) keys.push_back(std::move(key));
  }
  return keys;
}

// Overwrites keys of one shard, in turn, until it is destroyed.
class SteadyWriter {
 public:
  SteadyWriter(StoreFixture& fixture, std::vector<std::string> keys, size_t value_size)
      : thread_([this, &fixture, keys = std::move(keys), value_size] {
          const std::string value(value_size, 'w');
          for (size_t i = 0; !stop_; ++i) fixture.put(keys[i % keys.size()], value);
        }) {}
  ~SteadyWriter() {
    stop_ = true;
    thread_.join();
  }

 private:
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

uint64_t bytes_of(Store& store, uint32_t shard) {
  std::lock_guard guard(store.shard(shard));
  return store.shard(shard).stats().total_bytes;
}

}  // namespace

TEST_CASE("the hours of merging may go over midnight") {
  const auto hours = [](int from, int to) {
    MergeOptions merge;
    merge.window_from_hour = from;
    merge.window_to_hour = to;
    std::string chosen(24, '.');
    for (int hour = 0; hour < 24; ++hour) {
      if (merge.in_window(hour)) chosen[static_cast<size_t>(hour)] = 'x';
    }
    return chosen;
  };
  CHECK(hours(0, 23) == "xxxxxxxxxxxxxxxxxxxxxxxx");
  CHECK(hours(1, 3) == ".xxx....................");
  CHECK(hours(5, 5) == ".....x..................");
  CHECK(hours(22, 2) == "xxx...................xx");
  CHECK(hours(23, 0) == "x......................x");
}

TEST_CASE("a requested merge ends however much is written meanwhile") {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 8 * 1024;
  options.merge.bytes_per_second = 1 << 20;  // less than is written
  StoreFixture fixture(FaultyFileSystem(), options);
  const auto keys = keys_of(*fixture.store, 0, 50);
  for (int i = 0; i < 1000; ++i) fixture.put(keys[static_cast<size_t>(i % 50)], "before");
  std::future<bool> done;
  bool ended = false;
  {
    SteadyWriter writer(fixture, keys, 100);
    done = std::async(std::launch::async, [&] { return fixture.store->merge_now(); });
    ended = done.wait_for(20s) == std::future_status::ready;
  }
  CHECK(ended);
  CHECK(done.get());
  CHECK(fixture.store->merge_stats().failed == 0);
}

TEST_CASE("a requested merge copies what there was once, however much is written meanwhile") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.segment_bytes = 64 * 1024;
  options.merge.bytes_per_second = 2 << 20;
  StoreFixture fixture(FaultyFileSystem(), options);
  const auto keys = keys_of(*fixture.store, 0, 5000);
  for (const std::string& key : keys) fixture.put(key, std::string(100, 'v'));
  for (size_t i = 0; i < keys.size(); i += 2) fixture.put(keys[i], std::string(100, 'v'));
  const uint64_t live = fixture.live_bytes();
  std::atomic<bool> done{false};
  std::thread request([&] { done = fixture.store->merge_now(); });
  const auto deadline = std::chrono::steady_clock::now() + 60s;
  for (size_t i = 0; !done && std::chrono::steady_clock::now() < deadline &&
                     fixture.store->merge_stats().bytes_written < 3 * live;
       i += 7) {
    fixture.put(keys[i % keys.size()], std::string(100, 'w'));
    std::this_thread::sleep_for(100us);
  }
  fixture.store->set_merge_options(MergeOptions{});
  request.join();
  CHECK(done);
  CHECK(fixture.store->merge_stats().bytes_written < 3 * live);
}

TEST_CASE("a requested merge is as fast as the share of garbage calls for") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.segment_bytes = 64 * 1024;
  options.merge.least_bytes = 0;
  options.merge.window_from_hour = options.merge.window_to_hour = 24;  // none unasked
  StoreFixture fixture(FaultyFileSystem(), options);
  const auto keys = keys_of(*fixture.store, 0, 5000);
  for (const std::string& key : keys) fixture.put(key, std::string(100, 'v'));
  // Some of each segment stays.
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i % 5 != 0) fixture.put(keys[i], std::string(100, 'v'));
  }
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i % 5 > 1) fixture.put(keys[i], std::string(100, 'v'));
  }
  // More than half a minute, if half of it were not garbage.
  auto merge = options.merge;
  merge.trigger_garbage = merge.stop_garbage = 0.02;
  merge.bytes_per_second = 64 * 1024;
  fixture.store->set_merge_options(merge);
  auto done = std::async(std::launch::async, [&] { return fixture.store->merge_now(); });
  const bool ended = done.wait_for(20s) == std::future_status::ready;
  CHECK(ended);
  merge.bytes_per_second = 0;
  fixture.store->set_merge_options(merge);
  CHECK(done.get());
  CHECK(fixture.total_bytes() < fixture.live_bytes() * 3 / 2);
}

TEST_CASE("a busy shard that merges without end keeps no other shard from its merge") {
  Options options = merged_from(4 << 20, 2);
  options.segment_bytes = 1 << 20;
  options.merge.trigger_garbage = options.merge.stop_garbage = 1;  // not yet
  StoreFixture fixture(FaultyFileSystem(), options);
  const std::string value(4096, 'v');
  const auto busy = keys_of(*fixture.store, 0, 1500);
  for (const std::string& key : busy) fixture.put(key, value);
  // All but a hundredth of the other shard is garbage, and nobody writes to it any more.
  const auto quiet = keys_of(*fixture.store, 1, 20);
  for (int i = 0; i < 2000; ++i) fixture.put(quiet[static_cast<size_t>(i % 20)], value);
  const uint64_t before = bytes_of(*fixture.store, 1);
  REQUIRE(before > (5 << 20));
  SteadyWriter writer(fixture, busy, 4096);
  std::this_thread::sleep_for(100ms);  // there is garbage in the busy shard
  auto merge = options.merge;
  merge.trigger_garbage = 0.01;
  merge.stop_garbage = 0.005;
  fixture.store->set_merge_options(merge);
  // What is left in it is less than is worth a merge.
  fixture.wait_for([&] { return bytes_of(*fixture.store, 1) <= before / 3; }, 20s);
  CHECK(bytes_of(*fixture.store, 1) <= before / 3);
}

TEST_CASE("a store that takes little room is not merged unasked, whatever its share of garbage") {
  StoreFixture fixture(FaultyFileSystem(), merged_from(2 << 20, 1));
  const std::string value(4096, 'v');
  for (int i = 0; i < 250; ++i) fixture.put("key", value);
  std::this_thread::sleep_for(500ms);
  CHECK(fixture.store->merge_stats().merges == 0);
  for (int i = 0; i < 300; ++i) fixture.put("key", value);
  fixture.wait_for([&] { return fixture.store->merge_stats().merges > 0; }, 20s);
  CHECK(fixture.store->merge_stats().merges > 0);
}

TEST_CASE("what a store may hold of garbage does not grow with its number of shards") {
  // What a store takes to be merged is counted without the headers of its segments.
  constexpr uint64_t kMost = 4 << 20;
  constexpr uint64_t kShards = 128, kSegmentsOfShard = 10;
  const Options options =
      merged_from(kMost - kShards * kSegmentsOfShard * kSegmentHeaderSize, kShards);
  StoreFixture fixture(FaultyFileSystem(), options);
  // 24 MB in all, and less than 200 KB in each shard.
  std::vector<std::string> keys;
  for (uint32_t shard = 0; shard < options.shards; ++shard) {
    keys.push_back(keys_of(*fixture.store, shard, 1).front());
  }
  const std::string value(4096, 'v');
  for (int round = 0; round < 46; ++round) {
    for (const std::string& key : keys) fixture.put(key, value);
  }
  fixture.wait_for([&] { return fixture.total_bytes() <= kMost; });
  CHECK(fixture.total_bytes() <= kMost);
}

TEST_CASE("a store without garbage is left alone, however little of it merging is to stop at") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.segment_bytes = 8 * 1024;
  options.merge.least_bytes = 0;
  options.merge.trigger_garbage = 0.01;
  options.merge.stop_garbage = 0;
  StoreFixture fixture(FaultyFileSystem(), options);
  const auto keys = keys_of(*fixture.store, 0, 200);
  for (int round = 0; round < 2; ++round) {
    for (const std::string& key : keys) fixture.put(key, std::string(200, 'v'));
  }
  REQUIRE(fixture.store->merge_now());
  std::this_thread::sleep_for(1s);  // it merges what it wants to
  const uint64_t merges = fixture.store->merge_stats().merges;
  std::this_thread::sleep_for(2500ms);
  CHECK(fixture.store->merge_stats().merges == merges);
}

TEST_CASE("what is written fast goes to few and large segments") {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.merge.trigger_garbage = options.merge.stop_garbage = 1;  // never
  StoreFixture fixture(FaultyFileSystem(), options);
  const std::string value(64 << 10, 'v');
  for (int i = 0; i < 1000; ++i) fixture.put("key", value);
  size_t segments = 0;
  {
    std::lock_guard guard(fixture.store->shard(0));
    segments = fixture.store->shard(0).stats().segments;
  }
  // 120 of the smallest size; 12 unless the machine is busy (segment_pace_test.cc).
  CHECK(segments < 100);
}

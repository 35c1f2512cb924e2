// The faults that engines of this family have had, each by name. Others of them are tested where
// they belong: a deleted key that comes back after a partial merge, a damaged hint that is trusted
// (merge_test), inputs that go before the output is safe (merge_test, sweep_test), an empty newest
// file (recovery_test).

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <string>
#include <thread>

#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

Options single_shard() {
  Options options;
  options.dir = "/store";
  options.shards = 1;
  options.segment_bytes = 4096;
  options.merge.bytes_per_second = 0;
  return options;
}

}  // namespace

TEST_CASE("a key deleted or overwritten while a merge copies it stays so") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  std::map<std::string, std::string> model;
  for (int i = 0; i < 200; ++i) {
    const std::string key = fmt::format("key{}", i);
    model[key] = std::string(100, 'v');
    fixture.put(key, model[key]);
    fixture.put("garbage", std::string(100, 'g'));
  }
  model["garbage"] = std::string(100, 'g');
  // So slow that the changes fall between its steps.
  MergeOptions slow;
  slow.bytes_per_second = 100 * 1024;
  fixture.store->set_merge_options(slow);
  const uint64_t before = fixture.store->merge_stats().requests_done;
  fixture.store->request_merge();
  int changes = 0;
  for (int i = 0; fixture.store->merge_stats().requests_done == before; ++i) {
    const std::string key = fmt::format("key{}", i * 7 % 200);
    if (i % 3 == 0) {
      fixture.put(key, "new");
      model[key] = "new";
    } else {
      fixture.remove(key);
      model.erase(key);
    }
    ++changes;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  CHECK(changes > 20);
  CHECK(fixture.store->merge_stats().merges > 0);
  CHECK(fixture.contents() == model);
  fixture.crash_process();
  CHECK(fixture.contents() == model);
}

TEST_CASE("the active segment is sealed before it is merged, and nothing written after is lost") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  for (int round = 0; round < 5; ++round) {
    for (int i = 0; i < 20; ++i) fixture.put("key", fmt::format("{}.{}", round, i));
    // All there is lies in the active segment.
    const std::string active = fixture.disk->list("/store/shard-00")->back();
    REQUIRE(fixture.store->merge_now());
    fixture.put("key", "after the merge");
    CHECK(fixture.get("key") == "after the merge");
    // It goes with its last user, which may be a background thread for a moment.
    const auto is_there = [&] {
      const auto names = *fixture.disk->list("/store/shard-00");
      return std::find(names.begin(), names.end(), active) != names.end();
    };
    const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    while (is_there() && std::chrono::steady_clock::now() < give_up) std::this_thread::yield();
    CHECK_FALSE(is_there());
    fixture.crash_process();
    CHECK(fixture.get("key") == "after the merge");
  }
}

TEST_CASE("a value of any bytes is a value, also what is a tombstone or a batch elsewhere") {
  StoreFixture fixture(FaultyFileSystem(), single_shard());
  fixture.put("victim", "alive");
  fixture.put("gone", "1");
  fixture.remove("gone");
  // The very bytes of the log so far, tombstone and all, and what other engines mark deletion with.
  const std::string log = fixture.disk->contents("/store/shard-00/00000001.seg");
  Record tombstone;
  tombstone.kind = RecordKind::kTombstone;
  tombstone.name = "victim";
  std::string encoded(record_size_bound(tombstone.name.size(), 0), '\0');
  encoded.resize(encode_record(tombstone, encoded.data()));
  const std::map<std::string, std::string> values = {
      {"empty", ""},
      {"log", log},
      {"batches", log.substr(kSegmentHeaderSize)},
      {"tombstone", encoded},
      {"bitcask", "bitcask_tombstone"},
      {"pycask", "None"},
      {"zeros", std::string(50, '\0')},
      {"victim", "alive"},
  };
  for (const auto& [key, value] : values) fixture.put(key, value);
  for (int round = 0; round < 3; ++round) {
    CHECK(fixture.contents() == values);
    for (int i = 0; i < 100; ++i) fixture.put("zeros", values.at("zeros"));
    REQUIRE(fixture.store->merge_now());
    CHECK(fixture.contents() == values);
    round == 1 ? fixture.reopen() : fixture.crash_process();
  }
}

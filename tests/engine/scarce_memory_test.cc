#include "tests/engine/scarce_memory.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <vector>

#include "engine/bitcask_core.h"
#include "engine/snapshot_scan.h"
#include "tests/engine/faulty_file.h"
#include "tests/engine/open_core.h"

using namespace respcask::engine;

namespace {

constexpr size_t kLarge = 100'000;  // what is refused

// True if it ended for want of memory.
template <class Call>
bool runs_out(Call call) {
  const ScarceMemory scarce({.least_bytes = kLarge});
  try {
    (void)call();
  } catch (const std::bad_alloc&) {
    return true;
  }
  return false;
}

}  // namespace

TEST_CASE("a change that there is no memory for is not made, and the store goes on") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kNo);
  const std::string small = "small";
  const std::string large(2 * kLarge, 'x');
  REQUIRE(core->put({"key", "old", 0}));
  CHECK(runs_out([&] { return core->put({"key", large, 0}); }));
  CHECK(*core->get("key") == "old");
  REQUIRE(core->put({large, "value", 0}));
  CHECK(runs_out([&] { return core->remove(large); }));
  CHECK(runs_out([&] { return core->expire(large, 1); }));
  CHECK(*core->get(large) == "value");
  // Over all shards, with what is large in each of them.
  for (int last = 0; last < 12; ++last) {
    std::vector<std::string> keys;
    for (int i = 0; i < 12; ++i) keys.push_back(fmt::format("batch{}", i));
    std::vector<BitcaskCore::Change> changes;
    for (int i = 0; i < 12; ++i) changes.push_back({keys[size_t(i)], i == last ? large : small, 0});
    CHECK(runs_out([&] { return core->write(changes); }));
    for (const auto& key : keys) CHECK(*core->get(key) == std::nullopt);
  }
  REQUIRE(core->put({"key", large, 0}));
  CHECK(*core->get("key") == large);
  REQUIRE(core->close());
  core = open_core(disk, SyncMode::kNo);
  CHECK(*core->get("key") == large);
  CHECK(*core->get("batch0") == std::nullopt);
}

TEST_CASE("what is kept for a snapshot is had before a change is begun") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kNo);
  const std::string name(kLarge, 'n');
  REQUIRE(core->put({name, "old", 0}));
  auto scan = SnapshotScan::open(core);
  REQUIRE(scan);
  for (uint64_t skip = 0; skip < 4; ++skip) {
    try {
      const ScarceMemory scarce({.least_bytes = kLarge, .skip = skip});
      (void)core->put({name, "new", 0});
    } catch (const std::bad_alloc&) {
    }
    try {
      const ScarceMemory scarce({.least_bytes = kLarge, .skip = skip});
      const BitcaskCore::Change changes[] = {{"a", "new", 0}, {"b", "new", 0}, {name, "new", 0}};
      (void)core->write(changes);
    } catch (const std::bad_alloc&) {
    }
  }
  CHECK(core->get("a"));
  CHECK(core->get(name));
  CHECK(core->put({name, "newer", 0}));
  CHECK(*core->get(name) == "newer");
}

TEST_CASE("a merge that runs out of memory is given up, wherever it has come to") {
  std::mutex mutex;
  std::string said;
  bool is_scarce = true;
  for (uint64_t skip = 0; is_scarce; ++skip) {
    CAPTURE(skip);
    FaultyFileSystem disk;
    Options options = core_options(SyncMode::kNo, 1 << 20);
    options.shards = 1;
    options.merge.bytes_per_second = 0;
    options.log = [&](LogLevel, std::string_view line) {
      std::lock_guard guard(mutex);
      said += fmt::format("{}\n", line);
    };
    auto core = open_core(disk, options);
    std::map<std::string, std::string> model;
    for (int i = 0; i < 60; ++i) {
      const std::string key = fmt::format("key{}", i % 30);
      model[key] = std::string(i % 30 == 7 ? 3 * kLarge : 3000, static_cast<char>('a' + i / 30));
      REQUIRE(core->put({key, model[key], 0}));
    }
    {
      const ScarceMemory scarce(
          {.least_bytes = kLarge, .skip = skip, .times = 1, .thread = "merge"});
      const bool merged = bool(core->merge());
      is_scarce = ScarceMemory::refused() > 0;
      CHECK((merged || is_scarce));
    }
    for (int opened = 0; opened < 2; ++opened) {
      for (const auto& [key, value] : model) CHECK(*core->get(key) == value);
      REQUIRE(core->close());
      core = open_core(disk, options);
      REQUIRE(core->merge());
    }
    for (const auto& [key, value] : model) CHECK(*core->get(key) == value);
  }
  CAPTURE(said);
  CHECK(said.find("given up: there is not enough memory\n") != std::string::npos);
}

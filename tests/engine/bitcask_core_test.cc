#include "engine/bitcask_core.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>
#include <vector>

#include "tests/engine/faulty_file.h"
#include "tests/engine/open_core.h"

using namespace respcask::engine;

TEST_CASE("with kAlways what a call has written or returned survives a power cut") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kAlways);
  for (int i = 0; i < 50; ++i) {
    const std::string key = fmt::format("key{}", i % 5);
    const std::string value = fmt::format("{}", i);
    REQUIRE(core->put({key, value, 0}));
    if (i % 7 == 6) REQUIRE(core->remove(key));
    FaultyFileSystem rest = disk.crash(static_cast<uint64_t>(i), PowerLoss::kDrop);
    auto again = open_core(rest, SyncMode::kAlways);
    CHECK(*again->get(key) == (i % 7 == 6 ? std::nullopt : std::optional(value)));
  }
}

TEST_CASE("after failed syncs of journal and segment kAlways refuses, and nobody waits for ever") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kAlways);
  REQUIRE(core->put({"key", "old", 0}));
  disk.inject({.fault = Fault::kIo, .times = 2, .call = Call::kSync});
  CHECK(core->put({"key", "new", 0}).error().code == ErrorCode::kIo);
  CHECK(core->put({"key", "newer", 0}).error().code == ErrorCode::kReadOnly);
}

TEST_CASE("what failed to be written is nothing that anybody is shown, and no damage") {
  for (const size_t size : {10, 1 << 20}) {
    CAPTURE(size);
    FaultyFileSystem disk;
    auto core = open_core(disk, SyncMode::kNo);
    REQUIRE(core->put({"key", "old", 0}));
    REQUIRE(core->put({"{key}2", "old", 0}));
    disk.inject({.fault = Fault::kIo, .times = 1, .call = Call::kWrite});
    CHECK_FALSE(core->put({"key", std::string(size, 'n'), 0}));
    CHECK(core->get("key").error().code == ErrorCode::kReadOnly);
    CHECK(*core->get("{key}2") == "old");
  }
}

TEST_CASE("a full disk refuses puts and batches whole, and still takes removals") {
  FaultyFileSystem disk;
  auto core = open_core(disk, SyncMode::kNo);
  REQUIRE(core->put({"key", "old", 0}));
  REQUIRE(core->put({"other", "old", 0}));
  disk.set_capacity(disk.used());
  const std::string large(2 << 20, 'x');
  CHECK(core->put({"key", large, 0}).error().code == ErrorCode::kNoSpace);
  for (int i = 0; i < 8; ++i) {  // whichever shard lacks the room
    const std::string big = fmt::format("big{}", i);
    const BitcaskCore::Change changes[] = {{"other", {}, 0}, {"a", "1", 0}, {big, large, 0}};
    CHECK(core->write(changes).error().code == ErrorCode::kNoSpace);
    CHECK(*core->get(big) == std::nullopt);
  }
  CHECK(*core->get("key") == "old");
  CHECK(*core->get("other") == "old");
  CHECK(*core->get("a") == std::nullopt);
  CHECK(*core->remove("other"));
  CHECK(*core->get("other") == std::nullopt);
}

TEST_CASE("a batch over shards is there whole or not at all after a power cut at any call") {
  const std::vector<std::string> names = {"a", "b", "c", "d", "e", "f"};
  for (PowerLoss mode : {PowerLoss::kDrop, PowerLoss::kKeep, PowerLoss::kTearSectors}) {
    for (uint64_t skip = 0;; ++skip) {
      CAPTURE(skip);
      FaultyFileSystem disk;
      uint64_t done = 0;
      bool survived = false;
      {
        auto core = open_core(disk, SyncMode::kNo);
        disk.inject({.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
        for (uint64_t round = 1; round <= 6; ++round) {
          std::vector<BitcaskCore::Change> changes;
          const std::string value = fmt::format("{}", round);
          for (const auto& name : names) changes.push_back({name, value, 0});
          const bool written = bool(core->write(changes));
          if (!written || (round % 2 == 0 && !core->sync())) break;
          if (round % 2 == 0) done = round;
        }
        survived = disk.faults() == 0;
      }
      FaultyFileSystem rest = disk.crash(skip, mode);
      auto core = open_core(rest, SyncMode::kNo);
      const auto first = core->get(names[0]);
      REQUIRE(first);
      for (const auto& name : names) {
        const auto value = core->get(name);
        REQUIRE(value);
        CHECK(*value == *first);
      }
      CHECK((*first ? std::stoull(**first) : 0) >= done);
      if (survived) break;
    }
  }
}

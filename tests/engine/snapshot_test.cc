#include "engine/snapshot_scan.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <optional>
#include <random>
#include <string>

#include "engine/bitcask_core.h"
#include "tests/engine/faulty_file.h"

using namespace respcask::engine;

namespace {

struct Core {
  explicit Core(FileSystem& files, uint32_t shards = 3) {
    Options options;
    options.dir = "/store";
    options.files = &files;
    options.shards = shards;
    options.segment_bytes = 8 * 1024;
    options.merge.bytes_per_second = 0;
    auto opened = BitcaskCore::open(options);
    if (!opened) FAIL(opened.error().message);
    core = *opened;
  }
  void put(std::string_view key, std::string_view value, int64_t expiry_ms = 0) {
    REQUIRE(core->put({key, value, expiry_ms}));
  }
  std::unique_ptr<SnapshotScan> snapshot() {
    auto scan = SnapshotScan::open(core);
    REQUIRE(scan);
    return *std::move(scan);
  }
  size_t keys() {
    size_t sum = 0;
    for (uint32_t i = 0; i < core->store().shard_count(); ++i) {
      std::lock_guard guard(core->store().shard(i));
      sum += core->store().shard(i).keydir(0).size();
    }
    return sum;
  }
  std::shared_ptr<BitcaskCore> core;
};

using Map = std::map<std::string, std::string>;

// Takes up to `keys` more into `all`. False at the end.
bool walk(SnapshotScan& scan, Map& all, size_t keys) {
  for (size_t i = 0; i < keys; ++i) {
    auto found = scan.next();
    if (!found) return false;
    auto value = scan.read(*found);
    if (!value) FAIL(value.error().message);
    CHECK(all.emplace(found->key, *value).second);  // each once
  }
  return true;
}

void change_randomly(Core& core, Map& model, std::mt19937_64& random, int changes, uint64_t keys) {
  for (int i = 0; i < changes; ++i) {
    const std::string key = fmt::format("key{}", random() % keys);
    const std::string value(random() % 120, static_cast<char>('a' + random() % 26));
    switch (random() % 8) {
      case 0:
        REQUIRE(core.core->remove(key));
        model.erase(key);
        break;
      case 1: {
        const std::string other = fmt::format("key{}", random() % keys);
        const BitcaskCore::Change together[] = {{key, value, 0}, {other, {}, 0}};
        REQUIRE(core.core->write(together));
        model[key] = value;
        model.erase(other);
        break;
      }
      case 2:
        REQUIRE(core.core->expire(key, random() % 2 == 0 ? 1 : 5'000'000'000'000));
        if (auto expiry = core.core->expiry(key); !*expiry) model.erase(key);
        break;
      default:
        core.put(key, value);
        model[key] = value;
    }
  }
}

}  // namespace

TEST_CASE("a snapshot holds what was there at its instant, whatever is written meanwhile") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  for (uint64_t round = 0; round < 12; ++round) {
    CAPTURE(round);
    std::mt19937_64 random(seed + round);
    FaultyFileSystem disk;
    Core core(disk);
    Map model;
    change_randomly(core, model, random, 2000, 1500);
    auto one = core.snapshot();
    const Map at_one = model;
    Map seen_by_one;
    change_randomly(core, model, random, 500, 3000);
    walk(*one, seen_by_one, random() % 400);
    auto two = core.snapshot();
    const Map at_two = model;
    Map seen_by_two;
    bool more = true;
    while (more) {
      change_randomly(core, model, random, 200, 3000);
      if (random() % 4 == 0) REQUIRE(core.core->merge());
      more = walk(*one, seen_by_one, 150);
      more = walk(*two, seen_by_two, 150) || more;
    }
    CHECK(seen_by_one == at_one);
    CHECK(seen_by_two == at_two);
    Map seen_last;
    walk(*core.snapshot(), seen_last, SIZE_MAX);
    CHECK(seen_last == model);
  }
}

TEST_CASE("a snapshot survives that the keydir shrinks and grows under it") {
  FaultyFileSystem disk;
  Core core(disk, 1);
  Map model;
  for (int i = 0; i < 6000; ++i) {
    const std::string key = fmt::format("key{}", i);
    core.put(key, key);
    model[key] = key;
  }
  auto scan = core.snapshot();
  Map seen;
  walk(*scan, seen, 2000);
  for (int i = 0; i < 5900; ++i) REQUIRE(core.core->remove(fmt::format("key{}", i)));
  walk(*scan, seen, 1000);
  for (int i = 0; i < 9000; ++i) core.put(fmt::format("key{}", i), "new");
  walk(*scan, seen, SIZE_MAX);
  CHECK(seen == model);
}

TEST_CASE("what expires during the walk was there at the instant, what had expired was not") {
  FaultyFileSystem disk;
  Core core(disk);
  const int64_t now = BitcaskCore::now_ms();
  core.put("soon", "1", now + 100);
  core.put("past", "2", now - 1);
  core.put("later", "3", now + 1'000'000);
  auto scan = core.snapshot();
  for (int i = 0; i < 500 && core.keys() > 1; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  Map seen;
  while (auto found = scan->next()) {
    seen[found->key] = *scan->read(*found);
    CHECK(found->expiry_ms == (found->key == "soon" ? now + 100 : now + 1'000'000));
  }
  CHECK(seen == Map{{"later", "3"}, {"soon", "1"}});
}

TEST_CASE("a snapshot that is given up costs nothing afterwards") {
  FaultyFileSystem disk;
  Core core(disk);
  for (int i = 0; i < 500; ++i) core.put(fmt::format("key{}", i), "old");
  for (int round = 0; round < 3; ++round) {
    auto scan = core.snapshot();
    Map seen;
    walk(*scan, seen, 100);
    for (int i = 0; i < 500; ++i) core.put(fmt::format("key{}", i), "new");
  }
  auto scan = core.snapshot();
  REQUIRE(core.core->close());
  CHECK(core.core->closed());
}

TEST_CASE(
    "a snapshot that outlives close leaves a store alone that is put into the directory later") {
  FaultyFileSystem disk;
  auto store = std::make_optional<Core>(disk, 1);
  for (int i = 0; i < 500; ++i) store->put(fmt::format("key{}", i), "old");
  REQUIRE(store->core->close());
  std::map<std::string, std::string> saved;
  for (const std::string& name : *disk.list("/store/shard-00")) {
    saved["/store/shard-00/" + name] = disk.contents("/store/shard-00/" + name);
  }
  store.emplace(disk, 1);
  auto scan = store->snapshot();
  const auto found = scan->next();
  REQUIRE(found);
  for (int i = 0; i < 500; ++i) store->put(fmt::format("key{}", i), "new");
  REQUIRE(store->core->merge());
  CHECK(*scan->read(*found) == "old");
  REQUIRE(store->core->close());
  for (const auto& file : saved) {
    const std::string& path = file.first;
    CAPTURE(path);
    CHECK_FALSE(*disk.stat(path));  // merged away, though the snapshot still has it
    disk.set_contents(path, file.second);
  }
  scan.reset();
  store.reset();
  for (const auto& file : saved) {
    const std::string& path = file.first;
    CAPTURE(path);
    CHECK(*disk.stat(path));
  }
}

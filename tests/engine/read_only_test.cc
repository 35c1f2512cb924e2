#include <doctest/doctest.h>
#include <fmt/format.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <tuple>

#include "engine/bitcask_core.h"
#include "tests/engine/directory.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

// Every call that could change a disk.
constexpr Call kWritingCalls[] = {Call::kCreate,          Call::kWrite,           Call::kSync,
                                  Call::kReserve,         Call::kTruncate,        Call::kRename,
                                  Call::kCreateDirectory, Call::kRemoveDirectory, Call::kLink,
                                  Call::kUnlink,          Call::kSyncDirectory};

uint64_t writing_calls(const FaultyFileSystem& disk) {
  uint64_t sum = 0;
  for (Call call : kWritingCalls) sum += disk.calls(call);
  return sum;
}

Options small_segments(FileSystem* files) {
  Options options;
  options.dir = "/store";
  options.files = files;
  options.shards = 2;
  options.segment_bytes = 8 * 1024;
  options.merge.bytes_per_second = 0;
  return options;
}

std::map<std::string, std::string> contents(Store& store) {
  std::map<std::string, std::string> all;
  for (uint32_t i = 0; i < store.shard_count(); ++i) {
    Shard& shard = store.shard(i);
    std::lock_guard guard(shard);
    uint64_t cursor = 0;
    do {
      cursor = shard.keydir(0).scan(cursor, [&](std::string_view key, const KeydirEntry& entry) {
        all[std::string(key)] = *fetch(shard.cold_read(entry.where, entry.value_size));
      });
    } while (cursor != 0);
  }
  return all;
}

// Name, size, time of change and contents of all that is in a directory.
using Listing = std::map<std::string, std::tuple<uintmax_t, int64_t, std::string>>;
Listing list(const std::filesystem::path& directory) {
  Listing all;
  auto add = [&](const std::filesystem::path& path) {
    std::string bytes;
    if (std::filesystem::is_regular_file(path)) {
      std::ifstream file(path, std::ios::binary);
      bytes.assign(std::istreambuf_iterator<char>(file), {});
    }
    const auto changed = std::filesystem::last_write_time(path).time_since_epoch().count();
    all[path] = {bytes.size(), changed, bytes};
  };
  add(directory);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    add(entry.path());
  }
  return all;
}

}  // namespace

TEST_CASE("a read-only open changes nothing, in whatever state a crash has left the store") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (int round = 0; round < 80; ++round) {
    CAPTURE(round);
    FaultyFileSystem written;
    // What a power cut leaves in the middle of writing, sealing, hinting and merging.
    auto fixture = std::make_unique<StoreFixture>(FaultyFileSystem(), small_segments(nullptr));
    fixture->disk->inject({.fault = Fault::kPowerOff, .skip = random() % 1500, .times = kForever});
    for (int i = 0; i < 1200 && fixture->disk->faults() == 0; ++i) {
      const std::string key = fmt::format("key{}", random() % 60);
      const std::string value(random() % 100, 'v');
      Shard& shard = fixture->store->shard(fixture->store->shard_of(key));
      ShardSet set;
      set.add(shard.index());
      {
        std::lock_guard guard(shard);
        if (!shard.reserve(1024, Growth::kGrows)) break;
        const std::string_view piece = value;
        shard.begin_batch();
        shard.put(0, key, shard.hash(key), 0, 0, {&piece, 1});
        shard.end_batch(nullptr);
      }
      if (!fixture->store->commit(set)) break;
      if (i % 300 == 299) (void)fixture->store->merge_now();
    }
    const auto mode = static_cast<PowerLoss>(round % 3);
    FaultyFileSystem left = fixture->disk->crash(random(), mode);
    FaultyFileSystem twin = left.crash_process();
    fixture.reset();

    const uint64_t before = writing_calls(left);
    std::map<std::string, std::string> seen;
    {
      Options options = small_segments(&left);
      options.read_only = true;
      auto store = Store::open(options);
      REQUIRE(store);
      seen = contents(**store);
      REQUIRE((*store)->sync());
      {
        std::lock_guard guard((*store)->shard(0));
        auto refused = (*store)->shard(0).reserve(1, Growth::kShrinks);
        CHECK((!refused && refused.error().code == ErrorCode::kReadOnly));
      }
      REQUIRE((*store)->close());
    }
    CHECK(writing_calls(left) == before);

    // And it sees what a writer would.
    auto writer = Store::open(small_segments(&twin));
    REQUIRE(writer);
    CHECK(contents(**writer) == seen);
  }
}

TEST_CASE("a read-only open changes no byte and no time on the real disk") {
  Directory directory;
  const std::filesystem::path dir = directory.path / "store";
  const std::filesystem::path copy = directory.path / "copy";
  {
    Options options = small_segments(nullptr);
    options.dir = dir;
    auto core = BitcaskCore::open(options);
    REQUIRE(core);
    for (int i = 0; i < 600; ++i) {
      REQUIRE((*core)->put({fmt::format("key{}", i % 200), fmt::format("{}", i), 0}));
    }
    // As kill -9 would leave it.
    std::filesystem::copy(dir, copy, std::filesystem::copy_options::recursive);
  }
  std::ofstream(copy / "shard-00/00000001.2.seg.tmp") << "a merge was cut off";
  std::ofstream(copy / "shard-01/00000099.hint") << "of no segment";
  std::string newest;
  for (const auto& entry : std::filesystem::directory_iterator(copy / "shard-00")) {
    if (entry.path().extension() == ".seg") newest = std::max(newest, entry.path().string());
  }
  std::ofstream(newest, std::ios::app) << "a torn tail";
  using std::filesystem::perms;
  constexpr perms kReading = perms::owner_read | perms::owner_exec;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(copy)) {
    std::filesystem::permissions(entry.path(), kReading);
  }
  std::filesystem::permissions(copy, kReading);

  const Listing before = list(copy);
  for (const auto& path : {copy, dir}) {
    Options options = small_segments(nullptr);
    options.dir = path;
    options.read_only = true;
    auto core = BitcaskCore::open(options);
    REQUIRE(core);
    for (int i = 0; i < 200; ++i) {
      CHECK(*(*core)->get(fmt::format("key{}", i)) == fmt::format("{}", 400 + i));
    }
    auto is_refused = [](const auto& result) {
      return !result && result.error().code == ErrorCode::kReadOnly;
    };
    CHECK(is_refused((*core)->put({"key1", "new", 0})));
    CHECK(is_refused((*core)->remove("key1")));
    CHECK(is_refused((*core)->expire("key1", 1)));
    const BitcaskCore::Change changes[] = {{"key1", "new", 0}, {"key2", {}, 0}};
    CHECK(is_refused((*core)->write(changes)));
    CHECK(is_refused((*core)->merge()));
    REQUIRE((*core)->sync());
    std::this_thread::sleep_for(std::chrono::milliseconds(250));  // the background's turn
    REQUIRE((*core)->close());
  }
  CHECK(list(copy) == before);
  for (const auto& entry : std::filesystem::recursive_directory_iterator(copy)) {
    std::filesystem::permissions(entry.path(), perms::owner_all);
  }
  std::filesystem::permissions(copy, perms::owner_all);
}

TEST_CASE("a store with more databases than it is opened with keeps them all") {
  StoreFixture fixture(FaultyFileSystem(), small_segments(nullptr));
  auto reopen_with = [&](uint32_t databases) {
    fixture.options.databases = databases;
    fixture.reopen();
  };
  fixture.put("zero", "0");
  fixture.put("three", "3", 3);
  fixture.put("nine", "9", 9);
  fixture.flush(5);
  fixture.put("five", "5", 5);
  fixture.swap(9, 11);
  for (int round = 0; round < 3; ++round) {
    reopen_with(1);
    CHECK(fixture.contents(0) == std::map<std::string, std::string>{{"zero", "0"}});
    for (int i = 0; i < 300; ++i) fixture.put("zero", "0");
    REQUIRE(fixture.store->merge_now());
    reopen_with(16);
    CHECK(fixture.get("three", 3) == "3");
    CHECK(fixture.get("five", 5) == "5");
    CHECK(fixture.get("nine", 11) == "9");
    CHECK(fixture.contents(9).empty());
  }
  // And a swap with one that it was not opened with.
  reopen_with(16);
  fixture.swap(0, 3);
  reopen_with(1);
  CHECK(fixture.contents(0) == std::map<std::string, std::string>{{"three", "3"}});
  REQUIRE(fixture.store->merge_now());
  reopen_with(16);
  CHECK(fixture.get("zero", 3) == "0");
}

TEST_CASE("a store with collections is refused, unharmed, where nothing can index them") {
  // An index that takes everything in.
  class Index final : public ElementIndex {
   public:
    std::optional<ElementLocation> recover_put(std::string_view, Location, uint32_t) override {
      ++elements;
      return {};
    }
    std::optional<ElementLocation> recover_remove(std::string_view) override { return {}; }
    bool is_live(std::string_view, Location) const override { return true; }
    bool contains(std::string_view) const override { return true; }
    bool relocate(std::string_view, Location, Location) override { return true; }
    void for_each(const std::function<void(const ElementLocation&)>&) const override {}
    size_t memory_bytes() const override { return 0; }
    int elements = 0;
  };
  StoreFixture fixture(FaultyFileSystem(), small_segments(nullptr));
  fixture.options.element_index = [](uint8_t) { return std::make_unique<Index>(); };
  fixture.reopen();
  fixture.change("list", [](Shard& shard, uint64_t hash) {
    const uint64_t id = shard.put_split(0, "list", hash, 1, 0, "header").collection;
    const std::string_view payload = "payload";
    shard.put_element(id, 1, "element", {&payload, 1});
    return true;
  });
  REQUIRE(fixture.store->close());
  for (const bool read_only : {true, false}) {
    Options options = small_segments(fixture.disk.get());
    options.read_only = read_only;
    auto core = BitcaskCore::open(options);
    REQUIRE_FALSE(core);
    CHECK(core.error().code == ErrorCode::kFormat);
  }
  fixture.store.reset();
  fixture.reopen();
  Shard& shard = fixture.store->shard(fixture.store->shard_of("list"));
  const auto entry = shard.find(0, "list", shard.hash("list"));
  REQUIRE(entry);
  CHECK(dynamic_cast<Index&>(shard.collection(entry->collection)).elements == 1);
}

TEST_CASE("the library lists a key that is no string, and reading it is an error") {
  StoreFixture fixture(FaultyFileSystem(), small_segments(nullptr));
  fixture.change("packed", [](Shard& shard, uint64_t hash) {
    const std::string_view value = "a list in one record";
    return shard.put(0, "packed", hash, 1, 0, {&value, 1});
  });
  REQUIRE(fixture.store->close());
  auto core = BitcaskCore::open(small_segments(fixture.disk.get()));
  REQUIRE(core);
  auto value = (*core)->get("packed");
  REQUIRE_FALSE(value);
  CHECK(value.error().code == ErrorCode::kFormat);
  REQUIRE((*core)->close());
}

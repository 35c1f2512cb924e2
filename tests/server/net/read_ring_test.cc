#include "server/net/read_ring.h"

#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "engine/segment.h"
#include "server/session.h"
#include "tests/engine/directory.h"
#include "tests/engine/faulty_file.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

// Counts how often it was told to go on.
class CountingCarrier final : public Carrier {
 public:
  void resume() override { ++resumed; }
  void push(std::string_view) override {}
  void close(bool) override {}
  ClientBuffers buffers() const override { return {}; }
  void take_pushes(std::string&) override {}
  std::atomic<int> resumed{0};
};

// A store on a disk, its reader pool, and a ring. `ring` is null where the system has none.
struct Rig {
  explicit Rig(engine::FileSystem* files = nullptr) : h({}, {}, files) {
    REQUIRE(pool.start(1));
    ring = ReadRing::open(pool);
    if (!ring) MESSAGE("no io_uring here: nothing is tested");
  }
  ~Rig() {
    ring.reset();
    pool.stop();
  }

  std::unique_ptr<FetchedValue> cold(const std::string& name) {
    const KeyRef key = h.server->key(name, 0);
    engine::Shard& shard = h.store->shard(key.shard);
    const auto entry = shard.find(0, name, key.hash);
    REQUIRE(entry);
    auto value = std::make_unique<FetchedValue>();
    value->read = shard.cold_read(entry->where, entry->value_size);
    value->shard = key.shard;
    value->key = name;
    return value;
  }
  std::shared_ptr<Parked> park(const std::vector<std::string>& names) {
    std::vector<std::unique_ptr<FetchedValue>> values;
    for (const std::string& name : names) values.push_back(cold(name));
    auto parked = std::make_shared<Parked>(std::move(values));
    pool.add(batch, parked, link);
    return parked;
  }
  // As a loop does: it reaps when the descriptor says so and at no other time. False: it took
  // longer than ten seconds.
  bool wait_for(const Parked& parked) {
    for (int round = 0; round < 1000 && parked.missing != 0; ++round) {
      pollfd ready{ring->descriptor(), POLLIN, 0};
      if (::poll(&ready, 1, 10) == 1) ring->reap();
    }
    return parked.missing == 0;
  }

  Harness h;
  ReaderPool pool;
  CountingCarrier carrier;
  std::shared_ptr<Link> link = std::make_shared<Link>(carrier);
  FetchBatch batch;
  std::unique_ptr<ReadRing> ring;
};

// The same on a real disk, with values of which nothing is in memory. `usable` is false where they
// cannot be read past the page cache.
struct ColdRig : Rig {
  using Values = std::map<std::string, std::string>;
  explicit ColdRig(const Values& values) {
    h.place = disk.path;
    h.restart();
    for (const auto& [name, value] : values) h.run({"SET", name, value});
    h.restart();  // so that no mapping holds on to pages
    for (const auto& [name, value] : values) names.push_back(name);
    for (const std::string& name : names) {
      engine::File& file = cold(name)->read.segment->file();
      REQUIRE(file.drop_cache(0, 0));
      usable = ring && file.direct().descriptor >= 0;
    }
    if (!usable) MESSAGE("no reads past the page cache here: nothing is tested");
  }
  // Reads all.
  std::shared_ptr<Parked> read(bool past_cache) {
    const auto parked = park(names);
    for (const auto& value : parked->values) value->read.past_cache = past_cache;
    ring->submit(batch);
    REQUIRE(wait_for(*parked));
    return parked;
  }
  static bool in_memory(const FetchedValue& value) {
    constexpr uint64_t kPage = engine::ResidencyMap::kPageSize;
    const std::vector<uint8_t> pages = value.read.segment->ask_residency();
    return pages.at((value.read.where.offset() + value.read.bytes() - 1) / kPage) != 0;
  }

  engine::Directory disk;
  std::vector<std::string> names;
  bool usable = false;
};

std::string value_of(int i) {
  return "value " + std::to_string(i) + std::string(static_cast<size_t>(i), '.');
}

TEST_CASE("read ring: all values of a batch are read, more than the ring holds at once") {
  constexpr int kValues = 1000;
  Rig rig;
  if (!rig.ring) return;
  std::vector<std::string> names;
  for (int i = 0; i < kValues; ++i) {
    names.push_back("k" + std::to_string(i));
    rig.h.run({"SET", names.back(), value_of(i)});
  }
  const auto parked = rig.park(names);
  CHECK(rig.pool.waiting() == kValues);
  rig.ring->submit(rig.batch);
  CHECK(rig.batch.empty());
  REQUIRE(rig.wait_for(*parked));
  CHECK(rig.carrier.resumed == 1);
  CHECK(rig.pool.waiting() == 0);
  CHECK(rig.pool.fetched() == kValues);
  for (const auto& value : parked->values) {
    CHECK(value->state == FetchedValue::State::kReady);
    CHECK(value->bytes == value_of(std::stoi(value->key.substr(1))));
  }
}

TEST_CASE("read ring: who waits for several values is told once, when the last is read") {
  Rig rig;
  if (!rig.ring) return;
  rig.h.run("MSET a 1 b 2 c 3");
  const auto both = rig.park({"a", "b"});
  const auto one = rig.park({"c"});
  rig.ring->submit(rig.batch);
  REQUIRE(rig.wait_for(*both));
  REQUIRE(rig.wait_for(*one));
  CHECK(rig.carrier.resumed == 2);
}

TEST_CASE("read ring: a damaged value and one that the file cuts short are told as damaged") {
  Rig rig;
  if (!rig.ring) return;
  rig.h.run({"SET", "bad", std::string(1000, 'x')});
  rig.h.run("SET good 1");
  const auto parked = rig.park({"bad", "good"});
  const FetchedValue& bad = *parked->values[parked->values[0]->key == "bad" ? 0 : 1];
  std::FILE* file = std::fopen(bad.read.segment->path().c_str(), "r+b");
  REQUIRE(file != nullptr);
  std::fseek(file, static_cast<long>(bad.read.where.offset()) + 500, SEEK_SET);
  std::fputc('y', file);
  std::fclose(file);
  auto beyond = rig.cold("good");
  beyond->read.value_size = 30'000;  // the file ends before
  std::vector<std::unique_ptr<FetchedValue>> values;
  values.push_back(std::move(beyond));
  const auto cut = std::make_shared<Parked>(std::move(values));
  rig.pool.add(rig.batch, cut, rig.link);
  rig.ring->submit(rig.batch);
  REQUIRE(rig.wait_for(*parked));
  REQUIRE(rig.wait_for(*cut));
  CHECK(bad.state == FetchedValue::State::kDamaged);
  CHECK(cut->values[0]->state == FetchedValue::State::kDamaged);
  CHECK(rig.carrier.resumed == 2);
}

TEST_CASE("read ring: a large value is left to the pool") {
  Rig rig;
  if (!rig.ring) return;
  const std::string large(64 * 1024, 'x');  // more, and it would lie in chunks
  rig.h.run({"SET", "large", large});
  rig.h.run("SET small 1");
  const auto parked = rig.park({"large", "small"});
  rig.ring->submit(rig.batch);
  REQUIRE(rig.wait_for(*parked));
  for (const auto& value : parked->values) {
    CHECK(value->bytes == (value->key == "large" ? large : "1"));
  }
}

TEST_CASE("read ring: what is read past the page cache is the value, and stays out of memory") {
  std::map<std::string, std::string> values = {{"large", std::string(50'000, 'x')}};
  for (int i = 0; i < 600; ++i) values["k" + std::to_string(i)] = value_of(i);
  ColdRig rig(values);
  if (!rig.usable) return;
  const auto past_cache = rig.read(true);
  for (const auto& value : past_cache->values) {
    CHECK(value->state == FetchedValue::State::kReady);
    CHECK(value->bytes == values[value->key]);
    CHECK_FALSE(rig.in_memory(*value));
  }
  const auto through_cache = rig.read(false);
  for (const auto& value : through_cache->values) {
    CHECK(value->bytes == values[value->key]);
    CHECK(rig.in_memory(*value));
  }
}

TEST_CASE("read ring: of many reads that have ended some are taken up at a time") {
  std::map<std::string, std::string> values;
  for (int i = 0; i < 40; ++i) values["k" + std::to_string(i)] = value_of(i);
  ColdRig rig(values);
  if (!rig.usable) return;
  std::vector<std::shared_ptr<Parked>> all;
  for (const std::string& name : rig.names) {
    all.push_back(rig.park({name}));
    all.back()->values[0]->read.past_cache = true;
  }
  rig.ring->submit(rig.batch);
  // Long enough for all to end, as a rule.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  for (int taken = 0; taken < 40;) {
    pollfd ready{rig.ring->descriptor(), POLLIN, 0};
    REQUIRE(::poll(&ready, 1, 10'000) == 1);
    rig.ring->reap();
    CHECK(rig.carrier.resumed > taken);
    CHECK(rig.carrier.resumed <= taken + 16);
    taken = rig.carrier.resumed;
  }
}

// The kernel begins a read through the page cache again if the page is gone when it has come.
TEST_CASE("read ring: reads of pages that go as they come are not forgotten") {
  std::map<std::string, std::string> values;
  for (int i = 0; i < 500; ++i) values["k" + std::to_string(i)] = std::string(4096, 'x');
  ColdRig rig(values);
  if (!rig.usable) return;
  const engine::ColdRead any = rig.cold(rig.names[0])->read;
  std::atomic<bool> ended{false};
  std::thread forgetful([&] {
    while (!ended) std::ignore = any.segment->file().drop_cache(0, 0);
  });
  bool all_read = true;
  for (int round = 0; all_read && round < 20; ++round) {
    std::vector<std::shared_ptr<Parked>> all;
    for (const std::string& name : rig.names) all.push_back(rig.park({name}));
    rig.ring->submit(rig.batch);
    for (const auto& parked : all) all_read = all_read && rig.wait_for(*parked);
  }
  ended = true;
  forgetful.join();
  CHECK(all_read);
}

TEST_CASE("read ring: what was written and not written back yet is read past the page cache too") {
  ColdRig rig(ColdRig::Values{{"a", "1"}});
  if (!rig.usable) return;
  rig.h.run("SET a 2");
  CHECK(rig.read(true)->values[0]->bytes == "2");
}

TEST_CASE("read ring: damage is found past the page cache as well") {
  ColdRig rig(ColdRig::Values{{"bad", std::string(1000, 'x')}, {"good", "1"}});
  if (!rig.usable) return;
  const auto bad = rig.cold("bad");
  auto file = *engine::posix_file_system().open(bad->read.segment->path());
  REQUIRE(file->write_at(bad->read.where.offset() + 500, "y"));
  const auto parked = rig.read(true);
  for (const auto& value : parked->values) {
    CHECK(value->state ==
          (value->key == "bad" ? FetchedValue::State::kDamaged : FetchedValue::State::kReady));
  }
}

TEST_CASE("read ring: what a file that is too short does not hold is damaged past the cache too") {
  ColdRig rig(ColdRig::Values{{"a", std::string(1000, 'x')}});
  if (!rig.usable) return;
  const auto cut = rig.cold("a");
  auto file = *engine::posix_file_system().open(cut->read.segment->path());
  REQUIRE(file->truncate(cut->read.where.offset() + cut->read.bytes() - 1));
  CHECK(rig.read(true)->values[0]->state == FetchedValue::State::kDamaged);
}

TEST_CASE("read ring: a file that cannot be read past the page cache is read through it") {
  Rig rig;  // in memory
  if (!rig.ring) return;
  rig.h.run("SET a 1");
  const auto parked = rig.park({"a"});
  parked->values[0]->read.past_cache = true;
  rig.ring->submit(rig.batch);
  REQUIRE(rig.wait_for(*parked));
  CHECK(parked->values[0]->bytes == "1");
}

TEST_CASE("read ring: values in files that the system does not know are left to the pool") {
  engine::FaultyFileSystem disk;
  Rig rig(&disk);
  if (!rig.ring) return;
  rig.h.run("SET a 1");
  const auto parked = rig.park({"a"});
  rig.ring->submit(rig.batch);
  REQUIRE(rig.wait_for(*parked));
  CHECK(parked->values[0]->bytes == "1");
}

TEST_CASE("read ring: it may go while reads are under way") {
  Rig rig;
  if (!rig.ring) return;
  rig.h.run("SET a 1");
  for (int i = 0; i < 1000; ++i) rig.park({"a"});
  rig.ring->submit(rig.batch);
  rig.ring.reset();
  CHECK(rig.pool.fetched() < 1000);
}

}  // namespace
}  // namespace respcask::server::testing

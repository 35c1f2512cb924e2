#include "engine/scrub.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <cstring>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "engine/store.h"
#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

namespace {

// A sealed segment with batches of one and of many records.
struct SegmentFixture {
  SegmentFixture() {
    options.dir = "/store";
    options.shards = 1;
    options.segment_bytes = 64 * 1024;
    StoreFixture fixture(FaultyFileSystem(), options);
    for (int i = 0; i < 40; ++i) fixture.put(fmt::format("key{}", i), std::string(700, 'v'));
    fixture.change("many", [](Shard& shard, uint64_t) {
      for (int i = 0; i < 50; ++i) {
        const std::string key = fmt::format("many{}", i);
        const std::string_view value = "value";
        shard.put(0, key, shard.hash(key), 0, 0, {&value, 1});
      }
      return true;
    });
    // With something in it that a batch could begin with.
    std::string large(2'500'000, 'l');
    std::memcpy(&large[1'000'000], &kBatchMarker, sizeof kBatchMarker);
    fixture.put("large", large);
    fixture.remove("key1");
    fixture.set_expiry("key2", 7'000'000'000'000);
    REQUIRE(fixture.store->close());
    disk = std::move(fixture.disk);
    fixture.store.reset();
    bytes = disk->contents(path);
  }

  // What a scrub says of the segment.
  std::vector<std::string> scrub() {
    auto segment = Segment::open(*disk, path, false, kSegmentHeaderSize);
    REQUIRE(segment);
    std::vector<std::string> found;
    Scrub::Hooks hooks;
    hooks.damaged = [&](const std::string& what) { found.push_back(what); };
    hooks.pace = [&](uint64_t size) {
      read += size;
      return true;
    };
    const Scrub::Report report = Scrub(**segment, hooks).run();
    CHECK(report.damaged == found.size());
    return found;
  }

  Options options;
  std::unique_ptr<FaultyFileSystem> disk;
  const std::string path = "/store/shard-00/00000001.seg";
  std::string bytes;
  uint64_t read = 0;
};

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a scrub reads every byte once and says nothing of a whole segment") {
  SegmentFixture segment;
  CHECK(segment.scrub().empty());
  CHECK(segment.read >= segment.bytes.size() - kSegmentHeaderSize);
  CHECK(segment.read <= segment.bytes.size());
}

TEST_CASE("a scrub finds each flipped bit, wherever it is") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  SegmentFixture segment;
  for (int i = 0; i < 60; ++i) {
    const uint64_t bit =
        kSegmentHeaderSize * 8 + random() % ((segment.bytes.size() - kSegmentHeaderSize) * 8);
    CAPTURE(bit);
    segment.disk->flip_bit(segment.path, bit);
    const auto found = segment.scrub();
    REQUIRE(found.size() == 1);
    CHECK(found[0].starts_with(segment.path + ": "));
    segment.disk->flip_bit(segment.path, bit);
  }
}

TEST_CASE("a scrub names the value that is damaged, and goes on behind damaged batches") {
  SegmentFixture segment;
  const uint64_t value = segment.bytes.find("key7") + 4;  // its checksum
  segment.disk->flip_bit(segment.path, (value + 100) * 8);
  const uint64_t name = segment.bytes.find("key20");
  segment.disk->flip_bit(segment.path, name * 8);
  segment.disk->flip_bit(segment.path, (segment.bytes.find("llll") + 2'000'000) * 8);
  const auto found = segment.scrub();
  REQUIRE(found.size() == 3);
  CHECK(contains(found[0], fmt::format("the value at offset {} does not match", value)));
  CHECK(contains(found[1], "damaged from offset "));
  CHECK(contains(found[2], fmt::format("offset {} does", segment.bytes.find("llll") - 4)));
}

TEST_CASE("behind a damaged batch header a scrub looks for the next to the segment's end") {
  SegmentFixture segment;
  const std::string marker(reinterpret_cast<const char*>(&kBatchMarker), sizeof kBatchMarker);
  const size_t large = segment.bytes.rfind(marker, segment.bytes.find("llll"));
  REQUIRE(segment.bytes.find(marker, large + 4) != std::string::npos);
  segment.disk->flip_bit(segment.path, large * 8);
  const auto found = segment.scrub();
  REQUIRE(found.size() == 1);
  CHECK(contains(found[0], fmt::format("damaged from offset {} ", large - 4)));
}

TEST_CASE("what cannot be read is damage, and no end of the scrub") {
  SegmentFixture segment;
  segment.disk->inject({.fault = Fault::kIo, .skip = 1, .times = 1, .call = Call::kRead});
  const auto found = segment.scrub();
  REQUIRE(!found.empty());
  CHECK(contains(found[0], "Input/output error"));
}

TEST_CASE("a scrub leaves cold pages cold and warm ones warm") {
  SegmentFixture segment;
  auto file = segment.disk->open_read_only(segment.path);
  REQUIRE(file);
  REQUIRE((*file)->drop_cache(0, 0));
  const size_t page = page_size();
  std::string warm(3 * page, '\0');
  REQUIRE((*file)->read_at(5 * page, warm));
  auto mapping = (*file)->map(segment.bytes.size());
  REQUIRE(mapping);
  std::vector<uint8_t> before;
  REQUIRE(mapping->resident(0, segment.bytes.size(), before));
  CHECK(segment.scrub().empty());
  std::vector<uint8_t> after;
  REQUIRE(mapping->resident(0, segment.bytes.size(), after));
  // The header's page was read when the segment was opened.
  before[0] = after[0];
  CHECK(after == before);
}

TEST_CASE("a store scrubs its sealed segments when it is told to, and counts damage once") {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 8 * 1024;
  std::mutex mutex;
  std::string log;
  options.log = [&](LogLevel, std::string_view text) {
    std::lock_guard guard(mutex);
    log += fmt::format("{}\n", text);
  };
  StoreFixture fixture(FaultyFileSystem(), options);
  for (int i = 0; i < 200; ++i) fixture.put(fmt::format("key{}", i), std::string(200, 'v'));
  fixture.reopen();
  const std::string path = "/store/shard-00/00000001.seg";
  const std::string bytes = fixture.disk->contents(path);
  fixture.disk->flip_bit(path, (bytes.find("vvvv") + 50) * 8);
  CHECK(fixture.store->scrub_stats().bytes_read == 0);
  // Some passes before the segments are settled, and some after that.
  uint64_t passes_after = 0;
  for (uint64_t i = 0; i < 10000 && passes_after < 3; ++i) {
    const ScrubStats before = fixture.store->scrub_stats();
    fixture.store->set_scrub_rate((uint64_t{1} << 40) + i);
    while (fixture.store->scrub_stats().passes == before.passes) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    if (before.damaged_places > 0) ++passes_after;
  }
  const ScrubStats stats = fixture.store->scrub_stats();
  CHECK(passes_after == 3);
  CHECK(stats.damaged_places == 1);
  CHECK(stats.bytes_read > 20000);
  std::lock_guard guard(mutex);
  CHECK(contains(log, fmt::format("{}: the value at offset {} does not match its checksum", path,
                                  bytes.find("vvvv") - 4)));
}

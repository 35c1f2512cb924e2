#include "server/types/string_chunks.h"

#include <doctest/doctest.h>

#include <map>
#include <random>
#include <vector>

namespace respcask::server {
namespace {

using engine::ElementLocation;
using engine::Location;

constexpr uint64_t kChunk = StringChunks::kChunkBytes;

std::string name_of(uint32_t chunk) {
  return std::string(StringChunks::Name(chunk).view());
}

TEST_CASE("a string's length is where its last chunk ends") {
  StringChunks chunks;
  CHECK(chunks.length() == 0);
  chunks.put(0, Location::at(1, 100), 10);
  CHECK(chunks.length() == 10);
  chunks.put(7, Location::at(1, 200), 5);
  CHECK(chunks.length() == 7 * kChunk + 5);
  chunks.put(3, Location::at(1, 300), kChunk);
  CHECK(chunks.length() == 7 * kChunk + 5);
  CHECK(chunks.find(4).size == 0);
  CHECK(chunks.find(uint64_t{1} << 50).size == 0);
  chunks.recover_remove(name_of(7));
  CHECK(chunks.length() == 4 * kChunk);
}

TEST_CASE("a chunk far out costs a page, not what lies before it") {
  StringChunks chunks;
  const size_t empty = chunks.memory_bytes();
  chunks.put((512u << 20) / kChunk - 1, Location::at(1, 100), kChunk);
  CHECK(chunks.length() == 512u << 20);
  CHECK(chunks.memory_bytes() - empty < 40'000);
}

TEST_CASE("a full string costs about ten bytes a chunk") {
  StringChunks chunks;
  const uint32_t count = 25'600;  // 100 MB
  for (uint32_t n = 0; n < count; ++n) chunks.put(n, Location::at(1, 100 + n), kChunk);
  CHECK(chunks.memory_bytes() < count * 12);
}

TEST_CASE("recovery takes in the last record of each chunk and leaves out what is no chunk") {
  StringChunks chunks;
  CHECK_FALSE(chunks.recover_put(name_of(2), Location::at(1, 100), 50));
  auto replaced = chunks.recover_put(name_of(2), Location::at(1, 900), 60);
  REQUIRE(replaced);
  CHECK(replaced->where == Location::at(1, 100));
  CHECK(replaced->value_size == 50);
  CHECK(replaced->name_size == 4);
  CHECK(chunks.is_live(name_of(2), Location::at(1, 900)));
  CHECK_FALSE(chunks.is_live(name_of(2), Location::at(1, 100)));

  CHECK_FALSE(chunks.recover_put("abc", Location::at(1, 1), 1));
  CHECK_FALSE(chunks.recover_put(name_of(StringChunks::kMaxChunks), Location::at(1, 1), 1));
  CHECK_FALSE(chunks.recover_put(name_of(1), Location::at(1, 1), kChunk + 1));
  CHECK_FALSE(chunks.recover_put(name_of(1), Location::at(1, 1), 0));
  CHECK_FALSE(chunks.contains("abc"));
  CHECK_FALSE(chunks.contains(name_of(1)));
  CHECK_FALSE(chunks.recover_remove("abc"));
  CHECK(chunks.length() == 2 * kChunk + 60);
}

TEST_CASE("a chunk moves only from where it lies") {
  StringChunks chunks;
  chunks.put(9, Location::at(1, 100), 20);
  CHECK_FALSE(chunks.relocate(name_of(9), Location::at(1, 101), Location::at(2, 5)));
  CHECK_FALSE(chunks.relocate(name_of(8), Location::at(1, 100), Location::at(2, 5)));
  CHECK(chunks.relocate(name_of(9), Location::at(1, 100), Location::at(2, 5)));
  CHECK(chunks.find(9).where == Location::at(2, 5));
  CHECK(chunks.find(9).size == 20);
}

TEST_CASE("the index agrees with a map over random changes") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  StringChunks chunks;
  std::map<uint32_t, std::pair<uint64_t, uint32_t>> model;
  for (int step = 0; step < 20'000; ++step) {
    const auto chunk = static_cast<uint32_t>(random() % 500);
    const auto size = static_cast<uint32_t>(random() % kChunk + 1);
    const uint64_t offset = 64 + random() % 1'000'000;
    const bool remove = random() % 4 == 0;
    const auto old = remove ? chunks.recover_remove(name_of(chunk))
                            : chunks.recover_put(name_of(chunk), Location::at(3, offset), size);
    const auto known = model.find(chunk);
    REQUIRE(old.has_value() == (known != model.end()));
    if (old) CHECK(old->where == Location::at(3, known->second.first));
    if (old) CHECK(old->value_size == known->second.second);
    if (remove) {
      model.erase(chunk);
    } else {
      model[chunk] = {offset, size};
    }
    REQUIRE(chunks.length() ==
            (model.empty() ? 0 : model.rbegin()->first * kChunk + model.rbegin()->second.second));
  }
  std::vector<uint64_t> visited, expected;
  chunks.for_each([&](const ElementLocation& at) { visited.push_back(at.where.offset()); });
  for (const auto& [chunk, value] : model) expected.push_back(value.first);
  CHECK(visited == expected);
}

}  // namespace
}  // namespace respcask::server

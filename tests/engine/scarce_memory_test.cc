#include "tests/engine/scarce_memory.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <map>
#include <mutex>
#include <string>

#include "engine/bitcask_core.h"
#include "tests/engine/faulty_file.h"
#include "tests/engine/open_core.h"

using namespace respcask::engine;

namespace {

constexpr size_t kLarge = 100'000;  // what is refused

}  // namespace

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
  CHECK(said.find("not enough memory; what it replaces is kept") != std::string::npos);
}

#include "engine/load_log.h"

#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

using namespace respcask::engine;
using namespace std::chrono_literals;

TEST_CASE("a load that takes long says how far it is, how fast, and how long it will be") {
  CHECK(load_line(3'200'000, 400'000'000, 1'200'000'000, 2.0) ==
        "Loading: 3200000 records, 400.0 of 1200.0 MB, 1600000 records/s, about 4 s left");
  CHECK(load_line(0, 0, 50'000'000, 1.0) == "Loading: 0 records, 0.0 of 50.0 MB, 0 records/s");
}

TEST_CASE("lines come while it lasts, then a last one; none at all if it is over at once") {
  RecoveryProgress progress;
  progress.total_bytes = 2'000'000;
  progress.bytes = 1'000'000;
  progress.records = 5;
  std::mutex mutex;
  std::vector<std::string> lines;
  const auto sink = [&](std::string_view line) {
    std::lock_guard guard(mutex);
    lines.emplace_back(line);
  };
  { LoadLog log(progress, sink, 10s); }
  CHECK(lines.empty());
  {
    LoadLog log(progress, sink, 1ms);
    for (size_t seen = 0; seen < 2;) {
      std::this_thread::sleep_for(1ms);
      std::lock_guard guard(mutex);
      seen = lines.size();
    }
    progress.bytes = 2'000'000;
    progress.records = 9;
  }
  CHECK(lines.front().starts_with("Loading: 5 records, 1.0 of 2.0 MB"));
  CHECK(lines.back().starts_with("Loaded 9 records from 2.0 MB in "));
}

#include "engine/reload_check.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <string>

#include "tests/engine/store_fixture.h"

using namespace respcask::engine;

TEST_CASE("a reload check passes while merges run") {
  Options options;
  options.dir = "/store";
  options.shards = 2;
  options.segment_bytes = 8 * 1024;
  options.merge.bytes_per_second = 0;
  StoreFixture fixture(FaultyFileSystem(), options);
  for (int round = 0; round < 40; ++round) {
    for (int i = 0; i < 60; ++i) {
      fixture.put(fmt::format("key{}", i * 7 % 41), std::string(150, 'v'));
    }
    fixture.store->request_merge();
    const auto report = check_reload(*fixture.store);
    if (!report) FAIL(report.error().message);
    CHECK(report->keys == 41);
  }
  CHECK(fixture.store->merge_stats().merges > 0);
}

#include "server/memory_gauge.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <string>

#include "engine/working_memory.h"
#include "resp/writer.h"
#include "server/dispatch.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

constexpr uint64_t kMs = 1'000'000;

// A moment that is later than any other, and later than now: readings bear the time that it is.
class Moments {
 public:
  uint64_t after(uint64_t ns) { return now_ns_ = std::max(now_ns_, CycleClock::system_ns()) + ns; }

 private:
  uint64_t now_ns_ = 0;
};

// Far from the bound one call takes one reading.
constexpr uint64_t kFarBound = uint64_t{1} << 40;

struct FarFromBound {
  Harness h;
  MemoryGauge& gauge = h.server->gauge;
  Moments moments;

  uint64_t reading() { return gauge.used(kFarBound, moments.after(200 * kMs)); }
};

TEST_CASE_FIXTURE(FarFromBound,
                  "memory gauge: what was there for a moment does not count, what stays does") {
  const uint64_t before = reading();
  auto block = std::make_unique<std::string>(1 << 20, 'x');
  CHECK(reading() < before + 10'000);
  SUBCASE("a moment") {
    block.reset();
    CHECK(reading() < before + 10'000);
    CHECK(reading() < before + 10'000);
  }
  SUBCASE("longer") {
    CHECK(reading() >= before + (1 << 20));
  }
}

// How many calls, `step_ns` apart, it takes until 100 kB more are seen.
int calls_until_seen(Harness& h, uint64_t limit, uint64_t step_ns) {
  MemoryGauge& gauge = h.server->gauge;
  Moments moments;
  gauge.used(limit, moments.after(500 * kMs));
  const uint64_t before = gauge.used(limit, moments.after(500 * kMs));
  const auto block = std::make_unique<std::string>(100'000, 'x');
  uint64_t now_ns = CycleClock::system_ns();
  int calls = 1;
  while (calls < 1000 && gauge.used(limit, now_ns += step_ns) < before + 90'000) ++calls;
  return calls;
}

TEST_CASE("memory gauge: readings are the older the farther the bound is") {
  Harness h;
  const std::string ballast(16 << 20, 'b');
  const uint64_t used = h.server->gauge.used(1, CycleClock::system_ns());
  CHECK(calls_until_seen(h, 1, kMs) <= 10);
  const int near = calls_until_seen(h, used + 400'000, kMs);
  CHECK(near >= 5);
  CHECK(near <= 40);
  CHECK(calls_until_seen(h, kFarBound, 10 * kMs) >= 10);
}

TEST_CASE_FIXTURE(FarFromBound,
                  "memory gauge: what was freed is off at once, and back if it was not") {
  const uint64_t before = reading();
  gauge.credit(50'000);
  CHECK(gauge.used(kFarBound, CycleClock::system_ns()) == before - 50'000);
  reading();
  CHECK(reading() > before - 10'000);
}

TEST_CASE_FIXTURE(FarFromBound, "memory gauge: what waits to be written does not count") {
  h.run("set k 1");
  const std::string value(3 << 20, 'v');
  const uint64_t before = reading();
  // A command of a turn that has not ended.
  Client& client = h.client();
  CHECK(run_in(client.turn, client, {"SET", "k", value}) == "+OK\r\n");
  reading();
  CHECK(reading() < before + (1 << 20));
  CHECK(gauge.not_counted() > 3 << 20);
  CHECK(client.turn.commit());
  reading();
  // What is kept for the next write is as good as free.
  CHECK(gauge.not_counted() > 0);
  CHECK(gauge.not_counted() < 1 << 20);
}

TEST_CASE("memory gauge: what small writes leave behind in the shards counts") {
  Harness h;
  for (int i = 0; i < 100; ++i) h.run("set k" + std::to_string(i) + " x");
  h.server->used_memory(CycleClock::system_ns(), 0);
  CHECK(h.server->usage.pending_memory_bytes() > 0);
  CHECK(h.server->gauge.not_counted() == 0);
}

TEST_CASE("memory gauge: what merging works with does not count") {
  Harness h;
  const uint64_t before = h.server->used_memory(CycleClock::system_ns(), 0);
  const std::string buffer(3 << 20, 'b');
  engine::WorkingMemory held;
  held.set(3 << 20);
  CHECK(h.server->used_memory(CycleClock::system_ns(), 0) < before + 10'000);
  held.set(0);
  CHECK(h.server->used_memory(CycleClock::system_ns(), 0) >= before + (3 << 20));
}

TEST_CASE("memory gauge: nothing is refused for memory that was given back just now") {
  Harness h;
  h.run("set k 1");
  h.run("debug populate 1500 some-long-prefix-of-names");
  h.run("config set maxmemory 1 maxmemory-policy volatile-lru");
  CHECK(h.run("set k 1").starts_with("-OOM"));
  h.run("info memory");
  const uint64_t limit = h.server->gauge.used(1, CycleClock::system_ns()) - 20'000;
  h.run("config set maxmemory " + std::to_string(limit));
  CHECK(h.run("set k 1").starts_with("-OOM"));
  h.run("flushall");
  // Two readings later: each takes microseconds, and is asked for by whatever comes.
  int refused = 0;
  for (int i = 0; i < 200 && h.run("set k 1") != "+OK\r\n"; ++i) ++refused;
  CHECK(refused < 100);
}

}  // namespace
}  // namespace respcask::server::testing

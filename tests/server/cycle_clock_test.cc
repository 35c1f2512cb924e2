#include "server/cycle_clock.h"

#include <doctest/doctest.h>

#include <cstdint>

using respcask::server::CycleClock;

TEST_CASE("the clock of commands agrees with the system's and never goes back") {
  constexpr uint64_t kMs = 1'000'000;
  CycleClock clock;
  const uint64_t begin = clock.anchor();
  uint64_t last = begin;
  // Long enough for the counter's rate to be measured and used.
  while (last - begin < 350 * kMs) {
    const uint64_t anchored = clock.anchor();
    REQUIRE(anchored >= last);
    last = anchored;
    for (int i = 0; i < 1000; ++i) {
      const uint64_t now = clock.now();
      REQUIRE(now >= last);
      last = now;
    }
  }
  // Between two looks at the system's clock, however long this thread was not run in between.
  clock.anchor();
  const uint64_t wait_until = CycleClock::system_ns() + 50 * kMs;
  while (CycleClock::system_ns() < wait_until) {
  }
  const uint64_t before = CycleClock::system_ns();
  const uint64_t now = clock.now();
  const uint64_t after = CycleClock::system_ns();
  CHECK(now + kMs > before);
  CHECK(now < after + kMs);
}

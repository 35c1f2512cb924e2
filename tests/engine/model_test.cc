#include <doctest/doctest.h>

#include <random>
#include <string>

#include "tests/asked.h"
#include "tests/engine/store_model.h"

using namespace respcask::engine;

// RESPCASK_MODEL_RUNS says how many seeds are tried, RESPCASK_MODEL_SEED which one is first, and
// RESPCASK_MODEL_CUTS how many power cuts at each moment that is looked at: a failure prints the
// seed that replays it, with the same number of cuts.
TEST_CASE("a store agrees with a map through merges, kills, power cuts and reopens") {
  const auto seed_asked = respcask::asked("RESPCASK_MODEL_SEED");
  const uint64_t runs = respcask::asked("RESPCASK_MODEL_RUNS").value_or(seed_asked ? 1 : 12);
  const uint64_t cuts = respcask::asked("RESPCASK_MODEL_CUTS").value_or(3);
  uint64_t seed = seed_asked.value_or(std::random_device{}());
  uint64_t starts = 0;
  for (uint64_t run = 0; run < runs; ++run, ++seed) {
    INFO("RESPCASK_MODEL_SEED=", seed);
    StoreModel model(seed, cuts);
    for (int step = 0; step < 400; ++step) {
      CAPTURE(step);
      model.step();
    }
    model.finish();
    starts += model.starts();
  }
  MESSAGE(starts << " starts after kills, power cuts and closes");
}

#include "engine/worker_pool.h"

#include <doctest/doctest.h>

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <vector>

using namespace respcask::engine;

TEST_CASE("each job is done once, and all are done when the call returns") {
  for (const size_t threads : {0, 1, 7}) {
    WorkerPool pool(threads);
    for (size_t count = 0; count < 40; ++count) {
      std::vector<std::atomic<int>> done(count);
      pool.for_each(count, [&](size_t i) { ++done[i]; });
      for (const auto& times : done) CHECK(times == 1);
    }
  }
}

TEST_CASE("jobs that wait do so at the same time") {
  constexpr size_t kJobs = 4;
  WorkerPool pool(kJobs - 1);
  std::mutex mutex;
  std::condition_variable all_here;
  size_t here = 0;
  // None of them goes on before all have begun.
  pool.for_each(kJobs, [&](size_t) {
    std::unique_lock guard(mutex);
    ++here;
    all_here.notify_all();
    all_here.wait(guard, [&] { return here == kJobs; });
  });
  CHECK(here == kJobs);
}

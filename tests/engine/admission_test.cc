#include "engine/admission.h"

#include <doctest/doctest.h>

using namespace respcask::engine;

namespace {

constexpr uint64_t kPages = 10 * Admission::kReadsATry;

// How many of values on pages of their own, from `first` on, are admitted.
uint64_t admitted(Admission& admission, RecentPages& read, uint64_t first, int64_t now_ms = 0) {
  uint64_t count = 0;
  for (uint64_t page = first; page < first + kPages; ++page) {
    count += admission.admits(read, page, now_ms) ? 1 : 0;
  }
  return count;
}

}  // namespace

TEST_CASE("all is admitted until about as many pages go as come") {
  Admission admission;
  RecentPages read;
  admission.swept(1000, 200);
  CHECK_FALSE(admission.crowded());
  CHECK(admitted(admission, read, 1) == kPages);
  admission.swept(1000, 300);
  CHECK(admission.crowded());
  CHECK(admitted(admission, read, 1) == kPages / Admission::kReadsATry);
  admission.swept(1000, 200);
  CHECK_FALSE(admission.crowded());
}

TEST_CASE("pages that reads found gone tell of no room too") {
  Admission admission;
  admission.add_gone(300);
  admission.swept(1000, 0);
  CHECK(admission.crowded());
}

TEST_CASE("few pages tell nothing by themselves, but in the end they do") {
  Admission admission;
  admission.swept(Admission::kEnough / 2, 1000);
  CHECK_FALSE(admission.crowded());
  admission.swept(Admission::kEnough / 2, 0);
  CHECK(admission.crowded());
}

TEST_CASE("where there is no room a page is admitted when it is read again within a while") {
  Admission admission;
  RecentPages read;
  admission.swept(1000, 1000);
  admitted(admission, read, 1);
  CHECK(admitted(admission, read, 1, Admission::kMemoryMs) > kPages * 9 / 10);
  CHECK(admitted(admission, read, 1, 2 * Admission::kMemoryMs) < kPages / 10);
}

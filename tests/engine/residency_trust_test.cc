#include "engine/residency_trust.h"

#include <doctest/doctest.h>

#include <chrono>

using namespace respcask::engine;
using namespace std::chrono_literals;

namespace {

ResidencyTrust::Clock::time_point at(std::chrono::milliseconds time) {
  return ResidencyTrust::Clock::time_point(time);
}

}  // namespace

TEST_CASE("residency bits are trusted until pages go faster than one in 200 between sweeps") {
  ResidencyTrust trust;
  CHECK(trust.trusts_bits());
  trust.swept({1000, 5}, at(2s));
  CHECK(trust.trusts_bits());
  trust.swept({1000, 6}, at(4s));
  CHECK_FALSE(trust.trusts_bits());
  trust.swept({1000, 0}, at(6s));
  CHECK(trust.trusts_bits());
}

TEST_CASE(
    "what a thread knows of recent pages does not lie in the storage that each thread zeroes") {
  CHECK(sizeof(RecentPages) <= 64);
}

TEST_CASE("the faster pages go, the sooner the system is asked again") {
  ResidencyTrust trust;
  trust.swept({1000, 0}, at(2s));
  trust.swept({1000, 100}, at(4s));  // a tenth in two seconds: 1 in 200 in a hundred milliseconds
  CHECK(trust.good_for_ms() == 100);
  trust.swept({1000, 1000}, at(6s));
  CHECK(trust.good_for_ms() == 10);
}

TEST_CASE("whoever meets page faults has all asked about, until a sweep says how fast pages go") {
  ResidencyTrust trust;
  trust.swept({1000, 0}, at(2s));
  trust.met_faults();
  CHECK_FALSE(trust.trusts_bits());
  CHECK(trust.good_for_ms() == 0);
  trust.swept({1000, 100}, at(4s));
  CHECK(trust.good_for_ms() == 100);
  trust.met_faults();
  CHECK(trust.good_for_ms() == 50);
  trust.swept({1000, 0}, at(6s));
  CHECK(trust.trusts_bits());
}

TEST_CASE("pages that reads found gone count with the sweep's") {
  ResidencyTrust trust;
  trust.swept({1000, 0}, at(2s));
  trust.add_gone(10);
  trust.swept({1000, 0}, at(4s));
  CHECK_FALSE(trust.trusts_bits());
  trust.swept({1000, 0}, at(6s));
  CHECK(trust.trusts_bits());
}

TEST_CASE("all is in memory once a sweep has found it so, until a read misses a page") {
  ResidencyTrust trust;
  CHECK_FALSE(trust.all_resident());
  trust.swept({1000, 0, 1}, at(2s));
  CHECK_FALSE(trust.all_resident());
  trust.swept({1000, 0, 0}, at(4s));
  CHECK(trust.all_resident());
  trust.met_absent();
  CHECK_FALSE(trust.all_resident());
  trust.swept({1000, 0, 0}, at(6s));
  trust.met_faults();
  CHECK_FALSE(trust.all_resident());
}

TEST_CASE("a page was recently asked about until its age is over") {
  RecentPages asked;
  constexpr uint64_t kPage = 0x1234'5678'0000'0042;
  constexpr int64_t kNow_ms = 1'000'000'000;
  CHECK_FALSE(asked.has(kPage, kNow_ms, 1000));
  asked.add(kPage, kNow_ms);
  CHECK(asked.has(kPage, kNow_ms, 0));
  CHECK(asked.has(kPage, kNow_ms + 10, 10));
  CHECK_FALSE(asked.has(kPage, kNow_ms + 11, 10));
  CHECK_FALSE(asked.has(kPage + 1, kNow_ms, 10));
}

TEST_CASE("of many pages that were asked about none is taken for another") {
  RecentPages asked;
  constexpr uint64_t kPages = 1'000'000;
  for (uint64_t page = 0; page < kPages; ++page) asked.add(2 * page, 0);
  uint64_t found = 0;
  for (uint64_t page = 0; page < kPages; ++page) {
    CHECK_FALSE(asked.has(2 * page + 1, 0, 0));
    found += asked.has(2 * page, 0, 0) ? 1 : 0;
  }
  CHECK(found > 10'000);
}

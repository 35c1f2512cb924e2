#include "server/open_files.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <initializer_list>

namespace respcask::server {
namespace {

TEST_CASE("open files: the usual limits leave room for the usual number of clients") {
  for (const uint64_t limit : {20000, 1048576}) {
    for (const uint32_t shards : {1, 8, 256}) {
      CAPTURE(shards);
      CHECK(share_files(limit, 10000, other_files(8, shards, shards)).clients == 10000);
    }
  }
}

TEST_CASE("open files: clients and segments together never get more than there is") {
  for (const uint64_t segments : {8, 192, 1280}) {
    for (uint64_t limit = 0; limit < 5000; limit += 7) {
      CAPTURE(segments);
      CAPTURE(limit);
      const OtherFiles others = other_files(2, 8, segments);
      const FileShares shares = share_files(limit, 1000, others);
      CHECK(shares.clients <= 1000);
      CHECK((shares.clients == 0) == (limit <= others.needed));
      CHECK(shares.clients + shares.segments == limit - std::min(limit, others.needed));
    }
  }
}

TEST_CASE("open files: a small store has room to grow, under a tight limit less of it") {
  const OtherFiles fresh = other_files(2, 8, 8);
  const OtherFiles grown = other_files(2, 8, 24 * 8);
  CHECK(share_files(5000, 10000, fresh).clients == share_files(5000, 10000, grown).clients);
  CHECK(share_files(fresh.needed + 10, 10000, fresh).clients == 5);
}

TEST_CASE("open files: of a store with many segments as many stay as clients leave, or half") {
  const OtherFiles many = other_files(2, 8, 1000);
  CHECK(share_files(many.needed + 11'000, 10'000, many).segments == 1000);
  CHECK(share_files(many.needed + 3000, 10'000, many).segments == 1000);
  CHECK(share_files(many.needed + 800, 10'000, many).segments == 400);
  CHECK(share_files(many.needed + 800, 10, many).segments == 790);
}

}  // namespace
}  // namespace respcask::server

#include "server/open_files.h"

#include <doctest/doctest.h>

#include <initializer_list>

namespace respcask::server {
namespace {

TEST_CASE("open files: the usual limits leave room for the usual number of clients") {
  for (const uint64_t limit : {20000, 1048576}) {
    for (const uint32_t shards : {1, 8, 256}) {
      CAPTURE(shards);
      CHECK(clients_within(limit, other_files(8, shards, shards)) >= 10000);
    }
  }
}

TEST_CASE("open files: no client gets the descriptor of a segment that is there") {
  constexpr uint64_t kSegments = 1280;
  for (uint64_t limit = 0; limit < 5000; limit += 7) {
    CAPTURE(limit);
    const OtherFiles others = other_files(2, 8, kSegments);
    const uint64_t clients = clients_within(limit, others);
    if (limit <= others.needed) {
      CHECK(clients == 0);
    } else {
      CHECK(clients > 0);
      CHECK(clients + kSegments < limit);
    }
  }
}

TEST_CASE("open files: a small store has room to grow, under a tight limit less of it") {
  const OtherFiles fresh = other_files(2, 8, 8);
  const OtherFiles grown = other_files(2, 8, 24 * 8);
  CHECK(grown.growth == 0);
  CHECK(fresh.needed + fresh.growth == grown.needed);
  CHECK(clients_within(20000, fresh) == clients_within(20000, grown));
  CHECK(clients_within(fresh.needed + 10, fresh) == 5);
}

}  // namespace
}  // namespace respcask::server

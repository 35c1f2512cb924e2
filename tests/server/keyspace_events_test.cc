#include "tests/server/keyspace_events.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>

#include "tests/server/redis_events.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("keyspace events: every command tells what Redis tells, in Redis's order") {
  Harness h({"notify-keyspace-events", "AEnm"});
  for (const RedisEvents& row : kRedisEvents) {
    CAPTURE(row.before);
    CAPTURE(row.command);
    h.run("select 0");
    h.run("flushall");
    for (size_t begin = 0; begin < row.before.size();) {
      const size_t end = std::min(row.before.find("; ", begin), row.before.size());
      h.run(row.before.substr(begin, end - begin));
      begin = end + 2;
    }
    KeyspaceEvents events(h);
    h.run(row.command);
    h.run("unwatch");
    CHECK(events.take() == row.events);
  }
}

}  // namespace
}  // namespace respcask::server::testing

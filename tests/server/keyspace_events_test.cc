#include "tests/server/keyspace_events.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string_view>

#include "tests/server/redis_events.h"

namespace respcask::server::testing {
namespace {

// Makes the keys that a row's command is to find.
void prepare(Harness& h, const RedisEvents& row) {
  h.run("select 0");
  h.run("flushall");
  for (size_t begin = 0; begin < row.before.size();) {
    const size_t end = std::min(row.before.find("; ", begin), row.before.size());
    h.run(row.before.substr(begin, end - begin));
    begin = end + 2;
  }
}

// How many messages of patterns the text begins with.
int messages_in_front(std::string_view text) {
  int count = 0;
  while (text.starts_with(">4\r\n")) {
    // Its header, then a length and a text four times.
    for (int line = 0; line < 9; ++line) text.remove_prefix(text.find("\r\n") + 2);
    ++count;
  }
  return count;
}

TEST_CASE("keyspace events: every command tells what Redis tells, in Redis's order") {
  Harness h({"notify-keyspace-events", "AEnm"});
  for (const RedisEvents& row : kRedisEvents) {
    CAPTURE(row.before);
    CAPTURE(row.command);
    prepare(h, row);
    KeyspaceEvents events(h);
    h.run(row.command);
    h.run("unwatch");
    CHECK(events.take() == row.events);
  }
}

TEST_CASE("keyspace events: a client hears of its own before or behind the reply, as in Redis") {
  Harness h({"notify-keyspace-events", "AEnm"});
  h.client().use_protocol(3);
  h.run("psubscribe __keyevent@*");
  for (const RedisEvents& row : kRedisEvents) {
    // What Redis puts within a reply that is no transaction's is not to be copied.
    if (row.in_front < 0) continue;
    CAPTURE(row.before);
    CAPTURE(row.command);
    prepare(h, row);
    h.client().pushed();
    CHECK(messages_in_front(h.run(row.command)) == row.in_front);
    h.run("unwatch");
  }
}

TEST_CASE("keyspace events: in a transaction they stand in the same place, in RESP2 too") {
  Harness h({"notify-keyspace-events", "AE"});
  h.run("multi");
  for (const char* line : {"psubscribe __keyevent@*", "set k 1", "rpush l a", "lmove l m left left",
                           "sadd s x", "spop s 1"}) {
    CHECK(h.run(line) == "+QUEUED\r\n");
  }
  std::string told = h.run("exec");
  // Kinds, patterns and lengths aside.
  std::string shown;
  for (size_t at = 0; at < told.size();) {
    const size_t end = told.find("\r\n", at);
    const std::string line = told.substr(at, end - at);
    at = end + 2;
    if (line[0] == '$' || line[0] == '*' || line.find("psubscribe") != line.npos ||
        line.find("pmessage") != line.npos || line.find('*') != line.npos) {
      continue;
    }
    shown += (shown.empty() ? "" : " ") + line.substr(line.find("__:") == line.npos ? 0 : 15);
  }
  CHECK(shown == ":1 set k +OK :1 rpush l lpush m a lpop l del l sadd s :1 spop s x del s");
}

}  // namespace
}  // namespace respcask::server::testing

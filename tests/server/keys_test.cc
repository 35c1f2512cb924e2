#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include "server/types/element_index.h"
#include "tests/server/harness.h"
#include "tests/server/keyspace_events.h"

namespace respcask::server::testing {
namespace {

// Two names in one shard, and one in another.
struct Names {
  explicit Names(Harness& h) {
    const uint32_t shard = h.server->key(a, 0).shard;
    for (int i = 0; same.empty() || other.empty(); ++i) {
      const std::string name = "n" + std::to_string(i);
      (h.server->key(name, 0).shard == shard ? same : other) = name;
    }
  }
  std::string a = "a";
  std::string same;
  std::string other;
};

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}

void pass_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

TEST_CASE("DEL and UNLINK count the keys that they removed, each once") {
  Harness h{"notify-keyspace-events", "KEA"};
  KeyspaceEvents events(h);
  h.run("MSET a 1 b 2 c 3 d 4");
  events.take();
  CHECK(h.run("DEL a b a missing") == ":2\r\n");
  CHECK(events.take() == "0:del a, 0:del b");
  CHECK(h.run("UNLINK c missing") == ":1\r\n");
  CHECK(events.take() == "0:del c");
  CHECK(h.run("EXISTS a b c d d") == ":2\r\n");
}

TEST_CASE("an expired key counts as missing") {
  Harness h{"notify-keyspace-events", "KEAm"};
  KeyspaceEvents events(h);
  for (const char* command : {"DEL a", "EXISTS a", "TOUCH a", "UNLINK a"}) {
    h.run("SET a 1 PX 1");
    pass_ms(3);
    events.take();
    CHECK(h.run(command) == ":0\r\n");
    CHECK(events.take().starts_with("0:expired a"));
  }
  h.run("SET a 1 PX 1");
  pass_ms(3);
  CHECK(h.run("TYPE a") == "+none\r\n");
  CHECK(h.run("RENAME a b") == "-ERR no such key\r\n");
  CHECK(h.run("DUMP a") == "$-1\r\n");
}

TEST_CASE("a destination that has expired is removed, not expired, where nothing is stored there") {
  Harness h({"notify-keyspace-events", "KEA"});
  KeyspaceEvents events(h);
  for (const std::string_view store :
       {"SINTERSTORE to no", "SUNIONSTORE to no", "SDIFFSTORE to no", "ZUNIONSTORE to 1 no",
        "ZRANGESTORE to no 0 -1", "BITOP AND to no", "SORT no STORE to",
        "GEOSEARCHSTORE to no FROMLONLAT 1 1 BYRADIUS 1 m"}) {
    CAPTURE(store);
    h.run("SET to x PXAT 1");
    events.take();
    CHECK(h.run(store) == ":0\r\n");
    CHECK(events.take() == "0:del to");
    CHECK(h.run("DBSIZE") == ":0\r\n");
  }
  h.run("SET to x PXAT 1");
  events.take();
  CHECK(h.run("SINTERSTORE to to no") == ":0\r\n");  // here it was looked at before
  CHECK(events.take() == "0:expired to");
}

TEST_CASE(
    "what is written over an expired key with a time that is past is there until it is asked for") {
  Harness h({"notify-keyspace-events", "Ex"});
  KeyspaceEvents events(h);
  h.run("SET k v PXAT 1");
  CHECK(h.run("SET k w PXAT 1") == "+OK\r\n");
  CHECK(h.run("DBSIZE") == ":1\r\n");
  events.take();
  CHECK(h.run("GET k") == "$-1\r\n");
  CHECK(events.take() == "0:expired k");
  CHECK(h.run("DBSIZE") == ":0\r\n");
}

TEST_CASE("looking for a missing key is announced as a miss, but not by OBJECT") {
  Harness h{"notify-keyspace-events", "KEm"};
  KeyspaceEvents events(h);
  h.run("EXISTS a");
  h.run("TYPE b");
  h.run("TTL c");
  h.run("TOUCH d");
  h.run("DUMP e");
  h.run("OBJECT ENCODING f");
  h.run("EXPIRE g 10");
  CHECK(events.take() == "0:keymiss a, 0:keymiss b, 0:keymiss c, 0:keymiss d, 0:keymiss e");
}

TEST_CASE("RENAME keeps value and expiry, inside a shard and across") {
  Harness h{"notify-keyspace-events", "KEAn"};
  h.element_index = make_element_index;
  h.restart();
  KeyspaceEvents events(h);
  const Names names(h);
  for (const std::string& to : {names.same, names.other}) {
    for (const std::string& value : {std::string("small"), std::string(300'000, 'x')}) {
      CAPTURE(to);
      CAPTURE(value.size());
      h.run({"SET", "a", value});
      h.run("EXPIREAT a 4000000000");
      h.run({"DEL", names.same, names.other});
      events.take();
      CHECK(h.run({"RENAME", "a", to}) == "+OK\r\n");
      CHECK(events.take() == "0:new " + to + ", 0:rename_from a, 0:rename_to " + to);
      CHECK(h.run("EXISTS a") == ":0\r\n");
      events.restart_server();
      CHECK(h.run({"GET", to}) == bulk(value));
      CHECK(h.run({"EXPIRETIME", to}) == ":4000000000\r\n");
      CHECK(h.run("DBSIZE") == ":1\r\n");
    }
  }
}

TEST_CASE("RENAME keeps how often a key was used, inside a shard and across") {
  Harness h({"maxmemory-policy", "allkeys-lfu", "lfu-log-factor", "0"});
  const Names names(h);
  for (const std::string& to : {names.same, names.other}) {
    h.run("SET a 1");
    for (int i = 0; i < 50; ++i) h.run("GET a");
    h.run({"RENAME", "a", to});
    CHECK(h.run({"OBJECT", "FREQ", to}) >= ":50\r\n");
    CHECK(h.run({"OBJECT", "FREQ", to}).size() == 5);
  }
}

TEST_CASE("RENAME replaces what was there, RENAMENX does not") {
  Harness h;
  h.element_index = make_element_index;
  h.restart();
  const Names names(h);
  for (const std::string& to : {names.same, names.other}) {
    h.run({"SET", to, std::string(300'000, 'o')});
    h.run("SET a new");
    CHECK(h.run({"RENAMENX", "a", to}) == ":0\r\n");
    CHECK(h.run({"STRLEN", to}) == ":300000\r\n");
    CHECK(h.run({"RENAME", "a", to}) == "+OK\r\n");
    CHECK(h.run({"GET", to}) == bulk("new"));
    CHECK(h.run({"RENAMENX", to, "a"}) == ":1\r\n");
    CHECK(h.run("GET a") == bulk("new"));
    CHECK(h.run({"EXISTS", to}) == ":0\r\n");
  }
  CHECK(h.run("RENAME a a") == "+OK\r\n");
  CHECK(h.run("RENAMENX a a") == ":0\r\n");
  CHECK(h.run("RENAME missing missing") == "-ERR no such key\r\n");
}

TEST_CASE("COPY makes an independent copy, in any shard and database") {
  Harness h{"notify-keyspace-events", "KEAn"};
  h.element_index = make_element_index;
  h.restart();
  KeyspaceEvents events(h);
  const Names names(h);
  const std::string large(300'000, 'x');
  h.run({"SET", "a", large});
  h.run("EXPIREAT a 4000000000");
  events.take();
  CHECK(h.run({"COPY", "a", names.same}) == ":1\r\n");
  CHECK(events.take() == "0:new " + names.same + ", 0:copy_to " + names.same);
  CHECK(h.run({"COPY", "a", names.other}) == ":1\r\n");
  CHECK(h.run({"COPY", "a", names.other}) == ":0\r\n");
  CHECK(h.run("COPY a a DB 3") == ":1\r\n");
  CHECK(h.run("COPY a a") == "-ERR source and destination objects are the same\r\n");
  CHECK(h.run("COPY missing b REPLACE") == ":0\r\n");
  h.run("SETRANGE a 0 y");
  events.take();
  CHECK(h.run({"COPY", "a", names.same, "replace"}) == ":1\r\n");
  CHECK(events.take() == "0:new " + names.same + ", 0:copy_to " + names.same);
  events.restart_server();
  CHECK(h.run({"GET", names.same}) == bulk("y" + large.substr(1)));
  CHECK(h.run({"GET", names.other}) == bulk(large));
  CHECK(h.run({"EXPIRETIME", names.other}) == ":4000000000\r\n");
  h.client().session->db = 3;
  CHECK(h.run("GET a") == bulk(large));
}

TEST_CASE("COPY and MOVE refuse what makes no sense, with Redis's words") {
  Harness h;
  h.run("SET a 1");
  CHECK(h.run("COPY a b DB") == "-ERR syntax error\r\n");
  CHECK(h.run("COPY a b FOO") == "-ERR syntax error\r\n");
  CHECK(h.run("COPY a b DB 16") == "-ERR DB index is out of range\r\n");
  CHECK(h.run("COPY a b DB x") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("MOVE a -1") == "-ERR DB index is out of range\r\n");
  CHECK(h.run("MOVE a 99999999999") ==
        "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
  CHECK(h.run("MOVE a 0") == "-ERR source and destination objects are the same\r\n");
}

TEST_CASE("MOVE takes a key to another database unless it is there") {
  Harness h{"notify-keyspace-events", "KEA"};
  h.element_index = make_element_index;
  h.restart();
  KeyspaceEvents events(h);
  const std::string large(300'000, 'x');
  h.run({"SET", "a", large, "EX", "1000"});
  events.take();
  CHECK(h.run("MOVE a 1") == ":1\r\n");
  CHECK(events.take() == "0:move_from a, 1:move_to a");
  CHECK(h.run("MOVE a 1") == ":0\r\n");
  h.run("SET a 2");
  CHECK(h.run("MOVE a 1") == ":0\r\n");
  events.restart_server();
  CHECK(h.run("GET a") == bulk("2"));
  h.client().session->db = 1;
  CHECK(h.run("GET a") == bulk(large));
  CHECK(h.run("TTL a") == ":1000\r\n");
}

TEST_CASE("WATCH sees both ends of RENAME, the copy of COPY and what EXPIRE removes") {
  Harness h;
  Client other(h);
  const auto touched = [&](const char* watched, const char* command) {
    h.run("FLUSHALL");
    h.run("MSET a 1 b 2");
    h.run({"WATCH", watched});
    other.run(command);
    h.run("MULTI");
    return h.run("EXEC") == "*-1\r\n";
  };
  CHECK(touched("a", "RENAME a b"));
  CHECK(touched("b", "RENAME a b"));
  CHECK(touched("c", "COPY a c"));
  CHECK_FALSE(touched("a", "COPY a c"));
  CHECK(touched("a", "MOVE a 1"));
  CHECK(touched("a", "EXPIRE a -1"));
  CHECK(touched("a", "EXPIRE a 100"));
  CHECK_FALSE(touched("a", "PERSIST a"));
  CHECK(touched("a", "UNLINK a"));
  CHECK(touched("a", "APPEND a \"\""));
  CHECK(touched("a", "FLUSHALL"));
  CHECK_FALSE(touched("c", "FLUSHALL"));
  CHECK(touched("a", "SWAPDB 0 1"));
}

TEST_CASE("OBJECT tells encoding, references and idle time") {
  Harness h;
  const auto encoding = [&](const char* value) {
    h.run({"SET", "a", value});
    return h.run("OBJECT ENCODING a");
  };
  CHECK(encoding("12345") == "$3\r\nint\r\n");
  CHECK(encoding("abc") == "$6\r\nembstr\r\n");
  CHECK(encoding("a text that is longer than forty-four bytes, so raw") == "$3\r\nraw\r\n");
  h.run("SET a 9999");
  CHECK(h.run("OBJECT REFCOUNT a") == ":2147483647\r\n");
  h.run("SET a 10000");
  CHECK(h.run("OBJECT REFCOUNT a") == ":1\r\n");
  CHECK(h.run("OBJECT IDLETIME a") == ":0\r\n");
  CHECK(h.run("OBJECT FREQ a").starts_with("-ERR An LFU maxmemory policy is not selected"));
  CHECK(h.run("OBJECT ENCODING missing") == "$-1\r\n");
  CHECK(h.run("OBJECT HELP").starts_with("*15\r\n+OBJECT <subcommand> [<arg> [value] [opt] ...]."));
  h.set({"maxmemory-policy", "allkeys-lfu"});
  h.run("SET b 1");
  CHECK(h.run("OBJECT FREQ b") == ":5\r\n");
  CHECK(h.run("OBJECT IDLETIME b").starts_with("-ERR An LFU maxmemory policy is selected"));
}

}  // namespace
}  // namespace respcask::server::testing

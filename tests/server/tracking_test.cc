#include "server/tracking.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <chrono>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

std::string bulk(std::string_view text) {
  return fmt::format("${}\r\n{}\r\n", text.size(), text);
}

std::string invalidate(std::initializer_list<std::string_view> keys) {
  std::string text = ">2\r\n" + bulk("invalidate") + fmt::format("*{}\r\n", keys.size());
  for (std::string_view key : keys) text += bulk(key);
  return text;
}

const std::string kAllKeys = ">2\r\n$10\r\ninvalidate\r\n_\r\n";

// A client in RESP3 that tracks what it reads.
class Tracker {
 public:
  explicit Tracker(Harness& h, std::string_view options = "") : client_(h) {
    run("hello 3");
    CHECK(run(fmt::format("client tracking on {}", options)) == "+OK\r\n");
  }
  std::string run(std::string_view line) { return client_.run(line); }
  std::string resumed() { return client_.resumed(); }
  std::string pushed() { return client_.pushed(); }

 private:
  Client client_;
};

TEST_CASE(
    "tracking: what a transaction has changed is told in the protocol that is spoken at its end") {
  Harness h;
  Tracker older(h);
  older.run("multi");
  older.run("get k");
  older.run("set k 1");
  older.run("hello 2");
  CHECK(older.run("exec").find("invalidate") == std::string::npos);

  Client newer(h);
  CHECK(newer.run("client tracking on") == "+OK\r\n");
  newer.run("multi");
  newer.run("get k");
  newer.run("set k 2");
  newer.run("hello 3");
  CHECK(newer.run("exec").ends_with(invalidate({"k"})));
}

TEST_CASE("tracking: a change of a key that was read is told once, until it is read again") {
  Harness h;
  Tracker reader(h);
  h.run("set k 1");
  CHECK(reader.pushed().empty());
  reader.run("get k");
  h.run("set other 1");
  CHECK(reader.pushed().empty());
  h.run("set k 2");
  CHECK(reader.pushed() == invalidate({"k"}));
  h.run("set k 3");
  CHECK(reader.pushed().empty());
  reader.run("mget k absent");
  h.run("del k");
  h.run("set absent 1");
  CHECK(reader.pushed() == invalidate({"k"}) + invalidate({"absent"}));
  reader.run("get k");
  reader.run("client tracking off");
  h.run("set k 4");
  CHECK(reader.pushed().empty());
}

TEST_CASE("tracking: every command that changes a key tells of it") {
  struct Change {
    std::string_view before;
    std::string_view command;
  };
  constexpr Change kChanges[] = {
      {"set k 1", "append k x"},
      {"set k 1", "incr k"},
      {"set k 1", "incrbyfloat k 1.5"},
      {"set k 1", "setrange k 5 x"},
      {"set k 1", "setbit k 5 1"},
      {"set k 1", "bitfield k set u8 0 1"},
      {"set k 1", "bitop not k k"},
      {"set k 1", "getdel k"},
      {"set k 1", "getset k 2"},
      {"set k 1", "getex k ex 100"},
      {"set k 1", "mset k 2"},
      {"set o{k} 1", "msetnx k 2"},
      {"set k 1", "del k"},
      {"set k 1", "unlink k"},
      {"set k 1", "expire k 100"},
      {"set k 1 ex 100", "persist k"},
      {"set k 1", "pexpireat k 1"},
      {"set k 1", "rename k o"},
      {"set o 1", "rename o k"},
      {"set o 1", "renamenx o k"},
      {"set o 1", "copy o k"},
      {"set k 1", "move k 1"},
      {"rpush k b a", "sort k alpha store k"},
      {"rpush k a", "lpush k b"},
      {"rpush k a", "rpushx k b"},
      {"rpush k a b", "lpop k"},
      {"rpush k a b", "rpop k 2"},
      {"rpush k a b", "lset k 0 c"},
      {"rpush k a b", "linsert k before a c"},
      {"rpush k a b", "lrem k 0 a"},
      {"rpush k a b", "ltrim k 1 1"},
      {"rpush k a b", "lmove k o left left"},
      {"rpush o a b", "rpoplpush o k"},
      {"rpush k a b", "lmpop 1 k left"},
      {"rpush k a b", "blpop k 0"},
      {"rpush k a b", "blmove k o left left 0"},
      {"sadd k a", "sadd k b"},
      {"sadd k a b", "srem k a"},
      {"sadd k a b", "spop k"},
      {"sadd k a b", "smove k o a"},
      {"sadd o a b", "smove o k a"},
      {"sadd o a b", "sunionstore k o"},
      {"sadd k a b", "sdiffstore k none"},
      {"hset k f 1", "hset k g 2"},
      {"hset k f 1", "hsetnx k g 2"},
      {"hset k f 1", "hdel k f"},
      {"hset k f 1", "hincrby k f 1"},
      {"hset k f 1", "hincrbyfloat k f 1"},
      {"zadd k 1 a", "zadd k 2 a"},
      {"zadd k 1 a", "zincrby k 1 a"},
      {"zadd k 1 a", "zrem k a"},
      {"zadd k 1 a", "zpopmin k"},
      {"zadd k 1 a", "bzpopmax k 0"},
      {"zadd k 1 a", "zmpop 1 k min"},
      {"zadd k 1 a", "zremrangebyscore k 0 2"},
      {"zadd k 1 a", "zremrangebyrank k 0 0"},
      {"zadd k 1 a", "zremrangebylex k - +"},
      {"zadd o 1 a", "zunionstore k 1 o"},
      {"zadd o 1 a", "zrangestore k o 0 -1"},
      {"geoadd o 1 1 a", "geosearchstore k o fromlonlat 1 1 byradius 10 km"},
      {"geoadd k 1 1 a", "geoadd k 2 2 a"},
      {"pfadd k a", "pfadd k b"},
      {"pfadd o a", "pfmerge k o"},
  };
  Harness h;
  Tracker reader(h), broad(h, "bcast prefix k");
  for (const Change& change : kChanges) {
    CAPTURE(change.command);
    h.run("flushall");
    h.run(change.before);
    reader.run("exists k");
    reader.pushed();
    broad.pushed();
    const std::string reply = h.run(change.command);
    CAPTURE(reply);
    CHECK(reader.pushed() == invalidate({"k"}));
    CHECK(broad.pushed() == invalidate({"k"}));
  }
}

TEST_CASE("tracking: changes of large collections, which write no root, are told too") {
  Harness h;
  Tracker reader(h);
  for (int i = 0; i < 600; ++i) {
    h.run(fmt::format("hset h field:{} value", i));
    h.run(fmt::format("sadd s member:{}", i));
    h.run(fmt::format("zadd z {} member:{}", i, i));
    h.run(fmt::format("rpush l {:0>100}", i));
  }
  h.run("setrange c 100000 x");
  const auto told = [&](std::string_view key, std::string_view command) {
    reader.run(fmt::format("exists {}", key));
    h.run(command);
    return reader.pushed() == invalidate({key});
  };
  CHECK(told("h", "hset h field:7 other"));
  CHECK(told("h", "hdel h field:8"));
  CHECK(told("s", "sadd s new"));
  CHECK(told("s", "srem s new"));
  CHECK(told("z", "zadd z 3 member:7"));
  CHECK(told("z", "zrem z member:7"));
  CHECK(told("l", "lset l 5 x"));
  CHECK(told("l", "rpop l"));
  CHECK(told("c", "setbit c 7000 1"));
}

TEST_CASE("tracking: what a client's own command makes out of date follows its reply") {
  Harness h;
  Tracker both(h);
  both.run("get k");
  CHECK(both.run("set k 1") == "+OK\r\n" + invalidate({"k"}));
  CHECK(both.run("set k 1") == "+OK\r\n");
  both.run("get k");
  both.run("multi");
  both.run("incr k");
  both.run("get k");
  CHECK(both.run("exec") == "*2\r\n:2\r\n$1\r\n2\r\n" + invalidate({"k"}));
  both.run("client reply off");
  CHECK(both.run("set k 3") == invalidate({"k"}));
}

TEST_CASE("tracking: it follows the reply if the client has redirected it to itself, too") {
  Harness h;
  Client self(h);
  self.use_protocol(3);
  const uint64_t id = self.session->id;
  CHECK(self.run(fmt::format("client tracking on redirect {}", id)) == "+OK\r\n");
  const auto run = [&](std::initializer_list<std::string_view> args) {
    return run_in(self.turn, self, args);
  };
  self.turn.begin();
  run({"get", "k"});
  CHECK(run({"set", "k", "1"}) == "+OK\r\n" + invalidate({"k"}));
  run({"get", "k"});
  run({"multi"});
  run({"incr", "k"});
  run({"ping"});
  CHECK(run({"exec"}) == "*2\r\n:2\r\n+PONG\r\n" + invalidate({"k"}));
  CHECK(run({"flushall"}) == "+OK\r\n" + kAllKeys);
  h.server->commit(self.turn);
  CHECK(self.pushed().empty());

  // When it is served what it waited for, in front.
  self.run("lrange l 0 -1");
  CHECK(self.run("blpop l 0").empty());
  Turn turn(*h.server);
  turn.begin();
  run_in(turn, h.client(), {"rpush", "l", "x"});
  CHECK(self.resumed().empty());
  h.server->commit(turn);
  CHECK(self.resumed() == invalidate({"l"}) + "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  CHECK(self.pushed().empty());
}

TEST_CASE("tracking: in RESP2 a client hears of its own changes if it is subscribed in the end") {
  Harness h;
  Client self(h);
  self.run(fmt::format("client tracking on redirect {}", self.session->id));
  self.run("get k");
  CHECK(self.run("set k 1") == "+OK\r\n");
  CHECK(self.pushed().empty());
  self.run("get k");
  self.run("multi");
  self.run("set k 2");
  self.run("subscribe c");
  self.run("exec");
  CHECK(self.pushed() == "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n");
}

TEST_CASE("tracking: a client that was served while it blocked is told behind its reply") {
  Harness h;
  Tracker blocked(h);
  h.run("rpush to{t} a");
  blocked.run("lrange to{t} 0 -1");
  CHECK(blocked.run("blmove from{t} to{t} left left 0").empty());
  h.run("rpush from{t} x");
  CHECK(blocked.resumed() == "$1\r\nx\r\n" + invalidate({"to{t}"}));
  CHECK(blocked.pushed().empty());
}

std::string message(std::string_view payload) {
  return ">3\r\n" + bulk("message") + bulk("c") + bulk(payload);
}

TEST_CASE("tracking: a turn's changes and messages are told in their order") {
  Harness h;
  Tracker reader(h), broad(h, "bcast");
  reader.run("subscribe c");
  broad.run("subscribe c");
  reader.run("mget a b");
  Turn turn(*h.server);
  turn.begin();
  run_in(turn, h.client(), {"set", "a", "1"});
  run_in(turn, h.client(), {"publish", "c", "1"});
  run_in(turn, h.client(), {"publish", "c", "2"});
  run_in(turn, h.client(), {"set", "b", "1"});
  run_in(turn, h.client(), {"publish", "c", "3"});
  h.server->commit(turn);
  CHECK(reader.pushed() ==
        invalidate({"a"}) + message("1") + message("2") + invalidate({"b"}) + message("3"));
  // All keys of a turn together, at its end.
  CHECK(broad.pushed() == message("1") + message("2") + message("3") + invalidate({"a", "b"}));
}

TEST_CASE("tracking: a change waits for no message of another turn") {
  Harness h;
  Tracker reader(h);
  reader.run("subscribe c");
  reader.run("get a");
  Turn slow(*h.server), quick(*h.server);
  slow.begin();
  quick.begin();
  run_in(slow, h.client(), {"publish", "c", "1"});
  run_in(quick, h.client(), {"publish", "c", "2"});
  run_in(quick, h.client(), {"set", "a", "1"});
  run_in(quick, h.client(), {"publish", "c", "3"});
  h.server->commit(quick);
  CHECK(reader.pushed() == invalidate({"a"}));
  h.server->commit(slow);
  CHECK(reader.pushed() == message("1") + message("2") + message("3"));
}

TEST_CASE("tracking: a client that waited is told of changes in front of its reply") {
  Harness h;
  Tracker reader(h), silent(h);
  Client pusher(h);
  Turn turn(*h.server);
  reader.run("lrange l 0 -1");
  silent.run("lrange m 0 -1");
  silent.run("client reply off");
  CHECK(reader.run("blpop l 0").empty());
  CHECK(silent.run("blpop m 0").empty());
  turn.begin();
  run_in(turn, pusher, {"rpush", "l", "x"});
  run_in(turn, pusher, {"rpush", "m", "x"});
  CHECK(reader.resumed().empty());
  h.server->commit(turn);
  CHECK(reader.resumed() == invalidate({"l"}) + "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  CHECK(silent.resumed() == invalidate({"m"}));
  CHECK(reader.pushed().empty());
  CHECK(silent.pushed().empty());
}

TEST_CASE("tracking: with NOLOOP a client is spared its own changes, but not expiry") {
  Harness h;
  Tracker self(h, "noloop"), broad(h, "bcast noloop");
  self.run("mget mine other");
  CHECK(self.run("set mine 1") == "+OK\r\n");
  h.run("set mine 2");
  CHECK(self.pushed().empty());  // forgotten at its own change
  h.run("set other 2");
  CHECK(self.pushed() == invalidate({"other"}));

  broad.pushed();
  broad.run("mset a 1 b 2");
  CHECK(broad.pushed().empty());
  broad.run("set short 1 px 1");
  CHECK(broad.pushed().empty());
  h.run("debug sleep 0.005");
  h.expire_now();
  CHECK(broad.pushed() == invalidate({"short"}));
}

TEST_CASE("tracking: with BCAST a turn's keys are told together, by prefix, read or not") {
  Harness h;
  Tracker all(h, "bcast"), some(h, "bcast prefix b: prefix a:");
  h.run("multi");
  for (std::string_view key : {"b:2", "a:1", "b:1", "c:1", "b:2"}) {
    h.run(fmt::format("incr {}", key));
  }
  h.run("exec");
  CHECK(all.pushed() == invalidate({"a:1", "b:1", "b:2", "c:1"}));
  CHECK(some.pushed() == invalidate({"a:1"}) + invalidate({"b:1", "b:2"}));
  CHECK(some.run("client trackinginfo").ends_with("*2\r\n$2\r\na:\r\n$2\r\nb:\r\n"));
  CHECK(
      some.run("client tracking on bcast prefix b:x") ==
      "-ERR Prefix 'b:x' overlaps with an existing prefix 'b:'. Prefixes for a single client must "
      "not overlap.\r\n");
  CHECK(some.run("client tracking on bcast prefix x prefix f prefix fo") ==
        "-ERR Prefix 'f' overlaps with another provided prefix 'fo'. Prefixes for a single client "
        "must not overlap.\r\n");
  CHECK(h.server->tracking.prefix_count() == 3);
  some.run("client tracking off");
  CHECK(h.server->tracking.prefix_count() == 1);
  h.run("incr a:1");
  CHECK(some.pushed().empty());
}

TEST_CASE("tracking: with BCAST a turn's keys are told from when somebody came to the prefix on") {
  Harness h;
  Tracker other(h, "bcast prefix zz");
  Client late(h), last(h);
  late.use_protocol(3);
  last.use_protocol(3);
  Turn turn(*h.server);
  turn.begin();
  const auto run = [&](Client& client, std::initializer_list<std::string_view> args) {
    return run_in(turn, client, args);
  };
  run(h.client(), {"mset", "d", "1", "e", "1", "zz", "1"});
  CHECK(run(late, {"client", "tracking", "on", "bcast"}) == "+OK\r\n");
  run(h.client(), {"mset", "e", "2", "f", "1"});
  // As in Redis, which keeps the keys by the prefix.
  CHECK(run(last, {"client", "tracking", "on", "bcast"}) == "+OK\r\n");
  h.server->commit(turn);
  CHECK(other.pushed() == invalidate({"zz"}));
  CHECK(late.pushed() == invalidate({"e", "f"}));
  CHECK(last.pushed() == invalidate({"e", "f"}));
  // Nobody is left at the prefix in between.
  turn.begin();
  run(h.client(), {"set", "d", "2"});
  run(late, {"client", "tracking", "off"});
  run(last, {"client", "tracking", "off"});
  run(late, {"client", "tracking", "on", "bcast"});
  h.server->commit(turn);
  CHECK(late.pushed().empty());
}

TEST_CASE("tracking: a client with few prefixes looks at none of those of others") {
  Harness h;
  std::deque<Client> others;
  constexpr int kOthers = 300;
  for (int i = 0; i < kOthers; ++i) {
    std::string on = "client tracking on bcast";
    for (int j = 0; j < kOthers; ++j) on += fmt::format(" prefix {}:{}:", i, j);
    CHECK(others.emplace_back(h).run(on) == "+OK\r\n");
  }
  // To look at all prefixes for each of these takes ten seconds.
  const auto begin = std::chrono::steady_clock::now();
  for (int i = 0; i < 2500; ++i) {
    REQUIRE(h.run("client tracking on bcast prefix b prefix a") == "+OK\r\n");
    REQUIRE(h.run("client trackinginfo").ends_with("*2\r\n$1\r\na\r\n$1\r\nb\r\n"));
    REQUIRE(h.run("client tracking off") == "+OK\r\n");
  }
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  CHECK(h.server->tracking.prefix_count() == kOthers * kOthers);
  CHECK(h.run("client trackinginfo").ends_with("*0\r\n"));
  others.clear();
  CHECK(h.server->tracking.prefix_count() == 0);
}

TEST_CASE("tracking: OPTIN and OPTOUT go by CLIENT CACHING before the command or transaction") {
  Harness h;
  Tracker in(h, "optin"), out(h, "optout");
  in.run("get k");
  out.run("client caching no");
  out.run("get k");
  h.run("set k 1");
  CHECK(in.pushed().empty());
  CHECK(out.pushed().empty());

  in.run("client caching yes");
  in.run("client id");  // CLIENT's subcommands do not count
  in.run("multi");
  in.run("get k");
  in.run("get j");
  in.run("exec");
  in.run("get i");
  out.run("get k");
  h.run("mset k 2 j 2 i 2");
  CHECK(in.pushed() == invalidate({"k"}) + invalidate({"j"}));
  CHECK(out.pushed() == invalidate({"k"}));
}

TEST_CASE("tracking: messages go to another client, in RESP2 as messages of a channel") {
  Harness h;
  auto listener = std::make_unique<Client>(h);
  const uint64_t id = listener->session->id;
  Client reader(h);
  CHECK(reader.run(fmt::format("client tracking on redirect {}", id)) == "+OK\r\n");
  CHECK(reader.run("client getredir") == fmt::format(":{}\r\n", id));
  reader.run("get k");
  h.run("set k 1");
  CHECK(listener->pushed().empty());  // RESP2, and not subscribed to anything
  listener->run("subscribe __redis__:invalidate");
  reader.run("get k");
  h.run("set k 1");
  CHECK(listener->pushed() ==
        "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n*1\r\n$1\r\nk\r\n");
  h.run("flushall");
  CHECK(listener->pushed() == "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n$-1\r\n");
  // The null is of the protocol of who tracks.
  reader.use_protocol(3);
  h.run("flushall");
  CHECK(listener->pushed() == "*3\r\n$7\r\nmessage\r\n$20\r\n__redis__:invalidate\r\n_\r\n");
  reader.use_protocol(2);
  listener->use_protocol(3);
  h.run("flushall");
  CHECK(listener->pushed() == ">2\r\n$10\r\ninvalidate\r\n$-1\r\n");
  reader.run("get k");
  CHECK(reader.run("set k 1") == "+OK\r\n");
  CHECK(listener->pushed() == invalidate({"k"}));

  listener.reset();
  reader.use_protocol(3);
  reader.run("get k");
  h.run("set k 2");
  CHECK(reader.pushed() == fmt::format(">2\r\n$21\r\ntracking-redir-broken\r\n:{}\r\n", id));
  CHECK(reader.run("client trackinginfo").find("broken_redirect") != std::string::npos);
  CHECK(reader.run("client info").find("flags=tR") != std::string::npos);
  reader.run("client tracking on");
  CHECK(reader.run("client trackinginfo").find("broken_redirect") == std::string::npos);
}

TEST_CASE("tracking: of its own changes a client hears for others where it hears of their events") {
  Harness h;
  Client reader(h), target(h);
  reader.use_protocol(3);
  target.use_protocol(3);
  const std::string id = std::to_string(target.session->id);
  CHECK(reader.run("client tracking on redirect " + id) == "+OK\r\n");
  const auto run = [&](std::initializer_list<std::string_view> args) {
    return run_in(target.turn, target, args);
  };
  target.turn.begin();
  reader.run("get k");
  CHECK(run({"set", "k", "1"}) == invalidate({"k"}) + "+OK\r\n");
  CHECK(run({"set", "k", "1"}) == "+OK\r\n");
  reader.run("get k");
  CHECK(run({"del", "k"}) == invalidate({"k"}) + ":1\r\n");
  reader.run("exists k");
  CHECK(run({"rpush", "k", "1"}) == ":1\r\n" + invalidate({"k"}));
  reader.run("llen k");
  run({"multi"});
  run({"del", "k"});
  run({"set", "k", "1"});
  CHECK(run({"exec"}) == "*2\r\n" + invalidate({"k"}) + ":1\r\n+OK\r\n");
  CHECK(run({"flushall"}) == kAllKeys + "+OK\r\n");
  reader.run("get k");
  run({"client", "reply", "off"});
  CHECK(run({"set", "k", "2"}) == invalidate({"k"}));
  run({"client", "reply", "on"});
  h.server->commit(target.turn);
  CHECK(target.pushed().empty());
  // Its own copies are told of behind the reply still.
  target.run("client tracking on");
  reader.run("get k");
  target.run("get k");
  CHECK(target.run("set k 3") == invalidate({"k"}) + "+OK\r\n" + invalidate({"k"}));
}

TEST_CASE("tracking: emptying a database tells everybody who tracks, whatever it held") {
  Harness h;
  Tracker reader(h), broad(h, "bcast prefix x");
  reader.run("mget a b");
  CHECK(h.server->tracking.keys() == 2);
  h.run("flushdb");
  CHECK(h.server->tracking.keys() == 0);
  CHECK(h.server->tracking.items() == 0);
  CHECK(reader.pushed() == kAllKeys);
  CHECK(broad.pushed() == kAllKeys);
  CHECK(reader.run("flushall") == "+OK\r\n" + kAllKeys);
  CHECK(reader.pushed().empty());
  reader.run("get a");
  h.run("swapdb 0 1");  // which tells nobody, as in Redis
  CHECK(reader.pushed() == "");
}

TEST_CASE("tracking: a key that expires under a reader is told behind the reader's reply") {
  Harness h;
  Tracker reader(h);
  h.run("mset a 1 b 2");
  h.run("pexpire b 1");
  reader.run("mget a b");
  h.run("debug sleep 0.005");
  CHECK(reader.run("mget a b") == "*2\r\n$1\r\n1\r\n_\r\n" + invalidate({"b"}));
}

TEST_CASE("tracking: events of a key come behind word of its change, but for its expiry") {
  Harness h({"notify-keyspace-events", "EA"});
  Tracker reader(h);
  const auto event = [](std::string_view name) {
    return ">4\r\n" + bulk("pmessage") + bulk("__keyevent*") +
           bulk(fmt::format("__keyevent@0__:{}", name)) + bulk("k");
  };
  reader.run("psubscribe __keyevent*");
  reader.run("get k");
  h.run("set k 1 px 100");
  CHECK(reader.pushed() == invalidate({"k"}) + event("set") + event("expire"));
  reader.run("get k");
  h.run("debug sleep 0.11");
  h.run("get k");
  CHECK(reader.pushed() == event("expired") + invalidate({"k"}));
}

TEST_CASE("tracking: the table is kept below tracking-table-max-keys by forgetting keys") {
  Harness h({"tracking-table-max-keys", "10"});
  Tracker reader(h);
  std::string told;
  for (int i = 0; i < 50; ++i) told += reader.run(fmt::format("get key:{}", i));
  told += reader.run("ping");
  CHECK(h.server->tracking.keys() == 10);
  size_t messages = 0;
  for (size_t at = 0; (at = told.find("invalidate", at)) != std::string::npos; ++at) ++messages;
  CHECK(messages == 40);
  reader.run("client reply off");
  h.run("config set tracking-table-max-keys 5");
  CHECK(reader.run("ping").find("invalidate") != std::string::npos);
}

TEST_CASE("tracking: errors are Redis's, and a wrong CLIENT TRACKING changes nothing") {
  Harness h;
  Client c(h);
  const auto refused = [&](std::string_view options, std::string_view error) {
    return c.run(fmt::format("client tracking {}", options)) == fmt::format("-ERR {}\r\n", error);
  };
  CHECK(refused("maybe", "syntax error"));
  CHECK(refused("on what", "syntax error"));
  CHECK(refused("on redirect", "syntax error"));
  CHECK(refused("on redirect x", "value is not an integer or out of range"));
  CHECK(refused("on redirect 99999", "The client ID you want redirect to does not exist"));
  CHECK(refused("on prefix a", "PREFIX option requires BCAST mode to be enabled"));
  CHECK(refused("on bcast optin", "OPTIN and OPTOUT are not compatible with BCAST"));
  CHECK(refused("on optin optout", "You can't specify both OPTIN mode and OPTOUT mode"));
  CHECK(c.run("client caching yes") ==
        "-ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled\r\n");
  CHECK(
      c.run("client trackinginfo") ==
      "*6\r\n$5\r\nflags\r\n*1\r\n$3\r\noff\r\n$8\r\nredirect\r\n:-1\r\n$8\r\nprefixes\r\n*0\r\n");
  CHECK(h.server->tracking.clients() == 0);
  c.run("client tracking on optin");
  CHECK(refused("on optout",
                "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and "
                "then re-enabling it with a different mode."));
  CHECK(refused("on bcast",
                "You can't switch BCAST mode on/off before disabling tracking for this client, and "
                "then re-enabling it with a different mode."));
  CHECK(c.run("client caching no") ==
        "-ERR CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.\r\n");
  CHECK(h.server->tracking.clients() == 1);
  c.run("reset");
  CHECK(h.server->tracking.clients() == 0);
}

TEST_CASE("tracking: a killed client is told nothing, and nothing is redirected to it") {
  Harness h;
  Tracker reader(h), broad(h, "bcast");
  const std::string reader_id = reader.run("client id");
  const std::string broad_id = broad.run("client id");
  Tracker redirects(h, "redirect " + reader_id.substr(1, reader_id.size() - 3));
  reader.run("get k");
  redirects.run("get k");
  for (const std::string& id : {reader_id, broad_id}) {
    CHECK(h.run("client kill id " + id.substr(1, id.size() - 3)) == ":1\r\n");
  }
  h.run("set k 1");
  h.run("flushall");
  CHECK(reader.pushed().empty());
  CHECK(broad.pushed().empty());
  const std::string broken = ">2\r\n$21\r\ntracking-redir-broken\r\n" + reader_id;
  CHECK(redirects.pushed() == broken + broken);
}

TEST_CASE("tracking: a client that is gone is told nothing, and leaves no prefix behind") {
  Harness h;
  {
    Tracker gone(h), broad(h, "bcast");
    gone.run("get k");
  }
  CHECK(h.server->tracking.clients() == 0);
  CHECK(h.server->tracking.prefix_count() == 0);
  h.run("set k 1");
  CHECK(h.server->tracking.idle());
}

}  // namespace
}  // namespace respcask::server::testing

#include "server/dispatch.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/server/probe_commands.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("dispatch: unknown commands are quoted as Redis quotes them") {
  ProbeHarness h;
  CHECK(h.run("foo") == "-ERR unknown command 'foo', with args beginning with: \r\n");
  CHECK(h.run("foo a b") == "-ERR unknown command 'foo', with args beginning with: 'a' 'b' \r\n");
  CHECK(h.run({"f\r\noo", "a\nb"}) ==
        "-ERR unknown command 'f  oo', with args beginning with: 'a b' \r\n");
  CHECK(h.run({std::string_view("fo\0o", 4), std::string_view("a\0b", 3)}) ==
        "-ERR unknown command 'fo', with args beginning with: 'a' \r\n");
  const std::string longest(300, 'x');
  CHECK(h.run({longest, longest, "y"}) == "-ERR unknown command '" + longest.substr(0, 128) +
                                              "', with args beginning with: '" +
                                              longest.substr(0, 128) + "' \r\n");
  CHECK(h.run("command foo") == "-ERR unknown subcommand 'foo'. Try COMMAND HELP.\r\n");
  CHECK(h.run("pubsub foo bar") == "-ERR unknown subcommand 'foo'. Try PUBSUB HELP.\r\n");
}

TEST_CASE("dispatch: the number of arguments is checked, by full name") {
  ProbeHarness h;
  CHECK(h.run("probeget") == "-ERR wrong number of arguments for 'probeget' command\r\n");
  CHECK(h.run("PROBEGET a b") == "-ERR wrong number of arguments for 'probeget' command\r\n");
  CHECK(h.run("pubsub") == "-ERR wrong number of arguments for 'pubsub' command\r\n");
  CHECK(h.run("command count x") ==
        "-ERR wrong number of arguments for 'command|count' command\r\n");
}

TEST_CASE("dispatch: commands run in any case and keep what they write over a restart") {
  ProbeHarness h;
  CHECK(h.run("pRoBeSeT k v") == "+OK\r\n");
  CHECK(h.run("probeget k") == "$1\r\nv\r\n");
  h.restart();
  CHECK(h.run("probeget k") == "$1\r\nv\r\n");
  CHECK(h.run("probedel k") == ":1\r\n");
  CHECK(h.run("probedel k") == ":0\r\n");
  h.restart();
  CHECK(h.run("probeget k") == "$-1\r\n");
}

TEST_CASE("dispatch: without the password only what needs none") {
  ProbeHarness h({"requirepass", "secret"});
  CHECK(h.run("probeget k") == "-NOAUTH Authentication required.\r\n");
  CHECK(h.run("foo") == "-ERR unknown command 'foo', with args beginning with: \r\n");
  CHECK(h.run("auth secret") == "+OK\r\n");
  CHECK(h.run("probeget k") == "$-1\r\n");
}

TEST_CASE("dispatch: above maxmemory nothing runs that may grow") {
  ProbeHarness h;
  h.run("probeset k v");
  h.set({"maxmemory", "1"});
  CHECK(h.run("probeset k v") == "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  CHECK(h.run("probeget k") == "$1\r\nv\r\n");
  CHECK(h.run("probedel k") == ":1\r\n");
  h.set({"maxmemory", "0"});
  CHECK(h.run("probeset k v") == "+OK\r\n");
}

TEST_CASE("dispatch: where replicas are wanted, of which there are none, no write runs") {
  const std::string refusal = "-NOREPLICAS Not enough good replicas to write.\r\n";
  Harness h({"min-replicas-to-write", "1"});
  for (const char* command :
       {"set k v", "del k", "flushall", "swapdb 0 1", "expire k 1", "getex k", "sort k",
        "blpop k 0", "restore k 0 v", "bitfield k get u8 0", "function flush", "pfadd k"}) {
    CAPTURE(command);
    CHECK(h.run(command) == refusal);
  }
  for (const char* command : {"get k", "publish a b", "pfcount k", "script flush", "sort_ro k",
                              "touch k", "ping", "exists k"}) {
    CAPTURE(command);
    CHECK(h.run(command).find("NOREPLICAS") == std::string::npos);
  }
  CHECK(h.server->stats.errors()["NOREPLICAS"] == 12);
  CHECK(h.run("set k") == "-ERR wrong number of arguments for 'set' command\r\n");
  h.set({"min-slaves-max-lag", "0"});
  CHECK(h.run("set k v") == "+OK\r\n");
  h.set({"min-slaves-max-lag", "10", "maxmemory", "1"});
  CHECK(h.run("set k v") == "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  CHECK(h.run("del k") == refusal);
  h.set({"maxmemory", "0"});
  h.run("subscribe c");
  CHECK(h.run("set k v") == refusal);
  CHECK(h.run("get k").starts_with("-ERR Can't execute 'get'"));
}

TEST_CASE("dispatch: a transaction that writes is refused where replicas are wanted") {
  const std::string refusal = "-NOREPLICAS Not enough good replicas to write.\r\n";
  const std::string discarded =
      "-EXECABORT Transaction discarded because of: NOREPLICAS Not enough good replicas to "
      "write.\r\n";
  Harness h({"min-replicas-to-write", "1"});
  const auto want = [&](const char* replicas) { h.set({"min-replicas-to-write", replicas}); };
  h.run("multi");
  CHECK(h.run("set k v") == refusal);
  CHECK(h.run("get k") == "+QUEUED\r\n");
  CHECK(h.run("exec") == "-EXECABORT Transaction discarded because of previous errors.\r\n");
  h.run("multi");
  h.run("get k");
  CHECK(h.run("exec") == "*1\r\n$-1\r\n");
  // It counts what holds when EXEC comes, for what was queued until then.
  want("0");
  h.run("watch k");
  h.run("multi");
  CHECK(h.run("set k v") == "+QUEUED\r\n");
  want("1");
  CHECK(h.run("exec") == discarded);
  CHECK(h.run("exec") == "-ERR EXEC without MULTI\r\n");
  h.run("multi");
  h.run("exists k");
  CHECK(h.run("exec") == "*1\r\n:0\r\n");
  // What runs inside EXEC was checked with it.
  want("0");
  h.run("multi");
  h.run("config set min-replicas-to-write 1");
  h.run("set k v");
  CHECK(h.run("exec") == "*2\r\n+OK\r\n+OK\r\n");
}

TEST_CASE("dispatch: who waits already is served though replicas are wanted by now") {
  Harness h;
  Client waiting(h);
  CHECK(waiting.run("blpop q 0").empty());
  h.run("multi");
  h.run("rpush q x");
  h.run("config set min-replicas-to-write 1");
  CHECK(h.run("exec") == "*2\r\n:1\r\n+OK\r\n");
  CHECK(waiting.resumed() == "*2\r\n$1\r\nq\r\n$1\r\nx\r\n");
}

TEST_CASE("dispatch: a RESP2 subscriber may only subscribe; a RESP3 one may do anything") {
  ProbeHarness h;
  h.run("subscribe a");
  CHECK(h.run("probeget k") ==
        "-ERR Can't execute 'probeget': only (P|S)SUBSCRIBE / (P|S)UNSUBSCRIBE / PING / QUIT / "
        "RESET are allowed in this context\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("probeget k") == "_\r\n");
}

TEST_CASE("dispatch: errors and calls are counted") {
  ProbeHarness h;
  const auto& table = h.server->commands;
  h.run("probefail");
  h.run("probefail");
  h.run("probeget");
  h.run("probeget k");
  const CommandTotals fail = h.server->stats.command(table.find("probefail")->index);
  CHECK(fail.calls == 2);
  CHECK(fail.failed == 2);
  const CommandTotals get = h.server->stats.command(table.find("probeget")->index);
  CHECK(get.calls == 1);
  CHECK(get.failed == 0);
  CHECK(get.rejected == 1);
  CHECK(h.server->stats.errors()["PROBE"] == 2);
  CHECK(h.server->stats.errors()["ERR"] == 1);
  CHECK(h.server->stats.sum().keyspace_misses == 1);
  h.server->stats.reset();
  CHECK(h.server->stats.command(table.find("probefail")->index).calls == 0);
  CHECK(h.server->stats.sum().commands == 0);
}

TEST_CASE("dispatch: CLIENT REPLY's modes") {
  ProbeHarness h;
  h.client().session->reply_mode = ReplyMode::kOff;
  CHECK(h.run("probeset k v").empty());
  h.client().session->reply_mode = ReplyMode::kOn;
  CHECK(h.run("probeget k") == "$1\r\nv\r\n");
  h.client().session->reply_mode = ReplyMode::kSkipNext;
  CHECK(h.run("command count").front() == ':');  // the command that said SKIP
  CHECK(h.run("probeget k").empty());
  CHECK(h.run("probeget k") == "$1\r\nv\r\n");
}

TEST_CASE("dispatch: a key whose time is past is missing, and goes") {
  ProbeHarness h({"notify-keyspace-events", "KEA"});
  Client listener(h);
  listener.run("subscribe __keyevent@0__:expired");
  h.run("probeset k v");
  const int64_t now = unix_ms();
  h.run("probeexpire k " + std::to_string(now + 100000));
  CHECK(h.run("probeget k") == "$1\r\nv\r\n");
  h.run("probeexpire k " + std::to_string(now - 1));
  CHECK(h.run("probekeys") == ":1\r\n");
  CHECK(h.run("probeget k") == "$-1\r\n");
  CHECK(h.run("probekeys") == ":0\r\n");
  CHECK(listener.pushed() == "*3\r\n$7\r\nmessage\r\n$22\r\n__keyevent@0__:expired\r\n$1\r\nk\r\n");
  CHECK(h.server->stats.sum().expired == 1);
  h.run("probeset k w");
  h.run("probeexpire k " + std::to_string(now - 1));
  CHECK(h.run("probeset k x") == "+OK\r\n");
  CHECK(h.run("probeget k") == "$1\r\nx\r\n");
}

TEST_CASE("dispatch: expired keys that nobody asks for go in the background") {
  ProbeHarness h;
  const std::string past = std::to_string(unix_ms() - 1);
  for (int i = 0; i < 1000; ++i) {
    const std::string key = "k" + std::to_string(i);
    h.run({"probeset", key, "v"});
    if (i % 10 != 0) h.run({"probeexpire", key, past});
  }
  CHECK(h.run("probekeys") == ":1000\r\n");
  h.expire_now();
  CHECK(h.run("probekeys") == ":100\r\n");
  h.restart();
  CHECK(h.run("probekeys") == ":100\r\n");
  h.run("probeexpire k0 " + past);
  h.server->active_expire = false;
  h.expire_now();
  CHECK(h.run("probekeys") == ":100\r\n");
}

TEST_CASE("dispatch: a paused client's commands wait, and run when the pause ends") {
  ProbeHarness h;
  h.run("probeset k v");
  h.server->pause(PauseKind::kWrite, unix_ms() + 100000);
  CHECK(h.run("probeget k") == "$1\r\nv\r\n");
  CHECK(h.run("probeset k w").empty());
  CHECK(h.client().blocked());
  CHECK(h.server->blocked_clients() == 1);
  Client other(h);
  CHECK(other.run("probeget k") == "$1\r\nv\r\n");
  h.server->pause(PauseKind::kAll, unix_ms());  // neither shortened, but strengthened
  CHECK(other.run("probeget k").empty());
  h.server->unpause();
  CHECK(h.client().resumed() == "+OK\r\n");
  CHECK(other.resumed() == "$1\r\nw\r\n");
  CHECK(h.server->blocked_clients() == 0);
}

TEST_CASE("dispatch: MONITOR shows what runs, and hides what it must") {
  ProbeHarness h;
  Client monitor(h);
  h.server->add_monitor(*monitor.session);
  h.run({"probeset", "k", "a\"\\\n\x01z"});
  const std::string line = monitor.pushed();
  CHECK(line.front() == '+');
  CHECK(line.find(" [0 127.0.0.1:1000] \"probeset\" \"k\" \"a\\\"\\\\\\n\\x01z\"\r\n") !=
        std::string::npos);
  h.run("foo");
  h.run("probeget");
  CHECK(monitor.pushed().empty());
  h.server->remove_monitor(*monitor.session);
  h.run("probeset k v");
  CHECK(monitor.pushed().empty());
}

TEST_CASE("dispatch: MONITOR shows an EXEC that is refused, as it showed the MULTI") {
  Harness h;
  Client monitor(h);
  h.server->add_monitor(*monitor.session);
  h.run("MULTI");
  monitor.pushed();
  CHECK(h.run("EXEC x") ==
        "-EXECABORT Transaction discarded because of: wrong number of arguments for 'exec' "
        "command\r\n");
  CHECK(monitor.pushed().ends_with(" \"EXEC\" \"x\"\r\n"));
  h.run("SUBSCRIBE c");
  monitor.pushed();
  CHECK(h.run("EXEC").starts_with("-EXECABORT "));
  CHECK(monitor.pushed().ends_with(" \"EXEC\"\r\n"));
  h.server->remove_monitor(*monitor.session);
}

TEST_CASE("dispatch: slow commands are remembered") {
  ProbeHarness h({"slowlog-log-slower-than", "0", "slowlog-max-len", "2"});
  h.run("probeset k v");
  h.run("probeget k");
  std::vector<std::string> many(40, "probedel");
  h.client().run(many);  // rejected: not timed
  const std::string big(200, 'x');
  h.run({"probeset", "k", big});
  CHECK(h.server->slowlog.size() == 2);
  const auto entries = h.server->slowlog.latest(10);
  CHECK(entries[0].args[2] == big.substr(0, 128) + "... (72 more bytes)");
  CHECK(entries[1].args == std::vector<std::string>{"probeget", "k"});
  CHECK(entries[0].client_address == "127.0.0.1:1000");
}

TEST_CASE("dispatch: values that are not in memory are fetched and the command runs again") {
  ProbeHarness h;
  for (int i = 0; i < 50; ++i) {
    h.run({"probeset", "k" + std::to_string(i), "value " + std::to_string(i)});
  }
  for (const bool threads : {false, true}) {
    h.restart();
    if (threads) h.start_threads();
    for (int i = 0; i < 50; ++i) {
      std::string reply = h.run({"probeget", "k" + std::to_string(i)});
      while (reply.empty()) reply = h.client().resumed();
      const std::string value = "value " + std::to_string(i);
      CHECK(reply == "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n");
    }
  }
}

TEST_CASE("dispatch: a reply beyond the client's output limit is not sent") {
  Harness h;
  h.run({"set", "long", std::string(100'000, 'x')});
  h.set({"client-output-buffer-limit", "normal 150000 0 0"});
  Client small(h);
  CHECK(small.run("get long").size() > 100'000);
  CHECK_FALSE(small.closed());
  small.run("multi");
  small.run("set changed yes");
  small.run("mget long long");
  small.run("set changed again");
  small.run("exec");
  CHECK(small.closed());
  CHECK(h.run("get changed") == "$5\r\nagain\r\n");

  h.run("hset h f v");
  Client greedy(h);
  greedy.run("hrandfield h -999999999");
  CHECK(greedy.closed());
}

}  // namespace
}  // namespace respcask::server::testing

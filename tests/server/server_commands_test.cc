#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("server: saving answers as Redis, and moves LASTSAVE") {
  Harness h;
  h.run("set a b");
  CHECK(h.run("save") == "+OK\r\n");
  CHECK(h.run("bgsave schedule") == "+Background saving started\r\n");
  CHECK(h.run("bgsave nonsense") == "-ERR syntax error\r\n");
  h.server->saving.wait();
  CHECK(h.run("bgrewriteaof") == "+Background append only file rewriting started\r\n");
  CHECK(h.run("bgrewriteaof") ==
        "-ERR Background append only file rewriting already in progress\r\n");
  h.server->saving.wait();
  CHECK(h.server->saving.report().rewrites == 1);
  CHECK(h.run("lastsave") == ":" + std::to_string(h.server->saving.report().last_save_s) + "\r\n");
  h.run("multi");
  CHECK(h.run("save") == "-ERR Command not allowed inside a transaction\r\n");
}

TEST_CASE("server: saving within a transaction is scheduled, as in Redis") {
  Harness h;
  h.run("multi");
  h.run("bgsave");
  h.run("bgrewriteaof");
  h.run("bgsave nonsense");
  h.run("bgsave");
  h.run("bgrewriteaof");
  CHECK(h.run("exec") ==
        "*5\r\n+Background saving scheduled\r\n"
        "+Background append only file rewriting scheduled\r\n-ERR syntax error\r\n"
        "+Background saving scheduled\r\n"
        "+Background append only file rewriting scheduled\r\n");
  h.server->saving.wait();
  CHECK(h.server->saving.report().saves == 1);
  CHECK(h.server->saving.report().rewrites == 1);
  h.run("multi");
  h.run("bgsave schedule");
  CHECK(h.run("exec") == "*1\r\n+Background saving scheduled\r\n");
  h.server->saving.wait();
  CHECK(h.server->saving.report().saves == 2);
}

TEST_CASE("server: SHUTDOWN asks once, and its client waits for the end without a reply") {
  Harness h;
  int asked = 0;
  h.server->shutdown.wake = [&] { ++asked; };
  CHECK(h.run("shutdown nonsense") == "-ERR syntax error\r\n");
  CHECK(h.run("shutdown save nosave") == "-ERR syntax error\r\n");
  CHECK(h.run("shutdown abort now") == "-ERR syntax error\r\n");
  CHECK(h.run("shutdown abort") == "-ERR No shutdown in progress.\r\n");
  CHECK(asked == 0);
  CHECK_FALSE(h.server->shutdown.prepare(std::nullopt));
  Client other(h);
  CHECK(other.run("shutdown nosave now force") == "");
  CHECK(asked == 1);
  CHECK(other.blocked());
  CHECK(h.run("set a b") == "+OK\r\n");
  CHECK(h.server->shutdown.prepare(std::nullopt));
  CHECK(other.resumed() == "");
  CHECK(h.run("shutdown abort") == "-ERR No shutdown in progress.\r\n");  // it is too late
  CHECK(h.server->saving.report().saves == 0);
}

constexpr const char* kNoShutdown = "-ERR Errors trying to SHUTDOWN. Check logs.\r\n";

TEST_CASE("server: SHUTDOWN ABORT takes back what was asked for, and all who wait are told") {
  Harness h;
  h.server->shutdown.wake = [] {};
  Client first(h), second(h);
  first.run("shutdown");
  second.run("shutdown save");
  CHECK(h.run("info clients").find("blocked_clients:2\r\n") != std::string::npos);
  CHECK(h.run("shutdown abort") == "+OK\r\n");
  CHECK(first.resumed() == kNoShutdown);
  CHECK(second.resumed() == kNoShutdown);
  CHECK(h.run("info clients").find("blocked_clients:0\r\n") != std::string::npos);
  CHECK(h.run("info errorstats").find("errorstat_ERR:count=2\r\n") != std::string::npos);
  CHECK_FALSE(h.server->shutdown.prepare(std::nullopt));
  CHECK(h.run("shutdown abort") == "-ERR No shutdown in progress.\r\n");
  CHECK(h.server->shutdown.prepare(ShutdownWish{}));  // a signal
}

TEST_CASE("server: CLIENT UNBLOCK leaves alone who waits for the end, and ABORT tells him") {
  Harness h;
  h.server->shutdown.wake = [] {};
  Client asks(h);
  CHECK(asks.run("SHUTDOWN NOSAVE").empty());
  CHECK(h.run("CLIENT UNBLOCK " + std::to_string(asks.session->id)) == ":0\r\n");
  CHECK(h.run("SHUTDOWN ABORT") == "+OK\r\n");
  CHECK(asks.resumed() == "-ERR Errors trying to SHUTDOWN. Check logs.\r\n");
}

TEST_CASE("server: SHUTDOWN SAVE makes a backup, and comes to nothing if that fails") {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/file";
  std::ofstream(file) << "no directory";
  Harness h([&](Config& config) { config.backup_dir = file; });
  h.server->shutdown.wake = [] {};
  REQUIRE(h.run("set a b") == "+OK\r\n");
  Client other(h);
  other.run("shutdown save");
  CHECK_FALSE(h.server->shutdown.prepare(std::nullopt));
  CHECK(other.resumed() == kNoShutdown);
  CHECK(other.run("get a") == "$1\r\nb\r\n");
  other.run("shutdown save force");
  CHECK(h.server->shutdown.prepare(std::nullopt));
  CHECK(h.server->saving.report().saves == 0);

  Harness sound;
  sound.server->shutdown.wake = [] {};
  sound.run("set a b");
  Client last(sound);
  last.run("shutdown save");
  CHECK(sound.server->shutdown.prepare(std::nullopt));
  CHECK(sound.server->saving.report().saves == 1);
}

TEST_CASE("server: DEBUG PAUSE-CRON holds up a signal's wish until it is taken back") {
  Harness h;
  h.server->shutdown.wake = [] {};
  REQUIRE(h.run("debug pause-cron 1") == "+OK\r\n");
  std::atomic<int> answer{-1};
  std::thread process([&] { answer = h.server->shutdown.prepare(ShutdownWish{}) ? 1 : 0; });
  std::string reply;
  while (reply != "+OK\r\n") {
    CHECK(answer == -1);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    reply = h.run("shutdown abort");
  }
  process.join();
  CHECK(answer == 0);
  REQUIRE(h.run("debug pause-cron 0") == "+OK\r\n");
  CHECK(h.server->shutdown.prepare(ShutdownWish{}));
}

TEST_CASE("server: MONITOR shows what every client does, but not passwords or administration") {
  Harness h;
  Client watcher(h), other(h);
  CHECK(watcher.run("monitor") == "+OK\r\n");
  h.run("set a \"x\\n\"");
  other.run("get a");
  other.run("config get hz");
  const std::string seen = watcher.pushed();
  CHECK(seen.find(" [0 127.0.0.1:1000] \"set\" \"a\" \"x\\n\"\r\n") != std::string::npos);
  CHECK(seen.find(" \"get\" \"a\"\r\n") != std::string::npos);
  CHECK(seen.find("config") == std::string::npos);
}

TEST_CASE("server: CLIENT REPLY holds what MONITOR shows back") {
  Harness h;
  Client watcher(h);
  CHECK(watcher.run("monitor") == "+OK\r\n");
  CHECK(watcher.run("client reply off") == "");
  h.run("set hidden 1");
  CHECK(watcher.pushed().find("hidden") == std::string::npos);
  CHECK(watcher.run("client reply on").ends_with("+OK\r\n"));
  h.run("set seen 1");
  CHECK(watcher.pushed().find("seen") != std::string::npos);
  CHECK(watcher.run("client reply skip").find("OK") == std::string::npos);
  h.run("set hidden 1");
  CHECK(watcher.pushed().find("hidden") == std::string::npos);
  watcher.run("ping");
  h.run("set seen 1");
  CHECK(watcher.pushed().find("seen") != std::string::npos);
}

TEST_CASE("server: who monitors and quits is not shown that") {
  Harness h;
  Client leaving(h), watcher(h);
  CHECK(watcher.run("monitor") == "+OK\r\n");
  CHECK(leaving.run("monitor") == "+OK\r\n");
  CHECK(leaving.run("quit") == "+OK\r\n");
  CHECK(leaving.pushed().empty());
  CHECK(watcher.pushed().find("\"quit\"") != std::string::npos);
}

TEST_CASE("server: TIME, LOLWUT and ROLE") {
  Harness h;
  CHECK(h.run("time").starts_with("*2\r\n$10\r\n"));
  CHECK(h.run("lolwut") == "$18\r\nRedis ver. 7.0.15\n\r\n");
  CHECK(h.run("lolwut version x") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("role") == "*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n");
}

TEST_CASE("replication: there are no replicas to wait for, and this is none") {
  Harness h;
  CHECK(h.run("wait 0 0") == ":0\r\n");
  CHECK(h.run("wait x 0") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("wait 1 x") == "-ERR timeout is not an integer or out of range\r\n");
  CHECK(h.run("wait 1 -1") == "-ERR timeout is negative\r\n");
  CHECK(h.run("wait 0 9223372036854775807") == ":0\r\n");
  CHECK(h.run("wait 1 1") == "");
  while (h.client().blocked()) {
    h.wake_due();
    const std::string reply = h.client().resumed();
    if (!reply.empty()) CHECK(reply == ":0\r\n");
  }
  h.run("multi");
  h.run("wait 1 0");
  CHECK(h.run("exec") == "*1\r\n:0\r\n");
  CHECK(h.run("replicaof no one") == "+OK\r\n");
  CHECK(h.run("slaveof NO ONE") == "+OK\r\n");
  CHECK(h.run("replicaof 127.0.0.1 7000").starts_with("-ERR "));
  CHECK(h.run("replicaof 127.0.0.1 65536") == "-ERR Invalid master port\r\n");
  CHECK(h.run("readonly") == "-ERR This instance has cluster support disabled\r\n");
}

TEST_CASE("replication: to wait until a time that no clock gets to is to wait for good") {
  Harness h;
  for (const char* timeout : {"0", "9223372036854775000", "9223372036854775807"}) {
    Client waits(h);
    CHECK(waits.run({"wait", "1", timeout}) == "");
    CHECK(waits.session->waiter->deadline_ms == 0);
    h.wake_due();
    CHECK(waits.resumed() == "");
    CHECK(waits.blocked());
    CHECK(h.run("client unblock " + std::to_string(waits.session->id)) == ":1\r\n");
    CHECK(waits.resumed() == ":0\r\n");
  }
}

TEST_CASE("scripting: as a Redis without scripts and functions") {
  Harness h;
  CHECK(h.run("function flush") == "+OK\r\n");
  CHECK(h.run("function flush async") == "+OK\r\n");
  CHECK(h.run("function flush x") == "-ERR FUNCTION FLUSH only supports SYNC|ASYNC option\r\n");
  CHECK(h.run("function flush sync x") ==
        "-ERR unknown subcommand or wrong number of arguments for 'flush'. Try FUNCTION HELP.\r\n");
  CHECK(h.run("module list") == "*0\r\n");
  CHECK(h.run("module help").find("LOAD") == std::string::npos);
  CHECK(h.run("function list withcode libraryname x") == "*0\r\n");
  CHECK(h.run("function list libraryname") == "-ERR library name argument was not given\r\n");
  CHECK(h.run("function list x") == "-ERR Unknown argument x\r\n");
  CHECK(h.run("function delete x") == "-ERR Library not found\r\n");
  CHECK(h.run("function stats") ==
        "*4\r\n$14\r\nrunning_script\r\n$-1\r\n$7\r\nengines\r\n*2\r\n$3\r\nLUA\r\n"
        "*4\r\n$15\r\nlibraries_count\r\n:0\r\n$15\r\nfunctions_count\r\n:0\r\n");
  CHECK(h.run("script exists a b") == "*2\r\n:0\r\n:0\r\n");
  CHECK(h.run("script flush sync") == "+OK\r\n");
  CHECK(h.run("script flush a b") == "-ERR SCRIPT FLUSH only support SYNC|ASYNC option\r\n");
  CHECK(h.run("script kill") == "-NOTBUSY No scripts in execution right now.\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

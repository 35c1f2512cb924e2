#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <thread>

#include "server/log.h"
#include "server/store_settings.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("config: GET answers names and values, in RESP3 as a map") {
  Harness h;
  CHECK(h.run("config get maxclients") == "*2\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n");
  CHECK(h.run("config get nothing") == "*0\r\n");
  CHECK(h.run("config get hz hz HZ") == "*2\r\n$2\r\nhz\r\n$2\r\n10\r\n");
  // A name as it was asked for, but what a pattern has found as it is.
  CHECK(h.run("config get Hz hz h[z]") == "*2\r\n$2\r\nHz\r\n$2\r\n10\r\n");
  CHECK(h.run("config get H[z] hz") == "*2\r\n$2\r\nhz\r\n$2\r\n10\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("config get maxclients") == "%1\r\n$10\r\nmaxclients\r\n$5\r\n10000\r\n");
  CHECK(h.run("config get") == "-ERR wrong number of arguments for 'config|get' command\r\n");
}

TEST_CASE("config: SET applies all pairs or none, and says why not") {
  Harness h;
  CHECK(h.run("config set hz 20 timeout 5") == "+OK\r\n");
  CHECK(h.run("config get hz") == "*2\r\n$2\r\nhz\r\n$2\r\n20\r\n");
  CHECK(h.run("config set hz 30 nonsense 1") ==
        "-ERR Unknown option or number of arguments for CONFIG SET - 'nonsense'\r\n");
  CHECK(h.run("config get hz") == "*2\r\n$2\r\nhz\r\n$2\r\n20\r\n");
  CHECK(h.run("config set hz") == "-ERR wrong number of arguments for 'config|set' command\r\n");
  CHECK(h.run("config set hz 1 timeout") == "-ERR syntax error\r\n");
  CHECK(h.run("config set port nonsense")
            .starts_with("-ERR CONFIG SET failed (possibly related to argument 'port') - "));
  CHECK(h.run("config nonsense") == "-ERR unknown subcommand 'nonsense'. Try CONFIG HELP.\r\n");
}

TEST_CASE("config: SET takes effect within the transaction that it stands in") {
  Harness h;
  h.run("config set slowlog-log-slower-than -1");
  h.run("slowlog reset");
  h.run("multi");
  h.run("config set slowlog-log-slower-than 0");
  h.run("time");
  h.run("config set slowlog-log-slower-than -1");
  h.run("exec");
  // The first SET is measured with what it has set, and so is TIME.
  CHECK(h.run("slowlog len") == ":2\r\n");
}

TEST_CASE("config: a password is not shown in SLOWLOG") {
  Harness h;
  h.run("config set slowlog-log-slower-than 0");
  h.run("config set requirepass hush hz 10");
  const std::string log = h.run("slowlog get");
  CHECK(contains(log, "$10\r\n(redacted)\r\n$2\r\nhz\r\n"));
  CHECK(!contains(log, "hush"));
}

TEST_CASE("config: RESETSTAT forgets counts and errors") {
  Harness h;
  h.run("nonsense");
  CHECK(contains(h.run("info errorstats"), "errorstat_ERR:count=1\r\n"));
  CHECK(h.run("config resetstat") == "+OK\r\n");
  CHECK(!contains(h.run("info errorstats"), "errorstat"));
  CHECK(contains(h.run("info stats"), "total_error_replies:0\r\n"));
}

TEST_CASE("config: what is the store's and the log's follows a SET") {
  Harness h;
  follow_config(*h.config, *h.store);
  CHECK(!log_enabled(LogLevel::kDebug));
  CHECK(h.run("config set loglevel debug merge-stop-garbage 1 appendfsync always") == "+OK\r\n");
  CHECK(log_enabled(LogLevel::kDebug));
  CHECK(h.run("config set loglevel notice") == "+OK\r\n");
  CHECK(!log_enabled(LogLevel::kDebug));
  // In this mode what is written is synced at once.
  h.run("set a b");
  const auto point = h.store->commit(engine::ShardSet::first(h.store->shard_count()));
  REQUIRE(point);
  for (int i = 0; i < 1000 && !h.store->synced(*point); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  CHECK(h.store->synced(*point));
}

TEST_CASE("config: the log level can be set while the log file cannot be opened") {
  Harness h([](Config& config) { config.logfile = "/nonexistent/server.log"; });
  follow_config(*h.config, *h.store);
  CHECK(h.run("config set loglevel debug") == "+OK\r\n");
  CHECK(log_enabled(LogLevel::kDebug));
  log_set_level(LogLevel::kNotice);
}

TEST_CASE("config: HELP goes by the name that the command was given") {
  Harness h([](Config& config) { config.renamed_commands = {{"config", "cfg"}}; });
  CHECK(contains(h.run("cfg help"), "+CFG <subcommand> [<arg> [value] [opt] ...]."));
}

TEST_CASE("config: the defaults of merging are the engine's") {
  const engine::MergeOptions defaults;
  const engine::MergeOptions merge = store_options(Config()).merge;
  CHECK(merge.trigger_garbage == defaults.trigger_garbage);
  CHECK(merge.stop_garbage == defaults.stop_garbage);
  CHECK(merge.least_bytes == defaults.least_bytes);
  CHECK(merge.bytes_per_second == defaults.bytes_per_second);
  CHECK(merge.window_from_hour == defaults.window_from_hour);
  CHECK(merge.window_to_hour == defaults.window_to_hour);
}

TEST_CASE("config: REWRITE needs a file") {
  Harness h;
  CHECK(h.run("config rewrite") == "-ERR The server is running without a config file\r\n");
}

TEST_CASE("config: HELP lists the subcommands") {
  Harness h;
  CHECK(
      h.run("config help")
          .starts_with(
              "*11\r\n+CONFIG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:\r\n+GET "));
}

}  // namespace
}  // namespace respcask::server::testing

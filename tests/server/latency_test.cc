#include "server/latency.h"

#include <doctest/doctest.h>

#include <string>

#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("latency: samples are one a second, its worst, and the latest 160") {
  LatencyMonitor monitor;
  monitor.add("command", 100, 5);
  monitor.add("command", 100, 9);
  monitor.add("command", 100, 7);
  monitor.add("command", 101, 3);
  const LatencyEvent event = monitor.event("command");
  REQUIRE(event.samples.size() == 2);
  CHECK(event.samples[0].ms == 9);
  CHECK(event.samples[1].ms == 3);
  CHECK(event.worst_ms == 9);
  for (int64_t second = 200; second < 500; ++second) monitor.add("command", second, 1);
  CHECK(monitor.event("command").samples.size() == 160);
  CHECK(monitor.event("command").samples.front().time_s == 340);
  CHECK(monitor.event("command").worst_ms == 9);
}

TEST_CASE("latency: RESET forgets what it names") {
  Harness h;
  h.server->latency.add("command", 10, 50);
  h.server->latency.add("aof-write", 10, 60);
  h.server->latency.add("fast-command", 10, 70);
  CHECK(h.run("latency latest") ==
        "*3\r\n*4\r\n$9\r\naof-write\r\n:10\r\n:60\r\n:60\r\n"
        "*4\r\n$7\r\ncommand\r\n:10\r\n:50\r\n:50\r\n"
        "*4\r\n$12\r\nfast-command\r\n:10\r\n:70\r\n:70\r\n");
  CHECK(h.run("latency history aof-write") == "*1\r\n*2\r\n:10\r\n:60\r\n");
  CHECK(h.run("latency reset command nonsense") == ":1\r\n");
  CHECK(h.run("latency history command") == "*0\r\n");
  CHECK(h.run("latency reset") == ":2\r\n");
  CHECK(h.run("latency latest") == "*0\r\n");
}

TEST_CASE("latency: HISTORY and GRAPH take an event's name by the letter, RESET in any case") {
  Harness h;
  h.server->latency.add("command", 10, 50);
  CHECK(h.run("latency history Command") == "*0\r\n");
  CHECK(h.run("latency graph Command") == "-ERR No samples available for event 'Command'\r\n");
  CHECK(h.run("latency history command") == "*1\r\n*2\r\n:10\r\n:50\r\n");
  CHECK(h.run("latency reset Command") == ":1\r\n");
}

TEST_CASE("latency: the graph is Redis's") {
  LatencyEvent event{"command", 105, {}};
  const int64_t times[] = {5, 30, 100, 24, 103, 53, 11, 70, 105};
  const int64_t seconds[] = {1, 2, 4, 5, 6, 7, 8, 9, 10};
  for (int i = 0; i < 9; ++i) event.samples.push_back({seconds[i], times[i]});
  CHECK(latency_graph(event, 10) == "command - high 105 ms, low 5 ms (all time high 105 ms)\n" +
                                        std::string(80, '-') +
                                        "\n"
                                        "  # #   #\n"
                                        "  | |  o|\n"
                                        " _| |# ||\n"
                                        "_||#||_||\n"
                                        "         \n"
                                        "986543210\n"
                                        "sssssssss\n");
  Harness h;
  CHECK(h.run("latency graph nothing") == "-ERR No samples available for event 'nothing'\r\n");
  h.server->latency.add("command", 10, 50);
  CHECK(h.run("latency graph command").find("command - high 50 ms, low 50 ms") !=
        std::string::npos);
}

TEST_CASE("latency: DOCTOR says what was seen") {
  Harness h;
  CHECK(h.run("latency doctor").find("Latency monitoring is off") != std::string::npos);
  h.run("config set latency-monitor-threshold 100");
  CHECK(h.run("latency doctor").find("Nothing has taken 100 ms") != std::string::npos);
  h.server->latency.add("command", 10, 250);
  const std::string report = h.run("latency doctor");
  CHECK(report.find("1. command: 1 latency spikes (average 250ms") != std::string::npos);
}

TEST_CASE("latency: HISTOGRAM tells calls cumulatively, subcommands with their container") {
  Harness h;
  CHECK(h.run("latency histogram set nonsense") == "*0\r\n");
  h.run("set a b");
  h.run("set a b");
  h.client().use_protocol(3);
  const std::string sets = h.run("latency histogram set nonsense");
  CHECK(
      sets.starts_with("%1\r\n$3\r\nset\r\n%2\r\n$5\r\ncalls\r\n:2\r\n$14\r\nhistogram_usec\r\n%"));
  CHECK(sets.ends_with(":2\r\n"));
  h.run("config get hz");
  CHECK(h.run("latency histogram config").starts_with("%1\r\n$10\r\nconfig|get\r\n"));
  h.run("config set latency-tracking no");
  h.run("config resetstat");
  h.run("set a b");
  CHECK(h.run("latency histogram set") == "%0\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

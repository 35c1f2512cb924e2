// LATENCY: when something took long, and how long each command takes.
#include "server/latency.h"

#include <fmt/format.h>

#include <vector>

#include "server/command_table.h"
#include "server/context.h"
#include "server/server.h"

namespace respcask::server {
namespace {

void cmd_latency_history(Context& c) {
  const LatencyEvent event = c.server().latency.event(c.quoted_arg(2));
  c.reply().array(event.samples.size());
  for (const LatencySample& sample : event.samples) {
    c.reply().array(2);
    c.reply().integer(sample.time_s);
    c.reply().integer(sample.ms);
  }
}

void cmd_latency_latest(Context& c) {
  const std::vector<LatencyEvent> events = c.server().latency.events();
  c.reply().array(events.size());
  for (const LatencyEvent& event : events) {
    c.reply().array(4);
    c.reply().bulk(event.name);
    c.reply().integer(event.samples.back().time_s);
    c.reply().integer(event.samples.back().ms);
    c.reply().integer(event.worst_ms);
  }
}

void cmd_latency_reset(Context& c) {
  c.reply().integer(static_cast<int64_t>(c.server().latency.reset(c.args().subspan(2))));
}

void cmd_latency_graph(Context& c) {
  const LatencyEvent event = c.server().latency.event(c.quoted_arg(2));
  if (event.samples.empty()) {
    return c.error(fmt::format("ERR No samples available for event '{}'", c.quoted_arg(2)));
  }
  c.reply().verbatim("txt", latency_graph(event, c.now_ms() / 1000));
}

void cmd_latency_doctor(Context& c) {
  const std::vector<LatencyEvent> events = c.server().latency.events();
  const Config& config = c.config();
  c.reply().verbatim(
      "txt", latency_report(events, static_cast<int64_t>(config.latency_monitor_threshold_ms),
                            config.slowlog_log_slower_than_us));
}

// The histogram's steps as HISTOGRAM tells them: powers of two from 1024 ns on, with how many calls
// took at most so long, until all have been counted.
void reply_histogram(Context& c, const TableEntry& command, const CommandTotals& totals) {
  resp::Writer& reply = c.reply();
  uint64_t all = 0;
  for (const uint64_t count : totals.latency) all += count;
  reply.bulk(command.full_name);
  reply.map(2);
  reply.bulk("calls");
  reply.integer(static_cast<int64_t>(all));
  reply.bulk("histogram_usec");
  const resp::Writer::Mark steps = reply.defer();
  size_t shown = 0, bucket = 0;
  uint64_t counted = 0;
  for (int power = LatencyHistogram::kLowBits; counted < all; ++power) {
    const uint64_t before = counted;
    const size_t end = power >= LatencyHistogram::kHighBits
                           ? totals.latency.size()
                           : LatencyHistogram::bucket(uint64_t{1} << power);
    for (; bucket < end; ++bucket) counted += totals.latency[bucket];
    if (counted == before) continue;
    // Redis's own histogram has 128 steps to a power of two, and names a step by its upper end.
    const uint64_t upper_ns = (uint64_t{1} << power) + (uint64_t{1} << (power - 7)) - 1;
    reply.integer(static_cast<int64_t>(upper_ns / 1000));
    reply.integer(static_cast<int64_t>(counted));
    ++shown;
  }
  reply.finish_map(steps, shown);
}

void cmd_latency_histogram(Context& c) {
  const CommandTable& table = c.server().commands;
  std::vector<const TableEntry*> wanted;
  const auto add = [&](const TableEntry& command) {
    wanted.push_back(&command);
    wanted.insert(wanted.end(), command.subcommands.begin(), command.subcommands.end());
  };
  if (c.argc() == 2) {
    for (const TableEntry* command : table.commands()) add(*command);
  }
  for (size_t i = 2; i < c.argc(); ++i) {
    if (const TableEntry* command = table.find_full(c.arg(i))) add(*command);
  }
  const resp::Writer::Mark mark = c.reply().defer();
  size_t shown = 0;
  for (const TableEntry* command : wanted) {
    const CommandTotals totals = c.server().stats.command(command->index);
    if (totals.latency.empty()) continue;
    reply_histogram(c, *command, totals);
    ++shown;
  }
  c.reply().finish_map(mark, shown);
}

void cmd_latency_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "DOCTOR",
      "    Return a human readable latency analysis report.",
      "GRAPH <event>",
      "    Return an ASCII latency graph for the <event> class.",
      "HISTORY <event>",
      "    Return time-latency samples for the <event> class.",
      "LATEST",
      "    Return the latest latency samples for all events.",
      "RESET [<event> ...]",
      "    Reset latency data of one or more <event> classes.",
      "    (default: reset all data for all event classes)",
      "HISTOGRAM [COMMAND ...]",
      "    Return a cumulative distribution of latencies in the format of a histogram for the "
      "specified command names.",
      "    If no commands are specified then all histograms are replied.",
  };
  c.help(kLines);
}

constexpr std::string_view kLatencyDoctorTips[] = {
    "nondeterministic_output", "request_policy:all_nodes", "response_policy:special"};
constexpr Argument kEvent[] = {
    {.name = "event"},
};
constexpr std::string_view kLatencyGraphTips[] = {
    "nondeterministic_output", "request_policy:all_nodes", "response_policy:special"};
constexpr Argument kLatencyHistogramArgs[] = {
    {.name = "command", .flags = kOptional | kMultiple},
};
constexpr std::string_view kLatencyHistogramTips[] = {
    "nondeterministic_output", "request_policy:all_nodes", "response_policy:special"};
constexpr std::string_view kLatencyHistoryTips[] = {
    "nondeterministic_output", "request_policy:all_nodes", "response_policy:special"};
constexpr std::string_view kLatencyLatestTips[] = {
    "nondeterministic_output", "request_policy:all_nodes", "response_policy:special"};
constexpr Argument kLatencyResetArgs[] = {
    {.name = "event", .flags = kOptional | kMultiple},
};
constexpr std::string_view kLatencyResetTips[] = {"request_policy:all_nodes",
                                                  "response_policy:all_succeeded"};
constexpr Command kLatencySubcommands[] = {
    {.name = "doctor",
     .handler = cmd_latency_doctor,
     .arity = 2,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Return a human readable latency analysis report.",
     .tips = kLatencyDoctorTips},
    {.name = "graph",
     .handler = cmd_latency_graph,
     .arity = 3,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Return a latency graph for the event.",
     .arguments = kEvent,
     .tips = kLatencyGraphTips},
    {.name = "help",
     .handler = cmd_latency_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands."},
    {.name = "histogram",
     .handler = cmd_latency_histogram,
     .arity = -2,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "7.0.0",
     .complexity =
         "O(N) where N is the number of commands with latency information being retrieved.",
     .summary = "Return the cumulative distribution of latencies of a subset of commands or all.",
     .arguments = kLatencyHistogramArgs,
     .tips = kLatencyHistogramTips},
    {.name = "history",
     .handler = cmd_latency_history,
     .arity = 3,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Return timestamp-latency samples for the event.",
     .arguments = kEvent,
     .tips = kLatencyHistoryTips},
    {.name = "latest",
     .handler = cmd_latency_latest,
     .arity = 2,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Return the latest latency samples for all events.",
     .tips = kLatencyLatestTips},
    {.name = "reset",
     .handler = cmd_latency_reset,
     .arity = -2,
     .flags = kAdmin | kNoscript | kLoading | kStale,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "O(1)",
     .summary = "Reset latency data for one or more events.",
     .arguments = kLatencyResetArgs,
     .tips = kLatencyResetTips},
};
constexpr Command kRows[] = {
    {.name = "latency",
     .arity = -2,
     .group = Group::kServer,
     .since = "2.8.13",
     .complexity = "Depends on subcommand.",
     .summary = "A container for latency diagnostics commands",
     .subcommands = kLatencySubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> latency_commands() {
  return kRows;
}

}  // namespace respcask::server

// MEMORY: what takes how much of it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>

#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"
#include "server/info.h"
#include "server/info_totals.h"
#include "server/server.h"
#include "server/types/object.h"

namespace respcask::server {
namespace {

// Values are on disk: a key takes its name, its entry, and the index of its elements if it has one.
void cmd_memory_usage(Context& c) {
  for (size_t i = 3; i < c.argc(); ++i) {
    if (!c.arg_is(i, "SAMPLES") || i + 1 == c.argc()) return c.syntax_error();
    const auto samples = c.integer_arg(++i);
    if (!samples) return;
    if (*samples < 0) return c.syntax_error();
  }
  const KeyRef key = c.key(2);
  const auto entry = c.peek(key);
  if (!entry) return c.reply().bulk_null();
  c.reply().integer(static_cast<int64_t>(object_memory(c, key, *entry)));
}

void cmd_memory_stats(Context& c) {
  const StoreTotals store = store_totals(c);
  const ClientTotals clients = client_totals(c.server());
  const MemoryTotals memory = memory_totals(c.server(), store, clients);
  const MemoryUsage& usage = memory.usage;
  resp::Writer& reply = c.reply();
  const resp::Writer::Mark mark = reply.defer();
  size_t fields = 0;
  const auto number = [&](std::string_view name, uint64_t value) {
    reply.bulk(name);
    reply.integer(static_cast<int64_t>(value));
    ++fields;
  };
  const auto ratio = [&](std::string_view name, double value) {
    reply.bulk(name);
    reply.double_value(value);
    ++fields;
  };
  number("peak.allocated", memory.peak);
  number("total.allocated", usage.used);
  number("startup.allocated", memory.at_start);
  number("replication.backlog", 0);
  number("clients.slaves", 0);
  number("clients.normal", clients.bytes);
  number("cluster.links", 0);
  number("aof.buffer", store.sum.pending_memory_bytes);
  number("lua.caches", 0);
  number("functions.caches", 0);
  for (size_t db = 0; db < store.databases.size(); ++db) {
    if (store.databases[db].keys == 0) continue;
    reply.bulk(fmt::format("db.{}", db));
    reply.map(3);
    reply.bulk("overhead.hashtable.main");
    reply.integer(static_cast<int64_t>(store.databases[db].keydir_bytes));
    reply.bulk("overhead.hashtable.expires");
    reply.integer(0);
    reply.bulk("overhead.hashtable.slot-to-keys");
    reply.integer(0);
    ++fields;
  }
  number("overhead.total", memory.overhead);
  number("keys.count", store.sum.keys);
  number("keys.bytes-per-key", store.sum.keys == 0 ? 0 : memory.beyond_start / store.sum.keys);
  number("dataset.bytes", memory.dataset);
  ratio("dataset.percentage", fraction(memory.dataset, memory.beyond_start) * 100);
  ratio("peak.percentage", fraction(usage.used, memory.peak) * 100);
  number("allocator.allocated", usage.used);
  number("allocator.active", usage.active);
  number("allocator.resident", usage.resident);
  ratio("allocator-fragmentation.ratio", fraction(usage.active, usage.used));
  number("allocator-fragmentation.bytes", usage.active - usage.used);
  ratio("allocator-rss.ratio", fraction(usage.resident, usage.active));
  number("allocator-rss.bytes", usage.resident - usage.active);
  ratio("rss-overhead.ratio", fraction(usage.rss_anonymous, usage.resident));
  number("rss-overhead.bytes", usage.rss_anonymous - usage.resident);
  ratio("fragmentation", fraction(usage.rss_anonymous, usage.used));
  number("fragmentation.bytes", usage.rss_anonymous - usage.used);
  reply.finish_map(mark, fields);
}

void cmd_memory_doctor(Context& c) {
  constexpr uint64_t kWorthLooking = 5 << 20;
  constexpr double kPeak = 1.5, kFragmented = 1.4, kClientShare = 0.25;
  const StoreTotals store = store_totals(c);
  const ClientTotals clients = client_totals(c.server());
  const MemoryTotals memory = memory_totals(c.server(), store, clients);
  const uint64_t used = memory.usage.used;
  std::string report;
  if (used < kWorthLooking) {
    report = "So little memory is in use that there is nothing to say about it.\n";
  } else {
    if (fraction(memory.peak, used) > kPeak) {
      report += fmt::format(
          "* Peak: at its highest, {} were in use, now {}. What the allocator has kept since then "
          "is used again as the data grows; MEMORY PURGE gives it back to the system.\n",
          human_bytes(memory.peak), human_bytes(used));
    }
    if (fraction(memory.usage.rss_anonymous, used) > kFragmented) {
      report += fmt::format("* Fragmentation: the process holds {} of memory for {} in use.\n",
                            human_bytes(memory.usage.rss_anonymous), human_bytes(used));
    }
    if (fraction(clients.bytes, used) > kClientShare) {
      report += fmt::format(
          "* Clients: their sessions and buffers take {}. CLIENT LIST shows who (qbuf, omem); "
          "client-output-buffer-limit bounds it.\n",
          human_bytes(clients.bytes));
    }
    if (report.empty()) report = "Nothing is out of the ordinary with the memory in use.\n";
  }
  c.reply().verbatim("txt", report);
}

void cmd_memory_malloc_stats(Context& c) {
  c.reply().verbatim("txt", ProcessMemory::report());
}

void cmd_memory_purge(Context& c) {
  ProcessMemory::purge();
  c.ok();
}

void cmd_memory_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "DOCTOR",
      "    Return memory problems reports.",
      "MALLOC-STATS",
      "    Return internal statistics report from the memory allocator.",
      "PURGE",
      "    Attempt to purge dirty pages for reclamation by the allocator.",
      "STATS",
      "    Return information about the memory usage of the server.",
      "USAGE <key> [SAMPLES <count>]",
      "    Return memory in bytes used by <key> and its value. Nested values are",
      "    sampled up to <count> times (default: 5, 0 means sample all).",
  };
  c.help(kLines);
}

constexpr std::string_view kMemoryDoctorTips[] = {
    "nondeterministic_output", "request_policy:all_shards", "response_policy:special"};
constexpr std::string_view kMemoryMallocStatsTips[] = {
    "nondeterministic_output", "request_policy:all_shards", "response_policy:special"};
constexpr std::string_view kMemoryPurgeTips[] = {"request_policy:all_shards",
                                                 "response_policy:all_succeeded"};
constexpr std::string_view kMemoryStatsTips[] = {
    "nondeterministic_output", "request_policy:all_shards", "response_policy:special"};
constexpr Argument kMemoryUsageArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "count", .type = ArgType::kInteger, .token = "SAMPLES", .flags = kOptional},
};
constexpr Command kMemorySubcommands[] = {
    {.name = "doctor",
     .handler = cmd_memory_doctor,
     .arity = 2,
     .flags = kOwnLocks,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Outputs memory problems report",
     .tips = kMemoryDoctorTips},
    {.name = "help",
     .handler = cmd_memory_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands"},
    {.name = "malloc-stats",
     .handler = cmd_memory_malloc_stats,
     .arity = 2,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "Depends on how much memory is allocated, could be slow",
     .summary = "Show allocator internal stats",
     .tips = kMemoryMallocStatsTips},
    {.name = "purge",
     .handler = cmd_memory_purge,
     .arity = 2,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "Depends on how much memory is allocated, could be slow",
     .summary = "Ask the allocator to release memory",
     .tips = kMemoryPurgeTips},
    {.name = "stats",
     .handler = cmd_memory_stats,
     .arity = 2,
     .flags = kOwnLocks,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Show memory usage details",
     .tips = kMemoryStatsTips},
    {.name = "usage",
     .handler = cmd_memory_usage,
     .arity = -3,
     .flags = kReadonly,
     .keys = kInspectSecondKey,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "O(N) where N is the number of samples.",
     .summary = "Estimate the memory usage of a key",
     .arguments = kMemoryUsageArgs},
};
constexpr Command kRows[] = {
    {.name = "memory",
     .arity = -2,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for memory diagnostics commands",
     .subcommands = kMemorySubcommands},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> memory_commands() {
  return kRows;
}

}  // namespace respcask::server

// Commands on whole databases: DBSIZE, FLUSHDB, FLUSHALL, SWAPDB.
//
// The last three are one transaction over all shards, and write a small record in each, whatever
// the databases hold; a flush leaves out those shards that hold nothing of them.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>

#include <fmt/format.h>

#include "engine/shard.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/context.h"
#include "server/scope.h"
#include "server/server.h"

namespace respcask::server {

namespace {

// Keys that have expired and were not removed yet are counted, as in Redis.
void cmd_dbsize(Context& c) {
  size_t keys = 0;
  for (uint32_t shard = 0; shard < c.server().store.shard_count(); ++shard) {
    c.with_shard(shard, [&](engine::Shard& home) { keys += home.keydir(c.db()).size(); });
  }
  c.reply().integer(static_cast<int64_t>(keys));
}

// ASYNC and SYNC make no difference: what is dropped is always freed in the background.
bool check_flush_options(Context& c) {
  if (c.argc() == 1 || (c.argc() == 2 && (c.arg_is(1, "SYNC") || c.arg_is(1, "ASYNC")))) {
    return true;
  }
  c.syntax_error();
  return false;
}

// Empties the databases [begin, end).
void flush(Context& c, uint32_t begin, uint32_t end) {
  constexpr uint64_t kRecordBytes = 64;  // more than a shard's record of a flushed database takes
  const std::string_view refusal =
      c.scope().reserve((end - begin) * kRecordBytes, engine::Growth::kShrinks);
  if (!refusal.empty()) return c.error(refusal);
  for (uint32_t db = begin; db < end; ++db) c.flush(db);
  c.scope().forget_copies();
  c.tell_redirected();
  c.ok();
}

void cmd_flushdb(Context& c) {
  if (check_flush_options(c)) flush(c, c.db(), c.db() + 1);
}

void cmd_flushall(Context& c) {
  if (check_flush_options(c)) flush(c, 0, c.server().store.options().databases);
}

void cmd_swapdb(Context& c) {
  constexpr int64_t kLow = std::numeric_limits<int>::min();
  constexpr int64_t kHigh = std::numeric_limits<int>::max();
  const auto first = c.integer_arg_in(1, kLow, kHigh, "ERR invalid first DB index");
  if (!first) return;
  const auto second = c.integer_arg_in(2, kLow, kHigh, "ERR invalid second DB index");
  if (!second) return;
  const int64_t databases = c.server().store.options().databases;
  if (*first < 0 || *first >= databases || *second < 0 || *second >= databases) {
    return c.error("ERR DB index is out of range");
  }
  if (*first != *second) c.swap(static_cast<uint32_t>(*first), static_cast<uint32_t>(*second));
  c.ok();
}

constexpr std::string_view kDbsizeTips[] = {"request_policy:all_shards", "response_policy:agg_sum"};
constexpr Argument kAsyncOrSync[] = {
    {.name = "async", .type = ArgType::kPureToken, .token = "ASYNC", .since = "4.0.0"},
    {.name = "sync", .type = ArgType::kPureToken, .token = "SYNC", .since = "6.2.0"},
};
constexpr Argument kFlushArgs[] = {
    {.name = "async", .type = ArgType::kOneof, .flags = kOptional, .sub = kAsyncOrSync},
};
constexpr HistoryEntry kFlushHistory[] = {
    {"4.0.0", "Added the `ASYNC` flushing mode modifier."},
    {"6.2.0", "Added the `SYNC` flushing mode modifier."},
};
constexpr std::string_view kFlushallTips[] = {"request_policy:all_shards",
                                              "response_policy:all_succeeded"};
constexpr std::string_view kFlushdbTips[] = {"request_policy:all_shards",
                                             "response_policy:all_succeeded"};
constexpr Argument kSwapdbArgs[] = {
    {.name = "index1", .type = ArgType::kInteger},
    {.name = "index2", .type = ArgType::kInteger},
};
constexpr Command kDatabaseRows[] = {
    {.name = "dbsize",
     .handler = cmd_dbsize,
     .arity = 1,
     .flags = kReadonly | kFast | kOwnLocks,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Return the number of keys in the selected database",
     .tips = kDbsizeTips,
     .categories = kCatKeyspace},
    {.name = "flushall",
     .handler = cmd_flushall,
     .arity = -1,
     .flags = kWrite | kAllShards,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(N) where N is the total number of keys in all databases",
     .summary = "Remove all keys from all databases",
     .arguments = kFlushArgs,
     .history = kFlushHistory,
     .tips = kFlushallTips,
     .categories = kCatKeyspace | kCatDangerous},
    {.name = "flushdb",
     .handler = cmd_flushdb,
     .arity = -1,
     .flags = kWrite | kAllShards,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "O(N) where N is the number of keys in the selected database",
     .summary = "Remove all keys from the current database",
     .arguments = kFlushArgs,
     .history = kFlushHistory,
     .tips = kFlushdbTips,
     .categories = kCatKeyspace | kCatDangerous},
    {.name = "swapdb",
     .handler = cmd_swapdb,
     .arity = 3,
     .flags = kWrite | kFast | kAllShards,
     .group = Group::kServer,
     .since = "4.0.0",
     .complexity =
         "O(N) where N is the count of clients watching or blocking on keys from both databases.",
     .summary = "Swaps two Redis databases",
     .arguments = kSwapdbArgs,
     .categories = kCatKeyspace | kCatDangerous},
};
static_assert(check_rows(kDatabaseRows));

}  // namespace

std::span<const Command> database_commands() {
  return kDatabaseRows;
}

}  // namespace respcask::server

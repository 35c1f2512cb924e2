#include "server/execution.h"

#include <algorithm>
#include <cassert>
#include <string>

#include <fmt/format.h>

#include "server/expiry.h"
#include "server/server.h"

namespace respcask::server {

namespace {

bool takes_all_shards(const TableEntry& command, std::span<const std::string_view> args) {
  const auto is_pattern = [](std::string_view arg) { return arg.find('*') != arg.npos; };
  return (command.flags & kAllShards) != 0 ||
         ((command.flags & kPatterns) != 0 && std::ranges::any_of(args, is_pattern));
}

}  // namespace

engine::ShardSet find_shards(Turn& turn, const Session& session, const TableEntry& command,
                             std::span<const std::string_view> args) {
  Turn::Scratch& scratch = turn.scratch;
  scratch.positions.clear();
  scratch.keys.clear();
  engine::ShardSet shards;
  const Server& server = turn.server;
  const auto add = [&](const KeyPosition& position) {
    const std::string_view name = args[static_cast<size_t>(position.index)];
    shards.add(scratch.keys.emplace_back(server.key(name, session.db)).shard);
  };
  bool good = true;
  if (command.single_key && args.size() > 1) {
    add(scratch.positions.emplace_back(KeyPosition{1, 0}));
  } else if (!command.row->keys.empty()) {
    // The specifications name what COMMAND GETKEYS is to name, such as one STORE of several; the
    // row's own finder, where there is one, whatever the handler may touch.
    const KeyFinder finder = command.row->find_keys;
    good = finder != nullptr ? finder(args, scratch.positions)
                             : find_keys(command, args, scratch.positions);
    for (const KeyPosition& position : scratch.positions) add(position);
  }
  if (!good || takes_all_shards(command, args)) {
    shards = engine::ShardSet::first(server.store.shard_count());
  }
  return shards;
}

namespace {

// Why the command could not read all that it needs.
std::string unreadable(const Scope& scope) {
  if (scope.too_much) return std::string(kTooMuch);
  constexpr size_t kShownBytes = 128;
  return fmt::format("ERR the value of key '{}' {}",
                     std::string_view(scope.damaged_key).substr(0, kShownBytes),
                     scope.failed_read ? "could not be read: I/O error" : "is damaged on disk");
}

void remember_slow(Turn& turn, const Session& session, std::span<const std::string_view> args,
                   uint64_t ns) {
  std::vector<std::string_view> shown(args.begin(), args.end());
  for (size_t i : turn.scratch.redacted) {
    if (i < shown.size()) shown[i] = "(redacted)";
  }
  std::lock_guard guard(session.mutex);
  turn.server.slowlog.add(shown, turn.now_ms() / 1000, static_cast<int64_t>(ns / 1000),
                          session.peer.address, session.name, turn.config().slowlog_max_len);
}

// A command that blocks is counted then; its latency and whether it failed are known only later.
void count_call(Turn& turn, const TableEntry& command, uint64_t ns) {
  turn.stats.commands.add();
  CommandCounters& counters = turn.stats.per_command[command.index];
  counters.calls.add();
  counters.ns.add(ns);
}

void count_end(Turn& turn, const Session& session, const TableEntry& command,
               std::span<const std::string_view> args, uint64_t ns, bool failed) {
  const Config& config = turn.config();
  CommandCounters& counters = turn.stats.per_command[command.index];
  if (failed) counters.failed.add();
  if (config.latency_tracking) {
    LatencyHistogram* latency = counters.latency.load(std::memory_order_relaxed);
    if (latency == nullptr) {
      latency = new LatencyHistogram;
      counters.latency.store(latency, std::memory_order_release);
    }
    latency->add(ns);
  }
  const uint64_t threshold_ms = config.latency_monitor_threshold_ms;
  if (threshold_ms != 0 && ns / 1'000'000 >= threshold_ms) {
    turn.server.latency.add(command.flags & kFast ? "fast-command" : "command",
                            turn.now_ms() / 1000, static_cast<int64_t>(ns / 1'000'000));
  }
  if (config.slowlog_log_slower_than_us >= 0 && (command.flags & kSkipSlowlog) == 0 &&
      ns / 1000 >= static_cast<uint64_t>(config.slowlog_log_slower_than_us)) {
    remember_slow(turn, session, args, ns);
  }
}

// A client that tracks has read the command's keys; their shards are locked.
void remember_reads(Scope& scope, Turn& turn, const Session& session, const TableEntry& command) {
  const uint32_t flags = session.tracking;
  if ((command.flags & kReadonly) == 0 || (command.flags & kPubsub) != 0) return;
  const bool caching = (flags & kTracksCaching) != 0;
  if ((flags & kTracksBroadcast) != 0 || ((flags & kTracksOptIn) != 0 && !caching) ||
      ((flags & kTracksOptOut) != 0 && caching)) {
    return;
  }
  for (const KeyRef& key : turn.scratch.keys) {
    turn.server.tracking.remember(scope.tables(key.shard).tracked, key.name, session);
  }
}

}  // namespace

Ran execute(Scope& scope, Turn& turn, Session& session, const TableEntry& command,
            std::span<const std::string_view> args, resp::Writer& reply) {
  const uint64_t begin_ns = turn.clock_ns();
  const size_t reply_begin = reply.size();
  turn.scratch.redacted.clear();
  scope.runner = &session;

  scope.begin_command();
  Context context(scope, turn, session, command, args, reply);
  command.row->handler(context);

  const std::string told_first = std::exchange(scope.told_first, {});
  if (!scope.ready()) {
    reply.truncate(reply_begin);
    if (scope.in_transaction) {
      reply.raw(told_first);
    } else {
      turn.own_pushes += told_first;
    }
    if (!scope.damaged && !scope.too_much) return Ran::kCold;
    const std::string error = unreadable(scope);
    scope.cold.clear();
    scope.damaged = scope.failed_read = scope.too_much = false;
    context.error(error);
  } else if (scope.block != nullptr) {
    turn.lap();
    if (!scope.resumed) count_call(turn, command, turn.clock_ns() - begin_ns);
    return Ran::kBlocked;
  }
  scope.end_command();
  if ((session.tracking.load(std::memory_order_relaxed) & kTracks) != 0) {
    remember_reads(scope, turn, session, command);
  }
  if (scope.in_transaction) {
    turn.lap_within();
  } else {
    turn.lap();
  }
  const uint64_t ns = turn.clock_ns() - begin_ns;
  if (scope.resumed) {
    turn.stats.per_command[command.index].ns.add(ns);
  } else {
    count_call(turn, command, ns);
  }
  count_end(turn, session, command, args, ns, turn.new_errors());
  show_monitors(scope, turn, session, command, args);
  return Ran::kReplied;
}

void show_monitors(const Scope& scope, Turn& turn, const Session& session,
                   const TableEntry& command, std::span<const std::string_view> args) {
  if (!turn.server.has_monitors() || scope.resumed) return;
  if ((command.flags & (kSkipMonitor | kAdmin)) != 0) return;
  turn.server.feed_monitors(session, turn, args);
}

namespace {

// It may become a record of its own. A long one is written once, but in chunks, each a record with
// a name (put_string_bound); whoever writes more of it has to ask for that.
uint64_t bytes_to_reserve(std::string_view arg) {
  constexpr uint64_t kTwice = 64 * 1024;
  constexpr uint64_t kPartForChunks = 16;
  const uint64_t more = std::min<uint64_t>(arg.size(), kTwice + arg.size() / kPartForChunks);
  return arg.size() + more + engine::record_size_bound(0, 0);
}

uint64_t bytes_to_reserve(std::span<const std::string_view> args) {
  uint64_t bytes = kAlwaysReserved;
  for (std::string_view arg : args) bytes += bytes_to_reserve(arg);
  return bytes;
}

// So much that it matters to how many shards it is reserved on.
constexpr uint64_t kMuch = 64 * 1024;

// How many arguments behind a key belong to it alone: its value, where keys and values alternate.
size_t values_of_key(const Command& row) {
  if (row.keys.size() != 1 || row.find_keys != nullptr) return 0;
  const KeySpec& spec = row.keys.front();
  return spec.find == KeySpec::Find::kRange ? static_cast<size_t>(spec.step) - 1 : 0;
}

// Tells what a command whose keys are in turn.scratch may append to its shards: a key, and what
// belongs to it, goes to the key's shard only; what else it was given might go to any of `shards`.
void visit_needs(const Turn& turn, const TableEntry& command,
                 std::span<const std::string_view> args, const engine::ShardSet& shards,
                 engine::FunctionRef<void(uint32_t shard, uint64_t bytes)> visit) {
  const Turn::Scratch& scratch = turn.scratch;
  const size_t values = values_of_key(*command.row);
  uint64_t anywhere = bytes_to_reserve(args);
  std::vector<bool> of_key(args.size());
  for (size_t i = 0; i < scratch.keys.size(); ++i) {
    const auto key_at = static_cast<size_t>(scratch.positions[i].index);
    const size_t end = std::min(key_at + 1 + values, args.size());
    uint64_t bytes = 0;
    for (size_t at = key_at; at < end; ++at) {
      bytes += bytes_to_reserve(args[at]);
      if (!of_key[at]) anywhere -= bytes_to_reserve(args[at]);
      of_key[at] = true;
    }
    visit(scratch.keys[i].shard, bytes);
  }
  for (const uint32_t shard : shards) visit(shard, anywhere);
}

}  // namespace

std::string_view reserve(Scope& scope, const Turn& turn, const TableEntry& command,
                         std::span<const std::string_view> args, engine::Growth growth) {
  const uint64_t bytes = bytes_to_reserve(args);
  if (bytes < kMuch || scope.command_shards().size() < 2) return scope.reserve(bytes, growth);
  std::vector<uint64_t> of_shards(turn.server.store.shard_count());
  visit_needs(turn, command, args, scope.command_shards(),
              [&](uint32_t shard, uint64_t needed) { of_shards[shard] += needed; });
  return scope.reserve(of_shards, growth);
}

std::string_view reserve(Scope& scope, Turn& turn, const Session& session,
                         std::span<const QueuedCommand> queue, engine::Growth growth) {
  uint64_t bytes = 0;
  for (const QueuedCommand& queued : queue) {
    if (queued.command->flags & kWrite) bytes += bytes_to_reserve(queued.args);
  }
  if (bytes < kMuch || scope.command_shards().size() < 2) {
    scope.promised_bytes = bytes;
    return scope.reserve(bytes, growth);
  }
  std::vector<uint64_t>& of_shards = scope.promised_to;
  of_shards.assign(turn.server.store.shard_count(), 0);
  for (const QueuedCommand& queued : queue) {
    if ((queued.command->flags & kWrite) == 0) continue;
    const engine::ShardSet shards = find_shards(turn, session, *queued.command, queued.args);
    visit_needs(turn, *queued.command, queued.args, shards,
                [&](uint32_t shard, uint64_t needed) { of_shards[shard] += needed; });
  }
  return scope.reserve(of_shards, growth);
}

void take_promised(Scope& scope, const Turn& turn, const QueuedCommand& queued,
                   const engine::ShardSet& shards) {
  if ((queued.command->flags & kWrite) == 0) return;
  if (scope.promised_to.empty()) {
    scope.promised_bytes -= bytes_to_reserve(queued.args);
    return;
  }
  visit_needs(turn, *queued.command, queued.args, shards, [&](uint32_t shard, uint64_t needed) {
    assert(scope.promised_to[shard] >= needed);
    scope.promised_to[shard] -= needed;
  });
}

engine::Growth growth_of(uint32_t command_flags) {
  return command_flags & kDenyOom ? engine::Growth::kGrows : engine::Growth::kShrinks;
}

void leave_lines(Scope& scope, Waiter& waiter) {
  for (const OwnedKey& key : waiter.keys) {
    KeyTables& keyed = scope.tables(key.shard);
    keyed.lines.leave(key.ref(), waiter.order);
  }
}

namespace {

// The first one in the key's line behind the place `after` that can be served with what the key
// holds. Nobody while one in front of it is being looked after by its own loop.
std::shared_ptr<Waiter> next_waiter(Scope& scope, Turn& turn, const OwnedKey& key, uint64_t after) {
  KeyTables& keyed = scope.tables(key.shard);
  const Line* const line = keyed.lines.find(key.ref());
  if (line == nullptr) return nullptr;
  const auto entry = scope.shard(key.shard).find(key.db, key.name, key.hash);
  if (!entry || is_due(*entry, turn.now_ms())) return nullptr;
  const auto& waiters = line->waiters;
  for (auto at = waiters.upper_bound(after); at != waiters.end(); ++at) {
    Waiter& waiter = *at->second;
    if (waiter.type != TypeTag{entry->type}.type()) continue;
    std::lock_guard guard(waiter.mutex);
    if (waiter.state == Waiter::State::kWoken) return nullptr;
    if (waiter.session->access == Access::kGone) continue;  // what it took would be lost
    if (waiter.state == Waiter::State::kWaiting) return at->second;
  }
  return nullptr;
}

// Runs a waiter's command; its shards are locked. False: its own loop has to run it, and nobody
// behind it may be served before.
bool serve(Scope& scope, Turn& turn, Waiter& waiter) {
  std::unique_lock guard(waiter.mutex);
  if (waiter.state != Waiter::State::kWaiting) return true;
  Session& session = *waiter.session;
  resp::Writer reply(waiter.reply, session.protocol);
  find_shards(turn, session, *waiter.command, waiter.args);
  scope.set_command_shards(waiter.shards);
  const std::string_view refusal =
      reserve(scope, turn, *waiter.command, waiter.args, growth_of(waiter.command->flags));
  Ran ran = Ran::kReplied;
  // What the one who serves is to be told himself waits for his own reply.
  std::string own_pushes = std::exchange(turn.own_pushes, {});
  std::string own_invalidations = std::exchange(turn.own_invalidations, {});
  if (!refusal.empty()) {
    reply.error(refusal);
  } else {
    ran = execute(scope, turn, session, *waiter.command, waiter.args, reply);
  }
  own_pushes.swap(turn.own_pushes);
  own_invalidations.swap(turn.own_invalidations);
  if (session.protocol == 3) own_pushes += own_invalidations;
  if (ran != Ran::kReplied && !own_pushes.empty()) waiter.link->push(own_pushes);
  switch (ran) {
    case Ran::kBlocked:
      scope.block.reset();
      scope.end_command();
      scope.finish();
      return true;
    case Ran::kCold:
      scope.cold.clear();
      scope.end_command();
      scope.finish();
      waiter.state = Waiter::State::kWoken;
      waiter.woken_for = *scope.serving;
      waiter.link->resume();
      return false;
    case Ran::kReplied:
      break;
  }
  scope.finish();
  leave_lines(scope, waiter);
  waiter.touched = scope.locked();
  waiter.told_behind = std::move(own_pushes);
  waiter.state = Waiter::State::kServed;
  turn.server.count_blocked(-1);
  turn.outbox.resume(waiter.link);
  return true;
}

void serve_line(Scope& scope, Turn& turn, const OwnedKey& key, uint64_t after) {
  for (;;) {
    if (!scope.locked().contains(key.shard)) {
      scope.release();
      scope.lock(key.shard);
    }
    const std::shared_ptr<Waiter> waiter = next_waiter(scope, turn, key, after);
    if (waiter == nullptr) return;
    if (!scope.locked().contains(waiter->shards)) {
      // Locks are taken in ascending order only: let go, take all, and look again.
      engine::ShardSet shards = waiter->shards;
      shards.add(key.shard);
      scope.release();
      scope.lock(shards);
      continue;
    }
    scope.serving = &key;
    const bool served = serve(scope, turn, *waiter);
    scope.serving = nullptr;
    scope.runner = nullptr;
    if (!served) return;
    after = waiter->order;
  }
}

}  // namespace

void serve_ready(Scope& scope, Turn& turn) {
  scope.fetched = nullptr;
  scope.in_transaction = false;
  scope.resumed = true;
  while (scope.has_ready()) {
    for (const Scope::Ready& ready : scope.take_ready()) {
      serve_line(scope, turn, ready.key, ready.after);
    }
  }
}

}  // namespace respcask::server

// MULTI, EXEC, DISCARD, WATCH, UNWATCH.
//
// Dispatch queues what a client sends between MULTI and EXEC, and locks for EXEC the shards of all
// queued commands and watched keys, so that the queue runs as one: in one batch a shard, under one
// transaction mark.
#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "resp/number.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"
#include "server/execution.h"
#include "server/expiry.h"
#include "server/identity.h"
#include "server/server.h"
#include "server/transaction.h"

namespace respcask::server {
namespace {

TransactionState& transaction_of(Session& session) {
  if (session.transaction == nullptr) session.transaction = std::make_unique<TransactionState>();
  return *session.transaction;
}

bool in_multi(const Session& session) {
  return session.transaction != nullptr && session.transaction->in_multi;
}

void cmd_multi(Context& c) {
  if (in_multi(c.session())) return c.error("ERR MULTI calls can not be nested");
  transaction_of(c.session()).in_multi = true;
  c.session().queued_commands = 0;
  c.ok();
}

void cmd_discard(Context& c) {
  if (!in_multi(c.session())) return c.error("ERR DISCARD without MULTI");
  discard_transaction(c.session());
  c.ok();
}

// A watched key whose time has come since it was watched, and that nobody has looked at yet.
bool watched_key_is_due(Context& c, const TransactionState& transaction) {
  for (const OwnedKey& key : transaction.watched) {
    const auto entry = c.shard(key.ref()).find(key.db, key.name, key.hash);
    if (!entry || !is_due(*entry, c.now_ms())) continue;
    const KeyTables& tables = c.scope().tables(key.shard);
    const auto found = tables.watched.find(key);
    if (found == tables.watched.end()) continue;
    for (const WatchedKey& watched : found->second) {
      if (watched.watch == c.session().watch && !watched.was_expired) return true;
    }
  }
  return false;
}

// What the queued commands will read is fetched before the first of them changes anything, as EXEC
// cannot be run again after that.
void read_ahead(Context& c, const std::vector<QueuedCommand>& queue) {
  std::vector<KeyPosition> positions;
  uint32_t db = c.db();
  for (const QueuedCommand& queued : queue) {
    if (queued.command->row->name == "select") {
      const std::optional<int64_t> index = resp::parse_int64(queued.args[1]);
      if (index && *index >= 0 && *index < c.config().databases) db = static_cast<uint32_t>(*index);
      continue;
    }
    positions.clear();
    find_keys(*queued.command, queued.args, positions);
    for (const KeyPosition& position : positions) {
      if ((position.flags & (kOW | kRM)) != 0) continue;
      const KeyRef key = c.key_named(queued.args[static_cast<size_t>(position.index)], db);
      const auto entry = c.shard(key).find(key.db, key.name, key.hash);
      if (entry) c.read(key, *entry);
    }
  }
}

// Whether the command only reads, and one of its keys holds elements of which some may not be in
// memory.
bool may_read_cold_elements(Context& c, const QueuedCommand& queued,
                            std::vector<KeyPosition>& positions) {
  if ((queued.command->flags & kReadonly) == 0) return false;
  positions.clear();
  find_keys(*queued.command, queued.args, positions);
  bool any = false;
  for (const KeyPosition& position : positions) {
    if ((position.flags & kRO) == 0) return false;  // PFCOUNT keeps what it has counted
    const KeyRef key = c.key_named(queued.args[static_cast<size_t>(position.index)], c.db());
    engine::Shard& shard = c.shard(key);
    if (any || shard.all_resident()) continue;
    const auto entry = shard.find(key.db, key.name, key.hash);
    any = entry && entry->collection != 0;
  }
  return any;
}

// What the queued commands will read of large collections is fetched, too, as far as they change
// nothing themselves: they run, and what comes of it is dropped.
void rehearse(Context& c, const std::vector<QueuedCommand>& queue) {
  Scope& scope = c.scope();
  Session& session = c.session();
  bool all_resident = true;
  for (const uint32_t index : scope.locked()) all_resident &= scope.shard(index).all_resident();
  if (all_resident) return;
  std::vector<KeyPosition> positions;
  std::string dropped;
  auto cold = std::exchange(scope.cold, {});  // what one waits for is not to keep the next one back
  const uint64_t random_state = session.random_state;
  scope.rehearses = true;
  for (const QueuedCommand& queued : queue) {
    if (scope.too_much || queued.command->row->name == "select") break;
    if (!may_read_cold_elements(c, queued, positions)) continue;
    find_shards(c.turn(), session, *queued.command, queued.args);
    resp::Writer reply(dropped, session.protocol);
    Context context(scope, c.turn(), session, *queued.command, queued.args, reply);
    queued.command->row->handler(context);
    dropped.clear();
    std::ranges::move(scope.cold, std::back_inserter(cold));
    scope.cold.clear();
    scope.damaged = false;
  }
  scope.cold = std::move(cold);
  scope.rehearses = false;
  session.random_state = random_state;
}

// Rules may have changed since the command was queued.
void refuse_queued(Context& c, acl::Lack lack) {
  const std::string_view reason =
      lack == acl::Lack::kKey ? "no permission to touch the specified keys"
      : lack == acl::Lack::kChannel
          ? "no permission to access one of the channels used as arguments"
          : "no permission to execute the command or subcommand";
  c.error(fmt::format(
      "NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
      "call. This command is no longer allowed for the following reason: {}",
      reason));
}

// Whether a command can change who the session is, or what users may do.
bool changes_permissions(const QueuedCommand& queued) {
  return (queued.command->flags & (kAdmin | kNoAuth)) != 0;
}

void run_queued(Context& c, const QueuedCommand& queued, const Permissions& permissions) {
  Session& session = c.session();
  const auto lack = find_queued_lack(c.turn(), session, permissions, *queued.command, queued.args);
  if (lack) return refuse_queued(c, *lack);
  Scope& scope = c.scope();
  take_promised(scope, c.turn(), queued,
                find_shards(c.turn(), session, *queued.command, queued.args));
  // Commands before it cannot be run again, so the loop waits for what it needs.
  scope.done = {};
  while (execute(scope, c.turn(), session, *queued.command, queued.args, c.reply()) == Ran::kCold) {
    scope.fetched_within = scope.take_cold(scope.fetched_within.get());
    c.server().readers.fetch_now(scope.fetched_within);
  }
  scope.fetched_within.reset();
}

void cmd_exec(Context& c) {
  Session& session = c.session();
  if (!in_multi(session)) return c.error("ERR EXEC without MULTI");
  TransactionState& transaction = *session.transaction;
  Scope& scope = c.scope();

  const bool touched =
      session.watch != nullptr && (is_undone(session) || watched_key_is_due(c, transaction));
  if (transaction.aborted || touched) {
    if (transaction.aborted) {
      c.error("EXECABORT Transaction discarded because of previous errors.");
    } else {
      c.reply().null_array();
    }
    unwatch(session, scope);
    drop_queue(session);
    return;
  }
  read_ahead(c, transaction.queue);
  // Not for ever: others may change meanwhile what will be needed.
  constexpr int kMostRehearsals = 3;
  if (transaction.rehearsals++ < kMostRehearsals) rehearse(c, transaction.queue);
  // What cannot be read is for the command to say that needs it.
  scope.damaged = scope.failed_read = scope.too_much = false;
  if (!scope.cold.empty()) return;

  unwatch(session, scope);
  c.take_pushes();  // in front of what it answers, which may end a subscription
  scope.in_transaction = true;
  scope.hides_replies = true;
  resp::Writer& reply = c.reply();
  if (!session.replies_are_hidden()) reply.array(transaction.queue.size());
  Permissions permissions = permissions_in_transaction(session);
  for (const QueuedCommand& queued : transaction.queue) {
    const size_t begin = reply.size();
    const bool was_told_last = session.close_after_reply;
    run_queued(c, queued, permissions);
    if (changes_permissions(queued)) permissions = permissions_in_transaction(session);
    reply.set_protocol(session.protocol);
    if (was_told_last || session.replies_are_hidden()) reply.truncate(begin);
  }
  scope.in_transaction = false;
  drop_queue(session);
}

void cmd_watch(Context& c) {
  Session& session = c.session();
  if (in_multi(session)) return c.error("ERR WATCH inside MULTI is not allowed");
  TransactionState& transaction = transaction_of(session);
  if (session.watch == nullptr) session.set_watch(std::make_shared<Watch>());
  for (size_t i = 1; i < c.argc(); ++i) {
    const KeyRef key = c.key(i);
    auto& watches = c.scope().tables(key.shard).watched[OwnedKey::of(key)];
    const auto mine = [&](const WatchedKey& w) { return w.watch == session.watch; };
    if (std::any_of(watches.begin(), watches.end(), mine)) continue;
    const auto entry = c.shard(key).find(key.db, key.name, key.hash);
    watches.push_back({session.watch, entry && is_due(*entry, c.now_ms())});
    transaction.watched.push_back(OwnedKey::of(key));
  }
  session.watched_count = static_cast<uint32_t>(transaction.watched.size());
  c.ok();
}

void cmd_unwatch(Context& c) {
  // Inside EXEC nothing is watched any more.
  unwatch(c.session());
  c.ok();
}

constexpr Command kRows[] = {
    {.name = "discard",
     .handler = cmd_discard,
     .arity = 1,
     .flags = kNoscript | kLoading | kStale | kFast | kAllowBusy | kMultiNow,
     .group = Group::kTransactions,
     .since = "2.0.0",
     .complexity = "O(N), when N is the number of queued commands",
     .summary = "Discard all commands issued after MULTI",
     .categories = kCatTransaction},
    {.name = "exec",
     .handler = cmd_exec,
     .arity = 1,
     .flags = kNoscript | kLoading | kStale | kSkipSlowlog | kMultiNow | kExecutes,
     .group = Group::kTransactions,
     .since = "1.2.0",
     .complexity = "Depends on commands in the transaction",
     .summary = "Execute all commands issued after MULTI",
     .categories = kCatTransaction},
    {.name = "multi",
     .handler = cmd_multi,
     .arity = 1,
     .flags = kNoscript | kLoading | kStale | kFast | kAllowBusy | kMultiNow,
     .group = Group::kTransactions,
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Mark the start of a transaction block",
     .categories = kCatTransaction},
    {.name = "unwatch",
     .handler = cmd_unwatch,
     .arity = 1,
     .flags = kNoscript | kLoading | kStale | kFast | kAllowBusy,
     .group = Group::kTransactions,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Forget about all watched keys",
     .categories = kCatTransaction},
    {.name = "watch",
     .handler = cmd_watch,
     .arity = -2,
     .flags = kNoscript | kLoading | kStale | kFast | kAllowBusy | kMultiNow,
     .keys = kInspectKeys,
     .group = Group::kTransactions,
     .since = "2.2.0",
     .complexity = "O(1) for every key.",
     .summary = "Watch the given keys to determine execution of the MULTI/EXEC block",
     .arguments = kKeysArg,
     .categories = kCatTransaction},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> transaction_commands() {
  return kRows;
}

}  // namespace respcask::server

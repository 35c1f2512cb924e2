#include "server/transaction.h"

#include <mutex>
#include <utility>

#include "server/execution.h"
#include "server/server.h"

namespace respcask::server {

QueuedCommand::QueuedCommand(const TableEntry& entry, std::span<const std::string_view> arguments)
    : command(&entry) {
  size_t size = 0;
  for (std::string_view arg : arguments) size += arg.size();
  bytes.reserve(size);
  args.reserve(arguments.size());
  for (std::string_view arg : arguments) {
    args.emplace_back(bytes.data() + bytes.size(), arg.size());
    bytes.insert(bytes.end(), arg.begin(), arg.end());
  }
}

engine::ShardSet transaction_shards(Turn& turn, const Session& session) {
  engine::ShardSet shards;
  for (const QueuedCommand& queued : session.transaction->queue) {
    if ((queued.command->flags & (kAllShards | kOwnLocks)) != 0) {
      return engine::ShardSet::first(turn.server.store.shard_count());
    }
    shards.add(find_shards(turn, session, *queued.command, queued.args));
  }
  for (const OwnedKey& key : session.transaction->watched) shards.add(key.shard);
  return shards;
}

void drop_queue(Session& session) {
  TransactionState& transaction = *session.transaction;
  transaction.in_multi = false;
  transaction.aborted = false;
  transaction.queue = {};
  transaction.flags = 0;
  transaction.rehearsals = 0;
  session.queued_commands = -1;
  session.queued_bytes = 0;
}

namespace {

void remove_watch(KeyTables& tables, const OwnedKey& key, const Watch* watch) {
  const auto found = tables.watched.find(key);
  if (found == tables.watched.end()) return;
  std::erase_if(found->second, [&](const WatchedKey& w) { return w.watch.get() == watch; });
  if (found->second.empty()) tables.watched.erase(found);
}

void forget(Session& session) {
  session.transaction->watched.clear();
  session.set_watch(nullptr);
  session.watched_count = 0;
}

}  // namespace

void unwatch(Session& session, Scope& scope) {
  if (session.watch == nullptr) return;
  for (const OwnedKey& key : session.transaction->watched) {
    remove_watch(scope.tables(key.shard), key, session.watch.get());
  }
  forget(session);
}

void unwatch(Session& session) {
  if (session.watch == nullptr) return;
  for (const OwnedKey& key : session.transaction->watched) {
    std::lock_guard guard(session.server.store.shard(key.shard));
    remove_watch(session.server.tables(key.shard), key, session.watch.get());
  }
  forget(session);
}

void discard_transaction(Session& session) {
  if (session.transaction == nullptr) return;
  drop_queue(session);
  unwatch(session);
}

}  // namespace respcask::server

#include "server/look_ahead.h"

#include "engine/shard_set.h"
#include "resp/peek.h"
#include "server/server.h"

namespace respcask::server {
namespace {

// First the page of every key; then, when those are likely to have come, its entry; then its value.
void load(Server& server, std::span<const KeyRef> keys, const engine::ShardSet& locked,
          bool reads) {
  const auto for_all = [&](auto use) {
    for (const KeyRef& key : keys) {
      if (locked.contains(key.shard)) use(server.store.shard(key.shard), key);
    }
  };
  for_all([](engine::Shard& shard, const KeyRef& key) { shard.keydir(key.db).prefetch(key.hash); });
  for_all([](engine::Shard& shard, const KeyRef& key) {
    shard.keydir(key.db).prefetch_entry(key.hash);
  });
  if (!reads) return;
  for_all([](engine::Shard& shard, const KeyRef& key) {
    if (const auto entry = shard.keydir(key.db).guess(key.hash)) shard.prefetch(*entry);
  });
}

}  // namespace

bool LookAhead::pays(const Server& server) {
  constexpr uint64_t kFewKeys = 20'000;  // take some 700 KB
  return server.usage.keys() > kFewKeys;
}

size_t LookAhead::add(std::string_view unread, uint32_t db, bool reads) {
  reads_ = reads_ || reads;
  std::array<std::string_view, kKeys> names;
  const resp::Peeked peeked = resp::peek(unread, std::span(names).first(kKeys - count_));
  for (size_t i = 0; i < peeked.requests; ++i) keys_[count_++] = server_.key(names[i], db);
  return peeked.bytes;
}

void LookAhead::load() const {
  if (count_ < 2) return;  // there is nothing to do beside the one wait
  engine::ShardSet wanted;
  for (size_t i = 0; i < count_; ++i) wanted.add(keys_[i].shard);
  engine::ShardSet locked;
  for (uint32_t index : wanted) {
    if (server_.store.shard(index).try_lock()) locked.add(index);
  }
  server::load(server_, std::span(keys_).first(count_), locked, reads_);
  for (uint32_t index : locked) server_.store.shard(index).unlock();
}

void load_keys(Server& server, std::span<const KeyRef> keys, bool reads) {
  engine::ShardSet locked;
  for (const KeyRef& key : keys) locked.add(key.shard);
  load(server, keys, locked, reads);
}

}  // namespace respcask::server

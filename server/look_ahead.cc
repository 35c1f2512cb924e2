#include "server/look_ahead.h"

#include "engine/shard_set.h"
#include "server/server.h"
#include "server/types/element_index.h"

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
  constexpr uint64_t kFewKeys = 20'000;              // take some 700 KB
  constexpr uint64_t kFewBytes = uint64_t{2} << 20;  // of elements
  return server.usage.keys() > kFewKeys ||
         (server.usage.collections() > 0 && server.usage.live_bytes() > kFewBytes);
}

size_t LookAhead::add(std::string_view unread, uint32_t db, bool reads) {
  reads_ = reads_ || reads;
  const resp::Peeked peeked = resp::peek(unread, std::span(arguments_).subspan(count_));
  for (size_t i = 0; i < peeked.requests; ++i, ++count_) {
    keys_[count_] = server_.key(arguments_[count_][0], db);
  }
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
  if (server_.usage.collections() > 0) load_elements(locked);
  for (uint32_t index : locked) server_.store.shard(index).unlock();
}

void LookAhead::load_elements(const engine::ShardSet& locked) const {
  struct Look {
    const engine::ElementIndex* index;
    uint64_t hash;
  };
  std::array<Look, kKeys> looks;
  size_t count = 0;
  for (size_t i = 0; i < count_; ++i) {
    const KeyRef& key = keys_[i];
    const auto& [name, first, second] = arguments_[i];
    if (first.empty() || !locked.contains(key.shard)) continue;
    engine::Shard& shard = server_.store.shard(key.shard);
    const auto entry = shard.keydir(key.db).guess(key.hash);
    if (!entry || entry->collection == 0) continue;
    const engine::ElementIndex& index = shard.collection(entry->collection);
    looks[count++] = {&index, likely_element(index, TypeTag{entry->type}, first, second)};
  }
  for (int step = 0; step < engine::ElementIndex::kLoadSteps; ++step) {
    for (const Look& look : std::span(looks).first(count)) look.index->prefetch(look.hash, step);
  }
}

void load_keys(Server& server, std::span<const KeyRef> keys, bool reads) {
  engine::ShardSet locked;
  for (const KeyRef& key : keys) locked.add(key.shard);
  load(server, keys, locked, reads);
}

}  // namespace respcask::server

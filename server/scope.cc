#include "server/scope.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <mutex>

#include "server/expiry.h"
#include "server/server.h"

namespace respcask::server {

void Scope::lock(const engine::ShardSet& all, const engine::ShardSet& of_command) {
  assert(locked_.empty());
  for (uint32_t index : all) {
    if (turn_.server.store.awaits_commit(lock_one(index))) turn_.touched.add(index);
  }
  locked_ = all;
  of_command_ = of_command;
}

void Scope::lock(uint32_t shard) {
  assert(locked_.empty());
  if (!lock_one(shard).has_failed()) turn_.touched.add(shard);
  locked_.add(shard);
  of_command_ = locked_;
}

engine::Shard& Scope::lock_one(uint32_t index) {
  engine::Shard& shard = turn_.server.store.shard(index);
  shard.lock();
  return shard;
}

void Scope::release() {
  if (locked_.empty()) return;
  end_command();
  finish();
  for (uint32_t index : locked_) turn_.server.store.shard(index).unlock();
  locked_.clear();
}

void Scope::finish() {
  if (written_.empty()) return;
  engine::Store& store = turn_.server.store;
  if (written_.size() == 1) {
    store.shard(*written_.begin()).end_batch(nullptr);
  } else {
    const engine::TransactionMark mark = store.begin_transaction(written_);
    for (uint32_t index : written_) store.shard(index).end_batch(&mark);
  }
  turn_.written.add(written_);
  written_.clear();
}

engine::Shard& Scope::shard(uint32_t index) {
  assert(locked_.contains(index));
  return turn_.server.store.shard(index);
}

void Scope::begin_command() {
  has_changed_ = false;
  // Nobody looks any more at what an earlier command of the transaction has read.
  read_in_place.clear();
  cold_bytes = 0;
}

DoneOnce Scope::done_before() const {
  if (fetched_within != nullptr) return fetched_within->done;
  return fetched != nullptr ? fetched->done : DoneOnce();
}

std::shared_ptr<Parked> Scope::take_cold(Parked* earlier) {
  auto parked = std::make_shared<Parked>(std::exchange(cold, {}), earlier);
  parked->done.cover(std::exchange(done, {}));
  return parked;
}

const FetchedValue* Scope::find_fetched(uint32_t shard, engine::Location where,
                                        const engine::Segment* segment) const {
  const FetchedValue* value = nullptr;
  if (fetched != nullptr) value = fetched->find(shard, where, segment);
  if (value == nullptr && fetched_within != nullptr) {
    value = fetched_within->find(shard, where, segment);
  }
  return value;
}

engine::Shard& Scope::shard_for_write(uint32_t index) {
  assert(!rehearses);
  has_changed_ = true;
  engine::Shard& target = shard(index);
  if (!target.in_batch()) {
    // More than one may turn out to be written to, as one transaction.
    if (locked_.size() == 1) {
      target.join_batch();
    } else {
      target.begin_batch();
    }
    written_.add(index);
  }
  return target;
}

KeyTables& Scope::tables(uint32_t shard) {
  return turn_.server.tables(shard);
}

namespace {

// More than the record of a removed key takes, beside the key.
constexpr uint64_t kRemovalBytes = 256;

// The reply to a write that nothing could be reserved for; "" if it could.
std::string_view refusal_of(const engine::Result<void>& reserved) {
  if (reserved) return {};
  switch (reserved.error().code) {
    case engine::ErrorCode::kNoSpace:
      return "MISCONF Errors writing to the AOF file: No space left on device";
    case engine::ErrorCode::kInvalid:
      return "ERR one command or transaction may not write more than 4 GiB";
    default:
      return "MISCONF Errors writing to the AOF file: Input/output error";
  }
}

}  // namespace

std::string_view Scope::reserve(uint64_t bytes, engine::Growth growth) {
  for (uint32_t index : of_command_) {
    const auto refusal = refusal_of(shard(index).reserve(bytes, growth));
    if (!refusal.empty()) return refusal;
  }
  return {};
}

std::string_view Scope::reserve(std::span<const uint64_t> of_shards, engine::Growth growth) {
  for (uint32_t index : of_command_) {
    const auto refusal = refusal_of(shard(index).reserve(of_shards[index], growth));
    if (!refusal.empty()) return refusal;
  }
  return {};
}

std::string_view Scope::reserve_more(uint32_t index, uint64_t bytes, engine::Growth growth) {
  const uint64_t promised = promised_bytes + (promised_to.empty() ? 0 : promised_to[index]);
  return refusal_of(shard(index).reserve_more(bytes + promised, growth));
}

void Scope::expire(const KeyRef& key) {
  if (rehearses || expired_.contains(key)) return;
  // While writes are paused nothing is to change: the key is missing and stays where it is.
  if (turn_.server.paused(turn_.now_ms()) != PauseKind::kNone) return;
  // Nor is anybody told, time and again, of what the disk has no room to remove.
  const uint64_t bytes = removal_bytes_ + key.name.size() + kRemovalBytes;
  if (!reserve_more(key.shard, bytes, engine::Growth::kShrinks).empty()) return;
  removal_bytes_ = bytes;
  expired_.insert(OwnedKey::of(key));
  turn_.stats.expired.add();
  if (context != nullptr) {
    context->notify(EventClass::kExpired, "expired", key);
  } else {
    notify(EventClass::kExpired, "expired", key);
  }
  changed(key, false);
}

bool Scope::evict(const KeyRef& key) {
  engine::Shard& home = shard(key.shard);
  if (!home.reserve(key.name.size() + kRemovalBytes, engine::Growth::kShrinks)) return false;
  shard_for_write(key.shard).remove(key.db, key.name, key.hash);
  turn_.stats.evicted.add();
  changed(key, false);
  notify(EventClass::kEvicted, "evicted", key);
  return true;
}

size_t Scope::end_command() {
  if (expired_.empty()) return 0;
  size_t removed = 0;
  for (const OwnedKey& key : expired_) {
    engine::Shard& home = shard(key.shard);
    const auto entry = home.find(key.db, key.name, key.hash);
    if (!entry || !is_due(*entry, turn_.now_ms())) continue;
    const uint64_t bytes = key.name.size() + kRemovalBytes;
    if (!reserve_more(key.shard, bytes, engine::Growth::kShrinks).empty()) continue;
    shard_for_write(key.shard).remove(key.db, key.name, key.hash);
    ++removed;
  }
  expired_.clear();
  removal_bytes_ = 0;
  return removed;
}

// What was known of the pages may have become untrue since the last sweep, and while one command
// reads a large collection, with its shard locked, no other ends: it would wait for the disk at
// each value.
void Scope::look_for_faults(engine::Shard& shard) {
  unlooked_ = kBytesBetween;
  const std::optional<uint64_t> before = std::exchange(faults_, turn_.major_faults());
  if (before && faults_ != before) shard.distrust_residency();
}

void Scope::modified(const KeyRef& key) {
  // What was written anew stays, though its time may be past again.
  if (const auto found = expired_.find(key); found != expired_.end()) expired_.erase(found);
  changed(key, true);
}

void Scope::retell(engine::FunctionRef<void()> change) {
  retelling_ = true;
  change();
  retelling_ = false;
}

Tracking::Audience Scope::audience(bool by_self) {
  return {turn_.outbox.invalidations, runner, &turn_.own_invalidations, by_self,
          context != nullptr ? &context->redirected_ : nullptr};
}

void Scope::changed(const KeyRef& key, bool by_self) {
  turn_.stats.changes.add();
  if (retelling_) return;
  KeyTables& keyed = tables(key.shard);
  if (!turn_.server.tracking.idle()) {
    turn_.server.tracking.changed(keyed.tracked, key.name, audience(by_self));
  }
  if (keyed.watched.empty()) return;
  const auto found = keyed.watched.find(key);
  if (found == keyed.watched.end()) return;
  std::optional<engine::KeydirEntry> entry;
  for (WatchedKey& watched : found->second) {
    if (watched.was_expired) {
      // A key that was expired when it was watched was missing to the client; as long as it is
      // missing nothing has changed.
      entry = shard(key.shard).find(key.db, key.name, key.hash);
      if (!entry || is_due(*entry, turn_.now_ms())) continue;
      watched.was_expired = false;
    }
    watched.watch->touched.store(true, std::memory_order_relaxed);
  }
}

void Scope::forget_copies() {
  if (turn_.server.tracking.idle()) return;
  std::vector<TrackedKeys*> all;
  for (uint32_t index : locked_) all.push_back(&tables(index).tracked);
  turn_.server.tracking.flushed(all, audience(true));
}

void Scope::flush(uint32_t db) {
  for (uint32_t index : locked_) {
    for (auto& [key, watches] : tables(index).watched) {
      if (key.db != db || !shard(index).find(key.db, key.name, key.hash)) continue;
      for (WatchedKey& watched : watches) {
        if (!watched.was_expired) watched.watch->touched.store(true, std::memory_order_relaxed);
      }
    }
    const size_t keys = shard(index).keydir(db).size();
    if (keys == 0) continue;
    turn_.stats.changes.add(keys);
    shard_for_write(index).flush(db);
  }
}

void Scope::swap(uint32_t db1, uint32_t db2) {
  for (uint32_t index : locked_) {
    engine::Shard& home = shard(index);
    for (auto& [key, watches] : tables(index).watched) {
      if (key.db != db1 && key.db != db2) continue;
      const auto before = home.find(key.db, key.name, key.hash);
      const auto after = home.find(key.db == db1 ? db2 : db1, key.name, key.hash);
      if (!before && !after) continue;
      // To a client an expired key is missing: one missing key in place of another is no change.
      const bool missing = !after || is_due(*after, turn_.now_ms());
      for (WatchedKey& watched : watches) {
        if (missing && (watched.was_expired || !before)) {
          watched.was_expired = after.has_value();
        } else {
          watched.watch->touched.store(true, std::memory_order_relaxed);
        }
      }
    }
    shard_for_write(index).swap(db1, db2);
    tables(index).lines.visit([&](const OwnedKey& key) {
      if (key.db == db1 || key.db == db2) signal(key.ref());
    });
  }
  turn_.stats.changes.add();
}

void Scope::notify(EventClass event_class, std::string_view event, const KeyRef& key,
                   const Session* self, resp::Writer* reply) {
  const uint32_t wanted = turn_.config().notify_keyspace_events;
  if ((wanted & static_cast<uint32_t>(event_class)) == 0 || turn_.server.pubsub.idle()) return;
  std::string channel;
  const auto publish_on = [&](std::string_view prefix, std::string_view name,
                              std::string_view payload) {
    char db[16];
    const size_t digits = static_cast<size_t>(std::to_chars(db, db + sizeof db, key.db).ptr - db);
    channel.assign(prefix).append(db, digits).append("__:").append(name);
    publish(ChannelKind::kChannel, channel, payload, self, reply);
  };
  if (wanted & kNotifyKeyspace) publish_on("__keyspace@", key.name, event);
  if (wanted & kNotifyKeyevent) publish_on("__keyevent@", event, key.name);
}

size_t Scope::publish(ChannelKind kind, std::string_view channel, std::string_view payload,
                      const Session* self, resp::Writer* reply) {
  Pubsub& pubsub = turn_.server.pubsub;
  if (pubsub.idle()) return 0;
  const size_t receivers = pubsub.receivers(kind, channel);
  if (receivers == 0) return 0;
  uint64_t origin = 0;
  if (self != nullptr && reply != nullptr && self->subscriptions != nullptr) {
    origin = self->id;
    Pubsub::write_own(*self, kind, channel, payload, *reply);
  }
  turn_.outbox.add(pubsub, {kind, channel, payload, origin});
  return receivers;
}

void Scope::signal(const KeyRef& key, uint64_t after) {
  KeyTables& keyed = tables(key.shard);
  if (keyed.lines.find(key) == nullptr) return;
  if (is_ready(key, after)) return;
  ready_.push_back({OwnedKey::of(key), after});
  constexpr size_t kFew = 16;
  if (first_ready_ != nullptr) {
    (*first_ready_)[OwnedKey::of(key)] = after;  // if there was one, it is later
  } else if (ready_.size() > kFew) {
    first_ready_ = std::make_unique<decltype(first_ready_)::element_type>();
    for (const Ready& known : ready_) {
      const auto [place, is_new] = first_ready_->try_emplace(known.key, known.after);
      if (!is_new) place->second = std::min(place->second, known.after);
    }
  }
}

bool Scope::is_ready(const KeyRef& key, uint64_t after) const {
  if (first_ready_ == nullptr) {
    return std::any_of(ready_.begin(), ready_.end(), [&](const Ready& known) {
      return known.after <= after && KeyEqual{}(known.key, key);
    });
  }
  const auto known = first_ready_->find(key);
  return known != first_ready_->end() && known->second <= after;
}

std::vector<Scope::Ready> Scope::take_ready() {
  first_ready_.reset();
  return std::exchange(ready_, {});
}

}  // namespace respcask::server

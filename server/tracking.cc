#include "server/tracking.h"

#include <algorithm>
#include <random>
#include <utility>

#include "server/server.h"

namespace respcask::server {
namespace {

using Sessions = std::map<uint64_t, Session*>;

constexpr std::string_view kChannel = "__redis__:invalidate";

bool either_begins_other(std::string_view a, std::string_view b) {
  return a.starts_with(b) || b.starts_with(a);
}

// Nothing if the session is not there, or is gone to all others.
Session* find_present(const Sessions& sessions, uint64_t id) {
  const auto found = sessions.find(id);
  return found == sessions.end() || found->second->is_gone() ? nullptr : found->second;
}

bool tracks(const Session& session) {
  return (session.tracking & kTracks) != 0 && !session.is_gone();
}

// Nothing if the session does not track in the way asked for, either.
Session* tracker(const Sessions& sessions, uint64_t id, bool broadcast) {
  Session* const session = find_present(sessions, id);
  if (session == nullptr) return nullptr;
  const uint32_t flags = session->tracking;
  const bool as_wanted = (flags & kTracks) != 0 && ((flags & kTracksBroadcast) != 0) == broadcast;
  return as_wanted ? session : nullptr;
}

void mark_redirect_broken(Session& session) {
  uint32_t flags = session.tracking;
  while ((flags & kTracks) != 0 &&
         !session.tracking.compare_exchange_weak(flags, flags | kTracksBrokenRedirect)) {
  }
}

void push_redirect_broken(Session& session, uint64_t redirect) {
  mark_redirect_broken(session);
  if (session.protocol != 3) return;
  std::string bytes;
  resp::Writer out(bytes, 3);
  out.push(2);
  out.bulk("tracking-redir-broken");
  out.integer(static_cast<int64_t>(redirect));
  session.link->push(bytes);
}

// Sends one message to the session or to whom it redirects. `write_keys` writes what follows the
// message's name: an array of keys, or nil for all.
template <class WriteKeys>
void send(const Sessions& sessions, Session& session, const WriteKeys& write_keys) {
  Session* target = &session;
  const uint64_t redirect = session.tracking_redirect;
  if (redirect != 0) {
    target = find_present(sessions, redirect);
    if (target == nullptr) return push_redirect_broken(session, redirect);
  }
  std::string bytes;
  resp::Writer out(bytes, target->protocol);
  if (out.protocol() == 3) {
    out.push(2);
    out.bulk("invalidate");
  } else if (redirect != 0 && target->subscribed()) {
    out.push(3);
    out.bulk("message");
    out.bulk(kChannel);
  } else {
    return;  // RESP2 has no messages but those of pub/sub
  }
  write_keys(out);
  target->link->push(bytes);
}

void write_key(resp::Writer& out, std::optional<std::string_view> key) {
  if (!key) return out.bulk_null();
  out.array(1);
  out.bulk(*key);
}

// It is told of the keys that it has read, not of those of its prefixes.
bool reads_keys(const Session& session) {
  return (session.tracking & (kTracks | kTracksBroadcast)) == kTracks;
}

// What it is to be told goes to itself. In RESP2 that is so only if it is subscribed when the turn
// ends, as a redirection is looked up then.
bool tells_itself(const Session& session) {
  const uint64_t redirect = session.tracking_redirect;
  return redirect == 0 || (redirect == session.id && session.protocol == 3);
}

void write_invalidation(std::string& to, std::optional<std::string_view> key) {
  resp::Writer out(to, 3);
  out.push(2);
  out.bulk("invalidate");
  write_key(out, key);
}

// Of all keys. As in Redis the null is of the protocol of who tracks, whoever reads it.
void write_null(resp::Writer& out, const Session& tracking) {
  std::string null;
  resp::Writer(null, tracking.protocol).bulk_null();
  out.raw(null);
}

void write_all_keys(std::string& to, const Session& tracking) {
  resp::Writer out(to, 3);
  out.push(2);
  out.bulk("invalidate");
  write_null(out, tracking);
}

// Ids are kept in ascending order. False: it was there already.
bool insert_id(std::vector<uint64_t>& ids, uint64_t id) {
  const auto place = std::lower_bound(ids.begin(), ids.end(), id);
  if (place != ids.end() && *place == id) return false;
  ids.insert(place, id);
  return true;
}

// False: it was not there.
bool erase_id(std::vector<uint64_t>& ids, uint64_t id) {
  const auto place = std::lower_bound(ids.begin(), ids.end(), id);
  if (place == ids.end() || *place != id) return false;
  ids.erase(place);
  return true;
}

}  // namespace

// --- a session's own state ----------------------------------------------------------------------

std::optional<Tracking::Overlap> Tracking::overlap(const Session& session,
                                                   std::span<const std::string_view> wanted) {
  for (size_t i = 0; i < wanted.size(); ++i) {
    for (const std::string& prefix : session.prefixes) {
      if (either_begins_other(prefix, wanted[i])) return Overlap{wanted[i], prefix, true};
    }
    for (const std::string_view later : wanted.subspan(i + 1)) {
      if (either_begins_other(later, wanted[i])) {
        return Overlap{wanted[i], std::string(later), false};
      }
    }
  }
  return std::nullopt;
}

void Tracking::enable(Session& session, uint64_t redirect, uint32_t options,
                      std::span<const std::string_view> wanted) {
  if ((session.tracking & kTracks) == 0) clients_.fetch_add(1, std::memory_order_relaxed);
  session.tracking_redirect = redirect;
  const uint32_t caching = session.tracking & kTracksCaching;
  session.tracking = kTracks | options | caching;
  if ((options & kTracksBroadcast) == 0) return;
  constexpr std::string_view kAll[] = {""};
  if (wanted.empty()) wanted = kAll;
  std::lock_guard guard(prefixes_mutex_);
  for (const std::string_view prefix : wanted) {
    const auto [found, is_new] = prefixes_.try_emplace(std::string(prefix));
    if (is_new) found->second.since = time_.fetch_add(1, std::memory_order_relaxed) + 1;
    if (insert_id(found->second.clients, session.id)) session.prefixes.emplace(prefix);
  }
  session.tracking_prefixes = static_cast<uint32_t>(session.prefixes.size());
  prefix_count_.store(prefixes_.size(), std::memory_order_relaxed);
}

void Tracking::disable(Session& session) {
  const uint32_t flags = session.tracking.exchange(0);
  if ((flags & kTracks) == 0) return;
  clients_.fetch_sub(1, std::memory_order_relaxed);
  if ((flags & kTracksBroadcast) == 0) return;
  std::lock_guard guard(prefixes_mutex_);
  for (const std::string& prefix : session.prefixes) {
    const auto found = prefixes_.find(prefix);
    erase_id(found->second.clients, session.id);
    if (found->second.clients.empty()) prefixes_.erase(found);
  }
  prefix_count_.store(prefixes_.size(), std::memory_order_relaxed);
  session.prefixes.clear();
  session.tracking_prefixes = 0;
}

// --- keys ---------------------------------------------------------------------------------------

void Tracking::remember(TrackedKeys& tracked, std::string_view key, const Session& session) {
  auto found = tracked.find(key);
  if (found == tracked.end()) {
    found = tracked.try_emplace(std::string(key)).first;
    keys_.fetch_add(1, std::memory_order_relaxed);
  }
  if (insert_id(found->second, session.id)) items_.fetch_add(1, std::memory_order_relaxed);
}

void Tracking::changed(TrackedKeys& tracked, std::string_view key, const Audience& audience) {
  if (prefix_count() != 0) {
    auto& keys = audience.others.broadcast_;
    auto found = keys.find(key);
    if (found == keys.end()) found = keys.emplace(key, Invalidations::Change()).first;
    found->second = {audience.by_self && audience.self != nullptr ? audience.self->id : 0,
                     time_.load(std::memory_order_relaxed)};
    audience.others.tracking_ = this;
  }
  if (tracked.empty()) return;
  const auto found = tracked.find(key);
  if (found != tracked.end()) forget(tracked, found, audience);
}

void Tracking::forget(TrackedKeys& tracked, Entry entry, const Audience& audience) {
  auto node = tracked.extract(entry);
  std::vector<uint64_t>& ids = node.mapped();
  keys_.fetch_sub(1, std::memory_order_relaxed);
  items_.fetch_sub(ids.size(), std::memory_order_relaxed);
  if (const Session* self = audience.self) {
    const bool spared = audience.by_self && (self->tracking & kTracksNoLoop) != 0;
    if ((spared || tells_itself(*self)) && erase_id(ids, self->id) && !spared &&
        reads_keys(*self)) {
      tell_self(audience, node.key());
    }
  }
  if (!ids.empty() && audience.hears_for_others()) tell_redirected(audience, node.key(), ids);
  if (ids.empty()) return;
  audience.others.tracking_ = this;
  audience.others.entries_.push_back({std::move(node.key()), std::move(ids), false});
}

// In RESP2 only who is subscribed hears of it, which is looked up when the turn ends.
bool Tracking::Audience::hears_for_others() const {
  return self != nullptr && redirected != nullptr && self->protocol == 3 &&
         self->hears_for_others.load(std::memory_order_relaxed);
}

// Takes those out of `ids` who have redirected to the session whose command runs.
void Tracking::tell_redirected(const Audience& audience, std::string_view key,
                               std::vector<uint64_t>& ids) {
  server_.with_sessions([&](const Sessions& sessions) {
    std::erase_if(ids, [&](uint64_t id) {
      const Session* from = tracker(sessions, id, false);
      if (from == nullptr || from->tracking_redirect != audience.self->id) return false;
      write_invalidation(*audience.redirected, key);
      return true;
    });
  });
}

void Tracking::tell_self(const Audience& audience, std::optional<std::string_view> key) const {
  write_invalidation(*audience.own, key);
}

void Tracking::flushed(std::span<TrackedKeys* const> tables, const Audience& audience) {
  {
    std::lock_guard guard(flushed_mutex_);
    for (TrackedKeys* tracked : tables) {
      if (!tracked->empty()) flushed_.push_back(std::exchange(*tracked, {}));
    }
  }
  keys_.store(0, std::memory_order_relaxed);
  items_.store(0, std::memory_order_relaxed);
  std::vector<uint64_t> told;
  const Session* self = audience.self;
  if (self != nullptr && (self->tracking & kTracks) != 0 && tells_itself(*self)) {
    tell_self(audience, std::nullopt);
    told.push_back(self->id);
  }
  if (audience.hears_for_others()) {
    server_.with_sessions([&](const Sessions& sessions) {
      for (const auto& [id, session] : sessions) {
        if (session == self || !tracks(*session) || session->tracking_redirect != self->id) {
          continue;
        }
        write_all_keys(*audience.redirected, *session);
        insert_id(told, id);
      }
    });
  }
  audience.others.tracking_ = this;
  audience.others.entries_.push_back({{}, std::move(told), true});
}

void Tracking::free_flushed() {
  std::vector<TrackedKeys> flushed;
  std::lock_guard guard(flushed_mutex_);
  flushed.swap(flushed_);
}

void Tracking::trim(TrackedKeys& tracked, uint64_t max_keys, size_t effort,
                    const Audience& audience) {
  thread_local std::minstd_rand random{std::random_device{}()};
  constexpr size_t kSparse = 8;  // buckets to a key: looking for one takes long
  for (; effort > 0 && !tracked.empty() && over(max_keys); --effort) {
    if (tracked.size() < tracked.bucket_count() / kSparse) tracked.rehash(0);
    size_t bucket = random() % tracked.bucket_count();
    while (tracked.bucket_size(bucket) == 0) bucket = (bucket + 1) % tracked.bucket_count();
    forget(tracked, tracked.find(tracked.begin(bucket)->first), audience);
  }
}

// --- telling ------------------------------------------------------------------------------------

void Invalidations::deliver_first(size_t count) {
  if (count == told_) return;
  tracking_->deliver(std::span(entries_).subspan(told_, count - told_), {});
  told_ = count;
}

void Invalidations::deliver() {
  if (empty()) return;
  tracking_->deliver(std::span(entries_).subspan(told_), broadcast_);
  entries_.clear();
  told_ = 0;
  broadcast_.clear();
}

void Tracking::deliver(std::span<const Invalidations::Entry> entries,
                       const Invalidations::Broadcast& keys) {
  server_.with_sessions([&](const Sessions& sessions) {
    for (const Invalidations::Entry& entry : entries) {
      if (entry.all_keys) {
        for (const auto& [id, pointer] : sessions) {
          Session& session = *pointer;
          if (!tracks(session) || std::ranges::binary_search(entry.clients, id)) continue;
          send(sessions, session, [&](resp::Writer& out) { write_null(out, session); });
        }
        continue;
      }
      const auto write = [&](resp::Writer& out) { write_key(out, entry.key); };
      for (const uint64_t id : entry.clients) {
        if (Session* session = tracker(sessions, id, false)) send(sessions, *session, write);
      }
    }
    if (!keys.empty()) deliver_broadcast(keys, sessions);
  });
}

// One message a prefix, with all keys of the turn that begin with it.
void Tracking::deliver_broadcast(const Invalidations::Broadcast& keys,
                                 const Sessions& sessions) const {
  std::lock_guard guard(prefixes_mutex_);
  std::vector<Invalidations::Broadcast::const_iterator> all;
  std::vector<std::string_view> told;
  for (const auto& [prefix, wanted] : prefixes_) {
    all.clear();
    for (auto at = keys.lower_bound(prefix); at != keys.end() && at->first.starts_with(prefix);
         ++at) {
      if (at->second.time >= wanted.since) all.push_back(at);
    }
    if (all.empty()) continue;
    for (const uint64_t id : wanted.clients) {
      Session* session = tracker(sessions, id, true);
      if (session == nullptr) continue;
      const bool spared = (session->tracking & kTracksNoLoop) != 0;
      told.clear();
      for (const auto& key : all) {
        if (!spared || key->second.by != id) told.push_back(key->first);
      }
      if (told.empty()) continue;
      send(sessions, *session, [&](resp::Writer& out) {
        out.array(told.size());
        for (const std::string_view key : told) out.bulk(key);
      });
    }
  }
}

}  // namespace respcask::server

// Tracking: who keeps copies of which keys (CLIENT TRACKING), and telling them when a key changes.
//
// Without BCAST the server remembers, for each key that a tracking client has read, the client's
// id: TrackedKeys, one table a shard, under the shard's lock, so that a read and its entry are one
// step to whoever changes the key. A change takes the key's entry out of the table; the clients are
// told once, and again when they have read again. With BCAST nothing is remembered: a client hears
// of every key that begins with one of its prefixes. As in Redis the database plays no part.
//
// A change goes into the Invalidations of its thread's turn, which leave together with the turn's
// messages (pubsub.h), after its writes are in the kernel. Redis writes to the one who made the
// change right behind the reply, so what concerns the session that runs the command is handed back
// to the caller instead; what others have redirected to it Redis writes at once, so that is handed
// back apart. One that waits hears of what came before the end of that before he is answered
// (Outbox::resume). Somebody who has read a key in between is told needlessly, never too little:
// his entry was made under the shard's lock, before the change or after it.
//
// Ids are looked up when messages leave: of a client that is gone, or no longer tracks, entries
// stay until their key changes. Sessions change their own tracking state, on their own loop, by
// enable() and disable(). All methods may be called from any thread; those that take a TrackedKeys
// with its shard locked.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "resp/writer.h"
#include "server/string_hash.h"

namespace respcask::server {

class Server;
class Session;
class Tracking;

// Bits of Session::tracking. All are 0 unless kTracks is set.
enum TrackingFlag : uint32_t {
  kTracks = 1 << 0,
  kTracksBroadcast = 1 << 1,
  kTracksOptIn = 1 << 2,
  kTracksOptOut = 1 << 3,
  kTracksNoLoop = 1 << 4,
  kTracksCaching = 1 << 5,         // CLIENT CACHING was called: it counts for the next command
  kTracksBrokenRedirect = 1 << 6,  // whoever messages are redirected to is gone
};

// The keys of one shard that clients have read, with the clients' ids in ascending order.
using TrackedKeys =
    std::unordered_map<std::string, std::vector<uint64_t>, StringHash, std::equal_to<>>;

// What a turn's changes have made out of date. Moved, never shared; empty after deliver().
class Invalidations {
 public:
  bool empty() const { return entries_.empty() && broadcast_.empty(); }
  // Keys so far, but for those of BCAST, which all leave last.
  size_t size() const { return entries_.size(); }
  // Tells of the first `count` keys.
  void deliver_first(size_t count);
  void deliver();

 private:
  friend class Tracking;
  struct Entry {
    std::string key;
    std::vector<uint64_t> clients;  // with all_keys: those that have been told already
    bool all_keys = false;          // a database was emptied: every tracking client hears of it
  };
  // Keys of a turn, each with its last change: by which client (0: none), and when.
  struct Change {
    uint64_t by = 0;
    uint64_t time = 0;
  };
  using Broadcast = std::map<std::string, Change, std::less<>>;

  Tracking* tracking_ = nullptr;
  std::vector<Entry> entries_;
  size_t told_ = 0;      // so many of them have been
  Broadcast broadcast_;  // for BCAST, which sends the keys of a turn together
};

class Tracking {
 public:
  explicit Tracking(Server& server) : server_(server) {}
  Tracking(const Tracking&) = delete;
  Tracking& operator=(const Tracking&) = delete;

  // Nobody tracks, nor is anything left in the tables: all that follows may be skipped.
  bool idle() const {
    return clients_.load(std::memory_order_relaxed) == 0 &&
           keys_.load(std::memory_order_relaxed) == 0;
  }

  // --- a session's own state ------------------------------------------------------------------
  // The first of `prefixes` that overlaps with one that the session has, or with a later one, and
  // that other one.
  struct Overlap {
    std::string_view prefix;
    std::string other;
    bool existing = false;
  };
  static std::optional<Overlap> overlap(const Session& session,
                                        std::span<const std::string_view> prefixes);
  // `options`: kTracksBroadcast and the like. With BCAST `prefixes` are added to those that the
  // session has; none stands for all keys.
  void enable(Session& session, uint64_t redirect, uint32_t options,
              std::span<const std::string_view> prefixes);
  void disable(Session& session);

  // --- keys -----------------------------------------------------------------------------------
  // The session has read the key.
  void remember(TrackedKeys& tracked, std::string_view key, const Session& session);

  // Who is to hear of a change, and how. `self`: the session whose command runs, null if none does;
  // what it is to be told itself is written to `own`, and what others have redirected to it to
  // `redirected`, unless that is null. `by_self`: the change is its doing, which NOLOOP spares it.
  struct Audience {
    Invalidations& others;
    const Session* self = nullptr;
    std::string* own = nullptr;
    bool by_self = false;
    std::string* redirected = nullptr;

    bool hears_for_others() const;
  };
  void changed(TrackedKeys& tracked, std::string_view key, const Audience& audience);
  // All keys of a database are gone. `tables`: of all shards, which are locked.
  void flushed(std::span<TrackedKeys* const> tables, const Audience& audience);
  // Frees what was in the tables then, which takes long; without locks.
  void free_flushed();

  // Forgets keys of one shard, drawn at random, until no more than `max_keys` (0: any number) are
  // left in all or `effort` of them have gone; the clients are told as if the keys had changed.
  bool over(uint64_t max_keys) const {
    return max_keys != 0 && keys_.load(std::memory_order_relaxed) > max_keys;
  }
  void trim(TrackedKeys& tracked, uint64_t max_keys, size_t effort, const Audience& audience);

  // --- counts, for INFO -----------------------------------------------------------------------
  size_t clients() const { return clients_.load(std::memory_order_relaxed); }
  size_t keys() const { return keys_.load(std::memory_order_relaxed); }
  size_t items() const { return items_.load(std::memory_order_relaxed); }
  size_t prefix_count() const { return prefix_count_.load(std::memory_order_relaxed); }

 private:
  friend class Invalidations;
  using Entry = TrackedKeys::iterator;

  void forget(TrackedKeys& tracked, Entry entry, const Audience& audience);
  void tell_self(const Audience& audience, std::optional<std::string_view> key) const;
  void tell_redirected(const Audience& audience, std::string_view key, std::vector<uint64_t>& ids);
  void deliver(std::span<const Invalidations::Entry> entries, const Invalidations::Broadcast& keys);
  void deliver_broadcast(const Invalidations::Broadcast& keys,
                         const std::map<uint64_t, Session*>& sessions) const;

  Server& server_;
  std::atomic<size_t> clients_{0};
  std::atomic<size_t> keys_{0};
  std::atomic<size_t> items_{0};
  std::atomic<size_t> prefix_count_{0};
  std::mutex flushed_mutex_;
  std::vector<TrackedKeys> flushed_;
  mutable std::mutex prefixes_mutex_;
  // Who wants to hear of the keys that begin with it. As in Redis whoever comes to a prefix hears
  // of all keys that have not been told since the first one came.
  struct Prefix {
    uint64_t since;
    std::vector<uint64_t> clients;  // ids
  };
  std::map<std::string, Prefix, std::less<>> prefixes_;
  // Goes on with every new prefix. A change reads it with the key's shard locked: whoever finds the
  // old value when he has come to the prefix is told of the change.
  std::atomic<uint64_t> time_{0};
};

}  // namespace respcask::server

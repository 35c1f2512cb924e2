// Eviction: removing keys, by maxmemory-policy, while memory is above maxmemory or the store's
// files above maxdisk.
//
// Memory that counts is all that the process has in use: keydirs, indexes of collections, clients,
// buffers (memory_gauge.h), but not what was dropped and is being freed in the background. Values
// are on disk, so a key that goes frees its name and its entry.
//
// The files shrink only when merging has dropped what is dead in them. So keys are evicted early,
// while what is live would leave merging no room for the garbage that it tolerates, and merging
// does the rest; it is asked for when the files come close to the bound all the same. Above the
// bound nothing that grows runs, whatever the policy.
//
// Victims are the worst of a sample (maxmemory-samples), as in Redis: a shard is drawn by its
// number of keys that may go, keys are drawn in it, and the best candidates of earlier samples are
// kept in a pool for each shard. Only that one shard is locked, for one victim at a time. One
// thread evicts; others that find the bounds passed meanwhile go on. All methods may be called from
// any thread, with no shard locked.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/config.h"
#include "server/context.h"

namespace respcask::server {

class Scope;
class Server;
class Session;
class Turn;

class Eviction {
 public:
  explicit Eviction(Server& server);
  Eviction(const Eviction&) = delete;
  Eviction& operator=(const Eviction&) = delete;

  enum class Room : uint8_t {
    kEnough,    // within the bounds
    kSoon,      // above them, and on the way below: what grows may run
    kNoMemory,  // above maxmemory, and nothing can be evicted
    kNoDisk,    // above maxdisk, until something was deleted and merged
  };
  // Evicts as long as one command may take for it (maxmemory-eviction-tenacity), if there is need.
  // `turn` is the calling thread's, which commits; `runner`: the session that is about to run a
  // command on it, or null.
  Room make_room(Turn& turn, const Session* runner);

  // How long the bounds have been passed, in ms: ever, and since they were last kept.
  uint64_t exceeded_ms() const;
  uint64_t exceeded_now_ms() const;

 private:
  struct Candidate {
    std::string name;
    uint32_t db = 0;
    int64_t score = 0;  // the highest goes first
  };
  // The best candidates seen so far, in ascending order of score; under their shard's lock.
  struct Pool {
    MaxmemoryPolicy policy = MaxmemoryPolicy::kNoeviction;
    std::vector<Candidate> candidates;
  };
  struct Freed {
    int64_t memory = 0;  // a key may take more: its page gives memory back, or takes some, in steps
    uint64_t disk = 0;
    // Something is freed in the background, and its bytes on disk are known then.
    bool queued = false;
  };

  Room evict(Turn& turn, const Session* runner, uint64_t memory_excess, uint64_t disk_excess);
  bool evict_from_any(Turn& turn, const Session* runner, Freed& freed);
  bool evict_from(uint32_t shard, Turn& turn, const Session* runner, Freed& freed);
  bool choose(Scope& scope, uint32_t shard, Turn& turn, Candidate& victim);
  void sample(Scope& scope, uint32_t shard, Turn& turn, Pool& pool);
  void request_merge(uint64_t now_ns);
  void note(bool exceeded, uint64_t now_ns);

  Server& server_;
  std::vector<Pool> pools_;  // by shard
  std::mutex evicting_;      // guards what follows
  uint64_t random_;
  bool queued_ = false;  // something that was evicted was not known to be freed when last looked at

  std::atomic<uint64_t> exceeded_ns_{0};
  std::atomic<uint64_t> exceeded_since_ns_{0};  // 0: the bounds are kept
  std::atomic<uint64_t> merge_asked_ns_{0};
};

}  // namespace respcask::server

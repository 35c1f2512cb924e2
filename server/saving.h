// Saving: what SAVE, BGSAVE and BGREWRITEAOF mean to a store that is on disk already, and when they
// last did it.
//
// To save is to have everything that was acknowledged on the device: a commit and a sync of all
// shards. To rewrite is to merge, so that the space of what is dead is given back.
// At most one background save and one rewrite run at a time, each on a thread of its own. Any
// thread may call everything here; no shard may be locked. The store and the stats outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <thread>

#include "engine/result.h"
#include "engine/store.h"
#include "server/stats.h"

namespace respcask::server {

class Saving {
 public:
  Saving(engine::Store& store, const Stats& stats, int64_t now_s);
  ~Saving() { stop(); }
  Saving(const Saving&) = delete;
  Saving& operator=(const Saving&) = delete;

  // Waits for what runs in the background; a rewrite is left to itself.
  void stop();
  // Waits until nothing runs in the background any more.
  void wait();

  // SAVE: returns when everything is on the device.
  engine::Result<void> save();
  // BGSAVE and BGREWRITEAOF: the same in the background. False if one is running.
  bool start_save();
  bool start_rewrite();

  struct Report {
    int64_t last_save_s = 0;  // Unix time; at first that of the start
    uint64_t saves = 0;
    uint64_t changes_since_save = 0;
    bool save_failed = false;                // the last one
    std::optional<int64_t> save_duration_s;  // of the last one in the background
    std::optional<int64_t> save_running_s;   // for how long one has been running
    uint64_t rewrites = 0;
    bool rewrite_failed = false;
    std::optional<int64_t> rewrite_duration_s;
    std::optional<int64_t> rewrite_running_s;
  };
  Report report() const;

 private:
  // One kind of background work.
  struct Job {
    std::thread thread;
    bool running = false;
    int64_t started_s = 0;
    std::optional<int64_t> duration_s;
  };
  engine::Result<void> save_everything();
  void rewrite_everything();
  template <class Work>
  bool start(Job& job, Work work);
  void join();

  engine::Store& store_;
  const Stats& stats_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  // guards what follows
  Job save_job_;
  Job rewrite_job_;
  int64_t last_save_s_;
  uint64_t changes_at_save_ = 0;
  uint64_t saves_ = 0;
  uint64_t rewrites_ = 0;
  bool save_failed_ = false;
  bool rewrite_failed_ = false;
};

}  // namespace respcask::server

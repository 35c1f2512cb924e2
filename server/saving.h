// Saving: what SAVE, BGSAVE and BGREWRITEAOF mean to a store that is on disk already, and when they
// last did it.
//
// To save is to make a backup (engine/backup.h), after which everything that was acknowledged is on
// the device, and to remove those that are too old to be kept. To rewrite is to merge, so that the
// space of what is dead is given back. At most one save and one rewrite run at a time, those in the
// background each on a thread of its own.
// Any thread may call everything here; no shard may be locked. Store, configuration and stats
// outlive it.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "engine/result.h"
#include "engine/store.h"
#include "server/config/store.h"
#include "server/stats.h"

namespace respcask::server {

class Saving {
 public:
  Saving(engine::Store& store, const ConfigStore& config, const Stats& stats, int64_t now_s);
  ~Saving() { stop(); }
  Saving(const Saving&) = delete;
  Saving& operator=(const Saving&) = delete;

  // Waits for what runs in the background; a rewrite is left to itself.
  void stop();
  // Waits until nothing runs in the background any more.
  void wait();

  // Removes what a crash has left of an unfinished backup.
  void clean_up();

  // SAVE: returns when the backup is whole. Nothing if a save is running.
  std::optional<engine::Result<void>> save();
  // BGSAVE and BGREWRITEAOF: the same in the background, unless one is running or there is no
  // thread to be had for it, which is logged and counts as a failed one.
  enum class Start : uint8_t { kStarted, kRunning, kFailed };
  Start start_save();
  Start start_rewrite();

  struct Report {
    int64_t last_save_s = 0;  // Unix time; at first that of the start
    uint64_t saves = 0;
    uint64_t changes_since_save = 0;
    bool save_failed = false;                // the last one
    std::string last_backup;                 // its path; "": none since the start
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
    bool failed = false;  // the last one
    int64_t started_s = 0;
    std::optional<int64_t> duration_s;
  };
  engine::Result<void> make_backup();
  void rewrite_everything();
  template <class Work>
  Start start(Job& job, std::string name, Work work);
  void join();

  engine::Store& store_;
  const ConfigStore& config_;
  const Stats& stats_;
  std::atomic<bool> stopping_{false};
  mutable std::mutex mutex_;  // guards what follows
  Job save_job_;
  Job rewrite_job_;
  int64_t last_save_s_;
  uint64_t changes_at_save_ = 0;
  uint64_t saves_ = 0;
  std::string last_backup_;
  uint64_t rewrites_ = 0;
};

}  // namespace respcask::server

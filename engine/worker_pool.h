// WorkerPool: does the same for several things at once, where each of them mostly waits.
//
// Syncing eight files one after the other takes eight times as long as syncing them together, for
// the file system puts what comes together into one commit of its journal.
//
// Owns its threads, which wait between the calls. One call of for_each() at a time; the caller sees
// to that.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <thread>
#include <vector>

#include "engine/function_ref.h"

namespace respcask::engine {

class WorkerPool {
 public:
  // `threads` beside the caller's, or as many of them as there are to be had; none will do.
  explicit WorkerPool(size_t threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Calls job(i) once for each i below `count`, on any of the threads and on the caller's, and
  // returns when all have returned.
  void for_each(size_t count, FunctionRef<void(size_t)> job);

 private:
  void work();
  void take_jobs(std::unique_lock<std::mutex>& guard);

  std::mutex mutex_;
  std::condition_variable wanted_;
  std::condition_variable done_;
  const FunctionRef<void(size_t)>* job_ = nullptr;
  size_t next_ = 0;
  size_t count_ = 0;
  size_t running_ = 0;  // jobs begun and not finished
  bool stopping_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace respcask::engine

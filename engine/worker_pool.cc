#include "engine/worker_pool.h"

#include "engine/named_thread.h"

namespace respcask::engine {

WorkerPool::WorkerPool(size_t threads) {
  for (size_t i = 0; i < threads; ++i) {
    auto thread = named_thread("sync-file", [this] { work(); });
    if (!thread) return;
    threads_.push_back(std::move(*thread));
  }
}

WorkerPool::~WorkerPool() {
  {
    std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  wanted_.notify_all();
  for (auto& thread : threads_) thread.join();
}

void WorkerPool::for_each(size_t count, FunctionRef<void(size_t)> job) {
  std::unique_lock guard(mutex_);
  job_ = &job;
  next_ = 0;
  count_ = count;
  if (count > 1) wanted_.notify_all();
  take_jobs(guard);
  done_.wait(guard, [this] { return running_ == 0; });
  job_ = nullptr;
}

void WorkerPool::work() {
  std::unique_lock guard(mutex_);
  for (;;) {
    wanted_.wait(guard, [this] { return stopping_ || next_ < count_; });
    if (stopping_) return;
    take_jobs(guard);
  }
}

// With the mutex held; it is free while a job runs.
void WorkerPool::take_jobs(std::unique_lock<std::mutex>& guard) {
  while (next_ < count_) {
    const size_t i = next_++;
    const auto& job = *job_;
    ++running_;
    guard.unlock();
    job(i);
    guard.lock();
    --running_;
  }
  if (running_ == 0) done_.notify_one();
}

}  // namespace respcask::engine

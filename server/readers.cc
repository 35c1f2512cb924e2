#include "server/readers.h"

#include <algorithm>
#include <utility>

#include "engine/named_thread.h"
#include "server/session.h"

namespace respcask::server {

void fetch(FetchedValue& value) {
  settle(value, engine::fetch(value.read));
}

void settle(FetchedValue& value, engine::Result<std::string> bytes) {
  if (bytes) {
    value.bytes = std::move(*bytes);
    value.state = FetchedValue::State::kReady;
  } else {
    value.state = bytes.error().code == engine::ErrorCode::kDamaged ? FetchedValue::State::kDamaged
                                                                    : FetchedValue::State::kFailed;
  }
}

engine::Result<void> ReaderPool::start(int threads) {
  std::lock_guard guard(mutex_);
  running_ = true;
  for (int i = 0; i < threads; ++i) {
    auto thread = engine::named_thread("reader", [this] { run(); });
    if (!thread) return thread.error();
    threads_.push_back(std::move(*thread));
  }
  return {};
}

void ReaderPool::stop() {
  {
    std::lock_guard guard(mutex_);
    running_ = false;
  }
  more_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ReaderPool::add(FetchBatch& batch, std::shared_ptr<Parked> parked,
                     std::shared_ptr<Link> link) {
  const size_t before = batch.size();
  uint64_t bytes = 0;
  for (const auto& value : parked->values) {
    if (value->state != FetchedValue::State::kWanted) continue;
    batch.push_back({parked, value.get(), link});
    bytes += value->read.bytes();
  }
  const size_t wanted = batch.size() - before;
  parked->missing.store(wanted, std::memory_order_release);
  waiting_.fetch_add(wanted, std::memory_order_relaxed);
  waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  if (running_.load(std::memory_order_relaxed)) return;
  for (size_t i = before; i < batch.size(); ++i) {
    fetch(*batch[i].value);
    finish(batch[i]);
  }
  batch.resize(before);
}

void ReaderPool::submit(FetchBatch& batch) {
  if (batch.empty()) return;
  size_t wake = batch.size();
  {
    std::lock_guard guard(mutex_);
    wake = std::min(wake, idle_);
    for (FetchJob& job : batch) jobs_.push(std::move(job));
  }
  batch.clear();
  for (; wake > 0; --wake) more_.notify_one();
}

void ReaderPool::fetch_now(const std::shared_ptr<Parked>& parked) {
  FetchBatch batch;
  add(batch, parked, nullptr);
  if (batch.size() == 1) {  // to wake a thread would take longer
    fetch(*batch.front().value);
    finish(batch.front());
    return;
  }
  submit(batch);
  while (const size_t missing = parked->missing.load(std::memory_order_acquire)) {
    parked->missing.wait(missing, std::memory_order_acquire);
  }
}

void ReaderPool::finish(const FetchJob& job) {
  waiting_.fetch_sub(1, std::memory_order_relaxed);
  waiting_bytes_.fetch_sub(job.value->read.bytes(), std::memory_order_relaxed);
  fetched_.fetch_add(1, std::memory_order_relaxed);
  if (job.parked->missing.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
  if (job.link != nullptr) {
    job.link->resume();
  } else {
    job.parked->missing.notify_all();
  }
}

void ReaderPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    more_.wait(lock, [this] { return !running_ || !jobs_.empty(); });
    --idle_;
    if (!running_) return;
    FetchJob job = jobs_.pop();
    lock.unlock();
    fetch(*job.value);
    finish(job);
    job = {};
    lock.lock();
  }
}

}  // namespace respcask::server

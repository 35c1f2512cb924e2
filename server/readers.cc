#include "server/readers.h"

#include <utility>

#include "engine/named_thread.h"
#include "server/session.h"

namespace respcask::server {

const FetchedValue* Parked::find(uint32_t shard, engine::Location where,
                                 const engine::Segment* segment) const {
  for (const auto& value : values) {
    // The segment too: a merge may have given its slot, and so the location, to another one.
    if (value->shard == shard && value->read.where == where &&
        value->read.segment.get() == segment) {
      return value.get();
    }
  }
  return nullptr;
}

void fetch(FetchedValue& value) {
  engine::Result<std::string> bytes = engine::fetch(value.read);
  if (bytes) {
    value.bytes = std::move(*bytes);
    value.state = FetchedValue::State::kReady;
  } else {
    value.state = bytes.error().code == engine::ErrorCode::kDamaged ? FetchedValue::State::kDamaged
                                                                    : FetchedValue::State::kFailed;
  }
}

void ReaderPool::start(int threads) {
  std::lock_guard guard(mutex_);
  stopping_ = false;
  for (int i = 0; i < threads; ++i) {
    threads_.push_back(engine::named_thread("reader", [this] { run(); }));
  }
}

void ReaderPool::stop() {
  {
    std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  more_.notify_all();
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ReaderPool::submit(std::shared_ptr<Parked> parked, std::shared_ptr<Link> link) {
  std::vector<FetchedValue*> wanted;
  for (const auto& value : parked->values) {
    if (value->state == FetchedValue::State::kWanted) wanted.push_back(value.get());
  }
  parked->missing.store(wanted.size(), std::memory_order_release);
  bool queued = false;
  {
    std::lock_guard guard(mutex_);
    if (!threads_.empty() && !stopping_) {
      for (FetchedValue* value : wanted) jobs_.push_back({parked, value, link});
      queued = true;
    }
  }
  if (queued) {
    if (wanted.size() == 1) {
      more_.notify_one();
    } else {
      more_.notify_all();
    }
    return;
  }
  for (FetchedValue* value : wanted) fetch(*value);
  fetched_.fetch_add(wanted.size(), std::memory_order_relaxed);
  parked->missing.store(0, std::memory_order_release);
  link->resume();
}

size_t ReaderPool::queued() const {
  std::lock_guard guard(mutex_);
  return jobs_.size();
}

void ReaderPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    more_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    if (stopping_) return;
    Job job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    fetch(*job.value);
    fetched_.fetch_add(1, std::memory_order_relaxed);
    if (job.parked->missing.fetch_sub(1, std::memory_order_acq_rel) == 1) job.link->resume();
    job = Job{};
    lock.lock();
  }
}

}  // namespace respcask::server

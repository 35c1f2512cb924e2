#include "server/readers.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "engine/named_thread.h"
#include "server/session.h"

namespace respcask::server {

namespace {

std::pair<uint32_t, uint64_t> place(const FetchedValue& value) {
  return {value.shard, value.read.where.packed};
}

}  // namespace

Parked::Parked(std::vector<std::unique_ptr<FetchedValue>> wanted) : values(std::move(wanted)) {
  std::sort(values.begin(), values.end(),
            [](const auto& a, const auto& b) { return place(*a) < place(*b); });
}

const FetchedValue* Parked::find(uint32_t shard, engine::Location where,
                                 const engine::Segment* segment) const {
  const std::pair wanted(shard, where.packed);
  auto at =
      std::lower_bound(values.begin(), values.end(), wanted,
                       [](const auto& value, const auto& key) { return place(*value) < key; });
  for (; at != values.end() && place(**at) == wanted; ++at) {
    // A merge may have given its slot, and so the location, to another segment.
    if ((*at)->read.segment.get() == segment) return at->get();
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
  running_ = true;
  for (int i = 0; i < threads; ++i) {
    threads_.push_back(engine::named_thread("reader", [this] { run(); }));
  }
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

void ReaderPool::add(Batch& batch, std::shared_ptr<Parked> parked, std::shared_ptr<Link> link) {
  // So many that the first are read while the turn goes on.
  constexpr size_t kFullBatch = 16;
  std::vector<FetchedValue*> wanted;
  for (const auto& value : parked->values) {
    if (value->state == FetchedValue::State::kWanted) wanted.push_back(value.get());
  }
  parked->missing.store(wanted.size(), std::memory_order_release);
  if (running_.load(std::memory_order_relaxed)) {
    for (FetchedValue* value : wanted) batch.push_back({parked, value, link});
    if (batch.size() >= kFullBatch) submit(batch);
    return;
  }
  for (FetchedValue* value : wanted) fetch(*value);
  fetched_.fetch_add(wanted.size(), std::memory_order_relaxed);
  parked->missing.store(0, std::memory_order_release);
  link->resume();
}

void ReaderPool::submit(Batch& batch) {
  if (batch.empty()) return;
  size_t wake = batch.size();
  {
    std::lock_guard guard(mutex_);
    wake = std::min(wake, idle_);
    std::move(batch.begin(), batch.end(), std::back_inserter(jobs_));
  }
  batch.clear();
  for (; wake > 0; --wake) more_.notify_one();
}

size_t ReaderPool::queued() const {
  std::lock_guard guard(mutex_);
  return jobs_.size();
}

void ReaderPool::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    ++idle_;
    more_.wait(lock, [this] { return !running_ || !jobs_.empty(); });
    --idle_;
    if (!running_) return;
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

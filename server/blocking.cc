#include "server/blocking.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <functional>
#include <utility>

#include "engine/named_thread.h"
#include "server/pubsub.h"
#include "server/session.h"

namespace respcask::server {

void Waiter::set_arguments(std::span<const std::string_view> from) {
  arguments.assign(from.begin(), from.end());
  args.assign(arguments.begin(), arguments.end());
}

namespace {

bool end(Waiter& waiter, Waiter::State state, std::string_view reply, Outbox* outbox) {
  {
    std::lock_guard guard(waiter.mutex);
    if (waiter.state != Waiter::State::kWaiting) return false;
    waiter.state = state;
    waiter.reply = reply;
  }
  if (outbox != nullptr) {
    outbox->resume(waiter.link);
  } else {
    waiter.link->resume();
  }
  return true;
}

}  // namespace

bool end_wait(Waiter& waiter, Waiter::State state, Outbox* outbox) {
  return end(waiter, state, {}, outbox);
}

bool refuse_wait(Waiter& waiter, std::string_view error) {
  return end(waiter, Waiter::State::kRefused, error, nullptr);
}

void Lines::join(const OwnedKey& key, std::shared_ptr<Waiter> waiter, bool moves) {
  Line& line = lines_[key];
  line.shards.add(waiter->shards);
  line.moves |= moves;
  shards_.add(waiter->shards);
  const uint64_t order = waiter->order;
  line.waiters.emplace(order, std::move(waiter));
}

void Lines::leave(const KeyRef& key, uint64_t order) {
  const auto line = lines_.find(key);
  if (line == lines_.end()) return;  // a key that was named twice
  line->second.waiters.erase(order);
  if (line->second.waiters.empty()) lines_.erase(line);
  if (lines_.empty()) shards_.clear();
}

bool Deadlines::Entry::operator>(const Entry& other) const {
  if (deadline_ms != other.deadline_ms) return deadline_ms > other.deadline_ms;
  return number > other.number;
}

engine::Result<void> Deadlines::start() {
  std::lock_guard guard(mutex_);
  stopping_ = false;
  return engine::start_thread(thread_, "deadlines", [this] { run(); });
}

void Deadlines::stop() {
  {
    std::lock_guard guard(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void Deadlines::add(int64_t deadline_ms, const std::shared_ptr<Waiter>& waiter) {
  std::lock_guard guard(mutex_);
  if (std::exchange(waiter->in_deadlines, true)) return;
  if (entries_.size() >= most_entries_) forget_served();
  const bool earliest = entries_.empty() || deadline_ms < entries_.front().deadline_ms;
  entries_.push_back({deadline_ms, added_++, waiter});
  std::push_heap(entries_.begin(), entries_.end(), std::greater<>());
  if (earliest) changed_.notify_one();
}

size_t Deadlines::size() {
  std::lock_guard guard(mutex_);
  return entries_.size();
}

// At most twice as many are looked at as have come since the last time.
void Deadlines::forget_served() {
  std::erase_if(entries_, [](const Entry& entry) { return entry.waiter.expired(); });
  std::make_heap(entries_.begin(), entries_.end(), std::greater<>());
  most_entries_ = std::max(kFewEntries, 2 * entries_.size());
}

Deadlines::Entry Deadlines::take_earliest() {
  std::pop_heap(entries_.begin(), entries_.end(), std::greater<>());
  Entry earliest = std::move(entries_.back());
  entries_.pop_back();
  return earliest;
}

void Deadlines::wake_due(int64_t now_ms) {
  std::vector<std::shared_ptr<Waiter>> due;
  {
    std::lock_guard guard(mutex_);
    while (!entries_.empty() && entries_.front().deadline_ms <= now_ms) {
      auto waiter = take_earliest().waiter.lock();
      if (waiter == nullptr) continue;
      waiter->in_deadlines = false;
      due.push_back(std::move(waiter));
    }
  }
  for (const auto& waiter : due) end_wait(*waiter, Waiter::State::kTimedOut);
}

void Deadlines::run() {
  using Clock = std::chrono::system_clock;
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    if (entries_.empty()) {
      changed_.wait(lock);
      continue;
    }
    const int64_t now_ms =
        std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now().time_since_epoch())
            .count();
    const int64_t wait_ms = entries_.front().deadline_ms - now_ms;
    if (wait_ms > 0) {
      // Not longer than a second at once: the wall clock may be set meanwhile.
      changed_.wait_for(lock, std::chrono::milliseconds(wait_ms < 1000 ? wait_ms : 1000));
      continue;
    }
    lock.unlock();
    wake_due(now_ms);
    lock.lock();
  }
}

}  // namespace respcask::server

// ReaderPool: threads that fetch values which are not in memory, so that no loop waits for a disk.
//
// A command that met cold values is parked: its session keeps a Parked with what is to be fetched,
// the pool reads each value and verifies its checksum, and when the last one is in
// resumes the session, whose command runs again and finds the bytes here (design.md, section 9).
// A Parked is shared by its session and the pool. The values are written by the pool's threads
// until `missing` is 0, and read by the session's loop after that.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "engine/shard.h"

namespace respcask::server {

class Link;

struct FetchedValue {
  engine::ColdRead read;
  uint32_t shard = 0;
  std::string key;  // for the error
  enum class State : uint8_t { kWanted, kReady, kDamaged, kFailed } state = State::kWanted;
  std::string bytes;
};

struct Parked {
  explicit Parked(std::vector<std::unique_ptr<FetchedValue>> wanted);
  // The fetched value that lies there; null if it was not asked for.
  const FetchedValue* find(uint32_t shard, engine::Location where,
                           const engine::Segment* segment) const;

  std::vector<std::unique_ptr<FetchedValue>> values;  // in the order of shards and places in them
  std::atomic<size_t> missing{0};
  size_t look_ups = 0;  // that the command has been counted for in its runs so far
};

// Reads one value, on the calling thread.
void fetch(FetchedValue& value);

class ReaderPool {
 public:
  ~ReaderPool() { stop(); }
  void start(int threads);
  void stop();
  // What a loop's commands have asked for and the pool has not been told of yet.
  struct Job {
    std::shared_ptr<Parked> parked;
    FetchedValue* value;
    std::shared_ptr<Link> link;
  };
  using Batch = std::vector<Job>;

  // Fetches all values that are still wanted, then resumes the session. They are put into `batch`,
  // which the caller submits at the end of its turn at the latest: to wake a thread costs about as
  // much as what it then does. Without threads (not started) all is done at once, on the calling
  // thread.
  void add(Batch& batch, std::shared_ptr<Parked> parked, std::shared_ptr<Link> link);
  // Empties the batch.
  void submit(Batch& batch);

  // For INFO.
  size_t queued() const;
  uint64_t fetched() const { return fetched_.load(std::memory_order_relaxed); }

 private:
  void run();

  mutable std::mutex mutex_;
  std::condition_variable more_;
  std::deque<Job> jobs_;
  size_t idle_ = 0;                   // threads that wait for jobs
  std::atomic<bool> running_{false};  // set under the lock
  std::atomic<uint64_t> fetched_{0};
  std::vector<std::thread> threads_;
};

}  // namespace respcask::server

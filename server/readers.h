// Fetching values that are not in memory, so that no loop waits for a disk.
//
// A command that met cold values is parked: its session keeps a Parked with what is to be fetched,
// somebody reads each value, verifies its checksum and, when the last one is in, resumes the
// session, whose command runs again and finds the bytes here. Who reads is the loop's own ring
// (net/read_ring.h) where the system has such, or else the ReaderPool: threads that wait for the
// disk.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "server/fetch_queue.h"
#include "server/parked.h"

namespace respcask::server {

// Reads one value, on the calling thread.
void fetch(FetchedValue& value);
// The value is what was read for it, or an error.
void settle(FetchedValue& value, engine::Result<std::string> bytes);

class ValueReader {
 public:
  virtual ~ValueReader() = default;
  // Has the values of the batch read, and empties it.
  virtual void submit(FetchBatch& batch) = 0;
};

class ReaderPool final : public ValueReader {
 public:
  ~ReaderPool() override { stop(); }
  engine::Result<void> start(int threads);
  void stop();

  // Puts all values that are still wanted into `batch`; when they are read the session is resumed.
  // The caller has the batch submitted at the end of its turn at the latest. Without threads (not
  // started) all is done at once, on the calling thread.
  void add(FetchBatch& batch, std::shared_ptr<Parked> parked, std::shared_ptr<Link> link);
  void submit(FetchBatch& batch) override;
  // Returns when all values that are still wanted have been read, several at a time.
  void fetch_now(const std::shared_ptr<Parked>& parked);
  // A value has been read, by whomever: resumes the session if it was the last one wanted.
  void finish(const FetchJob& job);

  // For INFO. Values that are wanted and not read yet; those that were read.
  uint64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  // Of those that are wanted: their bytes, most of which nobody holds yet.
  uint64_t waiting_bytes() const { return waiting_bytes_.load(std::memory_order_relaxed); }
  uint64_t fetched() const { return fetched_.load(std::memory_order_relaxed); }
  // How many loops have rings of their own.
  std::atomic<int> rings{0};

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable more_;
  FetchQueue jobs_;
  size_t idle_ = 0;                   // threads that wait for jobs
  std::atomic<bool> running_{false};  // set under the lock
  std::atomic<uint64_t> waiting_{0};
  std::atomic<uint64_t> waiting_bytes_{0};
  std::atomic<uint64_t> fetched_{0};
  std::vector<std::thread> threads_;
};

}  // namespace respcask::server

// Fetching values that are not in memory, so that no loop waits for a disk.
//
// A command that met cold values is parked: its session keeps a Parked with what is to be fetched,
// somebody reads each value and verifies its checksum, and when the last one is in
// resumes the session, whose command runs again and finds the bytes here (design.md, section 9).
// Who reads is the loop's own ring (net/read_ring.h) where the system has such, or else the
// ReaderPool: threads that wait for the disk.
// A Parked is shared by its session and by who reads. The values are written by the latter until
// `missing` is 0, and read by the session's loop after that.
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
  uint64_t bytes = 0;                                 // that they take when all have been read
  std::atomic<size_t> missing{0};
  size_t look_ups = 0;  // that the command has been counted for in its runs so far
};

// Reads one value, on the calling thread.
void fetch(FetchedValue& value);
// The value is what was read for it, or an error.
void settle(FetchedValue& value, engine::Result<std::string> bytes);

// A value to be read, and who waits for it.
struct FetchJob {
  std::shared_ptr<Parked> parked;
  FetchedValue* value;
  std::shared_ptr<Link> link;
};
// What a loop's commands have asked for and nobody has been told of yet.
using FetchBatch = std::vector<FetchJob>;

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
  // A value has been read, by whomever: resumes the session if it was the last one wanted.
  void finish(const FetchJob& job);

  // For INFO. Values that are wanted and not read yet; those that were read.
  uint64_t waiting() const { return waiting_.load(std::memory_order_relaxed); }
  uint64_t fetched() const { return fetched_.load(std::memory_order_relaxed); }
  // How many loops have rings of their own.
  std::atomic<int> rings{0};

 private:
  void run();

  std::mutex mutex_;
  std::condition_variable more_;
  std::deque<FetchJob> jobs_;
  size_t idle_ = 0;                   // threads that wait for jobs
  std::atomic<bool> running_{false};  // set under the lock
  std::atomic<uint64_t> waiting_{0};
  std::atomic<uint64_t> fetched_{0};
  std::vector<std::thread> threads_;
};

}  // namespace respcask::server

// RecordedDisk: a disk in memory that remembers every write and every flush, in order and with its
// time, so that what was on it after a power cut at any moment can be made afterwards.
//
// It shows as one file, served by this process through /dev/fuse; a loop device on that file is a
// disk to the kernel, and a file system on it writes and flushes as on any other. Making one needs
// root. A thread of its own serves it until it is destroyed; by then nothing may use the file.
// events() may be called when nobody writes any more.
//
// What a cut leaves: all that was written before the last flush, and of what was written since then
// any part: each write, or each block of 4096 bytes, is there or not, whatever the order. Blocks
// are not torn, since ext4 does not mount when its superblock is; torn sectors are the simulated
// disk's part (tests/engine/simulated_file.h).
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

namespace respcask::power {

struct Event {
  int64_t time_ns = 0;  // of steady_clock
  bool flush = false;   // else a write
  uint64_t offset = 0;
  std::string bytes;
};

int64_t now_ns();

class RecordedDisk {
 public:
  // `content` is what is on it, its bytes the disk's from now on: the caller keeps it. `path` is
  // the file to be, a flush takes `flush_time` at least. fault() says whether that failed.
  RecordedDisk(std::string* content, std::string path, std::chrono::microseconds flush_time);
  ~RecordedDisk();
  RecordedDisk(const RecordedDisk&) = delete;
  RecordedDisk& operator=(const RecordedDisk&) = delete;

  const std::string& fault() const { return fault_; }
  const std::vector<Event>& events() const { return events_; }

 private:
  void serve();
  void answer(const char* request, size_t size);
  void reply(uint64_t unique, int error, const void* bytes, size_t size);

  std::string path_;
  std::string fault_;
  std::string* content_;
  const std::chrono::microseconds flush_time_;
  std::vector<Event> events_;
  int fd_ = -1;
  bool mounted_ = false;
  std::thread thread_;
};

// What is on a disk that held `content` at first, after the first so many of the events; calls must
// come with rising counts.
class PowerCuts {
 public:
  PowerCuts(std::string content, const std::vector<Event>& events)
      : durable_(std::move(content)), events_(events) {}

  // Into `image`, whose room is used again.
  void make_image(size_t count, std::mt19937_64& random, std::string* image);

 private:
  std::string durable_;  // up to the last flush that was looked at
  size_t flushed_ = 0;   // events that are in it
  const std::vector<Event>& events_;
};

}  // namespace respcask::power

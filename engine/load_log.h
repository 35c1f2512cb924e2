// LoadLog: says how far a start has come, while it takes long.
//
// Every `interval` from its making to its destruction it reports keys, bytes, rate and the time
// that is left, and at the end, if it has reported before, the sum. A start that is over sooner is
// not worth a line. Owns a thread, on which the reports are made (if there is none to be had, there
// are no reports); all it reads is RecoveryProgress.
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

#include "engine/recovery_report.h"

namespace respcask::engine {

// What is reported after `seconds`, as one line.
std::string load_line(uint64_t records, uint64_t bytes, uint64_t total_bytes, double seconds);

class LoadLog {
 public:
  using Sink = std::function<void(std::string_view)>;

  // An empty sink: nothing is reported.
  LoadLog(const RecoveryProgress& progress, Sink sink,
          std::chrono::milliseconds interval = std::chrono::seconds(1));
  ~LoadLog();
  LoadLog(const LoadLog&) = delete;
  LoadLog& operator=(const LoadLog&) = delete;

 private:
  void run(std::chrono::milliseconds interval);
  double seconds() const;

  const RecoveryProgress& progress_;
  const Sink sink_;
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  bool reported_ = false;  // the thread's own, until it has ended
  std::mutex mutex_;
  std::condition_variable ended_;
  bool over_ = false;
  std::thread thread_;
};

}  // namespace respcask::engine

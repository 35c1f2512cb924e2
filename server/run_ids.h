// RunIds: the random names of this run of the server: 40 hexadecimal digits each, as INFO shows
// them. Any thread.
#pragma once

#include <mutex>
#include <string>

namespace respcask::server {

class RunIds {
 public:
  RunIds() : run_(make()), replication_(make()) {}

  const std::string& run() const { return run_; }
  std::string replication() const {
    std::lock_guard guard(mutex_);
    return replication_;
  }
  // DEBUG CHANGE-REPL-ID.
  void change_replication() {
    std::lock_guard guard(mutex_);
    replication_ = make();
  }

 private:
  static std::string make();

  const std::string run_;
  mutable std::mutex mutex_;
  std::string replication_;
};

}  // namespace respcask::server

// FetchQueue: reads that wait for somebody to do them. The commands that want them take turns, so
// that one with thousands of values keeps another waiting for one read, not for thousands.
//
// Invariant: no command in it has nothing left to be read. Owns its jobs. No locking: its owner's.
#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "server/parked.h"

namespace respcask::server {

class FetchQueue {
 public:
  bool empty() const { return commands_.empty(); }

  // The jobs of one command come one after the other.
  void push(FetchJob job) {
    if (commands_.empty() || commands_.back().jobs.back().parked != job.parked) {
      commands_.emplace_back();
    }
    commands_.back().jobs.push_back(std::move(job));
  }

  // It must not be empty.
  FetchJob pop() {
    Command command = std::move(commands_.front());
    commands_.pop_front();
    FetchJob job = std::move(command.jobs[command.next++]);
    if (command.next < command.jobs.size()) commands_.push_back(std::move(command));
    return job;
  }

  void clear() { commands_.clear(); }

 private:
  struct Command {
    FetchBatch jobs;
    size_t next = 0;  // of these
  };
  std::deque<Command> commands_;
};

}  // namespace respcask::server

// named_thread: a thread that tells what it does in `top -H`, in gdb and in a crash report.
//
// The caller owns the thread, and joins it. May be called on any thread. The system may have none
// to give (ulimit -u, the pids of a cgroup): who wants one has to have an answer to that.
#pragma once

#include <pthread.h>

#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "engine/result.h"

namespace respcask::engine {

// `name`: at most 15 bytes, Linux keeps no more. kIo if there is no thread to be had; `run` is not
// called then.
template <class Run>
Result<std::thread> named_thread(std::string name, Run run) {
  try {
    return std::thread([name = std::move(name), run = std::move(run)]() mutable {
      pthread_setname_np(pthread_self(), name.c_str());
      run();
    });
  } catch (const std::system_error& refused) {
    return Error{ErrorCode::kIo, "Unable to start a thread: " + refused.code().message()};
  }
}

// The same, into `thread`.
template <class Run>
Result<void> start_thread(std::thread& thread, std::string name, Run run) {
  auto started = named_thread(std::move(name), std::move(run));
  if (!started) return started.error();
  thread = std::move(*started);
  return {};
}

}  // namespace respcask::engine

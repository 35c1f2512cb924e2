// named_thread: a thread that tells what it does in `top -H`, in gdb and in a crash report.
//
// The caller owns the thread, and joins it. May be called on any thread.
#pragma once

#include <pthread.h>

#include <thread>
#include <utility>

namespace respcask::engine {

// `name`: at most 15 bytes, Linux keeps no more; outlives the start of the thread.
template <class Run>
std::thread named_thread(const char* name, Run run) {
  return std::thread([name, run = std::move(run)]() mutable {
    pthread_setname_np(pthread_self(), name);
    run();
  });
}

}  // namespace respcask::engine

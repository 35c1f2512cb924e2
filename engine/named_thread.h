// named_thread: a thread that tells what it does in `top -H`, in gdb and in a crash report.
//
// The caller owns the thread, and joins it. May be called on any thread.
#pragma once

#include <pthread.h>

#include <string>
#include <thread>
#include <utility>

namespace respcask::engine {

// `name`: at most 15 bytes, Linux keeps no more.
template <class Run>
std::thread named_thread(std::string name, Run run) {
  return std::thread([name = std::move(name), run = std::move(run)]() mutable {
    pthread_setname_np(pthread_self(), name.c_str());
    run();
  });
}

}  // namespace respcask::engine

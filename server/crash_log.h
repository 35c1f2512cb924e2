// The crash log: what a process that dies of a signal of its own making (a failed assertion, a bad
// access, no memory) leaves behind: which signal, which version, the command, the registers, the way
// there.
//
// Nothing here allocates, locks or formats by the library after the crash. prepare_crash_log() is
// called by main's thread before others are started, and log_crashes() by one thread at a time; the
// rest by each thread for itself.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

namespace respcask::server {

// Where reports are to go: "" is standard output.
void prepare_crash_log(const std::string& logfile);

// From now on a crash of any thread is reported, and then ends the process by its signal, as it
// would without; or it is reported no more.
void log_crashes(bool wanted);

// A stack for the report, in case that of the thread it is made in has run out. Lives as long as
// the thread.
class CrashStack {
 public:
  CrashStack();
  ~CrashStack();
  CrashStack(const CrashStack&) = delete;
  CrashStack& operator=(const CrashStack&) = delete;

 private:
  std::unique_ptr<std::byte[]> bytes_;
};

// The name of the command that this thread runs, or ran last; null before the first. Not owned: it
// outlives the thread's commands.
inline constinit thread_local const char* crash_command = nullptr;

}  // namespace respcask::server

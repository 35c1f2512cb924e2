// What a server does as a Unix process: detach from the terminal, write a pid file, tell systemd
// how it is, wait for the signal to stop.
//
// Called by main's thread; request_shutdown() and supervision() by any.
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <thread>

#include "engine/result.h"
#include "server/config/config.h"

namespace respcask::server {

// Goes on as a child in a session of its own, with the standard streams on /dev/null. Before any
// thread is started.
engine::Result<void> daemonize();

// Writes the process id to `path`; removes it.
engine::Result<void> write_pid_file(const std::string& path);
void remove_pid_file(const std::string& path);

// Adjusts how likely the kernel is to kill this process when memory runs out, as oom-score-adj and
// the first of its values say; "no" takes back what was done before. By one thread at a time.
engine::Result<void> adjust_oom_score(const Config& config);

// Who watches over this process, as `supervised` says: with "auto", what the environment tells.
// Never kAuto.
Supervised supervision(const Config& config);

// As INFO has it: "systemd", "upstart" or "no".
std::string_view supervision_name(const Config& config);

// Tell whoever supervises that clients may come, and that the end has begun.
void announce_ready(const Config& config);
void announce_stop(const Config& config);

// From now on, in this thread and those that it starts, SIGTERM and SIGINT wait for
// wait_for_shutdown(), as does what request_shutdown() uses; SIGPIPE and SIGHUP are ignored.
void prepare_signals();
// While there is one, SIGTERM and SIGINT end the process at once, and well: for while the store is
// being opened, which may take long and may be cut short at any moment. After prepare_signals(), on
// its thread. Where no thread is to be had for it these signals wait, as they do at other times.
class StopWhileLoading {
 public:
  StopWhileLoading();
  ~StopWhileLoading();
  StopWhileLoading(const StopWhileLoading&) = delete;
  StopWhileLoading& operator=(const StopWhileLoading&) = delete;

 private:
  void wait_for_signal() const;

  std::atomic<bool> loaded_{false};
  std::thread thread_;
};
// Returns the name of the signal that asks to stop, "" for request_shutdown().
std::string_view wait_for_shutdown();
// Makes wait_for_shutdown() return.
void request_shutdown();
// From now on SIGINT, one that waits as well, ends the process at once, and SIGTERM does nothing.
void end_by_next_interrupt();

}  // namespace respcask::server

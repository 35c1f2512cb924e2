// The server's log: one line a call, in the form that Redis's log readers know:
//   pid:role day Mon year hour:minute:second.millisecond level message
// with the level as one of . - * #.
//
// Invariants: a line is written with one write call, so lines of several threads or processes never
// mix; control characters in a message are escaped, so one call is one line. The file is opened for
// every line (moving it away rotates the log); a line that cannot be written is dropped.
// There is one log a process; until log_open it is standard output at notice. Any thread may log
// and set the level at any time; log_open is called by main while there is no other thread. Nothing
// here allocates when the level is off.
#pragma once

#include <fmt/format.h>

#include <atomic>
#include <string>
#include <string_view>
#include <utility>

#include "server/config/config.h"

namespace respcask::server {

namespace log_detail {
extern std::atomic<LogLevel> threshold;
}

// Where the log goes, from loglevel, logfile and syslog-*. An error sentence if the file cannot be
// opened for appending (the log then stays as it was), else "".
std::string log_open(const Config& config);
// The least important lines that are written from now on.
void log_set_level(LogLevel level);

inline bool log_enabled(LogLevel level) {
  return level >= log_detail::threshold.load(std::memory_order_relaxed);
}

// Writes a line whatever the threshold is.
void log_line(LogLevel level, std::string_view message);

template <class... Args>
void log_at(LogLevel level, fmt::format_string<Args...> format, Args&&... args) {
  if (!log_enabled(level)) return;
  log_line(level, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void log_debug(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::kDebug, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_verbose(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::kVerbose, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_notice(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::kNotice, format, std::forward<Args>(args)...);
}
template <class... Args>
void log_warning(fmt::format_string<Args...> format, Args&&... args) {
  log_at(LogLevel::kWarning, format, std::forward<Args>(args)...);
}

}  // namespace respcask::server

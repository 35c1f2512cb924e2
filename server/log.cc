#include "server/log.h"

#include <fcntl.h>
#include <sys/time.h>
#include <syslog.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <iterator>
#include <memory>
#include <mutex>
#include <string>

namespace respcask::server {

namespace log_detail {
std::atomic<LogLevel> threshold{LogLevel::kNotice};
}

namespace {

struct Target {
  std::string file;  // "": standard output
  bool uses_syslog = false;
  std::string ident;
};

struct Sink {
  std::mutex mutex;
  std::shared_ptr<const Target> target = std::make_shared<const Target>();
};

// Never destroyed: a thread may still log while the process ends.
Sink& sink() {
  static Sink& the_sink = *new Sink;
  return the_sink;
}

std::shared_ptr<const Target> current_target() {
  const std::lock_guard lock(sink().mutex);
  return sink().target;
}

int open_file(const std::string& file) {
  return ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

// "11402:M 23 Nov 2026 04:15:48.232 # "
void append_head(LogLevel level, std::string& out) {
  constexpr char kMarks[] = {'.', '-', '*', '#'};
  timeval now{};
  ::gettimeofday(&now, nullptr);
  std::tm local{};
  ::localtime_r(&now.tv_sec, &local);
  char date[64];
  const std::size_t size = std::strftime(date, sizeof date, "%d %b %Y %H:%M:%S", &local);
  fmt::format_to(std::back_inserter(out), "{}:M {}.{:03} {} ", ::getpid(),
                 std::string_view(date, size), now.tv_usec / 1000,
                 kMarks[static_cast<std::size_t>(level)]);
}

void append_escaped(std::string_view message, std::string& out) {
  constexpr char kHexDigits[] = "0123456789abcdef";
  for (const char c : message) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '\n') {
      out += "\\n";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHexDigits[byte >> 4];
      out += kHexDigits[byte & 15];
    } else {
      out += c;
    }
  }
}

void write_line(const Target& target, std::string_view line) {
  const int fd = target.file.empty() ? STDOUT_FILENO : open_file(target.file);
  if (fd < 0) return;
  while (::write(fd, line.data(), line.size()) < 0 && errno == EINTR) {
  }
  if (fd != STDOUT_FILENO) ::close(fd);
}

int syslog_facility(SyslogFacility facility) {
  constexpr int kFacilities[] = {LOG_USER,   LOG_LOCAL0, LOG_LOCAL1, LOG_LOCAL2, LOG_LOCAL3,
                                 LOG_LOCAL4, LOG_LOCAL5, LOG_LOCAL6, LOG_LOCAL7};
  return kFacilities[static_cast<std::size_t>(facility)];
}

int syslog_level(LogLevel level) {
  constexpr int kLevels[] = {LOG_DEBUG, LOG_INFO, LOG_NOTICE, LOG_WARNING};
  return kLevels[static_cast<std::size_t>(level)];
}

}  // namespace

std::string log_open(const Config& config) {
  const std::string file = config.in_dir(config.logfile);
  if (!file.empty()) {
    const int fd = open_file(file);
    if (fd < 0) {
      return fmt::format("cannot open the log file '{}': {}", file, std::strerror(errno));
    }
    ::close(fd);
  }
  auto target =
      std::make_shared<const Target>(Target{file, config.syslog_enabled, config.syslog_ident});
  const std::lock_guard lock(sink().mutex);
  if (target->uses_syslog) {
    // syslog keeps the pointer: the name must outlive every later call.
    static std::string& ident = *new std::string;
    ident = target->ident;
    ::openlog(ident.c_str(), LOG_PID | LOG_NDELAY | LOG_NOWAIT,
              syslog_facility(config.syslog_facility));
  }
  sink().target = std::move(target);
  log_set_level(config.loglevel);
  return {};
}

void log_set_level(LogLevel level) {
  log_detail::threshold.store(level, std::memory_order_relaxed);
}

void log_line(LogLevel level, std::string_view message) {
  const int saved_errno = errno;  // a caller may log between a failed call and its handling
  const auto target = current_target();
  std::string line;
  append_head(level, line);
  const std::size_t head = line.size();
  append_escaped(message, line);
  if (target->uses_syslog) ::syslog(syslog_level(level), "%s", line.c_str() + head);
  line += '\n';
  write_line(*target, line);
  errno = saved_errno;
}

}  // namespace respcask::server

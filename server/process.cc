#include "server/process.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>

#include "engine/named_thread.h"
#include "server/log.h"

namespace respcask::server {
namespace {

engine::Error failed(std::string_view what) {
  return {engine::ErrorCode::kIo, fmt::format("{}: {}", what, std::strerror(errno))};
}

// Not SIGTERM, so that what a client asks for is never taken for somebody's insisting.
constexpr int kRequest = SIGUSR1;

sigset_t stop_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, kRequest);
  return set;
}

// The protocol of sd_notify(3): one datagram to the socket named in NOTIFY_SOCKET, where a leading
// '@' stands for the NUL of an abstract address.
void notify_systemd(std::string_view state) {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || (name[0] != '/' && name[0] != '@')) return;
  sockaddr_un address{};
  const size_t size = std::strlen(name);
  if (size >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, name, size);
  if (name[0] == '@') address.sun_path[0] = '\0';
  const int fd = ::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return;
  // Nobody hears if this fails, and nothing depends on it.
  [[maybe_unused]] const ssize_t sent = ::sendto(
      fd, state.data(), state.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address),
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size));
  ::close(fd);
}

}  // namespace

engine::Result<void> daemonize() {
  const pid_t child = ::fork();
  if (child < 0) return failed("Could not start a background process");
  if (child > 0) ::_exit(0);
  ::setsid();
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (null < 0) return failed("Could not open /dev/null");
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null, stream);
  if (null > STDERR_FILENO) ::close(null);
  return {};
}

engine::Result<void> write_pid_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (fd < 0) return failed("Could not write the pid file " + path);
  const std::string text = fmt::format("{}\n", ::getpid());
  const bool written = ::write(fd, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  const auto result = written ? engine::Result<void>() : failed("Could not write " + path);
  ::close(fd);
  return result;
}

engine::Result<void> adjust_oom_score(const Config& config) {
  constexpr int kLeast = -1000, kMost = 1000;
  static std::optional<int> inherited;  // what it was, while it is adjusted
  const bool adjusts = config.oom_score_adj != OomScoreAdj::kNo;
  if (!adjusts && !inherited) return {};
  std::fstream file("/proc/self/oom_score_adj");
  if (!inherited) {
    int score = 0;
    if (!(file >> score)) return failed("Unable to read oom_score_adj");
    inherited = score;
    file.clear();
    file.seekp(0);
  }
  int score = adjusts ? config.oom_score_adj_values[0] : 0;
  if (config.oom_score_adj != OomScoreAdj::kAbsolute) score += *inherited;
  if (!adjusts) inherited.reset();
  if (!(file << std::clamp(score, kLeast, kMost) << std::flush)) {
    return failed("Unable to write oom_score_adj");
  }
  return {};
}

void remove_pid_file(const std::string& path) {
  ::unlink(path.c_str());
}

Supervised supervision(const Config& config) {
  if (config.supervised != Supervised::kAuto) return config.supervised;
  if (std::getenv("UPSTART_JOB") != nullptr) return Supervised::kUpstart;
  if (std::getenv("NOTIFY_SOCKET") != nullptr) return Supervised::kSystemd;
  return Supervised::kNo;
}

std::string_view supervision_name(const Config& config) {
  switch (supervision(config)) {
    case Supervised::kSystemd:
      return "systemd";
    case Supervised::kUpstart:
      return "upstart";
    default:
      return "no";
  }
}

void announce_ready(const Config& config) {
  switch (supervision(config)) {
    case Supervised::kSystemd:
      notify_systemd("READY=1\nSTATUS=Ready to accept connections\n");
      break;
    case Supervised::kUpstart:
      ::raise(SIGSTOP);  // "expect stop"
      break;
    default:
      break;
  }
}

void announce_stop(const Config& config) {
  if (supervision(config) == Supervised::kSystemd) notify_systemd("STOPPING=1\n");
}

void prepare_signals() {
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGHUP, SIG_IGN);
  const sigset_t set = stop_signals();
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

StopWhileLoading::StopWhileLoading() {
  (void)engine::start_thread(thread_, "loading", [this] { wait_for_signal(); });
}

StopWhileLoading::~StopWhileLoading() {
  if (!thread_.joinable()) return;
  loaded_ = true;
  ::pthread_kill(thread_.native_handle(), kRequest);
  thread_.join();
}

void StopWhileLoading::wait_for_signal() const {
  const sigset_t set = stop_signals();
  for (;;) {
    int signal = 0;
    if (sigwait(&set, &signal) != 0) continue;
    if (signal != kRequest) break;
    if (loaded_) return;
  }
  log_warning("Received shutdown signal during loading, scheduling shutdown.");
  log_notice("respcask is now ready to exit, bye bye...");
  // Other threads are at work, so nothing is to be destroyed.
  ::_exit(0);
}

std::string_view wait_for_shutdown() {
  const sigset_t set = stop_signals();
  int signal = 0;
  while (sigwait(&set, &signal) != 0) {
  }
  return signal == kRequest ? "" : signal == SIGINT ? "SIGINT" : "SIGTERM";
}

void request_shutdown() {
  ::kill(::getpid(), kRequest);
}

void end_by_next_interrupt() {
  struct sigaction force {};
  force.sa_handler = [](int) { ::_exit(1); };
  sigaction(SIGINT, &force, nullptr);
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGINT);
  pthread_sigmask(SIG_UNBLOCK, &set, nullptr);
}

}  // namespace respcask::server

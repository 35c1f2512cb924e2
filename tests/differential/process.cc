#include "tests/differential/process.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>
#include <utility>

namespace respcask::differential {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

// Long enough for a machine that builds on all cores meanwhile.
constexpr milliseconds kStartTimeout{60000};
constexpr int kReplyTimeoutMs = 60000;

class Deadline {
 public:
  explicit Deadline(int ms) : end_(Clock::now() + milliseconds(ms)) {}
  int left_ms() const {
    return static_cast<int>(std::chrono::duration_cast<milliseconds>(end_ - Clock::now()).count());
  }

 private:
  Clock::time_point end_;
};

int connect_to(int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
    ::close(fd);
    return -1;
  }
  const int yes = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  return fd;
}

}  // namespace

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (fd < 0 || ::bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    throw std::runtime_error("no free port");
  }
  ::close(fd);
  return ntohs(address.sin_port);
}

std::string encode(const std::vector<std::string>& args) {
  std::string bytes = "*" + std::to_string(args.size()) + "\r\n";
  for (const std::string& arg : args) {
    bytes += "$" + std::to_string(arg.size()) + "\r\n" + arg + "\r\n";
  }
  return bytes;
}

Process::Process(std::string binary, std::vector<std::string> options)
    : binary_(std::move(binary)), options_(std::move(options)) {
  directory_ = (std::filesystem::temp_directory_path() / "respcask-diff-XXXXXX").string();
  if (::mkdtemp(directory_.data()) == nullptr) throw std::runtime_error("no temporary directory");
  std::filesystem::create_directory(directory_ + "/data");
  port_ = free_port();
}

Process::~Process() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void Process::start() {
  std::vector<std::string> words{binary_, "--port", std::to_string(port_), "--dir",
                                 directory_ + "/data"};
  words.insert(words.end(), options_.begin(), options_.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const std::string log = directory_ + "/log";
  const int log_fd = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  pid_ = ::fork();
  if (pid_ == 0) {
    // Nothing stays behind, however the test ends.
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::dup2(log_fd, STDOUT_FILENO);
    ::dup2(log_fd, STDERR_FILENO);
    ::execvp(argv[0], argv.data());
    ::dprintf(STDERR_FILENO, "%s cannot be run\n", argv[0]);
    ::_exit(127);
  }
  ::close(log_fd);
  const auto deadline = Clock::now() + kStartTimeout;
  while (Clock::now() < deadline) {
    if (died()) throw std::runtime_error(binary_ + " ended at its start: " + log_tail());
    const int fd = connect_to(port_);
    if (fd >= 0) {
      ::close(fd);
      Connection connection(port_);
      const std::vector<Reply> replies = connection.exchange("PING\r\n", 1, nullptr);
      if (!replies.empty() && replies[0].text == "PONG") return;
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  throw std::runtime_error(binary_ + " does not answer: " + log_tail());
}

void Process::stop() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGTERM);
  int status = 0;
  ::waitpid(pid_, &status, 0);
  pid_ = -1;
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    throw std::runtime_error(binary_ + " did not stop cleanly: " + log_tail());
  }
}

void Process::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

bool Process::died() {
  if (pid_ > 0 && ::waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
  return pid_ <= 0;
}

std::string Process::log_tail() const {
  std::ifstream file(directory_ + "/log");
  std::ostringstream text;
  text << file.rdbuf();
  const std::string all = text.str();
  return all.substr(all.size() - std::min<size_t>(all.size(), 2000));
}

void Connection::open(int port) {
  fd_ = connect_to(port);
  if (fd_ < 0) throw std::runtime_error("no connection to port " + std::to_string(port));
  buffer_.clear();
}

void Connection::close() {
  if (fd_ >= 0) ::close(fd_);
  fd_ = -1;
}

// Sends and receives what goes without waiting, after waiting for either; false if that was in vain
// or the server has closed. It reads while there is something to send: a server may stop reading
// from a client that does not take its replies.
bool Connection::pump(std::string_view* bytes, Random* split, int timeout_ms) {
  pollfd query{fd_, static_cast<short>(bytes->empty() ? POLLIN : POLLIN | POLLOUT), 0};
  if (timeout_ms <= 0 || ::poll(&query, 1, timeout_ms) <= 0) return false;
  if ((query.revents & POLLOUT) != 0) {
    size_t piece = bytes->size();
    if (split != nullptr) {
      piece = std::min(piece, 1 + split->below(split->percent(50) ? 24 : 4096));
      if (split->percent(2)) std::this_thread::sleep_for(std::chrono::microseconds(300));
    }
    const ssize_t sent = ::send(fd_, bytes->data(), piece, MSG_NOSIGNAL | MSG_DONTWAIT);
    // If it takes no more, its last words may still follow.
    if (sent < 0 && errno != EAGAIN && errno != EINTR) *bytes = {};
    if (sent > 0) bytes->remove_prefix(static_cast<size_t>(sent));
  }
  if ((query.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
    char chunk[65536];
    const ssize_t size = ::recv(fd_, chunk, sizeof chunk, MSG_DONTWAIT);
    if (size == 0 || (size < 0 && errno != EAGAIN && errno != EINTR)) return false;
    if (size > 0) buffer_.append(chunk, static_cast<size_t>(size));
  }
  return true;
}

std::vector<Reply> Connection::exchange(std::string_view bytes, size_t count, Random* split) {
  std::vector<Reply> replies;
  size_t position = 0;
  const Deadline deadline(kReplyTimeoutMs);
  while (replies.size() < count || !bytes.empty()) {
    if (!pump(&bytes, split, deadline.left_ms())) break;
    while (replies.size() < count) {
      std::optional<Reply> reply = parse_reply(buffer_, &position);
      if (!reply) break;
      replies.push_back(std::move(*reply));
    }
    buffer_.erase(0, position);
    position = 0;
  }
  return replies;
}

std::string Connection::converse(std::string_view bytes, std::string_view last) {
  const Deadline deadline(kReplyTimeoutMs);
  while (!buffer_.ends_with(last) && pump(&bytes, nullptr, deadline.left_ms())) {
  }
  return std::exchange(buffer_, {});
}

}  // namespace respcask::differential

#include "tests/e2e/server_process.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <thread>

#include "tests/e2e/client.h"

namespace respcask::e2e {
namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

constexpr milliseconds kStartTimeout{60000};

// Words before a program's own: it is killed when the thread that started it ends, so that nothing
// stays behind, however the test ends. A change of user takes that back.
constexpr const char* kEndWithTest[] = {"setpriv", "--pdeathsig", "KILL"};

pid_t spawn(std::vector<std::string> words, int output_fd) {
  words.insert(words.begin(), std::begin(kEndWithTest), std::end(kEndWithTest));
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  // Not fork(): a test with much memory would copy page after page of it afterwards.
  posix_spawn_file_actions_t actions;
  REQUIRE(::posix_spawn_file_actions_init(&actions) == 0);
  REQUIRE(::posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO) == 0);
  REQUIRE(::posix_spawn_file_actions_adddup2(&actions, output_fd, STDERR_FILENO) == 0);
  pid_t pid = -1;
  REQUIRE(::posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ) == 0);
  ::posix_spawn_file_actions_destroy(&actions);
  return pid;
}

std::vector<std::string> server_words(const std::vector<std::string>& arguments) {
  std::vector<std::string> words{server_binary()};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

}  // namespace

std::string server_binary() {
  const char* const path = std::getenv("RESPCASK_SERVER");
  return std::filesystem::absolute(path != nullptr ? path : "build/server/respcask-server");
}

std::vector<std::string> unprivileged(const std::string& directory) {
  if (::geteuid() != 0) return {};
  const auto user = static_cast<uid_t>(60000 + ::getpid() % 5000);
  REQUIRE(::chown(directory.c_str(), user, user) == 0);
  const std::string name = std::to_string(user);
  std::vector<std::string> words(std::begin(kEndWithTest), std::end(kEndWithTest));
  words.insert(words.end(), {"--reuid", name, "--regid", name, "--clear-groups"});
  return words;
}

int free_port() {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  REQUIRE(fd >= 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  socklen_t size = sizeof address;
  REQUIRE(::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) == 0);
  ::close(fd);
  return ntohs(address.sin_port);
}

Ended run_to_end(const std::vector<std::string>& arguments, int timeout_ms) {
  return run_program_to_end(server_words(arguments), timeout_ms);
}

Ended run_program_to_end(const std::vector<std::string>& words, int timeout_ms) {
  int pipe_fds[2];
  REQUIRE(::pipe2(pipe_fds, O_CLOEXEC) == 0);
  const pid_t pid = spawn(words, pipe_fds[1]);
  ::close(pipe_fds[1]);
  Ended ended;
  const auto deadline = Clock::now() + milliseconds(timeout_ms);
  for (;;) {
    const auto left = std::chrono::duration_cast<milliseconds>(deadline - Clock::now()).count();
    pollfd query{pipe_fds[0], POLLIN, 0};
    if (left <= 0 || ::poll(&query, 1, static_cast<int>(left)) <= 0) break;
    char buffer[4096];
    const ssize_t size = ::read(pipe_fds[0], buffer, sizeof buffer);
    if (size <= 0) break;
    ended.output.append(buffer, static_cast<size_t>(size));
  }
  ::close(pipe_fds[0]);
  if (Clock::now() >= deadline) ::kill(pid, SIGKILL);
  int status = 0;
  REQUIRE(::waitpid(pid, &status, 0) == pid);
  if (WIFEXITED(status)) ended.exit_code = WEXITSTATUS(status);
  return ended;
}

ServerProcess::ServerProcess(std::vector<std::string> options) : options_(std::move(options)) {
  std::string name = (std::filesystem::temp_directory_path() / "respcask-e2e-XXXXXX").string();
  REQUIRE(::mkdtemp(name.data()) != nullptr);
  directory_ = name;
  data_ = directory_ + "/data";
  port_ = free_port();
}

ServerProcess::~ServerProcess() {
  kill();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void ServerProcess::start(std::vector<std::string> options) {
  options_ = std::move(options);
  start();
}

void ServerProcess::launch() {
  REQUIRE(!running());
  std::vector<std::string> arguments{"--port",       std::to_string(port_), "--dir",     data_,
                                     "--unixsocket", unix_socket(),         "--logfile", ""};
  if (!configuration_.empty()) arguments.insert(arguments.begin(), configuration_);
  arguments.insert(arguments.end(), options_.begin(), options_.end());
  const std::string log_path = directory_ + "/log";
  const int log_fd = ::open(log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  REQUIRE(log_fd >= 0);
  std::vector<std::string> words = launcher_;
  std::ranges::move(server_words(arguments), std::back_inserter(words));
  pid_ = spawn(std::move(words), log_fd);
  ::close(log_fd);
}

void ServerProcess::start() {
  launch();

  const auto deadline = Clock::now() + kStartTimeout;
  while (Clock::now() < deadline) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) {
      pid_ = -1;
      FAIL("the server ended at its start: " << log());
    }
    // Whoever answers, the password need not be known.
    if (Client client; client.try_connect(port_)) {
      client.send("PING\r\n");
      const std::string line = client.read_line();
      if (line == "+PONG" || line.starts_with("-NOAUTH")) return;
    }
    std::this_thread::sleep_for(milliseconds(10));
  }
  FAIL("the server does not answer: " << log());
}

int ServerProcess::stop() {
  REQUIRE(running());
  ::kill(pid_, SIGTERM);
  int status = 0;
  REQUIRE(::waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

int ServerProcess::end_by(int signal, const std::string& thread) {
  REQUIRE(running());
  pid_t receiver = pid_;  // the main thread
  for (const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(pid_) + "/task")) {
    std::string name;
    std::ifstream(entry.path() / "comm") >> name;
    if (name == thread) receiver = std::stoi(entry.path().filename());
  }
  ::syscall(SYS_tgkill, pid_, receiver, signal);
  return wait_for_end();
}

int ServerProcess::wait_for_end() {
  REQUIRE(running());
  int status = 0;
  REQUIRE(::waitpid(pid_, &status, 0) == pid_);
  pid_ = -1;
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

void ServerProcess::kill() {
  if (!running()) return;
  ::kill(pid_, SIGKILL);
  ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

std::string ServerProcess::log() const {
  std::ifstream file(directory_ + "/log");
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

size_t ServerProcess::resident_bytes() const {
  std::ifstream file("/proc/" + std::to_string(pid_) + "/status");
  std::string word;
  while (file >> word) {
    if (word != "RssAnon:") continue;
    size_t kilobytes = 0;
    file >> kilobytes;
    return kilobytes * 1024;
  }
  FAIL("no memory figure for process " << pid_);
  return 0;
}

}  // namespace respcask::e2e

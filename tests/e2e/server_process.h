// ServerProcess: a respcask-server of a test's own, in a directory of its own, on a port of its
// own.
//
// The binary is named by the environment variable RESPCASK_SERVER. The directory is made at
// construction and removed with the object, whatever runs is killed; it is as well when the thread
// that started it ends. One thread at a time.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <vector>

namespace respcask::e2e {

// A TCP port of 127.0.0.1 that nothing listens on.
int free_port();

// What a program that ended has left behind.
struct Ended {
  int exit_code = -1;  // -1: by a signal
  std::string output;  // both streams
};
// Runs the server with exactly these arguments until it ends by itself, `timeout_ms` at most.
Ended run_to_end(const std::vector<std::string>& arguments, int timeout_ms = 20000);
// The same for any program, which is looked for in PATH.
Ended run_program_to_end(const std::vector<std::string>& words, int timeout_ms = 20000);
// Words before a program's own, so that limits which do not hold for root hold for it: nothing, or
// where the test is root's what runs it as another user, to whom `directory` is given.
std::vector<std::string> unprivileged(const std::string& directory);
// The server that is tested: what RESPCASK_SERVER names, as an absolute path.
std::string server_binary();

// What one client that sends and never reads may cost. The thread sanitizer has several bytes for
// each that is used.
#ifdef __SANITIZE_THREAD__
inline constexpr size_t kMostOfDeafBytes = size_t{24} << 20;
#else
inline constexpr size_t kMostOfDeafBytes = size_t{8} << 20;
#endif

class ServerProcess {
 public:
  // `options` are further arguments, "--name", "value", .... Not started yet.
  explicit ServerProcess(std::vector<std::string> options = {});
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  // Starts it and does not wait for anything.
  void launch();
  // Starts it and waits until it answers; fails the test if it does not.
  void start();
  // The same with other options.
  void start(std::vector<std::string> options);
  // SIGTERM, and the exit code.
  int stop();
  // Waits for it to end by itself, and returns the signal that it ended by; 0 if it ended
  // otherwise.
  int wait_for_end();
  // The same after sending it, or a thread of it, a signal that ends it.
  int end_by(int signal, const std::string& thread = "");
  // SIGKILL.
  void kill();
  bool running() const { return pid_ > 0; }

  int port() const { return port_; }
  pid_t pid() const { return pid_; }
  const std::string& directory() const { return directory_; }
  std::string data_directory() const { return data_; }
  void set_data_directory(std::string path) { data_ = std::move(path); }
  // A program that runs it, with its arguments: {"setpriv", ...}. It has to become the server.
  void set_launcher(std::vector<std::string> words) { launcher_ = std::move(words); }
  // A configuration file to start it with.
  void set_configuration(std::string path) { configuration_ = std::move(path); }
  std::string unix_socket() const { return directory_ + "/server.sock"; }
  std::string log() const;
  // Resident memory now, and the highest since the start, in bytes.
  size_t resident_bytes() const;

 private:
  std::vector<std::string> launcher_;
  std::vector<std::string> options_;
  std::string directory_;
  std::string data_;
  std::string configuration_;
  int port_ = 0;
  pid_t pid_ = -1;
};

}  // namespace respcask::e2e

// Process: a server of the test's own, respcask's or Redis's: a port, a temporary directory, a
// child. Connection: a socket to it that sends a batch in chosen pieces while it reads.
//
// Both own what they hold: the child is killed and the directory removed with the Process. One
// thread. What goes wrong with the set-up (no binary, no port) throws std::runtime_error: there is
// no test without it.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/random.h"
#include "tests/differential/reply.h"

namespace respcask::differential {

class Process {
 public:
  // `binary` is started as: binary --port P --dir D and `options`. Not started yet.
  Process(std::string binary, std::vector<std::string> options);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // Starts it and waits until it answers PING.
  void start();
  // SIGTERM; throws if the exit code is not 0.
  void stop();
  // SIGKILL.
  void kill();
  // Whether it has ended by itself.
  bool died();

  int port() const { return port_; }
  const std::string& binary() const { return binary_; }
  // The end of what it wrote to its standard output and error.
  std::string log_tail() const;

 private:
  std::string binary_;
  std::vector<std::string> options_;
  std::string directory_;
  int port_ = 0;
  pid_t pid_ = -1;
};

class Connection {
 public:
  explicit Connection(int port) { open(port); }
  ~Connection() { close(); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  void reopen(int port) {
    close();
    open(port);
  }

  // Sends `bytes` and reads `count` replies; fewer come back if the server closes or falls silent.
  // With `split` the bytes leave in pieces of random sizes.
  std::vector<Reply> exchange(std::string_view bytes, size_t count, Random* split);
  // Sends `bytes`, whatever they are, and returns everything that comes until that ends with `last`
  // or the server closes.
  std::string converse(std::string_view bytes, std::string_view last);

 private:
  void open(int port);
  void close();
  bool pump(std::string_view* bytes, Random* split, int timeout_ms);

  int fd_ = -1;
  std::string buffer_;
};

// A TCP port of 127.0.0.1 that nothing listens on.
int free_port();
// A command as the multibulk that clients send.
std::string encode(const std::vector<std::string>& args);

}  // namespace respcask::differential

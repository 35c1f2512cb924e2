// LoopClient: a client that comes to a loop by a socket, as one from outside does.
//
// Owns the loop, its thread and both ends of the socket; the harness outlives it. One thread.
#pragma once

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>

#include "server/net/network.h"
#include "server/net/worker.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {

class LoopClient {
 public:
  explicit LoopClient(Harness& h) : network_(*h.server), loop_(network_, *h.server, 0) {
    REQUIRE(loop_.start());
    int ends[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    loop_.adopt(ends[0], true);
    fd_ = ends[1];
  }
  ~LoopClient() {
    loop_.stop();
    loop_.join();
    ::close(fd_);
  }
  LoopClient(const LoopClient&) = delete;
  LoopClient& operator=(const LoopClient&) = delete;

  Worker& loop() { return loop_; }
  int fd() const { return fd_; }
  void send(std::string_view bytes) {
    REQUIRE(::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }

 private:
  Network network_;
  Worker loop_;
  int fd_ = -1;
};

}  // namespace respcask::server::testing

#include "server/net/connection.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <future>
#include <string>
#include <thread>

#include "server/net/network.h"
#include "server/net/worker.h"
#include "tests/server/harness.h"

namespace respcask::server {
namespace {

using testing::Harness;

TEST_CASE("connection: nobody takes what was pushed behind the end of a wait before its reply") {
  Harness h;
  Network network(*h.server);
  Worker loop(network, *h.server, 0);
  REQUIRE(loop.start());
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  loop.adopt(ends[0], true);
  const std::string request = "*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n";
  REQUIRE(::send(ends[1], request.data(), request.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(request.size()));
  while (h.server->blocked_clients() == 0) std::this_thread::yield();

  std::promise<std::string> promise;
  loop.post([&] {
    Carrier* carrier = nullptr;
    h.server->for_each_session([&](Session& session) {
      if (session.waiter != nullptr) carrier = &session.carrier;
      return true;
    });
    carrier->push("before ");
    carrier->resume();
    carrier->push("behind");
    std::string taken;
    carrier->take_pushes(taken);
    promise.set_value(taken);
  });
  CHECK(promise.get_future().get() == "before ");
  char bytes[100];
  const ssize_t size = ::recv(ends[1], bytes, sizeof bytes, 0);
  CHECK(std::string(bytes, static_cast<size_t>(std::max<ssize_t>(size, 0))) == "behind");
  loop.stop();
  loop.join();
  ::close(ends[1]);
}

}  // namespace
}  // namespace respcask::server

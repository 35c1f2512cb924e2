#include "server/net/connection.h"

#include <doctest/doctest.h>
#include <sys/socket.h>

#include <algorithm>
#include <future>
#include <string>
#include <thread>

#include "tests/server/harness.h"
#include "tests/server/loop_client.h"

namespace respcask::server {
namespace {

using testing::Harness;
using testing::LoopClient;

TEST_CASE("connection: nobody takes what was pushed behind the end of a wait before its reply") {
  Harness h;
  LoopClient client(h);
  client.send("*3\r\n$5\r\nBLPOP\r\n$1\r\nk\r\n$1\r\n0\r\n");
  while (h.server->blocked_clients() == 0) std::this_thread::yield();

  std::promise<std::string> promise;
  client.loop().post([&] {
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
  const ssize_t size = ::recv(client.fd(), bytes, sizeof bytes, 0);
  CHECK(std::string(bytes, static_cast<size_t>(std::max<ssize_t>(size, 0))) == "behind");
}

}  // namespace
}  // namespace respcask::server

// What clients of one loop see of what those of others do: as if there were one loop.
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

using std::chrono::milliseconds;

// Clients that send the same command until they are destroyed, each a thread.
class Repeaters {
 public:
  explicit Repeaters(int port) : port_(port) {}
  ~Repeaters() {
    stop_ = true;
    for (std::thread& thread : threads_) thread.join();
  }

  void add(const std::string& command) {
    threads_.emplace_back([this, command] {
      Client client(port_);
      while (!stop_ && client.send(command) && !client.read_reply().empty()) ++done_;
    });
  }
  uint64_t done() const { return done_; }

 private:
  const int port_;
  std::atomic<bool> stop_{false};
  std::atomic<uint64_t> done_{0};
  std::vector<std::thread> threads_;
};

TEST_CASE("a key's events come in the order of its changes, whichever loops made them") {
  ServerProcess server({"--io-threads", "3", "--notify-keyspace-events", "KA"});
  server.start();
  Client listener(server.port());
  REQUIRE(listener.call({"SUBSCRIBE", "__keyspace@0__:list"}).starts_with("*3"));
  int length = 0;
  int lowest = 0;
  {
    Repeaters repeaters(server.port());
    for (int i = 0; i < 3; ++i) {
      repeaters.add(request({"LPUSH", "list", "x"}));
      repeaters.add(request({"LPOP", "list"}));
    }
    for (int events = 0; events < 30'000; ++events) {
      const std::string event = listener.read_reply();
      if (event.ends_with("\r\nlpush\r\n")) ++length;
      if (event.ends_with("\r\nlpop\r\n")) --length;
      lowest = std::min(lowest, length);
    }
  }
  CHECK(lowest == 0);
}

TEST_CASE("nothing is written once CLIENT PAUSE is answered") {
  ServerProcess server({"--io-threads", "3"});
  server.start();
  Client admin(server.port());
  Repeaters repeaters(server.port());
  for (int i = 0; i < 5; ++i) repeaters.add(request({"INCR", "n"}));
  for (int round = 0; round < 200; ++round) {
    const uint64_t before = repeaters.done();
    while (repeaters.done() < before + 10) std::this_thread::sleep_for(milliseconds(1));
    REQUIRE(admin.call({"CLIENT", "PAUSE", "60000", "WRITE"}) == "+OK\r\n");
    const std::string after = admin.call({"GET", "n"});
    std::this_thread::sleep_for(milliseconds(5));
    CHECK(admin.call({"GET", "n"}) == after);
    REQUIRE(admin.call({"CLIENT", "UNPAUSE"}) == "+OK\r\n");
  }
}

TEST_CASE("what follows the command that serves a waiter is told behind the reply, on every loop") {
  ServerProcess server({"--io-threads", "3"});
  server.start();
  Client other(server.port());
  for (int i = 0; i < 30; ++i) {
    const std::string name = "n" + std::to_string(i);
    Client waiter(server.port());
    REQUIRE(waiter.call({"HELLO", "3"}).starts_with("%7\r\n"));
    REQUIRE(waiter.call({"SUBSCRIBE", name}).starts_with(">3\r\n"));
    waiter.send(request({"BLPOP", name, "0"}));
    while (other.call({"CLIENT", "LIST"}).find(" flags=Pb ") == std::string::npos) {
    }
    other.send(request({"RPUSH", name, "x"}) + request({"PUBLISH", name, "m"}));
    CHECK(other.read_reply() == ":1\r\n");
    CHECK(other.read_reply() == ":1\r\n");
    CHECK(waiter.read_reply().starts_with("*2\r\n"));
    CHECK(waiter.read_reply().starts_with(">3\r\n"));
  }
}

}  // namespace
}  // namespace respcask::e2e

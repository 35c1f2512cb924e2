// Commands that wait, with several event loops: who is served, in which order, and what ends a
// wait.
#include <doctest/doctest.h>
#include <poll.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

std::string bulk(const std::string& text) {
  return "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
}
std::string pair(const std::string& key, const std::string& element) {
  return "*2\r\n" + bulk(key) + bulk(element);
}

// Servers with three loops: clients are dealt out to them in turn.
class BlockingServer {
 public:
  BlockingServer() : server_({"--io-threads", "3"}) {
    server_.start();
    control_ = Client(server_.port());
  }

  int port() const { return server_.port(); }
  ServerProcess& process() { return server_; }
  Client& control() { return control_; }
  Client connect() { return Client(port()); }

  // Sends a command that is to wait, and comes back when it does.
  void block(Client& client, std::initializer_list<std::string_view> words) {
    client.send(request(words));
    ++blocked_;
    wait_for_blocked(blocked_);
  }
  // So many clients more wait now.
  void changed_by(int count) { wait_for_blocked(blocked_ += count); }

 private:
  void wait_for_blocked(int count) {
    const std::string line = "blocked_clients:" + std::to_string(count) + "\r\n";
    const auto deadline = steady_clock::now() + milliseconds(Client::kTimeoutMs);
    while (control_.call({"INFO", "clients"}).find(line) == std::string::npos) {
      REQUIRE(steady_clock::now() < deadline);
      std::this_thread::sleep_for(milliseconds(1));
    }
  }

  ServerProcess server_;
  Client control_;
  int blocked_ = 0;
};

std::string client_id(Client& client) {
  const std::string reply = client.call({"CLIENT", "ID"});
  return reply.substr(1, reply.find('\r') - 1);
}

// What comes for a blocked client that `begins` so, when another one sends `requests`, on the same
// loop as the other or not.
std::vector<std::string> told_to_blocked(
    std::vector<std::string> begins, size_t replies,
    const std::function<std::string(const std::string&)>& requests, size_t told) {
  BlockingServer server;
  REQUIRE(server.control().call({"CONFIG", "SET", "notify-keyspace-events", "KEA"}) == "+OK\r\n");
  std::vector<std::string> all;
  for (int loop = 0; loop < 3; ++loop) {
    Client client = server.connect();
    const std::string id = client_id(client);
    client.send(request({"HELLO", "3"}));
    client.read_reply();
    for (const std::string& line : begins) client.send(line);
    for (size_t i = 0; i < replies; ++i) client.read_reply();
    server.block(client, {"BLPOP", "k", "0"});
    server.control().send(requests(id));
    std::string came;
    for (size_t i = 0; i < told; ++i) came += client.read_reply();
    all.push_back(came);
    server.changed_by(-1);
    server.control() = server.connect();
  }
  return all;
}

TEST_CASE(
    "blocking: what was said before a wait ended comes before the reply, and the rest behind it") {
  const auto message = [](const std::string& payload) {
    return ">3\r\n" + bulk("message") + bulk("ch") + bulk(payload);
  };
  const auto invalidate = [](const std::string& key) {
    return ">2\r\n" + bulk("invalidate") + (key.empty() ? "_\r\n" : "*1\r\n" + bulk(key));
  };
  const std::string popped = pair("k", "v");
  SUBCASE("messages") {
    const auto publish = [](const std::string& id) {
      static_cast<void>(id);
      return request({"PUBLISH", "ch", "1"}) + request({"RPUSH", "k", "v"}) +
             request({"PUBLISH", "ch", "2"});
    };
    const auto came = told_to_blocked({request({"SUBSCRIBE", "ch"})}, 1, publish, 3);
    CHECK(came == std::vector<std::string>(3, message("1") + popped + message("2")));
  }
  SUBCASE("events of the key") {
    const auto push = [](const std::string&) { return request({"RPUSH", "k", "v"}); };
    const auto came = told_to_blocked({request({"SUBSCRIBE", "__keyspace@0__:k"})}, 1, push, 4);
    const auto event = [](const std::string& name) {
      return ">3\r\n" + bulk("message") + bulk("__keyspace@0__:k") + bulk(name);
    };
    CHECK(came ==
          std::vector<std::string>(3, event("rpush") + popped + event("lpop") + event("del")));
  }
  SUBCASE("invalidations") {
    const auto change = [](const std::string& id) {
      return request({"SET", "a", "1"}) + request({"CLIENT", "UNBLOCK", id}) +
             request({"SET", "z", "1"});
    };
    const auto came = told_to_blocked(
        {request({"CLIENT", "TRACKING", "ON"}), request({"MGET", "a", "z"})}, 2, change, 3);
    CHECK(came == std::vector<std::string>(3, invalidate("a") + "_\r\n" + invalidate("z")));
  }
  SUBCASE("of all keys") {
    const auto flush = [](const std::string&) {
      return request({"FLUSHALL"}) + request({"RPUSH", "k", "v"});
    };
    const auto came = told_to_blocked({request({"CLIENT", "TRACKING", "ON"})}, 1, flush, 2);
    CHECK(came == std::vector<std::string>(3, invalidate("") + popped));
  }
}

TEST_CASE("blocking: clients of all loops are served in the order in which they came") {
  BlockingServer server;
  constexpr int kWaiters = 9;
  std::vector<Client> waiters;
  for (int i = 0; i < kWaiters; ++i) waiters.push_back(server.connect());
  // Three times round, so that the order is not that of the loops.
  const int order[kWaiters] = {4, 0, 8, 2, 6, 1, 5, 7, 3};
  for (const int i : order) server.block(waiters[static_cast<size_t>(i)], {"BLPOP", "q", "0"});
  // One by one, from different loops, and the rest at once.
  int number = 0;
  for (; number < 4; ++number) {
    Client pusher = server.connect();
    const std::string element = std::to_string(number);
    CHECK(pusher.call({"RPUSH", "q", element}) == ":1\r\n");
    CHECK(pusher.call({"EXISTS", "q"}) == ":0\r\n");
    CHECK(waiters[static_cast<size_t>(order[number])].read_reply() == pair("q", element));
  }
  CHECK(server.control().call({"RPUSH", "q", "4", "5", "6", "7", "8", "9"}) == ":6\r\n");
  for (; number < kWaiters; ++number) {
    CHECK(waiters[static_cast<size_t>(order[number])].read_reply() ==
          pair("q", std::to_string(number)));
  }
  CHECK(server.control().call({"LRANGE", "q", "0", "-1"}) == "*1\r\n" + bulk("9"));
}

TEST_CASE("blocking: sorted sets serve their waiters in order, too") {
  BlockingServer server;
  Client least = server.connect();
  Client most = server.connect();
  Client several = server.connect();
  server.block(least, {"BZPOPMIN", "z", "other", "0"});
  server.block(most, {"BZPOPMAX", "z", "0"});
  server.block(several, {"BZMPOP", "0", "2", "none", "z", "MIN", "COUNT", "2"});
  CHECK(server.control().call({"ZADD", "z", "1", "a", "2", "b", "3", "c", "4", "d", "5", "e"}) ==
        ":5\r\n");
  CHECK(least.read_reply() == "*3\r\n" + bulk("z") + bulk("a") + bulk("1"));
  CHECK(most.read_reply() == "*3\r\n" + bulk("z") + bulk("e") + bulk("5"));
  CHECK(several.read_reply() == "*2\r\n" + bulk("z") + "*2\r\n" + pair("b", "2") + pair("c", "3"));
  CHECK(server.control().call({"ZRANGE", "z", "0", "-1"}) == "*1\r\n" + bulk("d"));
}

TEST_CASE("blocking: a wait ends when its time is up, and not before") {
  BlockingServer server;
  std::vector<Client> waiters;
  for (int i = 0; i < 3; ++i) waiters.push_back(server.connect());
  // Deadlines are whole milliseconds of a clock that cuts off, as in Redis: up to one too early.
  const auto begin = steady_clock::now() - milliseconds(1);
  waiters[0].send(request({"BLPOP", "q", "0.3"}));
  waiters[1].send(request({"BLMOVE", "q", "r", "LEFT", "LEFT", "0.1"}));
  waiters[2].send(request({"BZPOPMIN", "z", "0.2"}));
  CHECK(waiters[1].read_reply() == "*-1\r\n");
  CHECK(steady_clock::now() - begin >= milliseconds(100));
  CHECK(waiters[2].read_reply() == "*-1\r\n");
  CHECK(steady_clock::now() - begin >= milliseconds(200));
  CHECK(waiters[0].read_reply() == "*-1\r\n");
  CHECK(steady_clock::now() - begin >= milliseconds(300));
  server.changed_by(0);
  // Nobody takes what comes now.
  CHECK(server.control().call({"RPUSH", "q", "a"}) == ":1\r\n");
  CHECK(server.control().call({"LLEN", "q"}) == ":1\r\n");
}

TEST_CASE("blocking: CLIENT UNBLOCK from another loop ends a wait") {
  BlockingServer server;
  std::vector<Client> waiters;
  for (int i = 0; i < 3; ++i) waiters.push_back(server.connect());
  std::vector<std::string> ids;
  for (Client& waiter : waiters) {
    ids.push_back(client_id(waiter));
    server.block(waiter, {"BLPOP", "q", "0"});
  }
  CHECK(server.control().call({"CLIENT", "UNBLOCK", ids[0]}) == ":1\r\n");
  CHECK(waiters[0].read_reply() == "*-1\r\n");
  CHECK(server.control().call({"CLIENT", "UNBLOCK", ids[0]}) == ":0\r\n");
  CHECK(server.control().call({"CLIENT", "UNBLOCK", ids[2], "ERROR"}) == ":1\r\n");
  CHECK(waiters[2].read_reply() == "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  server.changed_by(-2);
  CHECK(server.control().call({"RPUSH", "q", "a"}) == ":1\r\n");
  CHECK(waiters[1].read_reply() == pair("q", "a"));
  // They may wait again.
  server.changed_by(-1);
  server.block(waiters[0], {"BLPOP", "q", "0"});
  CHECK(server.control().call({"RPUSH", "q", "b"}) == ":1\r\n");
  CHECK(waiters[0].read_reply() == pair("q", "b"));
}

TEST_CASE("blocking: who has gone is passed over, and nothing is lost with them") {
  BlockingServer server;
  std::vector<Client> waiters;
  for (int i = 0; i < 4; ++i) {
    waiters.push_back(server.connect());
    server.block(waiters.back(), {"BLPOP", "q", "r", "0"});
  }
  waiters[0].close();
  waiters[2].close();
  server.changed_by(-2);
  CHECK(server.control().call({"RPUSH", "r", "a"}) == ":1\r\n");
  CHECK(server.control().call({"RPUSH", "q", "b", "c"}) == ":2\r\n");
  CHECK(waiters[1].read_reply() == pair("r", "a"));
  CHECK(waiters[3].read_reply() == pair("q", "b"));
  CHECK(server.control().call({"LRANGE", "q", "0", "-1"}) == "*1\r\n" + bulk("c"));
}

TEST_CASE("blocking: who has gone before the command came to wait takes nothing") {
  ServerProcess server({"--io-threads", "1", "--enable-debug-command", "yes"});
  server.start();
  Client control(server.port());
  // While the loop sleeps a request and the end behind it arrive, to be seen together.
  const auto arrive_together = [&](const std::string& requests) {
    std::vector<Client> leaving;
    for (int i = 0; i < 5; ++i) leaving.emplace_back(server.unix_socket());
    Client half_closed(server.unix_socket());
    control.send(request({"DEBUG", "SLEEP", "0.2"}));
    std::this_thread::sleep_for(milliseconds(50));
    half_closed.send(request({"SET", "before", "1"}) + requests);
    half_closed.end_input();
    for (Client& client : leaving) {
      client.send(requests);
      client.close();
    }
    CHECK(control.read_reply() == "+OK\r\n");
    CHECK(half_closed.read_all() == "+OK\r\n");
  };
  arrive_together(request({"BLPOP", "q", "0"}));
  CHECK(control.call({"INFO", "clients"}).find("blocked_clients:0\r\n") != std::string::npos);
  CHECK(control.call({"CLIENT", "LIST"}).find("cmd=blpop") == std::string::npos);
  CHECK(control.call({"RPUSH", "q", "a", "b"}) == ":2\r\n");
  CHECK(control.call({"LLEN", "q"}) == ":2\r\n");
  // A command that CLIENT PAUSE holds back goes with its client.
  CHECK(control.call({"CLIENT", "PAUSE", "500", "WRITE"}) == "+OK\r\n");
  {
    Client leaving(server.unix_socket());
    control.send(request({"DEBUG", "SLEEP", "0.2"}));
    std::this_thread::sleep_for(milliseconds(50));
    leaving.send(request({"INCR", "held"}));
  }
  CHECK(control.read_reply() == "+OK\r\n");
  CHECK(control.call({"SET", "after", "1"}) == "+OK\r\n");
  CHECK(control.call({"EXISTS", "held"}) == ":0\r\n");
}

TEST_CASE("blocking: a transaction serves waiters when it is over, and waits for nothing itself") {
  BlockingServer server;
  Client first = server.connect();
  Client second = server.connect();
  server.block(first, {"BLPOP", "q", "0"});
  server.block(second, {"BRPOP", "q", "0"});
  Client& control = server.control();
  CHECK(control.call({"MULTI"}) == "+OK\r\n");
  control.call({"RPUSH", "q", "gone"});
  control.call({"DEL", "q"});
  control.call({"RPUSH", "q", "1", "2", "3"});
  control.call({"BLPOP", "nothing", "0"});
  CHECK(control.call({"EXEC"}) == "*4\r\n:1\r\n:1\r\n:3\r\n*-1\r\n");
  CHECK(first.read_reply() == pair("q", "1"));
  CHECK(second.read_reply() == pair("q", "3"));
  CHECK(control.call({"LRANGE", "q", "0", "-1"}) == "*1\r\n" + bulk("2"));
}

TEST_CASE("blocking: another type under the key wakes nobody, and the list that follows does") {
  BlockingServer server;
  Client waiter = server.connect();
  server.block(waiter, {"BLPOP", "q", "0"});
  Client& control = server.control();
  CHECK(control.call({"SET", "q", "text"}) == "+OK\r\n");
  CHECK(control.call({"SADD", "s", "a"}) == ":1\r\n");
  CHECK(control.call({"RENAME", "s", "q"}) == "+OK\r\n");
  server.changed_by(0);
  CHECK(control.call({"DEL", "q"}) == ":1\r\n");
  CHECK(control.call({"RPUSH", "other", "a"}) == ":1\r\n");
  CHECK(control.call({"RENAME", "other", "q"}) == "+OK\r\n");
  CHECK(waiter.read_reply() == pair("q", "a"));
}

TEST_CASE("blocking: elements move on from loop to loop and from shard to shard at once") {
  BlockingServer server;
  // l1 .. l6 lie in different shards; each mover waits on a loop of its own.
  std::vector<Client> movers;
  for (int i = 1; i <= 5; ++i) {
    movers.push_back(server.connect());
    const std::string from = "l" + std::to_string(i);
    const std::string to = "l" + std::to_string(i + 1);
    server.block(movers.back(), {"BLMOVE", from, to, "LEFT", "RIGHT", "0"});
  }
  Client last = server.connect();
  server.block(last, {"BLPOP", "l6", "0"});
  CHECK(server.control().call({"RPUSH", "l1", "x", "stays"}) == ":2\r\n");
  // The effect is there before the push is answered.
  CHECK(server.control().call({"EXISTS", "l2", "l3", "l4", "l5", "l6"}) == ":0\r\n");
  for (Client& mover : movers) CHECK(mover.read_reply() == bulk("x"));
  CHECK(last.read_reply() == pair("l6", "x"));
  CHECK(server.control().call({"LRANGE", "l1", "0", "-1"}) == "*1\r\n" + bulk("stays"));
}

TEST_CASE("blocking: what was sent behind a command that waits is answered behind it") {
  BlockingServer server;
  Client waiter = server.connect();
  waiter.send(request({"BLPOP", "q", "0"}) + request({"PING"}) + request({"LLEN", "q"}));
  server.changed_by(1);
  CHECK(server.control().call({"RPUSH", "q", "a", "b"}) == ":2\r\n");
  CHECK(waiter.read_reply() == pair("q", "a"));
  CHECK(waiter.read_reply() == "+PONG\r\n");
  CHECK(waiter.read_reply() == ":1\r\n");
}

TEST_CASE("blocking: the server stops while clients wait") {
  BlockingServer server;
  Client waiter = server.connect();
  server.block(waiter, {"BLPOP", "q", "0"});
  CHECK(server.process().stop() == 0);
  CHECK(waiter.ends());
}

TEST_CASE("blocking: moves between shards by clients of all loops lose and double nothing") {
  BlockingServer server;
  constexpr int kMovers = 6;
  constexpr int kItems = 300;
  std::vector<std::thread> threads;
  for (int t = 0; t < kMovers; ++t) {
    threads.emplace_back([port = server.port()] {
      Client client(port);
      for (int i = 0; i < kItems / kMovers; ++i) {
        client.call({"BLMOVE", "from", "to", "LEFT", "RIGHT", "0"});
      }
    });
  }
  threads.emplace_back([port = server.port()] {
    Client client(port);
    for (int i = 0; i < kItems; ++i) client.call({"RPUSH", "from", std::to_string(i)});
  });
  std::vector<bool> seen(kItems);
  Client taker = server.connect();
  for (int i = 0; i < kItems; ++i) {
    const std::string reply = taker.call({"BLPOP", "to", "0"});
    const size_t end = reply.size() - 2;
    const size_t begin = reply.rfind('\n', end - 1) + 1;
    const auto item = static_cast<size_t>(std::stoi(reply.substr(begin, end - begin)));
    REQUIRE(item < kItems);
    CHECK(!seen[item]);
    seen[item] = true;
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(server.control().call({"EXISTS", "from", "to"}) == ":0\r\n");
}

// Pushes to k1 for which a client waits with other keys as well, while another one does `theft`
// over and over: how many of its replies were not `nothing`.
int stolen(std::initializer_list<std::string_view> wait,
           std::initializer_list<std::string_view> theft, const std::string& nothing) {
  ServerProcess server({"--io-threads", "2", "--shards", "4"});
  server.start();
  std::vector<Client> clients;
  for (int i = 0; i < 4; ++i) clients.emplace_back(server.port());
  // Those of even places are on one loop, the others on another.
  Client &waiter = clients[0], &thief = clients[1], &pusher = clients[2];
  const std::string id = client_id(waiter);
  std::atomic<bool> done{false};
  int taken = 0;
  std::thread thread([&] {
    constexpr int kBatch = 50;
    std::string batch;
    for (int i = 0; i < kBatch; ++i) batch += request(theft);
    while (!done) {
      thief.send(batch);
      for (int i = 0; i < kBatch; ++i) taken += thief.read_reply() != nothing;
    }
  });
  constexpr int kRounds = 3000;
  for (int i = 0; i < kRounds; ++i) {
    waiter.send(request(wait));
    while (pusher.call({"CLIENT", "LIST", "ID", id}).find("flags=b") == std::string::npos) {
    }
    if (pusher.call({"RPUSH", "k1", "x"}) != ":1\r\n") ++taken;
    pollfd query{waiter.fd(), POLLIN, 0};
    if (::poll(&query, 1, 1000) != 1) break;  // it was taken
    waiter.read_reply();
  }
  done = true;
  thread.join();
  return taken;
}

TEST_CASE(
    "blocking: nobody takes or sees what a client was woken for, whatever else it waits for") {
  CHECK(stolen({"BLPOP", "k1", "k2", "k3", "0"}, {"LPOP", "k1"}, "$-1\r\n") == 0);
  CHECK(stolen({"BLMOVE", "k1", "k2", "LEFT", "RIGHT", "0"}, {"EXISTS", "k1"}, ":0\r\n") == 0);
}

}  // namespace
}  // namespace respcask::e2e

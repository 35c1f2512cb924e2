// What CLIENT LIST and INFO tell of the memory that clients take, and who goes for
// maxmemory-clients.
#include <doctest/doctest.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

using std::chrono::milliseconds;

// The number behind `name` in a client's line; -1 if there is no such client.
int64_t field_of(Client& control, std::string_view client, const std::string& name) {
  const std::string list = control.call({"CLIENT", "LIST"});
  const size_t named = list.find(" name=" + std::string(client) + " ");
  if (named == std::string::npos) return -1;
  const size_t at = list.find(" " + name + "=", named);
  REQUIRE(at != std::string::npos);
  return std::stoll(list.substr(at + name.size() + 2));
}

// Waits until the field has that value.
bool comes_to(Client& control, std::string_view client, const std::string& name, int64_t value) {
  for (int i = 0; i < 500; ++i) {
    if (field_of(control, client, name) == value) return true;
    std::this_thread::sleep_for(milliseconds(2));
  }
  return false;
}

Client named(const ServerProcess& server, std::string_view name) {
  Client client(server.port());
  REQUIRE(client.call({"CLIENT", "SETNAME", name}) == "+OK\r\n");
  return client;
}

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

TEST_CASE("CLIENT LIST tells what is unfinished apart from the arguments before it") {
  ServerProcess server;
  server.start();
  Client control(server.port());
  Client client = named(server, "slow");
  CHECK(field_of(control, "slow", "qbuf") == 0);
  CHECK(field_of(control, "slow", "qbuf-free") == 0);
  CHECK(field_of(control, "slow", "argv-mem") == 0);
  client.send("*4\r\n" + bulk("MSET") + bulk(std::string(1000, 'k')) + "$3000\r\n" +
              std::string(100, 'v'));
  CHECK(comes_to(control, "slow", "argv-mem", 1004));
  CHECK(field_of(control, "slow", "qbuf") == 100);
  // All of the block that is not in use.
  CHECK(field_of(control, "slow", "qbuf-free") > 16384 - 1200);
  CHECK(field_of(control, "slow", "qbuf-free") < 16384 - 1104);
  CHECK(field_of(control, "slow", "tot-mem") > 16384);
  client.send(std::string(2900, 'v') + "\r\n");
  CHECK(comes_to(control, "slow", "argv-mem", 4004));
  CHECK(field_of(control, "slow", "qbuf") == 0);
  client.send(bulk("x"));
  CHECK(client.read_reply().starts_with("-ERR wrong number"));
  CHECK(comes_to(control, "slow", "argv-mem", 0));
  // A command that waits keeps its arguments.
  client.send(request({"BLPOP", "list", "0"}) + "*1\r\n$4\r\nPI");
  CHECK(comes_to(control, "slow", "argv-mem", 10));
  CHECK(comes_to(control, "slow", "qbuf", 10));
}

TEST_CASE("CLIENT LIST tells the arguments of its own caller") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  const std::string list = client.call({"CLIENT", "LIST"});
  CHECK(list.find(" qbuf=26 qbuf-free=16358 argv-mem=10 multi-mem=0 ") != std::string::npos);
  client.call({"MULTI"});
  client.call({"SET", "k", std::string(1000, 'v')});
  Client other(server.port());
  CHECK(other.call({"CLIENT", "LIST"}).find(" multi-mem=1028 ") != std::string::npos);
}

TEST_CASE("a long argument that is being read takes little more memory than itself") {
  ServerProcess server;
  server.start();
  Client control(server.port());
  constexpr int64_t kBytes = 3'000'000;
  Client client = named(server, "long");
  client.send("*2\r\n$" + std::to_string(kBytes) + "\r\n" + std::string(kBytes, 'v'));
  REQUIRE(comes_to(control, "long", "qbuf", kBytes));
  CHECK(field_of(control, "long", "tot-mem") < kBytes + kBytes / 50);
}

TEST_CASE("CLIENT LIST counts the memory of what a client does not read") {
  ServerProcess server;
  server.start();
  Client control(server.port());
  Client client = named(server, "deaf");
  client.set_receive_buffer(64 * 1024);
  REQUIRE(control.call({"SET", "k", std::string(6'000'000, 'v')}) == "+OK\r\n");
  client.send(request({"GET", "k"}));
  CHECK(comes_to(control, "deaf", "oll", 1));
  // What the sockets' buffers have taken is not its own any more.
  const int64_t kept = field_of(control, "deaf", "omem");
  CHECK(kept >= 500'000);
  CHECK(kept < 6'100'000);
  CHECK(field_of(control, "deaf", "tot-mem") >= kept);
  client.read_reply();
  CHECK(comes_to(control, "deaf", "oll", 0));
  CHECK(comes_to(control, "deaf", "omem", 0));
}

TEST_CASE("clients that grow little by little are evicted by their sum, the largest first") {
  ServerProcess server({"--maxmemory-clients", "1mb"});
  server.start();
  Client control(server.port());
  REQUIRE(control.call({"CLIENT", "NO-EVICT", "ON"}) == "+OK\r\n");
  Client large = named(server, "large");
  large.send("*2\r\n$500000\r\n" + std::string(400'000, 'v'));
  REQUIRE(comes_to(control, "large", "qbuf", 400'000));
  std::vector<Client> small;
  for (int i = 0; i < 60 && field_of(control, "large", "qbuf") != -1; ++i) {
    small.push_back(named(server, "small" + std::to_string(i)));
    small.back().send("*1\r\n$15000\r\nv");
  }
  CHECK(large.read_all() == "");
  CHECK(small.size() > 20);
  CHECK(small.size() < 45);
  CHECK(field_of(control, "small0", "qbuf") == 1);
}

TEST_CASE("a client that does not read its replies is evicted for them") {
  ServerProcess server({"--maxmemory-clients", "8mb"});
  server.start();
  Client control(server.port());
  REQUIRE(control.call({"CLIENT", "NO-EVICT", "ON"}) == "+OK\r\n");
  REQUIRE(control.call({"SET", "k", std::string(1'000'000, 'v')}) == "+OK\r\n");
  Client client = named(server, "deaf");
  client.set_receive_buffer(64 * 1024);
  const auto more = [&client](int count) {
    for (int i = 0; i < count; ++i) client.send(request({"GET", "k"}));
  };
  more(4);
  CHECK(field_of(control, "deaf", "oll") != -1);
  more(16);
  CHECK(comes_to(control, "deaf", "oll", -1));
}

TEST_CASE("clients go for their replies before keys do, within one turn too") {
  ServerProcess server({"--io-threads", "1", "--maxmemory", "12mb", "--maxmemory-policy",
                        "allkeys-lru", "--maxmemory-clients", "3mb", "--enable-debug-command",
                        "yes"});
  server.start();
  Client control(server.port());
  REQUIRE(control.call({"CLIENT", "NO-EVICT", "ON"}) == "+OK\r\n");
  const std::string value(100'000, 'v');
  for (int i = 0; i < 50; ++i) control.call({"SET", "key" + std::to_string(i), value});
  std::vector<Client> clients;
  for (int i = 0; i < 20; ++i) clients.push_back(named(server, "deaf" + std::to_string(i)));
  // What they send meanwhile is there at once when the loop goes on.
  control.send(request({"DEBUG", "SLEEP", "0.3"}));
  std::string requests;
  for (int i = 0; i < 150; ++i) requests += request({"GET", "key1"});
  for (Client& client : clients) client.send(requests);
  REQUIRE(control.read_reply() == "+OK\r\n");
  // Of 300 MB that they ask for the sockets take some, and what is beyond goes with its client.
  CHECK(comes_to(control, "deaf0", "omem", -1));
  const std::string info = control.call({"INFO", "stats"});
  CHECK(info.find("\nevicted_clients:0\r\n") == std::string::npos);
  CHECK(info.find("\nevicted_keys:0\r\n") != std::string::npos);
  CHECK(control.call({"DBSIZE"}) == ":50\r\n");
}

TEST_CASE("a blocked client that is evicted takes nothing any more") {
  ServerProcess server({"--io-threads", "3"});
  server.start();
  Client control(server.port());
  REQUIRE(control.call({"CLIENT", "NO-EVICT", "ON"}) == "+OK\r\n");
  for (int i = 0; i < 3; ++i) {  // on each loop
    Client blocked = named(server, "blocked");
    blocked.send(request({"BLPOP", std::string(2'000'000, 'x'), "list", "0"}));
    REQUIRE(comes_to(control, "blocked", "argv-mem", 2'000'010));
    control.send(request({"CONFIG", "SET", "maxmemory-clients", "1mb"}) +
                 request({"RPUSH", "list", "x"}) + request({"LPOP", "list"}));
    CHECK(control.read_reply() == "+OK\r\n");
    CHECK(control.read_reply() == ":1\r\n");
    CHECK(control.read_reply() == "$1\r\nx\r\n");
    CHECK(blocked.ends());
    REQUIRE(control.call({"CONFIG", "SET", "maxmemory-clients", "0"}) == "+OK\r\n");
  }
}

TEST_CASE(
    "a client that is blocked for long keeps its command and what it has sent behind it alone") {
  ServerProcess server;
  server.start();
  Client control(server.port());
  Client blocked = named(server, "blocked");
  const std::string behind = request({"ECHO", "behind"}) + "*2\r\n$4\r\nEC";
  blocked.send(request({"BLPOP", "list", "0"}) + behind);
  REQUIRE(comes_to(control, "blocked", "qbuf", std::ssize(behind)));
  for (int i = 0; i < 500 && field_of(control, "blocked", "tot-mem") > 4000; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  CHECK(field_of(control, "blocked", "tot-mem") < 4000);
  blocked.send("HO\r\n$20000\r\n" + std::string(20'000, 'x') + "\r\n");
  REQUIRE(control.call({"RPUSH", "list", "value"}) == ":1\r\n");
  CHECK(blocked.read_reply() == "*2\r\n$4\r\nlist\r\n$5\r\nvalue\r\n");
  CHECK(blocked.read_reply() == "$6\r\nbehind\r\n");
  CHECK(blocked.read_reply() == bulk(std::string(20'000, 'x')));
}

TEST_CASE("a client that is never evicted may hold more unread replies than others") {
  ServerProcess server;
  server.start();
  Client control(server.port());
  REQUIRE(control.call({"SET", "k", std::string(1'000'000, 'v')}) == "+OK\r\n");
  Client client = named(server, "trusted");
  client.set_receive_buffer(64 * 1024);
  REQUIRE(client.call({"CLIENT", "NO-EVICT", "ON"}) == "+OK\r\n");
  for (int i = 0; i < 30; ++i) client.send(request({"GET", "k"}));
  for (int i = 0; i < 500 && field_of(control, "trusted", "omem") < 10'000'000; ++i) {
    std::this_thread::sleep_for(milliseconds(2));
  }
  CHECK(field_of(control, "trusted", "omem") >= 10'000'000);
}

TEST_CASE("memory that a loop keeps for replies goes when it is idle, and counts for no eviction") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  Client control(server.port());
  std::vector<Client> clients;
  const std::string message(40'000, 'm');
  for (int i = 0; i < 20; ++i) {
    clients.emplace_back(server.port());
    REQUIRE(clients.back().call({"SUBSCRIBE", "c"}).starts_with("*3\r\n"));
  }
  const auto kept = [&control] {
    const std::string info = control.call({"INFO", "memory"});
    const auto value = [&info](std::string_view name) {
      return std::stoll(info.substr(info.find(name) + name.size()));
    };
    return value("\nallocator_allocated:") - value("\nused_memory:");
  };
  control.send(request({"PUBLISH", "c", message}) + request({"PING"}));
  control.read_reply();
  control.read_reply();
  CHECK(kept() >= 20 * 40'000);
  std::this_thread::sleep_for(milliseconds(500));
  CHECK(kept() < 20'000);
}

TEST_CASE("what a large command has taken is given back, whatever the client sends behind it") {
  ServerProcess server;
  server.start();
  Client control(server.port());
  const std::string large = request({"SET", "key", std::string(20'000'000, 'v')});
  for (const std::string& next : {request({"BLPOP", "list", "0"}), std::string("*")}) {
    CAPTURE(next);
    Client client = named(server, "large");
    client.send(large + next);
    CHECK(client.read_reply() == "+OK\r\n");
    std::this_thread::sleep_for(milliseconds(100));  // what is behind it arrives
    for (int i = 0; i < 100 && field_of(control, "large", "tot-mem") > 200'000; ++i) {
      std::this_thread::sleep_for(milliseconds(50));
    }
    CHECK(field_of(control, "large", "tot-mem") < 200'000);
  }
}

}  // namespace
}  // namespace respcask::e2e

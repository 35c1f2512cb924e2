// Where a server listens, how that is changed while it runs, and whom it turns away.
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <ifaddrs.h>
#include <net/if.h>

#include <chrono>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

// Of the addresses that are set aside for documentation: no machine has it.
constexpr const char* kNobodys = "192.0.2.1";

// An IPv4 address of this machine that is not a loopback's; "" if it has none.
std::string outer_address() {
  ifaddrs* all = nullptr;
  REQUIRE(::getifaddrs(&all) == 0);
  std::string found;
  for (const ifaddrs* each = all; each != nullptr && found.empty(); each = each->ifa_next) {
    const bool fits = each->ifa_addr != nullptr && each->ifa_addr->sa_family == AF_INET &&
                      (each->ifa_flags & IFF_LOOPBACK) == 0 && (each->ifa_flags & IFF_UP) != 0;
    if (!fits) continue;
    char text[INET_ADDRSTRLEN] = "";
    const auto* const address = reinterpret_cast<const sockaddr_in*>(each->ifa_addr);
    found = ::inet_ntop(AF_INET, &address->sin_addr, text, sizeof text);
  }
  ::freeifaddrs(all);
  return found;
}

// What a new client is told, "" if it is let in nowhere.
std::string ping(int port, const char* address = "127.0.0.1") {
  Client client;
  if (!client.try_connect(port, address)) return "";
  return client.call({"PING"});
}

std::string refusal(const char* name, const char* why) {
  return std::string("-ERR CONFIG SET failed (possibly related to argument '") + name + "') - " +
         why + "\r\n";
}
const std::string kBindRefusal = refusal("bind", "Failed to bind to specified addresses.");
const std::string kPortRefusal =
    refusal("port", "Unable to listen on this port. Check server logs.");

std::string bind_of(Client& client) {
  const std::string reply = client.call({"CONFIG", "GET", "bind"});
  const std::string name = "*2\r\n$4\r\nbind\r\n";
  REQUIRE(reply.starts_with(name));
  const size_t value = reply.find("\r\n", name.size()) + 2;
  return reply.substr(value, reply.size() - value - 2);
}

TEST_CASE("CONFIG SET port moves the server, and a taken port leaves it where it is") {
  ServerProcess server;
  server.start();
  ServerProcess other;
  other.start();
  Client client(server.port());
  const std::string refused = client.call({"CONFIG", "SET", "port", std::to_string(other.port())});
  CHECK(refused.starts_with("-ERR CONFIG SET failed"));
  {
    Client still(server.port());
    CHECK(still.call({"PING"}) == "+PONG\r\n");
  }
  const int port = free_port();
  REQUIRE(client.call({"CONFIG", "SET", "port", std::to_string(port)}) == "+OK\r\n");
  Client moved(port);
  CHECK(moved.call({"PING"}) == "+PONG\r\n");
  Client gone;
  CHECK_FALSE(gone.try_connect(server.port()));
  CHECK(client.call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("CONFIG SET port keeps nobody out who comes by the Unix socket") {
  ServerProcess server({"--io-threads", "3"});
  server.start();
  ServerProcess other;
  other.start();
  std::vector<Client> setters;  // on all loops, of which one listens
  for (int i = 0; i < 3; ++i) setters.emplace_back(server.port());
  std::chrono::steady_clock::duration waited{};
  for (int i = 0; i < 60; ++i) {
    Client& setter = setters[static_cast<size_t>(i % 3)];
    setter.call({"CONFIG", "SET", "port", std::to_string(other.port())});
    const auto begin = std::chrono::steady_clock::now();
    CHECK(Client(server.unix_socket()).call({"PING"}) == "+PONG\r\n");
    waited += std::chrono::steady_clock::now() - begin;
  }
  // Each could take 100 ms.
  CHECK(waited < std::chrono::milliseconds(1500));
}

TEST_CASE("with bind \"\" nobody new gets in by TCP, and what is connected stays") {
  ServerProcess server;
  const std::string file = server.directory() + "/respcask.conf";
  std::ofstream(file) << "# nothing\n";
  server.set_configuration(file);
  server.start();
  const int port = server.port();
  Client client(port);
  CHECK(bind_of(client) == "* -::*");
  CHECK(ping(port, "127.0.0.2") == "+PONG\r\n");

  REQUIRE(client.call({"CONFIG", "SET", "bind", ""}) == "+OK\r\n");
  CHECK(bind_of(client) == "");
  CHECK(ping(port) == "");
  CHECK(Client(server.unix_socket()).call({"PING"}) == "+PONG\r\n");
  CHECK(client.call({"CONFIG", "REWRITE"}) == "+OK\r\n");
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  CHECK(text.find("\nbind \"\"\n") != text.npos);

  REQUIRE(client.call({"CONFIG", "SET", "bind", "127.0.0.2"}) == "+OK\r\n");
  CHECK(ping(port) == "");
  CHECK(ping(port, "127.0.0.2") == "+PONG\r\n");
  REQUIRE(client.call({"CONFIG", "SET", "bind", "*"}) == "+OK\r\n");
  CHECK(bind_of(client) == "*");
  CHECK(ping(port) == "+PONG\r\n");
}

TEST_CASE("an address that cannot be had leaves the server where it is, unless it may be missing") {
  ServerProcess server({"--bind", "127.0.0.1"});
  server.start();
  const int port = server.port();
  Client client(port);
  for (const char* wrong : {"999.999.999.999", kNobodys, "127.0.0.1 192.0.2.1", "-no.such.invalid",
                            "127.0.0.1 127.0.0.1"}) {
    CAPTURE(wrong);
    CHECK(client.call({"CONFIG", "SET", "bind", wrong}) == kBindRefusal);
    CHECK(bind_of(client) == "127.0.0.1");
    CHECK(ping(port) == "+PONG\r\n");
  }
  const std::string other = std::to_string(free_port());
  CHECK(client.call({"CONFIG", "SET", "port", other.c_str(), "bind", kNobodys}) == kPortRefusal);
  CHECK(ping(port) == "+PONG\r\n");
  CHECK(client.call({"CONFIG", "SET", "bind", "-192.0.2.1 127.0.0.1"}) == "+OK\r\n");
  CHECK(ping(port) == "+PONG\r\n");
  CHECK(client.call({"CONFIG", "SET", "bind", "-192.0.2.1"}) == "+OK\r\n");
  CHECK(ping(port) == "");
  // Both at once, and a name means its IPv4 address.
  CHECK(client.call({"CONFIG", "SET", "bind", "localhost", "port", other.c_str()}) == "+OK\r\n");
  CHECK(ping(std::stoi(other)) == "+PONG\r\n");
  CHECK(client.call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("of bind and port the one that comes first is blamed, as it is applied first") {
  ServerProcess server({"--bind", "127.0.0.1"});
  server.start();
  ServerProcess other;
  other.start();
  const std::string taken = std::to_string(other.port());
  Client client(server.port());
  const std::string own = std::to_string(server.port());
  // Redis applies a bind that changes nothing, but no such port.
  CHECK(client.call({"CONFIG", "SET", "bind", "127.0.0.1", "port", taken}) == kBindRefusal);
  CHECK(client.call({"CONFIG", "SET", "bind", "127.0.0.2", "hz", "20", "port", taken}) ==
        kBindRefusal);
  CHECK(client.call({"CONFIG", "SET", "port", taken, "bind", "127.0.0.1"}) == kPortRefusal);
  CHECK(client.call({"CONFIG", "SET", "hz", "20", "port", taken}) == kPortRefusal);
  CHECK(client.call({"CONFIG", "SET", "port", own, "bind", kNobodys}) == kBindRefusal);
  CHECK(client.call({"CONFIG", "GET", "hz"}) == "*2\r\n$2\r\nhz\r\n$2\r\n10\r\n");
  CHECK(ping(server.port()) == "+PONG\r\n");
  // Whichever comes first, both are applied, and a bind that stays is nothing to do.
  const std::string first = std::to_string(free_port());
  CHECK(client.call({"CONFIG", "SET", "bind", "127.0.0.2", "port", first}) == "+OK\r\n");
  CHECK(ping(std::stoi(first), "127.0.0.2") == "+PONG\r\n");
  const std::string second = std::to_string(free_port());
  CHECK(client.call({"CONFIG", "SET", "port", second, "bind", "127.0.0.1"}) == "+OK\r\n");
  CHECK(client.call({"CONFIG", "SET", "bind", "127.0.0.1"}) == "+OK\r\n");
  CHECK(ping(std::stoi(second)) == "+PONG\r\n");
}

TEST_CASE("a server that would listen nowhere does not start") {
  ServerProcess directory;
  const std::string data = directory.data_directory();
  const std::string port = std::to_string(free_port());
  for (const char* bind : {"", "-192.0.2.1"}) {
    CAPTURE(bind);
    const Ended ended = run_to_end({"--port", port, "--dir", data, "--bind", bind});
    CHECK(ended.exit_code == 1);
    CHECK(ended.output.find("Configured to not listen anywhere") != std::string::npos);
  }
}

TEST_CASE("in protected mode whoever comes from elsewhere is denied, whatever bind says") {
  const std::string outer = outer_address();
  if (outer.empty()) return;
  ServerProcess server;
  server.start();
  const int port = server.port();
  Client client(port);
  const auto told = [&] {
    Client other;
    REQUIRE(other.try_connect(port, outer.c_str()));
    return other.call({"PING"});
  };
  CHECK(told().starts_with("-DENIED"));
  REQUIRE(client.call({"CONFIG", "SET", "bind", "*"}) == "+OK\r\n");
  CHECK(told().starts_with("-DENIED"));
  REQUIRE(client.call({"CONFIG", "SET", "requirepass", "secret"}) == "+OK\r\n");
  CHECK(told().starts_with("-NOAUTH"));
  REQUIRE(client.call({"CONFIG", "SET", "requirepass", ""}) == "+OK\r\n");
  CHECK(told().starts_with("-DENIED"));
  REQUIRE(client.call({"CONFIG", "SET", "protected-mode", "no"}) == "+OK\r\n");
  CHECK(told() == "+PONG\r\n");
}

}  // namespace
}  // namespace respcask::e2e

// Clients that mean harm, or behave as if they did.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

constexpr size_t kMiB = 1024 * 1024;

double ping_ms(Client& client) {
  const auto begin = Clock::now();
  REQUIRE(client.call({"PING"}) == "+PONG\r\n");
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

double percentile_99(std::vector<double> times) {
  REQUIRE_FALSE(times.empty());
  std::sort(times.begin(), times.end());
  return times[times.size() * 99 / 100];
}

double median(std::vector<double> times) {
  REQUIRE_FALSE(times.empty());
  std::sort(times.begin(), times.end());
  return times[times.size() / 2];
}

std::string id_of(Client& client) {
  const std::string reply = client.call({"CLIENT", "ID"});
  return reply.substr(1, reply.size() - 3);
}

// --- many, or slow ------------------------------------------------------------------------------

TEST_CASE("ten thousand idle clients cost little, and the others nothing") {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  const size_t count = std::min<size_t>(10'000, limit.rlim_max < 1000 ? 0 : limit.rlim_max - 500);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  ServerProcess server({"--maxclients", std::to_string(count + 10), "--tcp-backlog", "4096"});
  server.start();
  Client worker(server.port());
  ping_ms(worker);
  const size_t before = server.resident_bytes();
  std::vector<Client> idle;
  idle.reserve(count);
  for (size_t i = 0; i < count; ++i) idle.emplace_back(server.port());
  // The last one has been accepted when it is answered, and so have those before it.
  REQUIRE(idle.back().call({"PING"}) == "+PONG\r\n");
  std::vector<double> pings;
  for (int i = 0; i < 1000; ++i) pings.push_back(ping_ms(worker));
  const size_t each = (server.resident_bytes() - before) / std::max<size_t>(count, 1);
  MESSAGE(count << " idle clients: " << each << " bytes each; PING p99 " << percentile_99(pings)
                << " ms");
  CHECK(each < 4096);
  CHECK(percentile_99(pings) < 50);
  int answered = 0;
  for (size_t i = 0; i < count; i += 100) answered += idle[i].call({"PING"}) == "+PONG\r\n";
  CHECK(answered == static_cast<int>((count + 99) / 100));
}

TEST_CASE("clients that send a byte at a time delay nobody, and are served in the end") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  Client worker(server.port());
  const std::string command = request({"ECHO", "slow"});
  std::vector<Client> slow;
  for (int i = 0; i < 300; ++i) slow.emplace_back(server.port());
  ping_ms(worker);
  const size_t before = server.resident_bytes();
  std::vector<double> pings;
  for (size_t byte = 0; byte < command.size(); ++byte) {
    for (Client& client : slow) REQUIRE(client.send(command.substr(byte, 1)));
    pings.push_back(ping_ms(worker));
  }
  CHECK(median(pings) < 50);  // of some twenty: a busy machine may hold up one
  CHECK(server.resident_bytes() - before < 8 * kMiB);
  int served = 0;
  for (Client& client : slow) served += client.read_reply() == "$4\r\nslow\r\n";
  CHECK(served == 300);
}

TEST_CASE("clients that claim large arguments and send nothing of them cost nothing") {
  ServerProcess server;
  server.start();
  Client worker(server.port());
  ping_ms(worker);
  const size_t before = server.resident_bytes();
  std::vector<Client> liars;
  for (int i = 0; i < 200; ++i) {
    liars.emplace_back(server.port());
    liars.back().send("*1000000\r\n$3\r\nSET\r\n$500000000\r\nx");
  }
  ping_ms(worker);
  std::this_thread::sleep_for(milliseconds(200));
  CHECK(server.resident_bytes() - before < 8 * kMiB);
}

// --- what is not read ---------------------------------------------------------------------------

// Sends `text` again and again without reading, until the other side takes no more for a while, or
// `bytes` are sent. Returns how many were.
size_t flood(Client& deaf, const std::string& text, size_t bytes) {
  size_t sent = 0;
  int refused = 0;
  while (sent < bytes && refused < 50) {
    const ssize_t taken = deaf.send_some(text);
    REQUIRE(taken >= 0);
    if (taken == 0) {
      ++refused;
      std::this_thread::sleep_for(milliseconds(10));
    } else {
      refused = 0;
      sent += static_cast<size_t>(taken);
    }
  }
  return sent;
}

TEST_CASE("a million errors that nobody reads take little memory") {
  ServerProcess server;
  server.start();
  Client worker(server.port());
  Client deaf(server.port());
  deaf.set_receive_buffer(4096);
  ping_ms(worker);
  const size_t before = server.resident_bytes();
  std::string burst;
  const std::string wrong = request({"NOSUCH", "command"});
  for (int i = 0; i < 1000; ++i) burst += wrong;
  const size_t sent = flood(deaf, burst, 1'000'000 * wrong.size());
  MESSAGE("it sent " << sent / wrong.size() << " of a million; grew by "
                     << (server.resident_bytes() - before) / 1024 << " KiB");
  CHECK(server.resident_bytes() - before < kMostOfDeafBytes);
  CHECK(ping_ms(worker) < 1000);

  // One that does read gets them all.
  Client reader(server.port());
  constexpr int kErrors = 100'000;
  std::thread sender([&] {
    for (int i = 0; i < kErrors / 1000; ++i) reader.send(burst);
  });
  int errors = 0;
  for (int i = 0; i < kErrors; ++i)
    errors += reader.read_line().starts_with("-ERR unknown command");
  sender.join();
  CHECK(errors == kErrors);
  CHECK(std::stoull(info_value(worker, "total_error_replies")) >= kErrors);
}

TEST_CASE("before the password the queue of replies is short") {
  ServerProcess server({"--requirepass", "secret"});
  server.start();
  Client worker(server.port());
  REQUIRE(worker.call({"AUTH", "secret"}) == "+OK\r\n");
  const size_t before = server.resident_bytes();
  std::vector<Client> deaf;
  std::string burst;
  for (int i = 0; i < 1000; ++i) burst += request({"GET", "key"});
  for (int i = 0; i < 50; ++i) {
    deaf.emplace_back(server.port());
    deaf.back().set_receive_buffer(4096);
    for (int n = 0; n < 100; ++n) REQUIRE(deaf.back().send_some(burst) >= 0);
  }
  std::this_thread::sleep_for(milliseconds(300));
  const std::string list = worker.call({"CLIENT", "LIST"});
  size_t most = 0;
  for (size_t at = list.find(" omem="); at != std::string::npos; at = list.find(" omem=", at + 1)) {
    most = std::max<size_t>(most, std::stoull(list.substr(at + 6)));
  }
  CHECK(most < 64 * 1024);
  CHECK(server.resident_bytes() - before < 8 * kMiB);
  // No more than this may come in one argument, or in one request.
  Client allowed(server.port());
  const std::string largest(16 * 1024, 'x');
  CHECK(allowed.call({"a", "b", "c", "d", "e", "f", "g", "h", "i", largest}).starts_with("-"));
  CHECK(ping_ms(worker) < 1000);
}

TEST_CASE("nothing is sent of a reply beyond the output limit, and the client is closed") {
  ServerProcess server({"--client-output-buffer-limit", "normal", "100kb", "0", "0"});
  server.start();
  Client worker(server.port());
  REQUIRE(worker.call({"SET", "value", std::string(60'000, 'v')}) == "+OK\r\n");
  Client greedy(server.port());
  greedy.send(request({"SET", "before", "1"}) + request({"MGET", "value", "value"}) +
              request({"SET", "after", "1"}));
  CHECK(greedy.read_all() == "");
  CHECK(worker.call({"EXISTS", "before"}) == ":1\r\n");
  CHECK(worker.call({"EXISTS", "after"}) == ":0\r\n");
  CHECK(server.log().find("output buffer limits") != std::string::npos);
}

// --- CLIENT KILL --------------------------------------------------------------------------------

class Killer {
 public:
  explicit Killer(int port) : client_(port) {}
  Client& client() { return client_; }

  // Whether the client with that id is killed, and is not there any more for who asks.
  bool kills(const std::string& id) {
    return client_.call({"CLIENT", "KILL", "ID", id}) == ":1\r\n" &&
           client_.call({"CLIENT", "KILL", "ID", id}) == ":0\r\n" &&
           client_.call({"CLIENT", "LIST", "ID", id}) == "$0\r\n\r\n";
  }

 private:
  Client client_;
};

TEST_CASE("CLIENT KILL ends a client that waits, watches or has a transaction open") {
  ServerProcess server({"--io-threads", "2"});
  server.start();
  Killer killer(server.port());
  for (int i = 0; i < 4; ++i) {  // on either loop
    Client blocked(server.port());
    const std::string blocked_id = id_of(blocked);
    blocked.send(request({"BLPOP", "list", "0"}));
    while (info_value(killer.client(), "blocked_clients") != "1") {
    }
    // It stands in no line any more, from the moment that it is killed.
    killer.client().send(request({"CLIENT", "KILL", "ID", blocked_id}) +
                         request({"RPUSH", "list", "x"}) + request({"LPOP", "list"}));
    CHECK(killer.client().read_reply() == ":1\r\n");
    CHECK(killer.client().read_reply() == ":1\r\n");
    CHECK(killer.client().read_reply() == "$1\r\nx\r\n");
    CHECK(blocked.ends());
    CHECK(info_becomes(killer.client(), "blocked_clients", "0"));

    Client queueing(server.port());
    const std::string queueing_id = id_of(queueing);
    REQUIRE(queueing.call({"WATCH", "key"}) == "+OK\r\n");
    REQUIRE(queueing.call({"MULTI"}) == "+OK\r\n");
    REQUIRE(queueing.call({"SET", "key", "never"}) == "+QUEUED\r\n");
    CHECK(killer.kills(queueing_id));
    CHECK(queueing.ends());
    CHECK(killer.client().call({"EXISTS", "key"}) == ":0\r\n");

    Client monitor(server.port());
    const std::string monitor_id = id_of(monitor);
    REQUIRE(monitor.call({"MONITOR"}) == "+OK\r\n");
    CHECK(killer.kills(monitor_id));
    const std::string seen = monitor.read_all();
    CHECK(seen.find("\"CLIENT\" \"KILL\"") == std::string::npos);  // an administrator's command

    Client paused(server.port());
    const std::string paused_id = id_of(paused);
    REQUIRE(killer.client().call({"CLIENT", "PAUSE", "60000", "WRITE"}) == "+OK\r\n");
    paused.send(request({"SET", "paused", "1"}));
    std::this_thread::sleep_for(milliseconds(50));
    CHECK(killer.kills(paused_id));
    CHECK(paused.ends());
    REQUIRE(killer.client().call({"CLIENT", "UNPAUSE"}) == "+OK\r\n");
    CHECK(killer.client().call({"EXISTS", "paused"}) == ":0\r\n");
  }
}

// Makes the kernel forget what it holds of the files of a stopped server.
void drop_from_memory(const std::string& directory) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const int fd = ::open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    REQUIRE(fd >= 0);
    ::fdatasync(fd);
    ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    ::close(fd);
  }
}

// Starts it with key0, key1 and so on, none of whose values are in memory.
void start_with_cold_keys(ServerProcess& server, int keys, const std::string& value) {
  server.start();
  {
    Client loader(server.port());
    for (int i = 0; i < keys; ++i) {
      REQUIRE(loader.call({"SET", "key" + std::to_string(i), value}) == "+OK\r\n");
    }
  }
  REQUIRE(server.stop() == 0);
  drop_from_memory(server.data_directory());
  server.start();
}

TEST_CASE("CLIENT KILL ends clients whose values are being fetched, and the others get theirs") {
  constexpr int kKeys = 2000;
  const std::string value(8000, 'v');
  const std::string expected = "$8000\r\n" + value + "\r\n";
  ServerProcess server({"--io-threads", "2", "--readers", "1"});
  start_with_cold_keys(server, kKeys, value);

  Killer killer(server.port());
  Client bystander(server.port());
  std::mt19937 random(1);
  const auto any_key = [&] { return "key" + std::to_string(random() % kKeys); };
  int wrong = 0;
  for (int i = 0; i < 150; ++i) {
    Client victim(server.port());
    const std::string id = id_of(victim);
    std::string pipeline;
    for (int n = 0; n < 10; ++n) pipeline += request({"GET", any_key()});
    victim.send(pipeline);
    bystander.send(request({"GET", any_key()}));
    // It may have read its last reply already, but not gone away.
    REQUIRE(killer.client().call({"CLIENT", "KILL", "ID", id}) == ":1\r\n");
    wrong += bystander.read_reply() != expected;
    // What it got before is whole replies, but for the last.
    std::string ten;
    for (int n = 0; n < 10; ++n) ten += expected;
    wrong += !ten.starts_with(victim.read_all());
  }
  CHECK(wrong == 0);
  const std::string parked = info_value(killer.client(), "parked_commands");
  MESSAGE(parked << " commands waited for the disk");
  WARN(parked != "0");  // a file system in memory never lets go of a page
  CHECK(killer.client().call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("who leaves while a value is fetched does not wait for what comes behind it") {
  constexpr int kKeys = 500;
  const std::string value(8000, 'v');
  ServerProcess server({"--io-threads", "2", "--readers", "1"});
  start_with_cold_keys(server, kKeys, value);
  for (int i = 0; i < 20; ++i) {
    Client leaving(server.port());
    std::string requests = request({"CLIENT", "REPLY", "OFF"});
    for (int n = 0; n < 20; ++n) {
      requests += request({"GET", "key" + std::to_string(20 * i + n)});
    }
    leaving.send(requests + request({"BLPOP", "q", "0"}));
  }
  Client client(server.port());
  for (int i = 0; i < 500 && info_value(client, "connected_clients") != "1"; ++i) {
    std::this_thread::sleep_for(milliseconds(10));
  }
  CHECK(info_value(client, "connected_clients") == "1");
  CHECK(info_value(client, "blocked_clients") == "0");
  CHECK(client.call({"RPUSH", "q", "a"}) == ":1\r\n");
  CHECK(client.call({"LLEN", "q"}) == ":1\r\n");
  WARN(info_value(client, "parked_commands") != "0");  // as above
}

}  // namespace
}  // namespace respcask::e2e

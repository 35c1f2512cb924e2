// How a server is run: by systemd, from the file that comes with it, short of threads; and what it
// leaves behind when it crashes.
#include <doctest/doctest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

// Listens as systemd does, and lets servers that are started meanwhile know it.
class ServiceManager {
 public:
  explicit ServiceManager(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_DGRAM, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    REQUIRE(path.size() < sizeof address.sun_path);
    std::memcpy(address.sun_path, path.data(), path.size());
    REQUIRE(::bind(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    ::setenv("NOTIFY_SOCKET", path.c_str(), 1);
  }
  ~ServiceManager() {
    ::unsetenv("NOTIFY_SOCKET");
    ::close(fd_);
  }

  // The next message; "" if there is none within `timeout_ms`.
  std::string next(int timeout_ms) {
    pollfd query{fd_, POLLIN, 0};
    if (::poll(&query, 1, timeout_ms) <= 0) return "";
    std::array<char, 1000> buffer;
    const ssize_t size = ::recv(fd_, buffer.data(), buffer.size(), 0);
    return size < 0 ? "" : std::string(buffer.data(), static_cast<size_t>(size));
  }

 private:
  int fd_;
};

TEST_CASE("systemd is told when the server is ready and when it stops, if it asked") {
  for (const char* supervised : {"systemd", "auto"}) {
    CAPTURE(supervised);
    ServerProcess server({"--supervised", supervised, "--daemonize", "yes"});
    ServiceManager manager(server.directory() + "/notify");
    server.start();  // and does not go into the background
    CHECK(manager.next(5000).find("READY=1") != std::string::npos);
    Client client(server.port());
    CHECK(client.call({"PING"}) == "+PONG\r\n");
    CHECK(client.call({"INFO", "server"}).find("process_supervised:systemd\r\n") !=
          std::string::npos);
    CHECK(server.stop() == 0);
    CHECK(manager.next(5000).find("STOPPING=1") != std::string::npos);
  }
  ServerProcess server;
  ServiceManager manager(server.directory() + "/notify");
  server.start();
  CHECK(manager.next(200) == "");
}

TEST_CASE("INFO counts what is read from sockets and written to them") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  for (int i = 0; i < 10; ++i) client.call({"PING"});
  const std::string stats = client.call({"INFO", "stats"});
  for (const std::string field : {"total_reads_processed:", "total_writes_processed:"}) {
    const size_t at = stats.find(field);
    REQUIRE(at != std::string::npos);
    CHECK(std::stoi(stats.substr(at + field.size())) >= 10);
  }
}

TEST_CASE("the configuration file that comes with the server starts it") {
  const char* const file = std::getenv("RESPCASK_CONF");
  ServerProcess server;
  server.set_configuration(file != nullptr ? file : "scripts/respcask.conf");
  server.start();
  Client client(server.port());
  CHECK(client.call({"SET", "key", "value"}) == "+OK\r\n");
  CHECK(server.log().find("respcask.conf") != std::string::npos);
  CHECK(server.log().find("has no meaning here") == std::string::npos);
}

TEST_CASE("a crash is logged with the command, the registers and the way there") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  REQUIRE(client.call({"SET", "key", "value"}) == "+OK\r\n");
  CHECK(server.end_by(SIGSEGV, "loop-0") == SIGSEGV);
  const std::string of_loop = server.log();
  CAPTURE(of_loop);
  for (const char* part :
       {"respcask ", "crashed by signal: SIGSEGV", "thread: loop-0",
        "Last command of the thread: set", "Registers:", "uv_run", "REPORT END"}) {
    CAPTURE(part);
    CHECK(of_loop.find(part) != std::string::npos);
  }
  server.start();
  CHECK(server.end_by(SIGABRT) == SIGABRT);
  const std::string of_main = server.log().substr(of_loop.size());
  for (const char* part : {"crashed by signal: SIGABRT", "wait_for_shutdown"}) {
    CAPTURE(part);
    CHECK(of_main.find(part) != std::string::npos);
  }
  // What was acknowledged is there.
  server.start();
  Client again(server.port());
  CHECK(again.call({"GET", "key"}) == "$5\r\nvalue\r\n");
}

#ifndef __SANITIZE_ADDRESS__  // with which an allocation that fails is the sanitizer's affair
// As Redis does, it ends rather than go on with a command half done.
TEST_CASE("a server that gets no more memory says so and ends, and what was acknowledged stands") {
  constexpr size_t kMost = 200;  // of 1 MB, as a transaction's queue
  ServerProcess server;
  server.start();
  Client client(server.port());
  REQUIRE(client.call({"SET", "key", "value"}) == "+OK\r\n");
  std::ifstream statm("/proc/" + std::to_string(server.pid()) + "/statm");
  rlim_t pages = 0;
  statm >> pages;
  REQUIRE(pages > 0);
  const rlim_t bytes = pages * static_cast<rlim_t>(::getpagesize()) + (rlim_t{100} << 20);
  const rlimit limit{bytes, bytes};
  REQUIRE(::prlimit(server.pid(), RLIMIT_AS, &limit, nullptr) == 0);
  REQUIRE(client.call({"MULTI"}) == "+OK\r\n");
  size_t queued = 0;
  const std::string value(1 << 20, 'v');
  while (queued < kMost && client.call({"SET", "other", value}) == "+QUEUED\r\n") ++queued;
  CHECK(queued < kMost);
  CHECK(server.wait_for_end() == SIGABRT);
  const std::string log = server.log();
  CAPTURE(log);
  CHECK(log.find("Out of memory") != std::string::npos);
  CHECK(log.find("crashed by signal: SIGABRT") != std::string::npos);
  server.start();
  Client again(server.port());
  CHECK(again.call({"GET", "key"}) == "$5\r\nvalue\r\n");
  CHECK(again.call({"EXISTS", "other"}) == ":0\r\n");
}
#endif

TEST_CASE("without crash-log-enabled a crash says nothing") {
  ServerProcess server({"--crash-log-enabled", "no"});
  server.start();
  CHECK(server.end_by(SIGSEGV) == SIGSEGV);
  CHECK(server.log().find("crashed by") == std::string::npos);
}

TEST_CASE("CONFIG SET crash-log-enabled holds for the crash that comes next") {
  for (const bool logs : {true, false}) {
    CAPTURE(logs);
    ServerProcess server({"--crash-log-enabled", logs ? "no" : "yes"});
    server.start();
    Client client(server.port());
    CHECK(client.call({"CONFIG", "SET", "crash-log-enabled", logs ? "yes" : "no"}) == "+OK\r\n");
    CHECK(server.end_by(SIGSEGV) == SIGSEGV);
    CHECK((server.log().find("crashed by signal: SIGSEGV") != std::string::npos) == logs);
  }
}

TEST_CASE("without threads to be had what needs one fails, and the server goes on") {
  ServerProcess server;
  const std::vector<std::string> launcher = unprivileged(server.directory());
  server.set_launcher(launcher);
  server.start();
  const auto allow_threads = [&](const std::string& most) {
    std::vector<std::string> words = launcher;
    words.insert(words.end(),
                 {"prlimit", "--pid", std::to_string(server.pid()), "--nproc=" + most + ":"});
    REQUIRE(run_program_to_end(words).exit_code == 0);
  };
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NPROC, &before) == 0);
  Client client(server.port());
  allow_threads("1");
  CHECK(client.call({"BGSAVE"}) == "-ERR\r\n");
  CHECK(client.call({"BGREWRITEAOF"}) ==
        "-ERR Can't execute an AOF background rewriting. Please check the server logs for more "
        "information.\r\n");
  CHECK(client.call({"INFO", "persistence"}).find("rdb_last_bgsave_status:err") !=
        std::string::npos);
  CHECK(client.call({"CONFIG", "SET", "appendfsync", "always"}) ==
        "-ERR CONFIG SET failed (possibly related to argument 'appendfsync') - Unable to start a "
        "thread: Resource temporarily unavailable\r\n");
  CHECK(client.call({"CONFIG", "GET", "appendfsync"}).ends_with("everysec\r\n"));
  CHECK(client.call({"SET", "a", "b"}) == "+OK\r\n");
  allow_threads(before.rlim_cur == RLIM_INFINITY ? "unlimited" : std::to_string(before.rlim_cur));
  CHECK(client.call({"CONFIG", "SET", "appendfsync", "always"}) == "+OK\r\n");
  CHECK(client.call({"SET", "a", "c"}) == "+OK\r\n");
  CHECK(client.call({"BGSAVE"}) == "+Background saving started\r\n");
  CHECK(client.call({"BGREWRITEAOF"}) == "+Background append only file rewriting started\r\n");
  client.close();
  CHECK(server.stop() == 0);
}

}  // namespace
}  // namespace respcask::e2e

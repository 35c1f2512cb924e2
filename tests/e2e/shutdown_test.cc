// How a server ends, and when it does not.
#include <doctest/doctest.h>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

constexpr const char* kRefusal = "-ERR Errors trying to SHUTDOWN. Check logs.\r\n";

bool logs(const ServerProcess& server, const std::string& text) {
  for (int i = 0; i < 500; ++i) {
    if (server.log().find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

TEST_CASE("SHUTDOWN ABORT takes back what a signal has asked for") {
  ServerProcess server({"--enable-debug-command", "yes"});
  server.start();
  Client client(server.port());
  CHECK(client.call({"SHUTDOWN", "ABORT"}) == "-ERR No shutdown in progress.\r\n");
  REQUIRE(client.call({"DEBUG", "PAUSE-CRON", "1"}) == "+OK\r\n");
  REQUIRE(::kill(server.pid(), SIGTERM) == 0);
  REQUIRE(logs(server, "Received SIGTERM scheduling shutdown..."));
  std::string reply;
  for (int i = 0; i < 500 && reply != "+OK\r\n"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    reply = client.call({"SHUTDOWN", "ABORT"});
  }
  CHECK(reply == "+OK\r\n");
  CHECK(logs(server, "Shutdown manually aborted."));
  REQUIRE(client.call({"DEBUG", "PAUSE-CRON", "0"}) == "+OK\r\n");
  CHECK(client.call({"SET", "key", "value"}) == "+OK\r\n");
  CHECK(server.stop() == 0);
}

TEST_CASE("a backup that is wanted at the end and cannot be made keeps the server up") {
  ServerProcess server;
  const std::string file = server.directory() + "/file";
  std::ofstream(file) << "no directory";
  server.start({"--shutdown-on-sigint", "save", "--backup-dir", file});
  Client client(server.port());
  REQUIRE(client.call({"SET", "key", "value"}) == "+OK\r\n");
  REQUIRE(::kill(server.pid(), SIGINT) == 0);
  CHECK(logs(server, "Error trying to save the DB, can't exit."));
  CHECK(client.call({"SHUTDOWN", "SAVE"}) == kRefusal);
  CHECK(client.call({"GET", "key"}) == "$5\r\nvalue\r\n");
  client.send(request({"SHUTDOWN", "SAVE", "FORCE"}));
  CHECK(client.ends());
  CHECK(logs(server, "Exit anyway."));
  CHECK(logs(server, "ready to exit, bye bye"));
  CHECK(server.stop() == 0);

  server.start({});
  Client again(server.port());
  again.send(request({"SHUTDOWN", "SAVE"}));
  CHECK(again.ends());
  const std::filesystem::path backups = server.data_directory() + "/backups";
  CHECK(std::filesystem::exists(backups));
}

TEST_CASE("a second SIGTERM changes nothing, and a SIGINT ends the server at once") {
  const auto insist = [](int signal) {
    ServerProcess server({"--enable-debug-command", "yes"});
    server.start();
    Client client(server.port());
    client.send(request({"DEBUG", "SLEEP", "1"}));  // the end waits for it
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    REQUIRE(::kill(server.pid(), SIGTERM) == 0);
    REQUIRE(logs(server, "Received SIGTERM scheduling shutdown..."));
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    REQUIRE(::kill(server.pid(), signal) == 0);
    CHECK(server.wait_for_end() == 0);
    return server.log().find("ready to exit, bye bye") != std::string::npos;
  };
  CHECK(insist(SIGTERM));
  CHECK_FALSE(insist(SIGINT));
}

TEST_CASE("whoever sees the end of SHUTDOWN, or the pid file go, may have the store") {
  ServerProcess server({"--enable-debug-command", "yes", "--shards", "1"});
  const std::string pid_file = server.directory() + "/server.pid";
  server.start({"--enable-debug-command", "yes", "--pidfile", pid_file});
  const auto is_free = [&] {
    const int fd = ::open((server.data_directory() + "/LOCK").c_str(), O_RDWR | O_CLOEXEC);
    REQUIRE(fd >= 0);
    const bool free = ::flock(fd, LOCK_EX | LOCK_NB) == 0;
    ::close(fd);
    return free;
  };
  Client client(server.port());
  REQUIRE(client.call({"DEBUG", "POPULATE", "300000"}) == "+OK\r\n");
  CHECK(std::filesystem::exists(pid_file));
  CHECK_FALSE(is_free());
  client.send(request({"SHUTDOWN"}));
  SUBCASE("the connection") {
    CHECK(client.ends());
  }
  SUBCASE("the pid file") {
    while (std::filesystem::exists(pid_file)) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }
  CHECK(is_free());
  CHECK(server.wait_for_end() == 0);
  CHECK_FALSE(std::filesystem::exists(pid_file));
}

TEST_CASE("clients that ask for the end at the same time do not insist on it") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  REQUIRE(client.call({"SET", "key", "value"}) == "+OK\r\n");
  std::vector<Client> others;
  for (int i = 0; i < 20; ++i) others.emplace_back(server.port());
  for (Client& other : others) other.send(request({"SHUTDOWN"}));
  for (Client& other : others) CHECK(other.ends());
  CHECK(logs(server, "ready to exit, bye bye"));
  CHECK(server.stop() == 0);
  server.start();
  CHECK(Client(server.port()).call({"GET", "key"}) == "$5\r\nvalue\r\n");
}

}  // namespace
}  // namespace respcask::e2e

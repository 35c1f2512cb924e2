// Users on a running server: over several loops, over restarts, and before anybody has logged in.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

using std::chrono::milliseconds;

TEST_CASE("a client that has not logged in cannot make the server keep replies for it") {
  ServerProcess server({"--requirepass", "secret"});
  server.start();
  Client admin(server.port());
  REQUIRE(admin.call({"AUTH", "secret"}) == "+OK\r\n");
  const size_t before = server.resident_bytes();

  Client deaf(server.port());
  deaf.set_receive_buffer(4096);
  std::string pipeline;
  for (int i = 0; i < 10000; ++i) pipeline += request({"GET", "x"});
  // Sooner or later nothing is taken any more.
  int refused = 0;
  for (int i = 0; i < 2000 && refused < 20; ++i) {
    const ssize_t sent = deaf.send_some(pipeline);
    REQUIRE(sent >= 0);
    refused = sent == 0 ? refused + 1 : 0;
    if (sent == 0) std::this_thread::sleep_for(milliseconds(20));
  }
  CHECK(refused == 20);
  const std::string list = admin.call({"CLIENT", "LIST"});
  for (size_t at = list.find(" omem="); at != std::string::npos; at = list.find(" omem=", at + 1)) {
    CHECK(std::stoul(list.substr(at + 6)) < 64 * 1024);
  }
  CHECK(server.resident_bytes() < before + 8 * 1024 * 1024);
  CHECK(admin.call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("the narrow limits hold as long as a client has to log in") {
  ServerProcess server;
  server.start();
  Client admin(server.port());
  Client early(server.port());
  REQUIRE(early.call({"PING"}) == "+PONG\r\n");
  REQUIRE(admin.call({"ACL", "SETUSER", "default", ">secret"}) == "+OK\r\n");
  const std::string many = request({"DEL", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10"});
  early.send(many);
  CHECK(early.read_reply() == ":0\r\n");
  Client late(server.port());
  late.send(many);
  CHECK(late.read_all() == "-ERR Protocol error: unauthenticated multibulk length\r\n");
  Client waiting(server.port());
  CHECK(waiting.call({"PING"}) == "-NOAUTH Authentication required.\r\n");
  REQUIRE(admin.call({"ACL", "SETUSER", "default", "nopass"}) == "+OK\r\n");
  waiting.send(many);
  CHECK(waiting.read_reply() == ":0\r\n");
}

// Makes a user u that may do everything, and three clients that are it, one on each of three loops.
std::vector<Client> three_as_user(const ServerProcess& server, Client& admin) {
  REQUIRE(admin.call({"ACL", "SETUSER", "u", "on", "nopass", "+@all", "~*"}) == "+OK\r\n");
  std::vector<Client> clients;
  for (int i = 0; i < 3; ++i) {
    clients.emplace_back(server.port());
    REQUIRE(clients.back().call({"AUTH", "u", "any"}) == "+OK\r\n");
  }
  return clients;
}

TEST_CASE("on every loop a user's commands end with the user") {
  ServerProcess server({"--io-threads", "3"});
  server.start();
  Client admin(server.port());
  for (int round = 0; round < 10; ++round) {
    std::vector<Client> clients = three_as_user(server, admin);
    std::vector<std::thread> writers;
    std::atomic<int> writing{0};
    for (Client& client : clients) {
      writers.emplace_back([&] {
        for (bool first = true; client.send(request({"INCR", "n"})); first = false) {
          if (client.read_reply().empty()) return;
          if (first) ++writing;
        }
      });
    }
    while (writing < 3) std::this_thread::sleep_for(milliseconds(1));
    REQUIRE(admin.call({"ACL", "DELUSER", "u"}) == ":1\r\n");
    const std::string after = admin.call({"GET", "n"});
    for (std::thread& writer : writers) writer.join();
    CHECK(admin.call({"GET", "n"}) == after);
  }
}

TEST_CASE("a blocked client takes nothing when its user is gone") {
  ServerProcess server({"--io-threads", "3"});
  server.start();
  Client admin(server.port());
  for (int round = 0; round < 50; ++round) {
    std::vector<Client> clients = three_as_user(server, admin);
    for (Client& client : clients) client.send(request({"BLPOP", "l", "0"}));
    while (admin.call({"INFO", "clients"}).find("blocked_clients:3") == std::string::npos) {
      std::this_thread::sleep_for(milliseconds(1));
    }
    admin.send(request({"ACL", "DELUSER", "u"}) + request({"RPUSH", "l", "x"}) +
               request({"LPOP", "l"}));
    CHECK(admin.read_reply() == ":1\r\n");
    CHECK(admin.read_reply() == ":1\r\n");
    CHECK(admin.read_reply() == "$1\r\nx\r\n");
    for (Client& client : clients) CHECK(client.read_all().empty());
  }
}

TEST_CASE("users survive a restart in their own file, beside the data") {
  ServerProcess server;
  const std::string path = server.data_directory() + "/users.acl";
  std::filesystem::create_directories(server.data_directory());
  std::ofstream(path) << "user bob on nopass +get ~b*\n";
  std::string list;
  server.start({"--aclfile", "users.acl"});
  {
    Client admin(server.port());
    CHECK(admin.call({"ACL", "DRYRUN", "bob", "GET", "b1"}) == "+OK\r\n");
    REQUIRE(admin.call({"ACL", "SETUSER", "amy", "on", ">p", "('%R~\"x)' ~y +get)", "+set"}) ==
            "+OK\r\n");
    REQUIRE(admin.call({"ACL", "DELUSER", "bob"}) == ":1\r\n");
    REQUIRE(admin.call({"ACL", "SAVE"}) == "+OK\r\n");
    list = admin.call({"ACL", "LIST"});
    CHECK(list.starts_with("*2\r\n"));
  }
  server.kill();
  server.start();
  Client admin(server.port());
  CHECK(admin.call({"ACL", "LIST"}) == list);
  CHECK(admin.call({"AUTH", "amy", "p"}) == "+OK\r\n");
}

TEST_CASE("users that make no sense keep the server from starting, and it says why") {
  const auto refused = [](std::vector<std::string> options) {
    const std::string directory = "/tmp/respcask-acl-" + std::to_string(::getpid());
    options.insert(options.end(), {"--port", std::to_string(free_port()), "--dir", directory});
    std::filesystem::create_directory(directory);
    const Ended ended = run_to_end(options);
    std::filesystem::remove_all(directory);
    CHECK(ended.exit_code == 1);
    return ended.output;
  };
  CHECK(refused({"--user", "foo", "--user", "foo"}).find("Duplicate user") != std::string::npos);
  CHECK(refused({"--user", "foo", "+nope"}).find("Unknown command") != std::string::npos);
  CHECK(refused({"--aclfile", "missing.acl"}).find("No such file") != std::string::npos);
}

TEST_CASE("CONFIG REWRITE leaves users to the included file that has them, or refuses") {
  const auto contents = [](const std::string& path) {
    std::ifstream in(path);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  };
  ServerProcess server;
  const std::string users = server.directory() + "/users.conf";
  const std::string said = "user bob +get ~b* on nopass\nuser default on nopass +@all ~* &*\n";
  std::ofstream(users) << said;
  const std::string file = server.directory() + "/respcask.conf";
  std::ofstream(file) << "include " << users << "\nuser eve on\n";
  server.set_configuration(file);
  server.start();
  {
    Client client(server.port());
    CHECK(client.call({"ACL", "SETUSER", "eve", "+get"}) == "+OK\r\n");
    CHECK(client.call({"ACL", "SETUSER", "tom"}) == "+OK\r\n");
    CHECK(client.call({"CONFIG", "REWRITE"}) == "+OK\r\n");
  }
  CHECK(server.stop() == 0);
  CHECK(contents(file).find("user eve on resetchannels -@all +get\nuser tom ") !=
        std::string::npos);
  server.start();
  Client client(server.port());
  CHECK(client.call({"ACL", "USERS"}) ==
        "*4\r\n$3\r\nbob\r\n$7\r\ndefault\r\n$3\r\neve\r\n$3\r\ntom\r\n");
  CHECK(client.call({"ACL", "SETUSER", "bob", "+set"}) == "+OK\r\n");
  const std::string before = contents(file);
  CHECK(client.call({"CONFIG", "REWRITE"}) ==
        "-ERR Rewriting config file: user 'bob' was changed, but an included file has its line, "
        "and is not rewritten\r\n");
  CHECK(client.call({"ACL", "DELUSER", "bob"}) == ":1\r\n");
  CHECK(client.call({"CONFIG", "REWRITE"}) ==
        "-ERR Rewriting config file: user 'bob' was deleted, but an included file has its line, "
        "and is not rewritten\r\n");
  CHECK(contents(file) == before);
  CHECK(contents(users) == said);
}

}  // namespace
}  // namespace respcask::e2e

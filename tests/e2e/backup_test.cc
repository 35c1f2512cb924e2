// Backups of a running server, and servers that run on them.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

std::vector<std::string> backups_in(const std::string& directory) {
  std::vector<std::string> paths;
  if (!std::filesystem::exists(directory)) return paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory)) {
    paths.push_back(entry.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string info_field(Client& client, const std::string& section, const std::string& name) {
  const std::string text = client.call({"INFO", section});
  const size_t at = text.find("\n" + name + ":");
  if (at == std::string::npos) return "(missing)";
  const size_t begin = at + name.size() + 2;
  return text.substr(begin, text.find('\r', begin) - begin);
}

void wait_for_save(Client& client) {
  for (int i = 0; i < 1000; ++i) {
    if (info_field(client, "persistence", "rdb_bgsave_in_progress") == "0") return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("the save does not end");
}

TEST_CASE("a server started on a backup has what was there when it was made") {
  ServerProcess server({"--shards", "4", "--segment-size", "1mb"});
  server.start();
  Client client(server.port());
  const std::string value(2000, 'v');
  for (int i = 0; i < 4000; ++i) client.call({"SET", "key" + std::to_string(i), value});
  CHECK(client.call({"BGSAVE"}) == "+Background saving started\r\n");
  wait_for_save(client);
  CHECK(info_field(client, "persistence", "rdb_last_bgsave_status") == "ok");
  const auto backups = backups_in(server.data_directory() + "/backups");
  REQUIRE(backups.size() == 1);
  CHECK(info_field(client, "bitcask", "last_backup") == backups[0]);
  for (int i = 0; i < 4000; ++i) client.call({"SET", "key" + std::to_string(i), "later"});
  client.call({"SET", "new", "1"});

  // Beside the running server, then in its place.
  ServerProcess restored;
  restored.set_data_directory(backups[0]);
  restored.start();
  Client other(restored.port());
  CHECK(other.call({"DBSIZE"}) == ":4000\r\n");
  CHECK(other.call({"GET", "key3999"}) == "$2000\r\n" + value + "\r\n");
  CHECK(other.call({"SET", "mine", "1"}) == "+OK\r\n");
  CHECK(client.call({"EXISTS", "mine"}) == ":0\r\n");
  CHECK(client.call({"GET", "key0"}) == "$5\r\nlater\r\n");
  // It is a store of its own now, and is not removed as an old backup.
  CHECK(client.call({"SAVE"}) == "+OK\r\n");
  CHECK(client.call({"SAVE"}) == "+OK\r\n");
  CHECK(backups_in(server.data_directory() + "/backups").size() == 2);
  CHECK(server.stop() == 0);
  restored.kill();
  restored.start();
  Client again(restored.port());
  CHECK(again.call({"DBSIZE"}) == ":4001\r\n");
}

TEST_CASE("backup-dir and backups-kept say where backups are and how many") {
  ServerProcess server;
  const std::string directory = server.directory() + "/elsewhere";
  server.start({"--backup-dir", directory, "--backups-kept", "2"});
  Client client(server.port());
  for (int i = 0; i < 4; ++i) CHECK(client.call({"SAVE"}) == "+OK\r\n");
  CHECK(backups_in(directory).size() == 2);
  client.call({"CONFIG", "SET", "backups-kept", "1"});
  CHECK(client.call({"SAVE"}) == "+OK\r\n");
  CHECK(backups_in(directory).size() == 1);
  CHECK(client.call({"CONFIG", "SET", "backup-dir", "/"}).starts_with("-ERR CONFIG SET failed"));
  CHECK(server.stop() == 0);

  server.start({"--backup-dir", "/proc/nowhere"});
  Client refused(server.port());
  CHECK(refused.call({"SAVE"}).starts_with("-ERR saving failed: "));
  CHECK(info_field(refused, "persistence", "rdb_last_bgsave_status") == "err");
  CHECK(refused.call({"SET", "a", "b"}) == "+OK\r\n");
}

TEST_CASE("a server killed during backups leaves whole ones only") {
  ServerProcess server({"--shards", "4", "--segment-size", "1mb", "--backups-kept", "3"});
  for (int round = 0; round < 5; ++round) {
    server.start();
    Client client(server.port());
    for (int i = 0; i < 300; ++i) {
      client.call({"SET", "key" + std::to_string(i), std::string(1000, 'v')});
    }
    for (int i = 0; i < 20; ++i) client.call({"BGSAVE"});
    std::this_thread::sleep_for(std::chrono::milliseconds(7 * round));
    server.kill();
    for (const std::string& path : backups_in(server.data_directory() + "/backups")) {
      if (path.ends_with(".tmp")) continue;
      ServerProcess restored;
      restored.set_data_directory(path);
      restored.start();
      Client other(restored.port());
      CHECK(other.call({"DBSIZE"}) == ":300\r\n");
      CHECK(info_field(other, "bitcask", "recovery_torn_bytes") == "0");
      CHECK(info_field(other, "bitcask", "recovery_damaged_bytes") == "0");
    }
  }
  server.start();
  for (const std::string& path : backups_in(server.data_directory() + "/backups")) {
    CHECK(!path.ends_with(".tmp"));
  }
}

}  // namespace
}  // namespace respcask::e2e

// What was acknowledged is there after a crash, a restart, and a full disk.
#include <doctest/doctest.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/asked.h"
#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"
#include "tests/e2e/small_disk.h"

namespace respcask::e2e {
namespace {

using std::chrono::milliseconds;

// A client that writes rising numbers to keys of its own, and knows of each key what was
// acknowledged last and what was sent after that.
class Writer {
 public:
  static constexpr int kKeys = 50;

  Writer(int id, unsigned seed) : id_(id), random_(seed), keys_(kKeys) {}

  // Until the server goes away.
  void run(int port) {
    Client client;
    if (!client.try_connect(port)) return;
    for (;;) {
      // A pipeline, as its commands share a commit and a reply's write.
      std::string pipeline;
      std::vector<int> touched;
      const int length = 1 + static_cast<int>(random_() % 16);
      for (int i = 0; i < length; ++i) {
        const int key = static_cast<int>(random_() % kKeys);
        touched.push_back(key);
        pipeline += next(key);
      }
      if (!client.send(pipeline)) return;
      for (const int key : touched) {
        const std::string reply = client.read_line();
        if (reply.empty()) return;
        if (reply != "+OK" && reply != ":1" && reply != ":0") {
          unexpected_ = reply;
          return;
        }
        keys_[key].acknowledged = keys_[key].sent[keys_[key].acknowledged_count++];
        ++acknowledged_;
      }
    }
  }

  // Compares with what the server has now, and goes on from there.
  void check(Client& client) {
    REQUIRE(unexpected_ == "");
    for (int i = 0; i < kKeys; ++i) {
      Key& key = keys_[i];
      const std::string reply = client.call({"GET", name(i)});
      const std::string value = reply == "$-1\r\n" ? "" : reply.substr(reply.find('\n') + 1);
      std::string found = value.empty() ? "" : value.substr(0, value.find(' '));
      bool allowed = found == key.acknowledged;
      for (size_t s = key.acknowledged_count; s < key.sent.size(); ++s) {
        allowed = allowed || found == key.sent[s];
      }
      CAPTURE(name(i));
      CAPTURE(found);
      CAPTURE(key.acknowledged);
      REQUIRE(allowed);
      key = {found, {}, 0};
    }
  }

  uint64_t acknowledged() const { return acknowledged_; }

 private:
  struct Key {
    std::string acknowledged;       // "": absent
    std::vector<std::string> sent;  // since the last check
    size_t acknowledged_count = 0;  // of `sent`
  };

  std::string name(int key) const { return "w" + std::to_string(id_) + ":" + std::to_string(key); }

  std::string next(int key) {
    if (random_() % 8 == 0) {
      keys_[key].sent.emplace_back();
      return request({"DEL", name(key)});
    }
    const std::string number = std::to_string(++number_);
    keys_[key].sent.push_back(number);
    return request({"SET", name(key), number + " " + std::string(random_() % 300, 'p')});
  }

  const int id_;
  std::mt19937 random_;
  std::vector<Key> keys_;
  std::string unexpected_;  // a reply that should not have come
  uint64_t number_ = 0;
  uint64_t acknowledged_ = 0;
};

void kill_under_load(const std::string& appendfsync) {
  const unsigned seed = std::random_device{}();
  MESSAGE("seed " << seed << ", appendfsync " << appendfsync);
  std::mt19937 random(seed);
  ServerProcess server(
      {"--appendfsync", appendfsync, "--io-threads", "2", "--segment-size", "1mb"});
  std::vector<Writer> writers;
  for (int i = 0; i < 4; ++i) writers.emplace_back(i, seed + static_cast<unsigned>(i));
  const uint64_t cycles = asked("RESPCASK_KILL_CYCLES").value_or(10);
  for (uint64_t cycle = 0; cycle < cycles; ++cycle) {
    CAPTURE(cycle);
    server.start();
    {
      Client client(server.port());
      for (Writer& writer : writers) writer.check(client);
    }
    std::vector<std::thread> threads;
    for (Writer& writer : writers) threads.emplace_back([&] { writer.run(server.port()); });
    std::this_thread::sleep_for(milliseconds(50 + random() % 300));
    server.kill();
    for (std::thread& thread : threads) thread.join();
  }
  server.start();
  Client client(server.port());
  uint64_t acknowledged = 0;
  for (Writer& writer : writers) {
    writer.check(client);
    acknowledged += writer.acknowledged();
  }
  MESSAGE(acknowledged << " acknowledged writes");
  CHECK(acknowledged > 100);
}

TEST_CASE("kill -9 under load loses nothing that was acknowledged") {
  kill_under_load("everysec");
  kill_under_load("always");
}

TEST_CASE("a clean stop keeps everything and says goodbye") {
  ServerProcess server;
  server.start();
  {
    Client client(server.port());
    for (int i = 0; i < 1000; ++i) {
      REQUIRE(client.call({"SET", "k" + std::to_string(i), std::to_string(i)}) == "+OK\r\n");
    }
  }
  CHECK(server.stop() == 0);
  CHECK_FALSE(std::filesystem::exists(server.unix_socket()));
  server.start();
  Client client(server.port());
  CHECK(client.call({"DBSIZE"}) == ":1000\r\n");
  CHECK(client.call({"GET", "k999"}) == "$3\r\n999\r\n");
}

TEST_CASE("replies with appendfsync always come in order, whatever waits for a sync") {
  ServerProcess server({"--appendfsync", "always", "--io-threads", "1"});
  server.start();
  Client client(server.port());
  std::string pipeline;
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    pipeline += request({"SET", "k", std::to_string(i)}) + request({"ECHO", std::to_string(i)});
    expected +=
        "+OK\r\n$" + std::to_string(std::to_string(i).size()) + "\r\n" + std::to_string(i) + "\r\n";
  }
  std::thread sender([&] { client.send(pipeline); });
  CHECK(client.read_exactly(expected.size()) == expected);
  sender.join();

  std::vector<std::thread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 20; ++t) {
    threads.emplace_back([&, t] {
      Client own(server.port());
      for (int i = 0; i < 50; ++i) {
        const std::string key = "t" + std::to_string(t);
        if (own.call({"SET", key, std::to_string(i)}) != "+OK\r\n") ++wrong;
        if (own.call({"GET", key}).find("\r\n" + std::to_string(i) + "\r\n") == std::string::npos) {
          ++wrong;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
}

TEST_CASE("a full disk refuses writes, serves reads, and writes again when there is room") {
  ServerProcess server({"--shards", "2", "--segment-size", "1mb"});
  SmallDisk disk(server.directory() + "/small", 16 << 20);
  if (!disk.mounted()) return;
  server.set_data_directory(disk.path() + "/data");
  server.start();
  {
    Client client(server.port());
    REQUIRE(client.call({"SET", "first", "value"}) == "+OK\r\n");
    const std::string filler(4000, 'f');
    std::string reply;
    int written = 0;
    for (int i = 0; i < 10000; ++i) {
      reply = client.call({"SET", "filler" + std::to_string(i), filler});
      if (reply != "+OK\r\n") break;
      ++written;
    }
    MESSAGE("refused after " << written << ": " << reply);
    CHECK(reply.starts_with("-"));
    CHECK(written > 1000);
    CHECK(client.call({"PING"}) == "+PONG\r\n");
    CHECK(client.call({"GET", "first"}) == "$5\r\nvalue\r\n");
    CHECK(client.call({"DEL", "filler0"}) == ":1\r\n");
    disk.resize(32 << 20);
    for (int i = 0; i < 30 && reply != "+OK\r\n"; ++i) {
      std::this_thread::sleep_for(milliseconds(100));
      reply = client.call({"SET", "after", "room"});
    }
    CHECK(reply == "+OK\r\n");
  }
  CHECK(server.stop() == 0);
  server.start();
  {
    Client client(server.port());
    CHECK(client.call({"GET", "first"}) == "$5\r\nvalue\r\n");
    CHECK(client.call({"GET", "after"}) == "$4\r\nroom\r\n");
    const bool deleted = client.call({"GET", "filler0"}) == "$-1\r\n";
    CHECK(deleted);
  }
  server.kill();
}

TEST_CASE("nobody waits for a sync that does not come once appendfsync is switched off") {
  ServerProcess server({"--appendfsync", "always", "--io-threads", "2"});
  server.start();
  constexpr int kClients = 16;
  std::vector<std::atomic<int>> done(kClients);
  std::atomic<bool> stopping{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < kClients; ++i) {
    threads.emplace_back([&, i] {
      Client client;
      if (!client.try_connect(server.port())) return;
      while (!stopping && client.call({"SET", std::to_string(i), "v"}) == "+OK\r\n") ++done[i];
    });
  }
  Client admin(server.port());
  for (int round = 0; round < 8; ++round) {
    std::this_thread::sleep_for(milliseconds(30));
    CHECK(admin.call({"CONFIG", "SET", "appendfsync", "no"}) == "+OK\r\n");
    std::this_thread::sleep_for(milliseconds(200));  // what was held then has left
    std::vector<int> before(done.begin(), done.end());
    std::this_thread::sleep_for(milliseconds(100));
    for (int i = 0; i < kClients; ++i) CHECK(done[i] > before[i]);
    CHECK(admin.call({"CONFIG", "SET", "appendfsync", "always"}) == "+OK\r\n");
  }
  stopping = true;
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("what waits for its sync is answered though a command behind it would wait for ever") {
  ServerProcess server({"--appendfsync", "always", "--io-threads", "2"});
  server.start();
  for (int i = 0; i < 50; ++i) {
    Client client(server.port());
    client.send(request({"SET", "key", std::to_string(i)}) + request({"BLPOP", "none", "0"}));
    client.end_input();
    CHECK(client.read_all() == "+OK\r\n");
  }
}

}  // namespace
}  // namespace respcask::e2e

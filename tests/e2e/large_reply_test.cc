// Large values, which are sent from where they lie.
#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/redis_client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

// Bytes that tell from the first few which all the others are.
std::string value_of(uint32_t seed, size_t size) {
  std::string value = std::to_string(seed) + ":" + std::to_string(size) + ":";
  std::minstd_rand random(seed + 1);
  while (value.size() < size) value.push_back(static_cast<char>(random() >> 8));
  value.resize(size);
  return value;
}

bool is_a_value(const std::string& bytes) {
  const size_t colon = bytes.find(':');
  if (colon == std::string::npos) return false;
  const auto seed = static_cast<uint32_t>(std::stoul(bytes));
  return bytes == value_of(seed, std::stoul(bytes.substr(colon + 1)));
}

std::string bulk(const std::string& bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + bytes + "\r\n";
}

// Reads a bulk reply; its bytes.
std::string read_bulk(Client& client) {
  const std::string header = client.read_line();
  REQUIRE(header.substr(0, 1) == "$");
  const std::string bytes = client.read_exactly(std::stoul(header.substr(1)) + 2);
  return bytes.substr(0, bytes.size() - 2);
}

void check_every_command(const std::string& mode, bool slow) {
  CAPTURE(mode);
  CAPTURE(slow);
  ServerProcess server({"--appendfsync", mode});
  server.start();
  Client client(server.port());
  if (slow) client.set_receive_buffer(64 * 1024);
  const std::string a = value_of(1, 1'500'000);
  const std::string b = value_of(2, 20'000);
  const std::string c = value_of(3, 300'000);
  const std::vector<std::pair<std::string, std::string>> steps = {
      // What was written a moment ago is not in the file yet, and is lent by nobody.
      {request({"SET", "a", a}) + request({"GET", "a"}), "+OK\r\n" + bulk(a)},
      {request({"SET", "b", b}), "+OK\r\n"},
      {request({"HSET", "h", "f", c, "g", b}) + request({"RPUSH", "l", b, "small", c}),
       ":2\r\n:3\r\n"},
      {request({"GET", "a"}), bulk(a)},
      {request({"GET", "a"}) + request({"PING"}) + request({"GET", "b"}),
       bulk(a) + "+PONG\r\n" + bulk(b)},
      {request({"MGET", "b", "none", "a", "b"}),
       "*4\r\n" + bulk(b) + "$-1\r\n" + bulk(a) + bulk(b)},
      {request({"HMGET", "h", "g", "f"}) + request({"HGET", "h", "f"}),
       "*2\r\n" + bulk(b) + bulk(c) + bulk(c)},
      {request({"LRANGE", "l", "0", "-1"}) + request({"LINDEX", "l", "-1"}),
       "*3\r\n" + bulk(b) + bulk("small") + bulk(c) + bulk(c)},
      {request({"MULTI"}) + request({"GET", "a"}) + request({"DEL", "a"}) + request({"GET", "a"}) +
           request({"SET", "a", c}) + request({"GET", "a"}) + request({"EXEC"}),
       "+OK\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n+QUEUED\r\n*5\r\n" + bulk(a) +
           ":1\r\n$-1\r\n+OK\r\n" + bulk(c)},
      {request({"CLIENT", "REPLY", "SKIP"}) + request({"GET", "a"}) + request({"GET", "b"}),
       bulk(b)},
      {request({"GETDEL", "b"}) + request({"GET", "b"}) + request({"LPOP", "l"}),
       bulk(b) + "$-1\r\n" + bulk(b)},
      {request({"GET", "a"}) + request({"FLUSHALL"}) + request({"GET", "a"}),
       bulk(c) + "+OK\r\n$-1\r\n"},
  };
  for (size_t i = 0; i < steps.size(); ++i) {
    CAPTURE(i);
    std::thread sender([&] { client.send(steps[i].first); });
    if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const bool as_expected = client.read_exactly(steps[i].second.size()) == steps[i].second;
    sender.join();
    REQUIRE(as_expected);
  }
}

TEST_CASE("large values come whole and in their place, from every command, to quick and slow") {
  check_every_command("everysec", false);
  check_every_command("everysec", true);
  check_every_command("always", false);
  check_every_command("always", true);
}

TEST_CASE("large replies stand while what they are of is overwritten, and merged away") {
  ServerProcess server({"--segment-size", "4mb", "--shards", "2"});
  server.start();
  constexpr uint32_t kKeys = 10;
  const auto set_request = [](uint32_t seed) {
    return request({"SET", "k" + std::to_string(seed % kKeys),
                    value_of(seed, 10'000 + seed * 7919 % 300'000)});
  };
  Client writer(server.port());
  // The machine's disk may refuse space for a moment, and that is not what this looks at.
  const auto set = [&](const std::string& request) {
    std::string reply;
    for (int i = 0; i < 100; ++i) {
      writer.send(request);
      reply = writer.read_line();
      if (!reply.starts_with("-MISCONF")) break;
      MESSAGE(reply << ", with " << std::filesystem::space(server.directory()).available
                    << " bytes available");
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
    return reply == "+OK";
  };
  for (uint32_t seed = 0; seed < kKeys; ++seed) REQUIRE(set(set_request(seed)));
  std::atomic<bool> done{false};
  std::atomic<int> wrong{0};
  std::vector<std::thread> readers;
  for (const bool slow : {false, false, true}) {
    readers.emplace_back([&, slow] {
      Client reader(server.port());
      if (slow) reader.set_receive_buffer(64 * 1024);
      while (!done) {
        reader.send(request({"GET", "k1"}) + request({"GET", "k2"}) +
                    request({"MGET", "k3", "k4"}));
        if (slow) std::this_thread::sleep_for(std::chrono::milliseconds(5));
        std::vector<std::string> values = {read_bulk(reader), read_bulk(reader)};
        if (reader.read_line() != "*2") ++wrong;
        values.push_back(read_bulk(reader));
        values.push_back(read_bulk(reader));
        for (const std::string& value : values) {
          if (!is_a_value(value)) ++wrong;
        }
      }
    });
  }
  RedisClient control(server.port());
  const auto merged = [&] { return *control.info_field("bitcask", "merges") != "0"; };
  const auto started = std::chrono::steady_clock::now();
  const auto passed = [&](int seconds) {
    return std::chrono::steady_clock::now() - started > std::chrono::seconds(seconds);
  };
  // On a busy machine it takes longer until there is something to merge.
  for (uint32_t seed = kKeys; !passed(3) || (!merged() && !passed(60)); ++seed) {
    REQUIRE(set(set_request(seed)));
    // Something that stays in each segment, or those would go unmerged.
    REQUIRE(set(request({"SET", "stays" + std::to_string(seed), "here"})));
    if (seed % 100 == 0) REQUIRE(writer.call({"BGREWRITEAOF"}).front() == '+');
  }
  done = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(wrong == 0);
  CHECK(merged());
}

}  // namespace
}  // namespace respcask::e2e

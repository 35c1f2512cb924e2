// Linearizability: many clients on hot keys, with merges running and now and then a kill -9, see
// what they could see if one operation were done after the other; and the checker that says so
// finds what is wrong. RESPCASK_LINEAR_OPERATIONS, RESPCASK_SEED: see scripts/linear.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/asked.h"
#include "tests/e2e/redis_client.h"
#include "tests/e2e/server_process.h"
#include "tests/linear/history.h"
#include "tests/linear/recorder.h"

namespace respcask::linear {
namespace {

using e2e::RedisClient;
using e2e::ServerProcess;
using std::chrono::milliseconds;
using History = std::vector<Operation>;

constexpr int kClients = 20;

// --- the checker

bool before(const Operation& first, const Operation& second) {
  return !first.maybe && first.end_ns < second.begin_ns;
}

// Each makes a good history a bad one, if it has the operations for it.

// A read sees a value that had been overwritten before it began.
bool plant_stale_read(History& history) {
  for (Operation& read : history) {
    if (read.kind != Kind::kRead || read.maybe) continue;
    for (const Operation& newer : history) {
      if (newer.kind != Kind::kWrite || !before(newer, read)) continue;
      for (const Operation& older : history) {
        if (older.kind != Kind::kWrite || !before(older, newer)) continue;
        read.result = older.argument;
        return true;
      }
    }
  }
  return false;
}

// A read sees nothing although a write had ended.
bool plant_lost_write(History& history) {
  for (Operation& read : history) {
    if (read.kind != Kind::kRead || read.maybe) continue;
    for (const Operation& write : history) {
      if (write.kind != Kind::kWrite || !before(write, read)) continue;
      read.result = 0;
      return true;
    }
  }
  return false;
}

// A read sees what is written only later.
bool plant_early_read(History& history) {
  for (Operation& read : history) {
    for (const Operation& write : history) {
      if (read.kind != Kind::kRead || write.kind != Kind::kWrite || !before(read, write)) continue;
      read.result = write.argument;
      return true;
    }
  }
  return false;
}

// Two additions come to the same sum, or two insertions of a member both find it new.
bool plant_lost_update(History& history) {
  for (size_t i = 0; i < history.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      Operation& first = history[j];
      Operation& second = history[i];
      if (first.maybe || second.maybe || first.kind != second.kind) continue;
      if (first.kind == Kind::kAdd) {
        second.result = first.result;
        return true;
      }
      if (first.kind == Kind::kInsert && first.argument == second.argument) {
        first.result = second.result = 1;
        return true;
      }
    }
  }
  return false;
}

struct Plant {
  std::vector<Kind> kinds;
  bool (*plant)(History&);
};

TEST_CASE("the checker takes 500 good histories and rejects 100 of 100 planted bad ones") {
  const Plant plants[] = {
      {{Kind::kRead, Kind::kWrite}, plant_stale_read},
      {{Kind::kRead, Kind::kWrite}, plant_lost_write},
      {{Kind::kRead, Kind::kWrite}, plant_early_read},
      {{Kind::kAdd, Kind::kRead}, plant_lost_update},
      {{Kind::kInsert, Kind::kContains, Kind::kCount}, plant_lost_update},
  };
  std::mt19937_64 random(20261127);
  int rejected = 0;
  int planted = 0;
  for (const Plant& plant : plants) {
    for (int done = 0; done < 20;) {
      const int clients = 3 + static_cast<int>(random() % 6);
      History history = simulate(plant.kinds, clients, 60, random);
      REQUIRE(linearizable(history));
      if (!plant.plant(history)) continue;
      ++done;
      ++planted;
      rejected += linearizable(history) ? 0 : 1;
    }
  }
  CHECK(planted == 100);
  CHECK(rejected == 100);
  const std::vector<Kind> all[] = {
      {Kind::kRead, Kind::kWrite, Kind::kWriteIfAbsent, Kind::kExchange, Kind::kDelete},
      {Kind::kInsert, Kind::kErase, Kind::kContains, Kind::kCount},
  };
  for (int i = 0; i < 400; ++i) CHECK(linearizable(simulate(all[i % 2], 12, 300, random)));
}

TEST_CASE("an operation without a reply may have happened, once, or not at all") {
  const auto at = [](int64_t begin, int64_t end, Kind kind, uint64_t argument, uint64_t result) {
    return Operation{kind, argument, 0, result, begin, end, false};
  };
  Operation lost = at(1, 0, Kind::kAdd, 5, 0);
  lost.maybe = true;
  const auto reads = [&](std::initializer_list<uint64_t> values) {
    History history{lost};
    int64_t now = 10;
    for (const uint64_t value : values) {
      history.push_back(at(now, now + 1, Kind::kRead, 0, value));
      now += 2;
    }
    return linearizable(history);
  };
  CHECK(reads({0, 0, 0}));
  CHECK(reads({5, 5}));
  CHECK(reads({0, 5}));
  CHECK_FALSE(reads({5, 0}));
  CHECK_FALSE(reads({0, 10}));
}

// --- the server

// Garbage for merges, until `stop`.
void churn(int port, uint64_t seed, const std::atomic<bool>& stop) {
  std::mt19937_64 random(seed);
  while (!stop) {
    RedisClient client(port);
    while (!stop && client.connected()) {
      for (int i = 0; i < 8; ++i) {
        client.queue({"SET", "churn:" + std::to_string(random() % 300), std::string(4000, 'c')});
      }
      for (int i = 0; i < 8; ++i) client.read();
    }
    std::this_thread::sleep_for(milliseconds(5));
  }
}

// Other elements, so that the collection is split.
void grow(int port, const Object& object) {
  RedisClient client(port);
  for (int i = 0; i < 4; ++i) {
    const std::string name = std::string(50, 'e') + std::to_string(i);
    const Shape shape = object.shape();
    if (shape == Shape::kField || shape == Shape::kFieldCounter) {
      client.call({"HSET", object.key(), name, "v"});
    } else if (shape == Shape::kScore || shape == Shape::kScoreCounter) {
      client.call({"ZADD", object.key(), "1", name});
    }
  }
}

std::string save(const Object& object, uint64_t seed) {
  const auto path = std::filesystem::temp_directory_path() /
                    ("respcask-linear-" + std::to_string(seed) + "-" + object.key());
  std::ofstream file(path);
  History history = object.history();
  std::sort(history.begin(), history.end(),
            [](const Operation& a, const Operation& b) { return a.begin_ns < b.begin_ns; });
  for (const Operation& operation : history) {
    file << operation.begin_ns << ' ' << (operation.maybe ? 0 : operation.end_ns) << " kind "
         << static_cast<int>(operation.kind) << " argument " << operation.argument << " expected "
         << operation.expected << " result " << operation.result << '\n';
  }
  return path.string();
}

// Histories of some tenths of a second on keys of their own; returns how many operations there
// were.
uint64_t run_round(ServerProcess& server, uint64_t seed, uint64_t round) {
  std::mt19937_64 random(seed);
  std::deque<Object> objects;
  for (const Shape shape : {Shape::kString, Shape::kString, Shape::kField, Shape::kScore,
                            Shape::kCounter, Shape::kFieldCounter, Shape::kScoreCounter,
                            Shape::kMembers, Shape::kGroup, Shape::kGroup}) {
    objects.emplace_back(shape, std::to_string(round) + "-" + std::to_string(objects.size()));
    if (random() % 2 == 0) grow(server.port(), objects.back());
  }
  std::vector<Object*> shared;
  for (Object& object : objects) shared.push_back(&object);
  std::atomic<uint64_t> values{0};
  std::atomic<bool> stop{false};
  std::deque<Recorder> recorders;
  for (int i = 0; i < kClients; ++i)
    recorders.emplace_back(server.port(), random(), shared, &values);
  std::vector<std::thread> threads;
  for (Recorder& recorder : recorders) threads.emplace_back([&] { recorder.run(stop); });
  threads.emplace_back(churn, server.port(), random(), std::cref(stop));
  std::this_thread::sleep_for(milliseconds(100 + random() % 200));
  if (random() % 2 == 0) {
    server.kill();
    server.start();
  }
  std::this_thread::sleep_for(milliseconds(100 + random() % 200));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  uint64_t operations = 0;
  for (const Recorder& recorder : recorders) {
    CHECK(recorder.fault() == "");
    operations += recorder.operations();
  }
  for (const Object& object : objects) {
    if (!linearizable(object.history())) {
      FAIL("no order explains what was seen; the history is in " << save(object, seed));
    }
  }
  return operations;
}

TEST_CASE("what clients see of hot keys is linearizable, through merges and kill -9") {
  const uint64_t seed = asked("RESPCASK_SEED").value_or(std::random_device{}());
  const uint64_t enough = asked("RESPCASK_LINEAR_OPERATIONS").value_or(20000);
  MESSAGE("seed " << seed);
  std::mt19937_64 random(seed);
  ServerProcess server({"--bind", "127.0.0.1", "--io-threads", "3", "--shards", "4",
                        "--segment-size", "1mb", "--merge-trigger-garbage", "5",
                        "--merge-stop-garbage", "2", "--auto-aof-rewrite-min-size", "256kb",
                        "--merge-bytes-per-second", "0", "--collection-split-bytes", "64"});
  server.start();
  uint64_t operations = 0;
  uint64_t rounds = 0;
  while (operations < enough) operations += run_round(server, random(), rounds++);
  MESSAGE(operations << " operations in " << rounds << " rounds");
}

}  // namespace
}  // namespace respcask::linear

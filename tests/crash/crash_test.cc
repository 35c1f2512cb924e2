// kill -9, again and again: what was acknowledged is there, transactions are whole or absent, and a
// second start finds what the first one did.
//
// Every store lives for some cycles, each with load from several writers, a kill, and two restarts.
// A fifth of the kills are aimed at recovery, a merge, a backup, or the writing of hints. The seed
// draws everything but what the scheduler does. RESPCASK_KILL_CYCLES, RESPCASK_SEED: see
// scripts/crash.
#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <deque>
#include <filesystem>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/asked.h"
#include "tests/crash/writer.h"
#include "tests/e2e/redis_client.h"
#include "tests/e2e/server_process.h"

namespace respcask::crash {
namespace {

using e2e::RedisClient;
using e2e::ServerProcess;
using std::chrono::microseconds;
using std::chrono::milliseconds;

constexpr int kCyclesOfStore = 20;
constexpr uint64_t kCyclesBetweenWords = 25 * kCyclesOfStore;
constexpr int kWriters = 4;

enum class Moment : uint8_t { kLoad, kRecovery, kMerge, kBackup, kHints };
constexpr const char* kMomentNames[] = {"load", "recovery", "merge", "backup", "hints"};

class Store {
 public:
  Store(uint64_t seed) : random_(seed), server_(options()) {
    for (int i = 0; i < kWriters; ++i) writers_.emplace_back(i, random_());
  }

  // Load, a kill, two starts. What is wrong, "" if nothing.
  std::string cycle() {
    server_.start();
    std::vector<std::thread> threads;
    for (Writer& writer : writers_) threads.emplace_back([&] { writer.run(server_.port()); });
    std::this_thread::sleep_for(milliseconds(30 + random_() % 220));
    const Moment moment = draw_moment();
    ++kills_[static_cast<size_t>(moment)];
    kill_at(moment);
    for (std::thread& thread : threads) thread.join();
    if (moment == Moment::kRecovery) interrupt_recovery();

    server_.start();
    for (Writer& writer : writers_) {
      if (std::string fault = writer.check(server_.port()); !fault.empty()) return fault;
    }
    if (random_() % 2 == 0) {
      server_.kill();
    } else if (server_.stop() != 0) {
      return "it does not stop well";
    }
    server_.start();
    for (Writer& writer : writers_) {
      std::string fault = writer.check_unchanged(server_.port());
      if (!fault.empty()) return fault;
    }
    server_.kill();
    return "";
  }

  // What respcask-check says of the files: "" if they are sound.
  std::string check_files() {
    server_.start();
    if (server_.stop() != 0) return "it does not stop well";
    const char* const binary = std::getenv("RESPCASK_SERVER");
    const auto check =
        std::filesystem::path(binary != nullptr ? binary : "build/server/respcask-server")
            .replace_filename("respcask-check");
    const std::string command = check.string() + " " + server_.data_directory() + " >" +
                                server_.directory() + "/check.log 2>&1";
    return std::system(command.c_str()) == 0 ? "" : "respcask-check finds damage";
  }

  // A copy of the files for whoever looks into a failure.
  std::string keep(uint64_t seed) {
    server_.kill();
    const auto kept =
        std::filesystem::temp_directory_path() / ("respcask-crash-" + std::to_string(seed));
    std::error_code ignored;
    std::filesystem::copy(server_.directory(), kept, std::filesystem::copy_options::recursive,
                          ignored);
    return kept.string();
  }

  uint64_t kills(size_t moment) const { return kills_[moment]; }
  uint64_t acknowledged() const {
    uint64_t sum = 0;
    for (const Writer& writer : writers_) sum += writer.acknowledged();
    return sum;
  }
  uint64_t pending() const {
    uint64_t sum = 0;
    for (const Writer& writer : writers_) sum += writer.pending_at_kills();
    return sum;
  }
  const std::vector<std::string>& options_drawn() const { return options_; }

 private:
  std::vector<std::string> options() {
    const auto one_of = [this](std::initializer_list<const char*> values) {
      return std::string(values.begin()[random_() % values.size()]);
    };
    options_ = {"--bind",
                "127.0.0.1",
                "--shards",
                one_of({"1", "2", "3", "8"}),
                "--io-threads",
                one_of({"2", "2", "3"}),
                "--appendfsync",
                one_of({"everysec", "always", "no"}),
                "--segment-size",
                "1mb",
                "--merge-trigger-garbage",
                one_of({"5", "25"}),
                "--merge-stop-garbage",
                "2",
                "--auto-aof-rewrite-min-size",
                "256kb",
                "--merge-bytes-per-second",
                one_of({"0", "4mb"}),
                "--collection-split-bytes",
                one_of({"64", "512", "2kb"}),
                "--string-chunk-threshold",
                one_of({"1kb", "64kb"}),
                "--scrub-bytes-per-second",
                one_of({"0", "1mb"}),
                "--backups-kept",
                "2"};
    return options_;
  }

  Moment draw_moment() {
    const uint64_t drawn = random_() % 20;
    return drawn < 4 ? static_cast<Moment>(drawn + 1) : Moment::kLoad;
  }

  void kill_at(Moment moment) {
    if (moment == Moment::kMerge || moment == Moment::kBackup) {
      RedisClient client(server_.port());
      client.queue({moment == Moment::kMerge ? "BGREWRITEAOF" : "BGSAVE"});
      client.flush();
      std::this_thread::sleep_for(microseconds(random_() % 20000));
    } else if (moment == Moment::kHints) {
      // A server that stops writes the hints of what it has open.
      ::kill(server_.pid(), SIGTERM);
      std::this_thread::sleep_for(microseconds(random_() % 10000));
    }
    server_.kill();
  }

  void interrupt_recovery() {
    for (uint64_t left = 1 + random_() % 3; left > 0; --left) {
      server_.launch();
      std::this_thread::sleep_for(microseconds(random_() % 40000));
      server_.kill();
    }
  }

  std::mt19937_64 random_;
  std::vector<std::string> options_;
  ServerProcess server_;
  std::deque<Writer> writers_;
  uint64_t kills_[std::size(kMomentNames)] = {};
};

TEST_CASE("what was acknowledged survives kill -9 at any moment, for every type") {
  const uint64_t seed = asked("RESPCASK_SEED").value_or(std::random_device{}());
  const uint64_t cycles = asked("RESPCASK_KILL_CYCLES").value_or(10);
  MESSAGE("seed " << seed << ", " << cycles << " cycles");
  std::mt19937_64 random(seed);
  uint64_t kills[std::size(kMomentNames)] = {};
  uint64_t acknowledged = 0;
  uint64_t pending = 0;
  for (uint64_t done = 0; done < cycles;) {
    Store store(random());
    std::string fault;
    for (int i = 0; i < kCyclesOfStore && done < cycles && fault.empty(); ++i, ++done) {
      fault = store.cycle();
    }
    if (fault.empty()) fault = store.check_files();
    std::string options;
    for (const std::string& word : store.options_drawn()) options += word + " ";
    if (!fault.empty()) {
      FAIL(fault << "\nin cycle " << done << " of seed " << seed << ", with " << options
                 << "\nthe files are in " << store.keep(seed));
    }
    for (size_t m = 0; m < std::size(kills); ++m) kills[m] += store.kills(m);
    acknowledged += store.acknowledged();
    pending += store.pending();
    if (done % kCyclesBetweenWords == 0) MESSAGE(done << " cycles");
  }
  std::string moments;
  for (size_t m = 0; m < std::size(kills); ++m) {
    moments += std::string(", ") + std::to_string(kills[m]) + " at " + kMomentNames[m];
  }
  MESSAGE(cycles << " kills" << moments << "; " << acknowledged << " operations acknowledged, "
                 << pending << " pending at a kill");
  CHECK(acknowledged > cycles);
}

// The test of the test: what a faulty store might show is not explained.
TEST_CASE("the kill -9 test finds what is lost, old, torn apart, or back from the dead") {
  const auto set = [](const std::string& key, const std::string& text) {
    return Operation{{{"SET", key, text}}, {key}, [=](Keyspace& keys) { keys[key].text = text; }};
  };
  Keyspace known;
  known["s:0"].text = "old";
  const Operation both{{{"MSET", "s:0", "new", "s:1", "new"}}, {"s:0", "s:1"}, [](Keyspace& keys) {
                         keys["s:0"].text = keys["s:1"].text = "new";
                       }};
  const std::deque<Operation> pending{both, set("s:0", "newer"), set("s:2", "other")};
  const auto fault = [&](std::map<std::string, std::string> found) {
    Observation read{{}, 1000, 1001};
    for (const auto& [key, text] : found) read.keys[key].text = text;
    return explain(known, pending, read);
  };
  CHECK(fault({{"s:0", "old"}}) == "");
  CHECK(fault({{"s:0", "new"}, {"s:1", "new"}}) == "");
  CHECK(fault({{"s:0", "newer"}, {"s:1", "new"}, {"s:2", "other"}}) == "");
  CHECK(fault({{"s:0", "old"}, {"s:2", "other"}}) == "");
  CHECK(fault({}) != "");                                // lost
  CHECK(fault({{"s:0", "older"}}) != "");                // never written
  CHECK(fault({{"s:0", "new"}}) != "");                  // half of a transaction
  CHECK(fault({{"s:0", "newer"}}) != "");                // the same, overwritten since
  CHECK(fault({{"s:0", "old"}, {"s:1", "new"}}) != "");  // the other half
  CHECK(fault({{"s:0", "old"}, {"h:0", ""}}) != "");     // from nowhere
  Observation late{{}, 1000, 1001};
  Value expired{.text = "old", .expiry_ms = 900};
  known["s:0"] = expired;
  CHECK(explain(known, {}, late) == "");
  late.keys["s:0"] = expired;
  CHECK(explain(known, {}, late) != "");  // back from the dead
}

}  // namespace
}  // namespace respcask::crash

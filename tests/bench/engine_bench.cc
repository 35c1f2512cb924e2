// Benchmarks of the engine as a library. scripts/bench_engine runs them and says what they mean.
//
// usage: engine-bench sizes DIR MOST     puts and random gets in stores of 10, 100, ... MOST
// entries
//        engine-bench merge DIR          a full merge under a steady load
//        engine-bench space DIR RATE     file sizes and bytes merged while RATE keys a second are
//                                        overwritten
//        engine-bench load DIR ENTRIES   opening a store of ENTRIES keys from its hints
//
// Writes what it measured as lines of "name value name value ...". DIR must not exist, and is
// removed at the end.

#include <fmt/compile.h>
#include <fmt/format.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "engine/bitcask.h"

using namespace respcask;
using Clock = std::chrono::steady_clock;

namespace {

constexpr uint64_t kSeed = 20261123;  // the same keys in every run

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Processor time of the calling thread.
double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// Processor time of all threads, in user and system mode.
double process_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

// How much of the machine's processors other processes took meanwhile, 0 to 1: what stands beside a
// large share of it is no measurement.
class OthersShare {
 public:
  double share() const {
    const double seconds = seconds_since(start_) * std::thread::hardware_concurrency();
    const double others = machine_seconds() - machine_ - (process_seconds() - process_);
    return std::clamp(others / seconds, 0.0, 1.0);
  }

 private:
  // Time that was not idle, of all processors; /proc/stat's first line, see proc(5).
  static double machine_seconds() {
    std::ifstream stat("/proc/stat");
    std::string name;
    stat >> name;
    double busy = 0;
    for (int column = 0; column < 8; ++column) {
      double ticks = 0;
      stat >> ticks;
      constexpr int kIdle = 3, kIoWait = 4;
      if (column != kIdle && column != kIoWait) busy += ticks;
    }
    return busy / static_cast<double>(sysconf(_SC_CLK_TCK));
  }

  Clock::time_point start_ = Clock::now();
  double machine_ = machine_seconds();
  double process_ = process_seconds();
};

[[noreturn]] void fail(std::string_view message) {
  fmt::print(stderr, "{}\n", message);
  std::exit(1);
}

template <class T>
T value_of(Result<T> result) {
  if (!result) fail(result.error().message);
  return *std::move(result);
}

void check(const Result<void>& result) {
  if (!result) fail(result.error().message);
}

// SplitMix64: G. Steele, D. Lea and C. Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014. A permutation of the numbers, so the keys of different numbers differ.
uint64_t mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15 + kSeed;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

// The i-th key, 16 random characters.
struct Key {
  explicit Key(uint64_t i) { fmt::format_to(text, FMT_COMPILE("{:016x}"), mix(i)); }
  operator std::string_view() const { return {text, sizeof text}; }
  char text[16];
};

// --- sizes --------------------------------------------------------------------------------------

// Nanoseconds of processor time that call(key) takes for random keys of `entries`: what is in
// memory does not wait. Many short rounds, of which the lower quartile counts: what else the
// machine does to its caches disturbs only some of them.
template <class Call>
double time_of(uint64_t entries, Call call) {
  constexpr int kRounds = 40;
  constexpr uint64_t kCalls = 10'000;
  std::vector<double> rounds;
  uint64_t next = 0;
  for (int round = 0; round < kRounds; ++round) {
    std::vector<Key> keys;
    for (uint64_t i = 0; i < kCalls; ++i) keys.emplace_back(mix(~next++) % entries);
    const double start = thread_seconds();
    for (const Key& key : keys) call(key);
    rounds.push_back((thread_seconds() - start) * 1e9 / kCalls);
  }
  std::sort(rounds.begin(), rounds.end());
  return rounds[kRounds / 4];
}

// What it takes to get the same values where there is no store at all.
double map_get_ns(uint64_t entries, std::string_view value) {
  std::unordered_map<std::string, std::string> map;
  for (uint64_t i = 0; i < entries; ++i) map.emplace(std::string_view(Key(i)), value);
  uint64_t found = 0;
  const double ns = time_of(entries, [&](const Key& key) {
    const std::string copy = map.find(std::string(std::string_view(key)))->second;
    found += copy.size();
  });
  if (found == 0) fail("nothing was found");
  return ns;
}

void measure_size(const std::string& dir, uint64_t entries) {
  const std::string value(10, 'v');
  Bitcask store = value_of(Bitcask::open({.dir = dir}));
  const double start = thread_seconds();
  for (uint64_t i = 0; i < entries; ++i) check(store.put(Key(i), value));
  const double put_ns = (thread_seconds() - start) * 1e9 / static_cast<double>(entries);
  check(store.sync());
  std::this_thread::sleep_for(std::chrono::seconds(1));  // hints of what was sealed
  const double get_ns = time_of(entries, [&](const Key& key) {
    if (!value_of(store.get(key))) fail("a key is missing");
  });
  const Stats stats = value_of(store.stats());
  check(store.close());
  std::filesystem::remove_all(dir);
  fmt::print("entries {} put_ns {:.0f} get_ns {:.0f} map_get_ns {:.0f} file_bytes {} keydir {}\n",
             entries, put_ns, get_ns, map_get_ns(entries, value), stats.file_bytes,
             stats.memory_bytes);
  std::fflush(stdout);
}

// --- merge --------------------------------------------------------------------------------------

constexpr uint64_t kKeys = 2'000'000;
constexpr size_t kValueBytes = 200;
constexpr int kThreads = 2;

// Random gets and puts, half and half, over the same keys as before.
struct Load {
  double rate = 0;  // calls a second reached
  double p50_us = 0;
  double p99_us = 0;
  double p999_us = 0;
  double longest_us = 0;
  double others = 0;  // OthersShare
};

// Until `stop`, at `rate` calls a second over all threads (0: as fast as they can).
Load run_load(Bitcask& store, double rate, std::atomic<bool>& stop) {
  const OthersShare others;
  std::vector<std::vector<uint32_t>> times(kThreads);
  const auto start = Clock::now();
  auto work = [&](int number) {
    const std::string value(kValueBytes, static_cast<char>('a' + number));
    uint64_t state = mix(static_cast<uint64_t>(start.time_since_epoch().count() + number));
    auto& mine = times[number];
    mine.reserve(1 << 22);
    for (uint64_t i = 0; !stop.load(std::memory_order_relaxed); ++i) {
      if (rate > 0) {
        // Calls come in bursts of a quarter of a millisecond's, as requests come off a network.
        const double due = static_cast<double>(i) * kThreads / rate;
        while (seconds_since(start) < due && !stop) {
          std::this_thread::sleep_for(std::chrono::microseconds(250));
        }
      }
      state = mix(state);
      const Key key(state % kKeys);
      const auto before = Clock::now();
      if (state >> 63 == 0) {
        value_of(store.get(key));
      } else {
        check(store.put(key, value));
      }
      const auto took = std::chrono::duration_cast<std::chrono::nanoseconds>(Clock::now() - before);
      mine.push_back(static_cast<uint32_t>(std::min<int64_t>(took.count(), UINT32_MAX)));
    }
  };
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) threads.emplace_back(work, i);
  for (auto& thread : threads) thread.join();
  const double seconds = seconds_since(start);
  const double others_share = others.share();
  std::vector<uint32_t> all;
  for (auto& mine : times) all.insert(all.end(), mine.begin(), mine.end());
  std::sort(all.begin(), all.end());
  if (all.empty()) fail("nothing was done");
  auto at = [&](double share) {
    return all[static_cast<size_t>(share * static_cast<double>(all.size() - 1))] / 1e3;
  };
  return {
      static_cast<double>(all.size()) / seconds, at(0.5), at(0.99), at(0.999), at(1), others_share};
}

Load run_load_for(Bitcask& store, double rate, double seconds) {
  std::atomic<bool> stop{false};
  std::thread clock([&] {
    std::this_thread::sleep_for(std::chrono::duration<double>(seconds));
    stop = true;
  });
  const Load load = run_load(store, rate, stop);
  clock.join();
  return load;
}

void print_load(std::string_view name, const Load& load) {
  fmt::print(
      "load {} rate {:.0f} p50_us {:.2f} p99_us {:.2f} p999_us {:.2f} longest_us {:.0f} "
      "others {:.3f}\n",
      name, load.rate, load.p50_us, load.p99_us, load.p999_us, load.longest_us, load.others);
  std::fflush(stdout);
}

void print_stats(const Stats& stats) {
  fmt::print("live_bytes {} file_bytes {} merge_bytes_written {}\n", stats.live_bytes,
             stats.file_bytes, stats.merge_bytes_written);
  std::fflush(stdout);
}

// Overwrites keys until half of the files is garbage.
void make_garbage(Bitcask& store, uint64_t& state, std::string_view value) {
  for (;;) {
    const Stats stats = value_of(store.stats());
    if (stats.live_bytes * 2 <= stats.file_bytes) break;
    for (uint64_t i = 0; i < kKeys / 100; ++i) {
      state = mix(state);
      check(store.put(Key(state % kKeys), value));
    }
  }
  check(store.sync());
  std::this_thread::sleep_for(std::chrono::seconds(1));
}

void measure_merge(const std::string& dir) {
  constexpr double kSeconds = 4;  // what is put in that time is less than there is
  constexpr int kRounds = 3;
  // Nothing is merged until it is asked for.
  Bitcask store = value_of(Bitcask::open(
      {.dir = dir, .segment_bytes = 64 << 20, .merge_trigger = 0.99, .merge_stop = 0.99}));
  const std::string value(kValueBytes, 'v');
  for (uint64_t i = 0; i < kKeys; ++i) check(store.put(Key(i), value));
  print_load("warm", run_load_for(store, 0, 2));
  const Load peak = run_load_for(store, 0, kSeconds);
  print_load("peak", peak);
  uint64_t state = 0;
  for (int round = 0; round < kRounds; ++round) {
    check(store.merge());
    print_load("half", run_load_for(store, peak.rate / 2, kSeconds));
    make_garbage(store, state, value);
    print_stats(value_of(store.stats()));
    std::atomic<bool> stop{false};
    double seconds = 0;
    std::thread merging([&] {
      const auto start = Clock::now();
      check(store.merge());
      seconds = seconds_since(start);
      stop = true;
    });
    const Load merged = run_load(store, peak.rate / 2, stop);
    merging.join();
    print_load("half_merging", merged);
    fmt::print("merge_seconds {:.1f}\n", seconds);
    print_stats(value_of(store.stats()));
  }
}

// --- space --------------------------------------------------------------------------------------

void measure_space(const std::string& dir, double rate) {
  constexpr int kRounds = 12;
  constexpr uint64_t kPuts = 400'000;  // a round: as many as there are keys
  const std::string value(kValueBytes, 'v');
  Bitcask store = value_of(Bitcask::open({.dir = dir}));
  for (uint64_t i = 0; i < kPuts; ++i) check(store.put(Key(i), value));
  uint64_t state = 0;
  for (int round = 0; round < kRounds; ++round) {
    const uint64_t merged = value_of(store.stats()).merge_bytes_written;
    const OthersShare others;
    const auto start = Clock::now();
    double most = 0;
    double now = 0;
    for (uint64_t i = 0; i < kPuts; ++i) {
      while (seconds_since(start) < static_cast<double>(i) / rate) {
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
      }
      state = mix(state);
      check(store.put(Key(state % kPuts), value));
      if (i % 1'000 != 0) continue;
      const Stats stats = value_of(store.stats());
      now = static_cast<double>(stats.file_bytes) / static_cast<double>(stats.live_bytes);
      most = std::max(most, now);
    }
    const uint64_t copied = value_of(store.stats()).merge_bytes_written - merged;
    fmt::print("round {} most_space {:.3f} space {:.3f} copied {:.3f} rate {:.0f} others {:.3f}\n",
               round, most, now,
               static_cast<double>(copied) / static_cast<double>(kPuts * (16 + kValueBytes)),
               kPuts / seconds_since(start), others.share());
    std::fflush(stdout);
  }
}

// --- load ---------------------------------------------------------------------------------------

void measure_load(const std::string& dir, uint64_t entries) {
  constexpr int kRounds = 5;
  const std::string value(10, 'v');
  {
    Bitcask store = value_of(Bitcask::open({.dir = dir}));
    for (uint64_t i = 0; i < entries; ++i) check(store.put(Key(i), value));
    check(store.close());
  }
  for (int round = 0; round < kRounds; ++round) {
    const OthersShare others;
    const auto start = Clock::now();
    const double cpu = process_seconds();
    Bitcask store = value_of(Bitcask::open({.dir = dir}));
    const double cpu_seconds = process_seconds() - cpu;
    const double seconds = seconds_since(start);
    const Stats stats = value_of(store.stats());
    if (stats.keys != entries) fail("keys are missing");
    fmt::print("round {} entries {} seconds {:.3f} cpu_seconds {:.3f} keydir {} others {:.3f}\n",
               round, entries, seconds, cpu_seconds, stats.memory_bytes, others.share());
    std::fflush(stdout);
    check(store.close());
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view mode = argc > 2 ? argv[1] : "";
  const std::string dir = argc > 2 ? argv[2] : "";
  if (mode.empty() || std::filesystem::exists(dir)) {
    fail(
        "usage: engine-bench sizes DIR MOST | merge DIR | space DIR RATE | load DIR ENTRIES; DIR "
        "must "
        "not exist");
  }
  if (mode == "sizes") {
    const uint64_t most = argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 1'000'000;
    for (uint64_t entries = 10; entries <= most; entries *= 10) measure_size(dir, entries);
  } else if (mode == "merge") {
    measure_merge(dir);
  } else if (mode == "space") {
    measure_space(dir, argc > 3 ? std::strtod(argv[3], nullptr) : 50'000);
  } else if (mode == "load") {
    measure_load(dir, argc > 3 ? std::strtoull(argv[3], nullptr, 10) : 10'000'000);
  } else {
    fail("no such benchmark");
  }
  std::filesystem::remove_all(dir);
  return 0;
}

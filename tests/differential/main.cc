// usage: differential [--commands N] [--seed S] [--episode N] [--restarts] [--extremes N]
//                     [--keep-going] [--family NAME]... [--oracle BINARY] [--subject BINARY]
//                     [--subject-redis] [--split-bytes N]
//
// Sends the same random commands to Debian's redis-server and to respcask-server, and compares what
// they answer byte for byte. Exit status 0: they agree; 1: they do not; 2: it could not be tried.
//
// --extremes N: instead of random commands, N variants of each row of the table, and each of them
// with each number in it replaced by each value at which something might go wrong.
//
// --split-bytes N: the server's collection-split-bytes, 200 unless given.
//
// A run is episodes that begin with empty servers; each has a seed of its own, printed when it
// fails, so that --seed repeats the one that matters at once.
#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <system_error>
#include <vector>

#include "tests/differential/duel.h"

namespace respcask::differential {
namespace {

struct Settings {
  size_t commands = 20000;
  size_t episode = 5000;
  uint64_t seed = 0;
  bool restarts = false;
  size_t extremes = 0;
  std::string split_bytes = "200";
  bool keep_going = false;
  std::vector<std::string> families;
  std::string oracle = "redis-server";
  std::string subject = "build/server/respcask-server";
  bool subject_is_redis = false;
};

Settings read_settings(int argc, char** argv) {
  Settings settings;
  if (const char* path = std::getenv("RESPCASK_SERVER")) settings.subject = path;
  settings.seed = std::random_device{}();
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    const auto value = [&] {
      if (i + 1 >= argc) throw std::runtime_error(name + " wants a value");
      return std::string(argv[++i]);
    };
    const auto number = [&] {
      const std::string text = value();
      uint64_t parsed = 0;
      const char* const end = text.data() + text.size();
      const auto [parsed_to, error] = std::from_chars(text.data(), end, parsed);
      if (error != std::errc() || parsed_to != end) {
        throw std::runtime_error(name + " wants a number, not '" + text + "'");
      }
      return parsed;
    };
    if (name == "--commands") {
      settings.commands = number();
    } else if (name == "--episode") {
      settings.episode = std::max<uint64_t>(number(), 1);
    } else if (name == "--seed") {
      settings.seed = number();
    } else if (name == "--restarts") {
      settings.restarts = true;
    } else if (name == "--extremes") {
      settings.extremes = number();
    } else if (name == "--split-bytes") {
      settings.split_bytes = value();
    } else if (name == "--keep-going") {
      settings.keep_going = true;
    } else if (name == "--family") {
      settings.families.push_back(value());
    } else if (name == "--oracle") {
      settings.oracle = value();
    } else if (name == "--subject") {
      settings.subject = value();
    } else if (name == "--subject-redis") {
      settings.subject_is_redis = true;
      settings.subject = "redis-server";
    } else {
      throw std::runtime_error("unknown option " + name);
    }
  }
  return settings;
}

// What a busy machine makes slow in one server alone is no difference.
const std::vector<std::string> kCommonOptions{"--bind", "127.0.0.1", "--slowlog-log-slower-than",
                                              "60000000"};

std::unique_ptr<Process> oracle(const std::string& binary) {
  std::vector<std::string> options{"--save", "", "--appendonly", "no"};
  options.insert(options.end(), kCommonOptions.begin(), kCommonOptions.end());
  return std::make_unique<Process>(binary, options);
}

std::unique_ptr<Process> subject(const Settings& settings) {
  // Small segments: some are sealed and merged, even in a short run. And small limits, so that many
  // of the collections and strings are kept as elements and chunks.
  std::vector<std::string> options = kCommonOptions;
  options.insert(options.end(), {"--segment-size", "1mb", "--io-threads", "2"});
  options.insert(options.end(), {"--collection-split-bytes", settings.split_bytes});
  options.insert(options.end(), {"--string-chunk-threshold", "4kb"});
  // Redis in respcask's place must survive kill -9 as well; with everysec it may write late.
  if (settings.subject_is_redis) {
    options = kCommonOptions;
    options.insert(options.end(), {"--save", "", "--appendonly", "yes", "--appendfsync", "no"});
  }
  return std::make_unique<Process>(settings.subject, options);
}

void report(Duel& duel, std::vector<Step> steps, Mismatch mismatch, uint64_t seed) {
  constexpr size_t kMostShown = 40;
  std::printf("MISMATCH, seed %llu, step %zu:\n%s\n", static_cast<unsigned long long>(seed),
              mismatch.step, mismatch.what.c_str());
  std::fflush(stdout);
  const std::vector<Step> fewer =
      duel.shrink(std::move(steps), &mismatch, std::chrono::seconds(30));
  std::printf("%s as few as %zu steps:\n%s\n  steps:\n",
              fewer.size() <= kMostShown ? "The same in" : "Not found in", fewer.size(),
              mismatch.what.c_str());
  for (size_t i = fewer.size() - std::min(fewer.size(), kMostShown); i < fewer.size(); ++i) {
    std::printf("    %s\n", describe(fewer[i]).c_str());
  }
  std::fflush(stdout);
}

int run(const Settings& settings) {
  Duel duel(oracle(settings.oracle), subject(settings));
  std::vector<std::string> skipped;
  const auto rows = duel.common_rows(settings.families, &skipped);
  const auto names = duel.common_names();
  for (const std::string& family : skipped) std::printf("skipped: %s\n", family.c_str());
  if (rows.empty()) throw std::runtime_error("no command that both servers have");
  std::string uncovered;
  for (const std::string& command : duel.uncovered()) uncovered += " " + command;
  if (!uncovered.empty()) throw std::runtime_error("no row of the table sends" + uncovered);
  const size_t episodes = settings.extremes != 0
                              ? rows.size()
                              : (settings.commands + settings.episode - 1) / settings.episode;
  std::printf("seed %llu: %zu episodes, %zu rows of the table\n",
              static_cast<unsigned long long>(settings.seed), episodes, rows.size());
  std::fflush(stdout);
  constexpr size_t kEpisodesBetweenWords = 100;
  size_t mismatches = 0;
  for (size_t i = 0; i < episodes; ++i) {
    if (i != 0 && i % kEpisodesBetweenWords == 0) {
      std::printf("%zu episodes, %zu mismatches\n", i, mismatches);
      std::fflush(stdout);
    }
    const uint64_t seed = settings.seed + i;
    Generator generator(rows, names, seed);
    const std::vector<Step> steps =
        settings.extremes != 0
            ? generator.extremes(rows[i], settings.extremes)
            : generator.episode(
                  std::min(settings.episode, settings.commands - i * settings.episode),
                  settings.restarts);
    const auto mismatch = duel.run(steps, seed);
    if (!mismatch) continue;
    if (duel.is_unspecified(steps, *mismatch)) {
      std::printf("seed %llu ends early, at step %zu: Redis leaves its answer open\n",
                  static_cast<unsigned long long>(seed), mismatch->step);
      continue;
    }
    ++mismatches;
    report(duel, steps, *mismatch, seed);
    if (!settings.keep_going) break;
  }
  std::printf("%zu mismatches\n", mismatches);
  return mismatches == 0 ? 0 : 1;
}

}  // namespace
}  // namespace respcask::differential

int main(int argc, char** argv) {
  using namespace respcask::differential;
  try {
    return run(read_settings(argc, argv));
  } catch (const std::exception& error) {
    std::fprintf(stderr, "differential: %s\n", error.what());
    return 2;
  }
}

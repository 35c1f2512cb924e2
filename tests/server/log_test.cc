#include "server/log.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <cerrno>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <string>
#include <thread>
#include <vector>

namespace respcask::server {
namespace {

// A log file of its own; afterwards the log is standard output again.
class LogFile {
 public:
  LogFile() {
    char name[] = "/tmp/respcask-log-XXXXXX";
    directory_ = ::mkdtemp(name);
    open(LogLevel::kNotice);
  }
  ~LogFile() {
    CHECK(log_open(Config()) == "");
    std::filesystem::remove_all(directory_);
  }
  void open(LogLevel level) {
    Config config;
    config.logfile = path();
    config.loglevel = level;
    REQUIRE(log_open(config) == "");
  }
  std::string path() const { return directory_ + "/server.log"; }
  std::vector<std::string> lines() const {
    std::ifstream in(path());
    std::vector<std::string> all;
    for (std::string line; std::getline(in, line);) all.push_back(line);
    return all;
  }

 private:
  std::string directory_;
};

struct Formatted {
  int* count;
};

}  // namespace
}  // namespace respcask::server

template <>
struct fmt::formatter<respcask::server::Formatted> {
  constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }
  auto format(const respcask::server::Formatted& f, fmt::format_context& context) const {
    return fmt::format_to(context.out(), "{}", ++*f.count);
  }
};

namespace respcask::server {
namespace {

TEST_CASE("a log line has the process, the date and the level's mark") {
  LogFile file;
  file.open(LogLevel::kDebug);
  log_debug("a {}", 1);
  log_verbose("b {}", 2);
  log_notice("c {}", "3");
  log_warning("d");
  const auto lines = file.lines();
  REQUIRE(lines.size() == 4);
  const std::string head =
      std::to_string(::getpid()) + R"(:M \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d\.\d{3} )";
  CHECK(std::regex_match(lines[0], std::regex(head + R"(\. a 1)")));
  CHECK(std::regex_match(lines[1], std::regex(head + "- b 2")));
  CHECK(std::regex_match(lines[2], std::regex(head + R"(\* c 3)")));
  CHECK(std::regex_match(lines[3], std::regex(head + "# d")));
}

TEST_CASE("a level that is off is neither written nor formatted") {
  LogFile file;
  int formatted = 0;
  log_verbose("{}", Formatted{&formatted});
  CHECK(formatted == 0);
  CHECK(file.lines().empty());
  CHECK(!log_enabled(LogLevel::kVerbose));
  CHECK(log_enabled(LogLevel::kNotice));

  log_notice("{}", Formatted{&formatted});
  CHECK(formatted == 1);
  CHECK(file.lines().size() == 1);
}

TEST_CASE("control characters cannot forge a line") {
  LogFile file;
  log_notice("key '{}'", std::string_view("a\r\n1:M b\x1b\0c", 11));
  const auto lines = file.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].ends_with(R"(* key 'a\r\n1:M b\x1b\x00c')"));
}

TEST_CASE("a log file that was moved away is created anew") {
  LogFile file;
  log_notice("one");
  std::filesystem::rename(file.path(), file.path() + ".1");
  log_notice("two");
  const auto lines = file.lines();
  REQUIRE(lines.size() == 1);
  CHECK(lines[0].ends_with("* two"));
}

TEST_CASE("a log file that cannot be opened leaves the log as it was") {
  LogFile file;
  Config bad;
  bad.logfile = "/nonexistent/server.log";
  CHECK(log_open(bad) ==
        "cannot open the log file '/nonexistent/server.log': No such file or directory");
  log_notice("still here");
  CHECK(file.lines().size() == 1);
}

TEST_CASE("lines of several threads do not mix") {
  LogFile file;
  constexpr int kThreads = 4;
  constexpr int kLines = 200;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < kLines; ++i)
        log_notice("{}", std::string(100, static_cast<char>('a' + t)));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const auto lines = file.lines();
  REQUIRE(lines.size() == kThreads * kLines);
  for (const std::string& line : lines) {
    const std::string message = line.substr(line.size() - 100);
    CHECK(message == std::string(100, message[0]));
  }
}

TEST_CASE("a line that cannot be written is dropped, and errno is kept") {
  LogFile file;
  std::filesystem::remove_all(std::filesystem::path(file.path()).parent_path());
  errno = ENOSPC;
  log_warning("no room");
  CHECK(errno == ENOSPC);
  CHECK(file.lines().empty());
}

}  // namespace
}  // namespace respcask::server

// How a server starts, and how it says that it does not.
#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"
#include "tests/e2e/small_disk.h"

namespace respcask::e2e {
namespace {

size_t lines(const std::string& text) {
  return static_cast<size_t>(std::count(text.begin(), text.end(), '\n'));
}

// The last line, which is what a person sees.
std::string last_line(std::string text) {
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text.substr(text.rfind('\n') + 1);
}

std::string contents(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Waits until the log says so behind its first `from` bytes.
bool logs_after(const ServerProcess& server, size_t from, const std::string& text) {
  for (int i = 0; i < 1000; ++i) {
    if (server.log().find(text, from) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return false;
}

TEST_CASE("a second server on the same directory is refused in one sentence") {
  ServerProcess server;
  server.start();
  const Ended second =
      run_to_end({"--port", std::to_string(free_port()), "--dir", server.data_directory()});
  CHECK(second.exit_code == 1);
  CHECK(last_line(second.output).find("another process is using") != std::string::npos);
  Client client(server.port());
  CHECK(client.call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("a port that is taken is refused in one sentence") {
  ServerProcess server;
  server.start();
  const Ended second =
      run_to_end({"--port", std::to_string(server.port()), "--dir", server.directory() + "/other"});
  CHECK(second.exit_code == 1);
  CHECK(last_line(second.output).find("Address already in use") != std::string::npos);
}

TEST_CASE("what is no store, or cannot be read, is refused and left as it is") {
  ServerProcess server;
  server.start();
  REQUIRE(server.stop() == 0);
  const std::string store_file = server.data_directory() + "/STORE";
  REQUIRE(std::filesystem::exists(store_file));
  const auto size = std::filesystem::file_size(store_file);
  std::ofstream(store_file, std::ios::trunc) << "this is no store of ours, whatever it may be";
  const Ended ended =
      run_to_end({"--port", std::to_string(free_port()), "--dir", server.data_directory()});
  CHECK(ended.exit_code == 1);
  CHECK(last_line(ended.output).find("STORE") != std::string::npos);
  CHECK(std::filesystem::file_size(store_file) != size);

  const Ended unreadable =
      run_to_end({"--port", std::to_string(free_port()), "--dir", "/proc/nowhere"});
  CHECK(unreadable.exit_code == 1);
  CHECK(last_line(unreadable.output).find("/proc/nowhere") != std::string::npos);
}

// The lines of the log that say what is wrong.
std::string warnings(const std::string& output) {
  std::istringstream lines(output);
  std::string found;
  for (std::string line; std::getline(lines, line);) {
    if (line.find(" # ") != std::string::npos) found += line + "\n";
  }
  return found;
}

uint32_t crc32c_of(const std::string& bytes) {
  uint32_t crc = ~uint32_t{0};
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
  }
  return ~crc;
}

TEST_CASE("a store of another format version is refused in one sentence and left as it is") {
  ServerProcess server;
  server.start();
  REQUIRE(server.stop() == 0);
  const std::string store_file = server.data_directory() + "/STORE";
  std::string record = contents(store_file);
  REQUIRE(record.starts_with("respcask-store 1 "));
  record[15] = '2';
  record.resize(record.find(" crc="));
  std::array<char, 16> checksum{};
  std::snprintf(checksum.data(), checksum.size(), " crc=%08x\n", crc32c_of(record));
  record += checksum.data();
  std::ofstream(store_file, std::ios::trunc) << record;
  const Ended ended =
      run_to_end({"--port", std::to_string(free_port()), "--dir", server.data_directory()});
  CHECK(ended.exit_code == 1);
  CHECK(lines(warnings(ended.output)) == 1);
  CHECK(last_line(ended.output).find("has format version 2, this program reads 1") !=
        std::string::npos);
  CHECK(contents(store_file) == record);
}

TEST_CASE("a directory that may not be read is refused in one sentence") {
  ServerProcess server;
  server.start();
  REQUIRE(server.stop() == 0);
  const std::string port = std::to_string(free_port());
  // Root reads everything unless it gives up the right to.
  std::vector<std::string> words;
  if (::geteuid() == 0) words = {"setpriv", "--bounding-set", "-dac_override,-dac_read_search"};
  words.insert(words.end(), {server_binary(), "--port", port, "--dir", server.data_directory()});
  for (const std::string& closed : {std::string(), std::string("/shard-00")}) {
    const std::string path = server.data_directory() + closed;
    REQUIRE(::chmod(path.c_str(), 0) == 0);
    const Ended ended = run_program_to_end(words);
    REQUIRE(::chmod(path.c_str(), 0700) == 0);
    CHECK(ended.exit_code == 1);
    CHECK(lines(warnings(ended.output)) == 1);
    CHECK(last_line(ended.output).find(path) != std::string::npos);
    CHECK(last_line(ended.output).find("Permission denied") != std::string::npos);
  }
  const std::string file = server.directory() + "/file";
  std::ofstream(file) << "no directory";
  const Ended ended = run_to_end({"--port", port, "--dir", file});
  CHECK(ended.exit_code == 1);
  CHECK(lines(warnings(ended.output)) == 1);
  CHECK(last_line(ended.output).find("Not a directory") != std::string::npos);
}

TEST_CASE("a start without the threads that it needs is refused in one sentence") {
  ServerProcess server;  // for its directory
  const std::vector<std::string> words = unprivileged(server.directory());
  for (int threads = 1; threads <= 13; ++threads) {
    CAPTURE(threads);
    std::vector<std::string> limited = words;
    const std::string limit = "--nproc=" + std::to_string(threads) + ":";
    limited.insert(limited.end(), {"prlimit", limit, server_binary(), "--port",
                                   std::to_string(free_port()), "--dir", server.data_directory()});
    const Ended ended = run_program_to_end(limited);
    CHECK(ended.exit_code == 1);
    CHECK(ended.output.find("Unable to start a thread: Resource temporarily unavailable") !=
          std::string::npos);
  }
}

TEST_CASE("a start without the descriptors that its loops need is refused in one sentence") {
  ServerProcess server;  // for its directory
  std::vector<std::string> words = unprivileged(server.directory());
  words.insert(words.end(),
               {"prlimit", "--nofile=80:80", server_binary(), "--io-threads", "64", "--port",
                std::to_string(free_port()), "--dir", server.data_directory()});
  const Ended ended = run_program_to_end(words);
  CHECK(ended.exit_code == 1);
  CHECK(last_line(ended.output).find("The limit of open files is 80") != std::string::npos);
}

TEST_CASE("on a full disk no store is made, and one that is there serves reads") {
  ServerProcess server;
  SmallDisk disk(server.directory() + "/disk", 8 << 20);
  if (!disk.mounted()) return;
  {
    SmallDisk full(server.directory() + "/full", 64 << 10);
    full.fill();
    const Ended ended =
        run_to_end({"--port", std::to_string(free_port()), "--dir", full.path() + "/data"});
    CHECK(ended.exit_code == 1);
    CHECK(lines(warnings(ended.output)) == 1);
    CHECK(last_line(ended.output).find("No space left on device") != std::string::npos);
  }
  server.set_data_directory(disk.path() + "/data");
  server.start();
  REQUIRE(Client(server.port()).call({"SET", "kept", "value"}) == "+OK\r\n");
  server.kill();
  disk.fill();
  server.start();
  Client client(server.port());
  CHECK(client.call({"GET", "kept"}) == "$5\r\nvalue\r\n");
  CHECK(client.call({"SET", "other", "value"}).starts_with("-MISCONF"));
  disk.empty();
  std::string reply;
  for (int i = 0; i < 20 && reply != "+OK\r\n"; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    reply = client.call({"SET", "other", "value"});
  }
  CHECK(reply == "+OK\r\n");
  server.kill();
}

TEST_CASE("a wrong word on the command line is one line and exit code 1") {
  const Ended unknown = run_to_end({"--prot", "1"});
  CHECK(unknown.exit_code == 1);
  CHECK(lines(unknown.output) == 1);
  CHECK(unknown.output.find("prot") != std::string::npos);
  const Ended value = run_to_end({"--port", "many"});
  CHECK(value.exit_code == 1);
  CHECK(lines(value.output) == 1);
}

TEST_CASE("--help and --version answer and end well") {
  const Ended help = run_to_end({"--help"});
  CHECK(help.exit_code == 0);
  CHECK(help.output.find("appendfsync") != std::string::npos);
  const Ended version = run_to_end({"--version"});
  CHECK(version.exit_code == 0);
  CHECK(lines(version.output) == 1);
}

TEST_CASE("what cannot be written to a standard stream ends in exit code 1") {
  const auto run = [](const std::string& command) {
    return run_program_to_end({"sh", "-c", "exec \"$RESPCASK_SERVER\" " + command}).exit_code;
  };
  CHECK(run("--help >/dev/full") == 1);
  CHECK(run("--version >/dev/full 2>&1") == 1);
  CHECK(run("--wrong-word 1 2>/dev/full") == 1);
  CHECK(run("--dir /proc/nowhere 2>/dev/full") == 1);
  CHECK(run("--logfile /proc/nowhere/log 2>/dev/full") == 1);
}

TEST_CASE("a configuration file is read, the command line wins, a wrong line is named") {
  ServerProcess server;
  const std::string file = server.directory() + "/respcask.conf";
  std::ofstream(file) << "# a comment\nmaxclients 77\ntimeout 5\n";
  const int port = free_port();
  std::ofstream(file, std::ios::app) << "port " << port << "\nbnid 127.0.0.1\n";
  const Ended ended = run_to_end({file});
  CHECK(ended.exit_code == 1);
  CHECK(ended.output.find("respcask.conf:5") != std::string::npos);
}

TEST_CASE("CONFIG REWRITE of a file that is a directory now fails, and the server goes on") {
  ServerProcess server;
  const std::string file = server.directory() + "/respcask.conf";
  std::ofstream(file) << "hz 20\n";
  server.set_configuration(file);
  server.start();
  std::filesystem::remove(file);
  std::filesystem::create_directory(file);
  Client client(server.port());
  // The system's reason alone, as in Redis; the log has the path.
  CHECK(client.call({"CONFIG", "REWRITE"}) == "-ERR Rewriting config file: Is a directory\r\n");
  CHECK(server.log().find("cannot read " + file) != std::string::npos);
  std::filesystem::remove(file);
  CHECK(client.call({"CONFIG", "REWRITE"}) == "+OK\r\n");
  CHECK(contents(file).find("dir " + server.data_directory() + "\n") != std::string::npos);
}

TEST_CASE("users' files that cannot be read refuse the start in one sentence") {
  ServerProcess server;
  const Ended ended = run_to_end({"--port", std::to_string(free_port()), "--dir",
                                  server.data_directory(), "--aclfile", server.directory()});
  CHECK(ended.exit_code == 1);
  CHECK(lines(warnings(ended.output)) == 1);
  CHECK(last_line(ended.output).find("Is a directory") != std::string::npos);
}

TEST_CASE("relative names of the log, the pid file and the Unix socket begin in dir") {
  ServerProcess server(
      {"--logfile", "server.log", "--pidfile", "server.pid", "--unixsocket", "server.sock"});
  server.start();
  const std::string data = server.data_directory();
  CHECK(contents(data + "/server.log").find("Ready to accept connections") != std::string::npos);
  CHECK(contents(data + "/server.pid") == std::to_string(server.pid()) + "\n");
  Client client(data + "/server.sock");
  CHECK(client.call({"CONFIG", "GET", "unixsocket"}).ends_with("$11\r\nserver.sock\r\n"));
  CHECK(client.call({"CONFIG", "SET", "loglevel", "debug"}) == "+OK\r\n");
  client.close();
  CHECK(server.stop() == 0);
  CHECK_FALSE(std::filesystem::exists(data + "/server.pid"));
}

TEST_CASE("the log tells the process, the port and why the server does not start") {
  ServerProcess server;
  server.start({"--always-show-logo", "yes"});
  CHECK(server.log().find(" PID: " + std::to_string(server.pid()) + "\n") != std::string::npos);
  CHECK(server.log().find(" Port: " + std::to_string(server.port()) + "\n") != std::string::npos);
  const std::string log = server.directory() + "/other.log";
  const std::string port = std::to_string(server.port());
  const Ended second =
      run_to_end({"--port", port, "--dir", server.directory() + "/other", "--logfile", log});
  CHECK(second.exit_code == 1);
  CHECK(lines(second.output) == 1);
  CHECK(contents(log).find("Failed listening on port " + port) != std::string::npos);
}

TEST_CASE("daemonize leaves a pid file and a server that stops on SIGTERM") {
  ServerProcess server;  // for its directory
  const std::string pid_file = server.directory() + "/server.pid";
  const int port = free_port();
  const Ended parent =
      run_to_end({"--port", std::to_string(port), "--dir", server.data_directory(), "--daemonize",
                  "yes", "--pidfile", pid_file, "--logfile", server.directory() + "/daemon.log"});
  CHECK(parent.exit_code == 0);
  CHECK(parent.output.empty());
  Client client;
  for (int i = 0; i < 500 && !client.try_connect(port); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  REQUIRE(client.call({"PING"}) == "+PONG\r\n");
  int pid = 0;
  std::ifstream(pid_file) >> pid;
  REQUIRE(pid > 1);
  REQUIRE(::kill(pid, SIGTERM) == 0);
  CHECK(client.ends());
  for (int i = 0; i < 500 && std::filesystem::exists(pid_file); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  CHECK_FALSE(std::filesystem::exists(pid_file));
}

std::string proc_file(pid_t pid, const std::string& name) {
  return contents("/proc/" + std::to_string(pid) + "/" + name);
}

TEST_CASE("the process has the title and the rank that the configuration gives it") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  const std::string port = std::to_string(server.port());
  const auto title = [&] {
    const std::string all = proc_file(server.pid(), "cmdline");
    return all.substr(0, all.find('\0'));
  };
  CHECK(title() == "respcask-server *:" + port);
  client.call({"CONFIG", "SET", "proc-title-template", "{title}-{port}"});
  CHECK(title() == "respcask-server-" + port);
  CHECK(client.call({"CONFIG", "SET", "proc-title-template", "{nonsense}"})[0] == '-');
  CHECK(title() == "respcask-server-" + port);

  const int before = std::stoi(proc_file(server.pid(), "oom_score_adj"));
  CHECK(client.call({"CONFIG", "SET", "oom-score-adj-values", "7 200 800"}) == "+OK\r\n");
  CHECK(std::stoi(proc_file(server.pid(), "oom_score_adj")) == before);
  CHECK(client.call({"CONFIG", "SET", "oom-score-adj", "yes"}) == "+OK\r\n");
  CHECK(std::stoi(proc_file(server.pid(), "oom_score_adj")) == before + 7);
  CHECK(client.call({"CONFIG", "SET", "oom-score-adj", "no"}) == "+OK\r\n");
  CHECK(std::stoi(proc_file(server.pid(), "oom_score_adj")) == before);
  // What somebody else sets meanwhile is what is adjusted next.
  const std::string score_file = "/proc/" + std::to_string(server.pid()) + "/oom_score_adj";
  std::ofstream(score_file) << before + 20;
  CHECK(client.call({"CONFIG", "SET", "oom-score-adj-values", "9 200 800"}) == "+OK\r\n");
  CHECK(std::stoi(proc_file(server.pid(), "oom_score_adj")) == before + 20);
  CHECK(client.call({"CONFIG", "SET", "oom-score-adj", "yes"}) == "+OK\r\n");
  CHECK(std::stoi(proc_file(server.pid(), "oom_score_adj")) == before + 29);
}

TEST_CASE("an oom score that may not be set is refused in Redis's words") {
  ServerProcess server;
  server.set_launcher(unprivileged(server.directory()));
  server.start();
  Client client(server.port());
  const auto refused = [](const std::string& name) {
    return "-ERR CONFIG SET failed (possibly related to argument '" + name +
           "') - Failed to set current oom_score_adj. Check server logs.\r\n";
  };
  const auto set = [&](std::string_view name, std::string_view value) {
    return client.call({"CONFIG", "SET", name, value});
  };
  CHECK(set("oom-score-adj-values", "-999 0 0") == "+OK\r\n");  // nothing to apply yet
  CHECK(set("oom-score-adj", "absolute") == refused("oom-score-adj"));
  CHECK(set("oom-score-adj-values", "900 0 0") == "+OK\r\n");
  CHECK(set("oom-score-adj", "absolute") == "+OK\r\n");
  CHECK(set("oom-score-adj-values", "-999 0 0") == refused("oom-score-adj-values"));
  CHECK(server.log().find("Unable to write oom_score_adj: Permission denied") != std::string::npos);
}

TEST_CASE("a server that is started without standard descriptors writes its log over no file") {
  ServerProcess server({"--shards", "2"});
  server.set_launcher({"sh", "-c", "exec \"$0\" \"$@\" <&- >&- 2>&-"});
  server.start();
  for (const char* const fd : {"0", "1", "2"}) {
    const std::string name = "/proc/" + std::to_string(server.pid()) + "/fd/" + fd;
    CHECK(std::filesystem::read_symlink(name) == "/dev/null");
  }
  {
    Client client(server.port());
    for (int i = 0; i < 8; ++i) {  // in both shards
      REQUIRE(client.call({"SET", std::to_string(i), "value"}) == "+OK\r\n");
    }
  }
  CHECK(server.stop() == 0);
  server.set_launcher({});
  server.start();
  CHECK(Client(server.port()).call({"DBSIZE"}) == ":8\r\n");
  CHECK(warnings(server.log()).find("damaged") == std::string::npos);
}

TEST_CASE("CONFIG GET and REWRITE tell of as many shards as the store was made with") {
  ServerProcess server({"--shards", "2"});
  server.start();
  REQUIRE(server.stop() == 0);
  const std::string file = server.directory() + "/redis.conf";
  std::ofstream(file) << "shards 5\n";
  server.set_configuration(file);
  server.start(std::vector<std::string>{});
  Client client(server.port());
  CHECK(client.call({"CONFIG", "GET", "shards"}) == "*2\r\n$6\r\nshards\r\n$1\r\n2\r\n");
  CHECK(server.log().find("made with 2 shards") != std::string::npos);
  CHECK(client.call({"CONFIG", "REWRITE"}) == "+OK\r\n");
  std::ifstream rewritten(file);
  std::string first;
  std::getline(rewritten, first);
  CHECK(first == "shards 2");
}

TEST_CASE("a store of more files than the soft limit of descriptors is opened and checked") {
  ServerProcess server({"--shards", "100"});
  const std::vector<std::string> limited = {"prlimit", "--nofile=100:"};
  server.set_launcher(limited);
  server.start();
  {
    Client client(server.port());
    REQUIRE(client.call({"SET", "key", "value"}) == "+OK\r\n");
  }
  REQUIRE(server.stop() == 0);
  std::vector<std::string> words = limited;
  const std::filesystem::path binary = server_binary();
  words.insert(words.end(),
               {binary.parent_path() / "respcask-check", "--quiet", server.data_directory()});
  const Ended checked = run_program_to_end(words);
  CHECK(checked.exit_code == 0);
  CHECK(last_line(checked.output).find("100 segments") == 0);
}

TEST_CASE("a signal to stop ends a server that is still reading its files") {
  for (const int signal : {SIGTERM, SIGINT}) {
    ServerProcess server({"--shards", "1"});
    server.start();
    REQUIRE(server.stop() == 0);
    // Opening it takes until somebody writes to it.
    const std::string endless = server.data_directory() + "/shard-00/00000009.seg";
    REQUIRE(::mkfifo(endless.c_str(), 0600) == 0);
    const size_t before = server.log().size();
    server.launch();
    REQUIRE(logs_after(server, before, "just started"));
    REQUIRE(::kill(server.pid(), signal) == 0);
    REQUIRE(logs_after(server, before, "ready to exit"));
    CHECK(server.stop() == 0);
    CHECK(server.log().find("Received shutdown signal during loading, scheduling shutdown.",
                            before) != std::string::npos);
    // Nothing is left that keeps the next one from starting.
    std::filesystem::remove(endless);
    server.start();
  }
}

TEST_CASE("a port that is taken is found before anything is made or read") {
  ServerProcess server;
  server.start();
  const std::string other = server.directory() + "/other";
  const Ended second = run_to_end({"--port", std::to_string(server.port()), "--dir", other});
  CHECK(second.exit_code == 1);
  CHECK(last_line(second.output).find("Address already in use") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(other));
}

TEST_CASE("an address that is named twice is found before anything is made or read") {
  const ServerProcess place;
  const std::string other = place.directory() + "/other";
  const Ended ended = run_to_end(
      {"--port", std::to_string(free_port()), "--dir", other, "--bind", "127.0.0.1", "localhost"});
  CHECK(ended.exit_code == 1);
  CHECK(last_line(ended.output).find("localhost:") != std::string::npos);
  CHECK(last_line(ended.output).find("Address already in use") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(other));
}

TEST_CASE("a start with fewer databases than hold keys is refused, and nothing is lost by it") {
  ServerProcess server;
  server.start();
  {
    Client client(server.port());
    REQUIRE(client.call({"SELECT", "10"}) == "+OK\r\n");
    REQUIRE(client.call({"SET", "key", "value"}) == "+OK\r\n");
  }
  REQUIRE(server.stop() == 0);
  const Ended refused = run_to_end({"--port", std::to_string(server.port()), "--dir",
                                    server.data_directory(), "--databases", "10"});
  CHECK(refused.exit_code == 1);
  CHECK(last_line(refused.output)
            .find("FATAL: Data file was created with a Redis server configured to handle more "
                  "than 10 databases. Exiting") != std::string::npos);
  server.start({"--databases", "11"});
  {
    Client client(server.port());
    REQUIRE(client.call({"SELECT", "10"}) == "+OK\r\n");
    CHECK(client.call({"GET", "key"}) == "$5\r\nvalue\r\n");
    REQUIRE(client.call({"DEL", "key"}) == ":1\r\n");
  }
  REQUIRE(server.stop() == 0);
  server.start({"--databases", "1"});
  CHECK(server.stop() == 0);
}

}  // namespace
}  // namespace respcask::e2e

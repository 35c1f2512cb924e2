#include "server/memory_bound.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "server/cycle_clock.h"
#include "tests/engine/directory.h"
#include "tests/server/harness.h"

namespace respcask::server {
namespace {

constexpr uint64_t kMachine = uint64_t{16} << 30;

// What the system would show of its cgroups.
struct Cgroups {
  engine::Directory dir;
  std::string groups = dir.path.string() + "/groups";
  std::string mount = dir.path.string() + "/mount";

  void write(const std::string& path, const std::string& text) const {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path) << text;
  }
  uint64_t bound() const { return memory_bound(kMachine, groups, mount); }
};

TEST_CASE("a process in no cgroup may have the machine's memory") {
  Cgroups cgroups;
  CHECK(cgroups.bound() == kMachine);
  cgroups.write(cgroups.groups, "nonsense\n0:\n");
  CHECK(cgroups.bound() == kMachine);
}

TEST_CASE("the bound of a cgroup of version 2 is the least of the groups around the process") {
  Cgroups cgroups;
  cgroups.write(cgroups.groups, "0::/system.slice/respcask.service\n");
  CHECK(cgroups.bound() == kMachine);
  cgroups.write(cgroups.mount + "/system.slice/respcask.service/memory.max", "max\n");
  CHECK(cgroups.bound() == kMachine);
  cgroups.write(cgroups.mount + "/system.slice/memory.max", "2000000000\n");
  CHECK(cgroups.bound() == 2'000'000'000);
  cgroups.write(cgroups.mount + "/system.slice/respcask.service/memory.max", "1000000000\n");
  CHECK(cgroups.bound() == 1'000'000'000);
}

TEST_CASE("the bound of a cgroup of version 1 is that of the memory controller") {
  Cgroups cgroups;
  cgroups.write(cgroups.groups, "5:cpuset:/a\n4:cpu,memory:/a/b\n0::/\n");
  cgroups.write(cgroups.mount + "/memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
  cgroups.write(cgroups.mount + "/cpuset/a/memory.limit_in_bytes", "1\n");
  CHECK(cgroups.bound() == kMachine);
  cgroups.write(cgroups.mount + "/memory/a/memory.limit_in_bytes", "300000000\n");
  CHECK(cgroups.bound() == 300'000'000);
}

TEST_CASE("a container sees its own cgroup as the root") {
  Cgroups cgroups;
  cgroups.write(cgroups.groups, "0::/docker/0123456789abcdef\n");
  cgroups.write(cgroups.mount + "/memory.max", "500000000\n");
  CHECK(cgroups.bound() == 500'000'000);
}

// --- what commands hold of it -------------------------------------------------------------------

const std::string kTooMuchReply = "-" + std::string(kTooMuch) + "\r\n";

// A hash h, a list l and strings s:0 ... of some 10 MB each, all of them in memory.
void make_resident(testing::Harness& h) {
  for (int i = 0; i < 1000; ++i) {
    const std::string number = std::to_string(i);
    h.run({"HSET", "h", number, std::string(10'000, 'h')});
    for (int k = 0; k < 10; ++k) h.run({"RPUSH", "l", number + std::string(1000, 'l')});
    for (int k = 0; k < 5; ++k) {
      h.run({"SET", "s:" + std::to_string(5 * i + k), std::string(1900, 's')});
    }
  }
}

std::vector<std::string> words(std::vector<std::string> first, const std::string& prefix,
                               int count) {
  for (int i = 0; i < count; ++i) first.push_back(prefix + std::to_string(i));
  return first;
}

TEST_CASE("what writes and holds little is not refused for the replies before its own") {
  testing::Harness h;
  constexpr int kSmall = 200;
  for (int i = 0; i < 100; ++i) {
    h.client().run(words({"SADD", "large"}, std::string(200, 'm') + std::to_string(i) + ":", 300));
  }
  h.client().run(words({"SADD", "from"}, "", kSmall));
  h.run("SADD to x");
  h.run("MULTI");
  h.run("SMEMBERS large");  // of names, which are in memory in any case
  for (int i = 0; i < kSmall; ++i) h.run({"SMOVE", "from", "to", std::to_string(i)});
  const uint64_t bound = h.server->memory.bound();
  h.server->memory.set_bound(1);
  const std::string reply = h.run("EXEC");
  h.server->memory.set_bound(bound);
  CHECK(reply.find(kTooMuch) == std::string::npos);
  CHECK(h.run("SCARD from") == ":0\r\n");
  CHECK(h.run("SCARD to") == ":" + std::to_string(kSmall + 1) + "\r\n");
}

TEST_CASE("a command is refused whose reply is made of values in memory and does not fit there") {
  testing::Harness h;
  make_resident(h);
  std::vector<std::string> same_field = {"HMGET", "h"};
  same_field.resize(1000, "7");
  const std::vector<std::vector<std::string>> commands = {
      {"HGETALL", "h"},
      {"HVALS", "h"},
      {"HSCAN", "h", "0", "COUNT", "1000"},
      {"HRANDFIELD", "h", "1000", "WITHVALUES"},
      {"HRANDFIELD", "h", "-1000", "WITHVALUES"},
      words({"HMGET", "h"}, "", 1000),
      same_field,
      {"LRANGE", "l", "0", "-1"},
      {"SORT", "l", "BY", "nosort"},
      {"LPOP", "l", "9000"},
      words({"MGET"}, "s:", 5000),
  };
  const uint64_t bound = h.server->memory.bound();
  for (const auto& command : commands) {
    CAPTURE(command[0]);
    h.server->memory.set_bound(1);  // a few MiB are had in any case
    const bool refused = h.client().run(command) == kTooMuchReply;
    CHECK(refused);
    h.server->memory.set_bound(bound);
    CHECK(h.client().run(command).size() > 1'000'000);
  }
  CHECK(h.run("LLEN l") == ":1000\r\n");
}

TEST_CASE("what a command only looks at takes no memory, however much it is") {
  testing::Harness h;
  make_resident(h);
  h.run({"SET", "s", std::string(10'000'000, '\xff')});
  h.server->memory.set_bound(1);
  CHECK(h.run("BITCOUNT s") == ":80000000\r\n");
  CHECK(h.run("BITPOS s 0 0 -1") == ":-1\r\n");
  CHECK(h.run({"LPOS", "l", "x" + std::string(1000, 'l')}) == "$-1\r\n");
  CHECK(h.run("LRANGE l 9000 9500").size() > 400'000);
  CHECK(h.run("GETRANGE s 5000000 6000000").size() > 1'000'000);
}

TEST_CASE("the replies that a transaction holds already take their share of memory") {
  testing::Harness h;
  make_resident(h);
  h.run("MULTI");
  for (int i = 0; i < 8; ++i) h.run("LRANGE l 0 999");  // 1 MB each
  h.run("LLEN l");
  h.server->memory.set_bound(1);
  const std::string reply = h.run("EXEC");
  CHECK(reply.substr(0, 20).starts_with("*9\r\n*1000\r\n"));
  CHECK(reply.size() < 4'000'000);
  CHECK(reply.substr(reply.size() - 200).ends_with(kTooMuchReply + ":10000\r\n"));
}

TEST_CASE("what a list is rotated by is read again, whatever the replies before") {
  testing::Harness h;
  make_resident(h);
  h.run({"RPUSH", "q", std::string(900'000, 'a'), "b"});
  h.run("MULTI");
  h.run("LRANGE l 0 1399");
  for (int i = 0; i < 4; ++i) h.run("LMOVE q q LEFT RIGHT");
  h.server->memory.set_bound(1);  // a few MiB are had in any case
  const std::string reply = h.run("EXEC");
  CHECK(reply.substr(0, 20).starts_with("*5\r\n*1400\r\n"));
  CHECK(reply.ends_with("$1\r\nb\r\n"));
  h.server->memory.set_bound(0);
  CHECK(h.run("LLEN q") == ":2\r\n");
  CHECK(h.run("LRANGE q 0 -1").size() > 900'000);
}

}  // namespace
}  // namespace respcask::server

#include "server/memory_bound.h"

#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "tests/engine/directory.h"

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

}  // namespace
}  // namespace respcask::server

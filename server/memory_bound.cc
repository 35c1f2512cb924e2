#include "server/memory_bound.h"

#include <algorithm>
#include <fstream>
#include <string_view>

namespace respcask::server {
namespace {

// The least bound of the group at `path` and those around it, up to `root`. A container sees its
// own group as the root, whatever the path says: what is not there is passed over.
uint64_t least_bound(uint64_t bound, const std::string& root, std::string path,
                     std::string_view file) {
  for (;;) {
    std::ifstream group(root + path + std::string(file));
    // Where there is none it says "max", or a number beyond any machine's memory.
    uint64_t bytes = 0;
    if (group >> bytes) bound = std::min(bound, bytes);
    const size_t parent = path.rfind('/');
    if (parent == std::string::npos) return bound;
    path.resize(parent);
  }
}

}  // namespace

uint64_t memory_bound(uint64_t machine, const std::string& groups, const std::string& mount) {
  uint64_t bound = machine;
  std::ifstream lines(groups);
  // "4:memory:/a/b" of version 1, "0::/a/b" of version 2.
  for (std::string line; std::getline(lines, line);) {
    const size_t names = line.find(':');
    const size_t path = names == std::string::npos ? names : line.find(':', names + 1);
    if (path == std::string::npos) continue;
    const std::string controllers = "," + line.substr(names + 1, path - names - 1) + ",";
    if (controllers.find(",memory,") != std::string::npos) {
      bound =
          least_bound(bound, mount + "/memory", line.substr(path + 1), "/memory.limit_in_bytes");
    } else if (controllers == ",,") {
      bound = least_bound(bound, mount, line.substr(path + 1), "/memory.max");
    }
  }
  return bound;
}

}  // namespace respcask::server

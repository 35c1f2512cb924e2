// MemoryBound: how much memory the system lets the process have.
//
// That is the machine's, or less: a container, or a unit of systemd with MemoryMax=, is a cgroup
// with a bound, and who goes beyond that is killed. Both versions of cgroups are known, and the
// bounds of the groups around the process's own count as well. Reads files; any thread.
#pragma once

#include <cstdint>
#include <string>

namespace respcask::server {

// Bytes; `machine`: of the whole machine, and the answer where no group has less. `groups`: what
// names the process's groups, as /proc/self/cgroup does; `mount`: where the system shows them.
uint64_t memory_bound(uint64_t machine, const std::string& groups = "/proc/self/cgroup",
                      const std::string& mount = "/sys/fs/cgroup");

}  // namespace respcask::server

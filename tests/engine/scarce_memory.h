// ScarceMemory: for as long as it lives, operator new refuses a thread what is large:
// std::bad_alloc, as the library's contract says of a lack of memory.
//
// One at a time. Replaces operator new and delete of the whole program, which otherwise do what
// they always do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>

namespace respcask::engine {

class ScarceMemory {
 public:
  struct Rule {
    size_t least_bytes = 0;                                 // what is smaller is granted,
    uint64_t skip = 0;                                      // and so are the first of the others,
    uint64_t times = std::numeric_limits<uint64_t>::max();  // and those after so many refusals
    const char* thread = nullptr;  // by its name; null: the one that makes the rule
  };
  explicit ScarceMemory(const Rule& rule);
  ~ScarceMemory();
  ScarceMemory(const ScarceMemory&) = delete;
  ScarceMemory& operator=(const ScarceMemory&) = delete;

  // How often memory was refused.
  static uint64_t refused();
};

}  // namespace respcask::engine

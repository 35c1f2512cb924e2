#include "server/process_memory.h"

#include <doctest/doctest.h>

#include <memory>

namespace respcask::server {
namespace {

TEST_CASE("a buffer set apart that comes while memory is counted changes nothing of what is used") {
  constexpr size_t kBuffer = size_t{8} << 20;
  ProcessMemory memory;
  const auto others = std::make_unique<char[]>(2 * kBuffer);  // more than is set apart
  const uint64_t before = memory.usage().used;
  std::unique_ptr<char[]> buffer;
  int asked = 0;
  memory.set_apart([&] {
    // Between the allocator's count and the second look at what is apart.
    if (++asked == 2) buffer = std::make_unique<char[]>(kBuffer);
    return buffer == nullptr ? uint64_t{0} : uint64_t{kBuffer};
  });
  const uint64_t used = memory.usage().used;
  CHECK(used > before - kBuffer / 2);
  CHECK(used < before + kBuffer / 2);
}

}  // namespace
}  // namespace respcask::server

// ResidencyMap: which pages of a segment are in memory, as far as we know. One bit a page.
//
// A bit is set when the page is written or read and corrected by a sweep that asks the system. It
// is a hint: a set bit over a page that the kernel has dropped costs one blocking page fault, a
// clear bit over a resident page one detour through a reader thread. Any thread may set and test;
// relaxed atomics are enough for a hint. Owned by its segment.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

namespace respcask::engine {

class ResidencyMap {
 public:
  explicit ResidencyMap(uint64_t bytes);

  // All pages that [offset, offset + size) touches; `size` > 0.
  bool resident(uint64_t offset, uint64_t size) const;
  void set(uint64_t offset, uint64_t size);
  // Takes over what the system says of the pages from `first_page` on; one byte a page, 1:
  // resident.
  void update(uint64_t first_page, std::span<const uint8_t> pages);

  static constexpr uint64_t kPageSize = 4096;

 private:
  uint64_t pages_;
  std::unique_ptr<std::atomic<uint64_t>[]> words_;
};

}  // namespace respcask::engine

// ResidencyMap: which pages of a segment are in memory, as far as we know. One bit a page, in
// blocks that are made when the first bit in them is set: a segment may grow to gigabytes, and few
// do.
//
// A bit is set when the page is written or read and corrected by a sweep that asks the system. It
// is a hint: a set bit over a page that the kernel has dropped costs one blocking page fault
// (residency_trust.h says who asks again before it), a clear bit over a resident page one detour through a
// reader thread. Any thread may set and test; relaxed atomics are enough for a hint. Owned by its
// segment.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "engine/residency_trust.h"

namespace respcask::engine {

class ResidencyMap {
 public:
  explicit ResidencyMap(uint64_t bytes);
  ~ResidencyMap();
  ResidencyMap(const ResidencyMap&) = delete;
  ResidencyMap& operator=(const ResidencyMap&) = delete;

  // All pages that [offset, offset + size) touches; `size` > 0.
  bool resident(uint64_t offset, uint64_t size) const;
  // Returns how many of them were not set.
  uint64_t set(uint64_t offset, uint64_t size);
  // Takes over what the system says of the pages from `first_page` on; one byte a page, 1:
  // resident.
  PageCounts update(uint64_t first_page, std::span<const uint8_t> pages);

  static constexpr uint64_t kPageSize = 4096;

 private:
  static constexpr uint64_t kWordsInBlock = 128;  // 1 KiB, for 32 MiB of the segment
  using Block = std::array<std::atomic<uint64_t>, kWordsInBlock>;

  // Null if there is no block yet: no bit of it is set.
  std::atomic<uint64_t>* word(uint64_t page) const;
  std::atomic<uint64_t>& make_word(uint64_t page);

  uint64_t pages_;
  uint64_t blocks_count_;
  std::unique_ptr<std::atomic<Block*>[]> blocks_;
};

}  // namespace respcask::engine

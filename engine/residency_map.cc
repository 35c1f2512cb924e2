#include "engine/residency_map.h"

#include <algorithm>
#include <cassert>

namespace respcask::engine {

ResidencyMap::ResidencyMap(uint64_t bytes)
    : pages_((bytes + kPageSize - 1) / kPageSize),
      words_(std::make_unique<std::atomic<uint64_t>[]>(pages_ / 64 + 1)) {}

bool ResidencyMap::resident(uint64_t offset, uint64_t size) const {
  const uint64_t last = (offset + size - 1) / kPageSize;
  assert(last < pages_);
  for (uint64_t page = offset / kPageSize; page <= last; ++page) {
    if ((words_[page / 64].load(std::memory_order_relaxed) >> (page % 64) & 1) == 0) return false;
  }
  return true;
}

void ResidencyMap::set(uint64_t offset, uint64_t size) {
  const uint64_t last = std::min((offset + size - 1) / kPageSize, pages_ - 1);
  for (uint64_t page = offset / kPageSize; page <= last; ++page) {
    const uint64_t bit = uint64_t{1} << (page % 64);
    std::atomic<uint64_t>& word = words_[page / 64];
    // Most bits that are set are set already; a plain load keeps the line shared.
    if ((word.load(std::memory_order_relaxed) & bit) == 0)
      word.fetch_or(bit, std::memory_order_relaxed);
  }
}

void ResidencyMap::update(uint64_t first_page, std::span<const uint8_t> pages) {
  for (size_t i = 0; i < pages.size() && first_page + i < pages_; ++i) {
    const uint64_t page = first_page + i;
    const uint64_t bit = uint64_t{1} << (page % 64);
    if (pages[i] != 0) {
      words_[page / 64].fetch_or(bit, std::memory_order_relaxed);
    } else {
      words_[page / 64].fetch_and(~bit, std::memory_order_relaxed);
    }
  }
}

}  // namespace respcask::engine

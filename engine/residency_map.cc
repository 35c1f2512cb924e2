#include "engine/residency_map.h"

#include <algorithm>
#include <cassert>

namespace respcask::engine {

namespace {

constexpr uint64_t kBitsInWord = 64;

}  // namespace

ResidencyMap::ResidencyMap(uint64_t bytes)
    : pages_((bytes + kPageSize - 1) / kPageSize),
      blocks_count_(pages_ / (kBitsInWord * kWordsInBlock) + 1),
      blocks_(std::make_unique<std::atomic<Block*>[]>(blocks_count_)) {}

ResidencyMap::~ResidencyMap() {
  for (uint64_t i = 0; i < blocks_count_; ++i) delete blocks_[i].load(std::memory_order_relaxed);
}

std::atomic<uint64_t>* ResidencyMap::word(uint64_t page) const {
  const uint64_t word = page / kBitsInWord;
  Block* block = blocks_[word / kWordsInBlock].load(std::memory_order_acquire);
  return block == nullptr ? nullptr : &(*block)[word % kWordsInBlock];
}

std::atomic<uint64_t>& ResidencyMap::make_word(uint64_t page) {
  if (std::atomic<uint64_t>* there = word(page)) return *there;
  std::atomic<Block*>& place = blocks_[page / (kBitsInWord * kWordsInBlock)];
  auto made = std::make_unique<Block>();
  Block* none = nullptr;
  // Another thread may have been first.
  if (place.compare_exchange_strong(none, made.get(), std::memory_order_acq_rel)) made.release();
  return *word(page);
}

bool ResidencyMap::resident(uint64_t offset, uint64_t size) const {
  const uint64_t last = (offset + size - 1) / kPageSize;
  assert(last < pages_);
  for (uint64_t page = offset / kPageSize; page <= last; ++page) {
    const std::atomic<uint64_t>* bits = word(page);
    if (bits == nullptr) return false;
    if ((bits->load(std::memory_order_relaxed) >> (page % kBitsInWord) & 1) == 0) return false;
  }
  return true;
}

uint64_t ResidencyMap::set(uint64_t offset, uint64_t size) {
  uint64_t were_clear = 0;
  const uint64_t last = std::min((offset + size - 1) / kPageSize, pages_ - 1);
  for (uint64_t page = offset / kPageSize; page <= last; ++page) {
    const uint64_t bit = uint64_t{1} << (page % kBitsInWord);
    std::atomic<uint64_t>& bits = make_word(page);
    // Most bits that are set are set already; a plain load keeps the line shared.
    if ((bits.load(std::memory_order_relaxed) & bit) != 0) continue;
    if ((bits.fetch_or(bit, std::memory_order_relaxed) & bit) == 0) ++were_clear;
  }
  return were_clear;
}

PageCounts ResidencyMap::update(uint64_t first_page, std::span<const uint8_t> pages) {
  PageCounts counts;
  for (size_t i = 0; i < pages.size() && first_page + i < pages_; ++i) {
    const uint64_t page = first_page + i;
    const uint64_t bit = uint64_t{1} << (page % kBitsInWord);
    uint64_t before = 0;
    counts.absent += pages[i] == 0;
    if (pages[i] != 0) {
      before = make_word(page).fetch_or(bit, std::memory_order_relaxed);
    } else if (std::atomic<uint64_t>* bits = word(page)) {
      before = bits->fetch_and(~bit, std::memory_order_relaxed);
    }
    if ((before & bit) == 0) continue;
    ++counts.taken;
    if (pages[i] == 0) ++counts.gone;
  }
  return counts;
}

}  // namespace respcask::engine

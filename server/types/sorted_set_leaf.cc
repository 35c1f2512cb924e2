#include "server/types/sorted_set_leaf.h"

#include <cassert>
#include <cstdlib>
#include <new>

#include "server/types/malloc_header.h"

namespace respcask::server {

namespace {

// The size that malloc makes of a block anyway: 8 less than a multiple of 16.
size_t rounded_block(size_t bytes) {
  return (bytes + kMallocHeader + 15) / 16 * 16 - kMallocHeader;
}

size_t slots_for(size_t count) {
  return (count + 7) / 8 * 8;
}

constexpr size_t kSlotBytes = 8 + 8 + 2 + 1;

}  // namespace

static_assert(SortedSetLeaf::kMaxCount <= UINT8_MAX);
// Whatever the members, a leaf's ends leave their high bit alone.
static_assert(SortedSetLeaf::kMaxCount * SortedSetLeaf::kMaxInline < 0x8000);

size_t SortedSetLeaf::block_bytes() const {
  return sizeof(SortedSetLeaf) + kSlotBytes * slots_ + capacity_;
}

SortedSetLeaf* SortedSetLeaf::create(size_t count, size_t bytes, size_t& heap_bytes) {
  static_assert(sizeof(SortedSetLeaf) == 32);
  const size_t slots = slots_for(count);
  const size_t fixed = sizeof(SortedSetLeaf) + kSlotBytes * slots;
  const size_t block_size = rounded_block(fixed + bytes);
  void* block = std::malloc(block_size);
  if (block == nullptr) throw std::bad_alloc();
  heap_bytes += block_size + kMallocHeader;
  return new (block) SortedSetLeaf(slots, block_size - fixed);
}

void SortedSetLeaf::destroy(SortedSetLeaf* leaf, size_t& heap_bytes) {
  while (leaf->count_ > 0) leaf->erase(leaf->count_ - size_t{1}, heap_bytes);
  heap_bytes -= leaf->block_bytes() + kMallocHeader;
  std::free(leaf);
}

SortedSetLeaf* SortedSetLeaf::moved(SortedSetLeaf* leaf, size_t count, size_t bytes,
                                    size_t& heap_bytes) {
  SortedSetLeaf* to = create(count, bytes, heap_bytes);
  to->parent = leaf->parent;
  to->number = leaf->number;
  to->previous = leaf->previous;
  to->next = leaf->next;
  to->copy_from(*leaf, 0);
  heap_bytes -= leaf->block_bytes() + kMallocHeader;
  std::free(leaf);
  return to;
}

SortedSetLeaf* SortedSetLeaf::with_room(SortedSetLeaf* leaf, size_t more_bytes,
                                        size_t& heap_bytes) {
  const size_t bytes = leaf->used_ + more_bytes;
  if (leaf->count_ < leaf->slots_ && bytes <= leaf->capacity_) return leaf;
  // An eighth more, so that the next elements need no new block.
  return moved(leaf, leaf->count_ + size_t{1}, bytes + bytes / 8, heap_bytes);
}

SortedSetLeaf* SortedSetLeaf::trimmed(SortedSetLeaf* leaf, size_t& heap_bytes) {
  const size_t needed = sizeof(SortedSetLeaf) + kSlotBytes * slots_for(leaf->count_) + leaf->used_;
  if (leaf->block_bytes() < needed + needed / 2 + 64) return leaf;
  return moved(leaf, leaf->count_, leaf->used_ + leaf->used_ / 8, heap_bytes);
}

std::string_view SortedSetLeaf::long_member(const char* at) {
  const char* bytes;
  uint64_t size;
  std::memcpy(&bytes, at, 8);
  std::memcpy(&size, at + 8, 8);
  return {bytes, size};
}

size_t SortedSetLeaf::find(std::string_view wanted, uint8_t tag) const {
  const uint8_t* const all = tags();
  for (size_t i = 0; i < count_; ++i) {
    const auto* hit = static_cast<const uint8_t*>(std::memchr(all + i, tag, count_ - i));
    if (hit == nullptr) break;
    i = static_cast<size_t>(hit - all);
    if (member(i) == wanted) return i;
  }
  return count_;
}

void SortedSetLeaf::insert(size_t i, std::string_view member, uint8_t tag, double score,
                           engine::Location where, size_t& heap_bytes) {
  const size_t size = inline_bytes(member.size());
  assert(i <= count_ && count_ < slots_ && used_ + size <= capacity_);
  const size_t behind = count_ - i;
  const size_t begin = begin_of(i);
  std::memmove(scores() + i + 1, scores() + i, behind * sizeof(double));
  std::memmove(wheres() + i + 1, wheres() + i, behind * sizeof(uint64_t));
  std::memmove(tags() + i + 1, tags() + i, behind);
  for (size_t k = count_; k > i; --k) ends()[k] = static_cast<uint16_t>(ends()[k - 1] + size);
  char* const at = members() + begin;
  std::memmove(at + size, at, used_ - begin);
  scores()[i] = score;
  wheres()[i] = where.packed;
  tags()[i] = tag;
  ends()[i] = static_cast<uint16_t>(begin + size);
  if (member.size() <= kMaxInline) {
    if (size > 0) std::memcpy(at, member.data(), size);
  } else {
    auto* const block = static_cast<char*>(std::malloc(member.size()));
    if (block == nullptr) throw std::bad_alloc();
    std::memcpy(block, member.data(), member.size());
    const uint64_t length = member.size();
    std::memcpy(at, &block, 8);
    std::memcpy(at + 8, &length, 8);
    ends()[i] |= kLong;
    heap_bytes += rounded_block(member.size()) + kMallocHeader;
  }
  used_ = static_cast<uint16_t>(used_ + size);
  ++count_;
}

void SortedSetLeaf::erase(size_t i, size_t& heap_bytes) {
  assert(i < count_);
  const size_t begin = begin_of(i);
  const size_t size = (ends()[i] & kEndMask) - begin;
  char* const at = members() + begin;
  if ((ends()[i] & kLong) != 0) {
    const std::string_view block = long_member(at);
    heap_bytes -= rounded_block(block.size()) + kMallocHeader;
    std::free(const_cast<char*>(block.data()));
  }
  std::memmove(at, at + size, used_ - begin - size);
  const size_t behind = count_ - i - 1;
  std::memmove(scores() + i, scores() + i + 1, behind * sizeof(double));
  std::memmove(wheres() + i, wheres() + i + 1, behind * sizeof(uint64_t));
  std::memmove(tags() + i, tags() + i + 1, behind);
  for (size_t k = i; k + 1 < count_; ++k) ends()[k] = static_cast<uint16_t>(ends()[k + 1] - size);
  used_ = static_cast<uint16_t>(used_ - size);
  --count_;
}

void SortedSetLeaf::copy_from(const SortedSetLeaf& from, size_t first) {
  const size_t more = from.count_ - first;
  const size_t begin = from.begin_of(first);
  const size_t bytes = from.used_ - begin;
  assert(count_ + more <= slots_ && used_ + bytes <= capacity_);
  if (more == 0) return;
  std::memcpy(scores() + count_, from.scores() + first, more * sizeof(double));
  std::memcpy(wheres() + count_, from.wheres() + first, more * sizeof(uint64_t));
  std::memcpy(tags() + count_, from.tags() + first, more);
  std::memcpy(members() + used_, from.members() + begin, bytes);
  for (size_t k = 0; k < more; ++k) {
    ends()[count_ + k] = static_cast<uint16_t>(from.ends()[first + k] - begin + used_);
  }
  count_ = static_cast<uint8_t>(count_ + more);
  used_ = static_cast<uint16_t>(used_ + bytes);
}

void SortedSetLeaf::take_tail(SortedSetLeaf& from, size_t first) {
  copy_from(from, first);
  from.used_ = static_cast<uint16_t>(from.begin_of(first));
  from.count_ = static_cast<uint8_t>(first);
}

}  // namespace respcask::server

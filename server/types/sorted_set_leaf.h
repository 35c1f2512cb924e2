// SortedSetLeaf: a run of neighbouring members of a large sorted set, in one heap block.
//
//   bytes       what
//   ----------  -----------------------------------------------------------------------
//   32          the fields of this class                                     (the header)
//   8 * slots   scores
//   8 * slots   locations of the members' records in the log
//   2 * slots   where each member's bytes end, counted from where the members begin; the high bit
//               says that the member is long
//   1 * slots   tags: a byte of each member's hash
//   capacity    the members' bytes, one after the other, some of it unused
//
// `slots` is a multiple of 8. A long member, of more than kMaxInline bytes, has a block of its own,
// and in its place stand the block's address and the member's size (8 bytes each).
//
// Invariants: elements ascend by score and then by the member's bytes; it is the tree that sees to
// that, and the leaf keeps the place it is told. At most kMaxCount elements. The tree owns the
// block and does the locking (sorted_set_tree.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "engine/location.h"

namespace respcask::server {

struct SortedSetNode;

class SortedSetLeaf {
 public:
  static constexpr size_t kMaxCount = 64;
  static constexpr size_t kMaxInline = 192;      // bytes of a member kept in the leaf
  static constexpr size_t kMaxBytes = 4096;      // bytes of members, above which a leaf is full
  static constexpr uint32_t kNone = UINT32_MAX;  // no leaf

  // An empty leaf with room for `count` elements and `bytes` bytes of members. `heap_bytes`, here
  // and below, is the owner's account of memory.
  static SortedSetLeaf* create(size_t count, size_t bytes, size_t& heap_bytes);
  // Frees the leaf and its long members.
  static void destroy(SortedSetLeaf* leaf, size_t& heap_bytes);
  // The same leaf with room for `more_bytes` and one more element; it may have been moved.
  static SortedSetLeaf* with_room(SortedSetLeaf* leaf, size_t more_bytes, size_t& heap_bytes);
  // The same leaf in a smaller block, if it leaves much of this one unused.
  static SortedSetLeaf* trimmed(SortedSetLeaf* leaf, size_t& heap_bytes);

  // Marks of the tree's; the leaf only carries them.
  SortedSetNode* parent = nullptr;
  uint32_t number = kNone;
  uint32_t previous = kNone;
  uint32_t next = kNone;

  size_t count() const { return count_; }
  size_t member_bytes() const { return used_; }  // in the leaf
  // Bytes that a member of this size takes in a leaf.
  static size_t inline_bytes(size_t size) { return size > kMaxInline ? kLongBytes : size; }
  // Whether another element would make it too large.
  bool is_full(size_t more_bytes) const {
    return count_ == kMaxCount || used_ + more_bytes > kMaxBytes;
  }

  double score(size_t i) const { return scores()[i]; }
  engine::Location where(size_t i) const { return engine::Location{wheres()[i]}; }
  uint8_t tag(size_t i) const { return tags()[i]; }
  std::string_view member(size_t i) const {
    const char* at = members() + begin_of(i);
    const size_t size = (ends()[i] & kEndMask) - begin_of(i);
    if ((ends()[i] & kLong) == 0) [[likely]]
      return {at, size};
    return long_member(at);
  }
  // The element of this member; count() if there is none.
  size_t find(std::string_view member, uint8_t tag) const;

  // Begins to load what find() looks at first.
  void prefetch() const {
    __builtin_prefetch(tags());
    __builtin_prefetch(tags() + count_);
    __builtin_prefetch(ends());
    __builtin_prefetch(ends() + count_ / 2);
  }

  void set_score(size_t i, double score) { scores()[i] = score; }
  void set_where(size_t i, engine::Location where) { wheres()[i] = where.packed; }

  // Needs room (with_room).
  void insert(size_t i, std::string_view member, uint8_t tag, double score, engine::Location where,
              size_t& heap_bytes);
  void erase(size_t i, size_t& heap_bytes);
  // Moves the elements of `from` from `first` on behind those that are here; needs room.
  void take_tail(SortedSetLeaf& from, size_t first);

 private:
  static constexpr uint16_t kLong = 0x8000;
  static constexpr uint16_t kEndMask = 0x7fff;
  static constexpr size_t kLongBytes = 16;

  SortedSetLeaf(size_t slots, size_t capacity)
      : slots_(static_cast<uint8_t>(slots)), capacity_(static_cast<uint16_t>(capacity)) {}
  static SortedSetLeaf* moved(SortedSetLeaf* leaf, size_t count, size_t bytes, size_t& heap_bytes);
  static std::string_view long_member(const char* at);

  // The tree hands out const leaves where nothing is to be changed; here one set will do.
  char* bytes() const { return reinterpret_cast<char*>(const_cast<SortedSetLeaf*>(this)); }
  double* scores() const { return reinterpret_cast<double*>(bytes() + sizeof(SortedSetLeaf)); }
  uint64_t* wheres() const {
    return reinterpret_cast<uint64_t*>(bytes() + sizeof(SortedSetLeaf) + 8 * size_t{slots_});
  }
  uint16_t* ends() const {
    return reinterpret_cast<uint16_t*>(bytes() + sizeof(SortedSetLeaf) + 16 * size_t{slots_});
  }
  uint8_t* tags() const {
    return reinterpret_cast<uint8_t*>(bytes() + sizeof(SortedSetLeaf) + 18 * size_t{slots_});
  }
  char* members() const { return bytes() + sizeof(SortedSetLeaf) + 19 * size_t{slots_}; }
  size_t begin_of(size_t i) const { return i == 0 ? 0 : ends()[i - 1] & kEndMask; }
  size_t block_bytes() const;
  void copy_from(const SortedSetLeaf& from, size_t first);

  uint8_t count_ = 0;
  uint8_t slots_;
  uint16_t used_ = 0;
  uint16_t capacity_;
};

}  // namespace respcask::server

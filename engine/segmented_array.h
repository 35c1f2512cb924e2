// SegmentedArray<T>: an array that grows and shrinks at its end without copying itself.
//
// Elements lie in segments of kSegment, so that growing costs one small allocation now and then and
// never a copy of everything: that copy would be the one pause of a table built page by page. (The
// vector of segment pointers does double, but it is 256 times smaller: 0.1 ms at 10^9 keys.) Only
// the first segment starts small and doubles until it is full, because there may be millions of
// arrays that never get far.
// Owns its elements, which are plain values. No locking: one thread at a time.
#pragma once

#include <malloc.h>

#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <memory>
#include <type_traits>
#include <utility>
#include <vector>

namespace respcask::engine {

template <class T>
class SegmentedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  static constexpr size_t kSegment = 256;

  size_t size() const { return size_; }
  T& operator[](size_t i) { return segments_[i / kSegment][i % kSegment]; }
  const T& operator[](size_t i) const { return segments_[i / kSegment][i % kSegment]; }

  void push_back(T value) {
    if (size_ % kSegment == 0) {
      segments_.push_back(std::make_unique_for_overwrite<T[]>(size_ == 0 ? kFirst : kSegment));
      segment_bytes_ += malloc_usable_size(segments_.back().get());
    } else if (size_ < kSegment && size_ >= kFirst && std::has_single_bit(size_)) {
      grow_first();
    }
    (*this)[size_++] = value;
  }

  void pop_back() {
    assert(size_ > 0);
    if (--size_ % kSegment == 0) {
      segment_bytes_ -= malloc_usable_size(segments_.back().get());
      segments_.pop_back();
      if (segments_.empty()) std::vector<std::unique_ptr<T[]>>().swap(segments_);
    }
  }

  void swap(SegmentedArray& other) noexcept {
    segments_.swap(other.segments_);
    std::swap(size_, other.size_);
    std::swap(segment_bytes_, other.segment_bytes_);
  }

  // Bytes of heap held.
  size_t memory_bytes() const {
    return segment_bytes_ + segments_.capacity() * sizeof(std::unique_ptr<T[]>);
  }

 private:
  static constexpr size_t kFirst = 4;
  static_assert(std::has_single_bit(kFirst) && std::has_single_bit(kSegment));

  // The first segment is full, or was when it last had this size: twice the room.
  void grow_first() {
    auto wider = std::make_unique_for_overwrite<T[]>(2 * size_);
    std::copy_n(segments_[0].get(), size_, wider.get());
    segment_bytes_ += malloc_usable_size(wider.get());
    segment_bytes_ -= malloc_usable_size(segments_[0].get());
    segments_[0] = std::move(wider);
  }

  std::vector<std::unique_ptr<T[]>> segments_;
  size_t size_ = 0;
  size_t segment_bytes_ = 0;
};

}  // namespace respcask::engine

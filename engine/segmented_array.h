// SegmentedArray<T>: an array that grows and shrinks at its end without ever moving its elements.
//
// Elements lie in segments of kSegment, so that growing costs one small allocation now and then and
// never a copy of everything: that copy would be the one pause of a table built page by page. (The
// vector of segment pointers does double, but it is 256 times smaller: 0.1 ms at 10^9 keys.)
// Owns its elements, which are plain values. No locking: one thread at a time.
#pragma once

#include <malloc.h>

#include <cassert>
#include <cstddef>
#include <memory>
#include <type_traits>
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
      segments_.push_back(std::make_unique_for_overwrite<T[]>(kSegment));
      segment_bytes_ += malloc_usable_size(segments_.back().get());
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
  std::vector<std::unique_ptr<T[]>> segments_;
  size_t size_ = 0;
  size_t segment_bytes_ = 0;
};

}  // namespace respcask::engine

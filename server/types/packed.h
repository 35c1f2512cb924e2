// Packed: the one encoding of small hashes, lists, sets and sorted sets: a sequence of byte
// strings, which is the whole value of the key.
//
//     count      varint            elements that follow
//     element    varint, bytes     its size and itself; `count` times
//
// A hash is field, value, field, value, ...; what the elements of another type mean, its own file
// says. Their order is the one in which Redis keeps its small collections, so that replies come out
// alike. The encoding is on disk: never change it.
//
// A Packed borrows the bytes it is given, and its iterators and the views they yield point into
// them. Values come from the log checked, so a malformed one is a broken invariant and asserts;
// nothing is ever read past the end. Reading allocates nothing. A PackedWriter owns its bytes. Each
// is for one thread at a time.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <string>
#include <string_view>

#include "engine/varint.h"

namespace respcask::server {

class Packed {
 public:
  // An element and its place. The iterator of element i is made from that of element i - 1 only;
  // two of the same Packed compare by place.
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string_view*;
    using reference = const std::string_view&;

    Iterator() = default;
    const std::string_view& operator*() const { return element_; }
    const std::string_view* operator->() const { return &element_; }
    Iterator& operator++() {
      at_ = element_.data() + element_.size();
      if (++index_ != count_) load();
      return *this;
    }
    Iterator operator++(int) {
      Iterator before = *this;
      ++*this;
      return before;
    }
    // Its number, from 0; that of end() is the count.
    uint64_t index() const { return index_; }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.index_ == b.index_; }

   private:
    friend class Packed;
    friend class PackedWriter;
    Iterator(const char* at, const char* end, uint64_t index, uint64_t count)
        : at_(at), end_(end), index_(index), count_(count) {
      if (index_ != count_) load();
    }
    void load();

    const char* at_ = nullptr;  // where the element's size stands
    const char* end_ = nullptr;
    std::string_view element_;
    uint64_t index_ = 0;
    uint64_t count_ = 0;
  };

  // No elements.
  Packed() = default;
  // A value as PackedWriter makes it.
  explicit Packed(std::string_view bytes);

  // O(1).
  uint64_t count() const { return count_; }
  bool empty() const { return count_ == 0; }
  // Of the encoding.
  size_t size_bytes() const { return bytes_.size(); }

  Iterator begin() const { return {elements_, end(bytes_), 0, count_}; }
  // Good for comparing and as the end of a run.
  Iterator end() const { return {end(bytes_), end(bytes_), count_, count_}; }

 private:
  static const char* end(std::string_view bytes) { return bytes.data() + bytes.size(); }

  std::string_view bytes_;
  const char* elements_ = nullptr;
  uint64_t count_ = 0;
};

// Makes a packed value from front to back, of new elements and of runs of another one's. To replace
// or erase an element: append the run before it, what takes its place, and the run after it.
class PackedWriter {
 public:
  explicit PackedWriter(size_t expected_bytes = 0) { body_.reserve(expected_bytes); }

  void append(std::string_view element);
  // The elements [from, to) of one Packed, copied at once.
  void append_run(const Packed::Iterator& from, const Packed::Iterator& to);

  uint64_t count() const { return count_; }
  // Of the encoding as it is now.
  size_t size_bytes() const { return engine::varint_size(count_) + body_.size(); }

  // The encoding, for Context::put; valid until the writer changes.
  std::array<std::string_view, 2> pieces();

  // Bytes that an element of this size takes.
  static size_t element_bytes(size_t size) { return engine::varint_size(size) + size; }

 private:
  uint64_t count_ = 0;
  std::string body_;
  std::array<char, engine::kMaxVarintSize> header_{};
};

}  // namespace respcask::server

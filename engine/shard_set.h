// ShardSet: which shards a command, a commit or a transaction touches.
//
// A value of 32 bytes; iterating visits members in ascending order, which is the order in which
// shards are locked. Plain data; any thread.
#pragma once

#include <array>
#include <bit>
#include <cassert>
#include <cstdint>

namespace respcask::engine {

inline constexpr uint32_t kMaxShards = 256;

class ShardSet {
 public:
  static ShardSet first(uint32_t count) {
    ShardSet all;
    for (uint32_t shard = 0; shard < count; ++shard) all.add(shard);
    return all;
  }

  void add(uint32_t shard) {
    assert(shard < kMaxShards);
    words_[shard / 64] |= uint64_t{1} << (shard % 64);
  }
  void add(const ShardSet& other) {
    for (size_t i = 0; i < words_.size(); ++i) words_[i] |= other.words_[i];
  }
  void remove(uint32_t shard) { words_[shard / 64] &= ~(uint64_t{1} << (shard % 64)); }
  void clear() { words_ = {}; }

  bool contains(uint32_t shard) const {
    return shard < kMaxShards && (words_[shard / 64] >> (shard % 64) & 1) != 0;
  }
  bool contains(const ShardSet& other) const {
    for (size_t i = 0; i < words_.size(); ++i) {
      if ((other.words_[i] & ~words_[i]) != 0) return false;
    }
    return true;
  }
  bool empty() const { return (words_[0] | words_[1] | words_[2] | words_[3]) == 0; }
  uint32_t size() const {
    int n = 0;
    for (uint64_t word : words_) n += std::popcount(word);
    return static_cast<uint32_t>(n);
  }

  class Iterator {
   public:
    Iterator(const ShardSet* set, uint32_t at) : set_(set), at_(at) { settle(); }
    uint32_t operator*() const { return at_; }
    Iterator& operator++() {
      ++at_;
      settle();
      return *this;
    }
    friend bool operator==(const Iterator& a, const Iterator& b) { return a.at_ == b.at_; }

   private:
    void settle() {
      while (at_ < kMaxShards) {
        uint64_t rest = set_->words_[at_ / 64] >> (at_ % 64);
        if (rest != 0) {
          at_ += static_cast<uint32_t>(std::countr_zero(rest));
          return;
        }
        at_ = (at_ / 64 + 1) * 64;
      }
    }
    const ShardSet* set_;
    uint32_t at_;
  };
  Iterator begin() const { return Iterator(this, 0); }
  Iterator end() const { return Iterator(this, kMaxShards); }

  friend bool operator==(const ShardSet&, const ShardSet&) = default;

 private:
  static_assert(kMaxShards == 256);
  std::array<uint64_t, 4> words_{};
};

}  // namespace respcask::engine

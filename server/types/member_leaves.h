// MemberLeaves: in which leaf of a large sorted set a member lies, by the member's hash.
//
// It keeps no member, only pairs (hash, leaf), eight bytes each; the leaf holds the member and is
// asked whether it is the one. Pairs with the same hash and leaf cannot be told apart and need not
// be.
//
// A linear hash table (W. Litwin, "Linear hashing: a new tool for file and table addressing", VLDB
// 1980): it grows and shrinks by one bucket at a time, so no insert pauses for a rehash, and a
// bucket is as large as what it holds. Buckets are chosen by the hash's low bits. A scan goes
// through hash space in the order of the hash's bits reversed, in which every bucket is one range,
// whatever the number of buckets: so its cursor stays valid while the table grows and shrinks.
//
// Owns its memory. No locking: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>

#include "engine/function_ref.h"

namespace respcask::server {

class MemberLeaves {
 public:
  MemberLeaves() = default;
  ~MemberLeaves();
  MemberLeaves(MemberLeaves&&) = delete;

  uint64_t size() const { return size_; }

  void insert(uint32_t hash, uint32_t leaf);
  // These are there.
  void erase(uint32_t hash, uint32_t leaf);
  void move(uint32_t hash, uint32_t from, uint32_t to);

  // Calls `visit` with each leaf that is filed under the hash, until it returns true; whether it
  // did.
  template <class Visit>
  bool find(uint32_t hash, Visit visit) const {
    if (size_ == 0) return false;
    const Bucket* bucket = buckets_[index_of(hash)];
    if (bucket == nullptr) return false;
    for (size_t i = next_of(*bucket, hash, 0); i < bucket->count;
         i = next_of(*bucket, hash, i + 1)) {
      if (visit(bucket->leaves()[i])) return true;
    }
    return false;
  }

  // Begins to load what find() looks at.
  void prefetch(uint32_t hash) const {
    if (size_ == 0) return;
    const auto* const at = reinterpret_cast<const char*>(buckets_[index_of(hash)]);
    constexpr size_t kLine = 64;
    constexpr size_t kBytes = sizeof(Bucket) + 2 * sizeof(uint32_t) * kPairsABucket;
    for (size_t i = 0; i < kBytes; i += kLine) __builtin_prefetch(at + i);
  }

  // Visits the pairs of one bucket: those that lie in reversed hash space at `position` or after
  // it. Returns the position to go on from, 0 at the end. What is there throughout a scan is
  // visited.
  uint64_t scan(uint64_t position,
                engine::FunctionRef<void(uint32_t hash, uint32_t leaf)> visit) const;

  size_t memory_bytes() const { return block_bytes_ + deque_bytes(buckets_); }

  // Heap bytes of a std::deque of words, as libstdc++ makes it: blocks of 512, and their addresses.
  // It grows without moving what is in it.
  template <class T>
  static size_t deque_bytes(const std::deque<T>& deque) {
    constexpr size_t kBlock = 512 + 8;
    return (deque.size() * sizeof(T) / 512 + 1) * (kBlock + 2 * sizeof(void*));
  }

 private:
  struct Bucket {
    uint32_t count;
    uint32_t slots;  // a multiple of kStep
    uint32_t* hashes() { return reinterpret_cast<uint32_t*>(this + 1); }
    const uint32_t* hashes() const { return reinterpret_cast<const uint32_t*>(this + 1); }
    uint32_t* leaves() { return hashes() + slots; }
    const uint32_t* leaves() const { return hashes() + slots; }
  };
  static constexpr uint32_t kStep = 8;
  static constexpr uint64_t kPairsABucket = 24;  // on average; above it the table grows
  static constexpr uint64_t kLeastPairs = 10;    // below it it shrinks

  size_t index_of(uint32_t hash) const {
    const size_t index = hash & (2 * low_count_ - 1);
    return index < buckets_.size() ? index : hash & (low_count_ - 1);
  }
  static size_t next_of(const Bucket& bucket, uint32_t hash, size_t from);
  static size_t find_pair(const Bucket& bucket, uint32_t hash, uint32_t leaf);
  void add(size_t index, uint32_t hash, uint32_t leaf);
  void resize(size_t index, uint32_t slots);
  void free_bucket(size_t index);
  void trim(size_t index);
  void grow();
  void shrink();

  std::deque<Bucket*> buckets_;  // null: empty
  size_t low_count_ = 1;         // a power of two; low_count_ <= number of buckets < 2 * low_count_
  uint64_t size_ = 0;
  size_t block_bytes_ = 0;
};

}  // namespace respcask::server

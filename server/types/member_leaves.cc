#include "server/types/member_leaves.h"

#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>

#include "server/types/malloc_header.h"

namespace respcask::server {

namespace {

uint32_t reversed(uint32_t bits) {
  bits = (bits >> 1 & 0x55555555) | (bits & 0x55555555) << 1;
  bits = (bits >> 2 & 0x33333333) | (bits & 0x33333333) << 2;
  bits = (bits >> 4 & 0x0f0f0f0f) | (bits & 0x0f0f0f0f) << 4;
  return __builtin_bswap32(bits);
}

}  // namespace

MemberLeaves::~MemberLeaves() {
  for (Bucket* bucket : buckets_) std::free(bucket);
}

// Eight comparisons at once, without a branch, which the compiler makes two of; hashes are padded
// to a multiple of that.
size_t MemberLeaves::next_of(const Bucket& bucket, uint32_t hash, size_t from) {
  static_assert(kStep == 8);
  const uint32_t* const hashes = bucket.hashes();
  size_t i = from;
  for (; i < bucket.count && i % kStep != 0; ++i) {
    if (hashes[i] == hash) return i;
  }
  for (; i < bucket.count; i += kStep) {
    uint32_t any = 0;
    for (size_t k = 0; k < kStep; ++k) any |= hashes[i + k] == hash;
    if (any == 0) continue;
    size_t k = i;
    while (hashes[k] != hash) ++k;
    return k;  // behind the count, it is a leftover
  }
  return bucket.count;
}

size_t MemberLeaves::find_pair(const Bucket& bucket, uint32_t hash, uint32_t leaf) {
  size_t i = next_of(bucket, hash, 0);
  while (i < bucket.count && bucket.leaves()[i] != leaf) i = next_of(bucket, hash, i + 1);
  assert(i < bucket.count);
  return i;
}

void MemberLeaves::resize(size_t index, uint32_t slots) {
  const size_t bytes = sizeof(Bucket) + 2 * sizeof(uint32_t) * slots;
  auto* const bucket = static_cast<Bucket*>(std::malloc(bytes));
  if (bucket == nullptr) throw std::bad_alloc();
  block_bytes_ += bytes + kMallocHeader;
  bucket->count = 0;
  bucket->slots = slots;
  std::memset(bucket->hashes(), 0, sizeof(uint32_t) * slots);
  if (const Bucket* old = buckets_[index]) {
    bucket->count = old->count;
    std::memcpy(bucket->hashes(), old->hashes(), sizeof(uint32_t) * old->count);
    std::memcpy(bucket->leaves(), old->leaves(), sizeof(uint32_t) * old->count);
    free_bucket(index);
  }
  buckets_[index] = bucket;
}

void MemberLeaves::free_bucket(size_t index) {
  Bucket* bucket = buckets_[index];
  if (bucket == nullptr) return;
  block_bytes_ -= sizeof(Bucket) + 2 * sizeof(uint32_t) * bucket->slots + kMallocHeader;
  std::free(bucket);
  buckets_[index] = nullptr;
}

void MemberLeaves::add(size_t index, uint32_t hash, uint32_t leaf) {
  const Bucket* old = buckets_[index];
  if (old == nullptr) {
    resize(index, kStep);
  } else if (old->count == old->slots) {
    resize(index, old->slots + kStep);
  }
  Bucket* bucket = buckets_[index];
  bucket->hashes()[bucket->count] = hash;
  bucket->leaves()[bucket->count] = leaf;
  ++bucket->count;
}

void MemberLeaves::insert(uint32_t hash, uint32_t leaf) {
  if (buckets_.size() == 0) buckets_.push_back(nullptr);
  add(index_of(hash), hash, leaf);
  if (++size_ > buckets_.size() * kPairsABucket) grow();
}

void MemberLeaves::erase(uint32_t hash, uint32_t leaf) {
  const size_t index = index_of(hash);
  Bucket* bucket = buckets_[index];
  assert(bucket != nullptr);
  const size_t at = find_pair(*bucket, hash, leaf);
  --bucket->count;
  bucket->hashes()[at] = bucket->hashes()[bucket->count];
  bucket->leaves()[at] = bucket->leaves()[bucket->count];
  trim(index);
  --size_;
  if (buckets_.size() > 1 && size_ < buckets_.size() * kLeastPairs) shrink();
}

void MemberLeaves::move(uint32_t hash, uint32_t from, uint32_t to) {
  Bucket* bucket = buckets_[index_of(hash)];
  assert(bucket != nullptr);
  bucket->leaves()[find_pair(*bucket, hash, from)] = to;
}

void MemberLeaves::trim(size_t index) {
  const Bucket* bucket = buckets_[index];
  if (bucket->count == 0) return free_bucket(index);
  // Two steps before one is given back: not to and fro at every change.
  if (bucket->count + 2 * kStep <= bucket->slots) resize(index, bucket->slots - kStep);
}

void MemberLeaves::grow() {
  const size_t from = buckets_.size() - low_count_;
  const size_t to = buckets_.size();
  buckets_.push_back(nullptr);
  if (Bucket* bucket = buckets_[from]) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < bucket->count; ++i) {
      const uint32_t hash = bucket->hashes()[i];
      const uint32_t leaf = bucket->leaves()[i];
      if ((hash & low_count_) != 0) {
        add(to, hash, leaf);
      } else {
        bucket->hashes()[kept] = hash;
        bucket->leaves()[kept] = leaf;
        ++kept;
      }
    }
    bucket->count = kept;
    if (kept == 0) {
      free_bucket(from);
    } else if (const uint32_t slots = (kept + kStep - 1) / kStep * kStep; slots < bucket->slots) {
      resize(from, slots);
    }
  }
  if (buckets_.size() == 2 * low_count_) low_count_ *= 2;
}

void MemberLeaves::shrink() {
  if (buckets_.size() == low_count_) low_count_ /= 2;
  const size_t from = buckets_.size() - 1;
  const size_t to = from - low_count_;
  if (Bucket* bucket = buckets_[from]) {
    for (uint32_t i = 0; i < bucket->count; ++i) {
      add(to, bucket->hashes()[i], bucket->leaves()[i]);
    }
    free_bucket(from);
  }
  buckets_.pop_back();
}

uint64_t MemberLeaves::scan(uint64_t position,
                            engine::FunctionRef<void(uint32_t, uint32_t)> visit) const {
  if (size_ == 0 || position > UINT32_MAX) return 0;
  const auto begin = static_cast<uint32_t>(position);
  const uint32_t hash = reversed(begin);
  const size_t index = index_of(hash);
  // A bucket that has been split, or comes from a split, is chosen by one bit more.
  const bool is_split = index >= low_count_ || index + low_count_ < buckets_.size();
  const uint64_t count = is_split ? 2 * low_count_ : low_count_;
  if (const Bucket* bucket = buckets_[index]) {
    for (uint32_t i = 0; i < bucket->count; ++i) {
      if (reversed(bucket->hashes()[i]) >= begin) visit(bucket->hashes()[i], bucket->leaves()[i]);
    }
  }
  const uint64_t width = (uint64_t{1} << 32) / count;
  const uint64_t next = (position / width + 1) * width;
  return next > UINT32_MAX ? 0 : next;
}

}  // namespace respcask::server

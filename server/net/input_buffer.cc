#include "server/net/input_buffer.h"

#include <algorithm>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <new>

namespace respcask::server {
namespace {

// Below this a read is hardly worth its system call, if moving what is unread can make more room.
constexpr size_t kSmallRoom = 4096;
// What is free behind the bytes that fit() leaves.
constexpr size_t kFitRoom = 64;
// Of what a client says that it will send, once it has filled a block. Beyond that it gets as much
// room as it has used.
constexpr size_t kWantedAtOnce = 256 * 1024;

char* allocate(size_t bytes) {
  void* const memory = std::malloc(bytes);
  if (memory == nullptr) throw std::bad_alloc();
  return static_cast<char*>(memory);
}

}  // namespace

BlockPool::~BlockPool() {
  for (char* block : free_) std::free(block);
}

char* BlockPool::take() {
  if (free_.empty()) return allocate(kBlockBytes);
  char* const block = free_.back();
  free_.pop_back();
  idle_ = std::min(idle_, free_.size());
  return block;
}

void BlockPool::drop_idle() {
  const size_t dropped = std::min(idle_, free_.size() - std::min(free_.size(), kKept));
  for (size_t i = 0; i < dropped; ++i) std::free(free_[i]);
  free_.erase(free_.begin(), free_.begin() + static_cast<ptrdiff_t>(dropped));
  idle_ = free_.size();
}

void BlockPool::give(char* block) {
  if (free_.size() < kMost) {
    free_.push_back(block);
  } else {
    std::free(block);
  }
}

InputBuffer::~InputBuffer() {
  free_memory(data_, capacity_);
  free_memory(held_, held_bytes_);
}

void InputBuffer::free_memory(char* data, size_t capacity) {
  if (data == nullptr) return;
  if (capacity == BlockPool::kBlockBytes) {
    pool_.give(data);
  } else {
    std::free(data);
  }
}

std::span<char> InputBuffer::room(size_t wanted) {
  if (data_ == nullptr) {
    data_ = pool_.take();
    capacity_ = BlockPool::kBlockBytes;
    begin_ = end_ = 0;
  }
  if (full() && !pinned_ && wanted < capacity_ && capacity_ < kPipelineBytes) {
    replace(std::max(2 * capacity_, BlockPool::kBlockBytes));
  } else if (begin_ > 0 && !pinned_) {
    if (begin_ == end_) {
      begin_ = end_ = 0;
    } else if (capacity_ - end_ < std::max(wanted, kSmallRoom) &&
               end_ - begin_ <= std::max(begin_, kPipelineBytes)) {
      // Once a command at most: begin_ stays 0 until the command is complete. Of a long pipeline
      // that waits to be run not more is moved than has been consumed.
      std::memmove(data_, data_ + begin_, end_ - begin_);
      end_ -= begin_;
      begin_ = 0;
    }
  }
  if (end_ == capacity_) {
    const size_t unread = end_ - begin_;
    const size_t doubled = std::max(2 * unread, 2 * BlockPool::kBlockBytes);
    const size_t generous = std::max(doubled, unread + kWantedAtOnce);
    const size_t needed = wanted == 0 ? doubled : std::min(generous, unread + wanted);
    replace((needed + kSmallRoom) / kSmallRoom * kSmallRoom);
  }
  return {data_ + end_, capacity_ - end_};
}

void InputBuffer::replace(size_t new_capacity) {
  const size_t unread = end_ - begin_;
  assert(new_capacity > unread);
  const bool keep_old = pinned_ && held_ == nullptr;
  if (!keep_old && capacity_ != BlockPool::kBlockBytes && begin_ == 0) {
    void* const memory = std::realloc(data_, new_capacity);
    if (memory == nullptr) throw std::bad_alloc();
    data_ = static_cast<char*>(memory);
  } else {
    char* const memory = allocate(new_capacity);
    std::memcpy(memory, data_ + begin_, unread);
    if (keep_old) {
      held_ = data_;
      held_bytes_ = capacity_;
    } else {
      free_memory(data_, capacity_);
    }
    data_ = memory;
  }
  capacity_ = new_capacity;
  begin_ = 0;
  end_ = unread;
}

void InputBuffer::unpin() {
  pinned_ = false;
  free_memory(held_, held_bytes_);
  held_ = nullptr;
  held_bytes_ = 0;
}

void InputBuffer::shrink() {
  const size_t unread = end_ - begin_;
  if (unread == 0) return release_if_empty(true);
  replace(std::max((unread / kSmallRoom + 1) * kSmallRoom, kPipelineBytes));
}

bool InputBuffer::fit() {
  const size_t unread = end_ - begin_;
  const size_t needed = unread + kFitRoom;
  if (capacity() / 2 < needed) return false;
  const bool pinned = pinned_;
  unpin();
  replace(needed);
  pinned_ = pinned;
  return true;
}

void InputBuffer::release_if_empty(bool large_too) {
  if (begin_ != end_ || pinned_ || data_ == nullptr) return;
  begin_ = end_ = 0;
  if (capacity_ > BlockPool::kBlockBytes && !large_too) return;
  free_memory(data_, capacity_);
  data_ = nullptr;
  capacity_ = 0;
}

}  // namespace respcask::server

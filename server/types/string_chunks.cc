#include "server/types/string_chunks.h"

#include <algorithm>
#include <cassert>

#include "server/types/malloc_header.h"

namespace respcask::server {

namespace {

constexpr size_t kNameBytes = 4;

engine::ElementLocation element(engine::Location where, uint32_t size) {
  return {where, size, kNameBytes};
}

// Nothing if the bytes are no chunk's name.
std::optional<uint32_t> decode_name(std::string_view name) {
  if (name.size() != kNameBytes) return std::nullopt;
  uint32_t chunk = 0;
  for (size_t i = 0; i < kNameBytes; ++i) {
    chunk |= uint32_t{static_cast<unsigned char>(name[i])} << (8 * i);
  }
  if (chunk >= StringChunks::kMaxChunks) return std::nullopt;
  return chunk;
}

}  // namespace

StringChunks::Name::Name(uint32_t chunk) {
  for (size_t i = 0; i < kNameBytes; ++i) bytes_[i] = static_cast<char>(chunk >> (8 * i));
}

const StringChunks::Page* StringChunks::page_of(uint64_t chunk) const {
  const uint64_t page = chunk / kPageChunks;
  return page < pages_.size() ? pages_[page].get() : nullptr;
}

StringChunks::Chunk StringChunks::find(uint64_t chunk) const {
  const Page* page = page_of(chunk);
  if (page == nullptr) return {};
  const size_t at = chunk % kPageChunks;
  return {page->where[at], page->size[at]};
}

std::optional<engine::ElementLocation> StringChunks::put(uint32_t chunk, engine::Location where,
                                                         uint32_t size) {
  assert(size > 0 && size <= kChunkBytes && chunk < kMaxChunks);
  const size_t number = chunk / kPageChunks;
  if (number >= pages_.size()) pages_.resize(number + 1);
  if (pages_[number] == nullptr) {
    pages_[number] = std::make_unique<Page>();
    ++page_count_;
  }
  Page& page = *pages_[number];
  const size_t at = chunk % kPageChunks;
  const Chunk old{page.where[at], page.size[at]};
  page.where[at] = where;
  page.size[at] = static_cast<uint16_t>(size);
  const uint64_t begin = chunk * kChunkBytes;
  const bool was_last = old.size != 0 && begin + old.size == length_;
  length_ = was_last ? begin + size : std::max(length_, begin + size);
  if (old.size == 0) return std::nullopt;
  return element(old.where, old.size);
}

std::optional<engine::ElementLocation> StringChunks::recover_put(std::string_view name,
                                                                 engine::Location where,
                                                                 uint32_t value_size) {
  const auto chunk = decode_name(name);
  if (!chunk || value_size == 0 || value_size > kChunkBytes) return std::nullopt;
  return put(*chunk, where, value_size);
}

std::optional<engine::ElementLocation> StringChunks::recover_remove(std::string_view name) {
  const auto chunk = decode_name(name);
  if (!chunk) return std::nullopt;
  const Chunk old = find(*chunk);
  if (old.size == 0) return std::nullopt;
  Page& page = *pages_[*chunk / kPageChunks];
  page.where[*chunk % kPageChunks] = {};
  page.size[*chunk % kPageChunks] = 0;
  if (*chunk * kChunkBytes + old.size == length_) find_length();
  return element(old.where, old.size);
}

// A chunk's removal is no part of a string's life; the interface has it, so it is answered exactly.
void StringChunks::find_length() {
  length_ = 0;
  for (uint64_t chunk = pages_.size() * kPageChunks; chunk-- > 0;) {
    if (const Chunk last = find(chunk); last.size != 0) {
      length_ = chunk * kChunkBytes + last.size;
      return;
    }
  }
}

bool StringChunks::is_live(std::string_view name, engine::Location where) const {
  const auto chunk = decode_name(name);
  if (!chunk) return false;
  const Chunk found = find(*chunk);
  return found.size != 0 && found.where == where;
}

bool StringChunks::contains(std::string_view name) const {
  const auto chunk = decode_name(name);
  return chunk && find(*chunk).size != 0;
}

bool StringChunks::relocate(std::string_view name, engine::Location from, engine::Location to) {
  if (!is_live(name, from)) return false;
  const uint32_t chunk = *decode_name(name);
  pages_[chunk / kPageChunks]->where[chunk % kPageChunks] = to;
  return true;
}

void StringChunks::for_each(
    const std::function<void(const engine::ElementLocation&)>& visit) const {
  for (const auto& page : pages_) {
    if (page == nullptr) continue;
    for (size_t at = 0; at < kPageChunks; ++at) {
      if (page->size[at] != 0) visit(element(page->where[at], page->size[at]));
    }
  }
}

size_t StringChunks::memory_bytes() const {
  return sizeof *this + kMallocHeader + page_count_ * (sizeof(Page) + kMallocHeader) +
         pages_.capacity() * sizeof(pages_[0]);
}

}  // namespace respcask::server

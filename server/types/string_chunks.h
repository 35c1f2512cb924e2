// StringChunks: the element index of a long string: chunk number -> where its bytes lie.
//
// A split string is a root record and one element for each chunk that is not all zeros:
//
//   root     header of one byte: 1, the format of the chunks as described here
//   element  name     chunk number n (4, little endian)
//            payload  the first 1..kChunkBytes bytes of the chunk
//
// Chunk n holds the bytes from n * kChunkBytes on. What a payload does not reach, and every chunk
// that has no element, reads as zeros. The last chunk is always there and its payload ends where
// the string ends; so the length is known from the index alone and no write has to touch the root.
// (Every write that makes a string longer writes its new last byte, and strings never get shorter
// but by being replaced.)
//
// Invariants: a chunk is there if and only if its size is not 0. Memory is 10 bytes a chunk, in
// pages of kPageChunks that are made when first needed, so that a bit set far out costs one page.
// Owned by its shard and called under the shard's lock (engine/element_index.h).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/element_index.h"
#include "server/types/type.h"

namespace respcask::server {

class StringChunks final : public engine::ElementIndex {
 public:
  // On disk: never change it. Small, because a bit set in a long string rewrites one chunk, and as
  // large as a page of the cache, because less would not save the device anything.
  static constexpr uint64_t kChunkBytes = 4096;
  // 64 GiB: no longer string is ever made, so that the directory of pages stays at 4 MB, whatever
  // offset a client names.
  static constexpr uint32_t kMaxChunks = uint32_t{1} << 24;
  static constexpr uint64_t kMaxLength = kChunkBytes * kMaxChunks;

  // A chunk's element name, as it is written.
  class Name {
   public:
    explicit Name(uint32_t chunk);
    std::string_view view() const { return {bytes_.data(), bytes_.size()}; }

   private:
    std::array<char, 4> bytes_;
  };

  struct Chunk {
    engine::Location where;
    uint32_t size = 0;  // bytes of the payload; 0: all zeros, not stored
  };

  // The string's length in bytes; O(1).
  uint64_t length() const { return length_; }

  // Any number may be asked for.
  Chunk find(uint64_t chunk) const;

  // Enters a payload of 1..kChunkBytes bytes for a chunk below kMaxChunks; returns the one that it
  // replaces.
  std::optional<engine::ElementLocation> put(uint32_t chunk, engine::Location where, uint32_t size);

  std::optional<engine::ElementLocation> recover_put(std::string_view name, engine::Location where,
                                                     uint32_t value_size) override;
  std::optional<engine::ElementLocation> recover_remove(std::string_view name) override;
  bool is_live(std::string_view name, engine::Location where) const override;
  bool contains(std::string_view name) const override;
  bool relocate(std::string_view name, engine::Location from, engine::Location to) override;
  void for_each(const std::function<void(const engine::ElementLocation&)>& visit) const override;
  bool is_indivisible() const override { return true; }  // what is not there reads as zeros
  bool lacks_elements() const override { return length() == 0; }
  bool serves(uint8_t type) const override { return TypeTag{type}.type() == Type::kString; }
  size_t memory_bytes() const override;

 private:
  static constexpr uint32_t kPageChunks = 32;

  struct Page {
    std::array<engine::Location, kPageChunks> where;
    std::array<uint16_t, kPageChunks> size;
  };
  static_assert(kChunkBytes <= UINT16_MAX);

  const Page* page_of(uint64_t chunk) const;
  void find_length();

  std::vector<std::unique_ptr<Page>> pages_;  // null: none of its chunks is there
  size_t page_count_ = 0;
  uint64_t length_ = 0;
};

}  // namespace respcask::server

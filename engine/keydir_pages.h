// KeydirPages: the pages of a keydir by number, and their memory.
//
// A page that holds no entry is null. Entries are named by a page's number and a Slot in it; any
// function that is not const may move any page, so slots and page pointers are good until then.
//
// However large they may get, pages begin with malloc: chunks of memory that nothing has touched
// yet cost more than all else that is done with a few keys, and a database that is flushed after
// each test of a suite begins anew each time.
//
// Owns the pages and the blocks of long keys. No locking: one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <utility>

#include "engine/compact_heap.h"
#include "engine/keydir_page.h"
#include "engine/segmented_array.h"

namespace respcask::engine {

class KeydirPages {
 public:
  // With kDense, pages move to such a heap as soon as they take more than kDenseFrom bytes.
  explicit KeydirPages(CompactHeap::Kind kind = CompactHeap::Kind::kDense)
      : heap_(CompactHeap::Kind::kMalloc), is_to_be_dense_(kind == CompactHeap::Kind::kDense) {}
  ~KeydirPages();
  KeydirPages(KeydirPages&&) = delete;
  void swap(KeydirPages& other) noexcept;

  size_t size() const { return directory_.size(); }
  const KeydirPage* operator[](size_t number) const { return directory_[number]; }
  size_t memory_bytes() const;
  size_t mapped_bytes() const { return heap_.mapped_bytes(); }  // of these, not from malloc

  void push_back() { directory_.push_back(nullptr); }
  void pop_back();  // the last page must be null

  // Adds a key that the page does not hold.
  void add(size_t number, std::string_view key, uint64_t hash, const KeydirEntry& entry);

  // Changes all of an entry but the key; in place if the encoding stays as long as it was.
  void replace(size_t number, KeydirPage::Slot slot, const KeydirEntry& entry);
  void remove(size_t number, KeydirPage::Slot slot);

  // Moves the entries for which `leaves`, with one byte for each, is not 0 to the last page, which
  // must be null.
  void split(size_t number, const uint8_t* leaves);

  // Moves the entries of the last page to this one, leaving null.
  void join(size_t number);

  // Frees up to `budget` pages' worth; returns whether all is freed. After the first call there are
  // only more of these and the destructor.
  bool release_some(size_t budget);

 private:
  static constexpr size_t kDenseFrom = size_t{128} << 10;

  void make_dense();
  KeydirPage* create(size_t number, size_t count, size_t used);
  KeydirPage* make_room(size_t number, size_t count, size_t used);
  void trim(size_t number);
  KeydirPage* move_to_block(size_t number, size_t quanta);
  void free_block(KeydirPage* page);

  SegmentedArray<KeydirPage*> directory_;
  CompactHeap heap_;
  bool is_to_be_dense_;  // and is not yet
  size_t long_key_bytes_ = 0;
};

}  // namespace respcask::engine

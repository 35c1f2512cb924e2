// KeydirPage: the keys of one range of hash space, with their entries, in one heap block.
//
//   bytes         what
//   ------------  -----------------------------------------------------------------------
//   4             bytes of entries in use                                     (the header)
//   4             size of the block, as malloc_usable_size() has it
//   2             number of entries, n
//   2             slots of the two arrays, m: n rounded up to a multiple of 8
//   m             tags: the low byte of each key's hash, compared 16 at a time
//   m             lengths: of each entry, in bytes
//   ...           entries, in the order of the arrays, without gaps
//   ...           unused, on average half of kQuantum
//
// An entry's offset is the sum of the lengths before it, which SSE2 adds up 16 at a time: half the
// memory of an array of offsets. It also says the length of the key, which comes last and takes
// what is left. An entry:
//
//   bytes         what
//   ------------  -----------------------------------------------------------------------
//   2             head: the type (7 bits), then flags for what follows:
//                 expiry, collection, wide location, size bytes - 1 (2 bits), long key
//   3             access word
//   6 or 8        location; 6 (slot 16 bits, offset 32) unless it needs to be wide
//   1 to 4        size of the value
//   0 or 8        expiry
//   0 or 8        collection
//   0 to 192      the key; or, for a long key, a pointer (8 bytes) to a block of its own that
//                 holds its hash (8), its length (8) and its bytes
//
// Integers are little-endian and unaligned. Entries are in no order. A page is never empty: no page
// stands for no entries. Functions that may move the page take it by pointer and return it.
//
// Plain malloc'ed memory, owned by the Keydir; `heap_bytes` is the owner's account of it, and of
// the long keys' blocks. Locking is the owner's business.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "engine/keydir_entry.h"

namespace respcask::engine {

class KeydirPage {
 public:
  static constexpr size_t kMaxInlineKey = 192;

  // An entry's place in the page. Valid until the page is changed.
  struct Slot {
    size_t index;    // in the arrays
    uint8_t* entry;  // its first byte
  };

  size_t count() const { return count_; }
  std::optional<Slot> find(std::string_view key, uint64_t hash) const;

  // Walks the entries: for (Slot slot = first(); slot.index < count(); slot = next(slot)).
  Slot first() const { return {0, entries()}; }
  Slot next(Slot slot) const { return {slot.index + 1, slot.entry + lengths()[slot.index]}; }
  Slot at(size_t index) const { return {index, entries() + offset_of(index)}; }

  std::string_view key(Slot slot) const;
  static KeydirEntry decode(Slot slot);
  static int64_t expiry_ms(Slot slot);  // 0: never

  // The hash of a long key, which is stored because it would take too long to compute again.
  static std::optional<uint64_t> stored_hash(Slot slot);

  // Adds a key that is not there yet. Makes a page if `page` is null.
  static KeydirPage* add(KeydirPage* page, std::string_view key, uint64_t hash,
                         const KeydirEntry& entry, size_t& heap_bytes);

  // Changes everything but the key; in place if the encoding stays as long as it was.
  static KeydirPage* replace(KeydirPage* page, Slot slot, const KeydirEntry& entry,
                             size_t& heap_bytes);
  static void set_access(Slot slot, uint32_t access);

  // Null if it was the last one.
  static KeydirPage* remove(KeydirPage* page, Slot slot, size_t& heap_bytes);

  // Splits off the entries marked in `leaves`, not 0, one for each: the page that is left, and
  // theirs.
  struct Halves {
    KeydirPage* stay;
    KeydirPage* leave;
  };
  static Halves split(KeydirPage* page, const uint8_t* leaves, size_t& heap_bytes);

  // Makes one page of two, either of which may be null.
  static KeydirPage* join(KeydirPage* a, KeydirPage* b, size_t& heap_bytes);

  // Frees the page and its long keys.
  static void free(KeydirPage* page, size_t& heap_bytes);

  // Starts loading the header and the arrays, which take two or three cache lines.
  void prefetch() const {
    __builtin_prefetch(bytes());
    __builtin_prefetch(bytes() + 64);
    __builtin_prefetch(bytes() + 128);
  }

  // Starts loading the first entry that may be the key's; reads the arrays.
  void prefetch_entry(uint64_t hash) const;

 private:
  // Blocks grow and shrink in steps of this, so that not every insertion calls malloc.
  static constexpr size_t kQuantum = 64;

  uint8_t* tags() const { return const_cast<uint8_t*>(bytes()) + sizeof(KeydirPage); }
  uint8_t* lengths() const { return tags() + slots_; }
  uint8_t* entries() const { return tags() + 2 * size_t{slots_}; }
  const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(this); }
  size_t offset_of(size_t index) const;
  bool has_key(Slot slot, std::string_view key, uint64_t hash) const;

  static size_t block_bytes(size_t slots, size_t used);
  static KeydirPage* create(size_t count, size_t used, size_t& heap_bytes);
  static KeydirPage* make_room(KeydirPage* page, size_t count, size_t used, size_t& heap_bytes);
  static KeydirPage* trim(KeydirPage* page, size_t& heap_bytes);
  static void free_block(KeydirPage* page, size_t& heap_bytes);
  void append(uint8_t tag, const uint8_t* entry, size_t length);

  uint32_t used_;
  uint32_t capacity_;
  uint16_t count_;
  uint16_t slots_;
};

}  // namespace respcask::engine

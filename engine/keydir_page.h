// KeydirPage: the keys of one range of hash space, with their entries, in one heap block.
//
//   bytes         what
//   ------------  -----------------------------------------------------------------------
//   4             the page's number, its place in the directory                (the header)
//   4             size of the block in quanta of 64
//   4             bytes of entries in use
//   2             number of entries, n
//   2             slots of the two arrays, m: n rounded up to a multiple of 8
//   m             tags: the low byte of each key's hash, compared 16 at a time
//   m             lengths: of each entry, in bytes
//   ...           entries, in the order of the arrays, without gaps
//   ...           unused, on average half a quantum
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
// Integers are little-endian and unaligned. Entries are in no order. The class knows the layout and
// changes it in place; KeydirPages gives it its memory. Locking is the owner's business.
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
  // The entry of the key with this hash whose value is at `where`. No two values are at one place,
  // so the key is not looked at.
  std::optional<Slot> find_at(uint64_t hash, Location where) const;

  // Walks the entries: for (Slot slot = first(); slot.index < count(); slot = next(slot)).
  Slot first() const { return {0, entries()}; }
  Slot next(Slot slot) const { return {slot.index + 1, slot.entry + lengths()[slot.index]}; }
  Slot at(size_t index) const { return {index, entries() + offset_of(index)}; }

  std::string_view key(Slot slot) const;
  static KeydirEntry decode(Slot slot);
  static Location location(Slot slot);
  static int64_t expiry_ms(Slot slot);  // 0: never

  // The hash of a long key, which is stored because it would take too long to compute again.
  static std::optional<uint64_t> stored_hash(Slot slot);

  static void set_access(Slot slot, uint32_t access);

  // Starts loading the header and the arrays, which take two or three cache lines.
  void prefetch() const {
    __builtin_prefetch(bytes());
    __builtin_prefetch(bytes() + 64);
    __builtin_prefetch(bytes() + 128);
  }

  // The first entry that may be that of a key with this hash, as far as the arrays say.
  std::optional<Slot> guess(uint64_t hash) const;

  // Starts loading that entry; reads the arrays.
  void prefetch_entry(uint64_t hash) const;

  // What follows is for KeydirPages.

  // An entry without its key.
  struct Fixed {
    uint8_t bytes[5 + 8 + 4 + 8 + 8];
    size_t length;
  };
  static Fixed encode(const KeydirEntry& entry, bool long_key);
  static bool is_long(std::string_view key) { return key.size() > kMaxInlineKey; }
  static bool is_long(Slot slot);
  static size_t fixed_length(Slot slot);

  // Bytes of an entry with this key.
  static size_t length(const Fixed& fixed, std::string_view key) {
    return fixed.length + (is_long(key) ? sizeof(void*) : key.size());
  }

  static size_t slots_for(size_t count) { return (count + 7) / 8 * 8; }
  static size_t quanta_for(size_t slots, size_t used);

  KeydirPage(size_t number, size_t quanta, size_t slots);
  // The same entries in a block of another size.
  KeydirPage(const KeydirPage& other, size_t quanta);

  size_t number() const { return number_; }
  void set_number(size_t number) { number_ = static_cast<uint32_t>(number); }
  size_t quanta() const { return quanta_; }
  size_t slots() const { return slots_; }
  size_t used() const { return used_; }
  size_t length(Slot slot) const { return lengths()[slot.index]; }

  // All of these need the room to be there. `heap_bytes` is the owner's account of long keys'
  // blocks.
  void set_slots(size_t slots);
  void append(std::string_view key, uint64_t hash, const Fixed& fixed, size_t& heap_bytes);
  void append(const KeydirPage& other, Slot slot);
  void append_all(const KeydirPage& other);
  void replace(Slot slot, const Fixed& fixed);
  void erase(Slot slot, size_t& heap_bytes);
  void free_long_keys(size_t& heap_bytes) const;

 private:
  uint8_t* tags() const { return const_cast<uint8_t*>(bytes()) + sizeof(KeydirPage); }
  uint8_t* lengths() const { return tags() + slots_; }
  uint8_t* entries() const { return tags() + 2 * size_t{slots_}; }
  const uint8_t* bytes() const { return reinterpret_cast<const uint8_t*>(this); }
  size_t offset_of(size_t index) const;
  template <class IsIt>
  std::optional<Slot> find_tagged(uint64_t hash, const IsIt& is_it) const;
  bool has_key(Slot slot, std::string_view key, uint64_t hash) const;
  void append_raw(uint8_t tag, const uint8_t* fixed, size_t fixed_bytes, const void* rest,
                  size_t rest_bytes);

  uint32_t number_;
  uint32_t quanta_;
  uint32_t used_;
  uint16_t count_;
  uint16_t slots_;
};

}  // namespace respcask::engine

#include "engine/keydir_page.h"

#include <malloc.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstdlib>
#include <cstring>
#include <limits>
#include <new>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include "engine/compact_heap.h"

namespace respcask::engine {

static_assert(std::endian::native == std::endian::little);

namespace {

constexpr uint16_t kTypeMask = 0x7f;
constexpr uint16_t kHasExpiry = 1 << 7;
constexpr uint16_t kHasCollection = 1 << 8;
constexpr uint16_t kWideLocation = 1 << 9;
constexpr int kSizeShift = 10;  // two bits: bytes of the value's size, less one
constexpr uint16_t kLongKey = 1 << 12;

constexpr size_t kAccessAt = 2;
constexpr size_t kLocationAt = 5;
static_assert(sizeof(KeydirPage::Fixed::bytes) + KeydirPage::kMaxInlineKey <= 255);  // a length

template <class T>
T load(const uint8_t* p, size_t bytes = sizeof(T)) {
  T value = 0;
  std::memcpy(&value, p, bytes);
  return value;
}

size_t location_bytes(uint16_t head) {
  return head & kWideLocation ? 8 : 6;
}
size_t size_bytes(uint16_t head) {
  return ((head >> kSizeShift) & 3) + 1;
}
size_t expiry_at(uint16_t head) {
  return kLocationAt + location_bytes(head) + size_bytes(head);
}
size_t collection_at(uint16_t head) {
  return expiry_at(head) + (head & kHasExpiry ? 8 : 0);
}

// Bytes of an entry before its key. Looked up by the flags, because every comparison of keys asks.
constexpr auto kFixedBytes = [] {
  std::array<uint8_t, 32> bytes{};
  for (unsigned flags = 0; flags < 32; ++flags) {
    const unsigned head = flags << 7;
    bytes[flags] = static_cast<uint8_t>(
        kLocationAt + (head & kWideLocation ? 8 : 6) + ((head >> kSizeShift) & 3) + 1 +
        (head & kHasExpiry ? 8 : 0) + (head & kHasCollection ? 8 : 0));
  }
  return bytes;
}();
size_t fixed_bytes(uint16_t head) {
  return kFixedBytes[(head >> 7) & 31];
}

// A location in six bytes keeps the offset's low 32 bits, then the slot's low 16.
bool fits_narrow(Location where) {
  return where.slot() <= 0xffff && where.offset() <= 0xffffffff;
}

// A long key's block; its bytes follow.
struct LongKey {
  uint64_t hash;
  uint64_t size;
  char* bytes() { return reinterpret_cast<char*>(this + 1); }
};

LongKey* long_key(const uint8_t* entry) {
  const uint16_t head = load<uint16_t>(entry);
  assert(head & kLongKey);
  LongKey* block;
  std::memcpy(&block, entry + fixed_bytes(head), sizeof block);
  return block;
}

LongKey* make_long_key(std::string_view key, uint64_t hash, size_t& heap_bytes) {
  auto* block = static_cast<LongKey*>(std::malloc(sizeof(LongKey) + key.size()));
  if (block == nullptr) throw std::bad_alloc();
  block->hash = hash;
  block->size = key.size();
  std::memcpy(block->bytes(), key.data(), key.size());
  heap_bytes += malloc_usable_size(block);
  return block;
}

void free_long_key(const uint8_t* entry, size_t& heap_bytes) {
  if (!(load<uint16_t>(entry) & kLongKey)) return;
  LongKey* block = long_key(entry);
  heap_bytes -= malloc_usable_size(block);
  std::free(block);
}

uint8_t tag_of(uint64_t hash) {
  return static_cast<uint8_t>(hash);
}

// Bit i: tags[i] is `tag`, for the 16 bytes at `tags`.
uint32_t match_tags(const uint8_t* tags, uint8_t tag) {
#if defined(__SSE2__)
  const __m128i here = _mm_loadu_si128(reinterpret_cast<const __m128i*>(tags));
  return static_cast<uint32_t>(
      _mm_movemask_epi8(_mm_cmpeq_epi8(here, _mm_set1_epi8(static_cast<char>(tag)))));
#else
  uint32_t mask = 0;
  for (int i = 0; i < 16; ++i) mask |= uint32_t{tags[i] == tag} << i;
  return mask;
#endif
}

}  // namespace

size_t KeydirPage::offset_of(size_t index) const {
  const uint8_t* p = lengths();
  size_t sum = 0;
#if defined(__SSE2__)
  // The last load may read past the lengths, though not past the entries, of which there are more
  // than `index`, each longer than its bytes in the two arrays; the mask drops what it read there.
  alignas(16) static constexpr auto kMask = [] {
    std::array<uint8_t, 32> mask{};
    std::fill_n(mask.begin(), 16, uint8_t{0xff});
    return mask;
  }();
  const __m128i zero = _mm_setzero_si128();
  __m128i sums = zero;
  for (; index >= 16; index -= 16, p += 16) {
    const __m128i lengths = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    sums = _mm_add_epi64(sums, _mm_sad_epu8(lengths, zero));
  }
  const __m128i mask = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kMask.data() + 16 - index));
  const __m128i rest = _mm_and_si128(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)), mask);
  sums = _mm_add_epi64(sums, _mm_sad_epu8(rest, zero));
  sum = static_cast<size_t>(_mm_cvtsi128_si64(sums)) +
        static_cast<size_t>(_mm_cvtsi128_si64(_mm_unpackhi_epi64(sums, sums)));
#else
  for (size_t i = 0; i < index; ++i) sum += p[i];
#endif
  return sum;
}

// The first entry with the hash's tag that `is_it`.
template <class IsIt>
std::optional<KeydirPage::Slot> KeydirPage::find_tagged(uint64_t hash, const IsIt& is_it) const {
  prefetch();
  const uint8_t tag = tag_of(hash);
  for (size_t base = 0; base < count_; base += 16) {
    uint32_t mask = match_tags(tags() + base, tag);
    if (count_ - base < 16) mask &= (uint32_t{1} << (count_ - base)) - 1;
    for (; mask != 0; mask &= mask - 1) {
      const Slot slot = at(base + static_cast<size_t>(std::countr_zero(mask)));
      if (is_it(slot)) return slot;
    }
  }
  return std::nullopt;
}

std::optional<KeydirPage::Slot> KeydirPage::find(std::string_view key, uint64_t hash) const {
  return find_tagged(hash, [&](Slot slot) { return has_key(slot, key, hash); });
}

std::optional<KeydirPage::Slot> KeydirPage::find_at(uint64_t hash, Location where) const {
  return find_tagged(hash, [&](Slot slot) { return location(slot) == where; });
}

std::optional<KeydirPage::Slot> KeydirPage::guess(uint64_t hash) const {
  const uint8_t tag = tag_of(hash);
  for (size_t base = 0; base < count_; base += 16) {
    const uint32_t mask = match_tags(tags() + base, tag);
    const size_t index = base + static_cast<size_t>(std::countr_zero(mask | 1u << 16));
    if (mask != 0 && index < count_) return at(index);
  }
  return std::nullopt;
}

void KeydirPage::prefetch_entry(uint64_t hash) const {
  const auto slot = guess(hash);
  if (!slot) return;
  __builtin_prefetch(slot->entry);
  __builtin_prefetch(slot->entry + lengths()[slot->index] - 1);
}

bool KeydirPage::has_key(Slot slot, std::string_view key, uint64_t hash) const {
  const uint16_t head = load<uint16_t>(slot.entry);
  if (head & kLongKey) {
    LongKey* block = long_key(slot.entry);
    return block->hash == hash && block->size == key.size() &&
           std::memcmp(block->bytes(), key.data(), key.size()) == 0;
  }
  const size_t fixed = fixed_bytes(head);
  return lengths()[slot.index] - fixed == key.size() &&
         std::equal(key.begin(), key.end(), reinterpret_cast<const char*>(slot.entry) + fixed);
}

std::string_view KeydirPage::key(Slot slot) const {
  const uint16_t head = load<uint16_t>(slot.entry);
  if (head & kLongKey) {
    LongKey* block = long_key(slot.entry);
    return {block->bytes(), block->size};
  }
  const size_t fixed = fixed_bytes(head);
  return {reinterpret_cast<const char*>(slot.entry) + fixed, lengths()[slot.index] - fixed};
}

KeydirEntry KeydirPage::decode(Slot slot) {
  const uint8_t* p = slot.entry;
  const uint16_t head = load<uint16_t>(p);
  KeydirEntry entry;
  entry.type = static_cast<uint8_t>(head & kTypeMask);
  entry.access = load<uint32_t>(p + kAccessAt, 3);
  entry.where = location(slot);
  const uint8_t* size = p + kLocationAt + location_bytes(head);
  switch (size_bytes(head)) {
    case 1:
      entry.value_size = *size;
      break;
    case 2:
      entry.value_size = load<uint32_t>(size, 2);
      break;
    case 3:
      entry.value_size = load<uint32_t>(size, 3);
      break;
    default:
      entry.value_size = load<uint32_t>(size);
      break;
  }
  entry.expiry_ms = expiry_ms(slot);
  if (head & kHasCollection) entry.collection = load<uint64_t>(p + collection_at(head));
  return entry;
}

Location KeydirPage::location(Slot slot) {
  const uint8_t* const p = slot.entry;
  if (load<uint16_t>(p) & kWideLocation) return {load<uint64_t>(p + kLocationAt)};
  return Location::at(load<uint16_t>(p + kLocationAt + 4), load<uint32_t>(p + kLocationAt));
}

int64_t KeydirPage::expiry_ms(Slot slot) {
  const uint16_t head = load<uint16_t>(slot.entry);
  return head & kHasExpiry ? load<int64_t>(slot.entry + expiry_at(head)) : 0;
}

std::optional<uint64_t> KeydirPage::stored_hash(Slot slot) {
  if (!(load<uint16_t>(slot.entry) & kLongKey)) return std::nullopt;
  return long_key(slot.entry)->hash;
}

KeydirPage::Fixed KeydirPage::encode(const KeydirEntry& entry, bool long_key) {
  assert(entry.type <= KeydirEntry::kMaxType && entry.access <= KeydirEntry::kMaxAccess);
  const bool narrow = fits_narrow(entry.where);
  const size_t size_width = entry.value_size > 0xffffff ? 4
                            : entry.value_size > 0xffff ? 3
                            : entry.value_size > 0xff   ? 2
                                                        : 1;
  const uint16_t head = static_cast<uint16_t>(
      entry.type | (entry.expiry_ms != 0 ? kHasExpiry : 0) |
      (entry.collection != 0 ? kHasCollection : 0) | (narrow ? 0 : kWideLocation) |
      static_cast<int>((size_width - 1) << kSizeShift) | (long_key ? kLongKey : 0));
  const uint64_t location =
      narrow ? (uint64_t{entry.where.slot()} << 32) | entry.where.offset() : entry.where.packed;

  Fixed fixed;
  uint8_t* p = fixed.bytes;
  const auto store = [&p](const auto& value, size_t bytes) {
    std::memcpy(p, &value, bytes);
    p += bytes;
  };
  store(head, 2);
  store(entry.access, 3);
  store(location, narrow ? 6 : 8);
  store(entry.value_size, size_width);
  if (entry.expiry_ms != 0) store(entry.expiry_ms, 8);
  if (entry.collection != 0) store(entry.collection, 8);
  fixed.length = static_cast<size_t>(p - fixed.bytes);
  return fixed;
}

bool KeydirPage::is_long(Slot slot) {
  return load<uint16_t>(slot.entry) & kLongKey;
}
size_t KeydirPage::fixed_length(Slot slot) {
  return fixed_bytes(load<uint16_t>(slot.entry));
}

size_t KeydirPage::quanta_for(size_t slots, size_t used) {
  const size_t needed = sizeof(KeydirPage) + 2 * slots + used;
  return (needed + CompactHeap::kQuantum - 1) / CompactHeap::kQuantum;
}

KeydirPage::KeydirPage(size_t number, size_t quanta, size_t slots)
    : number_(static_cast<uint32_t>(number)),
      quanta_(static_cast<uint32_t>(quanta)),
      used_(0),
      count_(0),
      slots_(static_cast<uint16_t>(slots)) {
  assert(slots <= std::numeric_limits<uint16_t>::max());
}

KeydirPage::KeydirPage(const KeydirPage& other, size_t quanta)
    : number_(other.number_),
      quanta_(static_cast<uint32_t>(quanta)),
      used_(other.used_),
      count_(other.count_),
      slots_(other.slots_) {
  assert(quanta_for(slots_, used_) <= quanta);
  std::memcpy(tags(), other.tags(), 2 * size_t{slots_} + used_);
}

void KeydirPage::set_slots(size_t slots) {
  assert(count_ <= slots && slots <= std::numeric_limits<uint16_t>::max());
  uint8_t* const old_lengths = lengths();
  uint8_t* const old_entries = entries();
  const bool wider = slots > slots_;
  slots_ = static_cast<uint16_t>(slots);
  if (wider) std::memmove(entries(), old_entries, used_);
  std::memmove(lengths(), old_lengths, count_);
  if (!wider) std::memmove(entries(), old_entries, used_);
}

void KeydirPage::append_raw(uint8_t tag, const uint8_t* fixed, size_t fixed_bytes, const void* rest,
                            size_t rest_bytes) {
  assert(count_ < slots_);
  uint8_t* p = entries() + used_;
  std::memcpy(p, fixed, fixed_bytes);
  if (rest_bytes > 0) std::memcpy(p + fixed_bytes, rest, rest_bytes);
  tags()[count_] = tag;
  lengths()[count_] = static_cast<uint8_t>(fixed_bytes + rest_bytes);
  used_ += static_cast<uint32_t>(fixed_bytes + rest_bytes);
  count_++;
}

void KeydirPage::append(std::string_view key, uint64_t hash, const Fixed& fixed,
                        size_t& heap_bytes) {
  if (is_long(key)) {
    const LongKey* block = make_long_key(key, hash, heap_bytes);
    append_raw(tag_of(hash), fixed.bytes, fixed.length, &block, sizeof block);
  } else {
    append_raw(tag_of(hash), fixed.bytes, fixed.length, key.data(), key.size());
  }
}

void KeydirPage::append(const KeydirPage& other, Slot slot) {
  append_raw(other.tags()[slot.index], slot.entry, other.length(slot), nullptr, 0);
}

void KeydirPage::append_all(const KeydirPage& other) {
  assert(count_ + other.count_ <= slots_);
  std::memcpy(tags() + count_, other.tags(), other.count_);
  std::memcpy(lengths() + count_, other.lengths(), other.count_);
  std::memcpy(entries() + used_, other.entries(), other.used_);
  count_ = static_cast<uint16_t>(count_ + other.count_);
  used_ += other.used_;
}

void KeydirPage::replace(Slot slot, const Fixed& fixed) {
  const size_t before = fixed_length(slot);
  if (fixed.length != before) {
    const uint8_t* end = entries() + used_;
    std::memmove(slot.entry + fixed.length, slot.entry + before,
                 static_cast<size_t>(end - slot.entry) - before);
    lengths()[slot.index] = static_cast<uint8_t>(lengths()[slot.index] + fixed.length - before);
    used_ = static_cast<uint32_t>(used_ + fixed.length - before);
  }
  std::memcpy(slot.entry, fixed.bytes, fixed.length);
}

void KeydirPage::set_access(Slot slot, uint32_t access) {
  assert(access <= KeydirEntry::kMaxAccess);
  std::memcpy(slot.entry + kAccessAt, &access, 3);
}

void KeydirPage::erase(Slot slot, size_t& heap_bytes) {
  free_long_key(slot.entry, heap_bytes);
  const size_t gone = length(slot);
  const uint8_t* end = entries() + used_;
  std::memmove(slot.entry, slot.entry + gone, static_cast<size_t>(end - slot.entry) - gone);
  const size_t after = count_ - slot.index - 1;
  std::memmove(tags() + slot.index, tags() + slot.index + 1, after);
  std::memmove(lengths() + slot.index, lengths() + slot.index + 1, after);
  used_ -= static_cast<uint32_t>(gone);
  count_--;
}

void KeydirPage::free_long_keys(size_t& heap_bytes) const {
  for (Slot slot = first(); slot.index < count_; slot = next(slot)) {
    free_long_key(slot.entry, heap_bytes);
  }
}

}  // namespace respcask::engine

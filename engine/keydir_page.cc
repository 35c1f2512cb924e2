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
constexpr size_t kMaxFixedBytes = 5 + 8 + 4 + 8 + 8;
static_assert(kMaxFixedBytes + KeydirPage::kMaxInlineKey <= 255);  // a length is one byte

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

struct Fixed {
  uint8_t bytes[kMaxFixedBytes];
  size_t length;
};

Fixed encode(const KeydirEntry& entry, bool long_key) {
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

std::optional<KeydirPage::Slot> KeydirPage::find(std::string_view key, uint64_t hash) const {
  prefetch();
  const uint8_t tag = tag_of(hash);
  for (size_t base = 0; base < count_; base += 16) {
    uint32_t mask = match_tags(tags() + base, tag);
    if (count_ - base < 16) mask &= (uint32_t{1} << (count_ - base)) - 1;
    for (; mask != 0; mask &= mask - 1) {
      const Slot slot = at(base + static_cast<size_t>(std::countr_zero(mask)));
      if (has_key(slot, key, hash)) return slot;
    }
  }
  return std::nullopt;
}

void KeydirPage::prefetch_entry(uint64_t hash) const {
  const uint8_t tag = tag_of(hash);
  for (size_t base = 0; base < count_; base += 16) {
    const uint32_t mask = match_tags(tags() + base, tag);
    const size_t index = base + static_cast<size_t>(std::countr_zero(mask | 1u << 16));
    if (mask != 0 && index < count_) return __builtin_prefetch(at(index).entry);
  }
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
  if (head & kWideLocation) {
    entry.where.packed = load<uint64_t>(p + kLocationAt);
  } else {
    entry.where =
        Location::at(load<uint16_t>(p + kLocationAt + 4), load<uint32_t>(p + kLocationAt));
  }
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

int64_t KeydirPage::expiry_ms(Slot slot) {
  const uint16_t head = load<uint16_t>(slot.entry);
  return head & kHasExpiry ? load<int64_t>(slot.entry + expiry_at(head)) : 0;
}

std::optional<uint64_t> KeydirPage::stored_hash(Slot slot) {
  if (!(load<uint16_t>(slot.entry) & kLongKey)) return std::nullopt;
  return long_key(slot.entry)->hash;
}

KeydirPage* KeydirPage::add(KeydirPage* page, std::string_view key, uint64_t hash,
                            const KeydirEntry& entry, size_t& heap_bytes) {
  const bool is_long = key.size() > kMaxInlineKey;
  const Fixed fixed = encode(entry, is_long);
  const size_t length = fixed.length + (is_long ? sizeof(LongKey*) : key.size());
  page = page == nullptr ? create(1, length, heap_bytes)
                         : make_room(page, page->count_ + 1u, page->used_ + length, heap_bytes);

  uint8_t* p = page->entries() + page->used_;
  std::memcpy(p, fixed.bytes, fixed.length);
  if (is_long) {
    const LongKey* block = make_long_key(key, hash, heap_bytes);
    std::memcpy(p + fixed.length, &block, sizeof block);
  } else {
    std::copy(key.begin(), key.end(), p + fixed.length);
  }
  page->tags()[page->count_] = tag_of(hash);
  page->lengths()[page->count_] = static_cast<uint8_t>(length);
  page->used_ += static_cast<uint32_t>(length);
  page->count_++;
  return page;
}

KeydirPage* KeydirPage::replace(KeydirPage* page, Slot slot, const KeydirEntry& entry,
                                size_t& heap_bytes) {
  const uint16_t head = load<uint16_t>(slot.entry);
  const Fixed fixed = encode(entry, head & kLongKey);
  const size_t before = fixed_bytes(head);
  if (fixed.length != before) {
    const size_t offset = static_cast<size_t>(slot.entry - page->entries());
    const size_t used = page->used_ + fixed.length - before;
    if (fixed.length > before) page = make_room(page, page->count_, used, heap_bytes);
    slot.entry = page->entries() + offset;
    std::memmove(slot.entry + fixed.length, slot.entry + before, page->used_ - offset - before);
    page->lengths()[slot.index] =
        static_cast<uint8_t>(page->lengths()[slot.index] + fixed.length - before);
    page->used_ = static_cast<uint32_t>(used);
  }
  std::memcpy(slot.entry, fixed.bytes, fixed.length);
  return fixed.length < before ? trim(page, heap_bytes) : page;
}

void KeydirPage::set_access(Slot slot, uint32_t access) {
  assert(access <= KeydirEntry::kMaxAccess);
  std::memcpy(slot.entry + kAccessAt, &access, 3);
}

KeydirPage* KeydirPage::remove(KeydirPage* page, Slot slot, size_t& heap_bytes) {
  free_long_key(slot.entry, heap_bytes);
  if (page->count_ == 1) {
    free_block(page, heap_bytes);
    return nullptr;
  }
  const size_t length = page->lengths()[slot.index];
  const uint8_t* end = page->entries() + page->used_;
  std::copy<const uint8_t*>(slot.entry + length, end, slot.entry);
  const size_t after = page->count_ - slot.index - 1;
  std::memmove(page->tags() + slot.index, page->tags() + slot.index + 1, after);
  std::memmove(page->lengths() + slot.index, page->lengths() + slot.index + 1, after);
  page->used_ -= static_cast<uint32_t>(length);
  page->count_--;
  return trim(page, heap_bytes);
}

KeydirPage::Halves KeydirPage::split(KeydirPage* page, const uint8_t* leaves, size_t& heap_bytes) {
  size_t count[2] = {0, 0};
  size_t used[2] = {0, 0};
  for (size_t i = 0; i < page->count_; ++i) {
    count[leaves[i] != 0]++;
    used[leaves[i] != 0] += page->lengths()[i];
  }
  if (count[1] == 0) return {page, nullptr};
  if (count[0] == 0) return {nullptr, page};
  KeydirPage* halves[2] = {create(count[0], used[0], heap_bytes),
                           create(count[1], used[1], heap_bytes)};
  for (Slot slot = page->first(); slot.index < page->count_; slot = page->next(slot)) {
    halves[leaves[slot.index] != 0]->append(page->tags()[slot.index], slot.entry,
                                            page->lengths()[slot.index]);
  }
  free_block(page, heap_bytes);
  return {halves[0], halves[1]};
}

KeydirPage* KeydirPage::join(KeydirPage* a, KeydirPage* b, size_t& heap_bytes) {
  if (a == nullptr) return b;
  if (b == nullptr) return a;
  a = make_room(a, size_t{a->count_} + b->count_, size_t{a->used_} + b->used_, heap_bytes);
  std::memcpy(a->tags() + a->count_, b->tags(), b->count_);
  std::memcpy(a->lengths() + a->count_, b->lengths(), b->count_);
  std::memcpy(a->entries() + a->used_, b->entries(), b->used_);
  a->count_ = static_cast<uint16_t>(a->count_ + b->count_);
  a->used_ += b->used_;
  free_block(b, heap_bytes);
  return a;
}

void KeydirPage::free(KeydirPage* page, size_t& heap_bytes) {
  if (page == nullptr) return;
  for (Slot slot = page->first(); slot.index < page->count_; slot = page->next(slot)) {
    free_long_key(slot.entry, heap_bytes);
  }
  free_block(page, heap_bytes);
}

void KeydirPage::append(uint8_t tag, const uint8_t* entry, size_t length) {
  tags()[count_] = tag;
  lengths()[count_] = static_cast<uint8_t>(length);
  std::memcpy(entries() + used_, entry, length);
  used_ += static_cast<uint32_t>(length);
  count_++;
}

// Bytes to ask of malloc for a page: a multiple of the quantum, less the word that glibc adds.
size_t KeydirPage::block_bytes(size_t slots, size_t used) {
  constexpr size_t kMallocHeader = 8;
  const size_t needed = sizeof(KeydirPage) + 2 * slots + used + kMallocHeader;
  return (needed + kQuantum - 1) / kQuantum * kQuantum - kMallocHeader;
}

static size_t slots_for(size_t count) {
  return (count + 7) / 8 * 8;
}

KeydirPage* KeydirPage::create(size_t count, size_t used, size_t& heap_bytes) {
  const size_t slots = slots_for(count);
  void* block = std::malloc(block_bytes(slots, used));
  if (block == nullptr) throw std::bad_alloc();
  auto* page = new (block) KeydirPage;
  page->used_ = 0;
  page->capacity_ = static_cast<uint32_t>(malloc_usable_size(block));
  page->count_ = 0;
  page->slots_ = static_cast<uint16_t>(slots);
  heap_bytes += page->capacity_;
  return page;
}

static_assert(std::is_trivially_copyable_v<KeydirPage>);  // realloc() moves it

KeydirPage* KeydirPage::make_room(KeydirPage* page, size_t count, size_t used, size_t& heap_bytes) {
  const size_t slots = std::max<size_t>(slots_for(count), page->slots_);
  assert(slots <= std::numeric_limits<uint16_t>::max());
  if (sizeof(KeydirPage) + 2 * slots + used > page->capacity_) {
    const size_t before = page->capacity_;
    void* block = std::realloc(static_cast<void*>(page), block_bytes(slots, used));
    if (block == nullptr) throw std::bad_alloc();
    page = static_cast<KeydirPage*>(block);
    page->capacity_ = static_cast<uint32_t>(malloc_usable_size(block));
    heap_bytes += page->capacity_ - before;
  }
  if (slots > page->slots_) {
    const size_t old_slots = page->slots_;
    std::memmove(page->tags() + 2 * slots, page->entries(), page->used_);
    std::memmove(page->tags() + slots, page->tags() + old_slots, page->count_);
    page->slots_ = static_cast<uint16_t>(slots);
  }
  return page;
}

// Gives back what removals have left over, once it is two quanta: not to and fro at every change.
KeydirPage* KeydirPage::trim(KeydirPage* page, size_t& heap_bytes) {
  const size_t slots = slots_for(page->count_);
  const size_t wanted = block_bytes(slots, page->used_);
  if (wanted + 2 * kQuantum > page->capacity_) return page;
  if (slots < page->slots_) {
    const size_t old_slots = page->slots_;
    std::memmove(page->tags() + slots, page->tags() + old_slots, page->count_);
    std::memmove(page->tags() + 2 * slots, page->tags() + 2 * old_slots, page->used_);
    page->slots_ = static_cast<uint16_t>(slots);
  }
  const size_t before = page->capacity_;
  void* block = std::realloc(static_cast<void*>(page), wanted);
  if (block == nullptr) return page;  // cannot shrink: keep it as it is
  page = static_cast<KeydirPage*>(block);
  page->capacity_ = static_cast<uint32_t>(malloc_usable_size(block));
  heap_bytes -= before - page->capacity_;
  return page;
}

void KeydirPage::free_block(KeydirPage* page, size_t& heap_bytes) {
  heap_bytes -= page->capacity_;
  std::free(page);
}

}  // namespace respcask::engine

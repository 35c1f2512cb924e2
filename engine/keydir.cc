#include "engine/keydir.h"

#include <algorithm>
#include <bit>
#include <cassert>
#include <memory>
#include <string>
#include <vector>

#include "engine/random.h"

namespace respcask::engine {

namespace {

// The high 32 bits of a hash in reverse order; there are no more than 2^32 pages to tell apart.
uint32_t reverse_high_bits(uint64_t hash) {
  uint32_t x = __builtin_bswap32(static_cast<uint32_t>(hash >> 32));
  x = ((x >> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
  x = ((x >> 2) & 0x33333333) | ((x & 0x33333333) << 2);
  return ((x >> 1) & 0x55555555) | ((x & 0x55555555) << 1);
}

}  // namespace

Keydir& Keydir::operator=(Keydir&& other) noexcept {
  Keydir former(std::move(*this));
  swap(other);
  return *this;
}

void Keydir::swap(Keydir& other) noexcept {
  std::swap(seed_, other.seed_);
  pages_.swap(other.pages_);
  expiry_.swap(other.expiry_);
  std::swap(size_, other.size_);
  std::swap(expiring_, other.expiring_);
  std::swap(next_due_page_, other.next_due_page_);
}

// There must be a page.
size_t Keydir::page_index(uint64_t hash) const {
  const size_t pages = pages_.size();
  const size_t reversed = reverse_high_bits(hash);
  const size_t whole = std::bit_floor(pages);
  const size_t index = reversed & (2 * whole - 1);
  return index < pages ? index : index & (whole - 1);
}

// How many of the hash's high bits the keys of a page have in common.
unsigned Keydir::prefix_bits(size_t page) const {
  const size_t whole = std::bit_floor(pages_.size());
  const unsigned bits = static_cast<unsigned>(std::countr_zero(whole));
  return page >= whole || page + whole < pages_.size() ? bits + 1 : bits;
}

void Keydir::prefetch(uint64_t hash) const {
  if (pages_.size() == 0) return;
  if (const KeydirPage* page = pages_[page_index(hash)]) page->prefetch();
}

void Keydir::prefetch_entry(uint64_t hash) const {
  if (pages_.size() == 0) return;
  if (const KeydirPage* page = pages_[page_index(hash)]) page->prefetch_entry(hash);
}

std::optional<KeydirEntry> Keydir::guess(uint64_t hash) const {
  if (size_ == 0) return std::nullopt;
  const KeydirPage* page = pages_[page_index(hash)];
  if (page == nullptr) return std::nullopt;
  const auto slot = page->guess(hash);
  if (!slot) return std::nullopt;
  return KeydirPage::decode(*slot);
}

std::optional<KeydirEntry> Keydir::find(std::string_view key, uint64_t hash) const {
  if (size_ == 0) return std::nullopt;
  const KeydirPage* page = pages_[page_index(hash)];
  if (page == nullptr) return std::nullopt;
  const auto slot = page->find(key, hash);
  if (!slot) return std::nullopt;
  return KeydirPage::decode(*slot);
}

std::optional<KeydirEntry> Keydir::put(std::string_view key, uint64_t hash,
                                       const KeydirEntry& entry) {
  if (pages_.size() == 0) grow();
  const size_t number = page_index(hash);
  const KeydirPage* page = pages_[number];
  std::optional<KeydirEntry> former;
  if (const auto slot = page == nullptr ? std::nullopt : page->find(key, hash)) {
    former = KeydirPage::decode(*slot);
    pages_.replace(number, *slot, entry);
    if (former->expiry_ms != 0) --expiring_;
  } else {
    pages_.add(number, key, hash, entry);
    ++size_;
  }
  if (entry.expiry_ms != 0) {
    ++expiring_;
    expiry_.lower(number, entry.expiry_ms);
  }
  if (size_ > kGrowAbove * pages_.size()) grow();
  return former;
}

std::optional<KeydirEntry> Keydir::remove(std::string_view key, uint64_t hash) {
  if (size_ == 0) return std::nullopt;
  const size_t number = page_index(hash);
  const KeydirPage* page = pages_[number];
  if (page == nullptr) return std::nullopt;
  const auto slot = page->find(key, hash);
  if (!slot) return std::nullopt;
  const KeydirEntry former = KeydirPage::decode(*slot);
  pages_.remove(number, *slot);
  --size_;
  if (former.expiry_ms != 0) --expiring_;
  if (size_ < kShrinkBelow * pages_.size()) shrink();
  return former;
}

std::optional<KeydirEntry> Keydir::find_at(uint64_t hash, Location where) const {
  if (size_ == 0) return std::nullopt;
  const KeydirPage* page = pages_[page_index(hash)];
  if (page == nullptr) return std::nullopt;
  const auto slot = page->find_at(hash, where);
  if (!slot) return std::nullopt;
  return KeydirPage::decode(*slot);
}

bool Keydir::relocate(uint64_t hash, Location from, Location to) {
  if (size_ == 0) return false;
  const size_t number = page_index(hash);
  const KeydirPage* page = pages_[number];
  if (page == nullptr) return false;
  const auto slot = page->find_at(hash, from);
  if (!slot) return false;
  KeydirEntry entry = KeydirPage::decode(*slot);
  entry.where = to;
  pages_.replace(number, *slot, entry);
  return true;
}

bool Keydir::set_access(std::string_view key, uint64_t hash, uint32_t access) {
  if (size_ == 0) return false;
  const KeydirPage* page = pages_[page_index(hash)];
  if (page == nullptr) return false;
  const auto slot = page->find(key, hash);
  if (!slot) return false;
  KeydirPage::set_access(*slot, access);
  return true;
}

size_t Keydir::memory_bytes() const {
  return pages_.memory_bytes() + expiry_.memory_bytes();
}

uint64_t Keydir::scan(uint64_t cursor, Visitor visit) const {
  if (size_ == 0) return 0;
  const size_t index = page_index(cursor);
  if (const KeydirPage* page = pages_[index]) {
    for (auto slot = page->first(); slot.index < page->count(); slot = page->next(slot)) {
      visit(page->key(slot), KeydirPage::decode(slot));
    }
  }
  // To the end of the page's range; past the last range this comes to 0.
  const unsigned bits = prefix_bits(index);
  if (bits == 0) return 0;
  const unsigned below = 64 - bits;
  return ((cursor >> below) + 1) << below;
}

std::optional<std::pair<std::string_view, KeydirEntry>> Keydir::random(uint64_t random_bits) const {
  if (size_ == 0) return std::nullopt;
  const auto pick = [](const KeydirPage& page, size_t slot_index) {
    const auto slot = page.at(slot_index);
    return std::pair(page.key(slot), KeydirPage::decode(slot));
  };
  // A random hash picks a page in proportion to its range, which is how its keys were dealt out. A
  // page has more or fewer of them by chance, so the place in it is drawn from twice the number
  // expected, and a place past its end means to draw again: two draws on average.
  constexpr int kDraws = 64;
  uint64_t state = random_bits;
  size_t index = 0;
  for (int draw = 0; draw < kDraws; ++draw) {
    index = page_index(next_random(state));
    const KeydirPage* page = pages_[index];
    if (page == nullptr) continue;
    const size_t places = 2 * (size_ >> prefix_bits(index)) + 8;
    const size_t place = next_random(state) % std::max(places, size_t{1});
    if (place < page->count()) return pick(*page, place);
  }
  // Only where reserve() made room for far more keys than came are the draws likely to fail.
  while (pages_[index] == nullptr) index = (index + 1) % pages_.size();
  return pick(*pages_[index], next_random(state) % pages_[index]->count());
}

std::optional<std::pair<std::string_view, KeydirEntry>> Keydir::random_expiring(
    uint64_t random_bits) {
  if (expiring_ == 0) return std::nullopt;
  uint64_t state = random_bits;
  constexpr size_t kMany = 8;  // one key in so many is soon drawn from all
  constexpr int kDraws = 32;
  for (int draw = 0; draw < kDraws && expiring_ >= size_ / kMany; ++draw) {
    const auto drawn = random(next_random(state));
    if (drawn->second.expiry_ms != 0) return drawn;
  }
  // A page's number in the index may be stale, but not twice.
  size_t from = page_index(next_random(state));
  while (const auto number = expiry_.find_due(ExpiryIndex::kNever - 1, from)) {
    size_t count = 0;
    if (const KeydirPage* page = pages_[*number]) {
      for (auto slot = page->first(); slot.index < page->count(); slot = page->next(slot)) {
        count += KeydirPage::expiry_ms(slot) != 0 ? 1 : 0;
      }
      size_t skip = count == 0 ? 0 : next_random(state) % count;
      for (auto slot = page->first(); count > 0; slot = page->next(slot)) {
        if (KeydirPage::expiry_ms(slot) == 0 || skip-- > 0) continue;
        return std::pair(page->key(slot), KeydirPage::decode(slot));
      }
    }
    expiry_.set(*number, ExpiryIndex::kNever);
    from = *number + 1;
  }
  return std::nullopt;
}

size_t Keydir::visit_due(int64_t now_ms, size_t limit, Visitor visit) {
  constexpr size_t kMostCopiedBytes = 1 << 20;  // at a time: keys may be very long
  struct Key {
    std::string bytes;
    uint64_t hash;
  };
  std::vector<Key> taken;
  std::vector<std::pair<uint64_t, int64_t>> left;  // hash and expiry of keys that are still due
  size_t visited = 0;
  for (size_t looks = 64 + 4 * limit; visited < limit && looks > 0; --looks) {
    const auto due_page = expiry_.find_due(now_ms, next_due_page_);
    if (!due_page) break;
    next_due_page_ = *due_page + 1;

    // Take the keys that are due; the page's number becomes that of the others.
    int64_t earliest = ExpiryIndex::kNever;
    size_t key_bytes = 0;
    taken.clear();
    if (const KeydirPage* page = pages_[*due_page]) {
      for (auto slot = page->first(); slot.index < page->count(); slot = page->next(slot)) {
        const int64_t expiry_ms = KeydirPage::expiry_ms(slot);
        if (expiry_ms == 0) continue;
        if (expiry_ms > now_ms || visited + taken.size() == limit || key_bytes > kMostCopiedBytes) {
          earliest = std::min(earliest, expiry_ms);
          continue;
        }
        const std::string_view key = page->key(slot);
        taken.push_back({std::string(key), hash_of(*page, slot)});
        key_bytes += key.size();
      }
    }
    expiry_.set(*due_page, earliest);

    // A visit may change the keydir: each key is looked up before it and after it.
    for (const Key& key : taken) {
      const auto before = find(key.bytes, key.hash);
      if (!before || before->expiry_ms == 0 || before->expiry_ms > now_ms) continue;
      visit(key.bytes, *before);
      ++visited;
      const auto after = find(key.bytes, key.hash);
      if (after && after->expiry_ms != 0) left.emplace_back(key.hash, after->expiry_ms);
    }
  }
  for (const auto& [hash, expiry_ms] : left) expiry_.lower(page_index(hash), expiry_ms);
  return visited;
}

void Keydir::reserve(size_t keys) {
  const size_t pages = std::min(keys / kGrowAbove + 1, kMaxPages);
  while (pages_.size() < pages) grow();
}

void Keydir::fit() {
  while (pages_.size() > 1 && size_ < kShrinkBelow * pages_.size()) shrink();
}

uint64_t Keydir::hash_of(const KeydirPage& page, KeydirPage::Slot slot) const {
  if (const auto stored = KeydirPage::stored_hash(slot)) return *stored;
  return hash(page.key(slot));
}

// Adds a page: half of the range of the page whose turn it is.
void Keydir::grow() {
  const size_t added = pages_.size();
  if (added == kMaxPages) return;
  pages_.push_back();
  expiry_.add_page();
  if (added == 0) return;

  const size_t whole = std::bit_floor(added);
  const size_t halved = added - whole;
  const KeydirPage* page = pages_[halved];
  if (page == nullptr) return;
  const int bit = 63 - std::countr_zero(whole);  // that tells the two halves apart
  std::vector<uint8_t> leaves(page->count());
  for (auto slot = page->first(); slot.index < page->count(); slot = page->next(slot)) {
    leaves[slot.index] = (hash_of(*page, slot) >> bit) & 1;
  }
  pages_.split(halved, leaves.data());
  expiry_.lower(added, expiry_.due(halved));
}

// Takes the last page back into the one that it was split off from.
void Keydir::shrink() {
  const size_t last = pages_.size() - 1;
  if (last == 0 && size_ > 0) return;
  if (last > 0) {
    const size_t whole = last - std::bit_floor(last);
    pages_.join(whole);
    expiry_.lower(whole, expiry_.due(last));
  }
  pages_.pop_back();
  expiry_.remove_page();
}

bool Keydir::release_some(size_t budget) {
  for (size_t i = 0; i < budget && expiry_.pages() > 0; ++i) expiry_.remove_page();
  return pages_.release_some(budget) && expiry_.pages() == 0;
}

}  // namespace respcask::engine

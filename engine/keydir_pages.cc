#include "engine/keydir_pages.h"

#include <cassert>
#include <new>

namespace respcask::engine {

KeydirPages::~KeydirPages() {
  while (!release_some(size_t{1} << 20)) {
  }
}

void KeydirPages::swap(KeydirPages& other) noexcept {
  directory_.swap(other.directory_);
  heap_.swap(other.heap_);
  std::swap(is_to_be_dense_, other.is_to_be_dense_);
  std::swap(long_key_bytes_, other.long_key_bytes_);
}

size_t KeydirPages::memory_bytes() const {
  return directory_.memory_bytes() + heap_.memory_bytes() + long_key_bytes_;
}

void KeydirPages::pop_back() {
  assert(directory_[directory_.size() - 1] == nullptr);
  directory_.pop_back();
}

void KeydirPages::add(size_t number, std::string_view key, uint64_t hash,
                      const KeydirEntry& entry) {
  if (is_to_be_dense_ && heap_.memory_bytes() > kDenseFrom) make_dense();
  const auto fixed = KeydirPage::encode(entry, KeydirPage::is_long(key));
  const size_t length = KeydirPage::length(fixed, key);
  KeydirPage* page = directory_[number];
  page = page == nullptr ? create(number, 1, length)
                         : make_room(number, page->count() + 1, page->used() + length);
  page->append(key, hash, fixed, long_key_bytes_);
}

void KeydirPages::replace(size_t number, KeydirPage::Slot slot, const KeydirEntry& entry) {
  KeydirPage* page = directory_[number];
  const auto fixed = KeydirPage::encode(entry, KeydirPage::is_long(slot));
  const size_t before = KeydirPage::fixed_length(slot);
  if (fixed.length > before) {
    page = make_room(number, page->count(), page->used() + fixed.length - before);
    slot = page->at(slot.index);
  }
  page->replace(slot, fixed);
  if (fixed.length < before) trim(number);
}

void KeydirPages::remove(size_t number, KeydirPage::Slot slot) {
  KeydirPage* page = directory_[number];
  page->erase(slot, long_key_bytes_);
  if (page->count() > 0) return trim(number);
  directory_[number] = nullptr;
  free_block(page);
}

void KeydirPages::split(size_t number, const uint8_t* leaves) {
  KeydirPage* page = directory_[number];
  const size_t last = directory_.size() - 1;
  assert(page != nullptr && directory_[last] == nullptr);
  size_t count[2] = {0, 0};
  size_t used[2] = {0, 0};
  for (auto slot = page->first(); slot.index < page->count(); slot = page->next(slot)) {
    count[leaves[slot.index] != 0]++;
    used[leaves[slot.index] != 0] += page->length(slot);
  }
  if (count[1] == 0) return;
  if (count[0] == 0) {
    page->set_number(last);
    directory_[last] = page;
    directory_[number] = nullptr;
    return;
  }
  KeydirPage* halves[2] = {create(number, count[0], used[0]), create(last, count[1], used[1])};
  for (auto slot = page->first(); slot.index < page->count(); slot = page->next(slot)) {
    halves[leaves[slot.index] != 0]->append(*page, slot);
  }
  free_block(page);
}

void KeydirPages::join(size_t number) {
  const size_t last = directory_.size() - 1;
  KeydirPage* from = directory_[last];
  if (from == nullptr) return;
  if (KeydirPage* to = directory_[number]) {
    to = make_room(number, to->count() + from->count(), to->used() + from->used());
    from = directory_[last];  // making room may have moved it
    to->append_all(*from);
    directory_[last] = nullptr;
    free_block(from);
  } else {
    from->set_number(number);
    directory_[number] = from;
    directory_[last] = nullptr;
  }
}

bool KeydirPages::release_some(size_t budget) {
  constexpr size_t kRegionWorth = 64;  // what unmapping a region takes, in pages freed one by one
  for (; budget > 0 && directory_.size() > 0; --budget) {
    KeydirPage* page = directory_[directory_.size() - 1];
    directory_.pop_back();
    if (page == nullptr) continue;
    if (long_key_bytes_ > 0) page->free_long_keys(long_key_bytes_);
    heap_.release_block(page, page->quanta());
  }
  if (directory_.size() > 0) return false;
  for (; budget > 0; budget -= std::min(budget, kRegionWorth)) {
    if (!heap_.release_region()) return true;
  }
  return false;
}

void KeydirPages::make_dense() {
  CompactHeap dense(CompactHeap::Kind::kDense);
  for (size_t number = 0; number < directory_.size(); ++number) {
    KeydirPage* page = directory_[number];
    if (page == nullptr) continue;
    directory_[number] = new (dense.allocate(page->quanta())) KeydirPage(*page, page->quanta());
    heap_.release_block(page, page->quanta());
  }
  heap_.swap(dense);
  is_to_be_dense_ = false;
}

KeydirPage* KeydirPages::create(size_t number, size_t count, size_t used) {
  const size_t slots = KeydirPage::slots_for(count);
  const size_t quanta = KeydirPage::quanta_for(slots, used);
  auto* page = new (heap_.allocate(quanta)) KeydirPage(number, quanta, slots);
  directory_[number] = page;
  return page;
}

KeydirPage* KeydirPages::make_room(size_t number, size_t count, size_t used) {
  KeydirPage* page = directory_[number];
  const size_t slots = std::max(KeydirPage::slots_for(count), page->slots());
  const size_t quanta = KeydirPage::quanta_for(slots, used);
  if (quanta > page->quanta()) page = move_to_block(number, quanta);
  if (slots > page->slots()) page->set_slots(slots);
  return page;
}

// Gives back what removals have left over, once it is two quanta: not to and fro at every change.
void KeydirPages::trim(size_t number) {
  KeydirPage* page = directory_[number];
  const size_t slots = KeydirPage::slots_for(page->count());
  const size_t quanta = KeydirPage::quanta_for(slots, page->used());
  if (quanta + 2 > page->quanta()) return;
  if (slots < page->slots()) page->set_slots(slots);
  move_to_block(number, quanta);
}

KeydirPage* KeydirPages::move_to_block(size_t number, size_t quanta) {
  KeydirPage* page = directory_[number];
  directory_[number] = new (heap_.allocate(quanta)) KeydirPage(*page, quanta);
  free_block(page);
  return directory_[number];
}

// The page must no longer be in the directory.
void KeydirPages::free_block(KeydirPage* page) {
  if (heap_.free(page, page->quanta())) directory_[page->number()] = page;
}

}  // namespace respcask::engine

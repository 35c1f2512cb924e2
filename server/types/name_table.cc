#include "server/types/name_table.h"

#include <bit>

#include "engine/hash.h"

namespace respcask::server {

namespace {
// What a slot points at whose name was taken out: those behind it are still to be found.
constexpr char kRemoved = 0;

uint64_t room_in(uint64_t slots) {
  return slots * 3 / 4;
}

}  // namespace

NameTable::NameTable(uint64_t expected)
    : slots_(std::bit_ceil(expected + expected / 3 + 1)), room_(room_in(slots_.size())) {}

uint64_t NameTable::place(std::string_view name) const {
  static const engine::HashSeed seed = engine::HashSeed::random();
  const uint64_t mask = slots_.size() - 1;
  uint64_t slot = engine::siphash13(seed, name) & mask;
  const auto other = [&](std::string_view found) {
    return found.data() != nullptr && (found != name || found.data() == &kRemoved);
  };
  while (other(slots_[slot])) slot = (slot + 1) & mask;
  return slot;
}

bool NameTable::insert(std::string_view name) {
  uint64_t at = place(name);
  if (slots_[at].data() != nullptr) return false;
  if (room_ == 0) {
    grow();
    at = place(name);
  }
  --room_;
  ++size_;
  slots_[at] = name.data() == nullptr ? std::string_view("") : name;
  return true;
}

void NameTable::grow() {
  std::vector<std::string_view> old(2 * slots_.size());
  old.swap(slots_);
  room_ = room_in(slots_.size()) - size_;
  constexpr size_t kAhead = 8;  // most names have left the cache
  for (size_t i = 0; i < old.size(); ++i) {
    if (i + kAhead < old.size()) __builtin_prefetch(old[i + kAhead].data());
    const std::string_view name = old[i];
    if (name.data() != nullptr && name.data() != &kRemoved) slots_[place(name)] = name;
  }
}

bool NameTable::remove(std::string_view name) {
  std::string_view& slot = slots_[place(name)];
  if (slot.data() == nullptr) return false;
  slot = std::string_view(&kRemoved, 0);
  --size_;
  return true;
}

bool NameTable::contains(std::string_view name) const {
  return slots_[place(name)].data() != nullptr;
}

}  // namespace respcask::server

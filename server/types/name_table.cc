#include "server/types/name_table.h"

#include <bit>
#include <cassert>

#include "engine/hash.h"

namespace respcask::server {

NameTable::NameTable(uint64_t most) : slots_(std::bit_ceil(most + most / 3 + 1)), room_(most) {}

uint64_t NameTable::place(std::string_view name) const {
  static const engine::HashSeed seed = engine::HashSeed::random();
  const uint64_t mask = slots_.size() - 1;
  uint64_t slot = engine::siphash13(seed, name) & mask;
  while (slots_[slot].data() != nullptr && slots_[slot] != name) slot = (slot + 1) & mask;
  return slot;
}

bool NameTable::insert(std::string_view name) {
  std::string_view& slot = slots_[place(name)];
  if (slot.data() != nullptr) return false;
  assert(room_ > 0);
  --room_;
  slot = name.data() == nullptr ? std::string_view("") : name;
  return true;
}

bool NameTable::contains(std::string_view name) const {
  return slots_[place(name)].data() != nullptr;
}

}  // namespace respcask::server

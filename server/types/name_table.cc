#include "server/types/name_table.h"

#include <bit>
#include <cassert>

#include "engine/hash.h"

namespace respcask::server {

namespace {
// What a slot points at whose name was taken out: those behind it are still to be found.
constexpr char kRemoved = 0;
}  // namespace

NameTable::NameTable(uint64_t most) : slots_(std::bit_ceil(most + most / 3 + 1)), room_(most) {}

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
  std::string_view& slot = slots_[place(name)];
  if (slot.data() != nullptr) return false;
  assert(room_ > 0);
  --room_;
  ++size_;
  slot = name.data() == nullptr ? std::string_view("") : name;
  return true;
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

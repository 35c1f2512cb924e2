#include "engine/compact_heap.h"

#include <doctest/doctest.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <unordered_map>
#include <vector>

namespace respcask::engine {
namespace {

// A block says who owns it, in its first bytes, and repeats it in its last.
struct Owner {
  void* block;
  size_t quanta;
};

void mark(const Owner& owner, uint64_t id) {
  std::memcpy(owner.block, &id, sizeof id);
  std::memcpy(static_cast<char*>(owner.block) + owner.quanta * CompactHeap::kQuantum - sizeof id,
              &id, sizeof id);
}

uint64_t id_of(const Owner& owner) {
  uint64_t id;
  uint64_t again;
  std::memcpy(&id, owner.block, sizeof id);
  std::memcpy(&again,
              static_cast<char*>(owner.block) + owner.quanta * CompactHeap::kQuantum - sizeof id,
              sizeof id);
  CHECK(id == again);
  return id;
}

}  // namespace

TEST_CASE("an empty compact heap holds no memory") {
  CompactHeap heap;
  CHECK(heap.memory_bytes() == 0);
  CHECK_FALSE(heap.release_region());
}

TEST_CASE("a compact heap of one small block takes little more than that") {
  CompactHeap heap;
  void* block = heap.allocate(4);
  CHECK(heap.memory_bytes() < 4 * CompactHeap::kQuantum + 500);
  CHECK_FALSE(heap.free(block, 4));
}

TEST_CASE("the last block of a size moves to where one is freed") {
  CompactHeap heap;
  void* a = heap.allocate(3);
  void* b = heap.allocate(3);
  void* other = heap.allocate(4);
  mark({a, 3}, 1);
  mark({b, 3}, 2);
  mark({other, 4}, 3);
  CHECK(heap.free(a, 3));
  CHECK(id_of({a, 3}) == 2);
  CHECK(id_of({other, 4}) == 3);
  CHECK_FALSE(heap.free(a, 3));
  CHECK(heap.allocate(3) == a);
}

TEST_CASE("a heap of kind kMalloc moves nothing, has no chunks and counts what it holds") {
  CompactHeap heap(CompactHeap::Kind::kMalloc);
  CHECK(heap.memory_bytes() == 0);
  std::vector<Owner> owners;
  for (uint64_t id = 0; id < 100; ++id) {
    owners.push_back({heap.allocate(id % 7 + 1), id % 7 + 1});
    mark(owners.back(), id);
  }
  size_t bytes = 0;
  for (const Owner& owner : owners) bytes += owner.quanta * CompactHeap::kQuantum;
  CHECK(heap.memory_bytes() >= bytes);
  CHECK(heap.memory_bytes() <= bytes + 100 * 32);
  CompactHeap other;
  other.swap(heap);
  CHECK(heap.memory_bytes() == 0);
  for (uint64_t id = 0; id < 50; ++id) {
    CHECK_FALSE(other.free(owners[id].block, owners[id].quanta));
  }
  for (uint64_t id = 50; id < 100; ++id) CHECK(id_of(owners[id]) == id);
  for (uint64_t id = 50; id < 100; ++id) other.release_block(owners[id].block, owners[id].quanta);
  CHECK(other.memory_bytes() == 0);
  CHECK_FALSE(other.release_region());
}

TEST_CASE("blocks keep what is in them while others come and go") {
  const unsigned seed = std::random_device{}();
  INFO("seed ", seed);
  std::mt19937_64 random(seed);
  CompactHeap heap;
  std::unordered_map<uint64_t, Owner> owners;
  std::vector<uint64_t> ids;
  uint64_t next_id = 0;
  size_t live_bytes = 0;
  for (int step = 0; step < 100000; ++step) {
    const bool growing = (step / 20000) % 2 == 0;
    if (ids.empty() || random() % 10 < (growing ? 7u : 3u)) {
      const size_t largest = random() % 20 == 0 ? CompactHeap::kMaxQuanta + 20 : 8;
      const size_t quanta = random() % largest + 1;
      const Owner owner{heap.allocate(quanta), quanta};
      mark(owner, next_id);
      owners[next_id] = owner;
      ids.push_back(next_id++);
      live_bytes += quanta * CompactHeap::kQuantum;
    } else {
      std::swap(ids[random() % ids.size()], ids.back());
      const Owner owner = owners.at(ids.back());
      REQUIRE(id_of(owner) == ids.back());
      owners.erase(ids.back());
      ids.pop_back();
      live_bytes -= owner.quanta * CompactHeap::kQuantum;
      if (heap.free(owner.block, owner.quanta)) {
        owners.at(id_of(owner)).block = owner.block;
      }
    }
    REQUIRE(heap.memory_bytes() >= live_bytes);
    REQUIRE(heap.memory_bytes() < live_bytes + 20000);
  }
  for (const auto& [id, owner] : owners) REQUIRE(id_of(owner) == id);
  for (const auto& [id, owner] : owners) heap.release_block(owner.block, owner.quanta);
  int regions = 0;
  while (heap.release_region()) ++regions;
  CHECK(regions > 1);
  CHECK(heap.memory_bytes() == 0);
}

}  // namespace respcask::engine

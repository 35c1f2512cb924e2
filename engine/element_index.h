// ElementIndex: what the engine asks of the in-memory index of a split collection.
//
// The engine stores the elements of a split collection as records (collection id, element name) ->
// payload and knows nothing of what they mean. Whoever owns the types implements this interface,
// one class a type, and hands the engine a factory that makes one by type tag. The name is opaque
// bytes to the engine; the index decides what of it identifies the element (a sorted set may put
// the score in front of the member and identify by the member alone).
//
// Invariants: each live element has exactly one location in the index; an element whose location
// the index does not hold is dead. The index is owned by its shard and is called under the shard's
// lock only, except while the store is being opened, when one thread a shard calls it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>

#include "engine/location.h"

namespace respcask::engine {

// Where an element lies and what it costs on disk.
struct ElementLocation {
  Location where;           // of the payload's checksum
  uint32_t value_size = 0;  // payload bytes
  uint32_t name_size = 0;   // bytes of the name as it was written
};

class ElementIndex {
 public:
  virtual ~ElementIndex() = default;

  // Takes in one element record at recovery, in log order. Returns the location that it replaces,
  // if the element was there.
  virtual std::optional<ElementLocation> recover_put(std::string_view name, Location where,
                                                     uint32_t value_size) = 0;
  // The same for an element's tombstone.
  virtual std::optional<ElementLocation> recover_remove(std::string_view name) = 0;

  // The same for a tombstone whose name may stand for several elements: shows each that it takes
  // away. An index whose tombstones do not, need not know of it.
  virtual void recover_remove_all(std::string_view name,
                                  const std::function<void(const ElementLocation&)>& removed) {
    if (const auto old = recover_remove(name)) removed(*old);
  }

  // True if the element that `name` identifies lies at `where` now.
  virtual bool is_live(std::string_view name, Location where) const = 0;

  // True if the element that `name` identifies is there at all.
  virtual bool contains(std::string_view name) const = 0;

  // Merge has copied the element's record: compare-and-set from one location to the other.
  // Returns false, changing nothing, if the element no longer lies at `from`.
  virtual bool relocate(std::string_view name, Location from, Location to) = 0;

  // For whoever is about to look up many elements: begins to load what the look-up of one waits
  // for, so that the waits run side by side. Step 0 is taken for all of them, then step 1, and so
  // on below kLoadSteps; `hash` is hash() of the element's name. Hints only: an index whose
  // look-ups wait for nothing need not know of it.
  static constexpr int kLoadSteps = 3;
  virtual uint64_t hash(std::string_view /*name*/) const { return 0; }
  virtual void prefetch(uint64_t /*hash*/, int /*step*/) const {}

  // Calls `visit` with every live element. The engine takes the bytes of a dropped collection
  // out of its segments' live counts with it.
  virtual void for_each(const std::function<void(const ElementLocation&)>& visit) const = 0;

  // True if the value is made of all elements together, so that without one of them it is another
  // value, not a smaller one.
  virtual bool is_indivisible() const { return false; }

  // True if it is empty and no value of its kind is: damage has taken what was in it.
  virtual bool lacks_elements() const { return false; }

  // False: values of this type have indexes of another kind.
  virtual bool serves(uint8_t /*type*/) const { return true; }

  // Heap bytes held, for used_memory; O(1).
  virtual size_t memory_bytes() const = 0;
};

// Makes an empty index for a collection whose root or elements carry `type`. Null: no type that is
// known has such.
using ElementIndexFactory = std::function<std::unique_ptr<ElementIndex>(uint8_t type)>;

}  // namespace respcask::engine

// Which element index serves the split collections of which type. Any thread, the rules of the
// indexes apart.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "engine/element_index.h"
#include "server/types/type.h"

namespace respcask::server {

// An empty index for a collection whose root or elements carry this type tag; for
// engine::Options::element_index. Null: no type keeps its collections in elements under it.
std::unique_ptr<engine::ElementIndex> make_element_index(uint8_t tag);

// For engine::ElementIndex::prefetch(): the hash of the element that a command is likely to ask for
// whose arguments behind the key begin with these; 0 where its type does not look for one by name.
// `tag` is that of the collection.
uint64_t likely_element(const engine::ElementIndex& index, TypeTag tag, std::string_view first,
                        std::string_view second);

}  // namespace respcask::server

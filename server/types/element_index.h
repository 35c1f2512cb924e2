// Which element index serves the split collections of which type. Any thread.
#pragma once

#include <cstdint>
#include <memory>

#include "engine/element_index.h"

namespace respcask::server {

// An empty index for a collection whose root or elements carry this type tag; for
// engine::Options::element_index.
std::unique_ptr<engine::ElementIndex> make_element_index(uint8_t tag);

}  // namespace respcask::server

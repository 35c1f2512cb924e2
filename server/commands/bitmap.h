// What the bitmap commands share. Nothing here owns memory; for handlers (server/context.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace respcask::server {

class Context;

// The bit that argument `i` names: an offset, or "#N" for the Nth field of `field_bits` bits (0:
// that form is refused). Below 8 * proto-max-bulk-len; otherwise the error is replied.
std::optional<uint64_t> bit_offset_arg(Context& c, size_t i, unsigned field_bits);

}  // namespace respcask::server

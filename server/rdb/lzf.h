// LZF: the byte-oriented Lempel-Ziv format in which RDB stores longer strings.
//
// A compressed run is a sequence of instructions, each opened by a control byte c:
//
//     c                bytes that follow             meaning
//     000LLLLL         L+1 literal bytes             append them
//     LLLOOOOO         o                             copy L+2 bytes from `back` (L in 1..6)
//     111OOOOO         n, o                          copy n+9 bytes from `back`
//
//     back = OOOOO * 256 + o + 1, at most 8192: how many bytes before the end of the output the
//     copy starts. It may overlap what it makes: a `back` below the length repeats a pattern.
//
// There is no header and no checksum: RDB keeps both sizes beside the bytes. Stateless for the
// caller; any thread may call these (the compressor keeps its hash table per thread).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace respcask::server::rdb {

// `input` compressed, if that takes no more than about `max_size` bytes. Makes the choices of the
// compressor in Redis 7.0 (greedy, one candidate per hash of three bytes, the same hash), so that
// the outcome is the same bytes, and the same refusals close to `max_size`.
std::optional<std::string> lzf_compress(std::string_view input, size_t max_size);

// Whether so many bytes can come of `input`; it says nothing of whether they do.
bool may_expand_to(std::string_view input, uint64_t size);

// Exactly `size` bytes from `input`; nothing if the input is damaged or makes another size.
// Allocates at most 88 times the input's size, whatever `size` claims.
std::optional<std::string> lzf_decompress(std::string_view input, uint64_t size);

}  // namespace respcask::server::rdb

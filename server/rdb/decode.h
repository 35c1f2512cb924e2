// From a DUMP payload to a value: everything but streams that Redis 2.6 to 7.0 wrote.
//
//     payload   u8 type, body (by type, below), u16 RDB version, u64 CRC-64 of all before it
//               (both little endian; the version is at most 10)
//
//     type  body                                              string S, length L: see reader.h
//      0    S                                                 string
//      1    L n, n x S                                        list
//      2    L n, n x S                                        set
//      3    L n, n x (S member, text score)                   sorted set
//      4    L n, n x (S field, S value)                       hash
//      5    L n, n x (S member, binary score)                 sorted set
//      9    S zipmap                                          hash
//     10    S ziplist                                         list
//     11    S intset                                          set
//     12    S ziplist: member, score, ...                     sorted set
//     13    S ziplist: field, value, ...                      hash
//     14    L n, n x S ziplist                                list
//     16    S listpack: field, value, ...                     hash
//     17    S listpack: member, score, ...                    sorted set
//     18    L n, n x (L 1, S element  |  L 2, S listpack)     list
//
// The types 15 and 19 are streams, of which there are none here: refused like every other type.
//
// A payload is hostile until shown otherwise: any byte may be wrong under a right checksum. Each
// length is compared with what is there before it is used; a collection that is empty, holds a name
// twice or a score that is no number, a blob whose count, sizes or end disagree with its contents,
// and bytes left over are refused. Pure functions of their arguments; any thread may call them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "server/rdb/budget.h"
#include "server/rdb/value.h"

namespace respcask::server::rdb {

enum class DecodeError {
  kFooter,  // too short, from a newer version, or a checksum that does not match
  kFormat,  // the footer is right, the body is not a value
  kEmpty,   // a collection without elements, which Redis does not load either
  kBudget,  // it would hold more than it may
};

using Decoded = std::variant<Value, DecodeError>;

// Whether `payload` ends in a version that we read and its right checksum.
bool has_valid_footer(std::string_view payload);

// The value of `payload`, footer included. Memory is bounded by a fixed multiple of its size, and
// by what `may_hold` answers, as it grows, to how many bytes it has come to.
Decoded decode(
    std::string_view payload, const Budget::Ask& may_hold = [](uint64_t) { return true; });

// Whether a payload says that it is a string.
bool is_string(std::string_view payload);
// That string, as a part of the payload where its bytes stand there as they are, else in `storage`;
// nothing if it is none. The footer is not looked at.
std::optional<std::string_view> string_of(std::string_view payload, std::string& storage);

}  // namespace respcask::server::rdb

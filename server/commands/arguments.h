// Keys, arguments and history that the rows of several files have in common. Constants; any thread.
//
// What is said of keys is by what is done to them: read (their values), inspect (that they exist,
// or of what kind they are), insert, take (read and delete from), and so on; counted keys come
// behind their number.
#pragma once

#include "server/command.h"

namespace respcask::server {

inline constexpr KeySpec kReadKey[] = {
    {.flags = kRO | kAccess, .index = 1},
};
inline constexpr KeySpec kReadUpdateKey[] = {
    {.flags = kRW | kAccess | kUpdate, .index = 1},
};
inline constexpr KeySpec kOverwriteKey[] = {
    {.flags = kOW | kUpdate, .index = 1},
};
inline constexpr KeySpec kUpdateKey[] = {
    {.flags = kRW | kUpdate, .index = 1},
};
inline constexpr KeySpec kStoreKey[] = {
    {.flags = kOW | kUpdate, .index = 1},
    {.flags = kRO | kAccess, .index = 2},
};
inline constexpr KeySpec kDeleteInKey[] = {
    {.flags = kRW | kDelete, .index = 1},
};
inline constexpr KeySpec kInsertKey[] = {
    {.flags = kRW | kInsert, .index = 1},
};
inline constexpr KeySpec kInspectKey[] = {
    {.flags = kRO, .index = 1},
};
inline constexpr KeySpec kInspectKeys[] = {
    {.flags = kRO, .index = 1, .last = -1},
};
inline constexpr KeySpec kTakeKey[] = {
    {.flags = kRW | kAccess | kDelete, .index = 1},
};
inline constexpr KeySpec kTakeInsertKeys[] = {
    {.flags = kRW | kAccess | kDelete, .index = 1},
    {.flags = kRW | kInsert, .index = 2},
};
inline constexpr KeySpec kTakeKeysCountedSecond[] = {
    {.flags = kRW | kAccess | kDelete, .index = 2, .find = KeySpec::Find::kKeynum, .first = 1},
};
inline constexpr KeySpec kTakeKeysBeforeLast[] = {
    {.flags = kRW | kAccess | kDelete, .index = 1, .last = -2},
};
inline constexpr KeySpec kTakeCountedKeys[] = {
    {.flags = kRW | kAccess | kDelete, .index = 1, .find = KeySpec::Find::kKeynum, .first = 1},
};
inline constexpr KeySpec kInspectSecondKey[] = {
    {.flags = kRO, .index = 2},
};
inline constexpr KeySpec kReadKeys[] = {
    {.flags = kRO | kAccess, .index = 1, .last = -1},
};
inline constexpr KeySpec kReadCountedKeys[] = {
    {.flags = kRO | kAccess, .index = 1, .find = KeySpec::Find::kKeynum, .first = 1},
};

inline constexpr Argument kKeyArg[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
};
inline constexpr Argument kNxOrXx[] = {
    {.name = "nx", .type = ArgType::kPureToken, .token = "NX"},
    {.name = "xx", .type = ArgType::kPureToken, .token = "XX"},
};
inline constexpr Argument kUnit[] = {
    {.name = "m", .type = ArgType::kPureToken, .token = "M"},
    {.name = "km", .type = ArgType::kPureToken, .token = "KM"},
    {.name = "ft", .type = ArgType::kPureToken, .token = "FT"},
    {.name = "mi", .type = ArgType::kPureToken, .token = "MI"},
};
inline constexpr Argument kKeyMembers[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "member", .flags = kMultiple},
};
inline constexpr Argument kOrder[] = {
    {.name = "asc", .type = ArgType::kPureToken, .token = "ASC"},
    {.name = "desc", .type = ArgType::kPureToken, .token = "DESC"},
};
inline constexpr Argument kKeyFields[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "field", .flags = kMultiple},
};
inline constexpr Argument kKeyScan[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "cursor", .type = ArgType::kInteger},
    {.name = "pattern", .type = ArgType::kPattern, .token = "MATCH", .flags = kOptional},
    {.name = "count", .type = ArgType::kInteger, .token = "COUNT", .flags = kOptional},
};
inline constexpr Argument kKeysArg[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
};
inline constexpr Argument kKeyStartStop[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "start", .type = ArgType::kInteger},
    {.name = "stop", .type = ArgType::kInteger},
};
inline constexpr Argument kKeysTimeout[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
    {.name = "timeout", .type = ArgType::kDouble},
};
inline constexpr Argument kKeyMember[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "member"},
};
inline constexpr Argument kCountedKeysLimit[] = {
    {.name = "numkeys", .type = ArgType::kInteger},
    {.name = "key", .type = ArgType::kKey, .key_spec = 0, .flags = kMultiple},
    {.name = "limit", .type = ArgType::kInteger, .token = "LIMIT", .flags = kOptional},
};
inline constexpr Argument kOffsetCount[] = {
    {.name = "offset", .type = ArgType::kInteger},
    {.name = "count", .type = ArgType::kInteger},
};
inline constexpr Argument kKeyValue[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "value"},
};

inline constexpr HistoryEntry kTimeoutHistory[] = {
    {"6.0.0", "`timeout` is interpreted as a double instead of an integer."},
};

}  // namespace respcask::server

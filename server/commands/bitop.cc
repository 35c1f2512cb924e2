// BITOP: AND, OR, XOR and NOT over whole strings.

#include <algorithm>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/context.h"
#include "server/types/object.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

enum class BitOp : uint8_t { kAnd, kOr, kXor, kNot };

std::optional<BitOp> bit_op_arg(Context& c, size_t i) {
  if (c.arg_is(i, "AND")) return BitOp::kAnd;
  if (c.arg_is(i, "OR")) return BitOp::kOr;
  if (c.arg_is(i, "XOR")) return BitOp::kXor;
  if (c.arg_is(i, "NOT")) return BitOp::kNot;
  c.syntax_error();
  return std::nullopt;
}

// Simple loops: the compiler makes vectors of them.
void combine(BitOp op, char* to, std::string_view from) {
  const char* in = from.data();
  const size_t size = from.size();
  switch (op) {
    case BitOp::kAnd:
      for (size_t i = 0; i < size; ++i) to[i] &= in[i];
      break;
    case BitOp::kOr:
      for (size_t i = 0; i < size; ++i) to[i] |= in[i];
      break;
    case BitOp::kXor:
      for (size_t i = 0; i < size; ++i) to[i] ^= in[i];
      break;
    case BitOp::kNot:
      for (size_t i = 0; i < size; ++i) to[i] = static_cast<char>(~in[i]);
      break;
  }
}

struct Source {
  KeyRef key;
  engine::KeydirEntry entry;
  uint64_t length = 0;
};

// The operation over all sources, as long as the longest; shorter ones go on with zeros.
// Meaningless if not ready.
std::string combine_all(Context& c, BitOp op, const std::vector<std::optional<Source>>& sources) {
  uint64_t length = 0;
  for (const auto& source : sources) length = std::max(length, source ? source->length : 0);
  // It is written from here, and what it is made of may be far less.
  if (!c.hold(2 * length)) return {};
  std::string result(length, '\0');
  for (size_t n = 0; n < sources.size(); ++n) {
    const BitOp step = n == 0 && op != BitOp::kNot ? BitOp::kOr : op;
    uint64_t at = 0;
    if (sources[n]) {
      visit_string(c, sources[n]->key, sources[n]->entry, 0, sources[n]->length, Extent::kAll,
                   [&](std::string_view piece) {
                     combine(step, result.data() + at, piece);
                     at += piece.size();
                     return true;
                   });
    }
    if (step == BitOp::kAnd)
      std::fill(result.begin() + static_cast<ptrdiff_t>(at), result.end(), '\0');
  }
  return result;
}

void cmd_bitop(Context& c) {
  const auto op = bit_op_arg(c, 1);
  if (!op) return;
  if (*op == BitOp::kNot && c.argc() != 4) {
    return c.error("ERR BITOP NOT must be called with a single source key.");
  }
  std::vector<std::optional<Source>> sources;
  for (size_t i = 3; i < c.argc(); ++i) {
    const KeyRef key = c.key(i);
    auto found = c.find_typed(key, Type::kString);
    if (found.wrong) return;
    sources.emplace_back();
    if (found.entry)
      sources.back() = Source{key, *found.entry, string_length(c, key, *found.entry)};
  }
  const std::string result = combine_all(c, *op, sources);
  if (!c.ready()) return;
  const KeyRef to = c.key(2);
  if (!result.empty()) {
    if (!c.reserve(to, put_string_bound(to, result.size()))) return;
    look_before_overwriting(c, to);
    put_string(c, to, Encoding::kPlain, 0, result);
    c.notify(EventClass::kString, "set", to);
  } else {
    c.remove_destination(to);
  }
  c.reply().integer(static_cast<int64_t>(result.size()));
}

constexpr KeySpec kBitopKeys[] = {
    {.flags = kOW | kUpdate, .index = 2},
    {.flags = kRO | kAccess, .index = 3, .last = -1},
};
constexpr Argument kBitopArgs[] = {
    {.name = "operation"},
    {.name = "destkey", .type = ArgType::kKey, .key_spec = 0},
    {.name = "key", .type = ArgType::kKey, .key_spec = 1, .flags = kMultiple},
};
constexpr Command kBitopRows[] = {
    {.name = "bitop",
     .handler = cmd_bitop,
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .keys = kBitopKeys,
     .group = Group::kBitmap,
     .since = "2.6.0",
     .complexity = "O(N)",
     .summary = "Perform bitwise operations between strings",
     .arguments = kBitopArgs,
     .categories = kCatBitmap},
};
static_assert(check_rows(kBitopRows));

}  // namespace

std::span<const Command> bitop_commands() {
  return kBitopRows;
}

}  // namespace respcask::server

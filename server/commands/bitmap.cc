// Bitmaps: strings as arrays of bits, bit 0 the most significant one of the first byte. BITOP and
// BITFIELD have files of their own.

#include "server/commands/bitmap.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "resp/number.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/config/config.h"
#include "server/context.h"
#include "server/types/string.h"
#include "server/types/string_chunks.h"

namespace respcask::server {

namespace {

uint64_t load_word(const char* bytes) {
  uint64_t word;
  std::memcpy(&word, bytes, sizeof word);
  return word;
}

uint64_t count_bits(std::string_view bytes) {
  const char* at = bytes.data();
  size_t left = bytes.size();
  uint64_t counts[4] = {};  // independent sums, so that the additions overlap
  for (; left >= 32; left -= 32, at += 32) {
    for (size_t i = 0; i < 4; ++i) counts[i] += std::popcount(load_word(at + 8 * i));
  }
  uint64_t count = counts[0] + counts[1] + counts[2] + counts[3];
  for (; left > 0; --left, ++at) count += std::popcount(static_cast<unsigned char>(*at));
  return count;
}

// The index of the first byte that is not `skip`; bytes.size() if there is none.
size_t find_other(std::string_view bytes, unsigned char skip) {
  const uint64_t skip_word = 0x0101010101010101u * skip;
  size_t at = 0;
  while (bytes.size() - at >= 8 && load_word(bytes.data() + at) == skip_word) at += 8;
  while (at < bytes.size() && static_cast<unsigned char>(bytes[at]) == skip) ++at;
  return at;
}

// Positions as clients give them, from the end where negative, cut to what there is. Empty if
// first > last.
struct Range {
  int64_t first = 0;
  int64_t last = 0;
};
Range cut_range(Range range, int64_t length) {
  if (range.first < 0) range.first = std::max<int64_t>(range.first + length, 0);
  if (range.last < 0) range.last = std::max<int64_t>(range.last + length, 0);
  range.last = std::min(range.last, length - 1);
  return range;
}

// BYTE or BIT; nothing and the error replied for another word.
std::optional<bool> bit_unit_arg(Context& c, size_t i) {
  if (c.arg_is(i, "BIT")) return true;
  if (c.arg_is(i, "BYTE")) return false;
  c.syntax_error();
  return std::nullopt;
}

// A range of bits, as the bytes it touches and the bits of the first and last byte that are in it.
struct BitRange {
  uint64_t begin = 0;  // bytes
  uint64_t end = 0;
  unsigned char first_mask = 0xff;
  unsigned char last_mask = 0xff;
};
BitRange bit_range(Range range, bool in_bits) {
  const auto first = static_cast<uint64_t>(range.first), last = static_cast<uint64_t>(range.last);
  if (!in_bits) return {first, last + 1};
  return {first / 8, last / 8 + 1, static_cast<unsigned char>(0xff >> first % 8),
          static_cast<unsigned char>(0xff << (7 - last % 8))};
}

}  // namespace

std::optional<uint64_t> bit_offset_arg(Context& c, size_t i, unsigned field_bits) {
  std::string_view text = c.arg(i);
  const bool counts_fields = field_bits != 0 && !text.empty() && text[0] == '#';
  if (counts_fields) text.remove_prefix(1);
  // A field may reach 8 bytes past the one where it begins.
  const uint64_t most = std::min(c.config().proto_max_bulk_len, StringChunks::kMaxLength - 8);
  if (auto offset = resp::parse_int64(text)) {
    int64_t bit = *offset;
    const bool overflow = counts_fields && __builtin_mul_overflow(bit, int64_t{field_bits}, &bit);
    if (!overflow && bit >= 0 && static_cast<uint64_t>(bit) / 8 < most) {
      return static_cast<uint64_t>(bit);
    }
  }
  c.error("ERR bit offset is not an integer or out of range");
  return std::nullopt;
}

namespace {

void cmd_getbit(Context& c) {
  const auto offset = bit_offset_arg(c, 2, 0);
  if (!offset) return;
  const KeyRef key = c.key(1);
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return;
  const uint64_t byte = *offset / 8;
  unsigned bit = 0;
  if (found.entry && byte < string_length(c, key, *found.entry)) {
    visit_string(c, key, *found.entry, byte, byte + 1, Extent::kAll, [&](std::string_view piece) {
      bit = static_cast<unsigned char>(piece[0]) >> (7 - *offset % 8) & 1;
      return true;
    });
  }
  c.reply().integer(bit);
}

void cmd_setbit(Context& c) {
  const auto offset = bit_offset_arg(c, 2, 0);
  if (!offset) return;
  const auto on = c.integer_arg_in(3, 0, 1, "ERR bit is not an integer or out of range");
  if (!on) return;
  const KeyRef key = c.key(1);
  auto found = c.find_typed_for_write(key, Type::kString);
  if (found.wrong) return;

  StringEdit edit(c, key, found.entry);
  const uint64_t at = *offset / 8;
  edit.load_to_copy(at, at + 1);
  if (!c.ready()) return;
  char byte = 0;
  edit.copy(at, {&byte, 1});
  const unsigned mask = 0x80u >> (*offset % 8);
  const unsigned old = static_cast<unsigned char>(byte);
  const unsigned changed = *on != 0 ? old | mask : old & ~mask;
  if (changed != old || at >= edit.length()) {
    byte = static_cast<char>(changed);
    const StringEdit::Patch patch{at, {&byte, 1}};
    if (!edit.apply({&patch, 1})) return;
    c.notify(EventClass::kString, "setbit", key);
  } else if (!edit.make_raw()) {
    return;
  }
  c.reply().integer((old & mask) != 0 ? 1 : 0);
}

void cmd_bitcount(Context& c) {
  const KeyRef key = c.key(1);
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return;
  if (!found.entry) return c.reply().integer(0);
  auto length = static_cast<int64_t>(string_length(c, key, *found.entry));
  Range range{0, length - 1};
  bool in_bits = false;
  if (c.argc() > 2) {
    if (c.argc() != 4 && c.argc() != 5) return c.syntax_error();
    const auto first = c.integer_arg(2);
    if (!first) return;
    const auto last = c.integer_arg(3);
    if (!last) return;
    if (*first < 0 && *last < 0 && *first > *last) return c.reply().integer(0);
    if (c.argc() == 5) {
      const auto unit = bit_unit_arg(c, 4);
      if (!unit) return;
      in_bits = *unit;
    }
    range = cut_range({*first, *last}, in_bits ? length * 8 : length);
  }
  if (range.first > range.last) return c.reply().integer(0);

  const BitRange bits = bit_range(range, in_bits);
  uint64_t count = 0;
  uint64_t at = bits.begin;
  visit_string(c, key, *found.entry, bits.begin, bits.end, Extent::kAll,
               [&](std::string_view piece) {
                 count += count_bits(piece);
                 // What the first and the last byte have outside the range is taken off again.
                 const auto outside = [](char byte, unsigned char mask) {
                   return std::popcount(static_cast<unsigned char>(byte & ~mask));
                 };
                 if (at == bits.begin) count -= outside(piece.front(), bits.first_mask);
                 at += piece.size();
                 if (at == bits.end) count -= outside(piece.back(), bits.last_mask);
                 return true;
               });
  c.reply().integer(static_cast<int64_t>(count));
}

// The position of the first `bit` in the range; nothing if there is none (or not ready).
std::optional<uint64_t> find_bit(Context& c, const KeyRef& key, const engine::KeydirEntry& entry,
                                 const BitRange& bits, bool bit) {
  const unsigned char skip = bit ? 0x00 : 0xff;
  std::optional<uint64_t> position;
  uint64_t begin = bits.begin;
  visit_string(c, key, entry, bits.begin, bits.end, Extent::kMayStop, [&](std::string_view piece) {
    for (size_t at = 0; at < piece.size(); ++at) {
      at += find_other(piece.substr(at), skip);
      if (at == piece.size()) break;
      unsigned sought = static_cast<unsigned char>(piece[at]) ^ skip;
      if (begin + at == bits.begin) sought &= bits.first_mask;
      if (begin + at + 1 == bits.end) sought &= bits.last_mask;
      if (sought != 0) {
        position = (begin + at) * 8 +
                   static_cast<uint64_t>(std::countl_zero(static_cast<unsigned char>(sought)));
        return false;
      }
    }
    begin += piece.size();
    return true;
  });
  return position;
}

void cmd_bitpos(Context& c) {
  const auto bit = c.integer_arg(2);
  if (!bit) return;
  if (*bit != 0 && *bit != 1) return c.error("ERR The bit argument must be 1 or 0.");
  const KeyRef key = c.key(1);
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return;
  if (!found.entry) return c.reply().integer(*bit == 1 ? -1 : 0);

  const auto length = static_cast<int64_t>(string_length(c, key, *found.entry));
  Range range{0, length - 1};
  bool in_bits = false;
  const bool end_given = c.argc() >= 5;
  if (c.argc() > 3) {
    if (c.argc() > 6) return c.syntax_error();
    const auto first = c.integer_arg(3);
    if (!first) return;
    if (c.argc() == 6) {
      const auto unit = bit_unit_arg(c, 5);
      if (!unit) return;
      in_bits = *unit;
    }
    std::optional<int64_t> last = -1;
    if (end_given) last = c.integer_arg(4);
    if (!last) return;
    range = cut_range({*first, *last}, in_bits ? length * 8 : length);
  }
  if (range.first > range.last) return c.reply().integer(-1);

  const auto position = find_bit(c, key, *found.entry, bit_range(range, in_bits), *bit == 1);
  if (position) return c.reply().integer(static_cast<int64_t>(*position));
  // Without an end, the string is taken to go on with zeros.
  c.reply().integer(*bit == 0 && !end_given ? length * 8 : -1);
}

constexpr Argument kByteOrBit[] = {
    {.name = "byte", .type = ArgType::kPureToken, .token = "BYTE"},
    {.name = "bit", .type = ArgType::kPureToken, .token = "BIT"},
};
constexpr Argument kBitcountArgsIndex[] = {
    {.name = "start", .type = ArgType::kInteger},
    {.name = "end", .type = ArgType::kInteger},
    {.name = "index_unit",
     .type = ArgType::kOneof,
     .since = "7.0.0",
     .flags = kOptional,
     .sub = kByteOrBit},
};
constexpr Argument kBitcountArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "index", .type = ArgType::kBlock, .flags = kOptional, .sub = kBitcountArgsIndex},
};
constexpr HistoryEntry kByteOrBitHistory[] = {
    {"7.0.0", "Added the `BYTE|BIT` option."},
};
constexpr Argument kBitposArgsIndexEndIndex[] = {
    {.name = "end", .type = ArgType::kInteger},
    {.name = "index_unit",
     .type = ArgType::kOneof,
     .since = "7.0.0",
     .flags = kOptional,
     .sub = kByteOrBit},
};
constexpr Argument kBitposArgsIndex[] = {
    {.name = "start", .type = ArgType::kInteger},
    {.name = "end_index",
     .type = ArgType::kBlock,
     .flags = kOptional,
     .sub = kBitposArgsIndexEndIndex},
};
constexpr Argument kBitposArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "bit", .type = ArgType::kInteger},
    {.name = "index", .type = ArgType::kBlock, .flags = kOptional, .sub = kBitposArgsIndex},
};
constexpr Argument kGetbitArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "offset", .type = ArgType::kInteger},
};
constexpr Argument kSetbitArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "offset", .type = ArgType::kInteger},
    {.name = "value", .type = ArgType::kInteger},
};
constexpr Command kBitmapRows[] = {
    {.name = "bitcount",
     .handler = cmd_bitcount,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kBitmap,
     .since = "2.6.0",
     .complexity = "O(N)",
     .summary = "Count set bits in a string",
     .arguments = kBitcountArgs,
     .history = kByteOrBitHistory,
     .categories = kCatBitmap},
    {.name = "bitpos",
     .handler = cmd_bitpos,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kBitmap,
     .since = "2.8.7",
     .complexity = "O(N)",
     .summary = "Find first bit set or clear in a string",
     .arguments = kBitposArgs,
     .history = kByteOrBitHistory,
     .categories = kCatBitmap},
    {.name = "getbit",
     .handler = cmd_getbit,
     .arity = 3,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kBitmap,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Returns the bit value at offset in the string value stored at key",
     .arguments = kGetbitArgs,
     .categories = kCatBitmap},
    {.name = "setbit",
     .handler = cmd_setbit,
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .keys = kReadUpdateKey,
     .group = Group::kBitmap,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Sets or clears the bit at offset in the string value stored at key",
     .arguments = kSetbitArgs,
     .categories = kCatBitmap},
};
static_assert(check_rows(kBitmapRows));

}  // namespace

std::span<const Command> bitmap_commands() {
  return kBitmapRows;
}

}  // namespace respcask::server

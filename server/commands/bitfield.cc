// BITFIELD and BITFIELD_RO: integers of 1 to 64 bits at any bit of a string.
//
// All operations of a call work on windows: the bytes that any of them touches, copied out once, so
// that everything is read before anything is changed, and written back as one edit.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "resp/number.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/bitmap.h"
#include "server/context.h"
#include "server/scope.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

enum class Overflow : uint8_t { kWrap, kSaturate, kFail };

struct FieldOp {
  enum class Kind : uint8_t { kGet, kSet, kIncrement } kind = Kind::kGet;
  Overflow overflow = Overflow::kWrap;
  bool is_signed = false;
  unsigned bits = 0;    // 1..64, unsigned 1..63
  uint64_t offset = 0;  // in bits
  int64_t operand = 0;

  uint64_t first_byte() const { return offset / 8; }
  uint64_t end_byte() const { return (offset + bits - 1) / 8 + 1; }
};

// "i1".."i64", "u1".."u63".
bool parse_type(Context& c, size_t i, FieldOp& op) {
  const std::string_view text = c.arg(i);
  if (!text.empty() && (text[0] == 'i' || text[0] == 'u')) {
    const auto bits = resp::parse_int64(text.substr(1));
    op.is_signed = text[0] == 'i';
    if (bits && *bits >= 1 && *bits <= (op.is_signed ? 64 : 63)) {
      op.bits = static_cast<unsigned>(*bits);
      return true;
    }
  }
  c.error(
      "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but "
      "i64 is.");
  return false;
}

std::optional<Overflow> parse_overflow(Context& c, size_t i) {
  if (c.arg_is(i, "WRAP")) return Overflow::kWrap;
  if (c.arg_is(i, "SAT")) return Overflow::kSaturate;
  if (c.arg_is(i, "FAIL")) return Overflow::kFail;
  c.error("ERR Invalid OVERFLOW type specified");
  return std::nullopt;
}

// Nothing if an error was replied.
std::optional<std::vector<FieldOp>> parse_ops(Context& c) {
  std::vector<FieldOp> ops;
  Overflow overflow = Overflow::kWrap;
  for (size_t i = 2; i < c.argc();) {
    const size_t left = c.argc() - i - 1;
    FieldOp op;
    op.overflow = overflow;
    if (c.arg_is(i, "GET") && left >= 2) {
      op.kind = FieldOp::Kind::kGet;
    } else if (c.arg_is(i, "SET") && left >= 3) {
      op.kind = FieldOp::Kind::kSet;
    } else if (c.arg_is(i, "INCRBY") && left >= 3) {
      op.kind = FieldOp::Kind::kIncrement;
    } else if (c.arg_is(i, "OVERFLOW") && left >= 1) {
      const auto parsed = parse_overflow(c, i + 1);
      if (!parsed) return std::nullopt;
      overflow = *parsed;
      i += 2;
      continue;
    } else {
      c.syntax_error();
      return std::nullopt;
    }
    if (!parse_type(c, i + 1, op)) return std::nullopt;
    const auto offset = bit_offset_arg(c, i + 2, op.bits);
    if (!offset) return std::nullopt;
    op.offset = *offset;
    i += 3;
    if (op.kind != FieldOp::Kind::kGet) {
      const auto operand = c.integer_arg(i++);
      if (!operand) return std::nullopt;
      op.operand = *operand;
    }
    ops.push_back(op);
  }
  return ops;
}

// A stretch of the string that operations touch.
struct Window {
  uint64_t begin = 0;
  std::string bytes;
  bool written = false;
  uint64_t end() const { return begin + bytes.size(); }
};

// Disjoint and sorted windows that cover all operations.
std::vector<Window> make_windows(const std::vector<FieldOp>& ops) {
  std::vector<std::pair<uint64_t, uint64_t>> ranges;
  for (const FieldOp& op : ops) ranges.emplace_back(op.first_byte(), op.end_byte());
  std::sort(ranges.begin(), ranges.end());
  std::vector<Window> windows;
  for (const auto& [begin, end] : ranges) {
    if (windows.empty() || windows.back().end() < begin) windows.push_back({begin, {}, false});
    Window& window = windows.back();
    if (window.end() < end) window.bytes.resize(end - window.begin);
  }
  return windows;
}

Window& window_of(std::vector<Window>& windows, const FieldOp& op) {
  auto after = std::upper_bound(windows.begin(), windows.end(), op.first_byte(),
                                [](uint64_t byte, const Window& w) { return byte < w.begin; });
  return *(after - 1);
}

// Wider than any sum of two 64-bit integers, and than a field with the bits around it.
__extension__ using Wide = __int128;
__extension__ using WideBits = unsigned __int128;

uint64_t mask_of(const FieldOp& op) {
  return ~uint64_t{0} >> (64 - op.bits);
}

// Bits of the field's last byte that come after it.
unsigned bits_behind(const FieldOp& op) {
  return static_cast<unsigned>(op.end_byte() * 8 - op.offset - op.bits);
}

// The field's bits as they stand, most significant first.
uint64_t read_bits(const Window& window, const FieldOp& op) {
  WideBits bytes = 0;
  for (uint64_t at = op.first_byte(); at < op.end_byte(); ++at) {
    bytes = bytes << 8 | static_cast<unsigned char>(window.bytes[at - window.begin]);
  }
  return static_cast<uint64_t>(bytes >> bits_behind(op)) & mask_of(op);
}

void write_bits(Window& window, const FieldOp& op, uint64_t value) {
  WideBits bytes = WideBits{value & mask_of(op)} << bits_behind(op);
  WideBits mask = WideBits{mask_of(op)} << bits_behind(op);
  for (uint64_t at = op.end_byte(); at-- > op.first_byte();) {
    char& byte = window.bytes[at - window.begin];
    const auto kept = static_cast<unsigned char>(byte) & ~static_cast<unsigned>(mask & 0xff);
    byte = static_cast<char>(kept | static_cast<unsigned>(bytes & 0xff));
    bytes >>= 8;
    mask >>= 8;
  }
}

// The low `bits` bits as a number of the operation's type; a client sees it as a signed 64-bit one.
int64_t as_value(uint64_t bits, const FieldOp& op) {
  if (!op.is_signed || op.bits == 64) return static_cast<int64_t>(bits);
  const uint64_t sign = uint64_t{1} << (op.bits - 1);
  return static_cast<int64_t>((bits ^ sign) - sign);
}

// What SET or INCRBY makes of a field that holds `old`: the value written, or nothing if it does
// not fit and OVERFLOW is FAIL.
std::optional<int64_t> new_value(int64_t old, const FieldOp& op) {
  const Wide low = op.is_signed ? -(Wide{1} << (op.bits - 1)) : 0;
  const Wide high = (Wide{1} << (op.bits - (op.is_signed ? 1 : 0))) - 1;
  Wide wanted = op.operand;
  if (op.kind == FieldOp::Kind::kIncrement) {
    wanted += old;
  } else if (!op.is_signed) {
    wanted = static_cast<uint64_t>(op.operand);  // -1 is the largest number, not one below 0
  }
  if (wanted >= low && wanted <= high) return static_cast<int64_t>(wanted);
  // Redis asks whether high - wanted is negative, in 64 bits: a SET so far below the range that the
  // difference overflows counts as above it.
  const bool above = wanted > high || (op.kind == FieldOp::Kind::kSet &&
                                       high - wanted > std::numeric_limits<int64_t>::max());
  switch (op.overflow) {
    case Overflow::kWrap:
      break;
    case Overflow::kSaturate:
      return static_cast<int64_t>(above ? high : low);
    case Overflow::kFail:
      return std::nullopt;
  }
  return as_value(static_cast<uint64_t>(wanted) & mask_of(op), op);
}

// Runs one operation on its window. Returns what it answers; nothing is null.
std::optional<int64_t> run_op(const FieldOp& op, Window& window, bool& changed) {
  const int64_t old = as_value(read_bits(window, op), op);
  if (op.kind == FieldOp::Kind::kGet) return old;
  const auto value = new_value(old, op);
  if (!value) return std::nullopt;
  write_bits(window, op, static_cast<uint64_t>(*value));
  window.written = true;
  changed = changed || *value != old;
  return op.kind == FieldOp::Kind::kSet ? old : *value;
}

// The windows that were written, cut where the string will end: a GET may look further, but makes
// nothing longer. If the string grows, the last field's window is among them even where OVERFLOW
// FAIL left the field as it was.
std::vector<StringEdit::Patch> make_patches(const std::vector<Window>& windows, uint64_t length,
                                            uint64_t written_end) {
  std::vector<StringEdit::Patch> patches;
  const uint64_t new_length = std::max(length, written_end);
  for (const Window& window : windows) {
    const bool grows =
        length < written_end && window.begin < written_end && written_end <= window.end();
    if (!window.written && !grows) continue;
    const uint64_t size = std::min(window.end(), new_length) - window.begin;
    patches.push_back({window.begin, std::string_view(window.bytes).substr(0, size)});
  }
  return patches;
}

void bitfield(Context& c, bool read_only) {
  const auto ops = parse_ops(c);
  if (!ops) return;
  uint64_t end = 0;  // of what is written, in bytes
  for (const FieldOp& op : *ops) {
    if (op.kind != FieldOp::Kind::kGet) end = std::max(end, op.end_byte());
  }
  const bool writes = end != 0;
  if (writes && read_only) return c.error("ERR BITFIELD_RO only supports the GET subcommand");

  const KeyRef key = c.key(1);
  auto found =
      writes ? c.find_typed_for_write(key, Type::kString) : c.find_typed(key, Type::kString);
  if (found.wrong) return;
  StringEdit edit(c, key, found.entry);
  std::vector<Window> windows = make_windows(*ops);
  for (const Window& window : windows) edit.load_to_copy(window.begin, window.end());
  if (!c.ready()) return;
  for (Window& window : windows) edit.copy(window.begin, window.bytes);

  bool changed = false;
  std::vector<std::optional<int64_t>> results;
  results.reserve(ops->size());
  for (const FieldOp& op : *ops) results.push_back(run_op(op, window_of(windows, op), changed));

  const bool grows = edit.length() < end;
  // A write that makes the string longer is a change even if it writes what stood there.
  const auto succeeded = [&](size_t n) {
    return (*ops)[n].kind != FieldOp::Kind::kGet && results[n].has_value();
  };
  for (size_t n = 0; grows && n < ops->size(); ++n) changed = changed || succeeded(n);
  bool done = true;
  if (changed) {
    done = edit.apply(make_patches(windows, edit.length(), end));
  } else if (grows) {
    // Redis tells nobody who watches or tracks the key of one that only makes it longer.
    c.scope().retell([&] { done = edit.apply(make_patches(windows, edit.length(), end)); });
  } else if (writes) {
    done = edit.make_raw();
  }
  if (!done) return;

  c.reply().array(results.size());
  for (const auto& result : results) {
    if (result) {
      c.reply().integer(*result);
    } else {
      c.reply().bulk_null();
    }
  }
  if (changed) c.notify(EventClass::kString, "setbit", key);
}

void cmd_bitfield(Context& c) {
  bitfield(c, false);
}

void cmd_bitfield_ro(Context& c) {
  bitfield(c, true);
}

// BITFIELD writes if it has a SET or an INCRBY (or makes no sense).
bool find_bitfield_keys(std::span<const std::string_view> args, std::vector<KeyPosition>& keys) {
  bool writes = false;
  for (size_t i = 2; i < args.size() && !writes;) {
    const size_t left = args.size() - i - 1;
    if (is_word(args[i], "GET") && left >= 2) {
      i += 3;
    } else if (is_word(args[i], "OVERFLOW") && left >= 1) {
      i += 2;
    } else {
      writes = true;
    }
  }
  const auto flags = writes ? kRW | kAccess | kUpdate : kRO | kAccess;
  keys.push_back({1, static_cast<uint16_t>(flags)});
  return true;
}

constexpr KeySpec kBitfieldKeys[] = {
    {.flags = kRW | kAccess | kUpdate | kVariableFlags,
     .notes = "This command allows both access and modification of the key",
     .index = 1},
};
constexpr Argument kEncodingOffset[] = {
    {.name = "encoding"},
    {.name = "offset", .type = ArgType::kInteger},
};
constexpr Argument kBitfieldArgsOperationWriteWrapSatFail[] = {
    {.name = "wrap", .type = ArgType::kPureToken, .token = "WRAP"},
    {.name = "sat", .type = ArgType::kPureToken, .token = "SAT"},
    {.name = "fail", .type = ArgType::kPureToken, .token = "FAIL"},
};
constexpr Argument kBitfieldArgsOperationWriteWriteOperationEncodingOffsetValue[] = {
    {.name = "encoding"},
    {.name = "offset", .type = ArgType::kInteger},
    {.name = "value", .type = ArgType::kInteger},
};
constexpr Argument kBitfieldArgsOperationWriteWriteOperationEncodingOffsetIncrement[] = {
    {.name = "encoding"},
    {.name = "offset", .type = ArgType::kInteger},
    {.name = "increment", .type = ArgType::kInteger},
};
constexpr Argument kBitfieldArgsOperationWriteWriteOperation[] = {
    {.name = "encoding_offset_value",
     .type = ArgType::kBlock,
     .token = "SET",
     .sub = kBitfieldArgsOperationWriteWriteOperationEncodingOffsetValue},
    {.name = "encoding_offset_increment",
     .type = ArgType::kBlock,
     .token = "INCRBY",
     .sub = kBitfieldArgsOperationWriteWriteOperationEncodingOffsetIncrement},
};
constexpr Argument kBitfieldArgsOperationWrite[] = {
    {.name = "wrap_sat_fail",
     .type = ArgType::kOneof,
     .token = "OVERFLOW",
     .flags = kOptional,
     .sub = kBitfieldArgsOperationWriteWrapSatFail},
    {.name = "write_operation",
     .type = ArgType::kOneof,
     .sub = kBitfieldArgsOperationWriteWriteOperation},
};
constexpr Argument kBitfieldArgsOperation[] = {
    {.name = "encoding_offset", .type = ArgType::kBlock, .token = "GET", .sub = kEncodingOffset},
    {.name = "write", .type = ArgType::kBlock, .sub = kBitfieldArgsOperationWrite},
};
constexpr Argument kBitfieldArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "operation",
     .type = ArgType::kOneof,
     .flags = kOptional | kMultiple,
     .sub = kBitfieldArgsOperation},
};
constexpr Argument kBitfieldRoArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "encoding_offset",
     .type = ArgType::kBlock,
     .token = "GET",
     .flags = kOptional | kMultiple | kMultipleToken,
     .sub = kEncodingOffset},
};
constexpr Command kBitfieldRows[] = {
    {.name = "bitfield",
     .handler = cmd_bitfield,
     .arity = -2,
     .flags = kWrite | kDenyOom,
     .keys = kBitfieldKeys,
     .group = Group::kBitmap,
     .since = "3.2.0",
     .complexity = "O(1) for each subcommand specified",
     .summary = "Perform arbitrary bitfield integer operations on strings",
     .arguments = kBitfieldArgs,
     .categories = kCatBitmap,
     .find_keys = find_bitfield_keys},
    {.name = "bitfield_ro",
     .handler = cmd_bitfield_ro,
     .arity = -2,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kBitmap,
     .since = "6.0.0",
     .complexity = "O(1) for each subcommand specified",
     .summary =
         "Perform arbitrary bitfield integer operations on strings. Read-only variant of BITFIELD",
     .arguments = kBitfieldRoArgs,
     .categories = kCatBitmap},
};
static_assert(check_rows(kBitfieldRows));

}  // namespace

std::span<const Command> bitfield_commands() {
  return kBitfieldRows;
}

}  // namespace respcask::server

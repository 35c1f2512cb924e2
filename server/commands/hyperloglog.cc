// HyperLogLogs: PFADD, PFCOUNT, PFMERGE and what looks into them. The strings that they are, and
// what can be done to their bytes, are in server/types/hyperloglog.h.

#include "server/types/hyperloglog.h"
#include "server/commands/arguments.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/command.h"
#include "server/command_table.h"
#include "server/config/config.h"
#include "server/context.h"
#include "server/scope.h"
#include "server/types/object.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

constexpr std::string_view kNotHyperLogLog =
    "WRONGTYPE Key is not a valid HyperLogLog string value.";
constexpr std::string_view kDamaged = "INVALIDOBJ Corrupted HLL object detected";

using Header = std::array<char, hll::kHeaderBytes>;

std::string_view view(const Header& header) {
  return {header.data(), header.size()};
}

// A string that should be a HyperLogLog. `bytes` is all of it, or its header if it is longer than
// any sound one.
struct Loaded {
  uint64_t length = 0;
  std::string scratch;
  std::string_view bytes;
};

void load(Context& c, const KeyRef& key, const engine::KeydirEntry& entry, Loaded& to) {
  to.length = string_length(c, key, entry);
  if (to.length <= hll::kMaxSparseBytes) {
    to.bytes = read_string(c, key, entry, to.scratch);
    return;
  }
  to.scratch.clear();
  visit_string(c, key, entry, 0, hll::kHeaderBytes, Extent::kAll, [&](std::string_view piece) {
    to.scratch.append(piece);
    return true;
  });
  to.bytes = to.scratch;
}

// Its encoding; nothing and the error replied if it is not one.
std::optional<hll::Encoding> encoding_of(Context& c, const Loaded& loaded) {
  const auto encoding = hll::encoding_of(loaded.bytes, loaded.length);
  if (!encoding) {
    c.error(kNotHyperLogLog);
  } else if (loaded.bytes.size() != loaded.length) {
    c.error(kDamaged);
    return std::nullopt;
  }
  return encoding;
}

bool reserve_and_put(Context& c, const KeyRef& key, int64_t expiry_ms, std::string_view bytes) {
  if (!c.reserve(key, put_string_bound(key, bytes.size()))) return false;
  put_string(c, key, Encoding::kPlain, expiry_ms, bytes);
  return true;
}

// The same, where Redis changes the bytes without telling those who watch the key.
bool reserve_and_retell(Context& c, const KeyRef& key, int64_t expiry_ms, std::string_view bytes) {
  bool done = false;
  c.scope().retell([&] { done = reserve_and_put(c, key, expiry_ms, bytes); });
  return done;
}

// The header of a string that is loaded for an edit; nothing if it is too short or not ready.
std::optional<Header> read_header(Context& c, StringEdit& edit) {
  if (edit.length() < hll::kHeaderBytes) return std::nullopt;
  edit.load_to_copy(0, hll::kHeaderBytes);
  if (!c.ready()) return std::nullopt;
  Header header;
  edit.copy(0, header);
  return header;
}

// --- PFADD --------------------------------------------------------------------------------------

// The outcome of an addition; nothing if the error is replied or it was not ready.
using Added = std::optional<bool>;

// Raises registers of a dense one where they lie, so that a chunk or two is written.
Added add_to_dense(StringEdit& edit, const Header& header, std::span<const hll::Rank> ranks) {
  std::array<char, hll::kDenseBytes> dense;  // only what the ranks need
  for (const hll::Rank& rank : ranks) {
    const auto [begin, end] = hll::dense_range(rank.index);
    edit.copy(begin, std::span(dense).subspan(begin, end - begin));
  }
  std::vector<std::pair<size_t, size_t>> changed;
  for (const hll::Rank& rank : ranks) {
    if (hll::raise_dense(dense.data(), rank)) changed.push_back(hll::dense_range(rank.index));
  }
  if (changed.empty()) return false;
  dense[hll::kStaleOffset] = hll::stale(header[hll::kStaleOffset]);
  if (dense[hll::kStaleOffset] != header[hll::kStaleOffset]) {
    changed.emplace_back(hll::kStaleOffset, hll::kStaleOffset + 1);
  }
  std::sort(changed.begin(), changed.end());
  std::vector<StringEdit::Patch> patches;
  for (const auto& [begin, end] : changed) {
    const uint64_t from = patches.empty() ? begin : std::max(patches.back().end(), begin);
    if (from < end) patches.push_back({from, {dense.data() + from, end - from}});
  }
  if (!edit.apply(patches)) return std::nullopt;
  return true;
}

// Into a whole string: a sparse one, or one in the making. As in Redis, what was raised before the
// damage is seen stays.
Added add_to_whole(Context& c, const KeyRef& key, int64_t expiry_ms, std::string bytes,
                   std::span<const hll::Rank> ranks, bool is_new) {
  bool changed = is_new;
  for (const hll::Rank& rank : ranks) {
    const hll::Raised raised = hll::raise(bytes, rank, c.config().hll_sparse_max_bytes);
    if (raised == hll::Raised::kDamaged) {
      if (!changed || reserve_and_retell(c, key, expiry_ms, bytes)) c.error(kDamaged);
      return std::nullopt;
    }
    if (raised == hll::Raised::kRaised) changed = true;
  }
  if (!changed) return false;
  bytes[hll::kStaleOffset] = hll::stale(bytes[hll::kStaleOffset]);
  if (!reserve_and_put(c, key, expiry_ms, bytes)) return std::nullopt;
  return true;
}

Added add_to_present(Context& c, const KeyRef& key, const engine::KeydirEntry& entry,
                     std::span<const hll::Rank> ranks) {
  StringEdit edit(c, key, entry);
  if (edit.length() == hll::kDenseBytes) {
    for (const hll::Rank& rank : ranks) {
      const auto [begin, end] = hll::dense_range(rank.index);
      edit.load_to_copy(begin, end);
    }
  }
  const auto header = read_header(c, edit);
  if (!c.ready()) return std::nullopt;
  const auto encoding =
      header ? hll::encoding_of(view(*header), edit.length()) : std::optional<hll::Encoding>();
  Added added;
  if (!encoding) {
    c.error(kNotHyperLogLog);
    return std::nullopt;
  }
  if (*encoding == hll::Encoding::kDense) {
    added = add_to_dense(edit, *header, ranks);
  } else {
    Loaded loaded;
    load(c, key, entry, loaded);
    if (!c.ready() || !encoding_of(c, loaded)) return std::nullopt;
    added = add_to_whole(c, key, entry.expiry_ms, std::string(loaded.bytes), ranks, false);
  }
  if (added && !*added && !edit.make_raw()) return std::nullopt;
  return added;
}

void cmd_pfadd(Context& c) {
  const KeyRef key = c.key(1);
  auto found = c.find_typed_for_write(key, Type::kString);
  if (found.wrong) return;
  std::vector<hll::Rank> ranks;
  ranks.reserve(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) ranks.push_back(hll::rank_of(c.arg(i)));
  const Added added = found.entry ? add_to_present(c, key, *found.entry, ranks)
                                  : add_to_whole(c, key, 0, hll::make_empty(), ranks, true);
  if (!added) return;
  if (*added) c.notify(EventClass::kString, "pfadd", key);
  c.reply().integer(*added ? 1 : 0);
}

// --- PFCOUNT ------------------------------------------------------------------------------------

// Counting only remembers its result where there is room: without, it is a read like any other.
bool room_to_remember(Context& c, const KeyRef& key, uint64_t length) {
  const uint64_t bytes = put_string_bound(key, length) + 2 * kPackedEditBytes;
  return c.scope().reserve_more(key.shard, bytes, engine::Growth::kGrows).empty();
}

void count_one(Context& c) {
  const KeyRef key = c.key(1);
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return;
  if (!found.entry) return c.reply().integer(0);
  StringEdit edit(c, key, found.entry);
  const auto header = read_header(c, edit);
  if (!c.ready()) return;
  if (!header || !hll::encoding_of(view(*header), edit.length())) return c.error(kNotHyperLogLog);
  if (const auto cached = hll::cached_count(view(*header))) {
    if (room_to_remember(c, key, edit.length()) && !edit.make_raw()) return;
    return c.reply().integer(static_cast<int64_t>(*cached));
  }

  Loaded loaded;
  load(c, key, *found.entry, loaded);
  if (!c.ready() || !encoding_of(c, loaded)) return;
  const auto histogram = hll::histogram(loaded.bytes);
  if (!histogram) return c.error(kDamaged);
  const uint64_t count = hll::estimate(*histogram);
  const auto cache = hll::encode_cached_count(count);
  const StringEdit::Patch patch{hll::kCountOffset, {cache.data(), cache.size()}};
  if (room_to_remember(c, key, edit.length()) && !edit.apply({&patch, 1})) return;
  c.reply().integer(static_cast<int64_t>(count));
}

// What the keys from argument 1 on are together.
struct Merged {
  hll::Registers registers{};
  bool any_dense = false;
  std::optional<engine::KeydirEntry> first;  // of argument 1
  bool keeps_first = false;                  // is its string wanted, too?
  std::string first_bytes;
};

// Raises the registers to those of a string. False and the error replied if it is no sound
// HyperLogLog.
bool merge_one(Context& c, const Loaded& loaded, Merged& merged) {
  const auto encoding = encoding_of(c, loaded);
  if (!encoding) return false;
  if (*encoding == hll::Encoding::kDense) merged.any_dense = true;
  if (hll::merge_into(merged.registers, loaded.bytes)) return true;
  c.error(kDamaged);
  return false;
}

// One after the other, so that one of them is held at a time. False if one is wrong, which is
// replied, or not ready.
bool merge_all(Context& c, Merged& merged) {
  Loaded loaded;
  for (size_t i = 1; i < c.argc(); ++i) {
    const KeyRef key = c.key(i);
    const auto entry = c.find(key);
    if (i == 1) merged.first = entry;
    if (!entry) continue;
    if (TypeTag{entry->type}.type() != Type::kString) {
      if (c.ready()) c.wrong_type();
      return false;
    }
    load(c, key, *entry, loaded);
    // Once one is not ready the others are asked for, to be fetched with it.
    if (!c.ready()) continue;
    if (!merge_one(c, loaded, merged)) return false;
    if (i == 1 && merged.keeps_first) merged.first_bytes = loaded.bytes;
  }
  return c.ready();
}

void cmd_pfcount(Context& c) {
  if (c.argc() == 2) return count_one(c);
  Merged merged;
  if (!merge_all(c, merged)) return;
  c.reply().integer(static_cast<int64_t>(hll::estimate(hll::histogram(merged.registers))));
}

// --- PFMERGE ------------------------------------------------------------------------------------

void cmd_pfmerge(Context& c) {
  Merged merged;
  merged.keeps_first = true;
  if (!merge_all(c, merged)) return;

  std::string bytes = merged.first ? std::move(merged.first_bytes) : hll::make_empty();
  if (merged.any_dense) hll::make_dense(bytes);
  for (uint32_t index = 0; index < hll::kRegisters; ++index) {
    if (merged.registers[index] != 0) {
      hll::raise(bytes, {index, merged.registers[index]}, c.config().hll_sparse_max_bytes);
    }
  }
  bytes[hll::kStaleOffset] = hll::stale(bytes[hll::kStaleOffset]);
  const KeyRef to = c.key(1);
  look_before_overwriting(c, to);
  if (!reserve_and_put(c, to, merged.first ? merged.first->expiry_ms : 0, bytes)) return;
  c.notify(EventClass::kString, "pfadd", to);
  c.ok();
}

// --- PFDEBUG, PFSELFTEST ------------------------------------------------------------------------

// The runs as PFDEBUG DECODE shows them.
std::string describe_runs(std::string_view bytes) {
  // Redis takes the second byte of a run that is cut short for the 0 that its strings end with.
  const std::string ended = std::string(bytes) + '\0';
  std::string text;
  auto run = hll::run_at(ended, hll::kHeaderBytes);
  for (; run && run->at < bytes.size(); run = hll::run_at(ended, run->at + run->size)) {
    if (!text.empty()) text += ' ';
    if (run->value != 0) {
      text += fmt::format("v:{},{}", run->value, run->registers);
    } else {
      text += fmt::format("{}:{}", run->size == 1 ? 'z' : 'Z', run->registers);
    }
  }
  return text;
}

void reply_registers(Context& c, std::string_view dense) {
  c.reply().array(hll::kRegisters);
  for (uint32_t i = 0; i < hll::kRegisters; ++i) {
    c.reply().integer(hll::dense_register(dense.data(), i));
  }
}

void cmd_pfdebug(Context& c) {
  const KeyRef key = c.key(2);
  const auto entry = c.find_for_write(key);
  if (!entry) return c.error("ERR The specified key does not exist");
  if (TypeTag{entry->type}.type() != Type::kString) return c.wrong_type();
  // All of it, unlike elsewhere: what is too long to be a HyperLogLog is shown as it is.
  Loaded loaded;
  loaded.length = string_length(c, key, *entry);
  loaded.bytes = read_string(c, key, *entry, loaded.scratch);
  if (!c.ready()) return;
  const auto encoding = encoding_of(c, loaded);
  if (!encoding) return;
  const bool sparse = *encoding == hll::Encoding::kSparse;

  if (c.arg_is(1, "ENCODING")) return c.reply().simple_string(sparse ? "sparse" : "dense");
  if (c.arg_is(1, "DECODE")) {
    if (!sparse) return c.error("ERR HLL encoding is not sparse");
    return c.reply().bulk(describe_runs(loaded.bytes));
  }
  const bool registers = c.arg_is(1, "GETREG");
  if (!registers && !c.arg_is(1, "TODENSE")) {
    return c.error(fmt::format("ERR Unknown PFDEBUG subcommand '{}'", c.quoted_arg(1)));
  }
  std::string bytes(loaded.bytes);
  if (sparse) {
    if (!hll::make_dense(bytes)) return c.error(kDamaged);
    if (!reserve_and_retell(c, key, entry->expiry_ms, bytes)) return;
  }
  if (registers) return reply_registers(c, bytes);
  c.reply().integer(sparse ? 1 : 0);
}

void cmd_pfselftest(Context& c) {
  const std::string fault = hll::self_test();
  if (!fault.empty()) return c.error("ERR TESTFAILED " + fault);
  c.ok();
}

constexpr Argument kPfaddArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "element", .flags = kOptional | kMultiple},
};
constexpr KeySpec kPfcountKeys[] = {
    {.flags = kRW | kAccess,
     .notes = "RW because it may change the internal representation of the key, and propagate to "
              "replicas",
     .index = 1,
     .last = -1},
};
constexpr KeySpec kPfdebugKeys[] = {
    {.flags = kRW | kAccess, .index = 2},
};
constexpr Argument kPfdebugArgs[] = {
    {.name = "subcommand"},
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
};
constexpr KeySpec kPfmergeKeys[] = {
    {.flags = kRW | kAccess | kInsert, .index = 1},
    {.flags = kRO | kAccess, .index = 2, .last = -1},
};
constexpr Argument kPfmergeArgs[] = {
    {.name = "destkey", .type = ArgType::kKey, .key_spec = 0},
    {.name = "sourcekey", .type = ArgType::kKey, .key_spec = 1, .flags = kMultiple},
};
constexpr Command kHyperLogLogRows[] = {
    {.name = "pfadd",
     .handler = cmd_pfadd,
     .arity = -2,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kInsertKey,
     .group = Group::kHyperLogLog,
     .since = "2.8.9",
     .complexity = "O(1) to add every element.",
     .summary = "Adds the specified elements to the specified HyperLogLog.",
     .arguments = kPfaddArgs,
     .categories = kCatHyperLogLog},
    {.name = "pfcount",
     .handler = cmd_pfcount,
     .arity = -2,
     .flags = kReadonly | kMayReplicate,
     .keys = kPfcountKeys,
     .group = Group::kHyperLogLog,
     .since = "2.8.9",
     .complexity = "O(1) with a very small average constant time when called with a single key. "
                   "O(N) with N being the number of keys, and much bigger constant times, when "
                   "called with multiple keys.",
     .summary =
         "Return the approximated cardinality of the set(s) observed by the HyperLogLog at key(s).",
     .arguments = kKeysArg,
     .categories = kCatHyperLogLog},
    {.name = "pfdebug",
     .handler = cmd_pfdebug,
     .arity = 3,
     .flags = kWrite | kDenyOom | kAdmin,
     .keys = kPfdebugKeys,
     .group = Group::kHyperLogLog,
     .since = "2.8.9",
     .complexity = "N/A",
     .summary = "Internal commands for debugging HyperLogLog values",
     .arguments = kPfdebugArgs,
     .syscmd = true,
     .categories = kCatHyperLogLog},
    {.name = "pfmerge",
     .handler = cmd_pfmerge,
     .arity = -2,
     .flags = kWrite | kDenyOom,
     .keys = kPfmergeKeys,
     .group = Group::kHyperLogLog,
     .since = "2.8.9",
     .complexity = "O(N) to merge N HyperLogLogs, but with high constant times.",
     .summary = "Merge N different HyperLogLogs into a single one.",
     .arguments = kPfmergeArgs,
     .categories = kCatHyperLogLog},
    {.name = "pfselftest",
     .handler = cmd_pfselftest,
     .arity = 1,
     .flags = kAdmin,
     .group = Group::kHyperLogLog,
     .since = "2.8.9",
     .complexity = "N/A",
     .summary = "An internal command for testing HyperLogLog values",
     .syscmd = true,
     .categories = kCatHyperLogLog},
};
static_assert(check_rows(kHyperLogLogRows));

}  // namespace

std::span<const Command> hyperloglog_commands() {
  return kHyperLogLogRows;
}

}  // namespace respcask::server

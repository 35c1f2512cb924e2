// Commands that walk through the keys: KEYS, SCAN, RANDOMKEY.
//
// They take one shard at a time and look at its keys in slices: a slice's names are copied under
// the shard's lock, and what takes longer (matching, replying) follows without it. So other clients
// wait some microseconds, however many keys there are and whatever the pattern.
//
// The cursor of SCAN is the shard (its low 8 bits) and the position in the shard's hash space,
// which the keydir gives (the upper 44 of its bits; the lower 20 are always 0):
//
//     cursor = position >> 20 << 8 | shard        so that 0 is the first position of shard 0
//
// It is below 2^53: there are clients that keep it in a double.
// A shard that is through hands over to position 0 of the next; the last one to 0.

#include "server/commands/scan.h"

#include <cerrno>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "engine/shard.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/draws.h"
#include "server/glob.h"
#include "server/scope.h"
#include "server/server.h"

namespace respcask::server {

bool ScanOptions::matches(std::string_view name) const {
  return !match || glob_match(*match, name);
}

// As strtoul reads it in Redis: the empty text is 0, a sign is taken, and what follows a NUL is not
// looked at.
std::optional<uint64_t> scan_cursor_arg(Context& c, size_t i) {
  const std::string text(c.arg(i));
  char* end = nullptr;
  errno = 0;
  const uint64_t cursor = std::strtoull(text.c_str(), &end, 10);
  if (std::isspace(static_cast<unsigned char>(text[0])) || *end != '\0' || errno == ERANGE) {
    c.error("ERR invalid cursor");
    return std::nullopt;
  }
  return cursor;
}

std::optional<ScanOptions> parse_scan_options(Context& c, size_t first, ScanOf what) {
  ScanOptions options;
  for (size_t i = first; i < c.argc(); i += 2) {
    const bool has_value = i + 1 < c.argc();
    if (has_value && c.arg_is(i, "COUNT")) {
      const auto count = c.integer_arg(i + 1);
      if (!count) return std::nullopt;
      if (*count < 1) {
        c.syntax_error();
        return std::nullopt;
      }
      options.count = static_cast<uint64_t>(*count);
    } else if (has_value && c.arg_is(i, "MATCH")) {
      options.match = c.arg(i + 1);
      if (*options.match == "*") options.match.reset();
    } else if (has_value && what == ScanOf::kKeys && c.arg_is(i, "TYPE")) {
      options.type = c.arg(i + 1);
    } else {
      c.syntax_error();
      return std::nullopt;
    }
  }
  return options;
}

void reply_scan_cursor(Context& c, uint64_t cursor) {
  c.reply().array(2);
  c.reply().bulk(fmt::format_int(cursor).str());
}

namespace {

static_assert(engine::kMaxShards <= 256);

struct Cursor {
  uint32_t shard = 0;
  uint64_t position = 0;  // in the shard's hash space; its low 20 bits are 0

  static Cursor decode(uint64_t packed) {
    return {static_cast<uint32_t>(packed & 0xff), packed >> 8 << 20};
  }
  uint64_t encode() const { return position >> 20 << 8 | shard; }
};

void cmd_keys(Context& c) {
  const std::string_view pattern = c.arg(1);
  const bool all = pattern == "*";
  const auto mark = c.reply().defer();
  size_t found = 0;
  Slice slice;
  for (uint32_t shard = 0; shard < c.server().store.shard_count(); ++shard) {
    uint64_t position = 0;
    do {
      c.with_shard(shard, [&](engine::Shard& home) {
        slice.read(c, home, c.db(), UINT64_MAX, position, [](const auto&) { return true; });
      });
      slice.for_each([&](std::string_view name) {
        if (!all && !glob_match(pattern, name)) return;
        c.reply().bulk(name);
        ++found;
      });
    } while (position != 0);
  }
  c.reply().finish_array(mark, found);
}

void cmd_scan(Context& c) {
  const auto start = scan_cursor_arg(c, 1);
  if (!start) return;
  const auto options = parse_scan_options(c, 2, ScanOf::kKeys);
  if (!options) return;
  const uint32_t shards = c.server().store.shard_count();
  // One that this server has not given may name any shard and position.
  Cursor cursor = Cursor::decode(*start);
  std::vector<std::string> names;
  uint64_t looked_at = 0;
  Slice slice;
  std::vector<std::string> due;  // whose time has come: they go, as in Redis
  while (cursor.shard < shards && looked_at < options->count) {
    uint64_t seen = 0;
    c.with_shard(cursor.shard, [&](engine::Shard& home) {
      const auto wanted = [&](const engine::KeydirEntry& entry) {
        return !options->type || is_word(*options->type, type_name(TypeTag{entry.type}.type()));
      };
      due.clear();
      seen = slice.read(c, home, c.db(), options->count - looked_at, cursor.position, wanted, &due);
      for (const std::string& name : due) {
        if (options->matches(name)) c.scope().expire(c.key_named(name, c.db()));
      }
    });
    slice.for_each([&](std::string_view name) {
      if (options->matches(name)) names.emplace_back(name);
    });
    looked_at += seen;
    if (cursor.position == 0) {
      ++cursor.shard;
    } else if (seen == 0) {
      break;  // a long stretch without keys: enough for one call
    }
  }
  reply_scan_cursor(c, cursor.shard < shards ? cursor.encode() : 0);
  c.reply().array(names.size());
  for (const std::string& name : names) c.reply().bulk(name);
}

// The first key from `position` on that has not expired, looked for shard by shard.
std::optional<std::string> first_alive(Context& c) {
  std::optional<std::string> found;
  Slice slice;
  for (uint32_t shard = 0; shard < c.server().store.shard_count(); ++shard) {
    uint64_t position = 0;
    do {
      c.with_shard(shard, [&](engine::Shard& home) {
        slice.read(c, home, c.db(), 1, position, [](const auto&) { return true; });
      });
      slice.for_each([&](std::string_view name) { found = name; });
      if (found) return found;
    } while (position != 0);
  }
  return found;
}

// A key of some shard, each shard chosen by the number of its keys; it may have expired, and then
// it is removed. `empty` becomes true if there is none.
std::optional<std::string> draw_key(Context& c, Draws& draws, bool& empty) {
  const uint32_t shards = c.server().store.shard_count();
  std::vector<size_t> sizes(shards);
  size_t total = 0;
  for (uint32_t shard = 0; shard < shards; ++shard) {
    c.with_shard(shard, [&](engine::Shard& home) { sizes[shard] = home.keydir(c.db()).size(); });
    total += sizes[shard];
  }
  empty = total == 0;
  if (empty) return std::nullopt;
  size_t at = draws.below(total);
  uint32_t shard = 0;
  while (at >= sizes[shard]) at -= sizes[shard++];
  std::optional<std::string> name;
  c.with_shard(shard, [&](engine::Shard& home) {
    const auto drawn = home.keydir(c.db()).random(draws.next());
    if (drawn && c.peek(c.key_named(drawn->first, c.db()))) name = drawn->first;
  });
  return name;
}

void cmd_randomkey(Context& c) {
  // Where nearly all keys have expired it is faster to look for one that has not.
  constexpr int kDraws = 100;
  Draws draws(c);
  bool empty = false;
  std::optional<std::string> name;
  for (int draw = 0; draw < kDraws && !name && !empty; ++draw) name = draw_key(c, draws, empty);
  if (!name && !empty) name = first_alive(c);
  if (name) {
    c.reply().bulk(*name);
  } else {
    c.reply().bulk_null();
  }
}

constexpr Argument kKeysArgs[] = {
    {.name = "pattern", .type = ArgType::kPattern},
};
constexpr std::string_view kKeysTips[] = {"request_policy:all_shards",
                                          "nondeterministic_output_order"};
constexpr std::string_view kRandomkeyTips[] = {"request_policy:all_shards",
                                               "nondeterministic_output"};
constexpr Argument kScanArgs[] = {
    {.name = "cursor", .type = ArgType::kInteger},
    {.name = "pattern", .type = ArgType::kPattern, .token = "MATCH", .flags = kOptional},
    {.name = "count", .type = ArgType::kInteger, .token = "COUNT", .flags = kOptional},
    {.name = "type", .token = "TYPE", .since = "6.0.0", .flags = kOptional},
};
constexpr HistoryEntry kScanHistory[] = {
    {"6.0.0", "Added the `TYPE` subcommand."},
};
constexpr std::string_view kScanTips[] = {"nondeterministic_output", "request_policy:special"};
constexpr Command kScanRows[] = {
    {.name = "keys",
     .handler = cmd_keys,
     .arity = 2,
     .flags = kReadonly | kOwnLocks,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(N) with N being the number of keys in the database, under the assumption "
                   "that the key names in the database and the given pattern have limited length.",
     .summary = "Find all keys matching the given pattern",
     .arguments = kKeysArgs,
     .tips = kKeysTips,
     .categories = kCatKeyspace | kCatDangerous},
    {.name = "randomkey",
     .handler = cmd_randomkey,
     .arity = 1,
     .flags = kReadonly | kOwnLocks,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Return a random key from the keyspace",
     .tips = kRandomkeyTips,
     .categories = kCatKeyspace},
    {.name = "scan",
     .handler = cmd_scan,
     .arity = -2,
     .flags = kReadonly | kOwnLocks,
     .group = Group::kGeneric,
     .since = "2.8.0",
     .complexity =
         "O(1) for every call. O(N) for a complete iteration, including enough command calls for "
         "the cursor to return back to 0. N is the number of elements inside the collection.",
     .summary = "Incrementally iterate the keys space",
     .arguments = kScanArgs,
     .history = kScanHistory,
     .tips = kScanTips,
     .categories = kCatKeyspace},
};
static_assert(check_rows(kScanRows));

}  // namespace

std::span<const Command> scan_commands() {
  return kScanRows;
}

}  // namespace respcask::server

// Commands that replace a string as a whole: SET and its older relations, GETEX, GETDEL, MSET.

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"
#include "server/types/object.h"
#include "server/types/string.h"

namespace respcask::server {

namespace {

enum class ExpiryUnit : uint8_t { kSeconds, kMilliseconds };
enum class ExpiryBase : uint8_t { kNow, kEpoch };

// The expiry that argument `i` asks for, in ms since 1970; otherwise the error is replied.
std::optional<int64_t> expiry_arg(Context& c, size_t i, ExpiryUnit unit, ExpiryBase base) {
  auto value = c.integer_arg(i);
  if (!value) return std::nullopt;
  int64_t expiry_ms = *value;
  const int64_t scale = unit == ExpiryUnit::kSeconds ? 1000 : 1;
  if (*value <= 0 || __builtin_mul_overflow(*value, scale, &expiry_ms) ||
      (base == ExpiryBase::kNow && __builtin_add_overflow(expiry_ms, c.now_ms(), &expiry_ms))) {
    c.error(fmt::format("ERR invalid expire time in '{}' command", c.command().full_name));
    return std::nullopt;
  }
  return expiry_ms;
}

// The options of SET and GETEX.
struct SetOptions {
  bool nx = false;
  bool xx = false;
  bool get = false;
  bool keep_ttl = false;
  bool persist = false;
  size_t expiry = 0;  // the argument that holds it; 0: none
  ExpiryUnit unit = ExpiryUnit::kSeconds;
  ExpiryBase base = ExpiryBase::kNow;
};

// EX, PX, EXAT, PXAT: one kind only, though it may be given again.
bool parse_expiry_option(Context& c, size_t i, SetOptions& options) {
  ExpiryUnit unit = ExpiryUnit::kSeconds;
  ExpiryBase base = ExpiryBase::kNow;
  if (c.arg_is(i, "EX")) {
  } else if (c.arg_is(i, "PX")) {
    unit = ExpiryUnit::kMilliseconds;
  } else if (c.arg_is(i, "EXAT")) {
    base = ExpiryBase::kEpoch;
  } else if (c.arg_is(i, "PXAT")) {
    unit = ExpiryUnit::kMilliseconds;
    base = ExpiryBase::kEpoch;
  } else {
    return false;
  }
  if (i + 1 >= c.argc() || options.keep_ttl || options.persist) return false;
  if (options.expiry != 0 && (options.unit != unit || options.base != base)) return false;
  options.expiry = i + 1;
  options.unit = unit;
  options.base = base;
  return true;
}

enum class OptionsOf : uint8_t { kSet, kGetex };
// Parses the options from argument `first` on; nothing and the error replied if they make no sense.
std::optional<SetOptions> parse_options(Context& c, size_t first, OptionsOf command) {
  SetOptions options;
  const bool set = command == OptionsOf::kSet;
  for (size_t i = first; i < c.argc(); ++i) {
    if (set && !options.xx && c.arg_is(i, "NX")) {
      options.nx = true;
    } else if (set && !options.nx && c.arg_is(i, "XX")) {
      options.xx = true;
    } else if (set && c.arg_is(i, "GET")) {
      options.get = true;
    } else if (set && options.expiry == 0 && c.arg_is(i, "KEEPTTL")) {
      options.keep_ttl = true;
    } else if (!set && options.expiry == 0 && c.arg_is(i, "PERSIST")) {
      options.persist = true;
    } else if (parse_expiry_option(c, i, options)) {
      ++i;
    } else {
      c.syntax_error();
      return std::nullopt;
    }
  }
  return options;
}

// Replies with what the key holds, or null. False: a wrong type (replied), or not ready.
bool reply_old(Context& c, const KeyRef& key, std::optional<engine::KeydirEntry>& entry) {
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return false;
  if (found.entry) {
    reply_string(c, key, *found.entry);
  } else {
    c.reply().bulk_null();
  }
  entry = found.entry;
  return c.ready();
}

void set_with_expiry(Context& c, const KeyRef& key, std::string_view value,
                     std::optional<int64_t> expiry_ms) {
  put_string(c, key, Encoding::kCompact, expiry_ms.value_or(0), value);
  c.notify(EventClass::kString, "set", key);
  if (expiry_ms) c.notify(EventClass::kGeneric, "expire", key);
}

void setex(Context& c, ExpiryUnit unit) {
  const auto expiry_ms = expiry_arg(c, 2, unit, ExpiryBase::kNow);
  if (!expiry_ms) return;
  const KeyRef key = c.key(1);
  look_before_overwriting(c, key);
  set_with_expiry(c, key, c.arg(3), expiry_ms);
  c.ok();
}

bool check_pairs(Context& c) {
  if (c.argc() % 2 == 1) return true;
  c.error(fmt::format("ERR wrong number of arguments for '{}' command", c.command().full_name));
  return false;
}

void set_pairs(Context& c) {
  for (size_t i = 1; i < c.argc(); i += 2) {
    const KeyRef key = c.key(i);
    look_before_overwriting(c, key);
    set_with_expiry(c, key, c.arg(i + 1), std::nullopt);
  }
}

void cmd_set(Context& c) {
  const auto options = parse_options(c, 3, OptionsOf::kSet);
  if (!options) return;
  std::optional<int64_t> expiry_ms;
  if (options->expiry != 0) {
    expiry_ms = expiry_arg(c, options->expiry, options->unit, options->base);
    if (!expiry_ms) return;
  }
  const KeyRef key = c.key(1);
  std::optional<engine::KeydirEntry> old;
  if (options->get && !reply_old(c, key, old)) return;
  if (options->nx || options->xx || options->keep_ttl) {
    old = c.find_for_write(key);
  } else {
    look_before_overwriting(c, key);
  }
  if ((options->nx && old) || (options->xx && !old)) {
    if (!options->get) c.reply().bulk_null();
    return;
  }
  if (options->keep_ttl) {
    put_string(c, key, Encoding::kCompact, old ? old->expiry_ms : 0, c.arg(2));
    c.notify(EventClass::kString, "set", key);
  } else {
    set_with_expiry(c, key, c.arg(2), expiry_ms);
  }
  if (!options->get) c.ok();
}

void cmd_setnx(Context& c) {
  const KeyRef key = c.key(1);
  if (c.find_for_write(key)) {
    c.reply().integer(0);
    return;
  }
  set_with_expiry(c, key, c.arg(2), std::nullopt);
  c.reply().integer(1);
}

void cmd_setex(Context& c) {
  setex(c, ExpiryUnit::kSeconds);
}

void cmd_psetex(Context& c) {
  setex(c, ExpiryUnit::kMilliseconds);
}

void cmd_getset(Context& c) {
  const KeyRef key = c.key(1);
  std::optional<engine::KeydirEntry> old;
  if (!reply_old(c, key, old)) return;
  look_before_overwriting(c, key);
  set_with_expiry(c, key, c.arg(2), std::nullopt);
}

void cmd_getdel(Context& c) {
  const KeyRef key = c.key(1);
  std::optional<engine::KeydirEntry> old;
  if (!reply_old(c, key, old) || !old) return;
  c.remove(key);
  c.notify(EventClass::kGeneric, "del", key);
}

void cmd_getex(Context& c) {
  const auto options = parse_options(c, 2, OptionsOf::kGetex);
  if (!options) return;
  const KeyRef key = c.key(1);
  auto found = c.find_typed(key, Type::kString);
  if (found.wrong) return;
  if (!found.entry) {
    c.reply().bulk_null();
    return;
  }
  std::optional<int64_t> expiry_ms;
  if (options->expiry != 0) {
    expiry_ms = expiry_arg(c, options->expiry, options->unit, options->base);
    if (!expiry_ms) return;
  }
  reply_string(c, key, *found.entry);
  if (!c.ready()) return;
  if (expiry_ms && options->base == ExpiryBase::kEpoch && *expiry_ms <= c.now_ms()) {
    c.remove(key);
    c.notify(EventClass::kGeneric, "del", key);
  } else if (expiry_ms) {
    c.set_expiry(key, *expiry_ms);
    c.notify(EventClass::kGeneric, "expire", key);
  } else if (options->persist && found.entry->expiry_ms != 0) {
    c.set_expiry(key, 0);
    c.notify(EventClass::kGeneric, "persist", key);
  }
}

void cmd_mset(Context& c) {
  if (!check_pairs(c)) return;
  set_pairs(c);
  c.ok();
}

void cmd_msetnx(Context& c) {
  if (!check_pairs(c)) return;
  for (size_t i = 1; i < c.argc(); i += 2) {
    if (c.find_for_write(c.key(i))) {
      c.reply().integer(0);
      return;
    }
  }
  set_pairs(c);
  c.reply().integer(1);
}

// SET reads the old value only with GET.
bool find_set_keys(std::span<const std::string_view> args, std::vector<KeyPosition>& keys) {
  const auto is_get = [](std::string_view word) { return is_word(word, "GET"); };
  const bool get = args.size() > 3 && std::any_of(args.begin() + 3, args.end(), is_get);
  const auto flags = get ? kRW | kAccess | kUpdate : kOW | kUpdate;
  keys.push_back({1, static_cast<uint16_t>(flags)});
  return true;
}

constexpr KeySpec kGetexKeys[] = {
    {.flags = kRW | kAccess | kUpdate,
     .notes = "RW and UPDATE because it changes the TTL",
     .index = 1},
};
constexpr Argument kGetexArgsExpiration[] = {
    {.name = "seconds", .type = ArgType::kInteger, .token = "EX"},
    {.name = "milliseconds", .type = ArgType::kInteger, .token = "PX"},
    {.name = "unix-time-seconds", .type = ArgType::kUnixTime, .token = "EXAT"},
    {.name = "unix-time-milliseconds", .type = ArgType::kUnixTime, .token = "PXAT"},
    {.name = "persist", .type = ArgType::kPureToken, .token = "PERSIST"},
};
constexpr Argument kGetexArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "expiration",
     .type = ArgType::kOneof,
     .flags = kOptional,
     .sub = kGetexArgsExpiration},
};
constexpr KeySpec kMsetKeys[] = {
    {.flags = kOW | kUpdate, .index = 1, .last = -1, .step = 2},
};
constexpr Argument kKeyValues[] = {
    {.name = "key_value", .type = ArgType::kBlock, .flags = kMultiple, .sub = kKeyValue},
};
constexpr std::string_view kMsetTips[] = {"request_policy:multi_shard",
                                          "response_policy:all_succeeded"};
constexpr KeySpec kMsetnxKeys[] = {
    {.flags = kOW | kInsert, .index = 1, .last = -1, .step = 2},
};
constexpr std::string_view kMsetnxTips[] = {"request_policy:multi_shard",
                                            "response_policy:agg_min"};
constexpr Argument kPsetexArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "milliseconds", .type = ArgType::kInteger},
    {.name = "value"},
};
constexpr KeySpec kSetKeys[] = {
    {.flags = kRW | kAccess | kUpdate | kVariableFlags,
     .notes = "RW and ACCESS due to the optional `GET` argument",
     .index = 1},
};
constexpr Argument kSetArgsExpiration[] = {
    {.name = "seconds", .type = ArgType::kInteger, .token = "EX", .since = "2.6.12"},
    {.name = "milliseconds", .type = ArgType::kInteger, .token = "PX", .since = "2.6.12"},
    {.name = "unix-time-seconds", .type = ArgType::kUnixTime, .token = "EXAT", .since = "6.2.0"},
    {.name = "unix-time-milliseconds",
     .type = ArgType::kUnixTime,
     .token = "PXAT",
     .since = "6.2.0"},
    {.name = "keepttl", .type = ArgType::kPureToken, .token = "KEEPTTL", .since = "6.0.0"},
};
constexpr Argument kSetArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "value"},
    {.name = "condition",
     .type = ArgType::kOneof,
     .since = "2.6.12",
     .flags = kOptional,
     .sub = kNxOrXx},
    {.name = "get",
     .type = ArgType::kPureToken,
     .token = "GET",
     .since = "6.2.0",
     .flags = kOptional},
    {.name = "expiration", .type = ArgType::kOneof, .flags = kOptional, .sub = kSetArgsExpiration},
};
constexpr HistoryEntry kSetHistory[] = {
    {"2.6.12", "Added the `EX`, `PX`, `NX` and `XX` options."},
    {"6.0.0", "Added the `KEEPTTL` option."},
    {"6.2.0", "Added the `GET`, `EXAT` and `PXAT` option."},
    {"7.0.0", "Allowed the `NX` and `GET` options to be used together."},
};
constexpr Argument kSetexArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "seconds", .type = ArgType::kInteger},
    {.name = "value"},
};
constexpr KeySpec kSetnxKeys[] = {
    {.flags = kOW | kInsert, .index = 1},
};
constexpr Command kStringSetRows[] = {
    {.name = "getdel",
     .handler = cmd_getdel,
     .arity = 2,
     .flags = kWrite | kFast,
     .keys = kTakeKey,
     .group = Group::kString,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Get the value of a key and delete the key",
     .arguments = kKeyArg,
     .categories = kCatString},
    {.name = "getex",
     .handler = cmd_getex,
     .arity = -2,
     .flags = kWrite | kFast,
     .keys = kGetexKeys,
     .group = Group::kString,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Get the value of a key and optionally set its expiration",
     .arguments = kGetexArgs,
     .categories = kCatString},
    {.name = "getset",
     .handler = cmd_getset,
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kReadUpdateKey,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Set the string value of a key and return its old value",
     .arguments = kKeyValue,
     .deprecated_since = "6.2.0",
     .replaced_by = "`SET` with the `!GET` argument",
     .categories = kCatString},
    {.name = "mset",
     .handler = cmd_mset,
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .keys = kMsetKeys,
     .group = Group::kString,
     .since = "1.0.1",
     .complexity = "O(N) where N is the number of keys to set.",
     .summary = "Set multiple keys to multiple values",
     .arguments = kKeyValues,
     .tips = kMsetTips,
     .categories = kCatString},
    {.name = "msetnx",
     .handler = cmd_msetnx,
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .keys = kMsetnxKeys,
     .group = Group::kString,
     .since = "1.0.1",
     .complexity = "O(N) where N is the number of keys to set.",
     .summary = "Set multiple keys to multiple values, only if none of the keys exist",
     .arguments = kKeyValues,
     .tips = kMsetnxTips,
     .categories = kCatString},
    {.name = "psetex",
     .handler = cmd_psetex,
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .keys = kOverwriteKey,
     .group = Group::kString,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Set the value and expiration in milliseconds of a key",
     .arguments = kPsetexArgs,
     .categories = kCatString},
    {.name = "set",
     .handler = cmd_set,
     .arity = -3,
     .flags = kWrite | kDenyOom,
     .keys = kSetKeys,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Set the string value of a key",
     .arguments = kSetArgs,
     .history = kSetHistory,
     .categories = kCatString,
     .find_keys = find_set_keys},
    {.name = "setex",
     .handler = cmd_setex,
     .arity = 4,
     .flags = kWrite | kDenyOom,
     .keys = kOverwriteKey,
     .group = Group::kString,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Set the value and expiration of a key",
     .arguments = kSetexArgs,
     .categories = kCatString},
    {.name = "setnx",
     .handler = cmd_setnx,
     .arity = 3,
     .flags = kWrite | kDenyOom | kFast,
     .keys = kSetnxKeys,
     .group = Group::kString,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Set the value of a key, only if the key does not exist",
     .arguments = kKeyValue,
     .categories = kCatString},
};
static_assert(check_rows(kStringSetRows));

}  // namespace

std::span<const Command> string_set_commands() {
  return kStringSetRows;
}

}  // namespace respcask::server

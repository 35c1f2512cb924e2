// Commands on the time that a key has to live: EXPIRE and its relations, TTL and its relations,
// PERSIST.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>

#include <fmt/format.h>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"

namespace respcask::server {

namespace {

enum class Unit : uint8_t { kSeconds, kMilliseconds };

// On what condition an expiry is set. A key without one counts as living for ever.
struct Condition {
  bool nx = false;  // it has none
  bool xx = false;  // it has one
  bool gt = false;  // the new one is later
  bool lt = false;  // the new one is earlier

  bool holds(int64_t expiry_ms, int64_t current_ms) const {
    const bool has = current_ms != 0;
    if (nx && has) return false;
    if (xx && !has) return false;
    if (gt && (!has || expiry_ms <= current_ms)) return false;
    if (lt && has && expiry_ms >= current_ms) return false;
    return true;
  }
};

// From the arguments behind the time; nothing, and the error replied, if they make no sense.
std::optional<Condition> parse_condition(Context& c) {
  Condition condition;
  for (size_t i = 3; i < c.argc(); ++i) {
    if (c.arg_is(i, "NX")) {
      condition.nx = true;
    } else if (c.arg_is(i, "XX")) {
      condition.xx = true;
    } else if (c.arg_is(i, "GT")) {
      condition.gt = true;
    } else if (c.arg_is(i, "LT")) {
      condition.lt = true;
    } else {
      c.error(fmt::format("ERR Unsupported option {}", c.quoted_arg(i)));
      return std::nullopt;
    }
  }
  if (condition.nx && (condition.xx || condition.gt || condition.lt)) {
    c.error("ERR NX and XX, GT or LT options at the same time are not compatible");
    return std::nullopt;
  }
  if (condition.gt && condition.lt) {
    c.error("ERR GT and LT options at the same time are not compatible");
    return std::nullopt;
  }
  return condition;
}

// Argument 2 as Unix time in ms, counted from `base_ms`; it may lie in the past.
std::optional<int64_t> expiry_arg(Context& c, Unit unit, int64_t base_ms) {
  const auto value = c.integer_arg(2);
  if (!value) return std::nullopt;
  int64_t expiry_ms = 0;
  const int64_t scale = unit == Unit::kSeconds ? 1000 : 1;
  if (__builtin_mul_overflow(*value, scale, &expiry_ms) ||
      __builtin_add_overflow(expiry_ms, base_ms, &expiry_ms)) {
    c.error(fmt::format("ERR invalid expire time in '{}' command", c.command().full_name));
    return std::nullopt;
  }
  return expiry_ms;
}

void expire(Context& c, Unit unit, int64_t base_ms) {
  const auto condition = parse_condition(c);
  if (!condition) return;
  const auto expiry_ms = expiry_arg(c, unit, base_ms);
  if (!expiry_ms) return;
  const KeyRef key = c.key(1);
  const auto entry = c.find_for_write(key);
  if (!entry || !condition->holds(*expiry_ms, entry->expiry_ms)) return c.reply().integer(0);
  if (*expiry_ms <= c.now_ms()) {
    c.remove(key);
    c.notify(EventClass::kGeneric, "del", key);
    c.reply().integer(1);
  } else {
    c.set_expiry(key, *expiry_ms);
    c.reply().integer(1);
    c.notify(EventClass::kGeneric, "expire", key);
  }
}

void cmd_expire(Context& c) {
  expire(c, Unit::kSeconds, c.now_ms());
}
void cmd_expireat(Context& c) {
  expire(c, Unit::kSeconds, 0);
}
void cmd_pexpire(Context& c) {
  expire(c, Unit::kMilliseconds, c.now_ms());
}
void cmd_pexpireat(Context& c) {
  expire(c, Unit::kMilliseconds, 0);
}

// Replies with a key's expiry, counted from `base_ms`: -1 if it has none, -2 if there is no key.
void reply_expiry(Context& c, Unit unit, int64_t base_ms) {
  const auto entry = c.find_untouched(c.key(1));
  if (!entry) return c.reply().integer(-2);
  if (entry->expiry_ms == 0) return c.reply().integer(-1);
  const int64_t ms = entry->expiry_ms - base_ms;
  if (unit == Unit::kMilliseconds) return c.reply().integer(ms);
  // Rounded, and written so that the largest expiry does not overflow.
  c.reply().integer(ms / 1000 + (ms % 1000 >= 500));
}

void cmd_ttl(Context& c) {
  reply_expiry(c, Unit::kSeconds, c.now_ms());
}
void cmd_pttl(Context& c) {
  reply_expiry(c, Unit::kMilliseconds, c.now_ms());
}
void cmd_expiretime(Context& c) {
  reply_expiry(c, Unit::kSeconds, 0);
}
void cmd_pexpiretime(Context& c) {
  reply_expiry(c, Unit::kMilliseconds, 0);
}

void cmd_persist(Context& c) {
  const KeyRef key = c.key(1);
  const auto entry = c.find_for_write(key);
  if (!entry || entry->expiry_ms == 0) return c.reply().integer(0);
  c.set_expiry(key, 0);
  c.notify(EventClass::kGeneric, "persist", key);
  c.reply().integer(1);
}

constexpr Argument kExpiryCondition[] = {
    {.name = "nx", .type = ArgType::kPureToken, .token = "NX"},
    {.name = "xx", .type = ArgType::kPureToken, .token = "XX"},
    {.name = "gt", .type = ArgType::kPureToken, .token = "GT"},
    {.name = "lt", .type = ArgType::kPureToken, .token = "LT"},
};
constexpr Argument kExpireArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "seconds", .type = ArgType::kInteger},
    {.name = "condition",
     .type = ArgType::kOneof,
     .since = "7.0.0",
     .flags = kOptional,
     .sub = kExpiryCondition},
};
constexpr HistoryEntry kExpiryConditionHistory[] = {
    {"7.0.0", "Added options: `NX`, `XX`, `GT` and `LT`."},
};
constexpr Argument kExpireatArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "unix-time-seconds", .type = ArgType::kUnixTime},
    {.name = "condition",
     .type = ArgType::kOneof,
     .since = "7.0.0",
     .flags = kOptional,
     .sub = kExpiryCondition},
};
constexpr Argument kPexpireArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "milliseconds", .type = ArgType::kInteger},
    {.name = "condition",
     .type = ArgType::kOneof,
     .since = "7.0.0",
     .flags = kOptional,
     .sub = kExpiryCondition},
};
constexpr Argument kPexpireatArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "unix-time-milliseconds", .type = ArgType::kUnixTime},
    {.name = "condition",
     .type = ArgType::kOneof,
     .since = "7.0.0",
     .flags = kOptional,
     .sub = kExpiryCondition},
};
constexpr HistoryEntry kTtlHistory[] = {
    {"2.8.0", "Added the -2 reply."},
};
constexpr std::string_view kPttlTips[] = {"nondeterministic_output"};
constexpr std::string_view kTtlTips[] = {"nondeterministic_output"};
constexpr Command kExpireRows[] = {
    {.name = "expire",
     .handler = cmd_expire,
     .arity = -3,
     .flags = kWrite | kFast,
     .keys = kUpdateKey,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Set a key's time to live in seconds",
     .arguments = kExpireArgs,
     .history = kExpiryConditionHistory,
     .categories = kCatKeyspace},
    {.name = "expireat",
     .handler = cmd_expireat,
     .arity = -3,
     .flags = kWrite | kFast,
     .keys = kUpdateKey,
     .group = Group::kGeneric,
     .since = "1.2.0",
     .complexity = "O(1)",
     .summary = "Set the expiration for a key as a UNIX timestamp",
     .arguments = kExpireatArgs,
     .history = kExpiryConditionHistory,
     .categories = kCatKeyspace},
    {.name = "expiretime",
     .handler = cmd_expiretime,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kGeneric,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Get the expiration Unix timestamp for a key",
     .arguments = kKeyArg,
     .categories = kCatKeyspace},
    {.name = "persist",
     .handler = cmd_persist,
     .arity = 2,
     .flags = kWrite | kFast,
     .keys = kUpdateKey,
     .group = Group::kGeneric,
     .since = "2.2.0",
     .complexity = "O(1)",
     .summary = "Remove the expiration from a key",
     .arguments = kKeyArg,
     .categories = kCatKeyspace},
    {.name = "pexpire",
     .handler = cmd_pexpire,
     .arity = -3,
     .flags = kWrite | kFast,
     .keys = kUpdateKey,
     .group = Group::kGeneric,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Set a key's time to live in milliseconds",
     .arguments = kPexpireArgs,
     .history = kExpiryConditionHistory,
     .categories = kCatKeyspace},
    {.name = "pexpireat",
     .handler = cmd_pexpireat,
     .arity = -3,
     .flags = kWrite | kFast,
     .keys = kUpdateKey,
     .group = Group::kGeneric,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Set the expiration for a key as a UNIX timestamp specified in milliseconds",
     .arguments = kPexpireatArgs,
     .history = kExpiryConditionHistory,
     .categories = kCatKeyspace},
    {.name = "pexpiretime",
     .handler = cmd_pexpiretime,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kGeneric,
     .since = "7.0.0",
     .complexity = "O(1)",
     .summary = "Get the expiration Unix timestamp for a key in milliseconds",
     .arguments = kKeyArg,
     .categories = kCatKeyspace},
    {.name = "pttl",
     .handler = cmd_pttl,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kGeneric,
     .since = "2.6.0",
     .complexity = "O(1)",
     .summary = "Get the time to live for a key in milliseconds",
     .arguments = kKeyArg,
     .history = kTtlHistory,
     .tips = kPttlTips,
     .categories = kCatKeyspace},
    {.name = "ttl",
     .handler = cmd_ttl,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kGeneric,
     .since = "1.0.0",
     .complexity = "O(1)",
     .summary = "Get the time to live for a key in seconds",
     .arguments = kKeyArg,
     .history = kTtlHistory,
     .tips = kTtlTips,
     .categories = kCatKeyspace},
};
static_assert(check_rows(kExpireRows));

}  // namespace

std::span<const Command> expire_commands() {
  return kExpireRows;
}

}  // namespace respcask::server

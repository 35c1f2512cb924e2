// DUMP and RESTORE: a key's value in the format of a Redis snapshot.

#include <cstdint>
#include <optional>
#include <span>
#include <variant>

#include "server/access.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/context.h"
#include "server/rdb/decode.h"
#include "server/rdb/encode.h"
#include "server/types/object.h"

namespace respcask::server {

namespace {

void cmd_dump(Context& c) {
  const KeyRef key = c.key(1);
  const auto entry = c.find(key);
  if (!entry) return c.reply().bulk_null();
  const rdb::Value value = object_type(*entry).read(c, key, *entry);
  // It is held as it is, in pieces or compressed, and written; the last again in the reply.
  if (!c.ready() || !c.hold(2 * c.held())) return;
  c.reply().bulk(rdb::encode(value, encode_limits(c.config(), *entry)));
}

struct RestoreOptions {
  bool replace = false;
  bool absolute_ttl = false;
  std::optional<int64_t> idle_s;
  std::optional<int64_t> frequency;
};

// Nothing, and the error replied, if they make no sense.
std::optional<RestoreOptions> parse_restore_options(Context& c) {
  RestoreOptions options;
  for (size_t i = 4; i < c.argc(); ++i) {
    const bool has_value = i + 1 < c.argc();
    if (c.arg_is(i, "REPLACE")) {
      options.replace = true;
    } else if (c.arg_is(i, "ABSTTL")) {
      options.absolute_ttl = true;
    } else if (has_value && !options.frequency && c.arg_is(i, "IDLETIME")) {
      options.idle_s = c.integer_arg(++i);
      if (!options.idle_s) return std::nullopt;
      if (*options.idle_s < 0) {
        c.error("ERR Invalid IDLETIME value, must be >= 0");
        return std::nullopt;
      }
    } else if (has_value && !options.idle_s && c.arg_is(i, "FREQ")) {
      options.frequency = c.integer_arg(++i);
      if (!options.frequency) return std::nullopt;
      if (*options.frequency < 0 || *options.frequency > 255) {
        c.error("ERR Invalid FREQ value, must be >= 0 and <= 255");
        return std::nullopt;
      }
    } else {
      c.syntax_error();
      return std::nullopt;
    }
  }
  return options;
}

// The value in argument 3; nothing, and the error replied, if it holds none or memory has no room
// for it.
std::optional<rdb::Value> payload_arg(Context& c) {
  rdb::Decoded decoded =
      rdb::decode(c.arg(3), [&](uint64_t bytes) { return c.expect(c.held() + bytes); });
  if (auto* value = std::get_if<rdb::Value>(&decoded)) return std::move(*value);
  if (!c.ready()) return std::nullopt;
  c.error(std::get<rdb::DecodeError>(decoded) == rdb::DecodeError::kFooter
              ? "ERR DUMP payload version or checksum are wrong"
              : "ERR Bad data format");
  return std::nullopt;
}

// Sets what OBJECT IDLETIME or FREQ tells, as far as the policy keeps it.
void set_access(Context& c, const KeyRef& key, const RestoreOptions& options) {
  std::optional<uint32_t> access;
  if (counts_frequency(c.config())) {
    if (options.frequency) {
      access = access_of_frequency(static_cast<uint8_t>(*options.frequency), c.now_ms());
    }
  } else if (options.idle_s) {
    access = access_of_idle(*options.idle_s, c.now_ms());
  }
  if (access) c.shard(key).keydir(key.db).set_access(key.name, key.hash, *access);
}

void cmd_restore(Context& c) {
  const auto options = parse_restore_options(c);
  if (!options) return;
  const KeyRef key = c.key(1);
  if (!options->replace && c.find_for_write(key)) {
    return c.error("BUSYKEY Target key name already exists.");
  }
  const auto ttl = c.integer_arg(2);
  if (!ttl) return;
  if (*ttl < 0) return c.error("ERR Invalid TTL value, must be >= 0");
  const auto value = payload_arg(c);
  if (!value) return;

  int64_t expiry_ms = *ttl;
  // A sum that overflows lies in the past to Redis.
  if (*ttl != 0 && !options->absolute_ttl && __builtin_add_overflow(*ttl, c.now_ms(), &expiry_ms)) {
    expiry_ms = 1;
  }
  if (expiry_ms != 0 && expiry_ms <= c.now_ms()) {
    if (options->replace) c.remove_destination(key);
    return c.ok();
  }
  if (!write_object(c, key, expiry_ms, *value)) return;
  set_access(c, key, *options);
  c.notify(EventClass::kGeneric, "restore", key);
  c.ok();
}

constexpr std::string_view kDumpTips[] = {"nondeterministic_output"};
constexpr Argument kRestoreArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "ttl", .type = ArgType::kInteger},
    {.name = "serialized-value"},
    {.name = "replace",
     .type = ArgType::kPureToken,
     .token = "REPLACE",
     .since = "3.0.0",
     .flags = kOptional},
    {.name = "absttl",
     .type = ArgType::kPureToken,
     .token = "ABSTTL",
     .since = "5.0.0",
     .flags = kOptional},
    {.name = "seconds",
     .type = ArgType::kInteger,
     .token = "IDLETIME",
     .since = "5.0.0",
     .flags = kOptional},
    {.name = "frequency",
     .type = ArgType::kInteger,
     .token = "FREQ",
     .since = "5.0.0",
     .flags = kOptional},
};
constexpr HistoryEntry kRestoreHistory[] = {
    {"3.0.0", "Added the `REPLACE` modifier."},
    {"5.0.0", "Added the `ABSTTL` modifier."},
    {"5.0.0", "Added the `IDLETIME` and `FREQ` options."},
};
constexpr Command kDumpRows[] = {
    {.name = "dump",
     .handler = cmd_dump,
     .arity = 2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kGeneric,
     .since = "2.6.0",
     .complexity =
         "O(1) to access the key and additional O(N*M) to serialize it, where N is the number of "
         "Redis objects composing the value and M their average size. For small string values the "
         "time complexity is thus O(1)+O(1*M) where M is small, so simply O(1).",
     .summary = "Return a serialized version of the value stored at the specified key.",
     .arguments = kKeyArg,
     .tips = kDumpTips,
     .categories = kCatKeyspace},
    {.name = "restore",
     .handler = cmd_restore,
     .arity = -4,
     .flags = kWrite | kDenyOom,
     .keys = kOverwriteKey,
     .group = Group::kGeneric,
     .since = "2.6.0",
     .complexity = "O(1) to create the new key and additional O(N*M) to reconstruct the serialized "
                   "value, where N is the number of Redis objects composing the value and M their "
                   "average size. For small string values the time complexity is thus O(1)+O(1*M) "
                   "where M is small, so simply O(1). However for sorted set values the complexity "
                   "is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
     .summary = "Create a key using the provided serialized value, previously obtained using DUMP.",
     .arguments = kRestoreArgs,
     .history = kRestoreHistory,
     .categories = kCatKeyspace | kCatDangerous},
    {.name = "restore-asking",
     .handler = cmd_restore,
     .arity = -4,
     .flags = kWrite | kDenyOom | kAsking,
     .keys = kOverwriteKey,
     .group = Group::kServer,
     .since = "3.0.0",
     .complexity = "O(1) to create the new key and additional O(N*M) to reconstruct the serialized "
                   "value, where N is the number of Redis objects composing the value and M their "
                   "average size. For small string values the time complexity is thus O(1)+O(1*M) "
                   "where M is small, so simply O(1). However for sorted set values the complexity "
                   "is O(N*M*log(N)) because inserting values into sorted sets is O(log(N)).",
     .summary = "An internal command for migrating keys in a cluster",
     .arguments = kRestoreArgs,
     .history = kRestoreHistory,
     .syscmd = true,
     .categories = kCatKeyspace | kCatDangerous},
};
static_assert(check_rows(kDumpRows));

}  // namespace

std::span<const Command> dump_commands() {
  return kDumpRows;
}

}  // namespace respcask::server

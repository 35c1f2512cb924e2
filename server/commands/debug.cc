// DEBUG: what tests ask of a server. Refused unless enable-debug-command allows it.
//
// The row says kOwnLocks, since a subcommand needs all shards, or none; see AllLocked.
#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <ctime>
#include <optional>
#include <string>
#include <vector>

#include "engine/reload_check.h"
#include "resp/number.h"
#include "server/access.h"
#include "server/command_table.h"
#include "server/context.h"
#include "server/digest.h"
#include "server/letter_case.h"
#include "server/log.h"
#include "server/rdb/encode.h"
#include "server/scope.h"
#include "server/server.h"
#include "server/types/object.h"

namespace respcask::server {
namespace {

// Locks all shards for as long as it lives; inside a transaction they are already.
class AllLocked {
 public:
  explicit AllLocked(Context& c) : scope_(c.scope()), mine_(scope_.locked().empty()) {
    if (mine_) scope_.lock(engine::ShardSet::first(c.server().store.shard_count()));
  }
  ~AllLocked() {
    // What is cold is fetched with the locks gone, and the command comes again.
    if (mine_) scope_.release();
  }
  AllLocked(const AllLocked&) = delete;
  AllLocked& operator=(const AllLocked&) = delete;

 private:
  Scope& scope_;
  const bool mine_;
};

// Stops everybody who wants a key, on every loop, as it stops all of Redis.
void debug_sleep(Context& c) {
  const double seconds = std::clamp(resp::parse_double(c.arg(2)).value_or(0), 0.0, 1e6);
  const AllLocked locked(c);
  double whole = 0;
  const double part = std::modf(seconds, &whole);
  timespec left{static_cast<time_t>(whole), static_cast<long>(part * 1e9)};
  while (nanosleep(&left, &left) == -1 && errno == EINTR) {
  }
  c.ok();
}

// --- data ---------------------------------------------------------------------------------------

// Logically expired keys count as long as they are there, as in Redis.
std::optional<engine::KeydirEntry> find_entry(Context& c, const KeyRef& key) {
  return c.shard(key).find(key.db, key.name, key.hash);
}

void mix_key(Context& c, Digest& digest, const KeyRef& key, const engine::KeydirEntry& entry) {
  const uint64_t before = c.held();
  const rdb::Value value = object_type(entry).read(c, key, entry);
  if (c.ready()) mix_object(digest, value, entry.expiry_ms != 0);
  c.let_go(c.held() - before);
}

void digest_database(Context& c, uint32_t db, Digest& all) {
  std::vector<std::string> names;
  bool first = true;
  for (uint32_t index = 0; index < c.server().store.shard_count(); ++index) {
    engine::Keydir& keys = c.server().store.shard(index).keydir(db);
    if (keys.size() == 0) continue;
    if (first) all.mix_number(db);
    first = false;
    uint64_t cursor = 0;
    do {
      // The keys of a page are visited once: nothing changes while the shard is locked.
      cursor = keys.scan(cursor, [&](std::string_view name, const engine::KeydirEntry& entry) {
        const KeyRef key = c.key_named(name, db);
        Digest digest;
        digest.mix(name);
        mix_key(c, digest, key, entry);
        all.add(digest);
      });
    } while (cursor != 0);
  }
}

void debug_digest(Context& c) {
  const AllLocked locked(c);
  Digest all;
  for (uint32_t db = 0; db < c.server().store.options().databases; ++db) {
    digest_database(c, db, all);
  }
  if (c.ready()) c.reply().simple_string(hex(all.value()));
}

void debug_digest_value(Context& c) {
  const AllLocked locked(c);
  c.reply().array(c.argc() - 2);
  for (size_t i = 2; i < c.argc(); ++i) {
    const KeyRef key = c.key_named(c.arg(i), c.db());
    Digest digest;
    if (const auto entry = find_entry(c, key)) mix_key(c, digest, key, *entry);
    c.reply().simple_string(hex(digest.value()));
  }
}

void debug_object(Context& c) {
  const AllLocked locked(c);
  const KeyRef key = c.key_named(c.arg(2), c.db());
  const auto entry = find_entry(c, key);
  if (!entry) return c.error("ERR no such key");
  const ObjectType& type = object_type(*entry);
  const std::string_view encoding = type.encoding(c, key, *entry);
  const rdb::Value value = type.read(c, key, *entry);
  if (!c.ready() || !c.hold(2 * c.held())) return;
  // What a dump has around the value: a byte for the type, two for the version, a checksum.
  constexpr size_t kFrame = 1 + 2 + 8;
  const rdb::EncodeLimits limits = encode_limits(c.config(), *entry);
  c.reply().simple_string(fmt::format(
      "Value at:{:#x} refcount:1 encoding:{} serializedlength:{} lru:{} lru_seconds_idle:{}",
      entry->where.packed, encoding, rdb::encode(value, limits).size() - kFrame, entry->access,
      idle_ms(entry->access, c.now_ms()) / 1000));
}

void debug_listpack(Context& c) {
  const AllLocked locked(c);
  const KeyRef key = c.key_named(c.arg(2), c.db());
  const auto entry = find_entry(c, key);
  if (!entry) return c.error("ERR no such key");
  const std::string_view encoding = object_type(*entry).encoding(c, key, *entry);
  if (!c.ready()) return;
  if (encoding != "listpack") return c.error("ERR Not a listpack encoded object.");
  c.reply().simple_string("Listpack structure printed on stdout");
}

// COUNT [PREFIX [SIZE]]: keys that are there already stay as they are.
void debug_populate(Context& c) {
  constexpr std::string_view kNotPositive = "ERR value is out of range, must be positive";
  const auto count = c.integer_arg_in(2, 0, INT64_MAX, kNotPositive);
  if (!count) return;
  const std::string_view prefix = c.argc() > 3 ? c.arg(3) : "key";
  std::optional<int64_t> size;
  if (c.argc() > 4 && !(size = c.integer_arg_in(4, 0, INT32_MAX, kNotPositive))) return;
  // A batch for so many keys, so that what is pending stays small.
  constexpr int64_t kKeysInBatch = 1024;
  for (int64_t begin = 0; begin < *count; begin += kKeysInBatch) {
    const AllLocked locked(c);
    const std::string_view refusal = c.scope().reserve(0, engine::Growth::kGrows);
    if (!refusal.empty()) return c.error(refusal);
    for (int64_t i = begin; i < std::min(*count, begin + kKeysInBatch); ++i) {
      const std::string name = fmt::format("{}:{}", prefix, i);
      const KeyRef key = c.key_named(name, c.db());
      if (c.peek(key)) continue;
      rdb::String value{fmt::format("value:{}", i)};
      if (size && *size > 0) value.bytes.resize(static_cast<size_t>(*size), '\0');
      if (!write_object(c, key, 0, std::move(value))) return;
    }
  }
  c.ok();
}

// Redis writes its data set out and reads it back. Here it is out: it is read back beside the one
// that serves, and the two must be the same.
void check_reload(Context& c) {
  // The locks of a transaction are held until its end, and what it has written is not out.
  if (c.in_transaction()) return c.error("ERR a reload is not possible inside a transaction");
  const auto checked = engine::check_reload(c.server().store);
  if (!checked) {
    log_warning("The reload check failed: {}", checked.error().message);
    return c.error(fmt::format("ERR the reload check failed: {}", checked.error().message));
  }
  log_notice("Reload check: {} keys and {} elements of collections are the same in the files",
             checked->keys, checked->elements);
  c.ok();
}

void debug_reload(Context& c) {
  for (size_t i = 2; i < c.argc(); ++i) {
    if (c.arg_is(i, "MERGE") || c.arg_is(i, "NOFLUSH") || c.arg_is(i, "NOSAVE")) continue;
    return c.error("ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.");
  }
  check_reload(c);
}

// --- switches -----------------------------------------------------------------------------------

void debug_set_active_expire(Context& c) {
  c.server().active_expire = resp::parse_int64(c.arg(2)).value_or(0) != 0;
  c.ok();
}

void debug_change_repl_id(Context& c) {
  c.server().ids.change_replication();
  c.ok();
}

void debug_log(Context& c) {
  log_warning("DEBUG LOG: {}", c.arg(2));
  c.ok();
}

// Switches of Redis's own innards. There is nothing here that they could switch.
void accept_switch(Context& c) {
  c.ok();
}

// What runs by itself is not paused, but for what it is asked for: a shutdown by a signal, so that
// it can be aborted.
void debug_pause_cron(Context& c) {
  c.server().shutdown.hold(c.arg(2) != "0");
  c.ok();
}

void debug_replybuffer(Context& c) {
  if (c.arg_is(2, "RESIZING") || c.arg_is(2, "PEAK-RESET-TIME")) return c.ok();
  c.wrong_subcommand();
}

// The size from which a list's element gets a node of its own; nodes are not kept here.
void debug_quicklist_packed_threshold(Context& c) {
  const std::string_view text = c.arg(2);
  constexpr std::string_view kUnits[] = {"b", "k", "kb", "m", "mb", "g", "gb"};
  constexpr uint64_t kBytes[] = {1, 1000, 1 << 10, 1000000, 1 << 20, 1000000000, 1 << 30};
  const size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = resp::parse_int64(text.substr(0, digits));
  uint64_t unit = 1;
  bool good = number.has_value();
  if (digits < text.size()) {
    const auto* found = std::find_if(std::begin(kUnits), std::end(kUnits), [&](auto name) {
      return equal_ignoring_case(name, text.substr(digits));
    });
    good = good && found != std::end(kUnits);
    if (good) unit = kBytes[found - std::begin(kUnits)];
  }
  constexpr uint64_t kLimit = uint64_t{4} << 30;
  if (!good || static_cast<uint64_t>(*number) >= kLimit / unit) {
    return c.error("ERR argument must be a memory value bigger than 1 and smaller than 4gb");
  }
  c.ok();
}

// --- the protocol -------------------------------------------------------------------------------

void debug_error(Context& c) {
  c.error(c.arg(2));
}

void debug_structsize(Context& c) {
  c.reply().bulk(fmt::format("bits:{} keydir_entry:{} location:{} session:{} ", sizeof(void*) * 8,
                             sizeof(engine::KeydirEntry), sizeof(engine::Location),
                             sizeof(Session)));
}

void reply_attribute(resp::Writer& reply) {
  if (reply.protocol() == 3) {
    reply.attribute(1);
    reply.bulk("key-popularity");
    reply.array(2);
    reply.bulk("key:123");
    reply.integer(90);
  }
  reply.bulk("Some real reply following the attribute");
}

void debug_protocol(Context& c) {
  resp::Writer& reply = c.reply();
  constexpr int kElements = 3;
  const auto integers = [&] {
    for (int i = 0; i < kElements; ++i) reply.integer(i);
  };
  if (c.arg_is(2, "STRING")) return reply.bulk("Hello World");
  if (c.arg_is(2, "INTEGER")) return reply.integer(12345);
  if (c.arg_is(2, "DOUBLE")) return reply.double_value(3.141);
  if (c.arg_is(2, "NULL")) return reply.bulk_null();
  if (c.arg_is(2, "BIGNUM")) return reply.big_number("1234567999999999999999999999999999999");
  if (c.arg_is(2, "VERBATIM")) return reply.verbatim("txt", "This is a verbatim\nstring");
  if (c.arg_is(2, "TRUE")) return reply.boolean(true);
  if (c.arg_is(2, "FALSE")) return reply.boolean(false);
  if (c.arg_is(2, "ATTRIB")) return reply_attribute(reply);
  if (c.arg_is(2, "ARRAY")) {
    reply.array(kElements);
    return integers();
  }
  if (c.arg_is(2, "SET")) {
    reply.set(kElements);
    return integers();
  }
  if (c.arg_is(2, "MAP")) {
    reply.map(kElements);
    for (int i = 0; i < kElements; ++i) {
      reply.integer(i);
      reply.boolean(i == 1);
    }
    return;
  }
  if (c.arg_is(2, "PUSH")) {
    if (reply.protocol() == 2) return c.error("ERR RESP2 is not supported by this command");
    reply.push(2);
    reply.bulk("server-cpu-usage");
    reply.integer(42);
    // A push is no reply; this is.
    return reply.bulk("Some real reply following the push reply");
  }
  c.error(
      "ERR Wrong protocol type name. Please use one of the following: "
      "string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false");
}

// --- the subcommands ----------------------------------------------------------------------------

void debug_help(Context& c) {
  constexpr std::string_view kLines[] = {
      "CHANGE-REPL-ID",
      "    Change the replication IDs of the instance.",
      "    Dangerous: should be used only for testing the replication subsystem.",
      "DIGEST",
      "    Output a hex signature representing the current DB content.",
      "DIGEST-VALUE <key> [<key> ...]",
      "    Output a hex signature of the values of all the specified keys.",
      "ERROR <string>",
      "    Return a Redis protocol error with <string> as message. Useful for clients",
      "    unit tests to simulate Redis errors.",
      "LISTPACK <key>",
      "    Say whether <key> has the listpack encoding.",
      "LOADAOF",
      "    Read the data set anew from its files, and compare it with the one in memory.",
      "LOG <message>",
      "    Write <message> to the server log.",
      "OBJECT <key>",
      "    Show low level info about `key` and associated value.",
      "POPULATE <count> [<prefix>] [<size>]",
      "    Create <count> string keys named key:<num>. If <prefix> is specified then",
      "    it is used instead of the 'key' prefix.",
      "PROTOCOL <type>",
      "    Reply with a test value of the specified type. <type> can be: string,",
      "    integer, double, bignum, null, array, set, map, attrib, push, verbatim,",
      "    true, false.",
      "QUICKLIST-PACKED-THRESHOLD <size>",
      "    Accepted, and without effect: lists have no nodes here.",
      "RELOAD [option ...]",
      "    The same as LOADAOF. Options are accepted, and without effect.",
      "REPLYBUFFER PEAK-RESET-TIME <NEVER||RESET|time>",
      "REPLYBUFFER RESIZING <0|1>",
      "    Accepted, and without effect.",
      "SET-ACTIVE-EXPIRE <0|1>",
      "    Setting it to 0 disables expiring keys in background when they are not",
      "    accessed (otherwise the Redis behavior). Setting it to 1 reenables back the",
      "    default.",
      "SET-DISABLE-DENY-SCRIPTS <0|1>",
      "    Accepted, and without effect.",
      "SLEEP <seconds>",
      "    Stop the server for <seconds>. Decimals allowed.",
      "STRUCTSIZE",
      "    Return the size of different core structures.",
  };
  c.help(kLines);
}

struct Subcommand {
  std::string_view name;
  size_t least, most;  // arguments, with DEBUG and the name
  Handler handler;
};

constexpr size_t kAny = SIZE_MAX;
constexpr Subcommand kDebugSubcommands[] = {
    {"AOF-FLUSH-SLEEP", 3, 3, accept_switch},
    {"CHANGE-REPL-ID", 2, 2, debug_change_repl_id},
    {"DIGEST", 2, 2, debug_digest},
    {"DIGEST-VALUE", 2, kAny, debug_digest_value},
    {"ERROR", 3, 3, debug_error},
    {"HELP", 2, 2, debug_help},
    {"LISTPACK", 3, 3, debug_listpack},
    {"LOADAOF", 2, 2, check_reload},
    {"LOG", 3, 3, debug_log},
    {"OBJECT", 3, 3, debug_object},
    {"PAUSE-CRON", 3, 3, debug_pause_cron},
    {"POPULATE", 3, 5, debug_populate},
    {"PROTOCOL", 3, 3, debug_protocol},
    {"QUICKLIST-PACKED-THRESHOLD", 3, 3, debug_quicklist_packed_threshold},
    {"RELOAD", 2, kAny, debug_reload},
    {"REPLYBUFFER", 4, 4, debug_replybuffer},
    {"SET-ACTIVE-EXPIRE", 3, 3, debug_set_active_expire},
    {"SET-DISABLE-DENY-SCRIPTS", 3, 3, accept_switch},
    {"SLEEP", 3, 3, debug_sleep},
    {"STRUCTSIZE", 2, 2, debug_structsize},
};

void cmd_debug(Context& c) {
  for (const Subcommand& sub : kDebugSubcommands) {
    if (c.arg_is(1, sub.name) && c.argc() >= sub.least && c.argc() <= sub.most) {
      return sub.handler(c);
    }
  }
  c.wrong_subcommand();
}

constexpr Command kRows[] = {
    {.name = "debug",
     .handler = cmd_debug,
     .arity = -2,
     .flags = kAdmin | kNoscript | kLoading | kStale | kProtected | kOwnLocks,
     .group = Group::kServer,
     .since = "1.0.0",
     .complexity = "Depends on subcommand.",
     .summary = "A container for debugging commands",
     .syscmd = true},
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> debug_commands() {
  return kRows;
}

}  // namespace respcask::server

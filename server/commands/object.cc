// OBJECT: what the server knows of a key beside its value.

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "resp/number.h"
#include "server/access.h"
#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/config/config.h"
#include "server/context.h"
#include "server/server.h"
#include "server/types/object.h"

namespace respcask::server {

namespace {

// The key that a subcommand names; nothing, and null replied, if it is not there.
std::optional<engine::KeydirEntry> find_object(Context& c, const KeyRef& key) {
  auto entry = c.find_quietly(key);
  if (!entry) c.reply().bulk_null();
  return entry;
}

void cmd_object_encoding(Context& c) {
  const KeyRef key = c.key(2);
  const auto entry = find_object(c, key);
  if (entry) c.reply().bulk(object_type(*entry).encoding(c, key, *entry));
}

// Redis shares the objects of small integers, and says INT_MAX of them, unless the policy needs an
// access clock for each key.
bool is_shared(Context& c, const KeyRef& key, const engine::KeydirEntry& entry) {
  constexpr int64_t kSharedIntegers = 10000;
  const Config& config = c.config();
  const bool own_clocks = config.maxmemory_policy == MaxmemoryPolicy::kVolatileLru ||
                          config.maxmemory_policy == MaxmemoryPolicy::kAllkeysLru ||
                          counts_frequency(config);
  if (config.maxmemory != 0 && own_clocks) return false;
  if (TypeTag{entry.type}.type() != Type::kString) return false;
  if (object_type(entry).encoding(c, key, entry) != "int") return false;
  const auto value = resp::parse_int64(c.read(key, entry));
  return value && *value >= 0 && *value < kSharedIntegers;
}

void cmd_object_refcount(Context& c) {
  const KeyRef key = c.key(2);
  const auto entry = find_object(c, key);
  if (entry) c.reply().integer(is_shared(c, key, *entry) ? INT32_MAX : 1);
}

void cmd_object_idletime(Context& c) {
  const KeyRef key = c.key(2);
  const auto entry = find_object(c, key);
  if (!entry) return;
  if (counts_frequency(c.config())) {
    return c.error(
        "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when "
        "switching between policies at runtime LRU and LFU data will take some time to adjust.");
  }
  const uint32_t access = access_since(c.server().started_ms, entry->access, c.config());
  c.reply().integer(idle_ms(access, c.now_ms()) / 1000);
}

void cmd_object_freq(Context& c) {
  const KeyRef key = c.key(2);
  const auto entry = find_object(c, key);
  if (!entry) return;
  if (!counts_frequency(c.config())) {
    return c.error(
        "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note "
        "that when switching between policies at runtime LRU and LFU data will take some time to "
        "adjust.");
  }
  const uint32_t access = access_since(c.server().started_ms, entry->access, c.config());
  c.reply().integer(frequency(access, c.config(), c.now_ms()));
}

void cmd_object_help(Context& c) {
  static constexpr std::string_view kLines[] = {
      "ENCODING <key>",
      "    Return the kind of internal representation used in order to store the value",
      "    associated with a <key>.",
      "FREQ <key>",
      "    Return the access frequency index of the <key>. The returned integer is",
      "    proportional to the logarithm of the recent access frequency of the key.",
      "IDLETIME <key>",
      "    Return the idle time of the <key>, that is the approximated number of",
      "    seconds elapsed since the last access to the key.",
      "REFCOUNT <key>",
      "    Return the number of references of the value associated with the specified",
      "    <key>.",
  };
  c.help(kLines);
}

constexpr std::string_view kObjectEncodingTips[] = {"nondeterministic_output"};
constexpr std::string_view kObjectFreqTips[] = {"nondeterministic_output"};
constexpr std::string_view kObjectIdletimeTips[] = {"nondeterministic_output"};
constexpr std::string_view kObjectRefcountTips[] = {"nondeterministic_output"};
constexpr Command kObjectSubcommands[] = {
    {.name = "encoding",
     .handler = cmd_object_encoding,
     .arity = 3,
     .flags = kReadonly,
     .keys = kInspectSecondKey,
     .group = Group::kGeneric,
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Inspect the internal encoding of a Redis object",
     .arguments = kKeyArg,
     .tips = kObjectEncodingTips,
     .categories = kCatKeyspace},
    {.name = "freq",
     .handler = cmd_object_freq,
     .arity = 3,
     .flags = kReadonly,
     .keys = kInspectSecondKey,
     .group = Group::kGeneric,
     .since = "4.0.0",
     .complexity = "O(1)",
     .summary = "Get the logarithmic access frequency counter of a Redis object",
     .arguments = kKeyArg,
     .tips = kObjectFreqTips,
     .categories = kCatKeyspace},
    {.name = "help",
     .handler = cmd_object_help,
     .arity = 2,
     .flags = kLoading | kStale,
     .group = Group::kGeneric,
     .since = "6.2.0",
     .complexity = "O(1)",
     .summary = "Show helpful text about the different subcommands",
     .categories = kCatKeyspace},
    {.name = "idletime",
     .handler = cmd_object_idletime,
     .arity = 3,
     .flags = kReadonly,
     .keys = kInspectSecondKey,
     .group = Group::kGeneric,
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Get the time since a Redis object was last accessed",
     .arguments = kKeyArg,
     .tips = kObjectIdletimeTips,
     .categories = kCatKeyspace},
    {.name = "refcount",
     .handler = cmd_object_refcount,
     .arity = 3,
     .flags = kReadonly,
     .keys = kInspectSecondKey,
     .group = Group::kGeneric,
     .since = "2.2.3",
     .complexity = "O(1)",
     .summary = "Get the number of references to the value of the key",
     .arguments = kKeyArg,
     .tips = kObjectRefcountTips,
     .categories = kCatKeyspace},
};
constexpr Command kObjectRows[] = {
    {.name = "object",
     .arity = -2,
     .group = Group::kGeneric,
     .since = "2.2.3",
     .complexity = "Depends on subcommand.",
     .summary = "A container for object introspection commands",
     .subcommands = kObjectSubcommands},
};
static_assert(check_rows(kObjectRows));

}  // namespace

std::span<const Command> object_commands() {
  return kObjectRows;
}

}  // namespace respcask::server

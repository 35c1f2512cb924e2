// Commands that read hashes: HGET, HMGET, HGETALL, HKEYS, HVALS, HLEN, HSTRLEN, HEXISTS,
// HRANDFIELD, HSCAN.

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/command.h"
#include "server/command_table.h"
#include "server/commands/arguments.h"
#include "server/commands/draws.h"
#include "server/commands/scan.h"
#include "server/context.h"
#include "server/types/members.h"

namespace respcask::server {

namespace {

// The hash under the key at argument 1, to be read; none if there is none. A wrong type is replied,
// and a hash that is packed and not ready is `wrong` too: return.
struct Found {
  KeyRef key;
  std::optional<Members> fields;
  bool wrong = false;
};

void look_up(Context& c, Found& found) {
  found.key = c.key(1);
  const auto typed = c.find_typed(found.key, Type::kHash);
  found.wrong = typed.wrong;
  if (!typed.entry || typed.wrong) return;
  found.fields.emplace(c, found.key, *typed.entry);
  found.wrong = !c.ready();
}

void cmd_hget(Context& c) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  const auto field = hash.fields ? hash.fields->find(c.arg(2)) : std::nullopt;
  if (!field) return c.reply().bulk_null();
  const std::string_view value = hash.fields->value(*field);
  if (c.ready()) c.reply_value(value);
}

void cmd_hmget(Context& c) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  c.reply().array(c.argc() - 2);
  for (const std::string_view name : c.args().subspan(2)) {
    const auto field = hash.fields ? hash.fields->find(name) : std::nullopt;
    if (field) {
      c.reply_value(hash.fields->value(*field));
    } else {
      c.reply().bulk_null();
    }
  }
}

void cmd_hgetall(Context& c) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  if (!hash.fields) return c.reply().map(0);
  c.reply().map(hash.fields->size());
  hash.fields->for_each([&](const Members::Member& field) {
    const std::string_view value = hash.fields->value(field);
    if (!c.ready()) return;
    c.reply().bulk(field.name);
    c.reply_value(value);
  });
}

void cmd_hkeys(Context& c) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  if (!hash.fields) return c.reply().array(0);
  c.reply().array(hash.fields->size());
  hash.fields->for_each([&](const Members::Member& field) { c.reply().bulk(field.name); });
}

void cmd_hvals(Context& c) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  if (!hash.fields) return c.reply().array(0);
  c.reply().array(hash.fields->size());
  hash.fields->for_each(
      [&](const Members::Member& field) { c.reply_value(hash.fields->value(field)); });
}

void cmd_hlen(Context& c) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  c.reply().integer(hash.fields ? static_cast<int64_t>(hash.fields->size()) : 0);
}

void cmd_hstrlen(Context& c) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  const auto field = hash.fields ? hash.fields->find(c.arg(2)) : std::nullopt;
  c.reply().integer(field ? static_cast<int64_t>(field->value_bytes()) : 0);
}

void cmd_hexists(Context& c) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  c.reply().integer(hash.fields && hash.fields->contains(c.arg(2)) ? 1 : 0);
}

// The reply of HRANDFIELD with a count: pairs in RESP3, field and value by turns in RESP2.
void reply_fields_header(Context& c, uint64_t count, bool with_values) {
  c.reply().array(with_values && c.reply().protocol() < 3 ? 2 * count : count);
}
void reply_field(Context& c, const Members& fields, const Members::Member& field,
                 bool with_values) {
  const std::string_view value = with_values ? fields.value(field) : std::string_view();
  if (!c.ready()) return;
  if (with_values && c.reply().protocol() >= 3) c.reply().array(2);
  c.reply().bulk(field.name);
  if (with_values) c.reply().bulk(value);
}

void random_fields(Context& c, int64_t count, bool with_values) {
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  if (!hash.fields || count == 0) return c.reply().array(0);
  const Members& fields = *hash.fields;
  Draws draws(c);
  if (count > 0) {
    const std::vector<Members::Member> drawn = draws.distinct(fields, static_cast<uint64_t>(count));
    reply_fields_header(c, drawn.size(), with_values);
    for (const Members::Member& field : drawn) reply_field(c, fields, field, with_values);
    return;
  }
  const auto times = static_cast<uint64_t>(-count);
  draws.reply_repeated(
      fields, times, [&] { reply_fields_header(c, times, with_values); },
      [&](const Members::Member& field) { reply_field(c, fields, field, with_values); });
}

void cmd_hrandfield(Context& c) {
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  if (c.argc() == 2) {
    Found hash;
    look_up(c, hash);
    if (hash.wrong) return;
    if (!hash.fields) return c.reply().bulk_null();
    return c.reply().bulk(Draws(c).one(*hash.fields).name);
  }
  const auto count = random_count_arg(c, 2);
  if (!count) return;
  if (c.argc() > 4 || (c.argc() == 4 && !c.arg_is(3, "WITHVALUES"))) return c.syntax_error();
  const bool with_values = c.argc() == 4;
  if (with_values && (*count < -kMost / 2 || *count > kMost / 2)) {
    return c.error("ERR value is out of range");
  }
  random_fields(c, *count, with_values);
}

void cmd_hscan(Context& c) {
  const auto cursor = scan_cursor_arg(c, 2);
  if (!cursor) return;
  Found hash;
  look_up(c, hash);
  if (hash.wrong) return;
  if (!hash.fields) {
    reply_scan_cursor(c, 0);
    return c.reply().array(0);
  }
  const auto options = parse_scan_options(c, 3, ScanOf::kElements);
  if (!options) return;
  std::vector<Members::Member> matching;
  const uint64_t next =
      hash.fields->scan(*cursor, options->count, [&](const Members::Member& field) {
        if (options->matches(field.name)) matching.push_back(field);
      });
  reply_scan_cursor(c, next);
  c.reply().array(2 * matching.size());
  for (const Members::Member& field : matching) {
    c.reply().bulk(field.name);
    c.reply_value(hash.fields->value(field));
  }
}

constexpr Argument kKeyField[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "field"},
};
constexpr std::string_view kHgetallTips[] = {"nondeterministic_output_order"};
constexpr std::string_view kHkeysTips[] = {"nondeterministic_output_order"};
constexpr Argument kHrandfieldArgsOptions[] = {
    {.name = "count", .type = ArgType::kInteger},
    {.name = "withvalues", .type = ArgType::kPureToken, .token = "WITHVALUES", .flags = kOptional},
};
constexpr Argument kHrandfieldArgs[] = {
    {.name = "key", .type = ArgType::kKey, .key_spec = 0},
    {.name = "options", .type = ArgType::kBlock, .flags = kOptional, .sub = kHrandfieldArgsOptions},
};
constexpr std::string_view kHrandfieldTips[] = {"nondeterministic_output"};
constexpr std::string_view kHscanTips[] = {"nondeterministic_output"};
constexpr std::string_view kHvalsTips[] = {"nondeterministic_output_order"};
constexpr Command kHashReadRows[] = {
    {.name = "hexists",
     .handler = cmd_hexists,
     .arity = 3,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Determine if a hash field exists",
     .arguments = kKeyField,
     .categories = kCatHash},
    {.name = "hget",
     .handler = cmd_hget,
     .arity = 3,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Get the value of a hash field",
     .arguments = kKeyField,
     .categories = kCatHash},
    {.name = "hgetall",
     .handler = cmd_hgetall,
     .arity = 2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(N) where N is the size of the hash.",
     .summary = "Get all the fields and values in a hash",
     .arguments = kKeyArg,
     .tips = kHgetallTips,
     .categories = kCatHash},
    {.name = "hkeys",
     .handler = cmd_hkeys,
     .arity = 2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(N) where N is the size of the hash.",
     .summary = "Get all the fields in a hash",
     .arguments = kKeyArg,
     .tips = kHkeysTips,
     .categories = kCatHash},
    {.name = "hlen",
     .handler = cmd_hlen,
     .arity = 2,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(1)",
     .summary = "Get the number of fields in a hash",
     .arguments = kKeyArg,
     .categories = kCatHash},
    {.name = "hmget",
     .handler = cmd_hmget,
     .arity = -3,
     .flags = kReadonly | kFast,
     .keys = kReadKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(N) where N is the number of fields being requested.",
     .summary = "Get the values of all the given hash fields",
     .arguments = kKeyFields,
     .categories = kCatHash},
    {.name = "hrandfield",
     .handler = cmd_hrandfield,
     .arity = -2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kHash,
     .since = "6.2.0",
     .complexity = "O(N) where N is the number of fields returned",
     .summary = "Get one or multiple random fields from a hash",
     .arguments = kHrandfieldArgs,
     .tips = kHrandfieldTips,
     .categories = kCatHash},
    {.name = "hscan",
     .handler = cmd_hscan,
     .arity = -3,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kHash,
     .since = "2.8.0",
     .complexity =
         "O(1) for every call. O(N) for a complete iteration, including enough command calls for "
         "the cursor to return back to 0. N is the number of elements inside the collection..",
     .summary = "Incrementally iterate hash fields and associated values",
     .arguments = kKeyScan,
     .tips = kHscanTips,
     .categories = kCatHash},
    {.name = "hstrlen",
     .handler = cmd_hstrlen,
     .arity = 3,
     .flags = kReadonly | kFast,
     .keys = kInspectKey,
     .group = Group::kHash,
     .since = "3.2.0",
     .complexity = "O(1)",
     .summary = "Get the length of the value of a hash field",
     .arguments = kKeyField,
     .categories = kCatHash},
    {.name = "hvals",
     .handler = cmd_hvals,
     .arity = 2,
     .flags = kReadonly,
     .keys = kReadKey,
     .group = Group::kHash,
     .since = "2.0.0",
     .complexity = "O(N) where N is the size of the hash.",
     .summary = "Get all the values in a hash",
     .arguments = kKeyArg,
     .tips = kHvalsTips,
     .categories = kCatHash},
};
static_assert(check_rows(kHashReadRows));

}  // namespace

std::span<const Command> hash_read_commands() {
  return kHashReadRows;
}

}  // namespace respcask::server

#include "tests/server/probe_commands.h"

#include <string>

#include "server/context.h"
#include "server/server.h"

namespace respcask::server::testing {
namespace {

void probe_set(Context& c) {
  const KeyRef key = c.key(1);
  c.put(key, TypeTag::of(Type::kString), 0, c.arg(2));
  c.notify(EventClass::kString, "set", key);
  c.ok();
}

void probe_get(Context& c) {
  const KeyRef key = c.key(1);
  const auto entry = c.find_typed(key, Type::kString);
  if (entry.wrong) return;
  if (!entry.entry) return c.reply().bulk_null();
  const std::string_view value = c.read(key, *entry.entry);
  if (!c.ready()) return;
  c.reply().bulk(value);
}

void probe_del(Context& c) {
  c.reply().integer(c.remove(c.key(1)) ? 1 : 0);
}

void probe_expire(Context& c) {
  const auto when = c.integer_arg(2);
  if (!when) return;
  c.reply().integer(c.set_expiry(c.key(1), *when) ? 1 : 0);
}

// Room to write queues anew that have been read: dispatch has reserved for the arguments only.
// False and the error replied if there is none.
bool reserve_for(Context& c, const KeyRef& key, size_t queues,
                 engine::Growth growth = engine::Growth::kShrinks) {
  constexpr size_t kFrames = 4096;
  return c.reserve(key, queues + kFrames, growth);
}

void probe_push(Context& c) {
  const KeyRef key = c.key(1);
  const auto found = c.find_typed_for_write(key, Type::kList);
  if (found.wrong) return;
  std::string_view queue;
  if (found.entry) queue = c.read(key, *found.entry);
  if (!c.ready()) return;
  if (!reserve_for(c, key, queue.size() + c.arg(2).size(), engine::Growth::kGrows)) return;
  c.put(key, TypeTag::of(Type::kList), 0, {queue, c.arg(2), ","});
  c.signal_ready(key);
  c.ok();
}

// Takes the first item of a queue that has been read.
std::string take(Context& c, const KeyRef& key, std::string_view queue) {
  const size_t end = queue.find(',');
  std::string item(queue.substr(0, end));
  const std::string rest(queue.substr(end + 1));
  if (rest.empty()) {
    c.remove(key);
  } else {
    c.put(key, TypeTag::of(Type::kList), 0, rest);
  }
  return item;
}

void probe_pop(Context& c) {
  const auto deadline = c.integer_arg(c.argc() - 1);
  if (!deadline) return;
  std::vector<KeyRef> keys;
  for (size_t i = 1; i + 1 < c.argc(); ++i) {
    const KeyRef key = c.key(i);
    keys.push_back(key);
    const auto found = c.find_typed_for_write(key, Type::kList);
    if (found.wrong) return;
    if (!found.entry) continue;
    const std::string_view queue = c.read(key, *found.entry);
    if (!c.ready()) return;
    if (!reserve_for(c, key, queue.size())) return;
    const std::string item = take(c, key, queue);
    c.reply().array(2);
    c.reply().bulk(key.name);
    c.reply().bulk(item);
    return;
  }
  c.block_on(keys, Type::kList, *deadline, TimeoutReply::kNullArray);
}

void probe_move(Context& c) {
  const auto deadline = c.integer_arg(3);
  if (!deadline) return;
  const KeyRef from = c.key(1), to = c.key(2);
  const auto source = c.find_typed_for_write(from, Type::kList);
  if (source.wrong) return;
  if (!source.entry) {
    return c.block_on(std::span(&from, 1), Type::kList, *deadline, TimeoutReply::kNull);
  }
  const auto target = c.find_typed_for_write(to, Type::kList);
  if (target.wrong) return;
  const std::string queue(c.read(from, *source.entry));
  std::string other;
  if (target.entry) other = c.read(to, *target.entry);
  if (!c.ready()) return;
  if (!reserve_for(c, from, queue.size() + other.size())) return;
  if (!reserve_for(c, to, queue.size() + other.size())) return;
  const std::string item = take(c, from, queue);
  c.put(to, TypeTag::of(Type::kList), 0, {other, item, ","});
  c.signal_ready(to);
  c.reply().bulk(item);
}

void probe_fail(Context& c) {
  c.error("PROBE failed");
}

void probe_all(Context& c) {
  c.flush(c.db());
  c.ok();
}

void probe_keys(Context& c) {
  size_t count = 0;
  for (uint32_t i = 0; i < c.server().store.shard_count(); ++i) {
    c.with_shard(i, [&](engine::Shard& shard) { count += shard.keydir(c.db()).size(); });
  }
  c.reply().integer(static_cast<int64_t>(count));
}

void probe_select(Context& c) {
  const auto db = c.integer_arg_in(1, 0, 15);
  if (!db) return;
  c.session().db = static_cast<uint32_t>(*db);
  c.ok();
}

void probe_swap(Context& c) {
  c.swap(0, 1);
  c.ok();
}

constexpr KeySpec kOneKey[] = {{.flags = kRW | kUpdate, .index = 1}};
constexpr KeySpec kTwoKeys[] = {{.flags = kRW | kUpdate, .index = 1, .last = 1}};
constexpr KeySpec kAllButLast[] = {{.flags = kRW | kUpdate, .index = 1, .last = -2}};

constexpr Command row(std::string_view name, Handler handler, int arity, uint32_t flags,
                      std::span<const KeySpec> keys) {
  return {.name = name,
          .handler = handler,
          .arity = arity,
          .flags = flags,
          .keys = keys,
          .since = "1.0.0",
          .summary = "For tests"};
}

constexpr Command kRows[] = {
    row("probeset", probe_set, 3, kWrite | kDenyOom, kOneKey),
    row("probeget", probe_get, 2, kReadonly | kFast, kOneKey),
    row("probedel", probe_del, 2, kWrite, kOneKey),
    row("probeexpire", probe_expire, 3, kWrite, kOneKey),
    row("probepush", probe_push, 3, kWrite | kDenyOom, kOneKey),
    row("probepop", probe_pop, -3, kWrite | kBlocking, kAllButLast),
    row("probemove", probe_move, 4, kWrite | kDenyOom | kBlocking, kTwoKeys),
    row("probefail", probe_fail, 1, 0, {}),
    row("probeall", probe_all, 1, kWrite | kAllShards, {}),
    row("probekeys", probe_keys, 1, kReadonly | kOwnLocks, {}),
    row("probeselect", probe_select, 2, kFast, {}),
    row("probeswap", probe_swap, 1, kWrite | kAllShards, {}),
};
static_assert(check_rows(kRows));

}  // namespace

std::span<const Command> probe_commands() {
  return kRows;
}

}  // namespace respcask::server::testing

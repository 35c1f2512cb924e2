#include "server/context.h"

#include <cassert>
#include <utility>

#include <fmt/format.h>

#include "resp/number.h"
#include "server/access.h"
#include "server/acl/permission.h"
#include "server/expiry.h"
#include "server/letter_case.h"
#include "server/scope.h"
#include "server/server.h"

namespace respcask::server {

static_assert(static_cast<uint32_t>(EventClass::kGeneric) == kNotifyGeneric);
static_assert(static_cast<uint32_t>(EventClass::kString) == kNotifyString);
static_assert(static_cast<uint32_t>(EventClass::kList) == kNotifyList);
static_assert(static_cast<uint32_t>(EventClass::kSet) == kNotifySet);
static_assert(static_cast<uint32_t>(EventClass::kHash) == kNotifyHash);
static_assert(static_cast<uint32_t>(EventClass::kSortedSet) == kNotifyZset);
static_assert(static_cast<uint32_t>(EventClass::kExpired) == kNotifyExpired);
static_assert(static_cast<uint32_t>(EventClass::kEvicted) == kNotifyEvicted);
static_assert(static_cast<uint32_t>(EventClass::kStream) == kNotifyStream);
static_assert(static_cast<uint32_t>(EventClass::kNew) == kNotifyNew);
static_assert(static_cast<uint32_t>(EventClass::kKeyMiss) == kNotifyMiss);

Context::Context(Scope& scope, Turn& turn, Session& session, const TableEntry& command,
                 std::span<const std::string_view> args, resp::Writer& reply)
    : scope_(scope),
      turn_(turn),
      session_(session),
      command_(command),
      args_(args),
      reply_(reply),
      replied_before_(reply.size_with_lent()),
      outer_(std::exchange(scope.context, this)) {}

Context::~Context() {
  scope_.context = outer_;
  if (!redirected_.empty()) turn_.own_pushes += redirected_;
}

// --- the request --------------------------------------------------------------------------------

Server& Context::server() {
  return turn_.server;
}
const Config& Context::config() const {
  return turn_.config();
}
uint32_t Context::db() const {
  return session_.db;
}
int64_t Context::now_ms() const {
  return turn_.now_ms();
}
bool Context::may_read_every_key() const {
  return session_.has_full_access() || acl::may_read_every_key(*session_.user, command_, args_);
}
bool Context::in_transaction() const {
  return scope_.in_transaction;
}

std::optional<int64_t> Context::integer_arg(size_t i, std::string_view message) {
  const std::optional<int64_t> value = resp::parse_int64(args_[i]);
  if (!value) error(message.empty() ? "ERR value is not an integer or out of range" : message);
  return value;
}

std::optional<int64_t> Context::integer_arg_in(size_t i, int64_t low, int64_t high,
                                               std::string_view message) {
  const std::optional<int64_t> value = integer_arg(i, message);
  if (value && (*value < low || *value > high)) {
    error(message.empty() ? "ERR value is out of range" : message);
    return std::nullopt;
  }
  return value;
}

std::optional<double> Context::double_arg(size_t i, std::string_view message) {
  const std::optional<double> value = resp::parse_double(args_[i]);
  if (!value) error(message.empty() ? "ERR value is not a valid float" : message);
  return value;
}

bool Context::arg_is(size_t i, std::string_view upper) const {
  return is_word(args_[i], upper);
}

// --- the reply ----------------------------------------------------------------------------------

void Context::ok() {
  reply_.ok();
}

void Context::error(std::string_view text) {
  reply_.error(text);
  // It is dropped, and the command run again or another error replied.
  if (!ready() || scope_.rehearses) return;
  turn_.stats.error_replies.add();
  turn_.server.stats.count_error(text.substr(0, text.find(' ')));
}

void Context::wrong_type() {
  error("WRONGTYPE Operation against a key holding the wrong kind of value");
}

void Context::syntax_error() {
  error("ERR syntax error");
}

void Context::wrong_subcommand() {
  constexpr size_t kMostQuoted = 128;
  error(fmt::format("ERR unknown subcommand or wrong number of arguments for '{}'. Try {} HELP.",
                    quoted_arg(1).substr(0, kMostQuoted), container_name()));
}

std::string Context::container_name() const {
  return upper_case(quoted_arg(0));
}

void Context::help(std::span<const std::string_view> lines) {
  std::string title = container_name();
  title += " <subcommand> [<arg> [value] [opt] ...]. Subcommands are:";
  reply_.array(lines.size() + 3);
  reply_.simple_string(title);
  for (std::string_view line : lines) reply_.simple_string(line);
  reply_.simple_string("HELP");
  reply_.simple_string("    Prints this help.");
}

// --- keys ---------------------------------------------------------------------------------------

KeyRef Context::key(size_t i) {
  return key(i, session_.db);
}

KeyRef Context::key(size_t i, uint32_t db) {
  const Turn::Scratch& scratch = turn_.scratch;
  for (size_t k = 0; k < scratch.positions.size(); ++k) {
    // Most commands have one key, and those with many ask for them in order, a few times at most.
    const size_t at = (next_key_ + k) % scratch.positions.size();
    if (static_cast<size_t>(scratch.positions[at].index) != i) continue;
    next_key_ = at + 1;
    KeyRef found = scratch.keys[at];
    found.db = db;
    return found;
  }
  return key_named(args_[i], db);
}

KeyRef Context::key_named(std::string_view name, uint32_t db) {
  return turn_.server.key(name, db);
}

std::optional<engine::KeydirEntry> Context::find_alive(const KeyRef& key) {
  engine::Shard& shard = scope_.shard(key.shard);
  std::optional<engine::KeydirEntry> entry = shard.find(key.db, key.name, key.hash);
  if (shard.has_failed() && shard.is_lost(key.db, key.name, entry ? entry->collection : 0)) {
    scope_.damaged = scope_.failed_read = true;
    scope_.damaged_key = key.name;
    return std::nullopt;
  }
  if (!entry || !is_due(*entry, turn_.now_ms())) return entry;
  scope_.expire(key);
  return std::nullopt;
}

std::optional<engine::KeydirEntry> Context::peek(const KeyRef& key) {
  return find_alive(key);
}

std::optional<engine::KeydirEntry> Context::find_for_write(const KeyRef& key) {
  std::optional<engine::KeydirEntry> entry = find_alive(key);
  if (!entry || scope_.rehearses || ++scope_.done.uses <= scope_.done_before().uses) return entry;
  const uint32_t former = access_since(turn_.server.started_ms, entry->access, turn_.config());
  const uint32_t access = touched_access(former, turn_.config(), turn_.now_ms());
  if (access != entry->access) {
    scope_.shard(key.shard).keydir(key.db).set_access(key.name, key.hash, access);
    entry->access = access;
  }
  return entry;
}

std::optional<engine::KeydirEntry> Context::find(const KeyRef& key) {
  std::optional<engine::KeydirEntry> entry = find_for_write(key);
  tell_look_up(key, entry.has_value());
  return entry;
}

std::optional<engine::KeydirEntry> Context::find_untouched(const KeyRef& key) {
  std::optional<engine::KeydirEntry> entry = find_alive(key);
  tell_look_up(key, entry.has_value());
  return entry;
}

std::optional<engine::KeydirEntry> Context::find_quietly(const KeyRef& key) {
  std::optional<engine::KeydirEntry> entry = find_alive(key);
  count_look_up(entry.has_value());
  return entry;
}

bool Context::count_look_up(bool found) {
  if (scope_.rehearses || ++scope_.done.look_ups <= scope_.done_before().look_ups) return false;
  (found ? turn_.stats.keyspace_hits : turn_.stats.keyspace_misses).add();
  return true;
}

void Context::tell_look_up(const KeyRef& key, bool found) {
  if (count_look_up(found) && !found) notify(EventClass::kKeyMiss, "keymiss", key);
}

Context::Typed Context::find_typed(const KeyRef& key, Type type) {
  Typed found{find(key)};
  if (found.entry && TypeTag{found.entry->type}.type() != type) {
    found.wrong = true;
    wrong_type();
  }
  return found;
}

Context::Typed Context::find_typed_for_write(const KeyRef& key, Type type) {
  Typed found{find_for_write(key)};
  if (found.entry && TypeTag{found.entry->type}.type() != type) {
    found.wrong = true;
    wrong_type();
  }
  return found;
}

// --- values -------------------------------------------------------------------------------------

std::string_view Context::read(const KeyRef& key, const engine::KeydirEntry& entry) {
  return read(key, entry.where, entry.value_size);
}

std::string_view Context::read(const KeyRef& key, engine::Location where, uint32_t value_size) {
  engine::Shard& shard = scope_.shard(key.shard);
  last_read_shard_ = key.shard;
  last_read_ = where;
  if (scope_.fetched != nullptr || scope_.fetched_within != nullptr) {
    // Not in place, though it is in memory now: to map its page would cost more than what was read.
    const FetchedValue* value = scope_.find_fetched(key.shard, where, shard.segment_of(where));
    if (value != nullptr) return bytes_of(*value, key);
  }
  if (!scope_.count_read(value_size) && !may_read_on(shard, value_size)) return {};
  const engine::ValueRead value = shard.read(where, value_size);
  switch (value.state) {
    case engine::ValueRead::State::kReady:
      return value.bytes;
    case engine::ValueRead::State::kCold:
      return read_cold(shard, key, where, value_size);
    case engine::ValueRead::State::kLost:
      scope_.failed_read = true;
      break;
    case engine::ValueRead::State::kDamaged:
      break;
  }
  scope_.damaged = true;
  scope_.damaged_key = key.name;
  return {};
}

bool Context::count_read(engine::Shard& shard, uint64_t bytes) {
  return scope_.count_read(bytes) || may_read_on(shard, bytes);
}

// Most of what is read is replied with. Where that is more than there is memory for, a command ends
// here that finds all its values in memory. Not one that writes and holds little itself, whatever
// the replies before its own take: it may read a value again that it has changed already.
bool Context::may_read_on(engine::Shard& shard, uint64_t bytes) {
  constexpr uint64_t kLittle = uint64_t{4} << 20;
  if (scope_.too_much) return false;
  scope_.look_for_faults(shard);
  const uint64_t own = held_ + reply_.size_with_lent() - replied_before_ + bytes;
  if ((command_.flags & kReadonly) == 0 && own <= kLittle) return true;
  return expect(held_with_reply() + bytes + Scope::kBytesBetween);
}

uint64_t Context::held_with_reply() const {
  // To grow the reply is copied. What is lent to it is when it does not leave in this turn.
  return held_ + reply_.size() + reply_.size_with_lent();
}

void Context::reply_part(std::string_view part) {
  // To send small pieces apart costs more than to copy them. Those of 4 KB that a long string is
  // kept in take as much time either way at 70 KB, 5 % less lent at 100 KB, and 17 % less at 1 MB.
  constexpr size_t kLeastBytes = 2 * 1024;
  std::shared_ptr<const void> owner;
  if (part.size() >= kLeastBytes && reply_.borrows() && last_read_) {
    owner = scope_.shard(last_read_shard_).hold(*last_read_, part);
  }
  if (owner != nullptr) {
    reply_.lent(part, std::move(owner));
  } else {
    reply_.raw(part);
  }
}

std::string_view Context::read_cold(engine::Shard& shard, const KeyRef& key, engine::Location where,
                                    uint32_t value_size) {
  if (scope_.too_much) return {};
  auto value = std::make_unique<FetchedValue>();
  value->read = shard.cold_read(where, value_size);
  scope_.cold_bytes += sizeof(FetchedValue) + value->read.bytes();
  if (!expect(bytes_to_be_held())) return {};
  value->read.past_cache = !shard.admits(value->read);
  value->shard = key.shard;
  if (!scope_.has_changed()) {
    scope_.cold.push_back(std::move(value));
    return {};
  }
  // It cannot be run again, so the loop waits for the disk here.
  fetch(*value);
  scope_.read_in_place.push_back(std::move(value));
  return bytes_of(*scope_.read_in_place.back(), key);
}

// By the command when all that was met so far has been read.
uint64_t Context::bytes_to_be_held() const {
  // What is fetched for a whole transaction is to take little of what its commands will be allowed.
  constexpr uint64_t kPartOfRoom = 8;
  if (scope_.rehearses) return kPartOfRoom * (scope_.fetched_bytes() + scope_.cold_bytes);
  // They are all held until the command is answered, and most of the answer is made of them. And
  // what others wait for will be held, too, and answered with.
  const uint64_t of_others = 2 * turn_.server.readers.waiting_bytes();
  return held_with_reply() + 2 * scope_.fetched_bytes() + 3 * scope_.cold_bytes + of_others;
}

std::string_view Context::bytes_of(const FetchedValue& value, const KeyRef& key) {
  if (value.state == FetchedValue::State::kReady) return value.bytes;
  scope_.damaged = true;
  scope_.damaged_key = key.name;
  scope_.failed_read = value.state == FetchedValue::State::kFailed;
  return {};
}

bool Context::ready() const {
  return scope_.ready();
}

bool Context::expect(uint64_t bytes) {
  if (!turn_.server.memory.has_room(bytes)) scope_.too_much = true;
  return !scope_.too_much;
}

bool Context::ask_for_held() {
  ask_at_ = expect(held_with_reply()) ? held_ + kAskedBytes : 0;
  return ask_at_ != 0;
}

// --- changing -----------------------------------------------------------------------------------

bool Context::reserve(const KeyRef& key, uint64_t bytes, engine::Growth growth) {
  // All of it is held until it is written.
  if (growth == engine::Growth::kGrows && !has_memory_for_all_ &&
      !turn_.server.memory.has_room(bytes + bytes / 3)) {
    error(kTooMuch);
    return false;
  }
  const std::string_view refusal = scope_.reserve_more(key.shard, bytes, growth);
  if (!refusal.empty()) error(refusal);
  return refusal.empty();
}

bool Context::reserve_for_all(const KeyRef& key, uint64_t bytes) {
  has_memory_for_all_ = reserve(key, bytes);
  return has_memory_for_all_;
}

engine::KeydirEntry Context::put(const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                                 std::string_view value) {
  return put(key, tag, expiry_ms, std::span<const std::string_view>(&value, 1));
}

engine::KeydirEntry Context::put(const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                                 std::initializer_list<std::string_view> pieces) {
  return put(key, tag, expiry_ms, std::span<const std::string_view>(pieces.begin(), pieces.size()));
}

engine::KeydirEntry Context::put(const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                                 std::span<const std::string_view> pieces) {
  engine::Shard& shard = scope_.shard_for_write(key.shard);
  const Former former = former_of(shard, key);
  const engine::KeydirEntry entry =
      shard.put(key.db, key.name, key.hash, tag.byte, expiry_ms, pieces, former.access);
  if (former.is_new) notify(EventClass::kNew, "new", key);
  scope_.modified(key);
  return entry;
}

engine::KeydirEntry Context::put_split(const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                                       std::string_view header) {
  engine::Shard& shard = scope_.shard_for_write(key.shard);
  const Former former = former_of(shard, key);
  const engine::KeydirEntry entry =
      shard.put_split(key.db, key.name, key.hash, tag.byte, expiry_ms, header, former.access);
  if (former.is_new) notify(EventClass::kNew, "new", key);
  scope_.modified(key);
  return entry;
}

// The former entry matters to few: a counter of uses is kept, and "new" is told of new keys.
Context::Former Context::former_of(engine::Shard& shard, const KeyRef& key) const {
  const Config& config = turn_.config();
  Former former{new_access(config, turn_.now_ms()), false};
  if (counts_frequency(config) || (config.notify_keyspace_events & kNotifyNew) != 0) {
    const auto entry = shard.find(key.db, key.name, key.hash);
    // One whose time has come is gone to everybody, though it may not be removed yet.
    former.is_new = !entry || is_due(*entry, turn_.now_ms());
    if (!former.is_new && counts_frequency(config)) former.access = entry->access;
  }
  return former;
}

bool Context::remove(const KeyRef& key) {
  if (!find_alive(key)) return false;
  scope_.shard_for_write(key.shard).remove(key.db, key.name, key.hash);
  scope_.modified(key);
  return true;
}

void Context::remove_destination(const KeyRef& key) {
  if (scope_.has_expired(key)) return;
  if (!scope_.shard(key.shard).find(key.db, key.name, key.hash)) return;
  scope_.shard_for_write(key.shard).remove(key.db, key.name, key.hash);
  scope_.modified(key);
  notify(EventClass::kGeneric, "del", key);
}

bool Context::set_expiry(const KeyRef& key, int64_t expiry_ms) {
  if (!find_alive(key)) return false;
  scope_.shard_for_write(key.shard).set_expiry(key.db, key.name, key.hash, expiry_ms);
  scope_.modified(key);
  return true;
}

engine::Shard& Context::shard(const KeyRef& key) {
  return scope_.shard(key.shard);
}
engine::Shard& Context::shard_for_write(const KeyRef& key) {
  return scope_.shard_for_write(key.shard);
}
void Context::modified(const KeyRef& key) {
  scope_.modified(key);
}

void Context::flush(uint32_t db) {
  scope_.flush(db);
}
void Context::swap(uint32_t db1, uint32_t db2) {
  scope_.swap(db1, db2);
}

void Context::with_shard(uint32_t index, engine::FunctionRef<void(engine::Shard&)> use) {
  if (scope_.locked().contains(index)) {
    use(scope_.shard(index));
    return;
  }
  assert(scope_.locked().empty());
  scope_.lock(index);
  use(scope_.shard(index));
  scope_.release();
}

void Context::notify(EventClass event_class, std::string_view event, const KeyRef& key) {
  if (event_class != EventClass::kKeyMiss && event_class != EventClass::kExpired) {
    tell_redirected();
    if (!reply_is_hidden()) return scope_.notify(event_class, event, key, &session_, &reply_);
    resp::Writer behind(turn_.own_pushes, session_.protocol);
    return scope_.notify(event_class, event, key, &session_, &behind);
  }
  // A command that has only looked for keys may have to run again.
  std::string told;
  resp::Writer out(told, session_.protocol);
  scope_.notify(event_class, event, key, reply_is_hidden() ? nullptr : &session_, &out);
  reply_.raw(told);
  scope_.told_first += told;
}

void Context::tell_redirected() {
  if (redirected_.empty() || reply_is_hidden()) return;
  reply_.raw(redirected_);
  redirected_.clear();
}

size_t Context::publish(ChannelKind kind, std::string_view channel, std::string_view payload) {
  // What a client publishes to itself comes with its replies, and where it is sent none
  // nonetheless.
  if (!reply_is_hidden()) return scope_.publish(kind, channel, payload, &session_, &reply_);
  resp::Writer behind(turn_.own_pushes, session_.protocol);
  return scope_.publish(kind, channel, payload, &session_, &behind);
}

bool Context::reply_is_hidden() const {
  return session_.replies_are_hidden();
}

void Context::take_pushes() {
  // They would go with a reply that is dropped, and have no place within that of a transaction.
  if (reply_is_hidden() || in_transaction()) return;
  std::string pushed;
  session_.carrier.take_pushes(pushed);
  reply_.raw(pushed);
}

void Context::signal_ready(const KeyRef& key) {
  scope_.signal(key);
}

// --- waiting ------------------------------------------------------------------------------------

void write_timeout(TimeoutReply reply, resp::Writer& out) {
  switch (reply) {
    case TimeoutReply::kNull:
      out.bulk_null();
      return;
    case TimeoutReply::kNullArray:
      out.null_array();
      return;
    case TimeoutReply::kZero:
      out.integer(0);
      return;
  }
}

void Context::block_on(std::span<const KeyRef> keys, Type type, int64_t deadline_ms,
                       TimeoutReply timeout_reply) {
  if (scope_.in_transaction) {
    write_timeout(timeout_reply, reply_);
    return;
  }
  auto waiter = std::make_unique<Waiter>();
  for (const KeyRef& key : keys) waiter->keys.push_back(OwnedKey::of(key));
  // Not all that is locked: that may be others' too.
  for (const KeyRef& key : turn_.scratch.keys) waiter->shards.add(key.shard);
  waiter->type = type;
  waiter->deadline_ms = deadline_ms;
  waiter->timeout_reply = timeout_reply;
  scope_.block = std::move(waiter);
}

}  // namespace respcask::server

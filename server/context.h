// Context: all that a command handler sees. The request, the reply, the keys, the values, and how
// to change them.
//
// The rules for handlers:
// - Read everything first, change afterwards. A value may not be in memory, or be damaged; then
//   read() returns nothing useful and ready() is false: return at once, having changed nothing. The
//   command is run again from its start when the value is in, or answered with an error. So:
//       auto value = c.read(key, *entry);
//       if (!c.ready()) return;
//   A handler that needs several values reads them all before it asks ready(), so that they are
//   fetched together.
// - Exactly one reply, through reply() or one of the short forms. Whatever was written to the reply
//   is taken back when the command has to run again.
// - Never block, never keep a view: what read() gives is valid until the handler returns or changes
//   a key of the same shard; the pieces of that very change may still point into it.
// - The shards of the command's keys are locked while it runs; a handler touches no other, unless
//   its row says kOwnLocks, kAllShards or kPatterns.
// - Every change of a key is reported once with notify(); WATCH, tracking and the count of changes
//   are served by the writing calls themselves (put, remove, set_expiry, ...), and by modified()
//   for those who change a split collection through its shard.
// A Context lives on the stack of one loop's thread for one run of one command. The thread is the
// session's loop, except when a blocked command is served by the loop of whoever woke it: then the
// session is only read.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/function_ref.h"
#include "engine/keydir.h"
#include "engine/shard.h"
#include "resp/writer.h"
#include "server/types/type.h"

namespace respcask::server {

// What a command may write beyond what its arguments take without asking for space.
inline constexpr uint64_t kAlwaysReserved = 4096;

enum class ChannelKind : uint8_t;
struct Config;
struct FetchedValue;
class Scope;
class Server;
class Session;
struct TableEntry;
class Turn;

// A key with all that is needed to reach it; computed once for each argument that is a key.
struct KeyRef {
  std::string_view name;
  uint64_t hash = 0;
  uint32_t shard = 0;
  uint32_t db = 0;
};

// Classes of keyspace notifications, as notify-keyspace-events names them; the bits are those of
// config.h's kNotify constants.
enum class EventClass : uint32_t {
  kGeneric = 1 << 0,    // g
  kString = 1 << 1,     // $
  kList = 1 << 2,       // l
  kSet = 1 << 3,        // s
  kHash = 1 << 4,       // h
  kSortedSet = 1 << 5,  // z
  kExpired = 1 << 6,    // x
  kEvicted = 1 << 7,    // e
  kStream = 1 << 8,     // t
  kNew = 1 << 10,       // n
  kKeyMiss = 1 << 13,   // m
};

// What a blocked client is told when its time is up (and a command inside EXEC at once).
enum class TimeoutReply : uint8_t { kNull, kNullArray, kZero };

class Context {
 public:
  Context(Scope& scope, Turn& turn, Session& session, const TableEntry& command,
          std::span<const std::string_view> args, resp::Writer& reply);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  // --- the request ----------------------------------------------------------------------------
  std::span<const std::string_view> args() const { return args_; }
  size_t argc() const { return args_.size(); }
  std::string_view arg(size_t i) const { return args_[i]; }
  // The argument as Redis quotes it in an error: as a C string, up to its first NUL.
  std::string_view quoted_arg(size_t i) const { return args_[i].substr(0, args_[i].find('\0')); }
  const TableEntry& command() const { return command_; }
  Server& server();
  Session& session() { return session_; }
  Turn& turn() { return turn_; }
  const Config& config() const;
  uint32_t db() const;          // the session's database
  int64_t now_ms() const;       // wall clock, the same throughout a command or transaction
  bool in_transaction() const;  // inside EXEC: never block
  // Whether the user may read every key by this command, for those that read keys which are not
  // among their arguments.
  bool may_read_every_key() const;

  // Arguments as numbers. On failure the error reply is written and nothing is returned.
  std::optional<int64_t> integer_arg(size_t i, std::string_view error = {});
  std::optional<int64_t> integer_arg_in(size_t i, int64_t low, int64_t high,
                                        std::string_view error = {});
  std::optional<double> double_arg(size_t i, std::string_view error = {});
  // is_word() of an argument.
  bool arg_is(size_t i, std::string_view upper) const;

  // --- the reply ------------------------------------------------------------------------------
  resp::Writer& reply() { return reply_; }
  void ok();  // +OK
  // -TEXT: the text begins with its code word ("ERR ..."). Counted in errorstats.
  void error(std::string_view text);
  void wrong_type();    // WRONGTYPE Operation against a key holding ...
  void syntax_error();  // ERR syntax error
  // ERR unknown subcommand or wrong number of arguments: for what argument 1 names.
  void wrong_subcommand();
  // What `CONTAINER HELP` answers, between the lines that are the same for all containers.
  void help(std::span<const std::string_view> lines);

  // --- keys -----------------------------------------------------------------------------------
  // The key at argument `i`, in the session's database (or another one).
  KeyRef key(size_t i);
  KeyRef key(size_t i, uint32_t db);
  KeyRef key_named(std::string_view name, uint32_t db);

  // The key's entry, or nothing if there is none or it has expired (then it is removed). find()
  // counts a hit or a miss and touches the access clock, as a read in Redis does; find_untouched()
  // counts and does not touch (EXISTS, TYPE, TTL); find_quietly() neither touches nor tells
  // subscribers of a miss (OBJECT); find_for_write() touches without counting; peek() does neither.
  std::optional<engine::KeydirEntry> find(const KeyRef& key);
  std::optional<engine::KeydirEntry> find_untouched(const KeyRef& key);
  std::optional<engine::KeydirEntry> find_quietly(const KeyRef& key);
  std::optional<engine::KeydirEntry> find_for_write(const KeyRef& key);
  std::optional<engine::KeydirEntry> peek(const KeyRef& key);
  // find*, and WRONGTYPE already replied if the key holds another type; then `wrong` is true.
  struct Typed {
    std::optional<engine::KeydirEntry> entry;
    bool wrong = false;
  };
  Typed find_typed(const KeyRef& key, Type type);
  Typed find_typed_for_write(const KeyRef& key, Type type);

  // --- values ---------------------------------------------------------------------------------
  // The bytes of a packed key's value (or a split root's header).
  std::string_view read(const KeyRef& key, const engine::KeydirEntry& entry);
  // The bytes of one element of the split collection under `key`.
  std::string_view read(const KeyRef& key, engine::Location where, uint32_t value_size);
  // For who reads from the shard itself, without read(): called for each value, before it is read.
  // False: not ready.
  bool count_read(engine::Shard& shard, uint64_t bytes);
  // False once a read found a value cold or damaged: return without changing anything.
  bool ready() const;
  // Replies with a bulk of what a read gave. A large one is not copied but sent from where it lies
  // in its segment, if it is of the value that was read last.
  void reply_value(std::string_view value) {
    if (value.size() < kLentBytes) return reply_.bulk(value);
    reply_.bulk_header(value.size());
    reply_part(value);
    reply_.crlf();
  }
  // The same for part of a bulk whose header is written, and that is kLentBytes long or more.
  static constexpr size_t kLentBytes = 16 * 1024;
  void reply_part(std::string_view part);

  // --- changing -------------------------------------------------------------------------------
  // Space for `bytes` more on the key's shard. Dispatch has reserved for each argument, written
  // once as a name or a string, and kAlwaysReserved; a handler that writes more calls this before
  // its first change. On failure the error is replied and false returned: return. What was read
  // stays valid.
  bool reserve(const KeyRef& key, uint64_t bytes, engine::Growth growth = engine::Growth::kGrows);
  // The same for all that the command changes, of which nothing is refused for want of memory from
  // then on: who has taken something out has to be able to put it in elsewhere.
  bool reserve_for_all(const KeyRef& key, uint64_t bytes);

  // These replace what was there, keep the access word, and report the change.
  engine::KeydirEntry put(const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                          std::string_view value);
  engine::KeydirEntry put(const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                          std::initializer_list<std::string_view> pieces);
  engine::KeydirEntry put(const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                          std::span<const std::string_view> pieces);
  // The same for the root of a new split collection (Shard::put_split).
  engine::KeydirEntry put_split(const KeyRef& key, TypeTag tag, int64_t expiry_ms,
                                std::string_view header);
  bool remove(const KeyRef& key);
  // What a command does to its destination that has nothing to store there: removes what there is,
  // and tells of it. As in Redis a key whose time has come counts as removed too, not as expired.
  void remove_destination(const KeyRef& key);
  bool set_expiry(const KeyRef& key, int64_t expiry_ms);

  // For server/types/, which know split collections: the key's shard, with its batch open, and the
  // report that the key has changed (WATCH, tracking, changes since the last save).
  engine::Shard& shard(const KeyRef& key);
  engine::Shard& shard_for_write(const KeyRef& key);
  void modified(const KeyRef& key);

  // For rows with kAllShards: empties a database; exchanges two. WATCH and blocked clients are
  // served.
  void flush(uint32_t db);
  void swap(uint32_t db1, uint32_t db2);

  // The locks and batches of the running command, for those who have to do with them (EXEC).
  Scope& scope() { return scope_; }

  // For rows with kOwnLocks: calls `use` with one shard locked; the shard is unlocked when it
  // returns (inside a transaction all are locked throughout). Not from within `use`.
  void with_shard(uint32_t index, engine::FunctionRef<void(engine::Shard&)> use);

  // Tells subscribers of keyspace events; "set", "del", ... Cheap when nobody listens. A client
  // that listens to its own changes hears of them here, before or behind what it is replied; each
  // command does as in Redis (tests/server/redis_events.h).
  void notify(EventClass event_class, std::string_view event, const KeyRef& key);
  // The command has changed what others have redirected word of to this client (CLIENT TRACKING):
  // here it hears of it. For commands without notify(), which does so itself.
  void tell_redirected();

  // Puts the messages that the session has been sent so far in front of what is replied next; not
  // inside EXEC, and not where the reply is hidden: then they follow.
  void take_pushes();

  // CLIENT REPLY OFF or SKIP: what the handler replies is dropped, and with it whatever else it
  // writes there.
  bool reply_is_hidden() const;

  // PUBLISH and SPUBLISH: how many subscribers will get the message.
  size_t publish(ChannelKind kind, std::string_view channel, std::string_view payload);

  // A key now holds what a blocked client may wait for; served after the command, first come first
  // served.
  void signal_ready(const KeyRef& key);

  // --- waiting --------------------------------------------------------------------------------
  // Suspends the client until one of the keys holds a `type` and is signalled, the deadline (Unix
  // time in ms; 0: never) passes or it is unblocked; then the command runs again from its start, or
  // the time-out is answered. Call instead of replying, having changed nothing. Inside EXEC it
  // answers the time-out at once. Without keys it waits for the deadline alone.
  // When a command runs again its deadline must not start anew: it is the one of the first run.
  void block_on(std::span<const KeyRef> keys, Type type, int64_t deadline_ms,
                TimeoutReply timeout_reply);

  // --- memory ---------------------------------------------------------------------------------
  // Whether memory has room for so many bytes more, until the command is answered. If not, it is
  // not ready() any more, and refused.
  bool expect(uint64_t bytes);
  // The same for what the command comes to hold bit by bit, beside its reply: asks for all of it
  // together whenever it has grown by a MiB. What it has given up is taken off by let_go().
  bool hold(uint64_t bytes) {
    held_ += bytes;
    return held_ < ask_at_ || ask_for_held();
  }
  uint64_t held() const { return held_; }
  void let_go(uint64_t bytes) { held_ -= bytes; }
  // And for copies of texts, each in a string of its own.
  bool hold_text(uint64_t bytes) { return hold(bytes + kTextBytes); }
  // A string with what malloc adds, and as much again where a vector of them grows.
  static constexpr uint64_t kTextBytes = 3 * sizeof(std::string);

 private:
  friend class Scope;
  bool ask_for_held();
  // What the command's results take by now, or will when they grow.
  uint64_t held_with_reply() const;
  uint64_t bytes_to_be_held() const;
  bool may_read_on(engine::Shard& shard, uint64_t bytes);
  std::string_view read_cold(engine::Shard& shard, const KeyRef& key, engine::Location where,
                             uint32_t value_size);
  // Of a value that was fetched.
  std::string_view bytes_of(const FetchedValue& value, const KeyRef& key);
  std::optional<engine::KeydirEntry> find_alive(const KeyRef& key);
  // False if it was counted when the command ran before.
  bool count_look_up(bool found);
  void tell_look_up(const KeyRef& key, bool found);
  // The word before a subcommand, in capitals: as it was called, if it was renamed.
  std::string container_name() const;
  // What a put takes over from the entry that it replaces.
  struct Former {
    uint32_t access = 0;
    bool is_new = false;  // known only where "new" is announced
  };
  Former former_of(engine::Shard& shard, const KeyRef& key) const;

  Scope& scope_;
  Turn& turn_;
  Session& session_;
  const TableEntry& command_;
  std::span<const std::string_view> args_;
  resp::Writer& reply_;
  size_t next_key_ = 0;  // where key() looks first
  bool has_memory_for_all_ = false;
  uint32_t last_read_shard_ = 0;
  std::optional<engine::Location> last_read_;
  const uint64_t replied_before_;  // by commands before it in the same reply
  std::string redirected_;         // to be told by tell_redirected()
  Context* const outer_;           // EXEC's
  uint64_t held_ = 0;
  uint64_t ask_at_ = kAskedBytes;
  static constexpr uint64_t kAskedBytes = uint64_t{1} << 20;
};

// What is said to a command that would hold more at once than memory has room for.
inline constexpr std::string_view kTooMuch =
    "OOM command not allowed: what it has to hold at once does not fit in memory.";

// What a client is told that waited in vain.
void write_timeout(TimeoutReply reply, resp::Writer& out);

}  // namespace respcask::server

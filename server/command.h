// Command: one row of the command table, from which everything that is known of a command derives:
// dispatch and arity errors, COMMAND and its subcommands, ACL categories, the keys for locking, ACL
// and COMMAND GETKEYS, what MULTI allows, and the tests that walk the table.
//
// Rows are constexpr and stand at the foot of the file that holds the handlers, one file a family
// (server/commands/). A family's rows pass check_rows(), so that a mistake in one fails to compile.
// Strings are literals and live for ever; any thread may read them.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace respcask::server {

class Context;

// Runs one command under the locks of its keys' shards. See Context for the rules.
using Handler = void (*)(Context&);

// Flags as COMMAND INFO names them; the bits stand in the order of its listing.
enum CommandFlag : uint32_t {
  kWrite = 1u << 0,
  kReadonly = 1u << 1,
  kDenyOom = 1u << 2,
  kModule = 1u << 3,
  kAdmin = 1u << 4,
  kPubsub = 1u << 5,
  kNoscript = 1u << 6,
  kBlocking = 1u << 7,
  kLoading = 1u << 8,
  kStale = 1u << 9,
  kSkipMonitor = 1u << 10,
  kSkipSlowlog = 1u << 11,
  kAsking = 1u << 12,
  kFast = 1u << 13,
  kNoAuth = 1u << 14,
  kMayReplicate = 1u << 15,
  kNoMandatoryKeys = 1u << 16,
  kNoAsyncLoading = 1u << 17,
  kNoMulti = 1u << 18,
  kMovableKeys = 1u << 19,  // derived: never written in a row
  kAllowBusy = 1u << 20,
  // Ours; COMMAND does not show them.
  kPublishes = 1u << 21,   // to the channel at argument 1
  kSubscribes = 1u << 22,  // to the channels from argument 1 on,
  kOfPatterns = 1u << 23,  // which are patterns
  kAllShards = 1u << 24,   // runs with every shard locked, whatever its keys
  kOwnLocks = 1u << 25,    // locks shards itself, one at a time (Context::with_shard)
  kProtected = 1u << 26,   // refused unless enable-debug-command (or -module-command) allows it
  kMultiNow = 1u << 27,    // runs at once inside MULTI instead of being queued (EXEC, DISCARD, ...)
  kInPubsub = 1u << 28,    // allowed in RESP2 while subscribed (SUBSCRIBE, PING, ...)
  kExecutes = 1u << 29,    // runs what the session has queued: its shards are locked (EXEC)
  kPatterns = 1u << 30,    // runs with every shard locked if an argument holds a '*' (SORT)
};

enum class Group : uint8_t {
  kGeneric,
  kString,
  kList,
  kSet,
  kSortedSet,
  kHash,
  kPubsub,
  kTransactions,
  kConnection,
  kServer,
  kScripting,
  kHyperLogLog,
  kCluster,
  kSentinel,
  kGeo,
  kStream,
  kBitmap,
};

// ACL categories, in the order of COMMAND INFO. Those that the flags imply are not written in a
// row.
enum Category : uint32_t {
  kCatKeyspace = 1u << 0,
  kCatRead = 1u << 1,   // implied by kReadonly
  kCatWrite = 1u << 2,  // implied by kWrite
  kCatSet = 1u << 3,
  kCatSortedSet = 1u << 4,
  kCatList = 1u << 5,
  kCatHash = 1u << 6,
  kCatString = 1u << 7,
  kCatBitmap = 1u << 8,
  kCatHyperLogLog = 1u << 9,
  kCatGeo = 1u << 10,
  kCatStream = 1u << 11,
  kCatPubsub = 1u << 12,     // implied by kPubsub
  kCatAdmin = 1u << 13,      // implied by kAdmin
  kCatFast = 1u << 14,       // implied by kFast
  kCatSlow = 1u << 15,       // implied by its absence
  kCatBlocking = 1u << 16,   // implied by kBlocking
  kCatDangerous = 1u << 17,  // implied by kAdmin
  kCatConnection = 1u << 18,
  kCatTransaction = 1u << 19,
  kCatScripting = 1u << 20,
};

// What a command does with the keys of one key specification, in Redis's words.
enum KeyFlag : uint16_t {
  kRO = 1 << 0,
  kRW = 1 << 1,
  kOW = 1 << 2,
  kRM = 1 << 3,
  kAccess = 1 << 4,
  kUpdate = 1 << 5,
  kInsert = 1 << 6,
  kDelete = 1 << 7,
  kNotKey = 1 << 8,
  kIncomplete = 1 << 9,
  kVariableFlags = 1 << 10,
};

// Where keys stand among the arguments (argument 0 is the command's name). The first key is found
// by index or after a keyword; the others follow as a range or are counted by an argument.
struct KeySpec {
  uint16_t flags = 0;
  std::string_view notes = {};

  // Neither an index nor a keyword: the key is somewhere, and `find_keys` of the row knows where.
  int index = 0;                  // begin search by index, unless `keyword` is given
  std::string_view keyword = {};  // begin search after this word,
  int start_from = 0;             // looked for from this argument on (negative: from the end)

  enum class Find : uint8_t { kRange, kKeynum, kUnknown } find = Find::kRange;
  int last = 0;  // kRange: last key relative to the first; negative: from the last argument
  int step = 1;
  int limit = 0;   // kRange with last = -1: 2 means half of the rest, ...
  int keynum = 0;  // kKeynum: where the count stands, relative to the begin
  int first = 0;   // kKeynum: the first key, relative to the begin
};

// An argument as COMMAND DOCS tells it.
enum class ArgType : uint8_t {
  kString,
  kInteger,
  kDouble,
  kKey,
  kPattern,
  kUnixTime,
  kPureToken,
  kOneof,
  kBlock,
};
enum ArgFlag : uint8_t { kOptional = 1, kMultiple = 2, kMultipleToken = 4 };
struct Argument {
  std::string_view name;
  ArgType type = ArgType::kString;
  int key_spec = -1;
  std::string_view token = {};
  std::string_view summary = {};
  std::string_view since = {};
  uint8_t flags = 0;
  std::span<const Argument> sub = {};
  std::string_view deprecated_since = {};
};

struct HistoryEntry {
  std::string_view since;
  std::string_view change;
};

// A key among the arguments: which one, and what the command does with it (KeyFlag bits).
struct KeyPosition {
  int index = 0;
  uint16_t flags = 0;
};
// Appends the arguments that are keys; for commands whose specifications cannot say it (SORT, SET
// with its variable flags). False: the arguments make no sense.
using KeyFinder = bool (*)(std::span<const std::string_view> args, std::vector<KeyPosition>& keys);

struct Command {
  std::string_view name;      // lower case
  Handler handler = nullptr;  // null: a container that only has subcommands
  int arity = 0;              // with the name; negative: at least
  uint32_t flags = 0;
  std::span<const KeySpec> keys = {};
  Group group = Group::kGeneric;
  std::string_view since;
  std::string_view complexity = {};
  std::string_view summary;
  std::span<const Argument> arguments = {};
  std::span<const HistoryEntry> history = {};
  std::span<const std::string_view> tips = {};
  std::string_view deprecated_since = {};
  std::string_view replaced_by = {};
  bool syscmd = false;
  uint32_t categories = 0;  // Category bits that the flags do not imply
  KeyFinder find_keys = nullptr;
  std::span<const Command> subcommands = {};
};

// With -fsanitize=undefined g++ takes the address of a function of another file for possibly null,
// so that to compare it is no constant.
constexpr bool is_missing(Handler handler) {
  return __builtin_constant_p(handler == nullptr) && handler == nullptr;
}

// Called in a static_assert over each family's rows; a bad row throws a sentence, which the
// compiler prints.
consteval bool check_rows(std::span<const Command> rows) {
  for (const Command& row : rows) {
    if (row.name.empty()) throw "a command without a name";
    for (char c : row.name) {
      if (c >= 'A' && c <= 'Z') throw "a command's name is lower case";
    }
    if (row.arity == 0) throw "a command without an arity";
    if (is_missing(row.handler) && row.subcommands.empty()) throw "a command without a handler";
    if ((row.flags & kWrite) && (row.flags & kReadonly))
      throw "a command that writes and is readonly";
    if ((row.flags & kDenyOom) && !(row.flags & kWrite)) throw "denyoom without write";
    if (row.flags & kMovableKeys) throw "movablekeys is derived, not written";
    if (row.summary.empty() || row.since.empty()) throw "a command without summary or since";
    for (const KeySpec& spec : row.keys) {
      if (spec.flags == 0) throw "a key specification without flags";
      if (spec.index == 0 && spec.keyword.empty() && spec.find != KeySpec::Find::kUnknown) {
        throw "a key specification that begins nowhere";
      }
      if (spec.find == KeySpec::Find::kUnknown && row.find_keys == nullptr) {
        throw "an unknown key specification without a key finder";
      }
      if ((spec.flags & kVariableFlags) && row.find_keys == nullptr) {
        throw "variable key flags without a key finder that tells them";
      }
    }
    for (const Command& sub : row.subcommands) {
      if (is_missing(sub.handler)) throw "a subcommand without a handler";
      if (!sub.subcommands.empty()) throw "subcommands nest one level deep";
    }
  }
  return true;
}

}  // namespace respcask::server

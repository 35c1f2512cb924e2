// Grammar: what the differential test may send. A command is one line of a table (families.cc); a
// family of commands is one entry.
//
// A pattern is words between spaces:
//   SET          upper case or not a generator's name: sent as it is (now and then in lower case)
//   key          a generator's name: one or more random arguments (generators.cc)
//   [A|B x]      nothing, or one of the alternatives
//   (A|B x)      one of the alternatives
//   word+ (..)+  once to four times
//   @MULTI first in a pattern: the command is sent within a transaction, since it might wait alone
//   @SCAN        in place of SCAN: a whole scan
//
// The generator turns the table into a list of steps, from a seed alone: nothing in it depends on
// what the servers answer, so a list can be replayed and cut down. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/random.h"

namespace respcask::differential {

struct Row {
  std::string_view pattern;
  unsigned weight = 10;

  // "get"; "object|encoding" for a container's subcommand; "val" if the name is random too.
  std::string command() const;
  // All of them, where the pattern begins with alternatives.
  std::vector<std::string> commands() const;
  bool in_transaction() const { return pattern.starts_with("@MULTI "); }
  bool is_scan() const { return pattern.starts_with("@SCAN"); }
};

struct Family {
  std::string_view name;
  char letter;  // its keys begin with it; '*': keys of all families
  std::span<const Row> rows;
};

std::span<const Family> families();

struct Step {
  enum class Kind : uint8_t {
    kCommand,
    kScan,         // args: a SCAN without its cursor; the whole scan is compared, as a set
    kRaw,          // args: bytes that may be no protocol at all, on a connection of their own
    kSettle,       // waits until all short expiries are over, and lets both servers see it
    kVerify,       // compares everything stored
    kMerge,        // asks respcask to merge its segments
    kRestart,      // of respcask, cleanly
    kKillRestart,  // of respcask, with kill -9
    kReconnect,    // all clients anew, for both
  };
  Kind kind = Kind::kCommand;
  unsigned client = 0;
  std::vector<std::string> args;
  bool needs_multi = false;  // it may wait for ever, unless the step before it is its MULTI
};

// Stands for the payload that the other server answered to the latest DUMP.
inline constexpr std::string_view kOtherDump = "\x01other dump\x01";
// No expiry of the test is shorter, in milliseconds, unless it lies in the past.
inline constexpr int kShortestExpiryMs = 15;
inline constexpr int kLongestShortExpiryMs = 30;
inline constexpr unsigned kClients = 3;
// Databases that the commands work in.
inline constexpr unsigned kDatabases = 4;

class Generator {
 public:
  struct Choice {
    const Family* family;
    const Row* row;
  };
  // `rows`: what both servers can do. `names`: of command_names(), those that both servers either
  // know or do not know.
  Generator(std::vector<Choice> rows, std::vector<std::string> names, uint64_t seed);

  // About `commands` commands, beginning with empty servers and fresh clients. `restarts`: with
  // restarts of respcask in between.
  std::vector<Step> episode(size_t commands, bool restarts);

  // One row of the table with every number that it takes at its limits: `variants` commands of the
  // row, and each of them with each of its numbers replaced by each extreme of that number's
  // generator. Other commands of the family keep something under the keys.
  std::vector<Step> extremes(const Choice& choice, size_t variants);

  // For generators (generators.cc).
  Random& random() { return random_; }
  void emit(std::string arg) { step_->args.push_back(std::move(arg)); }
  // The argument emitted next is a number, and these are its extremes.
  void note_extremes(std::span<const std::string_view> extremes) {
    slots_.push_back({step_->args.size(), extremes});
  }
  char letter() const { return letter_; }
  std::string_view letters() const { return letters_; }
  const std::vector<std::string>& names() const { return names_; }
  // The command sets an expiry that ends in milliseconds: nothing may follow before it is over.
  void note_short_expiry() { short_expiry_ = true; }

 private:
  struct Slot {
    size_t argument;
    std::span<const std::string_view> extremes;
  };
  void greet(std::vector<Step>* steps);
  void command(std::vector<Step>* steps, unsigned client);
  const Choice& draw();
  Step make(const Choice& choice, unsigned client);
  void add(std::vector<Step>* steps, Step step, bool in_transaction, bool settle);
  void expand(std::string_view pattern);
  void expand_item(std::string_view item, bool repeated);
  void spoil();

  std::vector<Choice> rows_;
  std::vector<std::string> names_;
  std::vector<uint64_t> cumulative_;  // weights
  std::string letters_;
  Random random_;
  Step* step_ = nullptr;
  char letter_ = '*';
  bool short_expiry_ = false;
  std::vector<Slot> slots_;
  bool in_multi_[kClients] = {};
  bool settle_at_exec_[kClients] = {};
};

// Names, known and unknown, for the commands that ask about commands.
std::span<const std::string_view> command_names();

// What a broken or hostile client may send, and what it might have meant. It holds less than 3000
// bytes, and nothing in it waits for more than kMostAwaited bytes behind it.
std::string raw_bytes(Random& random);
inline constexpr size_t kMostAwaited = 9000;

// Appends the arguments of the generator called `name`; false if there is none.
bool generate(std::string_view name, Generator& generator);

}  // namespace respcask::differential

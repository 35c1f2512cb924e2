// CommandTable: all commands of the server, and what derives from their rows.
//
// Made once at start-up from the families' rows (and the `rename-command` lines), never changed;
// any thread may read it. An entry's address and index identify the command for as long as the
// server runs.
#pragma once

#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/command.h"

namespace respcask::server {

struct TableEntry {
  const Command* row = nullptr;
  const TableEntry* parent = nullptr;  // of a subcommand
  std::string full_name;               // "get", "config|get"
  uint32_t index = 0;                  // 0 .. CommandTable::size() - 1, subcommands counted too
  uint32_t flags = 0;                  // with kMovableKeys
  uint32_t categories = 0;             // Category bits, with those that the flags imply
  int first_key = 0, last_key = 0, key_step = 0;  // COMMAND INFO's
  bool single_key = false;  // one key at argument 1: the common case, found without a walk
  std::vector<const TableEntry*> subcommands;  // in the order of their names

  const TableEntry* find_subcommand(std::string_view name) const;  // any case
};

class CommandTable {
 public:
  // `renames`: from, to (both any case; an empty `to` removes the command). `more`: rows beside the
  // families', for tests; they outlive the table.
  explicit CommandTable(std::span<const std::pair<std::string, std::string>> renames = {},
                        std::span<const Command> more = {});

  // The command of that name, in any case; null if there is none.
  const TableEntry* find(std::string_view name) const;
  // The command or subcommand that these arguments call; null if there is none.
  const TableEntry* find(std::span<const std::string_view> args) const;
  // By full name, "get" or "config|get", in any case.
  const TableEntry* find_full(std::string_view full_name) const;

  // Commands that have not been removed, without their subcommands, in the order of their names.
  std::span<const TableEntry* const> commands() const { return commands_; }
  // With subcommands and removed ones; by index.
  const TableEntry& at(size_t index) const { return entries_[index]; }
  size_t size() const { return entries_.size(); }

 private:
  // A name as words that compare at once: its first and its last eight bytes.
  struct Name {
    Name() = default;
    explicit Name(std::string_view text);
    size_t hash() const;  // the same for upper and lower case

    uint64_t head = 0;
    uint64_t tail = 0;
    size_t size = 0;
  };
  struct Slot {
    Slot() = default;
    Slot(std::string_view lower_case, const TableEntry* entry);
    bool is(const Name& other, std::string_view other_text) const;

    std::string_view text;  // lower case
    Name name;
    uint64_t head_case = 0;  // bits of the words that tell upper from lower case
    uint64_t tail_case = 0;
    const TableEntry* entry = nullptr;
  };
  void add_family(std::span<const Command> rows);
  TableEntry& add(const Command& row, const TableEntry* parent);
  void insert(std::string_view name, const TableEntry* entry);

  std::deque<TableEntry> entries_;
  std::deque<std::string> names_;  // that renames brought in
  std::vector<const TableEntry*> commands_;
  std::vector<Slot> slots_;  // open addressing, a power of two of them
};

// Appends the keys of a command's arguments to `keys`. False: the arguments make no sense for its
// key specifications ("Invalid arguments specified for command").
bool find_keys(const TableEntry& entry, std::span<const std::string_view> args,
               std::vector<KeyPosition>& keys);

// Whether an argument is the word of an option, in any case; as in Redis it ends at its first NUL.
// Who looks for keys and who runs the command must agree on every word.
bool is_word(std::string_view argument, std::string_view word);

std::string_view group_name(Group group);
// The name of a Category, a CommandFlag or a KeyFlag bit, as COMMAND INFO writes it; "" if COMMAND
// does not show it.
std::string_view category_name(uint32_t bit);
std::string_view flag_name(uint32_t bit);
std::string_view key_flag_name(uint32_t bit);

// The families. Each is defined at the foot of its file in server/commands/; command_table.cc lists
// those that there are.
std::span<const Command> acl_commands();
std::span<const Command> bitfield_commands();
std::span<const Command> bitmap_commands();
std::span<const Command> bitop_commands();
std::span<const Command> client_commands();
std::span<const Command> cluster_commands();
std::span<const Command> command_commands();
std::span<const Command> config_commands();
std::span<const Command> connection_commands();
std::span<const Command> copy_commands();
std::span<const Command> database_commands();
std::span<const Command> debug_commands();
std::span<const Command> dump_commands();
std::span<const Command> expire_commands();
std::span<const Command> geo_commands();
std::span<const Command> geo_search_commands();
std::span<const Command> hash_commands();
std::span<const Command> hash_read_commands();
std::span<const Command> hyperloglog_commands();
std::span<const Command> info_commands();
std::span<const Command> key_commands();
std::span<const Command> latency_commands();
std::span<const Command> lcs_commands();
std::span<const Command> list_commands();
std::span<const Command> list_move_commands();
std::span<const Command> list_search_commands();
std::span<const Command> memory_commands();
std::span<const Command> module_commands();
std::span<const Command> object_commands();
std::span<const Command> pubsub_commands();
std::span<const Command> replication_commands();
std::span<const Command> scan_commands();
std::span<const Command> scripting_commands();
std::span<const Command> server_commands();
std::span<const Command> set_algebra_commands();
std::span<const Command> set_commands();
std::span<const Command> slowlog_commands();
std::span<const Command> sort_commands();
std::span<const Command> sorted_set_algebra_commands();
std::span<const Command> sorted_set_commands();
std::span<const Command> sorted_set_pop_commands();
std::span<const Command> sorted_set_range_commands();
std::span<const Command> sorted_set_scan_commands();
std::span<const Command> string_commands();
std::span<const Command> string_edit_commands();
std::span<const Command> string_set_commands();
std::span<const Command> transaction_commands();

}  // namespace respcask::server

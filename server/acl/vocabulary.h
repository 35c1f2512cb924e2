// Vocabulary: the commands that users' rules can name, which are Redis 7.0's, those that this
// server does not have among them.
//
// So the users of a Redis come over whatever they name: what a rule says of a command that is not
// here is kept and listed, and nobody can call it anyway. The command table knows nothing of it.
// A command that is here has the index that it has there, so that a permission is found without a
// name; the others' follow. Names are those from before renames.
// Made once at start-up and never changed; any thread may read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/command_table.h"

namespace respcask::server::acl {

// A command or subcommand.
struct CommandName {
  std::string full_name;                // "get", "config|get"
  uint32_t index = 0;                   // 0 .. Vocabulary::size() - 1
  uint32_t categories = 0;              // Category bits
  const CommandName* parent = nullptr;  // of a subcommand
  std::vector<const CommandName*> subcommands;
};

class Vocabulary {
 public:
  // The table is read here and not kept.
  explicit Vocabulary(const CommandTable& table);
  Vocabulary(const Vocabulary&) = delete;
  Vocabulary& operator=(const Vocabulary&) = delete;

  // By full name in any case; null if there is none.
  const CommandName* find(std::string_view full_name) const;
  // Commands and subcommands in the order of their full names: a command comes before its own.
  std::span<const CommandName* const> all() const { return sorted_; }
  size_t size() const { return names_.size(); }

 private:
  void add(std::string_view full_name, uint32_t categories);

  std::deque<CommandName> names_;  // by index
  std::vector<const CommandName*> sorted_;
};

}  // namespace respcask::server::acl

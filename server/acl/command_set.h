// CommandSet: the commands that one selector of a user allows.
//
// One bit a command or subcommand, by its index (vocabulary.h), and one that stands for commands
// yet to come: only "all" and "none" change it, and it decides whether the set is listed as what is
// taken from all or as what is added to none. A command that is not in the set may be allowed with
// certain first arguments all the same ("+select|0").
// A value: copied freely, owned by its user. Not to be changed while others read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl/vocabulary.h"

namespace respcask::server::acl {

class CommandSet {
 public:
  // None of `commands` commands (Vocabulary::size()).
  explicit CommandSet(size_t commands) : bits_(commands / 64 + 1), size_(commands) {}

  void allow_all();
  void deny_all();
  // A command and all its subcommands; its first arguments are forgotten.
  void set(const CommandName& command, bool allowed);
  // What is of one Category bit.
  void set_category(const Vocabulary& vocabulary, uint32_t category, bool allowed);
  void allow_first_arg(const CommandName& command, std::string_view arg);

  // By the index that its CommandName and its TableEntry have.
  bool contains(uint32_t index) const { return (bits_[index / 64] >> index % 64 & 1) != 0; }
  // Allowed everything and denied nothing since.
  bool all() const { return all_; }
  // Commands yet to come are in it.
  bool open() const { return open_; }
  // In any case; of a command that is not in the set.
  bool allows_first_arg(uint32_t index, std::string_view arg) const;
  std::span<const std::string> first_args(uint32_t index) const;
  bool same_commands(const CommandSet& other) const {
    return open_ == other.open_ && bits_ == other.bits_;
  }

 private:
  void set_bit(uint32_t index, bool allowed);

  std::vector<uint64_t> bits_;
  size_t size_;
  bool all_ = false;
  bool open_ = false;
  std::map<uint32_t, std::vector<std::string>> first_args_;  // by index
};

}  // namespace respcask::server::acl

#include "server/acl/command_set.h"

#include <algorithm>

namespace respcask::server::acl {

void CommandSet::allow_all() {
  for (size_t i = 0; i < size_; ++i) bits_[i / 64] |= uint64_t{1} << i % 64;
  all_ = open_ = true;
  first_args_.clear();
}

void CommandSet::deny_all() {
  std::fill(bits_.begin(), bits_.end(), 0);
  all_ = open_ = false;
  first_args_.clear();
}

void CommandSet::set_bit(const TableEntry& command, bool allowed) {
  const uint64_t bit = uint64_t{1} << command.index % 64;
  if (allowed) {
    bits_[command.index / 64] |= bit;
  } else {
    bits_[command.index / 64] &= ~bit;
    all_ = false;
  }
}

void CommandSet::set(const TableEntry& command, bool allowed) {
  set_bit(command, allowed);
  first_args_.erase(command.index);
  for (const TableEntry* sub : command.subcommands) set_bit(*sub, allowed);
}

void CommandSet::set_category(std::span<const TableEntry* const> commands, uint32_t category,
                              bool allowed) {
  for (const TableEntry* command : commands) {
    if ((command->categories & category) != 0) set(*command, allowed);
    set_category(command->subcommands, category, allowed);
  }
}

void CommandSet::allow_first_arg(const TableEntry& command, std::string_view arg) {
  if (!allows_first_arg(command, arg)) first_args_[command.index].emplace_back(arg);
}

bool CommandSet::allows_first_arg(const TableEntry& command, std::string_view arg) const {
  const std::span<const std::string> args = first_args(command);
  return std::any_of(args.begin(), args.end(),
                     [&](const std::string& allowed) { return equal_ignoring_case(allowed, arg); });
}

std::span<const std::string> CommandSet::first_args(const TableEntry& command) const {
  const auto found = first_args_.find(command.index);
  if (found == first_args_.end()) return {};
  return found->second;
}

}  // namespace respcask::server::acl

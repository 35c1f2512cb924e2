#include "server/acl/command_set.h"

#include <algorithm>

#include "server/letter_case.h"

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

void CommandSet::set_bit(uint32_t index, bool allowed) {
  const uint64_t bit = uint64_t{1} << index % 64;
  if (allowed) {
    bits_[index / 64] |= bit;
  } else {
    bits_[index / 64] &= ~bit;
    all_ = false;
  }
}

void CommandSet::set(const CommandName& command, bool allowed) {
  set_bit(command.index, allowed);
  first_args_.erase(command.index);
  for (const CommandName* sub : command.subcommands) set_bit(sub->index, allowed);
}

void CommandSet::set_category(const Vocabulary& vocabulary, uint32_t category, bool allowed) {
  for (const CommandName* command : vocabulary.all()) {
    if ((command->categories & category) != 0) set(*command, allowed);
  }
}

void CommandSet::allow_first_arg(const CommandName& command, std::string_view arg) {
  if (!allows_first_arg(command.index, arg)) first_args_[command.index].emplace_back(arg);
}

bool CommandSet::allows_first_arg(uint32_t index, std::string_view arg) const {
  const std::span<const std::string> args = first_args(index);
  return std::any_of(args.begin(), args.end(),
                     [&](const std::string& allowed) { return equal_ignoring_case(allowed, arg); });
}

std::span<const std::string> CommandSet::first_args(uint32_t index) const {
  const auto found = first_args_.find(index);
  if (found == first_args_.end()) return {};
  return found->second;
}

}  // namespace respcask::server::acl

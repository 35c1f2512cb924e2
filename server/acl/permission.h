// Permission: whether a user may run a command with certain arguments.
//
// Which arguments are keys, and what the command does with each, come from the key specifications
// of the command's row; which are channels, from its flags. Pure functions; any thread that holds
// the user.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "server/acl/user.h"
#include "server/command_table.h"

namespace respcask::server::acl {

// What a user lacks. Where selectors fail for different reasons the later one here is told, and of
// those of one reason the one of the last argument: it is what came nearest.
enum class Lack : uint8_t { kCommand, kKey, kAuth, kChannel };
struct Denial {
  Lack lack = Lack::kCommand;
  size_t argument = 0;  // the key or channel
};

// Nothing if the user may. `args` are those of the command, its name first.
std::optional<Denial> find_denial(const User& user, const TableEntry& command,
                                  std::span<const std::string_view> args);

// Whether a selector that allows this command also allows reading every key, as for SORT BY, whose
// keys are not among the arguments.
bool may_read_every_key(const User& user, const TableEntry& command,
                        std::span<const std::string_view> args);

// Whether a selector allows the channel, or the pattern of channels, which has to be one of its own
// to the letter.
bool may_use_channel(const User& user, std::string_view channel, bool is_pattern);

// Whether whoever listens to what the former user was allowed may go on: without looking at what
// is listened to.
bool keeps_channels(const User& former, const User& user);

}  // namespace respcask::server::acl

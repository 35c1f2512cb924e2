#include "server/acl/permission.h"

#include <algorithm>

#include "server/glob.h"

namespace respcask::server::acl {
namespace {

bool has_keys(const Command& row) {
  if (row.find_keys != nullptr) return true;
  return std::any_of(row.keys.begin(), row.keys.end(),
                     [](const KeySpec& spec) { return (spec.flags & kNotKey) == 0; });
}

// The keys of one request, found once for all selectors, and only if one asks.
class Keys {
 public:
  Keys(const TableEntry& command, std::span<const std::string_view> args)
      : command_(command), args_(args) {}

  const std::vector<KeyPosition>& get() {
    if (!known_ && has_keys(*command_.row)) {
      // Arguments that make no sense have no keys: the command will say what is wrong with them.
      if (!find_keys(command_, args_, keys_)) keys_.clear();
      add_own();
    }
    known_ = true;
    return keys_;
  }

 private:
  // Key specifications know the first STORE of GEORADIUS, its handler writes to the last: what a
  // command's own finder finds is what it does.
  void add_own() {
    std::vector<KeyPosition> own;
    if (command_.row->find_keys == nullptr || !command_.row->find_keys(args_, own)) return;
    for (const KeyPosition& key : own) {
      const auto is_there = [&](const KeyPosition& other) {
        return other.index == key.index && other.flags == key.flags;
      };
      if (std::none_of(keys_.begin(), keys_.end(), is_there)) keys_.push_back(key);
    }
  }

  const TableEntry& command_;
  const std::span<const std::string_view> args_;
  std::vector<KeyPosition> keys_;
  bool known_ = false;
};

// A key whose mere existence is asked about needs a pattern, whatever that allows.
bool allows_key(const Selector& selector, std::string_view key, uint16_t flags) {
  const bool reads = (flags & kAccess) != 0;
  const bool writes = (flags & (kInsert | kDelete | kUpdate)) != 0;
  return std::any_of(selector.keys.begin(), selector.keys.end(), [&](const KeyPattern& pattern) {
    return (pattern.read || !reads) && (pattern.write || !writes) && glob_match(pattern.glob, key);
  });
}

bool allows_channel(const Selector& selector, std::string_view channel, bool is_pattern) {
  if (selector.all_channels) return true;
  return std::any_of(selector.channels.begin(), selector.channels.end(),
                     [&](const std::string& allowed) {
                       return is_pattern ? allowed == channel : glob_match(allowed, channel);
                     });
}

bool allows_command(const Selector& selector, const TableEntry& command,
                    std::span<const std::string_view> args) {
  if (selector.commands.all() || (command.flags & kNoAuth) != 0) return true;
  if (selector.commands.contains(command.index)) return true;
  return args.size() > 1 && command.parent == nullptr &&
         selector.commands.allows_first_arg(command.index, args[1]);
}

// The arguments that are channels.
std::span<const std::string_view> channels_of(const TableEntry& command,
                                              std::span<const std::string_view> args) {
  if ((command.flags & kPublishes) != 0) return args.subspan(1, 1);
  if ((command.flags & kSubscribes) != 0) return args.subspan(1);
  return {};
}

std::optional<Denial> find_denial(const Selector& selector, const TableEntry& command,
                                  std::span<const std::string_view> args, Keys& keys) {
  if (!allows_command(selector, command, args)) return Denial{Lack::kCommand, 0};
  if (!selector.all_keys) {
    for (const KeyPosition& key : keys.get()) {
      const auto at = static_cast<size_t>(key.index);
      if (!allows_key(selector, args[at], key.flags)) return Denial{Lack::kKey, at};
    }
  }
  if (selector.all_channels) return std::nullopt;
  const std::span<const std::string_view> channels = channels_of(command, args);
  for (size_t i = 0; i < channels.size(); ++i) {
    if (!allows_channel(selector, channels[i], (command.flags & kOfPatterns) != 0)) {
      return Denial{Lack::kChannel, 1 + i};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Denial> find_denial(const User& user, const TableEntry& command,
                                  std::span<const std::string_view> args) {
  Keys keys(command, args);
  Denial nearest;
  for (const Selector& selector : user.selectors) {
    const std::optional<Denial> denial = find_denial(selector, command, args, keys);
    if (!denial) return std::nullopt;
    if (denial->lack > nearest.lack ||
        (denial->lack == nearest.lack && denial->argument > nearest.argument)) {
      nearest = *denial;
    }
  }
  return nearest;
}

bool may_read_every_key(const User& user, const TableEntry& command,
                        std::span<const std::string_view> args) {
  Keys keys(command, args);
  return std::any_of(user.selectors.begin(), user.selectors.end(), [&](const Selector& selector) {
    if (find_denial(selector, command, args, keys)) return false;
    return selector.all_keys ||
           std::any_of(selector.keys.begin(), selector.keys.end(),
                       [](const KeyPattern& key) { return key.read && key.glob == "*"; });
  });
}

bool may_use_channel(const User& user, std::string_view channel, bool is_pattern) {
  return std::any_of(user.selectors.begin(), user.selectors.end(), [&](const Selector& selector) {
    return allows_channel(selector, channel, is_pattern);
  });
}

bool keeps_channels(const User& former, const User& user) {
  const auto all = [](const Selector& selector) { return selector.all_channels; };
  if (std::any_of(user.selectors.begin(), user.selectors.end(), all)) return true;
  return std::all_of(former.selectors.begin(), former.selectors.end(), [&](const Selector& had) {
    return !had.all_channels &&
           std::all_of(had.channels.begin(), had.channels.end(), [&](const std::string& channel) {
             return may_use_channel(user, channel, true);
           });
  });
}

}  // namespace respcask::server::acl

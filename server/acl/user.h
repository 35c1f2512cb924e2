// User: a name, how it may log in, and what it may do then.
//
// What it may do is said by selectors, the first of which is the user's own ("+get ~a*") and always
// there; a command may run if one selector allows all of it. Users that a server has are never
// changed: a changed copy takes their place (registry.h), and both may be read meanwhile.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl/command_set.h"
#include "server/config/config.h"

namespace respcask::server::acl {

struct KeyPattern {
  std::string glob;
  bool read = false;
  bool write = false;
};

struct Selector {
  explicit Selector(size_t command_count) : commands(command_count) {}

  CommandSet commands;
  bool all_keys = false;
  bool all_channels = false;
  std::vector<KeyPattern> keys;       // none of them if all_keys
  std::vector<std::string> channels;  // globs; none if all_channels

  bool allows_everything() const { return commands.all() && all_keys && all_channels; }
};

// Whether RESTORE is to check payloads thoroughly. It always does here; the word is kept for the
// listing.
enum class Sanitize : uint8_t { kUnsaid, kSkip, kYes };

struct User {
  // A new user: off, without passwords, and with one selector that allows nothing but perhaps all
  // channels. `commands` is Vocabulary::size().
  User(std::string_view name, size_t commands, AclPubsubDefault channels);

  std::string name;
  // Tells a user from one of the same name that was deleted; stays when the user is changed. The
  // registry gives it.
  uint64_t id = 0;
  bool enabled = false;
  bool nopass = false;  // any password will do
  Sanitize sanitize = Sanitize::kUnsaid;
  std::vector<std::string> passwords;  // SHA-256 in hexadecimal digits
  std::vector<Selector> selectors;     // at least one

  bool allows_everything() const;
  // Whether the user may log in with this password. Takes no longer for a password that is nearly
  // right.
  bool may_log_in(std::string_view password) const;
};

// Names and patterns stand in lines of words: white space and NUL would break them.
bool has_spaces(std::string_view text);

}  // namespace respcask::server::acl

// Listing: a user told in rules again, in Redis's normal form, as ACL LIST, GETUSER, SAVE and
// CONFIG REWRITE write them. Applied to a new user, what is listed for a file gives the same user.
//
// Pure functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "server/acl/user.h"
#include "server/acl/vocabulary.h"

namespace respcask::server::acl {

enum class Listing : bool { kReply, kFile };

// "on", "nopass", ... in their order.
std::vector<std::string_view> flag_words(const User& user);

// "+@all -@admin +get": from nothing or everything, the categories that come nearest, and then the
// commands by name that differ still.
std::string list_commands(const CommandSet& set, const Vocabulary& vocabulary);
// "~a* %R~b", "~*" for all. One pattern of several may be "*" too, for who may read by one rule and
// write by another; in a file it is "%RW~*", as behind "~*" no more patterns are taken.
std::string list_keys(const Selector& selector, Listing listing = Listing::kReply);
// "&a &b*", "&*" for all.
std::string list_channels(const Selector& selector);

// "on #digest ~* resetchannels -@all +get (%R~x resetchannels -@all)": what follows the name. Redis
// lists selectors without quotes; in a file a pattern with a quote or parenthesis in it would be
// read as something else there, and so is quoted.
std::string list_rules(const User& user, const Vocabulary& vocabulary,
                       Listing listing = Listing::kReply);

// The words of a text, those that hold one of `bytes` between double quotes, for resp::split_args.
std::string quote_words(std::string_view text, std::string_view bytes);

}  // namespace respcask::server::acl

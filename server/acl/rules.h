// Rules: the words that make a user what it is ("on", ">secret", "+@read", "~cache:*", "(+get
// ~x)"), as ACL SETUSER, `user` lines and ACL files have them. The errors are Redis's.
//
// Pure functions; any thread.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl/user.h"
#include "server/acl/vocabulary.h"

namespace respcask::server::acl {

// What rules are read against.
struct RuleContext {
  const Vocabulary& vocabulary;
  AclPubsubDefault channels = AclPubsubDefault::kResetchannels;  // of new selectors
};

// What apply_rule() says of a command or category that there is not.
inline constexpr std::string_view kUnknownCommand = "Unknown command or category name in ACL";

// Applies one rule. What is wrong with it, as a sentence without a full stop; "" if nothing. A
// user is left as it was by a rule that is wrong.
std::string_view apply_rule(User& user, std::string_view rule, const RuleContext& context);

// The words of a selector that was split at its spaces, "(+get" "~x)", put together again.
struct MergedRules {
  std::vector<std::string> rules;
  std::optional<size_t> unmatched;  // the word whose parenthesis is never closed
};
MergedRules merge_selectors(std::span<const std::string_view> words);

// Applies all rules or none. The error as ACL SETUSER replies it, without "ERR "; nothing if all
// went well.
std::optional<std::string> apply_rules(User& user, std::span<const std::string_view> words,
                                       const RuleContext& context);

}  // namespace respcask::server::acl

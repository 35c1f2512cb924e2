#include "server/acl/rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "resp/split_args.h"
#include "server/letter_case.h"
#include "server/sha256.h"

namespace respcask::server::acl {
namespace {

constexpr std::string_view kSyntax = "Syntax error";
constexpr std::string_view kFirstArgOfSubcommand =
    "Allowing first-arg of a subcommand is not supported";
constexpr std::string_view kKeyAfterAll =
    "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and does not have "
    "any effect. Try 'resetkeys' to start with an empty list of patterns";
constexpr std::string_view kChannelAfterAll =
    "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid and does not "
    "have any effect. Try 'resetchannels' to start with an empty list of channels";
constexpr std::string_view kBadDigest =
    "The password hash must be exactly 64 characters and contain only lowercase hexadecimal "
    "characters";
constexpr std::string_view kNoSuchPassword =
    "The password you are trying to remove from the user does not exist";

// What Redis reads as a C string ends at a NUL.
std::string_view c_string(std::string_view text) {
  return text.substr(0, text.find('\0'));
}

// --- commands -----------------------------------------------------------------------------------

uint32_t category_named(std::string_view name) {
  for (uint32_t bit = 1; !category_name(bit).empty(); bit <<= 1) {
    if (equal_ignoring_case(name, category_name(bit))) return bit;
  }
  return 0;
}

// "+config|get" adds a subcommand, "+select|0" a command with one first argument.
std::string_view add_command_part(Selector& selector, std::string_view name,
                                  const RuleContext& context) {
  const size_t bar = name.rfind('|');
  const CommandName* command = context.vocabulary.find(name.substr(0, bar));
  if (command == nullptr) return kUnknownCommand;
  if (command->parent != nullptr) return kFirstArgOfSubcommand;
  const std::string_view part = name.substr(bar + 1);
  // White space would begin a new word where the rule is listed, and so another rule.
  if (part.empty() || has_spaces(part)) return kSyntax;
  if (command->subcommands.empty()) {
    selector.commands.allow_first_arg(*command, part);
    return {};
  }
  const CommandName* sub = context.vocabulary.find(name);
  if (sub == nullptr) return kUnknownCommand;
  selector.commands.set(*sub, true);
  return {};
}

// `rule` begins with '+' or '-'.
std::string_view change_commands(Selector& selector, std::string_view rule,
                                 const RuleContext& context) {
  const bool allowed = rule[0] == '+';
  const std::string_view name = rule.substr(1);
  if (name.starts_with('@')) {
    const uint32_t category = category_named(name.substr(1));
    if (category == 0) return kUnknownCommand;
    selector.commands.set_category(context.vocabulary, category, allowed);
    return {};
  }
  if (allowed && name.find('|') != name.npos) return add_command_part(selector, name, context);
  const CommandName* command = context.vocabulary.find(name);
  if (command == nullptr) return kUnknownCommand;
  selector.commands.set(*command, allowed);
  return {};
}

// --- keys and channels --------------------------------------------------------------------------

// `rule` begins with '~' or '%'.
std::string_view add_key_pattern(Selector& selector, std::string_view rule) {
  if (selector.all_keys) return kKeyAfterAll;
  KeyPattern pattern;
  size_t at = 1;
  if (rule[0] == '~') {
    pattern.read = pattern.write = true;
  } else {
    for (; at < rule.size() && rule[at] != '~'; ++at) {
      const char letter = rule[at];
      if ((letter == 'R' || letter == 'r') && !pattern.read) {
        pattern.read = true;
      } else if ((letter == 'W' || letter == 'w') && !pattern.write) {
        pattern.write = true;
      } else {
        return kSyntax;
      }
    }
    if (!pattern.read && !pattern.write) return kSyntax;
    at = std::min(at + 1, rule.size());
  }
  pattern.glob = rule.substr(at);
  if (has_spaces(pattern.glob)) return kSyntax;
  const auto known = std::find_if(selector.keys.begin(), selector.keys.end(),
                                  [&](const KeyPattern& k) { return k.glob == pattern.glob; });
  if (known == selector.keys.end()) {
    selector.keys.push_back(std::move(pattern));
  } else {
    known->read |= pattern.read;
    known->write |= pattern.write;
  }
  return {};
}

std::string_view add_channel(Selector& selector, std::string_view glob) {
  if (selector.all_channels) return kChannelAfterAll;
  if (has_spaces(glob)) return kSyntax;
  auto& channels = selector.channels;
  if (std::find(channels.begin(), channels.end(), glob) == channels.end()) {
    channels.emplace_back(glob);
  }
  return {};
}

void set_all_keys(Selector& selector, bool all) {
  selector.all_keys = all;
  selector.keys.clear();
}

void set_all_channels(Selector& selector, bool all) {
  selector.all_channels = all;
  selector.channels.clear();
}

std::string_view change_selector(Selector& selector, std::string_view rule,
                                 const RuleContext& context) {
  const std::string_view word = c_string(rule);
  const auto is = [&](std::string_view known) { return equal_ignoring_case(word, known); };
  if (is("allkeys") || is("~*")) {
    set_all_keys(selector, true);
  } else if (is("resetkeys")) {
    set_all_keys(selector, false);
  } else if (is("allchannels") || is("&*")) {
    set_all_channels(selector, true);
  } else if (is("resetchannels")) {
    set_all_channels(selector, false);
  } else if (is("allcommands") || is("+@all")) {
    selector.commands.allow_all();
  } else if (is("nocommands") || is("-@all")) {
    selector.commands.deny_all();
  } else if (rule[0] == '~' || rule[0] == '%') {
    return add_key_pattern(selector, rule);
  } else if (rule[0] == '&') {
    return add_channel(selector, rule.substr(1));
  } else if (rule[0] == '+' || rule[0] == '-') {
    return change_commands(selector, word, context);
  } else {
    return kSyntax;
  }
  return {};
}

// --- the user itself ----------------------------------------------------------------------------

bool is_digest(std::string_view text) {
  return text.size() == 2 * sizeof(Sha256Digest) &&
         text.find_first_not_of("0123456789abcdef") == text.npos;
}

// `rule` begins with '>' or '<' and a password, or '#' or '!' and a digest.
std::string_view change_passwords(User& user, std::string_view rule) {
  const bool adds = rule[0] == '>' || rule[0] == '#';
  const bool is_plain = rule[0] == '>' || rule[0] == '<';
  if (!is_plain && !is_digest(rule.substr(1))) return kBadDigest;
  std::string digest = is_plain ? hex(sha256(rule.substr(1))) : std::string(rule.substr(1));
  const auto known = std::find(user.passwords.begin(), user.passwords.end(), digest);
  if (!adds) {
    if (known == user.passwords.end()) return kNoSuchPassword;
    user.passwords.erase(known);
    return {};
  }
  if (known == user.passwords.end()) user.passwords.push_back(std::move(digest));
  user.nopass = false;
  return {};
}

std::string_view add_selector(User& user, std::string_view rule, const RuleContext& context) {
  Selector selector(context.vocabulary.size());
  selector.all_channels = context.channels == AclPubsubDefault::kAllchannels;
  // As in Redis, quotes group here too, and what does not balance is nothing.
  const auto words = resp::split_args(rule.substr(1, rule.size() - 2));
  if (words) {
    for (const std::string& word : *words) {
      if (word.empty()) return kSyntax;
      const std::string_view wrong = change_selector(selector, word, context);
      if (!wrong.empty()) return wrong;
    }
  }
  user.selectors.push_back(std::move(selector));
  return {};
}

void clear_selectors(User& user) {
  user.selectors.erase(user.selectors.begin() + 1, user.selectors.end());
}

void reset(User& user, const RuleContext& context) {
  user.passwords.clear();
  user.enabled = user.nopass = false;
  user.sanitize = Sanitize::kYes;
  clear_selectors(user);
  Selector& root = user.selectors.front();
  set_all_keys(root, false);
  set_all_channels(root, context.channels == AclPubsubDefault::kAllchannels);
  root.commands.deny_all();
}

}  // namespace

std::string_view apply_rule(User& user, std::string_view rule, const RuleContext& context) {
  if (rule.empty()) return {};
  const std::string_view word = c_string(rule);
  const auto is = [&](std::string_view known) { return equal_ignoring_case(word, known); };
  if (is("on")) {
    user.enabled = true;
  } else if (is("off")) {
    user.enabled = false;
  } else if (is("nopass")) {
    user.nopass = true;
    user.passwords.clear();
  } else if (is("resetpass")) {
    user.nopass = false;
    user.passwords.clear();
  } else if (is("skip-sanitize-payload")) {
    user.sanitize = Sanitize::kSkip;
  } else if (is("sanitize-payload")) {
    user.sanitize = Sanitize::kYes;
  } else if (is("clearselectors")) {
    clear_selectors(user);
  } else if (is("reset")) {
    reset(user, context);
  } else if (rule[0] == '>' || rule[0] == '#' || rule[0] == '<' || rule[0] == '!') {
    return change_passwords(user, rule);
  } else if (rule[0] == '(' && rule.back() == ')') {
    return add_selector(user, rule, context);
  } else {
    return change_selector(user.selectors.front(), rule, context);
  }
  return {};
}

MergedRules merge_selectors(std::span<const std::string_view> words) {
  MergedRules merged;
  for (size_t i = 0; i < words.size(); ++i) {
    const std::string_view word = words[i];
    const bool opens = word.starts_with('(') && !word.ends_with(')');
    if (!merged.unmatched) {
      merged.rules.emplace_back(word);
    } else if (opens) {
      merged.rules.back() = word;  // as in Redis it takes the place of the one that is open
    } else {
      merged.rules.back().append(" ").append(word);
      if (word.ends_with(')')) merged.unmatched.reset();
    }
    if (opens) merged.unmatched = i;
  }
  return merged;
}

std::optional<std::string> apply_rules(User& user, std::span<const std::string_view> words,
                                       const RuleContext& context) {
  const MergedRules merged = merge_selectors(words);
  if (merged.unmatched) {
    return fmt::format("Unmatched parenthesis in acl selector starting at '{}'.",
                       c_string(words[*merged.unmatched]));
  }
  User changed = user;
  for (const std::string& rule : merged.rules) {
    const std::string_view wrong = apply_rule(changed, rule, context);
    if (!wrong.empty()) {
      return fmt::format("Error in ACL SETUSER modifier '{}': {}", c_string(rule), wrong);
    }
  }
  user = std::move(changed);
  return std::nullopt;
}

}  // namespace respcask::server::acl

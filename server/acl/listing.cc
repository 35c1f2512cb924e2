#include "server/acl/listing.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <limits>

namespace respcask::server::acl {
namespace {

void append_word(std::string& text, std::string_view word) {
  if (!text.empty()) text += ' ';
  text += word;
}

// How many commands of a category are in a set, and how many are not.
struct Share {
  size_t in = 0;
  size_t out = 0;
};

// Of each category, by the number of its bit.
std::array<Share, 32> shares_of(const Vocabulary& vocabulary, const CommandSet& set) {
  std::array<Share, 32> shares{};
  for (const CommandName* command : vocabulary.all()) {
    const bool in = set.contains(command->index);
    for (uint32_t left = command->categories; left != 0; left &= left - 1) {
      Share& share = shares[static_cast<size_t>(std::countr_zero(left))];
      ++(in ? share.in : share.out);
    }
  }
  return shares;
}

// Names categories one by one, each the one that says the most of what `rest` still has to be told
// and the least that is wrong: more right than wrong, then the fewest wrong, then the most right.
// `told` is what has been said so far.
void list_categories(std::string& text, const Vocabulary& vocabulary, CommandSet rest,
                     CommandSet& told) {
  const bool adds = !rest.open();
  uint32_t named = 0;
  for (;;) {
    const auto shares = shares_of(vocabulary, rest);
    uint32_t best = 0;
    size_t least_wrong = std::numeric_limits<size_t>::max(), most_right = 0;
    for (uint32_t category = 1; !category_name(category).empty(); category <<= 1) {
      if ((named & category) != 0) continue;
      const Share share = shares[static_cast<size_t>(std::countr_zero(category))];
      const size_t right = adds ? share.in : share.out, wrong = adds ? share.out : share.in;
      if (right <= wrong || wrong > least_wrong) continue;
      if (wrong == least_wrong && right <= most_right) continue;
      best = category;
      least_wrong = wrong;
      most_right = right;
    }
    if (best == 0) return;
    named |= best;
    append_word(text, adds ? "+@" : "-@");
    text += category_name(best);
    told.set_category(vocabulary, best, adds);
    rest.set_category(vocabulary, best, !adds);
  }
}

// Names every command that `told` has wrong, and the first arguments.
void list_single(std::string& text, const Vocabulary& vocabulary, const CommandSet& set,
                 CommandSet& told) {
  for (const CommandName* command : vocabulary.all()) {
    const bool allowed = set.contains(command->index);
    if (allowed != told.contains(command->index)) {
      append_word(text, allowed ? "+" : "-");
      text += command->full_name;
      told.set(*command, allowed);
    }
    if (allowed) continue;
    for (const std::string& arg : set.first_args(command->index)) {
      append_word(text, "+");
      text.append(command->full_name).append("|").append(arg);
    }
  }
}

std::string list_selector(const Selector& selector, const Vocabulary& vocabulary, Listing listing) {
  std::string text = list_keys(selector, listing);
  if (!selector.all_channels) append_word(text, "resetchannels");
  if (const std::string channels = list_channels(selector); !channels.empty()) {
    append_word(text, channels);
  }
  append_word(text, list_commands(selector.commands, vocabulary));
  return text;
}

}  // namespace

std::vector<std::string_view> flag_words(const User& user) {
  std::vector<std::string_view> words = {user.enabled ? "on" : "off"};
  if (user.nopass) words.push_back("nopass");
  if (user.sanitize == Sanitize::kSkip) words.push_back("skip-sanitize-payload");
  if (user.sanitize == Sanitize::kYes) words.push_back("sanitize-payload");
  return words;
}

std::string list_commands(const CommandSet& set, const Vocabulary& vocabulary) {
  CommandSet told(vocabulary.size());
  if (set.open()) told.allow_all();
  std::string text = set.open() ? "+@all" : "-@all";
  list_categories(text, vocabulary, set, told);
  list_single(text, vocabulary, set, told);
  // What is read back must never allow more than the user has.
  assert(told.same_commands(set));
  return text;
}

std::string list_keys(const Selector& selector, Listing listing) {
  if (selector.all_keys) return "~*";
  std::string text;
  for (const KeyPattern& pattern : selector.keys) {
    const bool both = pattern.read && pattern.write;
    const std::string_view mark =
        !both ? (pattern.read ? "%R~" : "%W~")
              : (listing == Listing::kFile && pattern.glob == "*" ? "%RW~" : "~");
    append_word(text, mark);
    text += pattern.glob;
  }
  return text;
}

std::string list_channels(const Selector& selector) {
  if (selector.all_channels) return "&*";
  std::string text;
  for (const std::string& channel : selector.channels) {
    append_word(text, "&");
    text += channel;
  }
  return text;
}

std::string list_rules(const User& user, const Vocabulary& vocabulary, Listing listing) {
  std::string text;
  for (std::string_view word : flag_words(user)) append_word(text, word);
  for (const std::string& digest : user.passwords) append_word(text, "#" + digest);
  append_word(text, list_selector(user.selectors.front(), vocabulary, listing));
  for (size_t i = 1; i < user.selectors.size(); ++i) {
    std::string selector = list_selector(user.selectors[i], vocabulary, listing);
    if (listing == Listing::kFile) selector = quote_words(selector, "\"')");
    append_word(text, "(" + selector + ")");
  }
  return text;
}

std::string quote_words(std::string_view text, std::string_view bytes) {
  std::string quoted;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string_view word = text.substr(at, end - at);
    at = end + 1;
    if (word.find_first_of(bytes) == word.npos) {
      append_word(quoted, word);
      continue;
    }
    append_word(quoted, "\"");
    for (const char c : word) {
      if (c == '"' || c == '\\') quoted += '\\';
      quoted += c;
    }
    quoted += '"';
  }
  return quoted;
}

}  // namespace respcask::server::acl

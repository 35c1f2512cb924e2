#include "server/acl/file.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "server/acl/listing.h"

namespace respcask::server::acl {
namespace {

std::string_view trim(std::string_view text, std::string_view bytes) {
  const size_t first = text.find_first_not_of(bytes);
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(bytes) - first + 1);
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == text.npos) return parts;
    text.remove_prefix(end + 1);
  }
}

// One line of the file.
class Line {
 public:
  Line(std::string_view file, size_t number, std::string& errors)
      : place_(fmt::format("{}:{}", file, number)), number_(number), errors_(errors) {}

  void read(std::string_view text, std::vector<User>& users, const RuleContext& context) {
    const std::vector<std::string_view> words = split(text, ' ');
    if (words[0] != "user" || words.size() < 2) {
      errors_ +=
          fmt::format("{} should start with user keyword followed by the username. ", place_);
      return;
    }
    const std::string_view name = words[1];
    if (has_spaces(name)) {
      errors_ += fmt::format("'{}: username '{}' contains invalid characters. ", place_, name);
      return;
    }
    if (std::any_of(users.begin(), users.end(), [&](const User& u) { return u.name == name; })) {
      errors_ += fmt::format("WARNING: Duplicate user '{}' found on line {}. ", name, number_);
      return;
    }
    User& user = users.emplace_back(name, context.vocabulary.size(), context.channels);
    apply(user, std::span(words).subspan(2), context);
  }

 private:
  // Unknown commands are all named. Of other errors only the first is told, as it may have led to
  // the rest.
  void apply(User& user, std::span<const std::string_view> words, const RuleContext& context) {
    const MergedRules merged = merge_selectors(words);
    if (merged.unmatched) {
      // As in Redis not as for a client, and with nothing between it and what follows.
      errors_ += fmt::format("{}: Unmatched parenthesis in selector definition.", place_);
      return;
    }
    bool failed = false;
    for (const std::string& each : merged.rules) {
      const std::string_view rule = trim(each, "\t\r\n");
      const std::string_view wrong = apply_rule(user, rule, context);
      if (wrong.empty()) continue;
      if (wrong == kUnknownCommand) {
        errors_ += fmt::format("{}: Error in applying operation '{}': {}. ", place_, rule, wrong);
      } else if (!std::exchange(failed, true)) {
        errors_ += fmt::format("{}: {}. ", place_, wrong);
      }
    }
  }

  const std::string place_;
  const size_t number_;
  std::string& errors_;
};

}  // namespace

ParsedFile parse_file(std::string_view text, std::string_view name, const RuleContext& context) {
  ParsedFile parsed;
  const std::vector<std::string_view> lines = split(text, '\n');
  for (size_t i = 0; i < lines.size(); ++i) {
    const std::string_view line = trim(lines[i], " \t\r\n");
    if (!line.empty()) Line(name, i + 1, parsed.errors).read(line, parsed.users, context);
  }
  return parsed;
}

std::string write_file(const std::vector<UserPtr>& users, const Vocabulary& vocabulary) {
  std::string text;
  for (const UserPtr& user : users) {
    text += fmt::format("user {} {}\n", user->name, list_rules(*user, vocabulary, Listing::kFile));
  }
  return text;
}

}  // namespace respcask::server::acl

// Fuzz target: whatever rules a user is made of, it can be listed, what is listed for a file is
// read back as the same user, and rules that are refused change nothing.
//
// Input: a byte whose lowest bit gives new selectors all channels; then pieces of rules, one for
// each byte. Most bytes stand for a piece of the table below, the others for themselves.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "server/acl/file.h"
#include "server/acl/listing.h"
#include "server/acl/permission.h"
#include "server/acl/rules.h"

namespace respcask::server::acl {
namespace {

constexpr std::string_view kPieces[] = {
    "\n",
    "\n",
    "\n",
    "\n",
    "\n+",
    "\n-",
    "\n+@",
    "\n-@",
    "all",
    "get",
    "set",
    "config",
    "|",
    "|get",
    "|x",
    "select|0",
    "client",
    "debug|object",
    "read",
    "write",
    "slow",
    "xgroup",
    "dangerous",
    "scripting",
    "\n(",
    "(",
    ")",
    " ",
    " ~",
    " +",
    " -@",
    " &",
    "\n~",
    "\n%R~",
    "\n%W~",
    "\n%",
    "\n&",
    "*",
    "a",
    "b*",
    "\"",
    "'",
    "\\",
    "\t",
    "\n>p",
    "\n<p",
    "\n#",
    "\non",
    "\noff",
    "\nnopass",
    "\nreset",
    "\nresetpass",
    "\nresetkeys",
    "\nresetchannels",
    "\nallkeys",
    "\nallchannels",
    "\nclearselectors",
    "\nsanitize-payload",
    "\nnocommands",
};

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

std::string rules_of(std::string_view input) {
  std::string text;
  for (const char c : input) {
    const auto byte = static_cast<uint8_t>(c);
    if (byte < 220) {
      text += kPieces[byte % std::size(kPieces)];
    } else {
      text += static_cast<char>(byte);
    }
  }
  return text;
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return words;
}

// Whether two users may do the same, as far as some commands tell.
void require_same_permissions(const User& one, const User& two, const CommandTable& table) {
  const std::vector<std::string_view> requests[] = {
      {"get", "a"},          {"set", "b", "x"},        {"config", "get", "x"},
      {"select", "0"},       {"client", "id"},         {"psubscribe", "a"},
      {"publish", "b", "m"}, {"debug", "object", "a"}, {"copy", "a", "b"}};
  for (const auto& args : requests) {
    const TableEntry& command = *table.find(args);
    require(
        find_denial(one, command, args).has_value() == find_denial(two, command, args).has_value(),
        "a user that was read back may do something else");
  }
}

void run(std::string_view input) {
  static const CommandTable table;
  static const Vocabulary vocabulary(table);
  const bool all_channels = !input.empty() && (input[0] & 1) != 0;
  const RuleContext context{
      vocabulary, all_channels ? AclPubsubDefault::kAllchannels : AclPubsubDefault::kResetchannels};
  const std::string text = rules_of(input.substr(std::min<size_t>(input.size(), 1)));
  User user("u", vocabulary.size(), context.channels);
  bool refused = false;
  for (const std::string_view word : split(text)) {
    const User before = user;
    if (apply_rule(user, word, context).empty() || std::exchange(refused, true)) continue;
    require(list_rules(user, vocabulary) == list_rules(before, vocabulary),
            "a rule that was refused changed something");
  }
  User at_once("u", vocabulary.size(), context.channels);
  if (apply_rules(at_once, split(text), context)) {
    require(list_rules(at_once, vocabulary) ==
                list_rules(User("u", vocabulary.size(), context.channels), vocabulary),
            "rules that were refused changed something");
  }
  std::string before;
  for (const User& each : {user, at_once}) {
    const std::string listed = list_rules(each, vocabulary, Listing::kFile);
    if (listed == std::exchange(before, listed)) continue;
    const ParsedFile parsed = parse_file("user u " + listed + "\n", "f", {vocabulary});
    require(parsed.errors.empty() && parsed.users.size() == 1, "what was listed was refused");
    require(list_rules(parsed.users[0], vocabulary, Listing::kFile) == listed,
            "what was listed was read as another user");
    require_same_permissions(each, parsed.users[0], table);
  }
  parse_file(text, "f", context);
}

}  // namespace
}  // namespace respcask::server::acl

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  respcask::server::acl::run({reinterpret_cast<const char*>(data), size});
  return 0;
}

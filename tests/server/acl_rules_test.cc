#include "server/acl/rules.h"

#include <doctest/doctest.h>

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "server/acl/file.h"
#include "server/acl/listing.h"
#include "server/acl/registry.h"

namespace respcask::server::acl {
namespace {

const Vocabulary& vocabulary() {
  static const Vocabulary made{CommandTable()};
  return made;
}

constexpr AclPubsubDefault kNone = AclPubsubDefault::kResetchannels;
constexpr AclPubsubDefault kAll = AclPubsubDefault::kAllchannels;

// What a new user is after these rules, or the error.
std::string listed(std::initializer_list<std::string_view> rules,
                   AclPubsubDefault channels = kNone) {
  User user("u", vocabulary().size(), channels);
  const std::vector<std::string_view> words(rules);
  const auto wrong = apply_rules(user, words, {vocabulary(), channels});
  return wrong ? *wrong : list_rules(user, vocabulary());
}

std::string error_of(std::string_view rule, std::string_view why) {
  return "Error in ACL SETUSER modifier '" + std::string(rule) + "': " + std::string(why);
}

constexpr std::string_view kUnknown = "Unknown command or category name in ACL";
constexpr std::string_view kSyntax = "Syntax error";
constexpr std::string_view kSecretDigest =
    "2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b";

TEST_CASE("acl rules: a new user may do nothing") {
  CHECK(listed({}) == "off resetchannels -@all");
  CHECK(listed({""}) == "off resetchannels -@all");
  CHECK(listed({}, kAll) == "off &* -@all");
}

TEST_CASE("acl rules: what concerns the user itself") {
  CHECK(listed({"on", "nopass"}) == "on nopass resetchannels -@all");
  CHECK(listed({"ON", "off"}) == "off resetchannels -@all");
  CHECK(listed({"sanitize-payload"}) == "off sanitize-payload resetchannels -@all");
  CHECK(listed({"sanitize-payload", "skip-sanitize-payload"}) ==
        "off skip-sanitize-payload resetchannels -@all");
  CHECK(listed({"on", "nopass", "~*", "&*", "+@all", "(+get)", "reset"}) ==
        "off sanitize-payload resetchannels -@all");
  CHECK(listed({"reset"}, kAll) == "off sanitize-payload &* -@all");
}

TEST_CASE("acl rules: passwords are kept as digests") {
  const std::string digest(kSecretDigest);
  CHECK(listed({">secret"}) == "off #" + digest + " resetchannels -@all");
  CHECK(listed({">secret", "#" + digest, "nopass", ">secret"}) ==
        "off #" + digest + " resetchannels -@all");
  CHECK(listed({">secret", "nopass"}) == "off nopass resetchannels -@all");
  CHECK(listed({">secret", "<secret"}) == "off resetchannels -@all");
  CHECK(listed({">secret", "!" + digest}) == "off resetchannels -@all");
  CHECK(listed({"nopass", "resetpass"}) == "off resetchannels -@all");
  CHECK(listed({"<secret"}) ==
        error_of("<secret", "The password you are trying to remove from the user does not exist"));
  for (const std::string& bad : {digest.substr(1), digest + "0", "A" + digest.substr(1)}) {
    CHECK(listed({"#" + bad}) ==
          error_of("#" + bad,
                   "The password hash must be exactly 64 characters and contain only lowercase "
                   "hexadecimal characters"));
  }
}

TEST_CASE("acl rules: a password logs in, and none of its neighbours does") {
  User user("u", vocabulary().size(), kNone);
  const std::vector<std::string_view> rules = {"on", ">secret", ">other"};
  CHECK_FALSE(apply_rules(user, rules, {vocabulary()}));
  CHECK(user.may_log_in("secret"));
  CHECK(user.may_log_in("other"));
  CHECK_FALSE(user.may_log_in("secreT"));
  CHECK_FALSE(user.may_log_in(""));
  CHECK_FALSE(user.may_log_in(kSecretDigest));
  user.enabled = false;
  CHECK_FALSE(user.may_log_in("secret"));
}

TEST_CASE("acl rules: keys and channels") {
  CHECK(listed({"~a", "%R~b", "%w~c", "%RW~d", "%WR~e"}) ==
        "off ~a %R~b %W~c ~d ~e resetchannels -@all");
  CHECK(listed({"%R~a", "%W~a"}) == "off ~a resetchannels -@all");
  CHECK(listed({"~a", "allkeys"}) == "off ~* resetchannels -@all");
  CHECK(listed({"~a", "resetkeys"}) == "off resetchannels -@all");
  CHECK(listed({"%R"}) == "off %R~ resetchannels -@all");
  CHECK(listed({"%R~a~b"}) == "off %R~a~b resetchannels -@all");
  for (const char* bad : {"%", "%~a", "%RR~a", "%X~a", "~a b", "~a\tb"}) {
    CHECK(listed({bad}) == error_of(bad, kSyntax));
  }
  CHECK(listed({"~*", "~a"}) ==
        error_of("~a",
                 "Adding a pattern after the * pattern (or the 'allkeys' flag) is not valid and "
                 "does not have any effect. Try 'resetkeys' to start with an empty list of "
                 "patterns"));
  CHECK(listed({"&a", "&b*", "&a"}) == "off resetchannels &a &b* -@all");
  CHECK(listed({"&a", "allchannels"}) == "off &* -@all");
  CHECK(listed({"&a b"}) == error_of("&a b", kSyntax));
  CHECK(listed({"&a"}, kAll) ==
        error_of("&a",
                 "Adding a pattern after the * pattern (or the 'allchannels' flag) is not valid "
                 "and does not have any effect. Try 'resetchannels' to start with an empty list "
                 "of channels"));
}

TEST_CASE("acl rules: commands, containers and first arguments") {
  CHECK(listed({"+GET"}) == "off resetchannels -@all +get");
  CHECK(listed({"+@all", "-get"}) == "off resetchannels +@all -get");
  CHECK(listed({"allcommands", "-get", "+get"}) == "off resetchannels +@all");
  CHECK(listed({"+config|get"}) == "off resetchannels -@all +config|get");
  CHECK(listed({"+config", "-config|get"}).find("-config|get") != std::string::npos);
  CHECK(listed({"+config|get", "+config"}) == "off resetchannels -@all +config");
  CHECK(listed({"+@all", "-config"}) == "off resetchannels +@all -config");
  CHECK(listed({"+select|0", "+select|Zero", "+SELECT|zero"}) ==
        "off resetchannels -@all +select|0 +select|Zero");
  CHECK(listed({"+select|0", "+select"}) == "off resetchannels -@all +select");
  CHECK(listed({"+select|0", "-select"}) == "off resetchannels -@all");
  CHECK(listed({"+config|get|x"}) ==
        error_of("+config|get|x", "Allowing first-arg of a subcommand is not supported"));
  for (const char* bad : {"+nope", "-nope", "+", "-", "+|", "+|x", "+config|nope", "-config|nope",
                          "-get|x", "+get|a|b", "-get|a|b", "+@nope", "-@", "+@all|x"}) {
    CHECK(listed({bad}) == error_of(bad, kUnknown));
  }
  CHECK(listed({"+get|"}) == error_of("+get|", kSyntax));
  CHECK(listed({"get"}) == error_of("get", kSyntax));
}

TEST_CASE("acl rules: commands of Redis that are not here are named, listed and taken away too") {
  CHECK(listed({"+eval", "+XADD"}) == "off resetchannels -@all +eval +xadd");
  CHECK(listed({"+@all", "-@scripting"}) == "off resetchannels +@all -@scripting");
  CHECK(listed({"+@all", "-migrate", "-psync"}) == "off resetchannels +@all -migrate -psync");
  CHECK(listed({"+xgroup|create"}) == "off resetchannels -@all +xgroup|create");
  CHECK(listed({"+@all", "-xgroup|create"}) == "off resetchannels +@all -xgroup|create");
  CHECK(listed({"+xgroup|create", "+xgroup"}) == "off resetchannels -@all +xgroup");
  CHECK(listed({"+xadd|mystream"}) == "off resetchannels -@all +xadd|mystream");
  // Containers of which a part is here.
  CHECK(listed({"+script", "-script|load", "-script|flush"}) ==
        "off resetchannels -@all +script -script|flush -script|load");
  CHECK(listed({"+function|load", "+function|list"}) ==
        "off resetchannels -@all +function|list +function|load");
  for (const char* bad : {"+xnope", "+xgroup|nope", "-xadd|mystream", "+script|nope"}) {
    CHECK(listed({bad}) == error_of(bad, kUnknown));
  }
}

TEST_CASE("acl rules: a first argument cannot smuggle another rule into the listing") {
  CHECK(listed({"+select|0 +@all"}) == error_of("+select|0 +@all", kSyntax));
  CHECK(listed({"+select|0\nuser"}).find(kSyntax) != std::string::npos);
}

TEST_CASE("acl rules: every category is listed as itself, added and taken away") {
  for (uint32_t bit = 1; !category_name(bit).empty(); bit <<= 1) {
    const std::string name(category_name(bit));
    CHECK(listed({"+@" + name}) == "off resetchannels -@all +@" + name);
    CHECK(listed({"+@all", "-@" + name}) == "off resetchannels +@all -@" + name);
  }
}

TEST_CASE("acl rules: selectors") {
  CHECK(listed({"(+get ~a)", "()"}) ==
        "off resetchannels -@all (~a resetchannels -@all +get) (resetchannels -@all)");
  CHECK(listed({"(+get", "~a", ")", "on"}) ==
        "on resetchannels -@all (~a resetchannels -@all +get)");
  CHECK(listed({"( +get )"}) == "off resetchannels -@all (resetchannels -@all +get)");
  CHECK(listed({"(+get)", "clearselectors"}) == "off resetchannels -@all");
  CHECK(listed({"()"}, kAll) == "off &* -@all (&* -@all)");
  CHECK(listed({"(on)"}) == error_of("(on)", kSyntax));
  CHECK(listed({"((+get))"}) == error_of("((+get))", kSyntax));
  CHECK(listed({")"}) == error_of(")", kSyntax));
  CHECK(listed({" ()"}) == error_of(" ()", kSyntax));
  CHECK(listed({"on", "(+get", "~a"}) ==
        "Unmatched parenthesis in acl selector starting at '(+get'.");
  CHECK(listed({"(+get", "(+set", "~x)"}) ==
        "off resetchannels -@all (~x resetchannels -@all +set)");
  CHECK(listed({"(+get", "on", "(+set", "~x"}) ==
        "Unmatched parenthesis in acl selector starting at '(+set'.");
  CHECK(listed({"(+get", "(~x)"}) == error_of("(+get (~x)", kSyntax));
  CHECK(listed({"(+get ~x) "}) ==
        "Unmatched parenthesis in acl selector starting at '(+get ~x) '.");
}

TEST_CASE("acl rules: all are applied or none") {
  User user("u", vocabulary().size(), kNone);
  const std::vector<std::string_view> rules = {"on", "+get", "nonsense", "~a"};
  CHECK(apply_rules(user, rules, {vocabulary()}));
  CHECK(list_rules(user, vocabulary()) == "off resetchannels -@all");
}

TEST_CASE("acl rules: what is listed gives the same user") {
  const std::vector<std::vector<std::string_view>> users = {
      {"+@all", "-@dangerous", "+config|get", "-get", "+select|1"},
      {"+@read", "+@write", "-@string", "-acl|list", "+acl", "-acl|whoami"},
      {"-@all", "+@slow", "-@admin", "+debug|object", "+@fast", "-@keyspace"},
      {"on", ">a", ">b", "~x", "%R~y", "&c", "(+@all -@all +get ~z)", "(%W~q +@hash -hget)"},
      {"+@all", "-client", "+client|id", "-@transaction", "+exec"},
      {"+@all", "-@stream", "+xread", "-xgroup", "+xgroup|setid", "(+eval|x +xinfo -xinfo|help)"},
      {"~a\"", "('~\"x' ~y' +get)", "(~a) ~b +get|) +set|1)", "(\"~\\\"q\" &'r)"},
  };
  for (const auto& rules : users) {
    User user("u", vocabulary().size(), kNone);
    CHECK_FALSE(apply_rules(user, rules, {vocabulary()}));
    const std::string text = list_rules(user, vocabulary(), Listing::kFile);
    CAPTURE(text);
    std::vector<User> copy = parse_file("user u " + text, "f", {vocabulary()}).users;
    REQUIRE(copy.size() == 1);
    CHECK(list_rules(copy[0], vocabulary(), Listing::kFile) == text);
    CHECK(copy[0].selectors[0].commands.same_commands(user.selectors[0].commands));
  }
}

// --- files --------------------------------------------------------------------------------------

std::string errors_of(std::string_view text) {
  return parse_file(text, "u.acl", {vocabulary()}).errors;
}

TEST_CASE("acl file: a user whose pattern of all keys has others beside it is read back") {
  User user("u", vocabulary().size(), AclPubsubDefault::kResetchannels);
  for (const char* const rule : {"%R~*", "%W~*", "~a"}) {
    CHECK(apply_rule(user, rule, {vocabulary()}).empty());
  }
  CHECK(list_rules(user, vocabulary()).find(" ~* ~a ") != std::string::npos);  // as Redis lists it
  const std::string text = list_rules(user, vocabulary(), Listing::kFile);
  CHECK(errors_of("user u " + text) == "");
}

TEST_CASE("acl file: lines, white space and what is wrong where") {
  const ParsedFile parsed =
      parse_file("\n  user a on +get \r\n\n\tuser b (+set ~x)\n", "u.acl", {vocabulary()});
  CHECK(parsed.errors.empty());
  REQUIRE(parsed.users.size() == 2);
  CHECK(parsed.users[0].name == "a");
  CHECK(list_rules(parsed.users[1], vocabulary()) ==
        "off resetchannels -@all (~x resetchannels -@all +set)");

  CHECK(errors_of("# no comments\n") ==
        "u.acl:1 should start with user keyword followed by the username. ");
  CHECK(errors_of("user") == "u.acl:1 should start with user keyword followed by the username. ");
  CHECK(errors_of("user a\tb on") == "'u.acl:1: username 'a\tb' contains invalid characters. ");
  CHECK(errors_of("user a on\nuser a off\n") == "WARNING: Duplicate user 'a' found on line 2. ");
  CHECK(errors_of("user a +foo\n\nuser c x y (+foo)\n") ==
        "u.acl:1: Error in applying operation '+foo': Unknown command or category name in ACL. "
        "u.acl:3: Syntax error. "
        "u.acl:3: Error in applying operation '(+foo)': Unknown command or category name in ACL. ");
}

TEST_CASE("acl file: an unmatched parenthesis is told in Redis's words for a file") {
  CHECK(errors_of("user a (+get\n") == "u.acl:1: Unmatched parenthesis in selector definition.");
  CHECK(errors_of("user a +set (+get)x\nuser b (\nuser c x\nfoo\n") ==
        "u.acl:1: Unmatched parenthesis in selector definition."
        "u.acl:2: Unmatched parenthesis in selector definition."
        "u.acl:3: Syntax error. "
        "u.acl:4 should start with user keyword followed by the username. ");
}

// --- registry -----------------------------------------------------------------------------------

TEST_CASE("acl registry: a user that was deleted and made again is another") {
  Registry users(vocabulary());
  CHECK(list_rules(*users.default_user(), vocabulary()) == "on nopass ~* &* +@all");
  Change change;
  const std::string_view on[] = {"on"}, get[] = {"+get"}, bad[] = {"bad"};
  CHECK_FALSE(users.set("u", on, kNone, change));
  CHECK(change.before == nullptr);
  const UserPtr first = users.find("u");
  CHECK_FALSE(users.set("u", get, kNone, change));
  CHECK(change.before == first);
  CHECK(change.after == users.find("u"));
  CHECK(change.after->id == first->id);
  CHECK(users.set("u", bad, kNone, change));
  CHECK(users.set("new", bad, kNone, change));
  CHECK(users.find("new") == nullptr);
  CHECK(users.remove("u")->id == first->id);
  CHECK(users.remove("u") == nullptr);
  CHECK_FALSE(users.set("u", on, kNone, change));
  CHECK(users.find("u")->id != first->id);
}

TEST_CASE("acl registry: replacing all users keeps the default one's identity alone") {
  Registry users(vocabulary());
  Change change;
  const std::string_view on[] = {"on"};
  CHECK_FALSE(users.set("u", on, kNone, change));
  const uint64_t id = users.default_user()->id, former = users.find("u")->id;
  ParsedFile parsed = parse_file("user u on\nuser default off\n", "f", {vocabulary()});
  const auto changes = users.replace(std::move(parsed.users));
  REQUIRE(changes.size() == 2);
  CHECK(users.default_user()->id == id);
  CHECK_FALSE(users.default_user()->enabled);
  CHECK(users.find("u")->id != former);
  users.replace({});
  CHECK(users.find("u") == nullptr);
  CHECK(list_rules(*users.default_user(), vocabulary()) == "on nopass ~* &* +@all");
}

}  // namespace
}  // namespace respcask::server::acl

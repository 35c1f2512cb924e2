#include "server/acl/vocabulary.h"

#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <set>
#include <string>
#include <string_view>
#include <utility>

#include "server/acl/change.h"
#include "tests/server/harness.h"
#include "tests/server/redis_commands.h"

namespace respcask::server::testing {
namespace {

bool has_flag(const RedisCommand& command, std::string_view flag) {
  return ("," + std::string(command.flags) + ",").find("," + std::string(flag) + ",") !=
         std::string::npos;
}

TEST_CASE("acl vocabulary: it holds Redis's commands, each once, and no others") {
  const acl::Vocabulary vocabulary{CommandTable()};
  std::set<std::string_view> redis, names;
  for (const RedisCommand& command : kRedisCommands) redis.insert(command.name);
  for (const acl::CommandName* command : vocabulary.all()) {
    if (command->parent == nullptr) CHECK(names.insert(command->full_name).second);
  }
  CHECK(names == redis);
}

TEST_CASE("acl vocabulary: categories agree with the flags that Redis tells") {
  const acl::Vocabulary vocabulary{CommandTable()};
  for (const RedisCommand& command : kRedisCommands) {
    CAPTURE(command.name);
    const acl::CommandName* const name = vocabulary.find(command.name);
    REQUIRE(name != nullptr);
    const auto is_of = [&](uint32_t category) { return (name->categories & category) != 0; };
    CHECK(is_of(kCatWrite) == has_flag(command, "write"));
    // What a script reads is said of no EVAL_RO.
    if (!is_of(kCatScripting)) CHECK(is_of(kCatRead) == has_flag(command, "readonly"));
    if (has_flag(command, "admin")) CHECK((is_of(kCatAdmin) && is_of(kCatDangerous)));
    CHECK(is_of(kCatBlocking) == has_flag(command, "blocking"));
    CHECK(is_of(kCatFast) == has_flag(command, "fast"));
    CHECK(is_of(kCatSlow) == !has_flag(command, "fast"));
    if (command.group == "stream" && name->subcommands.empty()) CHECK(is_of(kCatStream));
    if (command.group == "scripting" && name->subcommands.empty()) CHECK(is_of(kCatScripting));
  }
}

TEST_CASE("acl vocabulary: what is here has the index that it has in the table") {
  const CommandTable table;
  const acl::Vocabulary vocabulary(table);
  REQUIRE(vocabulary.size() > table.size());
  for (size_t i = 0; i < table.size(); ++i) {
    const acl::CommandName* const name = vocabulary.find(table.at(i).full_name);
    REQUIRE(name != nullptr);
    CHECK(name->index == i);
    CHECK(name->categories == table.at(i).categories);
  }
  CHECK(table.find("xadd") == nullptr);
  CHECK(vocabulary.find("XADD")->index >= table.size());
}

TEST_CASE("acl vocabulary: a container's subcommands are its own, here or not") {
  const acl::Vocabulary vocabulary{CommandTable()};
  const acl::CommandName* const function = vocabulary.find("function");
  REQUIRE(function != nullptr);
  CHECK(function->subcommands.size() == 9);
  for (const char* name : {"function|load", "FUNCTION|list"}) {
    REQUIRE(vocabulary.find(name) != nullptr);
    CHECK(vocabulary.find(name)->parent == function);
  }
  CHECK(vocabulary.find("function|nope") == nullptr);
  CHECK(vocabulary.find("function|load|x") == nullptr);
  CHECK(vocabulary.find("load") == nullptr);
  CHECK(vocabulary.find("") == nullptr);
}

TEST_CASE("acl vocabulary: names are those from before renames") {
  const std::pair<std::string, std::string> renames[] = {{"get", "fetch"}, {"config", ""}};
  const CommandTable renamed(renames);
  const acl::Vocabulary vocabulary(renamed);
  REQUIRE(vocabulary.find("get") != nullptr);
  CHECK(vocabulary.find("get")->index == renamed.find("fetch")->index);
  CHECK(vocabulary.find("fetch") == nullptr);
  CHECK(vocabulary.find("config|get") != nullptr);
}

// --- what clients see of it ---------------------------------------------------------------------

TEST_CASE("acl: commands that are not here can be allowed, and are not here all the same") {
  Harness h;
  CHECK(h.run("acl setuser u on nopass ~* +eval +xadd +xgroup|create") == "+OK\r\n");
  Client u(h);
  REQUIRE(u.run("auth u any") == "+OK\r\n");
  CHECK(u.run("eval x 0").starts_with("-ERR unknown command 'eval'"));
  CHECK(u.run("xread x").starts_with("-ERR unknown command 'xread'"));
  CHECK(h.run("acl dryrun u xadd s * f v") == "-ERR Command 'xadd' not found\r\n");
  CHECK(h.run("acl dryrun u xgroup create") == "-ERR Command 'xgroup' not found\r\n");
  CHECK(h.run("command info xadd eval") == "*2\r\n$-1\r\n$-1\r\n");
  CHECK(h.run("command list filterby aclcat stream") == "*0\r\n");
  CHECK(h.run("acl cat stream").starts_with("*23\r\n$4\r\nxack\r\n"));
}

TEST_CASE("ACL LOAD and SAVE keep what is said of commands that are not here") {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/users.acl";
  const std::string text =
      "user app on nopass ~* resetchannels +@all -@stream -@scripting -migrate -script\n"
      "user default on nopass ~* &* +@all\n";
  std::ofstream(path) << text;
  Harness h([&](Config& config) {
    config.dir = directory.path();
    config.aclfile = "users.acl";
  });
  REQUIRE(acl::load_users(*h.server));
  CHECK(h.run("acl load") == "+OK\r\n");
  CHECK(h.run("acl save") == "+OK\r\n");
  std::ifstream in(path, std::ios::binary);
  CHECK(std::string(std::istreambuf_iterator<char>(in), {}) == text);
}

}  // namespace
}  // namespace respcask::server::testing

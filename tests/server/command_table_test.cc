#include "server/command_table.h"

#include <doctest/doctest.h>

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>

#include "tests/server/probe_commands.h"
#include "tests/server/redis_commands.h"

namespace respcask::server::testing {
namespace {

std::string flag_names(const TableEntry& entry) {
  std::string names;
  for (uint32_t bit = 1; bit != 0; bit <<= 1) {
    if ((entry.flags & bit) == 0 || flag_name(bit).empty()) continue;
    if (!names.empty()) names += ',';
    names += flag_name(bit);
  }
  return names;
}

TEST_CASE("command table: every row says what Redis 7.0.15 says") {
  std::map<std::string_view, const RedisCommand*> redis;
  for (const RedisCommand& command : kRedisCommands) redis[command.name] = &command;
  const CommandTable table;
  for (const TableEntry* entry : table.commands()) {
    const Command& row = *entry->row;
    CAPTURE(row.name);
    const auto found = redis.find(row.name);
    REQUIRE(found != redis.end());
    CHECK(row.arity == found->second->arity);
    CHECK(flag_names(*entry) == found->second->flags);
    CHECK(group_name(row.group) == found->second->group);
    CHECK(row.since == found->second->since);
  }
}

TEST_CASE("command table: a name is found in any case, and nothing else for it") {
  const CommandTable table;
  for (const TableEntry* entry : table.commands()) {
    std::string name(entry->row->name);
    CAPTURE(name);
    CHECK(table.find(name) == entry);
    CHECK(table.find(name + " ") == nullptr);
    for (char& c : name) {
      const bool letter = c >= 'a' && c <= 'z';
      // Another case if it is a letter.
      c = static_cast<char>(c ^ 0x20);
      CHECK((table.find(name) == entry) == letter);
      c = static_cast<char>(c ^ 0x20);
      c = static_cast<char>(c ^ 0x80);
      CHECK(table.find(name) == nullptr);
      c = static_cast<char>(c ^ 0x80);
    }
    for (char& c : name) c = c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
    CHECK(table.find(name) == entry);
  }
}

TEST_CASE("command table: rows agree with themselves") {
  const CommandTable table;
  std::set<std::string> names;
  for (size_t i = 0; i < table.size(); ++i) {
    const TableEntry& entry = table.at(i);
    const Command& row = *entry.row;
    CAPTURE(entry.full_name);
    CHECK(entry.index == i);
    CHECK(names.insert(entry.full_name).second);
    CHECK(table.find_full(entry.full_name) == &entry);
    // A key that a command writes must be locked, and so be declared.
    if ((row.flags & kWrite) != 0) {
      CHECK((!row.keys.empty() || (row.flags & (kAllShards | kOwnLocks)) != 0));
    }
    for (const KeySpec& spec : row.keys) {
      const int kinds =
          !!(spec.flags & kRO) + !!(spec.flags & kRW) + !!(spec.flags & kOW) + !!(spec.flags & kRM);
      CHECK(kinds == ((spec.flags & kNotKey) != 0 ? 0 : 1));
      // PFCOUNT is known as a reader, and remembers what it counted.
      if ((row.flags & kReadonly) != 0 && row.name != "pfcount") {
        CHECK((spec.flags & (kRW | kOW | kRM)) == 0);
      }
    }
    // Arguments that are keys belong to a specification.
    for (const Argument& argument : row.arguments) {
      CHECK(argument.key_spec < static_cast<int>(row.keys.size()));
    }
  }
}

TEST_CASE("command table: names are found in any case, and only whole") {
  const CommandTable table({}, probe_commands());
  const TableEntry* get = table.find("probeget");
  REQUIRE(get != nullptr);
  CHECK(table.find("PROBEGET") == get);
  CHECK(table.find("ProbeGet") == get);
  CHECK(table.find("probege") == nullptr);
  CHECK(table.find("probegett") == nullptr);
  CHECK(table.find("") == nullptr);
  CHECK(table.find(std::string_view("probeget\0", 9)) == nullptr);
  CHECK(table.find("\x10robeget") == nullptr);  // 'p' but for the bit that makes letters lower case
  CHECK(table.find_full("COMMAND|Info")->full_name == "command|info");
  CHECK(table.find_full("command|nope") == nullptr);
  const std::vector<std::string_view> args{"command", "INFO", "x"};
  CHECK(table.find(args)->full_name == "command|info");
}

TEST_CASE("command table: renamed and removed commands") {
  const std::vector<std::pair<std::string, std::string>> renames{{"PROBEGET", "Hidden"},
                                                                 {"probedel", ""}};
  const CommandTable table(renames, probe_commands());
  CHECK(table.find("probeget") == nullptr);
  REQUIRE(table.find("hidden") != nullptr);
  CHECK(table.find("HIDDEN")->row->name == "probeget");
  CHECK(table.find("probedel") == nullptr);
  CHECK(table.find("probeset") != nullptr);
}

TEST_CASE("command: a removed command is not told of, a renamed one by its former name") {
  const Harness all;
  Harness h([](Config& config) {
    config.renamed_commands = {{"flushdb", ""}, {"acl", ""}, {"config", "cfg"}};
  });
  CHECK(h.run("COMMAND LIST FILTERBY PATTERN flush*") == "*1\r\n$8\r\nflushall\r\n");
  CHECK(h.run("COMMAND LIST FILTERBY PATTERN acl*") == "*0\r\n");
  CHECK(h.run("COMMAND LIST FILTERBY PATTERN confi?") == "*1\r\n$6\r\nconfig\r\n");
  for (const std::string_view list :
       {"COMMAND LIST", "COMMAND LIST FILTERBY ACLCAT dangerous", "COMMAND", "COMMAND DOCS"}) {
    CAPTURE(list);
    const std::string told = h.run(list);
    CHECK(told.find("\r\nflushall\r\n") != told.npos);
    CHECK(told.find("\r\nflushdb\r\n") == told.npos);
    CHECK(told.find("\r\nacl|list\r\n") == told.npos);
    CHECK(told.find("\r\nconfig|get\r\n") != told.npos);
  }
  const size_t count = all.server->commands.commands().size();
  CHECK(h.run("COMMAND COUNT") == fmt::format(":{}\r\n", count - 2));
  CHECK(h.run("COMMAND INFO flushdb config") == "*2\r\n$-1\r\n$-1\r\n");
  CHECK(h.run("COMMAND DOCS flushdb config acl|list") == "*0\r\n");
  CHECK(h.run("COMMAND INFO cfg").starts_with("*1\r\n*10\r\n$6\r\nconfig\r\n"));
}

// --- key specifications -------------------------------------------------------------------------

bool finder(std::span<const std::string_view> args, std::vector<KeyPosition>& keys) {
  keys.push_back({static_cast<int>(args.size()) - 1, kRO});
  return args.size() > 2;
}

constexpr KeySpec kPairs[] = {{.flags = kOW, .index = 1, .last = -1, .step = 2}};
constexpr KeySpec kCounted[] = {
    {.flags = kOW, .index = 1},
    {.flags = kRO, .index = 2, .find = KeySpec::Find::kKeynum, .keynum = 0, .first = 1}};
constexpr KeySpec kStreams[] = {
    {.flags = kRO, .keyword = "STREAMS", .start_from = 1, .last = -1, .limit = 2}};
constexpr KeySpec kFromEnd[] = {{.flags = kRW, .keyword = "KEYS", .start_from = -2, .last = -1}};
constexpr KeySpec kSomewhere[] = {{.flags = kRO, .index = 1},
                                  {.flags = kRO, .find = KeySpec::Find::kUnknown}};
constexpr KeySpec kChannels[] = {{.flags = kNotKey, .index = 1, .last = -1}};

constexpr Command row(std::string_view name, std::span<const KeySpec> keys,
                      KeyFinder find = nullptr) {
  return {.name = name,
          .handler = [](Context&) {},
          .arity = -1,
          .keys = keys,
          .since = "1.0.0",
          .summary = "For tests",
          .find_keys = find};
}
constexpr Command kRows[] = {
    row("pairs", kPairs),
    row("counted", kCounted),
    row("streams", kStreams),
    row("fromend", kFromEnd),
    row("somewhere", kSomewhere, finder),
    row("channels", kChannels),
};

// The keys of a command line, or "?" if its arguments make no sense.
std::string keys_of(const CommandTable& table, std::vector<std::string_view> args) {
  std::vector<KeyPosition> keys;
  if (!find_keys(*table.find(args), args, keys)) return "?";
  std::string text;
  for (const KeyPosition& key : keys) text += args[static_cast<size_t>(key.index)];
  return text;
}

TEST_CASE("key specifications: ranges, counts, keywords") {
  const CommandTable table({}, kRows);
  CHECK(keys_of(table, {"pairs", "a", "1", "b", "2"}) == "ab");
  CHECK(keys_of(table, {"pairs", "a", "1", "b"}) == "ab");
  CHECK(keys_of(table, {"pairs"}) == "?");
  CHECK(keys_of(table, {"counted", "d", "2", "a", "b", "x"}) == "dab");
  CHECK(keys_of(table, {"counted", "d", "2", "a"}) == "?");
  CHECK(keys_of(table, {"counted", "d", "-1", "a"}) == "?");
  CHECK(keys_of(table, {"counted", "d", "x", "a"}) == "?");
  CHECK(keys_of(table, {"counted", "d", "9223372036854775807", "a"}) == "?");
  CHECK(keys_of(table, {"counted", "d", "0", "a"}) == "?");
  CHECK(keys_of(table, {"counted", "d"}) == "?");
  CHECK(keys_of(table, {"counted", "d", "4294967298", "a", "b", "x"}) == "dab");
  CHECK(keys_of(table, {"counted", "d", "2147483647", "a"}) == "?");
  CHECK(keys_of(table, {"streams", "COUNT", "1", "streams", "a", "b", "0", "0"}) == "ab");
  CHECK(keys_of(table, {"streams", "COUNT", "1"}) == "?");
  CHECK(keys_of(table, {"streams", "a", "STREAMS"}) == "?");
  CHECK(keys_of(table, {"fromend", "x", "KEYS", "a", "b"}) == "ab");
  CHECK(keys_of(table, {"fromend", "x", "y"}) == "?");
  CHECK(keys_of(table, {"fromend"}) == "?");
  CHECK(keys_of(table, {"somewhere", "a", "b"}) == "b");
  CHECK(keys_of(table, {"somewhere", "a"}) == "?");
  CHECK(keys_of(table, {"channels", "a"}).empty());
}

TEST_CASE("a count that is no whole number counts keys as far as it is one") {
  const CommandTable table({}, kRows);
  const auto counted = [&](std::string_view count) {
    return keys_of(table, {"counted", "d", count, "a", "b", "x"});
  };
  for (const std::string_view two : {"2x", "2.5", "+2", " 2", "002", "-4294967294"}) {
    CAPTURE(two);
    CHECK(counted(two) == "abd");
  }
  CHECK(counted(std::string_view("2\0x", 3)) == "abd");
  for (const std::string_view none : {"", "x", "-", "+-2", "0x2", "-1", "4", "-2147483648",
                                      "9223372036854775808", "-9223372036854775809"}) {
    CAPTURE(none);
    CHECK(counted(none) == "?");
  }
}

TEST_CASE("key specifications: COMMAND INFO's first, last, step") {
  const CommandTable table({}, kRows);
  const auto range = [&](std::string_view name) {
    const TableEntry* entry = table.find(name);
    return std::vector<int>{entry->first_key, entry->last_key, entry->key_step,
                            (entry->flags & kMovableKeys) != 0};
  };
  CHECK(range("pairs") == std::vector<int>{1, -1, 2, 0});
  CHECK(range("counted") == std::vector<int>{1, 1, 1, 1});
  CHECK(range("streams") == std::vector<int>{0, 0, 0, 1});
  CHECK(range("somewhere") == std::vector<int>{1, 1, 1, 1});
  CHECK(!table.find("pairs")->single_key);
}

// --- COMMAND ------------------------------------------------------------------------------------

TEST_CASE("COMMAND GETKEYS and its errors") {
  ProbeHarness h;
  CHECK(h.run("command getkeys probemove a b 0") == "*2\r\n$1\r\na\r\n$1\r\nb\r\n");
  CHECK(h.run("command getkeysandflags probeset a b") ==
        "*1\r\n*2\r\n$1\r\na\r\n*2\r\n+RW\r\n+update\r\n");
  CHECK(h.run("command getkeys nope a b") == "-ERR Invalid command specified\r\n");
  CHECK(h.run("command getkeys probeset a b c") ==
        "-ERR Invalid number of arguments specified for command\r\n");
  CHECK(h.run("command getkeys probeselect 1") == "-ERR The command has no key arguments\r\n");
  CHECK(h.run("command getkeys probeget").starts_with("-ERR wrong number of arguments"));
}

TEST_CASE("COMMAND LIST filters") {
  ProbeHarness h;
  CHECK(h.run("command list filterby pattern command|c*") == "*1\r\n$13\r\ncommand|count\r\n");
  CHECK(h.run("command list filterby pattern COMMAND|C*") == "*1\r\n$13\r\ncommand|count\r\n");
  CHECK(h.run("command list filterby aclcat nope") == "*0\r\n");
  CHECK(h.run("command list filterby module m") == "*0\r\n");
  CHECK(h.run("command list filterby").starts_with("-ERR syntax error"));
  CHECK(h.run("command list filterby foo bar").starts_with("-ERR syntax error"));
  CHECK(h.run("command list filterby aclcat TRANSACTION") ==
        "*5\r\n$7\r\ndiscard\r\n$4\r\nexec\r\n$5\r\nmulti\r\n$7\r\nunwatch\r\n$5\r\nwatch\r\n");
}

TEST_CASE("COMMAND INFO and DOCS of a row, in both protocols") {
  ProbeHarness h;
  CHECK(h.run("command info nope unwatch") ==
        "*2\r\n$-1\r\n*10\r\n$7\r\nunwatch\r\n:1\r\n*5\r\n+noscript\r\n+loading\r\n+stale\r\n"
        "+fast\r\n+allow_busy\r\n:0\r\n:0\r\n:0\r\n*2\r\n+@fast\r\n+@transaction\r\n*0\r\n*0\r\n"
        "*0\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("command docs nope multi") ==
        "%1\r\n$5\r\nmulti\r\n%4\r\n$7\r\nsummary\r\n$37\r\nMark the start of a transaction "
        "block\r\n$5\r\nsince\r\n$5\r\n1.2.0\r\n$5\r\ngroup\r\n$12\r\ntransactions\r\n$10\r\n"
        "complexity\r\n$4\r\nO(1)\r\n");
  CHECK(
      h.run("command info watch") ==
      "*1\r\n*10\r\n$5\r\nwatch\r\n:-2\r\n~5\r\n+noscript\r\n+loading\r\n+stale\r\n+fast\r\n"
      "+allow_busy\r\n:1\r\n:-1\r\n:1\r\n~2\r\n+@fast\r\n+@transaction\r\n~0\r\n~1\r\n%3\r\n$5\r\n"
      "flags\r\n~1\r\n+RO\r\n$12\r\nbegin_search\r\n%2\r\n$4\r\ntype\r\n$5\r\nindex\r\n$4\r\nspec"
      "\r\n%1\r\n$5\r\nindex\r\n:1\r\n$9\r\nfind_keys\r\n%2\r\n$4\r\ntype\r\n$5\r\nrange\r\n$4\r\n"
      "spec\r\n%3\r\n$7\r\nlastkey\r\n:-1\r\n$7\r\nkeystep\r\n:1\r\n$5\r\nlimit\r\n:0\r\n~0\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

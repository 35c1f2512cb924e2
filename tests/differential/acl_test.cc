// Users against Redis's: random rules, valid and broken, given to both servers, which then have to
// tell the same of each user and allow the same requests.
//
// Redis names single commands in the order of a hash table that each process seeds anew, so the
// words of a selector that names commands are compared without their order. Rules name all that
// Redis has, ours or not; requests ask for what both have.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/differential/process.h"
#include "tests/differential/random.h"

namespace respcask::differential {
namespace {

using Args = std::vector<std::string>;

std::string env(const char* name, const char* otherwise) {
  const char* const value = std::getenv(name);
  return value != nullptr ? value : otherwise;
}

class Server {
 public:
  Server(std::string binary, Args options) : process_(std::move(binary), std::move(options)) {
    process_.start();
    connection_.emplace(process_.port());
  }
  Reply call(const Args& args) {
    std::vector<Reply> replies = connection_->exchange(encode(args), 1, nullptr);
    REQUIRE_MESSAGE(replies.size() == 1, process_.log_tail());
    return std::move(replies[0]);
  }
  std::set<std::string> call_for_set(const Args& args) {
    std::set<std::string> texts;
    for (const Reply& item : call(args).items) texts.insert(item.text);
    return texts;
  }

 private:
  Process process_;
  std::optional<Connection> connection_;
};

// A listing with its words in alphabetic order, parentheses apart.
std::string sorted_words(const std::string& text) {
  std::string apart;
  for (const char c : text)
    apart += c == '(' || c == ')' ? std::string{' ', c, ' '} : std::string{c};
  std::istringstream in(apart);
  std::vector<std::string> words;
  auto selector = words.size();
  std::string sorted;
  const auto end_selector = [&] {
    std::sort(words.begin() + static_cast<ptrdiff_t>(selector), words.end());
    selector = words.size();
  };
  for (std::string word; in >> word;) {
    if (word == "(") end_selector();
    words.push_back(word);
  }
  end_selector();
  for (const std::string& word : words) sorted += word + ' ';
  return sorted;
}

std::string comparable(const Reply& reply) {
  if (!reply.is_aggregate()) {
    return reply.text.find("@all") == std::string::npos ? reply.raw : sorted_words(reply.text);
  }
  std::string text = std::string(1, reply.type) + std::to_string(reply.items.size()) + "\n";
  for (const Reply& item : reply.items) text += comparable(item) + "\n";
  return text;
}

class Rules {
 public:
  Rules(std::vector<std::string> commands, std::vector<std::string> categories, uint64_t seed)
      : commands_(std::move(commands)), categories_(std::move(categories)), random_(seed) {}

  Random& random() { return random_; }
  const std::string& command() { return commands_[random_.below(commands_.size())]; }

  std::string rule(bool inside_selector = false) {
    static constexpr const char* kPlain[] = {"on",
                                             "off",
                                             "nopass",
                                             "resetpass",
                                             "reset",
                                             "resetkeys",
                                             "allkeys",
                                             "allchannels",
                                             "clearselectors",
                                             "resetchannels",
                                             "+@all",
                                             "-@all",
                                             "AllCommands",
                                             "nocommands",
                                             "sanitize-payload",
                                             "skip-sanitize-payload",
                                             "ON",
                                             "",
                                             "~*",
                                             "&*"};
    static constexpr const char* kBroken[] = {
        "foo", "+foo",  "-foo|x",  "+@foo", "-@",   "+",     "-",     "(",
        ")",   "(+get", "+get)",   "%",     "%~a",  "%RR~a", "+get|", "+config|get|x",
        "+|x", " ",     "<absent", "#abc",  "!abc", "~a b",  "&a b"};
    static constexpr const char* kPatterns[] = {"~", "%R~", "%W~", "%RW~", "%wr~", "&"};
    static constexpr const char* kGlobs[] = {"a", "b*", "*", "", "[ab]?", "c"};
    static constexpr const char* kPasswords[] = {
        ">p",
        ">q",
        "<p",
        ">",
        "#2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b",
        "!2bb80d537b1da3e38bd30361aa855686bde0eacd7162fef6a25fe97bf527a25b"};
    const std::string sign = random_.percent(50) ? "+" : "-";
    switch (random_.below(11)) {
      case 0:
      case 1:
      case 2:
        return sign + command();
      case 3:
      case 4:
        return sign + "@" + categories_[random_.below(categories_.size())];
      case 5:
      case 6:
        return std::string(random_.pick(kPatterns)) + random_.pick(kGlobs);
      case 7:
        return "+" + command() + (random_.percent(50) ? "|x" : "|0");
      case 8:
        return inside_selector ? sign + command() : random_.pick(kPasswords);
      case 9:
        if (random_.percent(30)) return random_.pick(kBroken);
        if (inside_selector) return random_.percent(50) ? "+@all" : "~*";
        return random_.pick(kPlain);
      default:
        return inside_selector ? "&b*" : selector();
    }
  }

  std::string selector() {
    std::string text = "(";
    for (size_t i = random_.below(4); i > 0; --i) text += rule(true) + " ";
    return text + ")";
  }

 private:
  const std::vector<std::string> commands_;
  const std::vector<std::string> categories_;
  Random random_;
};

std::vector<Args> requests() {
  std::vector<Args> list;
  for (const char* line : {"get a",
                           "set b1 x",
                           "set b1 x get",
                           "set a x ex 10",
                           "copy a b1",
                           "mget a b1 c",
                           "exists c",
                           "publish a m",
                           "publish b1 m",
                           "spublish c m",
                           "subscribe a b1",
                           "psubscribe a b*",
                           "ssubscribe b1",
                           "unsubscribe q",
                           "config get x",
                           "config set x y",
                           "select 0",
                           "select x",
                           "sort a store b1",
                           "sort a by b*",
                           "sort_ro a",
                           "zunionstore a 2 b c",
                           "zunion 2 a b1",
                           "zunion x a b1",
                           "georadius a 1 1 1 m store b",
                           "geosearchstore a b frommember x byradius 1 m",
                           "bitfield a get u8 0",
                           "bitfield a set u8 0 1",
                           "lmpop 1 a left",
                           "blmpop 0 2 a b left",
                           "object encoding a",
                           "debug object a",
                           "acl list",
                           "client id",
                           "hello",
                           "keys *",
                           "watch a c",
                           "restore a 0 x",
                           "lcs a b",
                           "smove a b c",
                           "rename a b1",
                           "sintercard 2 a b",
                           "pfcount a b",
                           "pfmerge a b",
                           "getex a",
                           "getdel a",
                           "bitop and a b c",
                           "zadd a 1 x",
                           "touch a",
                           "dump b1",
                           "memory usage a",
                           "expire c 1",
                           "lmove a b left left",
                           "zrangestore a b 0 1",
                           "strlen c",
                           "hset a f v",
                           "hget b1 f",
                           "append a x",
                           "get",
                           "nonsense"}) {
    std::istringstream in(line);
    Args& args = list.emplace_back();
    for (std::string word; in >> word;) args.push_back(word);
  }
  return list;
}

TEST_CASE("users are what Redis makes of them") {
  Server redis("redis-server", {"--save", "", "--appendonly", "no", "--bind", "127.0.0.1"});
  Server ours(env("RESPCASK_SERVER", "build/server/respcask-server"), {"--bind", "127.0.0.1"});

  const auto names = redis.call_for_set({"COMMAND", "LIST"});
  const std::vector<std::string> commands(names.begin(), names.end());
  REQUIRE(redis.call({"ACL", "CAT"}).raw == ours.call({"ACL", "CAT"}).raw);
  std::vector<std::string> categories;
  for (const Reply& category : redis.call({"ACL", "CAT"}).items) {
    categories.push_back(category.text);
    CAPTURE(category.text);
    CHECK(redis.call_for_set({"ACL", "CAT", category.text}) ==
          ours.call_for_set({"ACL", "CAT", category.text}));
  }

  const std::string seed_text = env("ACL_SEED", "20261127");
  const size_t rounds = std::stoul(env("ACL_ROUNDS", "1500"));
  Rules rules(commands, categories, std::stoull(seed_text));
  const std::vector<Args> asked = requests();
  INFO("seed " << seed_text);
  const auto compare = [&](const Args& args) {
    const Reply a = redis.call(args), b = ours.call(args);
    if (a.raw == b.raw) return true;
    const bool same = comparable(a) == comparable(b);
    CHECK_MESSAGE(same, encode(args) << describe(a) << describe(b));
    return same;
  };
  size_t wrong = 0;
  for (size_t round = 0; round < rounds && wrong < 10; ++round) {
    const std::string user = "u" + std::to_string(rules.random().below(3));
    Args set{"ACL", "SETUSER", user};
    if (rules.random().percent(15)) set.push_back("reset");
    for (size_t i = 1 + rules.random().below(5); i > 0; --i) set.push_back(rules.rule());
    wrong += !compare(set);
    wrong += !compare({"ACL", "GETUSER", user});
    wrong += !compare({"ACL", "LIST"});
    for (int i = 0; i < 5; ++i) {
      Args run{"ACL", "DRYRUN", user};
      const Args& request = asked[rules.random().below(asked.size())];
      if (!redis.call({"COMMAND", "INFO", request[0]}).items[0].null &&
          !ours.call({"COMMAND", "INFO", request[0]}).items[0].null) {
        run.insert(run.end(), request.begin(), request.end());
        wrong += !compare(run);
      }
    }
    if (rules.random().percent(3)) wrong += !compare({"ACL", "DELUSER", "u0", "u1", "nobody"});
  }
  CHECK(wrong == 0);
}

}  // namespace
}  // namespace respcask::differential

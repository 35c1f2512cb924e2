#include <doctest/doctest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "server/acl/change.h"
#include "server/acl/listing.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kNoKey =
    "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
constexpr std::string_view kNoChannel =
    "-NOPERM this user has no permissions to access one of the channels used as arguments\r\n";
constexpr std::string_view kWrongPassword =
    "-WRONGPASS invalid username-password pair or user is disabled.\r\n";
constexpr std::string_view kNoAuth = "-NOAUTH Authentication required.\r\n";

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::string bulk(std::string_view text) {
  return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

std::string may_not_run(std::string_view command) {
  return "-NOPERM this user has no permissions to run the '" + std::string(command) +
         "' command\r\n";
}

// A client that runs as a user made by these rules.
struct As {
  As(Harness& h, std::string_view user, std::string_view rules) : client(h) {
    REQUIRE(h.run("acl setuser " + std::string(user) + " " + std::string(rules)) == kOk);
    REQUIRE(client.run("auth " + std::string(user) + " any") == kOk);
  }
  std::string run(std::string_view line) { return client.run(line); }
  Client client;
};

std::string rules_of(Harness& h, std::string_view user) {
  return acl::list_rules(*h.server->users.find(user), h.server->vocabulary);
}

// --- the commands -------------------------------------------------------------------------------

TEST_CASE("ACL SETUSER, LIST, USERS, WHOAMI, DELUSER") {
  Harness h;
  CHECK(h.run("acl whoami") == bulk("default"));
  CHECK(h.run("acl list") == "*1\r\n" + bulk("user default on nopass ~* &* +@all"));
  CHECK(h.run("acl setuser bob on +get ~a") == kOk);
  CHECK(h.run("acl setuser amy") == kOk);
  CHECK(h.run("acl users") == "*3\r\n" + bulk("amy") + bulk("bob") + bulk("default"));
  CHECK(h.run("acl setuser bob nonsense") ==
        "-ERR Error in ACL SETUSER modifier 'nonsense': Syntax error\r\n");
  CHECK(h.run("acl setuser 'a b'") == "-ERR Usernames can't contain spaces or null characters\r\n");
  CHECK(h.run("acl deluser amy nobody") == ":1\r\n");
  CHECK(h.run("acl setuser bob") == kOk);
  CHECK(h.run("acl deluser bob default") == "-ERR The 'default' user cannot be removed\r\n");
  CHECK(h.run("acl users") == "*2\r\n" + bulk("bob") + bulk("default"));
}

TEST_CASE("ACL GETUSER in both protocols") {
  Harness h;
  CHECK(h.run("acl getuser nobody") == "$-1\r\n");
  h.run("acl setuser u on nopass %R~a ~b &c +get (+set ~x)");
  const std::string flags = bulk("on") + bulk("nopass");
  const std::string root = bulk("commands") + bulk("-@all +get") + bulk("keys") + bulk("%R~a ~b") +
                           bulk("channels") + bulk("&c");
  const std::string selector = bulk("commands") + bulk("-@all +set") + bulk("keys") + bulk("~x") +
                               bulk("channels") + bulk("");
  CHECK(h.run("acl getuser u") == "*12\r\n" + bulk("flags") + "*2\r\n" + flags + bulk("passwords") +
                                      "*0\r\n" + root + bulk("selectors") + "*1\r\n*6\r\n" +
                                      selector);
  h.client().use_protocol(3);
  CHECK(h.run("acl getuser nobody") == "_\r\n");
  CHECK(h.run("acl getuser u") == "%6\r\n" + bulk("flags") + "~2\r\n" + flags + bulk("passwords") +
                                      "*0\r\n" + root + bulk("selectors") + "*1\r\n%3\r\n" +
                                      selector);
}

TEST_CASE("ACL CAT") {
  Harness h;
  const std::string all = h.run("acl cat");
  CHECK(all.starts_with("*21\r\n$8\r\nkeyspace\r\n"));
  CHECK(all.ends_with("$9\r\nscripting\r\n"));
  CHECK(h.run("acl cat TRANSACTION") == "*5\r\n" + bulk("discard") + bulk("exec") + bulk("multi") +
                                            bulk("unwatch") + bulk("watch"));
  CHECK(contains(h.run("acl cat admin"), bulk("config|set")));
  CHECK(h.run("acl cat nope") == "-ERR Unknown category 'nope'\r\n");
  CHECK(h.run("acl CAT a b") ==
        "-ERR unknown subcommand or wrong number of arguments for 'CAT'. Try ACL HELP.\r\n");
}

TEST_CASE("ACL GENPASS") {
  Harness h;
  CHECK(h.run("acl genpass").starts_with("$64\r\n"));
  CHECK(h.run("acl genpass 5").starts_with("$2\r\n"));
  CHECK(h.run("acl genpass 4096").starts_with("$1024\r\n"));
  CHECK(h.run("acl genpass") != h.run("acl genpass"));
  for (const char* bad : {"0", "-1", "4097"}) {
    CHECK(h.run({"acl", "genpass", bad}) ==
          "-ERR ACL GENPASS argument must be the number of bits for the output password, a "
          "positive number up to 4096\r\n");
  }
  CHECK(h.run("acl genpass x") == "-ERR value is not an integer or out of range\r\n");
}

TEST_CASE("ACL DRYRUN") {
  Harness h;
  h.run("acl setuser u +@all -config|set %R~r* %W~w* &c");
  const auto denied = [](std::string_view what) {
    return bulk("This user has no permissions to " + std::string(what));
  };
  CHECK(h.run("acl dryrun u get r") == kOk);
  CHECK(h.run("acl dryrun u get w") == denied("access the 'w' key"));
  CHECK(h.run("acl dryrun u set r 1") == denied("access the 'r' key"));
  CHECK(h.run("acl dryrun u set w 1 get") == denied("access the 'w' key"));
  CHECK(h.run("acl dryrun u copy r w") == kOk);
  CHECK(h.run("acl dryrun u copy w r") == denied("access the 'w' key"));
  CHECK(h.run("acl dryrun u exists w") == kOk);
  CHECK(h.run("acl dryrun u exists x") == denied("access the 'x' key"));
  CHECK(h.run("acl dryrun u sort r store w") == kOk);
  CHECK(h.run("acl dryrun u sort r store r") == denied("access the 'r' key"));
  CHECK(h.run("acl dryrun u zunionstore w 2 r w") == denied("access the 'w' key"));
  CHECK(h.run("acl dryrun u config set a b") == denied("run the 'config|set' command"));
  CHECK(h.run("acl dryrun u publish c m") == kOk);
  CHECK(h.run("acl dryrun u spublish d m") == denied("access the 'd' channel"));
  CHECK(h.run("acl dryrun u subscribe c d") == denied("access the 'd' channel"));
  CHECK(h.run("acl dryrun u psubscribe c*") == denied("access the 'c*' channel"));
  CHECK(h.run("acl dryrun u unsubscribe d") == kOk);
  CHECK(h.run("acl dryrun u get") == "-ERR wrong number of arguments for 'get' command\r\n");
  CHECK(h.run("acl dryrun u nope x") == "-ERR Command 'nope' not found\r\n");
  CHECK(h.run("acl dryrun nobody get x") == "-ERR User 'nobody' not found\r\n");
}

TEST_CASE("keys are checked though their count is one that the command refuses") {
  Harness h;
  h.run("acl setuser u +@all %R~r* %W~w*");
  const auto denied = [](std::string_view key) {
    return bulk("This user has no permissions to access the '" + std::string(key) + "' key");
  };
  CHECK(h.run("acl dryrun u zdiff 1x other") == denied("other"));
  CHECK(h.run("acl dryrun u zdiff 1x w") == kOk);  // such keys have no flags: any pattern will do
  CHECK(h.run("acl dryrun u sintercard 4294967297 other") == denied("other"));
  CHECK(h.run("acl dryrun u sintercard 4294967297 w") == denied("w"));
  CHECK(h.run("acl dryrun u zunionstore x 1.5 r") == denied("x"));
  CHECK(h.run("zdiff 1x a").starts_with("-ERR value is not an integer"));
  CHECK(h.run("zunionstore a 1.5 b").starts_with("-ERR value is not an integer"));
  CHECK(h.run("lmpop 1x a left").starts_with("-ERR numkeys"));
  CHECK(h.run("sintercard 4294967297 a") ==
        "-ERR Number of keys can't be greater than number of args\r\n");
}

// --- who may do what ----------------------------------------------------------------------------

TEST_CASE("acl: commands, keys and channels are checked, in Redis's order") {
  Harness h;
  As u(h, "u", "on nopass +@all -incr -select +select|1 ~a* %R~r* &c");
  CHECK(u.run("set a 1") == kOk);
  CHECK(u.run("incr a") == may_not_run("incr"));
  CHECK(u.run("incr b") == may_not_run("incr"));
  CHECK(u.run("get b") == kNoKey);
  CHECK(u.run("get r") == "$-1\r\n");
  CHECK(u.run("set r 1") == kNoKey);
  CHECK(u.run("mget a b") == kNoKey);
  CHECK(u.run("publish c m") == ":0\r\n");
  CHECK(u.run("publish d m") == kNoChannel);
  CHECK(u.run("select 1") == kOk);
  CHECK(u.run("select 0") == may_not_run("select"));
  CHECK(u.run("get") == "-ERR wrong number of arguments for 'get' command\r\n");
}

TEST_CASE("acl: GEORADIUS with several destinations needs leave for the one that it writes") {
  Harness h;
  h.run("geoadd g 0 0 m");
  As u(h, "u", "on nopass +@all ~g ~mine*");
  CHECK(u.run("georadius g 0 0 1 km store mine storedist mine2") == ":1\r\n");
  CHECK(u.run("georadius g 0 0 1 km store mine storedist mine2 store other") == kNoKey);
  CHECK(u.run("georadiusbymember g m 1 km store mine storedist mine2 storedist other") == kNoKey);
  CHECK(u.run("georadius g 0 0 1 km store other storedist mine") == kNoKey);
  CHECK(h.run("exists other") == ":0\r\n");
}

TEST_CASE("acl: one selector has to allow all of a command") {
  Harness h;
  As u(h, "u", "on nopass (%R~r +@all) (%W~w +@all)");
  CHECK(u.run("get r") == "$-1\r\n");
  CHECK(u.run("lpush w x") == ":1\r\n");
  CHECK(u.run("copy r w") == kNoKey);
}

TEST_CASE("acl: SORT BY and GET need leave to read every key") {
  Harness h;
  h.run("rpush l 1");
  h.run("set v1 x");
  As u(h, "u", "on nopass +sort ~l ~v*");
  CHECK(u.run("sort l") == "*1\r\n$1\r\n1\r\n");
  CHECK(u.run("sort l by nosort") == "*1\r\n$1\r\n1\r\n");
  CHECK(u.run("sort l by v*") ==
        "-ERR BY option of SORT denied due to insufficient ACL permissions.\r\n");
  CHECK(u.run("sort l get #") ==
        "-ERR GET option of SORT denied due to insufficient ACL permissions.\r\n");
  h.run("acl setuser u (+sort ~l %W~*)");
  CHECK(u.run("sort l get v*").starts_with("-ERR GET option"));
  h.run("acl setuser u (+sort ~l %R~*)");
  CHECK(u.run("sort l get v*") == "*1\r\n$1\r\nx\r\n");
}

TEST_CASE("acl: a change is felt by the next command of a running session") {
  Harness h;
  As u(h, "u", "on nopass +@all ~* &*");
  CHECK(u.run("set a 1") == kOk);
  CHECK(u.client.session->has_full_access());
  h.run("acl setuser u -set");
  CHECK(u.run("set a 1") == may_not_run("set"));
  CHECK(u.run("get a") == "$1\r\n1\r\n");
  h.run("acl setuser u off");
  CHECK(u.run("get a") == "$1\r\n1\r\n");  // it has logged in already
  h.run("acl setuser u +@all");
  CHECK(u.run("set a 1") == kOk);
  CHECK(u.client.session->has_full_access());
}

TEST_CASE("acl: EXEC checks again what was allowed when it was queued") {
  Harness h;
  As u(h, "u", "on nopass +@all ~* &*");
  u.run("multi");
  for (const char* line : {"set a 1", "get b", "publish c m", "ping"}) {
    CHECK(u.run(line) == "+QUEUED\r\n");
  }
  h.run("acl setuser u -set resetkeys resetchannels");
  const std::string refused =
      "-NOPERM ACLs rules changed between the moment the transaction was accumulated and the EXEC "
      "call. This command is no longer allowed for the following reason: ";
  CHECK(u.run("exec") ==
        "*4\r\n" + refused + "no permission to execute the command or subcommand\r\n" + refused +
            "no permission to touch the specified keys\r\n" + refused +
            "no permission to access one of the channels used as arguments\r\n+PONG\r\n");
  CHECK(h.run("exists a") == ":0\r\n");
  u.run("multi");
  CHECK(u.run("set a 1") == may_not_run("set"));
  CHECK(u.run("exec").starts_with("-EXECABORT"));
}

TEST_CASE("acl: a blocked command was checked when it came") {
  Harness h;
  As u(h, "u", "on nopass +@all ~* &*");
  u.run("blpop l 0");
  h.run("acl setuser u -blpop");
  h.run("rpush l x");
  CHECK(u.client.resumed() == "*2\r\n$1\r\nl\r\n$1\r\nx\r\n");
  CHECK(u.run("blpop l 0") == may_not_run("blpop"));
}

TEST_CASE("acl: sessions of a deleted user are closed and run nothing more") {
  Harness h;
  As u(h, "u", "on nopass +@all ~* &*");
  As same(h, "u", "on");
  Client other(h);
  CHECK(h.run("acl deluser u") == ":1\r\n");
  CHECK(u.client.closed());
  CHECK(same.client.closed());
  CHECK_FALSE(other.closed());
  CHECK(u.run("set a 1").empty());
  CHECK(h.run("exists a") == ":0\r\n");
  // A new one of that name is somebody else.
  h.run("acl setuser u on nopass +@all ~* &*");
  CHECK(u.run("set a 1").empty());
  CHECK(h.run("exists a") == ":0\r\n");
}

TEST_CASE("acl: who deletes its own user is answered first") {
  Harness h;
  As u(h, "u", "on nopass +@all ~* &*");
  CHECK(u.run("acl deluser u") == ":1\r\n");
  CHECK(u.client.closed());
}

TEST_CASE("acl: subscribers that lose a channel are disconnected, others are not") {
  Harness h;
  const auto subscriber = [&](const char* rules, const char* line) {
    auto u = std::make_unique<As>(h, "u", rules);
    CHECK(contains(u->run(line), "subscribe"));
    return u;
  };
  constexpr const char* kRules = "on nopass +@all resetchannels &foo:1 &bar:*";
  const auto channel = subscriber(kRules, "subscribe foo:1");
  const auto shard = subscriber(kRules, "ssubscribe foo:1");
  const auto matched = subscriber(kRules, "subscribe bar:2");
  const auto pattern = subscriber(kRules, "psubscribe bar:*");
  h.run("acl setuser u &more");
  CHECK_FALSE(channel->client.closed());
  h.run("acl setuser u resetchannels &bar:*");
  CHECK(channel->client.closed());
  CHECK(shard->client.closed());
  CHECK_FALSE(matched->client.closed());
  CHECK_FALSE(pattern->client.closed());
  CHECK(contains(h.run("client list"), "psub=1"));
  h.run("acl setuser u resetchannels &bar:2");
  CHECK_FALSE(matched->client.closed());
  CHECK(pattern->client.closed());  // by the letter only
  CHECK_FALSE(contains(h.run("client list"), "psub=1"));
  h.run("acl setuser u allchannels");
  h.run("acl setuser u resetchannels");
  CHECK(matched->client.closed());
}

TEST_CASE("acl: who has lost a channel counts no more as its subscriber") {
  Harness h;
  As u(h, "u", "on nopass +@all allchannels");
  u.run("subscribe foo");
  CHECK(h.run("publish foo x") == ":1\r\n");
  h.run("acl setuser u resetchannels &bar");
  CHECK(h.run("publish foo x") == ":0\r\n");
  CHECK(h.run("pubsub channels") == "*0\r\n");
}

// --- logging in ---------------------------------------------------------------------------------

TEST_CASE("acl: AUTH and HELLO as any user") {
  Harness h;
  h.run("acl setuser u on >p1 >p2 +acl|whoami");
  Client c(h);
  CHECK(c.run("auth u p3") == kWrongPassword);
  CHECK(c.run("auth nobody p1") == kWrongPassword);
  CHECK(c.run("acl whoami") == bulk("default"));
  CHECK(c.run("auth u p2") == kOk);
  CHECK(c.run("acl whoami") == bulk("u"));
  CHECK(c.run("get a") == may_not_run("get"));
  CHECK(c.run("hello 3 auth u bad").starts_with("-WRONGPASS"));
  CHECK(c.run("hello 2 auth default any").starts_with("*14\r\n"));
  CHECK(c.run("acl whoami") == bulk("default"));
  h.run("acl setuser u off");
  CHECK(c.run("auth u p1") == kWrongPassword);
}

TEST_CASE("acl: the default user's password and requirepass") {
  Harness h;
  Client early(h);
  h.run("acl setuser default >secret");
  CHECK(early.run("get a") == "$-1\r\n");  // was accepted before
  Client late(h);
  CHECK(late.run("get a") == kNoAuth);
  CHECK(late.run("hello 3").starts_with("-NOAUTH HELLO must be called"));
  CHECK(late.run("auth wrong") == kWrongPassword);
  CHECK(late.run("auth secret") == kOk);
  CHECK(h.run("config get requirepass") == "*2\r\n$11\r\nrequirepass\r\n$0\r\n\r\n");
  h.run("config set requirepass other");
  CHECK(late.run("auth secret") == kWrongPassword);
  CHECK(late.run("auth other") == kOk);
  Client third(h);
  CHECK(third.run("ping") == kNoAuth);
  h.run("config set requirepass ''");
  CHECK(third.run("ping") == "+PONG\r\n");
  CHECK(rules_of(h, "default") == "on nopass ~* &* +@all");
  CHECK(third.run("auth x").starts_with("-ERR AUTH <password> called without any password"));
}

TEST_CASE("acl: while the default user is off new connections have to log in") {
  Harness h;
  h.run("acl setuser u on nopass +ping");
  h.run("acl setuser default off");
  Client c(h);
  CHECK(c.run("ping") == kNoAuth);
  CHECK(c.run("auth default any") == kWrongPassword);
  CHECK(c.run("auth u any") == kOk);
  CHECK(c.run("ping") == "+PONG\r\n");
  CHECK(c.run("reset") == "+RESET\r\n");
  CHECK(c.run("ping") == kNoAuth);
  CHECK(h.run("ping") == "+PONG\r\n");
}

TEST_CASE("acl: what needs no authentication needs no permission either") {
  Harness h;
  h.run("acl setuser u on nopass +@all ~* &*");
  h.run("acl setuser default -@all");
  CHECK(h.run("ping") == may_not_run("ping"));
  CHECK(h.run("hello 2 auth u any").starts_with("*14\r\n"));
  CHECK(h.run("acl whoami") == bulk("u"));
}

TEST_CASE("acl: CLIENT LIST and KILL know users") {
  Harness h;
  As u(h, "u", "on nopass +@all ~* &*");
  CHECK(contains(h.run("client list"), " user=u "));
  CHECK(h.run("client kill user nobody") == "-ERR No such user 'nobody'\r\n");
  CHECK(h.run("client kill user u") == ":1\r\n");
  CHECK(u.client.closed());
}

// --- ACL LOG ------------------------------------------------------------------------------------

TEST_CASE("ACL LOG: what was refused, the same thing once, newest first") {
  Harness h;
  CHECK(h.run("acl log") == "*0\r\n");
  As u(h, "u", "on nopass +@all -incr ~a &c");
  const auto entry = [](int count, std::string_view reason, std::string_view context,
                        std::string_view object) {
    return bulk("count") + ":" + std::to_string(count) + "\r\n" + bulk("reason") + bulk(reason) +
           bulk("context") + bulk(context) + bulk("object") + bulk(object) + bulk("username") +
           bulk("u") + bulk("age-seconds");
  };
  u.run("incr a");
  u.run("get x");
  u.run("incr a");
  CHECK(contains(h.run("acl log 1"), "*1\r\n*14\r\n" + entry(2, "command", "toplevel", "incr")));
  CHECK(contains(h.run("acl log"), entry(1, "key", "toplevel", "x")));
  CHECK(contains(h.run("acl log"), " user=u "));
  u.run("publish d m");
  CHECK(contains(h.run("acl log 1"), entry(1, "channel", "toplevel", "d")));
  u.run("multi");
  u.run("incr a");
  u.run("discard");
  CHECK(contains(h.run("acl log 1"), entry(1, "command", "multi", "incr")));
  u.run("multi");
  u.run("get a");
  h.run("acl setuser u -get");
  u.run("exec");
  CHECK(contains(h.run("acl log 1"), entry(1, "command", "multi", "get")));
  u.run("AUTH u x");
  h.run("acl setuser u resetpass");
  u.run("AUTH u x");
  CHECK(contains(h.run("acl log 1"), entry(1, "auth", "toplevel", "AUTH")));
  CHECK(h.run("acl log -1") == "*0\r\n");
  CHECK(h.run("acl log x") == "-ERR value is not an integer or out of range\r\n");
  h.run("config set acllog-max-len 2");
  u.run("get y");
  CHECK(h.run("acl log").starts_with("*2\r\n"));
  CHECK(h.run("acl log reset") == kOk);
  CHECK(h.run("acl log") == "*0\r\n");
}

// --- configuration and file ---------------------------------------------------------------------

std::string read(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST_CASE("acl: user lines of the configuration") {
  Harness h([](Config& config) {
    config.requirepass = "secret";
    config.users = {{"bob", "on", ">p", "(+get", "~x)"}, {"default", "on", "nopass", "+ping"}};
  });
  CHECK(rules_of(h, "default").find("nopass") == std::string::npos);
  REQUIRE(acl::load_users(*h.server));
  CHECK(rules_of(h, "bob").ends_with(" resetchannels -@all (~x resetchannels -@all +get)"));
  CHECK(rules_of(h, "default") == "on nopass sanitize-payload resetchannels -@all +ping");
}

std::string load_error(std::vector<std::vector<std::string>> users, std::string aclfile = "") {
  Harness h([&](Config& config) {
    config.users = users;
    config.aclfile = aclfile;
  });
  const auto loaded = acl::load_users(*h.server);
  return loaded ? "" : loaded.error().message;
}

TEST_CASE("acl: user lines that are wrong") {
  CHECK(load_error({{"bob"}, {"bob"}}).starts_with("user 'bob': Duplicate user found."));
  CHECK(load_error({{"default"}, {"default"}}).find("Duplicate user") != std::string::npos);
  CHECK(load_error({{"a b"}}) == "user 'a b': names cannot hold white space");
  CHECK(load_error({{"bob", "+nope"}}) ==
        "user 'bob': Error in ACL SETUSER modifier '+nope': Unknown command or category name in "
        "ACL");
  CHECK(load_error({{"bob"}}, "users.acl") ==
        "aclfile and user lines exclude one another: define the users in one place");
  CHECK(load_error({}, "/nowhere/users.acl") ==
        "Error loading ACLs, opening file '/nowhere/users.acl': No such file or directory");
  CHECK(load_error({}, "/") == "Error loading ACLs, opening file '/': Is a directory");
}

TEST_CASE("ACL LOAD of a file that cannot be read is refused and changes nothing") {
  TemporaryDirectory directory;
  Harness h([&](Config& config) {
    config.dir = directory.path();
    config.aclfile = "users.acl";
  });
  h.run("acl setuser bob");
  std::filesystem::create_directory(directory.path() + "/users.acl");
  CHECK(h.run("acl load") ==
        "-ERR Error loading ACLs, opening file 'users.acl': Is a directory\r\n");
  CHECK(h.run("acl users") == "*2\r\n" + bulk("bob") + bulk("default"));
}

TEST_CASE("ACL LOAD and SAVE: all of the file or nothing") {
  TemporaryDirectory directory;
  const std::string path = directory.path() + "/users.acl";
  std::ofstream(path) << "user bob on nopass +@all ~* &*\n";
  Harness h([&](Config& config) {
    config.dir = directory.path();
    config.aclfile = "users.acl";
  });
  REQUIRE(acl::load_users(*h.server));
  Client bob(h), plain(h);
  CHECK(bob.run("auth bob any") == kOk);
  CHECK(h.run("acl setuser eve on +get") == kOk);
  CHECK(h.run("acl save") == kOk);
  CHECK(read(path) ==
        "user bob on nopass ~* &* +@all\nuser default on nopass ~* &* +@all\n"
        "user eve on resetchannels -@all +get\n");

  std::ofstream(path) << "user bob on +nope\n";
  CHECK(bob.run("acl load") ==
        "-ERR users.acl:1: Error in applying operation '+nope': Unknown command or category name "
        "in ACL. WARNING: ACL errors detected, no change to the previously active ACL rules was "
        "performed\r\n");
  CHECK(bob.run("acl users").starts_with("*3\r\n"));

  std::ofstream(path) << "user bob on nopass +@all ~*\n";
  CHECK(bob.run("acl load") == kOk);
  CHECK(bob.closed());  // it is another bob's now
  CHECK_FALSE(plain.closed());
  CHECK(h.run("acl users") == "*2\r\n" + bulk("bob") + bulk("default"));
  std::filesystem::remove(path);
  CHECK(h.run("acl load") ==
        "-ERR Error loading ACLs, opening file 'users.acl': No such file or directory\r\n");
}

TEST_CASE("ACL LOAD and SAVE without a file, and SAVE that fails") {
  {
    Harness h;
    CHECK(
        h.run("acl load").starts_with("-ERR This Redis instance is not configured to use an ACL"));
    CHECK(
        h.run("acl save").starts_with("-ERR This Redis instance is not configured to use an ACL"));
  }
  Harness h([](Config& config) { config.aclfile = "/nowhere/users.acl"; });
  CHECK(h.run("acl save") ==
        "-ERR There was an error trying to save the ACLs. Please check the server logs for more "
        "information\r\n");
}

TEST_CASE("acl: the lines that CONFIG REWRITE writes") {
  Harness h;
  CHECK(acl::user_lines(*h.server)->empty());
  h.run("config set requirepass secret");
  CHECK(acl::user_lines(*h.server)->empty());
  h.run({"acl", "setuser", "q\"x", "~a\"b", "~\\c", "(+get", "~d)"});
  const auto lines = *acl::user_lines(*h.server);
  REQUIRE(lines.size() == 2);
  CHECK(lines[0] == "default " + rules_of(h, "default"));
  const auto words = resp::split_args(lines[1]);
  REQUIRE(words);
  CHECK((*words)[0] == "q\"x");
  CHECK((*words)[2] == "~a\"b");
  CHECK((*words)[3] == "~\\c");
}

}  // namespace
}  // namespace respcask::server::testing

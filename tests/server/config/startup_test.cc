#include "server/config/startup.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "server/config/table.h"

namespace respcask::server {
namespace {

// A directory that goes away with the test.
class Directory {
 public:
  Directory() {
    char name[] = "/tmp/respcask-config-XXXXXX";
    path_ = ::mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  std::string write(const std::string& name, std::string_view text) const {
    const std::string path = path_ + "/" + name;
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    std::ofstream(path, std::ios::binary) << text;
    return path;
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// The test runs in a directory for a while.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const std::string& path) { std::filesystem::current_path(path); }
  ~WorkingDirectory() { std::filesystem::current_path(before_); }

 private:
  const std::filesystem::path before_ = std::filesystem::current_path();
};

engine::Result<Startup> start(const std::vector<std::string_view>& arguments,
                              const std::string& input = "") {
  std::istringstream in(input);
  return parse_command_line(arguments, in);
}

std::string error_of(const engine::Result<Startup>& result) {
  return result ? "no error" : result.error().message;
}

TEST_CASE("save with a quoted nothing in quotes is none, at the start only") {
  const auto startup = start({"--save", "\"\""});
  REQUIRE(startup);
  CHECK(render_value(*find_row("save"), startup->config).empty());
  CHECK_FALSE(start({"--save", "\"900 1\""}));
}

TEST_CASE("a line of save, percentiles or buffer limits may end after the name") {
  const Directory directory;
  const auto value = [&](std::string_view text, std::string_view name) {
    CAPTURE(text);
    const auto startup = start({directory.write("x.conf", text)});
    REQUIRE(error_of(startup) == "no error");
    return render_value(*find_row(name), startup->config);
  };
  // The first line of save takes the place of the default; nothing adds nothing to later ones.
  CHECK(value("save\n", "save").empty());
  CHECK(value("save 900 1\nsave\n", "save") == "900 1");
  CHECK(value("save\nsave 900 1\nsave 10 2\nsave\n", "save") == "900 1 10 2");
  CHECK(value("save \"\"\nsave\n", "save").empty());
  constexpr std::string_view kPercentiles = "latency-tracking-info-percentiles";
  CHECK(value("latency-tracking-info-percentiles\n", kPercentiles).empty());
  CHECK(value("latency-tracking-info-percentiles 50\nlatency-tracking-info-percentiles \n",
              kPercentiles)
            .empty());
  constexpr std::string_view kLimits = "client-output-buffer-limit";
  CHECK(value("client-output-buffer-limit\n", kLimits) == default_value(*find_row(kLimits)));
  CHECK(error_of(start({directory.write("x.conf", "oom-score-adj-values\n")}))
            .ends_with("oom-score-adj-values: wrong number of arguments"));
}

TEST_CASE("one quoted word may hold all the words of a value") {
  const auto value = [](const engine::Result<Startup>& startup, std::string_view name) {
    REQUIRE(error_of(startup) == "no error");
    return render_value(*find_row(name), startup->config);
  };
  CHECK(value(start({"--save", "900 1"}), "save") == "900 1");
  CHECK(value(start({"--save", "900 1 300 10"}), "save") == "900 1 300 10");
  CHECK(value(start({"--save", "900 1", "--save", "300 10"}), "save") == "900 1 300 10");
  CHECK(value(start({"--oom-score-adj-values", "1 2 3"}), "oom-score-adj-values") == "1 2 3");
  CHECK(value(start({"--shutdown-on-sigterm", "save force"}), "shutdown-on-sigterm") ==
        "save force");
  CHECK(value(start({"--latency-tracking-info-percentiles", "50 99"}),
              "latency-tracking-info-percentiles") == "50 99");
  CHECK(value(start({"--client-output-buffer-limit", "normal 1 2 3"}),
              "client-output-buffer-limit") ==
        "normal 1 2 3 slave 268435456 67108864 60 pubsub "
        "33554432 8388608 60");
  const auto bound = start({"-"}, "bind \"127.0.0.1 ::1\"\n");
  REQUIRE(error_of(bound) == "no error");
  CHECK(bound->config.bind == std::vector<std::string>{"127.0.0.1", "::1"});
  CHECK(value(start({"--bind", ""}), "bind") == "");
  CHECK_FALSE(start({"--save", "900"}));
  CHECK_FALSE(start({"--save", "900  1"}));
}

TEST_CASE("what is wrong is told in one line, whatever was written") {
  CHECK(error_of(start({"--\"pr\\not\"", "1"})) == "command line: unknown parameter 'pr?ot'");
  CHECK(error_of(start({"-"}, "\"pr\\r\\not\" 1\n")) ==
        "standard input:1: unknown parameter 'pr??ot'");
}

TEST_CASE("nothing at all means all defaults") {
  const auto startup = start({});
  REQUIRE(startup);
  CHECK(startup->action == Startup::Action::kRun);
  CHECK(startup->config.port == 6379);
  CHECK(startup->file == "");
  CHECK(startup->ineffective.empty());
}

TEST_CASE(
    "the file that comes with the server names every parameter, bind alone without its default") {
  const char* const named = std::getenv("RESPCASK_CONF");
  const std::string file = named != nullptr ? named : "scripts/respcask.conf";
  const auto startup = start({file});
  REQUIRE(startup);
  const Config defaults;
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  for (RowId id = 0; id < row_count(); ++id) {
    const Row& row = row_at(id);
    CAPTURE(row.name);
    const std::string line = "\n" + std::string(row.name) + " ";
    const std::string commented = "\n# " + std::string(row.name) + " ";
    const bool is_there = text.find(line) != text.npos || text.find(commented) != text.npos;
    const bool has_effect =
        !row.is_inert() && row.kind != Kind::kLoadModule && row.kind != Kind::kForgotten;
    CHECK(is_there == has_effect);
    if (row.name == "bind") {
      CHECK(render_value(id, startup->config) == "127.0.0.1 -::1");
    } else if (!row.is_statement()) {
      CHECK(render_value(id, startup->config) == render_value(id, defaults));
    }
  }
  CHECK(startup->ineffective.empty());
}

TEST_CASE("a file: comments, blank lines, quotes, case, and the last line wins") {
  const Directory directory;
  const std::string file = directory.write("respcask.conf",
                                           "# a comment\n"
                                           "\n"
                                           "   \t\r\n"
                                           "  # another\n"
                                           "PORT 7000\r\n"
                                           "port 7001\n"
                                           "requirepass \"a \\\"b\\\" \\x41\\n\"\n"
                                           "logfile 'it''s'\n"
                                           "unixsocket ''\n"
                                           "bind 10.0.0.1 ::1\n"
                                           "maxmemory 1gb");
  const auto broken = start({file});
  CHECK(error_of(broken) == file + ":8: unbalanced quotes");

  const std::string good = directory.write("good.conf",
                                           "PORT 7000\r\nport 7001\n"
                                           "requirepass \"a \\\"b\\\" \\x41\\n\"\n"
                                           "logfile 'it\\'s'\nbind 10.0.0.1 ::1\nmaxmemory 1gb");
  const auto startup = start({good});
  REQUIRE(error_of(startup) == "no error");
  CHECK(startup->config.port == 7001);
  CHECK(startup->config.requirepass == "a \"b\" A\n");
  CHECK(startup->config.logfile == "it's");
  CHECK(startup->config.bind == std::vector<std::string>{"10.0.0.1", "::1"});
  CHECK(startup->config.maxmemory == uint64_t{1} << 30);
  CHECK(startup->file == good);
}

TEST_CASE("an error names file, line, parameter and reason") {
  const Directory directory;
  const auto wrong = [&](std::string_view text) {
    const std::string file = directory.write("respcask.conf", text);
    const std::string message = error_of(start({file}));
    return message.starts_with(directory.path() + "/") ? message.substr(directory.path().size() + 1)
                                                       : message;
  };
  CHECK(wrong("port 1\n\n# x\nprot 7\n") == "respcask.conf:4: unknown parameter 'prot'");
  CHECK(wrong("port abc") == "respcask.conf:1: port: argument couldn't be parsed into an integer");
  CHECK(wrong("hz 10\nport\n") == "respcask.conf:2: port: wrong number of arguments");
  CHECK(wrong("port 1 2\n") == "respcask.conf:1: port: wrong number of arguments");
  CHECK(wrong("hz 10 # fast\n") == "respcask.conf:1: hz: wrong number of arguments");
  CHECK(wrong("loadmodule x.so\n") == "respcask.conf:1: loadmodule: modules are not supported");
  CHECK(wrong("slaveof 10.0.0.1 6379\n") ==
        "respcask.conf:1: slaveof: replication is not supported, this server cannot be a replica");
  CHECK(wrong("cluster-enabled yes\n") ==
        "respcask.conf:1: cluster-enabled: cluster mode is not supported");
  CHECK(wrong("user\n") == "respcask.conf:1: user: wrong number of arguments");
  CHECK(wrong("merge-trigger-garbage 10\n") ==
        "merge-stop-garbage must not be above merge-trigger-garbage");
  const auto absent = start({"/nonexistent/x.conf"});
  CHECK(error_of(absent) ==
        "/nonexistent/x.conf: cannot open the configuration file: No such file or directory");
  CHECK(error_of(start({directory.path()})) ==
        directory.path() + ": cannot open the configuration file: Is a directory");
}

// What a read error of the C++ library looks like.
class BrokenInput final : public std::streambuf {
  int_type underflow() override { throw std::ios_base::failure("read"); }
};

TEST_CASE("standard input that cannot be read is refused") {
  BrokenInput broken;
  std::istream in(&broken);
  const std::vector<std::string_view> arguments = {"-"};
  CHECK(error_of(parse_command_line(arguments, in)) == "standard input: cannot be read");
}

TEST_CASE("include: relative to the working directory, with patterns, errors name the inner file") {
  const Directory directory;
  const std::string file =
      directory.write("conf/main.conf", "port 1\ninclude sub/a.conf\ninclude sub/*.inc\n");
  directory.write("sub/a.conf", "port 2\ninclude sub/b.conf\n");
  directory.write("sub/b.conf", "hz 20\n");
  directory.write("sub/1.inc", "timeout 1\nmaxclients 7\n");
  directory.write("sub/2.inc", "timeout 2\n");
  // Beside the file nothing is looked for.
  directory.write("conf/sub/a.conf", "port 3\n");
  directory.write("conf/sub/3.inc", "timeout 3\n");
  const WorkingDirectory here(directory.path());
  const auto startup = start({file});
  REQUIRE(error_of(startup) == "no error");
  CHECK(startup->config.port == 2);
  CHECK(startup->config.hz == 20);
  CHECK(startup->config.maxclients == 7);
  CHECK(startup->config.timeout_s == 2);

  directory.write("sub/b.conf", "\nhz x\n");
  CHECK(error_of(start({file})) ==
        file + ":2: sub/a.conf:2: sub/b.conf:2: hz: argument couldn't be parsed into an integer");

  CHECK(error_of(start({directory.write("none.conf", "include nosuch/*.conf\n")})) == "no error");
  CHECK(error_of(start({directory.write("conf/gone.conf", "include main.conf\n")}))
            .ends_with(
                ":1: main.conf: cannot open the configuration file: No such file or directory"));
  CHECK(error_of(start({directory.write("self.conf", "include self.conf\n")}))
            .ends_with("include: nested too deeply"));
}

TEST_CASE("a relative path begins at what dir said before it, also that of the next dir") {
  const Directory directory;
  directory.write("sub/a.conf", "hz 20\ndir deep\n");
  directory.write("sub/deep/b.conf", "timeout 5\n");
  const std::string text = "dir " + directory.path() + "/sub\ninclude a.conf\ninclude [b].conf\n";
  const std::string file = directory.write("main.conf", text);
  const auto startup = start({file, "--dir", ".."});
  REQUIRE(error_of(startup) == "no error");
  CHECK(startup->config.hz == 20);
  CHECK(startup->config.timeout_s == 5);
  CHECK(startup->config.dir == directory.path() + "/sub");
}

TEST_CASE("the command line comes after the file, standard input between them") {
  const Directory directory;
  const std::string file = directory.write("respcask.conf", "port 1\nhz 20\ntimeout 3\n");
  const auto startup =
      start({file, "--port", "2", "--bind", "127.0.0.1", "-::1", "-"}, "port 3\nhz 21\n");
  REQUIRE(error_of(startup) == "no error");
  CHECK(startup->config.port == 2);
  CHECK(startup->config.hz == 21);
  CHECK(startup->config.timeout_s == 3);
  CHECK(startup->config.bind == std::vector<std::string>{"127.0.0.1", "-::1"});

  CHECK(start({"-", "--hz", "30"}, "port 5")->config.port == 5);
  CHECK(start({"--hz 33"})->config.hz == 33);
  CHECK(start({"--slowlog-log-slower-than", "-1"})->config.slowlog_log_slower_than_us == -1);
  CHECK(start({"--requirepass", "a b"})->config.requirepass == "a b");
  CHECK(render_value(*find_row("save"), start({"--save", "--hz", "20"})->config) == "");
}

TEST_CASE("what follows a bare --name is its value, whatever it begins with") {
  const auto password = [](const std::vector<std::string_view>& arguments) {
    const auto startup = start(arguments);
    return startup ? startup->config.requirepass : startup.error().message;
  };
  CHECK(password({"--requirepass", "--foo"}) == "--foo");
  CHECK(password({"--requirepass", "--foo", "--hz", "20"}) == "--foo");
  CHECK(password({"--requirepass", "--foo \"bar"}) == "--foo \"bar");
  CHECK(password({"--hz 20", "--requirepass", "--help"}) == "--help");
  CHECK(password({"--requirepass", "--version"}) == "--version");
  CHECK(password({"--requirepass", "--"}) == "--");
  CHECK(password({"--requirepass", "-", "--hz", "20"}) == "-");
  CHECK(start({"--requirepass", "--foo", "--hz", "20"})->config.hz == 20);
  CHECK(error_of(start({"--port", "--help"})) ==
        "command line: port: argument couldn't be parsed into an integer");
  CHECK(error_of(start({"--appendonly", "--port", "1"})) ==
        "command line: appendonly: wrong number of arguments");
  CHECK(error_of(start({"--requirepass", "--foo", "bar"})) ==
        "command line: requirepass: wrong number of arguments");
  // A second value is none, and what has its value within has had it.
  CHECK(error_of(start({"--requirepass", "a", "--foo", "b"})) ==
        "command line: unknown parameter 'foo'");
  CHECK(error_of(start({"--requirepass a", "--foo"})) == "command line: unknown parameter 'foo'");
}

TEST_CASE("--save alone may lack its value, and -- alone is no parameter") {
  const auto save_and_hz = [](const std::vector<std::string_view>& arguments) {
    const auto startup = start(arguments);
    if (!startup) return startup.error().message;
    return render_value(*find_row("save"), startup->config) + "," +
           std::to_string(startup->config.hz);
  };
  CHECK(save_and_hz({"--save", "--hz", "20"}) == ",20");
  CHECK(save_and_hz({"--SAVE", "--hz", "20"}) == ",20");
  CHECK(save_and_hz({"--hz", "20", "--save"}) == ",20");
  CHECK(save_and_hz({"--hz", "20", "--SAVE"}) == ",20");
  CHECK(save_and_hz({"--hz", "20", "--save "}) == ",20");
  CHECK_FALSE(start({"--save ", "--hz"}));
  CHECK(error_of(start({"--save", "--foo"})) == "command line: unknown parameter 'foo'");
  CHECK(save_and_hz({"--hz", "20", "--"}).ends_with(",20"));
  CHECK(save_and_hz({"--", "hz", "20"}).ends_with(",20"));
  CHECK(save_and_hz({"--port", "1", "--", "hz", "20"}).ends_with(",20"));
  CHECK(error_of(start({"--", "--hz", "20"})) == "command line: unknown parameter '--hz'");
}

TEST_CASE("errors on the command line") {
  CHECK(error_of(start({"--prot", "1"})) == "command line: unknown parameter 'prot'");
  CHECK(error_of(start({"--port=7"})) == "command line: unknown parameter 'port=7'");
  CHECK(error_of(start({"--port"})) == "command line: port: wrong number of arguments");
  CHECK(error_of(start({"--hz", "-5"})) ==
        "command line: hz: argument must be between 0 and 2147483647 inclusive");
  CHECK(error_of(start({"-x"})) ==
        "command line: '-x' is not expected here, parameters are given as --name value");
  CHECK(error_of(start({"-"}, "\nhz x")) ==
        "standard input:2: hz: argument couldn't be parsed into an integer");
  CHECK(error_of(start({"/dev/null", "b.conf"})) ==
        "command line: 'b.conf' is not expected here, parameters are given as --name value");
}

TEST_CASE("lines that add up: save, users, renamed commands, output limits") {
  const Directory directory;
  const std::string file =
      directory.write("respcask.conf",
                      "save 10 1\nsave 20 2 30 3\nuser bob on >p ~*\nuser eve off\n"
                      "rename-command FLUSHALL \"\"\nrename-command Keys slowkeys\n"
                      "client-output-buffer-limit normal 1 2 3 pubsub 4 5 6\n"
                      "client-output-buffer-limit slave 7 8 9\n");
  const auto startup = start({file});
  REQUIRE(error_of(startup) == "no error");
  const Config& config = startup->config;
  CHECK(render_value(*find_row("save"), config) == "10 1 20 2 30 3");
  REQUIRE(config.users.size() == 2);
  CHECK(config.users[0] == std::vector<std::string>{"bob", "on", ">p", "~*"});
  REQUIRE(config.renamed_commands.size() == 2);
  CHECK(config.renamed_commands[0] == std::pair<std::string, std::string>("flushall", ""));
  CHECK(config.renamed_commands[1] == std::pair<std::string, std::string>("keys", "slowkeys"));
  CHECK(config.output_limit(ClientClass::kNormal) == OutputLimit{1, 2, 3});
  CHECK(config.output_limit(ClientClass::kReplica) == OutputLimit{7, 8, 9});
  CHECK(config.output_limit(ClientClass::kPubsub) == OutputLimit{4, 5, 6});

  const std::string emptied = directory.write("empty.conf", "save 10 1\nsave \"\"\nsave 5 5\n");
  CHECK(render_value(*find_row("save"), start({emptied})->config) == "5 5");
}

TEST_CASE("rename-command: what is no command, or a name that is taken, is refused") {
  const auto renamed = [](const std::string& lines) {
    const auto startup = start({"-"}, lines);
    return startup ? "" : startup.error().message;
  };
  const std::string unknown = "No such command in rename-command";
  const std::string taken = "Target command name already exists";
  CHECK(renamed("rename-command FLUSHALL_TYPO \"\"\n") == "standard input:1: " + unknown);
  CHECK(renamed("rename-command \"\" x\n") == "standard input:1: " + unknown);
  CHECK(renamed("rename-command config|get x\n") == "standard input:1: " + unknown);
  CHECK(renamed("rename-command GET a\nrename-command get b\n") == "standard input:2: " + unknown);
  CHECK(renamed("rename-command GET \"\"\nrename-command get b\n") ==
        "standard input:2: " + unknown);
  CHECK(renamed("rename-command GET Set\n") == "standard input:1: " + taken);
  CHECK(renamed("rename-command GET eval\n") == "standard input:1: " + taken);
  CHECK(renamed("rename-command GET a\nrename-command SET A\n") == "standard input:2: " + taken);
  // Commands of Redis that are not here may be renamed all the same.
  CHECK(renamed("rename-command EVAL \"\"\nrename-command xadd xadd2\n") == "");
  CHECK(renamed("rename-command GET \"\"\nrename-command SET \"\"\n") == "");
  CHECK(renamed("rename-command GET get\n") == "");
}

TEST_CASE("rename-command: each line knows the names that earlier ones have given") {
  using Renames = std::vector<Config::Rename>;
  const auto startup =
      start({"-"}, "rename-command get a\nrename-command SET get\nrename-command A b\n");
  REQUIRE(error_of(startup) == "no error");
  CHECK(startup->config.renamed_commands == Renames{{"get", "b"}, {"set", "get"}});
}

TEST_CASE("files that name no master, or what older versions had, start the server") {
  for (const char* line : {"replicaof no one", "slaveof NO ONE", "replicaof \"no one\""}) {
    const auto startup = start({"-"}, line);
    CHECK(error_of(startup) == "no error");
    CHECK(render_value(*find_row("replicaof"), startup->config) == "");
  }
  CHECK_FALSE(start({"-"}, "replicaof no two"));
  const auto old = start({"-"},
                         "list-max-ziplist-entries 512\nlist-max-ziplist-value 64\n"
                         "lua-replicate-commands yes\n");
  REQUIRE(error_of(old) == "no error");
  CHECK(old->ineffective == std::vector<std::string>{"list-max-ziplist-entries",
                                                     "list-max-ziplist-value",
                                                     "lua-replicate-commands"});
  CHECK_FALSE(start({"-"}, "lua-replicate-commands"));
}

TEST_CASE("parameters without effect are named once, in order") {
  const auto startup =
      start({"--stop-writes-on-bgsave-error", "no", "--port", "1", "--appendonly", "yes",
             "--stop-writes-on-bgsave-error", "yes", "--slave-priority", "3"});
  REQUIRE(error_of(startup) == "no error");
  CHECK(startup->ineffective ==
        std::vector<std::string>{"stop-writes-on-bgsave-error", "appendonly", "slave-priority"});
  CHECK(render_value(*find_row("replica-priority"), startup->config) == "3");
}

TEST_CASE("--help is complete, --version is one line") {
  CHECK(start({"--help"})->action == Startup::Action::kPrintHelp);
  CHECK(start({"-h"})->action == Startup::Action::kPrintHelp);
  CHECK(start({"--port", "1", "--version"})->action == Startup::Action::kPrintVersion);
  CHECK(start({"-v"})->action == Startup::Action::kPrintVersion);

  const std::string help = help_text();
  for (RowId id = 0; id < row_count(); ++id) {
    const Row& row = row_at(id);
    CAPTURE(row.name);
    const auto at = help.find("\n  " + std::string(row.name) + " ");
    const auto alone = help.find("\n  " + std::string(row.name) + "\n");
    CHECK((at != help.npos || alone != help.npos));
    CHECK(help.find(row.help) != help.npos);
  }
  CHECK(version_text().starts_with("respcask 0."));
  CHECK(version_text().find('\n') == std::string::npos);
}

}  // namespace
}  // namespace respcask::server

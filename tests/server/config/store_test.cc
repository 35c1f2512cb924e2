#include "server/config/store.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "server/config/table.h"

namespace respcask::server {
namespace {

using Words = std::vector<std::string_view>;

std::string set(ConfigStore& store, const Words& words, bool is_local = false) {
  return store.set(words, is_local).value_or("OK");
}

std::map<std::string, std::string> get(const ConfigStore& store, const Words& patterns) {
  std::map<std::string, std::string> all;
  for (const auto& [name, value] : store.get(patterns)) all[std::string(name)] = value;
  return all;
}

std::string get_one(const ConfigStore& store, std::string_view name) {
  const auto found = store.get(Words{name});
  REQUIRE(found.size() == 1);
  CHECK(found[0].first == name);
  return found[0].second;
}

std::string failed(const std::string& name, const std::string& why) {
  return "ERR CONFIG SET failed (possibly related to argument '" + name + "') - " + why;
}

TEST_CASE("CONFIG GET matches patterns in any case, each parameter once") {
  const ConfigStore store{Config()};
  CHECK(get(store, {"HZ"}) == std::map<std::string, std::string>{{"HZ", "10"}});
  CHECK(get(store, {"hz", "h[yz]", "port"}) ==
        std::map<std::string, std::string>{{"hz", "10"}, {"port", "6379"}});
  CHECK(store.get(Words{"hz", "h[yz]"}).size() == 1);
  CHECK(get(store, {"*-PING-*"}) ==
        std::map<std::string, std::string>{{"repl-ping-replica-period", "10"},
                                           {"repl-ping-slave-period", "10"}});
  CHECK(get(store, {"nosuch"}).empty());
  CHECK(get(store, {"\\hz"}).empty());
  CHECK(get(store, {"user"}).empty());
  CHECK(get(store, {"rename-command", "include", "loadmodule"}).empty());
  // Hidden, as in Redis: to those who know the name alone.
  CHECK(get(store, {"key-load-*", "*"}).count("key-load-delay") == 0);
  CHECK(get_one(store, "key-load-delay") == "0");
  const size_t hidden = static_cast<size_t>(std::ranges::count_if(
      parameter_names(), [](const RowName& n) { return row_at(n.id).is_hidden; }));
  CHECK(store.get(Words{"*"}).size() == parameter_names().size() - hidden);
}

TEST_CASE("CONFIG SET takes what CONFIG GET says of parameters that Redis does not have") {
  ConfigStore store{Config()};
  for (const auto& [name, value] :
       store.get(Words{"shards", "segment-size", "readers", "io-uring", "backup-dir"})) {
    CHECK(set(store, {name, value}) == "OK");
  }
  CHECK(set(store, {"readers", "9"}) == failed("readers", "can't set immutable config"));
  CHECK(set(store, {"databases", "16"}) == failed("databases", "can't set immutable config"));
}

TEST_CASE("CONFIG SET changes all of its parameters, seen by a view after its refresh") {
  ConfigStore store{Config()};
  ConfigView view(store);
  const auto before = store.snapshot();
  CHECK(set(store, {"maxmemory", "1mb", "HZ", "20", "bind", "10.0.0.1 ::1"}) == "OK");
  CHECK(view.current().hz == 10);
  view.refresh();
  CHECK(view.current().hz == 20);
  CHECK(view.current().maxmemory == 1 << 20);
  CHECK(view.current().bind == std::vector<std::string>{"10.0.0.1", "::1"});
  CHECK(before->hz == 10);
  CHECK(store.version() == 2);
}

TEST_CASE("CONFIG SET through an alias changes both names") {
  ConfigStore store{Config()};
  CHECK(set(store, {"hash-max-ziplist-entries", "1", "hash-max-listpack-entries", "2"}) == "OK");
  CHECK(get_one(store, "hash-max-ziplist-entries") == "2");
  CHECK(get_one(store, "hash-max-listpack-entries") == "2");
  CHECK(set(store, {"slave-priority", "7"}) == "OK");
  CHECK(get_one(store, "replica-priority") == "7");
}

TEST_CASE("CONFIG SET that fails changes nothing and says why in Redis's words") {
  ConfigStore store{Config()};
  const auto fails = [&](const Words& words, const std::string& reply) {
    CHECK(set(store, words) == reply);
    CHECK(get_one(store, "timeout") == "0");
    CHECK(store.version() == 1);
  };
  fails({"timeout", "1", "maxmemory", "abc"},
        failed("maxmemory", "argument must be a memory value"));
  fails({"timeout", "1", "HZ", "abc"}, failed("hz", "argument couldn't be parsed into an integer"));
  fails({"timeout", "1", "nosuch", "2"},
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'");
  fails({"timeout", "1", "user", "a"},
        "ERR Unknown option or number of arguments for CONFIG SET - 'user'");
  fails({"timeout", "1", "hz*", "2"},
        "ERR Unknown option or number of arguments for CONFIG SET - 'hz*'");
  fails({"timeout", "1", "databases", "4", "nosuch", "1"},
        failed("databases", "can't set immutable config"));
  fails({"timeout", "1", "shards", "4"}, failed("shards", "can't set immutable config"));
  fails({"timeout", "1", "dir", "/tmp"}, failed("dir", "can't set protected config"));
  fails({"timeout", "1", "dbfilename", "x"}, failed("dbfilename", "can't set protected config"));
  for (const char* path : {"logfile", "pidfile", "aclfile", "unixsocket"}) {
    fails({path, "/tmp/x"}, failed(path, "can't set immutable config"));
  }
  fails({"hz", "10", "timeout", "1", "hz", "11"}, failed("hz", "duplicate parameter"));
  // These three name it as it was typed.
  fails({"hz", "10", "timeout", "1", "Hz", "11"}, failed("Hz", "duplicate parameter"));
  fails({"Databases", "4"}, failed("Databases", "can't set immutable config"));
  fails({"dbFilename", "x"}, failed("dbFilename", "can't set protected config"));
  fails({"timeout", "1", "hz"}, "ERR syntax error");
  fails({"timeout", "1", "slaveof", "a b"}, failed("slaveof", "can't set immutable config"));
  fails({"timeout", "1", "oom-score-adj-values", "1  2 3"},
        failed("oom-score-adj-values", "wrong number of arguments"));
  fails({"timeout", "1", "merge-stop-garbage", "90"},
        failed("merge-stop-garbage", "merge-stop-garbage must not be above merge-trigger-garbage"));
  CHECK(set(store, {"merge-stop-garbage", "50", "merge-trigger-garbage", "60"}) == "OK");
}

TEST_CASE("CONFIG SET raises a small repl-backlog-size, if it changes it") {
  Config config;
  CHECK(parse_value(*find_row("repl-backlog-size"), std::vector<std::string>{"1k"}, config) == "");
  ConfigStore store(config);
  CHECK(get_one(store, "repl-backlog-size") == "1000");
  CHECK(set(store, {"repl-backlog-size", "1000"}) == "OK");
  CHECK(get_one(store, "repl-backlog-size") == "1000");
  CHECK(set(store, {"repl-backlog-size", "1kb"}) == "OK");
  CHECK(get_one(store, "repl-backlog-size") == "16384");
  CHECK(set(store, {"repl-backlog-size", "20000"}) == "OK");
  CHECK(get_one(store, "repl-backlog-size") == "20000");
}

TEST_CASE("protected parameters open with enable-protected-configs, but never the data directory") {
  Config config;
  config.enable_protected_configs = Permission::kLocal;
  ConfigStore store(config);
  CHECK(set(store, {"dbfilename", "x"}) == failed("dbfilename", "can't set protected config"));
  CHECK(set(store, {"dbfilename", "x"}, true) == "OK");
  CHECK(set(store, {"dir", "/tmp"}, true) == failed("dir", "can't set immutable config"));
}

TEST_CASE("a hook sees the old and the new values, once, and only for a change") {
  ConfigStore store{Config()};
  std::vector<std::string> calls;
  store.on_change({"hz", "timeout"}, [&](const Config& from, const Config& to) {
    calls.push_back(std::to_string(from.hz) + ">" + std::to_string(to.hz));
    return std::nullopt;
  });
  CHECK(set(store, {"port", "1"}) == "OK");
  CHECK(set(store, {"hz", "10"}) == "OK");
  CHECK(calls.empty());
  CHECK(set(store, {"hz", "20", "timeout", "5"}) == "OK");
  CHECK(calls == std::vector<std::string>{"10>20"});
}

TEST_CASE("a hook that refuses undoes the hooks before it and publishes nothing") {
  ConfigStore store{Config()};
  std::vector<std::string> calls;
  const auto log = [&](const std::string& name, const Config& from, const Config& to) {
    calls.push_back(name + " " + std::to_string(from.hz) + ">" + std::to_string(to.hz));
  };
  store.on_change({"hz"}, [&](const Config& from, const Config& to) {
    log("first", from, to);
    return std::nullopt;
  });
  store.on_change({"timeout"}, [&](const Config& from, const Config& to) {
    log("untouched", from, to);
    return std::nullopt;
  });
  store.on_change({"maxclients"},
                  [&](const Config& from, const Config& to) -> std::optional<std::string> {
                    log("second", from, to);
                    if (to.maxclients > 100) return "too many";
                    return std::nullopt;
                  });
  CHECK(set(store, {"hz", "20", "maxclients", "1000"}) == failed("maxclients", "too many"));
  CHECK(calls == std::vector<std::string>{"first 10>20", "second 10>20", "first 20>10"});
  CHECK(get_one(store, "hz") == "10");
  CHECK(store.version() == 1);
}

TEST_CASE("hooks run in the order of what was set, and are undone in the order against it") {
  ConfigStore store{Config()};
  std::string calls;
  bool fails = false;
  for (const char* name : {"hz", "timeout", "port"}) {
    store.on_change({name}, [&calls, name](const Config&, const Config&) {
      calls += std::string(name) + " ";
      return std::nullopt;
    });
  }
  store.on_change({"timeout"}, [&](const Config&, const Config&) -> std::optional<std::string> {
    calls += "last ";
    if (fails) return "no";
    return std::nullopt;
  });
  CHECK(set(store, {"timeout", "5", "port", "1", "hz", "20"}) == "OK");
  CHECK(calls == "timeout last port hz ");
  calls.clear();
  fails = true;
  CHECK(set(store, {"port", "2", "timeout", "6", "hz", "30"}) == failed("timeout", "no"));
  CHECK(calls == "port timeout last timeout port ");
}

TEST_CASE("readers on other threads never see half of a SET") {
  ConfigStore store{Config()};
  std::atomic<bool> stop = false;
  std::atomic<int> torn = 0;
  std::vector<std::thread> readers;
  CHECK(set(store, {"hz", "1", "timeout", "1", "requirepass", "1"}) == "OK");
  for (int i = 0; i < 3; ++i) {
    readers.emplace_back([&] {
      ConfigView view(store);
      while (!stop) {
        view.refresh();
        const Config& config = view.current();
        const bool is_whole =
            config.hz == config.timeout_s && config.requirepass == std::to_string(config.hz);
        if (!is_whole) ++torn;
      }
    });
  }
  for (int i = 0; i < 2000; ++i) {
    const std::string value = std::to_string(i % 500 + 1);
    CHECK(set(store, {"hz", value, "timeout", value, "requirepass", value}) == "OK");
  }
  stop = true;
  for (std::thread& reader : readers) reader.join();
  CHECK(torn == 0);
}

TEST_CASE("secrets are known as such") {
  CHECK(is_secret_parameter("RequirePass"));
  CHECK(is_secret_parameter("masterauth"));
  CHECK(!is_secret_parameter("port"));
  CHECK(!is_secret_parameter("nosuch"));
}

}  // namespace
}  // namespace respcask::server

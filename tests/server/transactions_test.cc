#include <doctest/doctest.h>

#include <functional>
#include <string>
#include <string_view>

#include "server/acl/change.h"
#include "server/context.h"
#include "tests/server/probe_commands.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("transactions: what is queued runs at EXEC, over all shards") {
  ProbeHarness h;
  CHECK(h.run("multi") == "+OK\r\n");
  for (const char* key : {"a", "b", "c", "d", "e"}) {
    CHECK(h.run({"probeset", key, key}) == "+QUEUED\r\n");
  }
  CHECK(h.run("probeget c") == "+QUEUED\r\n");
  CHECK(h.run("probefail") == "+QUEUED\r\n");
  CHECK(h.run("probekeys") == "+QUEUED\r\n");
  {
    Client other(h);  // gone before the restart, as a real one's connection would be
    CHECK(other.run("probeget a") == "$-1\r\n");
  }
  CHECK(h.run("exec") ==
        "*8\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n$1\r\nc\r\n-PROBE failed\r\n:5\r\n");
  h.restart();
  CHECK(h.run("probekeys") == ":5\r\n");
}

TEST_CASE("transactions: what is not allowed, and where") {
  ProbeHarness h;
  CHECK(h.run("exec") == "-ERR EXEC without MULTI\r\n");
  CHECK(h.run("discard") == "-ERR DISCARD without MULTI\r\n");
  h.run("multi");
  CHECK(h.run("multi") == "-ERR MULTI calls can not be nested\r\n");
  CHECK(h.run("watch a") == "-ERR WATCH inside MULTI is not allowed\r\n");
  h.run("probeset k v");
  CHECK(h.run("exec") == "*1\r\n+OK\r\n");
  CHECK(h.run("unwatch") == "+OK\r\n");
}

TEST_CASE("transactions: a command that is refused while queueing aborts EXEC") {
  ProbeHarness h;
  h.run("multi");
  h.run("probeset k v");
  CHECK(h.run("foo").starts_with("-ERR unknown command"));
  CHECK(h.run("exec") == "-EXECABORT Transaction discarded because of previous errors.\r\n");
  h.run("multi");
  CHECK(h.run("probeget").starts_with("-ERR wrong number"));
  CHECK(h.run("exec").starts_with("-EXECABORT"));
  CHECK(h.run("probeget k") == "$-1\r\n");
  CHECK(h.run("exec") == "-ERR EXEC without MULTI\r\n");
}

TEST_CASE("transactions: EXEC of what may grow is refused above maxmemory") {
  ProbeHarness h;
  h.run("multi");
  h.run("probeset k v");
  h.set({"maxmemory", "1"});
  CHECK(h.run("exec") ==
        "-EXECABORT Transaction discarded because of: OOM command not allowed when used memory > "
        "'maxmemory'.\r\n");
  CHECK(h.run("exec") == "-ERR EXEC without MULTI\r\n");
  h.run("multi");
  CHECK(h.run("probeget k") == "-OOM command not allowed when used memory > 'maxmemory'.\r\n");
  CHECK(h.run("discard") == "+OK\r\n");
}

TEST_CASE("transactions: DISCARD forgets the queue and what was watched") {
  ProbeHarness h;
  Client other(h);
  h.run("watch k");
  h.run("multi");
  h.run("probeset k mine");
  CHECK(h.run("discard") == "+OK\r\n");
  other.run("probeset k theirs");
  h.run("multi");
  CHECK(h.run("exec") == "*0\r\n");
  for (uint32_t shard = 0; shard < h.store->shard_count(); ++shard) {
    CHECK(h.server->tables(shard).watched.empty());
  }
}

TEST_CASE("WATCH: any change of a watched key by anyone undoes EXEC") {
  ProbeHarness h;
  Client other(h);
  const auto watched_exec = [&](auto change) {
    h.run("probeset k v");
    h.run("watch unrelated k k");
    change();
    h.run("multi");
    h.run("probeset result x");
    return h.run("exec");
  };
  const std::string done = "*1\r\n+OK\r\n", undone = "*-1\r\n";
  CHECK(watched_exec([&] {}) == done);
  CHECK(watched_exec([&] { other.run("probeget k"); }) == done);
  CHECK(watched_exec([&] { other.run("probeset j v"); }) == done);
  CHECK(watched_exec([&] { other.run("probeset k v"); }) == undone);
  CHECK(watched_exec([&] { h.run("probeset k v"); }) == undone);
  CHECK(watched_exec([&] { other.run("probedel k"); }) == undone);
  CHECK(watched_exec([&] { other.run("probeexpire k 99999999999999"); }) == undone);
  CHECK(watched_exec([&] { other.run("probeall"); }) == undone);
  CHECK(watched_exec([&] { other.run("probeswap"); }) == undone);
  CHECK(watched_exec([&] {
          other.run("probeset k w");
          h.run("unwatch");
        }) == done);
  h.client().use_protocol(3);
  CHECK(watched_exec([&] { other.run("probeset k v"); }) == "_\r\n");
  for (uint32_t shard = 0; shard < h.store->shard_count(); ++shard) {
    CHECK(h.server->tables(shard).watched.empty());
  }
}

TEST_CASE("WATCH: a key that expires has changed, one that had expired before has not") {
  ProbeHarness h;
  Client other(h);
  const auto expire_in = [&](int64_t ms) {
    h.run("probeset k v");
    h.run({"probeexpire", "k", std::to_string(unix_ms() + ms)});
  };
  const auto wait = [](int64_t ms) {
    const int64_t end = unix_ms() + ms;
    while (unix_ms() <= end) {
    }
  };
  const auto exec = [&] {
    h.run("multi");
    h.run("probeset result x");
    return h.run("exec");
  };
  expire_in(5);
  h.run("watch k");
  wait(6);
  CHECK(exec() == "*-1\r\n");  // nobody has looked

  expire_in(5);
  h.run("watch k");
  wait(6);
  h.expire_now();
  CHECK(exec() == "*-1\r\n");

  h.server->active_expire = false;
  expire_in(-10);
  h.run("watch k");
  CHECK(exec() == "*1\r\n+OK\r\n");
  expire_in(-10);
  h.run("watch k");
  other.run("probeget k");  // removes it
  CHECK(exec() == "*1\r\n+OK\r\n");
  expire_in(-10);
  h.run("watch k");
  other.run("probeset k new");
  CHECK(exec() == "*-1\r\n");
}

TEST_CASE("WATCH: a client that goes leaves nothing behind") {
  ProbeHarness h;
  {
    Client gone(h);
    gone.run("watch a b c d");
  }
  for (uint32_t shard = 0; shard < h.store->shard_count(); ++shard) {
    CHECK(h.server->tables(shard).watched.empty());
  }
}

// What CLIENT LIST and INFO say of a client's transaction.
std::string shown_transaction(std::string_view line) {
  std::string shown;
  for (const std::string_view field :
       {" flags=", " multi=", " multi-mem=", " argv-mem=", " cmd="}) {
    const size_t begin = line.find(field);
    REQUIRE(begin != line.npos);
    shown += line.substr(begin, line.find_first_of(" \n\r", begin + 1) - begin);
  }
  return shown;
}

TEST_CASE("transactions: a client is shown as in one while EXEC runs") {
  ProbeHarness h;
  h.run("multi");
  h.run("set x 1");
  h.run("client info");
  h.run("ping");
  CHECK(shown_transaction(h.run("exec")) == " flags=x multi=3 multi-mem=67 argv-mem=4 cmd=exec");
  CHECK(shown_transaction(h.run("client info")) ==
        " flags=N multi=-1 multi-mem=0 argv-mem=10 cmd=client|info");
}

TEST_CASE("WATCH: a client whose key has changed is shown as such, and queues nothing more") {
  ProbeHarness h;
  Client watcher(h);
  const auto shown = [&] {
    return shown_transaction(h.run("client list id " + std::to_string(watcher.session->id)));
  };
  watcher.run("watch a");
  CHECK(shown() == " flags=N multi=-1 multi-mem=0 argv-mem=0 cmd=watch");
  h.run("set a 1");
  CHECK(shown() == " flags=d multi=-1 multi-mem=0 argv-mem=0 cmd=watch");
  watcher.run("multi");
  CHECK(watcher.run("set b 1") == "+QUEUED\r\n");
  CHECK(shown() == " flags=xd multi=0 multi-mem=0 argv-mem=0 cmd=set");
  CHECK(watcher.run("exec") == "*-1\r\n");
  CHECK(shown() == " flags=N multi=-1 multi-mem=0 argv-mem=0 cmd=exec");
  watcher.run("watch a");
  CHECK(shown() == " flags=N multi=-1 multi-mem=0 argv-mem=0 cmd=watch");
  watcher.run("set a 2");
  CHECK(shown() == " flags=d multi=-1 multi-mem=0 argv-mem=0 cmd=set");
  watcher.run("unwatch");
  CHECK(shown() == " flags=N multi=-1 multi-mem=0 argv-mem=0 cmd=unwatch");
}

TEST_CASE("transactions: what follows a refused command is not queued") {
  ProbeHarness h;
  h.run("multi");
  h.run("set a 1");
  h.run("nosuch");
  CHECK(h.run("set b 1") == "+QUEUED\r\n");
  CHECK(h.client().session->queued_commands == 1);
  CHECK(h.run("exec") == "-EXECABORT Transaction discarded because of previous errors.\r\n");
}

TEST_CASE("transactions: no key expires between two of a transaction's commands") {
  ProbeHarness h;
  CHECK(h.run("set k v px 60") == "+OK\r\n");
  for (const char* const line : {"multi", "get k", "debug sleep 0.1", "get k"}) h.run(line);
  CHECK(h.run("exec") == "*3\r\n$1\r\nv\r\n+OK\r\n$1\r\nv\r\n");
  CHECK(h.run("get k") == "$-1\r\n");
}

TEST_CASE("transactions: cold values are fetched before anything changes") {
  ProbeHarness h;
  for (int i = 0; i < 8; ++i) h.run({"probepush", "q" + std::to_string(i), "old"});
  h.restart();
  h.run("multi");
  for (int i = 0; i < 8; ++i) h.run({"probepush", "q" + std::to_string(i), "new"});
  CHECK(h.run("exec") == "*8\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n+OK\r\n");
  for (int i = 0; i < 8; ++i) {
    const std::string key = "q" + std::to_string(i);
    CHECK(h.run("probepop " + key + " 0") == "*2\r\n$2\r\n" + key + "\r\n$3\r\nold\r\n");
    CHECK(h.run("probepop " + key + " 0") == "*2\r\n$2\r\n" + key + "\r\n$3\r\nnew\r\n");
  }
}

// What another loop does while a transaction runs: the command `meanwhile` calls it.
std::function<void()> other_loop;
constexpr Command kMeanwhile[] = {{.name = "meanwhile",
                                   .handler =
                                       [](Context& c) {
                                         other_loop();
                                         c.ok();
                                       },
                                   .arity = 1,
                                   .since = "1.0.0",
                                   .summary = "For tests"}};

// A transaction of user u during which `meanwhile` happens, and what is there afterwards.
std::string run_while(Harness& h, Client& client, std::function<void()> meanwhile) {
  other_loop = std::move(meanwhile);
  CHECK(client.run("auth u x") == "+OK\r\n");
  for (const char* line : {"multi", "set before 1", "meanwhile", "set after 1"}) client.run(line);
  CHECK(client.run("exec") == "*3\r\n+OK\r\n+OK\r\n+OK\r\n");
  return h.run("mget before after");
}

struct MeanwhileHarness : Harness {
  MeanwhileHarness() : Harness({}, kMeanwhile) { run("acl setuser u on nopass ~* +@all"); }
};

const std::string_view kBoth = "*2\r\n$1\r\n1\r\n$1\r\n1\r\n";

TEST_CASE("transactions: who is killed while one runs has all of it done") {
  MeanwhileHarness h;
  Client client(h);
  CHECK(run_while(h, client, [&] { client.session->disconnect(); }) == kBoth);
  CHECK(client.run("set later 1").empty());
  CHECK(h.run("exists later") == ":0\r\n");
}

TEST_CASE("transactions: what a user loses while one runs is missing from the next command on") {
  MeanwhileHarness h;
  Client client(h);
  const std::string_view rules[] = {"-set"};
  const auto take_away = [&] { acl::set_user(*h.server, *h.client().session, "u", rules); };
  CHECK(run_while(h, client, take_away) == kBoth);
  CHECK(client.run("set later 1").starts_with("-NOPERM"));
}

TEST_CASE("transactions: who loses its user while one runs has all of it done") {
  MeanwhileHarness h;
  Client client(h);
  const auto remove = [&] { acl::delete_user(*h.server, *h.client().session, "u"); };
  CHECK(run_while(h, client, remove) == kBoth);
  CHECK(client.closed());
}

TEST_CASE("transactions: one that removes its own user goes on as the default user") {
  MeanwhileHarness h;
  h.run("acl setuser default -incr");
  Client client(h);
  client.run("auth u x");
  for (const char* line : {"multi", "acl deluser u", "set after 1", "incr n"}) client.run(line);
  // It is told of nothing more, as in Redis.
  CHECK(client.run("exec") == "*3\r\n:1\r\n");
  CHECK(client.closed());
  CHECK(h.run("mget after n") == "*2\r\n$1\r\n1\r\n$-1\r\n");
}

TEST_CASE(
    "transactions: one by a client that came before no password was needed knows the new user") {
  MeanwhileHarness h;
  Client client(h);
  client.session->authenticated = false;
  client.session->mark_stale();
  const std::vector<std::string> change = {"acl", "setuser", "default", "resetpass", ">p", "-@all"};
  client.run("multi");
  client.run(change);
  client.run("set after 1");
  CHECK(client.run("exec").starts_with("*2\r\n+OK\r\n-NOPERM"));
}

TEST_CASE("transactions: what one changes of its own user holds for the rest of it") {
  MeanwhileHarness h;
  Client client(h);
  client.run("auth u x");
  for (const char* line :
       {"multi", "set a 1", "acl setuser u -set", "set b 1", "auth default x", "set c 1"}) {
    client.run(line);
  }
  const std::string replies = client.run("exec");
  CHECK(replies.starts_with("*5\r\n+OK\r\n+OK\r\n-NOPERM"));
  CHECK(replies.ends_with("\r\n+OK\r\n+OK\r\n"));
}

}  // namespace
}  // namespace respcask::server::testing

// AUTH ECHO HELLO PING QUIT RESET SELECT and CLIENT.
#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <limits>
#include <string>
#include <thread>

#include "server/client_info.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("connection: PING answers as the client's state asks for") {
  Harness h;
  CHECK(h.run("PING") == "+PONG\r\n");
  CHECK(h.run("PING hello") == "$5\r\nhello\r\n");
  CHECK(h.run("PING a b") == "-ERR wrong number of arguments for 'ping' command\r\n");
  h.run("SUBSCRIBE c");
  CHECK(h.run("PING") == "*2\r\n$4\r\npong\r\n$0\r\n\r\n");
  CHECK(h.run("PING x") == "*2\r\n$4\r\npong\r\n$1\r\nx\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("PING") == "+PONG\r\n");
}

TEST_CASE("connection: ECHO gives back any bytes") {
  Harness h;
  CHECK(h.run({"ECHO", std::string_view("a\r\n\0b", 5)}) == std::string("$5\r\na\r\n\0b\r\n", 11));
}

TEST_CASE("connection: SELECT checks the index") {
  Harness h({"requirepass", ""});
  CHECK(h.run("SELECT 15") == "+OK\r\n");
  CHECK(h.client().session->db == 15);
  CHECK(h.run("SELECT 16") == "-ERR DB index is out of range\r\n");
  CHECK(h.run("SELECT -1") == "-ERR DB index is out of range\r\n");
  CHECK(h.run("SELECT a") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("SELECT 99999999999") ==
        "-ERR value is out of range, value must between -2147483648 and 2147483647\r\n");
  CHECK(h.client().session->db == 15);
}

TEST_CASE("connection: without a password AUTH says so, and default takes any") {
  Harness h;
  CHECK(h.run("AUTH x") ==
        "-ERR AUTH <password> called without any password configured for the default user. Are you "
        "sure your configuration is correct?\r\n");
  CHECK(h.run("AUTH default x") == "+OK\r\n");
  CHECK(h.run("AUTH nobody x") ==
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  CHECK(h.run("AUTH a b c") == "-ERR syntax error\r\n");
}

TEST_CASE("connection: with a password nothing but the way in is open") {
  Harness h({"requirepass", "secret"});
  Client client(h);
  CHECK(client.run("PING") == "-NOAUTH Authentication required.\r\n");
  CHECK(client.run("HELLO 3").starts_with("-NOAUTH HELLO must be called with the client already"));
  for (const std::string_view wrong : {"secre", "secret1", "", "SECRET", "secretsecret"}) {
    CAPTURE(wrong);
    CHECK(client.run({"AUTH", wrong}) ==
          "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  }
  CHECK(client.run("HELLO 3 AUTH default wrong") ==
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  CHECK(client.session->protocol == 2);
  CHECK(client.run("PING") == "-NOAUTH Authentication required.\r\n");
  CHECK(client.run("AUTH secret") == "+OK\r\n");
  CHECK(client.run("PING") == "+PONG\r\n");
  CHECK(client.run("RESET") == "+RESET\r\n");
  CHECK(client.run("PING") == "-NOAUTH Authentication required.\r\n");
  CHECK(client.run("HELLO 2 AUTH default secret SETNAME me").starts_with("*14\r\n"));
  CHECK(client.run("CLIENT GETNAME") == "$2\r\nme\r\n");
}

TEST_CASE("connection: HELLO's options act one after the other, up to a wrong one") {
  Harness h;
  const std::string id = std::to_string(h.client().session->id);
  CHECK(
      h.run("HELLO") ==
      "*14\r\n$6\r\nserver\r\n$5\r\nredis\r\n$7\r\nversion\r\n$6\r\n7.0.15\r\n$5\r\nproto\r\n:2\r\n"
      "$2\r\nid\r\n:" +
          id +
          "\r\n$4\r\nmode\r\n$10\r\nstandalone\r\n$4\r\nrole\r\n$6\r\nmaster\r\n$7\r\nmodules\r\n"
          "*0\r\n");
  CHECK(h.run("HELLO 4") == "-NOPROTO unsupported protocol version\r\n");
  CHECK(h.run("HELLO x") == "-ERR Protocol version is not an integer or out of range\r\n");
  CHECK(h.run("HELLO 3 foo") == "-ERR Syntax error in HELLO option 'foo'\r\n");
  CHECK(h.run({"HELLO", "3", std::string_view("f\0o", 3)}) ==
        "-ERR Syntax error in HELLO option 'f'\r\n");
  CHECK(h.run({"CLIENT", "KILL", "TYPE", std::string_view("f\0o", 3)}) ==
        "-ERR Unknown client type 'f'\r\n");
  CHECK(h.run({"CLIENT", "KILL", "USER", std::string_view("f\0o", 3)}) ==
        "-ERR No such user 'f'\r\n");
  CHECK(h.run("HELLO 3 AUTH default") == "-ERR Syntax error in HELLO option 'AUTH'\r\n");
  CHECK(h.run("HELLO 3 SETNAME \"a b\"") ==
        "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
  CHECK(h.client().session->protocol == 2);
  CHECK(h.run("CLIENT GETNAME") == "$-1\r\n");
  CHECK(h.run("HELLO 3 SETNAME you foo") == "-ERR Syntax error in HELLO option 'foo'\r\n");
  CHECK(h.run("CLIENT GETNAME") == "$3\r\nyou\r\n");
  h.run("ACL SETUSER bob on >p +@all");
  CHECK(h.run("HELLO 3 AUTH bob wrong AUTH bob p") ==
        "-WRONGPASS invalid username-password pair or user is disabled.\r\n");
  CHECK(h.run("ACL WHOAMI") == "$7\r\ndefault\r\n");
  CHECK(h.run("HELLO 3 AUTH bob p foo") == "-ERR Syntax error in HELLO option 'foo'\r\n");
  CHECK(h.run("ACL WHOAMI") == "$3\r\nbob\r\n");
  CHECK(h.client().session->protocol == 2);
  CHECK(h.run("HELLO 3 SETNAME me").starts_with("%7\r\n$6\r\nserver\r\n"));
  CHECK(h.client().session->protocol == 3);
  CHECK(h.run("CLIENT GETNAME") == "$2\r\nme\r\n");
  CHECK(h.run("HELLO 2").starts_with("*14\r\n"));
}

TEST_CASE("connection: RESET leaves nothing of what was set up") {
  Harness h;
  h.run("HELLO 3 SETNAME me");
  h.run("SELECT 3");
  h.run("MULTI");
  CHECK(h.run("RESET") == "+RESET\r\n");
  CHECK(h.run("CLIENT GETNAME") == "$-1\r\n");
  CHECK(h.client().session->db == 0);
  CHECK(h.client().session->protocol == 2);
  CHECK(h.run("PING") == "+PONG\r\n");
  h.run("CLIENT NO-EVICT on");  // this stays, as in Redis
  h.run("RESET");
  CHECK(h.client().session->no_evict);
}

TEST_CASE("connection: option words end at a NUL, as all strings did in Redis") {
  Harness h;
  CHECK(h.run({"SET", "k", "v", std::string_view("nx\0x", 4)}) == "+OK\r\n");
  CHECK(h.run({"SET", "k", "v", std::string_view("nx\0", 3)}) == "$-1\r\n");
  CHECK(h.run({"SET", "k", "v", "nxx"}) == "-ERR syntax error\r\n");
  CHECK(h.run({"SET", "k", "v", std::string_view("n\0x", 3)}) == "-ERR syntax error\r\n");
}

TEST_CASE("connection: who looks for keys knows the words that the command knows") {
  Harness h;
  const std::string_view store("StorE\0x", 7), get("get\0", 4);
  h.run("RPUSH a 2 1");
  CHECK(h.run({"SORT", "a", store, "zz"}) == ":2\r\n");
  CHECK(h.run({"GEORADIUS", "no", "1", "1", "1", "km", store, "zz"}) == ":0\r\n");
  h.run("SET s v");
  h.run("ACL SETUSER bob on >p +@all ~a %W~s");
  h.run("AUTH bob p");
  const std::string_view refused =
      "-NOPERM this user has no permissions to access one of the keys used as arguments\r\n";
  CHECK(h.run({"SORT", "a", store, "{a}secret"}) == refused);
  CHECK(h.run({"SET", "s", "w", get}) == refused);
  CHECK(h.run("SET s w") == "+OK\r\n");
}

TEST_CASE("connection: who monitors is kept from the keys, as a replica is") {
  Harness h;
  h.run("MONITOR");
  for (const std::string_view command : {"GET k", "SET k v", "PUBLISH c m", "DBSIZE"}) {
    CAPTURE(command);
    CHECK(h.run(command).ends_with("-ERR Replica can't interact with the keyspace\r\n"));
  }
  CHECK(h.run("PING").ends_with("+PONG\r\n"));
  CHECK(h.run("RESET").ends_with("+RESET\r\n"));
  CHECK(h.run("SET k v") == "+OK\r\n");
}

TEST_CASE("connection: QUIT is answered at once, inside MULTI and while subscribed too") {
  Harness h;
  Client plain(h), in_multi(h), subscribed(h);
  CHECK(plain.run("QUIT now") == "+OK\r\n");
  CHECK(plain.session->close_after_reply);
  in_multi.run("MULTI");
  CHECK(in_multi.run("QUIT") == "+OK\r\n");
  subscribed.run("SUBSCRIBE c");
  CHECK(subscribed.run("QUIT") == "+OK\r\n");
}

TEST_CASE("client: a name is kept, shown and checked") {
  Harness h;
  CHECK(h.run("CLIENT GETNAME") == "$-1\r\n");
  CHECK(h.run("CLIENT SETNAME me") == "+OK\r\n");
  CHECK(h.run("CLIENT GETNAME") == "$2\r\nme\r\n");
  CHECK(h.run("CLIENT INFO").find(" name=me ") != std::string::npos);
  for (const std::string_view bad : {"a b", "a\n", "\x7f", "\xc3\xa9"}) {
    CHECK(h.run({"CLIENT", "SETNAME", bad}) ==
          "-ERR Client names cannot contain spaces, newlines or special characters.\r\n");
  }
  CHECK(h.run({"CLIENT", "SETNAME", ""}) == "+OK\r\n");
  CHECK(h.run("CLIENT GETNAME") == "$-1\r\n");
}

TEST_CASE("client: LIST shows whom it is asked for") {
  Harness h;
  Client two(h);
  two.run("SUBSCRIBE c");
  const std::string own = std::to_string(h.client().session->id);
  const std::string other = std::to_string(two.session->id);
  const std::string all = h.run("CLIENT LIST");
  CHECK(all.find("id=" + own + " ") != std::string::npos);
  CHECK(all.find("id=" + other + " ") != std::string::npos);
  CHECK(all.find(" cmd=client|list ") != std::string::npos);
  // What was refused is what the client did last, even if there is no such command.
  two.run("CONFIG GET");
  CHECK(h.run("CLIENT LIST").find(" cmd=config|get ") != std::string::npos);
  two.run("nonsense");
  CHECK(h.run("CLIENT LIST").find(" cmd=NULL ") != std::string::npos);
  CHECK(all.find(" flags=P db=0 sub=1 psub=0 ") != std::string::npos);
  const std::string pubsub = h.run("CLIENT LIST TYPE pubsub");
  CHECK(pubsub.find("id=" + own + " ") == std::string::npos);
  CHECK(pubsub.find("id=" + other + " ") != std::string::npos);
  CHECK(h.run("CLIENT LIST TYPE replica") == "$0\r\n\r\n");
  const std::string by_id = h.run("CLIENT LIST ID " + other + " 999 " + own);
  CHECK(by_id.find("id=" + other + " ") < by_id.find("id=" + own + " "));
  CHECK(h.run("CLIENT LIST ID 999") == "$0\r\n\r\n");
  CHECK(h.run("CLIENT LIST ID x") == "-ERR Invalid client ID\r\n");
  CHECK(h.run("CLIENT LIST ID") == "-ERR syntax error\r\n");
  CHECK(h.run("CLIENT LIST TYPE x") == "-ERR Unknown client type 'x'\r\n");
  CHECK(h.run("CLIENT LIST foo") == "-ERR syntax error\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("CLIENT LIST").starts_with("="));
}

TEST_CASE("client: KILL finds its victims by each filter, and by all of them") {
  Harness h;
  const std::string id = std::to_string(h.client().session->id);
  const auto kill = [&h](Client& victim, const std::string& filter) {
    const std::string reply = h.run("CLIENT KILL " + filter);
    CHECK(victim.closed());
    return reply;
  };
  {
    Client victim(h);
    CHECK(kill(victim, "ID " + std::to_string(victim.session->id)) == ":1\r\n");
  }
  {
    Client victim(h);
    victim.run("SUBSCRIBE c");
    CHECK(kill(victim, "TYPE pubsub") == ":1\r\n");
  }
  {
    Client victim(h);
    CHECK(kill(victim, "USER default") == ":1\r\n");
    CHECK_FALSE(h.client().session->close_after_reply);
  }
  Client spared(h);
  CHECK(h.run("CLIENT KILL ID " + std::to_string(spared.session->id) + " TYPE pubsub") == ":0\r\n");
  CHECK(h.run("CLIENT KILL LADDR 1.2.3.4:5") == ":0\r\n");
  CHECK(h.run("CLIENT KILL 1.2.3.4:5") == "-ERR No such client\r\n");
  CHECK(h.run("CLIENT KILL ID " + id) == ":0\r\n");
  CHECK_FALSE(spared.closed());
  CHECK(h.run("CLIENT KILL SKIPME no ID " + id) == ":1\r\n");
  CHECK(h.client().session->close_after_reply);
}

TEST_CASE("client: who was killed is there for nobody, though its loop has yet to close it") {
  Harness h;
  Client waits(h), served(h), tracks(h);
  waits.run("BLPOP k 100");
  served.run("BLPOP l 100");
  tracks.run("CLIENT TRACKING ON BCAST");
  h.run("RPUSH l x");  // its loop has yet to answer
  const auto shows = [&](const std::string& field) {
    return h.run("INFO clients").find("\r\n" + field + "\r\n") != std::string::npos;
  };
  CHECK(shows("connected_clients:4"));
  CHECK(shows("blocked_clients:1"));
  CHECK(shows("tracking_clients:1"));
  for (Client* victim : {&waits, &served, &tracks}) {
    const std::string id = std::to_string(victim->session->id);
    CHECK(h.run("CLIENT KILL ID " + id) == ":1\r\n");
    CHECK(h.run("CLIENT UNBLOCK " + id) == ":0\r\n");
    CHECK(h.run("CLIENT LIST ID " + id) == "$0\r\n\r\n");
    CHECK(h.run("CLIENT TRACKING ON REDIRECT " + id) ==
          "-ERR The client ID you want redirect to does not exist\r\n");
  }
  CHECK(shows("connected_clients:1"));
  CHECK(shows("blocked_clients:0"));
  CHECK(shows("tracking_clients:0"));
  CHECK(shows("clients_in_timeout_table:0"));
}

TEST_CASE("client: who kills itself in a transaction is not told what follows, which runs") {
  Harness h;
  Client self(h);
  self.run("MULTI");
  self.run("SET a 1");
  self.run("CLIENT KILL ID " + std::to_string(self.session->id) + " SKIPME no");
  self.run("SET a 2");
  CHECK(self.run("EXEC") == "*3\r\n+OK\r\n:1\r\n");
  CHECK(self.closed());
  CHECK(h.run("GET a") == "$1\r\n2\r\n");
}

TEST_CASE("client: KILL refuses what it does not understand") {
  Harness h;
  CHECK(h.run("CLIENT KILL ID 0") == "-ERR client-id should be greater than 0\r\n");
  CHECK(h.run("CLIENT KILL ID x") == "-ERR client-id should be greater than 0\r\n");
  CHECK(h.run("CLIENT KILL TYPE x") == "-ERR Unknown client type 'x'\r\n");
  CHECK(h.run("CLIENT KILL USER x") == "-ERR No such user 'x'\r\n");
  CHECK(h.run("CLIENT KILL ID 1 SKIPME maybe") == "-ERR syntax error\r\n");
  CHECK(h.run("CLIENT KILL ID 1 foo") == "-ERR syntax error\r\n");
  CHECK(h.run("CLIENT KILL foo bar") == "-ERR syntax error\r\n");
}

TEST_CASE("client: REPLY OFF and SKIP silence replies, and only these") {
  Harness h;
  CHECK(h.run("CLIENT REPLY SKIP") == "");
  CHECK(h.run("PING") == "");
  CHECK(h.run("PING") == "+PONG\r\n");
  CHECK(h.run("CLIENT REPLY OFF") == "");
  CHECK(h.run("PING") == "");
  CHECK(h.run("NOSUCH") == "");
  CHECK(h.run("CLIENT REPLY SKIP") == "");
  CHECK(h.run("PING") == "");
  CHECK(h.run("PING") == "");
  CHECK(h.run("CLIENT REPLY ON") == "+OK\r\n");
  CHECK(h.run("PING") == "+PONG\r\n");
  CHECK(h.run("CLIENT REPLY foo") == "-ERR syntax error\r\n");
}

TEST_CASE("client: REPLY OFF and SKIP silence no messages to oneself") {
  Harness h({"notify-keyspace-events", "KA"});
  h.run("HELLO 3");
  h.run("SUBSCRIBE c __keyspace@0__:k");
  const auto message = [](const std::string& channel, const std::string& payload) {
    return fmt::format(">3\r\n$7\r\nmessage\r\n${}\r\n{}\r\n${}\r\n{}\r\n", channel.size(), channel,
                       payload.size(), payload);
  };
  CHECK(h.run("CLIENT REPLY OFF") == "");
  CHECK(h.run("PUBLISH c x") == message("c", "x"));
  CHECK(h.run("SET k 1") == message("__keyspace@0__:k", "set"));
  CHECK(h.run("CLIENT REPLY ON") == "+OK\r\n");
  CHECK(h.run("CLIENT REPLY SKIP") == "");
  CHECK(h.run("PUBLISH c y") == message("c", "y"));
  CHECK(h.run("PING") == "+PONG\r\n");
}

TEST_CASE("client: REPLY within a transaction silences what follows it there") {
  Harness h;
  const auto exec = [&](std::initializer_list<std::string_view> commands) {
    h.run("MULTI");
    for (const std::string_view command : commands) h.run(command);
    return h.run("EXEC");
  };
  CHECK(exec({"ECHO a", "CLIENT REPLY OFF", "ECHO b"}) == "*3\r\n$1\r\na\r\n");
  CHECK(h.run("PING") == "");
  CHECK(exec({"ECHO a", "CLIENT REPLY ON", "ECHO b"}) == "+OK\r\n$1\r\nb\r\n");
  CHECK(exec({"CLIENT REPLY OFF", "ECHO a", "CLIENT REPLY ON", "ECHO b"}) ==
        "*4\r\n+OK\r\n$1\r\nb\r\n");
  CHECK(exec({"CLIENT REPLY SKIP", "ECHO a"}) == "*2\r\n$1\r\na\r\n");
  CHECK(h.run("PING") == "");
  CHECK(h.run("PING") == "+PONG\r\n");
  CHECK(exec({"CLIENT REPLY SKIP", "CLIENT REPLY ON"}) == "*2\r\n+OK\r\n");
  CHECK(h.run("PING") == "");
  h.run("CLIENT REPLY SKIP");
  CHECK(h.run("MULTI") == "");
  CHECK(h.run("ECHO a") == "+QUEUED\r\n");
  h.run("CLIENT REPLY ON");
  h.run("ECHO b");
  CHECK(h.run("EXEC") == "*3\r\n$1\r\na\r\n+OK\r\n$1\r\nb\r\n");
}

TEST_CASE("client: PAUSE holds commands until UNPAUSE") {
  Harness h;
  Client other(h);
  CHECK(h.run("CLIENT PAUSE 100000 WRITE") == "+OK\r\n");
  CHECK(other.run("PING") == "+PONG\r\n");
  CHECK(other.run("EXEC") == "-ERR EXEC without MULTI\r\n");
  CHECK(h.run("CLIENT UNPAUSE") == "+OK\r\n");
  CHECK(h.run("CLIENT PAUSE x") == "-ERR timeout is not an integer or out of range\r\n");
  CHECK(h.run("CLIENT PAUSE -1") == "-ERR timeout is negative\r\n");
  CHECK(h.run("CLIENT PAUSE 1 foo") == "-ERR CLIENT PAUSE mode must be WRITE or ALL\r\n");
  CHECK(h.run("CLIENT PAUSE 1 ALL x") ==
        "-ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP.\r\n");
  CHECK(h.run("CLIENT PAUSE 9223372036854775807 WRITE") == "+OK\r\n");
  CHECK(h.run("CLIENT UNPAUSE") == "+OK\r\n");
  // A pause of all holds the way out of it too, as in Redis.
  CHECK(h.run("CLIENT PAUSE 100000 ALL") == "+OK\r\n");
  CHECK(other.run("PING") == "");
  CHECK(other.blocked());
  h.server->unpause();
  CHECK(other.resumed() == "+PONG\r\n");
}

TEST_CASE("client: a PAUSE whose end is past all time holds nobody, as in Redis") {
  Harness h;
  Client other(h);
  CHECK(h.run("CLIENT PAUSE 9223372036854775807") == "+OK\r\n");
  CHECK(other.run("PING") == "+PONG\r\n");
  // Nor does it change when another one ends.
  CHECK(h.run("CLIENT PAUSE 100000 WRITE") == "+OK\r\n");
  CHECK(h.run("CLIENT PAUSE 9223372036854775806 WRITE") == "+OK\r\n");
  CHECK(other.run("SET a 1") == "");
  CHECK(h.run("CLIENT UNPAUSE") == "+OK\r\n");
  CHECK(other.resumed() == "+OK\r\n");
  const int64_t longest_ms = std::numeric_limits<int64_t>::max() - Server::now_ms();
  CHECK(h.run("CLIENT PAUSE " + std::to_string(longest_ms - 60'000)) == "+OK\r\n");
  CHECK(other.run("PING") == "");
  h.server->unpause();
  CHECK(other.resumed() == "+PONG\r\n");
}

TEST_CASE("client: a pause that ends between the turn's clock and the command lets it run") {
  Harness h;
  Client client(h);
  client.turn.begin();
  h.server->pause(PauseKind::kAll, client.turn.now_ms() + 20);
  std::this_thread::sleep_for(std::chrono::milliseconds(40));
  CHECK(run_in(client.turn, client, {"PING"}) == "+PONG\r\n");
}

TEST_CASE("client: UNBLOCK of nobody is 0, of nonsense an error") {
  Harness h;
  CHECK(h.run("CLIENT UNBLOCK 999") == ":0\r\n");
  CHECK(h.run("CLIENT UNBLOCK 999 ERROR") == ":0\r\n");
  CHECK(h.run("CLIENT UNBLOCK x") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("CLIENT UNBLOCK 999 foo") ==
        "-ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR\r\n");
}

TEST_CASE("client: NO-EVICT shows in the flags, ID and HELP answer") {
  Harness h;
  CHECK(h.run("CLIENT NO-EVICT on") == "+OK\r\n");
  CHECK(h.run("CLIENT INFO").find(" flags=e ") != std::string::npos);
  CHECK(h.run("CLIENT NO-EVICT off") == "+OK\r\n");
  CHECK(h.run("CLIENT INFO").find(" flags=N ") != std::string::npos);
  CHECK(h.run("CLIENT NO-EVICT x") == "-ERR syntax error\r\n");
  CHECK(h.run("CLIENT ID") == ":" + std::to_string(h.client().session->id) + "\r\n");
  CHECK(h.run("CLIENT HELP").find("CLIENT <subcommand> [<arg> [value] [opt] ...]") !=
        std::string::npos);
  CHECK(h.run("CLIENT NOSUCH") == "-ERR unknown subcommand 'NOSUCH'. Try CLIENT HELP.\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

// How requests and replies travel: pipelines, splits, endings.
#include <doctest/doctest.h>
#include <hiredis/hiredis.h>

#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

TEST_CASE("a client library sets, gets and deletes") {
  ServerProcess server;
  server.start();
  redisContext* const context = redisConnect("127.0.0.1", server.port());
  REQUIRE(context != nullptr);
  REQUIRE(context->err == 0);
  const auto call = [context](auto... words) {
    auto* const reply = static_cast<redisReply*>(redisCommand(context, words...));
    REQUIRE(reply != nullptr);
    std::string text = reply->type == REDIS_REPLY_INTEGER ? std::to_string(reply->integer)
                       : reply->str != nullptr            ? std::string(reply->str, reply->len)
                                                          : "(nil)";
    freeReplyObject(reply);
    return text;
  };
  CHECK(call("SET %s %s", "key", "value") == "OK");
  CHECK(call("GET %s", "key") == "value");
  CHECK(call("DEL %s", "key") == "1");
  CHECK(call("GET %s", "key") == "(nil)");
  redisFree(context);
}

TEST_CASE("n commands in one write get n replies in order") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  constexpr int kCommands = 100000;
  std::string pipeline;
  std::string expected;
  for (int i = 0; i < kCommands; ++i) {
    const std::string text = "m" + std::to_string(i);
    pipeline += request({"ECHO", text});
    expected += "$" + std::to_string(text.size()) + "\r\n" + text + "\r\n";
  }
  // The replies fill the socket's buffers long before all is sent, so they are read meanwhile.
  std::thread sender([&] { client.send(pipeline); });
  const std::string replies = client.read_exactly(expected.size());
  sender.join();
  CHECK(replies == expected);
}

TEST_CASE("with so many keys that they are looked ahead at, each request gets its own reply") {
  ServerProcess server({"--io-threads", "2"});
  server.start();
  Client first(server.port());
  Client second(server.port());
  constexpr int kKeys = 30000;
  std::string sets;
  std::string appends;
  std::string reads;
  for (int i = 0; i < kKeys; ++i) {
    const std::string key = "key:" + std::to_string(i);
    sets += request({"SET", key, std::to_string(i)});
    appends += i % 3 == 0 ? request({"APPEND", key, "+"}) : request({"STRLEN", key});
    reads += request({"GETRANGE", key, "0", "0"});
  }
  first.send(sets);
  for (int i = 0; i < kKeys; ++i) REQUIRE(first.read_reply() == "+OK\r\n");
  // The keys are counted every 100 ms or so.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  second.send(appends);
  first.send(reads);
  for (int i = 0; i < kKeys; ++i) {
    const std::string number = std::to_string(i);
    const size_t size = number.size() + (i % 3 == 0 ? 1 : 0);
    REQUIRE(first.read_reply() == "$1\r\n" + number.substr(0, 1) + "\r\n");
    REQUIRE(second.read_reply() == ":" + std::to_string(size) + "\r\n");
  }
}

TEST_CASE("with large collections that are looked ahead at, each request gets its own reply") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  constexpr int kMembers = 40'000;
  const auto word = [](const char* head, int i) { return head + std::to_string(i); };
  std::string load;
  for (int i = 0; i < kMembers; ++i) {
    const std::string member = word("m", i);
    load += request({"HSET", "hash", member, word("value ", i)});
    load += request({"SADD", "set", member});
    load += request({"ZADD", "sorted", std::to_string(i), member});
    load += request({"RPUSH", "list", member});
  }
  REQUIRE(client.send(load));
  for (int i = 0; i < 4 * kMembers; ++i) client.read_reply();
  // The thread that counts what there is to look ahead at has seen it.
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  std::string requests;
  std::string expected;
  for (int i = 0; i < 500; ++i) {
    const int at = i * 7919 % (2 * kMembers);  // every other one is not there
    const bool there = at < kMembers;
    const std::string member = word("m", at);
    requests += request({"HGET", "hash", member});
    const std::string value = word("value ", at);
    expected += there ? "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n" : "$-1\r\n";
    requests += request({"SISMEMBER", "set", member});
    expected += there ? ":1\r\n" : ":0\r\n";
    requests += request({"ZADD", "sorted", "XX", std::to_string(at), member});
    expected += ":0\r\n";
    requests += request({"LINDEX", "list", std::to_string(i)});
    const std::string element = word("m", i);
    expected += "$" + std::to_string(element.size()) + "\r\n" + element + "\r\n";
    requests += request({"HGET", "set", member});
    expected += "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";
    requests += request({"HDEL", "no such hash", member});
    expected += ":0\r\n";
  }
  REQUIRE(client.send(requests));
  CHECK(client.read_exactly(expected.size()) == expected);
}

TEST_CASE("CLIENT LIST counts what runs as unread, as Redis does") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  CHECK(client.call({"CLIENT", "LIST"}).find(" qbuf=26 ") != std::string::npos);
  CHECK(client.call({"CLIENT", "INFO"}).find(" qbuf=26 ") != std::string::npos);
}

TEST_CASE("CLIENT INFO counts a command that waited no more as unread when what follows it runs") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  REQUIRE(client.send(request({"BLPOP", "q", "0.05"}) + request({"CLIENT", "INFO"})));
  CHECK(client.read_exactly(5) == "*-1\r\n");
  CHECK(client.read_reply().find(" qbuf=26 ") != std::string::npos);
}

TEST_CASE("a stream cut at any byte gives the same replies") {
  ServerProcess server;
  server.start();
  const std::string stream = request({"SET", "split", "a\r\nb"}) + "PING\r\n" +
                             request({"GET", "split"}) + "ECHO \"x y\"\r\n" + "*0\r\n\r\n" +
                             request({"DEL", "split"}) + "NOSUCH\r\n";
  const std::string expected =
      "+OK\r\n+PONG\r\n$4\r\na\r\nb\r\n$3\r\nx y\r\n:1\r\n"
      "-ERR unknown command 'NOSUCH', with args beginning with: \r\n";
  for (size_t cut = 1; cut < stream.size(); ++cut) {
    CAPTURE(cut);
    Client client(server.port());
    client.send(stream.substr(0, cut));
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
    client.send(stream.substr(cut));
    REQUIRE(client.read_exactly(expected.size()) == expected);
  }
  Client client(server.port());
  for (const char byte : stream) client.send(std::string_view(&byte, 1));
  CHECK(client.read_exactly(expected.size()) == expected);
}

TEST_CASE("a value larger than any buffer arrives whole") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  std::string value(20'000'000, '\0');
  for (size_t i = 0; i < value.size(); ++i) value[i] = static_cast<char>(i * 31 + i / 7919);
  CHECK(client.call({"SET", "large", value}) == "+OK\r\n");
  CHECK(client.call({"GET", "large"}) ==
        "$" + std::to_string(value.size()) + "\r\n" + value + "\r\n");
  CHECK(client.call({"PING"}) == "+PONG\r\n");
}

// Those of one turn are sent together where there is io_uring.
TEST_CASE("many clients that are answered in the same turn get what is theirs, and no other's") {
  using Options = std::vector<std::string>;
  for (const Options& mode :
       {Options{"--io-uring", "yes"}, {"--io-uring", "no"}, {"--appendfsync", "always"}}) {
    CAPTURE(mode[1]);
    Options options = {"--io-threads", "1", "--enable-debug-command", "yes"};
    options.insert(options.end(), mode.begin(), mode.end());
    ServerProcess server(options);
    server.start();
    constexpr size_t kClients = 150;
    Client first(server.port());
    std::vector<std::string> values;
    for (size_t i = 0; i < kClients; ++i) {
      // Every tenth is more than a socket takes at once.
      const size_t bytes = i % 10 == 9 ? 8'000'000 + i : 1 + i * 37;
      values.push_back(std::string(bytes, static_cast<char>('a' + i % 26)));
      REQUIRE(first.call({"SET", std::to_string(i), values[i]}) == "+OK\r\n");
    }
    for (int round = 0; round < 3; ++round) {
      std::vector<Client> clients;
      for (size_t i = 0; i < kClients; ++i) {
        clients.emplace_back(server.port());
        REQUIRE(clients[i].call({"PING"}) == "+PONG\r\n");
      }
      REQUIRE(first.send(request({"DEBUG", "SLEEP", "0.2"})));
      for (size_t i = 0; i < kClients; ++i) {
        const std::string name = std::to_string(i);
        REQUIRE(clients[i].send(request({"SET", "mine:" + name, name}) + request({"GET", name})));
        if (i % 7 == 3) clients[i].close();
      }
      REQUIRE(first.read_line() == "+OK");
      size_t wrong = 0;
      for (size_t i = 0; i < kClients; ++i) {
        if (i % 7 == 3) continue;
        const std::string reply =
            "+OK\r\n$" + std::to_string(values[i].size()) + "\r\n" + values[i] + "\r\n";
        if (clients[i].read_exactly(reply.size()) != reply) ++wrong;
      }
      CHECK(wrong == 0);
    }
  }
}

TEST_CASE("what was sent before the client closed its side is answered") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  client.send(request({"SET", "a", "1"}) + request({"GET", "a"}) + "*2\r\n$3\r\nGE");
  client.end_input();
  CHECK(client.read_all() == "+OK\r\n$1\r\n1\r\n");
}

TEST_CASE("QUIT is answered and closes, and nothing behind it runs") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  client.send(request({"QUIT"}) + request({"SET", "after", "quit"}));
  CHECK(client.read_all() == "+OK\r\n");
  Client other(server.port());
  CHECK(other.call({"GET", "after"}) == "$-1\r\n");
}

TEST_CASE("a protocol error is answered before the connection closes") {
  ServerProcess server;
  server.start();
  const auto last_words = [&](std::string_view bytes) {
    Client client(server.port());
    client.send(bytes);
    return client.read_all();
  };
  CHECK(last_words("*1\r\n!4\r\nPING\r\n") == "-ERR Protocol error: expected '$', got '!'\r\n");
  CHECK(last_words("*zz\r\n") == "-ERR Protocol error: invalid multibulk length\r\n");
  CHECK(last_words("PING\r\n*1\r\n$-5\r\n") ==
        "+PONG\r\n-ERR Protocol error: invalid bulk length\r\n");
  // Much more input behind the error must not make the reply get lost.
  CHECK(last_words("*1\r\n!\r\n" + std::string(1'000'000, 'x')) ==
        "-ERR Protocol error: expected '$', got '!'\r\n");
}

TEST_CASE("HTTP is not spoken here") {
  ServerProcess server;
  server.start();
  Client post(server.port());
  post.send("POST / HTTP/1.1\r\n");
  CHECK(post.ends());
  Client host(server.port());
  host.send("Host: localhost\r\n");
  CHECK(host.ends());
  CHECK(server.log().find("SECURITY ATTACK") != std::string::npos);
}

TEST_CASE("a long pipeline of one client does not keep another waiting") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  Client greedy(server.port());
  std::string pipeline;
  for (int i = 0; i < 50000; ++i) pipeline += request({"SET", "key", "value"});
  bool done = false;
  std::thread reader([&] {
    for (int round = 0; round < 4; ++round) {
      greedy.send(pipeline);
      greedy.read_exactly(50000 * 5);
    }
    __atomic_store_n(&done, true, __ATOMIC_RELAXED);
  });
  Client modest(server.port());
  double worst_ms = 0;
  while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
    const auto begin = std::chrono::steady_clock::now();
    REQUIRE(modest.call({"PING"}) == "+PONG\r\n");
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - begin;
    worst_ms = std::max(worst_ms, took.count());
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  reader.join();
  // A turn takes about a millisecond; the rest is for a busy machine.
  CHECK(worst_ms < 200);
}

TEST_CASE("a Unix socket serves with the permissions asked for") {
  ServerProcess server({"--unixsocketperm", "700"});
  server.start();
  Client client(server.unix_socket());
  CHECK(client.call({"PING"}) == "+PONG\r\n");
  CHECK(client.call({"CLIENT", "LIST"}).find(server.unix_socket() + ":0") != std::string::npos);
}

TEST_CASE("an empty request uses up CLIENT REPLY SKIP and CLIENT CACHING") {
  ServerProcess server;
  server.start();
  for (const char* empty : {"\r\n", "*0\r\n", "*-1\r\n"}) {
    CAPTURE(empty);
    Client client(server.port());
    client.send(request({"CLIENT", "REPLY", "SKIP"}) + empty + request({"PING"}));
    CHECK(client.read_reply() == "+PONG\r\n");
    client.send(request({"CLIENT", "REPLY", "OFF"}) + empty + request({"CLIENT", "REPLY", "ON"}));
    CHECK(client.read_reply() == "+OK\r\n");
    client.call({"HELLO", "3"});
    client.call({"CLIENT", "TRACKING", "ON", "OPTIN"});
    client.send(request({"CLIENT", "CACHING", "YES"}) + empty);
    CHECK(client.read_reply() == "+OK\r\n");
    CHECK(client.call({"CLIENT", "TRACKINGINFO"}).find("caching-yes") == std::string::npos);
    // Not inside a transaction.
    client.call({"CLIENT", "CACHING", "YES"});
    client.send(request({"MULTI"}) + empty + request({"CLIENT", "TRACKINGINFO"}));
    CHECK(client.read_reply() == "+OK\r\n");
    CHECK(client.read_reply() == "+QUEUED\r\n");
    CHECK(client.call({"EXEC"}).find("caching-yes") != std::string::npos);
  }
}

TEST_CASE("CLIENT REPLY OFF and SKIP hold a protocol error back") {
  ServerProcess server;
  server.start();
  for (const char* mode : {"OFF", "SKIP"}) {
    Client client(server.port());
    client.send(request({"CLIENT", "REPLY", mode}) + "*1\r\nnone\r\n");
    CHECK(client.read_all() == "");
  }
}

TEST_CASE("a client may send all of a long pipeline before it reads the first reply") {
  ServerProcess server;
  server.start();
  for (const bool local : {false, true}) {
    Client client = local ? Client(server.unix_socket()) : Client(server.port());
    client.set_receive_buffer(64 * 1024);
    const std::string value(1000, 'v');
    constexpr int kPairs = 1700;
    std::string requests;
    for (int i = 0; i < kPairs; ++i) {
      requests += request({"SET", "k", value + std::to_string(i)});
      for (int n = 0; n < 10; ++n) requests += request({"GET", "k"});
    }
    client.send(requests);
    for (int i = 0; i < kPairs; ++i) {
      REQUIRE(client.read_reply() == "+OK\r\n");
      for (int n = 0; n < 10; ++n) {
        REQUIRE(client.read_reply().ends_with(std::to_string(i) + "\r\n"));
      }
    }
  }
}

TEST_CASE("a confirmation that CLIENT REPLY OFF lets through comes before a protocol error") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  client.send(request({"CLIENT", "REPLY", "OFF"}) + request({"SUBSCRIBE", "a"}) + "*1\r\nnone\r\n");
  CHECK(client.read_all() == "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
}

TEST_CASE("MONITOR names who comes by the Unix socket by its path") {
  ServerProcess server;
  server.start();
  Client watcher(server.port());
  CHECK(watcher.call({"MONITOR"}) == "+OK\r\n");
  Client client(server.unix_socket());
  CHECK(client.call({"GET", "key"}) == "$-1\r\n");
  const std::string line = watcher.read_line();
  CHECK(line.substr(line.find(' ')) == " [0 unix:" + server.unix_socket() + "] \"GET\" \"key\"");
}

TEST_CASE("RESET that CLIENT REPLY SKIP holds back, and MONITOR again, are not answered") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  client.send(request({"CLIENT", "REPLY", "SKIP"}) + request({"RESET"}) + request({"PING"}));
  CHECK(client.read_reply() == "+PONG\r\n");
  client.send(request({"MONITOR"}) + request({"MONITOR"}) + request({"PING"}));
  CHECK(client.read_line() == "+OK");
  CHECK(client.read_line() == "+PONG");
  CHECK(client.read_line().ends_with("\"PING\""));
}

}  // namespace
}  // namespace respcask::e2e

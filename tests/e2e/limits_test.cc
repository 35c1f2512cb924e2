// What one client cannot do to the others.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/e2e/client.h"
#include "tests/e2e/server_process.h"

namespace respcask::e2e {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

double ping_ms(Client& client) {
  const auto begin = Clock::now();
  REQUIRE(client.call({"PING"}) == "+PONG\r\n");
  return std::chrono::duration<double, std::milli>(Clock::now() - begin).count();
}

TEST_CASE("a client that sends and never reads costs little, and the others nothing") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  Client setter(server.port());
  REQUIRE(setter.call({"SET", "value", std::string(1000, 'v')}) == "+OK\r\n");
  Client deaf(server.port());
  deaf.set_receive_buffer(4096);
  Client other(server.port());
  ping_ms(other);
  const size_t before = server.resident_bytes();

  std::string burst;
  for (int i = 0; i < 1000; ++i) burst += request({"GET", "value"});
  std::vector<double> pings;
  size_t highest = before;
  const auto end = Clock::now() + milliseconds(2000);
  while (Clock::now() < end) {
    REQUIRE(deaf.send_some(burst) >= 0);
    pings.push_back(ping_ms(other));
    highest = std::max(highest, server.resident_bytes());
  }
  std::sort(pings.begin(), pings.end());
  MESSAGE("grew by " << (highest - before) / 1024 << " KiB; PING p99 "
                     << pings[pings.size() * 99 / 100] << " ms");
  CHECK(highest - before < kMostOfDeafBytes);
  CHECK(pings[pings.size() * 99 / 100] < 50);
}

TEST_CASE("a slow reader gets every reply in the end") {
  ServerProcess server;
  server.start();
  Client client(server.port());
  const std::string value(5000, 'v');
  REQUIRE(client.call({"SET", "value", value}) == "+OK\r\n");
  constexpr int kCommands = 5000;
  std::string pipeline;
  for (int i = 0; i < kCommands; ++i) pipeline += request({"GET", "value"});
  std::thread sender([&] { client.send(pipeline + request({"PING"})); });
  std::this_thread::sleep_for(milliseconds(500));
  const std::string reply = "$5000\r\n" + value + "\r\n";
  int wrong = 0;
  for (int i = 0; i < kCommands; ++i) wrong += client.read_exactly(reply.size()) != reply;
  CHECK(wrong == 0);
  CHECK(client.read_line() == "+PONG");
  sender.join();
}

// Sends all of it and reads nothing; false: the other side takes no more.
bool send_unread(Client& client, std::string_view bytes) {
  for (int waits = 0; !bytes.empty() && waits < 200;) {
    const ssize_t sent = client.send_some(bytes);
    REQUIRE(sent >= 0);
    bytes.remove_prefix(static_cast<size_t>(sent));
    waits = sent == 0 ? waits + 1 : 0;
    if (sent == 0) std::this_thread::sleep_for(milliseconds(10));
  }
  return bytes.empty();
}

// SETs and GETs in turn, of the numbers from `begin` on.
std::string pairs(int begin, int end, const std::string& value) {
  std::string pipeline;
  for (int i = begin; i < end; ++i) {
    const std::string key = "key:" + std::to_string(i % 100);
    pipeline += request({"SET", key, std::to_string(i) + value}) + request({"GET", key});
  }
  return pipeline;
}

// How many of their replies are not what they should be.
int wrong_replies(Client& client, int begin, int end, const std::string& value) {
  int wrong = 0;
  for (int i = begin; i < end; ++i) {
    const std::string set = std::to_string(i) + value;
    const std::string replies = "+OK\r\n$" + std::to_string(set.size()) + "\r\n" + set + "\r\n";
    wrong += client.read_exactly(replies.size()) != replies;
  }
  return wrong;
}

TEST_CASE("a pipeline of any length may be sent before its replies are read") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  Client client(server.port());
  Client other(server.port());
  ping_ms(other);
  const size_t before = server.resident_bytes();
  const std::string value(10'000, 'v');
  REQUIRE(send_unread(client, pairs(0, 5000, value)));
  CHECK(server.resident_bytes() - before < kMostOfDeafBytes);
  CHECK(std::stoull(info_value(other, "spilled_input_bytes")) > 25'000'000);
  SUBCASE("and more behind it while it is read") {
    CHECK(wrong_replies(client, 0, 2000, value) == 0);
    REQUIRE(send_unread(client, pairs(5000, 6000, value)));
    CHECK(wrong_replies(client, 2000, 6000, value) == 0);
    CHECK(client.call({"PING"}) == "+PONG\r\n");
  }
  SUBCASE("by a client that sends no more") {
    client.end_input();
    CHECK(wrong_replies(client, 0, 5000, value) == 0);
    CHECK(client.ends());
  }
  CHECK(info_value(other, "spilled_input_bytes") == "0");
}

TEST_CASE("a long pipeline may be sent behind messages that are not read, from within a value on") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  Client listener(server.port());
  Client other(server.port());
  listener.call({"HELLO", "3"});
  listener.call({"SUBSCRIBE", "ch"});
  const std::string value = request({"SET", "v", std::string(4'000'000, 'v')});
  REQUIRE(send_unread(listener, value.substr(0, 3'000'000)));
  for (int i = 0; i < 30; ++i) other.call({"PUBLISH", "ch", std::string(300'000, 'm')});
  std::string pipeline = value.substr(3'000'000);
  constexpr int kEchoes = 20'000;
  for (int i = 0; i < kEchoes; ++i) pipeline += request({"ECHO", std::string(1000, 'e')});
  REQUIRE(send_unread(listener, pipeline + request({"PING"})));
  for (int i = 0; i < 30; ++i) CHECK(listener.read_reply().starts_with(">3\r\n"));
  CHECK(listener.read_reply() == "+OK\r\n");
  for (int i = 0; i < kEchoes; ++i) listener.read_reply();
  CHECK(listener.read_reply() == "+PONG\r\n");
}

TEST_CASE("who found no place for a long pipeline goes on when others have gone") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  const std::string pipeline = pairs(0, 1200, std::string(10'000, 'v'));
  std::vector<Client> first;
  constexpr int kPlaces = 16;
  for (int i = 0; i < kPlaces; ++i) {
    first.emplace_back(server.port());
    REQUIRE(send_unread(first.back(), pipeline));
  }
  Client late(server.port());
  std::thread sender([&] { CHECK(late.send(pipeline)); });
  std::this_thread::sleep_for(milliseconds(300));
  Client other(server.port());
  const std::string before = info_value(other, "total_net_input_bytes");
  std::this_thread::sleep_for(milliseconds(300));
  CHECK(std::stoull(info_value(other, "total_net_input_bytes")) < std::stoull(before) + 1000);
  first.clear();
  sender.join();
  CHECK(wrong_replies(late, 0, 1200, std::string(10'000, 'v')) == 0);
}

TEST_CASE("a value of many megabytes may be sent before earlier replies are read") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  Client client(server.port());
  const std::string value(10'000, 'v');
  const std::string large(60'000'000, 'w');
  REQUIRE(send_unread(client, pairs(0, 1500, value) + request({"SET", "large", large})));
  REQUIRE(send_unread(client, request({"STRLEN", "large"})));
  CHECK(wrong_replies(client, 0, 1500, value) == 0);
  CHECK(client.read_line() == "+OK");
  CHECK(client.read_line() == ":60000000");
}

TEST_CASE("what a client sent that never reads takes no disk when it has gone") {
  ServerProcess server({"--io-threads", "1"});
  server.start();
  Client other(server.port());
  {
    Client deaf(server.port());
    REQUIRE(send_unread(deaf, pairs(0, 3000, std::string(10'000, 'v'))));
    CHECK(info_value(other, "spilled_input_bytes") != "0");
  }
  CHECK(info_becomes(other, "spilled_input_bytes", "0"));
  for (const auto& file : std::filesystem::directory_iterator(server.data_directory())) {
    CHECK(!file.path().filename().string().starts_with("INPUT"));
  }
}

TEST_CASE("clients above maxclients are told, and may come when others have gone") {
  ServerProcess server({"--maxclients", "5"});
  server.start();
  std::vector<Client> clients;
  // The connection that start() looked with may take a moment to be gone.
  std::this_thread::sleep_for(milliseconds(200));
  for (int i = 0; i < 5; ++i) {
    clients.emplace_back(server.port());
    REQUIRE(clients.back().call({"PING"}) == "+PONG\r\n");
  }
  for (int i = 0; i < 3; ++i) {
    Client refused(server.port());
    CHECK(refused.read_all() == "-ERR max number of clients reached\r\n");
  }
  clients.pop_back();
  std::this_thread::sleep_for(milliseconds(200));
  Client next(server.port());
  CHECK(next.call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("more clients than the system allows are refused with the number that it allows") {
  ServerProcess server;
  server.start();
  const rlimit files{2000, 2000};
  REQUIRE(::prlimit(server.pid(), RLIMIT_NOFILE, &files, nullptr) == 0);
  Client client(server.port());
  // Root may raise the limit, but no further than the system's own.
  const std::string refused = client.call({"CONFIG", "SET", "maxclients", "4000000000"});
  const std::string reason =
      "The operating system is not able to handle the specified number of clients, try with ";
  const size_t at = refused.find(reason);
  REQUIRE(at != std::string::npos);
  const std::string possible =
      refused.substr(at + reason.size(), refused.find('\r') - at - reason.size());
  CHECK(client.call({"CONFIG", "SET", "maxclients", possible}) == "+OK\r\n");
}

const std::vector<std::string> kSmallSegments = {"--io-threads",   "1",  "--shards", "2",
                                                 "--segment-size", "1mb"};

// For a server under a limit that leaves 16 descriptors to clients, and as many to segments.
std::vector<std::string> with_few_files(const ServerProcess& server) {
  std::vector<std::string> words = unprivileged(server.directory());
  words.insert(words.end(), {"prlimit", "--nofile=200:200"});
  return words;
}

uint64_t number_of(Client& client, const std::string& field) {
  return std::stoull(info_value(client, field));
}

void put_megabytes(Client& client, int megabytes) {
  const std::string value(100'000, 'v');
  for (int i = 0; i < megabytes * 10; ++i) {
    REQUIRE(client.call({"SET", "key" + std::to_string(i), value}) == "+OK\r\n");
  }
}

TEST_CASE("small segments leave descriptors to new clients, to merging and to the next start") {
  ServerProcess server(kSmallSegments);
  server.set_launcher(with_few_files(server));
  server.start();
  {
    Client client(server.port());
    put_megabytes(client, 200);
    std::vector<Client> others;
    for (int i = 0; i < 10; ++i) {
      others.emplace_back(server.port());
      others.back().send(request({"PING"}));
      CHECK(others.back().read_line() == "+PONG");
    }
    for (int i = 0; i < 2000; i += 2) client.call({"DEL", "key" + std::to_string(i)});
    const auto deadline = Clock::now() + std::chrono::seconds(60);
    client.call({"BGREWRITEAOF"});
    while (Clock::now() < deadline && number_of(client, "total_bytes") > 120'000'000) {
      std::this_thread::sleep_for(milliseconds(100));
    }
    CHECK(number_of(client, "total_bytes") <= 120'000'000);
    CHECK(number_of(client, "segments") <= 16);
  }
  CHECK(server.log().find("Too many open files") == std::string::npos);
  CHECK(server.stop() == 0);
  server.start();
  CHECK(Client(server.port()).call({"DBSIZE"}) == ":1000\r\n");
}

TEST_CASE("a store of more segments than the limit of open files has room for starts") {
  ServerProcess server(kSmallSegments);
  server.set_launcher(unprivileged(server.directory()));
  server.start();
  {
    Client client(server.port());
    put_megabytes(client, 100);
    REQUIRE(number_of(client, "segments") > 32);
  }
  REQUIRE(server.stop() == 0);
  server.set_launcher(with_few_files(server));
  server.start();
  Client client(server.port());
  CHECK(client.call({"DBSIZE"}) == ":1000\r\n");
  CHECK(number_of(client, "segments") <= 16);
}

TEST_CASE("idle clients are closed after the time-out, busy and subscribed ones are not") {
  ServerProcess server({"--timeout", "1"});
  server.start();
  Client idle(server.port());
  Client busy(server.port());
  Client subscribed(server.port());
  REQUIRE(idle.call({"PING"}) == "+PONG\r\n");
  REQUIRE(subscribed.call({"SUBSCRIBE", "c"}).starts_with("*3\r\n"));
  // One that has said good-bye and takes none of its replies is idle too.
  Client leaving(server.unix_socket());
  REQUIRE(leaving.call({"SET", "big", std::string(100'000, 'x')}) == "+OK\r\n");
  std::string requests;
  for (int i = 0; i < 8; ++i) requests += request({"GET", "big"});
  leaving.send(requests + request({"QUIT"}));
  const auto is_leaving = [&] {
    return busy.call({"CLIENT", "LIST"}).find(" flags=cU ") != std::string::npos;
  };
  for (int i = 0; i < 500 && !is_leaving(); ++i) std::this_thread::sleep_for(milliseconds(2));
  REQUIRE(is_leaving());
  const auto end = Clock::now() + milliseconds(4000);
  while (Clock::now() < end) {
    REQUIRE(busy.call({"PING"}) == "+PONG\r\n");
    std::this_thread::sleep_for(milliseconds(100));
  }
  CHECK(idle.ends());
  CHECK_FALSE(is_leaving());
  CHECK(subscribed.call({"PING"}).starts_with("*2\r\n"));
}

TEST_CASE("a query beyond its limit ends the connection and not the server") {
  ServerProcess server({"--client-query-buffer-limit", "1mb"});
  server.start();
  Client client(server.port());
  client.send("*2\r\n$3\r\nGET\r\n$100000000\r\n");
  const std::string chunk(65536, 'x');
  bool sent = true;
  for (int i = 0; i < 64 && sent; ++i) sent = client.send(chunk);
  CHECK(client.read_all() == "");
  Client other(server.port());
  CHECK(other.call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("the limit of a query is one of each argument, as complete ones are moved out of it") {
  ServerProcess server({"--client-query-buffer-limit", "1mb"});
  server.start();
  Client client(server.port());
  const std::string part(300'000, 'x');
  CHECK(client.call({"MSET", "a", part, "b", part, "c", part, "d", part, "e", part, "f", part}) ==
        "+OK\r\n");
  CHECK(client.call({"SET", "a", std::string(1'048'574, 'x')}) == "+OK\r\n");
  for (const size_t size : {1'048'575, 1'200'000}) {
    Client over(server.port());
    over.send(request({"SET", "over", std::string(size, 'x')}));
    CHECK(over.read_all() == "");
  }
  CHECK(client.call({"EXISTS", "over"}) == ":0\r\n");
  // Many commands in one go are none that is too long.
  std::string pipeline;
  for (int i = 0; i < 10; ++i) pipeline += request({"SET", "a", part});
  client.send(pipeline);
  for (int i = 0; i < 10; ++i) CHECK(client.read_reply() == "+OK\r\n");
}

TEST_CASE("before the password a client may ask little") {
  ServerProcess server({"--requirepass", "secret"});
  server.start();
  Client many(server.port());
  many.send("*11\r\n");
  CHECK(many.read_all() == "-ERR Protocol error: unauthenticated multibulk length\r\n");
  Client large(server.port());
  large.send("*2\r\n$4\r\nAUTH\r\n$16385\r\n");
  CHECK(large.read_all() == "-ERR Protocol error: unauthenticated bulk length\r\n");
  Client allowed(server.port());
  CHECK(allowed.call({"AUTH", "secret"}) == "+OK\r\n");
  CHECK(allowed.call({"ECHO", std::string(100000, 'x')}).size() == 100000 + 11);
}

TEST_CASE("a subscriber that does not read is cut off at its hard limit") {
  ServerProcess server({"--client-output-buffer-limit", "pubsub", "1mb", "0", "0"});
  server.start();
  Client deaf(server.port());
  deaf.set_receive_buffer(4096);
  REQUIRE(deaf.call({"SUBSCRIBE", "c"}).starts_with("*3\r\n"));
  Client publisher(server.port());
  const std::string message(100000, 'm');
  std::string receivers = ":1\r\n";
  for (int i = 0; i < 500 && receivers == ":1\r\n"; ++i) {
    receivers = publisher.call({"PUBLISH", "c", message});
  }
  CHECK(receivers == ":0\r\n");
  CHECK(server.log().find("output buffer limits") != std::string::npos);
}

TEST_CASE("messages reach subscribers on every loop in one order") {
  ServerProcess server({"--io-threads", "3"});
  server.start();
  constexpr int kSubscribers = 6;
  constexpr int kMessages = 2000;
  std::vector<Client> subscribers;
  for (int i = 0; i < kSubscribers; ++i) {
    subscribers.emplace_back(server.port());
    REQUIRE(subscribers.back().call({"SUBSCRIBE", "c"}).starts_with("*3\r\n"));
  }
  std::vector<std::thread> publishers;
  for (int p = 0; p < 3; ++p) {
    publishers.emplace_back([&, p] {
      Client client(server.port());
      for (int i = 0; i < kMessages; ++i) {
        client.call({"PUBLISH", "c", std::to_string(p) + ":" + std::to_string(i)});
      }
    });
  }
  std::vector<std::string> seen;
  for (int i = 0; i < 3 * kMessages; ++i) seen.push_back(subscribers[0].read_reply());
  for (int s = 1; s < kSubscribers; ++s) {
    int different = 0;
    for (const std::string& message : seen) different += subscribers[s].read_reply() != message;
    CHECK(different == 0);
  }
  for (std::thread& publisher : publishers) publisher.join();
}

TEST_CASE("a message that comes with the end of a wait is not lost") {
  ServerProcess server({"--io-threads", "2", "--enable-debug-command", "yes"});
  server.start();
  Client waiting(server.port());
  REQUIRE(waiting.call({"HELLO", "3"}).starts_with("%7\r\n"));
  REQUIRE(waiting.call({"SUBSCRIBE", "c"}).starts_with(">3\r\n"));
  Client other_loop(server.port());
  Client same_loop(server.port());
  waiting.send(request({"BLPOP", "list", "0"}));
  REQUIRE(other_loop.call({"PING"}) == "+PONG\r\n");
  // While its loop sleeps, both are left for it.
  same_loop.send(request({"DEBUG", "SLEEP", "0.2"}));
  std::this_thread::sleep_for(milliseconds(50));
  CHECK(other_loop.call({"PUBLISH", "c", "m"}) == ":1\r\n");
  CHECK(other_loop.call({"RPUSH", "list", "x"}) == ":1\r\n");
  CHECK(same_loop.read_reply() == "+OK\r\n");
  CHECK(waiting.read_reply() == ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\nm\r\n");
  CHECK(waiting.read_reply() == "*2\r\n$4\r\nlist\r\n$1\r\nx\r\n");
}

TEST_CASE("CLIENT KILL ends a client whatever it is doing") {
  ServerProcess server({"--io-threads", "2"});
  server.start();
  Client killer(server.port());
  const auto killed = [&](std::string_view id) {
    CHECK(killer.call({"CLIENT", "KILL", "ID", id.substr(1)}) == ":1\r\n");
    for (int i = 0; i < 200; ++i) {
      if (killer.call({"CLIENT", "LIST", "ID", id.substr(1)}) == "$0\r\n\r\n") return true;
      std::this_thread::sleep_for(milliseconds(10));
    }
    return false;
  };
  for (int i = 0; i < 4; ++i) {  // on either loop
    Client idle(server.port());
    idle.send(request({"CLIENT", "ID"}));
    CHECK(killed(idle.read_line()));
    CHECK(idle.ends());

    Client half(server.port());
    half.send(request({"CLIENT", "ID"}) + "*2\r\n$3\r\nGE");
    CHECK(killed(half.read_line()));
    CHECK(half.ends());

    Client subscribed(server.port());
    subscribed.send(request({"CLIENT", "ID"}));
    const std::string subscriber_id = subscribed.read_line();
    subscribed.call({"SUBSCRIBE", "c"});
    CHECK(killed(subscriber_id));
    CHECK(subscribed.ends());

    Client deaf(server.port());
    deaf.set_receive_buffer(4096);
    deaf.send(request({"CLIENT", "ID"}));
    const std::string deaf_id = deaf.read_line();
    const std::string large(1'000'000, 'x');
    for (int n = 0; n < 4; ++n) deaf.send_some(request({"ECHO", large}));
    CHECK(killed(deaf_id));
  }
  CHECK(killer.call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("a client that is paused and goes away is forgotten") {
  ServerProcess server;
  server.start();
  Client controller(server.port());
  REQUIRE(controller.call({"CLIENT", "PAUSE", "1000", "ALL"}) == "+OK\r\n");
  {
    Client paused(server.port());
    paused.send(request({"SET", "never", "1"}));
    std::this_thread::sleep_for(milliseconds(100));
  }
  // Paused itself, so this is answered when the pause is over.
  const std::string list = controller.call({"CLIENT", "LIST"});
  CHECK(std::count(list.begin(), list.end(), '\n') == 3);  // header, its own line, end
  CHECK(controller.call({"EXISTS", "never"}) == ":0\r\n");
}

TEST_CASE("a thousand clients come and go while others work") {
  ServerProcess server({"--io-threads", "2"});
  server.start();
  std::vector<Client> clients;
  for (int i = 0; i < 1000; ++i) {
    clients.emplace_back(server.port());
    clients.back().send(request({"PING"}));
  }
  int answered = 0;
  for (Client& client : clients) answered += client.read_line() == "+PONG";
  CHECK(answered == 1000);
  clients.clear();
  Client last(server.port());
  CHECK(last.call({"PING"}) == "+PONG\r\n");
}

TEST_CASE("when descriptors run out clients wait, and are served when some come back") {
  ServerProcess server;
  server.start();
  std::vector<Client> clients;
  for (int i = 0; i < 10; ++i) {
    clients.emplace_back(server.port());
    REQUIRE(clients.back().call({"PING"}) == "+PONG\r\n");
  }
  // As many as it has now, and not one more.
  size_t open = 0;
  for ([[maybe_unused]] const auto& entry :
       std::filesystem::directory_iterator("/proc/" + std::to_string(server.pid()) + "/fd")) {
    ++open;
  }
  const rlimit exhausted{open, open};
  REQUIRE(::prlimit(server.pid(), RLIMIT_NOFILE, &exhausted, nullptr) == 0);
  Client waiting(server.port());
  waiting.send(request({"PING"}));
  std::this_thread::sleep_for(milliseconds(300));
  CHECK(clients[0].call({"PING"}) == "+PONG\r\n");
  while (clients.size() > 5) clients.pop_back();
  CHECK(waiting.read_line() == "+PONG");
  CHECK(server.log().find("Accepting client connection") != std::string::npos);
}

TEST_CASE("nothing is sent behind the reply after which a connection closes") {
  ServerProcess server;
  server.start();
  for (const std::string& last : {request({"QUIT"}), std::string("*1\r\nnone\r\n")}) {
    CAPTURE(last);
    Client subscriber(server.port());
    // Or what it has sent would not be read while it does not read.
    REQUIRE(subscriber.call({"CLIENT", "NO-EVICT", "ON"}) == "+OK\r\n");
    REQUIRE(subscriber.call({"SUBSCRIBE", "c"}).starts_with("*3\r\n"));
    Client publisher(server.port());
    const std::string message(200'000, 'm');
    for (int i = 0; i < 40; ++i) publisher.call({"PUBLISH", "c", message});
    subscriber.send(last);
    // It is counted with its reply.
    const std::string counter = last[1] == '1' ? "cmdstat_quit:" : "errorstat_ERR:";
    while (publisher.call({"INFO", "everything"}).find(counter) == std::string::npos) {
    }
    for (int i = 0; i < 10; ++i) publisher.call({"PUBLISH", "c", message});
    const std::string all = subscriber.read_all();
    CHECK(all.size() < 41 * message.size());
    const size_t line = all.rfind("\r\n", all.size() - 3);
    CHECK((all[line + 2] == '+' || all[line + 2] == '-'));
  }
}

}  // namespace
}  // namespace respcask::e2e

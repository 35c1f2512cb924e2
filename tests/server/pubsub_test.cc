#include "server/pubsub.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/probe_commands.h"

namespace respcask::server::testing {
namespace {

TEST_CASE("pubsub: names that clients choose are hashed under a seed") {
  CHECK(StringHash()("channel") == StringHash()("channel"));
  CHECK(StringHash()("channel") != std::hash<std::string_view>()("channel"));
  CHECK(StringHash()("channel") != engine::siphash13(engine::HashSeed(), "channel"));
}

TEST_CASE("pubsub: confirmations count channels and patterns together, shard channels apart") {
  ProbeHarness h;
  CHECK(h.run("subscribe a b a") ==
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nb\r\n:2\r\n"
        "*3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:2\r\n");
  CHECK(h.run("psubscribe x*") == "*3\r\n$10\r\npsubscribe\r\n$2\r\nx*\r\n:3\r\n");
  CHECK(h.run("ssubscribe s") == "*3\r\n$10\r\nssubscribe\r\n$1\r\ns\r\n:1\r\n");
  CHECK(h.run("unsubscribe a") == "*3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:2\r\n");
  CHECK(h.run("unsubscribe") == "*3\r\n$11\r\nunsubscribe\r\n$1\r\nb\r\n:1\r\n");
  CHECK(h.run("unsubscribe") == "*3\r\n$11\r\nunsubscribe\r\n$-1\r\n:1\r\n");
  CHECK(h.run("unsubscribe q") == "*3\r\n$11\r\nunsubscribe\r\n$1\r\nq\r\n:1\r\n");
  CHECK(h.run("punsubscribe") == "*3\r\n$12\r\npunsubscribe\r\n$2\r\nx*\r\n:0\r\n");
  CHECK(h.run("sunsubscribe") == "*3\r\n$12\r\nsunsubscribe\r\n$1\r\ns\r\n:0\r\n");
  CHECK(h.run("sunsubscribe") == "*3\r\n$12\r\nsunsubscribe\r\n$-1\r\n:0\r\n");
  CHECK(h.server->pubsub.idle());
  h.client().use_protocol(3);
  CHECK(h.run("subscribe a") == ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
}

TEST_CASE(
    "pubsub: who leaves all patterns leaves them in the order in which they came, as in Redis") {
  ProbeHarness h;
  h.run("psubscribe p3 p1 p9 p2 p1 p5");
  h.run("punsubscribe p9");
  h.run("psubscribe p9");
  const std::string left = h.run("punsubscribe");
  std::string order;
  for (size_t at = left.find("$2\r\np"); at != left.npos; at = left.find("$2\r\np", at + 1)) {
    order += left[at + 5];
  }
  CHECK(order == "31259");
}

TEST_CASE("pubsub: messages reach channels first, then patterns, in each client's protocol") {
  ProbeHarness h;
  Client two(h), three(h);
  three.use_protocol(3);
  two.run("subscribe news other");
  two.run("psubscribe n*");
  three.run("psubscribe *s n?ws");
  CHECK(h.run("publish news hello") == ":4\r\n");
  CHECK(two.pushed() ==
        "*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$5\r\nhello\r\n"
        "*4\r\n$8\r\npmessage\r\n$2\r\nn*\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
  CHECK(three.pushed() ==
        ">4\r\n$8\r\npmessage\r\n$2\r\n*s\r\n$4\r\nnews\r\n$5\r\nhello\r\n"
        ">4\r\n$8\r\npmessage\r\n$4\r\nn?ws\r\n$4\r\nnews\r\n$5\r\nhello\r\n");
  CHECK(h.run("publish nobody x") == ":1\r\n");
  CHECK(h.run("publish xyz x") == ":0\r\n");
  CHECK(h.run("spublish news x") == ":0\r\n");
}

TEST_CASE("pubsub: the channel without a name is one that no pattern matches, as in Redis") {
  ProbeHarness h;
  Client two(h);
  two.run("psubscribe * **");
  CHECK(h.run({"publish", "", "m"}) == ":0\r\n");
  two.run({"psubscribe", ""});
  CHECK(h.run({"publish", "", "m"}) == ":1\r\n");
  CHECK(two.pushed() == "*4\r\n$8\r\npmessage\r\n$0\r\n\r\n$0\r\n\r\n$1\r\nm\r\n");
  two.run({"subscribe", ""});
  CHECK(h.run({"publish", "", "m"}) == ":2\r\n");
  CHECK(h.run("pubsub channels *") == "*0\r\n");
  CHECK(h.run("pubsub channels") == "*1\r\n$0\r\n\r\n");
}

TEST_CASE("pubsub: shard channels are a world of their own") {
  ProbeHarness h;
  Client shard(h), plain(h);
  shard.run("ssubscribe c");
  plain.run("subscribe c");
  CHECK(h.run("spublish c x") == ":1\r\n");
  CHECK(shard.pushed() == "*3\r\n$8\r\nsmessage\r\n$1\r\nc\r\n$1\r\nx\r\n");
  CHECK(plain.pushed().empty());
  CHECK(h.run("pubsub shardchannels") == "*1\r\n$1\r\nc\r\n");
  CHECK(h.run("pubsub shardnumsub c d") == "*4\r\n$1\r\nc\r\n:1\r\n$1\r\nd\r\n:0\r\n");
}

TEST_CASE("pubsub: a client's own message stands before its reply") {
  ProbeHarness h;
  h.client().use_protocol(3);
  h.run("subscribe foo");
  CHECK(h.run("publish foo bar") == ">3\r\n$7\r\nmessage\r\n$3\r\nfoo\r\n$3\r\nbar\r\n:1\r\n");
  CHECK(h.client().pushed().empty());
  h.run("multi");
  h.run("publish foo b");
  CHECK(h.run("exec") == "*1\r\n>3\r\n$7\r\nmessage\r\n$3\r\nfoo\r\n$1\r\nb\r\n:1\r\n");
}

TEST_CASE("pubsub: what is published before UNSUBSCRIBE is read before its confirmation") {
  ProbeHarness h;
  Client listener(h);
  listener.run("subscribe c");
  h.run("publish c 1");
  CHECK(
      listener.run("unsubscribe c") ==
      "*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n1\r\n*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n");
  CHECK(h.run("publish c 2") == ":0\r\n");
  CHECK(listener.pushed().empty());
}

TEST_CASE("pubsub: a killed client listens to nothing, though its loop has yet to close it") {
  ProbeHarness h;
  Client killed(h), other(h);
  for (const char* line : {"subscribe both only", "psubscribe b* o*", "ssubscribe s"}) {
    killed.run(line);
  }
  other.run("subscribe both");
  other.run("psubscribe b*");
  Turn& turn = h.client().turn;
  turn.begin();
  CHECK(run_in(turn, h.client(), {"publish", "both", "1"}) == ":4\r\n");
  const std::string id = std::to_string(killed.session->id);
  CHECK(run_in(turn, h.client(), {"client", "kill", "id", id}) == ":1\r\n");
  CHECK(run_in(turn, h.client(), {"publish", "both", "2"}) == ":2\r\n");
  CHECK(run_in(turn, h.client(), {"publish", "only", "3"}) == ":0\r\n");
  CHECK(run_in(turn, h.client(), {"spublish", "s", "4"}) == ":0\r\n");
  h.server->commit(turn);
  CHECK(killed.pushed().empty());
  CHECK(other.pushed().find("\r\n2\r\n") != std::string::npos);

  CHECK(h.run("pubsub channels") == "*1\r\n$4\r\nboth\r\n");
  CHECK(h.run("pubsub shardchannels") == "*0\r\n");
  CHECK(h.run("pubsub numsub both only") == "*4\r\n$4\r\nboth\r\n:1\r\n$4\r\nonly\r\n:0\r\n");
  CHECK(h.run("pubsub shardnumsub s") == "*2\r\n$1\r\ns\r\n:0\r\n");
  CHECK(h.run("pubsub numpat") == ":1\r\n");
  const std::string stats = h.run("info stats");
  for (const char* line :
       {"pubsub_channels:1\r\n", "pubsub_patterns:1\r\n", "pubsubshard_channels:0\r\n"}) {
    CHECK(stats.find(line) != std::string::npos);
  }
}

// Turns of several loops, each ended when the test says so.
class OpenTurns {
 public:
  explicit OpenTurns(ProbeHarness& h) : h_(h), clients_{Client(h), Client(h), Client(h)} {}

  void run(size_t i, std::initializer_list<std::string_view> args) {
    Client& client = clients_[i];
    client.turn.begin();
    run_in(client.turn, client, args);
  }
  void commit(size_t i) { h_.server->commit(clients_[i].turn); }
  // As when its writes have failed.
  void drop(size_t i) { clients_[i].turn.take_outbox(); }

 private:
  ProbeHarness& h_;
  Client clients_[3];
};

TEST_CASE("pubsub: nothing is delivered before the turn's writes are committed") {
  ProbeHarness h({"notify-keyspace-events", "KA"});
  Client listener(h);
  listener.run("subscribe __keyspace@0__:k");
  OpenTurns turns(h);
  turns.run(0, {"probeset", "k", "v"});
  CHECK(listener.pushed().empty());
  turns.commit(0);
  CHECK(listener.pushed() == "*3\r\n$7\r\nmessage\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n");
}

std::string message(std::string_view payload) {
  return fmt::format("*3\r\n$7\r\nmessage\r\n$1\r\nc\r\n${}\r\n{}\r\n", payload.size(), payload);
}

// Turn 0 has published 1 to who listens to c, turn 1 has published 2, and turn 0 then 3.
struct ThreeMessages {
  ProbeHarness h;
  Client listener{h};
  OpenTurns turns{h};
  ThreeMessages() {
    listener.run("subscribe c");
    turns.run(0, {"publish", "c", "1"});
    turns.run(1, {"publish", "c", "2"});
    turns.run(0, {"publish", "c", "3"});
  }
};

TEST_CASE("pubsub: messages of all loops come in the order in which they were published") {
  ThreeMessages sent;
  auto& [h, listener, turns] = sent;
  turns.run(2, {"publish", "c", "4"});
  turns.commit(2);
  turns.commit(1);
  CHECK(listener.pushed().empty());
  turns.commit(0);
  CHECK(listener.pushed() == message("1") + message("2") + message("3") + message("4"));
}

TEST_CASE("pubsub: a message that is never told keeps back no others") {
  ThreeMessages sent;
  auto& [h, listener, turns] = sent;
  turns.commit(1);
  CHECK(listener.pushed().empty());
  turns.drop(0);
  CHECK(listener.pushed() == message("2"));
}

TEST_CASE("pubsub: who comes to a channel has nothing that was published before") {
  ProbeHarness h;
  Client early(h), late(h);
  early.run("subscribe c");
  OpenTurns turns(h);
  turns.run(0, {"publish", "c", "1"});
  turns.run(1, {"publish", "c", "2"});
  turns.commit(1);
  late.run("subscribe c");
  late.run("psubscribe c*");
  turns.run(1, {"publish", "c", "3"});
  turns.commit(1);
  turns.commit(0);
  CHECK(early.pushed() == message("1") + message("2") + message("3"));
  CHECK(late.pushed() ==
        message("3") + "*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$1\r\n3\r\n");
}

TEST_CASE("pubsub: who leaves a channel has what was told and waits for others") {
  ProbeHarness h;
  Client listener(h);
  listener.run("subscribe c");
  listener.run("psubscribe c*");
  OpenTurns turns(h);
  turns.run(0, {"publish", "c", "1"});
  turns.run(1, {"publish", "c", "2"});
  turns.commit(1);
  Client late(h);
  late.run("subscribe c");
  CHECK(late.run("unsubscribe c") == "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n");
  CHECK(listener.run("unsubscribe c") ==
        message("2") + "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:1\r\n");
  CHECK(listener.run("punsubscribe c*") ==
        "*4\r\n$8\r\npmessage\r\n$2\r\nc*\r\n$1\r\nc\r\n$1\r\n2\r\n"
        "*3\r\n$12\r\npunsubscribe\r\n$2\r\nc*\r\n:0\r\n");
  turns.commit(0);
  CHECK(listener.pushed().empty());
}

TEST_CASE("pubsub: who leaves a channel has what was published in the same turn") {
  ProbeHarness h;
  Client listener(h), resets(h);
  listener.run("subscribe c");
  resets.run("subscribe c");
  Turn& turn = h.client().turn;
  turn.begin();
  CHECK(run_in(turn, h.client(), {"publish", "c", "1"}) == ":2\r\n");
  CHECK(run_in(turn, listener, {"unsubscribe", "c"}) ==
        message("1") + "*3\r\n$11\r\nunsubscribe\r\n$1\r\nc\r\n:0\r\n");
  CHECK(run_in(turn, resets, {"reset"}) == message("1") + "+RESET\r\n");
  h.server->commit(turn);
  CHECK(listener.pushed().empty());
  CHECK(resets.pushed().empty());
}

TEST_CASE("pubsub: what waits of each of several channels comes before that one's confirmation") {
  ProbeHarness h;
  Client listener(h);
  listener.run("subscribe c d e");
  listener.run("psubscribe c* ?");
  Turn& turn = h.client().turn;
  turn.begin();
  for (const std::string_view text : {"d1", "c1", "e1", "d2"}) {
    run_in(turn, h.client(), {"publish", text.substr(0, 1), text});
  }
  const auto heard = [](std::string_view text) {
    return fmt::format("*3\r\n$7\r\nmessage\r\n$1\r\n{}\r\n$2\r\n{}\r\n", text[0], text);
  };
  const auto left = [](char channel, int count) {
    return fmt::format("*3\r\n$11\r\nunsubscribe\r\n$1\r\n{}\r\n:{}\r\n", channel, count);
  };
  CHECK(run_in(turn, listener, {"unsubscribe", "c", "q", "d", "c"}) ==
        heard("c1") + left('c', 4) + left('q', 4) + heard("d1") + heard("d2") + left('d', 3) +
            left('c', 3));
  const auto matched = [](std::string_view pattern, std::string_view text) {
    return fmt::format("*4\r\n$8\r\npmessage\r\n${}\r\n{}\r\n$1\r\n{}\r\n$2\r\n{}\r\n",
                       pattern.size(), pattern, text[0], text);
  };
  CHECK(run_in(turn, listener, {"punsubscribe", "?", "c*"}) ==
        matched("?", "d1") + matched("?", "c1") + matched("?", "e1") + matched("?", "d2") +
            "*3\r\n$12\r\npunsubscribe\r\n$1\r\n?\r\n:2\r\n" + matched("c*", "c1") +
            "*3\r\n$12\r\npunsubscribe\r\n$2\r\nc*\r\n:1\r\n");
  h.server->commit(turn);
  CHECK(listener.pushed() == heard("e1"));
}

TEST_CASE("pubsub: who leaves many channels looks at what waits once, not for each of them") {
  using Clock = std::chrono::steady_clock;
  constexpr int kMany = 50'000;
  ProbeHarness h;
  Client busy(h);
  busy.run("subscribe c");
  std::vector<std::string> subscribe = {"subscribe", "d"};
  for (int i = 0; i < kMany; ++i) subscribe.push_back(fmt::format("channel:{}", i));
  auto listener = std::make_unique<Client>(h);
  OpenTurns turns(h);
  turns.run(0, {"publish", "c", "first"});
  Turn& turn = h.client().turn;
  for (const std::string_view how : {"unsubscribe", "reset", "gone"}) {
    CAPTURE(how);
    listener->run(subscribe);
    turn.begin();
    for (int i = 0; i < kMany; ++i) run_in(turn, h.client(), {"publish", "c", "x"});
    run_in(turn, h.client(), {"publish", "d", "y"});
    if (how == "gone") h.server->commit(turn);  // which waits for the first
    // To look at all of them for each channel takes ten seconds.
    const auto begin = Clock::now();
    if (how == "gone") {
      listener.reset();
    } else {
      const std::string told = run_in(turn, *listener, {how});
      CHECK(told.find("*3\r\n$7\r\nmessage\r\n$1\r\nd\r\n$1\r\ny\r\n") != std::string::npos);
    }
    CHECK(Clock::now() - begin < std::chrono::seconds(6));
    h.server->commit(turn);
  }
}

TEST_CASE("pubsub: others' messages stand in front of what EXEC answers, not within") {
  ProbeHarness h;
  Client listener(h);
  listener.use_protocol(3);
  listener.run("subscribe c");
  listener.run("multi");
  listener.run("unsubscribe d");
  listener.run("ping");
  h.run("publish c 1");
  listener.turn.begin();
  CHECK(run_in(listener.turn, listener, {"exec"}) ==
        ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n1\r\n*2\r\n"
        ">3\r\n$11\r\nunsubscribe\r\n$1\r\nd\r\n:1\r\n+PONG\r\n");
  h.server->commit(listener.turn);
}

TEST_CASE("pubsub: CLIENT REPLY OFF keeps no messages back that a command would put in front") {
  ProbeHarness h;
  Client listener(h);
  listener.use_protocol(3);
  listener.run("subscribe c");
  listener.run("client reply off");
  listener.run("multi");
  h.run("publish c 1");
  listener.turn.begin();
  CHECK(run_in(listener.turn, listener, {"exec"}).empty());
  CHECK(run_in(listener.turn, listener, {"client", "tracking", "off"}).empty());
  CHECK(run_in(listener.turn, listener, {"hello", "2"}).empty());
  h.server->commit(listener.turn);
  CHECK(listener.pushed() == ">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n1\r\n");
}

TEST_CASE("pubsub: what was sent in the old protocol comes before HELLO and RESET are answered") {
  ProbeHarness h;
  Client listener(h);
  for (const std::string_view last : {"reset", "hello"}) {
    listener.use_protocol(3);
    listener.run("subscribe c");
    h.run("publish c 1");
    listener.turn.begin();
    const std::string reply = last == "reset" ? run_in(listener.turn, listener, {"reset"})
                                              : run_in(listener.turn, listener, {"hello", "2"});
    CHECK(reply.starts_with(">3\r\n$7\r\nmessage\r\n$1\r\nc\r\n$1\r\n1\r\n"));
    h.server->commit(listener.turn);
  }
}

TEST_CASE("pubsub: keyspace events are sent as notify-keyspace-events says") {
  ProbeHarness h;
  Client listener(h);
  listener.run("psubscribe *");
  const auto events = [&](std::string_view flags) {
    h.set({"notify-keyspace-events", flags});
    h.run("probedel k");
    listener.pushed();
    h.run("probeset k v");
    h.run("probeget missing");
    return listener.pushed();
  };
  CHECK(events("").empty());
  CHECK(events("$").empty());
  CHECK(events("Kg").empty());
  CHECK(events("K$") ==
        "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$16\r\n__keyspace@0__:k\r\n$3\r\nset\r\n");
  CHECK(events("E$") ==
        "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$18\r\n__keyevent@0__:set\r\n$1\r\nk\r\n");
  CHECK(events("En") ==
        "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$18\r\n__keyevent@0__:new\r\n$1\r\nk\r\n");
  CHECK(events("Em") ==
        "*4\r\n$8\r\npmessage\r\n$1\r\n*\r\n$22\r\n__keyevent@0__:keymiss\r\n$7\r\nmissing\r\n");
}

TEST_CASE("pubsub: a transaction subscribes to channels and patterns, not to shard channels") {
  Harness h;
  h.run("multi");
  for (const std::string_view command : {"subscribe c", "psubscribe p", "ssubscribe s"}) {
    CHECK(h.run(command) == "+QUEUED\r\n");
  }
  CHECK(h.run("exec") ==
        "*3\r\n*3\r\n$9\r\nsubscribe\r\n$1\r\nc\r\n:1\r\n"
        "*3\r\n$10\r\npsubscribe\r\n$1\r\np\r\n:2\r\n"
        "-ERR SSUBSCRIBE isn't allowed for a DENY BLOCKING client\r\n");
}

TEST_CASE("PUBSUB: what it tells") {
  ProbeHarness h;
  CHECK(h.run("pubsub channels") == "*0\r\n");
  CHECK(h.run("pubsub numsub") == "*0\r\n");
  Client a(h), b(h);
  a.run("subscribe one two");
  b.run("subscribe one");
  b.run("psubscribe p* q*");
  a.run("psubscribe p*");
  CHECK(h.run("pubsub channels o*") == "*1\r\n$3\r\none\r\n");
  CHECK(h.run("pubsub numsub one two three") ==
        "*6\r\n$3\r\none\r\n:2\r\n$3\r\ntwo\r\n:1\r\n$5\r\nthree\r\n:0\r\n");
  CHECK(h.run("pubsub numpat") == ":2\r\n");
  CHECK(
      h.run("pubsub channels a b") ==
      "-ERR unknown subcommand or wrong number of arguments for 'channels'. Try PUBSUB HELP.\r\n");
  CHECK(h.run("pubsub help").starts_with("*14\r\n+PUBSUB <subcommand>"));
}

TEST_CASE("pubsub: CLIENT REPLY OFF keeps back replies, not what subscriptions bring") {
  ProbeHarness h;
  Client subscriber(h);
  subscriber.use_protocol(3);
  subscriber.session->reply_mode = ReplyMode::kOff;
  CHECK(subscriber.run("subscribe a").empty());
  CHECK(subscriber.pushed() == ">3\r\n$9\r\nsubscribe\r\n$1\r\na\r\n:1\r\n");
  CHECK(subscriber.run("publish a mine") == ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\nmine\r\n");
  CHECK(h.run("publish a hers") == ":1\r\n");
  CHECK(subscriber.pushed() == ">3\r\n$7\r\nmessage\r\n$1\r\na\r\n$4\r\nhers\r\n");
  CHECK(subscriber.run("unsubscribe a").empty());
  CHECK(subscriber.pushed() == ">3\r\n$11\r\nunsubscribe\r\n$1\r\na\r\n:0\r\n");
  CHECK(subscriber.run("subscribe").empty());  // an error is a reply
  CHECK(subscriber.pushed().empty());
}

TEST_CASE("pubsub: a client that goes leaves nothing behind") {
  ProbeHarness h;
  {
    Client gone(h);
    gone.run("subscribe a b");
    gone.run("psubscribe c*");
    gone.run("ssubscribe d");
  }
  CHECK(h.server->pubsub.idle());
  CHECK(h.run("pubsub channels") == "*0\r\n");
  CHECK(h.run("pubsub numpat") == ":0\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

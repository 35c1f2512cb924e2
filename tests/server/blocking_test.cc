#include "server/blocking.h"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "tests/server/probe_commands.h"

namespace respcask::server::testing {
namespace {

std::string popped(const std::string& key, const std::string& item) {
  return "*2\r\n$" + std::to_string(key.size()) + "\r\n" + key + "\r\n$" +
         std::to_string(item.size()) + "\r\n" + item + "\r\n";
}

TEST_CASE("blocking: a waiter is served before the push is answered") {
  ProbeHarness h;
  Client waiter(h);
  CHECK(waiter.run("probepop q 0").empty());
  CHECK(waiter.blocked());
  CHECK(h.server->blocked_clients() == 1);
  CHECK(h.run("client list").find(" flags=b ") != std::string::npos);
  CHECK(h.run("probepush q a") == "+OK\r\n");
  CHECK(h.run("probekeys") == ":0\r\n");  // gone already
  CHECK(h.server->blocked_clients() == 0);
  CHECK(waiter.resumed() == popped("q", "a"));
  CHECK(h.run("client list").find(" flags=b ") == std::string::npos);
  CHECK(!waiter.blocked());
  CHECK(waiter.run("probeget nothing") == "$-1\r\n");
}

TEST_CASE("blocking: deadlines of those who were served do not pile up") {
  ProbeHarness h;
  Client waiter(h);
  for (int i = 0; i < 10000; ++i) {
    REQUIRE(waiter.run("probepop q 1000000").empty());
    h.run("probepush q a");
    REQUIRE(waiter.resumed() == popped("q", "a"));
  }
  CHECK(h.server->deadlines.size() <= 1024);
  // Nor do those of one who is woken in vain.
  const size_t before = h.server->deadlines.size();
  const auto waiting = std::make_shared<Waiter>();
  for (int i = 0; i < 10; ++i) h.server->deadlines.add(INT64_MAX, waiting);
  CHECK(h.server->deadlines.size() == before + 1);
}

TEST_CASE("blocking: whose time is up at the same moment is woken in the order of coming") {
  struct Resumed final : Carrier {
    Resumed(int which, std::vector<int>& all) : number(which), order(all) {}
    void resume() override { order.push_back(number); }
    void push(std::string_view) override {}
    void close(bool) override {}
    ClientBuffers buffers() const override { return {}; }
    void take_pushes(std::string&) override {}
    int number;
    std::vector<int>& order;
  };
  std::vector<int> order, expected;
  std::vector<std::unique_ptr<Resumed>> carriers;
  std::vector<std::shared_ptr<Waiter>> waiters;
  Deadlines deadlines;
  for (int i = 0; i < 20; ++i) {
    carriers.push_back(std::make_unique<Resumed>(i, order));
    waiters.push_back(std::make_shared<Waiter>());
    waiters.back()->link = std::make_shared<Link>(*carriers.back());
    deadlines.add(1000, waiters.back());
    expected.push_back(i);
  }
  deadlines.wake_due(1000);
  CHECK(order == expected);
}

TEST_CASE("blocking: first come, first served, one item each") {
  ProbeHarness h;
  Client a(h), b(h), c(h);
  a.run("probepop q 0");
  b.run("probepop q 0");
  c.run("probepop q 0");
  h.run("multi");
  h.run("probepush q 1");
  h.run("probepush q 2");
  CHECK(a.resumed().empty());
  h.run("exec");
  CHECK(a.resumed() == popped("q", "1"));
  CHECK(b.resumed() == popped("q", "2"));
  CHECK(c.resumed().empty());
  CHECK(c.blocked());
  a.run("probepop q 0");  // behind c now
  h.run("probepush q 3");
  CHECK(c.resumed() == popped("q", "3"));
  CHECK(a.resumed().empty());
}

TEST_CASE("blocking: several keys in several shards; served by one, it leaves all") {
  ProbeHarness h;
  Client waiter(h);
  waiter.run("probepop q1 q2 q3 q4 q5 q2 0");
  h.run("probepush q4 x");
  CHECK(waiter.resumed() == popped("q4", "x"));
  h.run("probepush q1 y");
  CHECK(h.run("probepop q1 0") == popped("q1", "y"));
  for (uint32_t shard = 0; shard < h.store->shard_count(); ++shard) {
    CHECK(h.server->tables(shard).lines.empty());
  }
}

TEST_CASE("blocking: a chain of moves runs to its end at once") {
  ProbeHarness h;
  Client a(h), b(h), c(h);
  a.run("probemove l1 l2 0");
  b.run("probemove l2 l3 0");
  c.run("probepop l3 0");
  CHECK(h.run("probepush l1 item") == "+OK\r\n");
  CHECK(h.run("probekeys") == ":0\r\n");
  CHECK(a.resumed() == "$4\r\nitem\r\n");
  CHECK(b.resumed() == "$4\r\nitem\r\n");
  CHECK(c.resumed() == popped("l3", "item"));
}

TEST_CASE("blocking: a waiter that cannot use what came keeps its place and lets others by") {
  ProbeHarness h;
  h.run("probeset other string");
  Client mover(h), popper(h);
  mover.run("probemove q other 0");
  popper.run("probepop q 0");
  h.run("probepush q a");
  // The move fails for its target's type, which is an answer; the item is left to the next one.
  CHECK(mover.resumed() ==
        "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n");
  CHECK(popper.resumed() == popped("q", "a"));
}

TEST_CASE("blocking: another type under the key wakes nobody") {
  ProbeHarness h;
  Client waiter(h);
  waiter.run("probepop q 0");
  h.run("probeset q string");
  CHECK(waiter.resumed().empty());
  h.run("probedel q");
  h.run("probepush q a");
  CHECK(waiter.resumed() == popped("q", "a"));
}

TEST_CASE("blocking: the deadline, UNBLOCK, and being gone") {
  Outbox none;
  ProbeHarness h;
  Client waiter(h);
  waiter.run("probepop q " + std::to_string(unix_ms() + 100000));
  h.wake_due();
  CHECK(waiter.resumed().empty());
  CHECK(h.server->unblock(waiter.session->id, false, none));
  CHECK(!h.server->unblock(waiter.session->id, false, none));
  CHECK(waiter.resumed() == "*-1\r\n");
  waiter.run("probepop q " + std::to_string(unix_ms() - 1));
  h.wake_due();
  CHECK(waiter.resumed() == "*-1\r\n");
  waiter.run("probepop q 0");
  CHECK(h.server->unblock(waiter.session->id, true, none));
  CHECK(waiter.resumed() == "-UNBLOCKED client unblocked via CLIENT UNBLOCK\r\n");
  CHECK(h.server->blocked_clients() == 0);
  {
    Client gone(h);
    gone.run("probepop q r 0");
    CHECK(h.server->blocked_clients() == 1);
  }
  CHECK(h.server->blocked_clients() == 0);
  h.run("probepush q a");
  CHECK(h.run("probepop q 0") == popped("q", "a"));
  CHECK(!h.server->unblock(999, false, none));
}

TEST_CASE("blocking: a wait ends with the turn that has ended it, though nothing of that be told") {
  ProbeHarness h;
  Client waiter(h);
  waiter.run("probepop q 0");
  {
    Outbox failed;
    failed.add(h.server->pubsub, {ChannelKind::kChannel, "channel", "message", 0});
    CHECK(h.server->unblock(waiter.session->id, false, failed));
    CHECK(waiter.resumed().empty());
  }
  CHECK(waiter.resumed() == "*-1\r\n");
}

TEST_CASE("blocking: an answered time-out does not take what comes later") {
  ProbeHarness h;
  Client waiter(h);
  waiter.run("probepop q " + std::to_string(unix_ms() - 1));
  h.wake_due();  // it is told, but has not looked yet
  h.run("probepush q a");
  CHECK(waiter.resumed() == "*-1\r\n");
  CHECK(h.run("probepop q 0") == popped("q", "a"));
}

TEST_CASE("blocking: nothing blocks inside a transaction") {
  ProbeHarness h;
  h.run("multi");
  h.run("probepop q 0");
  CHECK(h.run("exec") == "*1\r\n*-1\r\n");
}

TEST_CASE("blocking: SWAPDB brings a key to those who wait for it") {
  ProbeHarness h;
  Client waiter(h), other(h);
  waiter.run("probepop q 0");
  other.run("probeselect 1");
  other.run("probepush q a");
  CHECK(waiter.resumed().empty());
  h.run("probeswap");
  CHECK(waiter.resumed() == popped("q", "a"));
}

TEST_CASE("blocking: a waiter with cold values is served by its own loop, in its place") {
  ProbeHarness h;
  h.run("probepush target old");
  h.restart();  // the target's value is on the disk only
  Client mover(h), popper(h);
  mover.run("probemove q target 0");
  popper.run("probepop q 0");
  h.run("probepush q a");
  h.run("probepush q b");
  const std::string moved = mover.resumed();
  CHECK(moved == "$1\r\na\r\n");
  CHECK(popper.resumed() == popped("q", "b"));
  CHECK(h.run("probepop target 0") == popped("target", "old"));
  CHECK(h.run("probepop target 0") == popped("target", "a"));
}

TEST_CASE("blocking: a long queue is pushed to within what was reserved") {
  ProbeHarness h;
  const std::string item(1000, 'x');
  for (int i = 0; i < 20; ++i) CHECK(h.run("probepush q " + item) == "+OK\r\n");
}

// Many threads push and pop on few keys: every item is taken exactly once and nobody is left
// behind.
TEST_CASE("blocking: threads") {
  ProbeHarness h;
  h.start_threads();
  constexpr int kThreads = 4, kItems = 2000;
  std::atomic<int> taken{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&h, &taken] {
      Client client(h);
      while (taken.load() < kThreads * kItems) {
        std::string reply = client.run("probepop q1 q2 " + std::to_string(unix_ms() + 20));
        while (client.blocked()) {
          std::this_thread::yield();
          reply = client.resumed();
        }
        if (reply == "*-1\r\n") continue;
        ++taken;
      }
    });
    threads.emplace_back([&h, t] {
      Client client(h);
      for (int i = 0; i < kItems; ++i) {
        CHECK(client.run("probepush q" + std::to_string(1 + (i + t) % 2) + " 1") == "+OK\r\n");
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(taken == kThreads * kItems);
  CHECK(h.run("probekeys") == ":0\r\n");
  CHECK(h.server->blocked_clients() == 0);
}

}  // namespace
}  // namespace respcask::server::testing

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "resp/number.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

// The bulks of a reply, one after the other, whatever arrays they stand in.
std::vector<std::string> bulks(const std::string& reply) {
  std::vector<std::string> found;
  for (size_t at = 0; at < reply.size();) {
    const size_t line_end = reply.find("\r\n", at);
    if (reply[at] != '$') {
      at = line_end + 2;
      continue;
    }
    const auto size = resp::parse_int64(reply.substr(at + 1, line_end - at - 1));
    found.push_back(reply.substr(line_end + 2, static_cast<size_t>(*size)));
    at = line_end + 2 + static_cast<size_t>(*size) + 2;
  }
  return found;
}

// A whole iteration; `between` is called after each step.
template <class Between>
std::vector<std::string> scan_all(Harness& h, const std::string& options, Between between,
                                  int* steps = nullptr) {
  std::vector<std::string> keys;
  std::string cursor = "0";
  do {
    const std::vector<std::string> found = bulks(h.run("SCAN " + cursor + " " + options));
    cursor = found[0];
    keys.insert(keys.end(), found.begin() + 1, found.end());
    if (steps != nullptr) ++*steps;
    between();
  } while (cursor != "0");
  return keys;
}
std::set<std::string> scan_set(Harness& h, const std::string& options = "") {
  const auto keys = scan_all(h, options, [] {});
  return {keys.begin(), keys.end()};
}

void pass_ms(int ms) {
  std::this_thread::sleep_for(std::chrono::milliseconds(ms));
}

TEST_CASE("KEYS finds each key that matches, once") {
  Harness h;
  CHECK(h.run("KEYS *") == "*0\r\n");
  std::set<std::string> all, even;
  for (int i = 0; i < 3000; ++i) {
    const std::string name = "key:" + std::to_string(i);
    h.run({"SET", name, "1"});
    all.insert(name);
    if (i % 2 == 0) even.insert(name);
  }
  const auto found = bulks(h.run("KEYS *"));
  CHECK(found.size() == all.size());
  CHECK(std::set<std::string>(found.begin(), found.end()) == all);
  const auto matching = bulks(h.run("KEYS k?y:*[02468]"));
  CHECK(std::set<std::string>(matching.begin(), matching.end()) == even);
  h.client().session->db = 1;
  CHECK(h.run("KEYS *") == "*0\r\n");
}

TEST_CASE("expired keys never show, and count until they are removed") {
  Harness h;
  h.run("SET alive 1");
  h.run("SET later 1 EX 100");
  for (int i = 0; i < 50; ++i) h.run("SET expired:" + std::to_string(i) + " 1 PX 1");
  pass_ms(3);
  CHECK(h.run("DBSIZE") == ":52\r\n");
  CHECK(bulks(h.run("KEYS *")).size() == 2);
  CHECK(scan_set(h) == std::set<std::string>{"alive", "later"});
  for (int i = 0; i < 100; ++i) {
    const std::string key = bulks(h.run("RANDOMKEY"))[0];
    CHECK((key == "alive" || key == "later"));
  }
  h.run("DEL alive later");
  CHECK(h.run("RANDOMKEY") == "$-1\r\n");
}

TEST_CASE("RANDOMKEY of expired keys that may not be removed") {
  Harness h;
  for (int i = 0; i < 300; ++i) h.run("SET expired:" + std::to_string(i) + " 1 PX 1");
  pass_ms(3);
  h.server->pause(PauseKind::kWrite, INT64_MAX);
  CHECK(h.run("RANDOMKEY") == "$-1\r\n");
  h.server->unpause();
  h.run("SET alive 1");
  h.server->pause(PauseKind::kWrite, INT64_MAX);
  CHECK(h.run("RANDOMKEY") == "$5\r\nalive\r\n");
}

TEST_CASE("RANDOMKEY reaches every key") {
  Harness h;
  std::set<std::string> all, found;
  for (int i = 0; i < 40; ++i) all.insert("k" + std::to_string(i));
  for (const std::string& name : all) h.run({"SET", name, "1"});
  for (int i = 0; i < 2000; ++i) found.insert(bulks(h.run("RANDOMKEY"))[0]);
  CHECK(found == all);
}

TEST_CASE("SCAN finds every key that stays, whatever comes and goes meanwhile") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937 random(seed);
  Harness h;
  std::set<std::string> stays;
  for (int i = 0; i < 2000; ++i) {
    stays.insert("stays:" + std::to_string(i));
    h.run("SET stays:" + std::to_string(i) + " 1");
  }
  // Growing first, then shrinking.
  int added = 0, removed = 0;
  for (const bool grow : {true, false}) {
    const auto found = scan_all(h, "COUNT 20", [&] {
      for (int i = 0; i < 100; ++i) {
        if (grow) {
          h.run("SET goes:" + std::to_string(added++) + " 1");
        } else if (removed < added) {
          h.run("DEL goes:" + std::to_string(removed++));
        }
      }
    });
    std::set<std::string> left = stays;
    size_t twice = 0;
    for (const std::string& name : found) {
      if (name.starts_with("stays:")) twice += 1 - left.erase(name);
    }
    CHECK(left.empty());
    CHECK(twice == 0);  // Redis may show one twice; pages that are joined are no reason to
  }
}

TEST_CASE("a client that keeps the cursor in a double finds every key") {
  Harness h;
  constexpr size_t kKeys = 5000;
  for (size_t i = 0; i < kKeys; ++i) h.run({"SET", "k" + std::to_string(i), "v"});
  std::set<std::string> seen;
  double cursor = 0;
  do {
    const auto found = bulks(h.run({"SCAN", std::to_string(static_cast<uint64_t>(cursor))}));
    cursor = static_cast<double>(std::stoull(found[0]));
    seen.insert(found.begin() + 1, found.end());
  } while (cursor != 0);
  CHECK(seen.size() == kKeys);
}

TEST_CASE("COUNT says roughly how much one call looks at") {
  Harness h;
  for (int i = 0; i < 4000; ++i) h.run("SET k" + std::to_string(i) + " 1");
  int steps = 0;
  CHECK(scan_all(
            h, "COUNT 1000", [] {}, &steps)
            .size() == 4000);
  CHECK(steps <= 5);
  steps = 0;
  CHECK(scan_all(
            h, "COUNT 1000000", [] {}, &steps)
            .size() == 4000);
  CHECK(steps == 1);
  steps = 0;
  CHECK(scan_all(
            h, "", [] {}, &steps)
            .size() == 4000);
  CHECK(steps > 50);
  steps = 0;
  CHECK(scan_all(
            h, "COUNT 100 MATCH none*", [] {}, &steps)
            .empty());
  CHECK(steps > 20);
}

TEST_CASE("SCAN filters by pattern and type") {
  Harness h;
  h.run("MSET a1 1 a2 2 b1 3");
  CHECK(scan_set(h, "MATCH a*") == std::set<std::string>{"a1", "a2"});
  CHECK(scan_set(h, "TYPE STRING MATCH *1") == std::set<std::string>{"a1", "b1"});
  CHECK(scan_set(h, "TYPE hash").empty());
  CHECK(scan_set(h, "TYPE nonsense").empty());
}

TEST_CASE("SCAN removes what has expired, whatever type it asks for") {
  Harness h;
  h.run("SET k v PXAT 1");
  CHECK(h.run("SCAN 0 TYPE list") == "*2\r\n$1\r\n0\r\n*0\r\n");
  CHECK(h.run("DBSIZE") == ":0\r\n");
}

TEST_CASE("SCAN takes the cursors and options that Redis takes") {
  Harness h;
  h.run("SET a 1");
  const std::string whole = "*2\r\n$1\r\n0\r\n*1\r\n$1\r\na\r\n";
  CHECK(h.run("SCAN 0") == whole);
  CHECK(h.run({"SCAN", ""}) == whole);
  CHECK(h.run({"SCAN", "+0"}) == whole);
  // Any number is a cursor.
  CHECK(h.run("SCAN 18446744073709551615").starts_with("*2\r\n$1\r\n0\r\n"));
  for (const char* cursor : {"x", "0x1", " 1", "1 ", "18446744073709551616", "-", "1.0"}) {
    CAPTURE(cursor);
    CHECK(h.run({"SCAN", cursor}) == "-ERR invalid cursor\r\n");
  }
  for (const char* options : {"COUNT", "COUNT 0", "COUNT -1", "MATCH", "TYPE", "FOO 1"}) {
    CHECK(h.run(std::string("SCAN 0 ") + options) == "-ERR syntax error\r\n");
  }
  CHECK(h.run("SCAN 0 COUNT x") == "-ERR value is not an integer or out of range\r\n");
}

TEST_CASE("KEYS gives each key once while others come and go on another thread") {
  Harness h;
  constexpr int kStay = 6000;
  for (int i = 0; i < kStay; ++i) h.run("SET stays:" + std::to_string(i) + " 1");
  std::atomic<bool> stop{false};
  std::thread other([&] {
    Client client(h);
    for (int round = 0; !stop; ++round) {
      for (int i = 0; i < 4000 && !stop; ++i) {
        client.run((round % 2 == 0 ? "SET goes:" : "DEL goes:") + std::to_string(i) +
                   (round % 2 == 0 ? " 1" : ""));
      }
    }
  });
  for (int round = 0; round < 10; ++round) {
    const auto found = bulks(h.run("KEYS stays:*"));
    CHECK(found.size() == kStay);
    CHECK(std::set<std::string>(found.begin(), found.end()).size() == kStay);
  }
  stop = true;
  other.join();
}

}  // namespace
}  // namespace respcask::server::testing

// Shows that the differential test finds what it is there to find: Redis against Redis, where the
// second one has a fault planted, must disagree, and without a fault must not.
#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "tests/differential/differences.h"
#include "tests/differential/duel.h"

namespace respcask::differential {
namespace {

using Args = std::vector<std::string>;

bool is(const Args& args, std::string_view name) {
  return !args.empty() && lower(args[0]) == name;
}

void drop(Args& args, std::string_view option) {
  for (size_t i = 3; i < args.size(); ++i) {
    if (lower(args[i]) == option) {
      args.erase(args.begin() + static_cast<ptrdiff_t>(i));
      return;
    }
  }
}

std::unique_ptr<Process> redis(bool durable) {
  return std::make_unique<Process>(
      "redis-server",
      Args{"--save", "", "--appendonly", durable ? "yes" : "no", "--bind", "127.0.0.1"});
}

struct Planted {
  std::string what;
  Tampering tampering;
  bool restarts = false;
};

std::vector<Planted> planted_faults() {
  std::vector<Planted> list;
  const auto request = [&](const char* what, std::function<void(Args&)> tamper) {
    list.push_back({what, {std::move(tamper), nullptr}});
  };
  const auto reply = [&](const char* what, std::function<void(const Args&, Reply&)> tamper) {
    list.push_back({what, {nullptr, std::move(tamper)}});
  };
  request("SET forgets KEEPTTL", [](Args& args) {
    if (is(args, "set")) drop(args, "keepttl");
  });
  request("EXPIRE knows no GT", [](Args& args) {
    if (is(args, "expire")) drop(args, "gt");
  });
  request("EXPIRE is a minute late", [](Args& args) {
    if (is(args, "expire") && args.size() > 2 && args[2].size() > 4 && args[2].size() < 9) {
      args[2] = std::to_string(std::stoll(args[2]) + 60);
    }
  });
  request("COPY ignores REPLACE", [](Args& args) {
    if (is(args, "copy")) drop(args, "replace");
  });
  request("BITFIELD wraps where it should saturate", [](Args& args) {
    for (std::string& arg : args) {
      if (is(args, "bitfield") && lower(arg) == "sat") arg = "WRAP";
    }
  });
  request("WATCH watches nothing", [](Args& args) {
    if (is(args, "watch") && args.size() > 1) args = {"WATCH", "\x02nobody writes this"};
  });
  request("SELECT stays in database 0", [](Args& args) {
    if (is(args, "select") && args.size() == 2 && args[1].size() == 1) args[1] = "0";
  });
  request("APPEND loses the last byte of long values", [](Args& args) {
    if (is(args, "append") && args.size() == 3 && args[2].size() > 2000) args[2].pop_back();
  });
  reply("another error text", [](const Args&, Reply& answer) {
    const size_t at = answer.raw.find("value is not an integer");
    if (answer.type == '-' && at != std::string::npos) answer.raw.replace(at, 5, "Value");
  });
  reply("RESP2's null in RESP3", [](const Args&, Reply& answer) {
    if (answer.type == '_') answer.raw = "$-1\r\n";
  });
  reply("DUMP with a wrong checksum", [](const Args& args, Reply& answer) {
    if (is(args, "dump") && answer.type == '$' && !answer.null) {
      answer.raw[answer.raw.size() - 3] ^= 1;
      answer.text.back() ^= 1;
    }
  });
  list.push_back({"a restart loses what was written", {nullptr, nullptr, true}, true});
  return list;
}

constexpr uint64_t kSeed = 20240229;

TEST_CASE("redis agrees with itself, across restarts too") {
  Duel duel(redis(false), redis(true));
  std::vector<std::string> skipped;
  // No bitmaps: a BITFIELD that fails and yet makes room is not in Redis's append-only file.
  const auto rows = duel.common_rows({"strings", "keys", "databases", "transactions", "connection",
                                      "introspection", "sets", "sorted sets"},
                                     &skipped);
  CHECK(skipped.empty());
  Generator generator(rows, duel.common_names(), kSeed);
  const auto mismatch = duel.run(generator.episode(2000, true), kSeed);
  CHECK_MESSAGE(!mismatch, (mismatch ? mismatch->what : ""));
}

TEST_CASE("every planted fault is found, and told in a few steps") {
  for (const Planted& planted : planted_faults()) {
    INFO(planted.what);
    Duel duel(redis(false), redis(planted.restarts), planted.tampering);
    std::vector<std::string> skipped;
    const auto rows = duel.common_rows(
        {"strings", "bitmaps", "keys", "expiry", "databases", "transactions", "connection"},
        &skipped);
    std::vector<Step> steps;
    std::optional<Mismatch> mismatch;
    for (uint64_t seed = kSeed; !mismatch && seed < kSeed + 3; ++seed) {
      Generator generator(rows, duel.common_names(), seed);
      steps = generator.episode(10000, planted.restarts);
      mismatch = duel.run(steps, seed);
    }
    REQUIRE(mismatch);
    const std::vector<Step> fewer = duel.shrink(steps, &*mismatch, std::chrono::seconds(20));
    CHECK(fewer.size() <= 20);
  }
}

TEST_CASE("a SORT may fail for an errno that is not its own, and for nothing else") {
  const auto steps = [](const char* element) {
    std::vector<Step> list;
    for (const Args& args :
         {Args{"RPUSH", "l", element}, {"SCAN", "99999999999999999999"}, {"SORT", "l"}}) {
      list.push_back({Step::Kind::kCommand, 1, args});
    }
    return list;
  };
  const auto is_left_open = [](Duel&& duel, const std::vector<Step>& list) {
    const auto mismatch = duel.run(list, std::nullopt);
    REQUIRE(mismatch);
    CHECK(mismatch->step == 2);
    return duel.is_unspecified(list, *mismatch);
  };
  // What a server says whose SORT sees no errno but its own.
  const auto sound = [](const Args& args, Reply& answer) {
    if (is(args, "sort")) answer.raw = "*1\r\n$3\r\n7.5\r\n";
  };
  CHECK(is_left_open(Duel(redis(false), redis(false), {nullptr, sound}), steps("7.5")));
  CHECK_FALSE(is_left_open(Duel(redis(false), redis(false), {nullptr, sound}), steps("seven")));
}

TEST_CASE("a range by name among several scores may be answered either way, and nothing else") {
  Duel duel(redis(false), redis(false), {nullptr, [](const Args& args, Reply& answer) {
                                           if (is(args, "zlexcount") || is(args, "zcard"))
                                             answer.raw = ":77\r\n";
                                         }});
  const auto steps = [](const char* score, const Args& last) {
    std::vector<Step> list;
    for (const Args& args : {Args{"HELLO", "3"}, {"ZADD", "z", "1", "a", score, "b"}, last}) {
      list.push_back({Step::Kind::kCommand, 1, args});
    }
    return list;
  };
  const auto is_left_open = [&](const std::vector<Step>& list) {
    const auto mismatch = duel.run(list, std::nullopt);
    REQUIRE(mismatch);
    return duel.is_unspecified(list, *mismatch);
  };
  CHECK(is_left_open(steps("2", {"zlexcount", "z", "-", "+"})));
  CHECK_FALSE(is_left_open(steps("1", {"zlexcount", "z", "-", "+"})));
  CHECK_FALSE(is_left_open(steps("2", {"zcard", "z"})));
}

TEST_CASE("the same seed gives the same steps") {
  std::vector<Generator::Choice> rows;
  for (const Family& family : families()) {
    for (const Row& row : family.rows) rows.push_back({&family, &row});
  }
  Generator one(rows, {"get"}, 7);
  Generator two(rows, {"get"}, 7);
  const auto first = one.episode(1000, true);
  const auto second = two.episode(1000, true);
  REQUIRE(first.size() == second.size());
  for (size_t i = 0; i < first.size(); ++i) {
    CHECK(first[i].kind == second[i].kind);
    CHECK(first[i].client == second[i].client);
    CHECK(first[i].args == second[i].args);
  }
}

TEST_CASE("a reply is read whole or not at all") {
  const std::string bytes = "%1\r\n$1\r\na\r\n*3\r\n:1\r\n_\r\n$-1\r\n";
  for (size_t size = 0; size < bytes.size(); ++size) {
    size_t position = 0;
    CHECK_FALSE(parse_reply(bytes.substr(0, size), &position));
    CHECK(position == 0);
  }
  size_t position = 0;
  const auto reply = parse_reply(bytes + "+OK", &position);
  REQUIRE(reply);
  CHECK(position == bytes.size());
  CHECK(reply->raw == bytes);
  REQUIRE(reply->items.size() == 2);
  CHECK(reply->items[1].items[2].null);
}

TEST_CASE("a difference that is meant covers that difference only") {
  const auto reply = [](std::string_view bytes) {
    size_t position = 0;
    return *parse_reply(bytes, &position);
  };
  CHECK(same({"TTL", "k"}, reply(":100\r\n"), reply(":101\r\n")));
  CHECK_FALSE(same({"TTL", "k"}, reply(":100\r\n"), reply(":200\r\n")));
  CHECK(same({"PTTL", "k"}, reply(":100\r\n"), reply(":25100\r\n"), std::chrono::seconds(5)));
  CHECK_FALSE(same({"PTTL", "k"}, reply(":100\r\n"), reply(":25101\r\n"), std::chrono::seconds(5)));
  CHECK_FALSE(same({"TTL", "k"}, reply(":-1\r\n"), reply(":1\r\n")));
  CHECK_FALSE(same({"INCR", "k"}, reply(":100\r\n"), reply(":101\r\n")));
  CHECK(same({"keys", "*"}, reply("*2\r\n+a\r\n+b\r\n"), reply("*2\r\n+b\r\n+a\r\n")));
  CHECK_FALSE(same({"keys", "*"}, reply("*2\r\n+a\r\n+b\r\n"), reply("*2\r\n+b\r\n+b\r\n")));
  CHECK_FALSE(same({"MGET", "a"}, reply("*2\r\n+a\r\n+b\r\n"), reply("*2\r\n+b\r\n+a\r\n")));
  CHECK_FALSE(same({"GET", "a"}, reply("-ERR a\r\n"), reply("-ERR b\r\n")));
}

}  // namespace
}  // namespace respcask::differential

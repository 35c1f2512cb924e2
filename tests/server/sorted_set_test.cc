#include <doctest/doctest.h>

#include <algorithm>
#include <chrono>
#include <random>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/harness.h"
#include "tests/server/rdb_golden.h"
#include "tests/server/said.h"

namespace respcask::server {
namespace {

using namespace std::literals;
using testing::Client;
using testing::Harness;
using testing::said;
using testing::words;

constexpr std::string_view kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

// A set of `count` members m0000, m0001, ... with scores 0, 1, ...
void fill(Harness& h, const std::string& key, int count) {
  for (int i = 0; i < count; ++i) {
    std::string digits = std::to_string(i);
    digits.insert(0, 4 - digits.size(), '0');
    h.run({"ZADD", key, std::to_string(i), "m" + digits});
  }
}

TEST_CASE("ZADD enters members in the order of score and bytes") {
  Harness h;
  CHECK(h.run("ZADD z 2 b 1 a 2 aa") == ":3\r\n");
  CHECK(said(h, "ZRANGE z 0 -1 WITHSCORES") == "a 1 aa 2 b 2");
  CHECK(h.run("ZADD z 3 a") == ":0\r\n");
  CHECK(h.run("ZADD z CH 4 a 5 c") == ":2\r\n");
  CHECK(said(h, "ZRANGE z 0 -1 WITHSCORES") == "aa 2 b 2 a 4 c 5");
  CHECK(h.run("ZADD z 1 x 2 x 3 x") == ":1\r\n");
  CHECK(h.run("ZSCORE z x") == "$1\r\n3\r\n");
  CHECK(h.run("ZCARD z") == ":5\r\n");
}

TEST_CASE("ZADD's options keep scores from changing") {
  Harness h;
  h.run("ZADD z 10 a");
  CHECK(h.run("ZADD z NX 1 a 1 b") == ":1\r\n");
  CHECK(h.run("ZADD z XX CH 2 a 2 c") == ":1\r\n");
  CHECK(h.run("ZADD z GT CH 1 a 5 b") == ":1\r\n");
  CHECK(h.run("ZADD z LT CH 9 b 1 a 7 d") == ":2\r\n");
  CHECK(said(h, "ZRANGE z 0 -1 WITHSCORES") == "a 1 b 5 d 7");
  CHECK(h.run("ZADD z NX INCR 1 a") == "$-1\r\n");
  CHECK(h.run("ZADD z XX INCR 1 none") == "$-1\r\n");
  CHECK(h.run("ZADD z GT INCR -1 a") == "$-1\r\n");
  CHECK(h.run("ZADD z INCR 1.5 a") == "$3\r\n2.5\r\n");
  CHECK(h.run("ZADD none XX 1 a") == ":0\r\n");
  CHECK(h.run("EXISTS none") == ":0\r\n");
  CHECK(h.run("ZADD z NX XX 1 a") ==
        "-ERR XX and NX options at the same time are not compatible\r\n");
  CHECK(h.run("ZADD z NX GT 1 a") ==
        "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n");
  CHECK(h.run("ZADD z LT GT 1 a") ==
        "-ERR GT, LT, and/or NX options at the same time are not compatible\r\n");
  CHECK(h.run("ZADD z INCR 1 a 2 b") ==
        "-ERR INCR option supports a single increment-element pair\r\n");
  CHECK(h.run("ZADD z NX CH") == "-ERR syntax error\r\n");
  CHECK(h.run("ZADD z 1 a 2") == "-ERR syntax error\r\n");
  CHECK(h.run("ZADD z nan a") == "-ERR value is not a valid float\r\n");
  h.run("SET s 1");
  CHECK(h.run("ZADD s 1 a") == kWrongType);
}

TEST_CASE("ZINCRBY adds, and refuses what is no number") {
  Harness h;
  CHECK(h.run("ZINCRBY z 2.5 a") == "$3\r\n2.5\r\n");
  CHECK(h.run("ZINCRBY z -3 a") == "$4\r\n-0.5\r\n");
  CHECK(h.run("ZINCRBY z +inf a") == "$3\r\ninf\r\n");
  CHECK(h.run("ZINCRBY z -inf a") == "-ERR resulting score is not a number (NaN)\r\n");
  CHECK(h.run("ZSCORE z a") == "$3\r\ninf\r\n");
}

TEST_CASE("a score of -0 is kept by a skiplist, and not by a listpack") {
  Harness h;
  h.run("ZADD z -0 a 1e17 b");
  CHECK(h.run("ZSCORE z a") == "$1\r\n0\r\n");
  CHECK(said(h, "ZRANGE z 0 -1 WITHSCORES") == "a 0 b 1e+17");
  CHECK(said(h, "ZSCAN z 0") == "0 a 0 b 100000000000000000");
  h.run("CONFIG SET zset-max-listpack-entries 0");
  h.run("ZADD y -0 a 1e17 b");
  CHECK(h.run("ZSCORE y a") == "$2\r\n-0\r\n");
  CHECK(said(h, "ZUNION 1 y WITHSCORES") == "a -0 b 1e+17");
  CHECK(said(h, "ZSCAN y 0") == "0 a -0 b 1e+17");
  h.run("CONFIG SET zset-max-listpack-entries 128");
  h.run("ZUNIONSTORE x 1 y");
  CHECK(h.run("ZSCORE x a") == "$1\r\n0\r\n");
}

TEST_CASE("a score of -0 that a listpack came with is kept until it is entered anew") {
  Harness h;
  // A ziplist of "m" and "-0".
  const std::string payload =
      rdb::golden::close("\x0c\x12\x12\0\0\0\x0d\0\0\0\x02\0"s + "\0\x01m\x03\x02-0\xff"s);
  REQUIRE(h.run({"RESTORE", "z", "0", payload}) == "+OK\r\n");
  CHECK(h.run("ZSCORE z m") == "$2\r\n-0\r\n");
  CHECK(said(h, "ZSCAN z 0") == "0 m -0");
  CHECK(said(h, "OBJECT ENCODING z") == "listpack");
  h.run("ZADD z 0 m 5 n");
  h.run("ZINCRBY z 0 m");
  h.run("COPY z copy");
  CHECK(said(h, "ZRANGE copy 0 -1 WITHSCORES") == "m -0 n 5");
  h.run("ZREM copy n");
  CHECK(h.run("DUMP copy").find("-0") != std::string::npos);
  h.run("ZUNIONSTORE union 1 z");
  CHECK(said(h, "ZRANGE union 0 -1 WITHSCORES") == "m 0 n 5");
  const std::string lengthy(60, 's');
  REQUIRE(h.run("CONFIG SET collection-split-bytes 64") == "+OK\r\n");
  h.run("ZADD z 6 " + lengthy);
  CHECK(said(h, "ZRANGE z 0 -1 WITHSCORES") == "m -0 n 5 " + lengthy + " 6");
  h.run("CONFIG SET zset-max-listpack-entries 1");
  h.run("ZADD z 7 skiplist");
  CHECK(said(h, "ZRANGE z 0 -1 WITHSCORES") == "m -0 n 5 " + lengthy + " 6 skiplist 7");
  h.run("ZADD copy 1 m");
  h.run("ZADD copy -0 m");
  CHECK(h.run("ZSCORE copy m") == "$1\r\n0\r\n");
}

TEST_CASE("ZRANGESTORE keeps a score of -0 from where its target is no listpack any more") {
  Harness h;
  const std::string lengthy(100, 'b');
  h.run("ZADD z -0 a -0 " + lengthy + " -0 c");
  h.run("ZADD z 5 a");
  h.run("ZADD z -0 a");
  REQUIRE(h.run("ZSCORE z a") == "$2\r\n-0\r\n");
  h.run("ZRANGESTORE up z 0 -1");
  CHECK(said(h, "ZRANGE up 0 -1 WITHSCORES") == "a 0 " + lengthy + " -0 c -0");
  h.run("ZRANGESTORE down z 0 -1 REV");
  CHECK(said(h, "ZRANGE down 0 -1 WITHSCORES") == "a -0 " + lengthy + " -0 c 0");
  h.run("CONFIG SET zset-max-listpack-entries 1 zset-max-listpack-value 1000");
  h.run("ZRANGESTORE many z -1 1 BYSCORE");
  CHECK(said(h, "ZRANGE many 0 -1 WITHSCORES") == "a 0 " + lengthy + " -0 c -0");
  h.run("ZRANGESTORE many z 0 -1");  // so many that it begins as no listpack
  CHECK(said(h, "ZRANGE many 0 -1 WITHSCORES") == "a -0 " + lengthy + " -0 c -0");
}

TEST_CASE("scores are doubles in RESP3, and pairs come as such") {
  Harness h;
  h.client().use_protocol(3);
  h.run("ZADD z 1 a 2.5 b");
  CHECK(h.run("ZSCORE z b") == ",2.5\r\n");
  CHECK(h.run("ZSCORE z c") == "_\r\n");
  CHECK(h.run("ZMSCORE z a c") == "*2\r\n,1\r\n_\r\n");
  CHECK(h.run("ZRANGE z 0 -1 WITHSCORES") ==
        "*2\r\n*2\r\n$1\r\na\r\n,1\r\n*2\r\n$1\r\nb\r\n,2.5\r\n");
}

TEST_CASE("a sorted set passes from packed to split and stays whole over a restart") {
  const unsigned seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Harness h;
  fill(h, "z", 50);
  CHECK_FALSE(is_split(h, "z"));
  CHECK(h.run("OBJECT ENCODING z") == "$8\r\nlistpack\r\n");
  fill(h, "z", 2000);
  CHECK(is_split(h, "z"));
  CHECK(h.run("OBJECT ENCODING z") == "$8\r\nskiplist\r\n");
  CHECK(h.run("ZCARD z") == ":2000\r\n");
  for (int i = 0; i < 3000; ++i) {
    std::string digits = std::to_string(random() % 2000);
    digits.insert(0, 4 - digits.size(), '0');
    if (random() % 3 == 0) {
      h.run({"ZREM", "z", "m" + digits});
    } else {
      h.run({"ZADD", "z", std::to_string(random() % 100), "m" + digits});
    }
  }
  const std::string all = h.run("ZRANGE z 0 -1 WITHSCORES");
  const std::string rank = h.run("ZRANK z m1000");
  h.restart();
  CHECK(h.run("ZRANGE z 0 -1 WITHSCORES") == all);
  CHECK(h.run("ZRANK z m1000") == rank);
  CHECK(h.run("OBJECT ENCODING z") == "$8\r\nskiplist\r\n");
  CHECK(h.run("COPY z y") == ":1\r\n");
  CHECK(h.run("ZRANGE y 0 -1 WITHSCORES") == all);
  CHECK(h.run("RENAME z x") == "+OK\r\n");
  CHECK(h.run("ZRANGE x 0 -1 WITHSCORES") == all);
}

TEST_CASE("a sorted set made again under its name has none of its old members") {
  Harness h;
  fill(h, "z", 500);
  REQUIRE(is_split(h, "z"));
  h.run("DEL z");
  h.run("ZADD z 1 only");
  CHECK(said(h, "ZRANGE z 0 -1") == "only");
  fill(h, "z", 300);
  REQUIRE(is_split(h, "z"));
  h.restart();
  CHECK(h.run("ZCARD z") == ":301\r\n");
}

TEST_CASE("a sorted set whose last member goes is gone") {
  Harness h;
  fill(h, "z", 400);
  CHECK(h.run("ZREMRANGEBYRANK z 0 -1") == ":400\r\n");
  CHECK(h.run("EXISTS z") == ":0\r\n");
  h.run("ZADD z 1 a 2 b");
  CHECK(h.run("ZREM z a b c") == ":2\r\n");
  CHECK(h.run("EXISTS z") == ":0\r\n");
}

TEST_CASE("ranges by rank, score and bytes, packed and split") {
  for (const int count : {10, 1000}) {
    CAPTURE(count);
    Harness h;
    fill(h, "z", count);
    CHECK(is_split(h, "z") == (count > 100));
    CHECK(said(h, "ZRANGE z 2 4") == "m0002 m0003 m0004");
    CHECK(said(h, "ZREVRANGE z 0 1 WITHSCORES") == words(h.run("ZRANGE z 0 1 REV WITHSCORES")));
    CHECK(said(h, "ZRANGE z 5 2") == "");
    CHECK(said(h, "ZRANGEBYSCORE z (2 4") == "m0003 m0004");
    CHECK(said(h, "ZREVRANGEBYSCORE z (4 2") == "m0003 m0002");
    CHECK(said(h, "ZRANGEBYSCORE z 1 8 LIMIT 2 3") == "m0003 m0004 m0005");
    CHECK(said(h, "ZRANGE z 8 1 BYSCORE REV LIMIT 2 3") == "m0006 m0005 m0004");
    CHECK(said(h, "ZRANGEBYSCORE z 1 8 LIMIT -1 3") == "");
    CHECK(said(h, "ZRANGEBYSCORE z 7 8 LIMIT 0 -1") == "m0007 m0008");
    CHECK(h.run("ZCOUNT z (2 (2") == ":0\r\n");
    CHECK(h.run("ZCOUNT z 2 2") == ":1\r\n");
    CHECK(h.run({"ZCOUNT", "z", "", ""}) == ":1\r\n");
    CHECK(h.run("ZCOUNT z -inf +inf") == ":" + std::to_string(count) + "\r\n");
    CHECK(h.run("ZCOUNT z a 2") == "-ERR min or max is not a float\r\n");
    CHECK(h.run("ZRANK z m0007") == ":7\r\n");
    CHECK(h.run("ZREVRANK z m0007") == ":" + std::to_string(count - 8) + "\r\n");
    CHECK(h.run("ZRANK z none") == "$-1\r\n");
    CHECK(h.run("ZRANGESTORE y z 2 4") == ":3\r\n");
    CHECK(said(h, "ZRANGE y 0 -1 WITHSCORES") == "m0002 2 m0003 3 m0004 4");
    CHECK(h.run("ZRANGESTORE y z 5 4") == ":0\r\n");
    CHECK(h.run("EXISTS y") == ":0\r\n");
    CHECK(h.run("ZREMRANGEBYSCORE z (2 4") == ":2\r\n");
    CHECK(said(h, "ZRANGE z 2 3") == "m0002 m0005");
    for (int i = 0; i < count; ++i) h.run({"ZADD", "lex", "0", "e" + std::to_string(i)});
    CHECK(h.run("ZLEXCOUNT lex [e3 (e5") == (count == 10 ? ":2\r\n" : ":222\r\n"));
    CHECK(said(h, "ZRANGEBYLEX lex - (e1") == "e0");
    CHECK(said(h, "ZREVRANGEBYLEX lex + - LIMIT 0 1") == (count == 10 ? "e9" : "e999"));
    CHECK(said(h, "ZRANGEBYLEX lex + -") == "");
    CHECK(h.run("ZRANGEBYLEX lex e1 e2") == "-ERR min or max not valid string range item\r\n");
    for (const std::string options : {"REV REV", "BYSCORE BYLEX", "BYLEX BYSCORE", "BYLEX BYLEX"}) {
      CHECK(h.run("ZRANGE lex 1 2 " + options) == "-ERR syntax error\r\n");
      CHECK(h.run("ZRANGESTORE to lex 1 2 " + options) == "-ERR syntax error\r\n");
    }
    CHECK(h.run("ZREMRANGEBYLEX lex [e1 [e1") == ":1\r\n");
    CHECK(h.run("ZREMRANGEBYLEX lex - +") == ":" + std::to_string(count - 1) + "\r\n");
    CHECK(h.run("EXISTS lex") == ":0\r\n");
  }
}

TEST_CASE("a range by bytes over different scores is what Redis makes of a listpack") {
  Harness h;
  h.run("ZADD z 0 199 0 m6 1 91");
  CHECK(said(h, "ZRANGE z [m5 (m9 BYLEX") == "");
  h.run("ZADD z 2 n");
  CHECK(said(h, "ZRANGEBYLEX z [m5 +") == "m6 91 n");
  CHECK(said(h, "ZREVRANGEBYLEX z + [m5") == "n");
  CHECK(h.run("ZLEXCOUNT z [m5 +") == ":3\r\n");
}

TEST_CASE("the encoding follows Redis's limits and does not go back") {
  Harness h;
  fill(h, "z", 128);
  CHECK(h.run("OBJECT ENCODING z") == "$8\r\nlistpack\r\n");
  h.run("ZADD z 1 another");
  CHECK(h.run("OBJECT ENCODING z") == "$8\r\nskiplist\r\n");
  h.run("ZREMRANGEBYRANK z 1 -1");
  CHECK(h.run("OBJECT ENCODING z") == "$8\r\nskiplist\r\n");
  h.restart();
  CHECK(h.run("OBJECT ENCODING z") == "$8\r\nskiplist\r\n");
  h.run({"ZADD", "y", "1", std::string(64, 'x')});
  CHECK(h.run("OBJECT ENCODING y") == "$8\r\nlistpack\r\n");
  h.run({"ZADD", "y", "1", std::string(65, 'x')});
  CHECK(h.run("OBJECT ENCODING y") == "$8\r\nskiplist\r\n");
}

TEST_CASE("a copy keeps its encoding, whatever today's limits are, and a new set goes by them") {
  for (const int count : {20, 200}) {
    CAPTURE(count);
    Harness h({"zset-max-listpack-entries", "512"});
    fill(h, "z", count);
    CHECK(is_split(h, "z") == (count == 200));
    h.set({"zset-max-listpack-entries", "10"});
    CHECK(h.run("COPY z copy") == ":1\r\n");
    CHECK(h.run("OBJECT ENCODING copy") == "$8\r\nlistpack\r\n");
    std::string name = "z";
    for (int i = 0; i < 10; ++i) {  // some of them into other shards
      const std::string next = "z" + std::to_string(i);
      CHECK(h.run("RENAME " + name + " " + next) == "+OK\r\n");
      CHECK(h.run("OBJECT ENCODING " + next) == "$8\r\nlistpack\r\n");
      name = next;
    }
    CHECK(h.run("ZCARD " + name) == ":" + std::to_string(count) + "\r\n");
    h.run("ZUNIONSTORE made 1 " + name);
    CHECK(h.run("OBJECT ENCODING made") == "$8\r\nskiplist\r\n");
    h.run("ZADD " + name + " 1 another");
    CHECK(h.run("OBJECT ENCODING " + name) == "$8\r\nskiplist\r\n");
    h.set({"zset-max-listpack-entries", "512"});
    CHECK(h.run("COPY " + name + " copy REPLACE") == ":1\r\n");
    CHECK(h.run("OBJECT ENCODING copy") == "$8\r\nskiplist\r\n");
  }
}

TEST_CASE("pops take from an end, and the key with the last") {
  for (const int count : {5, 500}) {
    CAPTURE(count);
    Harness h;
    fill(h, "z", count);
    const std::string last = count == 5 ? "m0004 4" : "m0499 499";
    CHECK(said(h, "ZPOPMIN z") == "m0000 0");
    CHECK(said(h, "ZPOPMAX z") == last);
    CHECK(said(h, "ZPOPMIN z 2") == "m0001 1 m0002 2");
    CHECK(h.run("ZPOPMIN z 0") == "*0\r\n");
    CHECK(h.run("ZPOPMIN z -1") == "-ERR value is out of range, must be positive\r\n");
    CHECK(h.run("ZPOPMIN z 1 2") == "-ERR syntax error\r\n");
    CHECK(said(h, "ZMPOP 2 none z MIN") == "z m0003 3");
    h.run("DEL z");
    fill(h, "z", count);
    h.client().use_protocol(3);
    CHECK(h.run("ZPOPMIN z") == "*2\r\n$5\r\nm0000\r\n,0\r\n");
    CHECK(h.run("ZPOPMIN z 1") == "*1\r\n*2\r\n$5\r\nm0001\r\n,1\r\n");
    h.client().use_protocol(2);
    h.run("ZPOPMAX z 4294967296");
    CHECK(h.run("EXISTS z") == ":0\r\n");
    CHECK(h.run("ZPOPMAX z") == "*0\r\n");
    CHECK(h.run("ZMPOP 1 z MAX COUNT 3") == "*-1\r\n");
    CHECK(h.run("ZMPOP 0 z MAX") == "-ERR numkeys should be greater than 0\r\n");
    CHECK(h.run("ZMPOP 2 z MAX") == "-ERR syntax error\r\n");
    CHECK(h.run("ZMPOP 1 z MAX COUNT 0") == "-ERR count should be greater than 0\r\n");
  }
}

TEST_CASE("union, intersection and difference, packed and split") {
  for (const int count : {6, 600}) {
    CAPTURE(count);
    Harness h;
    fill(h, "a", count);
    h.run("ZADD b 10 m0001 20 m0003 30 other");
    CHECK(said(h, "ZINTER 2 a b WITHSCORES") == "m0001 11 m0003 23");
    CHECK(said(h, "ZINTER 2 a b WEIGHTS 2 1 AGGREGATE MAX WITHSCORES") == "m0001 10 m0003 20");
    CHECK(said(h, "ZINTER 2 a b WEIGHTS 2 1 AGGREGATE MIN WITHSCORES") == "m0001 2 m0003 6");
    CHECK(h.run("ZINTERCARD 2 a b") == ":2\r\n");
    CHECK(h.run("ZINTERCARD 2 a b LIMIT 1") == ":1\r\n");
    CHECK(said(h, "ZDIFF 2 b a WITHSCORES") == "other 30");
    CHECK(h.run("ZUNIONSTORE u 2 a b") == ":" + std::to_string(count + 1) + "\r\n");
    CHECK(h.run("ZSCORE u m0003") == "$2\r\n23\r\n");
    CHECK(h.run("ZDIFFSTORE a 2 a b") == ":" + std::to_string(count - 2) + "\r\n");
    CHECK(h.run("ZCARD a") == ":" + std::to_string(count - 2) + "\r\n");
    CHECK(h.run("ZINTERSTORE u 2 a none") == ":0\r\n");
    CHECK(h.run("EXISTS u") == ":0\r\n");
  }
  Harness h;
  h.run("ZADD a inf x 0 y");
  h.run("ZADD b -inf x 1 y");
  CHECK(said(h, "ZUNION 2 a b WITHSCORES") == "x 0 y 1");
  CHECK(said(h, "ZUNION 1 a WEIGHTS 0 WITHSCORES") == "x 0 y 0");
  CHECK(h.run("ZUNION 0 a") == "-ERR at least 1 input key is needed for 'zunion' command\r\n");
  CHECK(h.run("ZUNION 3 a b") == "-ERR syntax error\r\n");
  CHECK(h.run("ZUNION 1 a WEIGHTS x") == "-ERR weight value is not a float\r\n");
  CHECK(h.run("ZDIFF 1 a WEIGHTS 1") == "-ERR syntax error\r\n");
  CHECK(h.run("ZINTERCARD 1 a LIMIT -1") == "-ERR LIMIT can't be negative\r\n");
  h.run("SET s 1");
  CHECK(h.run("ZUNION 2 a s") == kWrongType);
}

TEST_CASE("ZINTERCARD looks at no more members than its limit takes") {
  Harness h;
  constexpr int kMembers = 50'000;
  for (int begin = 0; begin < kMembers; begin += 1000) {
    std::vector<std::string> zadd = {"ZADD", "z"};
    std::vector<std::string> sadd = {"SADD", "s"};
    for (int i = begin; i < begin + 1000; ++i) {
      zadd.insert(zadd.end(), {std::to_string(i), "m" + std::to_string(i)});
      sadd.push_back("m" + std::to_string(i));
    }
    h.client().run(zadd);
    h.client().run(sadd);
  }
  for (const std::string_view keys : {"z z", "s s", "z s"}) {
    CAPTURE(keys);
    const auto card = [&](std::string_view limit) {
      return said(h, "ZINTERCARD 2 " + std::string(keys) + " LIMIT " + std::string(limit));
    };
    CHECK(card("0") == ":50000");
    CHECK(card("49999") == ":49999");
    CHECK(card("1000000") == ":50000");
    // To walk over all of them ten thousand times takes several seconds.
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i < 10'000; ++i) REQUIRE(card("1") == ":1");
    CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(2));
  }
}

TEST_CASE("ZSCAN shows all members, and those that a pattern wants") {
  Harness h;
  fill(h, "z", 1000);
  std::set<std::string> met;
  std::string cursor = "0";
  do {
    const std::string reply = words(h.run({"ZSCAN", "z", cursor, "COUNT", "50"}));
    std::istringstream in(reply);
    std::string member, score;
    in >> cursor;
    while (in >> member >> score) {
      CHECK(std::stoi(member.substr(1)) == std::stoi(score));
      met.insert(member);
    }
  } while (cursor != "0");
  CHECK(met.size() == 1000);
  h.run("ZADD small 1 a 2.5 b");
  CHECK(h.run("ZSCAN small 0 MATCH b") == "*2\r\n$1\r\n0\r\n*2\r\n$1\r\nb\r\n$3\r\n2.5\r\n");
  CHECK(h.run("ZSCAN none 0 NONSENSE") == "*2\r\n$1\r\n0\r\n*0\r\n");
  CHECK(h.run("ZSCAN small x") == "-ERR invalid cursor\r\n");
}

TEST_CASE("ZRANDMEMBER shows as many different members as there are, or any") {
  for (const int count : {10, 900}) {
    CAPTURE(count);
    Harness h;
    fill(h, "z", count);
    for (const int wanted : {1, 5, count / 2, count - 1, count, count + 5}) {
      std::istringstream in(words(h.run({"ZRANDMEMBER", "z", std::to_string(wanted)})));
      std::set<std::string> met;
      std::string member;
      int shown = 0;
      for (; in >> member; ++shown) met.insert(member);
      CHECK(shown == std::min(wanted, count));
      CHECK(met.size() == static_cast<size_t>(shown));
    }
    std::istringstream in(words(h.run("ZRANDMEMBER z -3000 WITHSCORES")));
    std::set<std::string> met;
    std::string member, score;
    int shown = 0;
    for (; in >> member >> score; ++shown) met.insert(member);
    CHECK(shown == 3000);
    CHECK(met.size() > static_cast<size_t>(count) * 8 / 10);
  }
  Harness h;
  CHECK(h.run("ZRANDMEMBER none") == "$-1\r\n");
  CHECK(h.run("ZRANDMEMBER none 3") == "*0\r\n");
  h.run("ZADD z 1 a 2 b 3 c");
  CHECK(said(h, "ZRANDMEMBER z 9 WITHSCORES") == "c 3 b 2 a 1");
  CHECK(h.run("ZRANDMEMBER z 4611686018427387904 WITHSCORES") == "-ERR value is out of range\r\n");
}

TEST_CASE("ZRANDMEMBER refuses a reply that would be too long") {
  Harness h;
  h.run({"ZADD", "z", "1", std::string(65'000, 'm')});
  const std::string_view refused = "-ERR the reply would exceed 512 MiB\r\n";
  // The count alone says so.
  CHECK(h.run("ZRANDMEMBER z -9223372036854775807") == refused);
  CHECK(h.run("ZRANDMEMBER z -4611686018427387903 WITHSCORES") == refused);
  CHECK(h.run("ZRANDMEMBER z -90000000") == refused);
  CHECK(h.run("ZRANDMEMBER z -100").size() > 6'500'000);
  CHECK(h.run("ZRANDMEMBER none -9223372036854775807") == "*0\r\n");
}

TEST_CASE("sets are inputs whose members have the score 1") {
  for (const int count : {5, 2000}) {
    CAPTURE(count);
    Harness h;
    for (int i = 0; i < count; ++i) h.run({"SADD", "s", "m" + std::to_string(i)});
    h.run("ZADD z 3 m1 4 m3 5 other");
    CHECK(said(h, "ZINTER 2 s z WITHSCORES") == "m1 4 m3 5");
    CHECK(said(h, "ZINTER 2 s z WEIGHTS 10 1 AGGREGATE MAX WITHSCORES") == "m1 10 m3 10");
    CHECK(said(h, "ZDIFF 2 z s WITHSCORES") == "other 5");
    CHECK(h.run("ZUNIONSTORE u 2 s z") == ":" + std::to_string(count + 1) + "\r\n");
    CHECK(h.run("ZSCORE u m0") == "$1\r\n1\r\n");
    CHECK(h.run("ZINTERCARD 2 z s") == ":2\r\n");
    CHECK(h.run("ZUNIONSTORE s 1 s") == ":" + std::to_string(count) + "\r\n");
    CHECK(h.run("TYPE s") == "+zset\r\n");
  }
}

TEST_CASE("who waits for a sorted set gets its first member, in turn") {
  Harness h;
  Client first(h), second(h), third(h);
  CHECK(first.run("BZPOPMIN none z 0").empty());
  CHECK(second.run("BZPOPMAX z 0").empty());
  third.use_protocol(3);
  CHECK(third.run("BZMPOP 0 2 none z MAX COUNT 2").empty());
  CHECK(h.run("ZADD z 1 a 2 b 3 c 4 d 5 e") == ":5\r\n");
  CHECK(words(first.resumed()) == "z a 1");
  CHECK(words(second.resumed()) == "z e 5");
  CHECK(third.resumed() == "*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\nd\r\n,4\r\n*2\r\n$1\r\nc\r\n,3\r\n");
  CHECK(said(h, "ZRANGE z 0 -1") == "b");
  CHECK(words(first.run("BZPOPMIN z 0")) == "z b 2");
  CHECK(h.run("EXISTS z") == ":0\r\n");

  // Whatever makes the key serves it.
  first.run("BZPOPMIN z 0");
  h.run("ZADD y 7 x");
  h.run("ZUNIONSTORE z 1 y");
  CHECK(words(first.resumed()) == "z x 7");
  first.run("BZPOPMIN z 0");
  h.run("RENAME y z");
  CHECK(words(first.resumed()) == "z x 7");
  first.run("BZPOPMIN z 0");
  h.run("ZINCRBY z 2 i");
  CHECK(words(first.resumed()) == "z i 2");
  first.run("BZPOPMIN z 0");
  h.run("SET z 1");
  CHECK(first.blocked());
  h.run("DEL z");
  h.run("ZADD z 1 a");
  CHECK(words(first.resumed()) == "z a 1");

  h.run("MULTI");
  h.run("BZPOPMIN z 0");
  CHECK(h.run("EXEC") == "*1\r\n*-1\r\n");
  CHECK(h.run("BZPOPMIN z -1") == "-ERR timeout is negative\r\n");
  CHECK(h.run("BZPOPMIN z x") == "-ERR timeout is not a float or out of range\r\n");
  CHECK(h.run("BZMPOP 0 0 z MIN") == "-ERR numkeys should be greater than 0\r\n");
  h.run("SET s 1");
  CHECK(h.run("BZPOPMIN z s 0") == kWrongType);
}

TEST_CASE("who waits for several sorted sets is served from the one that became ready") {
  Harness h;
  Client waiter(h);
  waiter.run("BZPOPMIN z1 z2 0");
  h.run("SADD z1 1");
  h.run("ZADD z2 1 a");
  CHECK(words(waiter.resumed()) == "z2 a 1");
  waiter.run("BZMPOP 0 3 l1 l2 l3 MIN");
  h.run("MULTI");
  h.run("ZADD l3 1 c");
  h.run("ZADD l1 1 a");
  h.run("ZADD l2 1 b");
  h.run("EXEC");
  CHECK(words(waiter.resumed()) == "l3 c 1");
  CHECK(h.run("EXISTS l1 l2 l3") == ":2\r\n");
  // What is there already is taken in the order of the arguments, and a wrong type is told.
  CHECK(words(waiter.run("BZPOPMAX l3 l2 l1 0")) == "l2 b 1");
  CHECK(waiter.run("BZPOPMAX z1 l1 0") == kWrongType);
}

TEST_CASE("a sorted set survives DUMP and RESTORE, packed and split") {
  for (const int count : {7, 700}) {
    CAPTURE(count);
    Harness h;
    fill(h, "z", count);
    h.run("ZADD z -0 minus inf top -inf bottom 0.1 tenth 1e300 large");
    const std::string all = h.run("ZRANGE z 0 -1 WITHSCORES");
    std::string dump = h.run("DUMP z");
    dump = dump.substr(dump.find('\n') + 1);
    dump.resize(dump.size() - 2);
    CHECK(h.run({"RESTORE", "y", "0", dump}) == "+OK\r\n");
    CHECK(h.run("ZRANGE y 0 -1 WITHSCORES") == all);
    CHECK(h.run("OBJECT ENCODING y") == h.run("OBJECT ENCODING z"));
  }
}

TEST_CASE("changes of sorted sets are announced as Redis announces them") {
  Harness h{"notify-keyspace-events", "KEA"};
  Client listener(h);
  listener.run("PSUBSCRIBE __keyspace@0__:*");
  const auto heard = [&] {
    std::string events;
    std::istringstream in(words(listener.pushed()));
    std::string word, last;
    while (in >> word) {
      if (last.starts_with("__keyspace@0__:") && last != "__keyspace@0__:*") events += word + " ";
      last = word;
    }
    return events;
  };
  heard();
  h.run("ZADD z 1 a 2 b 3 c 4 d 5 e");
  CHECK(heard() == "zadd ");
  h.run("ZADD z 1 a");
  CHECK(heard() == "");
  h.run("ZINCRBY z 1 a");
  CHECK(heard() == "zincr ");
  h.run("ZREM z b none");
  CHECK(heard() == "zrem ");
  h.run("ZPOPMIN z");
  CHECK(heard() == "zpopmin ");
  h.run("ZPOPMAX z");
  CHECK(heard() == "zpopmax ");
  h.run("ZREMRANGEBYSCORE z 3 3");
  CHECK(heard() == "zremrangebyscore ");
  h.run("ZUNIONSTORE y 1 z");
  CHECK(heard() == "zunionstore ");
  h.run("ZINTERSTORE y 2 z none");
  CHECK(heard() == "del ");
  h.run("ZRANGESTORE y z 0 -1");
  CHECK(heard() == "zrangestore ");
  h.run("ZREMRANGEBYRANK z 0 -1");
  CHECK(heard() == "zremrangebyrank del ");
}

}  // namespace
}  // namespace respcask::server

#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "server/types/member_index.h"
#include "server/types/members.h"
#include "tests/server/harness.h"
#include "tests/server/keyspace_events.h"

namespace respcask::server {
namespace {

using testing::Client;
using testing::Harness;
using testing::KeyspaceEvents;

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string integer(int64_t value) {
  return ":" + std::to_string(value) + "\r\n";
}
std::string array(const std::vector<std::string>& elements, char type = '*') {
  std::string reply = type + std::to_string(elements.size()) + "\r\n";
  for (const std::string& element : elements) reply += bulk(element);
  return reply;
}
constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kNull = "$-1\r\n";
constexpr std::string_view kEmpty = "*0\r\n";
constexpr std::string_view kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

// The bulks of a reply, in order.
std::vector<std::string> bulks(std::string_view reply) {
  std::vector<std::string> found;
  for (size_t at = 0; (at = reply.find('$', at)) != std::string_view::npos;) {
    const size_t line_end = reply.find("\r\n", at);
    const size_t size = std::stoul(std::string(reply.substr(at + 1, line_end - at - 1)));
    found.emplace_back(reply.substr(line_end + 2, size));
    at = line_end + 2 + size + 2;
  }
  return found;
}

std::map<std::string, std::string> pairs(std::string_view reply) {
  const std::vector<std::string> elements = bulks(reply);
  std::map<std::string, std::string> fields;
  for (size_t i = 0; i + 1 < elements.size(); i += 2) fields[elements[i]] = elements[i + 1];
  return fields;
}

std::string field(int number) {
  return "field:" + std::to_string(number);
}

// HSET of fields [begin, end), each with the same value.
void fill(Harness& h, std::string_view key, int begin, int end, std::string_view value) {
  for (int i = begin; i < end; ++i) h.run({"HSET", key, field(i), value});
}

TEST_CASE("hash: fields are set, read and removed") {
  Harness h;
  CHECK(h.run("HGET h f") == kNull);
  CHECK(h.run("HSET h f 1 g 2 f 3") == integer(2));
  CHECK(h.run("HGET h f") == bulk("3"));
  CHECK(h.run("HSET h g 22 i 5") == integer(1));
  CHECK(h.run("HGETALL h") == array({"f", "3", "g", "22", "i", "5"}));
  CHECK(h.run("HKEYS h") == array({"f", "g", "i"}));
  CHECK(h.run("HVALS h") == array({"3", "22", "5"}));
  CHECK(h.run("HLEN h") == integer(3));
  CHECK(h.run("HSTRLEN h g") == integer(2));
  CHECK(h.run("HSTRLEN h x") == integer(0));
  CHECK(h.run("HEXISTS h i") == integer(1));
  CHECK(h.run("HEXISTS h x") == integer(0));
  CHECK(h.run("HMGET h i x f") == "*3\r\n" + bulk("5") + std::string(kNull) + bulk("3"));
  CHECK(h.run("HSETNX h f 9") == integer(0));
  CHECK(h.run("HSETNX h n 9") == integer(1));
  CHECK(h.run("HMSET h m 1") == kOk);
  CHECK(h.run("HDEL h f x f n m") == integer(3));
  CHECK(h.run("HKEYS h") == array({"g", "i"}));
  CHECK(h.run("HDEL h g i") == integer(2));
  CHECK(h.run("EXISTS h") == integer(0));
  CHECK(h.run("HDEL h g") == integer(0));
  const std::string_view bytes("\r\n\0\xff", 4);
  CHECK(h.run({"HSET", "b", bytes, bytes, "", ""}) == integer(2));
  CHECK(h.run({"HGET", "b", bytes}) == bulk(bytes));
  CHECK(h.run({"HGET", "b", ""}) == bulk(""));
}

TEST_CASE("hash: wrong types, arguments and absent keys") {
  Harness h;
  h.run("SET s x");
  for (const char* line :
       {"HSET s f v", "HGET s f", "HMGET s f", "HGETALL s", "HDEL s f", "HLEN s", "HINCRBY s f 1",
        "HINCRBYFLOAT s f 1", "HSETNX s f v", "HRANDFIELD s", "HSCAN s 0", "HSTRLEN s f"}) {
    CHECK_MESSAGE(h.run(line) == kWrongType, line);
  }
  CHECK(h.run("HSET h f") == "-ERR wrong number of arguments for 'hset' command\r\n");
  CHECK(h.run("HSET h f v g") == "-ERR wrong number of arguments for 'hset' command\r\n");
  CHECK(h.run("HMSET h f v g") == "-ERR wrong number of arguments for 'hmset' command\r\n");
  CHECK(h.run("HGETALL h") == kEmpty);
  CHECK(h.run("HKEYS h") == kEmpty);
  CHECK(h.run("HVALS h") == kEmpty);
  CHECK(h.run("HLEN h") == integer(0));
  CHECK(h.run("HMGET h a b") == "*2\r\n$-1\r\n$-1\r\n");
  CHECK(h.run("HRANDFIELD h") == kNull);
  CHECK(h.run("HRANDFIELD h 5 WITHVALUES") == kEmpty);
  CHECK(h.run("HSCAN h 0 nonsense") == "*2\r\n$1\r\n0\r\n*0\r\n");
  CHECK(h.run("EXISTS h") == integer(0));
  h.client().use_protocol(3);
  CHECK(h.run("HGETALL h") == "%0\r\n");
  h.run("HSET h f v");
  CHECK(h.run("HGETALL h") == "%1\r\n" + bulk("f") + bulk("v"));
  CHECK(h.run("HGET h x") == "_\r\n");
}

TEST_CASE("hash: counting") {
  Harness h;
  CHECK(h.run("HINCRBY h f 5") == integer(5));
  CHECK(h.run("HINCRBY h f -7") == integer(-2));
  CHECK(h.run("HSET h t text m 9223372036854775807") == integer(2));
  CHECK(h.run("HINCRBY h t 1") == "-ERR hash value is not an integer\r\n");
  CHECK(h.run("HINCRBY h m 1") == "-ERR increment or decrement would overflow\r\n");
  CHECK(h.run("HINCRBY h m -9223372036854775808") == integer(-1));
  CHECK(h.run("HINCRBY h f 1.5") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("HINCRBYFLOAT h f 1.5") == bulk("-0.5"));
  CHECK(h.run("HINCRBYFLOAT h new 3.0e3") == bulk("3000"));
  CHECK(h.run("HINCRBYFLOAT h t 1") == "-ERR hash value is not a float\r\n");
  CHECK(h.run("HINCRBYFLOAT h f x") == "-ERR value is not a valid float\r\n");
  CHECK(h.run("HINCRBYFLOAT h f inf") == "-ERR value is NaN or Infinity\r\n");
}

TEST_CASE("hash: OBJECT ENCODING follows the limits and does not go back") {
  Harness h({"hash-max-listpack-entries", "4", "hash-max-listpack-value", "8"});
  h.run("HSET h a 1 b 2 c 3 d 4 a 5");
  CHECK(encoding(h, "h") == "listpack");
  h.run("HSET h e 5");
  CHECK(encoding(h, "h") == "hashtable");
  h.run("HDEL h e d c");
  CHECK(encoding(h, "h") == "hashtable");
  h.run("HSET v f 12345678");
  CHECK(encoding(h, "v") == "listpack");
  h.run("HSET v 123456789 x");
  CHECK(encoding(h, "v") == "hashtable");
  h.run("HINCRBYFLOAT n f 0.1234567891");
  CHECK(encoding(h, "n") == "hashtable");
  h.restart();
  CHECK(encoding(h, "h") == "hashtable");
  CHECK(h.run("COPY h c") == integer(1));
  CHECK(encoding(h, "c") == "hashtable");
}

TEST_CASE("hash: a listpack keeps the order of its fields, packed, split and after a restart") {
  Harness h;
  const std::string value(60, 'v');
  std::vector<std::string> expected;
  for (int i = 0; i < 120; ++i) {
    h.run({"HSET", "h", field(i * 7 % 120), value});
    expected.push_back(field(i * 7 % 120));
    if (i == 10) CHECK_FALSE(is_split(h, "h"));
  }
  CHECK(is_split(h, "h"));
  CHECK(encoding(h, "h") == "listpack");
  CHECK(h.run("HKEYS h") == array(expected));
  // A field that is set again stays where it is, one that was removed comes back at the end.
  h.run({"HSET", "h", expected[3], "new"});
  h.run({"HDEL", "h", expected[5]});
  h.run({"HSET", "h", expected[5], value});
  expected.push_back(expected[5]);
  expected.erase(expected.begin() + 5);
  CHECK(h.run("HKEYS h") == array(expected));
  CHECK(bulks(h.run("HVALS h"))[3] == "new");
  CHECK(h.run("HSCAN h 0").find("$1\r\n0\r\n") == 4);
  h.restart();
  CHECK(h.run("HKEYS h") == array(expected));
  h.run("HSET h last x");
  expected.emplace_back("last");
  CHECK(h.run("HKEYS h") == array(expected));
  CHECK(h.run("COPY h copy") == integer(1));
  CHECK(h.run("HKEYS copy") == array(expected));
  CHECK(h.run("HVALS copy") == h.run("HVALS h"));
}

TEST_CASE("hash: ordinals that have run out are dealt out anew") {
  Harness h;
  const auto start_high = [](uint8_t tag) {
    auto index = make_element_index(tag);
    if (TypeTag{tag}.type() == Type::kHash) {
      const MemberIndex::Name name(MemberIndex::kMaxOrdinal - 50, "x");
      index->recover_put(name.view(), engine::Location::at(0, 1), 0);
      index->recover_remove(name.view());
    }
    return index;
  };
  h.element_index = start_high;
  h.restart();
  const std::string value(60, 'v');
  std::vector<std::string> expected;
  for (int i = 0; i < 40; ++i) {
    h.run({"HSET", "h", field(i), value});
    expected.push_back(field(i));
  }
  REQUIRE(is_split(h, "h"));
  h.element_index = make_element_index;
  for (int i = 0; i < 40; ++i) {
    h.run({"HDEL", "h", field(i)});
    h.run({"HSET", "h", field(100 + i), value});
    expected.push_back(field(100 + i));
  }
  expected.erase(expected.begin(), expected.begin() + 40);
  CHECK(h.run("HKEYS h") == array(expected));
  CHECK(encoding(h, "h") == "listpack");
}

TEST_CASE("hash: packed up to a size, then split, and what is read is the same") {
  Harness h;
  const std::string value(100, 'v');
  int fields = 0;
  while (!is_split(h, "h")) {
    fill(h, "h", fields, fields + 1, value);
    ++fields;
    REQUIRE(h.run("HLEN h") == integer(fields));
  }
  const uint64_t last_packed = 3 + static_cast<uint64_t>(fields - 1) * (8 + 101);
  CHECK(last_packed <= kMaxPackedBytes + 109);
  CHECK(last_packed + 109 > kMaxPackedBytes);
  for (int i = 0; i < fields; ++i) CHECK(h.run({"HGET", "h", field(i)}) == bulk(value));
  CHECK(h.run({"HSET", "big", "f", std::string(3000, 'x')}) == integer(1));
  CHECK(is_split(h, "big"));
  CHECK(h.run("HSTRLEN big f") == integer(3000));
  CHECK(h.run({"HSET", "many", "f", std::string(1500, 'x'), "g", std::string(1500, 'y'), "f",
               "z"}) == integer(2));
  CHECK(pairs(h.run("HGETALL many")) ==
        std::map<std::string, std::string>{{"f", "z"}, {"g", std::string(1500, 'y')}});
}

TEST_CASE("hash: agrees with a map under random commands, restarts and merges") {
  const uint64_t seed = std::random_device{}();
  INFO("seed " << seed);
  std::mt19937_64 random(seed);
  Harness h;
  std::map<std::string, std::map<std::string, std::string>> model;
  const auto check = [&] {
    for (const auto& [key, fields] : model) {
      REQUIRE(pairs(h.run({"HGETALL", key})) == fields);
      REQUIRE(h.run({"HLEN", key}) == integer(static_cast<int64_t>(fields.size())));
    }
  };
  for (int step = 0; step < 6000; ++step) {
    // Three sizes: always packed, to and fro, split.
    const std::string key = "h" + std::to_string(random() % 3);
    auto& fields = model[key];
    const int most = key == "h0" ? 10 : key == "h1" ? 60 : 600;
    const std::string name = field(static_cast<int>(random() % most));
    const std::string value(random() % 120, static_cast<char>('a' + random() % 26));
    switch (random() % 12) {
      case 0:
      case 1:
      case 2:
        REQUIRE(h.run({"HDEL", key, name}) == integer(static_cast<int64_t>(fields.erase(name))));
        break;
      case 3:
        if (random() % 40 == 0) {
          h.run({"DEL", key});
          fields.clear();
        }
        break;
      case 4: {
        const std::string other = field(static_cast<int>(random() % most));
        const int64_t created =
            (fields.contains(name) ? 0 : 1) + (other != name && !fields.contains(other) ? 1 : 0);
        REQUIRE(h.run({"HSET", key, name, value, other, "other"}) == integer(created));
        fields[name] = value;
        fields[other] = "other";
        break;
      }
      case 5: {
        const auto known = fields.find(name);
        REQUIRE(h.run({"HGET", key, name}) ==
                (known == fields.end() ? std::string(kNull) : bulk(known->second)));
        break;
      }
      default:
        REQUIRE(h.run({"HSET", key, name, value}) == integer(fields.contains(name) ? 0 : 1));
        fields[name] = value;
    }
    if (step % 1500 == 1499) {
      check();
      h.restart();
      check();
    }
  }
}

TEST_CASE("hash: one that is made again under the same name has no old fields") {
  Harness h;
  fill(h, "h", 0, 500, "old");
  REQUIRE(is_split(h, "h"));
  CHECK(h.run("DEL h") == integer(1));
  fill(h, "h", 400, 1000, "new");
  const auto check = [&] {
    CHECK(h.run("HLEN h") == integer(600));
    CHECK(h.run({"HGET", "h", field(399)}) == kNull);
    CHECK(h.run({"HGET", "h", field(400)}) == bulk("new"));
  };
  check();
  h.restart();
  check();
  // Emptied field by field it is gone as well.
  for (int i = 400; i < 1000; ++i) REQUIRE(h.run({"HDEL", "h", field(i)}) == integer(1));
  CHECK(h.run("EXISTS h") == integer(0));
  h.restart();
  CHECK(h.run("EXISTS h") == integer(0));
}

TEST_CASE("hash: a change of a large one is a small record, and so is its removal") {
  Harness h;
  fill(h, "h", 0, 20000, "12345678901234567890");
  uint64_t before = h.log_bytes();
  h.run({"HSET", "h", field(777), "1234567890"});
  CHECK(h.log_bytes() - before < 200);
  before = h.log_bytes();
  h.run({"HDEL", "h", field(777)});
  CHECK(h.log_bytes() - before < 150);
  before = h.log_bytes();
  h.run("EXPIRE h 100");
  CHECK(h.log_bytes() - before < 100);
  before = h.log_bytes();
  h.run("RENAME h other");
  CHECK(h.log_bytes() - before < 800000);
  before = h.log_bytes();
  h.run("DEL other");
  CHECK(h.log_bytes() - before < 100);
}

TEST_CASE("hash: an expiry stays through changes and the change to split") {
  Harness h;
  h.run("HSET h f v");
  h.run("EXPIREAT h 33177117420");
  const std::string when = h.run("EXPIRETIME h");
  fill(h, "h", 0, 300, "value");
  REQUIRE(is_split(h, "h"));
  CHECK(h.run("EXPIRETIME h") == when);
  h.run("HDEL h f");
  CHECK(h.run("EXPIRETIME h") == when);
}

TEST_CASE("hash: HRANDFIELD draws as asked") {
  Harness h;
  h.run("HSET small a 1 b 2 c 3");
  fill(h, "large", 0, 1000, "value");
  REQUIRE(is_split(h, "large"));
  for (const char* key : {"small", "large"}) {
    const std::map<std::string, std::string> all = pairs(h.run({"HGETALL", key}));
    CHECK(all.contains(bulks(h.run({"HRANDFIELD", key})).at(0)));
    CHECK(h.run({"HRANDFIELD", key, "0"}) == kEmpty);
    for (const char* count : {"1", "2", "5", "400", "999", "1000", "2000", "4611686018427387903"}) {
      const size_t expected = std::min<uint64_t>(std::stoull(count), all.size());
      const auto drawn = bulks(h.run({"HRANDFIELD", key, count}));
      CHECK(drawn.size() == expected);
      CHECK(std::set<std::string>(drawn.begin(), drawn.end()).size() == expected);
      const auto with_values = pairs(h.run({"HRANDFIELD", key, count, "WITHVALUES"}));
      CHECK(with_values.size() == expected);
      for (const auto& pair : with_values) CHECK(all.at(pair.first) == pair.second);
    }
    CHECK(bulks(h.run({"HRANDFIELD", key, "-2000"})).size() == 2000);
    CHECK(bulks(h.run({"HRANDFIELD", key, "-5", "WITHVALUES"})).size() == 10);
  }
  const std::string_view out_of_range = "-ERR value is out of range\r\n";
  CHECK(h.run("HRANDFIELD small 4611686018427387904 WITHVALUES") == out_of_range);
  CHECK(h.run("HRANDFIELD small -4611686018427387904 WITHVALUES") == out_of_range);
  CHECK(h.run("HRANDFIELD small -9223372036854775808") ==
        "-ERR value is out of range, value must between -9223372036854775807 and "
        "9223372036854775807\r\n");
  CHECK(h.run("HRANDFIELD small -9223372036854775807") ==
        "-ERR the reply would exceed 512 MiB\r\n");
  CHECK(h.run("HRANDFIELD none -9223372036854775807") == kEmpty);
  CHECK(h.run("HRANDFIELD small 1 WITHVALUE") == "-ERR syntax error\r\n");
  CHECK(h.run("HRANDFIELD small 1 WITHVALUES x") == "-ERR syntax error\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("HRANDFIELD small 3 WITHVALUES") ==
        "*3\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n*2\r\n$1\r\nb"
        "\r\n$1\r\n2\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n");
}

TEST_CASE("hash: HSCAN meets every field that stays") {
  Harness h;
  fill(h, "h", 0, 2000, "value");
  std::set<std::string> met;
  std::string cursor = "0";
  int step = 0;
  do {
    const auto found = bulks(h.run({"HSCAN", "h", cursor, "COUNT", "50"}));
    cursor = found.at(0);
    for (size_t i = 1; i < found.size(); i += 2) met.insert(found[i]);
    CHECK(found.size() % 2 == 1);
    fill(h, "h", 2000 + step * 50, 2050 + step * 50, "more");
    if (step % 2 == 1) {
      for (int i = 2000; i < 2050 + step * 50; ++i) h.run({"HDEL", "h", field(i)});
    }
    ++step;
  } while (cursor != "0");
  CHECK(step > 10);
  for (int i = 0; i < 2000; ++i) CHECK(met.contains(field(i)));
  CHECK(bulks(h.run("HSCAN h 0 MATCH field:77 COUNT 100000")) ==
        std::vector<std::string>{"0", "field:77", "value"});
  CHECK(h.run("HSCAN h 18446744073709551615").substr(0, 4) == "*2\r\n");
  CHECK(h.run("HSCAN h x") == "-ERR invalid cursor\r\n");
  CHECK(h.run("HSCAN h 0 COUNT 0") == "-ERR syntax error\r\n");
}

TEST_CASE("hash: DUMP, RESTORE, COPY and RENAME know large and small ones") {
  Harness h;
  h.run("HSET small a 1 b 2");
  fill(h, "large", 0, 700, "value");
  for (const char* key : {"small", "large"}) {
    const auto expected = pairs(h.run({"HGETALL", key}));
    const std::string payload = bulks(h.run({"DUMP", key})).at(0);
    CHECK(h.run({"RESTORE", "restored", "0", payload, "REPLACE"}) == kOk);
    CHECK(pairs(h.run("HGETALL restored")) == expected);
    CHECK(encoding(h, "restored") == encoding(h, key));
    // Names in several shards.
    for (const char* to : {"c1", "c2", "c3", "c4", "c5"}) {
      CHECK(h.run({"COPY", key, to, "REPLACE"}) == integer(1));
      CHECK(pairs(h.run({"HGETALL", to})) == expected);
      const std::string renamed = std::string("r") + to;
      CHECK(h.run({"RENAME", to, renamed}) == kOk);
      CHECK(pairs(h.run({"HGETALL", renamed})) == expected);
    }
    h.restart();
    CHECK(pairs(h.run("HGETALL rc3")) == expected);
  }
  CHECK(h.run("TYPE large") == "+hash\r\n");
}

TEST_CASE("hash: events") {
  Harness h({"notify-keyspace-events", "KEA"});
  KeyspaceEvents events(h);
  h.run("HSET h f 1 g 2");
  CHECK(events.take() == "0:hset h");
  h.run("HMSET h f 1");
  h.run("HSETNX h f 1");
  h.run("HSETNX h n 1");
  CHECK(events.take() == "0:hset h, 0:hset h");
  h.run("HINCRBY h f 1");
  h.run("HINCRBYFLOAT h f 1");
  CHECK(events.take() == "0:hincrby h, 0:hincrbyfloat h");
  h.run("HDEL h nothing");
  CHECK(events.take().empty());
  h.run("HDEL h f g n");
  CHECK(events.take() == "0:hdel h, 0:del h");
}

TEST_CASE("hash: WATCH sees changes of packed and split ones, and no change where there is none") {
  Harness h;
  fill(h, "large", 0, 300, "value");
  h.run("HSET small f v");
  Client other(h);
  for (const char* key : {"small", "large"}) {
    for (const bool changes : {true, false}) {
      h.run({"WATCH", key});
      other.run(changes ? std::vector<std::string>{"HSET", key, "new", "v"}
                        : std::vector<std::string>{"HDEL", key, "nothing"});
      h.run("MULTI");
      h.run("PING");
      CHECK(h.run("EXEC") == (changes ? "*-1\r\n" : "*1\r\n+PONG\r\n"));
    }
  }
}

}  // namespace
}  // namespace respcask::server

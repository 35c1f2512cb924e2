#include <doctest/doctest.h>

#include <chrono>
#include <mutex>
#include <random>
#include <string>
#include <string_view>

#include "server/types/string_chunks.h"
#include "tests/server/harness.h"

namespace respcask::server {
namespace {

using testing::Client;
using testing::Harness;

constexpr size_t kChunk = StringChunks::kChunkBytes;
constexpr size_t kThreshold = 64 * 1024;  // string-chunk-threshold's default

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string integer(int64_t value) {
  return ":" + std::to_string(value) + "\r\n";
}
constexpr std::string_view kOk = "+OK\r\n";
constexpr std::string_view kNull = "$-1\r\n";
constexpr std::string_view kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

// Bytes without a pattern that a chunk's size would fit.
std::string some_bytes(size_t size, uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::string bytes(size, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

// Unix time in ms; 0: none.
int64_t expiry_ms(Harness& h, std::string_view key) {
  engine::Shard& shard = h.store->shard(h.store->shard_of(key));
  const std::lock_guard lock(shard);
  const auto entry = shard.find(0, key, shard.hash(key));
  return entry ? entry->expiry_ms : 0;
}

// Seconds that the key has left; -1: for ever.
int64_t ttl(Harness& h, std::string_view key) {
  const int64_t expiry = expiry_ms(h, key);
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  const auto now_ms = std::chrono::duration_cast<std::chrono::milliseconds>(now).count();
  return expiry == 0 ? -1 : (expiry - now_ms + 500) / 1000;
}

TEST_CASE("GET answers what SET stored, any bytes") {
  Harness h;
  CHECK(h.run("GET k") == kNull);
  CHECK(h.run("SET k value") == kOk);
  CHECK(h.run("GET k") == bulk("value"));
  CHECK(h.run({"SET", "", ""}) == kOk);
  CHECK(h.run({"GET", ""}) == bulk(""));
  const std::string_view bytes("\r\n\0\xff", 4);
  CHECK(h.run({"SET", bytes, bytes}) == kOk);
  CHECK(h.run({"GET", bytes}) == bulk(bytes));
  h.client().use_protocol(3);
  CHECK(h.run("GET none") == "_\r\n");
}

TEST_CASE("SET obeys NX and XX") {
  Harness h;
  CHECK(h.run("SET k 1 XX") == kNull);
  CHECK(h.run("GET k") == kNull);
  CHECK(h.run("SET k 1 nx") == kOk);
  CHECK(h.run("SET k 2 NX") == kNull);
  CHECK(h.run("GET k") == bulk("1"));
  CHECK(h.run("SET k 3 xX") == kOk);
  CHECK(h.run("GET k") == bulk("3"));
  CHECK(h.run("SET k 4 NX XX") == "-ERR syntax error\r\n");
}

TEST_CASE("SET GET answers the old value and sets as its other options say") {
  Harness h;
  CHECK(h.run("SET k 1 GET") == kNull);
  CHECK(h.run("SET k 2 GET") == bulk("1"));
  CHECK(h.run("SET k 3 NX GET") == bulk("2"));
  CHECK(h.run("GET k") == bulk("2"));
  CHECK(h.run("SET new 3 XX GET") == kNull);
  CHECK(h.run("GET new") == kNull);
}

TEST_CASE("SET sets, keeps and drops the expiry") {
  Harness h;
  CHECK(h.run("SET k v EX 100") == kOk);
  CHECK(ttl(h, "k") == 100);
  CHECK(h.run("SET k v KEEPTTL") == kOk);
  CHECK(ttl(h, "k") == 100);
  CHECK(h.run("SET k v") == kOk);
  CHECK(ttl(h, "k") == -1);
  CHECK(h.run("SET k v PXAT 33177117420000") == kOk);
  CHECK(expiry_ms(h, "k") == 33177117420000);
  CHECK(h.run("SET k v EXAT 33177117420") == kOk);
  CHECK(expiry_ms(h, "k") == 33177117420000);
  CHECK(h.run("SET k v EX 10 EX 20") == kOk);
  CHECK(ttl(h, "k") == 20);
  CHECK(h.run("SET k v EXAT 1") == kOk);
  CHECK(h.run("GET k") == kNull);
}

TEST_CASE("SET refuses expiries that make no sense") {
  Harness h;
  const std::string_view invalid = "-ERR invalid expire time in 'set' command\r\n";
  CHECK(h.run("SET k v EX 0") == invalid);
  CHECK(h.run("SET k v EX -1") == invalid);
  CHECK(h.run("SET k v EX 9223372036854775807") == invalid);
  CHECK(h.run("SET k v PX 9223372036854775807") == invalid);
  CHECK(h.run("SET k v EXAT 9223372036854776") == invalid);
  CHECK(h.run("SET k v EX x") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("SET k v EX") == "-ERR syntax error\r\n");
  CHECK(h.run("SET k v EX 1 PX 1") == "-ERR syntax error\r\n");
  CHECK(h.run("SET k v EX 1 KEEPTTL") == "-ERR syntax error\r\n");
  CHECK(h.run("SET k v PERSIST") == "-ERR syntax error\r\n");
  CHECK(h.run("GET k") == kNull);
  CHECK(h.run("SETEX k 0 v") == "-ERR invalid expire time in 'setex' command\r\n");
  CHECK(h.run("PSETEX k -5 v") == "-ERR invalid expire time in 'psetex' command\r\n");
}

TEST_CASE("SETEX, PSETEX, SETNX and GETSET") {
  Harness h;
  CHECK(h.run("SETEX k 50 v") == kOk);
  CHECK(ttl(h, "k") == 50);
  CHECK(h.run("PSETEX k 70000 w") == kOk);
  CHECK(ttl(h, "k") == 70);
  CHECK(h.run("SETNX k x") == integer(0));
  CHECK(h.run("SETNX l x") == integer(1));
  CHECK(h.run("GETSET k y") == bulk("w"));
  CHECK(ttl(h, "k") == -1);
  CHECK(h.run("GETSET none y") == kNull);
  CHECK(h.run("GET none") == bulk("y"));
}

TEST_CASE("GETEX and GETDEL answer and then change") {
  Harness h;
  h.run("SET k v");
  CHECK(h.run("GETEX k") == bulk("v"));
  CHECK(h.run("GETEX k EX 100") == bulk("v"));
  CHECK(ttl(h, "k") == 100);
  CHECK(h.run("GETEX k PERSIST") == bulk("v"));
  CHECK(ttl(h, "k") == -1);
  CHECK(h.run("GETEX k PERSIST EX 1") == "-ERR syntax error\r\n");
  CHECK(h.run("GETEX k EX 0") == "-ERR invalid expire time in 'getex' command\r\n");
  CHECK(h.run("GETEX none EX 0") == kNull);
  CHECK(h.run("GETEX k PXAT 1") == bulk("v"));
  CHECK(h.run("GET k") == kNull);
  h.run("SET k v");
  CHECK(h.run("GETDEL k") == bulk("v"));
  CHECK(h.run("GETDEL k") == kNull);
}

TEST_CASE("MSET, MSETNX and MGET take several keys at once") {
  Harness h;
  CHECK(h.run("MSET a 1 b 2 a 3") == kOk);
  CHECK(h.run("MGET a none b a") == "*4\r\n$1\r\n3\r\n$-1\r\n$1\r\n2\r\n$1\r\n3\r\n");
  CHECK(h.run("MSETNX c 1 a 2") == integer(0));
  CHECK(h.run("GET c") == kNull);
  CHECK(h.run("MSETNX c 1 d 2 c 5") == integer(1));
  CHECK(h.run("GET c") == bulk("5"));
  CHECK(h.run("MSET a 1 b") == "-ERR wrong number of arguments for 'mset' command\r\n");
  CHECK(h.run("MSETNX a 1 b") == "-ERR wrong number of arguments for 'msetnx' command\r\n");
}

TEST_CASE("INCR and its relations count in 64 bits, checked") {
  Harness h;
  CHECK(h.run("INCR n") == integer(1));
  CHECK(h.run("INCRBY n 41") == integer(42));
  CHECK(h.run("DECR n") == integer(41));
  CHECK(h.run("DECRBY n 50") == integer(-9));
  h.run("SET n 9223372036854775807 EX 100");
  CHECK(h.run("INCR n") == "-ERR increment or decrement would overflow\r\n");
  CHECK(h.run("DECR n") == integer(9223372036854775806));
  CHECK(ttl(h, "n") == 100);
  CHECK(h.run("DECRBY n -9223372036854775808") == "-ERR decrement would overflow\r\n");
  CHECK(h.run("INCRBY n 1.5") == "-ERR value is not an integer or out of range\r\n");
  for (const char* text : {"x", "", " 1", "01", "1 ", "9223372036854775808"}) {
    h.run({"SET", "n", text});
    CHECK(h.run("INCR n") == "-ERR value is not an integer or out of range\r\n");
  }
  h.run("SET n 1");
  h.run("APPEND n 1");
  CHECK(h.run("INCR n") == integer(12));
}

TEST_CASE("INCRBYFLOAT reads a number that is kept in chunks") {
  Harness h({"string-chunk-threshold", "1kb"});
  const std::string first = h.run("INCRBYFLOAT f 1e4932");
  CHECK(first.starts_with("$4933\r\n1"));
  CHECK(h.run("INCRBYFLOAT f 1") == first);
  CHECK(h.run("INCRBYFLOAT f -1e4932") == bulk("0"));
}

TEST_CASE("INCRBYFLOAT answers up to 17 digits behind the point, without zeros at the end") {
  Harness h;
  CHECK(h.run("INCRBYFLOAT f 10.5") == bulk("10.5"));
  CHECK(h.run("INCRBYFLOAT f 0.1") == bulk("10.6"));
  CHECK(h.run("INCRBYFLOAT f -10.6") == bulk("0"));
  CHECK(h.run("INCRBYFLOAT f 5.0e3") == bulk("5000"));
  CHECK(h.run("INCRBYFLOAT small 1e-17") == bulk("0.00000000000000001"));
  h.run("SET f -0");
  CHECK(h.run("INCRBYFLOAT f -0") == bulk("0"));
  h.run("SET f 17179869184");
  CHECK(h.run("INCRBYFLOAT f 1.5") == bulk("17179869185.5"));
  CHECK(h.run("INCRBYFLOAT f inf") == "-ERR increment would produce NaN or Infinity\r\n");
  CHECK(h.run("INCRBYFLOAT f x") == "-ERR value is not a valid float\r\n");
  h.run("SET f abc");
  CHECK(h.run("INCRBYFLOAT f 1") == "-ERR value is not a valid float\r\n");
  h.run({"SET", "f", std::string(6000, '1')});
  CHECK(h.run("INCRBYFLOAT f 1") == "-ERR value is not a valid float\r\n");
}

TEST_CASE("GETRANGE counts from both ends and is cut to what there is") {
  Harness h;
  h.run("SET k \"Hello World\"");
  CHECK(h.run("GETRANGE k 0 4") == bulk("Hello"));
  CHECK(h.run("GETRANGE k -5 -1") == bulk("World"));
  CHECK(h.run("SUBSTR k 4 400") == bulk("o World"));
  CHECK(h.run("GETRANGE k 5 4") == bulk(""));
  CHECK(h.run("GETRANGE k -1 -5") == bulk(""));
  CHECK(h.run("GETRANGE k -100 0") == bulk("H"));
  CHECK(h.run("GETRANGE k 11 20") == bulk(""));
  CHECK(h.run("GETRANGE k -9223372036854775808 9223372036854775807") == bulk("Hello World"));
  CHECK(h.run("GETRANGE none 0 -1") == bulk(""));
  CHECK(h.run("GETRANGE k a 1") == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run("STRLEN k") == integer(11));
  CHECK(h.run("STRLEN none") == integer(0));
}

TEST_CASE("APPEND and SETRANGE change a small string in place") {
  Harness h;
  CHECK(h.run("APPEND k abc") == integer(3));
  CHECK(h.run("APPEND k def") == integer(6));
  CHECK(h.run({"APPEND", "k", ""}) == integer(6));
  CHECK(h.run("GET k") == bulk("abcdef"));
  CHECK(h.run("SETRANGE k 1 XY") == integer(6));
  CHECK(h.run("GET k") == bulk("aXYdef"));
  CHECK(h.run("SETRANGE k 8 Z") == integer(9));
  CHECK(h.run("GET k") == bulk({"aXYdef\0\0Z", 9}));
  CHECK(h.run({"SETRANGE", "none", "5", ""}) == integer(0));
  CHECK(h.run("GET none") == kNull);
  CHECK(h.run("SETRANGE none 2 x") == integer(3));
  CHECK(h.run("GET none") == bulk({"\0\0x", 3}));
  CHECK(h.run("SETRANGE k -1 x") == "-ERR offset is out of range\r\n");
  h.run("GETEX k EX 100");
  h.run("APPEND k x");
  h.run("SETRANGE k 0 x");
  CHECK(ttl(h, "k") == 100);
}

TEST_CASE("no string grows past proto-max-bulk-len") {
  Harness h({"proto-max-bulk-len", "1mb"});
  const std::string_view refused =
      "-ERR string exceeds maximum allowed size (proto-max-bulk-len)\r\n";
  CHECK(h.run("SETRANGE k 1048576 x") == refused);
  CHECK(h.run("SETRANGE k 9223372036854775807 x") == refused);
  CHECK(h.run("GET k") == kNull);
  CHECK(h.run("SETRANGE k 1048575 x") == integer(1048576));
  CHECK(h.run("APPEND k x") == refused);
  CHECK(h.run("STRLEN k") == integer(1048576));
}

TEST_CASE("commands on strings refuse other types, except those that replace") {
  Harness h;
  h.run("LPUSH l x");
  if (h.run("TYPE l") != "+list\r\n") return;  // no other type is built in
  for (const char* line :
       {"GET l", "STRLEN l", "APPEND l x", "SETRANGE l 0 x", "GETRANGE l 0 1", "INCR l",
        "INCRBYFLOAT l 1", "GETSET l x", "GETDEL l", "GETEX l", "SET l x GET"}) {
    CAPTURE(line);
    CHECK(h.run(line) == kWrongType);
  }
  CHECK(h.run("LCS l x") == "-ERR The specified keys must contain string values\r\n");
  CHECK(h.run("MGET l") == "*1\r\n$-1\r\n");
  CHECK(h.run("SETNX l x") == integer(0));
  CHECK(h.run("SET l x") == kOk);
  CHECK(h.run("GET l") == bulk("x"));
}

TEST_CASE("OBJECT ENCODING speaks Redis's words") {
  Harness h;
  const auto encoding_after = [&](std::string_view line) {
    h.run(line);
    return encoding(h, "k");
  };
  CHECK(encoding_after("SET k 123") == "int");
  CHECK(encoding_after("SET k -9223372036854775808") == "int");
  CHECK(encoding_after("SET k 9223372036854775808") == "embstr");
  CHECK(encoding_after("SET k 0123") == "embstr");
  CHECK(encoding_after("SET k " + std::string(44, 'x')) == "embstr");
  CHECK(encoding_after("SET k " + std::string(45, 'x')) == "raw");
  CHECK(encoding_after("SET k 12") == "int");
  CHECK(encoding_after("APPEND k 3") == "raw");
  CHECK(encoding_after("INCR k") == "int");
  CHECK(encoding_after("INCRBYFLOAT k 1") == "embstr");
  CHECK(encoding_after("SETRANGE k 0 4") == "raw");
  CHECK(encoding_after("SET k 12") == "int");
  CHECK(encoding_after("SETBIT k 0 0") == "raw");
  h.run("DEL k");
  CHECK(encoding_after("APPEND k 12") == "int");
  h.restart();
  CHECK(encoding(h, "k") == "int");
}

TEST_CASE("LCS finds what Redis finds") {
  Harness h;
  h.run("MSET a ohmytext b mynewtext");
  CHECK(h.run("LCS a b") == bulk("mytext"));
  CHECK(h.run("LCS a b LEN") == integer(6));
  CHECK(h.run("LCS a b IDX") ==
        "*4\r\n$7\r\nmatches\r\n*2\r\n*2\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n"
        "*2\r\n*2\r\n:2\r\n:3\r\n*2\r\n:0\r\n:1\r\n$3\r\nlen\r\n:6\r\n");
  CHECK(h.run("LCS a b IDX MINMATCHLEN 4 WITHMATCHLEN") ==
        "*4\r\n$7\r\nmatches\r\n*1\r\n*3\r\n*2\r\n:4\r\n:7\r\n*2\r\n:5\r\n:8\r\n:4\r\n"
        "$3\r\nlen\r\n:6\r\n");
  CHECK(h.run("LCS a none") == bulk(""));
  CHECK(h.run("LCS a b IDX LEN") ==
        "-ERR If you want both the length and indexes, please just use IDX.\r\n");
  CHECK(h.run("LCS a b MINMATCHLEN") == "-ERR syntax error\r\n");
  h.run({"SET", "a", std::string(20'000, 'x')});
  h.run({"SET", "b", std::string(20'000, 'y')});
  CHECK(h.run("LCS a b LEN") ==
        "-ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len\r\n");
}

TEST_CASE("a long value is kept in chunks and reads back the same") {
  for (const size_t size : {kThreshold, kThreshold + 1, kThreshold + kChunk, size_t{1'000'000}}) {
    CAPTURE(size);
    Harness h;
    const std::string value = some_bytes(size);
    CHECK(h.run({"SET", "k", value}) == kOk);
    for (int pass = 0; pass < 2; ++pass) {
      CHECK(h.run("STRLEN k") == integer(static_cast<int64_t>(size)));
      CHECK((h.run("GET k") == bulk(value)));
      CHECK(h.run("GETRANGE k 4090 4100") == bulk(value.substr(4090, 11)));
      CHECK(h.run("GETRANGE k -3 -1") == bulk(value.substr(size - 3)));
      h.restart();
    }
    CHECK(h.run("SET k short") == kOk);
    CHECK(h.run("GET k") == bulk("short"));
    h.restart();
    CHECK(h.run("GET k") == bulk("short"));
  }
}

TEST_CASE("a change of a long string writes a chunk, not the string") {
  Harness h;
  const size_t size = 3'000'000;
  std::string value = some_bytes(size);
  h.run({"SET", "k", value});
  const auto cost = [&](std::initializer_list<std::string_view> args) {
    const uint64_t before = h.log_bytes();
    h.run(args);
    return h.log_bytes() - before;
  };
  CHECK(cost({"SETRANGE", "k", "1000000", "abc"}) < kChunk + 200);
  CHECK(cost({"APPEND", "k", "abc"}) < kChunk + 200);
  CHECK(cost({"SETBIT", "k", "16000000", "1"}) < kChunk + 200);
  CHECK(cost({"SETRANGE", "k", "4094", "abcd"}) < 2 * (kChunk + 200));
  CHECK(cost({"SET", "k", ""}) < 200);
}

TEST_CASE("a string that grows by edits turns to chunks and keeps its bytes and expiry") {
  Harness h;
  std::string value;
  for (int i = 0; i < 400; ++i) {
    const std::string piece = some_bytes(99, static_cast<uint64_t>(i));
    value += piece;
    CHECK(h.run({"APPEND", "k", piece}) == integer(static_cast<int64_t>(value.size())));
    if (i == 0) h.run("GETEX k EX 1000");
  }
  CHECK((h.run("GET k") == bulk(value)));
  CHECK(ttl(h, "k") == 1000);
  h.restart();
  CHECK((h.run("GET k") == bulk(value)));
}

TEST_CASE("a gap costs nothing and reads as zeros") {
  Harness h;
  h.run("SET k start");
  const uint64_t before = h.log_bytes();
  CHECK(h.run("SETRANGE k 500000000 end") == integer(500000003));
  CHECK(h.log_bytes() - before < 4 * kChunk);
  for (int pass = 0; pass < 2; ++pass) {
    CHECK(h.run("STRLEN k") == integer(500000003));
    CHECK(h.run("GETRANGE k 0 6") == bulk({"start\0\0", 7}));
    CHECK(h.run("GETRANGE k 250000000 250000002") == bulk({"\0\0\0", 3}));
    CHECK(h.run("GETRANGE k -5 -1") == bulk({"\0\0end", 5}));
    CHECK((h.run("GETRANGE k 1000 201000") == bulk(std::string(200001, '\0'))));
    h.restart();
  }
  // A later chunk before the end does not shorten it.
  CHECK(h.run("SETRANGE k 100000 middle") == integer(500000003));
  h.restart();
  CHECK(h.run("STRLEN k") == integer(500000003));
  CHECK(h.run("GETRANGE k 99999 100006") == bulk({"\0middle\0", 8}));
}

TEST_CASE("a reply of more zeros than there is memory for is refused, and nothing changed") {
  Harness h;
  const std::string too_much = "-" + std::string(kTooMuch) + "\r\n";
  constexpr size_t kLength = size_t{10} << 20;
  h.run({"SETBIT", "k", std::to_string(8 * kLength - 1), "1"});
  const std::string whole = bulk(std::string(kLength - 1, '\0') + '\1');
  const uint64_t bound = h.server->memory.bound();
  const auto leave = [&](uint64_t bytes) {
    h.server->memory.set_bound(h.server->memory.used(CycleClock::system_ns(), 0) + bytes);
  };
  leave(24 << 20);
  const bool fits = h.run("GET k") == whole;
  CHECK(fits);
  CHECK(h.run("MGET k k k k k k k k") == too_much);
  leave(16 << 20);
  const bool refused = h.run("GET k") == too_much;  // to grow the reply is copied
  CHECK(refused);
  leave(8 << 20);
  for (const std::string_view command :
       {"GET k", "GETRANGE k 1 -1", "GETDEL k", "GETSET k v", "GETEX k PX 1", "SET k v GET",
        "MGET none k", "LCS k none LEN"}) {
    CAPTURE(command);
    CHECK(h.run(command) == too_much);
  }
  CHECK(h.run("GETRANGE k -2 -1") == bulk(std::string_view("\0\1", 2)));
  h.run("MULTI");
  h.run("GET k");
  h.run("STRLEN k");
  CHECK(h.run("EXEC") == "*2\r\n" + too_much + integer(kLength));
  h.server->memory.set_bound(bound);
  const bool same = h.run("GETDEL k") == whole;
  CHECK(same);
}

TEST_CASE("random edits of a string agree with a plain string, restarts between") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Harness h({"string-chunk-threshold", "10000"});
  std::string model;
  h.run({"SET", "k", ""});
  for (int step = 0; step < 3000; ++step) {
    const uint64_t what = random() % 100;
    const std::string bytes =
        some_bytes(random() % 50 == 0 ? random() % 30'000 : random() % 300, random());
    if (what < 2) {
      model = bytes;
      h.run({"SET", "k", bytes});
    } else if (what < 40) {
      model += bytes;
      h.run({"APPEND", "k", bytes});
    } else if (what < 80) {
      const size_t offset = random() % (model.size() + (random() % 10 == 0 ? 20'000 : 10));
      if (!bytes.empty() && model.size() < offset + bytes.size()) {
        model.resize(offset + bytes.size());
      }
      if (!bytes.empty()) model.replace(offset, bytes.size(), bytes);
      h.run({"SETRANGE", "k", std::to_string(offset), bytes});
    } else if (what < 99) {
      const size_t begin = random() % (model.size() + 1), size = random() % 10'000;
      const std::string reply =
          h.run({"GETRANGE", "k", std::to_string(begin), std::to_string(begin + size)});
      REQUIRE((reply == bulk(std::string_view(model).substr(begin, size + 1))));
    } else {
      h.restart();
    }
    REQUIRE(h.run("STRLEN k") == integer(static_cast<int64_t>(model.size())));
    if (step % 50 == 0) REQUIRE((h.run("GET k") == bulk(model)));
  }
}

TEST_CASE("strings announce what Redis announces") {
  Harness h({"notify-keyspace-events", "E$g"});
  Client listener(h);
  listener.run("PSUBSCRIBE *");
  const auto events_of = [&](std::string_view line) {
    h.run(line);
    std::string events;
    const std::string pushed = listener.pushed();
    for (size_t at = 0; (at = pushed.find("@0__:", at)) != std::string::npos;) {
      at += 5;
      events += pushed.substr(at, pushed.find('\r', at) - at) + " ";
    }
    return events;
  };
  CHECK(events_of("SET k 1") == "set ");
  CHECK(events_of("SET k 1 EX 100") == "set expire ");
  CHECK(events_of("SET k 1 NX") == "");
  CHECK(events_of("SETEX k 100 1") == "set expire ");
  CHECK(events_of("INCR k") == "incrby ");
  CHECK(events_of("INCRBYFLOAT k 1") == "incrbyfloat ");
  CHECK(events_of("APPEND k 1") == "append ");
  CHECK(events_of("SETRANGE k 0 1") == "setrange ");
  CHECK(events_of("MSET a 1 b 2") == "set set ");
  CHECK(events_of("GETEX k EX 5") == "expire ");
  CHECK(events_of("GETEX k PERSIST") == "persist ");
  CHECK(events_of("GETEX k PERSIST") == "");
  CHECK(events_of("GETSET k 1") == "set ");
  CHECK(events_of("GETDEL k") == "del ");
  CHECK(events_of("GETDEL k") == "");
}

}  // namespace
}  // namespace respcask::server

#include <doctest/doctest.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "server/types/element_index.h"
#include "tests/engine/faulty_file.h"
#include "tests/server/harness.h"
#include "tests/server/keyspace_events.h"
#include "tests/server/peak_memory.h"
#include "tests/server/rdb_golden.h"

namespace respcask::server::testing {
namespace {

using namespace std::string_view_literals;

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string payload(const std::string& reply) {
  const size_t begin = reply.find("\r\n") + 2;
  return reply.substr(begin, reply.size() - begin - 2);
}

// What redis-server 7.0.15 answers to DUMP.
struct Golden {
  std::string value;
  std::string_view payload;
};
const Golden kGolden[] = {
    {"hello", "\x00\x05\x68\x65\x6c\x6c\x6f\x0a\x00\x63\x72\xdf\x76\x65\x34\x20\x0a"sv},
    {"", "\x00\x00\x0a\x00\x5d\x9b\x5c\x40\x0f\x7f\xa2\xda"sv},
    {"12345", "\x00\xc1\x39\x30\x0a\x00\x9d\x94\xea\x27\x93\xfc\x08\xb9"sv},
    {"-1", "\x00\xc0\xff\x0a\x00\x0c\x93\x7e\x24\x85\x08\x9d\xc5"sv},
    {"200", "\x00\xc1\xc8\x00\x0a\x00\xed\xe8\xfd\x6b\x22\x12\x8c\x07"sv},
    {"70000", "\x00\xc2\x70\x11\x01\x00\x0a\x00\x01\xa4\x08\xfe\x95\x30\x95\xa5"sv},
    {"3000000000",
     "\x00\x0a\x33\x30\x30\x30\x30\x30\x30\x30\x30\x30\x0a\x00\xe7\x07\x6b\x79\x54\xbb\x79\x47"sv},
    {"012", "\x00\x03\x30\x31\x32\x0a\x00\x8f\x54\x63\xe9\x54\x7e\xeb\x0c"sv},
    {std::string(100, 'x'),
     "\x00\xc3\x09\x40\x64\x01\x78\x78\xe0\x57\x00\x01\x78\x78\x0a\x00\x5d\xb7\xf6\x63\xbb\x08\x62"
     "\x5f"sv},
};

TEST_CASE("DUMP writes strings as Redis does, and RESTORE reads them") {
  Harness h;
  for (const Golden& golden : kGolden) {
    CAPTURE(golden.value);
    h.run({"SET", "a", golden.value});
    CHECK(h.run("DUMP a") == bulk(golden.payload));
    CHECK(h.run({"RESTORE", "b", "0", golden.payload, "REPLACE"}) == "+OK\r\n");
    CHECK(h.run("GET b") == bulk(golden.value));
    CHECK(h.run("OBJECT ENCODING b") == h.run("OBJECT ENCODING a"));
  }
  CHECK(h.run("DUMP missing") == "$-1\r\n");
}

TEST_CASE("DUMP writes the encoding that the key has, whatever the limits say now") {
  Harness h;
  const std::string lengthy(100, 'x');
  const auto type = [&](std::string_view key) { return payload(h.run({"DUMP", key}))[0]; };
  h.run({"HSET", "h", "a", lengthy});
  h.run("HSET h a 1");
  CHECK(type("h") == 4);
  h.run("SADD s a 1");
  h.run("SREM s a");
  CHECK(type("s") == 2);
  h.run({"ZADD", "z", "-0", "a", "2", lengthy});
  h.run({"ZREM", "z", lengthy});
  CHECK(type("z") == 5);
  h.run("HSET g a 1 b 2");
  h.run("ZADD y 1 a 2 b");
  h.run("SADD i 1 2");
  h.run("CONFIG SET hash-max-listpack-entries 1 zset-max-listpack-entries 1");
  h.run("CONFIG SET set-max-intset-entries 1");
  CHECK(type("g") == 16);
  CHECK(type("y") == 17);
  CHECK(type("i") == 11);
}

TEST_CASE("RESTORE keeps a listpack whose elements are longer than those of a new one may be") {
  Harness h({"hash-max-listpack-value", "200", "zset-max-listpack-value", "200"});
  const std::string lengthy(100, 'x');
  h.run({"HSET", "h", "a", lengthy, "b", "1"});
  h.run({"ZADD", "z", "1", lengthy, "2", "b"});
  const std::string hash = payload(h.run("DUMP h")), set = payload(h.run("DUMP z"));
  const auto encoding = [&](std::string_view key) { return h.run({"OBJECT", "ENCODING", key}); };
  h.run("CONFIG SET hash-max-listpack-value 64 zset-max-listpack-value 64");
  CHECK(h.run({"RESTORE", "h", "0", hash, "REPLACE"}) == "+OK\r\n");
  CHECK(h.run({"RESTORE", "z", "0", set, "REPLACE"}) == "+OK\r\n");
  CHECK(encoding("h") == "$8\r\nlistpack\r\n");
  CHECK(encoding("z") == "$8\r\nlistpack\r\n");
  CHECK(payload(h.run("DUMP h")) == hash);
  CHECK(payload(h.run("DUMP z")) == set);
  // The number of elements counts as ever.
  h.run("CONFIG SET hash-max-listpack-entries 1 zset-max-listpack-entries 1");
  CHECK(h.run({"RESTORE", "h", "0", hash, "REPLACE"}) == "+OK\r\n");
  CHECK(h.run({"RESTORE", "z", "0", set, "REPLACE"}) == "+OK\r\n");
  CHECK(encoding("h") == "$9\r\nhashtable\r\n");
  CHECK(encoding("z") == "$8\r\nskiplist\r\n");
}

TEST_CASE("DUMP compresses unless rdbcompression is off") {
  Harness h;
  h.run({"SET", "s", std::string(150, 'x')});
  CHECK(payload(h.run("DUMP s")).size() < 50);
  h.run("CONFIG SET rdbcompression no");
  CHECK(payload(h.run("DUMP s")).size() == 1 + 2 + 150 + 10);
}

TEST_CASE("a long string comes through DUMP and RESTORE") {
  Harness h;
  h.element_index = make_element_index;
  h.restart();
  std::string value;
  for (int i = 0; i < 60'000; ++i) value += std::to_string(i * 7919);
  h.run({"SET", "a", value});
  const std::string dumped = payload(h.run("DUMP a"));
  CHECK(h.run({"RESTORE", "b", "0", dumped}) == "+OK\r\n");
  h.restart();
  CHECK(h.run("GET b") == bulk(value));
}

TEST_CASE("what the disk has no room for is refused before anything changes") {
  engine::FaultyFileSystem disk;
  Harness h;
  std::filesystem::path made = "/";
  for (const auto& part : std::filesystem::path(h.directory.path()).relative_path()) {
    made /= part;
    REQUIRE(disk.create_directory(made.string()));
  }
  // A small one: what is kept back for merges is given back once a command was refused.
  disk.set_capacity(16 << 20);
  h.files = &disk;
  h.element_index = make_element_index;
  h.restart();
  const std::string value(3'000'000, 'z');  // its payload has some 40 KB
  std::string other_shard = "b";
  while (h.server->key(other_shard, 0).shard == h.server->key("a", 0).shard) other_shard += "b";
  h.run({"SET", "a", value});
  const std::string dumped = payload(h.run("DUMP a"));
  CHECK(dumped.size() < 100'000);
  disk.set_capacity(disk.used() + (1 << 20));
  for (const std::string& to : {std::string("{a}"), other_shard}) {
    CAPTURE(to);
    CHECK(h.run({"RESTORE", to, "0", dumped}).starts_with("-MISCONF "));
    CHECK(h.run({"COPY", "a", to}).starts_with("-MISCONF "));
    CHECK(h.run({"EXISTS", to}) == ":0\r\n");
  }
  CHECK(h.run({"RENAME", "a", other_shard}).starts_with("-MISCONF "));
  CHECK(h.run("DBSIZE") == ":1\r\n");
  CHECK(h.run("RENAME a {a}") == "+OK\r\n");  // the root alone moves
  disk.set_capacity(uint64_t{1} << 30);
  CHECK(h.run({"RESTORE", "c", "0", dumped}) == "+OK\r\n");
  CHECK(h.run({"RENAME", "{a}", other_shard}) == "+OK\r\n");
  h.restart();
  CHECK(h.run("GET c") == bulk(value));
  CHECK(h.run({"GET", other_shard}) == bulk(value));
  CHECK(h.run("DBSIZE") == ":2\r\n");
}

TEST_CASE("RESTORE sets expiry and access") {
  Harness h;
  h.run("SET a 1");
  const std::string dumped = payload(h.run("DUMP a"));
  CHECK(h.run({"RESTORE", "b", "100000", dumped}) == "+OK\r\n");
  CHECK(h.run("TTL b") == ":100\r\n");
  CHECK(h.run({"RESTORE", "b", "4000000000000", dumped, "replace", "absttl", "idletime", "77"}) ==
        "+OK\r\n");
  CHECK(h.run("PEXPIRETIME b") == ":4000000000000\r\n");
  CHECK(h.run("OBJECT IDLETIME b") == ":77\r\n");
  h.set({"maxmemory-policy", "allkeys-lfu"});
  CHECK(h.run({"RESTORE", "c", "0", dumped, "FREQ", "200"}) == "+OK\r\n");
  CHECK(h.run("OBJECT FREQ c") == ":200\r\n");
}

TEST_CASE("RESTORE of what has expired leaves nothing behind") {
  Harness h{"notify-keyspace-events", "KEAn"};
  KeyspaceEvents events(h);
  h.run("SET a 1");
  const std::string dumped = payload(h.run("DUMP a"));
  events.take();
  CHECK(h.run({"RESTORE", "b", "1000", dumped, "ABSTTL"}) == "+OK\r\n");
  CHECK(events.take() == "");
  CHECK(h.run({"RESTORE", "a", "9223372036854775807", dumped, "REPLACE"}) == "+OK\r\n");
  CHECK(events.take() == "0:del a");
  CHECK(h.run("DBSIZE") == ":0\r\n");
  CHECK(h.run({"RESTORE", "a", "0", dumped}) == "+OK\r\n");
  CHECK(events.take() == "0:new a, 0:restore a");
  CHECK(h.run({"RESTORE", "a", "0", dumped, "REPLACE"}) == "+OK\r\n");
  CHECK(events.take() == "0:new a, 0:restore a");
}

TEST_CASE("RESTORE refuses with Redis's words, and changes nothing") {
  Harness h;
  h.run("SET a 1");
  std::string dumped = payload(h.run("DUMP a"));
  CHECK(h.run({"RESTORE", "a", "0", dumped}) == "-BUSYKEY Target key name already exists.\r\n");
  CHECK(h.run({"RESTORE", "b", "-1", dumped}) == "-ERR Invalid TTL value, must be >= 0\r\n");
  CHECK(h.run({"RESTORE", "b", "x", dumped}) == "-ERR value is not an integer or out of range\r\n");
  CHECK(h.run({"RESTORE", "b", "0", dumped, "foo"}) == "-ERR syntax error\r\n");
  CHECK(h.run({"RESTORE", "b", "0", dumped, "IDLETIME"}) == "-ERR syntax error\r\n");
  CHECK(h.run({"RESTORE", "b", "0", dumped, "IDLETIME", "1", "FREQ", "1"}) ==
        "-ERR syntax error\r\n");
  CHECK(h.run({"RESTORE", "b", "0", dumped, "IDLETIME", "-1"}) ==
        "-ERR Invalid IDLETIME value, must be >= 0\r\n");
  CHECK(h.run({"RESTORE", "b", "0", dumped, "FREQ", "256"}) ==
        "-ERR Invalid FREQ value, must be >= 0 and <= 255\r\n");
  // An intact footer over a type that there is not.
  CHECK(h.run({"RESTORE", "b", "0", "\x07\x00\x0a\x00\x3b\x1e\xf9\xc0\x0f\x2e\x5c\x1f"sv})
            .starts_with("-ERR "));
  dumped[1] ^= 1;
  CHECK(h.run({"RESTORE", "a", "0", dumped, "REPLACE"}) ==
        "-ERR DUMP payload version or checksum are wrong\r\n");
  CHECK(h.run("GET a") == "$1\r\n1\r\n");
  CHECK(h.run("EXISTS b") == ":0\r\n");
}

TEST_CASE("RESTORE refuses streams, of which there are none here") {
  Harness h;
  for (const std::string_view stream :
       {rdb::golden::kStreamListpacks, rdb::golden::kStreamListpacks2}) {
    CHECK(h.run({"RESTORE", "a", "0", rdb::golden::bytes(stream)}) == "-ERR Bad data format\r\n");
    CHECK(h.run("EXISTS a") == ":0\r\n");
  }
}

TEST_CASE("DUMP of what does not fit into memory as often as it is held is refused") {
  Harness h;
  const std::string too_much = "-" + std::string(kTooMuch) + "\r\n";
  h.run("SETRANGE gap 200000000 x");
  h.run({"SET", "large", std::string(3'000'000, 'x')});
  for (int i = 0; i < 300; ++i) {
    const std::string number = std::to_string(i);
    h.run({"HSET", "hash", number, std::string(10'000, 'h')});
    h.run({"RPUSH", "list", number, std::string(10'000, 'l')});
    h.run({"SADD", "set", number + std::string(10'000, 's')});
    h.run({"ZADD", "sorted", number, number + std::string(10'000, 'z')});
  }
  const uint64_t bound = h.server->memory.bound();
  h.server->memory.set_bound(1);  // a few MiB are had in any case
  const uint64_t peak = peak_bytes_of([&] { CHECK(h.run("DUMP gap") == too_much); });
  CHECK(peak < 100'000'000);
  for (const std::string key : {"large", "hash", "list", "set", "sorted"}) {
    CAPTURE(key);
    const bool refused = h.run("DUMP " + key) == too_much;
    CHECK(refused);
  }
  h.server->memory.set_bound(bound);
  CHECK(h.run("DUMP large").size() > 10'000);
}

TEST_CASE("RESTORE expands nothing that memory has no room for") {
  Harness h;
  h.run("SETRANGE gap 200000000 x");
  const std::string gap = payload(h.run("DUMP gap"));
  std::vector<std::string> push = {"RPUSH", "numbers"};
  push.resize(1'000'000, "1");
  for (int i = 0; i < 4; ++i) h.client().run(push);
  const std::string numbers = payload(h.run("DUMP numbers"));
  REQUIRE(gap.size() < 4'000'000);
  REQUIRE(numbers.size() < 1'000'000);
  const uint64_t bound = h.server->memory.bound();
  h.server->memory.set_bound(1);  // a few MiB are had in any case
  for (const std::string& dump : {gap, numbers}) {
    std::string reply;
    const uint64_t peak = peak_bytes_of([&] { reply = h.run({"RESTORE", "to", "0", dump}); });
    CHECK(reply == "-" + std::string(kTooMuch) + "\r\n");
    CHECK(peak < 50'000'000);
  }
  CHECK(h.run("EXISTS to") == ":0\r\n");
  h.server->memory.set_bound(bound);
  CHECK(h.run({"RESTORE", "to", "0", numbers}) == "+OK\r\n");
  CHECK(h.run("LLEN to") == h.run("LLEN numbers"));
}

}  // namespace
}  // namespace respcask::server::testing

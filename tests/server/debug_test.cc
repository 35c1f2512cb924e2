#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "engine/reload_check.h"
#include "server/digest.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

std::string value_digest(const rdb::Value& value, bool expires = false) {
  Digest digest;
  mix_object(digest, value, expires);
  return hex(digest.value());
}

TEST_CASE("sha1: the examples of the standard") {
  CHECK(hex(sha1("")) == "da39a3ee5e6b4b0d3255bfef95601890afd80709");
  CHECK(hex(sha1("abc")) == "a9993e364706816aba3e25717850c26c9cd0d89d");
  CHECK(hex(sha1("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")) ==
        "84983e441c3bd26ebaae4aa1f95129e5e54670f1");
  CHECK(hex(sha1(std::string(1'000'000, 'a'))) == "34aa973cd4c4daa4f61eeb2bdbad27316534016f");
}

// The digests are those that Redis 7.0.15 gives.
TEST_CASE("digest: values of every type have Redis's digests") {
  CHECK(value_digest(rdb::String{"hello"}) == "36b23a1456b2dce2c3ed252c456761301dba8060");
  CHECK(value_digest(rdb::String{"12345"}) == "e1cf90774e995ae03de66e8109dc5cb9d9c2dc83");
  CHECK(value_digest(rdb::String{"v"}, true) == "311b17018163335616e089f6b951c82c477335ac");
  CHECK(value_digest(rdb::List{{"a", "b", "c"}}) == "8bf72d812571eea9b927f3c11beb0c4165a6ff89");
  CHECK(value_digest(rdb::Set{{"3", "1", "2"}}) == "2a462a3f51a1db89738ebbeef0c47ce1bbc85246");
  CHECK(value_digest(rdb::Hash{{{"f", "v"}}}) == "90c76e9e9f4c62d642a34fc97c7dad503b51f906");
  CHECK(value_digest(rdb::SortedSet{{{"m", 1.5}}}) == "0b67afcf657d7aa53a5226bcca2f55ea7f2fff48");
}

TEST_CASE("debug: DIGEST is Redis's, whatever the order of the writes") {
  const std::string nothing = "+0000000000000000000000000000000000000000\r\n";
  Harness h;
  CHECK(h.run("debug digest") == nothing);
  h.run("set s hello");
  h.run("set n 12345");
  h.run("set e v px 10000000");
  Client other(h);
  other.session->db = 3;
  other.run("set other db");
  const std::string digest = "+e8866ca77c5634d0ab1bd08384c1164f9a61f8b0\r\n";
  CHECK(h.run("debug digest") == digest);
  CHECK(other.run("debug digest") == digest);
  CHECK(h.run("debug digest-value s nokey") ==
        "*2\r\n+36b23a1456b2dce2c3ed252c456761301dba8060\r\n" + nothing);
  h.run("set s other");
  CHECK(h.run("debug digest") != digest);
  h.run("multi");
  h.run("set s hello");
  h.run("debug digest");
  CHECK(h.run("exec") == "*2\r\n+OK\r\n" + digest);
}

TEST_CASE("debug: OBJECT and LISTPACK") {
  Harness h;
  h.run("set s hello");
  const std::string reply = h.run("debug object s");
  CHECK(reply.starts_with("+Value at:0x"));
  CHECK(reply.find(" refcount:1 encoding:embstr serializedlength:6 lru:") != std::string::npos);
  CHECK(reply.ends_with(" lru_seconds_idle:0\r\n"));
  CHECK(h.run("debug object nokey") == "-ERR no such key\r\n");
  CHECK(h.run("debug listpack s") == "-ERR Not a listpack encoded object.\r\n");
}

TEST_CASE("debug: POPULATE makes keys that are not there") {
  Harness h;
  h.run("set key:1 mine");
  CHECK(h.run("debug populate 3000") == "+OK\r\n");
  CHECK(h.run("dbsize") == ":3000\r\n");
  CHECK(h.run("get key:0") == "$7\r\nvalue:0\r\n");
  CHECK(h.run("get key:1") == "$4\r\nmine\r\n");
  CHECK(h.run("debug populate 2 p 10") == "+OK\r\n");
  CHECK(h.run("get p:1") == std::string("$10\r\nvalue:1\0\0\0\r\n", 17));
  CHECK(h.run("debug populate 1 q 2") == "+OK\r\n");
  CHECK(h.run("get q:0") == "$2\r\nva\r\n");
  CHECK(h.run("debug populate -1") == "-ERR value is out of range, must be positive\r\n");
  CHECK(h.run("debug populate x") == "-ERR value is out of range, must be positive\r\n");
}

TEST_CASE("debug: RELOAD and LOADAOF read the files anew and find the same") {
  Harness h;
  CHECK(h.run("debug reload") == "+OK\r\n");
  h.run("debug populate 500");
  h.run("set e v px 10000000");
  h.run("del key:7");
  h.run("mset a 1 b 2 c 3 d 4");
  CHECK(h.run("debug reload merge noflush") == "+OK\r\n");
  CHECK(h.run("debug loadaof") == "+OK\r\n");
  CHECK(h.run("debug reload nonsense") ==
        "-ERR DEBUG RELOAD only supports the MERGE, NOFLUSH and NOSAVE options.\r\n");
  h.run("multi");
  h.run("debug reload");
  CHECK(h.run("exec").starts_with("*1\r\n-ERR "));
  const auto report = engine::check_reload(*h.store);
  REQUIRE(report);
  CHECK(report->keys == 504);
}

// Makes the first letter of `text` a capital one where a file has it first; false if it has not.
bool damage(const std::filesystem::path& path, const std::string& text) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const size_t at = bytes.find(text);
  if (at == std::string::npos) return false;
  file.clear();
  file.seekp(static_cast<std::streamoff>(at));
  file.put(static_cast<char>(text[0] - 'a' + 'A'));
  return true;
}

TEST_CASE("debug: RELOAD finds what is damaged, and what is not in the files") {
  Harness h;
  for (int i = 0; i < 20; ++i) h.run("set key:" + std::to_string(i) + " the-same-value");
  REQUIRE(h.run("debug reload") == "+OK\r\n");
  // What was synced is said by the batches that follow; before that, damage is a torn tail.
  for (int i = 0; i < 20; ++i) h.run("set more:" + std::to_string(i) + " value");
  REQUIRE(h.run("debug reload") == "+OK\r\n");
  SUBCASE("a byte of a value is another one") {
    REQUIRE(damage(h.directory.path() + "/shard-00/00000001.seg", "the-same-value"));
    CHECK(h.run("debug reload").find("does not match its checksum") != std::string::npos);
  }
  SUBCASE("a key is in memory only") {
    engine::Keydir& keys = h.store->shard(1).keydir(0);
    keys.put("ghost", keys.hash("ghost"), engine::KeydirEntry{});
    CHECK(h.run("debug reload").find("keys in the files") != std::string::npos);
    keys.remove("ghost", keys.hash("ghost"));
  }
}

TEST_CASE("debug: RELOAD compares what large collections hold, and finds what is damaged in one") {
  Harness h;
  const std::string padding(200, '.');
  for (int i = 0; i < 1000; ++i) {
    const std::string number = std::to_string(i);
    h.run("hset hash field:" + number + " in-the-hash:" + number + padding);
    h.run("rpush list in-the-list:" + number + padding);
    h.run("zadd zset " + number + " member:" + number + padding);
    if (i % 3 == 0) h.run("hdel hash field:" + std::to_string(i / 2));
  }
  REQUIRE(h.run("debug reload") == "+OK\r\n");
  const auto report = engine::check_reload(*h.store);
  REQUIRE(report);
  CHECK(report->keys == 3);
  CHECK(report->elements > 2500);
  // What was synced is said by the batches that follow; before that, damage is a torn tail.
  h.run("hset hash last last");
  h.run("rpush list last");
  REQUIRE(h.run("debug reload") == "+OK\r\n");
  bool damaged = false;
  for (const auto& file : std::filesystem::recursive_directory_iterator(h.directory.path())) {
    if (file.path().extension() == ".seg") damaged |= damage(file.path(), "in-the-list:500");
  }
  REQUIRE(damaged);
  CHECK(h.run("debug reload").find("an element's value does not match its checksum") !=
        std::string::npos);
}

TEST_CASE("debug: SLEEP stops, and is seen by SLOWLOG and LATENCY") {
  Harness h({"slowlog-log-slower-than", "10000", "latency-monitor-threshold", "10"});
  CHECK(h.run("debug sleep 0.02") == "+OK\r\n");
  CHECK(h.run("slowlog get 1").find("$5\r\ndebug\r\n$5\r\nsleep\r\n$4\r\n0.02\r\n") !=
        std::string::npos);
  CHECK(h.run("latency history command").starts_with("*1\r\n"));
  CHECK(h.run("debug sleep x") == "+OK\r\n");
}

TEST_CASE("debug: PROTOCOL has a reply of each kind in both protocols") {
  Harness h;
  CHECK(h.run("debug protocol double") == "$5\r\n3.141\r\n");
  CHECK(h.run("debug protocol map") == "*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n");
  CHECK(h.run("debug protocol attrib") == "$39\r\nSome real reply following the attribute\r\n");
  CHECK(h.run("debug protocol push") == "-ERR RESP2 is not supported by this command\r\n");
  CHECK(h.run("debug protocol verbatim") == "$25\r\nThis is a verbatim\nstring\r\n");
  CHECK(h.run("debug protocol x").starts_with("-ERR Wrong protocol type name. Please use one of"));
  h.client().use_protocol(3);
  CHECK(h.run("debug protocol double") == ",3.141\r\n");
  CHECK(h.run("debug protocol bignum") == "(1234567999999999999999999999999999999\r\n");
  CHECK(h.run("debug protocol map") == "%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n");
  CHECK(h.run("debug protocol set") == "~3\r\n:0\r\n:1\r\n:2\r\n");
  CHECK(h.run("debug protocol attrib") ==
        "|1\r\n$14\r\nkey-popularity\r\n*2\r\n$7\r\nkey:123\r\n:90\r\n"
        "$39\r\nSome real reply following the attribute\r\n");
  CHECK(h.run("debug protocol push") ==
        ">2\r\n$16\r\nserver-cpu-usage\r\n:42\r\n"
        "$40\r\nSome real reply following the push reply\r\n");
  CHECK(h.run("debug protocol null") == "_\r\n");
}

TEST_CASE("debug: switches, and what is not known") {
  Harness h;
  const std::string wrong = "-ERR unknown subcommand or wrong number of arguments for ";
  CHECK(h.run({"DEBUG", std::string_view("no\0such", 7)}) == wrong + "'no'. Try DEBUG HELP.\r\n");
  CHECK(h.run("debug set-active-expire 0") == "+OK\r\n");
  CHECK(!h.server->active_expire);
  CHECK(h.run("debug set-active-expire 1") == "+OK\r\n");
  CHECK(h.server->active_expire);
  CHECK(h.run("debug quicklist-packed-threshold 100b") == "+OK\r\n");
  CHECK(h.run("debug quicklist-packed-threshold 3gb") == "+OK\r\n");
  const std::string limit =
      "-ERR argument must be a memory value bigger than 1 and smaller than 4gb\r\n";
  CHECK(h.run("debug quicklist-packed-threshold 4gb") == limit);
  CHECK(h.run("debug quicklist-packed-threshold 1x") == limit);
  CHECK(h.run("debug quicklist-packed-threshold -5") == limit);
  CHECK(h.run("debug replybuffer resizing 0") == "+OK\r\n");
  CHECK(h.run("debug replybuffer x 0") == wrong + "'replybuffer'. Try DEBUG HELP.\r\n");
  const std::string id = h.server->ids.replication();
  CHECK(h.run("debug change-repl-id") == "+OK\r\n");
  CHECK(h.server->ids.replication() != id);
  CHECK(h.run("debug error \"A problem\"") == "-A problem\r\n");
  CHECK(h.run("debug x") == wrong + "'x'. Try DEBUG HELP.\r\n");
  CHECK(h.run("debug sleep") == wrong + "'sleep'. Try DEBUG HELP.\r\n");
}

}  // namespace
}  // namespace respcask::server::testing

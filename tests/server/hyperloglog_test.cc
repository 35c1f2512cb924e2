#include "server/types/hyperloglog.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "tests/server/harness.h"
#include "tests/server/keyspace_events.h"
#include "tests/server/peak_memory.h"

namespace respcask::server::testing {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view kNotHyperLogLog =
    "-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n";
constexpr std::string_view kDamaged = "-INVALIDOBJ Corrupted HLL object detected\r\n";
constexpr std::string_view kWrongType =
    "-WRONGTYPE Operation against a key holding the wrong kind of value\r\n";

std::string bulk(std::string_view bytes) {
  return "$" + std::to_string(bytes.size()) + "\r\n" + std::string(bytes) + "\r\n";
}
std::string integer(int64_t value) {
  return ":" + std::to_string(value) + "\r\n";
}
std::string payload(const std::string& reply) {
  const size_t begin = reply.find("\r\n") + 2;
  return reply.substr(begin, reply.size() - begin - 2);
}

std::string element(size_t i) {
  return "element-" + std::to_string(i);
}
std::string add_elements(Harness& h, std::string_view key, size_t begin, size_t end) {
  std::vector<std::string> command{"PFADD", std::string(key)};
  for (size_t i = begin; i < end; ++i) command.push_back(element(i));
  return h.client().run(std::move(command));
}

// The bytes of seven elements, before and after they were counted, as Redis 7.0.15 has them.
constexpr std::string_view kHead = "HYLL\x01\0\0\0\0\0\0\0\0\0\0\x80"sv;
constexpr std::string_view kCountedHead = "HYLL\x01\0\0\0\x07\0\0\0\0\0\0\0"sv;
constexpr std::string_view kRuns =
    "\x46\x6d\x80\x56\x0c\x80\x44\x3c\x84\x38\x80\x50\xb1\x84\x49\x8c\x80\x42\x6d\x80\x42\x5a"sv;

TEST_CASE("PFADD and PFCOUNT leave the bytes that Redis leaves") {
  Harness h;
  CHECK(h.run("PFADD k a b c d e f g") == integer(1));
  CHECK(h.run("GET k") == bulk(std::string(kHead) + std::string(kRuns)));
  CHECK(h.run("PFADD k a b c") == integer(0));
  CHECK(h.run("PFCOUNT k") == integer(7));
  CHECK(h.run("GET k") == bulk(std::string(kCountedHead) + std::string(kRuns)));
  CHECK(h.run("PFADD k g") == integer(0));
  CHECK(h.run("GET k") == bulk(std::string(kCountedHead) + std::string(kRuns)));
  CHECK(h.run("PFADD empty") == integer(1));
  CHECK(h.run("PFADD empty") == integer(0));
  CHECK(h.run("GET empty") == bulk(std::string(kHead) + "\x7f\xff"));
  CHECK(h.run("PFCOUNT empty") == integer(0));
  CHECK(h.run("PFCOUNT none") == integer(0));
  CHECK(h.run("PFCOUNT none empty k") == integer(7));
  CHECK(h.run("OBJECT ENCODING empty") == bulk("raw"));
  CHECK(h.run("PFADD k") == integer(0));
  CHECK(h.run("PFADD") == "-ERR wrong number of arguments for 'pfadd' command\r\n");
}

TEST_CASE("counts and checksums of DUMP are those of Redis as a HyperLogLog grows") {
  struct Step {
    size_t elements;
    int64_t count;
    size_t bytes;
    std::string_view dump_checksum;
  };
  // From redis-server 7.0.15.
  constexpr Step kSteps[] = {
      {10, 10, 48, "\x8a\x21\x97\x0a\xa1\x98\x97\x92"sv},
      {100, 100, 287, "\xd7\x31\x9a\xa8\x2b\x51\xb3\x06"sv},
      {1000, 994, 1870, "\x83\x9f\x5c\xe1\x3e\x82\x86\x13"sv},
      {1500, 1495, 2685, "\xea\x05\x0e\x93\x0a\x93\x00\x63"sv},
      {2000, 2002, 12304, "\xda\x42\x77\x7e\x29\x11\xe9\x6b"sv},
      {5000, 4972, 12304, "\x80\xca\x97\x30\x5e\x58\x05\x58"sv},
      {100'000, 100'917, 12304, "\x3b\x3a\xb2\x63\x6c\x72\x20\x3f"sv},
  };
  Harness h;
  size_t done = 0;
  for (const Step& step : kSteps) {
    for (; done < step.elements; done += std::min<size_t>(1000, step.elements - done)) {
      add_elements(h, "k", done, done + std::min<size_t>(1000, step.elements - done));
    }
    CAPTURE(step.elements);
    CHECK(h.run("PFCOUNT k") == integer(step.count));
    CHECK(h.run("STRLEN k") == integer(static_cast<int64_t>(step.bytes)));
    const std::string dump = payload(h.run("DUMP k"));
    CHECK(dump.substr(dump.size() - 8) == step.dump_checksum);
    CHECK(h.run({"RESTORE", "copy", "0", dump, "REPLACE"}) == "+OK\r\n");
    CHECK(h.run("PFCOUNT copy") == integer(step.count));
    h.restart();
  }
}

TEST_CASE("one element at a time gives the same dense string as all at once") {
  Harness h;
  add_elements(h, "many", 0, 3000);
  for (size_t i = 0; i < 3000; ++i) add_elements(h, "single", i, i + 1);
  CHECK(h.run("GET single") == h.run("GET many"));
  CHECK(h.run("PFADD single") == integer(0));
  // It is split into chunks by now; the count is remembered, and goes with the next change.
  const std::string before = h.run("GET single");
  h.run("PFCOUNT single");
  CHECK(h.run("GET single") != before);
  CHECK(add_elements(h, "single", 0, 3000) == integer(0));
  CHECK(add_elements(h, "single", 3000, 3100) == integer(1));
  CHECK(add_elements(h, "many", 3000, 3100) == integer(1));
  const std::string single = payload(h.run("GET single")), many = payload(h.run("GET many"));
  CHECK(single.substr(hll::kHeaderBytes) == many.substr(hll::kHeaderBytes));
  CHECK(!hll::cached_count(single));
  h.restart();
  CHECK(h.run("PFCOUNT single") == h.run("PFCOUNT many"));
}

TEST_CASE("PFDEBUG DECODE shows the runs of what is too long to be a HyperLogLog") {
  Harness h;
  h.run("PFADD k a");
  h.run("SETRANGE k 20000 79");
  const std::string runs = h.run("PFDEBUG DECODE k");
  CHECK(runs.front() == '$');
  CHECK(runs.ends_with(" z:56 z:58\r\n"));
  CHECK(h.run("PFDEBUG TODENSE k") == "-INVALIDOBJ Corrupted HLL object detected\r\n");
}

TEST_CASE("hll-sparse-max-bytes bounds the sparse encoding") {
  Harness h;
  h.run("CONFIG SET hll-sparse-max-bytes 30");
  h.run("PFADD k a b c");
  CHECK(h.run("PFDEBUG ENCODING k") == "+sparse\r\n");
  h.run("PFADD k d e f");
  CHECK(h.run("PFDEBUG ENCODING k") == "+dense\r\n");
  CHECK(h.run("PFCOUNT k") == integer(6));
}

TEST_CASE("the expiry of a HyperLogLog stays") {
  Harness h;
  h.run("PFADD k a");
  h.run("EXPIRE k 1000");
  h.run("PFADD k b");
  CHECK(h.run("TTL k") == integer(1000));
  h.run("PFCOUNT k");
  h.run("PFADD other c");
  h.run("PFMERGE k other");
  h.run("PFDEBUG TODENSE k");
  CHECK(h.run("TTL k") == integer(1000));
}

TEST_CASE("PFMERGE takes the union, dense if one of them is") {
  Harness h;
  add_elements(h, "a", 0, 500);
  add_elements(h, "b", 300, 800);
  add_elements(h, "all", 0, 800);
  CHECK(h.run("PFMERGE to a b none") == "+OK\r\n");
  CHECK(h.run("PFDEBUG ENCODING to") == "+sparse\r\n");
  CHECK(h.run("PFDEBUG GETREG to") == h.run("PFDEBUG GETREG all"));
  CHECK(h.run("PFCOUNT a b") == h.run("PFCOUNT all"));
  CHECK(h.run("PFDEBUG ENCODING a") == "+sparse\r\n");
  CHECK(h.run("PFDEBUG TODENSE b") == integer(1));
  CHECK(h.run("PFDEBUG TODENSE b") == integer(0));
  CHECK(h.run("PFMERGE a b") == "+OK\r\n");
  CHECK(h.run("PFDEBUG ENCODING a") == "+dense\r\n");
  CHECK(h.run("PFDEBUG GETREG a") == h.run("PFDEBUG GETREG all"));
  CHECK(h.run("PFMERGE fresh") == "+OK\r\n");
  CHECK(h.run("GET fresh") == bulk(std::string(kHead) + "\x7f\xff"));
}

TEST_CASE("PFDEBUG shows runs and registers") {
  Harness h;
  h.run("PFADD k a b c d e f g");
  CHECK(h.run("PFDEBUG DECODE k") ==
        bulk("Z:1646 v:1,1 Z:5645 v:1,1 Z:1085 v:2,1 z:57 v:1,1 Z:4274 v:2,1 Z:2445 v:1,1 Z:622 "
             "v:1,1 Z:603"));
  const std::string shown = h.run("PFDEBUG DECODE k");
  h.run("COPY k longer");
  h.run({"APPEND", "longer", "\x40"});  // the first byte of a run that takes two
  CHECK(h.run("PFDEBUG DECODE longer").ends_with(" Z:1\r\n"));
  CHECK(h.run("PFDEBUG DECODE longer").size() == shown.size() + 4);
  CHECK(h.run("PFDEBUG decode none") == "-ERR The specified key does not exist\r\n");
  CHECK(h.run("PFDEBUG sing k") == "-ERR Unknown PFDEBUG subcommand 'sing'\r\n");
  CHECK(h.run({"PFDEBUG", std::string_view("si\0ng", 5), "k"}) ==
        "-ERR Unknown PFDEBUG subcommand 'si'\r\n");
  const std::string registers = h.run("PFDEBUG GETREG k");
  CHECK(registers.starts_with("*16384\r\n:0\r\n"));
  CHECK(std::count(registers.begin(), registers.end(), '1') == 5 + 1);  // and that of the count
  CHECK(h.run("PFDEBUG ENCODING k") == "+dense\r\n");
  CHECK(h.run("PFDEBUG DECODE k") == "-ERR HLL encoding is not sparse\r\n");
  CHECK(h.run("PFSELFTEST") == "+OK\r\n");
}

TEST_CASE("PFDEBUG, which only tells the registers in other bytes, aborts no transaction") {
  Harness h;
  Client other(h);
  for (const char* command : {"PFDEBUG TODENSE k", "PFDEBUG GETREG k"}) {
    h.run("DEL k");
    h.run("PFADD k a b c");
    h.run("WATCH k");
    other.run(command);
    h.run("MULTI");
    CHECK(h.run("EXEC") == "*0\r\n");
  }
}

TEST_CASE("PFADD keeps what it has raised before it meets damage, as Redis does") {
  Harness h;
  h.run("PFMERGE k a");
  h.run("BITFIELD k SET i49 120 14 SET u14 50703 4294967295 INCRBY u8 #322 12");
  CHECK(h.run("GETRANGE k 15 15") == bulk("\0"sv));
  CHECK(h.run("PFADD k m11 m0 m0 156") == kDamaged);
  CHECK(h.run("GETRANGE k 15 15") == bulk("\x80"sv));
  CHECK(h.run("STRLEN k") == integer(6340));
}

TEST_CASE("what is no HyperLogLog, or is damaged, gets Redis's error") {
  Harness h;
  const auto all_say = [&](std::string_view error) {
    CHECK(h.run("PFADD k a") == error);
    CHECK(h.run("PFCOUNT k") == error);
    CHECK(h.run("PFCOUNT k k2") == error);
    CHECK(h.run("PFMERGE k2 k") == error);
    CHECK(h.run("PFMERGE k k2") == error);
    CHECK(h.run("PFDEBUG GETREG k") == error);
  };
  for (const std::string_view bytes :
       {""sv, "HYLL"sv, "HYLL\x01\0\0\0\0\0\0\0\0\0\0"sv,
        "hyll\x01\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff"sv, "HYLL\x02\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff"sv,
        "HYLL\0\0\0\0\0\0\0\0\0\0\0\x80\x7f\xff"sv}) {
    h.run({"SET", "k", bytes});
    all_say(kNotHyperLogLog);
  }
  h.run({"SET", "k", std::string(100'000, 'x')});
  all_say(kNotHyperLogLog);
  // No runs at all; longer than any sound one.
  h.run({"SET", "k", kHead});
  all_say(kDamaged);
  h.run({"SET", "k", std::string(kHead) + "\x7f\xff" + std::string(100'000, '\0')});
  all_say(kDamaged);
  h.run("DEL k k2");
  CHECK(h.run("PFADD k a") == integer(1));
  h.run("APPEND k hello");
  CHECK(h.run("PFCOUNT k") == kDamaged);
  CHECK(h.run("PFCOUNT none k") == kDamaged);
  CHECK(h.run("PFADD none") == integer(1));
}

TEST_CASE("PFCOUNT and PFMERGE hold one of the many that they are given at a time") {
  Harness h;
  add_elements(h, "k", 0, 20'000);
  add_elements(h, "k", 20'000, 20'100);  // in place: now it is kept in chunks
  const std::string count = h.run("PFCOUNT k");
  const auto peak = [&](std::vector<std::string> command, const std::string& expected) {
    command.resize(4000, "k");
    std::string reply;
    const uint64_t bytes = peak_bytes_of([&] { reply = h.client().run(command); });
    CHECK(reply == expected);
    return bytes;
  };
  CHECK(peak({"PFCOUNT"}, count) < 24 << 20);
  CHECK(peak({"PFMERGE", "to"}, "+OK\r\n") < 24 << 20);
  CHECK(h.run("PFCOUNT to") == count);
}

TEST_CASE("PFADD of many elements takes the room of the chunks that it writes") {
  Harness h;
  add_elements(h, "k", 0, 10'000);
  REQUIRE(h.run("STRLEN k") == integer(hll::kDenseBytes));
  h.server->memory.set_bound(1);                              // a few MiB are had in any case
  CHECK(add_elements(h, "k", 10'000, 30'000) == integer(1));  // in place: now it is in chunks
  CHECK(add_elements(h, "k", 30'000, 60'000) == integer(1));
}

TEST_CASE("another type under the name is refused before what stands behind it") {
  Harness h;
  h.run("SET bad x");
  h.run("PFADD good a");
  // There may be no other type than strings: a missing one would be no test.
  if (h.run("RPUSH list a") != integer(1)) return;
  for (const std::string_view command :
       {"PFADD list a"sv, "PFCOUNT list"sv, "PFCOUNT good list bad"sv, "PFMERGE good list bad"sv,
        "PFMERGE list good"sv, "PFDEBUG DECODE list"sv}) {
    CHECK(h.run(command) == kWrongType);
  }
  CHECK(h.run("PFCOUNT good bad list") == kNotHyperLogLog);
}

TEST_CASE("changes of HyperLogLogs are told") {
  Harness h({"notify-keyspace-events", "KEA"});
  KeyspaceEvents events(h);
  h.run("PFADD k a");
  CHECK(events.take() == "0:pfadd k");
  h.run("PFADD k a");
  CHECK(events.take() == "");
  h.run("PFCOUNT k");
  CHECK(events.take() == "");
  h.run("PFMERGE to k");
  CHECK(events.take() == "0:pfadd to");
}

// --- the bytes ----------------------------------------------------------------------------------

TEST_CASE("the estimate is within its error and the self test agrees") {
  CHECK(hll::self_test().empty());
  CHECK(hll::estimate(*hll::histogram(hll::make_empty())) == 0);
}

TEST_CASE("sparse strings stay sound in any order of changes, and agree with dense ones") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  for (const uint64_t most_bytes : {uint64_t{64}, uint64_t{3000}, uint64_t{40'000}}) {
    std::string sparse = hll::make_empty(), dense = hll::make_empty();
    REQUIRE(hll::make_dense(dense));
    // Neighbours of few values, so that runs are made, split and joined.
    for (int i = 0; i < 6000; ++i) {
      const hll::Rank rank{
          static_cast<uint32_t>(random() % 2 != 0 ? random() % 600 : random() % hll::kRegisters),
          static_cast<uint8_t>(1 + random() % 3)};
      REQUIRE(hll::raise(sparse, rank, most_bytes) == hll::raise(dense, rank, 0));
      if (i % 100 == 0) REQUIRE(hll::histogram(sparse) == hll::histogram(dense));
    }
    REQUIRE(hll::make_dense(sparse));
    CHECK(sparse == dense);
  }
}

TEST_CASE("damaged bytes are refused or taken, and nothing outside them is touched") {
  const uint64_t seed = std::random_device{}();
  CAPTURE(seed);
  std::mt19937_64 random(seed);
  Harness h;
  add_elements(h, "sparse", 0, 400);
  add_elements(h, "dense", 0, 4000);
  const std::string sound[] = {payload(h.run("GET sparse")), payload(h.run("GET dense"))};
  for (int round = 0; round < 400; ++round) {
    std::string bytes = sound[round % 2];
    for (size_t n = random() % 4 + 1; n > 0; --n) {
      const size_t at = random() % 3 == 0 ? random() % 16 : random() % bytes.size();
      bytes[at] = static_cast<char>(random());
    }
    if (random() % 4 == 0) bytes.resize(random() % bytes.size());
    // Exactly as long as its bytes, so that a sanitizer sees a step past the end.
    h.run({"SET", "k", bytes});
    for (const std::string_view command :
         {"PFCOUNT k"sv, "PFADD k x y z"sv, "PFMERGE to k"sv, "PFCOUNT k to"sv,
          "PFDEBUG DECODE k"sv, "PFDEBUG GETREG k"sv}) {
      const std::string reply = h.run(command);
      CAPTURE(command);
      if (reply.starts_with("-") && reply != "-ERR HLL encoding is not sparse\r\n") {
        CHECK((reply == kNotHyperLogLog || reply == kDamaged));
      }
    }
  }
}

TEST_CASE("PFCOUNT in a pipeline counts, and keeps, what PFADD before it wrote last in a segment") {
  Harness h, one_by_one;
  add_elements(h, "k", 0, 4000);
  add_elements(one_by_one, "k", 0, 4000);
  for (size_t i = 4000; i < 4300; ++i) {
    const std::string name = element(i);
    // So little is pending for a while that the shard keeps a small block, and takes another for
    // what comes then.
    for (int n = 0; n < 8; ++n) h.run("set {k}small v");
    h.client().turn.begin();
    const std::string added = run_in(h.client().turn, h.client(), {"pfadd", "k", name});
    const std::string counted = run_in(h.client().turn, h.client(), {"pfcount", "k"});
    h.server->commit(h.client().turn);
    CHECK(added == one_by_one.run({"pfadd", "k", name}));
    CHECK(counted == one_by_one.run("pfcount k"));
    REQUIRE(h.run("get k") == one_by_one.run("get k"));
  }
  CHECK(h.log_bytes() > 2 << 20);  // of segments of 1 MB at most
}

}  // namespace
}  // namespace respcask::server::testing

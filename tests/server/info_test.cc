#include "server/info.h"

#include <doctest/doctest.h>

#include <set>
#include <string>
#include <vector>

#include "server/rates.h"
#include "tests/server/harness.h"

namespace respcask::server::testing {
namespace {

bool contains(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

std::vector<std::string> titles(const std::string& info) {
  std::vector<std::string> found;
  for (size_t at = info.find("# "); at != std::string::npos; at = info.find("\r\n# ", at)) {
    if (info[at] == '\r') at += 2;
    found.push_back(info.substr(at + 2, info.find('\r', at) - at - 2));
  }
  return found;
}

// The value of a field of INFO.
std::string value(Harness& h, std::string_view name) {
  const std::string info = "\n" + h.run("info everything");
  const std::string key = "\n" + std::string(name) + ":";
  const size_t at = info.find(key);
  REQUIRE(at != std::string::npos);
  const size_t begin = at + key.size();
  return info.substr(begin, info.find('\r', begin) - begin);
}

TEST_CASE("info: sections come by name, in a fixed order, each once") {
  Harness h;
  using Titles = std::vector<std::string>;
  CHECK(titles(h.run("info keyspace CLUSTER cluster nonsense")) == Titles{"Cluster", "Keyspace"});
  const Titles usual = {"Server", "Clients", "Memory",     "Persistence", "Stats",    "Replication",
                        "CPU",    "Modules", "Errorstats", "Cluster",     "Keyspace", "Bitcask"};
  CHECK(titles(h.run("info")) == usual);
  CHECK(titles(h.run("info default")) == usual);
  Titles all = usual;
  all.insert(all.begin() + 8, "Commandstats");
  all.insert(all.begin() + 10, "Latencystats");
  CHECK(titles(h.run("info all")) == all);
  CHECK(titles(h.run("info everything")) == all);
  CHECK(h.run("info nonsense") == "$0\r\n\r\n");
  CHECK(h.run("info cluster keyspace") ==
        "$44\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n# Keyspace\r\n\r\n");
  h.client().use_protocol(3);
  CHECK(h.run("info modules") == "=15\r\ntxt:# Modules\r\n\r\n");
}

TEST_CASE("info: good replicas are counted where some are wanted, in Redis's place") {
  Harness h;
  CHECK_FALSE(contains(h.run("info replication"), "min_slaves_good_slaves"));
  h.set({"min-replicas-to-write", "2"});
  CHECK(contains(h.run("info replication"),
                 "connected_slaves:0\r\nmin_slaves_good_slaves:0\r\nmaster_failover_state:"));
  h.set({"min-replicas-max-lag", "0"});
  CHECK_FALSE(contains(h.run("info replication"), "min_slaves_good_slaves"));
}

TEST_CASE("info: every line of every section is a field with a value, named once") {
  Harness h;
  h.run("set a b");
  std::string info = h.run("info everything");
  info.erase(0, info.find('\n') + 1);
  std::set<std::string> names;
  for (size_t at = 0; at < info.size();) {
    const size_t end = info.find("\r\n", at);
    REQUIRE(end != std::string::npos);
    const std::string line = info.substr(at, end - at);
    at = end + 2;
    if (line.empty() || line[0] == '#') continue;
    const size_t colon = line.find(':');
    CAPTURE(line);
    CHECK(colon != std::string::npos);
    CHECK(names.insert(line.substr(0, colon)).second);
  }
  CHECK(names.size() > 150);
}

TEST_CASE("info: keyspace counts keys and expiries of each database") {
  Harness h;
  CHECK(h.run("info keyspace") == "$12\r\n# Keyspace\r\n\r\n");
  h.run("mset a 1 b 2 c 3");
  h.run("set d 4 px 100000");
  const std::string info = h.run("info keyspace");
  CHECK(contains(info, "\r\ndb0:keys=4,expires=1,avg_ttl="));
  const int ttl = std::stoi(info.substr(info.find("avg_ttl=") + 8));
  CHECK(ttl > 90000);
  CHECK(ttl <= 100000);
}

TEST_CASE("info: commands, errors and their times are counted") {
  Harness h;
  h.run("set a b");
  h.run("get a");
  h.run("get a");
  h.run("get");
  h.run("slowlog len");
  const std::string stats = h.run("info commandstats");
  CHECK(contains(stats, "cmdstat_get:calls=2,usec="));
  CHECK(contains(stats, ",rejected_calls=1,failed_calls=0\r\n"));
  CHECK(contains(stats, "cmdstat_slowlog|len:calls=1,"));
  CHECK(!contains(stats, "cmdstat_info"));
  CHECK(contains(h.run("info errorstats"), "errorstat_ERR:count=1\r\n"));
  const std::string times = h.run("info latencystats");
  CHECK(contains(times, "latency_percentiles_usec_get:p50="));
  CHECK(contains(times, ",p99.9="));
  h.run("config set latency-tracking-info-percentiles \"0 33.3333333\"");
  CHECK(contains(h.run("info latencystats"), "latency_percentiles_usec_get:p0="));
  CHECK(contains(h.run("info latencystats"), ",p33.333333="));
  CHECK(value(h, "keyspace_hits") == "2");
}

TEST_CASE("info: OBJECT counts as a look-up, and announces no miss") {
  Harness h({"notify-keyspace-events", "KEAm"});
  Client subscriber(h);
  subscriber.run("psubscribe __keyevent@0__:*");
  h.run("set k 1");
  CHECK(!subscriber.pushed().empty());
  h.run("object encoding k");
  h.run("object freq nothing");
  CHECK(value(h, "keyspace_hits") == "1");
  CHECK(value(h, "keyspace_misses") == "1");
  CHECK(subscriber.pushed().empty());
}

TEST_CASE("info: SPOP counts as a look-up where it takes all members by their count") {
  Harness h;
  const auto hits_of = [&](std::string_view line) {
    h.run("sadd s 1 2 3");
    h.run("config resetstat");
    CHECK(h.run(line).front() != '-');
    return value(h, "keyspace_hits");
  };
  CHECK(hits_of("spop s") == "0");
  CHECK(hits_of("spop s 0") == "0");
  CHECK(hits_of("spop s 2") == "0");
  CHECK(hits_of("spop s 3") == "1");
  CHECK(hits_of("spop s 4") == "1");
  CHECK(hits_of("spop s 9223372036854775807") == "1");
  CHECK(hits_of("spop none 4") == "0");
  CHECK(value(h, "keyspace_misses") == "0");
}

TEST_CASE("info: changes since the last save, and the save") {
  Harness h;
  h.run("set a 1");
  h.run("set a 2");
  CHECK(value(h, "rdb_changes_since_last_save") == "2");
  CHECK(h.run("save") == "+OK\r\n");
  CHECK(value(h, "rdb_changes_since_last_save") == "0");
  CHECK(value(h, "rdb_saves") == "1");
  CHECK(value(h, "rdb_last_bgsave_time_sec") == "-1");
  CHECK(h.run("bgsave") == "+Background saving started\r\n");
  h.server->saving.wait();
  CHECK(value(h, "rdb_saves") == "2");
  CHECK(value(h, "rdb_bgsave_in_progress") == "0");
  CHECK(value(h, "rdb_last_bgsave_time_sec") != "-1");
}

TEST_CASE("info: the allocator that is named is the one that gives the account of itself") {
  Harness h;
  const std::string info = h.run("info memory");
  const std::string account = h.run("memory malloc-stats");
  CHECK(h.run("memory purge") == "+OK\r\n");
  if (info.find("mem_allocator:libc\r\n") != std::string::npos) {
    CHECK(account.find("<malloc version") != std::string::npos);
    return;
  }
  const size_t at = info.find("mem_allocator:jemalloc-");
  REQUIRE(at != std::string::npos);
  const std::string version = info.substr(at + 23, info.find("\r\n", at) - at - 23);
  CHECK(version.find_first_not_of("0123456789.") == std::string::npos);
  CHECK(account.find("jemalloc statistics") != std::string::npos);
  CHECK(account.find("Version: \"" + version + "-") != std::string::npos);
}

TEST_CASE("info: memory in use is what the allocator says") {
  Harness h;
  const uint64_t before = h.server->memory.usage().used;
  const std::vector<char> block(std::size_t{8} << 20, 'x');
  const uint64_t after = h.server->memory.usage().used;
  // Some of what was there before may have been freed in the meantime.
  CHECK(after >= before + block.size() - 65536);
  CHECK(h.server->memory.peak() >= after);
  CHECK(std::stoull(value(h, "used_memory")) >= block.size());
  CHECK(std::stoull(value(h, "used_memory_rss")) > 0);
  CHECK(contains(h.run("info memory"), "\r\nused_memory_human:"));
}

TEST_CASE("info: the store is told of shard by shard") {
  Harness h;
  for (int i = 0; i < 40; ++i) h.run("set key:" + std::to_string(i) + " value");
  CHECK(value(h, "shards") == "4");
  CHECK(value(h, "keys") == "40");
  CHECK(value(h, "damaged_records") == "0");
  int keys = 0;
  for (int i = 0; i < 4; ++i) {
    const std::string shard = value(h, "shard" + std::to_string(i));
    REQUIRE(shard.starts_with("keys="));
    keys += std::stoi(shard.substr(5));
    CHECK(contains(shard, ",writable=1"));
  }
  CHECK(keys == 40);
  const uint64_t dead = std::stoull(value(h, "dead_bytes"));
  for (int i = 0; i < 40; ++i) h.run("set key:" + std::to_string(i) + " other");
  CHECK(std::stoull(value(h, "dead_bytes")) > dead);
}

TEST_CASE("info: inside a transaction") {
  Harness h;
  h.run("multi");
  h.run("set a b");
  h.run("info keyspace");
  CHECK(contains(h.run("exec"), "db0:keys=1,expires=0,avg_ttl=0"));
}

TEST_CASE("info: bytes for people") {
  CHECK(human_bytes(0) == "0B");
  CHECK(human_bytes(1023) == "1023B");
  CHECK(human_bytes(1536) == "1.50K");
  CHECK(human_bytes(uint64_t{5} << 20) == "5.00M");
  CHECK(human_bytes(uint64_t{3} << 40) == "3.00T");
}

TEST_CASE("info: rates are means over the latest samples and survive a reset of the counters") {
  Rates rates;
  constexpr uint64_t kTenth = 100'000'000;
  CHECK(rates.per_second().commands == 0);
  for (uint64_t i = 0; i < 40; ++i) {
    Totals totals;
    totals.commands = i < 30 ? 0 : (i - 29) * 50;
    totals.bytes_in = i * 1000;
    rates.sample(totals, i * kTenth);
  }
  CHECK(rates.per_second().bytes_in == 10'000);
  CHECK(rates.per_second().commands == 333);  // 500 in the 15 steps between 16 samples
  rates.sample(Totals{}, 41 * kTenth);
  CHECK(rates.per_second().commands == 0);
}

TEST_CASE("info: a blocking command is counted when it blocks, its failure when it is unblocked") {
  Harness h;
  Client waiter(h);
  const auto stats = [&] { return value(h, "cmdstat_blpop"); };
  waiter.run("blpop list 0");
  CHECK(stats().starts_with("calls=1,"));
  CHECK(stats().ends_with("rejected_calls=0,failed_calls=0"));
  CHECK(h.run({"client", "unblock", std::to_string(waiter.session->id), "error"}) == ":1\r\n");
  CHECK(waiter.resumed().starts_with("-UNBLOCKED"));
  CHECK(stats().starts_with("calls=1,"));
  CHECK(stats().ends_with("failed_calls=1"));
  CHECK(waiter.run("ping") == "+PONG\r\n");
  CHECK(value(h, "cmdstat_ping").ends_with("failed_calls=0"));

  waiter.run("blpop list 0");
  CHECK(h.run({"client", "unblock", std::to_string(waiter.session->id)}) == ":1\r\n");
  CHECK(waiter.resumed() == "*-1\r\n");
  CHECK(stats().ends_with("failed_calls=2"));

  waiter.run("blpop list 0");
  h.run("rpush list a");
  CHECK(waiter.resumed() == "*2\r\n$4\r\nlist\r\n$1\r\na\r\n");
  CHECK(stats().starts_with("calls=3,"));
  CHECK(stats().ends_with("failed_calls=2"));
}

}  // namespace
}  // namespace respcask::server::testing

#include "server/config/table.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "resp/split_args.h"

namespace respcask::server {
namespace {

using Words = std::vector<std::string>;

// The parameters of Redis 7.0.15 with their defaults, as its CONFIG GET * shows them; left out are
// those with another default here, which have a test of their own.
constexpr struct {
  std::string_view name;
  std::string_view value;
} kRedisDefaults[] = {
    {"acl-pubsub-default", "resetchannels"},
    {"aclfile", ""},
    {"acllog-max-len", "128"},
    {"active-defrag-cycle-max", "25"},
    {"active-defrag-cycle-min", "1"},
    {"active-defrag-ignore-bytes", "104857600"},
    {"active-defrag-max-scan-fields", "1000"},
    {"active-defrag-threshold-lower", "10"},
    {"active-defrag-threshold-upper", "100"},
    {"active-expire-effort", "1"},
    {"activedefrag", "no"},
    {"activerehashing", "yes"},
    {"always-show-logo", "no"},
    {"aof-disable-auto-gc", "no"},
    {"aof-load-truncated", "yes"},
    {"aof-rewrite-incremental-fsync", "yes"},
    {"aof-timestamp-enabled", "no"},
    {"aof-use-rdb-preamble", "yes"},
    {"aof_rewrite_cpulist", ""},
    {"appenddirname", "appendonlydir"},
    {"appendfilename", "appendonly.aof"},
    {"appendfsync", "everysec"},
    {"auto-aof-rewrite-min-size", "67108864"},
    {"auto-aof-rewrite-percentage", "100"},
    {"bgsave_cpulist", ""},
    {"bind-source-addr", ""},
    {"bio_cpulist", ""},
    {"busy-reply-threshold", "5000"},
    {"client-output-buffer-limit",
     "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60"},
    {"client-query-buffer-limit", "1073741824"},
    {"cluster-allow-pubsubshard-when-down", "yes"},
    {"cluster-allow-reads-when-down", "no"},
    {"cluster-allow-replica-migration", "yes"},
    {"cluster-announce-bus-port", "0"},
    {"cluster-announce-hostname", ""},
    {"cluster-announce-ip", ""},
    {"cluster-announce-port", "0"},
    {"cluster-announce-tls-port", "0"},
    {"cluster-config-file", "nodes.conf"},
    {"cluster-enabled", "no"},
    {"cluster-link-sendbuf-limit", "0"},
    {"cluster-migration-barrier", "1"},
    {"cluster-node-timeout", "15000"},
    {"cluster-port", "0"},
    {"cluster-preferred-endpoint-type", "ip"},
    {"cluster-replica-no-failover", "no"},
    {"cluster-replica-validity-factor", "10"},
    {"cluster-require-full-coverage", "yes"},
    {"cluster-slave-no-failover", "no"},
    {"cluster-slave-validity-factor", "10"},
    {"crash-log-enabled", "yes"},
    {"crash-memcheck-enabled", "yes"},
    {"daemonize", "no"},
    {"databases", "16"},
    {"dbfilename", "dump.rdb"},
    {"disable-thp", "yes"},
    {"dynamic-hz", "yes"},
    {"enable-debug-command", "no"},
    {"enable-module-command", "no"},
    {"enable-protected-configs", "no"},
    {"hash-max-listpack-entries", "512"},
    {"hash-max-listpack-value", "64"},
    {"hash-max-ziplist-entries", "512"},
    {"hash-max-ziplist-value", "64"},
    {"hll-sparse-max-bytes", "3000"},
    {"hz", "10"},
    {"ignore-warnings", ""},
    {"io-threads-do-reads", "no"},
    {"jemalloc-bg-thread", "yes"},
    {"latency-monitor-threshold", "0"},
    {"latency-tracking", "yes"},
    {"latency-tracking-info-percentiles", "50 99 99.9"},
    {"lazyfree-lazy-eviction", "no"},
    {"lazyfree-lazy-expire", "no"},
    {"lazyfree-lazy-server-del", "no"},
    {"lazyfree-lazy-user-del", "no"},
    {"lazyfree-lazy-user-flush", "no"},
    {"lfu-decay-time", "1"},
    {"lfu-log-factor", "10"},
    {"list-compress-depth", "0"},
    {"list-max-listpack-size", "-2"},
    {"list-max-ziplist-size", "-2"},
    {"logfile", ""},
    {"loglevel", "notice"},
    {"lua-time-limit", "5000"},
    {"masterauth", ""},
    {"masteruser", ""},
    {"maxclients", "10000"},
    {"maxmemory", "0"},
    {"maxmemory-clients", "0"},
    {"maxmemory-eviction-tenacity", "10"},
    {"maxmemory-policy", "noeviction"},
    {"maxmemory-samples", "5"},
    {"min-replicas-max-lag", "10"},
    {"min-replicas-to-write", "0"},
    {"min-slaves-max-lag", "10"},
    {"min-slaves-to-write", "0"},
    {"no-appendfsync-on-rewrite", "no"},
    {"notify-keyspace-events", ""},
    {"oom-score-adj", "no"},
    {"oom-score-adj-values", "0 200 800"},
    {"pidfile", ""},
    {"proc-title-template", "{title} {listen-addr} {server-mode}"},
    {"propagation-error-behavior", "ignore"},
    {"protected-mode", "yes"},
    {"proto-max-bulk-len", "536870912"},
    {"rdb-del-sync-files", "no"},
    {"rdb-save-incremental-fsync", "yes"},
    {"rdbchecksum", "yes"},
    {"rdbcompression", "yes"},
    {"repl-backlog-size", "1048576"},
    {"repl-backlog-ttl", "3600"},
    {"repl-disable-tcp-nodelay", "no"},
    {"repl-diskless-load", "disabled"},
    {"repl-diskless-sync", "yes"},
    {"repl-diskless-sync-delay", "5"},
    {"repl-diskless-sync-max-replicas", "0"},
    {"repl-ping-replica-period", "10"},
    {"repl-ping-slave-period", "10"},
    {"repl-timeout", "60"},
    {"replica-announce-ip", ""},
    {"replica-announce-port", "0"},
    {"replica-announced", "yes"},
    {"replica-ignore-disk-write-errors", "no"},
    {"replica-ignore-maxmemory", "yes"},
    {"replica-lazy-flush", "no"},
    {"replica-priority", "100"},
    {"replica-read-only", "yes"},
    {"replica-serve-stale-data", "yes"},
    {"replicaof", ""},
    {"requirepass", ""},
    {"sanitize-dump-payload", "no"},
    {"save", "3600 1 300 100 60 10000"},
    {"server_cpulist", ""},
    {"set-max-intset-entries", "512"},
    {"set-proc-title", "yes"},
    {"shutdown-timeout", "10"},
    {"slave-announce-ip", ""},
    {"slave-announce-port", "0"},
    {"slave-ignore-maxmemory", "yes"},
    {"slave-lazy-flush", "no"},
    {"slave-priority", "100"},
    {"slave-read-only", "yes"},
    {"slave-serve-stale-data", "yes"},
    {"slaveof", ""},
    {"slowlog-log-slower-than", "10000"},
    {"slowlog-max-len", "128"},
    {"socket-mark-id", "0"},
    {"stop-writes-on-bgsave-error", "yes"},
    {"stream-node-max-bytes", "4096"},
    {"stream-node-max-entries", "100"},
    {"supervised", "no"},
    {"syslog-enabled", "no"},
    {"syslog-facility", "local0"},
    {"tcp-backlog", "511"},
    {"tcp-keepalive", "300"},
    {"timeout", "0"},
    {"tls-auth-clients", "yes"},
    {"tls-ca-cert-dir", ""},
    {"tls-ca-cert-file", ""},
    {"tls-cert-file", ""},
    {"tls-ciphers", ""},
    {"tls-ciphersuites", ""},
    {"tls-client-cert-file", ""},
    {"tls-client-key-file", ""},
    {"tls-client-key-file-pass", ""},
    {"tls-cluster", "no"},
    {"tls-dh-params-file", ""},
    {"tls-key-file", ""},
    {"tls-key-file-pass", ""},
    {"tls-port", "0"},
    {"tls-prefer-server-ciphers", "no"},
    {"tls-protocols", ""},
    {"tls-replication", "no"},
    {"tls-session-cache-size", "20480"},
    {"tls-session-cache-timeout", "300"},
    {"tls-session-caching", "yes"},
    {"tracking-table-max-keys", "1000000"},
    {"unixsocket", ""},
    {"unixsocketperm", "0"},
    {"zset-max-listpack-entries", "128"},
    {"zset-max-listpack-value", "64"},
    {"zset-max-ziplist-entries", "128"},
    {"zset-max-ziplist-value", "64"},
};

std::string value_after(std::string_view name, const Words& words) {
  Config config;
  const RowId id = *find_row(name);
  const std::string wrong = parse_value(id, words, config);
  return wrong.empty() ? render_value(id, config) : "wrong: " + wrong;
}

TEST_CASE("every parameter of Redis is known and has its default") {
  const Config config;
  for (const auto& known : kRedisDefaults) {
    CAPTURE(known.name);
    const auto id = find_row(known.name);
    REQUIRE(id);
    CHECK(render_value(*id, config) == known.value);
  }
}

TEST_CASE("defaults that differ from Redis's") {
  const Config config;
  const auto get = [&](std::string_view name) { return render_value(*find_row(name), config); };
  CHECK(get("port") == "6379");
  CHECK(get("bind") == "* -::*");
  CHECK(get("appendonly") == "yes");
  CHECK(get("dir") == std::filesystem::current_path().string());
  CHECK(get("syslog-ident") == "respcask");
  CHECK(get("io-threads") ==
        std::to_string(std::clamp(std::thread::hardware_concurrency(), 2u, 129u) - 1));
  CHECK(get("shards") == "8");
  CHECK(get("segment-size") == "268435456");
  CHECK(config.segment_bytes == 268435456);
  CHECK(config.appendfsync == AppendFsync::kEverysec);
  CHECK(config.protected_mode);
}

TEST_CASE("what CONFIG GET and a file's line show of every row reads back as the same value") {
  const Config defaults;
  for (RowId id = 0; id < row_count(); ++id) {
    const Row& row = row_at(id);
    if (row.is_statement()) continue;
    CAPTURE(row.name);
    const std::string shown = render_value(id, defaults);
    CHECK(shown == default_value(id));
    Config config;
    const Words words = row.takes_many() ? split_on_spaces(shown) : Words{shown};
    CHECK(parse_value(id, words, config) == "");
    CHECK(render_value(id, config) == shown);

    const auto filed = resp::split_args(render_words(id, defaults));
    REQUIRE(filed);
    CHECK(parse_value(id, *filed, config) == "");
    CHECK(render_value(id, config) == shown);
  }
}

TEST_CASE("every row is well formed") {
  for (RowId id = 0; id < row_count(); ++id) {
    const Row& row = row_at(id);
    CAPTURE(row.name);
    CHECK(!row.help.empty());
    CHECK(find_row(row.name) == id);
    if (!row.also.empty()) CHECK(find_row(row.also) == id);
    CHECK(row.words.empty() == (row.kind != Kind::kEnum && row.kind != Kind::kWordSet));
  }
  CHECK(std::ranges::is_sorted(parameter_names(), {}, &RowName::name));
}

TEST_CASE("names are found in any case, and only whole") {
  CHECK(find_row("HZ") == find_row("hz"));
  CHECK(find_row("slave-priority") == find_row("replica-priority"));
  CHECK(!find_row("h"));
  CHECK(!find_row(""));
}

TEST_CASE("integers are strict and bounded") {
  CHECK(value_after("timeout", {"7"}) == "7");
  const std::string no_integer = "wrong: argument couldn't be parsed into an integer";
  for (const char* word :
       {"", " 7", "+7", "07", "7 ", "0x7", "1.5", "99999999999999999999", "1kb"}) {
    CHECK(value_after("timeout", {word}) == no_integer);
  }
  CHECK(value_after("timeout", {"-1"}) ==
        "wrong: argument must be between 0 and 2147483647 inclusive");
  CHECK(value_after("port", {"65536"}) == "wrong: argument must be between 0 and 65535 inclusive");
  CHECK(value_after("maxclients", {"4294967295"}) == "4294967295");
  CHECK(value_after("maxclients", {"4294967296"}) ==
        "wrong: argument must be between 1 and 4294967295 inclusive");
  CHECK(value_after("slowlog-log-slower-than", {"-1"}) == "-1");
  CHECK(value_after("slowlog-log-slower-than", {"9223372036854775807"}) == "9223372036854775807");
  CHECK(value_after("list-max-listpack-size", {"-5"}) == "-5");
  CHECK(value_after("timeout", {"1", "2"}) == "wrong: wrong number of arguments");
  CHECK(value_after("timeout", {}) == "wrong: wrong number of arguments");
  CHECK(value_after("hz", {"0"}) == "1");
  CHECK(value_after("hz", {"100000"}) == "500");
}

TEST_CASE("memory values take units in any case") {
  const auto set = [](const char* word) { return value_after("maxmemory", {word}); };
  CHECK(set("10") == "10");
  CHECK(set("10b") == "10");
  CHECK(set("1k") == "1000");
  CHECK(set("1kb") == "1024");
  CHECK(set("1KB") == "1024");
  CHECK(set("2m") == "2000000");
  CHECK(set("2Mb") == "2097152");
  CHECK(set("3g") == "3000000000");
  CHECK(set("3gB") == "3221225472");
  CHECK(set("") == "0");
  CHECK(set("99999999999999999999") == "18446744073709551615");
  for (const char* word :
       {"-1", "kb", "1kbb", "1.5gb", " 1", "1 kb", "1tb", "50%", "18446744073709551615gb"}) {
    CHECK(set(word) == "wrong: argument must be a memory value");
  }
  CHECK(value_after("proto-max-bulk-len", {"1kb"}) ==
        "wrong: argument must be between 1048576 and 9223372036854775807 inclusive");
  CHECK(value_after("repl-backlog-size", {"1kb"}) == "1024");
  CHECK(value_after("segment-size", {"64mb"}) == "67108864");
}

TEST_CASE("a value ends at a NUL, but for numbers without a unit and passwords") {
  const auto set = [](std::string_view name, std::string text) {
    std::ranges::replace(text, '@', '\0');
    return value_after(name, {text});
  };
  CHECK(set("auto-aof-rewrite-min-size", "@") == "0");
  CHECK(set("auto-aof-rewrite-min-size", "1kb@x") == "1024");
  CHECK(set("maxmemory-clients", "1@%") == "1");
  CHECK(set("maxmemory-clients", "1%@").starts_with("wrong: "));
  CHECK(set("masteruser", "a@b") == "a");
  CHECK(set("tls-key-file-pass", "a@b") == "a");
  CHECK(set("cluster-announce-hostname", "a@_") == "a");
  CHECK(set("proc-title-template", "@b").starts_with("wrong: template format is invalid"));
  CHECK(set("maxmemory-policy", "noeviction@x") == "noeviction");
  CHECK(set("appendonly", "no@") == "yes");
  CHECK(set("notify-keyspace-events", "K@x") == set("notify-keyspace-events", "K"));
  CHECK(value_after("save", {std::string("5\0x", 3), "1"}) == "5 1");
  CHECK(value_after("bind", {std::string("::1\0x", 5)}) == "::1");
  CHECK(set("bind", "@") == std::string(1, '\0'));  // an address that cannot be had, not none
  CHECK(set("hz", "10@").starts_with("wrong: "));
  CHECK(set("latency-tracking-info-percentiles", "50@").starts_with("wrong: "));
  CHECK(set("requirepass", "a@b") == std::string("a\0b", 3));
  CHECK(set("masterauth", "a@b") == std::string("a\0b", 3));
}

TEST_CASE("maxmemory-clients is bytes or percent") {
  CHECK(value_after("maxmemory-clients", {"50%"}) == "50%");
  CHECK(value_after("maxmemory-clients", {"1mb"}) == "1048576");
  CHECK(value_after("maxmemory-clients", {"101%"}) ==
        "wrong: percentage argument must be less or equal to 100");
  for (const char* word : {"%", "5%%", "-10", "-1%", "abc"}) {
    CHECK(value_after("maxmemory-clients", {word}) ==
          "wrong: argument must be a memory or percent value");
  }
  Config config;
  CHECK(parse_value(*find_row("maxmemory-clients"), Words{"25%"}, config) == "");
  CHECK(config.maxmemory_clients == MemoryOrPercent{0, 25});
}

TEST_CASE("maxmemory-clients beyond 63 bits is percent from above") {
  const auto set = [](const char* word) { return value_after("maxmemory-clients", {word}); };
  CHECK(set("9223372036854775807") == "9223372036854775807");
  CHECK(set("18446744073709551615") == "1%");
  CHECK(set("99999999999999999999") == "1%");
  CHECK(set("18446744073709551516") == "100%");
  for (const char* word : {"18446744073709551515", "9223372036854775808", "17179869183gb"}) {
    CHECK(set(word) == "wrong: percentage argument must be less or equal to 100");
  }
}

TEST_CASE("booleans and enumerations") {
  CHECK(value_after("latency-tracking", {"NO"}) == "no");
  CHECK(value_after("latency-tracking", {"1"}) == "wrong: argument must be 'yes' or 'no'");
  CHECK(value_after("maxmemory-policy", {"Allkeys-LRU"}) == "allkeys-lru");
  CHECK(value_after("appendfsync", {"sometimes"}) ==
        "wrong: argument(s) must be one of the following: everysec, always, no");
  Config config;
  CHECK(parse_value(*find_row("appendfsync"), Words{"always"}, config) == "");
  CHECK(config.appendfsync == AppendFsync::kAlways);
  CHECK(parse_value(*find_row("maxmemory-policy"), Words{"volatile-ttl"}, config) == "");
  CHECK(config.maxmemory_policy == MaxmemoryPolicy::kVolatileTtl);
  CHECK(parse_value(*find_row("oom-score-adj"), Words{"absolute"}, config) == "");
  CHECK(config.oom_score_adj == OomScoreAdj::kAbsolute);
  CHECK(value_after("oom-score-adj", {"relative"}) == "yes");
}

TEST_CASE("words of a shutdown") {
  CHECK(value_after("shutdown-on-sigint", {"force", "now", "save"}) == "save now force");
  CHECK(value_after("shutdown-on-sigint", {"default", "now"}) == "now");
  CHECK(value_after("shutdown-on-sigint", {"save", "nosave"}) ==
        "wrong: shutdown options SAVE and NOSAVE can't be used simultaneously");
  CHECK(value_after("shutdown-on-sigint", {}) ==
        "wrong: argument(s) must be one of the following: default, save, nosave, now, force");
}

TEST_CASE("unixsocketperm is octal") {
  CHECK(value_after("unixsocketperm", {"700"}) == "700");
  CHECK(value_after("unixsocketperm", {"1000"}) ==
        "wrong: argument must be between 0 and 777 inclusive");
  CHECK(value_after("unixsocketperm", {"8"}) ==
        "wrong: argument couldn't be parsed as an octal number");
  Config config;
  CHECK(parse_value(*find_row("unixsocketperm"), Words{"755"}, config) == "");
  CHECK(config.unixsocketperm == 0755);
}

TEST_CASE("client-output-buffer-limit changes the classes it names") {
  const auto set = [](const Words& words) {
    return value_after("client-output-buffer-limit", words);
  };
  CHECK(set({"normal", "1mb", "2", "1", "pubsub", "1", "1", "1", "Replica", "2", "2", "2"}) ==
        "normal 1048576 2 1 slave 2 2 2 pubsub 1 1 1");
  CHECK(set({"pubsub", "0", "0", "0"}) == "normal 0 0 0 slave 268435456 67108864 60 pubsub 0 0 0");
  CHECK(set({"normal", "1", "2"}) ==
        "wrong: Wrong number of arguments in buffer limit configuration.");
  CHECK(set({"master", "1", "2", "3"}) ==
        "wrong: Invalid client class specified in buffer limit configuration.");
  CHECK(set({"normal", "1", "2", "-3"}) ==
        "wrong: Error in hard, soft or soft_seconds setting in buffer limit configuration.");
  Config config;
  CHECK(config.output_limit(ClientClass::kPubsub) == OutputLimit{32 << 20, 8 << 20, 60});
}

TEST_CASE("numbers that Redis reads with strtoll may have white space, a sign, zeros or nothing") {
  const auto limits = [](const char* seconds) {
    return value_after("client-output-buffer-limit", {"normal", "1kb", "0", seconds});
  };
  const auto normal = [](const std::string& seconds) {
    return "normal 1024 0 " + seconds + " slave 268435456 67108864 60 pubsub 33554432 8388608 60";
  };
  for (const char* five : {"5", "+5", " 5", "\t005", "4294967301"}) {
    CAPTURE(five);
    CHECK(limits(five) == normal("5"));
  }
  CHECK(limits("") == normal("0"));
  CHECK(limits("2147483647") == normal("2147483647"));
  // Cut to 32 bits they are less than 0.
  for (const char* bad : {"2147483648", "4294967295", "99999999999999999999", "-1", "5x", "x"}) {
    CAPTURE(bad);
    CHECK(limits(bad) ==
          "wrong: Error in hard, soft or soft_seconds setting in buffer limit configuration.");
  }
  CHECK(value_after("unixsocketperm", {"+5"}) == "5");
  CHECK(value_after("unixsocketperm", {" 07"}) == "7");
  CHECK(value_after("unixsocketperm", {""}) == "0");
  CHECK(value_after("unixsocketperm", {"-1"}) ==
        "wrong: argument must be between 0 and 777 inclusive");
  CHECK(value_after("unixsocketperm", {"7777777777777777777777777"}) ==
        "wrong: argument couldn't be parsed as an octal number");
  CHECK(value_after("save", {"+5", "", " 9", "01"}) == "5 0 9 1");
  CHECK(value_after("save", {"", "1"}) == "wrong: Invalid save parameters");
  CHECK(value_after("save", {"1x", "1"}) == "wrong: Invalid save parameters");
  CHECK(value_after("oom-score-adj-values", {"+5", "", " -01"}) == "5 0 -1");
}

TEST_CASE("notify-keyspace-events") {
  const auto set = [](const char* word) { return value_after("notify-keyspace-events", {word}); };
  CHECK(set("KEA") == "AKE");
  CHECK(set("Kxe") == "xeK");
  CHECK(set("Et") == "tE");
  CHECK(set("KEn") == "nKE");
  CHECK(set("lshzxetdm") == "lshzxetdm");
  CHECK(set("KEg$lshzxetd") == "AKE");
  CHECK(set("KEAmn") == "AKEm");
  CHECK(set("") == "");
  CHECK(set("K E") == "wrong: Invalid event class character. Use 'Ag$lshzxeKEtmdn'.");
  Config config;
  CHECK(parse_value(*find_row("notify-keyspace-events"), Words{"Kx"}, config) == "");
  CHECK(config.notify_keyspace_events == (kNotifyKeyspace | kNotifyExpired));
}

TEST_CASE("percentiles, save points, oom values, bind") {
  CHECK(value_after("latency-tracking-info-percentiles",
                    {"99", "0.001", "50.5", "100", "99.99999", "1e1"}) ==
        "99 0.001 50.5 100 99.99999 10");
  // Redis keeps six digits behind the point.
  CHECK(value_after("latency-tracking-info-percentiles",
                    {"33.333333333", "99.99999999", "0.0000001", "0"}) == "33.333333 100 0 0");
  CHECK(value_after("latency-tracking-info-percentiles", {""}) == "");
  CHECK(value_after("latency-tracking-info-percentiles", {"abc"}) ==
        "wrong: Invalid latency-tracking-info-percentiles parameters");
  CHECK(value_after("latency-tracking-info-percentiles", {"1", "-2"}) ==
        "wrong: latency-tracking-info-percentiles parameters should sit between [0.0,100.0]");

  CHECK(value_after("save", {"900", "1", "300", "10"}) == "900 1 300 10");
  CHECK(value_after("save", {""}) == "");
  for (const Words& words : {Words{"abc"}, {"900", "1", "300"}, {"0", "10"}, {"900", "-1"}}) {
    CHECK(value_after("save", words) == "wrong: Invalid save parameters");
  }

  CHECK(value_after("oom-score-adj-values", {"100", "50", "-3"}) == "100 50 -3");
  CHECK(value_after("oom-score-adj-values", {"1", "2"}) == "wrong: wrong number of arguments");
  CHECK(value_after("oom-score-adj-values", {"1", "2", "2001"}) ==
        "wrong: Invalid oom-score-adj-values, elements must be between -2000 and 2000.");

  CHECK(value_after("bind", {"10.0.0.1", "-::1"}) == "10.0.0.1 -::1");
  CHECK(value_after("bind", {""}) == "");
  CHECK(value_after("bind", Words(17, "::1")) == "wrong: Too many bind addresses specified.");
}

TEST_CASE("merge-window is two hours and may wrap") {
  CHECK(value_after("merge-window", {"22-5"}) == "22-5");
  for (const char* word : {"", "3", "0-24", "a-b", "-1-3", "1-"}) {
    CHECK(value_after("merge-window", {word}) == "wrong: argument must be two hours such as 0-23");
  }
  const HourWindow night{22, 5};
  CHECK(night.contains(23));
  CHECK(night.contains(5));
  CHECK(!night.contains(6));
  CHECK(!night.contains(21));
  const HourWindow day{9, 17};
  CHECK(day.contains(9));
  CHECK(!day.contains(18));
}

TEST_CASE("strings that have rules") {
  const std::string bad_template =
      "wrong: template format is invalid or contains unknown variables";
  CHECK(value_after("proc-title-template", {"{title} on {port}"}) == "{title} on {port}");
  for (const char* word :
       {"", "  ", "{title} {server-mode}", "{nosuch}", "{title", "{title} {x}"}) {
    CHECK(value_after("proc-title-template", {word}) == bad_template);
  }
  CHECK(value_after("dbfilename", {"a/b"}) == "wrong: dbfilename can't be a path, just a filename");
  CHECK(value_after("cluster-announce-hostname", {"a@b"}) ==
        "wrong: Hostnames may only contain alphanumeric characters, hyphens or dots");
  CHECK(value_after("dir", {"/tmp/x/../y/"}) == "/tmp/y");
  CHECK(value_after("dir", {"/"}) == "/");
  CHECK(value_after("dir", {"sub"}) == (std::filesystem::current_path() / "sub").string());
}

TEST_CASE("what would be dangerous to ignore is refused") {
  CHECK(value_after("replicaof", {"10.0.0.1", "6379"}).starts_with("wrong: replication is not"));
  CHECK(value_after("cluster-enabled", {"yes"}) == "wrong: cluster mode is not supported");
  CHECK(value_after("cluster-enabled", {"no"}) == "no");
  CHECK(value_after("tls-port", {"6380"}).starts_with("wrong: TLS is not supported"));
  CHECK(value_after("activedefrag", {"yes"}).starts_with("wrong: Active defragmentation cannot"));
  // The log cannot be switched off, so this is no danger.
  CHECK(value_after("appendonly", {"no"}) == "yes");
}

TEST_CASE("words are quoted where a file needs it") {
  Config config;
  const RowId id = *find_row("requirepass");
  for (const std::string& password :
       {std::string("plain"), std::string(), std::string("a b"), std::string("a\"b\\c'd"),
        std::string("\n\r\t\0\x7f\xff", 6), std::string("#no")}) {
    CHECK(parse_value(id, Words{password}, config) == "");
    const auto words = resp::split_args(render_words(id, config));
    REQUIRE(words);
    REQUIRE(words->size() == 1);
    CHECK((*words)[0] == password);
  }
  config.requirepass = "plain";
  CHECK(render_words(id, config) == "plain");
}

}  // namespace
}  // namespace respcask::server

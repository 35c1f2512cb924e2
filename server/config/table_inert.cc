// The rows of Redis's parameters that have no meaning here. They are accepted, so that its
// configuration files start this server, and kept, so that CONFIG GET answers with them. What would
// be dangerous to accept in silence is refused with one sentence.
#include <strings.h>

#include "server/config/rows.h"
#include "server/config/table.h"
#include "server/letter_case.h"

namespace respcask::server {
namespace {

constexpr std::string_view kTlsAuthWords[] = {"no", "yes", "optional"};
constexpr std::string_view kEndpointWords[] = {"ip", "hostname", "unknown-endpoint"};
constexpr std::string_view kDisklessWords[] = {"disabled", "on-empty-db", "swapdb"};
constexpr std::string_view kModuleWords[] = {"no", "yes", "local"};
constexpr std::string_view kPropagationWords[] = {"ignore", "panic", "panic-on-replicas"};

std::string_view always_on(Value& value) {
  value = int64_t{1};
  return {};
}

std::string_view refuse_replication(Value& value) {
  auto& words = std::get<std::vector<std::string>>(value);
  if (words.size() == 2 && equal_ignoring_case(words[0], "no") &&
      equal_ignoring_case(words[1], "one")) {
    words.clear();
  }
  return words.empty() || words == std::vector<std::string>{""}
             ? ""
             : "replication is not supported, this server cannot be a replica";
}

std::string_view refuse_cluster(Value& value) {
  return std::get<int64_t>(value) == 0 ? "" : "cluster mode is not supported";
}

std::string_view refuse_tls(Value& value) {
  return std::get<int64_t>(value) == 0 ? "" : "TLS is not supported, put a TLS proxy in front";
}

std::string_view refuse_defrag(Value& value) {
  return std::get<int64_t>(value) == 0
             ? ""
             : "Active defragmentation cannot be enabled: it requires a Redis server compiled with "
               "a modified Jemalloc like the one shipped by default with the Redis source "
               "distribution";
}

bool is_path(const Value& value) {
  return std::get<std::string>(value).find('/') != std::string::npos;
}

std::string_view check_dbfilename(Value& value) {
  return is_path(value) ? "dbfilename can't be a path, just a filename" : "";
}

std::string_view check_appendfilename(Value& value) {
  if (std::get<std::string>(value).empty()) return "appendfilename can't be empty";
  return is_path(value) ? "appendfilename can't be a path, just a filename" : "";
}

std::string_view check_appenddirname(Value& value) {
  if (std::get<std::string>(value).empty()) return "appenddirname can't be empty";
  return is_path(value) ? "appenddirname can't be a path, just a dirname" : "";
}

std::string_view check_hostname(Value& value) {
  const std::string& name = std::get<std::string>(value);
  constexpr std::size_t kMaxHostname = 255;
  if (name.size() > kMaxHostname) return "Hostnames must be less than 256 characters";
  constexpr std::string_view kLegal =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
  return name.find_first_not_of(kLegal) == std::string::npos
             ? ""
             : "Hostnames may only contain alphanumeric characters, hyphens or dots";
}

constexpr Row kRows[] = {
    // The append-only file and snapshots: the data is the log, and always on.
    boolean("appendonly", kInert, "yes", "always yes: every write goes to the log")
        .checked(always_on),
    string("appendfilename", kInert, "appendonly.aof", "name of the append-only file")
        .fixed()
        .checked(check_appendfilename),
    string("appenddirname", kInert, "appendonlydir", "directory of the append-only files")
        .fixed()
        .checked(check_appenddirname),
    boolean("no-appendfsync-on-rewrite", kInert, "no", "no sync during a rewrite"),
    integer("auto-aof-rewrite-percentage", kInert, "100", 0, kIntMax, "growth before a rewrite"),
    boolean("aof-load-truncated", kInert, "yes", "a torn tail is always cut off"),
    boolean("aof-use-rdb-preamble", kInert, "yes", "form of the append-only file"),
    boolean("aof-timestamp-enabled", kInert, "no", "times in the append-only file"),
    boolean("aof-rewrite-incremental-fsync", kInert, "yes", "syncing during a rewrite"),
    boolean("aof-disable-auto-gc", kInert, "no", "removal of old append-only files"),
    special("save", Kind::kSavePoints, kInert, "3600 1 300 100 60 10000",
            "seconds changes: every write is in the log; BGSAVE makes a backup"),
    string("dbfilename", kInert, "dump.rdb", "name of the snapshot")
        .guarded()
        .checked(check_dbfilename),
    boolean("rdbchecksum", kInert, "yes", "checksum of the snapshot").fixed(),
    boolean("rdb-del-sync-files", kInert, "no", "removal of a replica's snapshots"),
    integer("rdb-key-save-delay", kInert, "0", kIntMin, kIntMax, "slower snapshots").hidden(),
    integer("key-load-delay", kInert, "0", kIntMin, kIntMax, "slower loading").hidden(),
    integer("loading-process-events-interval-bytes", kInert, "2097152", 1024, kIntMax,
            "how often clients are looked after while loading")
        .hidden(),
    boolean("use-exit-on-panic", kInert, "no", "how a panic ends").hidden(),
    integer("watchdog-period", kInert, "0", 0, kIntMax,
            "milliseconds after which a stall is logged")
        .hidden(),
    boolean("lua-enable-deprecated-api", kInert, "no", "what old scripts need").fixed().hidden(),
    boolean("rdb-save-incremental-fsync", kInert, "yes", "syncing during a snapshot"),
    boolean("stop-writes-on-bgsave-error", kInert, "yes",
            "refusing writes after a failed snapshot"),
    integer("shutdown-timeout", kInert, "10", 0, kIntMax, "seconds a shutdown waits for replicas"),

    // Replication.
    word_list("replicaof", kInert, "", "refused unless empty: replication is not supported")
        .alias("slaveof")
        .fixed()
        .checked(refuse_replication),
    string("masteruser", kInert, "", "user for the master").secret(),
    string("masterauth", kInert, "", "password for the master").secret().with_nul(),
    boolean("replica-serve-stale-data", kInert, "yes", "replies of a cut-off replica")
        .alias("slave-serve-stale-data"),
    boolean("replica-read-only", kInert, "yes", "writes to a replica").alias("slave-read-only"),
    integer("replica-priority", kInert, "100", 0, kIntMax, "rank of a replica")
        .alias("slave-priority"),
    boolean("replica-ignore-maxmemory", kInert, "yes", "eviction by a replica")
        .alias("slave-ignore-maxmemory"),
    boolean("replica-lazy-flush", kInert, "no", "emptying of a replica").alias("slave-lazy-flush"),
    boolean("replica-ignore-disk-write-errors", kInert, "no", "disk errors of a replica"),
    boolean("replica-announced", kInert, "yes", "whether Sentinel lists a replica"),
    string("replica-announce-ip", kInert, "", "address of a replica").alias("slave-announce-ip"),
    integer("replica-announce-port", kInert, "0", 0, 65535, "port of a replica")
        .alias("slave-announce-port"),
    memory("repl-backlog-size", kInert, "1mb", 1, kInt64Max, "size of the replication backlog")
        .set_from(16 << 10),
    integer("repl-backlog-ttl", kInert, "3600", 0, kInt64Max, "life of the replication backlog"),
    boolean("repl-disable-tcp-nodelay", kInert, "no", "batching towards replicas"),
    boolean("repl-diskless-sync", kInert, "yes", "how a replica is filled"),
    integer("repl-diskless-sync-delay", kInert, "5", 0, kIntMax, "seconds to wait for replicas"),
    integer("repl-diskless-sync-max-replicas", kInert, "0", 0, kIntMax, "replicas to wait for"),
    choice("repl-diskless-load", kInert, kDisklessWords, "disabled", "how a replica loads"),
    integer("repl-ping-replica-period", kInert, "10", 1, kIntMax, "seconds between pings")
        .alias("repl-ping-slave-period"),
    integer("repl-timeout", kInert, "60", 1, kIntMax, "seconds until a replica is given up"),
    choice("propagation-error-behavior", kInert, kPropagationWords, "ignore",
           "reaction to an error in the replication stream"),

    // Cluster.
    boolean("cluster-enabled", kInert, "no", "refused if yes: there is no cluster mode")
        .fixed()
        .checked(refuse_cluster),
    string("cluster-config-file", kInert, "nodes.conf", "file of the cluster's nodes").fixed(),
    integer("cluster-port", kInert, "0", 0, 65535, "port of the cluster bus").fixed(),
    integer("cluster-node-timeout", kInert, "15000", 0, kInt64Max, "milliseconds until failure"),
    boolean("cluster-require-full-coverage", kInert, "yes", "whether all slots must be served"),
    boolean("cluster-allow-reads-when-down", kInert, "no", "reads while the cluster is down"),
    boolean("cluster-allow-pubsubshard-when-down", kInert, "yes", "messages while it is down"),
    boolean("cluster-allow-replica-migration", kInert, "yes", "replicas that change masters"),
    integer("cluster-migration-barrier", kInert, "1", 0, kIntMax, "replicas that stay"),
    boolean("cluster-replica-no-failover", kInert, "no", "whether a replica may take over")
        .alias("cluster-slave-no-failover"),
    integer("cluster-replica-validity-factor", kInert, "10", 0, kIntMax, "age of a usable replica")
        .alias("cluster-slave-validity-factor"),
    memory("cluster-link-sendbuf-limit", kInert, "0", 0, kUint64Max, "buffer of a cluster link"),
    string("cluster-announce-ip", kInert, "", "address of the node"),
    string("cluster-announce-hostname", kInert, "", "name of the node").checked(check_hostname),
    integer("cluster-announce-port", kInert, "0", 0, 65535, "port of the node"),
    integer("cluster-announce-tls-port", kInert, "0", 0, 65535, "TLS port of the node"),
    integer("cluster-announce-bus-port", kInert, "0", 0, 65535, "bus port of the node"),
    choice("cluster-preferred-endpoint-type", kInert, kEndpointWords, "ip", "form of addresses"),

    // TLS.
    integer("tls-port", kInert, "0", 0, 65535, "refused unless 0: there is no TLS")
        .checked(refuse_tls),
    boolean("tls-replication", kInert, "no", "TLS towards the master"),
    boolean("tls-cluster", kInert, "no", "TLS on the cluster bus"),
    choice("tls-auth-clients", kInert, kTlsAuthWords, "yes", "client certificates"),
    boolean("tls-prefer-server-ciphers", kInert, "no", "whose order of ciphers counts"),
    boolean("tls-session-caching", kInert, "yes", "resumption of TLS sessions"),
    integer("tls-session-cache-size", kInert, "20480", 0, kIntMax, "TLS sessions remembered"),
    integer("tls-session-cache-timeout", kInert, "300", 0, kIntMax, "seconds they are remembered"),
    string("tls-protocols", kInert, "", "versions of TLS"),
    string("tls-ciphers", kInert, "", "ciphers up to TLS 1.2"),
    string("tls-ciphersuites", kInert, "", "ciphers of TLS 1.3"),
    string("tls-cert-file", kInert, "", "certificate"),
    string("tls-key-file", kInert, "", "private key"),
    string("tls-key-file-pass", kInert, "", "password of the private key").secret(),
    string("tls-client-cert-file", kInert, "", "certificate as a client"),
    string("tls-client-key-file", kInert, "", "private key as a client"),
    string("tls-client-key-file-pass", kInert, "", "its password").secret(),
    string("tls-dh-params-file", kInert, "", "Diffie-Hellman parameters"),
    string("tls-ca-cert-file", kInert, "", "certificates of authorities"),
    string("tls-ca-cert-dir", kInert, "", "directory with certificates of authorities"),

    // The rest.
    statement("list-max-ziplist-entries", Kind::kForgotten, "form of lists in Redis 3.0"),
    statement("list-max-ziplist-value", Kind::kForgotten, "form of lists in Redis 3.0"),
    statement("lua-replicate-commands", Kind::kForgotten, "replication of scripts in Redis 6.2"),
    memory("stream-node-max-bytes", kInert, "4096", 0, kInt64Max,
           "most bytes in a node of a stream"),
    integer("stream-node-max-entries", kInert, "100", 0, kInt64Max,
            "most entries in a node of a stream"),
    statement("loadmodule", Kind::kLoadModule, "refused: modules are not supported"),
    choice("enable-module-command", kInert, kModuleWords, "no", "loading of modules by command")
        .fixed(),
    integer("busy-reply-threshold", kInert, "5000", 0, kInt64Max,
            "milliseconds until a running script is answered for with BUSY")
        .alias("lua-time-limit"),
    boolean("activedefrag", kInert, "no", "refused if yes: there is no defragmentation")
        .checked(refuse_defrag),
    memory("active-defrag-ignore-bytes", kInert, "100mb", 1, kInt64Max, "least waste to act on"),
    integer("active-defrag-threshold-lower", kInert, "10", 0, 1000, "share of waste to begin at"),
    integer("active-defrag-threshold-upper", kInert, "100", 0, 1000, "share of full effort"),
    integer("active-defrag-cycle-min", kInert, "1", 1, 99, "least effort"),
    integer("active-defrag-cycle-max", kInert, "25", 1, 99, "most effort"),
    integer("active-defrag-max-scan-fields", kInert, "1000", 1, kInt64Max, "fields in one go"),
    boolean("jemalloc-bg-thread", kInert, "yes", "purging in the background"),
    boolean("activerehashing", kInert, "yes", "rehashing in the background"),
    boolean("dynamic-hz", kInert, "yes", "background work by the number of clients"),
    boolean("io-threads-do-reads", kInert, "no", "every event loop reads and runs commands")
        .fixed(),
    boolean("crash-memcheck-enabled", kInert, "yes", "memory test after a crash"),
    string("bind-source-addr", kInert, "", "address of outgoing connections"),
    integer("socket-mark-id", kInert, "0", 0, kUint32Max, "mark on sockets").fixed(),
    string("server_cpulist", kInert, "", "cores of the event loops").fixed(),
    string("bio_cpulist", kInert, "", "cores of background work").fixed(),
    string("aof_rewrite_cpulist", kInert, "", "cores of rewrites").fixed(),
    string("bgsave_cpulist", kInert, "", "cores of snapshots").fixed(),
    string("ignore-warnings", kInert, "", "warnings that do not stop a start"),
};

}  // namespace

std::span<const Row> inert_rows() {
  return kRows;
}

}  // namespace respcask::server

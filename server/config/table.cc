// The rows with a meaning, and the look-ups over all rows.
#include "server/config/table.h"

#include <algorithm>
#include <cassert>
#include <cctype>
#include <filesystem>
#include <thread>
#include <unordered_map>

#include "server/config/rows.h"
#include "server/letter_case.h"

namespace respcask::server {
namespace {

// Words of the enumerations, in the order of their values.
constexpr std::string_view kAppendFsyncWords[] = {"everysec", "always", "no"};
constexpr std::string_view kLogLevelWords[] = {"debug", "verbose", "notice", "warning"};
constexpr std::string_view kPolicyWords[] = {"volatile-lru",   "volatile-lfu", "volatile-random",
                                             "volatile-ttl",   "allkeys-lru",  "allkeys-lfu",
                                             "allkeys-random", "noeviction"};
constexpr std::string_view kSupervisedWords[] = {"upstart", "systemd", "auto", "no"};
constexpr std::string_view kFacilityWords[] = {"user",   "local0", "local1", "local2", "local3",
                                               "local4", "local5", "local6", "local7"};
constexpr std::string_view kOomWords[] = {"no", "yes", "relative", "absolute"};
constexpr std::string_view kPubsubWords[] = {"allchannels", "resetchannels"};
constexpr std::string_view kPermissionWords[] = {"no", "yes", "local"};
constexpr std::string_view kShutdownWords[] = {"default", "save", "nosave", "now", "force"};
constexpr std::string_view kSanitizeWords[] = {"no", "yes", "clients"};

std::string_view keep_hz_in_range(Value& value) {
  int64_t& hz = std::get<int64_t>(value);
  hz = std::clamp<int64_t>(hz, 1, 500);
  return {};
}

// Of two words for one thing Redis tells the first.
std::string_view prefer_first_name(Value& value) {
  int64_t& adjust = std::get<int64_t>(value);
  if (adjust == static_cast<int64_t>(OomScoreAdj::kRelative)) {
    adjust = static_cast<int64_t>(OomScoreAdj::kYes);
  }
  return {};
}

std::string_view check_bind(Value& value) {
  constexpr std::size_t kMaxAddresses = 16;
  auto& words = std::get<std::vector<std::string>>(value);
  if (words.size() == 1 && words[0].empty()) words.clear();
  return words.size() > kMaxAddresses ? "Too many bind addresses specified." : "";
}

// The process may change its directory later.
std::string_view make_absolute(Value& value) {
  auto& path = std::get<std::string>(value);
  if (path.empty()) return "";
  std::error_code error;
  const auto absolute = std::filesystem::absolute(path, error);
  if (error) return "argument must be the path of a directory";
  path = absolute.lexically_normal().string();
  return "";
}

// Every {...} must be one that the process title knows, and something must be left when those that
// may be empty are.
std::string_view check_title_template(Value& value) {
  constexpr std::string_view kWrong = "template format is invalid or contains unknown variables";
  constexpr std::string_view kNeverEmpty[] = {"listen-addr", "port", "tls-port", "unixsocket",
                                              "config-file"};
  constexpr std::string_view kMaybeEmpty[] = {"title", "server-mode"};
  const std::string_view text = std::get<std::string>(value);
  bool has_content = false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '{') {
      has_content |= text[i] != ' ';
      continue;
    }
    const std::size_t close = text.find('}', i);
    if (close == text.npos) return kWrong;
    const std::string_view variable = text.substr(i + 1, close - i - 1);
    const auto is_variable = [&](std::string_view known) { return known == variable; };
    if (std::ranges::any_of(kNeverEmpty, is_variable)) {
      has_content = true;
    } else if (std::ranges::none_of(kMaybeEmpty, is_variable)) {
      return kWrong;
    }
    i = close;
  }
  return has_content ? "" : kWrong;
}

constexpr Row shutdown(std::string_view name, Member member, std::string_view help) {
  Row row = special(name, Kind::kWordSet, member, "default", help);
  row.words = kShutdownWords;
  return row;
}

constexpr Row kNetworkRows[] = {
    integer("port", &Config::port, "6379", 0, 65535, "TCP port; 0 for none"),
    word_list(
        "bind", &Config::bind, "* -::*",
        "addresses to listen on; one after '-' may be missing, * is all of IPv4, ::* all of IPv6")
        .checked(check_bind),
    string("unixsocket", &Config::unixsocket, "",
           "path of a Unix socket to listen on as well, relative to dir")
        .fixed(),
    octal("unixsocketperm", &Config::unixsocketperm, "0", 0777,
          "mode of the Unix socket, in octal; 0 leaves it to umask")
        .fixed(),
    boolean("protected-mode", &Config::protected_mode, "yes",
            "refuse other machines while there is no password, whatever bind says"),
    integer("tcp-backlog", &Config::tcp_backlog, "511", 0, kIntMax, "length of the accept queue")
        .fixed(),
    integer("tcp-keepalive", &Config::tcp_keepalive_s, "300", 0, kIntMax,
            "seconds of silence before a connection is probed; 0 for never"),
    integer("timeout", &Config::timeout_s, "0", 0, kIntMax,
            "close a client after so many idle seconds; 0 for never"),
    integer("maxclients", &Config::maxclients, "10000", 1, kUint32Max,
            "connections at the same time"),
    integer("io-threads", &Config::io_threads, kAllCoresButOne, 1, 128,
            "event loops, each a thread that runs commands")
        .fixed(),
};

constexpr Row kProcessRows[] = {
    boolean("daemonize", &Config::daemonize, "no", "run in the background").fixed(),
    choice("supervised", kEnumMember<&Config::supervised>, kSupervisedWords, "no",
           "tell the service manager when the server is ready")
        .fixed(),
    string("pidfile", &Config::pidfile, "", "file for the process id, relative to dir").fixed(),
    shutdown("shutdown-on-sigint", &Config::shutdown_on_sigint,
             "words of SHUTDOWN; save makes a backup first"),
    shutdown("shutdown-on-sigterm", &Config::shutdown_on_sigterm, "the same for SIGTERM"),
    choice("loglevel", kEnumMember<&Config::loglevel>, kLogLevelWords, "notice",
           "the least important lines that are still logged"),
    string("logfile", &Config::logfile, "",
           "file for the log, relative to dir; empty for standard output")
        .fixed(),
    boolean("syslog-enabled", &Config::syslog_enabled, "no", "log to syslog as well").fixed(),
    string("syslog-ident", &Config::syslog_ident, "respcask", "name in syslog").fixed(),
    choice("syslog-facility", kEnumMember<&Config::syslog_facility>, kFacilityWords, "local0",
           "facility in syslog")
        .fixed(),
    boolean("crash-log-enabled", &Config::crash_log_enabled, "yes",
            "log a backtrace when the server crashes"),
    boolean("always-show-logo", &Config::always_show_logo, "no",
            "show the banner even where the log is not a terminal")
        .fixed(),
    boolean("set-proc-title", &Config::set_proc_title, "yes", "name the process in ps and top")
        .fixed(),
    string("proc-title-template", &Config::proc_title_template,
           "{title} {listen-addr} {server-mode}", "that name")
        .checked(check_title_template),
    boolean("disable-thp", &Config::disable_thp, "yes",
            "keep transparent huge pages away from this process")
        .fixed(),
    choice("oom-score-adj", kEnumMember<&Config::oom_score_adj>, kOomWords, "no",
           "adjust how likely the kernel is to kill the server when memory runs out")
        .checked(prefer_first_name),
    special("oom-score-adj-values", Kind::kOomValues, &Config::oom_score_adj_values, "0 200 800",
            "that adjustment; only the first number counts"),
    integer("hz", &Config::hz, "10", 0, kIntMax, "rounds of background work a second, 1 to 500")
        .checked(keep_hz_in_range),
    integer("databases", &Config::databases, "16", 1, kIntMax, "number of databases").fixed(),
};

constexpr Row kStorageRows[] = {
    path("dir", &Config::dir, ".", "directory of the data").guarded().fixed(),
    choice("appendfsync", kEnumMember<&Config::appendfsync>, kAppendFsyncWords, "everysec",
           "when writes are synced to the disk: always before they are acknowledged, every second, "
           "or when the kernel likes (no)"),
    integer("shards", &Config::shards, "8", 1, 256, "parts of the data; read when it is created")
        .own_fixed(),
    memory("segment-size", &Config::segment_bytes, "256mb", 1 << 20, uint64_t{4} << 30,
           "size at which a data file is closed and a new one begun")
        .own_fixed(),
    integer("readers", &Config::readers, "8", 1, 256,
            "threads that read values which are not in memory")
        .own_fixed(),
    boolean("io-uring", &Config::io_uring, "yes",
            "have the kernel read them by io_uring, where it can, and send to many clients at once")
        .own_fixed(),
    integer("merge-trigger-garbage", &Config::merge_trigger_garbage_percent, "30", 1, 100,
            "share of dead bytes, in percent, at which merging begins"),
    integer("merge-stop-garbage", &Config::merge_stop_garbage_percent, "27", 0, 100,
            "share of dead bytes, in percent, at which merging ends"),
    memory("auto-aof-rewrite-min-size", &Config::auto_aof_rewrite_min_size, "64mb", 0, kInt64Max,
           "size of the data files below which nothing is merged unasked"),
    memory("merge-bytes-per-second", &Config::merge_bytes_per_second, "64mb", 0, kUint64Max,
           "how fast merging reads and writes while garbage is near its trigger; 0 for no limit"),
    special("merge-window", Kind::kHours, &Config::merge_window, "0-23",
            "hours of the day in which merging may begin, both included"),
    memory("scrub-bytes-per-second", &Config::scrub_bytes_per_second, "0", 0, kUint64Max,
           "how fast stored data is read again to find damage; 0 for never"),
    memory(
        "maxdisk", &Config::maxdisk, "0", 0, kUint64Max,
        "bound on the size of the data files, garbage with them; keys are evicted to keep it, by "
        "maxmemory-policy, and above it nothing that grows runs; 0 for none"),
    string("backup-dir", &Config::backup_dir, "",
           "directory of the backups, on the file system of dir; empty for backups in dir")
        .guarded()
        .checked(make_absolute)
        .own_fixed(),
    integer("backups-kept", &Config::backups_kept, "1", 0, kIntMax,
            "newest backups that are kept when one has been made; 0 for all"),
    memory("string-chunk-threshold", &Config::string_chunk_threshold, "64kb", 1 << 10, 1 << 30,
           "a longer string is stored in chunks, so that changing a part of it writes that part"),
    memory(
        "collection-split-bytes", &Config::collection_split_bytes, "2kb", 64, 1 << 20,
        "a larger sorted set is stored as one record an element; lists, hashes and sets are from "
        "2kb on"),
};

constexpr Row kMemoryRows[] = {
    memory("maxmemory", &Config::maxmemory, "0", 0, kUint64Max,
           "bound on the memory of index, clients and buffers; 0 for none"),
    choice("maxmemory-policy", kEnumMember<&Config::maxmemory_policy>, kPolicyWords, "noeviction",
           "which keys go when maxmemory or maxdisk is reached"),
    integer("maxmemory-samples", &Config::maxmemory_samples, "5", 1, kIntMax,
            "keys compared for each one evicted"),
    integer("maxmemory-eviction-tenacity", &Config::maxmemory_eviction_tenacity, "10", 0, 100,
            "how long one eviction may take"),
    special("maxmemory-clients", Kind::kMemoryOrPercent, &Config::maxmemory_clients, "0",
            "bound on the memory of all clients, in bytes or percent of maxmemory; 0 for none"),
    integer("lfu-log-factor", &Config::lfu_log_factor, "10", 0, kIntMax,
            "how slowly a key's access counter grows"),
    integer("lfu-decay-time", &Config::lfu_decay_time_min, "1", 0, kIntMax,
            "minutes after which it shrinks"),
    integer("active-expire-effort", &Config::active_expire_effort, "1", 1, 10,
            "share of the time that may go into removing expired keys: from 25 (1) to 43 % (10)"),
    boolean("lazyfree-lazy-eviction", &Config::lazyfree_lazy_eviction, "no",
            "free evicted values in the background"),
    boolean("lazyfree-lazy-expire", &Config::lazyfree_lazy_expire, "no",
            "free expired values in the background"),
    boolean("lazyfree-lazy-server-del", &Config::lazyfree_lazy_server_del, "no",
            "free overwritten values in the background"),
    boolean("lazyfree-lazy-user-del", &Config::lazyfree_lazy_user_del, "no",
            "DEL behaves as UNLINK"),
    boolean("lazyfree-lazy-user-flush", &Config::lazyfree_lazy_user_flush, "no",
            "FLUSHALL and FLUSHDB behave as with ASYNC"),
};

constexpr Row kLimitRows[] = {
    memory("proto-max-bulk-len", &Config::proto_max_bulk_len, "512mb", 1 << 20, kInt64Max,
           "longest single argument of a command"),
    memory("client-query-buffer-limit", &Config::client_query_buffer_limit, "1gb", 1 << 20,
           kInt64Max, "most that one client may have sent and not yet had executed"),
    special("client-output-buffer-limit", Kind::kOutputLimits, &Config::client_output_buffer_limit,
            "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
            "class, hard limit, soft limit, seconds: most that a client may leave unread"),
    integer("tracking-table-max-keys", &Config::tracking_table_max_keys, "1000000", 0, kInt64Max,
            "keys remembered for client-side caching; 0 for no limit"),
    integer("min-replicas-to-write", &Config::min_replicas_to_write, "0", 0, kIntMax,
            "refuse writes unless so many replicas are connected; there are none here")
        .alias("min-slaves-to-write"),
    integer("min-replicas-max-lag", &Config::min_replicas_max_lag_s, "10", 0, kIntMax,
            "seconds a replica may lag and still count; 0 turns that refusal off")
        .alias("min-slaves-max-lag"),
};

constexpr Row kSecurityRows[] = {
    string("requirepass", &Config::requirepass, "", "password of the default user")
        .secret()
        .with_nul(),
    statement("user", Kind::kUser, "NAME RULE ...: a user and its rights, as ACL SETUSER has them"),
    string("aclfile", &Config::aclfile, "", "file with the users, in place of user lines").fixed(),
    integer("acllog-max-len", &Config::acllog_max_len, "128", 0, kInt64Max, "entries of ACL LOG"),
    choice("acl-pubsub-default", kEnumMember<&Config::acl_pubsub_default>, kPubsubWords,
           "resetchannels", "channels of a new user"),
    statement("rename-command", Kind::kRenameCommand,
              "NAME NEW: calls a command otherwise; \"\" removes it"),
    choice("enable-protected-configs", kEnumMember<&Config::enable_protected_configs>,
           kPermissionWords, "no", "allow CONFIG SET of protected parameters")
        .fixed(),
    choice("enable-debug-command", kEnumMember<&Config::enable_debug_command>, kPermissionWords,
           "no", "allow DEBUG")
        .fixed(),
    choice("sanitize-dump-payload", kEnumMember<&Config::sanitize_dump_payload>, kSanitizeWords,
           "no", "how thoroughly RESTORE checks what it is given; it is always thorough here"),
};

constexpr Row kIntrospectionRows[] = {
    integer("slowlog-log-slower-than", &Config::slowlog_log_slower_than_us, "10000", -1, kInt64Max,
            "microseconds from which a command is in SLOWLOG; -1 for none"),
    integer("slowlog-max-len", &Config::slowlog_max_len, "128", 0, kInt64Max, "entries of SLOWLOG"),
    integer("latency-monitor-threshold", &Config::latency_monitor_threshold_ms, "0", 0, kInt64Max,
            "milliseconds from which an event is in LATENCY; 0 for none"),
    boolean("latency-tracking", &Config::latency_tracking, "yes",
            "keep a histogram of the times of each command"),
    special("latency-tracking-info-percentiles", Kind::kPercentiles,
            &Config::latency_tracking_info_percentiles, "50 99 99.9",
            "percentiles of it that INFO shows"),
    special("notify-keyspace-events", Kind::kEvents, &Config::notify_keyspace_events, "",
            "events that are published, as letters of Ag$lshzxeKEtmdn"),
};

constexpr Row kEncodingRows[] = {
    integer("hash-max-listpack-entries", &Config::hash_max_listpack_entries, "512", 0, kInt64Max,
            "fields up to which a hash is a listpack")
        .alias("hash-max-ziplist-entries"),
    memory("hash-max-listpack-value", &Config::hash_max_listpack_value, "64", 0, kInt64Max,
           "longest field or value in a listpack")
        .alias("hash-max-ziplist-value"),
    integer("list-max-listpack-size", &Config::list_max_listpack_size, "-2", kIntMin, kIntMax,
            "elements up to which a list is a listpack; -1 to -5: 4 to 64 KiB")
        .alias("list-max-ziplist-size"),
    boolean("rdbcompression", &Config::rdb_compression, "yes",
            "whether DUMP compresses strings and collections"),
    integer("list-compress-depth", &Config::list_compress_depth, "0", 0, kIntMax,
            "nodes at either end of a list that DUMP never compresses"),
    integer("set-max-intset-entries", &Config::set_max_intset_entries, "512", 0, kInt64Max,
            "members up to which a set of integers is an intset"),
    integer("zset-max-listpack-entries", &Config::zset_max_listpack_entries, "128", 0, kInt64Max,
            "members up to which a sorted set is a listpack")
        .alias("zset-max-ziplist-entries"),
    memory("zset-max-listpack-value", &Config::zset_max_listpack_value, "64", 0, kInt64Max,
           "longest member in a listpack")
        .alias("zset-max-ziplist-value"),
    memory("hll-sparse-max-bytes", &Config::hll_sparse_max_bytes, "3000", 0, kInt64Max,
           "size up to which a HyperLogLog is sparse"),
};

constexpr Row kFileRows[] = {
    statement(
        "include", Kind::kInclude,
        "PATTERN: reads other files here; a relative path begins at dir if a line before says it, "
        "else where the server is started"),
};

struct Index {
  std::vector<const Row*> rows;
  std::vector<RowName> names;                           // sorted
  std::unordered_map<std::string_view, RowId> by_name;  // statements included
};

const Index& index() {
  static const Index built = [] {
    Index x;
    for (const RowGroup& group : row_groups()) {
      for (const Row& row : group.rows) {
        const RowId id = x.rows.size();
        x.rows.push_back(&row);
        for (const std::string_view name : {row.name, row.also}) {
          if (name.empty()) continue;
          const bool is_new = x.by_name.emplace(name, id).second;
          assert(is_new);
          if (!row.is_statement()) x.names.push_back({name, id});
        }
      }
    }
    std::ranges::sort(x.names, {}, &RowName::name);
    return x;
  }();
  return built;
}

std::string default_text(const Row& row) {
  if (row.text != kAllCoresButOne) return std::string(row.text);
  // One core is left to what works beside the loops: syncs, merges, cold reads, or the clients.
  const unsigned cores = std::max(std::thread::hardware_concurrency(), 2u);
  return std::to_string(std::min(cores - 1, 128u));
}

const Config& default_config() {
  static const Config defaults = [] {
    Config config{Config::Blank{}};
    config.inert.resize(row_count());
    for (RowId id = 0; id < row_count(); ++id) {
      const Row& row = row_at(id);
      if (row.is_statement()) continue;
      std::vector<std::string> words = {default_text(row)};
      if (row.takes_many()) words = split_on_spaces(words[0]);
      const std::string wrong = parse_value(id, words, config);
      assert(wrong.empty());
    }
    return config;
  }();
  return defaults;
}

}  // namespace

Config::Config() : Config(default_config()) {}

std::string Config::in_dir(const std::string& path) const {
  return path.empty() ? path : (std::filesystem::path(dir) / path).string();
}

std::span<const RowGroup> row_groups() {
  static const RowGroup kGroups[] = {
      {"Network", kNetworkRows},
      {"Process and log", kProcessRows},
      {"Storage", kStorageRows},
      {"Memory and expiry", kMemoryRows},
      {"Limits", kLimitRows},
      {"Security", kSecurityRows},
      {"Introspection", kIntrospectionRows},
      {"Encodings", kEncodingRows},
      {"The file itself", kFileRows},
      {"Accepted and without effect here", inert_rows()},
  };
  return kGroups;
}

std::size_t row_count() {
  return index().rows.size();
}

const Row& row_at(RowId id) {
  return *index().rows[id];
}

std::optional<RowId> find_row(std::string_view name) {
  const auto found = index().by_name.find(lower_case(name));
  if (found == index().by_name.end()) return std::nullopt;
  return found->second;
}

std::span<const RowName> parameter_names() {
  return index().names;
}

const std::string& default_value(RowId id) {
  static const std::vector<std::string> values = [] {
    std::vector<std::string> all(row_count());
    const Config defaults;
    for (RowId i = 0; i < all.size(); ++i) {
      if (!row_at(i).is_statement()) all[i] = render_value(i, defaults);
    }
    return all;
  }();
  return values[id];
}

std::optional<Conflict> find_conflict(const Config& config) {
  if (config.merge_stop_garbage_percent > config.merge_trigger_garbage_percent) {
    return Conflict{*find_row("merge-stop-garbage"),
                    "merge-stop-garbage must not be above merge-trigger-garbage"};
  }
  return std::nullopt;
}

}  // namespace respcask::server

// The configuration of a server as typed values: what every other part of server/ reads.
//
// Invariants: a Config always holds legal values (a default-constructed one holds the defaults of
// the table in table.cc), and a Config that loops can see never changes. CONFIG SET builds a new
// one and publishes it whole (store.h), so a reader meets either all of a SET's values or none.
// A Config owns its strings. Any thread may read one; a loop reads the one its ConfigView holds.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace respcask::server {

// The enumerations' order is that of their words in the table.
enum class AppendFsync : uint8_t { kEverysec, kAlways, kNo };
enum class LogLevel : uint8_t { kDebug, kVerbose, kNotice, kWarning };
enum class MaxmemoryPolicy : uint8_t {
  kVolatileLru,
  kVolatileLfu,
  kVolatileRandom,
  kVolatileTtl,
  kAllkeysLru,
  kAllkeysLfu,
  kAllkeysRandom,
  kNoeviction
};
enum class Supervised : uint8_t { kUpstart, kSystemd, kAuto, kNo };
enum class SyslogFacility : uint8_t {
  kUser,
  kLocal0,
  kLocal1,
  kLocal2,
  kLocal3,
  kLocal4,
  kLocal5,
  kLocal6,
  kLocal7
};
enum class OomScoreAdj : uint8_t { kNo, kYes, kRelative, kAbsolute };
enum class AclPubsubDefault : uint8_t { kAllchannels, kResetchannels };
// kLocal: only for connections from this machine.
enum class Permission : uint8_t { kNo, kYes, kLocal };
enum class SanitizePayload : uint8_t { kNo, kYes, kClients };

// `notify-keyspace-events`: one bit a letter. EventClass in context.h has the same bits.
inline constexpr uint32_t kNotifyGeneric = 1u << 0;     // g
inline constexpr uint32_t kNotifyString = 1u << 1;      // $
inline constexpr uint32_t kNotifyList = 1u << 2;        // l
inline constexpr uint32_t kNotifySet = 1u << 3;         // s
inline constexpr uint32_t kNotifyHash = 1u << 4;        // h
inline constexpr uint32_t kNotifyZset = 1u << 5;        // z
inline constexpr uint32_t kNotifyExpired = 1u << 6;     // x
inline constexpr uint32_t kNotifyEvicted = 1u << 7;     // e
inline constexpr uint32_t kNotifyStream = 1u << 8;      // t
inline constexpr uint32_t kNotifyModule = 1u << 9;      // d, never sent here
inline constexpr uint32_t kNotifyNew = 1u << 10;        // n, not part of A
inline constexpr uint32_t kNotifyKeyspace = 1u << 11;   // K: on __keyspace@<db>__ channels
inline constexpr uint32_t kNotifyKeyevent = 1u << 12;   // E: on __keyevent@<db>__ channels
inline constexpr uint32_t kNotifyMiss = 1u << 13;       // m, not part of A
inline constexpr uint32_t kNotifyAll = (1u << 10) - 1;  // A: g$lshzxetd

// A limit on what a client class may have unsent. 0 in a field: no such limit.
struct OutputLimit {
  uint64_t hard_bytes = 0;
  uint64_t soft_bytes = 0;
  uint64_t soft_s = 0;
  bool operator==(const OutputLimit&) const = default;
};
enum class ClientClass : uint8_t { kNormal, kReplica, kPubsub };

// Bytes, or a share of `maxmemory` in percent where percent is not 0.
struct MemoryOrPercent {
  uint64_t bytes = 0;
  uint32_t percent = 0;
  bool operator==(const MemoryOrPercent&) const = default;
};

// Hours of the day, both ends included; it may wrap over midnight ("22-5").
struct HourWindow {
  uint32_t first = 0;
  uint32_t last = 23;
  bool operator==(const HourWindow&) const = default;
  bool contains(uint32_t hour) const {
    return first <= last ? first <= hour && hour <= last : hour >= first || hour <= last;
  }
};

struct Config {
  // A command's own name, in lower case, and what it is called instead; "": not at all.
  using Rename = std::pair<std::string, std::string>;

  // All defaults.
  Config();

  // Network.
  int port{};  // 0: no TCP listener
  // A leading '-': may be unavailable; "*", "::*": every IPv4, IPv6 address. Empty: none at all.
  std::vector<std::string> bind;
  std::string unixsocket;     // "": none
  uint32_t unixsocketperm{};  // mode bits; 0: leave what umask gives
  bool protected_mode{};
  int tcp_backlog{};
  int tcp_keepalive_s{};  // 0: off
  int timeout_s{};        // 0: never close an idle client
  uint32_t maxclients{};
  int io_threads{};  // event loops; the default is all cores but one

  // Process and log.
  bool daemonize{};
  Supervised supervised{};
  std::string shutdown_on_sigint;  // words of SHUTDOWN
  std::string shutdown_on_sigterm;
  std::string pidfile;
  LogLevel loglevel{};
  std::string logfile;  // "": standard output
  bool syslog_enabled{};
  std::string syslog_ident;
  SyslogFacility syslog_facility{};
  bool crash_log_enabled{};
  bool always_show_logo{};
  bool set_proc_title{};
  std::string proc_title_template;
  bool disable_thp{};
  OomScoreAdj oom_score_adj{};
  std::array<int, 3> oom_score_adj_values{};
  int hz{};  // 1..500
  int databases{};

  // Storage.
  std::string dir;
  AppendFsync appendfsync{};
  uint32_t shards{};  // only looked at when a store is created
  uint64_t segment_bytes{};
  int readers{};    // threads for reads that are not in the page cache
  bool io_uring{};  // have the kernel do most of them, and send to many clients at once
  int merge_trigger_garbage_percent{};
  int merge_stop_garbage_percent{};
  uint64_t auto_aof_rewrite_min_size{};  // bytes; a smaller store is not merged unasked
  uint64_t merge_bytes_per_second{};     // 0: no limit
  HourWindow merge_window;
  uint64_t scrub_bytes_per_second{};  // 0: no scrubbing
  uint64_t maxdisk{};                 // bytes; 0: no limit
  std::string backup_dir;             // "": `backups` in dir
  int backups_kept{};                 // 0: all
  uint64_t string_chunk_threshold{};  // bytes; a longer string is kept in chunks
  uint64_t collection_split_bytes{};  // a larger sorted set is kept as one record an element

  // Memory and expiry.
  uint64_t maxmemory{};  // bytes; 0: no limit
  MaxmemoryPolicy maxmemory_policy{};
  int maxmemory_samples{};
  int maxmemory_eviction_tenacity{};
  MemoryOrPercent maxmemory_clients;
  int lfu_log_factor{};
  int lfu_decay_time_min{};
  int active_expire_effort{};
  bool lazyfree_lazy_eviction{};
  bool lazyfree_lazy_expire{};
  bool lazyfree_lazy_server_del{};
  bool lazyfree_lazy_user_del{};
  bool lazyfree_lazy_user_flush{};

  // Limits.
  uint64_t proto_max_bulk_len{};
  uint64_t client_query_buffer_limit{};
  std::array<OutputLimit, 3> client_output_buffer_limit{};  // index: ClientClass
  uint64_t tracking_table_max_keys{};
  // There are never replicas: where both are above 0, every write is answered with NOREPLICAS.
  int min_replicas_to_write{};
  int min_replicas_max_lag_s{};

  // Security.
  std::string requirepass;
  std::string aclfile;
  uint64_t acllog_max_len{};
  AclPubsubDefault acl_pubsub_default{};
  std::vector<std::vector<std::string>> users;  // the words of each `user` line, "user" left out
  std::vector<Rename> renamed_commands;         // each command once
  Permission enable_debug_command{};
  Permission enable_protected_configs{};
  SanitizePayload sanitize_dump_payload{};

  // Introspection.
  int64_t slowlog_log_slower_than_us{};  // -1: off, 0: everything
  uint64_t slowlog_max_len{};
  uint64_t latency_monitor_threshold_ms{};  // 0: off
  bool latency_tracking{};
  std::vector<double> latency_tracking_info_percentiles;
  uint32_t notify_keyspace_events{};  // kNotify bits

  // Encodings: what OBJECT ENCODING reports, and when a packed value changes its form.
  uint64_t hash_max_listpack_entries{};
  uint64_t hash_max_listpack_value{};  // bytes
  int list_max_listpack_size{};        // > 0: entries; -1..-5: 4, 8, 16, 32, 64 KiB
  int list_compress_depth{};
  bool rdb_compression{};
  uint64_t set_max_intset_entries{};
  uint64_t zset_max_listpack_entries{};
  uint64_t zset_max_listpack_value{};
  uint64_t hll_sparse_max_bytes{};

  // The values of parameters that have no meaning here, as CONFIG GET shows them; index: table row.
  std::vector<std::string> inert;

  // Before the defaults: everything zero or empty. For the table alone.
  struct Blank {};
  explicit Config(Blank) {}

  // The file that a parameter names: a relative path begins in `dir`. "" stays "".
  std::string in_dir(const std::string& path) const;

  const OutputLimit& output_limit(ClientClass c) const {
    return client_output_buffer_limit[static_cast<std::size_t>(c)];
  }
};

}  // namespace respcask::server

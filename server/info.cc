#include "server/info.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <filesystem>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "server/command_table.h"
#include "server/config/startup.h"
#include "server/config/table.h"
#include "server/context.h"
#include "server/info_totals.h"
#include "server/letter_case.h"
#include "server/process.h"
#include "server/server.h"

namespace respcask::server {

std::string human_bytes(uint64_t bytes) {
  constexpr std::string_view kUnits = "KMGTPE";
  if (bytes < 1024) return fmt::format("{}B", bytes);
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return fmt::format("{:.2f}{}", value, kUnits[unit]);
}

namespace {

int64_t difference(uint64_t a, uint64_t b) {
  return static_cast<int64_t>(a - b);
}

// One INFO: gathers what its sections need and writes them.
class Info {
 public:
  explicit Info(Context& c) : c_(c), server_(c.server()) {}
  std::string text(std::span<const std::string_view> names);

 private:
  void write_server();
  void write_clients();
  void write_memory();
  void write_persistence();
  void write_stats();
  void write_replication();
  void write_cpu();
  void write_modules() {}
  void write_commandstats();
  void write_errorstats();
  void write_latencystats();
  void write_cluster();
  void write_keyspace();
  void write_bitcask();

  template <class... Args>
  void line(fmt::format_string<Args...> format, Args&&... args) {
    fmt::format_to(std::back_inserter(text_), format, std::forward<Args>(args)...);
    text_ += "\r\n";
  }
  template <class T>
  void field(std::string_view name, const T& value) {
    line("{}:{}", name, value);
  }
  // A number of bytes, once more for the human reader.
  void bytes(std::string_view name, uint64_t value) {
    field(name, value);
    line("{}_human:{}", name, human_bytes(value));
  }
  // Fields of what there never is any of here.
  void zeros(std::span<const std::string_view> names) {
    for (const std::string_view name : names) field(name, 0);
  }
  // Calls `visit` with every command and subcommand, in the order of their names.
  template <class Visit>
  void for_each_command(Visit visit);

  const StoreTotals& store() {
    if (!store_) store_ = store_totals(c_);
    return *store_;
  }
  const ClientTotals& clients() {
    if (!clients_) clients_ = client_totals(server_);
    return *clients_;
  }

  struct Section {
    std::string_view name;  // as INFO is asked for it
    std::string_view title;
    void (Info::*write)();
    bool by_default = true;
  };
  static const Section kSections[];

  Context& c_;
  Server& server_;
  std::string text_;
  std::optional<StoreTotals> store_;
  std::optional<ClientTotals> clients_;
};

const Info::Section Info::kSections[] = {
    {"server", "Server", &Info::write_server},
    {"clients", "Clients", &Info::write_clients},
    {"memory", "Memory", &Info::write_memory},
    {"persistence", "Persistence", &Info::write_persistence},
    {"stats", "Stats", &Info::write_stats},
    {"replication", "Replication", &Info::write_replication},
    {"cpu", "CPU", &Info::write_cpu},
    {"modules", "Modules", &Info::write_modules},
    {"commandstats", "Commandstats", &Info::write_commandstats, false},
    {"errorstats", "Errorstats", &Info::write_errorstats},
    {"latencystats", "Latencystats", &Info::write_latencystats, false},
    {"cluster", "Cluster", &Info::write_cluster},
    {"keyspace", "Keyspace", &Info::write_keyspace},
    {"bitcask", "Bitcask", &Info::write_bitcask},
};

std::string Info::text(std::span<const std::string_view> names) {
  const auto named = [&](std::string_view wanted) {
    return std::any_of(names.begin(), names.end(),
                       [&](std::string_view name) { return equal_ignoring_case(name, wanted); });
  };
  const bool all = named("all") || named("everything");
  const bool defaults = names.empty() || named("default");
  for (const Section& section : kSections) {
    if (!all && !(defaults && section.by_default) && !named(section.name)) continue;
    if (!text_.empty()) text_ += "\r\n";
    line("# {}", section.title);
    (this->*section.write)();
  }
  return std::move(text_);
}

void Info::write_server() {
  struct utsname system {};
  uname(&system);
  const Config& config = c_.config();
  const int64_t uptime_s = (c_.now_ms() - server_.started_ms) / 1000;
  constexpr int64_t kSecondsADay = 86400;
  constexpr int64_t kClockMask = (1 << 24) - 1;
  std::error_code ignored;
  field("redis_version", kRedisVersion);
  field("redis_git_sha1", "00000000");
  field("redis_git_dirty", 0);
  field("redis_build_id", "0");
  field("respcask_version", RESPCASK_VERSION);
  field("redis_mode", "standalone");
  line("os:{} {} {}", system.sysname, system.release, system.machine);
  field("arch_bits", sizeof(void*) * CHAR_BIT);
  field("monotonic_clock", "POSIX clock_gettime");
  field("multiplexing_api", "epoll");
  field("atomicvar_api", "c11-builtin");
  line("gcc_version:{}.{}.{}", __GNUC__, __GNUC_MINOR__, __GNUC_PATCHLEVEL__);
  field("process_id", getpid());
  field("process_supervised", supervision_name(config));
  field("run_id", server_.ids.run());
  field("tcp_port", config.port);
  field("server_time_usec", c_.turn().now_us());
  field("uptime_in_seconds", uptime_s);
  field("uptime_in_days", uptime_s / kSecondsADay);
  field("hz", config.hz);
  field("configured_hz", config.hz);
  field("lru_clock", c_.now_ms() / 1000 & kClockMask);
  field("executable", std::filesystem::read_symlink("/proc/self/exe", ignored).string());
  field("config_file", server_.config.file());
  field("io_threads_active", config.io_threads > 1 ? 1 : 0);
}

void Info::write_clients() {
  field("connected_clients", clients().connected);
  field("cluster_connections", 0);
  field("maxclients", c_.config().maxclients);
  field("client_recent_max_input_buffer", clients().largest_input);
  field("client_recent_max_output_buffer", clients().largest_output);
  field("blocked_clients", clients().blocked);
  field("tracking_clients", clients().tracking);
  field("clients_in_timeout_table", clients().with_deadline);
}

void Info::write_memory() {
  const MemoryTotals memory = memory_totals(server_, store(), clients());
  const MemoryUsage& usage = memory.usage;
  bytes("used_memory", usage.used);
  bytes("used_memory_rss", usage.rss_anonymous);
  bytes("used_memory_rss_page_cache", usage.rss_page_cache);
  bytes("used_memory_peak", memory.peak);
  line("used_memory_peak_perc:{:.2f}%", fraction(usage.used, memory.peak) * 100);
  field("used_memory_overhead", memory.overhead);
  field("used_memory_startup", memory.at_start);
  field("used_memory_dataset", memory.dataset);
  line("used_memory_dataset_perc:{:.2f}%", fraction(memory.dataset, memory.beyond_start) * 100);
  field("allocator_allocated", usage.allocated);
  field("allocator_active", usage.active);
  field("allocator_resident", usage.resident);
  bytes("total_system_memory", ProcessMemory::system_total());
  field("used_memory_lua", 0);
  field("used_memory_vm_eval", 0);
  field("used_memory_lua_human", "0B");
  constexpr std::string_view kScripts[] = {"used_memory_scripts_eval", "number_of_cached_scripts",
                                           "number_of_functions", "number_of_libraries",
                                           "used_memory_vm_functions"};
  zeros(kScripts);
  bytes("used_memory_vm_total", 0);
  field("used_memory_functions", 0);
  bytes("used_memory_scripts", 0);
  bytes("maxmemory", c_.config().maxmemory);
  field("maxmemory_policy", render_value(*find_row("maxmemory-policy"), c_.config()));
  line("allocator_frag_ratio:{:.2f}", fraction(usage.active, usage.allocated));
  field("allocator_frag_bytes", difference(usage.active, usage.allocated));
  line("allocator_rss_ratio:{:.2f}", fraction(usage.resident, usage.active));
  field("allocator_rss_bytes", difference(usage.resident, usage.active));
  line("rss_overhead_ratio:{:.2f}", fraction(usage.rss_anonymous, usage.resident));
  field("rss_overhead_bytes", difference(usage.rss_anonymous, usage.resident));
  line("mem_fragmentation_ratio:{:.2f}", fraction(usage.rss_anonymous, usage.used));
  field("mem_fragmentation_bytes", difference(usage.rss_anonymous, usage.used));
  constexpr std::string_view kReplication[] = {
      "mem_replication_backlog", "mem_total_replication_buffers", "mem_clients_slaves"};
  field("mem_not_counted_for_evict", server_.gauge.not_counted());
  zeros(kReplication);
  field("mem_clients_normal", clients().bytes);
  field("mem_cluster_links", 0);
  field("mem_aof_buffer", store().sum.pending_memory_bytes);
  field("mem_allocator", ProcessMemory::allocator());
  field("active_defrag_running", 0);
  field("lazyfree_pending_objects", store().sum.garbage);
  field("lazyfreed_objects", store().sum.garbage_freed);
}

// As a Redis with its append-only file on: the segments are that file.
void Info::write_persistence() {
  const Saving::Report saving = server_.saving.report();
  const auto or_minus_one = [](const std::optional<int64_t>& value) { return value.value_or(-1); };
  const auto status = [](bool failed) { return failed ? "err" : "ok"; };
  constexpr std::string_view kForks[] = {"current_cow_peak", "current_cow_size",
                                         "current_cow_size_age"};
  field("loading", 0);
  field("async_loading", 0);
  zeros(kForks);
  field("current_fork_perc", "0.00");
  field("current_save_keys_processed", 0);
  field("current_save_keys_total", 0);
  field("rdb_changes_since_last_save", saving.changes_since_save);
  field("rdb_bgsave_in_progress", saving.save_running_s ? 1 : 0);
  field("rdb_last_save_time", saving.last_save_s);
  field("rdb_last_bgsave_status", status(saving.save_failed));
  field("rdb_last_bgsave_time_sec", or_minus_one(saving.save_duration_s));
  field("rdb_current_bgsave_time_sec", or_minus_one(saving.save_running_s));
  field("rdb_saves", saving.saves);
  field("rdb_last_cow_size", 0);
  field("rdb_last_load_keys_expired", 0);
  field("rdb_last_load_keys_loaded", server_.store.open_report().found.records);
  field("aof_enabled", 1);
  field("aof_rewrite_in_progress", saving.rewrite_running_s ? 1 : 0);
  field("aof_rewrite_scheduled", 0);
  field("aof_last_rewrite_time_sec", or_minus_one(saving.rewrite_duration_s));
  field("aof_current_rewrite_time_sec", or_minus_one(saving.rewrite_running_s));
  field("aof_last_bgrewrite_status", status(saving.rewrite_failed));
  field("aof_rewrites", saving.rewrites);
  field("aof_rewrites_consecutive_failures", saving.rewrite_failed ? 1 : 0);
  const engine::Store& files = server_.store;
  field("aof_last_write_status",
        status(!store().all_writable() || files.sync_failed() || files.disk_full()));
  field("aof_last_cow_size", 0);
  field("module_fork_in_progress", 0);
  field("module_fork_last_cow_size", 0);
  field("aof_current_size", store().sum.total_bytes);
  field("aof_base_size", store().sum.live_bytes);
  field("aof_pending_rewrite", 0);
  field("aof_buffer_length", store().sum.pending_bytes);
  field("aof_pending_bio_fsync", 0);
  field("aof_delayed_fsync", 0);
}

void Info::write_stats() {
  const Totals totals = server_.stats.sum();
  const Rates::PerSecond now = server_.rates.per_second();
  const auto kib = [](uint64_t bytes) {
    return fmt::format("{:.2f}", static_cast<double>(bytes) / 1024);
  };
  field("total_connections_received", totals.connections);
  field("total_commands_processed", totals.commands);
  field("instantaneous_ops_per_sec", now.commands);
  field("total_net_input_bytes", totals.bytes_in);
  field("total_net_output_bytes", totals.bytes_out);
  field("total_net_repl_input_bytes", 0);
  field("total_net_repl_output_bytes", 0);
  field("instantaneous_input_kbps", kib(now.bytes_in));
  field("instantaneous_output_kbps", kib(now.bytes_out));
  field("instantaneous_input_repl_kbps", "0.00");
  field("instantaneous_output_repl_kbps", "0.00");
  field("rejected_connections", totals.rejected_connections);
  constexpr std::string_view kSync[] = {"sync_full", "sync_partial_ok", "sync_partial_err"};
  zeros(kSync);
  field("expired_keys", totals.expired);
  field("expired_stale_perc", "0.00");
  field("expired_time_cap_reached_count", totals.expiry_cut_short);
  field("expire_cycle_cpu_milliseconds", totals.expiry_ns / 1'000'000);
  field("evicted_keys", totals.evicted);
  field("evicted_clients", totals.evicted_clients);
  field("total_eviction_exceeded_time", server_.eviction.exceeded_ms());
  field("current_eviction_exceeded_time", server_.eviction.exceeded_now_ms());
  field("keyspace_hits", totals.keyspace_hits);
  field("keyspace_misses", totals.keyspace_misses);
  const bool some_are_gone = clients().some_are_gone;
  field("pubsub_channels", server_.pubsub.channel_count(ChannelKind::kChannel, some_are_gone));
  field("pubsub_patterns", server_.pubsub.channel_count(ChannelKind::kPattern, some_are_gone));
  field("pubsubshard_channels", server_.pubsub.channel_count(ChannelKind::kShard, some_are_gone));
  constexpr std::string_view kAbsent[] = {"latest_fork_usec",         "total_forks",
                                          "migrate_cached_sockets",   "slave_expires_tracked_keys",
                                          "active_defrag_hits",       "active_defrag_misses",
                                          "active_defrag_key_hits",   "active_defrag_key_misses",
                                          "total_active_defrag_time", "current_active_defrag_time"};
  zeros(kAbsent);
  field("tracking_total_keys", server_.tracking.keys());
  field("tracking_total_items", server_.tracking.items());
  field("tracking_total_prefixes", server_.tracking.prefix_count());
  field("unexpected_error_replies", 0);
  field("total_error_replies", totals.error_replies);
  field("dump_payload_sanitizations", 0);
  field("total_reads_processed", totals.reads);
  field("total_writes_processed", totals.writes);
  // Each loop reads, runs and writes for its own clients; none of it is handed to another thread.
  constexpr std::string_view kThreads[] = {"io_threaded_reads_processed",
                                           "io_threaded_writes_processed", "reply_buffer_shrinks",
                                           "reply_buffer_expands"};
  zeros(kThreads);
}

void Info::write_replication() {
  field("role", "master");
  field("connected_slaves", 0);
  const Config& config = c_.config();
  if (config.min_replicas_to_write > 0 && config.min_replicas_max_lag_s > 0) {
    field("min_slaves_good_slaves", 0);
  }
  field("master_failover_state", "no-failover");
  field("master_replid", server_.ids.replication());
  field("master_replid2", "0000000000000000000000000000000000000000");
  field("master_repl_offset", 0);
  field("second_repl_offset", -1);
  field("repl_backlog_active", 0);
  field("repl_backlog_size", render_value(*find_row("repl-backlog-size"), c_.config()));
  field("repl_backlog_first_byte_offset", 0);
  field("repl_backlog_histlen", 0);
}

void Info::write_cpu() {
  const auto seconds = [](const timeval& time) {
    return fmt::format("{}.{:06}", time.tv_sec, time.tv_usec);
  };
  struct rusage self {
  }, children{}, thread{};
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  getrusage(RUSAGE_THREAD, &thread);
  field("used_cpu_sys", seconds(self.ru_stime));
  field("used_cpu_user", seconds(self.ru_utime));
  field("used_cpu_sys_children", seconds(children.ru_stime));
  field("used_cpu_user_children", seconds(children.ru_utime));
  // Of the loop that serves this client: there is no main one.
  field("used_cpu_sys_main_thread", seconds(thread.ru_stime));
  field("used_cpu_user_main_thread", seconds(thread.ru_utime));
}

template <class Visit>
void Info::for_each_command(Visit visit) {
  for (const TableEntry* command : server_.commands.commands()) {
    visit(*command);
    for (const TableEntry* sub : command->subcommands) visit(*sub);
  }
}

void Info::write_commandstats() {
  for_each_command([&](const TableEntry& command) {
    const CommandTotals totals = server_.stats.command(command.index);
    if (totals.calls == 0 && totals.rejected == 0 && totals.failed == 0) return;
    const uint64_t usec = totals.ns / 1000;
    line("cmdstat_{}:calls={},usec={},usec_per_call={:.2f},rejected_calls={},failed_calls={}",
         command.full_name, totals.calls, usec, fraction(usec, totals.calls), totals.rejected,
         totals.failed);
  });
}

void Info::write_errorstats() {
  for (const auto& [code, count] : server_.stats.errors()) {
    line("errorstat_{}:count={}", code, count);
  }
}

// The duration, in microseconds, within which `percent` of the calls were done.
double percentile_us(const std::vector<uint64_t>& histogram, double percent) {
  uint64_t all = 0;
  for (const uint64_t count : histogram) all += count;
  const auto wanted =
      std::max<uint64_t>(1, static_cast<uint64_t>(percent / 100 * static_cast<double>(all) + 0.5));
  uint64_t counted = 0;
  for (size_t bucket = 0; bucket < histogram.size(); ++bucket) {
    counted += histogram[bucket];
    if (counted >= wanted) {
      return static_cast<double>(LatencyHistogram::upper_ns(bucket)) / 1000;
    }
  }
  return 0;
}

void Info::write_latencystats() {
  const std::vector<double>& percentiles = c_.config().latency_tracking_info_percentiles;
  for_each_command([&](const TableEntry& command) {
    const CommandTotals totals = server_.stats.command(command.index);
    if (totals.latency.empty()) return;
    std::string values;
    for (const double percent : percentiles) {
      if (!values.empty()) values += ',';
      values += fmt::format("p{}={:.3f}", render_percentile(percent),
                            percentile_us(totals.latency, percent));
    }
    line("latency_percentiles_usec_{}:{}", command.full_name, values);
  });
}

void Info::write_cluster() {
  field("cluster_enabled", 0);
}

void Info::write_keyspace() {
  const std::vector<DatabaseTotals>& databases = store().databases;
  for (size_t db = 0; db < databases.size(); ++db) {
    if (databases[db].keys == 0) continue;
    line("db{}:keys={},expires={},avg_ttl={}", db, databases[db].keys, databases[db].expiring,
         databases[db].average_ttl_ms);
  }
}

void Info::write_bitcask() {
  const engine::ShardStats& sum = store().sum;
  const engine::Store::OpenReport& opened = server_.store.open_report();
  const auto dead = [](const engine::ShardStats& stats) {
    return stats.total_bytes - std::min(stats.live_bytes, stats.total_bytes);
  };
  line("store_id:{:016x}", server_.store.id());
  field("shards", server_.store.shard_count());
  field("keys", sum.keys);
  field("collections", sum.collections);
  field("segments", sum.segments);
  field("hints", sum.hints);
  field("total_bytes", sum.total_bytes);
  field("live_bytes", sum.live_bytes);
  field("dead_bytes", dead(sum));
  field("pending_bytes", sum.pending_bytes);
  field("keydir_bytes", sum.keydir_bytes);
  field("damaged_records", sum.damaged_records);
  field("spilled_input_bytes", server_.stats.spilled_bytes());
  field("parked_commands", server_.stats.sum().parked);
  field("readers", c_.config().readers);
  field("io_uring_loops", server_.readers.rings.load(std::memory_order_relaxed));
  field("reads_waiting", server_.readers.waiting());
  field("reads_done", server_.readers.fetched());
  const engine::MergeStats merges = server_.store.merge_stats();
  field("last_backup", server_.saving.report().last_backup);
  field("merge_in_progress", merges.running ? 1 : 0);
  field("merges", merges.merges);
  field("merges_failed", merges.failed);
  field("merge_bytes_read", merges.bytes_read);
  field("merge_bytes_written", merges.bytes_written);
  const engine::ScrubStats scrubs = server_.store.scrub_stats();
  field("scrub_in_progress", scrubs.running ? 1 : 0);
  field("scrub_passes", scrubs.passes);
  field("scrub_bytes_read", scrubs.bytes_read);
  field("scrub_damaged_places", scrubs.damaged_places);
  field("recovery_time_ms", opened.duration_ms);
  field("recovery_segments", opened.found.segments);
  field("recovery_hints", opened.found.hints);
  field("recovery_records", opened.found.records);
  field("recovery_bytes_read", opened.found.bytes_read);
  field("recovery_torn_bytes", opened.found.torn_bytes);
  field("recovery_damaged_ranges", opened.found.damaged_ranges);
  field("recovery_damaged_bytes", opened.found.damaged_bytes);
  field("sync_failed", server_.store.sync_failed() ? 1 : 0);
  for (size_t i = 0; i < store().shards.size(); ++i) {
    const engine::ShardStats& shard = store().shards[i];
    line(
        "shard{}:keys={},segments={},hints={},total_bytes={},live_bytes={},dead_bytes={},"
        "pending_bytes={},keydir_bytes={},collections={},damaged_records={},writable={}",
        i, shard.keys, shard.segments, shard.hints, shard.total_bytes, shard.live_bytes,
        dead(shard), shard.pending_bytes, shard.keydir_bytes, shard.collections,
        shard.damaged_records, store().writable[i] ? 1 : 0);
  }
}

}  // namespace

std::string info_text(Context& c, std::span<const std::string_view> names) {
  return Info(c).text(names);
}

}  // namespace respcask::server

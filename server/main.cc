// respcask-server: reads the command line, opens the store, runs the loops until it is told to
// stop.
#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/store.h"
#include "server/acl/change.h"
#include "server/config/startup.h"
#include "server/config/store.h"
#include "server/config/table.h"
#include "server/crash_log.h"
#include "server/log.h"
#include "server/net/network.h"
#include "server/open_files.h"
#include "server/process.h"
#include "server/process_memory.h"
#include "server/process_title.h"
#include "server/server.h"
#include "server/standard_streams.h"
#include "server/store_settings.h"

namespace respcask::server {
namespace {

bool same_file(int fd, int other_fd) {
  struct stat a {
  }, b{};
  return ::fstat(fd, &a) == 0 && ::fstat(other_fd, &b) == 0 && a.st_dev == b.st_dev &&
         a.st_ino == b.st_ino;
}

// Says why the server does not start: in the log, and to whoever started it if they do not see
// that.
int refuse_to_start(const Config& config, std::string_view why) {
  log_warning("{}", why);
  const bool seen = config.logfile.empty() && same_file(STDOUT_FILENO, STDERR_FILENO);
  if (!seen) say("{}\n", why);
  return 1;
}

void log_start(const Startup& startup) {
  log_notice("{}, pid={}, just started", version_text(), ::getpid());
  if (startup.file.empty()) {
    log_notice("No configuration file was given: using the defaults and the command line");
  } else {
    log_notice("Configuration read from {}", startup.file);
  }
  for (const std::string& name : startup.ineffective) {
    log_notice("The parameter '{}' is accepted, but has no meaning here", name);
  }
}

// A block at the head of a log that a person reads: which server this is and where to reach it.
void show_banner(const Config& config) {
  const bool is_terminal =
      config.logfile.empty() && !config.syslog_enabled && ::isatty(STDOUT_FILENO) == 1;
  if (!config.always_show_logo && !is_terminal) return;
  log_notice("  ---------------------------");
  log_notice("  respcask {}", version_number());
  log_notice("  Port: {}", config.port);
  log_notice("  PID: {}", ::getpid());
  log_notice("  ---------------------------");
}

// What the system shows of this process, how it ranks it, and what is logged when it crashes: now,
// and after each CONFIG SET.
void follow_process_settings(ConfigStore& config) {
  const auto initial = config.snapshot();
  if (auto adjusted = adjust_oom_score(*initial); !adjusted) {
    log_warning("{}", adjusted.error().message);
  }
  config.on_change({"oom-score-adj", "oom-score-adj-values"},
                   [](const Config&, const Config& to) -> std::optional<std::string> {
                     auto adjusted = adjust_oom_score(to);
                     if (adjusted) return std::nullopt;
                     log_warning("{}", adjusted.error().message);
                     return "Failed to set current oom_score_adj. Check server logs.";
                   });
  config.on_change({"crash-log-enabled"}, [](const Config&, const Config& to) {
    log_crashes(to.crash_log_enabled);
    return std::nullopt;
  });
  if (!initial->set_proc_title) return;
  set_process_title(process_title(*initial, config.file()));
  config.on_change({"proc-title-template", "port", "bind"},
                   [&config](const Config&, const Config& to) {
                     set_process_title(process_title(to, config.file()));
                     return std::nullopt;
                   });
}

// Returns when somebody wants the server to stop and nothing speaks against it. Whoever interrupts
// it once more from then on means it; other signals ask for what is under way, as in Redis.
void wait_for_the_end(Server& server) {
  for (;;) {
    const std::string_view signal = wait_for_shutdown();
    std::optional<ShutdownWish> wish;
    if (!signal.empty()) {
      log_warning("Received {} scheduling shutdown...", signal);
      const auto config = server.config.snapshot();
      wish = shutdown_wish(signal == "SIGINT" ? config->shutdown_on_sigint
                                              : config->shutdown_on_sigterm);
    }
    if (server.shutdown.prepare(wish)) return end_by_next_interrupt();
  }
}

// There while the process has the store: whoever waits for it to go may open the store then.
class PidFile {
 public:
  explicit PidFile(const Config& config) : path_(config.in_dir(config.pidfile)) {
    if (path_.empty()) return;
    if (auto written = write_pid_file(path_); !written) {
      log_warning("{}", written.error().message);
    }
  }
  ~PidFile() {
    if (!path_.empty()) remove_pid_file(path_);
  }
  PidFile(const PidFile&) = delete;
  PidFile& operator=(const PidFile&) = delete;

 private:
  const std::string path_;
};

// Says that there was no store, which may not be what was meant.
void tell_of_new_store(const Config& config) {
  log_notice("A new store was made in {}: it has no keys", config.dir);
  for (const std::string_view parameter : {"dbfilename", "appenddirname"}) {
    const std::string path = config.in_dir(render_value(*find_row(parameter), config));
    const auto there = engine::posix_file_system().stat(path);
    if (!there || !*there) continue;
    log_warning("{} looks like Redis's data, and is not read: respcask-import brings a dump.rdb in",
                path);
  }
}

// Runs the server over an open store until it is told to stop. Returns the exit code.
int serve(engine::Store& store, ConfigStore& config, std::vector<ListeningSocket> bound) {
  Server server(store, config);
  Network network(server);
  const auto initial = config.snapshot();
  if (auto loaded = acl::load_users(server); !loaded) {
    return refuse_to_start(*initial, loaded.error().message);
  }
  if (auto opened = network.open(std::move(bound)); !opened) {
    return refuse_to_start(*initial, opened.error().message);
  }
  follow_config(config, store);
  follow_process_settings(config);
  show_banner(*initial);
  auto started = server.start();
  if (started) started = network.start();
  if (!started) {
    network.stop();
    server.stop();
    return refuse_to_start(*initial, started.error().message);
  }
  log_notice("Server initialized: {} loops, {} shards, data in {}", initial->io_threads,
             store.shard_count(), initial->dir);
  log_notice("Ready to accept connections on port {}{}", initial->port,
             initial->unixsocket.empty() ? "" : " and " + initial->unixsocket);
  announce_ready(*initial);

  wait_for_the_end(server);
  announce_stop(*initial);
  network.stop();
  server.stop();
  return 0;
}

// Joins segments where the limit of open files has no room for all, so that clients have some.
void fit_segments(const Config& config, engine::Store& store) {
  const uint64_t segments = store.segments();
  const OtherFiles others = other_files(config.io_threads, store.shard_count(), segments);
  const FileShares shares = raise_and_share_files(config.maxclients, others);
  store.limit_segments(shares.segments);
  if (segments <= shares.segments) return;
  log_notice(
      "The limit of open files is {}, which leaves room for {} segments: joining some of the "
      "{} that there are",
      shares.files, shares.segments, segments);
  store.join_segments();
  log_notice("There are {} segments now", store.segments());
}

// The error is why the server does not start.
engine::Result<std::unique_ptr<engine::Store>> open_store(const Config& config) {
  raise_open_files();
  const StopWhileLoading stop;
  auto store = engine::Store::open(store_options(config));
  if (!store) return store;
  // Keys that nobody sees would survive a FLUSHALL, and come back one day.
  if ((*store)->open_report().found.databases > static_cast<uint64_t>(config.databases)) {
    return engine::Error{
        engine::ErrorCode::kInvalid,
        fmt::format("FATAL: Data file was created with a Redis server configured to handle more "
                    "than {} databases. Exiting",
                    config.databases)};
  }
  fit_segments(config, **store);
  return store;
}

// A store has as many shards as it was made with, so that is what CONFIG GET says.
void take_shards(const engine::Store& store, Config& config) {
  if (config.shards == store.shard_count()) return;
  log_notice("The store was made with {} shards, which stays so: 'shards {}' has no effect",
             store.shard_count(), config.shards);
  config.shards = store.shard_count();
}

// What was asked for instead of a start. Returns the exit code.
int show(std::string_view text) {
  print_text(text);
  const auto written = printed();
  if (!written) say("{}\n", written.error().message);
  return written ? 0 : 1;
}

int run(const std::vector<std::string_view>& arguments) {
  auto startup = parse_command_line(arguments, std::cin);
  if (!startup) {
    say("{}\n", startup.error().message);
    return 1;
  }
  if (startup->action == Startup::Action::kPrintHelp) {
    return show(help_text());
  }
  if (startup->action == Startup::Action::kPrintVersion) {
    return show(version_text() + "\n");
  }
  const Config& config = startup->config;
  // The log may lie in a directory that is made with the store.
  if (!config.logfile.empty()) (void)engine::posix_file_system().create_directory(config.dir);
  if (const std::string refused = log_open(config); !refused.empty()) {
    say("{}\n", refused);
    return 1;
  }
  // A supervisor wants to keep its hands on the process that it has started.
  if (config.daemonize && supervision(config) == Supervised::kNo) {
    if (auto detached = daemonize(); !detached) {
      return refuse_to_start(config, detached.error().message);
    }
  }
  prepare_signals();
  const CrashStack crash_stack;
  prepare_crash_log(config.in_dir(config.logfile));
  log_crashes(config.crash_log_enabled);
  // Huge pages make a keydir of many small pages take more memory than it uses.
  if (config.disable_thp) ::prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
  log_start(*startup);

  auto bound = Network::bind(config);
  if (!bound) return refuse_to_start(config, bound.error().message);
  auto store = open_store(config);
  if (!store) return refuse_to_start(config, store.error().message);
  const PidFile pid_file(config);
  if ((*store)->open_report().created) tell_of_new_store(config);
  take_shards(**store, startup->config);
  ConfigStore config_store(config, startup->file);
  const int code = serve(**store, config_store, std::move(*bound));
  if (auto closed = (*store)->close(); !closed) {
    log_warning("Closing the store: {}", closed.error().message);
    return 1;
  }
  if (code == 0) log_notice("respcask is now ready to exit, bye bye...");
  return code;
}

}  // namespace
}  // namespace respcask::server

int main(int argc, char** argv) {
  if (!respcask::server::open_standard_streams()) return 1;
  const std::vector<std::string> arguments(argv + 1, argv + argc);
  respcask::server::ProcessMemory::keep_some_free();
  respcask::server::prepare_process_title(argc, argv);
  return respcask::server::run({arguments.begin(), arguments.end()});
}

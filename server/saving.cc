#include "server/saving.h"

#include <chrono>
#include <cstdint>
#include <string>
#include <utility>

#include "engine/backup.h"
#include "engine/named_thread.h"
#include "server/log.h"

namespace respcask::server {
namespace {

int64_t unix_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

int64_t unix_s() {
  return unix_ms() / 1000;
}

std::string directory_of(const engine::Store& store, const Config& config) {
  return config.backup_dir.empty() ? store.options().dir + "/backups" : config.backup_dir;
}

}  // namespace

Saving::Saving(engine::Store& store, const ConfigStore& config, const Stats& stats, int64_t now_s)
    : store_(store), config_(config), stats_(stats), last_save_s_(now_s) {}

void Saving::stop() {
  stopping_ = true;
  join();
  stopping_ = false;
}

void Saving::wait() {
  join();
}

void Saving::join() {
  for (Job* job : {&save_job_, &rewrite_job_}) {
    std::thread thread;
    {
      std::lock_guard guard(mutex_);
      thread = std::move(job->thread);
    }
    if (thread.joinable()) thread.join();
  }
}

void Saving::clean_up() {
  const auto config = config_.snapshot();
  const auto cleaned = engine::prune_backups(*store_.options().files, directory_of(store_, *config),
                                             store_.identity(), SIZE_MAX);
  if (!cleaned) log_warning("Removing unfinished backups: {}", cleaned.error().message);
}

std::optional<engine::Result<void>> Saving::save() {
  {
    std::lock_guard guard(mutex_);
    if (save_job_.running) return std::nullopt;
    save_job_.running = true;
    save_job_.started_s = unix_s();
  }
  const engine::Result<void> saved = make_backup();
  std::lock_guard guard(mutex_);
  save_job_.running = false;
  return saved;
}

engine::Result<void> Saving::make_backup() {
  const auto config = config_.snapshot();
  const std::string directory = directory_of(store_, *config);
  // Counted before: what is written meanwhile may not be in it.
  const uint64_t changes = stats_.sum().changes;
  const auto made = engine::make_backup(store_, directory, unix_ms());
  {
    std::lock_guard guard(mutex_);
    save_job_.failed = !made;
    if (made) {
      ++saves_;
      changes_at_save_ = changes;
      last_save_s_ = unix_s();
      last_backup_ = made->path;
    }
  }
  if (!made) {
    log_warning("Backup failed: {}", made.error().message);
    return made.error();
  }
  log_notice("Backup {}: {} segments, {} bytes, of which {} were copied; shards locked for {} us",
             made->path, made->segments, made->bytes, made->copied_bytes, made->locked_us);
  if (config->backups_kept > 0) {
    const auto pruned =
        engine::prune_backups(*store_.options().files, directory, store_.identity(),
                              static_cast<size_t>(config->backups_kept), made->path);
    if (!pruned) log_warning("Removing old backups: {}", pruned.error().message);
  }
  return {};
}

void Saving::rewrite_everything() {
  using namespace std::chrono_literals;
  const engine::MergeStats before = store_.merge_stats();
  store_.request_merge();
  engine::MergeStats now;
  for (now = store_.merge_stats(); now.requests_done == before.requests_done && !stopping_;
       now = store_.merge_stats()) {
    std::this_thread::sleep_for(20ms);
  }
  std::lock_guard guard(mutex_);
  if (now.requests_done == before.requests_done) return;
  rewrite_job_.failed = now.failed != before.failed;
  if (!rewrite_job_.failed) ++rewrites_;
}

template <class Work>
Saving::Start Saving::start(Job& job, std::string name, Work work) {
  std::lock_guard guard(mutex_);
  if (job.running) return Start::kRunning;
  if (job.thread.joinable()) job.thread.join();  // it has nothing left to do
  const int64_t started_s = unix_s();
  const auto started = engine::start_thread(job.thread, name, [this, &job, work] {
    work();
    std::lock_guard done(mutex_);
    job.running = false;
    job.duration_s = unix_s() - job.started_s;
  });
  if (!started) {
    job.failed = true;
    log_warning("Can't {} in background: {}", name, started.error().message);
    return Start::kFailed;
  }
  job.running = true;
  job.started_s = started_s;
  return Start::kStarted;
}

Saving::Start Saving::start_save() {
  return start(save_job_, "save", [this] { (void)make_backup(); });
}

Saving::Start Saving::start_rewrite() {
  return start(rewrite_job_, "rewrite", [this] { rewrite_everything(); });
}

Saving::Report Saving::report() const {
  const uint64_t changes = stats_.sum().changes;
  std::lock_guard guard(mutex_);
  Report report;
  report.last_save_s = last_save_s_;
  report.saves = saves_;
  report.changes_since_save = changes - changes_at_save_;
  report.save_failed = save_job_.failed;
  report.last_backup = last_backup_;
  report.save_duration_s = save_job_.duration_s;
  if (save_job_.running) report.save_running_s = unix_s() - save_job_.started_s;
  report.rewrites = rewrites_;
  report.rewrite_failed = rewrite_job_.failed;
  report.rewrite_duration_s = rewrite_job_.duration_s;
  if (rewrite_job_.running) report.rewrite_running_s = unix_s() - rewrite_job_.started_s;
  return report;
}

}  // namespace respcask::server

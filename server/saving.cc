#include "server/saving.h"

#include <chrono>
#include <ctime>
#include <utility>

#include "server/log.h"

namespace respcask::server {
namespace {

int64_t unix_s() {
  return static_cast<int64_t>(std::time(nullptr));
}

}  // namespace

Saving::Saving(engine::Store& store, const Stats& stats, int64_t now_s)
    : store_(store), stats_(stats), last_save_s_(now_s) {}

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

engine::Result<void> Saving::save() {
  return save_everything();
}

engine::Result<void> Saving::save_everything() {
  // Counted before the sync: what is written while it runs may not be in it.
  const uint64_t changes = stats_.sum().changes;
  const engine::Result<void> synced = store_.sync();
  std::lock_guard guard(mutex_);
  save_failed_ = !synced;
  if (synced) {
    ++saves_;
    changes_at_save_ = changes;
    last_save_s_ = unix_s();
  } else {
    log_warning("Saving failed: {}", synced.error().message);
  }
  return synced;
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
  rewrite_failed_ = now.failed != before.failed;
  if (!rewrite_failed_) ++rewrites_;
}

template <class Work>
bool Saving::start(Job& job, Work work) {
  std::lock_guard guard(mutex_);
  if (job.running) return false;
  if (job.thread.joinable()) job.thread.join();  // it has nothing left to do
  job.running = true;
  job.started_s = unix_s();
  job.thread = std::thread([this, &job, work] {
    work();
    std::lock_guard done(mutex_);
    job.running = false;
    job.duration_s = unix_s() - job.started_s;
  });
  return true;
}

bool Saving::start_save() {
  return start(save_job_, [this] { (void)save_everything(); });
}

bool Saving::start_rewrite() {
  return start(rewrite_job_, [this] { rewrite_everything(); });
}

Saving::Report Saving::report() const {
  const uint64_t changes = stats_.sum().changes;
  std::lock_guard guard(mutex_);
  Report report;
  report.last_save_s = last_save_s_;
  report.saves = saves_;
  report.changes_since_save = changes - changes_at_save_;
  report.save_failed = save_failed_;
  report.save_duration_s = save_job_.duration_s;
  if (save_job_.running) report.save_running_s = unix_s() - save_job_.started_s;
  report.rewrites = rewrites_;
  report.rewrite_failed = rewrite_failed_;
  report.rewrite_duration_s = rewrite_job_.duration_s;
  if (rewrite_job_.running) report.rewrite_running_s = unix_s() - rewrite_job_.started_s;
  return report;
}

}  // namespace respcask::server

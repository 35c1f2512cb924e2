#include "engine/load_log.h"

#include <algorithm>

#include <fmt/format.h>

#include "engine/named_thread.h"

namespace respcask::engine {
namespace {

constexpr double kMegabyte = 1e6;

}  // namespace

std::string load_line(uint64_t records, uint64_t bytes, uint64_t total_bytes, double seconds) {
  const double rate = static_cast<double>(records) / std::max(seconds, 1e-3);
  std::string line = fmt::format("Loading: {} records, {:.1f} of {:.1f} MB, {:.0f} records/s",
                                 records, static_cast<double>(bytes) / kMegabyte,
                                 static_cast<double>(total_bytes) / kMegabyte, rate);
  if (bytes > 0 && bytes < total_bytes) {
    const double left = static_cast<double>(total_bytes - bytes) / static_cast<double>(bytes);
    line += fmt::format(", about {:.0f} s left", std::max(left * seconds, 1.0));
  }
  return line;
}

LoadLog::LoadLog(const RecoveryProgress& progress, Sink sink, std::chrono::milliseconds interval)
    : progress_(progress), sink_(std::move(sink)) {
  if (sink_) (void)start_thread(thread_, "load-log", [this, interval] { run(interval); });
}

LoadLog::~LoadLog() {
  if (!thread_.joinable()) return;
  {
    std::lock_guard guard(mutex_);
    over_ = true;
  }
  ended_.notify_one();
  thread_.join();
  if (!reported_) return;
  sink_(fmt::format("Loaded {} records from {:.1f} MB in {:.1f} s", progress_.records.load(),
                    static_cast<double>(progress_.bytes) / kMegabyte, seconds()));
}

void LoadLog::run(std::chrono::milliseconds interval) {
  std::unique_lock guard(mutex_);
  while (!ended_.wait_for(guard, interval, [this] { return over_; })) {
    reported_ = true;
    sink_(load_line(progress_.records, progress_.bytes, progress_.total_bytes, seconds()));
  }
}

double LoadLog::seconds() const {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
}

}  // namespace respcask::engine

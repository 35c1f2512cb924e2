#include "server/store_settings.h"

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>

#include "server/log.h"
#include "server/types/element_index.h"

namespace respcask::server {
namespace {

engine::SyncMode sync_mode(const Config& config) {
  switch (config.appendfsync) {
    case AppendFsync::kAlways:
      return engine::SyncMode::kAlways;
    case AppendFsync::kEverysec:
      return engine::SyncMode::kEverySecond;
    case AppendFsync::kNo:
      break;
  }
  return engine::SyncMode::kNo;
}

engine::MergeOptions merge_options(const Config& config) {
  engine::MergeOptions merge;
  merge.trigger_garbage = config.merge_trigger_garbage_percent / 100.0;
  merge.stop_garbage = config.merge_stop_garbage_percent / 100.0;
  merge.least_bytes = config.auto_aof_rewrite_min_size;
  // A bound on the files is kept by merging, however small it is.
  constexpr uint64_t kPartOfDisk = 4;
  if (config.maxdisk != 0) {
    merge.least_bytes = std::min(merge.least_bytes, config.maxdisk / kPartOfDisk);
  }
  merge.bytes_per_second = config.merge_bytes_per_second;
  merge.window_from_hour = static_cast<int>(config.merge_window.first);
  merge.window_to_hour = static_cast<int>(config.merge_window.last);
  return merge;
}

void log_of_store(engine::LogLevel level, std::string_view message) {
  switch (level) {
    case engine::LogLevel::kDebug:
      return log_debug("{}", message);
    case engine::LogLevel::kVerbose:
      return log_verbose("{}", message);
    case engine::LogLevel::kNotice:
      return log_notice("{}", message);
    case engine::LogLevel::kWarning:
      return log_warning("{}", message);
  }
}

}  // namespace

engine::Options store_options(const Config& config) {
  engine::Options options;
  options.dir = config.dir;
  options.shards = config.shards;
  options.databases = static_cast<uint32_t>(config.databases);
  options.segment_bytes = config.segment_bytes;
  options.sync = sync_mode(config);
  options.merge = merge_options(config);
  options.scrub_bytes_per_second = config.scrub_bytes_per_second;
  options.element_index = make_element_index;
  options.log = log_of_store;
  return options;
}

void follow_config(ConfigStore& config, engine::Store& store) {
  config.on_change({"appendfsync"},
                   [&store](const Config&, const Config& to) -> std::optional<std::string> {
                     auto set = store.set_sync_mode(sync_mode(to));
                     if (set) return std::nullopt;
                     return set.error().message;
                   });
  config.on_change(
      {"merge-trigger-garbage", "merge-stop-garbage", "auto-aof-rewrite-min-size",
       "merge-bytes-per-second", "merge-window", "maxdisk"},
      [&store](const Config&, const Config& to) {
        store.set_merge_options(merge_options(to));
        return std::nullopt;
      });
  config.on_change({"scrub-bytes-per-second"}, [&store](const Config&, const Config& to) {
    store.set_scrub_rate(to.scrub_bytes_per_second);
    return std::nullopt;
  });
  config.on_change({"loglevel"}, [](const Config&, const Config& to) {
    log_set_level(to.loglevel);
    return std::nullopt;
  });
}

}  // namespace respcask::server

// What of the configuration is the store's: at its start, and after each CONFIG SET.
#pragma once

#include "engine/options.h"
#include "engine/store.h"
#include "server/config/config.h"
#include "server/config/store.h"

namespace respcask::server {

// For opening the store that the configuration names; its messages go to the server's log.
engine::Options store_options(const Config& config);

// From now on hands to `store`, and to the log, what a CONFIG SET changes of theirs: appendfsync,
// what merging depends on, scrub-bytes-per-second and loglevel. Before the loops start; the store
// outlives the configuration's use.
void follow_config(ConfigStore& config, engine::Store& store);

}  // namespace respcask::server

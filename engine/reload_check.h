// Reload check: whether a store's files, read anew, give the very data that it serves.
//
// Everything is committed and synced; then each shard is recovered a second time from its files,
// beside the running one, and the two are compared: the keys of every database with type, expiry
// and place, the elements of every split collection, and each value against its checksum. Needs the
// memory of a second keydir, and blocks all shards meanwhile: for tests, and for whoever has reason
// to doubt.
#pragma once

#include <cstdint>

#include "engine/result.h"

namespace respcask::engine {

class Store;

struct ReloadReport {
  uint64_t keys = 0;
  uint64_t elements = 0;  // of split collections
};

// No shard may be locked. kDamaged: the first difference, in one sentence. kIo: a file could not be
// read, or the store is written to faster than it can be committed.
Result<ReloadReport> check_reload(Store& store);

}  // namespace respcask::engine

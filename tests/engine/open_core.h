// How tests open a BitcaskCore on a simulated disk: three shards in /store, small segments. A test
// case fails if it does not open. One thread.
#pragma once

#include <doctest/doctest.h>

#include <cstdint>
#include <memory>
#include <utility>

#include "engine/bitcask_core.h"

namespace respcask::engine {

inline Options core_options(SyncMode sync, uint64_t segment_bytes = 8 * 1024,
                            uint64_t journal_bytes = Options{}.journal_bytes) {
  Options options;
  options.dir = "/store";
  options.shards = 3;
  options.segment_bytes = segment_bytes;
  options.sync = sync;
  options.journal_bytes = journal_bytes;
  return options;
}

inline std::shared_ptr<BitcaskCore> open_core(FileSystem& files, Options options) {
  options.files = &files;
  auto opened = BitcaskCore::open(std::move(options));
  if (!opened) FAIL(opened.error().message);
  return *std::move(opened);
}

inline std::shared_ptr<BitcaskCore> open_core(FileSystem& files, SyncMode sync) {
  return open_core(files, core_options(sync));
}

}  // namespace respcask::engine

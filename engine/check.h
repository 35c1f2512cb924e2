// Check: reads a store whole, offline, and tells what in it is not as it was written.
//
// Every segment is read and each batch, name and value compared with its checksum; each hint with
// its segment; each segment header with the one before it. Nothing is changed. The store is opened
// by the caller, read-only, which keeps writers away meanwhile, and with Options::salvage, if one
// is to be checked that is not whole. Memory: the largest batch and one hint beside what the open
// store takes. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/format.h"
#include "engine/hint.h"
#include "engine/log_reader.h"
#include "engine/result.h"

namespace respcask::engine {

class Store;

struct CheckFinding {
  bool damage = true;  // false: worth a word, but nothing is lost (a torn tail, a stale hint)
  std::string file;
  uint64_t offset = 0;  // in the file
  std::string key;      // whose value it is; empty if that is not known
  std::string what;
};

struct CheckReport {
  uint64_t segments = 0;
  uint64_t hints = 0;
  uint64_t records = 0;
  uint64_t values = 0;
  uint64_t bytes = 0;
  uint64_t damage = 0;  // findings that are damage, and those that are not
  uint64_t notes = 0;
};

class StoreCheck {
 public:
  struct Hooks {
    std::function<void(const CheckFinding&)> finding;
    std::function<void(uint64_t bytes, uint64_t total)> progress;  // after each segment
  };

  // `store`: open read-only. Hooks may be empty.
  StoreCheck(Store& store, Hooks hooks) : store_(store), hooks_(std::move(hooks)) {}

  // Whatever cannot be read is a finding, the store's record and whole shards too.
  CheckReport run();

 private:
  struct File {
    std::string path;
    uint64_t size = 0;
    SegmentHeader header;
    bool whole = true;  // every batch of it is valid
    bool newest = false;
  };

  void check_record();
  void check_shard(uint32_t index);
  void check_bare();
  void list(uint32_t index, std::vector<File>& files);
  void check_orphan(uint32_t index, const std::string& path, uint64_t covered);
  void check_segment(File& file, LogReader& log);
  void check_batch(const File& file, LogReader& log, LogBatch& batch);
  void check_hint(const File& file, LogReader& log);
  void check_chain(const File* previous, const File& file);
  void find(CheckFinding finding);

  Store& store_;
  const Hooks hooks_;
  CheckReport report_;
  std::vector<std::string> bare_;  // directories of shards without a segment
  uint64_t total_ = 0;
};

}  // namespace respcask::engine

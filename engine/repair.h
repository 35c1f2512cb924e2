// Repair: copies what can be read of a store to a new one.
//
// Every key, and every element of every split collection, whose value matches its checksum is
// written to the new store; the others are named. Of what its elements make up together
// (ElementIndex::is_indivisible) nothing is written unless all of them can be. What is lost with
// its name is a finding of StoreCheck. The source is opened read-only by the caller and not
// changed. Values are read from the files, not through mappings, so that a bad sector is an error
// and not a signal. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "engine/check.h"
#include "engine/keydir_entry.h"
#include "engine/result.h"
#include "engine/shard.h"

namespace respcask::engine {

class Store;

struct RepairReport {
  uint64_t keys = 0;      // copied
  uint64_t elements = 0;  // of collections, copied
  uint64_t lost = 0;      // keys and elements that are named and could not be read
};

class StoreRepair {
 public:
  // `out` must not exist, or be an empty directory. `lost` is called for each key and element left
  // behind. Databases that `source` was not opened with are not copied.
  StoreRepair(Store& source, std::string out, std::function<void(const CheckFinding&)> lost)
      : source_(source), out_(std::move(out)), lost_(std::move(lost)) {}

  // Makes `out` if it is missing. kInvalid: it is not empty. Before anything that takes long.
  Result<void> prepare();
  // Errors: those of prepare(); the new store could not be written, and what is there of it is no
  // whole copy.
  Result<RepairReport> run();

 private:
  Result<void> copy_key(Shard& from, uint32_t db, std::string_view key, const KeydirEntry& entry);
  bool has_all_elements(Shard& from, std::string_view key, const KeydirEntry& entry);
  Result<uint64_t> copy_elements(Shard& from, std::string_view key, const KeydirEntry& entry,
                                 Shard& to, uint64_t collection);
  Result<void> make_room(Shard& to, uint64_t bytes);
  Result<void> commit();
  void lose(const ColdRead& cold, std::string_view key, std::string_view what);

  Store& source_;
  const std::string out_;
  const std::function<void(const CheckFinding&)> lost_;
  std::unique_ptr<Store> target_;
  RepairReport report_;
  uint64_t uncommitted_ = 0;  // bytes
};

}  // namespace respcask::engine

// Backup: a whole store as of one instant, in a directory of its own that can be opened as a store.
//
// What is sealed costs a second name for its file (a hard link) and no space until a merge drops it
// from the store. So that an active segment's records are in the backup and nothing that follows
// them, a large one is rolled, which seals it, and a small one is copied: a roll for each backup
// would leave a trail of small segments. All shards are locked for the instant in which that is
// settled; everything else happens without a lock. Files with two names are never written to by
// either of their stores (recovery.h).
//
// A backup is made and removed under a name that ends in ".tmp", so what has a proper name is
// whole, whenever the process or the power went. backup.cc has the layout.
//
// Plain functions, for a thread that may block. One backup of a store at a time: the caller sees to
// it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/result.h"
#include "engine/store_record.h"

namespace respcask::engine {

class FileSystem;
class Store;

struct BackupReport {
  std::string path;
  uint64_t segments = 0;
  uint64_t bytes = 0;         // of all segments,
  uint64_t copied_bytes = 0;  // and of those that were copied
  int64_t locked_us = 0;      // for how long all shards were locked
};

// Makes a backup in `directory`: an absolute path without a slash at its end, on the file system of
// the store; it is made if missing, its parent is not. `now_ms` (Unix time) names the backup. No
// shard may be locked. What was acknowledged before the call is in it. After an error there is no
// new backup. kReadOnly: a shard is, after a failed write, and what it holds is not known.
Result<BackupReport> make_backup(Store& store, const std::string& directory, int64_t now_ms);

// The names of the whole backups of that store, oldest first; none if there is no such directory.
Result<std::vector<std::string>> list_backups(FileSystem& files, const std::string& directory,
                                              const StoreIdentity& store);

// Removes the oldest backups of that store until `kept` are left, and what a crash has left of
// others. `made`: the path of one that stays, whatever its name says of its time (the clock may
// have been set back). One that has been opened for writing since is no backup any more; one that
// is open stays. Only what make_backup made of this very store is touched: one that was begun from
// a backup has an instance of its own, and leaves the backups of the other alone.
Result<void> prune_backups(FileSystem& files, const std::string& directory,
                           const StoreIdentity& store, size_t kept, std::string_view made = {});

}  // namespace respcask::engine

// BackupMark: whose backup a directory is, and the list of what is in it.
//
// Two files tell: BACKUP, from the moment that the backup is begun, whose it is, and MANIFEST, once
// it is whole, every segment and hint and its size, so that a copy that is not whole is noticed.
// Backups of before there was a MANIFEST have a mark without an instance. Plain data and functions;
// any thread. backup_mark.cc has the formats.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "engine/function_ref.h"
#include "engine/result.h"
#include "engine/store_record.h"

namespace respcask::engine {

class FileSystem;

// A store that is opened for writing removes both from its directory.
inline constexpr char kBackupMark[] = "BACKUP";
inline constexpr char kManifest[] = "MANIFEST";

struct BackupMark {
  StoreIdentity store;  // that it is of
  uint32_t shards = 0;
  int64_t created_ms = 0;    // Unix time
  bool has_manifest = true;  // when it is whole; and then every shard has a segment
};

std::string encode_backup_mark(const BackupMark& mark);
// Nothing: there is none, or it was cut off while it was written.
Result<std::optional<BackupMark>> read_backup_mark(FileSystem& files, const std::string& directory);

struct BackupFile {
  std::string path;  // from the backup's directory
  uint64_t size = 0;
};

std::string encode_manifest(std::span<const BackupFile> backed_up);

// A file of a backup that is not as it was made.
struct BackupFault {
  std::string path;
  bool damage = true;  // false: nothing is lost with it
  std::string what;
};

// Which of the two files are a backup's. Others may have files by these names.
struct BackupMarks {
  std::optional<BackupMark> mark;
  bool manifest = false;  // as it was written
  bool is_backup() const { return mark || manifest; }
};
Result<BackupMarks> find_backup_marks(FileSystem& files, const std::string& directory);

// Compares a backup that nobody has written to with its manifest; calls `fault` for what differs.
// One that has no manifest, because it is too old for that, is not compared, nor is what is none.
void check_manifest(FileSystem& files, const std::string& directory,
                    FunctionRef<void(const BackupFault&)> fault);

}  // namespace respcask::engine

// A backup's files:
//
//   DIRECTORY/2026-11-23T07-41-05.123Z    when it was made, UTC; with ".tmp": being made or removed
//     BACKUP        marks a backup that nobody has written to, and says whose (backup_mark.cc)
//     LOCK          empty
//     MANIFEST      the files and their sizes (backup_mark.cc); not in older ones
//     STORE         the store's record (store_record.cc), a copy
//     shard-03/     of each shard the segments and hints, second names or copies; one at least,
//                   but in those without a MANIFEST

#include "engine/backup.h"

#include <algorithm>
#include <cctype>
#include <chrono>
#include <ctime>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "engine/backup_mark.h"
#include "engine/file.h"
#include "engine/segment.h"
#include "engine/segment_name.h"
#include "engine/shard.h"
#include "engine/store.h"

namespace respcask::engine {
namespace {

constexpr std::string_view kTemporary = ".tmp";
constexpr std::string_view kNameForm = "dddd-dd-ddTdd-dd-dd.dddZ";

std::string name_of(int64_t unix_ms) {
  const std::time_t seconds = unix_ms / 1000;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}-{:02}-{:02}.{:03}Z", utc.tm_year + 1900,
                     utc.tm_mon + 1, utc.tm_mday, utc.tm_hour, utc.tm_min, utc.tm_sec,
                     unix_ms % 1000);
}

bool is_name(std::string_view name) {
  return std::equal(
      name.begin(), name.end(), kNameForm.begin(), kNameForm.end(), [](char c, char form) {
        return form == 'd' ? std::isdigit(static_cast<unsigned char>(c)) != 0 : c == form;
      });
}

// Whose backup, whole or not, a directory is.
enum class Owner { kThisStore, kOtherStore, kNobody };
Result<Owner> owner_of(FileSystem& files, const std::string& path, const StoreIdentity& store) {
  auto mark = read_backup_mark(files, path);
  if (!mark) return mark.error();
  if (!*mark) return Owner::kNobody;
  return (*mark)->store == store ? Owner::kThisStore : Owner::kOtherStore;
}

Result<void> remove_files(FileSystem& files, const std::string& directory) {
  auto names = files.list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (auto removed = files.unlink(fmt::format("{}/{}", directory, name)); !removed)
      return removed;
  }
  return files.remove_directory(directory);
}

// Removes a backup that has its temporary name. The mark, by which what is left can be told, goes
// when the shards have gone.
Result<void> remove_unfinished(FileSystem& files, const std::string& path) {
  auto names = files.list(path);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    if (!name.starts_with("shard-")) continue;
    if (auto removed = remove_files(files, fmt::format("{}/{}", path, name)); !removed)
      return removed;
  }
  if (auto synced = files.sync_directory(path); !synced) return synced;
  return remove_files(files, path);
}

Result<void> write_file(FileSystem& files, const std::string& path, std::string_view text) {
  auto file = files.create(path);
  if (!file) return file.error();
  if (auto written = (*file)->write_at(0, text); !written) return written;
  return (*file)->sync_all();
}

// The first `size` bytes of a file.
Result<void> copy_file(FileSystem& files, const std::string& path, const File& from,
                       uint64_t size) {
  auto file = files.create(path);
  if (!file) return file.error();
  std::string piece;
  constexpr uint64_t kPiece = uint64_t{1} << 20;
  for (uint64_t at = 0; at < size; at += piece.size()) {
    piece.resize(std::min(kPiece, size - at));
    auto got = from.read_at(at, piece);
    if (!got) return got.error();
    if (*got != piece.size()) {
      return Error{ErrorCode::kDamaged,
                   fmt::format("{}: ends before offset {}", from.path(), size)};
    }
    if (auto written = (*file)->write_at(at, piece); !written) return written;
  }
  return (*file)->sync_all();
}

}  // namespace

class Backup {
 public:
  Backup(Store& store, const std::string& directory, int64_t now_ms)
      : store_(store),
        files_(*store.options_.files),
        directory_(directory),
        now_ms_(now_ms),
        all_(ShardSet::first(store.shard_count())) {}

  Result<BackupReport> run() {
    if (auto frozen = freeze(); !frozen) return frozen.error();
    // From here on nothing that the backup names changes any more; now it has to be on the device.
    if (auto synced = store_.run_sync(); !synced) return synced.error();
    if (store_.sync_failed()) {
      return Error{ErrorCode::kReadOnly, "no backup: a sync of the store has failed before"};
    }
    for (uint32_t i : all_) store_.settle_sealed(store_.shard(i), Store::Hints::kNow);
    store_.write_late_hints(Store::Hints::kNow);
    if (auto named = choose_name(); !named) return named.error();
    if (auto built = build(); !built) {
      (void)remove_unfinished(files_, temporary_);  // what stays is removed by the next pruning
      return built.error();
    }
    return report_;
  }

 private:
  // An active segment of up to so many bytes is copied.
  static constexpr uint64_t kMostCopied = uint64_t{8} << 20;

  // What a shard held at the instant.
  struct Part {
    std::vector<std::shared_ptr<Segment>> sealed;
    std::shared_ptr<Segment> active;  // null: nothing was in it, and others are there
    uint64_t active_size = 0;
  };

  Result<void> freeze() {
    // What is pending is written before the locks are taken, all but the very last of it.
    if (auto committed = store_.commit(all_); !committed) return committed.error();
    for (uint32_t i : all_) store_.shard(i).lock();
    const auto start = std::chrono::steady_clock::now();
    Result<void> frozen = freeze_locked();
    report_.locked_us = std::chrono::duration_cast<std::chrono::microseconds>(
                            std::chrono::steady_clock::now() - start)
                            .count();
    for (uint32_t i : all_) store_.shard(i).unlock();
    return frozen;
  }

  Result<void> freeze_locked() {
    // Of a transaction either all parts are in the files or none.
    bool any_linked = false;
    for (uint32_t i : all_) any_linked |= !store_.shard(i).pending_shards_.empty();
    for (uint32_t i : all_) {
      auto committed = store_.commit_shard(store_.shard(i));
      if (committed) continue;
      // Whoever commits in a shard that has its part would take what follows half a transaction
      // for committed.
      if (any_linked) store_.refuse_writes();
      return committed.error();
    }
    for (uint32_t i : all_) {
      Shard& shard = store_.shard(i);
      Part part;
      if (shard.active_->size() > std::min(kMostCopied, store_.options_.segment_bytes / 2)) {
        if (auto rolled = shard.roll(); !rolled) return rolled;
      } else if (shard.active_->size() > kSegmentHeaderSize || shard.order_.size() == 1) {
        part.active = shard.active_;
        part.active_size = shard.active_->size();
      }
      part.sealed.assign(shard.order_.begin(), shard.order_.end() - 1);
      parts_.push_back(std::move(part));
    }
    return {};
  }

  Result<void> choose_name() {
    if (auto made = files_.create_directory(directory_); !made) return made;
    const std::string parent = directory_.substr(0, directory_.rfind('/'));
    if (auto synced = files_.sync_directory(parent.empty() ? "/" : parent); !synced) return synced;
    for (;; ++now_ms_) {
      report_.path = fmt::format("{}/{}", directory_, name_of(now_ms_));
      temporary_ = report_.path + std::string(kTemporary);
      auto whole = files_.stat(report_.path);
      if (!whole) return whole.error();
      auto unfinished = files_.stat(temporary_);
      if (!unfinished) return unfinished.error();
      if (!*whole && !*unfinished) return {};
    }
  }

  Result<void> build() {
    if (auto made = files_.create_directory(temporary_); !made) return made;
    // Held until the backup is whole: a pruning leaves alone what it cannot lock.
    auto lock = files_.lock(temporary_ + "/LOCK", LockKind::kExclusive);
    if (!lock) return lock.error();
    const std::string mark = encode_backup_mark({store_.identity(), store_.shard_count(), now_ms_});
    if (auto made = write_file(files_, fmt::format("{}/{}", temporary_, kBackupMark), mark); !made)
      return made;
    if (auto synced = files_.sync_directory(temporary_); !synced) return synced;
    if (auto tried = try_link(); !tried) return tried;
    for (uint32_t i : all_) {
      if (auto built = build_shard(i); !built) return built;
    }
    // Not a second name: what damages the one in place must not damage the other.
    const std::string record = encode_store_record(store_.record_);
    if (auto made = write_file(files_, temporary_ + "/STORE", record); !made) return made;
    auto listed = write_file(files_, fmt::format("{}/{}", temporary_, kManifest),
                             encode_manifest(backed_up_));
    if (!listed) return listed;
    if (auto synced = files_.sync_directory(temporary_); !synced) return synced;
    if (auto renamed = files_.rename(temporary_, report_.path); !renamed) return renamed;
    if (auto synced = files_.sync_directory(directory_); !synced) {
      // Whether it has its name is not known; it must not be there if it is said to have failed.
      (void)files_.rename(report_.path, temporary_);
      return synced;
    }
    return {};
  }

  // Whether files of the store can have second names here, as on another file system they cannot:
  // said at the first backup, which may hold nothing but copies, not when there is more.
  Result<void> try_link() {
    const std::string name = temporary_ + "/STORE";
    if (auto linked = files_.link(store_.options_.dir + "/STORE", name); !linked) return linked;
    return files_.unlink(name);
  }

  Result<void> build_shard(uint32_t index) {
    const Part& part = parts_[index];
    const std::string to = shard_directory(temporary_, index);
    if (auto made = files_.create_directory(to); !made) return made;
    for (const auto& segment : part.sealed) {
      bool has_hint = false;
      {
        std::lock_guard guard(store_.shard(index));
        has_hint = segment->has_hint;
      }
      if (auto linked = link_into(to, segment->path()); !linked) return linked;
      if (has_hint) {
        if (auto linked = link_hint_into(to, segment); !linked) return linked;
      }
      report_.bytes += segment->size();
      ++report_.segments;
    }
    if (part.active) {
      const std::string path = to + part.active->path().substr(part.active->path().rfind('/'));
      auto copied = copy_file(files_, path, part.active->file(), part.active_size);
      if (!copied) return copied;
      backed_up_.push_back({path.substr(temporary_.size() + 1), part.active_size});
      if (part.active_size > kSegmentHeaderSize) {
        report_.bytes += part.active_size;
        report_.copied_bytes += part.active_size;
        ++report_.segments;
      }
    }
    return files_.sync_directory(to);
  }

  Result<void> link_into(const std::string& to, const std::string& path) {
    const std::string name = to + path.substr(path.rfind('/'));
    if (auto linked = files_.link(path, name); !linked) return linked;
    auto info = files_.stat(name);
    if (!info) return info.error();
    backed_up_.push_back({name.substr(temporary_.size() + 1), *info ? (*info)->size : 0});
    return {};
  }

  // Somebody may have removed it. It costs time at a start of the backup, no data, and the store
  // writes it again.
  Result<void> link_hint_into(const std::string& to, const std::shared_ptr<Segment>& segment) {
    const std::string path = hint_path_of(segment->path());
    auto linked = link_into(to, path);
    if (linked) return linked;
    auto there = files_.stat(path);
    if (!there || *there) return linked;
    std::lock_guard one_at_a_time(store_.settle_run_);
    std::lock_guard guard(store_.shard(segment->header().shard));
    if (segment->has_hint && !segment->damaged) {
      store_.hintless_.push_back({segment, std::chrono::steady_clock::now()});
    }
    segment->has_hint = false;
    return {};
  }

  Store& store_;
  FileSystem& files_;
  const std::string directory_;
  int64_t now_ms_;
  const ShardSet all_;
  std::vector<Part> parts_;
  std::string temporary_;
  std::vector<BackupFile> backed_up_;
  BackupReport report_;
};

Result<BackupReport> make_backup(Store& store, const std::string& directory, int64_t now_ms) {
  return Backup(store, directory, now_ms).run();
}

Result<std::vector<std::string>> list_backups(FileSystem& files, const std::string& directory,
                                              const StoreIdentity& store) {
  std::vector<std::string> backups;
  auto there = files.stat(directory);
  if (!there) return there.error();
  if (!*there) return backups;
  auto names = files.list(directory);
  if (!names) return names.error();
  for (std::string& name : *names) {
    if (!is_name(name)) continue;
    auto owner = owner_of(files, fmt::format("{}/{}", directory, name), store);
    if (!owner) return owner.error();
    if (*owner == Owner::kThisStore) backups.push_back(std::move(name));
  }
  return backups;
}

namespace {

// Removes a backup that nobody uses; one that somebody does, or has written to since it was listed,
// stays.
Result<void> remove_backup(FileSystem& files, const std::string& directory, const std::string& name,
                           const StoreIdentity& store) {
  const std::string path = fmt::format("{}/{}", directory, name);
  auto lock = files.lock(path + "/LOCK", LockKind::kExclusive);
  if (!lock) {
    if (lock.error().code == ErrorCode::kInUse) return {};
    return lock.error();
  }
  std::string temporary = path;
  if (!name.ends_with(kTemporary)) {
    auto owner = owner_of(files, path, store);
    if (!owner) return owner.error();
    if (*owner != Owner::kThisStore) return {};
    temporary += kTemporary;
    if (auto renamed = files.rename(path, temporary); !renamed) return renamed;
    if (auto synced = files.sync_directory(directory); !synced) return synced;
  }
  return remove_unfinished(files, temporary);
}

// Of a directory with a temporary name: whether it is what a crash has left of a backup of this
// store.
Result<bool> is_leftover(FileSystem& files, const std::string& path, const StoreIdentity& store) {
  auto owner = owner_of(files, path, store);
  if (!owner) return owner.error();
  if (*owner != Owner::kNobody) return *owner == Owner::kThisStore;
  // Cut off before it had its mark, or after it had lost it: it has no shards.
  auto names = files.list(path);
  if (!names) return names.error();
  return std::all_of(names->begin(), names->end(), [](const std::string& name) {
    return name == "LOCK" || name == "STORE" || name == kBackupMark || name == kManifest;
  });
}

}  // namespace

Result<void> prune_backups(FileSystem& files, const std::string& directory,
                           const StoreIdentity& store, size_t kept, std::string_view made) {
  auto backups = list_backups(files, directory, store);
  if (!backups) return backups.error();
  const auto stays = [&](const std::string& name) { return made == directory + "/" + name; };
  if (std::erase_if(*backups, stays) != 0 && kept != 0) --kept;
  for (size_t i = 0; i + kept < backups->size(); ++i) {
    if (auto removed = remove_backup(files, directory, (*backups)[i], store); !removed)
      return removed;
  }
  auto there = files.stat(directory);
  if (!there) return there.error();
  if (!*there) return {};
  auto names = files.list(directory);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string_view stem = std::string_view(name).substr(
        0, name.ends_with(kTemporary) ? name.size() - kTemporary.size() : 0);
    if (!is_name(stem)) continue;
    auto removable = is_leftover(files, fmt::format("{}/{}", directory, name), store);
    if (!removable) return removable.error();
    if (!*removable) continue;
    if (auto removed = remove_backup(files, directory, name, store); !removed) return removed;
  }
  return {};
}

}  // namespace respcask::engine

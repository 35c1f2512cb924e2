// BACKUP is one line of text: "respcask-backup" and, each after a space,
//
//   store=HEX      the store's id
//   shards=N
//   created=MS     Unix time
//   instance=HEX   the store's instance, 0 if it has none; not in backups without a MANIFEST
//
// MANIFEST is a line for each file in the shards' directories: its size in bytes, a space, and its
// path from the backup's directory. The last line is "crc=HEX", CRC32C of those before.

#include "engine/backup_mark.h"

#include <algorithm>
#include <charconv>
#include <string_view>

#include <fmt/format.h>

#include "engine/crc32c.h"
#include "engine/file.h"

namespace respcask::engine {
namespace {

constexpr std::string_view kMarkStart = "respcask-backup store=";
constexpr std::string_view kChecksum = "crc=";
constexpr uint64_t kMostManifest = uint64_t{256} << 20;

// The whole file, of `most` bytes at most.
Result<std::string> read_text(FileSystem& files, const std::string& path, uint64_t most) {
  auto file = files.open_read_only(path);
  if (!file) return file.error();
  auto size = (*file)->size();
  if (!size) return size.error();
  std::string text(std::min(*size, most), '\0');
  auto got = (*file)->read_at(0, text);
  if (!got) return got.error();
  text.resize(*got);
  return text;
}

// What is called a manifest, whole; nothing if it is a directory, or larger than one can be.
Result<std::optional<std::string>> read_manifest(FileSystem& files, const std::string& path,
                                                 const FileInfo& info) {
  if (info.is_directory || info.size > kMostManifest) return std::optional<std::string>();
  auto text = read_text(files, path, info.size);
  if (!text) return text.error();
  return std::optional<std::string>(*std::move(text));
}

// The lines that list files, or nothing if they are not as they were written.
std::optional<std::string_view> listed_in(std::string_view manifest) {
  const size_t last = manifest.rfind(kChecksum);
  if (last == std::string_view::npos) return std::nullopt;
  const std::string_view listed = manifest.substr(0, last);
  if (manifest.substr(last) != fmt::format("{}{:08x}\n", kChecksum, crc32c(listed))) {
    return std::nullopt;
  }
  if (!listed.empty() && !listed.ends_with('\n')) return std::nullopt;
  return listed;
}

}  // namespace

std::string encode_backup_mark(const BackupMark& mark) {
  std::string text = fmt::format("{}{:016x} shards={} created={}", kMarkStart, mark.store.id,
                                 mark.shards, mark.created_ms);
  if (mark.has_manifest) text += fmt::format(" instance={:016x}", mark.store.instance);
  return text + "\n";
}

Result<std::optional<BackupMark>> read_backup_mark(FileSystem& files,
                                                   const std::string& directory) {
  const std::string path = fmt::format("{}/{}", directory, kBackupMark);
  auto there = files.stat(path);
  if (!there) return there.error();
  if (!*there) return std::optional<BackupMark>();
  constexpr uint64_t kMostBytes = 4096;
  auto text = read_text(files, path, kMostBytes);
  if (!text) return text.error();
  const auto id = number_field(*text, "store", 16);
  if (!text->starts_with(kMarkStart) || !text->ends_with('\n') || !id) {
    return std::optional<BackupMark>();
  }
  const auto instance = number_field(*text, "instance", 16);
  BackupMark mark;
  mark.store = {*id, instance.value_or(0)};
  mark.shards = static_cast<uint32_t>(number_field(*text, "shards", 10).value_or(0));
  mark.created_ms = static_cast<int64_t>(number_field(*text, "created", 10).value_or(0));
  mark.has_manifest = instance.has_value();
  return std::optional<BackupMark>(mark);
}

Result<BackupMarks> find_backup_marks(FileSystem& files, const std::string& directory) {
  const auto mark = read_backup_mark(files, directory);
  if (!mark) return mark.error();
  BackupMarks marks{*mark, false};
  const std::string path = fmt::format("{}/{}", directory, kManifest);
  auto there = files.stat(path);
  if (!there) return there.error();
  if (!*there) return marks;
  const auto text = read_manifest(files, path, **there);
  if (!text) return text.error();
  marks.manifest = *text && listed_in(**text);
  return marks;
}

std::string encode_manifest(std::span<const BackupFile> backed_up) {
  std::string text;
  for (const BackupFile& file : backed_up) text += fmt::format("{} {}\n", file.size, file.path);
  return text + fmt::format("{}{:08x}\n", kChecksum, crc32c(text));
}

void check_manifest(FileSystem& files, const std::string& directory,
                    FunctionRef<void(const BackupFault&)> fault) {
  const std::string path = fmt::format("{}/{}", directory, kManifest);
  auto there = files.stat(path);
  const auto marks = find_backup_marks(files, directory);
  if (marks && !marks->is_backup()) return;
  if (there && !*there) {
    if (!marks)
      return fault({fmt::format("{}/{}", directory, kBackupMark), true, marks.error().message});
    if (marks->mark && marks->mark->has_manifest) {
      fault({path, true, "is missing: so the backup was not copied whole"});
    }
    return;
  }
  if (!there) return fault({path, true, there.error().message});
  const auto text = read_manifest(files, path, **there);
  if (!text) return fault({path, true, text.error().message});
  auto listed = *text ? listed_in(**text) : std::nullopt;
  if (!listed) return fault({path, true, "is damaged: what is to be in the backup is not known"});
  while (!listed->empty()) {
    const std::string_view line = listed->substr(0, listed->find('\n'));
    listed->remove_prefix(line.size() + 1);
    const size_t space = line.find(' ');
    if (space == std::string_view::npos) return fault({path, true, "is not a list of files"});
    uint64_t size = 0;
    std::from_chars(line.data(), line.data() + space, size);
    const std::string file = fmt::format("{}/{}", directory, line.substr(space + 1));
    const bool damage = !file.ends_with(".hint");
    auto info = files.stat(file);
    if (!info) {
      fault({file, damage, info.error().message});
    } else if (!*info) {
      fault({file, damage, "is missing: so the backup was not copied whole"});
    } else if ((*info)->size != size) {
      fault({file, damage,
             fmt::format("has {} bytes, not the {} of the backup", (*info)->size, size)});
    }
  }
}

}  // namespace respcask::engine

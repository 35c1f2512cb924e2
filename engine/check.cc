#include "engine/check.h"

#include <algorithm>
#include <tuple>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/backup_mark.h"
#include "engine/file.h"
#include "engine/hint.h"
#include "engine/segment_name.h"
#include "engine/store.h"

namespace respcask::engine {

CheckReport StoreCheck::run() {
  FileSystem& files = *store_.options().files;
  check_record();
  for (uint32_t i = 0; i < store_.shard_count(); ++i) {
    const std::string dir = shard_directory(store_.options().dir, i);
    auto names = files.list(dir);
    if (!names) continue;  // found below
    for (const std::string& name : *names) {
      auto info = files.stat(dir + "/" + name);
      if (info && *info && name.ends_with(".seg")) total_ += (*info)->size;
    }
  }
  for (uint32_t i = 0; i < store_.shard_count(); ++i) {
    check_shard(i);
  }
  check_bare();
  return report_;
}

// Every shard has a segment before anything is written, but in backups without a manifest.
void StoreCheck::check_bare() {
  if (report_.records == 0) return;
  const auto mark = read_backup_mark(*store_.options().files, store_.options().dir);
  if (mark && *mark && !(*mark)->has_manifest) return;
  for (const std::string& dir : bare_) {
    find({true, dir, 0, {}, "no segment is there, although other shards hold something"});
  }
}

// What is beside the shards. A store without a record was opened by what its segments say.
void StoreCheck::check_record() {
  check_manifest(*store_.options().files, store_.options().dir, [this](const BackupFault& fault) {
    find({fault.damage, fault.path, 0, {}, fault.what});
  });
  const auto record = read_store_record(*store_.options().files, store_.options().dir);
  if (record) return;
  find({true,
        store_.options().dir + "/STORE",
        0,
        {},
        fmt::format("{}; by its segments it is the store {:016x} of {} shards, unless there were "
                    "more behind the last",
                    record.error().message, store_.id(), store_.shard_count())});
  const uint64_t lost = store_.open_report().journal_only_bytes;
  if (lost == 0) return;
  find({true,
        store_.options().dir + "/JOURNAL",
        0,
        {},
        fmt::format("{} bytes that a power cut has taken from the segments are here only, and are "
                    "not in a repaired copy",
                    lost)});
}

void StoreCheck::check_shard(uint32_t index) {
  std::vector<File> files;
  list(index, files);
  const File* previous = nullptr;
  for (File& file : files) {
    ++report_.segments;
    auto opened = store_.options().files->open_read_only(file.path);
    if (!opened) {
      find({true, file.path, 0, {}, opened.error().message});
    } else {
      LogReader log(**opened, segment_identity(file.header), file.size);
      check_segment(file, log);
      check_hint(file, log);
    }
    check_chain(previous, file);
    previous = &file;
    report_.bytes += file.size;
    if (hooks_.progress) hooks_.progress(report_.bytes, total_);
  }
}

// The shard's segments, oldest first, without those that a merge has replaced.
void StoreCheck::list(uint32_t index, std::vector<File>& files) {
  FileSystem& system = *store_.options().files;
  const std::string dir = shard_directory(store_.options().dir, index);
  auto names = system.list(dir);
  if (!names) {
    return find(
        {true, dir, 0, {}, fmt::format("all of a shard is lost: {}", names.error().message)});
  }
  const auto segment = [](const std::string& name) { return name.ends_with(".seg"); };
  if (std::none_of(names->begin(), names->end(), segment)) bare_.push_back(dir);
  std::vector<std::string> orphans;
  for (const std::string& name : *names) {
    if (name.ends_with(".hint") &&
        !std::binary_search(names->begin(), names->end(), segment_of_hint(name))) {
      orphans.push_back(name);
    }
    if (!name.ends_with(".seg")) continue;
    const auto named = parse_segment_name(name);
    if (!named) {
      find({false, dir + "/" + name, 0, {}, "not a segment's name"});
      continue;
    }
    File file;
    file.path = dir + "/" + name;
    std::string head(kSegmentHeaderSize, '\0');
    auto opened = system.open_read_only(file.path);
    auto size = opened ? (*opened)->size() : Result<uint64_t>(opened.error());
    auto got = size ? (*opened)->read_at(0, head) : Result<size_t>(size.error());
    if (!got) {
      find({true, file.path, 0, {}, got.error().message});
      continue;
    }
    file.size = *size;
    const auto header = decode_segment_header(std::string_view(head).substr(0, *got));
    if (!header || header->shard != index || header->store_id != store_.id()) {
      find({true,
            file.path,
            0,
            {},
            header ? "the segment of another store or shard" : "no valid segment header"});
      continue;
    }
    if (header->first_id != named->first_id || header->generation != named->generation) {
      find({false, file.path, 0, {}, "not the segment of that name"});
    }
    file.header = *header;
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(), [](const File& a, const File& b) {
    return std::tie(a.header.first_id, b.header.generation) <
           std::tie(b.header.first_id, a.header.generation);
  });
  uint64_t covered = 0;
  std::erase_if(files, [&](const File& file) {
    if (file.header.last_id <= covered) return true;
    covered = file.header.last_id;
    return false;
  });
  if (!files.empty()) files.back().newest = true;
  for (const std::string& name : orphans) check_orphan(index, dir + "/" + name, covered);
}

// A hint without its segment. `covered`: the last id of the segments that are there; what a merge
// has replaced is below, and so is what became of one that was not completed.
void StoreCheck::check_orphan(uint32_t index, const std::string& path, uint64_t covered) {
  const std::string segment = segment_of_hint(path);
  const auto named = parse_segment_name(segment.substr(segment.rfind('/') + 1));
  if (!named || named->first_id <= covered) return;
  SegmentHeader header;
  header.shard = index;
  header.first_id = named->first_id;
  header.generation = named->generation;
  header.store_id = store_.id();
  if (HintReader::open(*store_.options().files, segment, header)) {
    find({true, path, 0, {}, "the segment that it speaks of is missing"});
  }
}

void StoreCheck::check_segment(File& file, LogReader& log) {
  uint64_t at = kSegmentHeaderSize;
  while (at < file.size) {
    if (auto batch = log.batch(at)) {
      check_batch(file, log, *batch);
      at = batch->end();
      continue;
    }
    file.whole = false;
    const auto next = log.find(at + 1);
    const uint64_t end = next.value_or(file.size);
    const std::string unreadable = log.take_error();
    // What was being written when the power went ends the newest segment, and no hint speaks of it.
    const auto hint = HintReader::open(*store_.options().files, file.path, file.header);
    const bool torn =
        unreadable.empty() && file.newest && !next && (!hint || hint->summary().covered <= at);
    find({!torn,
          file.path,
          at,
          {},
          torn ? fmt::format("a torn tail of {} bytes, which a start cuts off", end - at)
               : fmt::format("{} bytes that are no batch{}{}", end - at,
                             unreadable.empty() ? "" : ": ", unreadable)});
    at = end;
  }
}

void StoreCheck::check_batch(const File& file, LogReader& log, LogBatch& batch) {
  while (const auto placed = batch.next()) {
    ++report_.records;
    if (placed->value_offset == 0) continue;
    ++report_.values;
    std::string name(placed->record.name);
    const auto intact = batch.is_intact(*placed);
    if (intact && *intact) continue;
    find({true, file.path, placed->value_offset, std::move(name),
          intact ? "a value that does not match its checksum"
                 : fmt::format("a value that cannot be read: {}", log.take_error())});
  }
  if (batch.has_failed()) {
    find({true,
          file.path,
          batch.offset(),
          {},
          fmt::format("cannot be read again: {}", log.take_error())});
  }
}

// Every entry of a hint must be a record of its segment, in the same order.
void StoreCheck::check_hint(const File& file, LogReader& log) {
  FileSystem& files = *store_.options().files;
  const std::string path = hint_path_of(file.path);
  auto there = files.stat(path);
  if (there && !*there) return;
  ++report_.hints;
  auto hint = HintReader::open(files, file.path, file.header);
  if (!hint || hint->segment().last_id != file.header.last_id) {
    return find({false, path, 0, {}, "a damaged hint, which only costs the next start time"});
  }
  const uint64_t covered = hint->summary().covered;
  if (covered > file.size) {
    return find({true,
                 file.path,
                 file.size,
                 {},
                 fmt::format("{} bytes are missing at its end", covered - file.size)});
  }
  if (!file.whole) return;  // found already
  auto batch = log.batch(kSegmentHeaderSize);
  while (auto entry = hint->next()) {
    for (bool found = false; !found;) {
      if (!batch || batch->offset() >= covered) {
        return find({true, path, 0, std::string(entry->record.name),
                     "a hint that does not agree with its segment"});
      }
      if (const auto placed = batch->next()) {
        found = *placed == *entry;
      } else {
        batch = log.batch(batch->end());
      }
    }
  }
  if (hint->has_failed()) find({true, path, 0, {}, "a hint that says what none can say"});
}

void StoreCheck::check_chain(const File* previous, const File& file) {
  const SegmentHeader& header = file.header;
  const uint64_t last = previous == nullptr ? 0 : previous->header.last_id;
  if (header.previous_id > last) {
    return find({true,
                 file.path,
                 0,
                 {},
                 fmt::format("the segment {} that it follows is missing", header.previous_id)});
  }
  if (previous != nullptr && header.previous_id == last && header.previous_size != 0 &&
      previous->header.generation == 0 &&
      header.previous_size != static_cast<uint32_t>(previous->size)) {
    find({true, previous->path, previous->size, {}, "it is not as long as it was"});
  }
}

void StoreCheck::find(CheckFinding finding) {
  ++(finding.damage ? report_.damage : report_.notes);
  if (hooks_.finding) hooks_.finding(finding);
}

}  // namespace respcask::engine

// The end of a recovery: the torn tail is cut off, and the newest segment takes the next records.

#include <algorithm>

#include <fmt/format.h>

#include "engine/file.h"
#include "engine/log_reader.h"
#include "engine/recovery.h"

namespace respcask::engine {

Result<void> ShardRecovery::cut_tail() {
  for (size_t i = cut_.segment + 1; i < segments_.size(); ++i) {
    report_.torn_bytes += segments_[i]->size() - kSegmentHeaderSize;
    segments_[i]->retire();
  }
  if (!segments_.empty()) {
    Segment& last = *segments_[cut_.segment];
    const uint64_t torn = last.size() - cut_.offset;
    report_.torn_bytes += torn;
    if (torn > 0) {
      shard_.log(LogLevel::kNotice, fmt::format("{}: torn tail of {} bytes at offset {} cut off",
                                                last.path(), torn, cut_.offset));
      auto shared = has_other_name(last.path());
      if (!shared) return shared.error();
      auto cut = *shared ? replace_by_copy(cut_.offset) : last.cut(cut_.offset);
      if (!cut) return cut;
    }
  }
  segments_.clear();
  for (size_t i = 0; i < shard_.order_.size(); ++i) {
    shard_.order_[i]->sealed = true;
    if (i < mark_.segment || shard_.order_[i]->header().generation > 0) {
      shard_.order_[i]->synced_bytes = shard_.order_[i]->size();
    } else {
      shard_.sealed_unsynced_.push_back(shard_.order_[i]);
    }
  }
  if (auto written = write_unvouched_again(); !written) return written;
  return adopt_active();
}

// What no mark vouches for may be in the page cache only, and look as if it were not: once writing
// it to the device has failed, for a sync or for the system itself, Linux calls the next sync a
// success. Nobody can be asked whether that has happened before this start, so the same bytes are
// written once more; then they are synced, or a sync fails. It is what was written since the last
// sync, and would be synced now anyhow.
Result<void> ShardRecovery::write_unvouched_again() {
  for (size_t i = mark_.segment; i < shard_.order_.size(); ++i) {
    Segment& segment = *shard_.order_[i];
    if (segment.header().generation > 0) continue;  // synced before it had its name
    const uint64_t from = i == mark_.segment && was_synced_ ? mark_.offset : 0;
    auto written = write_again(segment, from);
    if (written) continue;
    if (!is_shortage(written.error().code)) return written;
    // Some file systems take room for that too, and only who can start can make any.
    shard_.log(LogLevel::kWarning,
               fmt::format("{}: what was written since the last sync is taken to be on the disk, "
                           "although it could not be written once more: {}",
                           segment.path(), written.error().message));
  }
  return {};
}

// But for what cannot be read: that is damage, and reported as such.
Result<void> ShardRecovery::write_again(Segment& segment, uint64_t from) {
  constexpr uint64_t kPiece = uint64_t{1} << 20;
  constexpr uint64_t kLeastPiece = 4096;  // where one of the others cannot be read
  std::string bytes;
  uint64_t piece = kPiece;
  for (uint64_t at = from; at < segment.size();) {
    const uint64_t end = std::min(segment.size(), (at / piece + 1) * piece);
    bytes.resize(end - at);
    const auto got = segment.file().read_at(at, bytes);
    if (!got && piece > kLeastPiece) {
      piece = kLeastPiece;
      continue;
    }
    if (got) {
      const auto same = std::string_view(bytes).substr(0, *got);
      if (auto written = segment.file().write_at(at, same); !written) return written;
    }
    at = end;
    if (at % kPiece == 0) piece = kPiece;
  }
  return {};
}

// Whether a backup holds a segment's file too.
Result<bool> ShardRecovery::has_other_name(const std::string& path) const {
  auto info = shard_.options_.files->stat(path);
  if (!info) return info.error();
  return *info && (*info)->names > 1;
}

// Cuts the newest segment without writing to its file: the shard gets a copy of its own.
Result<void> ShardRecovery::replace_by_copy(uint64_t size) {
  FileSystem& files = *shard_.options_.files;
  const std::string path = shard_.order_.back()->path();
  const std::string temporary = path + ".tmp";  // left behind, it is removed by the next start
  auto copy = files.create(temporary);
  if (!copy) return copy.error();
  Segment& newest = *shard_.order_.back();
  // It may be damaged there, and could not be mended where it is (mend_headers).
  const std::string head = encode_segment_header(newest.header());
  if (auto written = (*copy)->write_at(0, head); !written) return written;
  LogReader log(newest.file(), newest.identity(), size);
  constexpr uint64_t kPiece = uint64_t{1} << 20;
  for (uint64_t at = kSegmentHeaderSize; at < size; at += kPiece) {
    const auto piece = log.bytes(at, std::min(kPiece, size - at));
    if (!piece) return Error{ErrorCode::kIo, log.take_error()};
    if (auto written = (*copy)->write_at(at, *piece); !written) return written;
  }
  if (auto synced = (*copy)->sync_all(); !synced) return synced;
  if (auto renamed = files.rename(temporary, path); !renamed) return renamed;
  if (auto synced = files.sync_directory(path.substr(0, path.rfind('/'))); !synced) return synced;
  return reopen_newest(kSegmentHeaderSize);
}

// Maps at least `map_bytes` of it.
Result<void> ShardRecovery::reopen_newest(uint64_t map_bytes) {
  std::shared_ptr<Segment>& newest = shard_.order_.back();
  auto again = Segment::open(*shard_.options_.files, newest->path(), true, map_bytes);
  if (!again) return again.error();
  (*again)->live_bytes = newest->live_bytes;
  (*again)->mark_bytes = newest->mark_bytes;
  (*again)->namespace_bytes = newest->namespace_bytes;
  (*again)->slot = newest->slot;
  (*again)->damaged = newest->damaged;
  (*again)->from_hint = newest->from_hint;
  newest = *again;
  shard_.segments_[newest->slot] = std::move(*again);
  return {};
}

// What was reserved behind the end of a segment when its process died is of no use to anybody, but
// behind the newest: that goes on.
void ShardRecovery::give_back_reserved() {
  constexpr uint64_t kLeast = 64 * 1024;
  for (const auto& segment : shard_.order_) {
    if (segment == shard_.order_.back()) break;
    const auto info = shard_.options_.files->stat(segment->path());
    if (!info || !*info || (*info)->names > 1) continue;
    if ((*info)->allocated > segment->size() + kLeast) (void)segment->cut(segment->size());
  }
}

Result<void> ShardRecovery::adopt_active() {
  give_back_reserved();
  if (shard_.order_.empty()) return shard_.roll();
  const Segment& newest = *shard_.order_.back();
  auto shared = has_other_name(newest.path());
  if (!shared) return shared.error();
  if (*shared || newest.damaged || newest.header().generation > 0) return shard_.roll();
  if (newest.size() >= shard_.options_.segment_bytes) {
    auto rolled = shard_.roll();
    // One that had to grow past its size for want of room goes on growing.
    if (rolled || !is_shortage(rolled.error().code)) return rolled;
  }
  // Once more, with room to grow.
  auto wide = reopen_newest(shard_.options_.segment_bytes + kMapAhead);
  if (!wide) return wide;
  if (!shard_.sealed_unsynced_.empty()) shard_.sealed_unsynced_.pop_back();
  shard_.active_ = shard_.order_.back();
  shard_.pace_.adopt(shard_.segment_limit());
  return {};
}

}  // namespace respcask::engine

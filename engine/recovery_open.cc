// The first half of a recovery: which files there are, what of them is known to be synced, and how
// far the log reaches.

#include <algorithm>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/file.h"
#include "engine/log_reader.h"
#include "engine/recovery.h"
#include "engine/segment_name.h"

namespace respcask::engine {

Result<void> ShardRecovery::open() {
  if (auto opened = open_segments(); !opened) return opened;
  if (auto mended = mend_headers(); !mended) return mended;
  drop_covered();
  drop_orphans();
  drop_empty();
  report_.segments = segments_.size();
  mark_ = find_synced_mark();
  drop_rootless();
  judge_headless();
  scan_tail(mark_);
  weigh();
  return {};
}

Result<void> ShardRecovery::open_segments() {
  FileSystem& files = *shard_.options_.files;
  const std::string dir = shard_directory(shard_.options_.dir, shard_.index_);
  auto names = files.list(dir);
  if (!names && shard_.options_.salvage) {
    give_up_on(dir, names.error());
    return {};
  }
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string path = dir + "/" + name;
    if (name.ends_with(".tmp") && !shard_.options_.read_only) (void)files.unlink(path);
    if (name.ends_with(".hint") &&
        !std::binary_search(names->begin(), names->end(), segment_of_hint(name))) {
      orphans_.push_back(path);
    }
    if (!name.ends_with(".seg")) continue;
    const auto named = parse_segment_name(name);
    if (!named) {
      shard_.log(LogLevel::kWarning, fmt::format("{}: not a segment's name; left aside", path));
      continue;
    }
    const uint64_t id = named->first_id;
    shard_.next_segment_id_ = std::max(shard_.next_segment_id_, id + 1);
    auto segment = Segment::open(files, path, !shard_.options_.read_only, kSegmentHeaderSize);
    if (!segment) {
      const ErrorCode why = segment.error().code;
      if ((why == ErrorCode::kIo || why == ErrorCode::kDenied) && shard_.options_.salvage) {
        give_up_on(path, segment.error());
        continue;
      }
      if (why != ErrorCode::kFormat && why != ErrorCode::kDamaged) return segment.error();
      headless_.push_back({path, id, named->generation, false, why == ErrorCode::kDamaged});
      continue;
    }
    if ((*segment)->header().shard != shard_.index_ ||
        (*segment)->header().store_id != shard_.store_id_) {
      headless_.push_back({path, id, 0, true, false});
      continue;
    }
    segments_.push_back(std::move(*segment));
  }
  bare_ = segments_.empty() && headless_.empty();
  sort_segments();
  return {};
}

void find_lost_shards(std::span<const std::unique_ptr<ShardRecovery>> shards) {
  const bool in_use = std::any_of(shards.begin(), shards.end(), [](const auto& shard) {
    const auto& segments = shard->segments_;
    return std::any_of(segments.begin(), segments.end(),
                       [](const auto& segment) { return segment->size() > kSegmentHeaderSize; });
  });
  if (!in_use) return;  // the first start did not come to its end
  for (const auto& shard : shards) {
    if (shard->bare_) shard->report_lost();
  }
}

void ShardRecovery::report_lost() {
  unreadable_tail_ = true;
  ++report_.damaged_ranges;
  shard_.log(
      LogLevel::kWarning,
      fmt::format("{}: no segment is there, although other shards hold something; what this one "
                  "held is lost",
                  shard_directory(shard_.options_.dir, shard_.index_)));
}

// Goes on without what cannot be read, which may have held any part of a transaction.
void ShardRecovery::give_up_on(const std::string& path, const Error& why) {
  unreadable_tail_ = true;
  ++report_.damaged_ranges;
  shard_.log(LogLevel::kWarning, fmt::format("{}: left out: {}", path, why.message));
}

// Whether somebody else has given it its name.
bool ShardRecovery::is_misnamed(const Segment& segment) const {
  return segment.path() !=
         shard_.segment_path(segment.header().first_id, segment.header().generation);
}

void ShardRecovery::sort_segments() {
  std::sort(segments_.begin(), segments_.end(), [&](const auto& a, const auto& b) {
    const SegmentHeader& x = a->header();
    const SegmentHeader& y = b->header();
    const bool x_misnamed = is_misnamed(*a);
    const bool y_misnamed = is_misnamed(*b);
    return std::tie(x.first_id, y.generation, x_misnamed) <
           std::tie(y.first_id, x.generation, y_misnamed);
  });
}

// A header that is damaged says nothing that the file's name, its neighbours and its hint do not
// say as well, so it is written anew: nothing else in the segment need be lost with it. Where
// nothing may or can be written, it is taken for what it must have been; so it is while a backup
// has the file too. A file that may never have had a header is left to judge_headless.
Result<void> ShardRecovery::mend_headers() {
  FileSystem& files = *shard_.options_.files;
  const bool writable = !shard_.options_.read_only;
  std::vector<Headless> left;
  for (const Headless& file : headless_) {
    SegmentHeader header;
    header.shard = shard_.index_;
    header.first_id = header.last_id = file.id;
    header.generation = file.generation;
    header.store_id = shard_.store_id_;
    auto damaged = file.foreign ? false : is_damaged(file, header);
    if (!damaged) return damaged.error();
    if (!*damaged) {
      left.push_back(file);
      continue;
    }
    for (const auto& segment : segments_) {
      const SegmentHeader& other = segment->header();
      if (other.first_id < file.id) header.previous_id = other.last_id;
    }
    auto shared = has_other_name(file.path);
    if (!shared) return shared.error();
    const bool mends = writable && !file.unreadable && !*shared;
    if (mends) {
      if (auto written = write_header(file.path, header); !written) return written;
    }
    auto segment = Segment::open_as(files, file.path, header, writable, kSegmentHeaderSize);
    if (!segment) return segment.error();
    (*segment)->damaged = !mends;
    ++report_.damaged_ranges;
    report_.damaged_bytes += kSegmentHeaderSize;
    shard_.log(LogLevel::kWarning,
               fmt::format("{}: its header was damaged, and is {}", file.path,
                           (*segment)->damaged ? "known all the same" : "written anew"));
    segments_.push_back(std::move(*segment));
    sort_segments();
  }
  headless_ = std::move(left);
  return {};
}

Result<void> ShardRecovery::write_header(const std::string& path, const SegmentHeader& header) {
  auto file = shard_.options_.files->open(path);
  if (!file) return file.error();
  if (auto written = (*file)->write_at(0, encode_segment_header(header)); !written) return written;
  return (*file)->sync_data();
}

// True if a file once had a header on the device, as its hint or its batches say. Completes what
// the name does not say of the header.
Result<bool> ShardRecovery::is_damaged(const Headless& file, SegmentHeader& header) {
  FileSystem& files = *shard_.options_.files;
  if (auto hint = HintReader::open(files, file.path, header)) {
    header.last_id = hint->segment().last_id;
    return true;
  }
  if (file.generation > 0) {
    auto next = std::find_if(segments_.begin(), segments_.end(), [&](const auto& segment) {
      return segment->header().first_id > file.id;
    });
    if (next == segments_.end()) return false;
    header.last_id = std::max(file.id, (*next)->header().previous_id);
  }
  auto opened = files.open_read_only(file.path);
  if (!opened) return opened.error();
  auto size = (*opened)->size();
  if (!size) return size.error();
  if (*size <= kSegmentHeaderSize) return false;
  LogReader log(**opened, segment_identity(header), *size);
  // No power cut takes the header and leaves what shares a sector with it.
  if (log.batch(kSegmentHeaderSize)) return true;
  for (auto at = log.find(kSegmentHeaderSize); at;) {
    const auto batch = log.batch(*at);
    if (file.unreadable || file.generation > 0 || batch->header().synced > 0) return true;
    at = log.find(batch->end());
  }
  return false;
}

void ShardRecovery::drop_covered() {
  // Sorted by first id, later generations first: whatever begins inside what was covered already is
  // the input of a merge that was completed but not cleaned up.
  std::vector<std::shared_ptr<Segment>> kept;
  uint64_t covered = 0;
  const Segment* before = nullptr;
  for (auto& segment : segments_) {
    const SegmentHeader* const other = before != nullptr ? &before->header() : nullptr;
    before = segment.get();
    // Somebody's copy, under the name of a segment.
    if (other != nullptr && other->first_id == segment->header().first_id &&
        other->generation == segment->header().generation) {
      shard_.log(LogLevel::kWarning,
                 fmt::format("{}: the same segment as another file; left aside", segment->path()));
      continue;
    }
    if (segment->header().last_id <= covered) {
      if (is_misnamed(*segment)) continue;
      shard_.log(LogLevel::kNotice, fmt::format("{}: merged already, removed", segment->path()));
      if (!shard_.options_.read_only) segment->retire();
      continue;
    }
    covered = segment->header().last_id;
    shard_.next_segment_id_ = std::max(shard_.next_segment_id_, covered + 1);
    kept.push_back(segment);
  }
  segments_ = std::move(kept);
}

// A hint without its segment: what a merge left behind when it removed its inputs, or all that is
// left of a segment that is lost.
void ShardRecovery::drop_orphans() {
  FileSystem& files = *shard_.options_.files;
  const uint64_t covered = segments_.empty() ? 0 : segments_.back()->header().last_id;
  for (const std::string& path : orphans_) {
    const auto named = parse_segment_name(segment_of_hint(path.substr(path.rfind('/') + 1)));
    if (!named) continue;
    SegmentHeader header;
    header.shard = shard_.index_;
    header.first_id = named->first_id;
    header.generation = named->generation;
    header.store_id = shard_.store_id_;
    // The output of a merge that was not completed has its inputs still.
    if (header.first_id > covered && HintReader::open(files, segment_of_hint(path), header)) {
      ++report_.damaged_ranges;
      shard_.log(LogLevel::kWarning,
                 fmt::format("{}: the segment that it speaks of is missing", path));
    }
    if (!shard_.options_.read_only) (void)files.unlink(path);
  }
  orphans_.clear();
}

void ShardRecovery::drop_empty() {
  // Made by a roll, never written, or by one that failed half way: the segment before it may still
  // take more.
  std::vector<std::shared_ptr<Segment>> kept;
  for (size_t i = 0; i < segments_.size(); ++i) {
    Segment& segment = *segments_[i];
    const bool only_one = kept.empty() && i + 1 == segments_.size();
    const bool empty = segment.size() <= kSegmentHeaderSize;
    // A merge writes a batch at least, and a hint is of something.
    const bool emptied =
        empty && (segment.header().generation > 0 ||
                  HintReader::open(*shard_.options_.files, segment.path(), segment.header()));
    if (emptied) report_cut_short(segment);
    if (!empty || emptied || only_one) {
      kept.push_back(segments_[i]);
    } else if (!shard_.options_.read_only) {
      segments_[i]->retire();
    }
  }
  segments_ = std::move(kept);
}

// Nothing says that the first segment there is, or one before it, was ever synced: a power cut has
// taken what it followed, and so the log ends before it.
void ShardRecovery::drop_rootless() {
  if (segments_.empty() || was_synced_ || segments_.front()->header().previous_id == 0) return;
  for (const auto& segment : segments_) {
    report_.torn_bytes += segment->size() - kSegmentHeaderSize;
    if (!shard_.options_.read_only) segment->retire();
  }
  segments_.clear();
}

// A file without a valid header: made, and cut off before the header was on the disk, if it is
// newer than the mark; damaged if it is older.
void ShardRecovery::judge_headless() {
  FileSystem& files = *shard_.options_.files;
  const uint64_t synced_id = segments_.empty() ? 0 : segments_[mark_.segment]->header().last_id;
  for (const Headless& file : headless_) {
    auto info = files.stat(file.path);
    const uint64_t size = info && *info ? (*info)->size : 0;
    // What a merge has made was synced before it had its name.
    if (file.id > synced_id && !file.foreign && !file.unreadable && file.generation == 0) {
      report_.torn_bytes += size;
      shard_.log(LogLevel::kNotice, fmt::format("{}: begun and never written, removed", file.path));
      if (!shard_.options_.read_only) (void)files.unlink(file.path);
      continue;
    }
    ++report_.damaged_ranges;
    report_.damaged_bytes += size;
    shard_.log(LogLevel::kWarning,
               fmt::format("{}: its header is {}; left aside", file.path,
                           file.unreadable ? "unreadable" : "damaged or another store's"));
  }
  if (!segments_.empty() && segments_.front()->header().previous_id > 0) {
    ++report_.damaged_ranges;
    shard_.log(LogLevel::kWarning,
               fmt::format("{}: the segments before it are missing", segments_.front()->path()));
  }
  for (size_t i = 1; i <= mark_.segment && i < segments_.size(); ++i) {
    if (follows_whole(i)) continue;
    const uint64_t previous = segments_[i]->header().previous_id;
    if (previous > segments_[i - 1]->header().last_id) {
      ++report_.damaged_ranges;
      shard_.log(LogLevel::kWarning, fmt::format("{}: the segment {} that it follows is missing",
                                                 segments_[i]->path(), previous));
    } else if (previous == segments_[i - 1]->header().last_id) {
      report_cut_short(*segments_[i - 1]);
    }
  }
}

void ShardRecovery::report_cut_short(Segment& segment) {
  if (segment.damaged) return;
  segment.damaged = true;
  ++report_.damaged_ranges;
  shard_.log(LogLevel::kWarning,
             fmt::format("{}: is not as long as it was, bytes from offset {} on are missing",
                         segment.path(), segment.size()));
}

// The hint of a segment, read once; null if it has none that can be trusted.
HintReader* ShardRecovery::hint_of(size_t index) {
  if (hints_.size() <= index) {
    hints_.resize(segments_.size());
    looked_for_hint_.resize(segments_.size());
  }
  if (!looked_for_hint_[index]) {
    looked_for_hint_[index] = true;
    Segment& segment = *segments_[index];
    hints_[index] = HintReader::open(*shard_.options_.files, segment.path(), segment.header());
    if (hints_[index] && hints_[index]->segment().last_id != segment.header().last_id) {
      hints_[index].reset();
    }
    // The names that the hint knows are still good: reads of the values that are gone will say so.
    if (hints_[index] && hints_[index]->summary().covered > segment.size()) {
      report_cut_short(segment);
    }
  }
  return hints_[index] ? &*hints_[index] : nullptr;
}

LogPosition ShardRecovery::find_synced_mark() {
  LogPosition mark{0, kSegmentHeaderSize};
  for (auto& segment : segments_) completed_ = std::max(completed_, segment->header().completed);
  for (size_t i = segments_.size(); i-- > 0;) {
    Segment& segment = *segments_[i];
    was_synced_ = segment.header().generation > 0;  // before it had a name
    if (was_synced_) return {i, segment.size()};
    uint64_t synced = 0;
    uint64_t at = kSegmentHeaderSize;
    if (const HintReader* hint = hint_of(i)) {
      synced = at = std::min(hint->summary().covered, segment.size());
      completed_ = std::max(completed_, hint->summary().completed);
    }
    LogReader log(segment.file(), segment.identity(), segment.size());
    while (at < segment.size()) {
      auto batch = log.batch(at);
      if (!batch) {
        at = log.find(at + 1).value_or(segment.size());
        continue;
      }
      synced = std::max(synced, batch->header().synced);
      completed_ = std::max(completed_, batch->header().completed);
      at = batch->end();
    }
    was_synced_ = synced > 0;
    if (was_synced_) return {i, std::min(synced, segment.size())};
  }
  return mark;
}

// True if the segment before this one is all there: the one that it was made after, and as long as
// it was then. A merge changes a segment's size, but only of what is synced.
bool ShardRecovery::follows_whole(size_t index) const {
  const SegmentHeader& header = segments_[index]->header();
  const Segment& previous = *segments_[index - 1];
  if (header.previous_id != previous.header().last_id) return false;
  return header.previous_size == 0 || previous.header().generation > 0 ||
         header.previous_size == static_cast<uint32_t>(previous.size());
}

void ShardRecovery::scan_tail(LogPosition from) {
  for (size_t i = from.segment; i < segments_.size(); ++i) {
    Segment& segment = *segments_[i];
    // A segment whose predecessor did not make it to the disk whole is past the end of the log.
    if (i > from.segment && !follows_whole(i)) return;
    uint64_t at = i == from.segment ? from.offset : kSegmentHeaderSize;
    LogReader log(segment.file(), segment.identity(), segment.size());
    while (at < segment.size()) {
      auto batch = log.batch(at);
      // Above the mark nothing vouches for the values either.
      if (!batch || !batch->values_intact()) {
        if (log.take_error().empty()) {
          cut_ = {i, at};
          return;
        }
        // Not torn, as far as anybody can tell.
        unreadable_tail_ = true;
        at = log.find(at + 1).value_or(segment.size());
        (void)log.take_error();
        continue;
      }
      if (const auto& mark = batch->transaction()) transactions_.push_back({{i, at}, *mark});
      at = batch->end();
    }
    cut_ = {i, segment.size()};
  }
}

}  // namespace respcask::engine

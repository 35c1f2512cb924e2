#include "engine/recovery.h"

#include <algorithm>
#include <cassert>
#include <charconv>
#include <map>
#include <tuple>
#include <utility>

#include <fmt/format.h>

#include "engine/file.h"
#include "engine/varint.h"

namespace respcask::engine {
namespace {

bool is_segment_name(std::string_view name) {
  return name.ends_with(".seg");
}

std::string segment_of_hint(std::string_view name) {
  return std::string(name.substr(0, name.rfind('.'))) + ".seg";
}

bool is_of_collection(const Record& record) {
  return record.kind == RecordKind::kSplitRoot || record.kind == RecordKind::kElement ||
         record.kind == RecordKind::kElementTombstone;
}

// The segment id that a file's name begins with.
uint64_t id_in_name(std::string_view name) {
  uint64_t id = 0;
  std::from_chars(name.data(), name.data() + name.size(), id);
  return id;
}

// Damage below the mark is stepped over; this is where the next valid batch begins, or the end.
uint64_t next_batch(std::string_view bytes, uint64_t from) {
  return find_batch(bytes, from).value_or(bytes.size());
}

}  // namespace

Result<void> ShardRecovery::open() {
  if (auto opened = open_segments(); !opened) return opened;
  drop_covered();
  drop_empty_newest();
  report_.segments = segments_.size();
  mark_ = find_synced_mark();
  judge_headless();
  scan_tail(mark_);
  return {};
}

Result<void> ShardRecovery::open_segments() {
  FileSystem& files = *shard_.options_.files;
  const std::string dir = fmt::format("{}/shard-{:02}", shard_.options_.dir, shard_.index_);
  auto names = files.list(dir);
  if (!names) return names.error();
  for (const std::string& name : *names) {
    const std::string path = dir + "/" + name;
    if (name.ends_with(".tmp") && !shard_.options_.read_only) (void)files.unlink(path);
    if (name.ends_with(".hint") && !shard_.options_.read_only &&
        !std::binary_search(names->begin(), names->end(), segment_of_hint(name))) {
      (void)files.unlink(path);
    }
    if (!is_segment_name(name)) continue;
    const uint64_t id = id_in_name(name);
    shard_.next_segment_id_ = std::max(shard_.next_segment_id_, id + 1);
    auto segment = Segment::open(files, path, !shard_.options_.read_only, kSegmentHeaderSize);
    if (!segment && segment.error().code != ErrorCode::kFormat) return segment.error();
    if (!segment || (*segment)->header().shard != shard_.index_ ||
        (*segment)->header().store_id != shard_.store_id_) {
      headless_.push_back({path, id});
      continue;
    }
    segments_.push_back(std::move(*segment));
  }
  std::sort(segments_.begin(), segments_.end(), [](const auto& a, const auto& b) {
    const SegmentHeader& x = a->header();
    const SegmentHeader& y = b->header();
    return std::tie(x.first_id, y.generation) < std::tie(y.first_id, x.generation);
  });
  return {};
}

void ShardRecovery::drop_covered() {
  // Sorted by first id, later generations first: whatever begins inside what was covered already is
  // the input of a merge that was completed but not cleaned up.
  std::vector<std::shared_ptr<Segment>> kept;
  uint64_t covered = 0;
  for (auto& segment : segments_) {
    if (segment->header().last_id <= covered) {
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

void ShardRecovery::drop_empty_newest() {
  // Made by a roll, never written: the segment before it may still take more.
  while (segments_.size() > 1 && segments_.back()->size() <= kSegmentHeaderSize) {
    if (!shard_.options_.read_only) segments_.back()->retire();
    segments_.pop_back();
  }
}

// A file without a valid header: made, and cut off before the header was on the disk, if it is
// newer than the mark; damaged if it is older.
void ShardRecovery::judge_headless() {
  FileSystem& files = *shard_.options_.files;
  const uint64_t synced_id = segments_.empty() ? 0 : segments_[mark_.segment]->header().last_id;
  for (const Headless& file : headless_) {
    auto info = files.stat(file.path);
    const uint64_t size = info && *info ? (*info)->size : 0;
    if (file.id > synced_id) {
      report_.torn_bytes += size;
      if (!shard_.options_.read_only) (void)files.unlink(file.path);
      continue;
    }
    ++report_.damaged_ranges;
    report_.damaged_bytes += size;
    shard_.log(LogLevel::kWarning,
               fmt::format("{}: its header is damaged or another store's; left aside", file.path));
  }
  for (size_t i = 1; i <= mark_.segment && i < segments_.size(); ++i) {
    const uint64_t previous = segments_[i]->header().previous_id;
    if (previous <= segments_[i - 1]->header().last_id) continue;
    ++report_.damaged_ranges;
    shard_.log(LogLevel::kWarning, fmt::format("{}: the segment {} that it follows is missing",
                                               segments_[i]->path(), previous));
  }
}

// The hint of a segment, read once; null if it has none that can be trusted.
HintReader* ShardRecovery::hint_of(size_t index) {
  if (hints_.size() <= index) {
    hints_.resize(segments_.size());
    looked_for_hint_.resize(segments_.size());
  }
  if (!looked_for_hint_[index]) {
    looked_for_hint_[index] = true;
    hints_[index] = HintReader::open(*shard_.options_.files, *segments_[index]);
  }
  return hints_[index] ? &*hints_[index] : nullptr;
}

LogPosition ShardRecovery::find_synced_mark() {
  LogPosition mark{0, kSegmentHeaderSize};
  for (auto& segment : segments_) completed_ = std::max(completed_, segment->header().completed);
  for (size_t i = segments_.size(); i-- > 0;) {
    const Segment& segment = *segments_[i];
    if (segment.header().generation > 0) return {i, segment.size()};  // synced before it had a name
    uint64_t synced = 0;
    uint64_t at = kSegmentHeaderSize;
    if (const HintReader* hint = hint_of(i)) {
      synced = at = hint->summary().covered;
      completed_ = std::max(completed_, hint->summary().completed);
    }
    while (at < segment.size()) {
      auto batch = BatchReader::open(segment.bytes(), at);
      if (!batch) {
        at = next_batch(segment.bytes(), at + 1);
        continue;
      }
      synced = std::max(synced, batch->header().synced);
      completed_ = std::max(completed_, batch->header().completed);
      at = batch->end();
    }
    if (synced > 0) return {i, std::min(synced, segment.size())};
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
    const Segment& segment = *segments_[i];
    // A segment whose predecessor did not make it to the disk whole is past the end of the log.
    if (i > from.segment && !follows_whole(i)) return;
    uint64_t at = i == from.segment ? from.offset : kSegmentHeaderSize;
    while (at < segment.size()) {
      auto batch = BatchReader::open(segment.bytes(), at);
      // Above the mark nothing vouches for the values either.
      if (!batch || !batch->values_intact()) {
        cut_ = {i, at};
        return;
      }
      if (const auto& mark = batch->transaction()) transactions_.push_back({{i, at}, *mark});
      at = batch->end();
    }
    cut_ = {i, segment.size()};
  }
}

uint64_t cut_incomplete_transactions(std::span<const std::unique_ptr<ShardRecovery>> shards) {
  uint64_t completed = 0;
  for (const auto& shard : shards) completed = std::max(completed, shard->completed_);
  uint64_t highest = completed;

  // The parts that are left of each transaction that nothing says is complete.
  std::map<uint64_t, ShardSet> parts;
  for (uint32_t i = 0; i < shards.size(); ++i) {
    for (const auto& transaction : shards[i]->transactions_) {
      highest = std::max(highest, transaction.mark.id);
      if (transaction.mark.id > completed) parts[transaction.mark.id].add(i);
    }
  }
  // Cutting a log takes away parts of later transactions, so repeat until nothing changes.
  for (bool changed = true; changed;) {
    changed = false;
    for (uint32_t i = 0; i < shards.size(); ++i) {
      ShardRecovery& shard = *shards[i];
      for (const auto& transaction : shard.transactions_) {
        if (transaction.mark.id <= completed || transaction.at >= shard.cut_) continue;
        if (parts[transaction.mark.id].contains(transaction.mark.shards)) continue;
        for (const auto& lost : shard.transactions_) {
          if (lost.at >= transaction.at) parts[lost.mark.id].remove(i);
        }
        shard.cut_ = transaction.at;
        changed = true;
        break;
      }
    }
  }
  return highest;
}

Result<void> ShardRecovery::apply() {
  const bool all = shard_.options_.read_only;
  for (size_t i = 0; i < segments_.size() && i <= cut_.segment; ++i) {
    shard_.take_slot(segments_[i]);
    shard_.order_.push_back(segments_[i]);
    replay_segment(i, i == cut_.segment ? cut_.offset : segments_[i]->size());
  }
  if (collections_refused_) {
    return Error{ErrorCode::kFormat,
                 fmt::format("{}: the store holds collections, which only its server can open",
                             shard_.options_.dir)};
  }
  drop_unreachable();
  shard_.sequence_ = std::max(shard_.sequence_, kFirstSequence);
  shard_.completed_ = completed_;
  // The process that made or removed these names may have died before it synced them.
  shard_.directory_unsynced_ = true;
  return all ? Result<void>() : cut_tail();
}

void ShardRecovery::replay_segment(size_t index, uint64_t end) {
  Segment& segment = *segments_[index];
  shard_.sequence_ = std::max(shard_.sequence_, segment.header().first_sequence);
  const std::string_view bytes = segment.bytes().substr(0, end);
  accounted_ = 0;
  uint64_t at = kSegmentHeaderSize;
  if (HintReader* hint = hint_of(index); hint != nullptr && hint->summary().covered <= end) {
    while (auto placed = hint->next()) replay(*placed, segment);
    at = hint->summary().covered;
    shard_.sequence_ = std::max(shard_.sequence_, hint->summary().sequence);
    segment.has_hint = at == end;
    ++report_.hints;
  }
  hints_[index].reset();
  report_.bytes_read += end - at;
  while (at < end) {
    auto batch = BatchReader::open(bytes, at);
    if (!batch) {
      segment.damaged = true;
      const uint64_t next = next_batch(bytes, at + 1);
      ++report_.damaged_ranges;
      report_.damaged_bytes += next - at;
      shard_.log(LogLevel::kWarning, fmt::format("{}: damaged from offset {} to {}, stepped over",
                                                 segment.path(), at, next));
      at = next;
      continue;
    }
    shard_.sequence_ = std::max(shard_.sequence_, batch->header().sequence);
    while (auto placed = batch->next()) replay(*placed, segment);
    at = batch->end();
  }
  if (segment.header().generation > 0) segment.framing_bytes = framing_of(segment, accounted_);
}

void ShardRecovery::replay(const PlacedRecord& placed, Segment& segment) {
  ++report_.records;
  const Record& record = placed.record;
  if (is_of_collection(record) && !shard_.options_.element_index) {
    collections_refused_ = true;
    return;
  }
  accounted_ += accounted_size(record);
  switch (record.kind) {
    case RecordKind::kPut:
    case RecordKind::kSplitRoot:
      return replay_put(placed, segment);
    case RecordKind::kElement:
    case RecordKind::kElementTombstone:
      return replay_element(placed, segment);
    default:
      break;
  }
  segment.mark_bytes += accounted_size(record);
  if (record.kind == RecordKind::kNamespace) return replay_namespace(record);

  Keydir& keys = namespace_of(record.owner)->keys;
  const uint64_t hash = keys.hash(record.name);
  if (record.kind == RecordKind::kTombstone) {
    if (auto old = keys.remove(record.name, hash)) drop(*old, record.name.size());
  } else if (auto entry = keys.find(record.name, hash)) {
    entry->expiry_ms = record.expiry_ms;
    keys.put(record.name, hash, *entry);
  }
}

void ShardRecovery::replay_put(const PlacedRecord& placed, Segment& segment) {
  const Record& record = placed.record;
  KeydirEntry entry;
  entry.where = Location::at(segment.slot, placed.value_offset);
  entry.value_size = record.value_size;
  entry.type = record.type;
  entry.collection = record.collection;
  entry.expiry_ms = record.expiry_ms;
  segment.live_bytes += accounted_size(record);
  if (record.collection != 0) {
    index_of(record.collection, record.type);
    ++roots_[record.collection];
    shard_.sequence_ = std::max(shard_.sequence_, record.collection);
  }
  Keydir& keys = namespace_of(record.owner)->keys;
  if (auto old = keys.put(record.name, keys.hash(record.name), entry))
    drop(*old, record.name.size());
}

void ShardRecovery::replay_element(const PlacedRecord& placed, Segment& segment) {
  const Record& record = placed.record;
  ElementIndex& index = index_of(record.owner, record.type);
  if (record.kind == RecordKind::kElement) {
    segment.live_bytes += accounted_size(record);
    const auto old = index.recover_put(record.name, Location::at(segment.slot, placed.value_offset),
                                       record.value_size);
    if (old) shard_.element_dropped(*old);
  } else {
    segment.mark_bytes += accounted_size(record);
    index.recover_remove_all(record.name,
                             [this](const ElementLocation& old) { shard_.element_dropped(old); });
  }
}

void ShardRecovery::replay_namespace(const Record& record) {
  uint64_t id = 0;
  uint64_t retired_plus_one = 0;
  const char* end = record.name.data() + record.name.size();
  const char* at = decode_varint(record.name.data(), end, id);
  if (at != nullptr) at = decode_varint(at, end, retired_plus_one);
  constexpr uint64_t kMostDatabases = kFirstSequence;
  if (at == nullptr || record.owner >= kMostDatabases) return;
  shard_.sequence_ = std::max(shard_.sequence_, id);

  const auto db = static_cast<uint32_t>(record.owner);
  shard_.database(db);
  std::unique_ptr<Shard::Namespace>& current = shard_.databases_[db];
  if (current->id != id) {
    auto other = std::find_if(shard_.databases_.begin(), shard_.databases_.end(),
                              [id](const auto& database) { return database->id == id; });
    if (other != shard_.databases_.end()) {
      // The first record of a SWAPDB; where the second was merged away, a later one speaks.
      std::swap(current, *other);
    } else {
      auto replaced = std::exchange(current, nullptr);
      strays_.emplace(replaced->id, std::move(replaced));
      auto stray = strays_.find(id);
      if (stray != strays_.end()) {
        current = std::move(stray->second);
        strays_.erase(stray);
      } else {
        current = std::make_unique<Shard::Namespace>(id, shard_.seed_);
      }
    }
  }
  if (retired_plus_one > 0) {
    if (auto dead = strays_.find(retired_plus_one - 1); dead != strays_.end()) {
      drop_all(*dead->second);
      strays_.erase(dead);
    }
  }
}

Shard::Namespace* ShardRecovery::namespace_of(uint64_t id) {
  for (auto& database : shard_.databases_) {
    if (database->id == id) return database.get();
  }
  // The store may have been written with more databases than it is opened with.
  if (id >= shard_.databases_.size() && id < kFirstSequence) {
    return &shard_.database(static_cast<uint32_t>(id));
  }
  auto& stray = strays_[id];
  if (!stray) stray = std::make_unique<Shard::Namespace>(id, shard_.seed_);
  return stray.get();
}

ElementIndex& ShardRecovery::index_of(uint64_t collection, uint8_t type) {
  auto& index = shard_.collections_[collection];
  if (!index) {
    index = shard_.options_.element_index(type);
  }
  return *index;
}

void ShardRecovery::drop(const KeydirEntry& old, size_t name_size) {
  shard_.drop_live(old.where, accounted_size(name_size, old.value_size));
  // The collection stays for now: the record that comes next may give it another name.
  if (old.collection != 0) --roots_[old.collection];
}

void ShardRecovery::drop_all(Shard::Namespace& dead) {
  uint64_t cursor = 0;
  do {
    cursor = dead.keys.scan(cursor, [this](std::string_view key, const KeydirEntry& entry) {
      drop(entry, key.size());
    });
  } while (cursor != 0);
}

void ShardRecovery::drop_unreachable() {
  for (auto& [id, stray] : strays_) drop_all(*stray);
  strays_.clear();
  for (auto it = shard_.collections_.begin(); it != shard_.collections_.end();) {
    auto root = roots_.find(it->first);
    if (root != roots_.end() && root->second > 0) {
      ++it;
      continue;
    }
    it->second->for_each(
        [this](const ElementLocation& element) { shard_.element_dropped(element); });
    it = shard_.collections_.erase(it);
  }
}

}  // namespace respcask::engine

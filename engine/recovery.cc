// The second half of a recovery: which transactions are cut, and the replay.

#include "engine/recovery.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <map>
#include <utility>

#include <fmt/format.h>

#include "engine/file.h"
#include "engine/log_reader.h"
#include "engine/varint.h"

namespace respcask::engine {

uint64_t cut_incomplete_transactions(std::span<const std::unique_ptr<ShardRecovery>> shards) {
  uint64_t completed = 0;
  for (const auto& shard : shards) completed = std::max(completed, shard->completed_);
  uint64_t highest = completed;

  // The parts that are left of each transaction that nothing says is complete.
  std::map<uint64_t, ShardSet> parts;
  ShardSet unreadable;
  for (uint32_t i = 0; i < shards.size(); ++i) {
    if (shards[i]->unreadable_tail_) unreadable.add(i);
  }
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
        ShardSet there = parts[transaction.mark.id];
        there.add(unreadable);
        if (there.contains(transaction.mark.shards)) continue;
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

// Adds what there is to read to the progress.
void ShardRecovery::weigh() {
  uint64_t bytes = 0;
  for (size_t i = 0; i < segments_.size() && i <= cut_.segment; ++i) {
    const Segment& segment = *segments_[i];
    const auto hint = HintReader::measure(*shard_.options_.files, segment.path(), segment.header());
    bytes += hint ? hint->file_bytes : segment.size();
    hinted_records_ += hint ? hint->records : 0;
  }
  if (progress_ != nullptr) progress_->total_bytes += bytes;
}

Result<void> ShardRecovery::apply() {
  for (size_t i = 0; i < segments_.size() && i <= cut_.segment; ++i) {
    shard_.take_slot(segments_[i]);
    shard_.order_.push_back(segments_[i]);
    const uint64_t end = i == cut_.segment ? cut_.offset : segments_[i]->size();
    if (auto replayed = replay_segment(i, end); !replayed) return replayed;
  }
  drop_strays();
  if (holds_refused()) {
    return Error{ErrorCode::kFormat,
                 fmt::format("{}: the store holds {}", shard_.options_.dir,
                             shard_.options_.element_index
                                 ? "values of types that this version does not know"
                                 : "collections, which only its server can open")};
  }
  drop_broken_roots();
  drop_unreachable();
  for (uint32_t db = 0; db < shard_.databases_.size(); ++db) {
    if (shard_.databases_[db]->keys.size() > 0) report_.databases = db + 1;
  }
  shard_.sequence_ = std::max(shard_.sequence_, kFirstSequence);
  shard_.completed_ = completed_;
  // The process that made or removed these names may have died before it synced them.
  shard_.directory_unsynced_ = true;
  return shard_.options_.read_only ? Result<void>() : cut_tail();
}

Result<void> ShardRecovery::replay_segment(size_t index, uint64_t end) {
  Segment& segment = *segments_[index];
  shard_.sequence_ = std::max(shard_.sequence_, segment.header().first_sequence);
  accounted_ = 0;
  uint64_t at = kSegmentHeaderSize;
  if (HintReader* hint = hint_of(index)) {
    replay_hint(*hint, segment);
    shard_.sequence_ = std::max(shard_.sequence_, hint->summary().sequence);
    if (hint->has_failed()) {
      ++report_.damaged_ranges;
      shard_.log(LogLevel::kWarning,
                 fmt::format("{}: its hint says what no hint of it can say", segment.path()));
      // All of it is replayed once more.
      accounted_ = segment.mark_bytes = segment.namespace_bytes = 0;
      for (Shard::NamespaceRecord& last : shard_.namespace_records_) {
        if (last.slot == segment.slot) last.bytes = 0;
      }
    } else {
      segment.from_hint = true;
      at = std::min(hint->summary().covered, end);
      segment.has_hint = at == end && !segment.damaged;
      ++report_.hints;
    }
  }
  hints_[index].reset();
  report_.bytes_read += end - at;
  LogReader log(segment.file(), segment.identity(), end);
  while (at < end) {
    auto batch = log.batch(at);
    if (!batch) {
      segment.damaged = true;
      const uint64_t next = log.find(at + 1).value_or(end);
      ++report_.damaged_ranges;
      report_.damaged_bytes += next - at;
      std::string why = log.take_error();
      if (!why.empty()) why = fmt::format(" ({})", why);
      shard_.log(LogLevel::kWarning, fmt::format("{}: damaged from offset {} to {}, stepped over{}",
                                                 segment.path(), at, next, why));
      at = next;
      continue;
    }
    shard_.sequence_ = std::max(shard_.sequence_, batch->header().sequence);
    while (auto placed = batch->next()) replay(*placed, shard_.hash(placed->record.name), segment);
    // A half of it has been replayed, and nobody may see that.
    if (batch->has_failed()) return Error{ErrorCode::kIo, log.take_error()};
    if (progress_ != nullptr) {
      progress_->records += batch->header().records;
      progress_->bytes += batch->header().size;
    }
    at = batch->end();
  }
  if (segment.header().generation > 0) segment.framing_bytes = framing_of(segment, accounted_);
  return {};
}

// Looks some records ahead, so that the waits for their places in the keydir run side by side.
void ShardRecovery::replay_hint(HintReader& hint, Segment& segment) {
  constexpr size_t kAhead = 16;
  struct Ahead {
    PlacedRecord placed;
    uint64_t hash = 0;
    const Keydir* keys = nullptr;
  };
  std::array<Ahead, kAhead> group;
  uint64_t bytes = 0;
  for (;;) {
    size_t count = 0;
    for (; count < kAhead; ++count) {
      const auto placed = hint.next();
      if (!placed) break;
      Ahead& one = group[count];
      one = {*placed, shard_.hash(placed->record.name), nullptr};
      if (hinted_records_ > 0) make_room(placed->record);
      if (is_of_database(placed->record.kind)) one.keys = &namespace_of(placed->record.owner)->keys;
      if (one.keys != nullptr) one.keys->prefetch(one.hash);
    }
    for (size_t i = 0; i < count; ++i) {
      if (group[i].keys != nullptr) group[i].keys->prefetch_entry(group[i].hash);
    }
    for (size_t i = 0; i < count; ++i) replay(group[i].placed, group[i].hash, segment);
    if (progress_ != nullptr) {
      progress_->records += count;
      progress_->bytes += hint.position() - bytes;
      bytes = hint.position();
    }
    if (count < kAhead) return;
  }
}

// Hints say how many records they hold, though not of which database; most stores use one.
void ShardRecovery::make_room(const Record& first) {
  if (is_of_database(first.kind)) namespace_of(first.owner)->keys.reserve(hinted_records_);
  hinted_records_ = 0;
}

void ShardRecovery::replay(const PlacedRecord& placed, uint64_t hash, Segment& segment) {
  ++report_.records;
  const Record& record = placed.record;
  accounted_ += accounted_size(record);
  switch (record.kind) {
    case RecordKind::kPut:
    case RecordKind::kSplitRoot:
      return replay_put(placed, hash, segment);
    case RecordKind::kElement:
    case RecordKind::kElementTombstone:
      return replay_element(placed, segment);
    default:
      break;
  }
  if (record.kind == RecordKind::kNamespace) return replay_namespace(record, segment);

  segment.add_mark(record);
  Keydir& keys = namespace_of(record.owner)->keys;
  if (record.kind == RecordKind::kTombstone) {
    if (auto old = keys.remove(record.name, hash)) drop(*old, record.name.size());
  } else if (auto entry = keys.find(record.name, hash)) {
    entry->expiry_ms = record.expiry_ms;
    keys.put(record.name, hash, *entry);
  }
}

void ShardRecovery::replay_put(const PlacedRecord& placed, uint64_t hash, Segment& segment) {
  const Record& record = placed.record;
  KeydirEntry entry;
  entry.where = Location::at(segment.slot, placed.value_offset);
  entry.value_size = record.value_size;
  entry.type = record.type;
  entry.collection = record.collection;
  entry.expiry_ms = record.expiry_ms;
  Keydir& keys = namespace_of(record.owner)->keys;
  if (record.collection != 0) {
    shard_.sequence_ = std::max(shard_.sequence_, record.collection);
    if (index_of(record.collection, record.type) == nullptr &&
        !refused_.contains(record.collection)) {
      if (auto old = keys.remove(record.name, hash)) drop(*old, record.name.size());
      return;
    }
    ++roots_[record.collection];
  }
  segment.live_bytes += accounted_size(record);
  if (auto old = keys.put(record.name, hash, entry)) drop(*old, record.name.size());
}

void ShardRecovery::replay_element(const PlacedRecord& placed, Segment& segment) {
  const Record& record = placed.record;
  ElementIndex* const index = index_of(record.owner, record.type);
  if (index == nullptr) return;
  if (record.kind == RecordKind::kElement) {
    segment.live_bytes += accounted_size(record);
    const auto old = index->recover_put(
        record.name, Location::at(segment.slot, placed.value_offset), record.value_size);
    if (old) shard_.element_dropped(*old);
  } else {
    segment.add_mark(record);
    index->recover_remove_all(record.name,
                              [this](const ElementLocation& old) { shard_.element_dropped(old); });
  }
}

void ShardRecovery::replay_namespace(const Record& record, Segment& segment) {
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
  shard_.count_namespace(db, record, segment);
  // Where the store is opened with fewer databases than it was written with: the database that
  // begins with this namespace is made before another one has it, or it would be made twice.
  if (id < kFirstSequence) shard_.database(static_cast<uint32_t>(id));
  std::unique_ptr<Shard::Namespace>& current = shard_.databases_[db];
  if (current->id != id) {
    auto other = std::find_if(shard_.databases_.begin(), shard_.databases_.end(),
                              [id](const auto& database) { return database->id == id; });
    if (other != shard_.databases_.end()) {
      // The first record of a SWAPDB, or of several whose other records were merged away: later
      // ones speak.
      std::swap(current, *other);
    } else {
      auto replaced = std::exchange(current, nullptr);
      const bool put_aside = strays_.emplace(replaced->id, std::move(replaced)).second;
      assert(put_aside);
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

// Null: nobody makes an index for its type, which counts if the collection is there at the end; or,
// and then it is told of, what says that it is of this collection cannot be.
ElementIndex* ShardRecovery::index_of(uint64_t collection, uint8_t type) {
  const auto& make = shard_.options_.element_index;
  auto found = shard_.collections_.find(collection);
  if (found == shard_.collections_.end()) {
    auto index = make && !refused_.contains(collection) ? make(type) : nullptr;
    if (index == nullptr) {
      refused_.insert(collection);
      return nullptr;
    }
    found = shard_.collections_.emplace(collection, std::move(index)).first;
  }
  if (found->second->serves(type)) return found->second.get();
  ++report_.damaged_ranges;
  shard_.log(LogLevel::kWarning,
             fmt::format("Shard {}: collection {} has a part of another type, left out",
                         shard_.index_, collection));
  return nullptr;
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

// Where a batch is damaged a collection may have lost all its elements, or a key that was given
// another name its tombstone: then two names lead to one collection. The later one stays.
void ShardRecovery::drop_broken_roots() {
  struct Root {
    uint32_t db = 0;
    std::string name;
    Location where;
  };
  std::unordered_map<uint64_t, std::vector<Root>> broken;
  for (const auto& [id, count] : roots_) {
    const bool is_lost = count == 1 && shard_.collections_.at(id)->lacks_elements();
    if (count > 1 || is_lost) broken[id];
  }
  if (broken.empty()) return;
  for (uint32_t db = 0; db < shard_.databases_.size(); ++db) {
    uint64_t cursor = 0;
    do {
      cursor = shard_.databases_[db]->keys.scan(
          cursor, [&](std::string_view name, const KeydirEntry& entry) {
            const auto found = entry.collection != 0 ? broken.find(entry.collection) : broken.end();
            if (found != broken.end())
              found->second.push_back({db, std::string(name), entry.where});
          });
    } while (cursor != 0);
  }
  for (auto& [id, roots] : broken) {
    std::sort(roots.begin(), roots.end(), [](const Root& one, const Root& other) {
      return one.where.packed < other.where.packed;
    });
    if (!roots.empty() && !shard_.collections_.at(id)->lacks_elements()) roots.pop_back();
    for (const Root& root : roots) {
      Keydir& keys = shard_.databases_[root.db]->keys;
      if (auto old = keys.remove(root.name, shard_.hash(root.name))) drop(*old, root.name.size());
      ++report_.damaged_ranges;
      shard_.log(LogLevel::kWarning,
                 fmt::format("Shard {}: a key of database {}, of {} bytes, is left out: damage has "
                             "taken its elements, or what said that it has another name",
                             shard_.index_, root.db, root.name.size()));
    }
  }
}

void ShardRecovery::drop_strays() {
  for (auto& [id, stray] : strays_) drop_all(*stray);
  strays_.clear();
}

bool ShardRecovery::holds_refused() const {
  return std::any_of(refused_.begin(), refused_.end(), [this](uint64_t collection) {
    const auto root = roots_.find(collection);
    return root != roots_.end() && root->second > 0;
  });
}

void ShardRecovery::drop_unreachable() {
  // There was room for every record of the hints, some of which were overwritten.
  for (auto& database : shard_.databases_) database->keys.fit();
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

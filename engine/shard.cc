#include "engine/shard.h"

#include <algorithm>
#include <cassert>
#include <thread>

#include <fmt/format.h>

#include "engine/file.h"
#include "engine/segment_name.h"

namespace respcask::engine {

namespace {

Error mismatch(const ColdRead& cold) {
  return {ErrorCode::kDamaged, fmt::format("{}: the value at offset {} does not match its checksum",
                                           cold.segment->path(), cold.where.offset())};
}

}  // namespace

ShardStats& ShardStats::operator+=(const ShardStats& other) {
  keys += other.keys;
  expiring += other.expiring;
  segments += other.segments;
  hints += other.hints;
  live_bytes += other.live_bytes;
  total_bytes += other.total_bytes;
  pending_bytes += other.pending_bytes;
  pending_memory_bytes += other.pending_memory_bytes;
  damaged_records += other.damaged_records;
  keydir_bytes += other.keydir_bytes;
  mapped_bytes += other.mapped_bytes;
  collections += other.collections;
  garbage += other.garbage;
  garbage_bytes += other.garbage_bytes;
  garbage_freed += other.garbage_freed;
  return *this;
}

Shard::Shard(const Options& options, uint64_t store_id, uint32_t index, const HashSeed& seed)
    : options_(options), store_id_(store_id), index_(index), seed_(seed) {
  for (uint32_t db = 0; db < options.databases; ++db) database(db);
}

Shard::~Shard() = default;

Shard::Namespace& Shard::database(uint32_t db) {
  while (databases_.size() <= db) {
    databases_.push_back(std::make_unique<Namespace>(databases_.size(), seed_));
  }
  namespace_records_.resize(databases_.size());
  return *databases_[db];
}

uint64_t Shard::hash(std::string_view key) const {
  return siphash13(seed_, key);
}

Keydir& Shard::keydir(uint32_t db) {
  return databases_[db]->keys;
}

std::optional<KeydirEntry> Shard::find(uint32_t db, std::string_view key, uint64_t hash) {
  return databases_[db]->keys.find(key, hash);
}

ValueRead Shard::read(Location where, uint32_t value_size) {
  Segment& segment = segment_at(where);
  const uint64_t offset = where.offset();
  if (offset + kValueChecksumSize + value_size > segment.size()) {
    if (&segment != active_.get() || offset < segment.size()) {
      report_damage(segment, offset);  // the file was cut short
      return {ValueRead::State::kDamaged, {}};
    }
    if (failed_) return {ValueRead::State::kLost, {}};
    // Not in the file yet, so no damage of the disk's is possible.
    std::string_view value = pending_.at(offset - segment.size(), kValueChecksumSize + value_size);
    return {ValueRead::State::kReady, value.substr(kValueChecksumSize)};
  }
  const uint64_t size = kValueChecksumSize + uint64_t{value_size};
  if (!segment.resident(offset, size) ||
      (!residency_trust_.trusts_bits() && !still_resident(segment, offset, size))) {
    residency_trust_.met_absent();
    return {ValueRead::State::kCold, {}};
  }
  auto value = checked_value(segment.bytes(), offset, value_size);
  if (value) return {ValueRead::State::kReady, *value};
  report_damage(segment, offset);
  return {ValueRead::State::kDamaged, {}};
}

bool Shard::is_pending(uint32_t db, std::string_view key, uint64_t collection) {
  const auto name_of = [](uint64_t owner, std::string_view name) {
    std::string text(reinterpret_cast<const char*>(&owner), sizeof owner);
    return text += name;
  };
  if (!lost_) {
    auto lost = std::make_unique<Lost>();
    visit_pending([&](const Record& record) {
      if (is_of_database(record.kind)) {
        lost->keys.insert(name_of(record.owner, record.name));
      } else if (record.kind == RecordKind::kNamespace) {
        lost->all = true;
      } else {
        lost->collections.insert(record.owner);
      }
    });
    lost_ = std::move(lost);
  }
  return lost_->all || lost_->collections.contains(collection) ||
         lost_->keys.contains(name_of(databases_[db]->id, key));
}

void Shard::visit_lost(uint32_t db, FunctionRef<void(std::string_view key)> visit) {
  if (!failed_) return;
  visit_pending([&](const Record& record) {
    if (is_of_database(record.kind) && record.owner == databases_[db]->id) visit(record.name);
  });
}

void Shard::visit_pending(FunctionRef<void(const Record& record)> visit) {
  assert(!batch_.is_open());
  uint32_t records = 0;  // of the batch at hand that are still to come,
  size_t trailer = 0;    // and what follows them
  for (std::string_view rest : pending_.pieces()) {
    while (!rest.empty()) {
      if (records == 0 && trailer > 0) {
        rest.remove_prefix(std::exchange(trailer, 0));
        continue;
      }
      if (records == 0) {
        const auto header = decode_batch_header(rest);
        if (!header) return;  // cannot be: nobody else has written this
        records = header->records;
        trailer = header->has_transaction ? kTransactionTrailerSize : 0;
        rest.remove_prefix(kBatchHeaderSize);
        continue;
      }
      size_t head = 0;
      const auto record = decode_record(rest, head);
      if (!record) return;
      --records;
      visit(*record);
      const size_t value = kValueChecksumSize + size_t{record->value_size};
      rest.remove_prefix(head + (has_value(record->kind) ? value : 0));
    }
  }
}

bool Shard::still_resident(Segment& segment, uint64_t offset, uint64_t size) {
  uint64_t gone = 0;
  const bool resident = segment.still_resident(offset, size, residency_trust_.good_for_ms(), gone);
  residency_trust_.add_gone(gone);
  admission_.add_gone(gone);
  return resident;
}

std::shared_ptr<const void> Shard::hold(Location where, std::string_view bytes) const {
  return segments_[where.slot()]->hold(bytes);
}

void Shard::prefetch(const KeydirEntry& entry) const {
  constexpr uint64_t kLine = 64;
  constexpr uint64_t kMostBytes = 4 * kLine;  // from there on the processor sees where it goes
  const Segment& segment = *segments_[entry.where.slot()];
  const uint64_t offset = entry.where.offset();
  const uint64_t size = kValueChecksumSize + std::min<uint64_t>(entry.value_size, kMostBytes);
  if (offset + size > segment.size()) return;  // pending, so it was written a moment ago
  const char* const at = segment.bytes().data() + offset;
  for (uint64_t i = 0; i < size; i += kLine) __builtin_prefetch(at + i);
  __builtin_prefetch(at + size - 1);
}

void Shard::report_damage(const Segment& segment, uint64_t offset) {
  damaged_records_.fetch_add(1, std::memory_order_relaxed);
  log(LogLevel::kWarning, fmt::format("{}: the value at offset {} does not match its checksum",
                                      segment.path(), offset));
}

ColdRead Shard::cold_read(Location where, uint32_t value_size) const {
  return {segments_[where.slot()], where, value_size};
}

bool Shard::admits(const ColdRead& cold) {
  thread_local RecentPages read_past_cache;
  const uint64_t page = cold.where.offset() / ResidencyMap::kPageSize;
  return admission_.admits(read_past_cache, cold.segment->page_id(page), coarse_clock_ms());
}

size_t ColdRead::bytes() const {
  return kValueChecksumSize + size_t{value_size};
}

Result<std::string> fetch(const ColdRead& cold) {
  std::string bytes(cold.bytes(), '\0');
  auto got = cold.segment->file().read_at(cold.where.offset(), bytes);
  if (!got) return got.error();
  bytes.resize(*got);
  return take_value(cold, std::move(bytes));
}

Result<std::string> take_value(const ColdRead& cold, std::string bytes) {
  if (!checked_value(bytes, 0, cold.value_size)) return mismatch(cold);
  cold.segment->read_in(cold.where.offset(), bytes.size());
  bytes.erase(0, kValueChecksumSize);
  return bytes;
}

Result<std::string> take_value_past_cache(const ColdRead& cold, std::string_view bytes) {
  auto value = checked_value(bytes, 0, cold.value_size);
  if (!value) return mismatch(cold);
  return std::string(*value);
}

ElementIndex& Shard::collection(uint64_t id) {
  auto found = collections_.find(id);
  assert(found != collections_.end());
  return *found->second;
}

void Shard::make_way() const {
  // One and no more, and not for long if that one does not get to run: those who come one after
  // another must not keep the work from being done.
  constexpr int kMostTurns = 100;
  const uint32_t before = waits_ended_.load(std::memory_order_relaxed);
  for (int i = 0; i < kMostTurns && waiting_.load(std::memory_order_relaxed) != 0 &&
                  waits_ended_.load(std::memory_order_relaxed) == before;
       ++i) {
    std::this_thread::yield();
  }
}

ShardStats Shard::stats() {
  ShardStats stats;
  for (auto& database : databases_) {
    stats.keys += database->keys.size();
    stats.expiring += database->keys.expiring();
    stats.keydir_bytes += database->keys.memory_bytes();
    stats.mapped_bytes += database->keys.mapped_bytes();
  }
  stats.collections = collections_.size();
  stats.segments = order_.size();
  for (auto& segment : order_) {
    stats.hints += segment->has_hint ? 1 : 0;
    stats.live_bytes += segment->live_bytes;
    stats.total_bytes += segment->size();
  }
  stats.pending_bytes = pending_.size();
  stats.pending_memory_bytes = pending_.memory_bytes();
  stats.garbage = garbage_.size() + garbage_in_hand_.size();
  stats.garbage_bytes = garbage_bytes_;
  stats.garbage_freed = garbage_freed_;
  stats.damaged_records = damaged_records_.load(std::memory_order_relaxed);
  return stats;
}

std::string Shard::segment_path(uint64_t id, uint32_t generation) const {
  return fmt::format("{}/{}", shard_directory(options_.dir, index_),
                     segment_name({id, generation}));
}

uint32_t Shard::take_slot(std::shared_ptr<Segment> segment) {
  uint32_t slot = 0;
  if (!free_slots_.empty() && free_slots_.front().last_garbage < first_garbage()) {
    slot = free_slots_.front().slot;
    free_slots_.pop_front();
    segments_[slot] = segment;
  } else {
    slot = static_cast<uint32_t>(segments_.size());
    segments_.push_back(segment);
  }
  segment->slot = slot;
  return slot;
}

void Shard::drop_slot(uint32_t slot) {
  segments_[slot].reset();
  free_slots_.push_back({slot, garbage_queued_});
}

void Shard::retire(const std::shared_ptr<Segment>& segment) {
  std::erase_if(merged_away_, [](const auto& other) { return other.expired(); });
  merged_away_.push_back(segment);
  segment->retire();
}

// So that nothing goes once the directory may be another store's.
void Shard::unlink_merged_away() {
  for (const auto& merged : merged_away_) {
    if (const auto held = merged.lock()) held->unlink_retired();
  }
  merged_away_.clear();
}

void Shard::queue_garbage(Garbage item) {
  item.number = ++garbage_queued_;
  if (item.collection) {
    item.bytes = item.collection->memory_bytes();
  } else {  // what is mapped counts for databases that are in use only
    item.bytes = item.database->keys.memory_bytes() - item.database->keys.mapped_bytes();
  }
  garbage_bytes_ += item.bytes;
  garbage_.push_back(std::move(item));
}

void Shard::free_small_garbage() {
  constexpr uint64_t kSmall = 4096;  // some µs
  while (!garbage_.empty() && garbage_.back().number > garbage_before_batch_ &&
         garbage_.back().collection && garbage_.back().bytes <= kSmall) {
    garbage_.back().collection->for_each([&](const ElementLocation& element) {
      drop_live(element.where, accounted_size(element.name_size, element.value_size));
    });
    garbage_bytes_ -= garbage_.back().bytes;
    garbage_.pop_back();
    ++garbage_freed_;
  }
}

uint64_t Shard::first_garbage() const {
  uint64_t first = garbage_.empty() ? garbage_queued_ + 1 : garbage_.front().number;
  for (const uint64_t number : garbage_in_hand_) first = std::min(first, number);
  return first;
}

uint64_t Shard::segment_limit() const {
  constexpr uint64_t kParts = 24;
  constexpr uint64_t kLeast = uint64_t{1} << 19;
  uint64_t total = 0;
  for (const auto& segment : order_) total += segment->size();
  const uint64_t usual = std::min(std::max(total / kParts, kLeast), options_.segment_bytes);
  // Each that is left is to make the shard grow by as large a part as it is of those that are left:
  // so there is always another.
  const uint64_t most = most_segments();
  if (order_.size() <= most / 2) return usual;
  const uint64_t left = std::max<uint64_t>(most - std::min<uint64_t>(most, order_.size()), 1);
  return std::max(usual, std::min(total / left, most_joined_bytes()));
}

Result<void> Shard::roll(uint64_t kept_back) {
  assert(may_roll());
  if (auto written = write_pending(); !written) return written;
  SegmentHeader header;
  header.shard = index_;
  // Taken for good: a name that was made and could not be removed again is in nobody's way.
  const uint64_t id = next_segment_id_++;
  header.first_id = header.last_id = id;
  header.store_id = store_id_;
  header.first_sequence = sequence_ + 1;
  header.completed = completed_;
  if (!order_.empty()) {
    header.previous_id = order_.back()->header().last_id;
    header.previous_size = static_cast<uint32_t>(order_.back()->size());
  }
  const uint64_t limit = segment_limit();
  auto made = Segment::create(*options_.files, segment_path(id, 0), header,
                              std::max(limit, options_.segment_bytes) + kMapAhead);
  if (!made) return made.error();
  if (active_) {
    // What is kept back for what makes room has to be there in the new one, too.
    if (auto kept = (*made)->reserve(kSegmentHeaderSize + kept_back, 0); !kept) {
      (*made)->retire();
      return kept;
    }
    active_->sealed = true;
    sealed_unsynced_.push_back(active_);
    synced_ = 0;
  } else {
    synced_ = kSegmentHeaderSize;
  }
  pace_.begin(limit, std::min(most_paced_bytes_, options_.segment_bytes),
              active_ ? active_->size() : 0, std::chrono::steady_clock::now());
  active_ = std::move(*made);
  roll_from_ = 0;
  asked_to_ = 0;
  take_slot(active_);
  order_.push_back(active_);
  directory_unsynced_ = true;
  return {};
}

Result<void> Shard::write_pending() {
  if (auto written = append_pending(); !written) return written;
  if (pending_.size() > 0) forget_pending();
  return {};
}

Result<void> Shard::append_pending() {
  assert(!batch_.is_open());
  if (failed_) {
    return Error{ErrorCode::kReadOnly,
                 fmt::format("shard {} is read-only after a failed write", index_)};
  }
  if (pending_.size() == 0) return {};
  auto written = active_->append(pending_.pieces());
  if (!written) {
    // Never retried: what the file holds past its end is unknown now. The pending bytes stay as a
    // part of the log that is lost, see is_lost().
    failed_ = broken_ = true;
    log(LogLevel::kWarning,
        fmt::format("shard {} is read-only from now on: {}", index_, written.error().message));
    return written;
  }
  unpointed_ = true;
  return {};
}

void Shard::forget_pending() {
  pending_.clear();
  joinable_ = false;
  pending_shards_.clear();
}

void Shard::drop_slice(Garbage& item) {
  const auto drop = [this](std::string_view key, const KeydirEntry& entry) {
    drop_entry(entry, key.size());
  };
  item.cursor = item.database->keys.scan(item.cursor, drop);
  item.counted = item.cursor == 0;
}

bool Shard::collect_garbage() {
  constexpr int kPagesASlice = 32;  // some 10 µs under the lock
  Garbage item;
  {
    std::unique_lock guard(mutex_);
    if (garbage_.empty()) return false;
    Garbage& front = garbage_.front();
    for (int i = 0; i < kPagesASlice && front.database && !front.counted; ++i) drop_slice(front);
    if (front.database && !front.counted) {
      guard.unlock();
      make_way();
      return true;
    }
    item = std::move(front);
    garbage_.pop_front();
    garbage_in_hand_.push_back(item.number);
  }
  const uint64_t number = item.number;
  const uint64_t bytes_held = item.bytes;
  // Nobody else can reach it now; the freeing needs no lock.
  std::unordered_map<uint32_t, uint64_t> dead_bytes;
  if (item.collection) {
    item.collection->for_each([&](const ElementLocation& element) {
      dead_bytes[element.where.slot()] += accounted_size(element.name_size, element.value_size);
    });
  }
  item = Garbage{};
  std::lock_guard guard(mutex_);
  for (auto [slot, bytes] : dead_bytes) drop_live(Location::at(slot, 0), bytes);
  std::erase(garbage_in_hand_, number);
  garbage_bytes_ -= bytes_held;
  ++garbage_freed_;
  return true;
}

void Shard::log(LogLevel level, std::string_view text) const {
  if (options_.log) options_.log(level, text);
}

}  // namespace respcask::engine

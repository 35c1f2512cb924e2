// The writing half of Shard: how a change enters the keydir and the log.

#include <algorithm>
#include <cassert>
#include <cstring>

#include <fmt/format.h>

#include "engine/crc32c.h"
#include "engine/shard.h"
#include "engine/varint.h"

namespace respcask::engine {

namespace {

// How much is reserved at a time, beyond what is needed.
uint64_t step_of(const Segment& active) {
  constexpr uint64_t kLeast = 256 * 1024;
  constexpr uint64_t kMost = uint64_t{16} << 20;
  return std::clamp(active.size() / 4, kLeast, kMost);
}

}  // namespace

Result<void> Shard::reserve(uint64_t bytes, Growth growth) {
  constexpr uint64_t kBeforeNextTry = 64 * 1024;
  roll_failed_ = false;
  if (!failed_ && !options_.read_only && barred_ != Barred::kAll && may_roll() &&
      append_offset() >= std::max(pace_.seal_bytes(), roll_from_)) {
    // A segment that cannot be made for want of room, a descriptor or memory is no reason to
    // refuse: the active one may grow past its usual size.
    auto rolled = roll();
    roll_failed_ = !rolled && !is_shortage(rolled.error().code);
    if (roll_failed_) return rolled;
    if (!rolled) roll_from_ = append_offset() + kBeforeNextTry;
  }
  return reserve_more(bytes, growth);
}

Result<void> Shard::reserve_more(uint64_t bytes, Growth growth) {
  if (failed_ || options_.read_only) {
    return Error{ErrorCode::kReadOnly, fmt::format("shard {} is read-only", index_)};
  }
  if (batch_.size() + bytes > kMaxBatchBytes) {
    return Error{ErrorCode::kInvalid, "more than 4 GiB in one command or transaction"};
  }
  const uint64_t keep = growth == Growth::kGrows ? kReserveBytes : 0;
  const uint64_t need = append_offset() + bytes + kBatchFrame + keep;
  // Where no new segment can be made this one may have grown as far as it can.
  if (need > active_->capacity()) {
    return Error{ErrorCode::kNoSpace, fmt::format("{}: is full", active_->path())};
  }
  const uint64_t asked_to = std::max(asked_to_, need - keep);
  if (need <= active_->reserved()) {
    asked_to_ = asked_to;
    return {};
  }
  if (barred_ == Barred::kAll || (barred_ == Barred::kGrowth && growth == Growth::kGrows)) {
    refused_ = true;
    return Error{ErrorCode::kNoSpace, "the disk is full, and being merged"};
  }
  auto reserved = active_->reserve(need, step_of(*active_));
  refused_ |= !reserved && reserved.error().code == ErrorCode::kNoSpace;
  if (reserved) asked_to_ = asked_to;
  return reserved;
}

void Shard::keep_room(uint64_t bytes) {
  (void)active_->reserve(append_offset() + bytes, 0);
}

void Shard::give_back_reserved() {
  // What is pending is going to be written to what is reserved.
  if (failed_ || batch_.is_open() || pending_.size() > 0) return;
  const uint64_t step = step_of(*active_);
  const uint64_t kept = active_->size() + kBatchFrame + kReserveBytes;
  if (active_->reserved() <= kept + 2 * step) return;
  // There is no other way to give back what lies behind the end of a file, so that what is to stay
  // is reserved anew.
  if (active_->cut(active_->size())) (void)active_->reserve(kept, kept + step - active_->size());
}

// Rolling writes what is pending. Half a transaction must not go alone: whoever commits here next
// would take what follows it for committed.
bool Shard::may_roll() const {
  return !batch_.is_open() && pending_shards_.empty();
}

void Shard::begin_batch() {
  open_batch(false);
}

void Shard::join_batch() {
  open_batch(joinable_);
}

void Shard::open_batch(bool joins) {
  if (batch_.is_open()) return;
  if (joins) {
    batch_.reopen();
  } else {
    batch_.begin(++sequence_, batch_seed(active_->identity(), append_offset()));
  }
  joined_ = joins;
  garbage_before_batch_ = garbage_queued_;
}

void Shard::end_batch(const TransactionMark* transaction) {
  assert(transaction == nullptr || !joined_);
  // What a header costs is little then; and a flipped bit in a name costs its batch.
  constexpr uint64_t kShared = 4096;
  joinable_ = transaction == nullptr && batch_.size() < kShared;
  batch_.end(synced_, completed_, transaction);
  if (transaction != nullptr) pending_shards_.add(transaction->shards);
  // Nobody looks at it any more.
  if (!garbage_.empty()) free_small_garbage();
}

Location Shard::append_value(const Record& record, std::span<const std::string_view> pieces) {
  const BatchBuilder::Place place = batch_.append(record);
  char* at = place.value + kValueChecksumSize;
  uint32_t checksum = 0;
  for (std::string_view piece : pieces) {
    if (piece.empty()) continue;
    std::memcpy(at, piece.data(), piece.size());
    checksum = crc32c(piece, checksum);
    at += piece.size();
  }
  std::memcpy(place.value, &checksum, sizeof checksum);
  const Location where = Location::at(active_->slot, active_->size() + place.value_offset);
  active_->live_bytes += accounted_size(record);
  return where;
}

void Shard::append_mark(const Record& record) {
  batch_.append(record);
  active_->add_mark(record);
}

void Shard::drop_live(Location where, uint64_t bytes) {
  Segment* segment = segments_[where.slot()].get();
  if (segment == nullptr) return;  // merged away while what it counted was being dropped
  assert(segment->live_bytes >= bytes);
  segment->live_bytes -= bytes;
}

void Shard::drop_entry(const KeydirEntry& old, size_t name_size) {
  drop_live(old.where, accounted_size(name_size, old.value_size));
  if (old.collection != 0) drop_collection(old.collection);
}

void Shard::drop_collection(uint64_t id) {
  auto found = collections_.find(id);
  assert(found != collections_.end());
  Garbage item;
  item.collection = std::move(found->second);
  queue_garbage(std::move(item));
  collections_.erase(found);
}

KeydirEntry Shard::put_root(uint32_t db, std::string_view key, uint64_t hash, const Record& record,
                            std::span<const std::string_view> pieces, uint32_t access) {
  KeydirEntry entry;
  entry.where = append_value(record, pieces);
  entry.value_size = record.value_size;
  entry.type = record.type;
  entry.collection = record.collection;
  entry.expiry_ms = record.expiry_ms;
  entry.access = access;
  if (auto old = databases_[db]->keys.put(key, hash, entry)) {
    if (old->collection == entry.collection) old->collection = 0;  // the same root, written anew
    drop_entry(*old, key.size());
  }
  return entry;
}

KeydirEntry Shard::put(uint32_t db, std::string_view key, uint64_t hash, uint8_t type,
                       int64_t expiry_ms, std::span<const std::string_view> pieces,
                       uint32_t access) {
  size_t size = 0;
  for (std::string_view piece : pieces) size += piece.size();
  assert(size <= UINT32_MAX);
  Record record;
  record.kind = RecordKind::kPut;
  record.type = type;
  record.owner = databases_[db]->id;
  record.expiry_ms = expiry_ms;
  record.value_size = static_cast<uint32_t>(size);
  record.name = key;
  return put_root(db, key, hash, record, pieces, access);
}

KeydirEntry Shard::put_split(uint32_t db, std::string_view key, uint64_t hash, uint8_t type,
                             int64_t expiry_ms, std::string_view header, uint32_t access) {
  Record record;
  record.kind = RecordKind::kSplitRoot;
  record.type = type;
  record.owner = databases_[db]->id;
  record.expiry_ms = expiry_ms;
  record.collection = ++sequence_;
  record.value_size = static_cast<uint32_t>(header.size());
  record.name = key;
  collections_.emplace(record.collection, options_.element_index(type));
  return put_root(db, key, hash, record, {&header, 1}, access);
}

KeydirEntry Shard::put_header(uint32_t db, std::string_view key, uint64_t hash, uint8_t type,
                              std::string_view header) {
  auto old = find(db, key, hash);
  assert(old && old->collection != 0);
  Record record;
  record.kind = RecordKind::kSplitRoot;
  record.type = type;
  record.owner = databases_[db]->id;
  record.expiry_ms = old->expiry_ms;
  record.collection = old->collection;
  record.value_size = static_cast<uint32_t>(header.size());
  record.name = key;
  return put_root(db, key, hash, record, {&header, 1}, old->access);
}

bool Shard::remove(uint32_t db, std::string_view key, uint64_t hash) {
  auto old = databases_[db]->keys.remove(key, hash);
  if (!old) return false;
  Record record;
  record.kind = RecordKind::kTombstone;
  record.owner = databases_[db]->id;
  record.name = key;
  append_mark(record);
  drop_entry(*old, key.size());
  return true;
}

bool Shard::set_expiry(uint32_t db, std::string_view key, uint64_t hash, int64_t expiry_ms) {
  Keydir& keys = databases_[db]->keys;
  auto entry = keys.find(key, hash);
  if (!entry) return false;
  Record record;
  record.kind = RecordKind::kExpiry;
  record.type = entry->type;
  record.owner = databases_[db]->id;
  record.expiry_ms = expiry_ms;
  record.name = key;
  append_mark(record);
  entry->expiry_ms = expiry_ms;
  keys.put(key, hash, *entry);
  return true;
}

void Shard::rename(uint32_t from_db, std::string_view from, uint64_t from_hash, uint32_t to_db,
                   std::string_view to, uint64_t to_hash, std::string_view value) {
  auto entry = databases_[from_db]->keys.find(from, from_hash);
  assert(entry && entry->value_size == value.size());
  if (entry->collection == 0) {
    const std::string_view pieces[] = {value};
    put(to_db, to, to_hash, entry->type, entry->expiry_ms, pieces, entry->access);
    remove(from_db, from, from_hash);
    return;
  }
  // The tombstone of the old name comes first, so that no moment of a replay has two roots for one
  // collection.
  databases_[from_db]->keys.remove(from, from_hash);
  Record gone;
  gone.kind = RecordKind::kTombstone;
  gone.owner = databases_[from_db]->id;
  gone.name = from;
  append_mark(gone);
  drop_live(entry->where, accounted_size(from.size(), entry->value_size));
  Record root;
  root.kind = RecordKind::kSplitRoot;
  root.type = entry->type;
  root.owner = databases_[to_db]->id;
  root.expiry_ms = entry->expiry_ms;
  root.collection = entry->collection;
  root.value_size = entry->value_size;
  root.name = to;
  const std::string_view pieces[] = {value};
  put_root(to_db, to, to_hash, root, pieces, entry->access);
}

ElementLocation Shard::put_element(uint64_t collection, uint8_t type, std::string_view name,
                                   std::span<const std::string_view> payload_pieces) {
  size_t size = 0;
  for (std::string_view piece : payload_pieces) size += piece.size();
  assert(size <= UINT32_MAX && name.size() <= UINT32_MAX);
  Record record;
  record.kind = RecordKind::kElement;
  record.type = type;
  record.owner = collection;
  record.value_size = static_cast<uint32_t>(size);
  record.name = name;
  return {append_value(record, payload_pieces), record.value_size,
          static_cast<uint32_t>(name.size())};
}

void Shard::remove_element(uint64_t collection, uint8_t type, std::string_view name) {
  Record record;
  record.kind = RecordKind::kElementTombstone;
  record.type = type;
  record.owner = collection;
  record.name = name;
  append_mark(record);
}

void Shard::element_dropped(const ElementLocation& old) {
  drop_live(old.where, accounted_size(old.name_size, old.value_size));
}

void Shard::flush(uint32_t db) {
  const uint64_t id = ++sequence_;
  write_namespace(db, id, databases_[db]->id + 1);
  Garbage item;
  item.database = std::move(databases_[db]);
  databases_[db] = std::make_unique<Namespace>(id, seed_);
  // A few keys are gone at once, and their memory with them.
  constexpr size_t kKeysAtOnce = 2000;  // some 50 µs
  if (item.database->keys.size() > kKeysAtOnce) {
    queue_garbage(std::move(item));
    return;
  }
  while (!item.counted) drop_slice(item);
  ++garbage_freed_;
}

void Shard::swap(uint32_t db1, uint32_t db2) {
  if (db1 == db2) return;
  std::swap(databases_[db1], databases_[db2]);
  write_namespace(db1, databases_[db1]->id, 0);
  write_namespace(db2, databases_[db2]->id, 0);
}

void Shard::write_namespace(uint32_t db, uint64_t id, uint64_t retired_plus_one) {
  char name[2 * kMaxVarintSize];
  char* end = encode_varint(retired_plus_one, encode_varint(id, name));
  Record record;
  record.kind = RecordKind::kNamespace;
  record.owner = db;
  record.name = {name, static_cast<size_t>(end - name)};
  batch_.append(record);
  count_namespace(db, record, *active_);
}

void Shard::count_namespace(uint32_t db, const Record& record, Segment& segment) {
  NamespaceRecord& last = namespace_records_[db];
  if (last.bytes > 0) segments_[last.slot]->drop_namespace(last.bytes);
  segment.add_mark(record);
  last = {segment.slot, accounted_size(record)};
}

}  // namespace respcask::engine

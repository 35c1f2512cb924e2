#include "engine/repair.h"

#include <algorithm>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "engine/file.h"
#include "engine/store.h"

namespace respcask::engine {
namespace {

constexpr uint64_t kCommitBytes = 1024 * 1024;

struct Element {
  std::string name;
  std::string value;
};

// The index may know the name from a hint; that of the segment's own record is none of its value's
// checksum.
Result<Element> read_element(const ElementIndex& index, const ElementLocation& element,
                             const ColdRead& cold) {
  auto value = fetch(cold);
  if (!value) return value.error();
  const Error wrong{ErrorCode::kDamaged, "its name is not as it was written"};
  // A name ends where the checksum begins.
  if (element.name_size > element.where.offset()) return wrong;
  std::string name(element.name_size, '\0');
  auto got = cold.segment->file().read_at(element.where.offset() - element.name_size, name);
  if (!got) return got.error();
  if (*got != name.size() || !index.is_live(name, element.where)) return wrong;
  return Element{std::move(name), *std::move(value)};
}

}  // namespace

Result<void> StoreRepair::prepare() {
  FileSystem& files = *source_.options().files;
  if (auto made = files.create_directory(out_); !made) return made;
  auto names = files.list(out_);
  if (!names) return names.error();
  if (!names->empty()) return Error{ErrorCode::kInvalid, fmt::format("{}: is not empty", out_)};
  return {};
}

Result<RepairReport> StoreRepair::run() {
  if (auto prepared = prepare(); !prepared) return prepared.error();
  Options options = source_.options();
  options.dir = out_;
  options.read_only = options.salvage = false;
  options.create_if_missing = true;
  options.sync = SyncMode::kNo;  // until it is closed
  auto target = Store::open(options);
  if (!target) return target.error();
  target_ = std::move(*target);

  Result<void> copied;
  for (uint32_t i = 0; i < source_.shard_count(); ++i) {
    Shard& shard = source_.shard(i);
    std::lock_guard guard(shard);
    for (uint32_t db = 0; db < options.databases; ++db) {
      uint64_t cursor = 0;
      do {
        cursor = shard.keydir(db).scan(cursor, [&](std::string_view key, const KeydirEntry& entry) {
          if (copied) copied = copy_key(shard, db, key, entry);
        });
        if (!copied) return copied.error();
      } while (cursor != 0);
    }
  }
  if (auto done = commit(); !done) return done.error();
  if (auto closed = target_->close(); !closed) return closed.error();
  return report_;
}

Result<void> StoreRepair::copy_key(Shard& from, uint32_t db, std::string_view key,
                                   const KeydirEntry& entry) {
  const ColdRead cold = from.cold_read(entry.where, entry.value_size);
  const auto value = fetch(cold);
  if (!value) {
    lose(cold, key, value.error().message);
    return {};
  }
  if (entry.collection != 0 && from.collection(entry.collection).is_indivisible() &&
      !has_all_elements(from, key, entry)) {
    return {};
  }
  Shard& to = target_->shard(target_->shard_of(key));
  {
    std::lock_guard guard(to);
    if (auto room = make_room(to, record_size_bound(key.size(), value->size())); !room) return room;
    to.begin_batch();
    const uint64_t hash = to.hash(key);
    const std::string_view piece = *value;
    ++report_.keys;
    if (entry.collection == 0) {
      to.put(db, key, hash, entry.type, entry.expiry_ms, {&piece, 1});
      to.end_batch(nullptr);
    } else {
      const uint64_t collection =
          to.put_split(db, key, hash, entry.type, entry.expiry_ms, piece).collection;
      const auto copied = copy_elements(from, key, entry, to, collection);
      auto room = make_room(to, record_size_bound(key.size(), 0));
      if (copied && *copied == 0 && room) {
        to.remove(db, key, hash);  // a key without elements would be found damaged
        --report_.keys;
      }
      to.end_batch(nullptr);
      if (!copied) return copied.error();
      if (!room) return room;
    }
  }
  return uncommitted_ >= kCommitBytes ? commit() : Result<void>();
}

// False: one cannot be read, which is reported, and so the key is lost.
bool StoreRepair::has_all_elements(Shard& from, std::string_view key, const KeydirEntry& entry) {
  bool all = true;
  const ElementIndex& index = from.collection(entry.collection);
  index.for_each([&](const ElementLocation& element) {
    if (!all) return;
    const ColdRead cold = from.cold_read(element.where, element.value_size);
    const auto read = read_element(index, element, cold);
    if (read) return;
    all = false;
    lose(cold, key, fmt::format("the whole key, by a part of it: {}", read.error().message));
  });
  return all;
}

// In the order of the log, which is what an index may rely on. How many could be read.
Result<uint64_t> StoreRepair::copy_elements(Shard& from, std::string_view key,
                                            const KeydirEntry& entry, Shard& to,
                                            uint64_t collection) {
  std::vector<ElementLocation> elements;
  const ElementIndex& source = from.collection(entry.collection);
  source.for_each([&](const ElementLocation& element) { elements.push_back(element); });
  // Segments got their slots from oldest to newest when the source was opened.
  std::sort(elements.begin(), elements.end(),
            [](const auto& a, const auto& b) { return a.where.packed < b.where.packed; });
  ElementIndex& index = to.collection(collection);
  uint64_t in_batch = 0;
  uint64_t count = 0;
  for (const ElementLocation& element : elements) {
    const ColdRead cold = from.cold_read(element.where, element.value_size);
    const auto read = read_element(source, element, cold);
    if (!read) {
      lose(cold, key, fmt::format("an element: {}", read.error().message));
      continue;
    }
    const auto& [name, value] = *read;
    // No batch need hold a whole collection: nothing else writes here.
    if (in_batch >= kCommitBytes) {
      to.end_batch(nullptr);
      in_batch = 0;
    }
    const uint64_t bytes = record_size_bound(name.size(), value.size());
    auto room = make_room(to, bytes);
    to.begin_batch();
    if (!room) return room.error();
    in_batch += bytes;
    const std::string_view piece = value;
    const ElementLocation copy = to.put_element(collection, entry.type, name, {&piece, 1});
    if (auto old = index.recover_put(name, copy.where, copy.value_size)) to.element_dropped(*old);
    ++report_.elements;
    ++count;
  }
  return count;
}

Result<void> StoreRepair::make_room(Shard& to, uint64_t bytes) {
  uncommitted_ += bytes;
  return to.reserve(bytes, Growth::kGrows);
}

Result<void> StoreRepair::commit() {
  uncommitted_ = 0;
  const ShardSet all = ShardSet::first(target_->shard_count());
  auto committed = target_->commit(all);
  if (!committed) return committed.error();
  return {};
}

void StoreRepair::lose(const ColdRead& cold, std::string_view key, std::string_view what) {
  ++report_.lost;
  if (!lost_) return;
  lost_({true, cold.segment->path(), cold.where.offset(), std::string(key), std::string(what)});
}

}  // namespace respcask::engine

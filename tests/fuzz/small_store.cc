#include "tests/fuzz/small_store.h"

#include <fmt/format.h>

#include <algorithm>
#include <mutex>
#include <utility>

#include "tests/engine/map_index.h"

namespace respcask::engine {
namespace {

using fuzz::require;

constexpr int64_t kFarExpiry = 5'000'000'000'000;

Options options_on(FaultyFileSystem& disk) {
  Options options;
  options.dir = "/store";
  options.files = &disk;
  options.shards = 2;
  options.databases = 2;
  options.segment_bytes = 4096;
  options.sync = SyncMode::kNo;
  options.merge.bytes_per_second = 0;
  options.element_index = MapIndex::make;
  return options;
}

}  // namespace

OpenStore::OpenStore(FaultyFileSystem disk) : disk_(std::move(disk)) {
  open();
}

OpenStore::~OpenStore() = default;

void OpenStore::open() {
  auto opened = Store::open(options_on(disk_));
  if (!opened) {
    require(!opened.error().message.empty(), "a start was refused without a word");
    return;
  }
  store_ = std::move(*opened);
  const RecoveryReport& found = store_->open_report().found;
  has_reported_ |= found.damaged_ranges > 0 || found.torn_bytes > 0;
}

void OpenStore::reopen() {
  (void)store_->close();
  store_.reset();
  open();
}

template <class Change>
void OpenStore::change(std::string_view key, Change change) {
  Shard& shard = store_->shard(store_->shard_of(key));
  ShardSet set;
  set.add(shard.index());
  {
    std::lock_guard guard(shard);
    if (!shard.reserve(4096, Growth::kGrows)) return;
    shard.begin_batch();
    change(shard, shard.hash(key));
    shard.end_batch(nullptr);
  }
  require(bool(store_->commit(set)), "a write to a sound disk failed");
}

void OpenStore::put(std::string_view key, std::string_view value, int64_t expiry_ms) {
  change(key, [&](Shard& shard, uint64_t hash) {
    shard.put(0, key, hash, 0, expiry_ms, {&value, 1});
  });
}

template <class Change>
void OpenStore::change_all(const ShardSet& set, Growth growth, Change change) {
  for (const uint32_t i : set) store_->shard(i).lock();
  const TransactionMark mark = store_->begin_transaction(set);
  for (const uint32_t i : set) {
    Shard& shard = store_->shard(i);
    require(bool(shard.reserve(4096, growth)), "no room on an endless disk");
    shard.begin_batch();
    change(shard);
    shard.end_batch(&mark);
  }
  for (const uint32_t i : set) store_->shard(i).unlock();
  require(bool(store_->commit(set)), "a write to a sound disk failed");
}

void OpenStore::put_both(std::string_view one, std::string_view other, std::string_view value) {
  ShardSet set;
  for (const std::string_view key : {one, other}) set.add(store_->shard_of(key));
  change_all(set, Growth::kGrows, [&](Shard& shard) {
    for (const std::string_view key : {one, other}) {
      if (store_->shard_of(key) != shard.index()) continue;
      shard.put(0, key, shard.hash(key), 0, 0, {&value, 1});
    }
  });
}

void OpenStore::set_expiry(std::string_view key, int64_t expiry_ms) {
  change(key, [&](Shard& shard, uint64_t hash) { shard.set_expiry(0, key, hash, expiry_ms); });
}

void OpenStore::remove(std::string_view key) {
  change(key, [&](Shard& shard, uint64_t hash) { shard.remove(0, key, hash); });
}

void OpenStore::put_split(std::string_view key) {
  change(key, [&](Shard& shard, uint64_t hash) { shard.put_split(0, key, hash, 1, 0, "header"); });
}

void OpenStore::put_element(std::string_view key, std::string_view element,
                            std::string_view value) {
  change(key, [&](Shard& shard, uint64_t hash) {
    const uint64_t id = shard.find(0, key, hash)->collection;
    const ElementLocation at = shard.put_element(id, 1, element, {&value, 1});
    const auto old = static_cast<MapIndex&>(shard.collection(id)).set(element, at);
    if (old) shard.element_dropped(*old);
  });
}

void OpenStore::remove_element(std::string_view key, std::string_view element) {
  change(key, [&](Shard& shard, uint64_t hash) {
    const uint64_t id = shard.find(0, key, hash)->collection;
    const auto old = shard.collection(id).recover_remove(element);
    if (!old) return;
    shard.remove_element(id, 1, element);
    shard.element_dropped(*old);
  });
}

void OpenStore::flush(uint32_t db) {
  change_all(ShardSet::first(store_->shard_count()), Growth::kShrinks,
             [&](Shard& shard) { shard.flush(db); });
}

std::string OpenStore::read(Shard& shard, Location where, uint32_t size) {
  const ValueRead value = shard.read(where, size);
  if (value.state == ValueRead::State::kReady) return std::string(value.bytes);
  if (value.state == ValueRead::State::kDamaged) return std::string(kDamaged);
  auto fetched = fetch(shard.cold_read(where, size));
  return fetched ? *fetched : std::string(kDamaged);
}

OpenStore::Contents OpenStore::contents() {
  Contents all;
  for (uint32_t i = 0; i < store_->shard_count(); ++i) {
    Shard& shard = store_->shard(i);
    std::lock_guard guard(shard);
    const auto visit = [&](std::string_view name, const KeydirEntry& entry) {
      const std::string key(name);
      all[key] = read(shard, entry.where, entry.value_size);
      if (entry.collection == 0) return;
      const auto& index = static_cast<MapIndex&>(shard.collection(entry.collection));
      for (const auto& [element, at] : index.elements()) {
        all[key + "/" + element] = read(shard, at.where, at.value_size);
      }
    };
    uint64_t cursor = 0;
    do {
      cursor = shard.keydir(0).scan(cursor, visit);
    } while (cursor != 0);
  }
  return all;
}

void overwrite_few(std::string& bytes, size_t at, fuzz::Input& input) {
  const std::string_view with = input.bytes(1 + input.below(4));
  bytes.replace(at, std::min(with.size(), bytes.size() - at), with);
}

const SmallStore& SmallStore::get() {
  static const SmallStore store;
  return store;
}

std::vector<std::string> SmallStore::files(const FaultyFileSystem& disk, std::string_view ending) {
  std::vector<std::string> all;
  for (const std::string dir : {"/store/shard-00", "/store/shard-01"}) {
    for (const std::string& name : *disk.list(dir)) {
      if (name.ends_with(ending)) all.push_back(dir + "/" + name);
    }
  }
  std::sort(all.begin(), all.end());
  return all;
}

void SmallStore::put(OpenStore& store, const std::string& key, const std::string& value,
                     int64_t expiry_ms) {
  store.put(key, value, expiry_ms);
  now[key] = value;
  ever[key].insert(value);
}

void SmallStore::write_some(OpenStore& store, int begin, int end) {
  for (int i = begin; i < end; ++i) {
    const std::string key = fmt::format("k{}", i * 7 % 13);
    const std::string value = fmt::format("{}.{}.{}", key, i, std::string(i * 11 % 40, 'v'));
    const std::string element = fmt::format("e{}", i % 3);
    if (i % 9 == 0) {
      const std::string other = fmt::format("k{}", (i * 7 + 1) % 13);
      store.put_both(key, other, value);
      for (const std::string& each : {key, other}) {
        now[each] = value;
        ever[each].insert(value);
      }
    } else if (i % 5 == 0) {
      store.remove(key);
      now.erase(key);
    } else if (i % 4 == 0) {
      store.put_element("c", element, value);
      now["c/" + element] = value;
      ever["c/" + element].insert(value);
    } else if (i % 17 == 0) {
      store.remove_element("c", element);
      now.erase("c/" + element);
    } else if (i % 7 == 0) {
      store.set_expiry(key, kFarExpiry);
    } else {
      put(store, key, value, i % 3 == 0 ? kFarExpiry : 0);
    }
  }
}

SmallStore::SmallStore() {
  raise_descriptor_limit();
  OpenStore store{FaultyFileSystem()};
  store.put_split("c");
  now["c"] = "header";
  ever["c"].insert("header");
  write_some(store, 0, 40);
  store.flush(1);
  store.store().merge_now();
  write_some(store, 40, 80);
  require(bool(store.store().sync()), "a sound disk does not sync");
  killed.emplace(store.disk().crash_process());
  require(bool(store.store().close()), "a store on a sound disk does not close");
  closed.emplace(store.disk().crash_process());
}

}  // namespace respcask::engine

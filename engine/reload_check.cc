#include "engine/reload_check.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "engine/recovery.h"
#include "engine/store.h"

namespace respcask::engine {
namespace {

class ReloadCheck {
 public:
  explicit ReloadCheck(Store& store) : store_(store), options_(store.options()) {
    options_.read_only = true;
    options_.log = nullptr;
  }

  // With all shards locked and nothing pending.
  Result<ReloadReport> run() {
    if (auto recovered = recover(); !recovered) return recovered.error();
    for (uint32_t i = 0; i < store_.shard_count() && !difference_; ++i) compare(i);
    if (difference_) return Error{ErrorCode::kDamaged, *difference_};
    return report_;
  }

 private:
  Result<void> recover() {
    const HashSeed seed = HashSeed::random();
    std::vector<std::unique_ptr<ShardRecovery>> recoveries;
    for (uint32_t i = 0; i < store_.shard_count(); ++i) {
      shards_.push_back(std::make_unique<Shard>(options_, store_.id(), i, seed));
      recoveries.push_back(std::make_unique<ShardRecovery>(*shards_[i]));
      if (auto opened = recoveries[i]->open(); !opened) return opened;
    }
    cut_incomplete_transactions(recoveries);
    for (auto& recovery : recoveries) {
      if (auto applied = recovery->apply(); !applied) return applied;
    }
    return {};
  }

  void compare(uint32_t index) {
    Shard& live = store_.shard(index);
    Shard& read = *shards_[index];
    for (uint32_t db = 0; db < options_.databases; ++db) {
      const size_t expected = live.keydir(db).size();
      if (const size_t found = read.keydir(db).size(); found != expected) {
        return differ(fmt::format("shard {}, database {}: {} keys in the files, {} in memory",
                                  index, db, found, expected));
      }
      uint64_t cursor = 0;
      do {
        cursor = read.keydir(db).scan(cursor, [&](std::string_view key, const KeydirEntry& entry) {
          if (!difference_) compare_key(live, read, db, key, entry);
        });
      } while (cursor != 0 && !difference_);
      report_.keys += expected;
    }
  }

  void compare_key(Shard& live, Shard& read, uint32_t db, std::string_view key,
                   const KeydirEntry& entry) {
    constexpr size_t kShownBytes = 128;
    const std::string where = fmt::format("database {}, key '{}'", db, key.substr(0, kShownBytes));
    const auto known = live.find(db, key, live.hash(key));
    if (!known) return differ(where + ": in the files, but not in memory");
    if (known->type != entry.type || known->expiry_ms != entry.expiry_ms ||
        known->value_size != entry.value_size || known->collection != entry.collection ||
        place(live, known->where) != place(read, entry.where)) {
      return differ(where + ": not the same in the files and in memory");
    }
    if (!intact(read, entry.where, entry.value_size)) {
      return differ(where + ": its value does not match its checksum");
    }
    if (entry.collection == 0) return;
    std::vector<ElementLocation> elements = elements_of(read, entry.collection);
    const auto same = [&](const ElementLocation& a, const ElementLocation& b) {
      return place(live, a.where) == place(read, b.where) && a.value_size == b.value_size &&
             a.name_size == b.name_size;
    };
    const std::vector<ElementLocation> in_memory = elements_of(live, entry.collection);
    if (!std::equal(in_memory.begin(), in_memory.end(), elements.begin(), elements.end(), same)) {
      return differ(where + ": not the same elements in the files and in memory");
    }
    for (const ElementLocation& element : elements) {
      if (!intact(read, element.where, element.value_size)) {
        return differ(where + ": an element's value does not match its checksum");
      }
    }
    report_.elements += elements.size();
  }

  // Segments have other slots in the two, so places are compared by their segment's first id.
  struct Place {
    uint64_t segment;
    uint64_t offset;
    auto operator<=>(const Place&) const = default;
  };
  static Place place(const Shard& shard, Location where) {
    return {shard.cold_read(where, 0).segment->header().first_id, where.offset()};
  }

  static std::vector<ElementLocation> elements_of(Shard& shard, uint64_t collection) {
    std::vector<ElementLocation> elements;
    shard.collection(collection).for_each([&](const ElementLocation& element) {
      elements.push_back(element);
    });
    std::sort(elements.begin(), elements.end(), [&](const auto& a, const auto& b) {
      return place(shard, a.where) < place(shard, b.where);
    });
    return elements;
  }

  static bool intact(const Shard& shard, Location where, uint32_t value_size) {
    return bool(fetch(shard.cold_read(where, value_size)));
  }

  void differ(std::string difference) { difference_ = std::move(difference); }

  Store& store_;
  Options options_;
  std::vector<std::unique_ptr<Shard>> shards_;
  ReloadReport report_;
  std::optional<std::string> difference_;
};

// Holds the locks of all shards of a store.
class AllShards {
 public:
  explicit AllShards(Store& store) : store_(store) {
    for (uint32_t i = 0; i < store_.shard_count(); ++i) store_.shard(i).lock();
  }
  ~AllShards() {
    for (uint32_t i = 0; i < store_.shard_count(); ++i) store_.shard(i).unlock();
  }
  AllShards(const AllShards&) = delete;
  AllShards& operator=(const AllShards&) = delete;

  bool anything_pending() {
    for (uint32_t i = 0; i < store_.shard_count(); ++i) {
      if (store_.shard(i).stats().pending_bytes > 0) return true;
    }
    return false;
  }

 private:
  Store& store_;
};

}  // namespace

Result<ReloadReport> check_reload(Store& store) {
  // A merge whose output has its name, but not yet all that points into it, is a difference.
  const auto no_merge = store.hold_merges();
  // Between the commit and the locks others may write again.
  constexpr int kAttempts = 1000;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (auto synced = store.sync(); !synced) return synced.error();
    AllShards locked(store);
    if (!locked.anything_pending()) return ReloadCheck(store).run();
  }
  return Error{ErrorCode::kIo, "the store is written to faster than it can be committed"};
}

}  // namespace respcask::engine

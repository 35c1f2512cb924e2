#include "tests/engine/store_model.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <chrono>
#include <thread>

namespace respcask::engine {
namespace {

constexpr uint32_t kTags = 8;  // keys with one tag share a shard
constexpr uint32_t kKeysATag = 6;
constexpr uint8_t kSplitType = 7;

MapIndex& index_of(Shard& shard, const KeydirEntry& entry) {
  return static_cast<MapIndex&>(shard.collection(entry.collection));
}

}  // namespace

Options StoreModel::options() {
  Options options;
  options.dir = "/store";
  options.shards = kShardCount;
  options.databases = kDatabases + 1;
  options.segment_bytes = 4096;
  options.sync = SyncMode::kNo;  // the model wants to know what is synced
  options.merge.bytes_per_second = 0;
  options.element_index = MapIndex::make;
  return options;
}

StoreModel::StoreModel(uint64_t seed, uint64_t cuts)
    : random_(seed), cuts_(cuts), fixture_(FaultyFileSystem(), options()), shards_(kShardCount) {
  for (ShardModel& shard : shards_) shard.history[0];
}

std::string StoreModel::random_key(uint32_t tag) {
  return fmt::format("{{{}}}{}", tag, below(random_, kKeysATag));
}

std::string StoreModel::random_value() {
  const uint64_t size = below(random_, 30) == 0 ? below(random_, 6000) : below(random_, 150);
  return std::string(size, static_cast<char>('a' + below(random_, 26)));
}

int64_t StoreModel::random_expiry() {
  return below(random_, 3) == 0 ? static_cast<int64_t>(5'000'000'000'000 + below(random_, 1000))
                                : 0;
}

void StoreModel::step() {
  switch (below(random_, 60)) {
    case 0:
    case 1:
    case 2:
      return sync();
    case 3:
      return reopen();
    case 4:
      return die(false);
    case 5:
      return die(true);
    case 6:
      return die_in_the_midst();
    case 7:
    case 8:
      return merge(true);
    case 9:
      return merge(false);
    case 10:
      return check_contents();
    case 11:
      return survey();
    case 12:
      return fail_sync();
    default:
      REQUIRE(turn());
      check_reads();
  }
}

void StoreModel::finish() {
  reopen();
  merge(true);
  check_contents();
  reopen();
}

// Some commands and their commit. False: the machine fails (only asked for).
bool StoreModel::turn() {
  for (uint64_t n = 1 + below(random_, 5); n > 0; --n) {
    if (!command()) return false;
  }
  // Now and then the next turn commits for this one, or the end comes first.
  return below(random_, 12) == 0 || commit();
}

bool StoreModel::command() {
  if (below(random_, 50) == 0) {
    // Flushing leaves little to look at, and is rarer.
    const uint64_t apart = below(random_, 9) == 0 ? 0 : 1 + below(random_, kDatabases - 1);
    const auto a = static_cast<uint32_t>(below(random_, kDatabases));
    const auto b = static_cast<uint32_t>((a + apart) % kDatabases);
    return in_shards(ShardSet::first(kShardCount),
                     [&](Shard& shard, State& state) { flush_or_swap(shard, state, a, b); });
  }
  std::vector<uint32_t> tags;
  ShardSet shards;
  for (uint64_t n = below(random_, 5) == 0 ? 3 : 1; n > 0; --n) {
    tags.push_back(static_cast<uint32_t>(below(random_, kTags)));
    shards.add(fixture_.store->shard_of(fmt::format("{{{}}}", tags.back())));
  }
  return in_shards(shards, [&](Shard& shard, State& state) {
    for (uint32_t tag : tags) {
      if (fixture_.store->shard_of(fmt::format("{{{}}}", tag)) != shard.index()) continue;
      for (uint64_t n = 1 + below(random_, 2); n > 0; --n) change_one(shard, state, tag);
    }
  });
}

// One command: the change in each of the shards, and its number.
bool StoreModel::in_shards(const ShardSet& shards,
                           const std::function<void(Shard&, State&)>& change) {
  Store& store = *fixture_.store;
  for (uint32_t i : shards) store.shard(i).lock();
  bool reserved = true;
  for (uint32_t i : shards) {
    if (!store.shard(i).reserve(64 * 1024, Growth::kGrows)) reserved = false;
  }
  if (reserved) {
    const TransactionMark mark = store.begin_transaction(shards);
    Transaction transaction;
    for (uint32_t i : shards) {
      Shard& shard = store.shard(i);
      ShardModel& model = shards_[i];
      State next = model.now();
      const uint64_t number = model.number() + 1;
      if (shards.size() == 1 && below(random_, 4) != 0) {
        shard.join_batch();
      } else {
        shard.begin_batch();
      }
      change(shard, next);
      const std::string text = std::to_string(number);
      const std::string_view piece = text;
      shard.put(kNumbers, "n", shard.hash("n"), 0, 0, {&piece, 1});
      shard.end_batch(shards.size() > 1 ? &mark : nullptr);
      model.history.emplace(number, std::move(next));
      transaction[i] = number;
    }
    if (shards.size() > 1) transactions_.push_back(transaction);
    touched_.add(shards);
  }
  for (uint32_t i : shards) store.shard(i).unlock();
  return reserved;
}

void StoreModel::change_one(Shard& shard, State& state, uint32_t tag) {
  const Key key{static_cast<uint32_t>(below(random_, kDatabases)), random_key(tag)};
  const uint64_t hash = shard.hash(key.second);
  auto found = state.find(key);
  const uint64_t what = below(random_, 100);
  if (found != state.end() && found->second.split && what < 60) {
    return change_collection(shard, state, key, hash, found->second);
  }
  if (what < 15) {
    CHECK(shard.remove(key.first, key.second, hash) == (state.erase(key) > 0));
  } else if (what < 30) {
    const int64_t expiry = random_expiry();
    CHECK(shard.set_expiry(key.first, key.second, hash, expiry) == (found != state.end()));
    if (found != state.end()) found->second.expiry_ms = expiry;
  } else if (what < 36 && found != state.end()) {
    rename(shard, state, key, tag);
  } else if (what < 46) {
    Value value{random_value(), random_expiry(), true, {}};
    const KeydirEntry entry =
        shard.put_split(key.first, key.second, hash, kSplitType, value.expiry_ms, value.bytes);
    for (uint64_t n = below(random_, 5); n > 0; --n) {
      const std::string name = fmt::format("e{}", n);
      const std::string bytes = random_value();
      const std::string_view piece = bytes;
      index_of(shard, entry)
          .set(name, shard.put_element(entry.collection, kSplitType, name, {&piece, 1}));
      value.elements[name] = bytes;
    }
    state[key] = value;
  } else {
    const Value value{random_value(), random_expiry(), false, {}};
    const std::string_view piece = value.bytes;
    shard.put(key.first, key.second, hash, 0, value.expiry_ms, {&piece, 1});
    state[key] = value;
  }
}

void StoreModel::change_collection(Shard& shard, State&, const Key& key, uint64_t hash,
                                   Value& value) {
  const auto entry = shard.find(key.first, key.second, hash);
  REQUIRE(entry);
  MapIndex& index = index_of(shard, *entry);
  const std::string name = fmt::format("e{}", below(random_, 8));
  const std::string bytes = random_value();
  const std::string_view piece = bytes;
  switch (below(random_, 6)) {
    case 0:
      shard.put_header(key.first, key.second, hash, kSplitType, bytes);
      value.bytes = bytes;
      break;
    case 1:
    case 2:
      if (auto old = index.recover_remove(name)) {
        shard.remove_element(entry->collection, kSplitType, name);
        shard.element_dropped(*old);
        CHECK(value.elements.erase(name) == 1);
      }
      break;
    default:
      if (auto old = index.set(
              name, shard.put_element(entry->collection, kSplitType, name, {&piece, 1}))) {
        shard.element_dropped(*old);
      }
      value.elements[name] = bytes;
  }
}

void StoreModel::rename(Shard& shard, State& state, const Key& from, uint32_t tag) {
  const Key to{static_cast<uint32_t>(below(random_, kDatabases)), random_key(tag)};
  if (to == from) return;
  const Value value = state[from];
  shard.rename(from.first, from.second, shard.hash(from.second), to.first, to.second,
               shard.hash(to.second), value.bytes);
  state.erase(from);
  state[to] = value;
}

void StoreModel::flush_or_swap(Shard& shard, State& state, uint32_t a, uint32_t b) {
  State next;
  if (a == b) {
    shard.flush(a);
    for (auto& [key, value] : state) {
      if (key.first != a) next[key] = value;
    }
  } else {
    shard.swap(a, b);
    for (auto& [key, value] : state) {
      const uint32_t db = key.first == a ? b : key.first == b ? a : key.first;
      next[{db, key.second}] = value;
    }
  }
  state = std::move(next);
}

bool StoreModel::commit() {
  const ShardSet shards = std::exchange(touched_, ShardSet());
  if (!fixture_.store->commit(shards)) return false;
  for (uint32_t i : shards) shards_[i].acknowledged = shards_[i].number();
  return true;
}

void StoreModel::sync() {
  REQUIRE(commit());
  REQUIRE(fixture_.store->sync());
  for (ShardModel& shard : shards_) {
    shard.acknowledged = shard.synced = shard.number();
    shard.history.erase(shard.history.begin(), std::prev(shard.history.end()));
  }
  transactions_.clear();
}

void StoreModel::merge(bool wait) {
  const uint64_t before = fixture_.store->merge_stats().requests_done;
  fixture_.store->request_merge();
  if (!wait) return;
  while (fixture_.store->merge_stats().requests_done == before) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  REQUIRE(fixture_.store->merge_stats().failed == 0);
}

void StoreModel::reopen() {
  fixture_.reopen();
  touched_.clear();
  for (ShardModel& shard : shards_) shard.acknowledged = shard.synced = shard.number();
  settle_with_recovered(false);
}

void StoreModel::die(bool power_cut) {
  // What follows draws from the seed whichever way the store's threads went.
  const uint64_t seed = random_();
  const PowerLoss mode = kPowerLosses[below(random_, std::size(kPowerLosses))];
  auto survivor = power_cut ? fixture_.disk->crash(seed, mode) : fixture_.disk->crash_process();
  fixture_.store.reset();
  fixture_.disk = std::make_unique<FaultyFileSystem>(std::move(survivor));
  fixture_.options.files = fixture_.disk.get();
  const bool again = below(random_, 3) == 0;
  const uint64_t skip = below(random_, 60);
  const bool fails = below(random_, 2) == 0;
  if (again) {
    // The start itself is cut short, or a sync of it fails.
    fixture_.disk->inject(
        fails ? FaultRule{.fault = Fault::kIo, .skip = skip % 8, .times = 1, .call = Call::kSync}
              : FaultRule{.fault = Fault::kPowerOff, .skip = skip, .times = kForever});
    auto opened = Store::open(fixture_.options);
    auto rest = power_cut ? fixture_.disk->crash(seed + 1, mode) : fixture_.disk->crash_process();
    if (opened) (*opened).reset();
    fixture_.disk = std::make_unique<FaultyFileSystem>(std::move(rest));
  }
  fixture_.reopen();
  touched_.clear();
  settle_with_recovered(power_cut);
}

void StoreModel::die_in_the_midst() {
  const bool power_cut = below(random_, 2) == 0;
  if (below(random_, 3) != 0) merge(false);
  fixture_.disk->inject({.fault = Fault::kPowerOff, .skip = below(random_, 80), .times = kForever});
  for (uint64_t n = below(random_, 40); n > 0; --n) {
    if (!turn()) break;
  }
  die(power_cut);
}

// A sync of some file fails, and what it lost looks as if it were there. Then the process
// ends, and the next one has to know nothing of that.
void StoreModel::fail_sync() {
  if (below(random_, 2) == 0) merge(false);
  fixture_.disk->inject(
      {.fault = Fault::kIo, .skip = below(random_, 4), .times = 2, .call = Call::kSync});
  for (uint64_t n = below(random_, 10); n > 0; --n) {
    if (!turn()) break;
  }
  if (commit()) (void)fixture_.store->sync();
  fixture_.disk->clear_faults();
  die(below(random_, 3) == 0);
}

// What would be there after a kill or a power cut now; the store goes on.
void StoreModel::survey() {
  {
    StoreFixture killed(fixture_.disk->crash_process(), fixture_.options);
    check_recovered(killed, false);
  }
  for (uint64_t cut = 0; cut < cuts_; ++cut) {
    const PowerLoss mode = kPowerLosses[below(random_, std::size(kPowerLosses))];
    StoreFixture cut_off(fixture_.disk->crash(random_(), mode), fixture_.options);
    check_recovered(cut_off, true);
  }
}

StoreModel::Recovered StoreModel::check_recovered(StoreFixture& fixture, bool power_cut) {
  ++starts_;
  CHECK(fixture.store->open_report().found.damaged_ranges == 0);
  Recovered recovered;
  for (uint32_t i = 0; i < kShardCount; ++i) {
    CAPTURE(i);
    ShardModel& model = shards_[i];
    uint64_t number = 0;
    State found = contents(fixture, fixture.store->shard(i), number);
    REQUIRE(number >= (power_cut ? model.synced : model.acknowledged));
    REQUIRE(model.history.contains(number));
    REQUIRE(found == model.history[number]);
    recovered.emplace_back(number, std::move(found));
    for (const Transaction& transaction : transactions_) {
      const auto part = transaction.find(i);
      if (part == transaction.end()) continue;
      for (const auto& [other, other_number] : transaction) {
        if (other >= i) continue;
        const bool here = part->second <= number;
        const bool there = other_number <= recovered[other].first;
        REQUIRE(here == there);
      }
    }
  }
  return recovered;
}

// The shards say how far they got; the model goes back to that.
void StoreModel::settle_with_recovered(bool power_cut) {
  Recovered recovered = check_recovered(fixture_, power_cut);
  for (uint32_t i = 0; i < kShardCount; ++i) {
    auto& [number, state] = recovered[i];
    shards_[i].acknowledged = shards_[i].synced = number;
    shards_[i].history.clear();
    shards_[i].history.emplace(number, std::move(state));
  }
  transactions_.clear();
  check_live_bytes();
}

void StoreModel::check_reads() {
  const auto tag = static_cast<uint32_t>(below(random_, kTags));
  const Key key{static_cast<uint32_t>(below(random_, kDatabases)), random_key(tag)};
  const State& state = shards_[fixture_.store->shard_of(key.second)].now();
  const auto expected = state.find(key);
  const auto found = fixture_.get(key.second, key.first);
  REQUIRE(found.has_value() == (expected != state.end()));
  if (found) REQUIRE(*found == expected->second.bytes);
}

void StoreModel::check_contents() {
  for (uint32_t i = 0; i < kShardCount; ++i) {
    CAPTURE(i);
    uint64_t number = 0;
    const State found = contents(fixture_, fixture_.store->shard(i), number);
    REQUIRE(number == shards_[i].number());
    REQUIRE(found == shards_[i].now());
  }
  check_live_bytes();
}

StoreModel::State StoreModel::contents(StoreFixture& fixture, Shard& shard, uint64_t& number) {
  std::lock_guard guard(shard);
  State state;
  for (uint32_t db = 0; db < kDatabases; ++db) {
    uint64_t cursor = 0;
    do {
      cursor = shard.keydir(db).scan(cursor, [&](std::string_view key, const KeydirEntry& entry) {
        Value value{fixture.read(shard, entry), entry.expiry_ms, entry.collection != 0, {}};
        if (value.split) {
          for (const auto& [name, where] : index_of(shard, entry).elements()) {
            KeydirEntry element;
            element.where = where.where;
            element.value_size = where.value_size;
            value.elements[name] = fixture.read(shard, element);
          }
        }
        state[{db, std::string(key)}] = value;
      });
    } while (cursor != 0);
  }
  const auto entry = shard.find(kNumbers, "n", shard.hash("n"));
  number = entry ? std::stoull(fixture.read(shard, *entry)) : 0;
  return state;
}

// The live bytes that a shard counts are those of what it holds.
void StoreModel::check_live_bytes() {
  for (uint32_t i = 0; i < kShardCount; ++i) {
    CAPTURE(i);
    Shard& shard = fixture_.store->shard(i);
    uint64_t expected = 0;
    for (const auto& [key, value] : shards_[i].now()) {
      expected += accounted_size(key.second.size(), value.bytes.size());
      for (const auto& [name, bytes] : value.elements) {
        expected += accounted_size(name.size(), bytes.size());
      }
    }
    if (const uint64_t number = shards_[i].number(); number > 0) {
      expected += accounted_size(1, std::to_string(number).size());
    }
    // What was dropped is counted out in the background, and a merge that runs moves bytes over.
    ShardStats stats;
    for (int wait = 0; wait < 2000; ++wait) {
      {
        std::lock_guard guard(shard);
        stats = shard.stats();
      }
      if (stats.garbage == 0 && stats.live_bytes == expected) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    REQUIRE(stats.live_bytes == expected);
  }
}

}  // namespace respcask::engine

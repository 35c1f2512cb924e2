// StoreModel: a store on a simulated disk beside std::map, and random commands given to both.
//
// What is modelled: puts, removals, expiries, split collections and their elements, renames, all of
// them in batches and in transactions over several shards, flushed and swapped databases, merges,
// clean reopens, failed syncs, kills and power cuts, also in the midst of a merge or of a start.
//
// Each command also writes its number to a key of its own in every shard it touches, so a shard
// that came back says itself how far it got. It must then hold exactly what the model held at that
// number: not less than was acknowledged (a kill) or synced (a power cut), and a transaction in all
// of its shards or in none.
//
// One thread drives it; the store's own threads run beside it. Owns the store and the disk.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "tests/engine/map_index.h"
#include "tests/engine/store_fixture.h"

namespace respcask::engine {

class StoreModel {
 public:
  // `cuts`: power cuts that are tried whenever the model looks at what one would leave.
  StoreModel(uint64_t seed, uint64_t cuts);

  // One step: some commands and a commit, or one of the rarer events. Fails the test case where
  // the store and the model part.
  void step();
  // The last reopen, after which all must agree.
  void finish();
  // On how many disks a store was started so far, each left by a kill, a power cut or a close.
  uint64_t starts() const { return starts_; }

 private:
  static constexpr uint32_t kShardCount = 3;
  static constexpr uint32_t kDatabases = 3;  // that commands use; one more holds the numbers
  static constexpr uint32_t kNumbers = kDatabases;

  struct Value {
    std::string bytes;
    int64_t expiry_ms = 0;
    bool split = false;
    std::map<std::string, std::string> elements;
    friend bool operator==(const Value&, const Value&) = default;
  };
  using Key = std::pair<uint32_t, std::string>;  // database, name
  using State = std::map<Key, Value>;
  using Transaction = std::map<uint32_t, uint64_t>;  // shard -> number of its command there
  struct ShardModel {
    std::map<uint64_t, State> history;  // by number, from what is known to be synced on
    uint64_t acknowledged = 0;
    uint64_t synced = 0;
    State& now() { return history.rbegin()->second; }
    uint64_t number() const { return history.rbegin()->first; }
  };

  static Options options();
  std::string random_key(uint32_t tag);
  std::string random_value();
  int64_t random_expiry();

  bool turn();
  bool command();
  bool in_shards(const ShardSet& shards, const std::function<void(Shard&, State&)>& change);
  void change_one(Shard& shard, State& state, uint32_t tag);
  void change_collection(Shard& shard, State& state, const Key& key, uint64_t hash, Value& value);
  void rename(Shard& shard, State& state, const Key& from, uint32_t tag);
  void flush_or_swap(Shard& shard, State& state, uint32_t a, uint32_t b);
  bool commit();
  void sync();
  void merge(bool wait);
  void reopen();
  void die(bool power_cut);
  void die_in_the_midst();
  void fail_sync();
  void survey();
  // What each shard got back, number and contents: it is what it may be.
  using Recovered = std::vector<std::pair<uint64_t, State>>;
  Recovered check_recovered(StoreFixture& fixture, bool power_cut);
  void settle_with_recovered(bool power_cut);
  void check_reads();
  void check_contents();
  void check_live_bytes();
  static State contents(StoreFixture& fixture, Shard& shard, uint64_t& number);

  Random random_;
  const uint64_t cuts_;
  StoreFixture fixture_;
  std::vector<ShardModel> shards_;
  std::vector<Transaction> transactions_;
  ShardSet touched_;
  uint64_t starts_ = 0;
};

}  // namespace respcask::engine

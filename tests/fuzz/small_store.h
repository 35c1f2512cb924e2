// SmallStore: a store of a few segments whose whole history is known, and stores that are opened on
// copies of its disk after a fuzz target has damaged the files.
//
// It holds what recovery has to tell apart: overwritten and removed keys, expiries, a split
// collection, transactions over both shards, a flushed database, merged segments beside plain ones,
// hints, an active segment. Made once for a process, never changed; the copies are the target's.
// One thread beside the stores' own.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "engine/store.h"
#include "tests/engine/faulty_file.h"
#include "tests/fuzz/input.h"

namespace respcask::engine {

inline constexpr std::string_view kDamaged = "DAMAGED";  // in the place of such a value

// A store that is open on a disk of its own. An element of a split collection counts as a key
// "collection/element".
class OpenStore {
 public:
  using Contents = std::map<std::string, std::string>;

  explicit OpenStore(FaultyFileSystem disk);
  ~OpenStore();

  // False: the start was refused, with a sentence.
  bool is_open() const { return store_ != nullptr; }
  // Whether any start on this disk has told of damage or of a torn tail.
  bool has_reported() const { return has_reported_; }
  FaultyFileSystem& disk() { return disk_; }
  Store& store() { return *store_; }

  void put(std::string_view key, std::string_view value, int64_t expiry_ms = 0);
  void put_both(std::string_view one, std::string_view other, std::string_view value);
  void set_expiry(std::string_view key, int64_t expiry_ms);
  void remove(std::string_view key);
  void put_split(std::string_view key);
  void put_element(std::string_view key, std::string_view element, std::string_view value);
  void remove_element(std::string_view key, std::string_view element);
  void flush(uint32_t db);

  // Everything that can be looked up in database 0, damaged values too.
  Contents contents();
  // Closes the store, if it lets itself be closed, and opens it again.
  void reopen();

 private:
  template <class Change>
  void change(std::string_view key, Change change);
  // One change in each of these shards, under one mark.
  template <class Change>
  void change_all(const ShardSet& set, Growth growth, Change change);
  std::string read(Shard& shard, Location where, uint32_t size);
  void open();

  FaultyFileSystem disk_;
  std::unique_ptr<Store> store_;
  bool has_reported_ = false;
};

// Writes over at most 32 bits in a row, which no CRC misses.
void overwrite_few(std::string& bytes, size_t at, fuzz::Input& input);

struct SmallStore {
  SmallStore();
  static const SmallStore& get();

  std::map<std::string, std::string> now;
  std::map<std::string, std::set<std::string>> ever;  // all values that a key has had
  std::optional<FaultyFileSystem> closed;             // hints for everything
  std::optional<FaultyFileSystem> killed;             // all of it synced, though
  // The names of the files of a disk that end so, with their directories.
  static std::vector<std::string> files(const FaultyFileSystem& disk, std::string_view ending);

 private:
  void put(OpenStore& store, const std::string& key, const std::string& value,
           int64_t expiry_ms = 0);
  void write_some(OpenStore& store, int begin, int end);
};

}  // namespace respcask::engine

// Shard: one Bitcask. A keydir for each database, one active segment, sealed segments, and the
// batch that the command at hand is writing.
//
// Invariants:
// - Everything here is called with the shard locked (lock/unlock make it a BasicLockable) unless
//   the comment says otherwise. Several shards are locked in ascending order of index().
// - A change is made in the keydir and appended to the pending bytes at once, so that the next
//   look-up sees it; it reaches the file at the next commit of the store (engine/store.h), and
//   nobody may be told of it before that.
// - All changes happen inside a batch (begin_batch .. end_batch); what one batch holds is applied
//   whole or not at all at recovery. A batch never spans two segments.
// - Views that read() returns point into the mapping of a segment or into the pending bytes. They
//   are valid until the shard is unlocked or the next append, whichever comes first.
// - The shard owns its segments, keydirs and element indexes. Segments are shared with readers off
//   the loops (merge, scrub, cold reads, backup) through shared_ptr and outlive them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "engine/element_index.h"
#include "engine/format.h"
#include "engine/keydir.h"
#include "engine/location.h"
#include "engine/options.h"
#include "engine/result.h"
#include "engine/segment.h"
#include "engine/shard_set.h"

namespace respcask::engine {

class FileSystem;

// What read() found. `bytes` is meaningful for kReady only.
struct ValueRead {
  enum class State {
    kReady,    // checked against its checksum
    kCold,     // not in memory: fetch it off the loop (see ColdRead) and look again
    kDamaged,  // does not match its checksum; counted and logged with file and offset
  };
  State state = State::kReady;
  std::string_view bytes;
};

// A value to be read from disk by a thread that may block. Holds its segment alive.
struct ColdRead {
  std::shared_ptr<Segment> segment;
  Location where;
  uint32_t value_size = 0;
};

// Whether a write makes the data grow. What shrinks it may use the space that is kept in reserve
// for a full disk.
enum class Growth : uint8_t { kGrows, kShrinks };

struct ShardStats {
  uint64_t keys = 0;
  uint64_t segments = 0;
  uint64_t live_bytes = 0;   // records that a look-up can still reach
  uint64_t total_bytes = 0;  // bytes of all segment files
  uint64_t pending_bytes = 0;
  uint64_t damaged_records = 0;
  uint64_t memory_bytes = 0;  // keydirs, element indexes, buffers
};

class Shard {
 public:
  // The store makes shards; see engine/recovery.h for how they come to life.
  Shard(const Options& options, uint32_t index, const HashSeed& seed);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  void lock() { mutex_.lock(); }
  void unlock() { mutex_.unlock(); }
  bool try_lock() { return mutex_.try_lock(); }
  uint32_t index() const { return index_; }

  // --- looking up -----------------------------------------------------------------------------

  // The same for all shards of a store; needs no lock.
  uint64_t hash(std::string_view key) const;

  // The keydir of a database, for scans and counts. `db` < Options::databases.
  Keydir& keydir(uint32_t db);

  std::optional<KeydirEntry> find(uint32_t db, std::string_view key, uint64_t hash);

  // The bytes of a value, checked. A value is read in place; see the invariants.
  ValueRead read(Location where, uint32_t value_size);

  // What a blocking reader needs to fetch a value that read() calls cold.
  ColdRead cold_read(Location where, uint32_t value_size) const;

  // The element index of a split collection; it lives as long as its root record.
  ElementIndex& collection(uint64_t id);

  // --- writing --------------------------------------------------------------------------------

  // False after a failed write or sync: the shard serves reads and refuses writes.
  bool writable() const { return !failed_; }

  // Makes sure that `bytes` more can be appended, reserving space on the disk ahead of need.
  // kNoSpace and kReadOnly change nothing. kShrinks may use the space kept back for a full disk.
  Result<void> reserve(uint64_t bytes, Growth growth);

  // Opens a batch; rolls to a new segment first if the active one is full. Idempotent while open.
  void begin_batch();
  bool in_batch() const { return batch_open_; }

  // Closes the batch. `transaction` names the other shards that must hold their part of it.
  void end_batch(const TransactionMark* transaction);

  // Writes a packed key: the value is the concatenation of `pieces`. Replaces what was there,
  // packed or split. Returns the entry as it is now.
  KeydirEntry put(uint32_t db, std::string_view key, uint64_t hash, uint8_t type,
                  int64_t expiry_ms, std::span<const std::string_view> pieces,
                  uint32_t access = 0);

  // Writes the root of a new split collection (id = the batch's sequence, or one above for each
  // further one in it) and makes its empty index. Replaces what was there.
  KeydirEntry put_split(uint32_t db, std::string_view key, uint64_t hash, uint8_t type,
                        int64_t expiry_ms, std::string_view header, uint32_t access = 0);

  // Writes a new header (and type tag) for a split root that exists; id, elements, expiry stay.
  KeydirEntry put_header(uint32_t db, std::string_view key, uint64_t hash, uint8_t type,
                         std::string_view header);

  // Removes a key, whatever its size, with one tombstone. False if it was not there.
  bool remove(uint32_t db, std::string_view key, uint64_t hash);

  // Sets the expiry of a key that exists (0: never) with one small record; the value stays put.
  bool set_expiry(uint32_t db, std::string_view key, uint64_t hash, int64_t expiry_ms);

  // Moves a key, with its value, expiry and collection id, to another name or database of this
  // shard. A packed value is copied; the caller has read it (`value`). The source must exist.
  void rename(uint32_t from_db, std::string_view from, uint64_t from_hash, uint32_t to_db,
              std::string_view to, uint64_t to_hash, std::string_view value);

  // Appends one element of a split collection and returns where its payload lies; the caller
  // enters it in its index, and reports what it replaced with element_dropped.
  ElementLocation put_element(uint64_t collection, uint8_t type, std::string_view name,
                              std::span<const std::string_view> payload_pieces);
  // Appends an element's tombstone; the caller takes it out of its index.
  void remove_element(uint64_t collection, uint8_t type, std::string_view name);
  // An element is no longer reachable at its old location.
  void element_dropped(const ElementLocation& old);

  // Empties a database in O(1); the old keydir is freed in the background.
  void flush(uint32_t db);
  // Exchanges two databases in O(1).
  void swap(uint32_t db1, uint32_t db2);

  // --- counts ---------------------------------------------------------------------------------
  ShardStats stats();

 private:
  friend class Store;
  friend class ShardRecovery;
  friend class Merger;
#include "engine/shard_private.inc"
};

}  // namespace respcask::engine

// Shard: one Bitcask. A keydir for each database, one active segment, sealed segments, and the
// batch that the command at hand is writing.
//
// Invariants:
// - Everything here is called with the shard locked (lock/unlock make it a BasicLockable) unless
//   the comment says otherwise. Several shards are locked in ascending order of index().
// - A change is made in the keydir and appended to the pending bytes at once, so that the next
//   look-up sees it; it reaches the file at the next commit of the store (engine/store.h), and
//   nobody may be told of it before that.
// - All changes happen inside a batch (begin_batch or join_batch .. end_batch); what one batch
// holds
//   is applied whole or not at all at recovery. A batch never spans two segments.
// - Views that read() returns point into the mapping of a segment or into the pending bytes. They
//   are valid until the shard is unlocked; writing in between does not move them.
// - The shard owns its segments, keydirs and element indexes. Segments are shared with readers off
//   the loops (merge, scrub, cold reads, backup) through shared_ptr and outlive them.
#pragma once

#include <atomic>
#include <chrono>
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
#include <unordered_set>
#include <vector>

#include "engine/admission.h"
#include "engine/batch_builder.h"
#include "engine/element_index.h"
#include "engine/format.h"
#include "engine/function_ref.h"
#include "engine/keydir.h"
#include "engine/location.h"
#include "engine/options.h"
#include "engine/pending_log.h"
#include "engine/residency_trust.h"
#include "engine/result.h"
#include "engine/segment.h"
#include "engine/segment_pace.h"
#include "engine/shard_set.h"

namespace respcask::engine {

class FileSystem;

// What read() found. `bytes` is meaningful for kReady only.
struct ValueRead {
  enum class State {
    kReady,    // checked against its checksum
    kCold,     // not in memory: fetch it off the loop (see ColdRead) and look again
    kDamaged,  // does not match its checksum; counted and logged with file and offset
    kLost,     // the shard has failed before it was written, so no start will find it
  };
  State state = State::kReady;
  std::string_view bytes;
};

// A value to be read from disk by a thread that may block. Holds its segment alive.
struct ColdRead {
  std::shared_ptr<Segment> segment;
  Location where;
  uint32_t value_size = 0;
  bool past_cache = false;  // had better not take room in memory (Shard::admits)

  // What is to be read at where.offset() of the segment's file: the value's checksum and the value.
  size_t bytes() const;
};

// Whether a write makes the data grow. What shrinks it may use the space that is kept in reserve
// for a full disk.
enum class Growth : uint8_t { kGrows, kShrinks };

// Reads and checks a cold value, through the page cache; blocks. Needs no lock. kDamaged: it does
// not match its checksum.
Result<std::string> fetch(const ColdRead& cold);
// The value in `bytes`, which were read for it through the page cache; kDamaged as above.
Result<std::string> take_value(const ColdRead& cold, std::string bytes);
// The same for bytes that were read past it.
Result<std::string> take_value_past_cache(const ColdRead& cold, std::string_view bytes);

struct ShardStats {
  uint64_t keys = 0;
  uint64_t expiring = 0;  // of these
  uint64_t segments = 0;
  uint64_t hints = 0;                 // of the segments: those whose hint covers all of them
  uint64_t live_bytes = 0;            // records that a look-up can still reach
  uint64_t total_bytes = 0;           // bytes of all segment files
  uint64_t pending_bytes = 0;         // appended, not written yet
  uint64_t pending_memory_bytes = 0;  // held for such, some of it while there are none
  uint64_t damaged_records = 0;
  uint64_t keydir_bytes = 0;   // memory of the keydirs
  uint64_t mapped_bytes = 0;   // of that, what malloc knows nothing of
  uint64_t collections = 0;    // split ones
  uint64_t garbage = 0;        // databases and collections that wait to be freed,
  uint64_t garbage_bytes = 0;  // their memory, but what is mapped,
  uint64_t garbage_freed = 0;  // and those that have been freed

  ShardStats& operator+=(const ShardStats& other);  // for those of several shards
};

// How far the active segment's mapping reaches past the size at which it is sealed.
inline constexpr uint64_t kMapAhead = uint64_t{4} << 30;
// The most that one command or transaction may write to one shard, with room for its frame.
inline constexpr uint64_t kMaxBatchBytes = kMapAhead - (uint64_t{1} << 20);
// What segments become at most so that there are fewer (Shard::limit_segments).
inline constexpr uint64_t kMostJoinedBytes = uint64_t{4} << 30;
// What a batch takes beside its records.
inline constexpr uint64_t kBatchFrame = kBatchHeaderSize + kTransactionTrailerSize;
// Kept back on each shard for what makes room when the disk is full.
inline constexpr uint64_t kReserveBytes = 512 * 1024;

// For who waits without sleeping: leaves the processor to others for a moment.
inline void pause_processor() {
#ifdef __x86_64__
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

class Shard {
 public:
  // The store makes shards; see engine/recovery.h for how they come to life. `options` must outlive
  // the shard, with `files` set.
  Shard(const Options& options, uint64_t store_id, uint32_t index, const HashSeed& seed);
  ~Shard();
  Shard(const Shard&) = delete;
  Shard& operator=(const Shard&) = delete;

  void lock() {
    if (mutex_.try_lock()) return;
    waiting_.fetch_add(1, std::memory_order_relaxed);
    if (!spin()) mutex_.lock();
    waiting_.fetch_sub(1, std::memory_order_relaxed);
    waits_ended_.fetch_add(1, std::memory_order_relaxed);
  }
  void unlock() { mutex_.unlock(); }
  bool try_lock() { return mutex_.try_lock(); }
  // For a background thread between two slices of its work: if anybody is waiting for the lock,
  // lets one have it first. The mutex would not: who let go of it takes it back before a waiter has
  // woken.
  void make_way() const;
  uint32_t index() const { return index_; }

  // --- looking up -----------------------------------------------------------------------------

  // The same for all shards of a store; needs no lock.
  uint64_t hash(std::string_view key) const;

  // The keydir of a database, for scans and counts. `db` < Options::databases.
  Keydir& keydir(uint32_t db);

  std::optional<KeydirEntry> find(uint32_t db, std::string_view key, uint64_t hash);

  // The bytes of a value, checked. A value is read in place; see the invariants.
  ValueRead read(Location where, uint32_t value_size);

  // Whether what is known of a key will never be in the files: a change of it, of an element of its
  // `collection` or of its whole database has failed to be written, or one before it.
  bool is_lost(uint32_t db, std::string_view key, uint64_t collection = 0) {
    return failed_ && pending_.size() > 0 && is_pending(db, key, collection);
  }
  // Calls `visit` with each key of which that is so, once or more. In a store without collections.
  void visit_lost(uint32_t db, FunctionRef<void(std::string_view key)> visit);

  // Keeps bytes of the value at `where`, as read() gave them, where they are for as long as it is
  // held, also when the shard is unlocked and the value gone. They do not change, but they need not
  // stay in memory. Null if they are not of a segment's mapping: then a copy is needed.
  std::shared_ptr<const void> hold(Location where, std::string_view bytes) const;

  // Starts loading the first bytes of a value that is going to be read. A hint only.
  void prefetch(const KeydirEntry& entry) const;

  // A reader off the loop found a value damaged (fetch): counts it.
  void count_damage() { damaged_records_.fetch_add(1, std::memory_order_relaxed); }

  // The segment that a location lies in.
  const Segment* segment_of(Location where) const { return segments_[where.slot()].get(); }

  // There is no room in memory for all that is read (admission.h).
  bool crowded() const { return admission_.crowded(); }

  // What a blocking reader needs to fetch a value that read() calls cold.
  ColdRead cold_read(Location where, uint32_t value_size) const;
  // Whether it is to be read through the page cache, and so to stay in memory for a while.
  bool admits(const ColdRead& cold);

  // The element index of a split collection; it lives as long as its root record.
  ElementIndex& collection(uint64_t id);

  // --- writing --------------------------------------------------------------------------------

  // A write or a sync has failed: what was pending then is lost.
  bool has_failed() const { return failed_; }
  // False after that: the shard serves reads and refuses writes. Also when it has just refused one
  // for another segment that could not be made.
  bool writable() const { return !failed_ && !roll_failed_; }

  // Makes sure that `bytes` more can be appended, reserving space on the disk ahead of need, and
  // moves on to a new segment first if the active one is full and no batch is open: that ends all
  // views of values. kNoSpace, kReadOnly and kInvalid (more than kMaxBatchBytes in one batch)
  // change nothing. kShrinks may use the space that is kept back for a full disk.
  Result<void> reserve(uint64_t bytes, Growth growth);
  // The same while values that were read are in use: the active segment grows past its size, and
  // goes on growing for who never calls reserve().
  Result<void> reserve_more(uint64_t bytes, Growth growth);

  // For who minds a lack of memory: gets what a batch of so many bytes takes, but for the keydir's,
  // so that std::bad_alloc comes before anything has changed.
  void reserve_memory(uint64_t bytes) { pending_.reserve(kBatchFrame + bytes); }

  // Opens a batch, unless one is open. The caller has reserved.
  void begin_batch();
  // The same for who writes to no other shard, and may share a batch with who wrote before: small
  // commands between two commits need a header for every few KB only. What a torn tail takes has
  // not been acknowledged, and a bad sector takes what lies on it either way.
  void join_batch();
  bool in_batch() const { return batch_.is_open(); }

  // Closes the batch. `transaction` names the other shards that must hold their part of it; the
  // batch was begun for it.
  void end_batch(const TransactionMark* transaction);

  // Writes a packed key: the value is the concatenation of `pieces`. Replaces what was there,
  // packed or split. Returns the entry as it is now.
  KeydirEntry put(uint32_t db, std::string_view key, uint64_t hash, uint8_t type, int64_t expiry_ms,
                  std::span<const std::string_view> pieces, uint32_t access = 0);

  // Writes the root of a new split collection, under an id that was never used before, and makes
  // its empty index. Replaces what was there.
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

  // Who gets no space that is not reserved yet (kNoSpace): nobody is barred, or all that grows, or
  // what makes room as well, and no segment is begun.
  enum class Barred : uint8_t { kNone, kGrowth, kAll };
  void bar(Barred barred) { barred_ = barred; }
  // What is written fast goes to larger segments, up to this size: what can still be merged when
  // the disk is full.
  void limit_pace(uint64_t most_bytes) { most_paced_bytes_ = most_bytes; }
  // How many segments it is to come to: each takes a descriptor. No bound, but segments become as
  // large as it takes, and are merged that are small. Needs no lock.
  void limit_segments(uint64_t most) { most_segments_.store(most, std::memory_order_relaxed); }
  // Whether the disk had no room for somebody since this was asked before.
  bool take_refusal() { return std::exchange(refused_, false); }
  // Keeps `bytes` back for what makes room, if they are to be had.
  void keep_room(uint64_t bytes);
  // Gives back to the disk what was reserved for large commands and not used, but for what small
  // ones would have reserved ahead.
  void give_back_reserved();
  // True if more was appended than was asked for in reserve(), which a full disk would have ended
  // badly, though more was reserved ahead here.
  bool overdrawn() const { return asked_to_ != 0 && append_offset() > asked_to_; }

  // Whoever reads has met page faults: what is taken to be in memory is not.
  void distrust_residency() { residency_trust_.met_faults(); }
  // Whether all of its files was in memory when that was last looked at: no read will be cold.
  bool all_resident() const { return residency_trust_.all_resident(); }

  // --- counts ---------------------------------------------------------------------------------
  ShardStats stats();
  // Bytes that look-ups see already but that no commit has written yet.
  uint64_t pending_bytes() const { return pending_.size(); }

 private:
  // For whoever found it taken: most who hold it let go within some microseconds, and to sleep
  // and be woken takes longer. True if it was got.
  bool spin() {
    constexpr int kTries = 50;
    constexpr int kPauses = 4;  // about 100 ns to 200 ns, by processor
    for (int i = 0; i < kTries; ++i) {
      for (int j = 0; j < kPauses; ++j) pause_processor();
      if (mutex_.try_lock()) return true;
    }
    return false;
  }
  friend class Store;
  friend class ShardRecovery;
  friend class Merge;
  friend class Backup;

  // One database: its id in the log and its keys.
  struct Namespace {
    Namespace(uint64_t namespace_id, const HashSeed& seed) : id(namespace_id), keys(seed) {}
    uint64_t id;
    Keydir keys;
  };
  // Something large that nobody can reach any more, freed in slices (collect_garbage).
  struct Garbage {
    uint64_t number = 0;  // of all that were put into the queue
    std::unique_ptr<Namespace> database;
    uint64_t cursor = 0;  // how far its entries have been taken out of the live counts
    bool counted = false;
    std::unique_ptr<ElementIndex> collection;
    uint64_t bytes = 0;  // of malloc's, that it held when it was dropped
  };

  // The last record of a database that says which namespace it is. Whatever else the log says of
  // that, any part of it, and in any order before the last ones, a start comes to the same: no two
  // databases are one namespace, so what was said last of one is taken from it by nothing that is
  // said last of another.
  struct NamespaceRecord {
    uint32_t slot = 0;   // of its segment, in which no later one speaks of the database
    uint64_t bytes = 0;  // accounted; 0: there is none
  };

  Namespace& database(uint32_t db);
  Segment& segment_at(Location where) { return *segments_[where.slot()]; }
  uint64_t append_offset() const { return active_->size() + pending_.size(); }

  // store, recovery, merge
  bool may_roll() const;
  // The size at which a segment is sealed if it is not written fast: segment_bytes, or less in a
  // small shard, where merging a part at a time would not be possible otherwise. More in one that
  // has many of the segments that it may have.
  uint64_t segment_limit() const;
  uint64_t most_segments() const { return most_segments_.load(std::memory_order_relaxed); }
  // What segments become at most where there would be too many otherwise.
  uint64_t most_joined_bytes() const { return std::max(options_.segment_bytes, kMostJoinedBytes); }
  Result<void> roll(uint64_t kept_back = kReserveBytes);
  Result<void> write_pending();
  // The two halves of it, so that a transaction's parts are forgotten together: the bytes are
  // written and stay pending, and they are forgotten.
  Result<void> append_pending();
  void forget_pending();
  uint32_t take_slot(std::shared_ptr<Segment> segment);
  void drop_slot(uint32_t slot);
  // Its segment is merged away: the file goes with its last reader, or with the store.
  void retire(const std::shared_ptr<Segment>& segment);
  void unlink_merged_away();
  std::string segment_path(uint64_t id, uint32_t generation) const;
  bool still_resident(Segment& segment, uint64_t offset, uint64_t size);
  // Takes a slice of what was dropped out of the live counts and frees it. Called without the lock,
  // which it takes for some microseconds at a time. True if there is more.
  bool collect_garbage();
  void queue_garbage(Garbage item);
  // Frees what is small of what the batch that ends has dropped last. What the background has found
  // in a database is left to it.
  void free_small_garbage();
  // The number of the first item that has not been freed, or that the next one will have.
  uint64_t first_garbage() const;
  // Takes a page of a dropped database out of the live counts.
  void drop_slice(Garbage& item);
  void write_namespace(uint32_t db, uint64_t id, uint64_t retired_plus_one);
  // A record of the database's namespace is in the segment now, behind all others: what it
  // supersedes is garbage.
  void count_namespace(uint32_t db, const Record& record, Segment& segment);
  void report_damage(const Segment& segment, uint64_t offset);
  // With the records of what is pending. No batch is open.
  void visit_pending(FunctionRef<void(const Record& record)> visit);
  bool is_pending(uint32_t db, std::string_view key, uint64_t collection);
  // What a shard that has failed had pending, gathered when it is asked first.
  struct Lost {
    std::unordered_set<std::string> keys;  // each behind the 8 bytes of its namespace's id
    std::unordered_set<uint64_t> collections;
    bool all = false;  // a database changed its namespace
  };

  void open_batch(bool joins);
  Location append_value(const Record& record, std::span<const std::string_view> pieces);
  void append_mark(const Record& record);
  KeydirEntry put_root(uint32_t db, std::string_view key, uint64_t hash, const Record& record,
                       std::span<const std::string_view> pieces, uint32_t access);
  void drop_live(Location where, uint64_t bytes);
  void drop_entry(const KeydirEntry& old, size_t name_size);
  void drop_collection(uint64_t id);
  void log(LogLevel level, std::string_view text) const;

  const Options& options_;
  const uint64_t store_id_;
  const uint32_t index_;
  const HashSeed seed_;
  std::mutex mutex_;
  std::atomic<uint32_t> waiting_{0};      // threads that are waiting for it,
  std::atomic<uint32_t> waits_ended_{0};  // and how often one has got it

  std::vector<std::unique_ptr<Namespace>> databases_;
  std::vector<NamespaceRecord> namespace_records_;  // one for each of these
  std::unordered_map<uint64_t, std::unique_ptr<ElementIndex>> collections_;
  std::deque<Garbage> garbage_;
  uint64_t garbage_queued_ = 0;
  uint64_t garbage_before_batch_ = 0;  // of these, when the open batch was opened
  uint64_t garbage_bytes_ = 0;         // of those in garbage_ and in hand
  uint64_t garbage_freed_ = 0;
  std::vector<uint64_t> garbage_in_hand_;  // taken out of garbage_, not finished; in no order

  std::vector<std::shared_ptr<Segment>> segments_;  // by slot; null: free
  // A slot that no segment has, and the last garbage there was when it was given up: until that is
  // freed something may count bytes against it.
  struct FreeSlot {
    uint32_t slot;
    uint64_t last_garbage;
  };
  std::deque<FreeSlot> free_slots_;                  // in the order in which they were given up
  std::vector<std::shared_ptr<Segment>> order_;      // oldest to newest, the active one last
  std::vector<std::weak_ptr<Segment>> merged_away_;  // some of them still read by somebody
  std::shared_ptr<Segment> active_;
  uint64_t next_segment_id_ = 1;
  SegmentPace pace_;
  uint64_t most_paced_bytes_ = 0;
  std::atomic<uint64_t> most_segments_{UINT64_MAX};
  uint64_t asked_to_ = 0;   // how far appending to the active segment was asked for at most
  uint64_t roll_from_ = 0;  // how far the active segment is to grow before it is tried again
  uint64_t sequence_ = kFirstSequence;  // the last one given out

  PendingLog pending_;
  ShardSet pending_shards_;  // those that share a transaction with what is in pending_
  BatchBuilder batch_{pending_};
  bool joinable_ = false;  // the last batch in pending_, once it has ended
  bool joined_ = false;    // somebody else's records are in the open one

  // How far the log is known to be on the device: an offset in the active segment, or 0 while an
  // earlier segment is not. Set by the store after a sync of all shards.
  uint64_t synced_ = 0;
  uint64_t completed_ = 0;  // the last transaction known to be on the device in all its shards
  std::vector<std::shared_ptr<Segment>> sealed_unsynced_;
  Barred barred_ = Barred::kNone;
  bool refused_ = false;
  bool directory_unsynced_ = false;
  uint64_t commit_point_ = 0;  // the store's sync point of the last commit here
  bool unpointed_ = false;     // something was written since: a roll does not commit

  ResidencyTrust residency_trust_;
  Admission admission_;

  bool failed_ = false;       // takes no more writes
  bool broken_ = false;       // because a write or a sync of its own has failed: never synced again
  bool roll_failed_ = false;  // in the last reserve(), and not for a shortage
  std::unique_ptr<const Lost> lost_;
  std::atomic<uint64_t> damaged_records_{0};
};

}  // namespace respcask::engine

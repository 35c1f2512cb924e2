// Merge: rewrites a run of neighbouring sealed segments as one that holds only what is live.
//
// The steps, any of which may be the last one before a crash:
//   1. copy:    walks the inputs in log order and appends every record that still counts to a new
//               segment under a temporary name. Whether it counts is asked under the shard's lock,
//               some records at a time; the bytes are copied without it, checksum and all, so that
//               damage stays recognizable. The hint is written on the way. An input of which
//               nothing can count is not read. Of what says which namespace a database is just the
//               last record is kept, and stands at the end. Tombstones and expiries are left out
//               once no older segment holds what they speak about (Segment::rewritten_sequence).
//   2. settle:  syncs the new segment, its hint, and the whole store: whatever made a record look
//               dead is on the device before the record is given up.
//   3. rename:  the commit point. From here on the inputs are leftovers to a recovery.
//   4. switch:  reads the new segment for the names, and moves keydir entries and elements from
//               their old location to the new one, by compare-and-set, some at a time. What has
//               changed meanwhile stays as it is. Afterwards nothing may count against the inputs
//               any more.
//   5. drop:    takes the inputs out of the shard; their files go with their last reader.
//
// An input whose names were taken from its hint has to hold all that the hint told of: else the
// hint is of another segment, and the input is damaged.
//
// What is read goes through a buffer, so that a bad sector is an error (log_reader.h): before the
// rename it costs the merge, after it the inputs are kept beside the output.
//
// Memory: a byte or two for each value that is copied, and the largest record. Runs on a background
// thread, one merge at a time in a store (the caller sees to it); takes the shard's lock for some
// microseconds at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/batch_builder.h"
#include "engine/hint.h"
#include "engine/location_list.h"
#include "engine/log_reader.h"
#include "engine/pending_log.h"
#include "engine/result.h"
#include "engine/shard.h"
#include "engine/working_memory.h"

namespace respcask::engine {

class Merge {
 public:
  struct Hooks {
    // Commits and syncs the whole store.
    std::function<Result<void>()> sync_store;
    // Called with each number of bytes read and written, and of names looked up again, to limit the
    // rate; may sleep. False: give up, the store is closing.
    std::function<bool(uint64_t bytes)> pace;
    bool with_hint = true;  // false: on a full disk, where what it takes is missed more
  };
  struct Report {
    uint64_t bytes_before = 0;
    uint64_t bytes_after = 0;
    uint64_t bytes_read = 0;  // of the inputs, once
    uint64_t records_copied = 0;
    bool given_up = false;
    std::shared_ptr<Segment> without_hint;  // the output, if there was no room for its hint
  };

  // `inputs`: neighbours in the shard, oldest first, sealed and synced.
  Merge(Shard& shard, std::vector<std::shared_ptr<Segment>> inputs, Hooks hooks)
      : shard_(shard), inputs_(std::move(inputs)), hooks_(std::move(hooks)) {}

  // kDamaged: an input cannot be read whole; it is marked, and nothing has changed. kNoFiles: no
  // file or no memory was to be had.
  Result<Report> run();

 private:
  // An input that is read.
  struct Source {
    std::shared_ptr<Segment> segment;
    bool marks_spent = false;  // nothing older than the run needs its marks
  };
  // A record of an input, with views of what was read of it.
  struct Candidate {
    PlacedRecord placed;
    std::string_view value;  // with its checksum
    uint64_t hash = 0;       // of a key; 0 for an element
    bool keep = false;
  };
  // A record of the output, and where its value was before.
  struct Move {
    PlacedRecord placed;
    Location from;
    uint64_t hash = 0;  // as in Candidate
  };

  void begin();
  Result<void> copy();
  Result<void> copy_from(Segment& input, LogReader& log);
  Error mark_damaged(Segment& input, std::string_view why);
  Result<void> copy_slice(const Segment& input, std::span<Candidate> slice);
  Result<void> copy_record(const Segment& input, const Candidate& candidate);
  Result<void> copy_namespaces();
  Result<void> note_in_hint(const PlacedRecord& placed);
  void begin_batch();
  Result<void> flush_batch(bool last);
  Result<void> settle();
  Result<void> switch_over();
  Result<void> expect_no_rest();
  void switch_slice(std::vector<Move>& slice);
  void drop_inputs(bool switched);
  uint64_t hash_of(const Record& record) const;

  // Under the shard's lock.
  template <class Item>
  void prefetch(std::span<const Item> slice) const;
  bool counts(const Segment& input, Candidate& candidate) const;
  bool is_in_inputs(const Shard::NamespaceRecord& record) const;
  void switch_namespaces();
  // Null if it was dropped.
  Keydir* keys_of(uint64_t namespace_id) const;
  ElementIndex* index_of(uint64_t collection_id) const;

  Shard& shard_;
  const std::vector<std::shared_ptr<Segment>> inputs_;
  std::vector<Source> sources_;
  const Hooks hooks_;
  bool marks_spent_ = false;  // Source::marks_spent of the input that is being copied
  std::shared_ptr<Segment> output_;
  std::string final_path_;
  PendingLog pending_;
  WorkingMemory held_;
  WorkingMemory origins_held_;
  BatchBuilder batch_{pending_};
  std::optional<HintWriter> hint_;
  LocationList origins_;                        // of the values in the output, in its order
  std::map<uint64_t, std::string> namespaces_;  // by database: the name of its last record so far
  // Of the copied batches, given out when the merge began. Above any in the inputs, so that those
  // are not given out again when all batches that carried them are gone.
  uint64_t sequence_ = 0;
  uint64_t completed_ = 0;
  uint64_t needed_bytes_ = 0;  // what is likely to be copied
  Report report_;
};

}  // namespace respcask::engine

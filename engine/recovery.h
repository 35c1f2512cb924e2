// Recovery: how a shard's files become a shard again.
//
// It runs in three steps, because what is a torn tail in one shard may hang on another:
//   1. open():  lists and opens the segments, removes leftovers, and looks at the tail: what lies
//               above the mark up to which the log is known to have been synced. Valid batches
//               there end at the first bad byte; the rest of the tail is torn.
//   2. The store looks at the transactions in the tails. One that lacks a part cuts its shards
//   where
//               it stands, which may break further ones (cut_incomplete_transactions).
//   3. apply(): replays the log from oldest to newest up to the cut, the last record of a name
//               winning, cuts the torn tail off, writes what is left above the mark once more, so
//               that the sync to come is one in earnest, and makes the shard ready. Bad bytes below
//               the mark are damage: reported, counted, stepped over to the next valid batch. Bytes
//               that the device does not give are damage wherever they lie, and nothing is cut
//               because of them: they may be there again another time.
// A file with a second name is never changed, since the other one is a backup's (backup.h): the
// shard goes on in a new segment, and where a tail has to be cut, with a copy.
// Each shard is recovered by one thread; nobody else may touch the shard until then.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "engine/format.h"
#include "engine/hint.h"
#include "engine/recovery_report.h"
#include "engine/result.h"
#include "engine/shard.h"

namespace respcask::engine {

// A place in a shard's log: an index into its segments, oldest first, and an offset there.
struct LogPosition {
  size_t segment = 0;
  uint64_t offset = 0;
  friend auto operator<=>(const LogPosition&, const LogPosition&) = default;
};

class ShardRecovery {
 public:
  // `progress` may be null.
  explicit ShardRecovery(Shard& shard, RecoveryProgress* progress = nullptr)
      : shard_(shard), progress_(progress) {}

  Result<void> open();
  Result<void> apply();
  const RecoveryReport& report() const { return report_; }

 private:
  friend uint64_t cut_incomplete_transactions(
      std::span<const std::unique_ptr<ShardRecovery>> shards);
  friend void find_lost_shards(std::span<const std::unique_ptr<ShardRecovery>> shards);

  struct TailTransaction {
    LogPosition at;
    TransactionMark mark;
  };

  struct Headless {
    std::string path;
    uint64_t id = 0;  // by its name
    uint32_t generation = 0;
    bool foreign = false;     // a valid header, of another shard or store
    bool unreadable = false;  // a bad sector: what was there is not known, so nothing is removed
  };

  Result<void> open_segments();
  void give_up_on(const std::string& path, const Error& why);
  void report_lost();
  bool is_misnamed(const Segment& segment) const;
  void sort_segments();
  Result<void> mend_headers();
  Result<void> write_header(const std::string& path, const SegmentHeader& header);
  Result<bool> is_damaged(const Headless& file, SegmentHeader& header);
  void drop_covered();
  void drop_orphans();
  void drop_empty();
  void report_cut_short(Segment& segment);
  HintReader* hint_of(size_t index);
  LogPosition find_synced_mark();
  void drop_rootless();
  void judge_headless();
  bool follows_whole(size_t index) const;
  void scan_tail(LogPosition from);
  void weigh();
  void make_room(const Record& first);
  // kIo: part of a batch was replayed, and the rest cannot be read again.
  Result<void> replay_segment(size_t index, uint64_t end);
  void replay_hint(HintReader& hint, Segment& segment);
  void replay(const PlacedRecord& placed, uint64_t hash, Segment& segment);
  void replay_put(const PlacedRecord& placed, uint64_t hash, Segment& segment);
  void replay_element(const PlacedRecord& placed, Segment& segment);
  void replay_namespace(const Record& record, Segment& segment);
  Shard::Namespace* namespace_of(uint64_t id);
  ElementIndex* index_of(uint64_t collection, uint8_t type);
  void drop(const KeydirEntry& old, size_t name_size);
  void drop_all(Shard::Namespace& dead);
  void drop_strays();
  bool holds_refused() const;
  void drop_unreachable();
  void drop_broken_roots();
  Result<void> cut_tail();
  Result<void> write_unvouched_again();
  static Result<void> write_again(Segment& segment, uint64_t from);
  Result<bool> has_other_name(const std::string& path) const;
  Result<void> replace_by_copy(uint64_t size);
  Result<void> reopen_newest(uint64_t map_bytes);
  void give_back_reserved();
  Result<void> adopt_active();

  Shard& shard_;
  RecoveryProgress* const progress_;
  RecoveryReport report_;
  std::vector<std::shared_ptr<Segment>> segments_;  // oldest to newest
  std::vector<std::optional<HintReader>> hints_;    // of segments_, where looked for
  std::vector<bool> looked_for_hint_;
  std::vector<Headless> headless_;             // files without a valid header
  std::vector<std::string> orphans_;           // hints without a segment
  bool was_synced_ = false;                    // anything of the log; if so,
  LogPosition mark_;                           // the log is known to be synced up to here,
  LogPosition cut_;                            // and ends here
  std::vector<TailTransaction> transactions_;  // in the tail, in order
  // Namespaces that records speak of but that no database is, or is not yet.
  std::unordered_map<uint64_t, std::unique_ptr<Shard::Namespace>> strays_;
  std::unordered_map<uint64_t, uint64_t> roots_;  // collection id -> roots that head it
  std::unordered_set<uint64_t> refused_;          // collections that nobody makes an index for
  uint64_t completed_ = 0;
  bool bare_ = false;             // there is no segment, not even one without a header
  bool unreadable_tail_ = false;  // so it may have held any part of a transaction
  uint64_t hinted_records_ = 0;   // in all hints; 0 once there is room for them
  uint64_t accounted_ = 0;        // of the records of the segment being replayed
};

// After step 1. Every shard has a segment once a store has been opened, and so before anything was
// written: a shard without any, where others hold something, has lost what it held. Reports it.
void find_lost_shards(std::span<const std::unique_ptr<ShardRecovery>> shards);

// Step 2. A transaction in a tail that one of its shards lacks cuts all of them before it. Returns
// the highest transaction id that was seen.
uint64_t cut_incomplete_transactions(std::span<const std::unique_ptr<ShardRecovery>> shards);

}  // namespace respcask::engine

// Store: the shards of one directory, and what they do together: open and recover, commit, sync.
//
// Invariants:
// - One writing process holds DIR/LOCK. STORE (store_record.h) records the format version, the
//   number of shards and the store's identity, which changes only when a backup is claimed.
// - commit() is the only way to the files: it writes each shard's pending bytes with one system
//   call. Parts of a transaction that are still pending are written together, whichever thread
//   commits first, so nothing that was acknowledged follows half a transaction in a log.
// - A sync covers every shard: when it returns, all that was committed before it began is on the
//   device, and the batches written from then on say so (format.h, "synced"). With
//   SyncMode::kAlways the journal (journal.h) stands in for the segments from one such sync to the
//   next, of which batches say nothing.
// - A failed write or sync is never retried; the shard turns read-only.
// The store owns the shards and the threads that sync, merge, scrub and keep house. Methods may be
// called from any thread unless they say otherwise; none may be called with a shard locked, except
// those that say so.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "engine/file.h"
#include "engine/journal.h"
#include "engine/merge_picker.h"
#include "engine/merge_reserve.h"
#include "engine/options.h"
#include "engine/recovery_report.h"
#include "engine/result.h"
#include "engine/shard.h"
#include "engine/shard_set.h"
#include "engine/store_record.h"
#include "engine/worker_pool.h"

namespace respcask::engine {

// What merging has done since the store was opened.
struct MergeStats {
  uint64_t merges = 0;
  uint64_t failed = 0;
  uint64_t requests_done = 0;  // calls of request_merge() and merge_now() that were carried out
  uint64_t bytes_read = 0;     // of the segments merged
  uint64_t bytes_written = 0;  // and of what they became
  bool running = false;
};

// What scrubbing has done since the store was opened.
struct ScrubStats {
  uint64_t passes = 0;  // over all sealed segments
  uint64_t bytes_read = 0;
  uint64_t damaged_places = 0;  // each counted once
  bool running = false;
};

// So many syncs of the journal are under way at once at most: one where the device is quick, since
// then larger groups are worth more than overlapping ones, and all where it is slow.
inline constexpr size_t kSyncLanes = 4;
inline constexpr std::chrono::microseconds kSlowSync{1000};

// A point in the store's life that a sync can reach; 0 has always been reached.
using SyncPoint = uint64_t;

class Store {
 public:
  // Opens the store in options.dir, or makes one there (Options::create_if_missing). An error
  // leaves nothing open and no thread running; what was made or cut until then stays. kInvalid: an
  // option is out of its range. kInUse: another process has it. kFormat: it is of another version,
  // holds types that `options` makes no index for, or has lost its record. kDamaged: its record is.
  // kIo, kNoSpace, kNoFiles, kDenied: the system refused.
  static Result<std::unique_ptr<Store>> open(Options options);
  ~Store();  // close(), errors ignored
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  // Commits, syncs, writes what makes the next start quick, and releases the directory.
  Result<void> close();

  uint32_t shard_count() const { return static_cast<uint32_t>(shards_.size()); }
  Shard& shard(uint32_t index) { return *shards_[index]; }
  uint32_t shard_of(std::string_view key) const;  // by the key's slot (slot.h)
  const Options& options() const { return options_; }
  uint64_t id() const { return record_.identity.id; }
  StoreIdentity identity() const { return record_.identity; }

  // An identity for a command that writes in several shards, and its mark in their batches.
  TransactionMark begin_transaction(const ShardSet& shards);

  // Writes what is pending in `touched`, and whatever shares a transaction with it. Returns the
  // point that must be synced before a caller in SyncMode::kAlways may acknowledge what it wrote
  // or read there. `touched`: the shards that awaited a commit when the caller first looked. An
  // error means that some of what it wrote or saw did not reach the file and must not be
  // acknowledged; the shard is read-only from then on.
  Result<SyncPoint> commit(const ShardSet& touched);
  // Whether what is seen in a shard, under its lock, may only be told of after a commit. Of one
  // that has failed nothing changes any more, and what will not be in the files is known
  // (Shard::is_lost()); but what a failed sync was to cover is never told of in SyncMode::kAlways.
  bool awaits_commit(const Shard& shard) const {
    return !shard.failed_ || (sync_mode_.load(std::memory_order_relaxed) == SyncMode::kAlways &&
                              (shard.unpointed_ || !synced(shard.commit_point_)));
  }

  bool synced(SyncPoint point) const { return point <= synced_.load(std::memory_order_acquire); }
  // Calls `wake` on whichever thread syncs each time synced() has grown or a sync has failed. Set
  // before the first commit; what was set before is called no more once this returns.
  void on_sync(std::function<void()> wake);
  // True once a write or a sync has failed: points not reached by then never will be.
  bool sync_failed() const { return sync_failed_.load(std::memory_order_acquire); }

  // Commits and syncs everything now, on the calling thread.
  Result<void> sync();

  // kAlways wants more threads: kIo if there are none to be had, and the mode is what it was.
  Result<void> set_sync_mode(SyncMode mode);

  // Has what was dropped freed without delay, in the background. Any thread, no shard locked.
  void free_dropped_now();

  // Merges everything that holds garbage now, in the background, whatever the triggers say; what
  // lies in active segments only if the disk has room for others. Ends however much is written
  // meanwhile: that is not part of it.
  void request_merge();
  // The same, and waits until it is done. False: the store is closing.
  bool merge_now();
  void set_merge_options(const MergeOptions& merge);
  // How many segments there are to be at most, in all shards together, as each takes a descriptor;
  // at first there is no limit, and 3 for each shard are the least. The closer a shard is to its
  // part the larger its segments become, whatever segment_bytes says, and small ones are joined, at
  // any hour. Any thread, whatever it has locked.
  void limit_segments(uint64_t most);
  // Joins now what a limit calls for, and waits until it is done or cannot be. False: the store is
  // closing.
  bool join_segments();
  // How many there are. No shard may be locked.
  uint64_t segments();
  MergeStats merge_stats();
  // True from when the disk has had no room for somebody until there is some again, or nobody has
  // been refused any for ten seconds.
  bool disk_full() const { return disk_full_.load(std::memory_order_relaxed); }
  // Waits for the merge under way; none begins while it is held.
  [[nodiscard]] std::unique_lock<std::mutex> hold_merges() { return std::unique_lock(merge_run_); }

  // How fast sealed segments are read again, one after the other, to find damage (scrub.h); 0: not
  // at all.
  void set_scrub_rate(uint64_t bytes_per_second);
  ScrubStats scrub_stats();

  // What the start found; sums over the shards.
  struct OpenReport {
    RecoveryReport found;
    int64_t duration_ms = 0;
    bool created = false;
    uint64_t journal_only_bytes = 0;  // with salvage: acknowledged, and not in the segments
  };
  const OpenReport& open_report() const { return open_report_; }

 private:
  friend class Backup;

  // What a sync of all shards is about to cover.
  struct SyncPlan {
    struct Part {
      std::vector<std::shared_ptr<Segment>> sealed;
      std::shared_ptr<Segment> active;
      uint64_t active_size = 0;
      bool directory = false;
      bool skip = false;  // failed before
    };
    std::vector<Part> parts;
    SyncPoint point = 0;
    uint64_t completed = 0;
  };

  // What a segment is known by while others of its ids come and go: its first id and generation.
  using SegmentName = std::pair<uint64_t, uint32_t>;
  enum class MergeOutcome { kGained, kNoGain, kFailed };
  // The output of a merge stands beside the inputs until it is synced: little of the store at a
  // time, but enough of it to be worth the syncs.
  static constexpr uint64_t kRunsInStore = 28;
  static constexpr uint64_t kPartsOfReserve = 16;  // one of them for what is not copied
  // What a segment grows past its size where the disk is too full to begin another: what is kept
  // back for what makes room, and as much for what has kept that in front of it.
  static constexpr uint64_t kOvergrowth = 2 * kReserveBytes;

  // What is to be kept back for merging (MergeReserve::keep).
  struct ReserveAim {
    uint64_t needed = 0;  // for the largest segment or run that there is
    uint64_t wanted = 0;  // for what segments may grow to, where that is little of what is free
    uint64_t store_bytes = 0;
  };

  struct LateHint {
    std::weak_ptr<Segment> segment;
    std::chrono::steady_clock::time_point due;
  };
  // For marks: the segments up to one are rewritten, oldest first and a run at a time, but for
  // those that were after the last mark that is to go.
  struct Sweep {
    uint64_t last_mark = 0;  // the sequence of that mark at most
    uint64_t next_id = 0;    // what begins with a lower id has had its turn
    uint64_t last_id = 0;    // in the last segment; below next_id: none is under way
  };
  // The merging of one shard; the merge thread's own.
  struct MergeState {
    bool begun = false;  // has been above the trigger, and not below the stop since
    Sweep sweep;
    std::vector<SegmentName> requested;  // what the request under way covers, in their order
    uint64_t last_requested = 0;         // the id of the last of them
    bool marks_requested = false;        // they have not been looked after yet
    Sweep requested_sweep;
    // After a failure the shard is left alone for a while, unless a merge is asked for.
    std::chrono::steady_clock::time_point paused_until;
    int failures = 0;
    std::chrono::steady_clock::time_point joins_paused_until;  // the same for joining
  };

  explicit Store(Options options);
  Result<void> prepare_directory();
  Result<void> claim_backup();
  void check_backup();
  Result<void> create();
  Result<void> load_record();
  Result<void> recover();
  Result<SyncPoint> commit_shard(Shard& shard);
  SyncPoint point_of(Shard& shard);
  Result<SyncPoint> commit_linked(ShardSet shards);
  Result<SyncPoint> write_linked(const ShardSet& shards);
  void refuse_writes();
  SyncPlan plan_sync();
  Result<void> run_sync();
  Result<void> carry_out(const SyncPlan& plan);
  void finish_sync(const SyncPlan& plan);
  bool has_sealed();
  Result<void> sync_part(Shard& shard, const SyncPlan::Part& part);
  Result<void> replay();
  void prepare_journal();
  void drop_journal();
  bool write_to_journal(size_t lane, const SyncPlan& plan);
  void sync_group(size_t lane);
  void tell_synced(SyncPoint point);
  bool syncs_are_slow() const;
  Result<void> start_sync_threads(SyncMode mode);
  Result<void> start_threads();
  void stop_threads();
  void sync_loop(size_t lane);
  void maintenance_loop();
  void refresh_residency(Shard& shard);
  enum class Hints : uint8_t { kMayWait, kNow };
  void settle_sealed(Shard& shard, Hints hints = Hints::kMayWait);
  void pause_hints();
  bool is_soon_merged(Shard& shard, const MergeOptions& merge);
  void retry_later(const std::shared_ptr<Segment>& segment);
  void write_late_hints(Hints hints = Hints::kMayWait);
  void write_all_hints();
  void merge_loop();
  bool in_merge_window() const;
  uint64_t least_bytes_of_shard(const MergeOptions& merge) const;
  static std::vector<MergeCandidate> merge_candidates(Shard& shard);
  static SegmentName name_of(const Segment& segment) {
    return {segment.header().first_id, segment.header().generation};
  }
  Result<bool> seal_garbage(Shard& shard, double least, uint64_t kept_back);
  Result<bool> seal_for_merge(Shard& shard, double least);
  Result<void> settle_for_merge(Shard& shard);
  void begin_requested();
  bool merge_requested();
  std::vector<MergeCandidate> shard_sums();
  bool merge_worst_shard();
  void merge_shard(Shard& shard, const MergeOptions& options, uint64_t store_bytes);
  // What to merge next in a shard.
  struct Pick {
    std::vector<std::shared_ptr<Segment>> inputs;
    bool sweeps = false;  // so that something can be given back later
  };
  static Pick pick_crowded(Shard& shard);
  Shard* most_crowded();
  bool join_some(bool at_once);
  Pick pick_inputs(Shard& shard, double least_garbage, uint64_t run_bytes, bool requested);
  static std::optional<MergeRun> sweep_on(const Shard& shard, Sweep& sweep,
                                          std::span<const MergeCandidate> segments,
                                          uint64_t run_bytes);
  Sweep begin_sweep(const Shard& shard, std::span<const MergeCandidate> segments,
                    double least_garbage) const;
  void learn_rewritten();
  MergeOutcome merge_run(Shard& shard, Pick pick);
  void update_urgency();
  bool pace_merge(uint64_t bytes);
  void look_for_shortage();
  void end_shortage(bool has_room);
  bool may_lend(Shard& shard, uint64_t bytes);
  bool is_backed_up(const Segment& segment) const;
  ReserveAim reserve_aim(uint64_t free);
  void take_merge_reserve(uint64_t before_bytes);
  void keep_merge_reserve();
  void pace_within(uint64_t reserve_bytes);
  // Bytes that a merge can copy into so many that were kept back: batches have headers, and files
  // end where a block does.
  static constexpr uint64_t room_in_reserve(uint64_t bytes) {
    return bytes - bytes / kPartsOfReserve;
  }
  void keep_room();
  void bar(Shard::Barred barred);
  std::vector<std::shared_ptr<Segment>> fit_reserve(Shard& shard, Pick pick);
  void scrub_loop();
  bool scrub_shard(Shard& shard);
  bool pace_scrub(uint64_t bytes);

  Options options_;
  StoreRecord record_;
  HashSeed seed_;
  std::unique_ptr<FileLock> lock_;
  std::vector<std::unique_ptr<Shard>> shards_;
  OpenReport open_report_;
  bool open_ = false;

  std::atomic<uint64_t> last_transaction_{0};
  std::atomic<SyncPoint> committed_{0};
  std::atomic<SyncPoint> planned_{0};  // what a sync covers that has begun
  std::atomic<SyncPoint> synced_{0};
  std::atomic<bool> sync_failed_{false};
  std::atomic<std::chrono::microseconds> sync_time_{std::chrono::microseconds(0)};  // of late

  std::atomic<SyncMode> sync_mode_{SyncMode::kEverySecond};
  std::mutex sync_run_;               // one sync of the segments at a time, and no new record in
  std::shared_ptr<Journal> journal_;  // the journal meanwhile. Null until wanted, or if there is
                                      // none to be had; a lane that syncs it keeps it
  std::atomic<bool> journal_wanted_{true};  // whether to try to make one
  std::mutex on_sync_mutex_;
  std::function<void()> on_sync_;  // under on_sync_mutex_
  std::unique_ptr<WorkerPool> sync_pool_;

  std::mutex threads_mutex_;                   // guards what follows
  std::condition_variable sync_wanted_;        // by the first lane
  std::condition_variable more_syncs_wanted_;  // by the others
  std::condition_variable maintenance_wanted_;
  std::atomic<bool> garbage_urgent_{false};  // what was dropped is to be freed at once
  std::atomic<bool> stopping_{false};
  uint64_t merge_requests_ = 0;  // so far
  uint64_t join_requests_ = 0;   // the same,
  uint64_t joins_done_ = 0;      // and of these
  MergeOptions merge_;
  MergeStats merge_stats_;
  std::condition_variable merge_wanted_;
  std::condition_variable merge_done_;
  std::vector<MergeState> merge_states_;
  std::chrono::steady_clock::time_point small_paused_until_;   // the merge thread's own
  std::vector<std::shared_ptr<const void>> held_directories_;  // so that syncing them can only fail
  int64_t merge_debt_ = 0;    // bytes moved that were not waited for; the merge thread's own,
  double merge_urgency_ = 1;  // as is what the limit on bytes per second is multiplied by,
  std::chrono::steady_clock::time_point urgency_due_;  // and when it is looked at again
  std::optional<MergeReserve> merge_reserve_;          // used by the merge thread
  Shard::Barred barred_ = Shard::Barred::kNone;        // the same; as all shards were told
  uint64_t paced_bytes_ = 0;                           // the same
  bool too_many_ = false;  // segments, or somebody waits for fewer: joins go at once; the same
  bool short_ = false;     // of space, so that any garbage is merged; and
  std::chrono::steady_clock::time_point next_shortage_;  // not before; the merge thread's own
  std::chrono::steady_clock::time_point next_shortage_told_;
  std::chrono::steady_clock::time_point refused_at_;  // when somebody was last seen to be
  std::atomic<bool> disk_full_{false};
  std::mutex merge_run_;            // held while one segment is made of others
  std::mutex settle_run_;           // one settling at a time; guards the next three
  std::vector<LateHint> hintless_;  // settled, but their hints wait or could not be written
  int hint_failures_ = 0;           // in a row
  std::chrono::steady_clock::time_point hints_paused_until_;
  uint64_t scrub_rate_ = 0;
  ScrubStats scrub_stats_;
  std::condition_variable scrub_wanted_;
  std::vector<std::thread> sync_threads_;
  std::thread scrub_thread_;
  std::thread merge_thread_;
  std::thread maintenance_thread_;
};

}  // namespace respcask::engine

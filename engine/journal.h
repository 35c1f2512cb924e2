// Journal: makes what several shards have appended durable with one sync.
//
// With SyncMode::kAlways nothing is acknowledged before it is on the device, and what arrives in a
// moment lies in as many segments as there are shards. Their new bytes are therefore written once
// more, to one file of fixed size that is overwritten from its beginning again and again, and that
// file is synced alone: one flush, and no metadata of the file system to go with it. The segments
// are synced when the file is full. After a power cut a start puts back what the segments lack
// (replay_journal), before anybody looks at them.
//
// Invariants:
// - What the valid records hold are bytes of segments whose names are on the device, each at the
//   place where it was appended; a segment's bytes never change, so to put them back twice does no
//   harm. A record holds all that was committed in all shards since the one before it (or since the
//   segments were synced), so that it cuts no transaction in two.
// - restart() follows a sync of all segments: nothing in the file is needed then.
// - A segment of a backup and that of the store which the backup is of have the same name and
//   identity, and no record says which of them it is of. So a journal that lies beside the mark of
//   a backup (backup.h) is of what was there before the backup, and is removed unread.
// - A record counts as durable once its own sync and those of all records before it have succeeded.
//   After a failed sync none does any more; the caller syncs the segments instead, which have not
//   failed.
// The journal owns its files. append() and restart() are called by one thread at a time (that holds
// the store's one-sync-at-a-time lock), sync() by each lane's own thread, the rest by any.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/file.h"
#include "engine/function_ref.h"
#include "engine/result.h"

namespace respcask::engine {

class Journal {
 public:
  // Bytes of one segment.
  struct Piece {
    uint32_t shard = 0;
    uint64_t segment_id = 0;
    uint64_t offset = 0;
    std::string_view bytes;
  };

  // Makes DIR/JOURNAL, `bytes` long (rounded down to whole blocks), its name and space on the
  // device. There must be none. `lanes`: syncs that may be under way at once.
  static Result<std::unique_ptr<Journal>> create(FileSystem& files, const std::string& dir,
                                                 uint64_t store_id, uint64_t bytes, size_t lanes);

  // Writes a record of all `pieces`, which vouch for everything up to `point`, for `lane` to sync
  // next. False: there is no room for it before the next restart(), or it would take more than an
  // eighth of the file, so that to write it twice would not pay; nothing was written. A failure is
  // final: give_up().
  Result<bool> append(size_t lane, std::span<const Piece> pieces, uint64_t point);

  // Syncs what was appended for the lane; blocks. Returns the highest point that everything is
  // durable up to by now; nothing while a record before is still being synced, by whose lane this
  // point will be returned.
  Result<std::optional<uint64_t>> sync(size_t lane);

  // What is appended from now on goes to the beginning of the file.
  void restart();

  // No record that is not known to be durable yet ever will be.
  void give_up();
  bool given_up() const;

 private:
  struct Lane {
    std::unique_ptr<File> file;  // its own: a failed sync is told once to each that has it open
    uint64_t sequence = 0;       // of the record that it syncs next
  };
  // A record on its way to the device.
  struct Unsettled {
    uint64_t sequence = 0;
    uint64_t point = 0;
    bool synced = false;
  };

  Journal(uint64_t store_id, uint64_t bytes, size_t lanes)
      : store_id_(store_id), bytes_(bytes), lanes_(lanes) {}

  const uint64_t store_id_;
  const uint64_t bytes_;
  uint64_t at_ = 0;
  uint64_t sequence_ = 0;  // of the last record
  uint64_t first_ = 1;     // and of the one at the beginning of the file
  std::string head_;
  std::vector<std::string_view> written_;
  std::vector<Lane> lanes_;          // each its own thread's
  mutable std::mutex mutex_;         // guards what follows
  std::deque<Unsettled> unsettled_;  // oldest first; the first is not synced
  bool given_up_ = false;
};

struct JournalReport {
  uint64_t records = 0;
  uint64_t missing_bytes = 0;    // of segments: put back, or not, in a store that is only read
  uint64_t misplaced_bytes = 0;  // of places beyond the end of their segment: left out
};

// Puts back what segments lack of what DIR/JOURNAL holds, and syncs those that it has changed. With
// `writable` false it changes nothing and counts what it would put back. `segment_path` names a
// segment's file; one that is gone has been merged away. What begins beyond a segment's end, where
// it would leave a hole, is not of this segment, or the segment is damaged: it is left out. No
// journal: a report of zeros.
Result<JournalReport> replay_journal(
    FileSystem& files, const std::string& dir, uint64_t store_id, bool writable,
    FunctionRef<std::string(uint32_t shard, uint64_t segment_id)> segment_path);

// Removes DIR/JOURNAL, if there is one, once everything that it holds is synced in the segments.
Result<void> remove_journal(FileSystem& files, const std::string& dir);

}  // namespace respcask::engine

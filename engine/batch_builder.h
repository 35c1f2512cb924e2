// BatchBuilder: builds one batch after another in a pending log.
//
// A batch's header is filled in when the batch ends, so records may be read where they lie as soon
// as they are appended. Used by a shard for what clients write and by merge for what it copies; it
// borrows the log, and is used by one thread at a time.
#pragma once

#include <cstdint>

#include "engine/format.h"
#include "engine/pending_log.h"

namespace respcask::engine {

class BatchBuilder {
 public:
  // Where a record went: offsets from the front of the log.
  struct Place {
    uint64_t value_offset = 0;  // of the value's checksum; the record's end if it has none
    char* value = nullptr;  // room for the checksum and the value, to be filled in by the caller
  };

  explicit BatchBuilder(PendingLog& log) : log_(log) {}

  bool is_open() const { return open_; }
  // Bytes of the open batch so far; 0 if none is open.
  uint64_t size() const { return open_ ? log_.size() - start_ : 0; }

  // `seed`: batch_seed() of where the batch is going to stand.
  void begin(uint64_t sequence, uint32_t seed);
  // Goes on with the batch that ended last: it has no transaction and is still the last in the log.
  void reopen();
  Place append(const Record& record);
  // `synced` and `completed` as in the batch header; `transaction` may be null.
  void end(uint64_t synced, uint64_t completed, const TransactionMark* transaction);

 private:
  PendingLog& log_;
  bool open_ = false;
  uint64_t start_ = 0;
  char* header_bytes_ = nullptr;
  BatchHeader header_;
  uint32_t checksum_ = 0;
};

}  // namespace respcask::engine

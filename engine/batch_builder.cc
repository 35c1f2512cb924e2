#include "engine/batch_builder.h"

#include <cassert>

#include "engine/crc32c.h"

namespace respcask::engine {

void BatchBuilder::begin(uint64_t sequence, uint32_t seed) {
  assert(!open_);
  open_ = true;
  start_ = log_.size();
  header_bytes_ = log_.extend(kBatchHeaderSize);
  header_ = BatchHeader{};
  header_.sequence = sequence;
  checksum_ = seed;
}

void BatchBuilder::reopen() {
  assert(!open_ && header_bytes_ != nullptr && !header_.has_transaction);
  open_ = true;
}

BatchBuilder::Place BatchBuilder::append(const Record& record) {
  assert(open_);
  const size_t value = has_value(record.kind) ? kValueChecksumSize + size_t{record.value_size} : 0;
  const size_t bound = record_size_bound(record.name.size(), 0);
  // The head's size is known only once it is encoded, so room for the longest comes first and what
  // is too much is given back.
  const uint64_t start = log_.size();
  char* at = log_.extend(bound + value);
  const size_t head = encode_record(record, at);
  log_.shrink_last(bound - head);
  checksum_ = crc32c({at, head}, checksum_);
  ++header_.records;
  return {start + head, at + head};
}

void BatchBuilder::end(uint64_t synced, uint64_t completed, const TransactionMark* transaction) {
  assert(open_);
  if (transaction != nullptr) {
    char* trailer = log_.extend(kTransactionTrailerSize);
    encode_transaction(*transaction, trailer);
    checksum_ = crc32c({trailer, kTransactionTrailerSize}, checksum_);
    header_.has_transaction = true;
  }
  header_.size = static_cast<uint32_t>(log_.size() - start_);
  header_.synced = synced;
  header_.completed = completed;
  encode_batch_header(header_, header_bytes_);
  header_.checksum = crc32c({header_bytes_ + 4, kBatchHeaderSize - 4}, checksum_);
  encode_batch_header(header_, header_bytes_);
  open_ = false;
}

}  // namespace respcask::engine

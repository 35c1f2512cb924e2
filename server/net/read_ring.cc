#include "server/net/read_ring.h"

#include <array>
#include <new>
#include <string>
#include <utility>

#include "engine/segment.h"

namespace respcask::server {

namespace {

// A larger value is copied by a thread of the pool rather than by the loop.
constexpr size_t kMostBytes = 64 * 1024;
// So many finished reads are taken up in a turn of the loop at most: each lets a command run and a
// reply be sent, and other clients wait for the turn's end.
constexpr size_t kMostATurn = 16;
// What a slot keeps to read into past the page cache. Most values are small; chunks are not.
constexpr uint64_t kSmallBuffer = 8 * 1024;

}  // namespace

std::unique_ptr<ReadRing> ReadRing::open(ReaderPool& pool) {
  io_uring ring{};
  // What has been read is taken over at the loop's next system call, not by interrupting it. Not
  // with IORING_SETUP_DEFER_TASKRUN: there the kernel (6.18) works off twenty reads at a time and
  // tells of the rest only if one of them has come to its end. Where all have to begin again,
  // because their pages are gone, nobody would ever hear of the others.
  constexpr unsigned kFlags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_COOP_TASKRUN;
  if (io_uring_queue_init(kDepth, &ring, kFlags) != 0) return nullptr;
  return std::unique_ptr<ReadRing>(new ReadRing(pool, ring));
}

ReadRing::ReadRing(ReaderPool& pool, const io_uring& ring)
    : pool_(pool), ring_(ring), slots_(kDepth) {
  free_.reserve(kDepth);
  for (uint32_t slot = kDepth; slot > 0; --slot) free_.push_back(slot - 1);
  pool_.rings.fetch_add(1, std::memory_order_relaxed);
}

ReadRing::~ReadRing() {
  backlog_.clear();
  flush();
  while (free_.size() + io_uring_sq_ready(&ring_) < kDepth) {
    io_uring_cqe* done = nullptr;
    if (io_uring_wait_cqe(&ring_, &done) == 0) reap();
  }
  io_uring_queue_exit(&ring_);
}

void ReadRing::submit(FetchBatch& batch) {
  for (FetchJob& job : batch) {
    const engine::ColdRead& read = job.value->read;
    if (read.bytes() > kMostBytes || read.segment->file().descriptor() < 0) continue;
    if (free_.empty()) {
      backlog_.push(std::move(job));
    } else {
      start(std::move(job));
    }
  }
  std::erase_if(batch, [](const FetchJob& job) { return job.parked == nullptr; });
  flush();
  pool_.submit(batch);
}

// There is a free slot, and so room in the ring, which has as many entries.
void ReadRing::start(FetchJob job) {
  const uint32_t slot = free_.back();
  free_.pop_back();
  FetchedValue& value = *job.value;
  io_uring_sqe* const entry = io_uring_get_sqe(&ring_);
  slots_[slot].past_cache = value.read.past_cache && start_past_cache(slot, *entry, value.read);
  if (!slots_[slot].past_cache) {
    value.bytes.resize(value.read.bytes());
    io_uring_prep_read(entry, value.read.segment->file().descriptor(), value.bytes.data(),
                       static_cast<unsigned>(value.bytes.size()), value.read.where.offset());
  }
  io_uring_sqe_set_data64(entry, slot);
  slots_[slot].job = std::move(job);
}

// False: its file cannot be read so.
bool ReadRing::start_past_cache(uint32_t slot, io_uring_sqe& entry, const engine::ColdRead& read) {
  const engine::DirectAccess file = read.segment->file().direct();
  if (file.descriptor < 0) return false;
  const uint64_t offset = read.where.offset();
  const uint64_t mask = ~uint64_t{file.alignment - 1};
  const uint64_t begin = offset & mask;
  const uint64_t size = ((offset + read.bytes() + file.alignment - 1) & mask) - begin;
  Slot& to = slots_[slot];
  if (!to.buffer || size > kSmallBuffer) {
    const uint64_t room = size > kSmallBuffer ? size : kSmallBuffer;
    const uint64_t page = engine::page_size();
    to.buffer.reset(static_cast<char*>(std::aligned_alloc(page, (room + page - 1) / page * page)));
    if (!to.buffer) throw std::bad_alloc();
  }
  to.skip = static_cast<uint32_t>(offset - begin);
  io_uring_prep_read(&entry, file.descriptor, to.buffer.get(), static_cast<unsigned>(size), begin);
  return true;
}

// What the kernel does not take now it is asked to take again at the loop's next turn.
void ReadRing::flush() {
  if (io_uring_sq_ready(&ring_) != 0) io_uring_submit(&ring_);
}

void ReadRing::reap() {
  std::array<io_uring_cqe*, kMostATurn> done;
  const unsigned count = io_uring_peek_batch_cqe(&ring_, done.data(), done.size());
  for (unsigned i = 0; i < count; ++i) {
    complete(static_cast<uint32_t>(io_uring_cqe_get_data64(done[i])), done[i]->res);
  }
  io_uring_cq_advance(&ring_, count);
  while (!backlog_.empty() && !free_.empty()) {
    start(backlog_.pop());
  }
  flush();
}

void ReadRing::complete(uint32_t slot, int32_t got) {
  Slot& from = slots_[slot];
  FetchJob job = std::move(from.job);
  from.job = {};
  free_.push_back(slot);
  FetchedValue& value = *job.value;
  const size_t bytes = value.read.bytes();
  const size_t skip = from.past_cache ? from.skip : 0;
  // Behind the value the file may end.
  const bool whole = got >= 0 && static_cast<size_t>(got) >= skip + bytes;
  if (!whole) {
    FetchBatch again;
    again.push_back(std::move(job));
    pool_.submit(again);
  } else if (from.past_cache) {
    settle(value, engine::take_value_past_cache(value.read, {from.buffer.get() + skip, bytes}));
    pool_.finish(job);
  } else {
    settle(value, engine::take_value(value.read, std::move(value.bytes)));
    pool_.finish(job);
  }
  if (skip + bytes > kSmallBuffer) from.buffer.reset();
}

}  // namespace respcask::server

// What a store does about a full disk: how merging goes on, and who gets what it wins.
//
// Some space is kept back for merges (merge_reserve.h), and in each shard some for what makes room.
// Once somebody was refused space the store is short of it: any garbage is merged, at any hour, as
// fast as it goes, and until as much is kept back as merges need nothing that grows gets any. That
// ends when there is room, or nothing to merge.

#include <algorithm>
#include <bit>
#include <chrono>
#include <utility>

#include "engine/store.h"

namespace respcask::engine {

using namespace std::chrono_literals;

void Store::look_for_shortage() {
  const auto now = std::chrono::steady_clock::now();
  if (!short_ && now < next_shortage_) return;
  bool refused = false;
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    refused |= shard->take_refusal();
  }
  if (!refused || short_) return;
  short_ = true;
  for (MergeState& state : merge_states_) state.paused_until = {};
  if (!disk_full_.exchange(true) && now >= next_shortage_told_ && options_.log) {
    next_shortage_told_ = now + 10s;
    options_.log(LogLevel::kWarning,
                 "The disk is full: what needs room is refused until merging has made some");
  }
  // What is reserved behind sealed segments is given back when they are synced.
  if (!sync_failed()) (void)run_sync();
}

void Store::end_shortage(bool has_room) {
  short_ = false;
  // Where there is nothing to merge looking for it again and again is in vain.
  next_shortage_ = std::chrono::steady_clock::now() + (has_room ? 0s : 1s);
  bar(Shard::Barred::kNone);
  if (has_room) disk_full_ = false;
}

// What is to be kept back: what the largest run or segment has to copy, and what segments that are
// written fast may grow to, as long as that is little of the disk.
uint64_t Store::wanted_reserve(uint64_t store_bytes, uint64_t free) {
  constexpr uint64_t kPartOfFree = 8;
  uint64_t wanted = std::min({options_.segment_bytes, SegmentPace::kMostBytes,
                              std::max(merge_reserve_->bytes(), free / kPartOfFree)});
  wanted = std::max(wanted, std::min(store_bytes / kRunsInStore, options_.segment_bytes));
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    wanted = std::max(wanted, shard->segment_limit());
    for (const auto& segment : shard->order_) {
      wanted = std::max(wanted, segment->needed_bytes(true));
    }
  }
  return std::bit_ceil(wanted);  // in steps, as stores grow
}

void Store::keep_merge_reserve() {
  constexpr uint64_t kPartOfStore = 32;  // of it free, or a shortage would be back at once
  uint64_t store_bytes = 0;
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    for (const auto& segment : shard->order_) store_bytes += segment->size();
  }
  const auto space = options_.files->space(options_.dir);
  const uint64_t free = space ? space->available : 0;
  const uint64_t wanted = wanted_reserve(store_bytes, free);
  const bool kept = merge_reserve_->keep(wanted, short_ || barred_ == Shard::Barred::kAll);
  const bool whole = merge_reserve_->bytes() >= wanted;
  Shard::Barred barred = std::max(barred_, Shard::Barred::kGrowth);
  if (kept) barred = short_ && !whole ? Shard::Barred::kGrowth : Shard::Barred::kNone;
  bar(barred);
  const uint64_t room = room_in_reserve();
  if (std::exchange(paced_bytes_, room) != room) {
    for (auto& shard : shards_) {
      std::lock_guard guard(*shard);
      shard->limit_pace(paced_bytes_);
    }
  }
  if (!whole || !disk_full()) return;
  const auto left = options_.files->space(options_.dir);
  if (left && left->available >= std::max(wanted, store_bytes / kPartOfStore)) end_shortage(true);
}

// For the removals of a start on a full disk, which would be refused otherwise.
void Store::keep_room() {
  constexpr uint64_t kLeast = 16 * 1024;
  const auto space = options_.files->space(options_.dir);
  const uint64_t free = space ? space->available : 0;
  const uint64_t each = std::clamp(free / 2 / shard_count(), kLeast, kReserveBytes);
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    shard->keep_room(each);
  }
}

void Store::bar(Shard::Barred barred) {
  if (barred == Shard::Barred::kAll) disk_full_ = true;
  if (std::exchange(barred_, barred) == barred) return;
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    shard->bar(barred);
  }
}

// Seals the active segment of a shard if at least this share of it is garbage, and makes it ready
// to be merged: true. A full disk has no room for the segment that follows it but what is kept
// back; what was reserved behind the old one is given back for that.
Result<bool> Store::seal_for_merge(Shard& shard, double least) {
  const auto seal = [&](uint64_t kept_back) -> Result<bool> {
    auto sealed = seal_garbage(shard, least, kept_back);
    if (!sealed || !*sealed) return sealed;
    if (auto settled = settle_for_merge(shard); !settled) return settled.error();
    return true;
  };
  auto sealed = seal(kReserveBytes);
  if (sealed || sealed.error().code != ErrorCode::kNoSpace) return sealed;
  // The merge needs some of it, too.
  const uint64_t lent = std::min(room_in_reserve() / 8, kReserveBytes);
  bar(Shard::Barred::kAll);
  merge_reserve_->release();
  sealed = seal(lent);
  keep_merge_reserve();
  return sealed;
}

// Whether a backup holds its file too, so that merging it gives nothing back.
bool Store::is_backed_up(const Segment& segment) const {
  const auto info = options_.files->stat(segment.path());
  return info && *info && (*info)->names > 1;
}

// Of a run that the disk was too full for, what can be merged with what is kept back: all of it, or
// the segment that gives back most of those that fit. Empty: none does, or gives anything back.
std::vector<std::shared_ptr<Segment>> Store::fit_reserve(
    Shard& shard, std::vector<std::shared_ptr<Segment>> inputs) {
  std::lock_guard guard(shard);
  const uint64_t room = room_in_reserve();
  uint64_t all = 0;
  uint64_t most = 0;
  std::shared_ptr<Segment> best;
  for (const auto& input : inputs) {
    const uint64_t needed = input->needed_bytes(input == shard.order_.front());
    const uint64_t won = input->size() - std::min(input->size(), needed + kSegmentHeaderSize);
    const bool backed_up = is_backed_up(*input);
    all += backed_up ? room + 1 : needed;
    if (needed > room || won <= most || backed_up) continue;
    most = won;
    best = input;
  }
  if (all <= room) return inputs;
  if (best == nullptr) return {};
  return {best};
}

}  // namespace respcask::engine

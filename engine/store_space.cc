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

namespace {

// What a merge copies of a segment, framing aside.
uint64_t copied_bytes(const Segment& segment, const MergeCandidate& counts) {
  const uint64_t stays = counts.total_bytes - counts.dead_bytes;
  return stays - std::min(stays, segment.framing_bytes);
}

}  // namespace

void Store::look_for_shortage() {
  const auto now = std::chrono::steady_clock::now();
  if (!short_ && now < next_shortage_) return;
  bool refused = false;
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    refused |= shard->take_refusal();
  }
  if (!refused) return;
  refused_at_ = now;
  if (short_) return;
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

Store::ReserveAim Store::reserve_aim(uint64_t free) {
  constexpr uint64_t kPartOfFree = 8;
  ReserveAim aim;
  uint64_t copied = 0;
  uint64_t limit = 0;
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    limit = std::max(limit, shard->segment_limit());
    const std::vector<MergeCandidate> all = merge_candidates(*shard);
    for (size_t i = 0; i < all.size(); ++i) {
      const Segment& segment = *shard->order_[i];
      aim.store_bytes += segment.size();
      if (!segment.damaged) copied = std::max(copied, copied_bytes(segment, all[i]));
    }
  }
  copied =
      std::max({copied, limit, std::min(aim.store_bytes / kRunsInStore, options_.segment_bytes)});
  constexpr uint64_t kMostPaced = room_in_reserve(SegmentPace::kMostBytes) - kOvergrowth;
  const uint64_t paced =
      std::min({options_.segment_bytes, kMostPaced, std::max(paced_bytes_, free / kPartOfFree)});
  // In steps, as stores grow.
  const auto reserve_for = [](uint64_t bytes) {
    const uint64_t reserve = bytes + bytes / (kPartsOfReserve - 1);
    const uint64_t step = std::bit_ceil(reserve) / 16;
    return (reserve + step - 1) / step * step;
  };
  aim.needed = reserve_for(copied);
  aim.wanted = std::max(aim.needed, reserve_for(std::max(limit, paced) + kOvergrowth));
  return aim;
}

void Store::keep_merge_reserve() {
  constexpr uint64_t kPartOfStore = 32;  // of it free, or a shortage would be back at once
  constexpr auto kQuiet = 10s;
  const auto space = options_.files->space(options_.dir);
  const ReserveAim aim = reserve_aim(space ? space->available : 0);
  const bool first = disk_full() || barred_ == Shard::Barred::kAll;
  const bool kept = merge_reserve_->keep(aim.wanted, first ? aim.needed : 0);
  const bool whole = merge_reserve_->bytes() >= aim.needed;
  Shard::Barred barred = std::max(barred_, Shard::Barred::kGrowth);
  if (kept) barred = short_ && !whole ? Shard::Barred::kGrowth : Shard::Barred::kNone;
  bar(barred);
  pace_within(merge_reserve_->bytes());
  if (!disk_full()) return;
  const auto left = options_.files->space(options_.dir);
  const uint64_t enough = std::max(aim.needed, aim.store_bytes / kPartOfStore);
  if (whole && left && left->available >= enough) end_shortage(true);
  // Or there is some that the file system does not tell of, or enough for what is written.
  if (!short_ && std::chrono::steady_clock::now() - refused_at_ > kQuiet) disk_full_ = false;
}

// Takes at a start what the process before has kept back, or what is needed: it may have ended
// while that was given up.
void Store::take_merge_reserve(uint64_t before_bytes) {
  pace_within(before_bytes);
  const ReserveAim aim = reserve_aim(0);
  (void)merge_reserve_->keep(aim.wanted, std::clamp(before_bytes, aim.needed, aim.wanted));
  keep_merge_reserve();
}

// Who writes fast gets no larger segments than can be merged in so many bytes that are kept back.
void Store::pace_within(uint64_t reserve_bytes) {
  const uint64_t room = room_in_reserve(reserve_bytes);
  const uint64_t paced = room - std::min(kOvergrowth, room / 2);
  if (std::exchange(paced_bytes_, paced) == paced) return;
  for (auto& shard : shards_) {
    std::lock_guard guard(*shard);
    shard->limit_pace(paced_bytes_);
  }
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

// Whether so much of what is kept back may go to a segment that follows a shard's active one: where
// no merge is going to miss it, or where merging the active one can be done with the rest and wins
// more. Otherwise there would be too little for any in the end.
bool Store::may_lend(Shard& shard, uint64_t bytes) {
  const uint64_t left = merge_reserve_->bytes() - bytes;
  const bool is_spare = left >= reserve_aim(0).needed;
  std::lock_guard guard(shard);
  if (is_backed_up(*shard.active_)) return false;
  const MergeCandidate active = merge_candidates(shard).back();
  const uint64_t copied = active.total_bytes - active.dead_bytes;
  return is_spare || (copied <= room_in_reserve(left) && active.dead_bytes > 2 * bytes);
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
  const uint64_t lent = std::min(merge_reserve_->bytes() / 8, kReserveBytes);
  if (!may_lend(shard, lent)) return sealed;
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
// the segment that gives back most of those that fit, or the first of a sweep; where none of the
// run does, the one of the shard that gives back most, after which there may be enough. Empty: none
// fits, or gives anything back.
std::vector<std::shared_ptr<Segment>> Store::fit_reserve(Shard& shard, Pick pick) {
  std::lock_guard guard(shard);
  const uint64_t room = room_in_reserve(merge_reserve_->bytes());
  const std::vector<MergeCandidate> all = merge_candidates(shard);
  const auto first =
      static_cast<size_t>(std::find(shard.order_.begin(), shard.order_.end(), pick.inputs.front()) -
                          shard.order_.begin());
  const size_t end = first + pick.inputs.size();
  // What a merge copies of a segment; what is not to be merged fits nowhere.
  const auto copied = [&](size_t i) {
    const uint64_t needed = copied_bytes(*shard.order_[i], all[i]);
    const bool may = needed <= room && all[i].mergeable && !is_backed_up(*shard.order_[i]);
    return may ? needed : room + 1;
  };
  uint64_t copied_of_all = 0;
  for (size_t i = first; i < end; ++i) copied_of_all += copied(i);
  if (copied_of_all <= room) return std::move(pick.inputs);
  if (pick.sweeps && copied(first) <= room) return {pick.inputs.front()};
  const auto best = [&](size_t from, size_t to) {
    // One byte in so many, or the next write would make a segment worth a merge again.
    constexpr uint64_t kLeastWon = 50;
    std::vector<std::shared_ptr<Segment>> found;
    uint64_t most = 0;
    for (size_t i = from; i < to; ++i) {
      const uint64_t won = all[i].dead_bytes;
      if (won <= most || won < shard.order_[i]->size() / kLeastWon || copied(i) > room) continue;
      most = won;
      found = {shard.order_[i]};
    }
    return found;
  };
  auto found = best(first, pick.sweeps ? first : end);
  // A request ends when nothing of it is left, so it merges nothing else.
  const bool requested = !merge_states_[shard.index()].requested.empty();
  return found.empty() && !requested ? best(0, all.size()) : found;
}

}  // namespace respcask::engine

#include "engine/merge_reserve.h"

#include <algorithm>
#include <limits>

namespace respcask::engine {

Result<void> MergeReserve::open(bool create) {
  if (file_) return {};
  auto there = files_.stat(path_);
  if (!there) return there.error();
  if (!*there && !create) return {};
  auto file = *there ? files_.open(path_) : files_.create(path_);
  if (!file) return file.error();
  file_ = std::move(*file);
  return {};
}

bool MergeReserve::keep(uint64_t wanted, uint64_t least) {
  constexpr uint64_t kLeast = 512 * 1024;
  constexpr uint64_t kStep = 64 * 1024;
  constexpr uint64_t kTooMuch = 4;  // times
  if (bytes_ / kTooMuch >= wanted) release();
  if (bytes_ >= wanted) return true;
  const auto space = files_.space(directory_);
  const uint64_t free = space ? space->available : std::numeric_limits<uint64_t>::max() / 2;
  uint64_t bytes = wanted;
  while (bytes > bytes_ + free / 2 && bytes > kLeast) bytes /= 2;
  bytes = std::max(bytes, std::min(least, std::max(bytes_ + free, kStep) / kStep * kStep));
  if (bytes <= bytes_) return true;
  // More is not tried in vain: some file systems keep what they had when there was not enough. Some
  // is tried for, whatever is said to be free: what others may not have may still be had by root.
  if (bytes_ > 0 && bytes > bytes_ + free) return true;
  if (auto opened = open(true); !opened) return opened.error().code != ErrorCode::kNoSpace;
  const uint64_t hoped_for = bytes_ == 0 ? std::max(bytes, least) : bytes;
  auto reserved = file_->reserve(0, hoped_for);
  if (reserved) bytes = hoped_for;
  if (!reserved && hoped_for > bytes) reserved = file_->reserve(0, bytes);
  if (!reserved) {
    if (reserved.error().code != ErrorCode::kNoSpace) return true;
    const uint64_t before = bytes_;
    release();
    if (before > 0 && file_->reserve(0, before)) bytes_ = before;
    return bytes_ > 0;
  }
  supported_ = *reserved == Reservation::kReserved;
  if (supported_) bytes_ = bytes;
  return true;
}

uint64_t MergeReserve::left_behind() const {
  const auto there = files_.stat(path_);
  return there && *there ? (*there)->allocated : 0;
}

void MergeReserve::release() {
  if (!open(false) || !file_) return;
  if (file_->truncate(0)) bytes_ = 0;
}

}  // namespace respcask::engine

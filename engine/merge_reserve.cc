#include "engine/merge_reserve.h"

namespace respcask::engine {

bool MergeReserve::keep(uint64_t bytes) {
  if (bytes <= bytes_) return true;
  if (!file_) {
    auto there = files_.stat(path_);
    if (!there) return true;
    auto file = *there ? files_.open(path_) : files_.create(path_);
    if (!file) return file.error().code != ErrorCode::kNoSpace;
    file_ = std::move(*file);
  }
  if (auto reserved = file_->reserve(0, bytes); !reserved) {
    if (reserved.error().code == ErrorCode::kNoSpace) return false;
    return true;
  }
  bytes_ = bytes;
  return true;
}

void MergeReserve::release() {
  if (file_ && file_->truncate(0)) bytes_ = 0;
}

}  // namespace respcask::engine

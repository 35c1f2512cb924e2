#include "server/net/input_spill.h"

#include <algorithm>
#include <cassert>
#include <utility>

#include "server/log.h"

namespace respcask::server {

SpillArea::SpillArea(engine::FileSystem& files, std::string dir, const std::string& name,
                     Counter& held)
    : files_(files), dir_(std::move(dir)), path_(dir_ + "/" + name), held_(held) {}

std::unique_ptr<InputSpill> SpillArea::open(uint64_t limit) {
  if (open_ == kMostSpills || !has_space()) return nullptr;
  auto file = files_.create(path_);
  if (!file) {
    // Maybe it was left by a crash; else there is none to be had.
    if (!files_.unlink(path_)) return nullptr;
    file = files_.create(path_);
    if (!file) return nullptr;
  }
  if (auto unlinked = files_.unlink(path_); !unlinked) {
    log_warning("{}", unlinked.error().message);
    return nullptr;
  }
  return std::unique_ptr<InputSpill>(new InputSpill(*this, *std::move(file), limit));
}

std::span<char> SpillArea::room() {
  assert(open_ > 0);
  if (!room_) room_ = std::make_unique_for_overwrite<char[]>(kRoomBytes);
  return {room_.get(), kRoomBytes};
}

// Looked up for the first spill, every so many bytes, and always while there is too little.
bool SpillArea::has_space() {
  if (short_ || open_ == 0 || unlooked_ >= kBytesBetweenLooks) {
    const auto space = files_.space(dir_);
    short_ = !space || space->available <= std::min(space->total / 10, kLeftFree);
    unlooked_ = 0;
  }
  return !short_;
}

InputSpill::InputSpill(SpillArea& area, std::unique_ptr<engine::File> file, uint64_t limit)
    : area_(area), file_(std::move(file)), limit_(limit) {
  ++area_.open_;
}

InputSpill::~InputSpill() {
  area_.held_.sub(written_);
  if (--area_.open_ == 0) area_.room_.reset();
}

void InputSpill::add(std::string_view bytes) {
  if (full_) {
    rest_ += bytes;
    return;
  }
  if (auto written = file_->write_at(written_, bytes); !written) {
    log_warning("A client has to read replies before more is read of it: {}",
                written.error().message);
    full_ = true;
    rest_ += bytes;
    return;
  }
  written_ += bytes.size();
  area_.held_.add(bytes.size());
  area_.unlooked_ += bytes.size();
  full_ = written_ >= limit_;
}

engine::Result<size_t> InputSpill::take(std::span<char> into) {
  if (taken_ == written_) {
    const size_t size = std::min(into.size(), rest_.size() - rest_taken_);
    std::copy_n(rest_.data() + rest_taken_, size, into.data());
    rest_taken_ += size;
    if (rest_taken_ == rest_.size()) {
      rest_.clear();
      rest_taken_ = 0;
    }
    return size;
  }
  into = into.first(std::min<uint64_t>(into.size(), written_ - taken_));
  auto read = file_->read_at(taken_, into);
  if (!read) return read;
  if (*read == 0) {
    return engine::Error{engine::ErrorCode::kIo, "the file of a client's commands has been cut"};
  }
  taken_ += *read;
  return read;
}

}  // namespace respcask::server

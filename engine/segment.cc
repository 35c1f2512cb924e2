#include "engine/segment.h"

#include <algorithm>
#include <cassert>
#include <functional>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace respcask::engine {

Segment::Segment(FileSystem& files, std::string path, SegmentHeader header,
                 std::unique_ptr<File> file, Mapping mapping, uint64_t size)
    : files_(files),
      path_(std::move(path)),
      header_(header),
      identity_(segment_identity(header)),
      file_(std::move(file)),
      mapping_(std::move(mapping)),
      residency_(mapping_.size()),
      size_(size),
      reserved_(size) {}

Segment::~Segment() {
  unlink_retired();
}

void Segment::unlink_retired() {
  // Nothing is lost if the name stays: a file whose ids a later generation covers is a leftover,
  // which the next start removes.
  if (!retired_.exchange(false, std::memory_order_acq_rel)) return;
  (void)files_.unlink(path_);
  const std::string hint = hint_path_of(path_);
  if (auto there = files_.stat(hint); there && *there) (void)files_.unlink(hint);
}

uint64_t framing_of(const Segment& segment, uint64_t accounted) {
  const uint64_t bytes = segment.size() - kSegmentHeaderSize;
  return bytes - std::min(accounted, bytes);
}

uint64_t Segment::last_sequence(const Segment* next) const {
  constexpr uint64_t kUnknown = UINT64_MAX - 1;
  if (header_.generation > 0) return rewritten_sequence != 0 ? rewritten_sequence : kUnknown;
  // 0 where a damaged header was made anew.
  const uint64_t first_after = next != nullptr ? next->header_.first_sequence : 0;
  return first_after != 0 ? first_after - 1 : kUnknown;
}

void Segment::add_mark(const Record& record) {
  const uint64_t bytes = accounted_size(record);
  if (record.kind == RecordKind::kNamespace) return add_namespace(bytes);
  mark_bytes += bytes;
}

void Segment::add_namespace(uint64_t bytes) {
  mark_bytes += bytes;
  namespace_bytes += bytes;
}

void Segment::drop_namespace(uint64_t bytes) {
  assert(namespace_bytes >= bytes && mark_bytes >= namespace_bytes);
  mark_bytes -= bytes;
  namespace_bytes -= bytes;
}

std::string hint_path_of(const std::string& segment_path) {
  return segment_path.substr(0, segment_path.rfind('.')) + ".hint";
}

Result<void> Segment::rename(const std::string& path) {
  auto renamed = files_.rename(path_, path);
  if (renamed) path_ = path;
  return renamed;
}

Result<std::shared_ptr<Segment>> Segment::create(FileSystem& files, const std::string& path,
                                                 const SegmentHeader& header, uint64_t map_bytes) {
  auto file = files.create(path);
  if (!file) return file.error();
  const std::string head = encode_segment_header(header);
  if (auto written = (*file)->write_at(0, head); !written) {
    (void)files.unlink(path);
    return written.error();
  }
  auto mapping = (*file)->map(std::max<uint64_t>(map_bytes, kSegmentHeaderSize));
  if (!mapping) {
    (void)files.unlink(path);
    return mapping.error();
  }
  std::shared_ptr<Segment> segment(
      new Segment(files, path, header, std::move(*file), std::move(*mapping), kSegmentHeaderSize));
  segment->residency_.set(0, kSegmentHeaderSize);
  return segment;
}

Result<std::shared_ptr<Segment>> Segment::open(FileSystem& files, const std::string& path,
                                               bool writable, uint64_t map_bytes) {
  auto file = files.open_read_only(path);
  if (!file) return file.error();
  std::string head(kSegmentHeaderSize, '\0');
  auto got = (*file)->read_at(0, head);
  if (!got) return Error{ErrorCode::kDamaged, got.error().message};
  auto header = decode_segment_header(std::string_view(head).substr(0, *got));
  if (!header) return Error{ErrorCode::kFormat, fmt::format("{}: no valid segment header", path)};
  return open_as(files, path, *header, writable, map_bytes);
}

Result<std::shared_ptr<Segment>> Segment::open_as(FileSystem& files, const std::string& path,
                                                  const SegmentHeader& header, bool writable,
                                                  uint64_t map_bytes) {
  auto file = writable ? files.open(path) : files.open_read_only(path);
  if (!file) return file.error();
  auto size = (*file)->size();
  if (!size) return size.error();
  auto mapping = (*file)->map(std::max<uint64_t>(map_bytes, *size));
  if (!mapping) return mapping.error();
  return std::shared_ptr<Segment>(
      new Segment(files, path, header, std::move(*file), std::move(*mapping), *size));
}

std::shared_ptr<const void> Segment::hold(std::string_view bytes) const {
  const std::less_equal<const char*> up_to;  // the bytes may be of anything
  const char* const end = mapping_.data() + size();
  if (!up_to(mapping_.data(), bytes.data()) || !up_to(bytes.data() + bytes.size(), end)) return {};
  return mapping_.hold();
}

Result<void> Segment::append(std::span<const std::string_view> pieces) {
  const uint64_t at = size();
  uint64_t bytes = 0;
  for (std::string_view piece : pieces) bytes += piece.size();
  if (bytes == 0) return {};
  assert(!sealed && at + bytes <= mapping_.size());
  if (auto written = file_->write_at(at, pieces); !written) return written;
  residency_.set(at, bytes);
  size_.store(at + bytes, std::memory_order_release);
  return {};
}

Result<void> Segment::reserve(uint64_t size, uint64_t step) {
  if (size <= reserved_) return {};
  // First the generous step, then, on a disk that is nearly full, just what is needed.
  for (uint64_t target : {std::max(size, reserved_ + step), size}) {
    auto reserved = file_->reserve(reserved_, target - reserved_);
    if (reserved) {
      reserved_ = target;
      return {};
    }
    if (reserved.error().code != ErrorCode::kNoSpace || target == size) return reserved.error();
  }
  return {};
}

Result<void> Segment::cut(uint64_t size) {
  if (auto cut = file_->truncate(size); !cut) return cut;
  size_.store(size, std::memory_order_release);
  reserved_ = size;
  return {};
}

Mapping Segment::map_contents() const {
  if (mapping_.size() <= size()) return {};
  auto mapping = file_->map(size());
  return mapping ? std::move(*mapping) : Mapping();  // if not, the wide one serves as well
}

bool Segment::still_resident(uint64_t offset, uint64_t size, int64_t age_ms, uint64_t& gone) {
  thread_local RecentPages asked;
  thread_local std::vector<uint8_t> pages;
  const int64_t now_ms = coarse_clock_ms();
  const uint64_t first_page = offset / ResidencyMap::kPageSize;
  const uint64_t end_page = (offset + size - 1) / ResidencyMap::kPageSize + 1;
  uint64_t page = first_page;
  while (page < end_page && asked.has(page_id(page), now_ms, age_ms)) ++page;
  if (page == end_page) return true;
  const uint64_t begin = first_page * ResidencyMap::kPageSize;
  if (!mapping_.resident(begin, offset + size - begin, pages)) return true;
  gone += residency_.update(first_page, pages).gone;
  for (page = first_page; page < end_page; ++page) {
    if (pages[page - first_page] == 0) return false;
    asked.add(page_id(page), now_ms);
  }
  return true;
}

uint64_t Segment::refresh_residency(uint64_t offset, PageCounts& counts) {
  // The system answers with the process's map locked, which keeps every loop waiting that is just
  // asking for memory, or faults a page in.
  constexpr uint64_t kMost = uint64_t{2} << 20;
  const uint64_t end = size();
  const uint64_t length = std::min(kMost, end - offset);
  std::vector<uint8_t> pages;
  if (!mapping_.resident(offset, length, pages)) return end;
  const PageCounts found = residency_.update(offset / ResidencyMap::kPageSize, pages);
  counts.absent += found.absent;
  counts.taken += found.taken;
  counts.gone += found.gone;
  return offset + length;
}

std::vector<uint8_t> Segment::ask_residency() const {
  std::vector<uint8_t> pages;
  if (!mapping_.resident(0, std::min<uint64_t>(size(), mapping_.size()), pages)) pages.clear();
  return pages;
}

}  // namespace respcask::engine

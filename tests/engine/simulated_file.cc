#include "tests/engine/simulated_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cassert>
#include <limits>
#include <utility>

#include "engine/file.h"

namespace respcask::engine {
namespace {

constexpr std::uint64_t kSector = 512;
constexpr std::uint64_t kBlock = 4096;

void write_fully(int fd, std::uint64_t offset, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    assert(written > 0);
    offset += static_cast<std::uint64_t>(written);
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::size_t read_fully(int fd, std::uint64_t offset, std::span<char> out) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    assert(got >= 0);
    if (got == 0) break;
    done += static_cast<std::size_t>(got);
  }
  return done;
}

void resize(int fd, std::uint64_t size) {
  [[maybe_unused]] const int result = ::ftruncate(fd, static_cast<off_t>(size));
  assert(result == 0);
}

}  // namespace

SimulatedFile::SimulatedFile() : fd_(::memfd_create("simulated-file", MFD_CLOEXEC)) {
  assert(fd_ >= 0);
}

SimulatedFile::~SimulatedFile() {
  ::close(fd_);
}

SimulatedFile::SimulatedFile(const SimulatedFile& other)
    : fd_(::memfd_create("simulated-file", MFD_CLOEXEC)),
      size_(other.size_),
      synced_size_(other.synced_size_),
      reserved_end_(other.reserved_end_),
      synced_reserved_end_(other.synced_reserved_end_),
      operations_(other.operations_),
      settled_(other.settled_),
      dirty_(other.dirty_),
      cold_(other.cold_),
      unreadable_(other.unreadable_) {
  assert(fd_ >= 0);
  copy_bytes_from(other, size_);
  resize(fd_, size_);
}

std::uint64_t SimulatedFile::allocation(std::uint64_t end) {
  return (end + kBlock - 1) / kBlock * kBlock;
}

void SimulatedFile::write(std::uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  const std::uint64_t end = offset + bytes.size();
  make_dirty(offset, end);
  touch(offset, end);
  write_fully(fd_, offset, bytes);
  size_ = std::max(size_, end);
  operations_.push_back({false, offset, std::string(bytes), size_});
}

std::size_t SimulatedFile::read(std::uint64_t offset, std::span<char> out) {
  const std::size_t got = peek(offset, out);
  if (got > 0) touch(offset, offset + got);
  return got;
}

std::size_t SimulatedFile::peek(std::uint64_t offset, std::span<char> out) const {
  return read_fully(fd_, offset, out);
}

void SimulatedFile::truncate(std::uint64_t size) {
  if (size < size_) make_dirty(size, size_);
  resize(fd_, size);
  size_ = size;
  reserved_end_ = std::min(reserved_end_, size);
  operations_.push_back({true, size, "", size_});
}

void SimulatedFile::make_dirty(std::uint64_t begin, std::uint64_t end) {
  for (std::uint64_t sector = begin / kSector; sector * kSector < end; ++sector) {
    const auto [entry, added] = dirty_.try_emplace(sector, DirtySector{"", operations_.size()});
    entry->second.lost = false;  // a later sync writes it after all
    if (!added || sector * kSector >= size_) continue;
    entry->second.synced.resize(kSector);
    read_fully(fd_, sector * kSector, entry->second.synced);
  }
}

void SimulatedFile::sync() {
  std::erase_if(dirty_, [](const auto& entry) { return !entry.second.lost; });
  synced_size_ = size_;
  synced_reserved_end_ = reserved_end_;
  if (dirty_.empty()) operations_.clear();
  settled_ = operations_.size();
}

void SimulatedFile::lose_unsynced() {
  for (auto& [sector, dirty] : dirty_) dirty.lost = true;
}

void SimulatedFile::settle() {
  dirty_.clear();
  sync();
}

void* SimulatedFile::map(std::size_t length) const {
  void* address = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd_, 0);
  assert(address != MAP_FAILED);
  for (const std::uint64_t page : unreadable_) {
    if ((page + 1) * page_size() > length) break;
    ::mprotect(static_cast<char*>(address) + page * page_size(), page_size(), PROT_NONE);
  }
  return address;
}

void SimulatedFile::make_unreadable(std::uint64_t offset, std::uint64_t length) {
  assert(length > 0);
  const std::uint64_t last = (offset + length - 1) / page_size();
  for (std::uint64_t page = offset / page_size(); page <= last; ++page) unreadable_.insert(page);
}

bool SimulatedFile::readable(std::uint64_t offset, std::uint64_t length) const {
  if (length == 0) return true;
  const auto first = unreadable_.lower_bound(offset / page_size());
  return first == unreadable_.end() || *first > (offset + length - 1) / page_size();
}

void SimulatedFile::touch(std::uint64_t begin, std::uint64_t end) {
  cold_.erase(cold_.lower_bound(begin / page_size()), cold_.upper_bound((end - 1) / page_size()));
}

void SimulatedFile::drop_cache(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t page = page_size();
  const bool to_end = length == 0 || length > size_ || offset > size_ - length;
  const std::uint64_t end = to_end ? size_ + page - 1 : offset + length;
  for (std::uint64_t i = (offset + page - 1) / page; (i + 1) * page <= end; ++i) {
    const auto dirty = dirty_.lower_bound(i * page / kSector);
    if (dirty == dirty_.end() || dirty->first * kSector >= (i + 1) * page) cold_.insert(i);
  }
}

void SimulatedFile::resident(std::uint64_t offset, std::span<std::uint8_t> pages) const {
  for (std::uint64_t i = 0; i < pages.size(); ++i) {
    const std::uint64_t page = offset / page_size() + i;
    const bool cached = !cold_.contains(page) && !unreadable_.contains(page);
    pages[i] = page * page_size() < size_ && cached ? 1 : 0;
  }
}

// Sizes: those after the first `sizes` operations. Bytes: each unit chooses its own version, except
// that in PowerLoss::kPrefix it is the one after `sizes` operations, and of the next a part.
struct SimulatedFile::Cut {
  PowerLoss mode;
  std::size_t sizes;
  std::uint64_t size;
  std::string_view partial;  // the part of operations_[sizes] that survives
};

SimulatedFile::Cut SimulatedFile::choose_cut(PowerLoss mode, Random& random) const {
  const std::size_t all = operations_.size();
  Cut cut{mode, settled_, synced_size_, {}};
  if (mode == PowerLoss::kKeep) cut.sizes = all;
  if (mode != PowerLoss::kKeep && mode != PowerLoss::kDrop)
    cut.sizes = settled_ + below(random, all - settled_ + 1);
  if (cut.sizes > settled_) cut.size = operations_[cut.sizes - 1].size_after;
  if (mode == PowerLoss::kPrefix && cut.sizes < all && !operations_[cut.sizes].is_truncation) {
    const std::string_view bytes = operations_[cut.sizes].bytes;
    cut.partial = bytes.substr(0, below(random, bytes.size()));
    if (!cut.partial.empty())
      cut.size = std::max(cut.size, operations_[cut.sizes].offset + cut.partial.size());
  }
  return cut;
}

// The operations, by index in order, that changed each unit of `unit` bytes with dirty sectors.
std::map<std::uint64_t, std::vector<std::size_t>> SimulatedFile::operations_by_unit(
    std::uint64_t unit) const {
  std::map<std::uint64_t, std::vector<std::size_t>> by_unit;
  for (std::size_t i = 0; i < operations_.size(); ++i) {
    const Operation& operation = operations_[i];
    const std::uint64_t end = operation.is_truncation ? std::numeric_limits<std::uint64_t>::max()
                                                      : operation.offset + operation.bytes.size();
    for (auto dirty = dirty_.lower_bound(operation.offset / kSector);
         dirty != dirty_.end() && dirty->first < end / kSector + (end % kSector != 0); ++dirty) {
      if (i < dirty->second.since) continue;
      std::vector<std::size_t>& operations = by_unit[dirty->first * kSector / unit];
      if (operations.empty() || operations.back() != i) operations.push_back(i);
    }
  }
  return by_unit;
}

// How many of the file's operations are in what the disk has of a unit.
std::size_t SimulatedFile::choose_version(const Cut& cut,
                                          const std::vector<std::size_t>& operations, bool lost,
                                          Random& random) const {
  // A truncation that survived has freed the old bytes; nothing follows one that did not.
  std::size_t least = 0;
  std::size_t most = operations_.size();
  for (const std::size_t i : operations) {
    if (!operations_[i].is_truncation) continue;
    if (i < cut.sizes) least = i + 1;
    if (i >= cut.sizes) most = std::min(most, i);
  }
  switch (cut.mode) {
    case PowerLoss::kDrop:
      return least;
    case PowerLoss::kKeep:
      return lost ? least : most;
    case PowerLoss::kPrefix:
      return lost ? least : std::clamp(cut.sizes, least, most);
    case PowerLoss::kTearSectors:
    case PowerLoss::kTearPages:
      break;
  }
  const std::uint64_t draw = below(random, 3);
  if (draw == 0) return least;
  if (draw == 1) return most;
  return std::clamp(operations[below(random, operations.size())] + 1, least, most);
}

std::string SimulatedFile::sector_after(std::uint64_t sector, const DirtySector& dirty,
                                        const std::vector<std::size_t>& operations,
                                        std::size_t count) const {
  std::string bytes = dirty.synced;
  bytes.resize(kSector);
  const std::uint64_t begin = sector * kSector;
  for (const std::size_t i : operations) {
    if (i < dirty.since) continue;
    if (i >= count) break;
    const Operation& operation = operations_[i];
    if (operation.is_truncation) {
      const std::uint64_t from = std::max(operation.offset, begin) - begin;
      if (from < kSector)
        std::fill(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(), '\0');
      continue;
    }
    const std::uint64_t from = std::max(begin, operation.offset);
    const std::uint64_t to = std::min(begin + kSector, operation.offset + operation.bytes.size());
    if (from < to)
      bytes.replace(from - begin, to - from, operation.bytes, from - operation.offset, to - from);
  }
  return bytes;
}

std::unique_ptr<SimulatedFile> SimulatedFile::survivor(PowerLoss mode, Random& random) const {
  const Cut cut = choose_cut(mode, random);
  auto result = std::make_unique<SimulatedFile>();
  result->copy_bytes_from(*this, std::min(size_, cut.size));
  result->unreadable_ = unreadable_;
  const std::uint64_t unit = mode == PowerLoss::kTearPages ? kBlock : kSector;
  for (const auto& [number, operations] : operations_by_unit(unit)) {
    const auto first = dirty_.lower_bound(number * unit / kSector);
    const auto last = dirty_.lower_bound((number + 1) * unit / kSector);
    const bool lost = std::any_of(first, last, [](const auto& entry) { return entry.second.lost; });
    const std::size_t version = choose_version(cut, operations, lost, random);
    for (auto dirty = first; dirty != last; ++dirty) {
      if (dirty->first * kSector >= cut.size) break;
      write_fully(result->fd_, dirty->first * kSector,
                  sector_after(dirty->first, dirty->second, operations, version));
    }
  }
  write_partial(cut, *result);
  resize(result->fd_, cut.size);
  result->size_ = result->synced_size_ = cut.size;
  result->reserved_end_ = mode == PowerLoss::kKeep ? reserved_end_ : synced_reserved_end_;
  result->synced_reserved_end_ = result->reserved_end_;
  return result;
}

// Sectors that a failed sync lost have nothing of it either.
void SimulatedFile::write_partial(const Cut& cut, SimulatedFile& result) const {
  if (cut.partial.empty()) return;
  const std::uint64_t begin = operations_[cut.sizes].offset;
  const std::uint64_t end = begin + cut.partial.size();
  for (std::uint64_t at = begin; at < end;) {
    const std::uint64_t next = std::min(end, (at / kSector + 1) * kSector);
    const auto dirty = dirty_.find(at / kSector);
    if (dirty == dirty_.end() || !dirty->second.lost)
      write_fully(result.fd_, at, cut.partial.substr(at - begin, next - at));
    at = next;
  }
}

void SimulatedFile::copy_bytes_from(const SimulatedFile& other, std::uint64_t length) {
  std::string buffer(std::min<std::uint64_t>(length, 1 << 20), '\0');
  for (std::uint64_t offset = 0; offset < length; offset += buffer.size()) {
    const std::size_t count = std::min<std::uint64_t>(buffer.size(), length - offset);
    const std::size_t got = read_fully(other.fd_, offset, std::span(buffer).first(count));
    write_fully(fd_, offset, std::string_view(buffer).substr(0, got));
  }
}

}  // namespace respcask::engine

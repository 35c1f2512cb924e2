// FileSystem on Linux. Descriptors are close-on-exec; offsets are always explicit (pwritev, pread),
// so that threads can share a descriptor.
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cassert>
#include <cerrno>
#include <cstdio>
#include <limits>
#include <mutex>
#include <system_error>
#include <unordered_map>
#include <utility>

#include "engine/file.h"

namespace respcask::engine {
namespace {

// std::generic_category, not strerror: the latter's buffer is shared between threads.
std::string reason(int error) {
  return std::generic_category().message(error);
}

Error failure(std::string_view operation, const std::string& path, int error) {
  ErrorCode code = ErrorCode::kIo;
  if (error == ENOSPC || error == EDQUOT) code = ErrorCode::kNoSpace;
  if (error == EACCES || error == EPERM) code = ErrorCode::kDenied;
  if (error == EMFILE || error == ENFILE || error == ENOMEM) code = ErrorCode::kNoFiles;
  return Error{code, fmt::format("cannot {} {}: {}", operation, path, reason(error))};
}

// Runs a system call again while a signal interrupts it. Not for syncs, which are never repeated.
template <class Call>
auto uninterrupted(Call call) {
  decltype(call()) result;
  do {
    result = call();
  } while (result == -1 && errno == EINTR);
  return result;
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  // An error of close tells nothing that a sync would not have, and closing again would be wrong.
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags, std::string_view operation) {
  const int fd = uninterrupted([&] { return ::open(path.c_str(), flags | O_CLOEXEC, 0600); });
  if (fd < 0) return failure(operation, path, errno);
  return Descriptor(fd);
}

// What is still to be written of `pieces`, as iovecs, a system call's worth at a time.
class Gather {
 public:
  explicit Gather(std::span<const std::string_view> pieces) : pieces_(pieces) { skip_empty(); }

  bool done() const { return next_ == pieces_.size(); }

  std::span<const iovec> batch() {
    std::size_t count = 0;
    std::size_t skip = written_of_next_;
    for (std::size_t i = next_; i < pieces_.size() && count < vectors_.size(); ++i) {
      const std::string_view rest = pieces_[i].substr(skip);
      skip = 0;
      // iovec is shared with readv and so has no const.
      if (!rest.empty()) vectors_[count++] = iovec{const_cast<char*>(rest.data()), rest.size()};
    }
    return std::span<const iovec>(vectors_).first(count);
  }

  void advance(std::size_t written) {
    written_of_next_ += written;
    while (next_ < pieces_.size() && written_of_next_ >= pieces_[next_].size()) {
      written_of_next_ -= pieces_[next_].size();
      ++next_;
    }
  }

 private:
  void skip_empty() { advance(0); }

  std::span<const std::string_view> pieces_;
  std::size_t next_ = 0;
  std::size_t written_of_next_ = 0;
  std::array<iovec, 1024> vectors_;  // IOV_MAX of Linux; left unset, only the filled part is read
};

off_t to_offset(std::uint64_t offset) {
  assert(offset <= static_cast<std::uint64_t>(std::numeric_limits<off_t>::max()));
  return static_cast<off_t>(offset);
}

// Opens the file behind `fd` once more, not by its name, which may have changed. The system has to
// say what alignment it wants (Linux 6.1): where it does not, such reads fail, or go through the
// cache all the same.
DirectAccess open_direct(int fd) {
  // The rest is for clients and for segments.
  constexpr rlim_t kShareOfDescriptors = 2;
  constexpr std::uint32_t kSmallestAlignment = 512;
  const std::string name = fmt::format("/proc/self/fd/{}", fd);
  const int direct =
      uninterrupted([&] { return ::open(name.c_str(), O_RDONLY | O_DIRECT | O_CLOEXEC); });
  if (direct < 0) return {};
  struct ::statx status {};
  rlimit files{};
  if (::statx(direct, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 &&
      (status.stx_mask & STATX_DIOALIGN) != 0 && status.stx_dio_offset_align != 0 &&
      ::getrlimit(RLIMIT_NOFILE, &files) == 0 &&
      static_cast<rlim_t>(direct) < files.rlim_cur / kShareOfDescriptors) {
    const auto alignment = std::max<std::uint32_t>(
        {status.stx_dio_offset_align, status.stx_dio_mem_align, kSmallestAlignment});
    if (alignment <= page_size()) return {direct, alignment};
  }
  ::close(direct);
  return {};
}

class PosixFile final : public File {
 public:
  PosixFile(Descriptor fd, std::string path) : File(std::move(path)), fd_(std::move(fd)) {}
  ~PosixFile() override {
    if (direct_.descriptor >= 0) ::close(direct_.descriptor);
  }

  using File::write_at;
  Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
    if (pieces.size() == 1) return write_piece(offset, pieces.front());
    Gather gather(pieces);
    while (!gather.done()) {
      const std::span<const iovec> batch = gather.batch();
      const ssize_t written = uninterrupted([&] {
        return ::pwritev(fd_.get(), batch.data(), static_cast<int>(batch.size()),
                         to_offset(offset));
      });
      if (written <= 0) return failure("write to", path(), written == 0 ? EIO : errno);
      offset += static_cast<std::uint64_t>(written);
      gather.advance(static_cast<std::size_t>(written));
    }
    return {};
  }

  int descriptor() const override { return fd_.get(); }

  DirectAccess direct() const override {
    std::call_once(direct_asked_, [this] { direct_ = open_direct(fd_.get()); });
    return direct_;
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) const override {
    std::size_t done = 0;
    while (done < out.size()) {
      const ssize_t got = uninterrupted([&] {
        return ::pread(fd_.get(), out.data() + done, out.size() - done, to_offset(offset + done));
      });
      if (got < 0) return failure("read", path(), errno);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  // Not repeated even when interrupted: see the head of file.h.
  Result<void> sync_data() override {
    if (::fdatasync(fd_.get()) != 0) return failure("sync", path(), errno);
    return {};
  }

  Result<void> sync_all() override {
    if (::fsync(fd_.get()) != 0) return failure("sync", path(), errno);
    return {};
  }

  Result<Reservation> reserve(std::uint64_t offset, std::uint64_t length) override {
    const int result = uninterrupted([&] {
      return ::fallocate(fd_.get(), FALLOC_FL_KEEP_SIZE, to_offset(offset), to_offset(length));
    });
    if (result == 0) return Reservation::kReserved;
    if (errno == EOPNOTSUPP || errno == ENOSYS) return Reservation::kUnsupported;
    return failure("reserve space for", path(), errno);
  }

  Result<void> truncate(std::uint64_t size) override {
    if (uninterrupted([&] { return ::ftruncate(fd_.get(), to_offset(size)); }) != 0)
      return failure("truncate", path(), errno);
    return {};
  }

  Result<std::uint64_t> size() const override {
    struct ::stat status {};
    if (::fstat(fd_.get(), &status) != 0) return failure("look up the size of", path(), errno);
    return static_cast<std::uint64_t>(status.st_size);
  }

  Result<Mapping> map(std::size_t length) const override {
    void* address = ::mmap(nullptr, length, PROT_READ, MAP_SHARED, fd_.get(), 0);
    if (address == MAP_FAILED) return failure("map", path(), errno);
    return Mapping(address, length);
  }

  Result<void> drop_cache(std::uint64_t offset, std::uint64_t length) const override {
    const int error =
        ::posix_fadvise(fd_.get(), to_offset(offset), to_offset(length), POSIX_FADV_DONTNEED);
    if (error != 0) return failure("drop the cache of", path(), error);
    return {};
  }

 private:
  Result<void> write_piece(std::uint64_t offset, std::string_view bytes) {
    while (!bytes.empty()) {
      const ssize_t written = uninterrupted(
          [&] { return ::pwrite(fd_.get(), bytes.data(), bytes.size(), to_offset(offset)); });
      if (written <= 0) return failure("write to", path(), written == 0 ? EIO : errno);
      offset += static_cast<std::uint64_t>(written);
      bytes.remove_prefix(static_cast<std::size_t>(written));
    }
    return {};
  }

  Descriptor fd_;
  mutable std::once_flag direct_asked_;
  mutable DirectAccess direct_;
};

// flock belongs to the open file description, which a child that was forked meanwhile shares: that
// must not keep the lock held, nor let go of it.
class PosixFileLock final : public FileLock {
 public:
  explicit PosixFileLock(Descriptor fd) : fd_(std::move(fd)) {}
  ~PosixFileLock() override {
    if (::getpid() == owner_) (void)::flock(fd_.get(), LOCK_UN);
  }

 private:
  Descriptor fd_;
  const pid_t owner_ = ::getpid();
};

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<File>> create(const std::string& path) override {
    return open_file(path, O_RDWR | O_CREAT | O_EXCL, "create");
  }

  Result<std::unique_ptr<File>> open(const std::string& path) override {
    return open_file(path, O_RDWR, "open");
  }

  Result<std::unique_ptr<File>> open_read_only(const std::string& path) override {
    return open_file(path, O_RDONLY, "open");
  }

  Result<void> create_directory(const std::string& path) override {
    if (::mkdir(path.c_str(), 0700) == 0) return {};
    const int error = errno;
    struct ::stat status {};
    if (error == EEXIST && ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    return failure("create directory", path, error);
  }

  Result<std::vector<std::string>> list(const std::string& path) const override {
    const std::unique_ptr<DIR, DirectoryCloser> directory(::opendir(path.c_str()));
    if (!directory) return failure("list directory", path, errno);
    std::vector<std::string> names;
    while (true) {
      errno = 0;  // readdir's only sign of an error
      const dirent* entry = ::readdir(directory.get());
      if (entry == nullptr) break;
      const std::string_view name = entry->d_name;
      if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return failure("list directory", path, errno);
    std::sort(names.begin(), names.end());
    return names;
  }

  Result<std::optional<FileInfo>> stat(const std::string& path) const override {
    struct ::stat status {};
    if (::stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT) return std::optional<FileInfo>();
      return failure("look up", path, errno);
    }
    return std::optional(FileInfo{S_ISDIR(status.st_mode),
                                  static_cast<std::uint64_t>(status.st_size),
                                  static_cast<std::uint64_t>(status.st_blocks) * 512,
                                  static_cast<std::uint64_t>(status.st_nlink)});
  }

  Result<void> rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) != 0)
      return failure("rename", fmt::format("{} to {}", from, to), errno);
    return {};
  }

  Result<void> link(const std::string& existing, const std::string& path) override {
    if (::link(existing.c_str(), path.c_str()) != 0)
      return failure("link", fmt::format("{} as {}", existing, path), errno);
    return {};
  }

  Result<void> unlink(const std::string& path) override {
    if (::unlink(path.c_str()) != 0) return failure("remove", path, errno);
    return {};
  }

  Result<void> remove_directory(const std::string& path) override {
    if (::rmdir(path.c_str()) != 0) return failure("remove directory", path, errno);
    return {};
  }

  Result<void> sync_directory(const std::string& path) override {
    std::shared_ptr<const Descriptor> directory;
    {
      std::lock_guard guard(held_mutex_);
      if (const auto held = held_.find(path); held != held_.end()) directory = held->second.lock();
    }
    if (directory == nullptr) {
      auto fd = open_descriptor(path, O_RDONLY | O_DIRECTORY, "open directory");
      if (!fd) return fd.error();
      directory = std::make_shared<const Descriptor>(*std::move(fd));
    }
    if (::fsync(directory->get()) != 0) return failure("sync directory", path, errno);
    return {};
  }

  std::shared_ptr<const void> hold_directory(const std::string& path) override {
    auto fd = open_descriptor(path, O_RDONLY | O_DIRECTORY, "open directory");
    if (!fd) return nullptr;
    auto directory = std::make_shared<const Descriptor>(*std::move(fd));
    std::lock_guard guard(held_mutex_);
    std::erase_if(held_, [](const auto& held) { return held.second.expired(); });
    held_[path] = directory;
    return directory;
  }

  Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockKind kind) override {
    const bool exclusive = kind == LockKind::kExclusive;
    auto fd = open_descriptor(path, exclusive ? O_RDWR | O_CREAT : O_RDONLY, "open");
    if (!fd) return fd.error();
    const int operation = (exclusive ? LOCK_EX : LOCK_SH) | LOCK_NB;
    if (uninterrupted([&] { return ::flock(fd->get(), operation); }) != 0) {
      if (errno != EWOULDBLOCK) return failure("lock", path, errno);
      return Error{ErrorCode::kInUse,
                   fmt::format("cannot lock {}: another process holds it", path)};
    }
    return std::unique_ptr<FileLock>(std::make_unique<PosixFileLock>(*std::move(fd)));
  }

  Result<Space> space(const std::string& path) const override {
    struct ::statvfs status {};
    if (::statvfs(path.c_str(), &status) != 0)
      return failure("look up the free space of", path, errno);
    const std::uint64_t unit = status.f_frsize;
    return Space{status.f_blocks * unit, status.f_bavail * unit};
  }

 private:
  static Result<std::unique_ptr<File>> open_file(const std::string& path, int flags,
                                                 std::string_view operation) {
    auto fd = open_descriptor(path, flags, operation);
    if (!fd) return fd.error();
    return std::unique_ptr<File>(std::make_unique<PosixFile>(*std::move(fd), path));
  }

  std::mutex held_mutex_;
  std::unordered_map<std::string, std::weak_ptr<const Descriptor>> held_;
};

}  // namespace

std::size_t page_size() {
  static const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return size;
}

Mapping::Mapping(void* address, std::size_t size, std::shared_ptr<const Residency> residency)
    : range_(static_cast<char*>(address),
             [size](char* range) {
               [[maybe_unused]] const int result = ::munmap(range, size);
               assert(result == 0);
             }),
      size_(size),
      residency_(std::move(residency)) {}

Mapping::Mapping(Mapping&& other) noexcept
    : range_(std::move(other.range_)),
      size_(std::exchange(other.size_, 0)),
      residency_(std::move(other.residency_)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  range_ = std::move(other.range_);
  size_ = std::exchange(other.size_, 0);
  residency_ = std::move(other.residency_);
  return *this;
}

void Mapping::populate(std::uint64_t length) const {
  assert(length <= size_);
  if (length > 0) ::madvise(range_.get(), length, MADV_POPULATE_READ);
}

Result<void> Mapping::resident(std::uint64_t offset, std::uint64_t length,
                               std::vector<std::uint8_t>& pages) const {
  assert(offset % page_size() == 0 && offset <= size_ && length <= size_ - offset);
  pages.resize((length + page_size() - 1) / page_size());
  if (pages.empty()) return {};
  if (residency_) {
    residency_->resident(offset, pages);
    return {};
  }
  const int result = ::mincore(range_.get() + offset, length, pages.data());
  if (result != 0)
    return Error{ErrorCode::kIo,
                 fmt::format("cannot look up which pages are cached: {}", reason(errno))};
  for (std::uint8_t& page : pages) page &= 1;  // the other bits are reserved
  return {};
}

FileSystem& posix_file_system() {
  static PosixFileSystem file_system;
  return file_system;
}

}  // namespace respcask::engine

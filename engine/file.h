// The engine's only door to the operating system: every call on a file or a directory goes through
// FileSystem, so that a test can put one behind it that fails, fills up or loses power at will.
//
// Invariants:
//  - Nothing here retries a failed sync. Linux marks the pages clean when writing them back has
//    failed and reports the error once: a second fsync answers success over data that is gone. So
//    a failed sync is final for that file, and what is to be done about it is the caller's matter.
//  - Nothing is durable before it is synced: bytes and size by File::sync_data or sync_all, names
//    (create, rename, link, unlink) by FileSystem::sync_directory on the directory that holds them.
//  - Every error says in one sentence what was tried, on which file, and why it failed. No room
//    (ENOSPC, EDQUOT) is ErrorCode::kNoSpace, no descriptor (EMFILE, ENFILE) and no memory (ENOMEM)
//    is kNoFiles, no right (EACCES, EPERM) is kDenied, another holder of a lock is kInUse, all else
//    is kIo.
//    Interrupted and short reads and writes are continued here and never seen by the caller.
//
// Ownership: a File, a Mapping and a FileLock own their descriptor, addresses and lock, and give
// them back when destroyed; a Mapping outlives its File. Only a FileSystem must outlive what it
// opened.
//
// Threads: a FileSystem may be used by any number of threads. So may one File: read_at, map, size
// and the syncs run beside a write_at on the same file (a read that overlaps a write under way sees
// old or new bytes, or a mixture). Two write_at calls must not overlap in range.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/result.h"

namespace respcask::engine {

// The size in bytes of a page of memory, the unit of residency. A power of two.
std::size_t page_size();

// Answers for a mapping which of its pages are in memory, where mincore cannot: the faulty file
// system of the tests plays a cold page cache with it.
class Residency {
 public:
  virtual ~Residency() = default;
  // One byte for each page from `offset` on, 1 or 0, in `out`, whose size says how many pages.
  virtual void resident(std::uint64_t offset, std::span<std::uint8_t> out) const = 0;
};

// A read-only shared view of the first `size()` bytes of a file. It is coherent with write_at.
// Pages past the end of the file may be part of it but must not be touched (SIGBUS); when the file
// grows they become readable in place, so one mapping serves an append-only file for its life.
class Mapping {
 public:
  Mapping() = default;
  // Takes over the mapped range. `residency`: null to ask the system.
  Mapping(void* address, std::size_t size, std::shared_ptr<const Residency> residency = nullptr);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;

  // Null for a default-constructed or moved-from mapping.
  const char* data() const { return range_.get(); }
  std::size_t size() const { return size_; }
  // Keeps the range mapped for as long as it is held, whatever becomes of the mapping.
  std::shared_ptr<const void> hold() const { return range_; }

  // Enters the first `length` bytes, which the file has, into the process's page tables, all at
  // once: a fifteenth of what it costs where every page is entered when it is first read. What is
  // not in the page cache is read. For bytes that were written or read a moment ago. A hint only:
  // where it cannot be done reads do it.
  void populate(std::uint64_t length) const;

  // Which pages of [offset, offset + length) are in the page cache: `pages` is resized to one byte
  // a page, 1 when resident, 0 when not or past the end of the file. `offset` is a multiple of
  // page_size(), the range lies in the mapping. Linux tells the truth only to who owns the file or
  // may write to it; to others every page looks resident.
  Result<void> resident(std::uint64_t offset, std::uint64_t length,
                        std::vector<std::uint8_t>& pages) const;

 private:
  std::shared_ptr<char> range_;
  std::size_t size_ = 0;
  std::shared_ptr<const Residency> residency_;
};

enum class Reservation {
  kReserved,     // writes into the range will not fail for want of room
  kUnsupported,  // the file system cannot reserve; a write may still find the disk full
};

// How a file can be read past the page cache. Offsets, sizes and addresses of such reads must be
// multiples of `alignment`, a power of two and at most page_size().
struct DirectAccess {
  int descriptor = -1;  // -1: it cannot
  std::uint32_t alignment = 0;
};

// An open file. Destroying it closes it, without syncing.
class File {
 public:
  virtual ~File() = default;
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  // The path it was opened by, for messages; a later rename does not change it.
  const std::string& path() const { return path_; }

  // Writes all of `bytes` at `offset` bytes from the start, growing the file as needed. After an
  // error any part of the range may have been written.
  Result<void> write_at(std::uint64_t offset, std::string_view bytes) {
    return write_at(offset, std::span<const std::string_view>(&bytes, 1));
  }
  // The same for pieces that follow one another in the file, gathered into as few system calls as
  // can be: one up to 1024 pieces.
  virtual Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) = 0;

  // Fills `out` from `offset` on. Returns the bytes read: fewer than out.size() only where the file
  // ends, 0 at or past its end.
  virtual Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) const = 0;

  // The descriptor, for who has the system read from it by other means; -1: there is none.
  virtual int descriptor() const { return -1; }
  // The same for reads past the page cache. They see what was written, but wait until it is
  // written back. The answer does not change.
  virtual DirectAccess direct() const { return {}; }

  // Blocks until the bytes, and as much metadata as is needed to read them back (the size), are on
  // the disk. Never call it again after an error (see the head of this file).
  virtual Result<void> sync_data() = 0;
  // The same with all metadata.
  virtual Result<void> sync_all() = 0;

  // Reserves disk space for [offset, offset + length) without changing the file's size. kNoSpace:
  // there is not that much; nothing was changed but, maybe, a part reserved. `length` > 0.
  virtual Result<Reservation> reserve(std::uint64_t offset, std::uint64_t length) = 0;

  // Cuts or extends (with zeros) the file to `size` bytes and gives back what was reserved past it.
  virtual Result<void> truncate(std::uint64_t size) = 0;

  virtual Result<std::uint64_t> size() const = 0;

  // Maps the first `length` bytes, more than the file's size if wanted. `length` > 0.
  virtual Result<Mapping> map(std::size_t length) const = 0;

  // Asks the system to forget the cached pages that lie wholly in [offset, offset + length). Pages
  // not yet written back, and pages that a mapping has touched, stay. `length` 0: to the end.
  virtual Result<void> drop_cache(std::uint64_t offset, std::uint64_t length) const = 0;

 protected:
  explicit File(std::string path) : path_(std::move(path)) {}

 private:
  std::string path_;
};

// A lock on a file, held until it is destroyed or the process ends, however it ends.
class FileLock {
 public:
  virtual ~FileLock() = default;
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 protected:
  FileLock() = default;
};

enum class LockKind {
  kExclusive,  // one holder
  kShared,     // any number of holders, none of them exclusive
};

struct FileInfo {
  bool is_directory = false;
  std::uint64_t size = 0;       // bytes
  std::uint64_t allocated = 0;  // bytes on the disk, reserved ones included
  std::uint64_t names = 1;      // hard links; of a directory whatever the system says
};

struct Space {
  std::uint64_t total = 0;      // bytes
  std::uint64_t available = 0;  // bytes this process may still take
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;

  // A new, empty file, readable and writable, mode 0600. An error if the name is taken.
  virtual Result<std::unique_ptr<File>> create(const std::string& path) = 0;
  // A file that exists, for reading and writing.
  virtual Result<std::unique_ptr<File>> open(const std::string& path) = 0;
  // A file that exists, for reading: write_at, reserve, truncate on it are errors.
  virtual Result<std::unique_ptr<File>> open_read_only(const std::string& path) = 0;

  // Makes the directory, mode 0700; its parent must exist. Success if it is there already.
  virtual Result<void> create_directory(const std::string& path) = 0;
  // The names in a directory, without "." and "..", sorted bytewise.
  virtual Result<std::vector<std::string>> list(const std::string& path) const = 0;
  // What a path names, or nothing if nothing has that name.
  virtual Result<std::optional<FileInfo>> stat(const std::string& path) const = 0;

  // Gives the file or directory `from` the name `to`, replacing in one step a file of that name (or
  // an empty directory by a directory).
  virtual Result<void> rename(const std::string& from, const std::string& to) = 0;
  // A second name for the same file. An error if the name is taken.
  virtual Result<void> link(const std::string& existing, const std::string& path) = 0;
  // Takes a file's name away; its space is free once no File and no Mapping holds it.
  virtual Result<void> unlink(const std::string& path) = 0;
  // An empty directory.
  virtual Result<void> remove_directory(const std::string& path) = 0;

  // Blocks until what happened to names in this directory is on the disk.
  virtual Result<void> sync_directory(const std::string& path) = 0;
  // From now on sync_directory() of `path` asks nothing of the system but to sync, until what this
  // returns is gone: so that it cannot fail for want of a descriptor, which would look like a
  // failed sync. Null: nothing is held.
  virtual std::shared_ptr<const void> hold_directory(const std::string&) { return nullptr; }

  // Locks a file without waiting: kInUse when another holder, in this process or another, stands in
  // the way. kExclusive creates the file if it is missing; kShared needs only the right to read it.
  virtual Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockKind kind) = 0;

  // The disk that holds `path`.
  virtual Result<Space> space(const std::string& path) const = 0;
};

// The real one. Lives until the process ends.
FileSystem& posix_file_system();

}  // namespace respcask::engine

// A file system in memory, behind the engine's interface, on which everything goes wrong that a
// test asks for: a call that fails, a disk that fills up, power that goes, bytes that rot. It is as
// strict as POSIX about names and modes, and its errors read like the real one's.
//
// A test for "survives a power cut at any moment" runs a workload once and asks calls(); then, for
// every k below that, on a new file system, injects {.fault = Fault::kPowerOff, .skip = k, .times =
// kForever}, runs it again until it fails, and opens the store on crash(seed, mode) for some seeds
// and every PowerLoss mode. Without the power cut the same loop, with Fault::kIo and .times = 1,
// sweeps every error of every call.
//
// Not played: `..` in a path, access rights, mtimes, reads through a mapping (they are not calls
// and warm nothing up; but see make_unreadable).
//
// Ownership: as in file.h; crash() and crash_process() make file systems that share nothing with
// this one. Threads: everything may be called from any thread; calls are counted in the order in
// which they take one lock. One thread and one seed give the same result every time.
#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "engine/file.h"
#include "tests/engine/simulated_file.h"

namespace respcask::engine {

enum class Call {
  kCreate,
  kOpen,  // open and open_read_only
  kWrite,
  kRead,
  kSync,  // sync_data and sync_all
  kReserve,
  kTruncate,
  kSize,
  kMap,
  kDropCache,
  kCreateDirectory,
  kRemoveDirectory,
  kList,
  kStat,
  kRename,
  kLink,
  kUnlink,
  kSyncDirectory,
  kLock,
  kSpace,
};
inline constexpr std::size_t kCalls = 20;

enum class Fault {
  kIo,          // "Input/output error", nothing done; a sync loses what it was to write
  kNoSpace,     // "No space left on device", otherwise the same
  kNoMemory,    // "Cannot allocate memory", otherwise the same
  kDenied,      // "Permission denied", nothing done, and a sync loses nothing
  kShortWrite,  // a write that does the first half and then fails as kIo; other calls: as kIo
  kPowerOff,    // fails as kIo but changes nothing, not even what a sync would lose
};

inline constexpr std::uint64_t kForever = std::numeric_limits<std::uint64_t>::max();

// Which calls fail: of those that match `call` and `path`, the first `skip` do not, the next
// `times` do. The first rule that says so decides; every rule counts every call that matches it.
struct FaultRule {
  Fault fault = Fault::kIo;
  std::uint64_t skip = 0;
  std::uint64_t times = 1;
  std::optional<Call> call = {};  // none: any call
  std::string path = {};          // a part of the path
};

class FaultyFileSystem final : public FileSystem {
 public:
  FaultyFileSystem();  // an empty root directory "/"; relative paths begin there too
  ~FaultyFileSystem() override;
  FaultyFileSystem(FaultyFileSystem&& other) noexcept;
  FaultyFileSystem& operator=(FaultyFileSystem&& other) noexcept;

  // How many calls were made, failed ones included. Getting a File's path and destroying things are
  // not calls.
  std::uint64_t calls() const;
  std::uint64_t calls(Call call) const;

  void inject(FaultRule rule);
  void clear_faults();
  // Bytes that File::read_at has handed out.
  std::uint64_t bytes_read() const;
  // How many calls failed by a rule.
  std::uint64_t faults() const;

  // Limits the disk to `bytes` from now on: a write beyond does what fits and fails with kNoSpace,
  // a reserve fails whole. A file takes blocks of 4096 up to its end or the end of its reservation,
  // holes included. At first there is no limit.
  void set_capacity(std::uint64_t bytes);
  // From now on space() tells of none, and all that there is can be had: as for root where the rest
  // is kept for root.
  void hide_space();
  std::uint64_t used() const;

  // From now on a sync of a file sleeps so long before it does anything. Calls of other threads,
  // syncs too, go on meanwhile.
  void set_sync_time(std::chrono::microseconds time);
  // How many syncs of files have slept at once at most.
  int most_syncs_at_once() const;

  // The disk as it is when power comes back: see PowerLoss. No locks, no faults, no capacity limit.
  FaultyFileSystem crash(std::uint64_t seed, PowerLoss mode) const;
  // As after kill -9 now: everything written is there, and what was not synced still is not.
  FaultyFileSystem crash_process() const;

  // Rot, and a test's own look at the disk. These are not calls, never fail (the file is there, the
  // range lies in it) and leave the whole file synced, with its name.
  void flip_bit(const std::string& path, std::uint64_t bit);  // bit 0: the lowest of byte 0
  void zero(const std::string& path, std::uint64_t offset, std::uint64_t length);
  void overwrite(const std::string& path, std::uint64_t offset, std::string_view bytes);
  void cut(const std::string& path, std::uint64_t size);
  // Bad sectors: reads of these bytes fail from now on, and who touches their pages through a
  // mapping made from now on dies of it. Only this look at the disk still sees what they held.
  void make_unreadable(const std::string& path, std::uint64_t offset, std::uint64_t length);
  std::string contents(const std::string& path) const;
  // Makes the file if it is missing.
  void set_contents(const std::string& path, std::string_view bytes);

  Result<std::unique_ptr<File>> create(const std::string& path) override;
  Result<std::unique_ptr<File>> open(const std::string& path) override;
  Result<std::unique_ptr<File>> open_read_only(const std::string& path) override;
  Result<void> create_directory(const std::string& path) override;
  Result<std::vector<std::string>> list(const std::string& path) const override;
  Result<std::optional<FileInfo>> stat(const std::string& path) const override;
  Result<void> rename(const std::string& from, const std::string& to) override;
  Result<void> link(const std::string& existing, const std::string& path) override;
  Result<void> unlink(const std::string& path) override;
  Result<void> remove_directory(const std::string& path) override;
  Result<void> sync_directory(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock(const std::string& path, LockKind kind) override;
  Result<Space> space(const std::string& path) const override;

 private:
  class Disk;
  class Handle;
  class OpenFile;
  class Lock;
  class PlayedResidency;

  explicit FaultyFileSystem(std::shared_ptr<Disk> disk);
  Result<std::unique_ptr<File>> open_existing(const std::string& path, bool writable);

  std::shared_ptr<Disk> disk_;
};

// A simulated file takes a descriptor, and so does the store's handle on it: lets this process have
// as many as it may.
void raise_descriptor_limit();

}  // namespace respcask::engine

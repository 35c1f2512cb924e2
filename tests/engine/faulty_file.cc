#include "tests/engine/faulty_file.h"

#include <fmt/format.h>
#include <sys/resource.h>

#include <algorithm>
#include <cassert>
#include <cerrno>
#include <mutex>
#include <set>
#include <system_error>
#include <thread>
#include <utility>

#include "tests/engine/simulated_tree.h"

namespace respcask::engine {
namespace {

Error failure(std::string_view operation, const std::string& path, int error) {
  ErrorCode code = ErrorCode::kIo;
  if (error == ENOSPC) code = ErrorCode::kNoSpace;
  if (error == ENOMEM) code = ErrorCode::kNoFiles;
  if (error == EACCES) code = ErrorCode::kDenied;
  return Error{code, fmt::format("cannot {} {}: {}", operation, path,
                                 std::generic_category().message(error))};
}

int error_of(Fault fault) {
  if (fault == Fault::kNoSpace) return ENOSPC;
  if (fault == Fault::kNoMemory) return ENOMEM;
  return fault == Fault::kDenied ? EACCES : EIO;
}

}  // namespace

// What the file system, its files, locks and mappings share. Every member but `mutex` is used under
// the mutex.
class FaultyFileSystem::Disk {
 public:
  std::mutex mutex;
  SimulatedTree tree;
  std::vector<std::weak_ptr<Node>> files;
  std::uint64_t capacity = kForever;
  bool hides_space = false;
  std::chrono::microseconds sync_time{0};
  int most_syncs = 0;  // asleep at once
  std::array<std::uint64_t, kCalls> calls{};
  std::uint64_t faults = 0;
  std::uint64_t bytes_read = 0;

  void inject(FaultRule rule) { rules_.push_back({std::move(rule)}); }
  void clear_faults() { rules_.clear(); }

  // Counts a call and says how it is to fail.
  std::optional<Fault> enter(Call call, std::string_view path) {
    ++calls.at(static_cast<std::size_t>(call));
    std::optional<Fault> fault;
    for (ActiveRule& rule : rules_) {
      if (rule.call && *rule.call != call) continue;
      if (path.find(rule.path) == std::string_view::npos) continue;
      const std::uint64_t index = rule.seen++;
      if (!fault && index >= rule.skip && index - rule.skip < rule.times) fault = rule.fault;
    }
    if (fault) ++faults;
    return fault;
  }

  void sleep_for_sync(std::unique_lock<std::mutex>& guard) {
    if (sync_time.count() == 0) return;
    most_syncs = std::max(most_syncs, ++syncs_);
    const auto time = sync_time;
    guard.unlock();
    std::this_thread::sleep_for(time);
    guard.lock();
    --syncs_;
  }

  std::uint64_t used() const {
    std::uint64_t bytes = 0;
    for (const std::weak_ptr<Node>& file : files)
      if (const auto node = file.lock(); node && node->users > 0) bytes += node->file->allocated();
    return bytes;
  }

  // How far `node` may extend with the room there is.
  std::uint64_t limit_of(const Node& node) const {
    if (capacity == kForever) return kForever;
    const std::uint64_t taken = used();
    const std::uint64_t available = capacity > taken ? capacity - taken : 0;
    const std::uint64_t block = SimulatedFile::allocation(1);
    return node.file->allocated() + available / block * block;
  }

  std::shared_ptr<Node> make_file() {
    auto node = std::make_shared<Node>();
    node->file = std::make_unique<SimulatedFile>();
    std::erase_if(files, [](const std::weak_ptr<Node>& file) { return file.expired(); });
    files.push_back(node);
    return node;
  }

  // Notes each file below `node` once, however many names it has.
  void find_files(const std::shared_ptr<Node>& node) {
    std::set<std::shared_ptr<Node>> found;
    collect(node, found);
    files.assign(found.begin(), found.end());
  }

  // A file that is there, for the helpers that cannot fail.
  Node& file_at(const std::string& path) const {
    const SimulatedTree::Place place = tree.look_up(path);
    assert(place.node && !place.node->is_directory());
    return *place.node;
  }

 private:
  static void collect(const std::shared_ptr<Node>& node, std::set<std::shared_ptr<Node>>& found) {
    if (!node->is_directory()) found.insert(node);
    for (const auto& [name, child] : node->entries) collect(child, found);
  }

  struct ActiveRule : FaultRule {
    std::uint64_t seen = 0;
  };
  std::vector<ActiveRule> rules_;
  int syncs_ = 0;  // asleep
};

// Keeps a node in use for as long as it lives. Made under the mutex, destroyed outside it.
class FaultyFileSystem::Handle {
 public:
  Handle(std::shared_ptr<Disk> disk, std::shared_ptr<Node> node)
      : disk_(std::move(disk)), node_(std::move(node)) {
    ++node_->users;
  }
  ~Handle() {
    if (!node_) return;
    const std::lock_guard guard(disk_->mutex);
    --node_->users;
    node_.reset();
  }
  Handle(Handle&&) = default;
  Handle& operator=(Handle&&) = delete;

  const std::shared_ptr<Disk>& disk() const { return disk_; }
  const std::shared_ptr<Node>& node() const { return node_; }
  SimulatedFile& file() const { return *node_->file; }

 private:
  std::shared_ptr<Disk> disk_;
  std::shared_ptr<Node> node_;
};

class FaultyFileSystem::PlayedResidency final : public Residency {
 public:
  explicit PlayedResidency(Handle handle) : handle_(std::move(handle)) {}

  void resident(std::uint64_t offset, std::span<std::uint8_t> pages) const override {
    const std::lock_guard guard(handle_.disk()->mutex);
    handle_.file().resident(offset, pages);
  }

 private:
  Handle handle_;
};

class FaultyFileSystem::OpenFile final : public File {
 public:
  OpenFile(Handle handle, std::string path, bool writable)
      : File(std::move(path)), handle_(std::move(handle)), writable_(writable) {}

  using File::write_at;
  Result<void> write_at(std::uint64_t offset, std::span<const std::string_view> pieces) override {
    std::string bytes;
    for (const std::string_view piece : pieces) bytes += piece;
    const std::lock_guard guard(disk().mutex);
    const auto fault = disk().enter(Call::kWrite, path());
    if (fault && *fault != Fault::kShortWrite) return failure("write to", path(), error_of(*fault));
    if (!writable_) return failure("write to", path(), EBADF);
    int error = 0;
    if (fault) {
      error = EIO;
      bytes.resize(bytes.size() / 2);
    }
    const std::uint64_t limit = disk().limit_of(*handle_.node());
    if (limit < offset + bytes.size() && !bytes.empty()) {
      error = ENOSPC;
      bytes.resize(limit > offset ? limit - offset : 0);
    }
    file().write(offset, bytes);
    if (error != 0) return failure("write to", path(), error);
    return {};
  }

  Result<std::size_t> read_at(std::uint64_t offset, std::span<char> out) const override {
    const std::lock_guard guard(disk().mutex);
    if (const auto fault = disk().enter(Call::kRead, path()))
      return failure("read", path(), error_of(*fault));
    if (!file().readable(offset, out.size())) return failure("read", path(), EIO);
    const std::size_t got = file().read(offset, out);
    disk().bytes_read += got;
    return got;
  }

  Result<void> sync_data() override { return sync(); }
  Result<void> sync_all() override { return sync(); }

  Result<Reservation> reserve(std::uint64_t offset, std::uint64_t length) override {
    const std::lock_guard guard(disk().mutex);
    int error = 0;
    if (const auto fault = disk().enter(Call::kReserve, path())) {
      error = error_of(*fault);
    } else if (!writable_) {
      error = EBADF;
    } else if (length == 0) {
      error = EINVAL;
    } else if (offset + length > disk().limit_of(*handle_.node())) {
      error = ENOSPC;
      // As ext4 does.
      if (const auto limit = disk().limit_of(*handle_.node()); limit > offset)
        file().reserve(limit);
    }
    if (error != 0) return failure("reserve space for", path(), error);
    file().reserve(offset + length);
    return Reservation::kReserved;
  }

  Result<void> truncate(std::uint64_t size) override {
    const std::lock_guard guard(disk().mutex);
    if (const auto fault = disk().enter(Call::kTruncate, path()))
      return failure("truncate", path(), error_of(*fault));
    if (!writable_) return failure("truncate", path(), EINVAL);
    if (size > disk().limit_of(*handle_.node())) return failure("truncate", path(), ENOSPC);
    file().truncate(size);
    return {};
  }

  Result<std::uint64_t> size() const override {
    const std::lock_guard guard(disk().mutex);
    if (const auto fault = disk().enter(Call::kSize, path()))
      return failure("look up the size of", path(), error_of(*fault));
    return file().size();
  }

  Result<Mapping> map(std::size_t length) const override {
    const std::lock_guard guard(disk().mutex);
    if (const auto fault = disk().enter(Call::kMap, path()))
      return failure("map", path(), error_of(*fault));
    if (length == 0) return failure("map", path(), EINVAL);
    return Mapping(file().map(length), length,
                   std::make_shared<PlayedResidency>(Handle(handle_.disk(), handle_.node())));
  }

  Result<void> drop_cache(std::uint64_t offset, std::uint64_t length) const override {
    const std::lock_guard guard(disk().mutex);
    if (const auto fault = disk().enter(Call::kDropCache, path()))
      return failure("drop the cache of", path(), error_of(*fault));
    file().drop_cache(offset, length);
    return {};
  }

 private:
  Disk& disk() const { return *handle_.disk(); }
  SimulatedFile& file() const { return handle_.file(); }

  Result<void> sync() {
    std::unique_lock guard(disk().mutex);
    disk().sleep_for_sync(guard);
    if (const auto fault = disk().enter(Call::kSync, path())) {
      if (*fault != Fault::kPowerOff && *fault != Fault::kDenied) file().lose_unsynced();
      return failure("sync", path(), error_of(*fault));
    }
    file().sync();
    return {};
  }

  Handle handle_;
  bool writable_;
};

class FaultyFileSystem::Lock final : public FileLock {
 public:
  Lock(Handle handle, LockKind kind) : handle_(std::move(handle)), kind_(kind) {}
  ~Lock() override {
    const std::lock_guard guard(handle_.disk()->mutex);
    if (kind_ == LockKind::kExclusive) {
      handle_.node()->locked = false;
    } else {
      --handle_.node()->shared_locks;
    }
  }
  Lock(const Lock&) = delete;
  Lock& operator=(const Lock&) = delete;

 private:
  Handle handle_;
  LockKind kind_;
};

FaultyFileSystem::FaultyFileSystem() : disk_(std::make_shared<Disk>()) {}
FaultyFileSystem::FaultyFileSystem(std::shared_ptr<Disk> disk) : disk_(std::move(disk)) {}
FaultyFileSystem::~FaultyFileSystem() = default;
FaultyFileSystem::FaultyFileSystem(FaultyFileSystem&& other) noexcept = default;
FaultyFileSystem& FaultyFileSystem::operator=(FaultyFileSystem&& other) noexcept = default;

std::uint64_t FaultyFileSystem::calls() const {
  const std::lock_guard guard(disk_->mutex);
  std::uint64_t sum = 0;
  for (const std::uint64_t count : disk_->calls) sum += count;
  return sum;
}

std::uint64_t FaultyFileSystem::calls(Call call) const {
  const std::lock_guard guard(disk_->mutex);
  return disk_->calls.at(static_cast<std::size_t>(call));
}

void FaultyFileSystem::inject(FaultRule rule) {
  const std::lock_guard guard(disk_->mutex);
  disk_->inject(std::move(rule));
}

void FaultyFileSystem::clear_faults() {
  const std::lock_guard guard(disk_->mutex);
  disk_->clear_faults();
}

std::uint64_t FaultyFileSystem::faults() const {
  const std::lock_guard guard(disk_->mutex);
  return disk_->faults;
}

void FaultyFileSystem::set_sync_time(std::chrono::microseconds time) {
  const std::lock_guard guard(disk_->mutex);
  disk_->sync_time = time;
}

int FaultyFileSystem::most_syncs_at_once() const {
  const std::lock_guard guard(disk_->mutex);
  return disk_->most_syncs;
}

void FaultyFileSystem::set_capacity(std::uint64_t bytes) {
  const std::lock_guard guard(disk_->mutex);
  disk_->capacity = bytes;
}

void FaultyFileSystem::hide_space() {
  const std::lock_guard guard(disk_->mutex);
  disk_->hides_space = true;
}

std::uint64_t FaultyFileSystem::used() const {
  const std::lock_guard guard(disk_->mutex);
  return disk_->used();
}

FaultyFileSystem FaultyFileSystem::crash(std::uint64_t seed, PowerLoss mode) const {
  const std::lock_guard guard(disk_->mutex);
  Random random(seed);
  auto disk = std::make_shared<Disk>();
  disk->tree = disk_->tree.survivor(mode, random);
  disk->find_files(disk->tree.root());
  return FaultyFileSystem(std::move(disk));
}

FaultyFileSystem FaultyFileSystem::crash_process() const {
  const std::lock_guard guard(disk_->mutex);
  auto disk = std::make_shared<Disk>();
  disk->tree = disk_->tree.copy();
  disk->find_files(disk->tree.root());
  return FaultyFileSystem(std::move(disk));
}

void FaultyFileSystem::flip_bit(const std::string& path, std::uint64_t bit) {
  const char byte = contents(path).at(bit / 8);
  const char flipped = static_cast<char>(byte ^ (1 << bit % 8));
  overwrite(path, bit / 8, std::string_view(&flipped, 1));
}

void FaultyFileSystem::zero(const std::string& path, std::uint64_t offset, std::uint64_t length) {
  overwrite(path, offset, std::string(length, '\0'));
}

void FaultyFileSystem::overwrite(const std::string& path, std::uint64_t offset,
                                 std::string_view bytes) {
  const std::lock_guard guard(disk_->mutex);
  SimulatedFile& file = *disk_->file_at(path).file;
  assert(offset + bytes.size() <= file.size());
  file.write(offset, bytes);
  file.settle();
}

void FaultyFileSystem::make_unreadable(const std::string& path, std::uint64_t offset,
                                       std::uint64_t length) {
  const std::lock_guard guard(disk_->mutex);
  disk_->file_at(path).file->make_unreadable(offset, length);
}

std::uint64_t FaultyFileSystem::bytes_read() const {
  const std::lock_guard guard(disk_->mutex);
  return disk_->bytes_read;
}

void FaultyFileSystem::cut(const std::string& path, std::uint64_t size) {
  const std::lock_guard guard(disk_->mutex);
  SimulatedFile& file = *disk_->file_at(path).file;
  assert(size <= file.size());
  file.truncate(size);
  file.settle();
}

std::string FaultyFileSystem::contents(const std::string& path) const {
  const std::lock_guard guard(disk_->mutex);
  const SimulatedFile& file = *disk_->file_at(path).file;
  std::string bytes(file.size(), '\0');
  file.peek(0, bytes);
  return bytes;
}

void FaultyFileSystem::set_contents(const std::string& path, std::string_view bytes) {
  const std::lock_guard guard(disk_->mutex);
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  assert(place.directory);
  const std::shared_ptr<Node> node = place.node ? place.node : disk_->make_file();
  if (!place.node) disk_->tree.change({{place.directory, place.name, node}});
  disk_->tree.sync(*place.directory);
  node->file->truncate(0);
  node->file->write(0, bytes);
  node->file->settle();
}

Result<std::unique_ptr<File>> FaultyFileSystem::create(const std::string& path) {
  const std::lock_guard guard(disk_->mutex);
  if (const auto fault = disk_->enter(Call::kCreate, path))
    return failure("create", path, error_of(*fault));
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  if (place.error != 0) return failure("create", path, place.error);
  if (place.node) return failure("create", path, EEXIST);
  const std::shared_ptr<Node> node = disk_->make_file();
  disk_->tree.change({{place.directory, place.name, node}});
  return std::unique_ptr<File>(std::make_unique<OpenFile>(Handle(disk_, node), path, true));
}

Result<std::unique_ptr<File>> FaultyFileSystem::open(const std::string& path) {
  return open_existing(path, true);
}

Result<std::unique_ptr<File>> FaultyFileSystem::open_read_only(const std::string& path) {
  return open_existing(path, false);
}

Result<std::unique_ptr<File>> FaultyFileSystem::open_existing(const std::string& path,
                                                              bool writable) {
  const std::lock_guard guard(disk_->mutex);
  if (const auto fault = disk_->enter(Call::kOpen, path))
    return failure("open", path, error_of(*fault));
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  if (place.error != 0) return failure("open", path, place.error);
  if (!place.node) return failure("open", path, ENOENT);
  if (place.node->is_directory()) return failure("open", path, EISDIR);
  return std::unique_ptr<File>(
      std::make_unique<OpenFile>(Handle(disk_, place.node), path, writable));
}

Result<void> FaultyFileSystem::create_directory(const std::string& path) {
  const std::lock_guard guard(disk_->mutex);
  if (const auto fault = disk_->enter(Call::kCreateDirectory, path))
    return failure("create directory", path, error_of(*fault));
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  if (place.error != 0) return failure("create directory", path, place.error);
  if (!place.node) {
    disk_->tree.change({{place.directory, place.name, std::make_shared<Node>()}});
    return {};
  }
  if (!place.node->is_directory()) return failure("create directory", path, EEXIST);
  return {};
}

Result<std::vector<std::string>> FaultyFileSystem::list(const std::string& path) const {
  const std::lock_guard guard(disk_->mutex);
  if (const auto fault = disk_->enter(Call::kList, path))
    return failure("list directory", path, error_of(*fault));
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  if (place.error != 0) return failure("list directory", path, place.error);
  if (!place.node) return failure("list directory", path, ENOENT);
  if (!place.node->is_directory()) return failure("list directory", path, ENOTDIR);
  std::vector<std::string> names;
  for (const auto& [name, node] : place.node->entries) names.push_back(name);
  return names;
}

Result<std::optional<FileInfo>> FaultyFileSystem::stat(const std::string& path) const {
  const std::lock_guard guard(disk_->mutex);
  if (const auto fault = disk_->enter(Call::kStat, path))
    return failure("look up", path, error_of(*fault));
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  if (place.error != 0 && place.error != ENOENT) return failure("look up", path, place.error);
  if (!place.node) return std::optional<FileInfo>();
  if (place.node->is_directory()) return std::optional(FileInfo{true, 0, 0, 1});
  const SimulatedFile& file = *place.node->file;
  return std::optional(
      FileInfo{false, file.size(), file.allocated(), disk_->tree.names_of(*place.node)});
}

Result<void> FaultyFileSystem::rename(const std::string& from, const std::string& to) {
  const std::lock_guard guard(disk_->mutex);
  const std::string names = fmt::format("{} to {}", from, to);
  if (const auto fault = disk_->enter(Call::kRename, names))
    return failure("rename", names, error_of(*fault));
  const SimulatedTree::Place source = disk_->tree.look_up(from);
  const SimulatedTree::Place target = disk_->tree.look_up(to);
  int error = source.error != 0 ? source.error : target.error;
  if (error == 0 && !source.node) error = ENOENT;
  if (error == 0 && (!source.directory || !target.directory)) error = EBUSY;  // the root
  if (error == 0 && target.node == source.node) return {};
  if (error == 0 && target.node) {
    if (target.node->is_directory() && !source.node->is_directory()) error = EISDIR;
    if (!target.node->is_directory() && source.node->is_directory()) error = ENOTDIR;
    if (target.node->is_directory() && !target.node->entries.empty()) error = ENOTEMPTY;
  }
  if (error == 0 && source.node->is_directory() && source.node->contains(*target.directory))
    error = EINVAL;
  if (error != 0) return failure("rename", names, error);
  disk_->tree.change(
      {{source.directory, source.name, nullptr}, {target.directory, target.name, source.node}});
  return {};
}

Result<void> FaultyFileSystem::link(const std::string& existing, const std::string& path) {
  const std::lock_guard guard(disk_->mutex);
  const std::string names = fmt::format("{} as {}", existing, path);
  if (const auto fault = disk_->enter(Call::kLink, names))
    return failure("link", names, error_of(*fault));
  const SimulatedTree::Place source = disk_->tree.look_up(existing);
  const SimulatedTree::Place target = disk_->tree.look_up(path);
  int error = source.error != 0 ? source.error : target.error;
  if (error == 0 && !source.node) error = ENOENT;
  if (error == 0 && target.node) error = EEXIST;
  if (error == 0 && source.node->is_directory()) error = EPERM;
  if (error != 0) return failure("link", names, error);
  disk_->tree.change({{target.directory, target.name, source.node}});
  return {};
}

Result<void> FaultyFileSystem::unlink(const std::string& path) {
  const std::lock_guard guard(disk_->mutex);
  if (const auto fault = disk_->enter(Call::kUnlink, path))
    return failure("remove", path, error_of(*fault));
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  if (place.error != 0) return failure("remove", path, place.error);
  if (!place.node) return failure("remove", path, ENOENT);
  if (place.node->is_directory()) return failure("remove", path, EISDIR);
  disk_->tree.change({{place.directory, place.name, nullptr}});
  return {};
}

Result<void> FaultyFileSystem::remove_directory(const std::string& path) {
  const std::lock_guard guard(disk_->mutex);
  if (const auto fault = disk_->enter(Call::kRemoveDirectory, path))
    return failure("remove directory", path, error_of(*fault));
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  int error = place.error;
  if (error == 0 && !place.node) error = ENOENT;
  if (error == 0 && !place.node->is_directory()) error = ENOTDIR;
  if (error == 0 && !place.node->entries.empty()) error = ENOTEMPTY;
  if (error == 0 && !place.directory) error = EBUSY;
  if (error != 0) return failure("remove directory", path, error);
  disk_->tree.change({{place.directory, place.name, nullptr}});
  return {};
}

Result<void> FaultyFileSystem::sync_directory(const std::string& path) {
  const std::lock_guard guard(disk_->mutex);
  const auto fault = disk_->enter(Call::kSyncDirectory, path);
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  const bool is_directory = place.node && place.node->is_directory();
  if (fault) {
    const bool tried = *fault != Fault::kPowerOff && *fault != Fault::kDenied;
    if (tried && is_directory) disk_->tree.lose_unsynced(*place.node);
    return failure("sync directory", path, error_of(*fault));
  }
  if (place.error != 0) return failure("open directory", path, place.error);
  if (!place.node) return failure("open directory", path, ENOENT);
  if (!is_directory) return failure("open directory", path, ENOTDIR);
  disk_->tree.sync(*place.node);
  return {};
}

Result<std::unique_ptr<FileLock>> FaultyFileSystem::lock(const std::string& path, LockKind kind) {
  const std::lock_guard guard(disk_->mutex);
  if (const auto fault = disk_->enter(Call::kLock, path))
    return failure("lock", path, error_of(*fault));
  const bool exclusive = kind == LockKind::kExclusive;
  SimulatedTree::Place place = disk_->tree.look_up(path);
  if (place.error != 0) return failure("open", path, place.error);
  if (!place.node) {
    if (!exclusive) return failure("open", path, ENOENT);
    place.node = disk_->make_file();
    disk_->tree.change({{place.directory, place.name, place.node}});
  }
  if (place.node->is_directory() && exclusive) return failure("open", path, EISDIR);
  Node& node = *place.node;
  if (node.locked || (exclusive && node.shared_locks > 0))
    return Error{ErrorCode::kInUse, fmt::format("cannot lock {}: another process holds it", path)};
  if (exclusive) {
    node.locked = true;
  } else {
    ++node.shared_locks;
  }
  return std::unique_ptr<FileLock>(std::make_unique<Lock>(Handle(disk_, place.node), kind));
}

Result<Space> FaultyFileSystem::space(const std::string& path) const {
  const std::lock_guard guard(disk_->mutex);
  constexpr std::uint64_t kUnlimited = std::uint64_t{1} << 50;
  const SimulatedTree::Place place = disk_->tree.look_up(path);
  int error = place.error;
  if (error == 0 && !place.node) error = ENOENT;
  if (const auto fault = disk_->enter(Call::kSpace, path)) error = error_of(*fault);
  if (error != 0) return failure("look up the free space of", path, error);
  const std::uint64_t total = std::min(disk_->capacity, kUnlimited);
  return Space{total, disk_->hides_space ? 0 : total - std::min(total, disk_->used())};
}

void raise_descriptor_limit() {
  rlimit files{};
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
}

}  // namespace respcask::engine

// The real file system, in a scratch directory of its own for each test.
#include "engine/file.h"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace respcask::engine {
namespace {

class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "respcask-file-XXXXXX").string();
    REQUIRE(::mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
  }
  ~ScratchDirectory() { std::filesystem::remove_all(path_); }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;

  std::string operator/(std::string_view name) const { return fmt::format("{}/{}", path_, name); }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string contents(const File& file) {
  std::string bytes(*file.size(), '\0');
  REQUIRE(*file.read_at(0, bytes) == bytes.size());
  return bytes;
}

FileSystem& fs = posix_file_system();

TEST_CASE("a file reads back what was written at an offset, with zeros before it") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  REQUIRE(file->write_at(3, "hello"));
  CHECK(*file->size() == 8);
  CHECK(contents(*file) == std::string("\0\0\0hello", 8));
  REQUIRE(file->write_at(4, "E"));
  REQUIRE(file->sync_data());
  REQUIRE(file->sync_all());

  const auto reader = *fs.open_read_only(directory / "a");
  CHECK(contents(*reader) == std::string("\0\0\0hEllo", 8));
  CHECK(reader->path() == directory / "a");
}

TEST_CASE("pieces are written one after the other, empty ones and more than one call takes") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  std::vector<std::string> words;
  std::string expected;
  for (int i = 0; i < 5000; ++i) {
    words.push_back(i % 7 == 0 ? "" : fmt::format("<{}>", i));
    expected += words.back();
  }
  const std::vector<std::string_view> pieces(words.begin(), words.end());
  REQUIRE(file->write_at(0, pieces));
  CHECK(contents(*file) == expected);

  const std::vector<std::string_view> nothing(3);
  REQUIRE(file->write_at(0, nothing));
  REQUIRE(file->write_at(0, std::span<const std::string_view>()));
  REQUIRE(file->write_at(0, ""));
  CHECK(contents(*file) == expected);
}

// The kernel cuts a write short at RLIMIT_FSIZE and refuses the next one: the only way to see a
// short write to a regular file at will. What could be written must be there.
TEST_CASE("a write cut short goes on where it stopped and then reports why it cannot") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  const std::string first(6000, 'a');
  const std::string second(6000, 'b');
  const std::vector<std::string_view> pieces = {first, second};

  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{10000, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &limit) == 0);
  const auto gathered = file->write_at(0, pieces);
  const std::uint64_t gathered_size = *file->size();
  const auto single = file->write_at(4000, first + second);
  REQUIRE(::setrlimit(RLIMIT_FSIZE, &before) == 0);
  std::signal(SIGXFSZ, handler);

  CHECK(gathered_size == 10000);
  REQUIRE_FALSE(gathered);
  CHECK(gathered.error().code == ErrorCode::kIo);
  CHECK(gathered.error().message ==
        fmt::format("cannot write to {}: File too large", directory / "a"));
  CHECK_FALSE(single);
  CHECK(contents(*file) == std::string(10000, 'a'));
}

TEST_CASE("reading stops at the end of the file") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  REQUIRE(file->write_at(0, "abcdef"));
  std::string out(4, '.');
  CHECK(*file->read_at(4, out) == 2);
  CHECK(out == "ef..");
  CHECK(*file->read_at(6, out) == 0);
  CHECK(*file->read_at(1000, out) == 0);
}

TEST_CASE("reserving takes disk space and leaves the size alone; truncating gives it back") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  REQUIRE(file->write_at(0, "abc"));
  const auto reserved = file->reserve(0, 1 << 20);
  REQUIRE(reserved);
  CHECK(*file->size() == 3);
  if (*reserved == Reservation::kReserved) CHECK((*fs.stat(directory / "a"))->allocated >= 1 << 20);
  REQUIRE(file->truncate(2));
  CHECK(contents(*file) == "ab");
  CHECK((*fs.stat(directory / "a"))->allocated < 1 << 20);
  REQUIRE(file->truncate(4));
  CHECK(contents(*file) == std::string("ab\0\0", 4));
}

TEST_CASE("reserving more than there is reports no space") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  const Space space = *fs.space(directory.path());
  CHECK(space.available <= space.total);
  CHECK(space.total > 0);
  const auto reserved = file->reserve(0, space.total * 2);
  if (reserved) {
    CHECK(*reserved == Reservation::kUnsupported);
  } else if (reserved.error().message.find("File too large") == std::string::npos) {
    CHECK(reserved.error().code == ErrorCode::kNoSpace);
  }
}

TEST_CASE("a mapping longer than its file shows what is written later, and outlives the file") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  Mapping mapping = *file->map(1 << 20);
  CHECK(mapping.size() == 1 << 20);
  REQUIRE(file->write_at(0, "first"));
  CHECK(std::string_view(mapping.data(), 5) == "first");
  REQUIRE(file->write_at(100000, "far"));
  CHECK(std::string_view(mapping.data() + 100000, 3) == "far");
  file.reset();
  REQUIRE(fs.unlink(directory / "a"));
  CHECK(std::string_view(mapping.data() + 100000, 3) == "far");

  Mapping other = std::move(mapping);
  CHECK(mapping.data() == nullptr);
  CHECK(mapping.size() == 0);
  mapping = std::move(other);
  CHECK(std::string_view(mapping.data(), 5) == "first");
}

TEST_CASE("a mapping tells which pages are cached") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  const std::size_t page = page_size();
  REQUIRE(file->write_at(0, std::string(3 * page, 'x')));
  const Mapping mapping = *file->map(16 * page);
  std::vector<std::uint8_t> pages;
  REQUIRE(mapping.resident(page, 4 * page - 1, pages));
  CHECK(pages == std::vector<std::uint8_t>{1, 1, 0, 0});
  REQUIRE(mapping.resident(0, 0, pages));
  CHECK(pages.empty());
  mapping.populate(0);
  mapping.populate(3 * page - 1);
  REQUIRE(file->sync_all());
  // Whether pages go is the file system's affair (one in memory keeps them); their bytes stay.
  REQUIRE(file->drop_cache(0, 0));
  CHECK(std::string_view(mapping.data(), 3 * page) == std::string(3 * page, 'x'));
}

TEST_CASE("a file is read past the cache by another descriptor, whatever its name is by then") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  REQUIRE(fs.rename(directory / "a", directory / "b"));
  REQUIRE(file->write_at(0, std::string(2 * page_size(), 'x')));
  const DirectAccess direct = file->direct();
  if (direct.descriptor < 0) {
    MESSAGE("no such reads on this file system: nothing is tested");
    return;
  }
  CHECK(file->direct().descriptor == direct.descriptor);
  REQUIRE(page_size() % direct.alignment == 0);
  CHECK((::fcntl(direct.descriptor, F_GETFL) & O_DIRECT) != 0);
  const std::unique_ptr<char, decltype(&std::free)> out(
      static_cast<char*>(std::aligned_alloc(page_size(), page_size())), &std::free);
  REQUIRE(::pread(direct.descriptor, out.get(), direct.alignment, direct.alignment) ==
          direct.alignment);
  CHECK(std::string(out.get(), direct.alignment) == std::string(direct.alignment, 'x'));
  file.reset();
  CHECK(::fcntl(direct.descriptor, F_GETFL) == -1);
}

TEST_CASE("where there is no reading past the cache, a file says so") {
  std::string path = "/dev/shm/respcask-file-XXXXXX";
  const int fd = ::mkstemp(path.data());
  if (fd < 0) return;
  ::close(fd);
  CHECK((*fs.open_read_only(path))->direct().descriptor == -1);
  REQUIRE(fs.unlink(path));
}

TEST_CASE("no more descriptors are taken to read past the cache than leaves half for the rest") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  const rlimit low{static_cast<rlim_t>(file->descriptor()) + 2, before.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &low) == 0);
  const DirectAccess direct = file->direct();
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  CHECK(direct.descriptor == -1);
}

TEST_CASE("a lack of memory to map and a lack of rights are told apart from a broken disk") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  const auto mapped = file->map(std::size_t{1} << 60);
  REQUIRE_FALSE(mapped);
  CHECK(mapped.error().code == ErrorCode::kNoFiles);
  // Root neither.
  REQUIRE(fs.create_directory(directory / "b"));
  const auto forbidden = fs.link(directory / "b", directory / "c");
  REQUIRE_FALSE(forbidden);
  CHECK(forbidden.error().code == ErrorCode::kDenied);
}

TEST_CASE("a file is created once and opened only if it is there") {
  const ScratchDirectory directory;
  const std::string path = directory / "a";
  const auto missing = fs.open(path);
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code == ErrorCode::kIo);
  CHECK(missing.error().message == fmt::format("cannot open {}: No such file or directory", path));
  CHECK_FALSE(fs.open_read_only(path));
  REQUIRE(fs.create(path));
  const auto again = fs.create(path);
  REQUIRE_FALSE(again);
  CHECK(again.error().message == fmt::format("cannot create {}: File exists", path));

  auto reader = *fs.open_read_only(path);
  CHECK_FALSE(reader->write_at(0, "a"));
  CHECK_FALSE(reader->truncate(0));
  CHECK_FALSE(reader->reserve(0, 1));
}

TEST_CASE("directories are made, listed in order, synced and removed") {
  const ScratchDirectory directory;
  const std::string sub = directory / "sub";
  REQUIRE(fs.create_directory(sub));
  REQUIRE(fs.create_directory(sub));
  CHECK_FALSE(fs.create_directory(directory / "missing/sub"));
  for (const char* name : {"b", "a", "c"}) REQUIRE(fs.create(sub + "/" + name));
  CHECK_FALSE(fs.create_directory(sub + "/a"));
  CHECK(*fs.list(sub) == std::vector<std::string>{"a", "b", "c"});
  CHECK_FALSE(fs.list(directory / "missing"));
  REQUIRE(fs.sync_directory(sub));
  CHECK_FALSE(fs.sync_directory(sub + "/a"));
  CHECK_FALSE(fs.remove_directory(sub));
  for (const char* name : {"a", "b", "c"}) REQUIRE(fs.unlink(sub + "/" + name));
  REQUIRE(fs.remove_directory(sub));
  CHECK_FALSE(*fs.stat(sub));
}

TEST_CASE("names are renamed over others, linked and removed") {
  const ScratchDirectory directory;
  const std::string a = directory / "a";
  const std::string b = directory / "b";
  REQUIRE((*fs.create(a))->write_at(0, "new"));
  REQUIRE((*fs.create(b))->write_at(0, "older"));
  CHECK_FALSE(fs.link(a, b));
  REQUIRE(fs.rename(a, b));
  CHECK_FALSE(*fs.stat(a));
  CHECK((*fs.stat(b))->size == 3);
  CHECK_FALSE((*fs.stat(b))->is_directory);
  CHECK((*fs.stat(directory.path()))->is_directory);
  CHECK_FALSE(fs.rename(a, b));

  REQUIRE(fs.link(b, a));
  REQUIRE((*fs.open(a))->write_at(0, "NEW"));
  CHECK(contents(**fs.open_read_only(b)) == "NEW");
  REQUIRE(fs.unlink(b));
  CHECK_FALSE(fs.unlink(b));
  CHECK(contents(**fs.open_read_only(a)) == "NEW");
}

TEST_CASE("a lock has one exclusive holder or several shared ones") {
  const ScratchDirectory directory;
  const std::string path = directory / "LOCK";
  CHECK_FALSE(fs.lock(path, LockKind::kShared));
  {
    const auto held = *fs.lock(path, LockKind::kExclusive);
    const auto second = fs.lock(path, LockKind::kExclusive);
    REQUIRE_FALSE(second);
    CHECK(second.error().code == ErrorCode::kInUse);
    const auto shared = fs.lock(path, LockKind::kShared);
    REQUIRE_FALSE(shared);
    CHECK(shared.error().code == ErrorCode::kInUse);
  }
  const auto one = *fs.lock(path, LockKind::kShared);
  const auto two = *fs.lock(path, LockKind::kShared);
  CHECK_FALSE(fs.lock(path, LockKind::kExclusive));
}

TEST_CASE("a lock is let go by who took it, whatever children it has") {
  const ScratchDirectory directory;
  const std::string path = directory / "LOCK";
  auto held = *fs.lock(path, LockKind::kExclusive);
  const pid_t waiting = ::fork();
  if (waiting == 0) {
    ::pause();
    ::_exit(0);
  }
  REQUIRE(waiting > 0);
  const pid_t letting_go = ::fork();
  if (letting_go == 0) {
    held.reset();
    ::_exit(0);
  }
  REQUIRE(::waitpid(letting_go, nullptr, 0) == letting_go);
  CHECK_FALSE(fs.lock(path, LockKind::kExclusive));
  held.reset();
  CHECK(fs.lock(path, LockKind::kExclusive));
  REQUIRE(::kill(waiting, SIGKILL) == 0);
  REQUIRE(::waitpid(waiting, nullptr, 0) == waiting);
}

TEST_CASE("a file is read by one thread while another appends to it") {
  const ScratchDirectory directory;
  auto file = *fs.create(directory / "a");
  constexpr std::uint64_t kRecords = 20000;
  const Mapping mapping = *file->map(kRecords * 8);
  std::atomic<std::uint64_t> written = 0;
  std::thread writer([&] {
    for (std::uint64_t i = 0; i < kRecords; ++i) {
      const std::string record = fmt::format("{:08}", i);
      const bool done = static_cast<bool>(file->write_at(i * 8, record));
      written.store(done ? i + 1 : kRecords, std::memory_order_release);
      if (!done) break;
    }
  });
  std::uint64_t mismatches = 0;
  std::uint64_t seen = 0;
  while (seen < kRecords) {
    const std::uint64_t now = written.load(std::memory_order_acquire);
    if (now == seen) continue;
    seen = now;
    char out[8];
    const auto got = file->read_at((seen - 1) * 8, out);
    const std::string expected = fmt::format("{:08}", seen - 1);
    if (!got || *got != 8 || std::string_view(out, 8) != expected) ++mismatches;
    if (std::string_view(mapping.data() + (seen - 1) * 8, 8) != expected) ++mismatches;
  }
  writer.join();
  CHECK(mismatches == 0);
}

}  // namespace
}  // namespace respcask::engine

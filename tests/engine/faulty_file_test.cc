// The tests' own disk: it must behave like the real one until told otherwise, and after a power cut
// leave no more and no less than a real one may.
#include "tests/engine/faulty_file.h"

#include <doctest/doctest.h>
#include <fmt/format.h>

#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <set>
#include <string>
#include <thread>
#include <vector>

namespace respcask::engine {
namespace {

constexpr std::uint64_t kSeeds = 200;

std::string text(FileSystem& fs, const std::string& path) {
  const auto file = fs.open_read_only(path);
  REQUIRE(file);
  std::string bytes(*(*file)->size(), '\0');
  REQUIRE(*(*file)->read_at(0, bytes) == bytes.size());
  return bytes;
}

// A file system with one file, /a, of which `synced` is on the disk.
FaultyFileSystem with_file(std::string_view synced) {
  FaultyFileSystem fs;
  auto file = *fs.create("/a");
  REQUIRE(file->write_at(0, synced));
  REQUIRE(file->sync_data());
  REQUIRE(fs.sync_directory("/"));
  return fs;
}

// What /a can hold after a power cut, over many seeds.
std::set<std::string> outcomes(const FaultyFileSystem& fs, PowerLoss mode) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed)
    found.insert(fs.crash(seed, mode).contents("/a"));
  return found;
}

std::set<std::string> names_after(const FaultyFileSystem& fs, PowerLoss mode) {
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const FaultyFileSystem after = fs.crash(seed, mode);
    std::string names;
    for (const std::string& name : *after.list("/")) names += name;
    found.insert(names);
  }
  return found;
}

// Every operation with its result as text, names taken relative to `root`.
std::vector<std::string> behaviour(FileSystem& fs, const std::string& root) {
  std::vector<std::string> log;
  const auto strip = [&](std::string message) {
    for (std::size_t at; (at = message.find(root)) != std::string::npos;)
      message.erase(at, root.size());
    return message;
  };
  const auto note = [&](std::string_view what, const auto& result) {
    log.push_back(fmt::format("{}: {}", what, result ? "ok" : strip(result.error().message)));
  };
  const auto at = [&](std::string_view name) { return fmt::format("{}/{}", root, name); };

  note("open missing", fs.open(at("a")));
  note("open read-only missing", fs.open_read_only(at("a")));
  note("create", fs.create(at("a")));
  note("create twice", fs.create(at("a")));
  note("create in missing", fs.create(at("none/a")));
  note("create in file", fs.create(at("a/b")));
  note("mkdir", fs.create_directory(at("d")));
  note("mkdir again", fs.create_directory(at("d")));
  note("mkdir on file", fs.create_directory(at("a")));
  note("mkdir in missing", fs.create_directory(at("none/d")));
  note("open directory", fs.open(at("d")));
  note("create over directory", fs.create(at("d")));
  note("rename missing", fs.rename(at("none"), at("b")));
  note("rename file onto directory", fs.rename(at("a"), at("d")));
  note("rename directory onto file", fs.rename(at("d"), at("a")));
  note("rename directory into itself", fs.rename(at("d"), at("d/e")));
  note("rename to missing directory", fs.rename(at("a"), at("none/a")));
  note("create in directory", fs.create(at("d/x")));
  note("mkdir e", fs.create_directory(at("e")));
  note("rename onto full directory", fs.rename(at("e"), at("d")));
  note("rename onto empty directory", fs.rename(at("d"), at("e")));
  note("rename into directory", fs.rename(at("a"), at("e/a")));
  note("rename onto file", fs.rename(at("e/a"), at("e/x")));
  note("link", fs.link(at("e/x"), at("y")));
  note("link onto name", fs.link(at("e/x"), at("y")));
  note("link missing", fs.link(at("none"), at("z")));
  note("link directory", fs.link(at("e"), at("z")));
  note("rename onto other name of same file", fs.rename(at("y"), at("e/x")));
  note("unlink missing", fs.unlink(at("none")));
  note("unlink directory", fs.unlink(at("e")));
  note("rmdir full", fs.remove_directory(at("e")));
  note("rmdir file", fs.remove_directory(at("y")));
  note("rmdir missing", fs.remove_directory(at("none")));
  note("list file", fs.list(at("y")));
  note("list missing", fs.list(at("none")));
  note("stat missing", fs.stat(at("none")));
  note("stat in file", fs.stat(at("y/none")));
  note("sync file as directory", fs.sync_directory(at("y")));
  note("sync missing directory", fs.sync_directory(at("none")));
  note("sync directory", fs.sync_directory(at("e")));
  note("space of missing", fs.space(at("none")));
  note("shared lock of missing", fs.lock(at("L"), LockKind::kShared));
  {
    const auto held = fs.lock(at("L"), LockKind::kExclusive);
    note("lock", held);
    note("lock twice", fs.lock(at("L"), LockKind::kExclusive));
    note("shared lock of locked", fs.lock(at("L"), LockKind::kShared));
  }
  {
    const auto held = fs.lock(at("L"), LockKind::kShared);
    note("shared lock", held);
    note("shared lock twice", fs.lock(at("L"), LockKind::kShared));
    note("lock of shared", fs.lock(at("L"), LockKind::kExclusive));
  }
  note("lock again", fs.lock(at("L"), LockKind::kExclusive));

  auto file = *fs.open(at("y"));
  const auto reader = *fs.open_read_only(at("e/x"));
  note("write", file->write_at(2, "hello"));
  note("write read-only", reader->write_at(0, "x"));
  note("reserve read-only", reader->reserve(0, 1));
  note("reserve nothing", file->reserve(0, 0));
  note("truncate read-only", reader->truncate(0));
  note("map nothing", file->map(0));
  note("truncate", file->truncate(4));
  note("extend", file->truncate(6));
  note("unlink open", fs.unlink(at("y")));
  note("write unlinked", file->write_at(8, "!"));
  std::string bytes(20, '.');
  bytes.resize(*reader->read_at(0, bytes));
  for (char& byte : bytes)
    if (byte == '\0') byte = '0';
  log.push_back(bytes);
  for (const std::string& directory : {root, at("e")})
    for (const std::string& name : *fs.list(directory)) log.push_back("there is " + name);
  return log;
}

TEST_CASE("the faulty file system answers as the real one, word for word") {
  std::string scratch = (std::filesystem::temp_directory_path() / "respcask-file-XXXXXX").string();
  REQUIRE(::mkdtemp(scratch.data()) != nullptr);
  const std::vector<std::string> real = behaviour(posix_file_system(), scratch);
  std::filesystem::remove_all(scratch);

  FaultyFileSystem fs;
  REQUIRE(fs.create_directory("/root"));
  const std::vector<std::string> played = behaviour(fs, "/root");
  REQUIRE(played.size() == real.size());
  for (std::size_t i = 0; i < real.size(); ++i) CHECK(played[i] == real[i]);
}

TEST_CASE("a mapping of a played file stays coherent while the file grows") {
  FaultyFileSystem fs;
  auto file = *fs.create("/a");
  Mapping mapping = *file->map(64 << 20);
  REQUIRE(file->write_at(0, "first"));
  REQUIRE(file->write_at(40 << 20, "far"));
  CHECK(std::string_view(mapping.data(), 5) == "first");
  CHECK(std::string_view(mapping.data() + (40 << 20), 3) == "far");
  REQUIRE(file->write_at(0, "FIRST"));
  file.reset();
  REQUIRE(fs.unlink("/a"));
  CHECK(std::string_view(mapping.data(), 5) == "FIRST");
  CHECK(fs.used() > 0);
  mapping = Mapping();
  CHECK(fs.used() == 0);
}

TEST_CASE("dropped pages are cold until they are read or written, unsynced ones stay") {
  FaultyFileSystem fs;
  const std::size_t page = page_size();
  auto file = *fs.create("/a");
  REQUIRE(file->write_at(0, std::string(4 * page - 10, 'x')));
  const Mapping mapping = *file->map(8 * page);
  std::vector<std::uint8_t> pages;
  const auto resident = [&] {
    REQUIRE(mapping.resident(0, 6 * page, pages));
    return pages;
  };
  using Pages = std::vector<std::uint8_t>;
  CHECK(resident() == Pages{1, 1, 1, 1, 0, 0});
  REQUIRE(file->drop_cache(0, 0));
  CHECK(resident() == Pages{1, 1, 1, 1, 0, 0});
  REQUIRE(file->sync_data());
  REQUIRE(file->drop_cache(page, 2 * page - 1));
  CHECK(resident() == Pages{1, 0, 1, 1, 0, 0});
  REQUIRE(file->drop_cache(0, 0));
  CHECK(resident() == Pages{0, 0, 0, 0, 0, 0});
  std::string out(page, '.');
  REQUIRE(file->read_at(page / 2, out));
  CHECK(resident() == Pages{1, 1, 0, 0, 0, 0});
  REQUIRE(file->write_at(3 * page, "y"));
  CHECK(resident() == Pages{1, 1, 0, 1, 0, 0});
}

TEST_CASE("a power cut leaves what was synced, in every mode") {
  FaultyFileSystem fs = with_file("synced");
  REQUIRE(fs.create_directory("/d"));
  REQUIRE(fs.sync_directory("/"));
  REQUIRE((*fs.create("/d/b"))->sync_all());
  REQUIRE(fs.sync_directory("/d"));
  for (const PowerLoss mode : kPowerLosses) {
    CHECK(outcomes(fs, mode) == std::set<std::string>{"synced"});
    CHECK(names_after(fs, mode) == std::set<std::string>{"ad"});
    CHECK(*fs.crash(1, mode).stat("/d/b"));
  }
}

TEST_CASE("a power cut drops or keeps what was written, or leaves a part of it") {
  FaultyFileSystem fs = with_file("old");
  REQUIRE((*fs.open("/a"))->write_at(3, "new"));
  CHECK(outcomes(fs, PowerLoss::kDrop) == std::set<std::string>{"old"});
  CHECK(outcomes(fs, PowerLoss::kKeep) == std::set<std::string>{"oldnew"});
  CHECK(outcomes(fs, PowerLoss::kPrefix) ==
        std::set<std::string>{"old", "oldn", "oldne", "oldnew"});
  // The size is there and the bytes are not, or the other way round.
  CHECK(outcomes(fs, PowerLoss::kTearSectors) ==
        std::set<std::string>{"old", "oldnew", std::string("old\0\0\0", 6)});
}

TEST_CASE("a power cut tears one write by sectors, or by pages, in any order") {
  for (const auto& [mode, unit] : {std::pair<PowerLoss, std::size_t>{PowerLoss::kTearSectors, 512},
                                   {PowerLoss::kTearPages, 4096}}) {
    FaultyFileSystem fs = with_file(std::string(3 * unit, 'o'));
    REQUIRE((*fs.open("/a"))->write_at(0, std::string(3 * unit, 'n')));
    std::set<std::string> expected;
    for (unsigned bits = 0; bits < 8; ++bits) {
      std::string bytes;
      for (unsigned i = 0; i < 3; ++i) bytes += std::string(unit, (bits >> i & 1) != 0 ? 'n' : 'o');
      expected.insert(bytes);
    }
    CHECK(outcomes(fs, mode) == expected);
  }
}

TEST_CASE("a sector may hold any of the states that it went through") {
  FaultyFileSystem fs = with_file("0000");
  auto file = *fs.open("/a");
  REQUIRE(file->write_at(0, "1"));
  REQUIRE(file->write_at(1, "2"));
  REQUIRE(file->write_at(0, "3"));
  CHECK(outcomes(fs, PowerLoss::kTearSectors) ==
        std::set<std::string>{"0000", "1000", "1200", "3200"});
  CHECK(outcomes(fs, PowerLoss::kPrefix) == std::set<std::string>{"0000", "1000", "1200", "3200"});
}

TEST_CASE("a truncation survives whole or not at all, and cut bytes do not come back") {
  FaultyFileSystem fs = with_file("abcdef");
  auto file = *fs.open("/a");
  REQUIRE(file->truncate(2));
  REQUIRE(file->write_at(4, "X"));
  for (const PowerLoss mode : {PowerLoss::kTearSectors, PowerLoss::kPrefix})
    for (const std::string& bytes : outcomes(fs, mode)) {
      CAPTURE(bytes);
      CHECK((bytes == "abcdef" || bytes == "ab" || bytes == std::string("ab\0\0X", 5) ||
             (mode == PowerLoss::kTearSectors && bytes == std::string("ab\0\0\0", 5))));
    }
  CHECK(outcomes(fs, PowerLoss::kDrop) == std::set<std::string>{"abcdef"});
  CHECK(outcomes(fs, PowerLoss::kKeep) == std::set<std::string>{std::string("ab\0\0X", 5)});
}

TEST_CASE("what a failed sync lost stays visible, and a later sync does not save it") {
  FaultyFileSystem fs = with_file(std::string(1024, 'o'));
  auto file = *fs.open("/a");
  REQUIRE(file->write_at(0, std::string(1500, 'n')));
  fs.inject({.call = Call::kSync});
  const auto failed = file->sync_data();
  REQUIRE_FALSE(failed);
  CHECK(failed.error().code == ErrorCode::kIo);
  CHECK(failed.error().message == "cannot sync /a: Input/output error");
  CHECK(text(fs, "/a") == std::string(1500, 'n'));

  REQUIRE(file->write_at(512, "again"));  // makes its sector dirty once more
  REQUIRE(file->sync_data());
  const std::string left =
      std::string(512, 'o') + "again" + std::string(507, 'n') + std::string(476, '\0');
  CHECK(outcomes(fs, PowerLoss::kDrop) == std::set<std::string>{left});
  CHECK(outcomes(fs, PowerLoss::kKeep) == std::set<std::string>{left});

  // The sector synced after the failure never goes back to a state before it.
  REQUIRE(file->write_at(512, "AGAIN"));
  for (const PowerLoss mode : {PowerLoss::kTearSectors, PowerLoss::kTearPages})
    for (const std::string& bytes : outcomes(fs, mode)) {
      const std::string sector = bytes.substr(512, 6);
      CHECK((sector == "againn" || sector == "AGAINn"));
    }
}

TEST_CASE("names are durable only when their directory is synced") {
  FaultyFileSystem fs = with_file("x");
  REQUIRE((*fs.create("/b"))->sync_all());
  REQUIRE(fs.create("/c"));
  REQUIRE(fs.unlink("/a"));
  using Names = std::set<std::string>;
  CHECK(names_after(fs, PowerLoss::kDrop) == Names{"a"});
  CHECK(names_after(fs, PowerLoss::kKeep) == Names{"bc"});
  CHECK(names_after(fs, PowerLoss::kPrefix) == Names{"a", "ab", "abc", "bc"});
  CHECK(names_after(fs, PowerLoss::kTearSectors) ==
        Names{"", "a", "b", "c", "ab", "ac", "bc", "abc"});
  REQUIRE(fs.sync_directory("/"));
  for (const PowerLoss mode : kPowerLosses) CHECK(names_after(fs, mode) == Names{"bc"});
}

TEST_CASE(
    "a rename survives whole, after what made the name, and without the bytes if not synced") {
  FaultyFileSystem fs = with_file("old");
  REQUIRE((*fs.create("/t"))->write_at(0, "new"));
  REQUIRE(fs.rename("/t", "/a"));
  std::set<std::string> found;
  for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
    const FaultyFileSystem after = fs.crash(seed, PowerLoss::kTearPages);
    std::string state;
    for (const std::string& name : *after.list("/"))
      state += fmt::format("{}={} ", name, after.contents("/" + name).substr(0, 1));
    found.insert(state);
  }
  using namespace std::string_literals;
  CHECK(found == std::set<std::string>{"a=o ", "a=o t= ", "a=o t=n ", "a=o t=\0 "s, "a= ", "a=n ",
                                       "a=\0 "s});
}

TEST_CASE("a name used again never hides a rename that did not survive") {
  FaultyFileSystem fs = with_file("old");
  REQUIRE(fs.rename("/a", "/b"));
  REQUIRE(fs.create("/a"));
  for (const PowerLoss mode : kPowerLosses)
    for (std::uint64_t seed = 0; seed < kSeeds; ++seed) {
      const FaultyFileSystem after = fs.crash(seed, mode);
      CHECK(after.contents(*after.stat("/b") ? "/b" : "/a") == "old");
    }
}

TEST_CASE("a directory that is not durable takes its files along, however synced") {
  FaultyFileSystem fs;
  REQUIRE(fs.create_directory("/d"));
  REQUIRE((*fs.create("/d/a"))->sync_all());
  REQUIRE(fs.sync_directory("/d"));
  CHECK_FALSE(*fs.crash(0, PowerLoss::kDrop).stat("/d"));
  REQUIRE(fs.rename("/d", "/e"));
  REQUIRE(fs.sync_directory("/"));
  CHECK(*fs.crash(0, PowerLoss::kDrop).stat("/e/a"));
}

TEST_CASE("syncing a directory makes durable what a rename into it needs") {
  FaultyFileSystem fs;
  REQUIRE(fs.create_directory("/from"));
  REQUIRE(fs.create_directory("/to"));
  REQUIRE(fs.sync_directory("/"));
  REQUIRE(fs.create("/from/a"));
  REQUIRE(fs.create("/from/b"));
  REQUIRE(fs.rename("/from/a", "/to/a"));
  REQUIRE(fs.sync_directory("/to"));
  for (const PowerLoss mode : kPowerLosses)
    for (std::uint64_t seed = 0; seed < 20; ++seed) {
      const FaultyFileSystem after = fs.crash(seed, mode);
      CHECK_FALSE(*after.stat("/from/a"));
      CHECK(*after.list("/to") == std::vector<std::string>{"a"});
    }
  CHECK_FALSE(*fs.crash(0, PowerLoss::kDrop).stat("/from/b"));
}

TEST_CASE("of what a failed sync lost not even the first bytes of a write are there") {
  FaultyFileSystem fs = with_file("");
  auto file = *fs.open("/a");
  REQUIRE(file->write_at(0, std::string(80, 'h')));
  REQUIRE(file->write_at(80, std::string(900, 'b')));
  fs.inject({.call = Call::kSync});
  REQUIRE_FALSE(file->sync_data());
  for (const std::string& bytes : outcomes(fs, PowerLoss::kPrefix)) {
    CHECK(bytes == std::string(bytes.size(), '\0'));
  }
}

TEST_CASE("a failed sync of a directory leaves its names in doubt for good") {
  FaultyFileSystem fs = with_file("x");
  REQUIRE(fs.create("/b"));
  fs.inject({.call = Call::kSyncDirectory});
  CHECK_FALSE(fs.sync_directory("/"));
  REQUIRE(fs.sync_directory("/"));
  CHECK(names_after(fs, PowerLoss::kDrop) == std::set<std::string>{"a"});
  CHECK(names_after(fs, PowerLoss::kKeep) == std::set<std::string>{"a"});
  CHECK(names_after(fs, PowerLoss::kTearPages) == std::set<std::string>{"a", "ab"});
}

TEST_CASE("two names of one file are still one file after a crash") {
  FaultyFileSystem fs = with_file("one");
  REQUIRE(fs.link("/a", "/b"));
  REQUIRE(fs.sync_directory("/"));
  FaultyFileSystem crashed = fs.crash(0, PowerLoss::kDrop);
  FaultyFileSystem killed = fs.crash_process();
  for (FileSystem* after : {&crashed, &killed}) {
    REQUIRE((*after->open("/a"))->write_at(0, "ONE"));
    CHECK(text(*after, "/b") == "ONE");
  }
  CHECK(text(fs, "/b") == "one");
  CHECK(crashed.used() == fs.used());
  CHECK(killed.used() == fs.used());
}

TEST_CASE("a killed process leaves everything written, and unsynced what was") {
  FaultyFileSystem fs = with_file("old");
  const auto lock = *fs.lock("/L", LockKind::kExclusive);
  REQUIRE((*fs.open("/a"))->write_at(0, "new"));
  REQUIRE(fs.create("/b"));
  fs.inject({.times = kForever});
  FaultyFileSystem after = fs.crash_process();
  CHECK(text(after, "/a") == "new");
  CHECK(*after.list("/") == std::vector<std::string>{"L", "a", "b"});
  CHECK(after.lock("/L", LockKind::kExclusive));
  CHECK(outcomes(after, PowerLoss::kDrop) == std::set<std::string>{"old"});
  CHECK(names_after(after, PowerLoss::kDrop) == std::set<std::string>{"a"});
  REQUIRE((*after.open("/a"))->sync_data());
  CHECK(outcomes(after, PowerLoss::kDrop) == std::set<std::string>{"new"});
  CHECK(outcomes(fs, PowerLoss::kDrop) == std::set<std::string>{"old"});
}

TEST_CASE("one seed gives one crash") {
  FaultyFileSystem fs = with_file(std::string(20000, 'o'));
  auto file = *fs.open("/a");
  for (std::uint64_t i = 0; i < 40; ++i) REQUIRE(file->write_at(i * 500, fmt::format("{:700}", i)));
  for (const PowerLoss mode : kPowerLosses)
    for (std::uint64_t seed = 0; seed < 20; ++seed)
      CHECK(fs.crash(seed, mode).contents("/a") == fs.crash(seed, mode).contents("/a"));
  CHECK(outcomes(fs, PowerLoss::kTearSectors).size() > kSeeds / 2);
}

TEST_CASE("the k-th call fails, for every k, and no other") {
  const auto workload = [](FaultyFileSystem& fs) {
    std::uint64_t failures = 0;
    const auto note = [&](const auto& result) { failures += result ? 0 : 1; };
    FileSystem& base = fs;
    note(base.create_directory("/d"));
    auto created = base.create("/d/a");
    note(created);
    if (created) {
      File& file = **created;
      note(file.reserve(0, 4096));
      note(file.write_at(0, "hello"));
      note(file.sync_data());
      note(file.sync_all());
      note(file.size());
      note(file.map(4096));
      note(file.drop_cache(0, 0));
      char out[5];
      note(file.read_at(0, out));
      note(file.truncate(2));
    }
    note(base.link("/d/a", "/b"));
    note(base.rename("/b", "/c"));
    note(base.open("/c"));
    note(base.open_read_only("/c"));
    note(base.stat("/c"));
    note(base.unlink("/c"));
    note(base.list("/"));
    note(base.lock("/L", LockKind::kExclusive));
    note(base.space("/"));
    note(base.sync_directory("/"));
    note(base.create_directory("/e"));
    note(base.remove_directory("/e"));
    return failures;
  };
  FaultyFileSystem clean;
  CHECK(workload(clean) == 0);
  const std::uint64_t calls = clean.calls();
  CHECK(calls == 23);
  std::uint64_t sum = 0;
  for (std::size_t i = 0; i < kCalls; ++i) {
    CHECK(clean.calls(static_cast<Call>(i)) > 0);
    sum += clean.calls(static_cast<Call>(i));
  }
  CHECK(sum == calls);
  for (const Fault fault : {Fault::kIo, Fault::kNoSpace, Fault::kShortWrite, Fault::kPowerOff})
    for (std::uint64_t k = 0; k < calls; ++k) {
      CAPTURE(k);
      FaultyFileSystem fs;
      fs.inject({.fault = fault, .skip = k});
      CHECK(workload(fs) >= 1);
      CHECK(fs.faults() == 1);
    }
  FaultyFileSystem dead;
  dead.inject({.fault = Fault::kPowerOff, .times = kForever});
  const std::uint64_t failures = workload(dead);
  CHECK(failures == dead.calls());
}

TEST_CASE("a fault can be meant for one kind of call and one file") {
  FaultyFileSystem fs = with_file("x");
  auto a = *fs.open("/a");
  auto b = *fs.create("/b");
  fs.inject({.fault = Fault::kNoSpace, .skip = 1, .times = 2, .call = Call::kWrite, .path = "b"});
  for (int i = 0; i < 5; ++i) {
    CAPTURE(i);
    REQUIRE(a->write_at(0, "a"));
    const auto written = b->write_at(0, "b");
    CHECK(static_cast<bool>(written) == (i != 1 && i != 2));
    if (!written) CHECK(written.error().code == ErrorCode::kNoSpace);
  }
  CHECK(fs.faults() == 2);
  fs.inject({.times = kForever});
  CHECK_FALSE(a->size());
  fs.clear_faults();
  CHECK(a->size());
}

TEST_CASE("a short write leaves its first half") {
  FaultyFileSystem fs = with_file("");
  auto file = *fs.open("/a");
  fs.inject({.fault = Fault::kShortWrite});
  const std::vector<std::string_view> pieces = {"abc", "def"};
  const auto written = file->write_at(0, pieces);
  REQUIRE_FALSE(written);
  CHECK(written.error().code == ErrorCode::kIo);
  CHECK(text(fs, "/a") == "abc");
}

TEST_CASE("power off changes nothing, and loses nothing that a cut would keep") {
  FaultyFileSystem fs = with_file("old");
  auto file = *fs.open("/a");
  REQUIRE(file->write_at(0, "new"));
  REQUIRE(fs.create("/b"));
  fs.inject({.fault = Fault::kPowerOff, .times = kForever});
  CHECK_FALSE(file->sync_data());
  CHECK_FALSE(fs.sync_directory("/"));
  CHECK_FALSE(file->write_at(0, "later"));
  CHECK(outcomes(fs, PowerLoss::kKeep) == std::set<std::string>{"new"});
  CHECK(names_after(fs, PowerLoss::kKeep) == std::set<std::string>{"ab"});
}

TEST_CASE("a full disk refuses growth, not overwriting, until there is room again") {
  FaultyFileSystem fs;
  fs.set_capacity(4 * 4096);
  auto a = *fs.create("/a");
  auto b = *fs.create("/b");
  REQUIRE(a->reserve(0, 2 * 4096));
  CHECK(fs.used() == 2 * 4096);
  CHECK((*fs.stat("/a"))->allocated == 2 * 4096);
  CHECK(*a->size() == 0);
  const auto refused = b->reserve(0, 2 * 4096 + 1);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code == ErrorCode::kNoSpace);
  CHECK(refused.error().message == "cannot reserve space for /b: No space left on device");

  const auto cut_short = b->write_at(100, std::string(3 * 4096, 'b'));
  REQUIRE_FALSE(cut_short);
  CHECK(cut_short.error().code == ErrorCode::kNoSpace);
  CHECK(*b->size() == 2 * 4096);
  CHECK(fs.space("/")->available == 0);
  REQUIRE(a->write_at(0, std::string(2 * 4096, 'a')));
  REQUIRE(b->write_at(0, "over"));
  CHECK_FALSE(a->write_at(2 * 4096, "a"));

  REQUIRE(fs.unlink("/b"));
  CHECK_FALSE(a->write_at(2 * 4096, "a"));  // still open
  b.reset();
  REQUIRE(a->write_at(2 * 4096, "a"));
  CHECK(fs.used() == 3 * 4096);
  REQUIRE(a->truncate(1));
  CHECK(fs.used() == 4096);
  CHECK_FALSE(a->truncate(4 * 4096 + 1));
  fs.set_capacity(8 * 4096);
  REQUIRE(a->truncate(4 * 4096 + 1));
  CHECK(fs.space("/")->total == 8 * 4096);
}

TEST_CASE("a crash keeps the space that names hold, and reservations that were synced") {
  FaultyFileSystem fs = with_file("x");
  auto a = *fs.open("/a");
  REQUIRE(a->reserve(0, 3 * 4096));
  CHECK(fs.crash(0, PowerLoss::kDrop).used() == 4096);
  CHECK(fs.crash_process().used() == 3 * 4096);
  REQUIRE(a->sync_data());
  CHECK(fs.crash(0, PowerLoss::kDrop).used() == 3 * 4096);
  REQUIRE(fs.unlink("/a"));
  CHECK(fs.used() == 3 * 4096);
  CHECK(fs.crash_process().used() == 0);
}

TEST_CASE("rot is on the disk at once") {
  FaultyFileSystem fs = with_file(std::string(1000, 'a'));
  REQUIRE((*fs.open("/a"))->write_at(0, "new"));
  const std::uint64_t calls = fs.calls();
  fs.flip_bit("/a", 8 * 5 + 1);
  CHECK(fs.contents("/a").substr(0, 7) == "newaaca");
  fs.zero("/a", 512, 300);
  fs.overwrite("/a", 10, "rot");
  fs.cut("/a", 900);
  fs.set_contents("/z", "made");
  fs.set_contents("/z", "made again");
  CHECK(fs.calls() == calls);
  std::string expected(900, 'a');
  expected.replace(0, 7, "newaaca");
  expected.replace(10, 3, "rot");
  expected.replace(512, 300, 300, '\0');
  for (const PowerLoss mode : kPowerLosses) {
    const FaultyFileSystem after = fs.crash(3, mode);
    CHECK(after.contents("/a") == expected);
    CHECK(after.contents("/z") == "made again");
  }
}

TEST_CASE("the faulty file system takes many threads at once") {
  FaultyFileSystem fs;
  constexpr int kThreads = 4;
  constexpr int kRounds = 200;
  std::atomic<int> failures = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t)
    threads.emplace_back([&fs, &failures, t] {
      for (int i = 0; i < kRounds; ++i) {
        const std::string path = fmt::format("/{}-{}", t, i);
        auto file = fs.create(path);
        if (!file || !(*file)->write_at(0, path) || !(*file)->sync_data()) ++failures;
        auto mapping = (*file)->map(4096);
        if (!mapping || std::string_view(mapping->data(), path.size()) != path) ++failures;
        if (i % 50 == 0) static_cast<void>(fs.crash(1, PowerLoss::kTearPages));
        if (!fs.unlink(path) || !fs.sync_directory("/")) ++failures;
      }
    });
  for (std::thread& thread : threads) thread.join();
  CHECK(failures == 0);
  CHECK(fs.used() == 0);
  CHECK(fs.calls(Call::kCreate) == kThreads * kRounds);
}

}  // namespace
}  // namespace respcask::engine

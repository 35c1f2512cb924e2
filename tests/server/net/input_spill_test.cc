#include "server/net/input_spill.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/engine/faulty_file.h"

namespace respcask::server {
namespace {

using engine::Call;
using engine::Fault;
using engine::FaultyFileSystem;

struct Disk {
  Disk() { REQUIRE(files.create_directory("/data")); }
  std::unique_ptr<InputSpill> open(uint64_t limit = uint64_t{1} << 40) { return area.open(limit); }

  FaultyFileSystem files;
  Counter held;
  SpillArea area{files, "/data", "INPUT-0", held};
};

// `count` different bytes, going on from `from`.
std::string bytes_from(size_t from, size_t count) {
  std::string bytes(count, '\0');
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<char>((from + i) * 7 % 251);
  return bytes;
}

std::string take(InputSpill& spill, size_t size) {
  std::string bytes(size, '\0');
  const auto taken = spill.take(bytes);
  REQUIRE(taken);
  bytes.resize(*taken);
  return bytes;
}

// What is left, in pieces.
std::string take_all(InputSpill& spill) {
  std::string bytes;
  while (!spill.empty()) bytes += take(spill, 1000);
  return bytes;
}

TEST_CASE("input spill: bytes come out as they went in, whatever the pieces") {
  Disk disk;
  const auto spill = disk.open();
  REQUIRE(spill);
  size_t added = 0;
  std::string taken;
  for (size_t i = 1; i < 200; ++i) {
    spill->add(bytes_from(added, i * 37 % 900));
    added += i * 37 % 900;
    if (i % 3 == 0) taken += take(*spill, i * 53 % 1100);
  }
  CHECK(disk.held.get() == added);
  taken += take_all(*spill);
  CHECK(taken == bytes_from(0, added));
  CHECK(take(*spill, 10).empty());
}

TEST_CASE("input spill: its file has no name, and its bytes are free when it has gone") {
  Disk disk;
  auto spill = disk.open();
  REQUIRE(spill);
  spill->add(bytes_from(0, 100'000));
  CHECK(disk.files.list("/data")->empty());
  CHECK(disk.files.used() >= 100'000);
  spill.reset();
  CHECK(disk.files.used() == 0);
  CHECK(disk.held.get() == 0);
}

TEST_CASE("input spill: a name that a crash has left is no hindrance") {
  Disk disk;
  disk.files.set_contents("/data/INPUT-0", "left");
  const auto spill = disk.open();
  REQUIRE(spill);
  CHECK(spill->empty());
  CHECK(disk.files.list("/data")->empty());
}

TEST_CASE("input spill: what the disk does not take is kept behind what it took") {
  for (const Fault fault : {Fault::kNoSpace, Fault::kIo, Fault::kShortWrite}) {
    Disk disk;
    const auto spill = disk.open();
    REQUIRE(spill);
    disk.files.inject({.fault = fault, .skip = 2, .call = Call::kWrite});
    for (size_t i = 0; i < 2; ++i) spill->add(bytes_from(i * 5000, 5000));
    CHECK(spill->takes_more());
    spill->add(bytes_from(10'000, 5000));
    CHECK(!spill->takes_more());
    CHECK(disk.held.get() == 10'000);
    spill->add(bytes_from(15'000, 10));  // all the same
    CHECK(take_all(*spill) == bytes_from(0, 15'010));
    CHECK(spill->empty());
  }
}

TEST_CASE("input spill: it takes no more than its limit, however much has been taken out") {
  Disk disk;
  const auto spill = disk.open(10'000);
  REQUIRE(spill);
  spill->add(bytes_from(0, 9'999));
  CHECK(spill->takes_more());
  CHECK(take(*spill, 9'000) == bytes_from(0, 9'000));
  spill->add(bytes_from(9'999, 1));
  CHECK(!spill->takes_more());
}

TEST_CASE("input spill: a tenth of the disk stays free") {
  Disk disk;
  disk.files.set_capacity(400 << 20);
  const auto spill = disk.open();
  REQUIRE(spill);
  const std::string piece = bytes_from(0, 1 << 20);
  for (int i = 0; spill->takes_more() && i < 400; ++i) spill->add(piece);
  CHECK(disk.files.used() >= size_t{344} << 20);
  CHECK(disk.files.used() <= size_t{376} << 20);
  CHECK(disk.open() == nullptr);
}

TEST_CASE("input spill: several leave as much of the disk together as one alone") {
  Disk disk;
  disk.files.set_capacity(400 << 20);
  std::vector<std::unique_ptr<InputSpill>> spills;
  for (int i = 0; i < 10; ++i) REQUIRE(spills.emplace_back(disk.open()));
  const std::string piece = bytes_from(0, 1 << 20);
  for (int i = 0; i < 40; ++i) {
    for (const auto& spill : spills) {
      if (spill->takes_more()) spill->add(piece);
    }
  }
  CHECK(disk.files.used() >= size_t{344} << 20);
  CHECK(disk.files.used() <= size_t{376} << 20);
  // Once there is room again they go on.
  spills.resize(5);
  CHECK(spills[0]->takes_more());
}

TEST_CASE("input spill: there are not more of them than descriptors can be spared for") {
  Disk disk;
  std::vector<std::unique_ptr<InputSpill>> spills;
  for (size_t i = 0; i < SpillArea::kMostSpills; ++i) REQUIRE(spills.emplace_back(disk.open()));
  CHECK(disk.open() == nullptr);
  spills.pop_back();
  CHECK(disk.open() != nullptr);
}

TEST_CASE("input spill: there is none where no file can be made or its name not be removed") {
  for (const Call call : {Call::kCreate, Call::kUnlink, Call::kSpace}) {
    Disk disk;
    disk.files.inject({.times = engine::kForever, .call = call});
    CHECK(disk.open() == nullptr);
  }
}

TEST_CASE("input spill: a file that cannot be read is an error") {
  Disk disk;
  const auto spill = disk.open();
  REQUIRE(spill);
  spill->add(bytes_from(0, 1000));
  disk.files.inject({.call = Call::kRead});
  std::string room(1000, '\0');
  CHECK(!spill->take(room));
}

}  // namespace
}  // namespace respcask::server

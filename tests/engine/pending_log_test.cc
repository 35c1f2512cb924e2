#include "engine/pending_log.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

namespace respcask::engine {
namespace {

void append(PendingLog& log, size_t bytes) {
  std::memset(log.extend(bytes), 'x', bytes);
}

TEST_CASE("a pending log holds as much as it is used to, and no more than an ordinary block") {
  PendingLog log;
  CHECK(log.memory_bytes() == 0);
  append(log, 100);
  log.clear();
  CHECK(log.memory_bytes() == 4 * 1024);
  for (int i = 0; i < 100; ++i) append(log, 100);
  CHECK(log.memory_bytes() == 12 * 1024);
  log.clear();
  CHECK(log.memory_bytes() == 8 * 1024);
  append(log, 300'000);
  append(log, 200);
  CHECK(log.memory_bytes() == 8 * 1024 + 300'000 + 64 * 1024);
  log.clear();
  CHECK(log.memory_bytes() == 64 * 1024);
  CHECK(log.size() == 0);
  CHECK(log.pieces().empty());
}

TEST_CASE("a pending log that has grown gives back what it does not use any more") {
  PendingLog log;
  for (int i = 0; i < 1000; ++i) append(log, 100);
  log.clear();
  CHECK(log.memory_bytes() == 64 * 1024);
  append(log, 20'000);
  log.clear();
  CHECK(log.memory_bytes() == 64 * 1024);
  append(log, 100);
  log.clear();
  CHECK(log.memory_bytes() == 32 * 1024);
  for (int i = 0; i < 4; ++i) {
    append(log, 100);
    log.clear();
  }
  CHECK(log.memory_bytes() == 4 * 1024);
}

TEST_CASE("what a pending log has reserved it takes without more memory, in any pieces") {
  PendingLog log;
  append(log, 100);
  log.reserve(1000);
  CHECK(log.memory_bytes() == 4 * 1024);
  log.reserve(300'000);
  const size_t reserved = log.memory_bytes();
  CHECK(reserved == 4 * 1024 + 300'000);
  for (int i = 0; i < 3; ++i) append(log, 100'000);
  CHECK(log.memory_bytes() == reserved);
  CHECK(log.size() == 300'100);
}

TEST_CASE("a pending log that takes very much takes it in blocks that go back to the system") {
  PendingLog log;
  for (int i = 0; i < 64 * 1024; ++i) append(log, 1024);
  CHECK(log.pieces().size() < 300);
  CHECK(log.at(0, 1024).size() == 1024);
  CHECK(log.memory_bytes() < size_t{73} << 20);
  log.clear();
  CHECK(log.memory_bytes() == 64 * 1024);
}

TEST_CASE("what is pending is found where it was put, in blocks of any size") {
  PendingLog log;
  std::string all;
  for (int i = 0; i < 200; ++i) {
    const size_t size = i % 50 == 49 ? 70'000 : 500 + i;
    const std::string piece(size, static_cast<char>('a' + i % 26));
    std::memcpy(log.extend(size), piece.data(), size);
    all += piece;
  }
  std::string whole;
  for (const std::string_view piece : log.pieces()) whole += piece;
  CHECK(whole == all);
  CHECK(log.at(500, 501) == std::string(501, 'b'));
}

}  // namespace
}  // namespace respcask::engine

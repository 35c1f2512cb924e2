#include "engine/pending_log.h"

#include <doctest/doctest.h>

#include <cstring>
#include <string>

namespace respcask::engine {
namespace {

void append(PendingLog& log, size_t bytes) {
  std::memset(log.extend(bytes), 'x', bytes);
}

// As a commit does.
void commit(PendingLog& log) {
  log.written();
  log.trim();
}

TEST_CASE("a pending log that takes little holds little, one that takes much some kilobytes") {
  PendingLog log;
  CHECK(log.memory_bytes() == 0);
  append(log, 100);
  commit(log);
  CHECK(log.memory_bytes() == PendingLog::kFirstBlock);
  for (int i = 0; i < 10'000; ++i) {
    append(log, 100);
    if (i % 7 == 0) commit(log);
    CHECK(log.memory_bytes() <= PendingLog::kKept + 2 * PendingLog::kBlockSize);
  }
  CHECK(log.written_size() > PendingLog::kKept / 2);
  append(log, 300'000);
  CHECK(log.memory_bytes() > 300'000);
  commit(log);
  CHECK(log.memory_bytes() <= PendingLog::kKept + PendingLog::kBlockSize);
  CHECK(log.size() == 0);
  CHECK(log.pieces().empty());
}

TEST_CASE("a pending log that is cleared keeps a block") {
  PendingLog log;
  for (int i = 0; i < 1000; ++i) append(log, 100);
  log.clear();
  CHECK(log.memory_bytes() == PendingLog::kBlockSize);
  CHECK(log.size() == 0);
  CHECK(log.pieces().empty());
  append(log, 100);
  CHECK(log.memory_bytes() == PendingLog::kBlockSize);
}

TEST_CASE("what was written last is found until the file goes on elsewhere") {
  PendingLog log;
  std::string all;
  uint64_t unwritten = 0;
  for (int i = 0; i < 5000; ++i) {
    const std::string piece(20 + i % 300, static_cast<char>('a' + i % 26));
    std::memcpy(log.extend(piece.size()), piece.data(), piece.size());
    all += piece;
    unwritten += piece.size();
    REQUIRE(log.size() == unwritten);
    REQUIRE(log.at(piece.size(), piece.size()) == piece);
    if (log.written_size() > 0) {
      const size_t held = log.size() + log.written_size();
      REQUIRE(log.at(held, 20) == std::string_view(all).substr(all.size() - held, 20));
    }
    std::string pending;
    for (const std::string_view part : log.pieces()) pending += part;
    REQUIRE(pending == std::string_view(all).substr(all.size() - unwritten));
    if (i % 5 != 0) continue;
    commit(log);
    unwritten = 0;
  }
  log.begin_file();
  CHECK(log.written_size() == 0);
  const std::string_view kept = log.at(log.size(), 1);
  append(log, 50);
  log.written();
  log.begin_file();
  CHECK(kept == std::string(1, static_cast<char>('a' + 4996 % 26)));  // where it was
  append(log, 10);
  commit(log);
  CHECK(log.written_size() == 10);
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
  CHECK(log.at(all.size() - 500, 501) == std::string(501, 'b'));
}

}  // namespace
}  // namespace respcask::engine

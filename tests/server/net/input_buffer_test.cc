#include "server/net/input_buffer.h"

#include <doctest/doctest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

namespace respcask::server {
namespace {

void feed(InputBuffer& buffer, std::string_view bytes, size_t wanted = 0) {
  while (!bytes.empty()) {
    const std::span<char> room = buffer.room(wanted);
    REQUIRE(!room.empty());
    const size_t taken = std::min(room.size(), bytes.size());
    std::memcpy(room.data(), bytes.data(), taken);
    buffer.add(taken);
    bytes.remove_prefix(taken);
  }
}

TEST_CASE("block pool: blocks that a round needed stay at hand, and go when rounds need fewer") {
  BlockPool pool;
  constexpr size_t kBusy = 500, kKept = 64;
  const auto round = [&pool](size_t clients) {
    std::vector<char*> blocks;
    for (size_t i = 0; i < clients; ++i) blocks.push_back(pool.take());
    for (char* block : blocks) pool.give(block);
  };
  constexpr size_t kSpare = (kBusy - kKept) * BlockPool::kBlockBytes;
  round(kBusy);
  CHECK(pool.spare_bytes() == kSpare);
  pool.drop_idle();
  round(kBusy);
  pool.drop_idle();
  CHECK(pool.spare_bytes() == kSpare);
  round(100);
  pool.drop_idle();
  CHECK(pool.spare_bytes() == (100 - kKept) * BlockPool::kBlockBytes);
  pool.drop_idle();
  pool.drop_idle();
  CHECK(pool.spare_bytes() == 0);
  round(kKept);
  CHECK(pool.spare_bytes() == 0);
}

TEST_CASE("input buffer: what goes in comes out, however it is fed and consumed") {
  const unsigned seed = 20240611;
  CAPTURE(seed);
  std::mt19937 random(seed);
  BlockPool pool;
  InputBuffer buffer(pool);
  std::string expected;
  for (int step = 0; step < 20000; ++step) {
    switch (random() % 5) {
      case 0:
      case 1: {
        std::string bytes(random() % (step % 50 == 0 ? 100000 : 3000), '\0');
        for (char& c : bytes) c = static_cast<char>(random());
        feed(buffer, bytes, random() % 4 == 0 ? bytes.size() : 0);
        expected += bytes;
        break;
      }
      case 2:
      case 3: {
        const size_t count = expected.empty() ? 0 : random() % (expected.size() + 1);
        buffer.consume(count);
        expected.erase(0, count);
        break;
      }
      default:
        buffer.release_if_empty(random() % 2 == 0);
        if (random() % 4 == 0) buffer.fit();
        break;
    }
    REQUIRE(buffer.unread() == expected);
  }
}

TEST_CASE("input buffer: pinned bytes keep their place while more arrives") {
  BlockPool pool;
  InputBuffer buffer(pool);
  feed(buffer, "consumed");
  buffer.consume(8);
  const std::string waiting(10000, 'w');
  feed(buffer, waiting);
  const std::string_view pinned = buffer.unread();
  buffer.pin();
  std::string all = waiting;
  for (int i = 0; i < 20; ++i) {
    const std::string more(8000, static_cast<char>('a' + i));
    feed(buffer, more);
    all += more;
    REQUIRE(pinned == waiting);
    REQUIRE(buffer.unread() == all);
  }
  buffer.consume(waiting.size());
  buffer.unpin();
  CHECK(buffer.unread() == std::string_view(all).substr(waiting.size()));
}

TEST_CASE("input buffer: an empty one holds no memory") {
  BlockPool pool;
  InputBuffer buffer(pool);
  feed(buffer, "abc");
  CHECK(buffer.capacity() == BlockPool::kBlockBytes);
  buffer.release_if_empty(true);
  CHECK(buffer.capacity() == BlockPool::kBlockBytes);
  buffer.consume(3);
  buffer.release_if_empty(false);
  CHECK(buffer.capacity() == 0);

  feed(buffer, std::string(1'000'000, 'x'));
  buffer.consume(1'000'000);
  buffer.release_if_empty(false);
  CHECK(buffer.capacity() >= 1'000'000);
  buffer.release_if_empty(true);
  CHECK(buffer.capacity() == 0);
}

TEST_CASE("input buffer: who sends more than fits gets a larger one, within a bound") {
  BlockPool pool;
  InputBuffer buffer(pool);
  for (int round = 0; round < 10; ++round) {
    buffer.add(buffer.room(0).size());
    buffer.consume(buffer.unread().size() - 100);
  }
  CHECK(buffer.capacity() == InputBuffer::kPipelineBytes);
  CHECK(buffer.unread().size() == 100);

  InputBuffer other(pool);
  for (int round = 0; round < 10; ++round) {
    other.room(0);
    other.add(BlockPool::kBlockBytes / 2);
    other.consume(other.unread().size());
  }
  CHECK(other.capacity() == BlockPool::kBlockBytes);
}

TEST_CASE(
    "input buffer: what waits for long keeps what is unread, and the next reads are whole again") {
  BlockPool pool;
  InputBuffer buffer(pool);
  feed(buffer, "first");
  buffer.consume(5);
  feed(buffer, "second");
  buffer.pin();
  CHECK(buffer.fit());
  CHECK(!buffer.fit());
  CHECK(buffer.unread() == "second");
  CHECK(buffer.capacity() < 100);
  feed(buffer, std::string(1000, 'x'));
  CHECK(buffer.fit());
  CHECK(buffer.capacity() < 1100);
  CHECK(buffer.unread() == "second" + std::string(1000, 'x'));

  buffer.unpin();
  buffer.consume(6);
  feed(buffer, std::string(200, 'x'));
  CHECK(buffer.capacity() == BlockPool::kBlockBytes);
  CHECK(buffer.unread() == std::string(1200, 'x'));
  CHECK(buffer.fit());
  buffer.consume(1200);
  buffer.release_if_empty(false);
  CHECK(buffer.capacity() == 0);
  CHECK(buffer.room(0).size() == BlockPool::kBlockBytes);
}

TEST_CASE("input buffer: a claimed length is no reason to grow") {
  BlockPool pool;
  InputBuffer buffer(pool);
  feed(buffer, "*1\r\n$536870912\r\n", 536870912);
  CHECK(buffer.capacity() == BlockPool::kBlockBytes);
  // Beyond some 256 KiB growing follows what has arrived, and it stops at what is needed.
  const size_t total = 2'000'000;
  std::string bytes(total, 'x');
  BlockPool other_pool;
  InputBuffer other(other_pool);
  while (!bytes.empty()) {
    const std::span<char> room = other.room(bytes.size());
    const size_t taken = std::min(room.size(), bytes.size());
    other.add(taken);
    bytes.resize(bytes.size() - taken);
    const size_t used = other.unread().size();
    CHECK(other.capacity() <= std::max(2 * used, used + 256 * 1024) + 4096);
  }
  CHECK(other.capacity() < total + 2 * 4096);
}

}  // namespace
}  // namespace respcask::server

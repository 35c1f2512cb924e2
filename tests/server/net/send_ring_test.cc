#include "server/net/send_ring.h"

#include <doctest/doctest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <memory>
#include <string>
#include <vector>

namespace respcask::server {
namespace {

// Two ends of a connection.
struct Pair {
  Pair() { REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0); }
  ~Pair() {
    close(0);
    close(1);
  }
  Pair(const Pair&) = delete;
  Pair& operator=(const Pair&) = delete;

  void close(size_t end) {
    if (ends[end] >= 0) ::close(ends[end]);
    ends[end] = -1;
  }
  // What has arrived at the second end.
  std::string received() const {
    std::string bytes(1 << 20, '\0');
    const ssize_t got = ::recv(ends[1], bytes.data(), bytes.size(), MSG_DONTWAIT);
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
  }

  std::array<int, 2> ends{-1, -1};
};

TEST_CASE("each of many sends arrives at its own socket, and is told of in order") {
  const std::unique_ptr<SendRing> ring = SendRing::open();
  if (!ring) {
    MESSAGE("no io_uring here: nothing is tested");
    return;
  }
  for (const size_t count : {size_t{1}, size_t{3}, size_t{SendRing::kDepth}}) {
    const std::vector<Pair> pairs(count);
    std::vector<std::string> texts;
    for (size_t i = 0; i < count; ++i) {
      texts.push_back(std::string(i + 1, static_cast<char>('a' + i % 26)));
    }
    for (size_t i = 0; i < count; ++i) ring->add(pairs[i].ends[0], texts[i]);
    const auto results = ring->send_all();
    REQUIRE(results.size() == count);
    for (size_t i = 0; i < count; ++i) {
      CHECK(results[i] == static_cast<int32_t>(i + 1));
      CHECK(pairs[i].received() == texts[i]);
    }
  }
  CHECK(ring->send_all().empty());
}

TEST_CASE("a send that would wait, and one that fails, say so and hold up no other") {
  const std::unique_ptr<SendRing> ring = SendRing::open();
  if (!ring) return;
  Pair full;
  Pair half;
  Pair gone;
  const Pair sound;
  const std::string much(8 << 20, 'x');
  // A socket blocks here, and still no send waits.
  while (::send(full.ends[0], much.data(), much.size(), MSG_DONTWAIT) > 0) {
  }
  gone.close(1);
  const int closed = ::dup(sound.ends[0]);
  ::close(closed);
  ring->add(full.ends[0], "one");
  ring->add(half.ends[0], much);
  ring->add(gone.ends[0], "three");
  ring->add(closed, "four");
  ring->add(sound.ends[0], "five");
  const auto results = ring->send_all();
  REQUIRE(results.size() == 5);
  CHECK(results[0] == -EAGAIN);
  CHECK(results[1] > 0);
  CHECK(results[1] < static_cast<int32_t>(much.size()));
  CHECK(results[2] == -EPIPE);
  CHECK(results[3] == -EBADF);
  CHECK(results[4] == 4);
  CHECK(sound.received() == "five");
}

}  // namespace
}  // namespace respcask::server
